"""The tables `_hs_runs` and `_hs_run_tables` in SQL: created, written and pruned."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import dlt
import pyarrow as pa
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.common.schema.utils import new_table
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from ..model import TableOutcome
from ..run.run import Run
from .sql import Tables, open_tables
from .view import make_missing

RUNS, RUN_TABLES, VERIFICATIONS = "_hs_runs", "_hs_run_tables", "_hs_verifications"
KILLED = "The process ended without a report: it was killed, or the machine went down."

_OF_RUN = f"{RUN_TABLES} AS log JOIN {RUNS} AS run ON run.run_id = log.run_id"
_TIMESTAMP = pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, pa.Schema] = {
    RUNS: pa.schema(
        [
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("portal_id", pa.int64()),
            pa.field("command", pa.string()),
            pa.field("started_at", _TIMESTAMP),
            pa.field("ended_at", _TIMESTAMP),
            pa.field("status", pa.string()),
            pa.field("exit_code", pa.int64()),
            pa.field("calls", pa.int64()),
            pa.field("retries", pa.int64()),
            pa.field("rate_limited", pa.int64()),
            pa.field("error", pa.string()),
        ]
    ),
    RUN_TABLES: pa.schema(
        [
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("table_name", pa.string(), nullable=False),
            pa.field("mode", pa.string()),
            pa.field("status", pa.string()),
            pa.field("rows", pa.int64()),
            pa.field("tombstones", pa.int64()),
            pa.field("calls", pa.int64()),
            pa.field("rate_limited", pa.int64()),
            pa.field("reasons", pa.string()),
            pa.field("watermark_before", _TIMESTAMP),
            pa.field("watermark_after", _TIMESTAMP),
            pa.field("error", pa.string()),
        ]
    ),
}

FORMER_MODE = "way_in"
"""Name of the column `mode` in datasets of earlier versions."""


class Ending(NamedTuple):
    """How a run ended."""

    at: datetime
    status: str
    exit_code: int | None
    error: str | None = None


def row_of(
    run_id: str, command: str, started_at: datetime, run: Run | None, ending: Ending | None = None
) -> dict[str, Any]:
    """Return the row of `_hs_runs` as it is now; of a run that has ended where it is said how."""
    meter = run.client.meter if run else None
    return {
        "run_id": run_id,
        "portal_id": run.portal.account.portal_id if run else None,
        "command": command,
        "started_at": started_at,
        "ended_at": ending.at if ending else None,
        "status": ending.status if ending else "running",
        "exit_code": ending.exit_code if ending else None,
        "calls": meter.calls if meter else 0,
        "retries": meter.retries if meter else 0,
        "rate_limited": meter.rate_limited if meter else 0,
        "error": ending.error if ending else None,
    }


def are_there(pipeline: Pipeline) -> bool:
    """Whether the warehouse has both tables with all their columns; asking makes nothing."""
    if not isinstance(pipeline.destination_client(), SqlJobClientBase):
        return False
    with open_tables(pipeline) as tables:
        held = tables.columns(COLUMNS)
    return all({*schema.names} <= held.get(name, set()) for name, schema in COLUMNS.items())


def make_tables(pipeline: Pipeline) -> bool:
    """Make the dataset, the tables and the columns that are not there; False without SQL.

    Rows of earlier versions keep their mode.
    """
    job = pipeline.destination_client()
    if not isinstance(job, SqlJobClientBase):
        return False
    schema = dlt.Schema("hubspot")
    for name, columns in COLUMNS.items():
        hints = [*py_arrow_to_table_schema_columns(columns).values()]
        schema.update_table(new_table(name, columns=hints))
    made = make_missing(job, schema, COLUMNS)
    if "run_id" not in made.get(RUN_TABLES, {}).get("columns", {}):
        _take_over_modes(pipeline)  # the table is not new
    return True


def _take_over_modes(pipeline: Pipeline) -> None:
    """Copy the modes that an earlier version wrote into a column of another name."""
    key = ("run_id", "table_name")
    with open_tables(pipeline) as tables:
        if FORMER_MODE in tables.columns([RUN_TABLES])[RUN_TABLES]:
            sql = f"SELECT run_id, table_name, {FORMER_MODE} FROM {RUN_TABLES}"
            rows = tables.select(f"{sql} WHERE mode IS NULL AND {FORMER_MODE} IS NOT NULL")
            tables.update_keys(RUN_TABLES, key, ["mode"], [(row[:2], row[2:]) for row in rows])


def mark_killed(tables: Tables) -> None:
    """Mark runs that never wrote their end as killed: nobody else holds the lock."""
    tables.update(RUNS, {"status": "killed", "error": KILLED}, "status = ?", "running")


def delete(tables: Tables, run_ids: Iterable[str]) -> None:
    """Delete the rows of runs that are to be written again."""
    tables.delete_keys(RUNS, ["run_id"], [(one,) for one in run_ids])


def update(tables: Tables, row: Mapping[str, Any]) -> None:
    """Change the row of a run to this one."""
    news = {name: value for name, value in row.items() if name != "run_id"}
    tables.update(RUNS, news, "run_id = ?", row["run_id"])


def replace_tables(tables: Tables, run_id: str, outcomes: Mapping[str, TableOutcome]) -> None:
    """Put a run's rows in the place of those it has, in one transaction where there are any."""
    names = [name for name in COLUMNS[RUN_TABLES].names if name != "run_id"]
    rows = [
        {"run_id": run_id} | {name: getattr(outcome, name) for name in names}
        for outcome in outcomes.values()
    ]
    with tables.transaction():
        tables.delete(RUN_TABLES, "run_id = ?", run_id)
        insert(tables, RUN_TABLES, rows)


