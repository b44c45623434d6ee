"""All links of a pair, read again: what finds links that changed without a change of a record.

It runs when every object type is done, so that what it reads is not older than they are. A sweep
that is too large for a load goes on in the next one: the state that each load carries says where.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import Literal

from ...api.associations import BATCH, COLUMNS, Link, Pair
from ...api.batch_read import batches
from ...catalog.pairs import is_main
from ...errors import HubSpotError
from ...http.clock import BEHIND
from ...model import LIVE, Copy
from ...plan import sweeps
from ...run.run import Items, Run
from ...run.waiting import together
from ...state.source import LinkSweep, PairState, SourceState
from ..links import AT_ONCE, Links, is_one_way

Side = Literal["source", "target", "target alone"]

TOGETHER = 8  # pairs that are swept at the same time
FEWEST = 50  # ids whose links are read at once, however few rows a load may have


def sweep_links(run: Run, links: Links) -> Items:
    """Sweep the pairs that are due; owed ones first, then those swept longest ago.

    A pair is owed a sweep that must not wait when its ends were loaded apart, when reading some of
    its links failed, or when it was chosen later. A debt is paid by a sweep that reached its end.
    """
    source = run.state
    for pair in links.pairs:
        late = sorted(run.late_links.pop(pair.table, ()))
        if late and run.copy and is_one_way(source, pair):
            yield from _sweep_backwards(
                run, links, pair, run.copy, _begin(run, PairState(), "target alone")
            )
        else:
            yield from links.reread(pair, late)
    if run.copy is None or run.repairing:
        return
    for pair in links.pairs:
        if pair.table not in source.pairs:
            source.pair(pair.table).pending = True
    turns = [
        _take_turn(run, links, pair, source, run.copy)
        for pair in sorted(links.pairs, key=lambda pair: _urgency(source.pair(pair.table)))
        if pair.table not in run.refused_pairs | run.swept_links and _has_ends(source, pair)
    ]
    yield from together(turns, most=TOGETHER)
    source.last_run_ended_at = run.now() + BEHIND


def _take_turn(run: Run, links: Links, pair: Pair, source: SourceState, copy: Copy) -> Items:
    """Do what is due for a pair now."""
    known = source.pair(pair.table)
    if pair.source.table in run.begun_now and links.late[pair.table]:
        yield from _read_late(run, links, pair, known, copy)
        return
    ends = {pair.source.table, pair.target.table}
    read_now = pair.source.table in run.backfilled  # record by record
    if run.sweep_links and run.first_load:
        known.open_sweep = None  # all links are to be read in this run
    forced = run.sweep_links or known.pending or known.open_sweep is not None
    forced = forced or bool(ends & {*run.backfilled}) != read_now
    are_back = run.first_load and any(run.live_count(end) == 0 for end in ends)
    if forced and (are_back or ends & run.listed_now):
        run.unfinished.add(pair.table)  # another load, when the warehouse knows the ids
        return
    run.swept_links.add(pair.table)
    if not forced and read_now:
        _note(run, pair, known, run.now())
    elif forced or is_due(run, source, pair):
        yield from _sweep(run, links, pair, source, copy)


def _read_late(run: Run, links: Links, pair: Pair, known: PairState, copy: Copy) -> Items:
    """Read the links of a table that this load has listed from its beginning to its end."""
    run.swept_links.add(pair.table)
    known.open_sweep = None
    with run.outcome(pair.table), _owed_until_read(known):
        outcome = links.outcome(pair)
        held = copy.counts([pair.table], "1 = 1")[pair.table]
        work = _begin(run, known, "source")
        for ids in _blocks(run, pair, work, [sorted(links.late[pair.table])]):
            yield from links.reread(pair, ids, replace=bool(held))
        if outcome.status != "failed":
            _finish(run, pair, known, work, held=held)


@contextmanager
def _owed_until_read(known: PairState) -> Iterator[None]:
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
            if pair.table in run.refused_pairs:
                return
            if run.budget.full or (done and run.budget.spent()):
                _leave(run, pair)
                return
            yield block
            work.after_id, done = block[-1], True


def _at_once(run: Run) -> int:
    """Return how many ids' links are read between two looks at the bound of the load."""
    return int(max(FEWEST, min(AT_ONCE, run.budget.rows // TOGETHER)))


def _leave(run: Run, pair: Pair) -> None:
    """Leave the rest of a sweep to another load."""
    run.unfinished.add(pair.table)
    run.swept_links.discard(pair.table)


def _ids(copy: Copy, table: str, work: LinkSweep) -> Iterator[list[str]]:
    """Yield the ids of live records that an open sweep has not come to, ascending."""
    where = f"{LIVE} AND id > %s ORDER BY id"
    with closing(copy.values(table, ("id",), where, work.after_id)) as parts:
        for rows in parts:
            yield [id_ for (id_,) in rows]


def _finish(run: Run, pair: Pair, known: PairState, work: LinkSweep, *, held: int) -> None:
    """Close a sweep that came to its end."""
    if pair.table in run.unfinished:
        return
    run.linked.add(pair.table)
    known.pending, known.open_sweep = False, None
    if work.side == "target":
        known.differing = work.differing
        if held and not work.reported:
            known.reported_by = "source"
    _note(run, pair, known, work.started_at, held=held)


def _note(run: Run, pair: Pair, known: PairState, at: datetime, *, held: int = 0) -> None:
    """Remember that all links of a pair were read, and whether there are any."""
    sweeps.note(known, at)
    known.has_links = bool(held or run.outcome_of(pair.table).rows)


def _urgency(known: PairState) -> tuple[bool, datetime]:
    return not known.pending, known.swept_at or datetime.min.replace(tzinfo=UTC)


def _has_ends(source: SourceState, pair: Pair) -> bool:
    """Whether both ends are loaded and hold records."""
    ends = (source.table(pair.source.table), source.table(pair.target.table))
    return all(end.watermark is not None and end.total != 0 for end in ends)


def is_due(run: Run, source: SourceState, pair: Pair) -> bool:
    """Tell whether the links of a pair are to be read again; see `sweeps.is_due`."""
    known, calls = source.pair(pair.table), calls_of(source, pair)
    always = 0 if known.has_links is False else 1
    if not always and run.config.links_hours and not is_main((pair.source, pair.target)):
        # pairs of which few portals have a link are many
        hours = run.config.links_hours
        return sweeps.is_scheduled(run, source, known, calls=calls, hours=hours)
    return sweeps.is_due(
        run,
        source,
        known,
        calls=calls,
        tables={pair.source.table, pair.target.table},
        pace=sweeps.Pace(run.config.links_hours, at_rest=1, always=always),
    )


def calls_of(source: SourceState, pair: Pair) -> int:
    """Tell how many calls a sweep of a pair takes, more where single records have many links.

    Thousands of links that read otherwise from the other side are read from their own side as well.
    """
    known = source.pair(pair.table)
    ends = [source.table(end.table).total or 0 for end in (pair.source, pair.target)]
    if known.reported_by:
        del ends[known.reported_by == "source"]
    elif known.has_links is False and not is_main((pair.source, pair.target)):
        # the other side is looked at as well; main pairs are swept as if that cost nothing
        return -(-min(ends) // BATCH) + 1
    return -(-min(ends) // BATCH) + known.differing // BATCH


def _sweep(run: Run, links: Links, pair: Pair, source: SourceState, copy: Copy) -> Items:
    """Read all links of a pair again, as many as fit into this load; see `_blocks`.

    From the side of the source, which decides; or from a smaller target, and then those that
    differ; or from the target alone, where HubSpot tells them only there.
    """
    known = source.pair(pair.table)
    with run.outcome(pair.table), _owed_until_read(known):
        outcome = links.outcome(pair)
        held = copy.counts([pair.table], "1 = 1")[pair.table]
        work = _begin(run, known, _side_of(source, pair))
        if work.side == "source":
            for ids in _blocks(run, pair, work, _ids(copy, pair.source.table, work)):
                yield from links.reread(pair, ids, replace=bool(held))
            found = held or outcome.rows or pair.table in run.unfinished
            if not found and (yield from _tells(links, pair, copy, backwards=True)):
                known.reported_by = "target"
                work.side, work.after_id = "target alone", ""
        if work.side == "target":
            yield from _reread_differing(run, links, pair, copy, work)
            loaded = held or outcome.rows or pair.table in run.unfinished
            if work.reported and not loaded:  # the source tells nothing of them
                known.reported_by = "target"
                work.side, work.after_id = "target alone", ""
            elif not loaded and (yield from _tells(links, pair, copy)):
                known.reported_by = "source"
                work.side, work.after_id = "source", ""
                for ids in _blocks(run, pair, work, _ids(copy, pair.source.table, work)):
                    yield from links.reread(pair, ids, replace=False)
        if work.side == "target alone":
            yield from _sweep_backwards(run, links, pair, copy, work)
        if outcome.status != "failed":
            _finish(run, pair, known, work, held=held)


def _side_of(source: SourceState, pair: Pair) -> Side:
    """Choose the side that a sweep begins to read from."""
    if is_one_way(source, pair):
        return "target alone"
    records, others = (source.table(end.table).total or 0 for end in (pair.source, pair.target))
    smaller = others < records and not source.pair(pair.table).reported_by
    return "target" if smaller else "source"


def _reread_differing(run: Run, links: Links, pair: Pair, copy: Copy, work: LinkSweep) -> Items:
    """Read links from the target's side, the smaller one, and again those that differ there.

    Counts how many links HubSpot told, and of how many sources links differed.
    """
    for ids in _blocks(run, pair, work, _ids(copy, pair.target.table, work)):
        for part in batches(ids, BATCH):
            asked = yield from links.ask(pair, part, backwards=True)
            theirs = [*chain(*asked.values())]
            work.reported += len(theirs)
            differing = links.differing(pair, theirs, part)
            for some in batches(sorted(differing), _at_once(run)):
                if run.budget.full:  # what is loaded by then does not differ in the next load
                    _leave(run, pair)
                    return
                yield from links.reread(pair, some)
            work.differing += len(differing)


def _tells(
    links: Links, pair: Pair, copy: Copy, *, backwards: bool = False
) -> Generator[None, None, bool]:
    """Look whether HubSpot tells links of the first records of a side, though not of the other."""
    if pair.source == pair.target:
        return False
    end = pair.target if backwards else pair.source
    with closing(copy.values(end.table, ("id",), LIVE)) as rows:
        first = next(rows, [])[:BATCH]
    found = yield from links.ask(pair, [id_ for (id_,) in first], backwards=backwards)
    return any(found.values())


def _sweep_backwards(run: Run, links: Links, pair: Pair, copy: Copy, work: LinkSweep) -> Items:
    """Read links from the target's side only, and hand on all of the sources that differ there.

    A source is handed on once a load, for its links replace those that the warehouse holds.
    """
    began_after, pending, turned = work.after_id, 0, dict[str, set[Link]]()
    try:
        for ids in _blocks(run, pair, work, _ids(copy, pair.target.table, work)):
            told: defaultdict[str, set[Link]] = defaultdict(set)
            for part in batches(ids, BATCH):
                asked = yield from links.ask(pair, part, backwards=True)
                for to_id, from_id, kind, category, label in chain(*asked.values()):
                    told[from_id].add((from_id, to_id, kind, category, label))
            if pair.table in run.refused_pairs:
                work.after_id = began_after
                return
            changed = _turned(pair, copy, ids, told, turned)
            turned |= changed
            pending += sum(map(len, changed.values()))
            run.budget.take(sum(map(len, changed.values())))
    except HubSpotError:
        work.after_id = began_after  # nothing that this load has read is handed on
        raise
    run.budget.take(-pending)  # they are counted where they are handed on
    yield from links.hand_on(
        pair, {from_id: [*found] for from_id, found in turned.items()}, replace=True
    )


def _turned(
    pair: Pair,
    copy: Copy,
    to_ids: Sequence[str],
    told: Mapping[str, set[Link]],
    turned: Mapping[str, set[Link]],
) -> dict[str, set[Link]]:
    """Return all links of the sources whose links to some targets the warehouse holds otherwise.

    Args:
        pair: theirs.
        copy: the warehouse.
        to_ids: the targets.
        told: links to these targets, as HubSpot tells them, by source.
        turned: all links of the sources that this load changes already.
    """
    held: defaultdict[str, Counter[Link]] = defaultdict(Counter)
    for row in copy.rows(pair.table, COLUMNS, to_ids, key="to_id"):
        held[row[0]][row] += 1
    ids = {id_ for id_ in {*told, *held} if Counter(told.get(id_, ())) != held[id_]}
    whole = {id_: {*turned.get(id_, ())} for id_ in ids}
    for row in copy.rows(pair.table, COLUMNS, sorted(ids - turned.keys()), key="from_id"):
        whole[row[0]].add(row)
    swept = {*to_ids}
    return {
        id_: {link for link in links if link[1] not in swept} | told.get(id_, set())
        for id_, links in whole.items()
    }
