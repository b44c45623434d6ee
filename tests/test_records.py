"""Pages become rows, and what does not fit becomes rejects."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sources.hubspot.model import Column, Kind, TableSchema
from sources.hubspot.tables.casts import cast
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.records import (
    OWN_COLUMNS,
    REJECTS,
    Batch,
    arrow_schema,
    instants_ms,
    to_batch,
    tombstones,
)

KINDS: tuple[Kind, ...] = ("text", "double", "bool", "date", "timestamp")
NOW = datetime(2024, 9, 11, 13, tzinfo=UTC)
SCHEMA = TableSchema("contacts", tuple(Column(kind, kind, kind, "") for kind in KINDS))


def schema_of(*names: str) -> TableSchema:
    """Make a table of texts whose columns have the names of their properties."""
    return TableSchema("contacts", tuple(Column(name, name, "text", "") for name in names))


def body_of(*records: dict[str, Any]) -> bytes:
    """Make an answer; what a record does not say is usual."""
    usual: dict[str, Any] = {"id": "1", "properties": {}}
    return json.dumps({"results": [usual | record for record in records]}).encode()


def batch_of(body: bytes, schema: TableSchema = SCHEMA, **options: Any) -> Batch:
    """Decode an answer and make columns of it."""
    records = RecordDecoder(schema).page(body).results
    return to_batch(records, schema, synced_at=NOW, **options)


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the row that one record becomes."""
    row: dict[str, Any] = batch_of(body_of(record)).rows.to_pylist()[0]
    return row


@pytest.mark.parametrize("kind", KINDS)
def test_absent_null_and_empty_are_null(kind: Kind) -> None:
    """A value that is missing, null or empty is null without a reject."""
    records = ({}, {"properties": {kind: None}}, {"properties": {kind: ""}})
    batch = batch_of(body_of(*records))
    assert batch.rows[kind].to_pylist() == [None] * 3
    assert batch.rejects.num_rows == 0


def test_columns() -> None:
    """A table has its id, its properties and our columns, in this order, with these types."""
    schema = batch_of(body_of({})).rows.schema
    assert schema == arrow_schema(SCHEMA)
    assert schema.names == ["id", *KINDS, *OWN_COLUMNS]
    assert not schema.field("id").nullable
    types = ["string", "string", "double", "bool", "date32[day]", "timestamp[us, tz=UTC]"]
    assert [str(kind) for kind in schema.types[:6]] == types


@pytest.mark.parametrize("records", [0, 1, 3])
@pytest.mark.parametrize("names", [(), ("one",), ("one", "two")], ids=len)
def test_any_number_of_rows_and_columns(names: Sequence[str], records: int) -> None:
    """A block may be empty, and so may a table."""
    schema = schema_of(*names)
    batch = batch_of(body_of(*[{}] * records), schema)
    assert batch.rows.num_rows == records
    assert batch.rows.schema == arrow_schema(schema)
    assert (batch.rejects.num_rows, batch.rejects.schema) == (0, REJECTS)


def test_rejects() -> None:
    """A value that does not fit is null, and its text is kept with where, why and when."""
    batch = batch_of(body_of({"id": "7", "properties": {"double": "N/A", "date": "2020-02-29"}}))
    assert batch.rows["double"].to_pylist() == [None]
    assert batch.rows["date"].to_pylist() == [date(2020, 2, 29)]
    assert batch.rejects.to_pylist() == [
        {
            "table_name": "contacts",
            "id": "7",
            "property": "double",
            "raw_value": "N/A",
            "reason": "not_a_number",
            "seen_at": NOW,
        }
    ]