def insert(tables: Tables, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a table; a column that a row does not name is null."""
    columns = COLUMNS[name].names
    tables.insert(name, columns, ([row.get(column) for column in columns] for row in rows))


def prune(pipeline: Pipeline, run: Run) -> None:
    """Delete rows from before `RUN_LOG_DAYS`; the newest of every table stays, and its newest `ok`.

    So do the runs that these belong to.
    """
    since = run.now() - timedelta(days=run.config.run_log_days)
    with open_tables(pipeline) as tables:
        found = tables.select(f"SELECT run_id FROM {RUNS} WHERE started_at < ?", since)
        old = {run_id for (run_id,) in found}
        if not old or not run.config.run_log_days:
            return
        newest = [_newest(_OF_RUN, "run.started_at"), _newest(_OF_RUN, "run.started_at", ok=True)]
        logs = {RUN_TABLES: newest}
        if VERIFICATIONS in pipeline.default_schema.tables:
            logs[VERIFICATIONS] = [_newest(f"{VERIFICATIONS} AS log", "log.verified_at")]
        staying = [_prune_log(tables, log, old, newest) for log, newest in logs.items()]
        delete(tables, sorted(old.difference(*staying)))


def _newest(rows: str, at: str, *, ok: bool = False) -> str:
    """Return SQL that names the last run of every table, and the table."""
    where = "WHERE log.status = 'ok'" if ok else ""
    return (
        "SELECT run_id, table_name FROM (SELECT log.run_id, log.table_name, row_number() OVER"
        f" (PARTITION BY log.table_name ORDER BY {at} DESC) AS age FROM {rows} {where}) AS newest"
        " WHERE age = 1"
    )


def _prune_log(tables: Tables, log: str, old: set[str], newest: Sequence[str]) -> set[str]:
    """Delete the rows of old runs but the newest ones; return the runs that rows stay of."""
    last: dict[str, set[str]] = {}
    for run_id, table in (row for sql in newest for row in tables.select(sql)):
        if run_id in old:
            last.setdefault(run_id, set()).add(table)
    for run_id, names in last.items():
        tables.delete(log, "run_id = ? AND NOT (table_name IN (?))", run_id, sorted(names))
    tables.delete_keys(log, ["run_id"], [(one,) for one in sorted(old - last.keys())])
    return {*last}
