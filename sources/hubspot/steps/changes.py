"""What changed in a table since its watermark: changed, new, archived, restored, merged records.

Every step is a function of the state, so a load that is full ends after any of them, and the next
load goes on with the step it stands at.
"""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil, inf
from typing import Any

from ..api import search
from ..api.batch_read import BATCH
from ..api.record_pages import PAGE
from ..errors import ContractError, RequestRejectedError
from ..http.clock import BEHIND
from ..model import ObjectType
from ..run.run import Items, Run
from ..run.waiting import wait, wait_until
from ..run.walking import next_hits
from ..state.table import Changes, TableState
from .backfill import backfill
from .by_id import read_ids, read_left
from .fill_columns import fill_columns
from .sweeps.archive import sweep_archived
from .sweeps.calculated import sweep_calculated
from .table import BLOCK, Table

STAMPED_BEFORE = timedelta(seconds=3)
"""How long a change may bear its instant before it is seen; whole seconds are within it."""
UNSEARCHED = timedelta(days=1)
"""How long the newest records may say that nothing changed before a search has to confirm it."""


def look(
    run: Run, object_type: ObjectType, state: TableState
) -> Generator[None, None, search.Peek]:
    """Ask once what changed since the last search and how many records live: an idle run's call."""
    since, last_run = _floor(run, state, state.searched_at), _floor(run, state, state.watermark)
    state.changes = state.changes or Changes(run.now(), since)
    client = run.client_for(object_type.table)
    call = partial(search.newest, client, object_type, since, last_run=last_run)
    run.looking.add(object_type.table)
    try:
        peek = yield from wait(run.submit(call, lane="search"))
    except RequestRejectedError:  # no search without a filter: walk the changes, count nothing
        peek = search.Peek(None, [], complete=False)
    finally:
        run.looking.discard(object_type.table)
    run.totals[object_type.table] = peek.total
    live = run.live_count(object_type.table)
    if live and peek.complete and peek.total is None and not peek.rows:
        raise ContractError(
            f"HubSpot's search for {object_type.table} names neither records nor their number.",
            remedy="Run the sync again; what changed is read then. If it happens again, report it.",
        )
    if peek.total is None:
        run.outcome_of(object_type.table).note(
            f"HubSpot's search for {object_type.table} names no number of records, so only "
            "`hubspot-elt verify` finds purged ones."
        )
    if state.count_mismatch == [peek.total, live]:  # once: the next run looks into it again
        run.looked_into.add(object_type.table)
    state.count_mismatch = []
    if live != peek.total or not (peek.complete or peek.in_order):
        run.active.add(object_type.table)
    note_changes(run, object_type, state, peek.changed)
    return peek


def _floor(run: Run, state: TableState, at: datetime | None) -> datetime:
    """Return the instant from which changes are looked for behind what was found up to another."""
    since = (at or run.now()) - run.lookback
    return max(since, state.listed_at - STAMPED_BEFORE) if state.listed_at else since


def note_changes(
    run: Run, object_type: ObjectType, state: TableState, hits: Sequence[search.Hit]
) -> None:
    """Note that records changed within the lookback, and whether while the run before was at work.

    Then something that leaves no trace may have changed, too, behind what that run had read.
    """
    began_ms = search.to_ms(state.watermark) if state.watermark else 0
    ended_ms = search.to_ms(run.before_ended) if run.before_ended else inf
    surely_ms = ended_ms - BEHIND / timedelta(milliseconds=1)
    for hit in hits:
        run.active.add(object_type.table)
        at = search.modified_ms(hit, object_type)
        if at <= ended_ms and (at >= began_ms or at > state.recent.get(hit.id, -1)):
            run.overlapped.add(object_type.table)
            run.may_be_beside = True
            run.was_beside |= at <= surely_ms
            if at <= surely_ms and state.recount_pending:
                run.recounted.add(object_type.table)


def increment(table: Table, peek: search.Peek) -> Items:
    """Read what changed since the watermark, then look where something disappeared unseen.

    The new watermark is the beginning of the search for changes, taken when all steps are done.
    Where search told another number than the table holds by then, it is the one before: a record
    that search lacked may be back, and nothing else tells of an edit from before it went.
    """
    run, state = table.run, table.state
    work = state.changes or Changes(run.now(), run.now())
    yield from read_left(table)
    if not work.searched:
        finished = yield from _read_changes(table, peek, work)
        if finished is None:
            state.changes = None
            table.outcome.way_in = "listing"
            yield from backfill(table)
            return
        if not finished:
            table.leave_unfinished()
            return
    work.searched = True
    yield from fill_columns(table)
    if state.has_older_rows or run.budget.spent():
        table.leave_unfinished()
        return
    is_explained = explains(table, peek.total)
    if not is_explained:
        run.overlapped.add(table.name)
    if run.copy is not None:  # else a table may be read alone, and nothing else is swept
        yield from wait_until(lambda: not run.looking)
    yield from sweep_archived(table)
    if table.name not in run.unfinished:
        yield from sweep_calculated(table)
    if table.name in run.unfinished:
        return
    _finish(table, peek.total, work, is_explained=is_explained)


