"""What each kind of step takes: calls by kind of endpoint, exact or within bounds.

Where HubSpot alone decides (how many records are archived, which values differ) the bounds hold the
truth for a portal that does not change while it is read.
"""

from collections.abc import Mapping
from math import ceil

from ..api import associations, batch_read, record_pages, search
from ..catalog.apis import Family
from ..listing.ranges import SPARE, WASTE, WORTH
from .facts import PairState, TableFacts, TableState
from .steps import Bounds, add, exactly, up_to

Calls = Mapping[Family, Bounds]
EXPORT_CALLS = 8
"""Of an export, about: its start, its status, its count, two batch reads of a sample."""
EXPORT_WAIT = 200
"""Times that an export is asked after until it is ready, at most."""
MOST_PARTS = 100
"""Ranges of ids that a deep recount begins with, at most."""


def pages(records: float, size: int = record_pages.PAGE) -> int:
    """Return the calls that records take; none where there are none."""
    return ceil(max(0.0, records) / size)


def reads(rows: Bounds) -> Bounds:
    """Return the calls that reading records by id takes."""
    return pages(rows[0], batch_read.BATCH), pages(rows[1], batch_read.BATCH)


def listing(facts: TableFacts, *, done: int = 0, is_first: bool = False) -> Calls:
    """Return what listing all live records takes; large tables are listed in several ranges.

    Args:
        facts: of the table.
        done: records that an earlier load has listed.
        is_first: whether no earlier run has listed the table to its end.
    """
    if facts.is_unused:
        return {}
    total = facts.total or 0
    whole = facts.pages or max(1, pages(total))
    if not done:
        divided = ceil(SPARE * total / WASTE) + 2 if whole >= WORTH else 0
        least, most = whole, whole + divided
    else:
        least, most = pages(total - done), whole + 2
    if facts.total is None:  # only listing shows how many there are
        least, most = 1, max(1, pages(facts.rows or 0)) + is_first
    return {"records": (least, most)}


def changed(facts: TableFacts) -> tuple[Calls, Bounds]:
    """Return what searching and reading changed records takes, and how many they are."""
    searches = 0
    rows = exactly(facts.changed)
    if facts.matching is not None:
        searches = max(1, pages(facts.to_search, search.PAGE))
        rows = max(facts.changed, facts.matching - facts.known), facts.matching
    return {"searches": exactly(searches), "records": reads(rows)}, rows


def is_listing_cheaper(facts: TableFacts) -> bool:
    """Whether listing all records takes fewer calls than searching and reading the changed ones."""
    if facts.matching is None or facts.total is None:
        return False
    read = pages(facts.matching - facts.known, batch_read.BATCH)
    apart = pages(facts.to_search, search.PAGE) + read
    return apart > pages(facts.total)


def pending(ids: int) -> Calls:
    """Return what reading ids takes that may be archived or gone."""
    least = pages(ids, batch_read.BATCH)
    return {"records": (least, 3 * least)}


def fill(records: int, missing: int | None) -> Calls:
    """Return what filling columns takes: searches for the records with a value, and reads.

    Args:
        records: that have a value.
        missing: of these, the ones that are read; None where it is not known.
    """
    read = up_to(pages(records, batch_read.BATCH))
    if missing is not None:
        read = reads(exactly(missing))
    return {
        "searches": exactly(max(1, pages(records, search.PAGE))),
        "records": read,
    }


def archive_calls(state: TableState) -> int:
    """Return what a sweep of archived records takes, as the last one took."""
    known = state.sweeps.get("archive")
    return max(1, (known and known.calls) or 1)


def once_archived(state: TableState) -> int:
    """Return how many records the last sweep may have found archived: they may have left since."""
    known = state.sweeps.get("archive")
    return record_pages.PAGE * ((known and known.calls) or 0)


def archive(facts: TableFacts, state: TableState, *, surprises: int) -> Calls:
    """Return what a sweep of archived records takes; those that left the archive are read by id.

    That is exact only where the last sweep found none: HubSpot reports no restored or purged one.

    Args:
        facts: of the table.
        state: of the table.
        surprises: records that may be in the archive since the last sweep, or back from it.
    """
    known = state.sweeps.get("archive")
    if facts.is_unused:  # a page; what it holds is listed once more, with all properties
        first = known is None or known.calls is None
        return {"records": (1, 1 + first), "definitions": up_to(int(first))}
    if known is None or known.calls is None:
        return {"records": (1, 1 + pages(max(facts.total or 0, facts.rows or 0)))}
    moved = surprises + once_archived(state)
    if not moved:
        return {"records": exactly(1)}
    return {"records": (1, 2 + pages(surprises) + 3 * reads(exactly(moved))[1])}


def calculated_calls(facts: TableFacts, state: TableState) -> int:
    """Return what a sweep of calculated values takes: a call per hundred live records, or one."""
    return max(1, pages(facts.total if facts.total is not None else state.total or 0))


def calculated(facts: TableFacts, state: TableState) -> Calls:
    """Return what a sweep of calculated values takes; those that differ are read by id as well."""
    listed, total = calculated_calls(facts, state), facts.total or state.total or 0
    is_large = total > WORTH * record_pages.PAGE
    divided = 2 + ceil(SPARE * total / WASTE) if is_large else 0
    calls: dict[Family, Bounds] = {"records": (listed, listed + divided)}
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


def links_calls(state: PairState, ends: tuple[int, int], *, is_same: bool = False) -> int:
    """Return what a sweep of a pair takes: a call per thousand records of the side it reads.

    Args:
        state: of the pair.
        ends: live records of its source and its target.
        is_same: whether both are the same table.
    """
    mine, theirs = (max(1, pages(end, associations.BATCH)) for end in ends)
    if state.reported_by:
        return mine if state.reported_by == "source" else theirs
    return theirs if theirs < mine and not is_same else mine


def links(
    state: PairState, ends: tuple[int, int], *, is_same: bool, read: Bounds, is_first: bool
) -> Calls:
    """Return what a sweep of a pair takes.

    Args:
        state: of the pair.
        ends: live records of its source and its target.
        is_same: whether both are the same table.
        read: records of the source whose links are read in this load anyway.
        is_first: whether a table of the pair is read whole: then links come with its records.
    """
    calls, mine = links_calls(state, ends, is_same=is_same), pages(ends[0], associations.BATCH)
    reads_target = state.reported_by == "target" or (not state.reported_by and calls < mine)
    learns = 2 if reads_target and not state.knows_types else 0  # types, and links of unclear ones
    if is_first or state.has_links is None:
        return {"links": (max(0, calls - 1), calls + 3)}
    last = ends[0] % associations.BATCH or associations.BATCH  # records that the last call asks for
    is_sure = reads_target or read[1] < last  # no call has only records that are read anyway
    least = calls if is_sure else max(0, calls - pages(read[1], associations.BATCH))
    more = int(state.has_links is False and state.asks_both and not is_same)
    return {"links": (least, calls + more + learns)}


def changed_links(source: list[Bounds], target: list[Bounds], records: int) -> Calls:
    """Return what the links of changed records take, read from either end.

    Args:
        source: changed records of the pair's source, as steps read them.
        target: changed records of its target; sources that are linked otherwise are read again.
        records: live records of the source.
    """
    size = associations.BATCH
    read = [(pages(low, size), pages(high, size)) for low, high in [*source, *target]]
    again = up_to(pages(records, size) if target else 0)
    return {"links": add(*read, again)}


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
