"""Property history: all values that properties had, of the records that this run has read.

Which records those are is asked of the warehouse, in a load that follows the one that brought them:
rows loaded later than the cursor that the state keeps. The first reading, and one after a table was
read whole, is of all records: it draws on the day's share of calls and may take several runs,
unless the user asks for it by name.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import dlt

from ...api.property_history import BATCH, Histories, calls_each, read_histories
from ...api.stages import is_about_stage
from ...catalog.endpoints.declaration import Batches, Endpoint
from ...catalog.names import HISTORY, history_table
from ...errors import HubSpotError
from ...model import REJECTS, ObjectType, TableOutcome, TableSchema, View
from ...plan.collections.differing import Parent
from ...plan.facts import HistoryFacts
from ...plan.steps import Plan
from ...run.empty_tables import if_missing
from ...run.pace.waiting import together, wait
from ...run.portal.schemas import stored_schema
from ...run.run import Items, Run
from ...state.collections import CollectionState
from ...tables.property_history import COLUMNS, Row, rows_of, to_batch
from ..collections.parents.pending import pending

Waiting = deque[tuple[Sequence[Parent], Future[Histories]]]
"""Batches of records whose calls are in flight, the first one first."""
BLOCK = 5_000  # rows that become one Arrow table, before the cursor moves
MERGED = 2.5  # rows that are added for the memory that merging one takes
MOST_NAMED = 5
WAITS = (
    "The history of all records goes on with the next run, for the day's share of calls is used;"
    " `hubspot-elt sync --select history` reads it at once."
)


def choose_histories(run: Run, kinds: Sequence[ObjectType]) -> None:
    """Note of which of these object types the run reads property history."""
    chosen = run.selection.per_type.get(HISTORY, ())
    run.collections.histories = {
        one.table: history_table(one.table) in run.selection.at_once
        for one in kinds
        if one.table in chosen
    }


def history_facts(run: Run) -> dict[str, HistoryFacts]:
    """Return what is known, before anything is read, of the histories that the run reads."""
    view = run.view
    if view is None:
        return {}
    return {
        table: HistoryFacts(
            pending=sum(map(len, _pending(run, view, table))),
            names=len(names_of(run, _schema(run, table))),
            is_first=_state(run, table).whole_at is None,
            is_forced=is_forced,
        )
        for table, is_forced in run.collections.histories.items()
    }


def begin_histories(run: Run, plan: Plan) -> None:
    """Keep how many calls the histories of all records may take, where the day's share pays."""
    if not run.load.is_first:
        return
    for table, is_forced in run.collections.histories.items():
        step = plan.step(history_table(table), "history_backfill")
        if step and not is_forced:
            run.collections.granted[table] = step.paid
            _state(run, table).whole_at = None


def are_histories_pending(run: Run, view: View) -> bool:
    """Whether the next load has any history to read, once all records of the run are there."""
    if run.load.unfinished or run.tables.to_recount:
        return False
    return any(
        _may_read(run, table) and any(_pending(run, view, table))
        for table in run.collections.histories
    )


def history_rows(run: Run, kinds: Sequence[ObjectType]) -> Items:
    """Read the histories of the records that are pending, as far as the load allows."""
    chosen = [kind for kind in kinds if _may_read(run, kind.table)]
    yield from together([_read_table(run, kind) for kind in chosen], most=len(chosen) or 1)


def history_names(run: Run, table: str) -> list[str]:
    """Return the properties of a table whose history is read, or would be."""
    return names_of(run, _schema(run, table))


def names_of(run: Run, schema: TableSchema) -> list[str]:
    """Return the properties of a table whose history is read."""
    if run.config.history_calculated:
        return [*schema.properties]
    left_out = {one.property for one in schema.calculated}
    names = [name for name in schema.properties if name not in left_out]
    return [name for name in names if not is_about_stage(name)]


def _schema(run: Run, table: str) -> TableSchema:
    return stored_schema(table, run.state, run.policy)


def _state(run: Run, table: str) -> CollectionState:
    """Return the state of a history; a new one where other properties are to be read by now."""
    key = _key(table)
    shape = f"{run.policy.digest(table)} {'calculated' * run.config.history_calculated}".strip()
    if run.state.collection(key).shape != shape:
        run.state.collections[key] = CollectionState(shape=shape)
    return run.state.collection(key)


def _key(table: str) -> str:
    return f"{HISTORY}:{table}"


def _pending(run: Run, view: View, table: str) -> Iterable[list[Parent]]:
    """Yield the records whose history is to be read, in the order in which the cursor passes."""
    per = Batches(table, "id", BATCH, changed="_hs_synced_at")
    of_table = Endpoint(
        history_table(table), group=HISTORY, per=per, key="id", columns="id", about="a version"
    )
    return pending(view, of_table, _state(run, table), run.now())


