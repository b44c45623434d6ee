"""Pages for the next load, read while this one is written, so that calls go on meanwhile."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from ..model import Page
from ..tables.decoding import Record, size_of
from .ranges import Range

MOST = 56  # pages of all tables that wait for the next load; what three seconds allow
LARGE = 1024**2  # bytes of a page behind which no other one is read

Read = Callable[[str | None], Page[Record]]
Start = Callable[[Callable[[], Page[Record]]], Future[Page[Record]]]
Calls = dict[str | None, Future[Page[Record]]]
"""By the cursor of the page that is asked for."""


def read_ahead(read: Read, start: Start, ranges: Sequence[Range], *, most: int) -> Calls:
    """Go on with each range of a listing by as many pages as the others.

    Args:
        read: reads the page at a cursor.
        start: starts a call.
        ranges: as the listing left them; they are not moved on.
        most: pages.

    Returns:
        The calls begun. Each begins the one for the page that follows before it ends, unless it is
        large.
    """
    calls: Calls = {}

    def begin(after: str | None, end: int | None, pages: int) -> None:
        if pages > 0:
            calls[after] = start(partial(follow, after, end, pages))

    def follow(after: str | None, end: int | None, pages: int) -> Page[Record]:
        page = read(after)
        is_last = page.after in {None, after} or not (end is None or _is_before(page.after, end))
        if not is_last and size_of(page.results) < LARGE:
            begin(page.after, end, pages - 1)
        return page

    for range_ in ranges:
        if range_.beyond is None:
            begin(range_.after, range_.end, most // len(ranges))
    return calls


def _is_before(cursor: str | None, end: int) -> bool:
    return cursor is not None and cursor.isdecimal() and int(cursor) < end
