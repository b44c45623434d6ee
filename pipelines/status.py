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

_COLUMNS = (
    "SELECT table_name, count(CASE WHEN column_name = '_hs_deleted_at' THEN 1 END)"
    " FROM information_schema.columns WHERE table_schema = current_schema() GROUP BY table_name"
)

RUN_COLUMNS = (
    *("started_at", "age", "command", "status", "seconds", "calls", "rate_limited", "error"),
)
LESS_THAN_RUNS = ("rate_limited", "started_at", "calls", "seconds")
TABLE_COLUMNS = ("table", "live", "deleted", "fresh_at", "age", "last_run", "last_status", "error")
LESS_THAN_TABLES = ("last_run", "fresh_at", "deleted", "last_status")

Count = tuple[int, int]
"""Live rows of a table, and those that are deleted in HubSpot."""


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
        counts = _counts(reader, [row["table_name"] for row in tables])
    if last:
        report.portal_id = last[0]["portal_id"]
    now = report.started_at
    rows = [_table_row(row, counts.get(row["table_name"]), now) for row in tables]
    report.sections = [
        Section(
            "runs",
            RUN_COLUMNS,
            [_run_row(run, now) for run in last],
            "Last runs",
            droppable=LESS_THAN_RUNS,
            below=("error",),
        ),
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
    brief = [row for row in rows if row[1] or row[2] or row[-1]]
    hidden = len(rows) - len(brief)
    title = f"Tables ({hidden} empty ones not shown)" if hidden else "Tables"
    return Section(
        "tables",
        TABLE_COLUMNS,
        rows,
        title,
        [_brief(row) for row in brief],
        droppable=LESS_THAN_TABLES,
        below=("error",),
    )


def _brief(row: Sequence[Any]) -> Sequence[Any]:
    """Leave out what people need not read: that the last run of a table went well."""
    return tuple("" if value == "ok" else value for value in row)


def _ask(reader: Reader, sql: str) -> list[dict[str, Any]]:
    answer = reader.ask(sql)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _counts(reader: Reader, tables: Sequence[str]) -> dict[str, Count]:
    """Count the rows of the tables that exist: in one query where their columns can be listed."""
    try:
        known = {name: bool(has) for name, has in reader.ask(_COLUMNS).rows}
    except ConfigError:  # a destination that has no such list
        return _counts_one_by_one(reader, tables)
    asked = [_count(table, deletes=known[table]) for table in tables if table in known]
    if not asked:
        return {}
    return {name: (live, dead) for name, live, dead in reader.ask(" UNION ALL ".join(asked)).rows}


def _counts_one_by_one(reader: Reader, tables: Sequence[str]) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    for table in tables:
        for deletes in (True, False):
            try:
                ((_, live, dead),) = reader.ask(_count(table, deletes=deletes)).rows
            except ConfigError:  # no such column, or no such table
                continue
            counts[table] = live, dead
            break
    return counts


def _count(table: str, *, deletes: bool) -> str:
    """Return the SQL of a table's live and deleted rows; some tables hold no deleted ones."""
    dead = "count(_hs_deleted_at)" if deletes else "0"
    return f"SELECT '{table}', count(*) - {dead}, {dead} FROM \"{table}\""  # noqa: S608 - our name


def _run_row(run: dict[str, Any], now: datetime) -> Sequence[Any]:
    ended = run["ended_at"]
    seconds = round((ended - run["started_at"]).total_seconds(), 1) if ended else None
    return (
        run["started_at"],
        to_age(now - run["started_at"].astimezone(UTC)),
        run["command"],
        run["status"],
        seconds,
        run["calls"],
        run["rate_limited"],
        run["error"],
    )


def _table_row(row: dict[str, Any], count: Count | None, now: datetime) -> Sequence[Any]:
    fresh_at = row["fresh_at"]
    age = to_age(now - fresh_at.astimezone(UTC)) if fresh_at else None
    return (
        row["table_name"],
        *(count or (None, None)),
        fresh_at,
        age,
        row["started_at"],
        row["status"],
        row["error"],
    )


def to_age(span: timedelta) -> str:
    """Write how long ago something was as people say it: `3 min ago`, `5 h ago`, `2 days ago`."""
    minutes = max(0, span.total_seconds()) / 60
    if minutes < 1:
        return "now"
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{int(minutes)} min ago"
    hours = minutes / 60
    return f"{int(hours)} h ago" if hours < 48 else f"{int(hours / 24)} days ago"  # noqa: PLR2004
