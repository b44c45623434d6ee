"""All links of a pair, read again: what finds links that changed without a change of a record.

It runs when every object type is done, so that what it reads is not older than they are. A sweep
that is too large for a load goes on in the next one: the state that each load carries says where.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from ...api.associations import BATCH, Pair, Side
from ...api.batch_read import batches
from ...errors import HubSpotError
from ...model import LIVE, View
from ...plan.history import OTHER_SIDE
from ...run.pace.waiting import together
from ...run.run import Items, Run
from ...state.source import LinkSweep, PairState, SourceState
from ..links.links import AT_ONCE, Links, is_one_way

ENDS: tuple[Side, Side] = ("source", "target")
TOGETHER = 8  # pairs that are swept at the same time
FEWEST = 50  # ids whose links are read at once, however few rows a load may have


def sweep_links(run: Run, links: Links) -> Items:
    """Sweep the pairs that are due; pending ones first, then those swept longest ago.

    A sweep is pending, and does not wait, when its ends were loaded apart, when reading some of
    its links failed, or when it was chosen later. A sweep that reached its end settles it.
    """
    source = run.state
    for pair in links.pairs:
        yield from _read_late(run, links, pair)
    if run.view is None or run.options.repairing:
        return
    for pair in links.pairs:
        if pair.table not in source.pairs:
            source.pair(pair.table).pending = True
    turns = [
        _take_turn(run, links, pair, run.view)
        for pair in sorted(links.pairs, key=lambda pair: _urgency(source.pair(pair.table)))
        if pair.table not in run.pairs.refused | run.pairs.swept and _has_ends(source, pair)
    ]
    yield from together(turns, most=TOGETHER)


def _read_late(run: Run, links: Links, pair: Pair) -> Items:
    """Read the links again that an earlier load had read before they changed."""
    late = sorted(run.pairs.late.pop(pair.table, ()))
    if late and run.view and is_one_way(run.state, pair):
        yield from _read_side(run, links, pair, run.view, _begin(run, PairState(), "target"))
    else:
        yield from links.hand_on_links(pair, late, "source")
    if not run.options.repairing and pair.table in run.state.pairs:
        yield from _read_refused(run, links, pair)


def _read_refused(run: Run, links: Links, pair: Pair) -> Items:
    """Read the links again of the records that HubSpot refused to an earlier run.

    Those that are gone are left out, and those of an end that no longer lists the links.
    """
    known = run.state.pair(pair.table)
    for side in ENDS:
        ids = known.refused_ids.get(side, [])
        now = [id_ for id_ in ids if (pair.table, side, id_) not in run.pairs.refused_ids]
        if not now or run.view is None:
            continue
        columns = ("id", "_hs_deleted_at")
        rows = run.view.rows(pair.end(side).table, columns, now)
        live = [id_ for id_, deleted_at in rows if deleted_at is None]
        live = live if known.reported_by in {None, side} else []
        known.forget(side, {*now} - {*live})
        with run.outcome(pair.table):
            yield from links.hand_on_links(pair, live, side)
            if side == "target":
                yield from links.hand_on_turned(pair)


def _take_turn(run: Run, links: Links, pair: Pair, view: View) -> Items:
    """Do what is due for a pair now."""
    known = run.state.pair(pair.table)
    side = yield from links.calls.side_of(pair)
    end = pair.end(side).table
    if run.options.sweep_links and run.load.is_first:
        known.open_sweep = None  # all links are to be read in this run
    came = end in run.tables.backfilled
    if came and _is_reported_by_targets_alone(run, links, pair, side):
        links.turn_to(pair, "target")
        came = False
    forced = _is_forced(run, pair, came=came)
    if forced and _lacks_ids(run, end):
        run.load.unfinished.add(pair.table)  # another load, when the warehouse knows the ids
        return
    run.pairs.swept.add(pair.table)
    if came and not forced:
        held = view.counts([pair.table], "1 = 1")[pair.table]
        _note(run, pair, known, run.tables.backfilled[end], held=held)
        known.more_calls = _more_of_backfill(run, pair, end)
    elif forced or pair.table in run.pairs.due:
        yield from _sweep(run, links, pair, view, side)


def _more_of_backfill(run: Run, pair: Pair, end: str) -> int | None:
    """Return the calls in addition to one per 1,000 records that a sweep takes, if that is known.

    Records of several calls may have been listed in another order than a sweep reads them in.
    """
    more, records = run.pairs.more_calls[pair.table], run.tables.totals.get(end) or 0
    is_known = end not in run.tables.resumed and (not more or records <= BATCH)
    return more if is_known else None


def _is_reported_by_targets_alone(run: Run, links: Links, pair: Pair, side: Side) -> bool:
    """Whether targets listed links in a backfill of which their sources know nothing."""
    if side == "source" or run.state.pair(pair.table).reported_by:
        return False
    return bool(links.reported[pair.table]) and not run.pairs.brought[pair.table]


def _is_forced(run: Run, pair: Pair, *, came: bool) -> bool:
    """Whether all links of a pair are read now, whatever the plan says.

    Args:
        run: the run.
        pair: theirs.
        came: whether a backfill of this run has brought them.
    """
    known = run.state.pair(pair.table)
    if run.options.sweep_links or known.pending or known.open_sweep is not None:
        return True
    ends = {pair.source.table, pair.target.table}
    return not came and not run.tables.backfilled.keys().isdisjoint(ends)


def _lacks_ids(run: Run, table: str) -> bool:
    """Whether the warehouse does not know all ids of a table before the load ends."""
    is_empty = run.load.is_first and run.load.live_count(table) == 0
    return is_empty or table in run.load.listed_now


@contextmanager
def _pending_until_read(known: PairState) -> Iterator[None]:
    """Have the next run read all links of a pair where this one cannot."""
    try:
        yield
    except HubSpotError:
        known.pending = True
        raise


def _begin(run: Run, known: PairState, side: Side) -> LinkSweep:
    """Open a sweep, or go on with the open one."""
    work = known.open_sweep = known.open_sweep or LinkSweep(side, run.now())
    return work


def _blocks(
    run: Run, pair: Pair, work: LinkSweep, ids: Iterable[Sequence[str]]
) -> Iterator[Sequence[str]]:
    """Yield ids, ascending, in blocks until the load is full; then another load goes on.

    A block counts as done when the next one is asked for.
    """
    done = False
    for some in ids:
        for block in batches(some, _at_once(run)):
            if pair.table in run.pairs.refused:
                return
            if run.load.budget.full or (done and run.load.budget.spent()):
                _leave(run, pair)
                return
            yield block
            work.after_id, done = block[-1], True


def _at_once(run: Run) -> int:
    """Return how many ids' links are read between two looks at the bound of the load."""
    return int(max(FEWEST, min(AT_ONCE, run.load.budget.rows // TOGETHER)))


def _leave(run: Run, pair: Pair) -> None:
    """Leave the rest of a sweep to another load."""
    run.load.unfinished.add(pair.table)
    run.pairs.swept.discard(pair.table)


def _ids(view: View, table: str, work: LinkSweep) -> Iterator[list[str]]:
    """Yield the ids of live records that an open sweep has not come to, ascending."""
    where = f"{LIVE} AND id > ? ORDER BY id"
    with closing(view.values(table, ("id",), where, work.after_id)) as parts:
        for rows in parts:
            yield [id_ for (id_,) in rows]


def _finish(run: Run, pair: Pair, known: PairState, work: LinkSweep, *, held: int) -> None:
    """Close a sweep that came to its end."""
    if pair.table in run.load.unfinished:
        return
    run.pairs.linked.add(pair.table)
    known.pending, known.open_sweep, known.more_calls = False, None, work.more_calls
    _note(run, pair, known, work.started_at, held=held)


def _note(run: Run, pair: Pair, known: PairState, at: datetime, *, held: int = 0) -> None:
    """Remember that all links of a pair were read, and whether there are any."""
    known.swept_at = at
    known.listed_side = None
    known.has_links = bool(held or run.pairs.brought[pair.table])


def _urgency(known: PairState) -> tuple[bool, datetime]:
    return not known.pending, known.swept_at or datetime.min.replace(tzinfo=UTC)


def _has_ends(source: SourceState, pair: Pair) -> bool:
    """Whether both ends are loaded and hold records."""
    ends = (source.table(pair.source.table), source.table(pair.target.table))
    return all(end.watermark is not None and end.total != 0 for end in ends)


def _sweep(run: Run, links: Links, pair: Pair, view: View, side: Side) -> Items:
    """Read all links of a pair again, as many as fit into this load; see `_blocks`.

    From one side; from the other one, too, where HubSpot lists them only there.
    """
    known = run.state.pair(pair.table)
    with run.outcome(pair.table), _pending_until_read(known):
        links.calls.outcome(pair)  # a refusal is judged by what earlier runs have read
        held = view.counts([pair.table], "1 = 1")[pair.table]
        work = _begin(run, known, side)
        yield from _read_side(run, links, pair, view, work, held=held)
        is_open = pair.table in run.load.unfinished or pair.table in run.pairs.refused
        if not (is_open or held or run.pairs.brought[pair.table]):
            reported_by = yield from _reported_by(run, links, pair, view, work)
            if reported_by:
                links.turn_to(pair, reported_by)
                work.side, work.after_id = reported_by, ""
                yield from _read_side(run, links, pair, view, work)
        if pair.table not in run.pairs.failed:
            _finish(run, pair, known, work, held=held)


def _read_side(
    run: Run, links: Links, pair: Pair, view: View, work: LinkSweep, *, held: int = 0
) -> Items:
    """Hand on the links of one end's records, from where the sweep stands, until the load is full.

    What targets list is handed on in the end; where that is not reached, it is read again.
    """
    side: Side = "source" if work.side == "source" else "target"
    began_after, before = work.after_id, links.reported[pair.table]
    more_before = run.pairs.more_calls[pair.table]
    if more_before and not began_after:  # what was read before is not read again
        work.more_calls = None
    try:
        for ids in _blocks(run, pair, work, _ids(view, pair.end(side).table, work)):
            yield from links.hand_on_links(pair, ids, side, replace=bool(held))
        if pair.table not in run.pairs.refused:
            yield from links.hand_on_turned(pair, replace=bool(held or began_after))
            began_after = work.after_id
    finally:
        if side == "target":
            work.after_id = began_after
            links.forget_turned(pair)
    work.reported += links.reported[pair.table] - before
    if work.more_calls is not None:
        work.more_calls += run.pairs.more_calls[pair.table] - more_before


def _reported_by(
    run: Run, links: Links, pair: Pair, view: View, work: LinkSweep
) -> Generator[None, None, Side | None]:
    """Find out whether only the other side lists links, of a pair of which there seem to be none.

    It is asked about its first 1,000 records, at the first sweep and once a day.
    """
    known = run.state.pair(pair.table)
    if pair.source == pair.target:
        return None
    if work.side != "source" and work.reported:  # the sources know nothing of what targets list
        return "target"
    last = known.other_side_at
    if last is not None and run.now() - last < OTHER_SIDE:
        return None
    other: Side = "target" if work.side == "source" else "source"
    with closing(view.values(pair.end(other).table, ("id",), LIVE)) as rows:
        first = [id_ for (id_,) in next(rows, [])[:BATCH]]
    known.other_side_at = run.now()
    return other if (yield from links.calls.lists_any(pair, first, other)) else None
