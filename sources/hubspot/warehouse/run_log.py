"""The tables `_hs_runs` and `_hs_run_tables` in SQL: created, written and pruned."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import dlt
import pyarrow as pa
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.common.schema.utils import new_table
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from ..api.batch_read import batches
from ..model import TableOutcome
from ..run.run import Run
from .view import make_missing

RUNS, RUN_TABLES, VERIFICATIONS = "_hs_runs", "_hs_run_tables", "_hs_verifications"
KILLED = "The process ended without a report: it was killed, or the machine went down."
IDS_AT_ONCE = 500
ROWS_AT_ONCE = 50  # that one INSERT brings: some databases take no more than 2,100 parameters

_OK = "WHERE t.status = 'ok'"
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
    job = pipeline.destination_client()
    if not isinstance(job, SqlJobClientBase):
        return False
    with job:
        held = dict(job.get_storage_tables(COLUMNS)) if job.sql_client.has_dataset() else {}
    return all(
        {*schema.names} <= {*map(str.lower, held.get(name, ()))} for name, schema in COLUMNS.items()
    )


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
        with job:
            _take_over_modes(job)  # the table is not new
    return True


def _take_over_modes(client: SqlJobClientBase) -> None:
    """Copy the modes that an earlier version wrote into a column of another name."""
    ((_, held),) = client.get_storage_tables([RUN_TABLES])
    sql = client.sql_client
    for former in [name for name in held if name.lower() == FORMER_MODE]:
        table, mode, old = (
            sql.make_qualified_table_name(RUN_TABLES),
            sql.escape_column_name("mode"),
            sql.escape_column_name(former, casefold=False),
        )
        sql.execute_sql(f"UPDATE {table} SET {mode} = {old} WHERE {mode} IS NULL")


def mark_killed(client: SqlClientBase[Any]) -> None:
    """Mark runs that never wrote their end as killed: nobody else holds the lock."""
    runs = client.make_qualified_table_name(RUNS)
    client.execute_sql(
        f"UPDATE {runs} SET status = 'killed', error = %s WHERE status = 'running'",
        KILLED,
    )


def delete(client: SqlClientBase[Any], table: str, run_ids: Sequence[str]) -> None:
    """Delete the rows of runs from a table, by its name in SQL."""
    for part in batches(list(run_ids), IDS_AT_ONCE):
        marks = ", ".join(["%s"] * len(part))
        client.execute_sql(f"DELETE FROM {table} WHERE run_id IN ({marks})", *part)


def update(client: SqlClientBase[Any], row: Mapping[str, Any]) -> None:
    """Change the row of a run to this one."""
    names = [name for name in row if name != "run_id"]
    changes = ", ".join(f"{client.escape_column_name(name)} = %s" for name in names)
    table = client.make_qualified_table_name(RUNS)
    values = [_plain(row[name]) for name in names]
    client.execute_sql(f"UPDATE {table} SET {changes} WHERE run_id = %s", *values, row["run_id"])


def replace_tables(
    client: SqlClientBase[Any], run_id: str, outcomes: Mapping[str, TableOutcome]
) -> None:
    """Put a run's rows in the place of those it has, in one transaction where there are any."""
    names = [name for name in COLUMNS[RUN_TABLES].names if name != "run_id"]
    rows = [
        {"run_id": run_id} | {name: getattr(outcome, name) for name in names}
        for outcome in outcomes.values()
    ]
    table = client.make_qualified_table_name(RUN_TABLES)
    with client.begin_transaction() if client.capabilities.supports_transactions else nullcontext():
        client.execute_sql(f"DELETE FROM {table} WHERE run_id = %s", run_id)
        insert(client, RUN_TABLES, rows)


def insert(client: SqlClientBase[Any], name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a table; a column that a row does not name is null."""
    columns = COLUMNS[name].names
    literal: Any = client.capabilities.escape_literal  # None where a destination has none
    listed = ", ".join(map(client.escape_column_name, columns))
    table = client.make_qualified_table_name(name)
    for part in batches(list(rows), ROWS_AT_ONCE):
        values = [_plain(row.get(column)) for row in part for column in columns]
        # DuckDB takes a tenth of a millisecond for each parameter, and none for a literal
        shown = list(map(literal, values)) if literal else ["%s"] * len(values)
        lines = (", ".join(line) for line in batches(shown, len(columns)))
        sql = f"INSERT INTO {table} ({listed}) VALUES ({'), ('.join(lines)})"
        client.execute_sql(sql, *([] if literal else values))


def _plain(value: object) -> object:
    """Return a value without NUL characters, which PostgreSQL refuses."""
    return value.replace("\0", "") if isinstance(value, str) else value


def prune(pipeline: Pipeline, run: Run) -> None:
    """Delete rows from before `RUN_LOG_DAYS`; the newest of every table stays, and its newest `ok`.

    So do the runs that these belong to.
    """
    since = run.now() - timedelta(days=run.config.run_log_days)
    with pipeline.sql_client() as client:
        runs, tables, verified = (
            client.make_qualified_table_name(name) for name in (RUNS, RUN_TABLES, VERIFICATIONS)
        )
        found = client.execute_sql(f"SELECT run_id FROM {runs} WHERE started_at < %s", since)
        old = {row[0] for row in found or ()}
        if not old or not run.config.run_log_days:
            return
        of_run = f"{tables} t JOIN {runs} r ON r.run_id = t.run_id"
        logs = {tables: [_newest(of_run, "started_at"), _newest(of_run, "started_at", _OK)]}
        if VERIFICATIONS in pipeline.default_schema.tables:
            logs[verified] = [_newest(f"{verified} t", "verified_at")]
        staying = [_prune_log(client, log, old, newest) for log, newest in logs.items()]
        delete(client, runs, sorted(old.difference(*staying)))


def _newest(rows: str, at: str, where: str = "") -> str:
    """Return SQL that names the last run of every table, and the table."""
    return (
        "SELECT run_id, table_name FROM (SELECT t.run_id, t.table_name, row_number() OVER"
        f" (PARTITION BY t.table_name ORDER BY {at} DESC) AS age FROM {rows} {where}) x"
        " WHERE age = 1"
    )


def _prune_log(
    client: SqlClientBase[Any], log: str, old: set[str], newest: Sequence[str]
) -> set[str]:
    """Delete the rows of old runs but the newest ones; return the runs that rows stay of."""
    last: dict[str, set[str]] = {}
    for run_id, table in (row for sql in newest for row in client.execute_sql(sql) or ()):
        if run_id in old:
            last.setdefault(run_id, set()).add(table)
    for run_id, names in last.items():
        marks = ", ".join(["%s"] * len(names))
        sql = f"DELETE FROM {log} WHERE run_id = %s AND table_name NOT IN ({marks})"
        client.execute_sql(sql, run_id, *sorted(names))
    delete(client, log, sorted(old - last.keys()))
    return {*last}
