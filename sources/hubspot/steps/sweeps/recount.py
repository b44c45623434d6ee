"""Portal and table compared by counting: where the numbers differ, the ids that make it.

A search counts how many live records a range of ids holds, for one call whatever the range. So a
range whose numbers agree is done with, and one whose numbers differ is cut in two: a handful of
missing or surplus records among a million is found with a few dozen calls. What is found this way
is read by id, and only that decides what became of it.

One missing and one surplus in the same range leave its number as it was. A first load during which
records changed is followed by a recount in many ranges, whatever the whole number is: an answer
names the first 200 records of a range, so in up to 100 ranges of as many rows nothing stays unseen.

Source: HubSpot CRM search (`total` may exceed 10,000; operators GT and LTE on `hs_object_id`).
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

from ...api import search
from ...api.record_pages import PAGE, NotKeysetError, list_page
from ...api.search import Hit
from ...errors import RequestRejectedError
from ...listing.ranges import Listing, Range
from ...model import LIVE, ObjectType, Page, TableSchema, View
from ...run.pace.waiting import wait, wait_all
from ...run.run import Run
from ...tables.decoding import Record, RecordDecoder
from ..by_id import read_ids
from ..table import BLOCK, Table

Part = tuple[int, int | None]
"""Ids above the first number, up to the second; to the end where that is None."""
MOST_PARTS = 100  # ranges that are counted where the whole number says nothing; of 200 rows or more


def recount(
    table: Table, view: View, listed_since: datetime | None, *, deep: bool
) -> Generator[Any, None, bool]:
    """Find the records that only the portal or only the table holds, and read them again.

    Args:
        table: the table.
        view: the warehouse, which holds all that this run has loaded so far.
        listed_since: when a complete new listing began, if there was one: the rows that it did
            not bring are looked for, whatever the numbers are.
        deep: whether to begin with many ranges, for numbers may cancel each other out.

    Returns:
        Whether there were any, found by counting.
    """
    state, began = table.state, table.run.now()
    if listed_since is not None:
        where = f"{LIVE} AND _hs_synced_at < ?"
        older = [
            id_ for rows in view.values(table.name, ("id",), where, listed_since) for (id_,) in rows
        ]
        yield from read_ids(table, older)
        return False
    held = [id_ for rows in view.values(table.name, ("id",), LIVE) for (id_,) in rows]
    suspects = yield from _suspects(table, held, deep=deep)
    yield from read_ids(table, suspects)
    if deep:
        state.recount_pending, state.sweep("recount").swept_at = False, began
    counts = [table.run.tables.totals.get(table.name) or 0, len(held)]
    if counts[0] != counts[1] and not table.run.tables.vanished.get(table.name):
        state.count_mismatch = [*counts, search.to_ms(began)]  # search has not caught up
    return bool(suspects)


def _suspects(table: Table, held: Sequence[str], *, deep: bool) -> Generator[None, None, list[str]]:
    """List the ids that only one side holds, as far as search, or else a listing, shows them.

    Those that two rows are there of as well: reading them leaves one.
    """
    numbers = array("q", sorted(int(id_) for id_ in held if id_.isdecimal()))
    odd = [id_ for id_ in held if not id_.isdecimal()]
    pages, parts, found = len(held) // PAGE, 1, None
    if deep:
        parts = max(1, min(-(-len(held) // search.PAGE), MOST_PARTS))
    if parts == 1 or parts < pages:  # else listing costs no more
        with suppress(RequestRejectedError):  # no search by ranges of ids
            found = yield from _count_apart(table, numbers, parts)
    if found is None:
        listed = yield from list_ids(table.run, table.object_type)
        found = {*map(int, listed)} ^ {*numbers}
    twice = {one for one, next_ in pairwise(numbers) if one == next_}
    return odd + [str(id_) for id_ in found | twice]


def _count_apart(
    table: Table, held: Sequence[int], first: int
) -> Generator[None, None, set[int] | None]:
    """Cut ranges in two until those that differ are small; None where listing costs less.

    Args:
        table: the table.
        held: ids of its live rows, ascending.
        first: ranges to begin with, all with as many rows.
    """
    found: set[int] = set()
    bounds = [held[len(held) * part // first] for part in range(1, first)]
    parts: list[Part] = list(zip([0, *bounds], [*bounds, None], strict=True))
    affordable = max(len(held) // PAGE, 1)
    is_first = True
    while parts:
        affordable -= len(parts)
        if affordable < 0:
            return None
        pages = yield from _count(table, parts)
        if is_first:  # the first ranges hold all there is
            table.run.tables.totals[table.name] = _sum([page.total for page in pages])
            is_first = False
        differing: list[Part] = []
        for part, page in zip(parts, pages, strict=True):
            ours = _within(held, part)
            theirs = {int(hit.id) for hit in page.results if hit.id.isdecimal()}
            if page.after is None:
                found |= theirs ^ {*ours}
            elif page.total != len(ours):
                differing += _halves(part, ours, theirs)
        parts = differing
    return found


def _count(table: Table, parts: Sequence[Part]) -> Generator[None, None, list[Page[Hit]]]:
    """Count the records in ranges of ids, and name the first ones of each."""
    count = partial(search.in_range, table.client, table.object_type)
    calls = [table.run.submit(partial(count, *part), lane="search") for part in parts]
    return (yield from wait_all(calls))


def _sum(totals: Sequence[int | None]) -> int | None:
    """Add numbers up; None where one is not known."""
    known = [total for total in totals if total is not None]
    return sum(known) if len(known) == len(totals) else None


def _within(held: Sequence[int], part: Part) -> Sequence[int]:
    """Return those of the ids, which ascend, that lie in a range."""
    low, high = part
    end = len(held) if high is None else bisect_right(held, high)
    return held[bisect_right(held, low) : end]


def _halves(part: Part, mine: Sequence[int], theirs: set[int]) -> list[Part]:
    """Cut a range in the middle of our rows; behind what was seen of theirs where we have none."""
    low, high = part
    middle = mine[len(mine) // 2] if mine else max(theirs, default=low + 1)
    if high is not None:
        middle = min(middle, high - 1)
    return [(low, middle), (middle, high)]


def list_ids(
    run: Run,
    object_type: ObjectType,
    decoder: RecordDecoder | None = None,
    *,
    archived: bool = False,
    visit: Callable[[Sequence[Record]], object] | None = None,
) -> Generator[None, None, dict[str, str | None]]:
    """List the ids of all records, and when each was changed last: a call per 100 records.

    Args:
        run: the run.
        object_type: theirs.
        decoder: names the properties that are read; none by default, the cheapest way there is.
        archived: the archived records instead of the live ones.
        visit: shown the records, about a thousand at a time.
    """
    total, last_id = None, None
    if object_type.searchable and not archived:
        total, last_id = yield from wait(run.portal.extent(object_type))
    ask = partial(
        list_page,
        run.portal.client_for(object_type.table),
        object_type,
        decoder or RecordDecoder(TableSchema(object_type.table, ())),
        archived=archived,
    )
    found: dict[str, str | None] = {}

    def note(records: Sequence[Record]) -> None:
        found.update({record.id: record.updatedAt for record in records})
        if visit:
            visit(records)

    try:
        yield from _list(run, ask, note, last_id=None if archived else last_id, expected=total or 0)
    except NotKeysetError:
        yield from _list(run, ask, note, last_id=None, expected=total or 0)
    return found


def _list(
    run: Run,
    ask: Callable[[str | None], Page[Record]],
    note: Callable[[Sequence[Record]], None],
    *,
    last_id: int | None,
    expected: int,
) -> Generator[None, None, None]:
    """List all records, in ranges of ids where the highest one is known.

    Args:
        run: the run.
        ask: reads the page at a cursor.
        note: shown the records, about a thousand at a time.
        last_id: the highest id; pages are followed one by one where None.
        expected: about how many there are.
    """
    listing = Listing(
        lambda after: run.submit(partial(ask, after)),
        [Range()],
        in_flight=run.config.calls_in_flight,
        last_id=last_id,
        expected=expected,
    )
    block: list[Record] = []
    for records in listing.pages():
        if records is None:
            yield None
            continue
        block += records
        if len(block) >= BLOCK:
            note(block)
            block = []
    note(block)
