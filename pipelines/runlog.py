"""The run's own rows, `_hs_runs` and `_hs_run_tables`, in the load of the data they tell of."""

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.report import RunStatus
from sources.hubspot import MERGE, Run
from sources.hubspot.model import TableOutcome
from sources.hubspot.resources import make_resource
from sources.hubspot.state import SourceState

_TIMESTAMP = pa.timestamp("us", tz="UTC")

RUNS: pa.Schema = pa.schema(
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
)

RUN_TABLES: pa.Schema = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("way_in", pa.string()),
        pa.field("status", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("tombstones", pa.int64()),
        pa.field("calls", pa.int64()),
        pa.field("rate_limited", pa.int64()),
        pa.field("watermark_before", _TIMESTAMP),
        pa.field("watermark_after", _TIMESTAMP),
        pa.field("error", pa.string()),
    ]
)


def run_log(run: Run, command: str, started_at: datetime) -> DltResource:
    """Make the resource that ends every load of a run with the run's rows as they stand.

    A load is not one transaction: where it fails or is killed in the middle, its rows may be there
    and claim what did not arrive. The state is not, so the next run brings it. In a run's first
    load no row of the run can be there yet, so they are added without a merge.
    """
    mode: Any = "append" if run.first_load else MERGE
    resource = make_resource(
        "_hs_runs",
        _rows(run, command, started_at),
        primary_key="run_id",
        write_disposition=mode,
    )
    resource.apply_hints(
        table_name="_hs_run_tables",
        primary_key=("run_id", "table_name"),
        write_disposition=mode,
        create_table_variant=True,
    )
    return resource


def _rows(run: Run, command: str, started_at: datetime) -> Generator[Any, None, None]:
    yield None  # the other resources begin first
    while run.open_tables or run.open_tails:
        yield None
    source = SourceState(dlt.current.source_state())
    source.cleanup = run.changed | run.dead | run.merged | run.relabelled | run.tidy
    source.hard_delete = run.hard_delete
    outcomes = run.collect()
    meter = run.client.meter
    status, exit_code = run_status(run)
    row = {
        "run_id": run.run_id,
        "portal_id": run.account.portal_id,
        "command": command,
        "started_at": started_at,
        "ended_at": None if run.unfinished else run.now(),
        "status": "running" if run.unfinished else status,
        "exit_code": None if run.unfinished else exit_code,
        "calls": meter.calls,
        "retries": meter.retries,
        "rate_limited": meter.rate_limited,
        "error": str(run.stopped) if run.stopped else None,
    }
    yield pa.Table.from_pylist([row], schema=RUNS)
    tables = [_table_row(run.run_id, outcome) for outcome in outcomes.values()]
    yield dlt.mark.with_table_name(
        pa.Table.from_pylist(tables, schema=RUN_TABLES), "_hs_run_tables"
    )


def _table_row(run_id: str, outcome: TableOutcome) -> Mapping[str, Any]:
    return {"run_id": run_id} | {
        name: getattr(outcome, name) for name in RUN_TABLES.names if name != "run_id"
    }


def run_status(run: Run) -> tuple[RunStatus, int]:
    """Tell a run's status and exit code: the gravest code that any table ended with."""
    if run.stopped:
        return "failed", run.stopped.exit_code
    codes: Sequence[int] = [o.exit_code for o in run.outcomes.values() if o.exit_code]
    return ("partial", min(codes)) if codes else ("ok", 0)
