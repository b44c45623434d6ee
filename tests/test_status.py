"""Status: what the run log in a warehouse says, for people and for programs."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.cli.output.freshness import to_age
from pipelines.cli.output.report import RunReport
from pipelines.commands.status import status
from sources.hubspot.errors import ConfigError

FILE = "runs.duckdb"
NOW = datetime.now(UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A dataset with an empty run log and one table of two rows."""
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("CREATE SCHEMA hubspot; USE hubspot")
        connection.execute(
            "CREATE TABLE _hs_runs (run_id TEXT, portal_id BIGINT, command TEXT,"
            " started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, status TEXT, exit_code BIGINT,"
            " calls BIGINT, retries BIGINT, rate_limited BIGINT, error TEXT)"
        )
        connection.execute(
            "CREATE TABLE _hs_run_tables (run_id TEXT, table_name TEXT, mode TEXT, status TEXT,"
            " rows BIGINT, tombstones BIGINT, calls BIGINT, rate_limited BIGINT,"
            " watermark_before TIMESTAMPTZ, watermark_after TIMESTAMPTZ, error TEXT)"
        )
        connection.execute("CREATE TABLE contacts AS SELECT '1' AS id UNION ALL SELECT '2'")
        yield connection


def note(
    connection: duckdb.DuckDBPyConnection, run: str, hours: float, **tables: str | None
) -> None:
    """Write a run of some hours ago into the log, and the error of each of its tables."""
    at = NOW - timedelta(hours=hours)
    state = "failed" if any(tables.values()) else "ok"
    connection.execute(
        "INSERT INTO _hs_runs VALUES (?, 7, 'sync', ?, ?, ?, 0, 10, 0, 0, NULL)",
        [run, at, at + timedelta(seconds=9), state],
    )
    for table, error in tables.items():
        connection.execute(
            "INSERT INTO _hs_run_tables VALUES (?, ?, 'increment', ?, 5, 0, 1, 0, NULL, ?, ?)",
            [run, table, "failed" if error else "ok", None if error else at, error],
        )


def told(report: RunReport) -> dict[str, dict[str, object]]:
    """Return the lines of the tables by name."""
    section = report.sections[1]
    lines = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    return {str(line["table"]): line for line in lines}


def test_last_runs_come_first(database: duckdb.DuckDBPyConnection) -> None:
    """Runs are listed from the last one back, no more than asked for."""
    for hours in (30, 20, 10):
        note(database, f"run {hours}", hours, contacts=None)
    database.close()
    report = status(destination=FILE, runs=2)
    starts = [row[0] for row in report.sections[0].rows]
    assert starts == [NOW - timedelta(hours=10), NOW - timedelta(hours=20)]
    assert report.portal_id == 7


def test_freshness_survives_a_failure(database: duckdb.DuckDBPyConnection) -> None:
    """A table that failed last time is as fresh as its last good run, and shows its error."""
    note(database, "good", 26, contacts=None)
    note(database, "bad", 2, contacts="HubSpot answered 500")
    database.close()
    line = told(status(destination=FILE))["contacts"]
    assert line["fresh_at"] == NOW - timedelta(hours=26)
    assert (line["age"], line["live"], line["deleted"]) == ("26 h ago", 2, 0)
    assert (line["last_status"], line["error"]) == ("failed", "HubSpot answered 500")


def test_tables_that_do_not_exist_yet(database: duckdb.DuckDBPyConnection) -> None:
    """A table that never had a row has no count; people see only how many there are of these."""
    note(database, "good", 1, contacts=None, carts=None)
    database.close()
    report = status(destination=FILE)
    assert told(report)["carts"]["live"] is None
    assert report.sections[1].title == "Tables (1 empty ones not shown)"


