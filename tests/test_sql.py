"""One statement for every destination: names, values and changes come out as each takes them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dlt
import pytest

from destinations.resolve import make_destination
from sources.hubspot.warehouse.sql import ColumnName, TableName, Tables, named, open_tables
from sources.hubspot.warehouse.sql.keys import LONG, parts
from sources.hubspot.warehouse.sql.translate import Language

ODD = ["it's", 'a "b"', "back\\slash", "100 % of :name and ?", "two\nlines", "😀", "", "\\", "';--"]
AT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
_OF_DLT: Any = {
    name: {"data_type": "text", "nullable": True} for name in ("_dlt_id", "_dlt_load_id")
}
DIALECTS = ("duckdb", "postgres", "mysql", "snowflake", "bigquery", "databricks", "redshift")
_LIBRARIES = {"delta": "deltalake", "iceberg": "pyiceberg"}  # of the extra `lake`
_LAKE = [name for name, library in _LIBRARIES.items() if find_spec(library)]


@pytest.fixture(params=["duckdb", "postgres", *_LAKE])
def tables(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tables]:
    """Two tables, of records and of links, in a dataset of their own."""
    if request.param == "postgres":
        uri = request.getfixturevalue("server_uri")
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", uri)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / "w.duckdb"))
    destination = request.param
    if destination in _LAKE:
        monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", tmp_path.as_uri())
        monkeypatch.setenv("DESTINATION__FILESYSTEM__TABLE_FORMAT", destination)
        destination = make_destination("filesystem")
    pipeline = dlt.pipeline("sql", str(tmp_path), destination=destination, dataset_name="of_sql")
    columns: Any = {
        "at": {"data_type": "timestamp"},
        "size": {"data_type": "bigint"},
        "order": {"data_type": "text"},
        "ok": {"data_type": "bool"},
    }
    records = [{"id": str(n), "size": n, "order": "x", "at": AT, "ok": True} for n in range(5)]
    links = [{"from_id": str(a), "to_id": str(b)} for a in range(3) for b in range(3)]
    pipeline.run(records, table_name="records", columns=columns | _OF_DLT)
    pipeline.run(links, table_name="links", columns=_OF_DLT)
    with open_tables(pipeline) as opened:
        yield opened
        for table in ("records", "links"):
            opened.delete(table)


def test_values_and_changes(tables: Tables) -> None:
    """Whatever a value is, it comes back as it went in; changes reach the rows that they name."""
    columns = ("id", "order", "size", "at", "ok")
    rows = [(f"odd{at}", text, at, AT, at % 2 == 0) for at, text in enumerate(ODD)]
    tables.insert("records", columns, [*rows, ("none", None, None, None, None)])
    shown = ", ".join(map(named, columns))
    sql = f"SELECT {shown} FROM records WHERE id LIKE ? ORDER BY size"
    found = tables.select(sql, "odd%")
    assert [(*row[:3], row[3].astimezone(UTC), row[4]) for row in found] == rows
    asked = 'SELECT id FROM records WHERE "order" IN (?) AND at = ? AND ok IN (?)'
    assert len(tables.select(asked, ODD, AT, [True, False])) == len(ODD)

    tables.update_keys(
        "records", ["id"], ["order", "size"], [(("0",), ("a\\b", 9)), (("1",), (None, None))]
    )
    tables.update("records", {"at": None, "ok": False}, "size > ? AND size < ?", 1, 5)
    known = {row[0]: row[1:] for row in tables.select(f"SELECT {shown} FROM records")}
    assert known["0"][:2] == ("a\\b", 9)
    assert known["1"][:2] == (None, None)
    assert {known[name][2] for name in "234"} == {None}
    tables.delete_keys("records", ["id"], [("0",), ("1",), ("none",)])
    tables.delete("records", "id LIKE ?", "odd%")
    assert sorted(id_ for (id_,) in tables.select("SELECT id FROM records")) == ["2", "3", "4"]


def test_changes_that_fail_together_are_undone(
    tables: Tables, request: pytest.FixtureRequest
) -> None:
    """Where a database has transactions, of several changes either all are made or none."""
    if request.node.callspec.params["tables"] in _LAKE:
        pytest.skip("files have none")
    with pytest.raises(KeyError, match="on the way"):
        _delete_and_fail(tables)
    assert tables.size("records") == 5


def _delete_and_fail(tables: Tables) -> None:
    with tables.transaction():
        tables.delete("records")
        raise KeyError("on the way")


def test_keys_of_several_columns(tables: Tables) -> None:
    """Rows go by their whole key, also where a part of it is NULL, however many they are."""
    many = [(f"m{n % 7}", str(n)) for n in range(250)]
    tables.insert("links", ("from_id", "to_id"), [*many, (None, "1"), ("0", None)])
    both = ("from_id", "to_id")
    gone = [("0", "1"), ("2", "2"), (None, "1"), ("0", None)]
    tables.delete_keys("links", both, [*gone, *many[:-1]])
    left = {*tables.select("SELECT from_id, to_id FROM links")}
    expected = {(str(a), str(b)) for a in range(3) for b in range(3)} - {*gone} | {many[-1]}
    assert left == expected
    tables.update_keys("links", both, ["to_id"], [(("0", "0"), ("9",)), (("0", "2"), ("8",))])
    assert {*tables.select("SELECT to_id FROM links WHERE from_id = ?", "0")} == {("9",), ("8",)}


def test_answers(tables: Tables) -> None:
    """Queries join, count several tables at once and stream, while the dataset is changed."""
    orphans = (
        "SELECT DISTINCT link.to_id FROM links AS link WHERE NOT EXISTS"
        " (SELECT 1 FROM records WHERE records.id = link.to_id AND records.size < ?)"
    )
    assert tables.select(orphans, 2) == [("2",)]
    assert tables.counts(["records", "links"]) == {"records": 5, "links": 9}
    assert tables.counts(["links"], "{} WHERE from_id = ?", "1") == {"links": 3}
    missing = "(SELECT one.? FROM ? AS one EXCEPT SELECT id FROM ? WHERE size < ?) AS missing"
    sides = {one: (ColumnName(one), TableName("links")) for one in ("from_id", "to_id")}
    assert tables.counts(sides, missing, TableName("records"), 1) == {"from_id": 2, "to_id": 2}
    tables.insert("links", ("from_id", "to_id"), [("p", str(n)) for n in range(8_100)])
    seen = 0
    for page in tables.pages("SELECT to_id FROM links WHERE from_id = ?", "p"):
        tables.delete_keys("links", ["to_id"], page[:500])
        seen += len(page)
    assert seen == 8_100
    with pytest.raises(ValueError, match="asks for other rows"):
        tables.delete("links", "to_id IN (SELECT id FROM records)")


def test_columns_of_tables_that_are_there(tables: Tables) -> None:
    """Only tables that are there have columns, by names in lower case."""
    found = tables.columns(["records", "no_such_table"])
    assert found.keys() == {"records"}
    assert found["records"] >= {"id", "at", "size", "order", "ok"}


def test_long_values_are_changed_by_several_statements(tables: Tables) -> None:
    """Texts that no single statement could hold on every destination reach their rows."""
    texts = {str(n): str(n) * LONG for n in range(3)}
    assert len([*parts(texts.items(), ["id"])]) == len(texts)
    tables.update_keys("records", ["id"], ["order"], [((k,), (v,)) for k, v in texts.items()])
    found = tables.select('SELECT id, "order" FROM records WHERE id IN (?)', texts)
    assert dict(found) == texts


def test_every_dialect_gets_its_own_names_and_literals() -> None:
    """Names are folded and quoted as the destination keeps them; values are its literals."""
    part = 'SELECT id, "order" AS b FROM records'
    sql = f"WITH a AS ({part}) SELECT a.b FROM a WHERE id IN (?) AND at > ?"
    made = {
        dialect: Language(dialect, lambda table: f"<{table}>", fold).statement(sql, [["x"], AT])
        for dialect in DIALECTS
        for fold in [str.upper if dialect == "snowflake" else str]
    }
    assert made["duckdb"] == (
        'WITH "a" AS (SELECT "id", "order" AS "b" FROM <records> AS "records") SELECT "a"."b"'
        """ FROM "a" WHERE "id" IN ('x') AND "at" >"""
        " CAST('2026-03-29 01:30:00.123456+00:00' AS TIMESTAMPTZ)"
    )
    assert made["snowflake"].startswith('WITH "A" AS (SELECT "ID", "ORDER" AS "B" FROM <records>')
    assert made["mysql"].endswith("`at` > '2026-03-29 01:30:00.123456'")
    assert "FROM <records> AS `records`" in made["bigquery"]
    of_catalog = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
    assert Language("snowflake", str, str.upper).statement(of_catalog, ["HUBSPOT"]) == (
        'SELECT "TABLE_NAME" FROM "INFORMATION_SCHEMA"."TABLES"'
        """ WHERE "TABLE_SCHEMA" = 'HUBSPOT'"""
    )
    values = [None, True, 1, Decimal("1.50"), date(2026, 1, 2), "\\'"]
    assert Language("tsql", str).statement("SELECT ?", [True]) == "SELECT 1"
    mysql = Language("mysql", str).statement("SELECT ?", [values])
    assert mysql == "SELECT NULL, TRUE, 1, 1.50, CAST('2026-01-02' AS DATE), '\\\\'''"
