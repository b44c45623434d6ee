"""Every property has one column, and a column once given never changes its name or its kind."""

import json
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dlt.common.normalizers.naming import snake_case
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ScopeMissingError
from sources.hubspot.http.client import Client
from sources.hubspot.model import Column, ObjectType
from sources.hubspot.tables.properties import (
    Definition,
    decode_definitions,
    kind_of,
    pack,
    read_definitions,
    to_schema,
    unpack,
)
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Token

CASES = json.loads((Path(__file__).parent / "cases" / "columns.json").read_text("utf-8"))
CONTACTS = ObjectType(table="contacts", path="contacts", type_id="0-1")


def naming(length: int | None = None) -> Callable[[str], str]:
    """Return dlt's naming of identifiers of at most this length."""
    normalize: Callable[[str], str] = snake_case.NamingConvention(length).normalize_identifier
    return normalize


def columns_of(
    definitions: Sequence[Definition],
    known: Sequence[Column] = (),
    length: int | None = None,
) -> tuple[Column, ...]:
    """Return the columns that definitions get."""
    return to_schema("contacts", definitions, known, naming(length)).columns


@pytest.mark.parametrize(
    ("definition", "kind"),
    [pytest.param(case[1], case[2], id=case[0]) for case in CASES["kinds"]],
)
def test_kind(definition: dict[str, Any], kind: str) -> None:
    """A property's type decides the kind of its column; numbers that are ids stay text."""
    assert kind_of(msgspec.convert({"name": "a"} | definition, Definition)) == kind


@pytest.mark.parametrize(
    ("known", "definitions", "names"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES["names"]],
)
def test_names(known: list[list[str]], definitions: list[list[str]], names: list[str]) -> None:
    """Columns are named as the table of cases says, in whatever order HubSpot lists properties."""
    rows = [Definition(name, type=type_) for name, type_ in definitions]
    given_before = unpack([[*mapping, "", ""] for mapping in known])
    wanted = dict(zip([name for name, _ in definitions], names, strict=True))
    for order in permutations(rows):
        columns = columns_of(order, given_before)
        assert {column.property: column.name for column in columns} == wanted
        assert [column.property for column in columns] == sorted(wanted)


def test_what_a_column_tells() -> None:
    """A new column keeps the property's type and label, a known one what it had."""
    row = Definition("amount", label="Amount", type="number")
    (column,) = columns_of([row])
    assert column == Column("amount", "amount", "double", "number", "Amount")
    assert columns_of([Definition("amount", label="Sum", type="number")], [column]) == (column,)


def test_archived_properties_have_no_column() -> None:
    """A property that is archived is not asked for; its name stays taken."""
    known = columns_of([Definition("a"), Definition("b")])
    assert columns_of([Definition("a", archived=True), Definition("b")], known) == known[1:]
    assert columns_of([Definition("A"), Definition("b")], known)[0].name == "a_string"


def test_a_type_that_changes_back_finds_its_old_column() -> None:
    """Each kind of a property has one column for ever, whatever came between."""
    number, text = Definition("amount", type="number"), Definition("amount", type="string")
    known = columns_of([number])
    known += columns_of([text], known)
    assert [column.name for column in known] == ["amount", "amount_string"]
    assert columns_of([number], known) == known[:1]
    assert columns_of([Definition("amount", type="enumeration")], known) == known[1:]


NAMES = st.one_of(
    st.text("aB_ 1-é", max_size=8),
    st.text(max_size=12),
    st.sampled_from(["id", "ID", "_hs_x", "_dlt_id", "-hs-x", "_hs_hs", "9", "", " ", "x" * 90]),
    st.text("ab_", min_size=60, max_size=100),
)
ROWS = st.lists(
    st.builds(Definition, NAMES, type=st.sampled_from(["string", "number", "bool", "date"])),
    max_size=10,
    unique_by=lambda row: row.name,
)