def rejected(batch: Batch) -> dict[tuple[str, str], tuple[str, str]]:
    """Return raw text and reason by id and property."""
    rows = batch.rejects.to_pylist()
    return {(r["id"], r["property"]): (r["raw_value"], r["reason"]) for r in rows}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(5, "5", id="integer"),
        pytest.param(2**64 + 1, "18446744073709551617", id="long integer"),
        pytest.param(1.5, "1.5", id="float"),
        pytest.param(True, "true", id="true"),
        pytest.param(False, "false", id="false"),
        pytest.param({"a": [1, 1.5, "ü"]}, '{"a": [1, 1.5, "ü"]}', id="object"),
        pytest.param([], "[]", id="list"),
        pytest.param("\ud83d\ude00", "😀", id="escaped pair"),
    ],
)
def test_values_that_are_no_strings(value: Any, text: str) -> None:
    """A value that is not the usual string becomes its text, without a reject."""
    batch = batch_of(body_of({"properties": {"text": value}}))
    assert batch.rows["text"].to_pylist() == [text]
    assert batch.rejects.num_rows == 0


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(b"0.10000000000000000001", id="more than a double holds"),
        pytest.param(b"1.50", id="a zero at the end"),
        pytest.param(b"1e5", id="exponent"),
        pytest.param(b"1e99999999999999999999", id="exponent beyond decimals"),
        pytest.param(b"1" * 5000, id="endless integer"),
        pytest.param(b"NaN", id="no number"),
        pytest.param(b'{"a": [1.50, -1e5]}', id="inside an object"),
    ],
)
def test_digits_of_a_json_number_are_kept(number: bytes) -> None:
    """A JSON number goes into a text column digit by digit."""
    body = b'{"results": [{"id": 1, "properties": {"text": %s}}]}' % number
    assert batch_of(body).rows["text"].to_pylist() == [number.decode()]


@pytest.mark.parametrize(
    ("inside", "text", "raw"),
    [
        pytest.param(rb"a\ud800", "a\ufffd", r"a\ud800", id="first half"),
        pytest.param(rb"\udc00b", "\ufffdb", r"\udc00b", id="second half"),
        pytest.param(rb"\ud800", "\ufffd", r"\ud800", id="nothing else"),
        pytest.param(b"a\xffb", "a\ufffdb", r"a\udcffb", id="a byte that is no UTF-8"),
        pytest.param(rb"a\qb", "a\ufffdqb", r"a\qb", id="an escape that is none"),
        pytest.param(rb"\u12", "\ufffdu12", r"\u12", id="an escape cut short"),
        pytest.param(rb"\\\x\"", '\\\ufffdx"', r"\\x" + '"', id="beside one that is"),
    ],
)
def test_what_is_no_character_is_replaced(inside: bytes, text: str, raw: str) -> None:
    """A broken character costs itself alone: its value is mended and rejected, the page is kept."""
    body = b'{"results": [{"id": "1", "properties": {"text": "%s", "double": "2"}}]}' % inside
    batch = batch_of(body)
    assert (batch.rows["text"].to_pylist(), batch.rows["double"].to_pylist()) == ([text], [2.0])
    assert rejected(batch) == {("1", "text"): (raw, "invalid_unicode")}


def test_nul_characters_stay_unless_a_warehouse_cannot_hold_them() -> None:
    """NUL is kept; with `strip_nul` it is gone from rows and rejects, and the reject shows it."""
    body = body_of({"properties": {"text": "a\0b", "double": "1\0"}})
    assert batch_of(body).rows["text"].to_pylist() == ["a\0b"]
    stripped = batch_of(body, strip_nul=True)
    assert stripped.rows["text"].to_pylist() == ["ab"]
    assert rejected(stripped) == {
        ("1", "text"): (r"a\0b", "nul_character"),
        ("1", "double"): (r"1\0", "not_a_number"),
    }


@pytest.mark.parametrize(
    "name",
    ["", "a b", "ümlaut", "p1", "results", "_hs_mended", 'quo"te', "back\\slash", "new\nline"],
    ids=ascii,
)
@pytest.mark.parametrize("value", ["x", 5], ids=["fast", "slow"])
def test_any_name_of_a_property(name: str, value: Any) -> None:
    """A property's value is found whatever its name is."""
    batch = batch_of(body_of({"properties": {name: value, "other": "y"}}), schema_of("p0", name))
    assert batch.rows.column(2).to_pylist() == [str(value)]
    assert batch.rows.column(1).to_pylist() == [None]


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates, too
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)
    ),
    max_leaves=5,
)
ANY_RECORD = st.fixed_dictionaries(
    {
        "id": st.one_of(st.integers(), ANY_TEXT.filter(bool)),
        "properties": st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, ANY_JSON)),
    },
    optional=dict.fromkeys(("createdAt", "updatedAt", "archivedAt"), ANY_JSON),
)


