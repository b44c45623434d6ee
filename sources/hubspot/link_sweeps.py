"""All links of a pair, read again: what finds links that changed without a change of a record.

It runs when every object type is done, so that what it reads is not older than they are.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import dlt

from . import sweeps
from .associations import BATCH, Link, Pair, read_links
from .clock import BEHIND
from .errors import HubSpotError
from .links import Links, is_one_way
from .model import LIVE, Copy
from .reading import batches
from .run import Items, Run
from .state import SourceState
from .waiting import together, wait

TOGETHER = 8  # pairs that are swept at the same time


def sweep_links(run: Run, links: Links) -> Items:
    """Sweep the pairs that are due; owed ones first, then those swept longest ago.

    A pair is owed a sweep that must not wait when its ends were loaded apart, when reading some of
    its links failed, or when it was chosen later. A debt is paid by a sweep that reached its end.
    """
    source = SourceState(dlt.current.source_state())
    for pair in links.pairs:
        late = sorted(run.late_links.pop(pair.table, ()))
        if late and run.copy and is_one_way(source, pair):
            yield from _sweep_backwards(run, links, pair, run.copy)
        else:
            yield from links.reread(pair, late)
    if run.copy is None or run.repairing:
        return
    for pair in links.pairs:
        if not source.knows_links(pair.table):
            source.links(pair.table)["owed"] = "must"
    turns = [
        _take_turn(run, links, pair, source, run.copy)
        for pair in sorted(links.pairs, key=lambda pair: _urgency(source.links(pair.table)))
        if pair.table not in run.refused_pairs | run.swept_links and _has_ends(source, pair)
    ]
    yield from together(turns, most=TOGETHER)
    source.worked_until = run.now() + BEHIND


def _take_turn(run: Run, links: Links, pair: Pair, source: SourceState, copy: Copy) -> Items:
    """Do what is due for a pair now."""
    known = source.links(pair.table)
    if pair.source.table in run.begun_now and links.late[pair.table]:
        yield from _read_late(run, links, pair, known, copy)
        return
    ends = {pair.source.table, pair.target.table}
    read_now = pair.source.table in run.backfilled  # record by record
    forced = run.sweep_links or "owed" in known or (bool(ends & {*run.backfilled}) != read_now)
    are_back = run.first_load and any(run.live_count(end) == 0 for end in ends)
    if forced and (are_back or ends & run.listed_now):
        run.unfinished.add(pair.table)  # another load, when the warehouse knows the ids
        return
    run.swept_links.add(pair.table)
    if not forced and read_now:
        _note(run, pair, known, run.now())
    elif forced or is_due(run, source, pair):
        yield from _sweep(run, links, pair, source, copy)


def _read_late(run: Run, links: Links, pair: Pair, known: dict[str, Any], copy: Copy) -> Items:
    """Read the links of a table that this load has listed from its beginning to its end."""
    run.swept_links.add(pair.table)
    began = run.now()
    with run.outcome(pair.table), _owed_until_read(known):
        outcome = links.outcome(pair)
        held = copy.counts([pair.table], "1 = 1")[pair.table]
        yield from links.reread(pair, links.late[pair.table], replace=bool(held))
        if outcome.status == "failed":
            return
        known.pop("owed", None)
        _note(run, pair, known, began, held=held)


@contextmanager
def _owed_until_read(known: dict[str, Any]) -> Iterator[None]:
    """Have the next run read all links of a pair where this one cannot."""
    try:
        yield
    except HubSpotError:
        known["owed"] = "must"
        raise


def _note(run: Run, pair: Pair, known: dict[str, Any], at: datetime, *, held: int = 0) -> None:
    """Remember that all links of a pair were read, and whether there are any."""
    sweeps.note(known, at)
    known["empty"] = not (held or run.outcome_of(pair.table).rows)


def _urgency(known: dict[str, Any]) -> tuple[bool, str]:
    return "owed" not in known, known.get("swept_at") or ""


def _has_ends(source: SourceState, pair: Pair) -> bool:
    """Whether both ends are loaded and hold records."""
    ends = (source.table(pair.source.table), source.table(pair.target.table))
    return all(end.watermark is not None and end.total != 0 for end in ends)


def is_due(run: Run, source: SourceState, pair: Pair) -> bool:
    """Tell whether the links of a pair are to be read again; see `sweeps.is_due`."""
    known = source.links(pair.table)
    always = 0 if known.get("empty") else 1  # pairs of which few portals have a link are many
    return sweeps.is_due(
        run,
        source,
        known,
        calls=calls_of(source, pair),
        tables={pair.source.table, pair.target.table},
        pace=sweeps.Pace(run.config.links_hours, at_rest=1, always=always),
    )


def calls_of(source: SourceState, pair: Pair) -> int:
    """Tell how many calls a sweep of a pair takes, more where single records have many links.

    Thousands of links that read otherwise from the other side are read from their own side as well.
    """
    known = source.links(pair.table)
    ends = [source.table(end.table).total or 0 for end in (pair.source, pair.target)]
    if known.get("told_by"):
        del ends[known["told_by"] == "source"]
    differing: int = known.get("differing", 0)
    return -(-min(ends) // BATCH) + differing // BATCH


def _sweep(run: Run, links: Links, pair: Pair, source: SourceState, copy: Copy) -> Items:
    known, began = source.links(pair.table), run.now()
    with run.outcome(pair.table), _owed_until_read(known):
        outcome = links.outcome(pair)
        held = copy.counts([pair.table], "1 = 1")[pair.table]
        sides = [source.table(end.table).total or 0 for end in (pair.source, pair.target)]
        if sides[1] < sides[0] and held and "told_by" not in known:
            told, differed = yield from _reread_differing(run, links, pair, copy)
            known["differing"] = differed
            if not told:
                known["told_by"] = "source"
        elif not is_one_way(source, pair):
            for rows in copy.values(pair.source.table, ("id",), LIVE):
                yield from links.reread(pair, [id_ for (id_,) in rows], replace=bool(held))
            if not held and not outcome.rows and (yield from _has_links_backwards(run, pair, copy)):
                known["told_by"] = "target"
        if is_one_way(source, pair):
            yield from _sweep_backwards(run, links, pair, copy)
        run.linked.add(pair.table)
        if outcome.status == "failed":
            return
        known.pop("owed", None)
        _note(run, pair, known, began, held=held)


def _reread_differing(
    run: Run, links: Links, pair: Pair, copy: Copy
) -> Generator[Any, None, tuple[int, int]]:
    """Read all links from the target's side, the smaller one, and those that differ from theirs.

    Returns how many links HubSpot told, and of how many sources links differed.
    """
    told, differed = 0, 0
    for ids in copy.values(pair.target.table, ("id",), LIVE):
        for part in batches([id_ for (id_,) in ids], BATCH):
            theirs = yield from _read_backwards(run, pair, part)
            told += len(theirs)
            differing = links.differing(pair, theirs, part)
            differed += len(differing)
            yield from links.reread(pair, sorted(differing))
    return told, differed


def _has_links_backwards(run: Run, pair: Pair, copy: Copy) -> Generator[None, None, bool]:
    """Look from the target's side whether a pair without links is one that HubSpot tells there."""
    if pair.source == pair.target:
        return False
    with closing(copy.values(pair.target.table, ("id",), LIVE)) as rows:
        first = next(rows, [])[:BATCH]
    found = yield from _read_backwards(run, pair, [id_ for (id_,) in first])
    return bool(found)


def _sweep_backwards(run: Run, links: Links, pair: Pair, copy: Copy) -> Items:
    """Read a pair that HubSpot tells from the target's side only, and turn every link round."""
    turned: dict[str, list[Link]] = {
        id_: [] for rows in copy.values(pair.table, ("from_id",), "1 = 1") for (id_,) in rows
    }
    for rows in copy.values(pair.target.table, ("id",), LIVE):
        for part in batches([id_ for (id_,) in rows], BATCH):
            for to_id, from_id, kind, category, label in (
                yield from _read_backwards(run, pair, part)
            ):
                turned.setdefault(from_id, []).append((from_id, to_id, kind, category, label))
    yield from links.hand_on(pair, turned, replace=True)


def _read_backwards(run: Run, pair: Pair, ids: Sequence[str]) -> Generator[None, None, list[Link]]:
    """Read the links of at most 1,000 targets: target, source, type, category, label."""
    read = partial(read_links, run.client_for(pair.table), pair.reversed, ids)
    found = yield from wait(run.submit(read, lane="links"))
    return [link for links in found.values() for link in links]
