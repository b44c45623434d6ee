"""Pages along the record id, several id ranges at once.

Invariant: a range ends only at a record that its right neighbour has really been given, and is
finished only when it has itself read up to that record or to the end of the listing. So ranges
that start at an arbitrary id, which HubSpot does not document, can cost calls but never a record.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import inf

import msgspec

from ..api.record_pages import PAGE, NotKeysetError
from ..errors import ContractError, RequestRejectedError, UnavailableError
from ..model import Page
from ..state.table import IdRange
from ..tables.decoding import Record

MOST_REPEATS = 2  # of a cursor: an empty page may return its own
WORTH = 12  # pages that a range should have left to be worth the call that dividing it costs

SHARD = 75  # pages for each of the ranges that are read at the same time
FEWEST = 8  # ranges at the same time, however few pages there are
SPARE = 0.015  # share of the records that may be read twice, so that shards can be even
WASTE = PAGE / 2  # records that are read twice, about, where a range ends in mid-page

Submit = Callable[[str | None], Future[Page[Record]]]
Division = tuple[Sequence[int], float]
"""First ids of ranges to divide a listing into, and how many records less may be read twice."""


@dataclass(slots=True)
class Range:
    """Record ids from `start` up to, not including, `end`, and how far they are read."""

    start: int = 0
    end: int | None = None
    """None: to the end of the listing, records created meanwhile included."""
    after: str | None = None
    """Cursor of the next page to read; None at the very beginning."""
    position: int = 0
    """Highest id handed on; `start - 1` where there is none yet."""
    floor: int = 0
    """Highest id handed on before that cursor: no page may go back behind it."""
    settled: bool = True
    """Whether `end` is a record that the right neighbour was given."""
    beyond: int | None = None
    """First id at or past `end` that was seen while the neighbour's first one was unknown."""
    empty_from: int | None = None
    """From here to `end` a neighbour found nothing: not worth dividing."""
    stride: float = 1.0
    """Ids per record in the page read last."""
    repeats: int = 0
    """How often in a row HubSpot gave a cursor that was followed before."""


def to_ranges(kept: Sequence[IdRange] | None) -> list[Range]:
    """Take up the ranges that the state keeps; a single fresh one where there are none yet."""
    if kept is None:
        return [Range()]
    return [Range(**msgspec.structs.asdict(one)) for one in kept]


def to_kept(ranges: Sequence[Range]) -> list[IdRange]:
    """Return ranges as the state keeps them."""
    return [IdRange(**asdict(one)) for one in ranges]