@settings(max_examples=150, deadline=None)
@given(
    before=ROWS,
    after=ROWS,
    length=st.sampled_from([None, 30, 63]),
    random=st.randoms(note_method_calls=False),
)
def test_names_for_any_properties(
    before: list[Definition], after: list[Definition], length: int | None, random: Any
) -> None:
    """Names are unique, never ours, short enough, final, and the same in any order of listing."""
    normalize = naming(length)
    known = columns_of(before, (), length)
    columns = columns_of(after, known, length)
    names = [column.name for column in {*known, *columns}]
    assert len(names) == len(set(names))
    assert [column.property for column in columns] == sorted(row.name for row in after)
    for name in names:
        assert normalize(name) == name
        assert not name.startswith(("_hs_", "_dlt_"))
        assert name != "id"
    kept = {(column.property, column.kind): column for column in known}
    assert all(kept.get((c.property, c.kind), c) == c for c in columns)
    random.shuffle(after)
    assert columns_of(after, known[::-1], length) == columns


def test_a_thousand_properties() -> None:
    """A wide type keeps a column for each property, and all of them fit the state as JSON."""
    rows = [Definition(f"Property {i}", label=f"Label {i}") for i in range(1000)]
    columns = columns_of(rows)
    assert len({column.name for column in columns}) == 1000
    packed = json.loads(json.dumps(pack(columns)))
    assert tuple(unpack(packed)) == columns
    assert len(json.dumps(packed)) < 100_000


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        pytest.param(b'{"results": []}', [], id="none"),
        pytest.param(
            b'{"results": [{"name": "a", "new": {"b": 1}}]}', [None], id="unknown members"
        ),
        pytest.param(
            rb'{"results": [{"name": "a", "label": "A\ud83d"}, {"name": "b", "label": "\u00dc"}]}',
            ["A\ufffd", "Ü"],
            id="a label cut in two",
        ),
    ],
)
def test_decode_definitions(body: bytes, labels: list[str | None]) -> None:
    """Only names are needed; what is unknown or broken in one definition loses no other."""
    assert [row.label for row in decode_definitions(body)] == labels


@pytest.mark.parametrize("body", [b"<html>", b'{"results": [{"name": "a'], ids=["html", "cut"])
def test_definitions_that_are_no_whole_json(body: bytes) -> None:
    """A body that is not JSON raises an error that is not about its shape."""
    with pytest.raises(msgspec.DecodeError) as caught:
        decode_definitions(body)
    assert not isinstance(caught.value, msgspec.ValidationError)


@pytest.mark.parametrize("body", [b"[]", b'{"results": [{"label": "a"}]}'], ids=["list", "no name"])
def test_definitions_of_another_shape(body: bytes) -> None:
    """JSON without named definitions is told from broken JSON."""
    with pytest.raises(msgspec.ValidationError):
        decode_definitions(body)


@pytest.fixture
def odd_portal(portal: Portal) -> Portal:
    """A portal with a handful of contacts and a property with sensitive data."""
    portal.reset(SeedSpec(contacts=2, properties=0))
    return portal


def test_read_definitions(odd_portal: Portal, config: HubSpotConfig) -> None:
    """All definitions are read in one call; those with sensitive data in two more, when asked."""
    names = {row.name for row in read_definitions(Client(config), CONTACTS)}
    assert {"email", "hs_object_id"} <= names
    assert "passport_number" not in names
    assert odd_portal.journal.count(path_contains="/properties/") == 1
    found = read_definitions(Client(config), CONTACTS, sensitive=True)
    assert {"email", "passport_number"} <= {row.name for row in found}
    assert odd_portal.journal.count(path_contains="/properties/") == 4


@pytest.mark.parametrize("status", [400, 403])
def test_refused_sensitive_definitions(
    odd_portal: Portal, config: HubSpotConfig, status: int
) -> None:
    """Where HubSpot refuses sensitive definitions, the others are all there is."""
    for nth in (2, 3):
        odd_portal.faults.add(method="GET", path="properties", nth=nth, status=status)
    found = read_definitions(Client(config), CONTACTS, sensitive=True)
    names = {row.name for row in found}
    assert "email" in names
    assert "passport_number" not in names


def test_definitions_that_a_token_may_not_read(portal: Portal, config: HubSpotConfig) -> None:
    """Where not even the usual definitions may be read, the table cannot be, and that is said."""
    portal.settings.tokens[config.access_token] = Token(frozenset({"crm.objects.deals.read"}))
    with pytest.raises(ScopeMissingError):
        read_definitions(Client(config), CONTACTS)