def _finish(table: Table, total: int | None, work: Changes, *, is_explained: bool) -> None:
    """Set the watermark; where the number is not explained by now, that of the run before."""
    run, state = table.run, table.state
    if table.name not in run.recounted:
        state.recount_pending = False
    before = state.completed_run[0] if state.completed_run else state.watermark
    state.finish(work.started_at, run.now(), total=total, is_complete=work.complete)
    can_tell = run.copy is not None and total is not None
    if before and can_tell and not (is_explained or explains(table, total)):
        state.rewind(before, known=True)
    state.note_recent({}, since=(state.searched_at or work.started_at) - run.lookback)


def explains(table: Table, total: int | None) -> bool:
    """Whether what this load brings explains how many records live now."""
    run, live = table.run, table.run.live_count(table.name)
    if run.copy is None or live is None or total is None:
        return False
    ids = list(table.read_now)
    held = run.copy.rows(table.name, ("id", "_hs_deleted_at"), ids)
    before = {id_ for id_, deleted_at in held if deleted_at is None}
    after = {id_ for id_, archived in table.read_now.items() if not archived}
    return live - len(before) + len(after) == total


def _read_changes(
    table: Table, peek: search.Peek, work: Changes
) -> Generator[Any, None, bool | None]:
    """Read all that changed; tell whether the end was reached, None where listing costs less.

    The newest records alone do not vouch for the end unless they are all there are. Where they
    bring nothing new, the search is left to a later run, which begins where the last one did.
    """
    if work.after_id == "0" and (peek.complete or seems_idle(table, peek)):
        yield from _read_hits(table, peek.changed)
        work.complete = peek.complete
        return True
    ask = partial(search.changed_after, table.client, table.object_type, work.since)
    hits: list[search.Hit] = []
    after_id, floor_ms = work.after_id, search.to_ms(work.since)
    while True:
        step = yield from next_hits(table.run, table.object_type, ask, after_id, floor_ms=floor_ms)
        known = len(table.state.recent) if after_id == "0" else 0
        if not hits:
            table.run.expect(table.name, (step.total or 0) - known)
        is_first = after_id == "0" and not (step.last and not step.rows)
        if is_first and costs_more_than_listing(step.total, peek.total, known=known):
            return None
        hits += step.rows
        after_id = step.after_id
        if step.last or len(hits) >= BLOCK:
            yield from _read_hits(table, hits)
            work.after_id, hits = after_id, []
            work.complete = step.last and step.whole
            if step.last and not step.whole:
                table.outcome.note(
                    f"HubSpot's search for {table.name} names fewer changed records than it counts;"
                    " the next run searches for the others."
                )
            if step.last or table.run.budget.spent():
                return step.last


def seems_idle(table: Table, peek: search.Peek) -> bool:
    """Whether the newest records bring nothing new, and a search has confirmed that lately."""
    searched_at = table.state.searched_at
    if searched_at is None or table.run.now() - searched_at >= UNSEARCHED:
        return False
    return peek.in_order and not unloaded(table, peek.changed)


def costs_more_than_listing(changed: int | None, live: int | None, *, known: int) -> bool:
    """Whether to search so many, and to read those not loaded yet, takes more calls than to list.

    Args:
        changed: records that search finds.
        live: records that a listing brings.
        known: of `changed`, those that are loaded as they are, about.
    """
    if changed is None or live is None:
        return False
    reads = ceil(max(0, changed - known) / BATCH)
    return ceil(changed / search.PAGE) + reads > ceil(live / PAGE)


def _read_hits(table: Table, hits: Sequence[search.Hit]) -> Items:
    """Read the records that search found, but for those loaded already as they are."""
    ids = dict.fromkeys(unloaded(table, hits))
    others = [hit for hit in hits if hit.id in ids or hit.id in table.state.recent]
    note_changes(table.run, table.object_type, table.state, others)
    yield from read_ids(table, list(ids))


def unloaded(table: Table, hits: Sequence[search.Hit]) -> list[str]:
    """List the ids of records that are not loaded as search found them, each once."""
    known, at = table.state.recent, dict[str, int]()
    for hit in hits:
        modified = search.modified_ms(hit, table.object_type)
        if not modified or modified > known.get(hit.id, -1):
            at[hit.id] = modified
    return list(at)