class Listing:
    """The open ranges of one listing, in the order of ids."""

    def __init__(
        self,
        submit: Submit,
        ranges: Sequence[Range],
        *,
        in_flight: int,
        last_id: int | None = None,
        expected: int = 0,
        spare: float = inf,
    ) -> None:
        """Take up the ranges where an earlier load stopped; nothing is called yet.

        Args:
            submit: starts the call for the page at a cursor.
            ranges: a single fresh `Range()` to begin.
            in_flight: calls to keep in flight.
            last_id: the highest record id known; without it only cursors are followed, whatever
                the ids are.
            expected: about how many records are left, which decides whether dividing pays.
            spare: how many records may be read twice because ranges are divided.
        """
        self.expected = expected
        self.spare = spare
        self.read_at: datetime | None = None
        """When the oldest page yielded was asked for, since somebody last made it None."""
        self.division: Future[Division] | None = None
        """Where to divide a fresh listing; until that is found it is read in sequence."""
        self.ranges = list(ranges)
        self._submit = submit
        self._in_flight = in_flight
        self._last_id = last_id
        self._sequential = last_id is None
        self._calls: dict[int, Future[Page[Record]]] = {}
        self._draining = False
        self._shards = 1
        self._followed = {range_.after for range_ in ranges}

    def pages(self) -> Iterator[Sequence[Record] | None]:
        """Yield the records of each page as it arrives; None while waiting.

        Once a page is yielded, `ranges` no longer asks for it: take a checkpoint only after its
        records are handed on.

        Raises:
            NotKeysetError: ids are not in order, or a cursor inside the ids is refused.
            ContractError: the same cursors came again and again.
        """
        self._shards = shards_of(self.expected, self._in_flight)
        while self.ranges and (self._calls or not self._draining):
            if not self._draining:
                self._fill()
            arrived = [r for r in self.ranges if id(r) in self._calls and self._calls[id(r)].done()]
            if not arrived:
                yield None
            for range_ in arrived:
                page = self._result(range_)
                records = self._advance(range_, page)
                if page.read_at is not None:
                    self.read_at = min(self.read_at or page.read_at, page.read_at)
                self.expected -= len(records)
                yield records

    def drain(self) -> None:
        """Start no further call: `pages` ends with those in flight, `ranges` with what is left."""
        self._draining = True

    def _fill(self) -> None:
        """Keep the next call of every range in flight; divide ranges while calls are free."""
        if self.division is None:
            while len(self.ranges) < self._shards and self._divide():
                pass
        elif self.division.done() and _is_under_way(self.ranges[0]):
            self._divide_at(*self.division.result())
            self.division = None
        for range_ in self.ranges:
            if id(range_) not in self._calls and range_.beyond is None:
                self._calls[id(range_)] = self._submit(range_.after)

    def _divide(self) -> bool:
        """Cut one shard off the fullest range, as large as what stays, if it is worth a call.

        What stays is cut again while shards are free, so all come out even. How full a range is
        nobody knows: it is taken to go on as densely as in its last page, and the one that spans
        most to hold whatever the others do not. A gap is found by the shards that begin in it.
        """
        if self._sequential or self.spare < 1.5 * WASTE:
            return False
        sizes = {id(r): self._span(r) / r.stride for r in self.ranges}
        widest = max(sizes, key=lambda key: sizes[key])
        sizes[widest] = max(0.0, self.expected - (sum(sizes.values()) - sizes[widest]))
        fit = [r for r in self.ranges if _is_under_way(r) and self._span(r) > PAGE]
        fullest = max(fit, key=lambda r: sizes[id(r)], default=None)
        if fullest is None or sizes[id(fullest)] <= PAGE * WORTH:
            return False
        share = sizes[id(fullest)] / sum(sizes[id(r)] for r in fit)
        cuts = min(self._shards - len(self.ranges), self.spare / WASTE)
        parts = 1 + max(1, round(cuts * share))
        rest = min(self._span(fullest), fullest.stride * sizes[id(fullest)]) * (1 - 1 / parts)
        self._cut(fullest, fullest.position + 1 + int(rest))
        return True

    def _divide_at(self, borders: Sequence[int], cost: float) -> None:
        """Cut the only range at ids that somebody has found."""
        self.spare -= cost
        for border in borders:
            if border > self.ranges[-1].position + PAGE:
                self._cut(self.ranges[-1], border)

    def _cut(self, left: Range, middle: int) -> None:
        """Begin another range at an id."""
        before = middle - 1
        right = replace(left, start=middle, after=str(before), position=before, floor=before)
        left.end, left.settled, left.empty_from = middle, False, None
        self.ranges.insert(self.ranges.index(left) + 1, right)
        self.spare -= WASTE

    def _span(self, range_: Range) -> int:
        """Count the ids that may still be unread in a range."""
        end = range_.empty_from or range_.end or (self._last_id or 0) + 1
        return max(0, end - range_.position - 1)

    def _result(self, range_: Range) -> Page[Record]:
        try:
            return self._calls.pop(id(range_)).result()
        except (RequestRejectedError, UnavailableError) as error:
            if not _started(range_):
                raise NotKeysetError from error
            raise

    def _advance(self, range_: Range, page: Page[Record]) -> Sequence[Record]:
        """Take the records that belong to the range and move it on."""
        if self._sequential:
            self._follow(range_, page.after)
            return page.results
        ids = _ascending_ids(page, at_least=range_.floor)
        if not _started(range_) and self._is_passed(range_, ids, page.after):
            return []
        end = len(ids) if range_.end is None else bisect_left(ids, range_.end)
        inside = page.results[bisect_right(ids, range_.position) : end]
        self.spare -= len(ids) - len(inside)
        if inside:
            range_.position = int(inside[-1].id)
        if end < len(ids):
            self._reach_end(range_, ids[end])
            return inside
        if ids:
            range_.stride = max(1.0, (ids[-1] - ids[0]) / len(ids))
        range_.floor = range_.position
        self._follow(range_, page.after)
        return inside

    def _is_passed(self, right: Range, ids: Sequence[int], after: str | None) -> bool:
        """Settle the border to the left neighbour, if a page shows where this range begins.

        Returns whether the range holds nothing and is done.
        """
        at = bisect_left(ids, right.start)
        if at < len(ids):
            return self._settle(right, ids[at])
        return after is None and self._settle(right, None)

    def _reach_end(self, range_: Range, beyond: int) -> None:
        """End a range at its border; one that nobody settled yet waits for its neighbour."""
        if range_.settled:
            self.spare += WASTE  # what was expected of this border is spent
            self.ranges.remove(range_)
        else:
            range_.beyond = beyond
            range_.position = max(range_.position, range_.start)

    def _settle(self, right: Range, first: int | None) -> bool:
        """End the left neighbour at the first record that the right one was given.

        Returns whether the right one holds nothing and is done.
        """
        empty = first is None or (right.end is not None and first >= right.end)
        if empty:
            self.ranges.remove(right)
        left = next((r for r in self.ranges if r.end == right.start and not r.settled), None)
        if left is None:  # it met the end of the listing before
            return empty
        left.empty_from = left.empty_from or right.start
        left.end, left.settled = (right.end, right.settled) if empty else (first, True)
        self._resume(left)
        return empty

    def _resume(self, left: Range) -> None:
        """Let a range that waited at its border go on to where the border is now, or end there."""
        if left.beyond is None:
            return
        if left.end is None or left.beyond < left.end:
            left.beyond = None  # something lies in between: read on, from the same cursor
        elif left.settled:
            self.ranges.remove(left)

    def _follow(self, range_: Range, after: str | None) -> None:
        known = after in self._followed
        if after is None:
            self.ranges.remove(range_)
        elif known and range_.repeats == MOST_REPEATS:
            raise ContractError(
                f"HubSpot's listing returned the cursor {after!r} again and again.",
                remedy="Run the sync again. If it happens again, report the correlation id.",
            )
        else:
            range_.repeats = range_.repeats + 1 if known else 0
            range_.after = after
            self._followed.add(after)


def shards_of(expected: int, in_flight: int) -> int:
    """Return how many ranges of this many records are read at the same time."""
    return min(in_flight, max(FEWEST, expected // (PAGE * SHARD)))


def _started(range_: Range) -> bool:
    """Whether a record of the range was seen; a range from the very beginning always counts."""
    return range_.position >= range_.start


def _is_under_way(range_: Range) -> bool:
    """Whether a page of the range was read and more are to come."""
    return _started(range_) and range_.after is not None and range_.beyond is None


def _is_id(cursor: str, *, at_least: int) -> bool:
    """Whether a cursor may be the id of the record to go on from, as HubSpot's are."""
    return cursor.isdecimal() and int(cursor) >= at_least


def _ascending_ids(page: Page[Record], *, at_least: int) -> list[int]:
    """Read the ids of a page as numbers, or refuse a page or cursor that is not in their order."""
    try:
        ids = [int(record.id) for record in page.results]
    except ValueError as error:
        raise NotKeysetError from error
    if any(a > b for a, b in pairwise(ids)) or (ids and ids[0] < at_least):
        raise NotKeysetError
    if ids and page.after is not None and not _is_id(page.after, at_least=ids[-1]):
        raise NotKeysetError
    return ids