@settings(max_examples=150, deadline=None)
@given(record=ANY_RECORD, strip_nul=st.booleans(), ascii_only=st.booleans())
def test_any_record_goes_through(
    record: dict[str, Any], *, strip_nul: bool, ascii_only: bool
) -> None:
    """A record of this shape is never lost; a value that is not null is kept or rejected."""
    text = json.dumps({"results": [record]}, ensure_ascii=ascii_only)
    batch = batch_of(text.encode("utf-8", "surrogatepass"), strip_nul=strip_nul)
    row, found = batch.rows.to_pylist()[0], rejected(batch)
    for kind, value in record["properties"].items():
        has_value = value is not None and value != ""
        assert has_value == (row[kind] is not None or (row["id"], kind) in found)
        if kind == "text" and isinstance(value, str) and (row["id"], kind) not in found:
            assert row[kind] == (value or None)
    if strip_nul:
        assert not any("\0" in raw for raw, _ in found.values())


@settings(max_examples=150, deadline=None)
@given(answer=ANY_JSON, record=ANY_JSON)
@example(answer={}, record={"id": "1", "properties": {"text": 5}})
def test_any_json_is_records_or_an_error(answer: Any, record: Any) -> None:
    """Whatever JSON an answer is, it is records or the one kind of error that callers know."""
    whole = {**(answer if isinstance(answer, dict) else {}), "results": [record]}
    for body in (answer, whole, whole | {"results": record}):
        try:
            page = RecordDecoder(SCHEMA).page(json.dumps(body).encode())
        except msgspec.ValidationError:
            continue
        to_batch(page.results, SCHEMA, synced_at=NOW)


@given(cut=st.integers(min_value=0, max_value=10**4), value=st.sampled_from(["x", 5, "\ud800"]))
def test_any_body_cut_short(cut: int, value: Any) -> None:
    """A body that ends too early is never taken for a shorter list of records."""
    body = body_of({"properties": {"text": value, "double": "1"}}, {"archived": True})
    with pytest.raises(msgspec.DecodeError) as caught:
        RecordDecoder(SCHEMA).page(body[: cut % len(body)])
    assert not isinstance(caught.value, msgspec.ValidationError)


@pytest.mark.parametrize("body", [b'"a": "1", "a": "2"', b'"a": 1, "a": "2"'], ids=["fast", "slow"])
def test_the_last_of_equal_members_counts(body: bytes) -> None:
    """Where a member comes twice, its last value is taken."""
    answer = b'{"results": [{"id": "1", "properties": {%s}}]}' % body
    assert batch_of(answer, schema_of("a")).rows["a"].to_pylist() == ["2"]


def test_ids_may_be_numbers() -> None:
    """An id is text, even where HubSpot writes a number, beyond what a double holds."""
    assert row_of({"id": 9007199254740993})["id"] == "9007199254740993"


def test_an_id_that_cannot_be_encoded() -> None:
    """A broken character in an id does not cost the page."""
    assert row_of({"id": "1\ud800"})["id"] == "1\ufffd"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>502</html>", b'{"results": [{"id": "1", "prop', b"[" * 10**5],
    ids=["empty", "html", "cut short", "endless"],
)
def test_what_is_no_whole_json(body: bytes) -> None:
    """A body that is not JSON raises an error that is not about its shape."""
    with pytest.raises(msgspec.DecodeError) as caught:
        RecordDecoder(SCHEMA).page(body)
    assert not isinstance(caught.value, msgspec.ValidationError)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"results": {}},
        {"results": ["1"]},
        {"results": [{"properties": {}}]},
        {"results": [{"id": None, "properties": {}}]},
        {"results": [{"id": 1.5, "properties": {}}]},
        {"results": [{"id": "", "properties": {}}]},
        {"results": [], "paging": "next"},
        {"results": [], "paging": {"next": {"after": ""}}},
    ],
    ids=json.dumps,
)
def test_json_of_another_shape(answer: Any) -> None:
    """JSON that holds no records is told from broken JSON; nothing is guessed."""
    with pytest.raises(msgspec.ValidationError):
        RecordDecoder(SCHEMA).page(json.dumps(answer).encode())


AT = "2024-09-11T13:27:39.356Z"
AT_MS = 1726061259356
INSTANT = datetime(2024, 9, 11, 13, 27, 39, 356000, UTC)


