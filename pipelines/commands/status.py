"""What the warehouse says of itself: the last runs, and rows and freshness of every table.

Runs that could not reach the warehouse come from this machine (`local_runs`).
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from destinations.locks import is_held, place_of
from destinations.reading.readers import Reader, UnknownTableError, client_of, open_reader
from destinations.resolve import explained
from pipelines.cli.groups import by_settings, is_selectable, left_behind
from pipelines.cli.output.freshness import stale, to_age, too_old
from pipelines.cli.output.report import RunReport, Section
from pipelines.runtime import local_runs
from sources.hubspot.errors import ConfigError, HubSpotError
from sources.hubspot.warehouse.run_log import KILLED, RUN_TABLES, RUNS
from sources.hubspot.warehouse.sql import named

_OF_RUN = (
    *("run_id", "portal_id", "command", "started_at", "ended_at", "status", "calls"),
    *("rate_limited", "error"),
)
_RUNS = f"SELECT {', '.join(_OF_RUN)} FROM {RUNS} ORDER BY started_at DESC"
_OF_TABLE = ("table_name", "status", "error", "started_at", "fresh_at", "loaded_at")
_TABLES = (
    f"SELECT {', '.join(f'x.{name}' for name in _OF_TABLE)} FROM ("
    "SELECT t.table_name, t.status, t.error, r.started_at,"
    " max(t.watermark_after) OVER (PARTITION BY t.table_name) AS fresh_at,"
    " max(CASE WHEN t.status = 'ok' THEN r.started_at END)"
    " OVER (PARTITION BY t.table_name) AS loaded_at,"
    " row_number() OVER (PARTITION BY t.table_name ORDER BY r.started_at DESC) AS place"
    f" FROM {RUN_TABLES} AS t JOIN {RUNS} AS r ON r.run_id = t.run_id{{where}}) AS x"
    " WHERE x.place = 1 ORDER BY x.table_name"
)
_EVERY, _OF_SYNCS = _TABLES.format(where=""), _TABLES.format(where=" WHERE r.command <> 'verify'")

RUN_COLUMNS = (
    *("started_at", "age", "command", "status", "seconds", "calls", "rate_limited", "where"),
    "error",
)
LESS_THAN_RUNS = ("rate_limited", "started_at", "calls", "seconds")
TABLE_COLUMNS = ("table", "live", "deleted", "fresh_at", "age", "last_run", "last_status", "error")
LESS_THAN_TABLES = ("last_run", "fresh_at", "deleted", "last_status")

Row = dict[str, Any]
Count = tuple[int, int]
"""Live rows of a table, and those that are deleted in HubSpot."""


def status(
    *,
    destination: str = "duckdb",
    dataset: str = "hubspot",
    runs: int = 5,
    max_age: timedelta | None = None,
    objects: Sequence[str] = (),
) -> RunReport:
    """Report the last runs and the state of every table they touched.

    Args:
        destination: where the dataset is.
        dataset: its name.
        runs: how many of the last ones are shown.
        max_age: how long ago a table may have been loaded; an older one fails the report.
        objects: tables that this is asked of; all that a sync has loaded or failed to where empty.

    Raises:
        ConfigError: there is no such dataset, or no sync has been here, nor tried to.
        WarehouseError: the destination does not answer.
    """
    report = RunReport("status", destination=destination, dataset=dataset)
    local, last = _local_runs(destination, dataset), list[Row]()
    try:
        with open_reader(destination, dataset) as reader:
            last = _known_runs(reader, destination, dataset)
            tables = _ask(reader, _EVERY, _OF_TABLE)
            synced = _ask(reader, _OF_SYNCS, _OF_TABLE) if max_age is not None else []
            counts = _counts(reader, [row["table_name"] for row in tables])
    except HubSpotError as error:
        if not local:
            raise
        report.fail(error)
    last = _merged(last, local)
    report.portal_id = next((run["portal_id"] for run in last if run["portal_id"]), None)
    report.sections = [_runs(last[:runs], report.started_at)]
    if not report.error:
        rows = [_table_row(row, counts.get(row["table_name"]), report.started_at) for row in tables]
        report.sections.append(_tables(rows))
        _judge(report, tables, synced, max_age, objects)
    return report


def _judge(
    report: RunReport,
    tables: Sequence[Row],
    synced: Sequence[Row],
    max_age: timedelta | None,
    objects: Sequence[str],
) -> None:
    """Warn of tables that are not selected; fail where one of the others is older than it may be.

    Args:
        report: of the command.
        tables: the last row of each in the run log.
        synced: the same of syncs alone.
        max_age: how long ago a table may have been loaded; None where that does not matter.
        objects: tables that this is asked of, selected or not.
    """
    left = set[str]() if objects else _not_selected(report, tables)
    judged = [row for row in synced if row["table_name"] not in left]
    if max_age is not None and (old := too_old(judged, report.started_at, max_age, objects)):
        report.fail(stale(old))


def _not_selected(report: RunReport, tables: Sequence[Row]) -> set[str]:
    """Return the tables that the settings do not select any more; the report warns of them."""
    loaded = {row["table_name"]: row["loaded_at"] for row in tables if row["loaded_at"]}
    try:
        selection = by_settings(loaded)
    except ConfigError as error:
        report.warnings.append(str(error))
        return set()
    named = {table: at for table, at in loaded.items() if is_selectable(table)}
    if left := left_behind(selection, named):
        report.warnings.append(" ".join(left))
    return {table for table in named if not selection.reads(table)}


def _local_runs(destination: str, dataset: str) -> list[Row]:
    """Return the runs that could not reach the warehouse."""
    place = local_runs.unresolved(destination, dataset)
    with suppress(HubSpotError), explained(destination):
        place = place_of(client_of(destination, dataset))
    return [run | {"where": "this machine"} for run in local_runs.kept(place)]


def _merged(known: Sequence[Row], local: Sequence[Row]) -> list[Row]:
    """Return the runs from both places, the last one first."""
    here = {run["run_id"] for run in local}  # the warehouse knows less of these
    runs = [*(run for run in known if run["run_id"] not in here), *local]
    return sorted(runs, key=lambda run: run["started_at"], reverse=True)


def _known_runs(reader: Reader, destination: str, dataset: str) -> list[Row]:
    """Return the runs that the warehouse knows, the last one first.

    Raises:
        ConfigError: it knows of none.
    """
    try:
        runs = _ask(reader, _RUNS, _OF_RUN)
    except UnknownTableError as error:
        raise ConfigError(
            f"No sync has run in dataset {dataset} yet, or {RUNS} was dropped.",
            remedy="Run hubspot-elt sync first, or correct --dataset.",
        ) from error
    going_on = [run for run in runs if run["status"] == "running"]
    for run in runs:
        run["where"] = "warehouse"
    if going_on:
        with explained(destination):
            held = is_held(client_of(destination, dataset))
        for run in going_on if held is False else ():
            run["status"], run["error"] = "killed", KILLED
        for run in going_on if held is None else ():
            run["error"] = "At work, or killed: this destination does not say which."
    return runs


def _runs(last: Sequence[Row], now: datetime) -> Section:
    rows = [_run_row(run, now) for run in last]
    return Section(
        "runs",
        RUN_COLUMNS,
        rows,
        "Last runs",
        [tuple("" if value == "warehouse" else value for value in row) for row in rows],
        droppable=LESS_THAN_RUNS,
        below=("error",),
    )


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


def _ask(reader: Reader, sql: str, names: Sequence[str]) -> list[Row]:
    return [dict(zip(names, row, strict=True)) for row in reader.ask(sql).rows]


def _counts(reader: Reader, tables: Sequence[str]) -> dict[str, Count]:
    """Count the rows of the tables that exist, in one query."""
    known = reader.columns(tables)
    asked = [
        _count(table, deletes="_hs_deleted_at" in known[table])
        for table in tables
        if table in known
    ]
    if not asked:
        return {}
    rows = reader.ask(" UNION ALL ".join(asked)).rows
    return {name: (int(live), int(dead)) for name, live, dead in rows}


def _count(table: str, *, deletes: bool) -> str:
    """Return the SQL of a table's live and deleted rows; some tables hold no deleted ones."""
    dead = "count(_hs_deleted_at)" if deletes else "0"
    return f"SELECT '{table}', count(*) - {dead}, {dead} FROM {named(table)}"


def _run_row(run: Row, now: datetime) -> Sequence[Any]:
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
        run["where"],
        run["error"],
    )


def _table_row(row: Row, count: Count | None, now: datetime) -> Sequence[Any]:
    fresh_at = row["fresh_at"]
    loaded_at = fresh_at or (row["started_at"] if row["status"] == "ok" else None)
    age = to_age(now - loaded_at.astimezone(UTC)) if loaded_at else None
    return (
        row["table_name"],
        *(count or (None, None)),
        fresh_at,
        age,
        row["started_at"],
        row["status"],
        row["error"],
    )
