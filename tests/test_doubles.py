"""Rows that stand there more than once are found by their keys, and one of each stays."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import pytest

from sources.hubspot.verify.doubles import collapse, find_doubles
from sources.hubspot.warehouse.sql import open_tables

THEN, NOW = datetime(2026, 1, 1, 1, 2, 3, 456789, UTC), datetime(2026, 2, 1, tzinfo=UTC)
RECORD = ("id", "_hs_deletion", "_hs_synced_at", "name")
LINK = ("from_id", "to_id", "type_id", "category", "label")
_OF_DLT: Any = {
    name: {"data_type": "text", "nullable": True} for name in ("_dlt_id", "_dlt_load_id")
}
OWNER = ("id", "email", "_hs_synced_at")
ROWS: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
    "contacts": (
        RECORD,
        [
            ("1", None, THEN, "one"),
            ("2", "archived", THEN, "older"),
            ("2", "archived", NOW, "newer"),
            ("3", "merged", NOW, "it's \\ equal"),
            ("3", "merged", NOW, "it's \\ equal"),
            ("3", None, THEN, "as it lived"),
            ("4", "archived", None, "never"),
            ("4", "archived", THEN, "once"),
        ],
    ),
    "contacts_to_deals": (
        LINK,
        [("1", "7", 3, "USER", None)] * 3 + [("1", "8", 3, "USER", None)],
    ),
    "owners": (OWNER, [("5", "a@b.c", None)] * 2 + [("6", None, NOW)]),
}


@pytest.mark.parametrize("destination", ["duckdb", "postgres"])
def test_doubles_collapse(
    destination: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of each key the row that was read last stays, dead or alive; others are left alone."""
    if destination == "postgres":
        uri = request.getfixturevalue("server_uri")
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", uri)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / "w.duckdb"))
    pipeline = dlt.pipeline(
        "doubles", str(tmp_path), destination=destination, dataset_name="of_doubles"
    )
    kinds = {"_hs_synced_at": "timestamp", "type_id": "bigint"}
    for table, (columns, rows) in ROWS.items():
        hints: Any = {name: {"data_type": kinds.get(name, "text")} for name in columns} | _OF_DLT
        loaded = [dict(zip(columns, row, strict=True)) for row in rows]
        pipeline.run(loaded, table_name=table, columns=hints, write_disposition="replace")
    known = {table: columns for table, (columns, _) in ROWS.items()}
    with open_tables(pipeline) as tables:
        found = find_doubles(tables, known)
        assert {name: sorted(keys) for name, keys in found.items()} == {
            "contacts": [("2",), ("3",), ("4",)],
            "contacts_to_deals": [("1", "7", 3, "USER")],
            "owners": [("5",)],
        }
        for name, keys in found.items():
            collapse(tables, name, known[name], keys)
        assert find_doubles(tables, known) == {}
        names = tables.select("SELECT id, name FROM contacts ORDER BY id")
        assert names == [("1", "one"), ("2", "newer"), ("3", "it's \\ equal"), ("4", "once")]
        assert tables.counts([*known]) == {"contacts": 4, "contacts_to_deals": 2, "owners": 2}