@pytest.mark.parametrize("at", [AT, AT_MS, str(AT_MS)], ids=["text", "number", "digits"])
def test_instants_of_a_record(at: Any) -> None:
    """A record's own instants are read from ISO text and epoch milliseconds."""
    row = row_of({"createdAt": at, "updatedAt": at})
    assert (row["_hs_created_at"], row["_hs_updated_at"]) == (INSTANT, INSTANT)
    records = RecordDecoder(SCHEMA).page(body_of({"updatedAt": at}, {"id": "2"})).results
    assert instants_ms(records) == {"1": AT_MS, "2": 0}


def test_an_instant_of_a_record_that_does_not_fit() -> None:
    """A record's own instant is null with a reject where it is none, broken text or not."""
    batch = batch_of(body_of({"createdAt": "soon", "updatedAt": "\ud800"}))
    assert [batch.rows[f"_hs_{name}_at"].to_pylist() for name in ("created", "updated")] == [
        [None],
        [None],
    ]
    assert {reason for _, reason in rejected(batch).values()} == {"not_a_timestamp"}


@pytest.mark.parametrize(
    ("record", "at"),
    [
        pytest.param({"archived": False}, None, id="live"),
        pytest.param({"archived": None}, None, id="null"),
        pytest.param({"archivedAt": AT}, None, id="live again"),
        pytest.param({"archived": True, "archivedAt": AT, "updatedAt": 0}, INSTANT, id="archived"),
        pytest.param({"archived": True, "updatedAt": AT}, INSTANT, id="instant of the change"),
        pytest.param({"archived": True}, NOW, id="no instant"),
        pytest.param({"archived": True, "archivedAt": "soon"}, NOW, id="no usable instant"),
    ],
)
def test_archived_records(record: dict[str, Any], at: datetime | None) -> None:
    """An archived record says when it was deleted, a live one never does."""
    row = row_of(record)
    assert row["_hs_archived"] is (at is not None)
    assert row["_hs_deletion"] == ("archived" if at else None)
    assert (row["_hs_deleted_at"], row["_hs_synced_at"]) == (at, NOW)


@pytest.mark.parametrize("records", [1, 7, 64])
def test_each_of_many_columns_gets_its_own_values(records: int) -> None:
    """Values and rejects stay with their property and record, however many columns there are."""
    kinds = [KINDS[i % 5] for i in range(200)]
    schema = TableSchema(
        "contacts", tuple(Column(f"c{i}", f"c{i}", kinds[i], "") for i in range(200))
    )
    texts = [{f"c{i}": f"{r * 200 + i}" for i in range(200) if (r + i) % 3} for r in range(records)]
    body = body_of(*({"id": str(r), "properties": texts[r]} for r in range(records)))
    batch = batch_of(body, schema)
    assert batch.rows.schema == arrow_schema(schema)
    reasons = {}
    for column in schema.columns:
        values = [row.get(column.property) for row in texts]
        array, found = cast(pa.array(values, pa.string()), column.kind)
        assert batch.rows[column.name].to_pylist() == array.to_pylist()
        reasons |= {(str(r), column.property): (values[r], why) for r, why in found.items()}
    assert rejected(batch) == reasons


def test_tombstones() -> None:
    """An id that was merged away has no values, only what became of it."""
    table = tombstones({"1": "3", "2": "3"}, SCHEMA, synced_at=NOW)
    assert table.schema == arrow_schema(SCHEMA)
    row = {name: value for name, value in table.to_pylist()[0].items() if value is not None}
    assert row == {
        "id": "1",
        "_hs_archived": True,
        "_hs_deleted_at": NOW,
        "_hs_deletion": "merged",
        "_hs_merged_into": "3",
        "_hs_synced_at": NOW,
    }
    assert table["id"].to_pylist() == ["1", "2"]
    assert tombstones({}, SCHEMA, synced_at=NOW).num_rows == 0


@pytest.mark.parametrize(
    ("text", "ids"),
    [(None, []), ("", []), ("5", ["5"]), (";5; 6;5;1;", ["5", "6"])],
    ids=["null", "empty", "one", "untidy"],
)
def test_merged_ids(text: str | None, ids: list[str]) -> None:
    """The ids merged into a record are listed once each, and never its own."""
    name = "hs_merged_object_ids"
    for schema, expected_ids in ((schema_of(name), ids), (SCHEMA, [])):
        decoder = RecordDecoder(schema)
        record = decoder.page(body_of({"id": "1", "properties": {name: text}})).results[0]
        assert decoder.merged_ids(record) == expected_ids