def test_deleted_rows_are_counted_apart(database: duckdb.DuckDBPyConnection) -> None:
    """Rows with `_hs_deleted_at` are deleted ones; a table without that column has none."""
    database.execute(
        "CREATE TABLE deals AS SELECT 1 AS id, NULL::TIMESTAMPTZ AS _hs_deleted_at"
        " UNION ALL SELECT 2, now() UNION ALL SELECT 3, now()"
    )
    note(database, "good", 1, contacts=None, deals=None, carts=None)
    database.close()
    lines = told(status(destination=FILE))
    assert [(line["live"], line["deleted"]) for line in lines.values()] == [
        *((None, None), (2, 0), (1, 2))
    ]


def test_dataset_without_runs(tmp_path: Path) -> None:
    """A dataset that no sync has been in is told from one that is not there."""
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("CREATE SCHEMA hubspot")
    with pytest.raises(ConfigError, match="No sync has run"):
        status(destination=FILE)
    with pytest.raises(ConfigError, match="There is no dataset other"):
        status(destination=FILE, dataset="other")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        pytest.param(timedelta(seconds=-5), "now", id="clock behind"),
        pytest.param(timedelta(minutes=119), "119 min ago", id="minutes"),
        pytest.param(timedelta(hours=47), "47 h ago", id="hours"),
        pytest.param(timedelta(days=3), "3 days ago", id="days"),
    ],
)
def test_ages(span: timedelta, text: str) -> None:
    """Spans are written as people say them."""
    assert to_age(span) == text


@pytest.mark.parametrize(
    ("max_age", "objects", "named"),
    [
        pytest.param(3, (), [], id="all fresh"),
        pytest.param(1, (), ["contacts (loaded 2 h ago)"], id="old"),
        pytest.param(3, ("Contacts",), [], id="chosen and fresh"),
        pytest.param(1, ("contacts",), ["contacts (loaded 2 h ago)"], id="chosen and old"),
        pytest.param(3, ("vehicle",), [], id="a custom object by its bare name"),
        pytest.param(99, ("orders", "contacts"), ["orders (never loaded)"], id="never loaded"),
    ],
)
def test_tables_that_are_too_old(
    database: duckdb.DuckDBPyConnection, max_age: int, objects: tuple[str, ...], named: list[str]
) -> None:
    """`--max-age` names each table that no run loaded within it, and ends with 8.

    Links and reference tables are read when there is a reason to: their age alone says nothing.
    """
    note(database, "first", 30, contacts=None, contacts_to_deals=None)
    note(database, "last", 2.1, contacts=None, owners=None, custom_vehicle=None)
    database.execute(
        "UPDATE _hs_run_tables SET watermark_after = NULL WHERE table_name <> 'contacts'"
    )
    database.close()
    report = status(destination=FILE, max_age=timedelta(hours=max_age), objects=objects)
    assert report.exit_code == (8 if named else 0)
    assert (report.error or "").removeprefix("Older than --max-age allows: ").rstrip(".") == (
        ", ".join(named)
    )


def test_tables_that_failed_are_not_fresh(database: duckdb.DuckDBPyConnection) -> None:
    """A table that failed or was cut off last is named; what a verification says does not count."""
    note(database, "good", 1.5, contacts=None, deals=None, leads=None)
    note(database, "bad", 1, contacts="HubSpot answered 500", deals=None)
    note(database, "check", 0.5, leads="3 differ", deals="1 differs")
    database.execute("UPDATE _hs_runs SET command = 'verify' WHERE run_id = 'check'")
    database.close()
    report = status(destination=FILE, max_age=timedelta(hours=2))
    expected = r"Older than --max-age allows: contacts \(failed, last loaded \d+ min ago\)\."
    assert re.fullmatch(expected, report.error or "")


def test_nothing_was_ever_loaded(database: duckdb.DuckDBPyConnection) -> None:
    """Where no table was loaded yet, everything is too old."""
    database.close()
    report = status(destination=FILE, max_age=timedelta(days=900))
    assert (report.exit_code, report.error_name) == (8, "stale")
