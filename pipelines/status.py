"""What the warehouse says of itself: the last runs, and rows and freshness of every table."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from destinations.readers import Reader, open_reader
from pipelines.report import RunReport, Section
from sources.hubspot.errors import ConfigError

_RUNS = "SELECT * FROM _hs_runs ORDER BY started_at DESC"
_TABLES = (
    "SELECT * FROM (SELECT t.*, r.started_at,"
    " max(t.watermark_after) OVER (PARTITION BY t.table_name) AS fresh_at,"
    " row_number() OVER (PARTITION BY t.table_name ORDER BY r.started_at DESC) AS age"
    " FROM _hs_run_tables t JOIN _hs_runs r ON r.run_id = t.run_id) x WHERE age = 1"
    " ORDER BY table_name"
)

RUN_COLUMNS = ("started_at", "command", "status", "seconds", "calls", "rate_limited", "error")
TABLE_COLUMNS = ("table", "rows", "fresh_at", "age", "last_run", "last_status", "error")


def status(*, destination: str = "duckdb", dataset: str = "hubspot", runs: int = 5) -> RunReport:
    """Report the last runs and the state of every table they touched.

    Raises:
        ConfigError: there is no such dataset, or no sync has been here.
        WarehouseError: the destination does not answer.
    """
    report = RunReport("status", destination=destination, dataset=dataset)
    with open_reader(destination, dataset) as reader:
        last = _runs(reader, dataset)[:runs]
        tables = _ask(reader, _TABLES)
        counts = {row["table_name"]: _count(reader, row["table_name"]) for row in tables}
    if last:
        report.portal_id = last[0]["portal_id"]
    rows = [_table_row(row, counts[row["table_name"]], report.started_at) for row in tables]
    report.sections = [
        Section("runs", RUN_COLUMNS, [_run_row(run) for run in last], title="Last runs"),
        _tables(rows),
    ]
    return report


def _runs(reader: Reader, dataset: str) -> list[dict[str, Any]]:
    """Return all runs, the last one first."""
    try:
        return _ask(reader, _RUNS)
    except ConfigError as error:
        raise ConfigError(
            f"No sync has been in dataset {dataset} yet.",
            remedy="Run hubspot-elt sync first, or correct --dataset.",
        ) from error


def _tables(rows: list[Sequence[Any]]) -> Section:
    """Show people the tables that hold rows or failed, and say how many more there are."""
    brief = [row for row in rows if row[1] or row[-1]]
    hidden = len(rows) - len(brief)
    title = f"Tables ({hidden} empty ones not shown)" if hidden else "Tables"
    return Section("tables", TABLE_COLUMNS, rows, title, brief)


def _ask(reader: Reader, sql: str) -> list[dict[str, Any]]:
    answer = reader.ask(sql)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _count(reader: Reader, table: str) -> int | None:
    """Return the rows of a table; None where it does not exist."""
    try:
        answer = reader.ask(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - a name of ours
    except ConfigError:
        return None
    return int(answer.rows[0][0])


def _run_row(run: dict[str, Any]) -> Sequence[Any]:
    ended = run["ended_at"]
    seconds = round((ended - run["started_at"]).total_seconds(), 1) if ended else None
    return (
        run["started_at"],
        run["command"],
        run["status"],
        seconds,
        run["calls"],
        run["rate_limited"],
        run["error"],
    )


def _table_row(row: dict[str, Any], count: int | None, now: datetime) -> Sequence[Any]:
    fresh_at = row["fresh_at"]
    age = to_age(now - fresh_at.astimezone(UTC)) if fresh_at else None
    return (
        row["table_name"],
        count,
        fresh_at,
        age,
        row["started_at"],
        row["status"],
        row["error"],
    )


def to_age(span: timedelta) -> str:
    """Write a span as people say it: `3 min`, `5 h`, `2 days`."""
    minutes = max(0, span.total_seconds()) / 60
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004
