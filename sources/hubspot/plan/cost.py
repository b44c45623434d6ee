"""What each kind of step takes: calls by kind of endpoint, exact or within bounds.

Where HubSpot alone decides (how many records are archived, which values differ) the bounds hold the
truth for a portal that does not change while it is read.
"""

from collections.abc import Mapping
from math import ceil

from ..api import associations, batch_read, record_pages, search
from ..listing.ranges import SPARE, WASTE, WORTH
from .facts import PairState, TableFacts, TableState
from .steps import Bounds, Family, add, exactly, up_to

Calls = Mapping[Family, Bounds]
EXPORT_CALLS = 8
"""Of an export, about: its start, its status, its count, two batch reads of a sample."""
EXPORT_WAIT = 200
"""Times that an export is asked after until it is ready, at most."""
MOST_PARTS = 100
"""Ranges of ids that a deep recount begins with, at most."""
ARCHIVED = 0.1
"""Archived records for each live one, until they were listed once: a guess."""


def pages(records: float, size: int = record_pages.PAGE) -> int:
    """Return the calls that records take; none where there are none."""
    return ceil(max(0.0, records) / size)


def reads(rows: Bounds) -> Bounds:
    """Return the calls that reading records by id takes."""
    return pages(rows[0], batch_read.BATCH), pages(rows[1], batch_read.BATCH)


def listing(facts: TableFacts, *, done: int = 0) -> Calls:
    """Return what listing all live records takes; large tables are listed in several ranges."""
    total = facts.total or 0
    whole = facts.pages or max(1, pages(total))
    if not done:
        divided = ceil(SPARE * total / WASTE) + 2 if whole >= WORTH else 0
        least, most = whole, whole + divided
    else:
        least, most = pages(total - done), whole + 2
    if facts.total is None:  # nothing but listing tells how many there are
        least, most = 1, max(1, pages(facts.rows or 0)) + 1
    return {"records": (least, most)}


def changed(facts: TableFacts) -> tuple[Calls, Bounds]:
    """Return what searching and reading changed records takes, and how many they are."""
    searches = 0
    rows = exactly(facts.changed)
    if facts.matching is not None:
        searches = max(0, pages(facts.matching, search.PAGE) - 1)  # the probe has the first page
        if searches:
            rows = max(facts.changed, facts.matching - facts.known), facts.matching
    return {"searches": exactly(searches), "records": reads(rows)}, rows


def is_listing_cheaper(facts: TableFacts) -> bool:
    """Whether listing all records takes fewer calls than searching and reading the changed ones."""
    if facts.matching is None or facts.total is None:
        return False
    apart = pages(facts.matching, search.PAGE) + pages(
        facts.matching - facts.known, batch_read.BATCH
    )
    return apart > pages(facts.total)


def pending(ids: int) -> Calls:
    """Return what reading ids takes that may be archived or gone."""
    least = pages(ids, batch_read.BATCH)
    return {"records": (least, 3 * least)}


def fill(records: int) -> Calls:
    """Return what filling columns takes: searches for the records with a value, and reads."""
    return {
        "searches": exactly(max(1, pages(records, search.PAGE))),
        "records": up_to(pages(records, batch_read.BATCH)),
    }


def archive_calls(state: TableState) -> int:
    """Return what a sweep of archived records takes, as far as the last one told."""
    known = state.sweeps.get("archive")
    return max(1, (known and known.calls) or 1)


def archive(facts: TableFacts, state: TableState, *, surprises: int) -> Calls:
    """Return what a sweep of archived records takes.

    Args:
        facts: of the table.
        state: of the table.
        surprises: records that may be in the archive since the last sweep, or back from it.
    """
    known = state.sweeps.get("archive")
    if known is None or known.calls is None:
        return {"records": (1, 1 + pages(max(facts.total or 0, facts.rows or 0)))}
    calls = archive_calls(state)
    if not surprises:
        return {"records": exactly(calls)}
    return {"records": (1, calls + 1 + pages(surprises) + 3 * reads(exactly(surprises))[1])}


def calculated_calls(facts: TableFacts, state: TableState) -> int:
    """Return what a sweep of calculated values takes: a call per hundred live records."""
    return pages(facts.total if facts.total is not None else state.total or 0)


def calculated(facts: TableFacts, state: TableState) -> Calls:
    """Return what a sweep of calculated values takes; those that differ are read by id."""
    listed, total = calculated_calls(facts, state), facts.total or state.total or 0
    is_large = total > WORTH * record_pages.PAGE
    divided = 2 + ceil(SPARE * total / WASTE) if is_large else 0
    calls: dict[Family, Bounds] = {"records": (listed, 2 * listed + divided)}
    return calls | ({"searches": exactly(1)} if is_large else {})


def recount_calls(facts: TableFacts, _state: TableState) -> int:
    """Return what a deep recount takes at least: a search per range of ids."""
    return max(1, min(pages(facts.rows or 0, search.PAGE), MOST_PARTS))


def recount(facts: TableFacts, *, missing: int, deep: bool) -> Calls:
    """Return what counting by ranges of ids takes, and reading what only one side holds."""
    rows = facts.rows or 0
    first = recount_calls(facts, TableState()) if deep else 1
    return {
        "searches": (0, max(first, 1 + pages(rows))),
        "records": up_to(1 + pages(rows) + 3 * max(1, reads(exactly(missing))[1])),
    }


def links_calls(state: PairState, ends: tuple[int, int]) -> int:
    """Return what a sweep of a pair takes: what the last one took, or a call per thousand records.

    Args:
        state: of the pair.
        ends: live records of its source and its target.
    """
    if state.calls is not None:
        return max(1, state.calls)
    side = {"source": ends[0], "target": ends[1]}.get(state.told_by, min(ends))
    return max(1, pages(side, associations.BATCH))


def links(state: PairState, ends: tuple[int, int], *, read: int = 0) -> Calls:
    """Return what a sweep of a pair takes: by the smaller side, then the records that differ.

    Args:
        state: of the pair.
        ends: live records of its source and its target.
        read: records of the source whose links are read in this load anyway.
    """
    mine, theirs = (pages(end, associations.BATCH) for end in ends)
    already = pages(read, associations.BATCH)
    if state.told_by == "target":
        return {"links": (theirs, theirs + mine)}
    if state.told_by == "source":
        return {"links": (max(0, mine - already), mine + 1 + theirs)}
    least = min(theirs, max(0, mine - already))
    return {"links": (least, max(mine, 2 * theirs + mine - 1))}


def changed_links(source: Bounds, target: Bounds, records: int) -> Calls:
    """Return what the links of changed records take, read from either end.

    Args:
        source: changed records of the pair's source.
        target: changed records of its target; sources that are linked otherwise are read again.
        records: live records of the source.
    """
    size = associations.BATCH
    own = pages(source[0], size), pages(source[1], size)
    theirs = pages(target[0], size), pages(target[1], size)
    again = up_to(pages(records, size) if target[1] else 0)
    return {"links": add(own, theirs, again)}


def join(one: Calls, other: Calls) -> Calls:
    """Add the calls of two parts of a step."""
    families = dict.fromkeys([*one, *other])
    return {
        family: (
            one.get(family, (0, 0))[0] + other.get(family, (0, 0))[0],
            one.get(family, (0, 0))[1] + other.get(family, (0, 0))[1],
        )
        for family in families
        if one.get(family, (0, 0))[1] + other.get(family, (0, 0))[1]
    }