def _may_read(run: Run, table: str) -> bool:
    """Whether a table's history was not refused in this run, and has calls left."""
    if _key(table) in run.collections.done or run.outcomes.of(table).exit_code:
        return False
    each = calls_each(len(names_of(run, _schema(run, table))))
    return bool(each) and run.collections.granted.get(table, each) >= each


@dataclass
class _Reading:
    """The reading of one table's history by one load."""

    run: Run
    object_type: ObjectType
    schema: TableSchema
    state: CollectionState
    outcome: TableOutcome
    names: Sequence[str]
    held: list[Row] = field(default_factory=list)
    """Versions that are not handed on yet."""
    last: Parent | None = None
    """The record up to which all versions are held or handed on."""

    def add(self, batch: Sequence[Parent], found: Histories) -> Items:
        """Take the versions of a batch of records, and hand on a block if that makes one."""
        rows = [row for past in found.past for row in rows_of(past, self.schema)]
        self.held += rows
        self.run.load.budget.take(MERGED * len(rows))
        for id_, message in islice(found.refused.items(), MOST_NAMED):
            self.outcome.note(f"HubSpot refuses to read the history of {id_}: {message}")
        if (more := len(found.refused) - MOST_NAMED) > 0:
            self.outcome.note(f"HubSpot refuses to read the histories of {more:,} more records.")
        self.last = batch[-1]
        if len(self.held) >= BLOCK:
            yield from self.flush()

    def flush(self) -> Items:
        """Hand on what is held, and move the cursor past its records."""
        own, rows = self.object_type.table, self.held
        if rows:
            strip_nul = bool(self.run.options.strip_nul)
            batch = to_batch(rows, own, synced_at=self.run.now(), strip_nul=strip_nul)
            self.held, count = [], batch.rows.num_rows
            self.outcome.rows += count
            yield dlt.mark.with_table_name(batch.rows, history_table(own))
            if batch.rejects.num_rows:
                yield dlt.mark.with_table_name(batch.rejects, REJECTS)
        if self.last:
            self.state.parent_id, self.state.parent_at = str(self.last[0]), self.last[-1]
            self.run.collections.histories_loaded.add(own)


def _read_table(run: Run, kind: ObjectType) -> Items:
    """Read what is pending of one table; what was read is kept where a call fails."""
    schema, view = _schema(run, kind.table), run.view
    if view is None:
        return
    with run.outcome(history_table(kind.table)) as outcome:
        state, began = _state(run, kind.table), run.now()
        outcome.mode = "backfill" if state.whole_at is None else "increment"
        reading = _Reading(run, kind, schema, state, outcome, names_of(run, schema))
        try:
            is_at_end = yield from _read_pending(reading, _pending(run, view, kind.table))
        except HubSpotError:
            run.collections.done.add(_key(kind.table))
            yield from reading.flush()
            raise
        yield from reading.flush()
        yield from if_missing(run, history_table(kind.table), COLUMNS)
        outcome.was_read = True
        if is_at_end:
            state.whole_at = state.whole_at or began
            state.read_at = began
        elif not run.load.budget.spent():
            outcome.note(WAITS)


def _read_pending(reading: _Reading, parts: Iterable[list[Parent]]) -> Generator[Any, None, bool]:
    """Read batch by batch, several in flight; return whether the last one was reached."""
    run, table = reading.run, reading.object_type.table
    each, waiting = calls_each(len(reading.names)), Waiting()
    client, is_at_end = run.portal.client_for(history_table(table)), True
    ask = partial(read_histories, client, reading.object_type, names=reading.names)
    for batch in _batches(parts):
        if run.load.budget.spent() or not _spend(run, table, each):
            is_at_end = False
            break
        ids = [str(one[0]) for one in batch]
        waiting.append((batch, run.submit(partial(ask, ids))))
        if len(waiting) >= run.config.calls_in_flight:
            yield from _take(reading, waiting)
    while waiting:
        yield from _take(reading, waiting)
    return is_at_end


def _batches(parts: Iterable[list[Parent]]) -> Iterator[list[Parent]]:
    rows = (row for part in parts for row in part)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _spend(run: Run, table: str, calls: int) -> bool:
    """Take calls from those that the plan granted; return whether they were left."""
    granted = run.collections.granted
    if table in granted:
        if granted[table] < calls:
            return False
        granted[table] -= calls
    return True


def _take(reading: _Reading, waiting: Waiting) -> Items:
    batch, call = waiting.popleft()
    found = yield from wait(call)
    yield from reading.add(batch, found)
