"""A page is never lost: not by the names of its properties, nor by what their values are."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.hubspot.model import Column, Kind, TableSchema
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.records import to_batch

KINDS: tuple[Kind, ...] = ("text", "double", "bool", "date", "timestamp")
NOW = datetime(2024, 9, 11, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    ["a b", "ümlaut", 'quo"te', "back\\slash", "new\nline", "", "p1", "results", "_hs_mended"],
)
def test_any_name_of_a_property(name: str) -> None:
    """A property's value arrives whatever its name is."""
    schema = TableSchema("t", (Column(name, "one", "text", ""), Column("p0", "two", "text", "")))
    body = json.dumps({"results": [{"id": "1", "properties": {name: "x", "p0": "y"}}]}).encode()
    records = RecordDecoder(schema).page(body).results
    (row,) = to_batch(records, schema, synced_at=NOW).rows.to_pylist()
    assert (row["one"], row["two"]) == ("x", "y")


@pytest.mark.parametrize("id_", ["1", 1], ids=["fast", "slow"])
def test_members_of_the_envelope(id_: Any) -> None:
    """Cursor, total and errors of an answer are there, however it is decoded."""
    answer = {
        "total": 5,
        "results": [{"id": id_, "properties": {}}],
        "paging": {"next": {"after": "2", "link": "…"}},
        "errors": [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["3"]}}],
    }
    page = RecordDecoder(TableSchema("t", ())).page(json.dumps(answer).encode())
    assert (page.total, page.after, page.errors[0].context) == (5, "2", {"ids": ["3"]})
    assert [record.id for record in page.results] == ["1"]


def test_any_order_of_properties() -> None:
    """Each value arrives in its own column, in whatever order each page names the properties."""
    names = ["a", "b", "c", "d"]
    schema = TableSchema("t", tuple(Column(name, name, "text", "") for name in names))
    decoder = RecordDecoder(schema)
    for order in ("dbca", "abcd", "ca", "", "dcbxa"):
        properties = {name: f"{name} of {order}" for name in order}
        found = [{"id": "1", "properties": properties}, {"id": "2", "properties": {"b": "2"}}]
        records = decoder.page(json.dumps({"results": found}).encode()).results
        rows = to_batch(records[::-1], schema, synced_at=NOW).rows.select(["id", *names])
        nothing = dict.fromkeys(names)
        first = {"id": "1"} | nothing | {name: properties.get(name) for name in names}
        assert rows.to_pylist() == [{"id": "2"} | nothing | {"b": "2"}, first]


def test_property_that_nobody_asked_for() -> None:
    """What a page holds beside the table's properties is not even looked at."""
    body = b'{"results": [{"id": "1", "properties": {"huge": 1e999, "a": "x"}}]}'
    schema = TableSchema("t", (Column("a", "a", "text", ""),))
    records = RecordDecoder(schema).page(body).results
    assert to_batch(records, schema, synced_at=NOW).rows["a"].to_pylist() == ["x"]


def test_own_id_among_the_merged_ones() -> None:
    """A record is never taken for one that was merged into itself."""
    schema = TableSchema("t", (Column("hs_merged_object_ids", "merged", "text", ""),))
    properties = {"hs_merged_object_ids": "5; 6;5;1;"}
    body = json.dumps({"results": [{"id": "1", "properties": properties}]}).encode()
    decoder = RecordDecoder(schema)
    assert decoder.merged_ids(decoder.page(body).results[0]) == ["5", "6"]


HALVES = st.integers(0xD800, 0xDFFF).map(chr)  # of characters, as a cut text holds them
TEXT = st.text(max_size=5) | st.tuples(st.text(max_size=2), HALVES).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(KINDS), values=st.lists(JSON, max_size=4), strip_nul=st.booleans())
def test_any_json_goes_through(kind: Kind, values: list[Any], *, strip_nul: bool) -> None:
    """A record of any JSON values becomes a row: a value is null, in its column or rejected."""
    schema = TableSchema("t", (Column("a", "a", kind, ""),))
    results = [{"id": str(i), "properties": {"a": value}} for i, value in enumerate(values)]
    records = RecordDecoder(schema).page(json.dumps({"results": results}).encode()).results
    batch = to_batch(records, schema, synced_at=NOW, strip_nul=strip_nul)
    rejected = set(batch.rejects["id"].to_pylist())
    for index, (value, cell) in enumerate(zip(values, batch.rows["a"].to_pylist(), strict=True)):
        assert cell is not None or value in (None, "") or str(index) in rejected
