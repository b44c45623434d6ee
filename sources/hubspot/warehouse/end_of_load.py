"""The end of every load: the tables that it makes, and what SQL has to do after it."""

from collections.abc import Generator
from typing import Any

from dlt.extract import DltResource

from ..http.clock import BEHIND
from ..model import REJECTS
from ..run.empty_tables import if_missing, make_declared
from ..run.pace.waiting import wait_until
from ..run.resources import make_resource
from ..run.run import Run
from ..state.source import COLLECTION, RELABELLED
from ..tables.records import REJECTS as REJECT_COLUMNS
from .run_log import COLUMNS, RUN_TABLES, RUNS, VERIFICATIONS
from .verifications import RESULTS

_TABLES = COLUMNS | {REJECTS: REJECT_COLUMNS, VERIFICATIONS: RESULTS}
_KEYS = {
    RUN_TABLES: ("run_id", "table_name"),
    VERIFICATIONS: ("run_id", "table_name"),
    REJECTS: ("table_name", "id", "property"),
}
_BY_ID = "run_id = ?"


def end_of_load(run: Run) -> DltResource:
    """Make the resource that ends every load: it notes what SQL has to do after it.

    In the first load of a dataset it makes the tables that others write, or that may stay empty.
    """
    resource = make_resource(RUNS, _end_of_load(run), primary_key="run_id")
    for name, key in _KEYS.items():
        resource.apply_hints(table_name=name, primary_key=key, create_table_variant=True)
    return resource


def left_to_clean_up(run: Run) -> set[str]:
    """Return the tables that an earlier run may not have cleaned up after its last load.

    A run whose row says that it ended well has cleaned up after every load.
    """
    left, run_id = {*run.state.pending_cleanup}, run.state.cleanup_run_id
    if left and run_id and run.view is not None:
        found = [row for rows in run.view.values(RUNS, ("status",), _BY_ID, run_id) for row in rows]
        if found in ([("ok",)], [("partial",)]):
            return set()
    return left


def _end_of_load(run: Run) -> Generator[Any, None, None]:
    yield from wait_until(lambda: not run.load.is_reading)
    with run.store.opened() as state:
        has_ended = not (run.load.unfinished or run.outcomes.stopped)
        if not run.options.repairing:
            state.last_run_ended_at = run.now() + BEHIND if has_ended else None
        tables = (
            run.load.appending
            | run.tables.changed
            | run.load.dead
            | run.load.merged
            | run.pairs.linked
            | run.collections.histories_loaded
            | run.tables.to_clean_up
        )
        relabelled = {f"{RELABELLED}{pair}" for pair in run.pairs.relabelled}
        ended = {f"{COLLECTION}{key}" for key in run.collections.loaded}
        state.pending_cleanup = sorted(tables | relabelled | ended)
        state.cleanup_run_id = run.options.run_id
        state.hard_delete = run.options.hard_delete
        state.note_policies(run.tables.policies)
    for name, columns in _TABLES.items():
        yield from if_missing(run, name, columns)
    make_declared(run)
