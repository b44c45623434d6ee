"""What each kind of step takes: calls by kind of endpoint, exact or within bounds.

Where HubSpot alone decides (how many records are archived, which values differ) the bounds hold the
truth for a portal that does not change while it is read.
"""

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from ..api import associations, batch_read, record_pages, search
from ..api.associations import Side
from ..catalog.apis import Family
from ..listing.ranges import SPARE, WASTE, WORTH, shards_of
from ..listing.shards import most_questions
from .facts import PairState, TableFacts, TableState
from .steps import Bounds, add, exactly, up_to

Calls = Mapping[Family, Bounds]
EXPORT_CALLS = 8
"""Of an export, about: its start, its status, its count, two batch reads of a sample."""
EXPORT_WAIT = 200
"""Times that an export is asked after until it is ready, at most."""
FEW_SUSPECTS = 100
"""Records that a recount reads by id, at most, where the numbers agree."""
UNUSED_PAGES = 3
"""Of the archive of a type without live records, at most."""
LINKS_EACH = 2
"""Records that one of a pair's larger table is linked with, on average, at most."""
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


def division(total: int, calls_in_flight: int) -> Calls:
    """Return what it takes to find out where a large listing is divided into ranges."""
    most = most_questions(total, shards_of(total, calls_in_flight), SPARE * total)
    return {"searches": (min(1, most), most)} if most else {}


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


def archive(facts: TableFacts, state: TableState, *, surprises: int, definitions: int = 1) -> Calls:
    """Return what a sweep of archived records takes; those that left the archive are read by id.

    That is exact only where the last sweep found none: HubSpot reports no restored or purged one.

    Args:
        facts: of the table.
        state: of the table.
        surprises: records that may be in the archive since the last sweep, or back from it.
        definitions: calls for the property definitions of the table.
    """
    known = state.sweeps.get("archive")
    if facts.is_unused:  # a page; what it holds is listed once more, with all properties
        return {"records": (1, 1 + UNUSED_PAGES), "definitions": up_to(definitions)}
    if known is None or known.calls is None:
        return {"records": (1, 1 + pages(max(facts.total or 0, facts.rows or 0)))}
    moved = surprises + once_archived(state)
    if not moved:
        return {"records": exactly(1)}
    return {"records": (1, 2 + pages(surprises) + 3 * reads(exactly(moved))[1])}


def calculated_calls(facts: TableFacts, state: TableState) -> int:
    """Return what a sweep of calculated values takes: its pages, of a hundred live records each."""
    total = facts.total if facts.total is not None else state.total or 0
    return max(1, pages(total) * facts.calculated_page_calls)


def calculated(facts: TableFacts, state: TableState, differing: Bounds) -> Calls:
    """Return what a sweep of calculated values takes; those that differ are read by id as well."""
    listed, total = calculated_calls(facts, state), facts.total or state.total or 0
    is_large = total > WORTH * record_pages.PAGE
    divided = 2 + ceil(SPARE * total / WASTE) if is_large else 0
    divided *= facts.calculated_page_calls
    calls: dict[Family, Bounds] = {"records": add((listed, listed + divided), reads(differing))}
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


class Ends(NamedTuple):
    """The two tables of a pair, as far as its calls depend on them."""

    source: int
    """Live records."""
    target: int
    is_same: bool = False
    """Whether both are the same table."""

    def further(self, side: Side, calls: int) -> int:
        """Return the most calls for further pages of links, of records that some calls ask for.

        A record may be linked with all of the other table.
        """
        other = self.target if side == "source" else self.source
        each = max(0, pages(other, associations.PAGE) - 1)
        return min(calls * each, pages(LINKS_EACH * max(self[:2]), associations.PAGE))


def links_calls(state: PairState, ends: Ends) -> int:
    """Return what a sweep of a pair takes: a call per thousand records of the side it reads."""
    mine = max(1, pages(ends.source, associations.BATCH))
    theirs = max(1, pages(ends.target, associations.BATCH))
    if state.reported_by:
        return mine if state.reported_by == "source" else theirs
    return theirs if theirs < mine and not ends.is_same else mine


def links(
    state: PairState,
    ends: Ends,
    *,
    read: Bounds,
    is_first: bool,
    changed: int | None,
    is_relabelled: bool,
) -> Calls:
    """Return what a sweep of a pair takes.

    Args:
        state: of the pair.
        ends: its two tables.
        read: records of the source whose links are read in this load anyway.
        is_first: whether a table of the pair is read whole: then links come with its records.
        changed: records of both ends that changed; None where some are not named.
        is_relabelled: whether there may be association types that no sweep has met.
    """
    calls, side = links_calls(state, ends), side_of(state, ends)
    reads_target = side == "target"
    if is_first or state.has_links is None:
        return {"links": (max(0, calls - 1), calls + 3 + ends.further(side, calls + 3))}
    last = ends.source % associations.BATCH or associations.BATCH  # that the last call asks for
    is_sure = reads_target or read[1] < last  # no call has only records that are read anyway
    least = calls if is_sure else max(0, calls - pages(read[1], associations.BATCH))
    learns = (
        2 if reads_target and (is_relabelled or not state.knows_types) else 0
    )  # types, and links of unclear ones
    both = int(state.has_links is False and state.asks_both and not ends.is_same)
    more = _more_calls(state, ends, side, calls, changed)
    return {"links": add((least, calls + both + learns), more)}


def side_of(state: PairState, ends: Ends) -> Side:
    """Return the side that a sweep of a pair reads: the one that takes fewer calls."""
    mine = pages(ends.source, associations.BATCH)
    return state.reported_by or ("target" if links_calls(state, ends) < mine else "source")


def _more_calls(
    state: PairState, ends: Ends, side: Side, calls: int, changed: int | None
) -> Bounds:
    """Return what a sweep takes for further pages of links: a changed record may have any number.

    Else they are as many as the last time.
    """
    if state.more_calls is None or changed is None:
        return up_to(ends.further(side, calls))
    if changed:
        return up_to(state.more_calls + ends.further(side, min(calls, changed)))
    return exactly(state.more_calls)


def changed_links(source: list[Bounds], target: list[Bounds], ends: Ends) -> Calls:
    """Return what the links of changed records take, read from either end.

    What is linked with records of the target otherwise than before is read again from the source;
    for types that are new, some of it is read first.

    Args:
        source: changed records of the pair's source, as steps read them.
        target: changed records of its target; in a pair of one table they are those of its source.
        ends: the two tables.
    """
    size = associations.BATCH
    own, theirs = (
        add(*((pages(low, size), pages(high, size)) for low, high in rows))
        for rows in (source, target)
    )
    every, blocks = pages(ends.source, size), theirs[1]
    again = min(blocks + every, blocks * every) + (0 if ends.is_same else blocks)
    asked = add(own, (0, 0) if ends.is_same else theirs, up_to(again))
    further = ends.further("source", own[1] + again)
    further += 0 if ends.is_same else ends.further("target", blocks)
    return {"links": add(asked, up_to(further))}


def refused_links(source: int, target: int, ends: Ends) -> Calls:
    """Return what reading links takes that were refused, whole calls that are halved included.

    Args:
        source: records of the pair's source.
        target: records of its target.
        ends: the two tables.
    """
    own, theirs = ([up_to(records)] if records else [] for records in (source, target))
    return join(changed_links(own, theirs, ends), {"links": up_to(2 * (source + target))})


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
