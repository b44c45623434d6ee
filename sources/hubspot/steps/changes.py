"""What changed in a table since its watermark: changed, new, archived, restored, merged records.

What is read is a function of the state, so a load that is full ends after any page, and the next
load goes on behind it.
"""

from collections.abc import Generator
from datetime import datetime
from functools import partial
from typing import Any

from ..api import search
from ..api.batch_read import BATCH
from ..run.pace.walking import Hits, next_hits
from ..run.run import Items
from ..state.table import Changes
from .by_id import read_ids
from .probe import Probe, unloaded
from .table import BLOCK, Table


def read_changes(table: Table, probe: Probe) -> Items:
    """Read what changed since the watermark; `finish_changes` sets the new one."""
    work = table.state.changes
    if work is None or work.searched:
        return
    if (yield from _read_changes(table, probe, work)):
        work.searched = True
    else:
        table.leave_unfinished()


def finish_changes(table: Table, total: int | None, *, is_explained: bool) -> None:
    """Set the watermark: the begin of the search for changes.

    Where search counted another number than the table holds by now, it is that of the previous run:
    a record that search lacked may be back, and nothing else reports an edit from before it went.

    Args:
        table: the table.
        total: live records as the probe counted them.
        is_explained: whether what was read before the sweeps explained that number.
    """
    run, state, work = table.run, table.state, table.state.changes
    if work is None:
        return
    if table.name not in run.tables.deep:
        state.recount_pending = False
    before = state.completed_run[0] if state.completed_run else state.watermark
    state.finish(work.started_at, run.now(), total=total, is_complete=work.complete)
    is_known = run.view is not None and total is not None
    if before and is_known and not (is_explained or explains(table, total)):
        state.rewind(before, known=True)
    state.note_recent({}, since=(state.searched_at or work.started_at) - run.config.lookback)


def explains(table: Table, total: int | None) -> bool:
    """Whether what this load brings explains how many records live now."""
    run, live = table.run, table.run.load.live_count(table.name)
    if run.view is None or live is None or total is None:
        return False
    ids = list(table.read_now)
    held = run.view.rows(table.name, ("id", "_hs_deleted_at"), ids)
    before = {id_ for id_, deleted_at in held if deleted_at is None}
    after = {id_ for id_, archived in table.read_now.items() if not archived}
    return live - len(before) + len(after) == total


def _read_changes(table: Table, probe: Probe, work: Changes) -> Generator[Any, None, bool]:
    """Read all that changed; return whether the end was reached.

    The probe names the first and the last changes. Where HubSpot counts more, the others are
    searched by id. Where the newest records bring nothing new, the search is left to a later run,
    which begins where the last one did.
    """
    if work.after_id == "0" and probe.facts.names_all:
        yield from read_ids(table, probe.ids)
        work.complete = probe.search.is_complete
        return True
    after_id = work.after_id
    since, ids, left = _begin(table, probe, work)
    is_begun = False
    while True:
        step = yield from _next_changes(table, since, after_id)
        if (step.total or 0) < left:  # those that changed before are not all among the oldest
            since, left = work.since, 0
            continue
        if not is_begun:
            _expect(table, after_id, (step.total or 0) + len(ids))
        left, is_begun = 0, True
        ids = [*dict.fromkeys([*ids, *unloaded(table, step.rows)])]
        after_id = step.after_id
        if not step.last and len(ids) < BLOCK:
            continue
        whole = len(ids) - len(ids) % BATCH  # the rest goes with the next ones, in fewer calls
        yield from read_ids(table, ids[:whole])
        ids, is_begun = ids[whole:], False
        if step.last or table.run.load.budget.spent():
            yield from read_ids(table, ids)
            _leave_off(table, work, since, step)
            return step.last


def _begin(table: Table, probe: Probe, work: Changes) -> tuple[datetime, list[str], int]:
    """Return from when on to search, records to read before, and how many a search finds."""
    if work.after_id == "0" and probe.search.since:
        return probe.search.since, unloaded(table, probe.search.oldest), probe.search.left
    return work.since, [], 0


def _next_changes(table: Table, since: datetime, after_id: str) -> Generator[None, None, Hits]:
    """Search for the next records that changed, along their ids."""
    lanes, kind = table.run.portal.lanes, table.object_type
    ask = partial(search.changed_after, table.client, kind, since)
    return (yield from next_hits(lanes, kind, ask, after_id, floor_ms=search.to_ms(since)))


def _leave_off(table: Table, work: Changes, since: datetime, step: Hits) -> None:
    """Note how far the changes are read, and whether these are surely all."""
    work.after_id, work.since, work.complete = step.after_id, since, step.last and step.whole
    if step.last and not step.whole:
        table.outcome.note(
            f"HubSpot's search for {table.name} names fewer changed records than it counts;"
            " the next run searches for the others."
        )


def _expect(table: Table, after_id: str, found: int) -> None:
    """Note how many rows are to come: those found, but for the ones that are loaded as they are."""
    known = len(table.state.recent) if after_id == "0" else 0
    table.run.options.expect(table.name, found - known)
