"""One page of rows: which ones, and the cursor or flag that leads on, for every kind of paging."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

from ...clock import iso
from ...portal.collections.asking import Ask
from ...portal.collections.collection import Collection, Entry
from ...portal.collections.endpoint import Endpoint
from ..checks import whole_number
from ..errors import invalid
from .cursors import END, START, Cursor, behind, opened, sealed

LINK = "https://api.hubapi.com"


@dataclass(frozen=True, slots=True)
class Listing:
    """A request for rows and all that it may get: ascending entries, however they are shown."""

    endpoint: Endpoint
    ask: Ask
    collection: Collection
    entries: list[Entry]
    descending: bool

    @property
    def numbered(self) -> bool:
        """Return whether pages are found by a number of rows."""
        kind = self.endpoint.paging.kind
        by_number = self.ask.one("offset") or self.ask.one("sort")
        return kind == "body" or (kind == "either" and bool(by_number))


@dataclass(frozen=True, slots=True)
class Page:
    """The entries of one page and the cursor behind it, None on the last one."""

    entries: list[Entry]
    following: Cursor | None = None
    previous: Cursor | None = None


def page_of(listing: Listing) -> Page:
    """Return the page that a request asks for."""
    if listing.endpoint.paging.kind == "one":
        return Page(listing.entries[::-1] if listing.descending else listing.entries)
    return _by_offset(listing) if listing.numbered else _by_cursor(listing)


def limit_of(listing: Listing) -> int:
    """Return the number of rows that a page may hold."""
    paging, ask = listing.endpoint.paging, listing.ask
    name = "count" if paging.kind.startswith("body") else "limit"
    given = ask.body.get("count") if name == "count" else ask.one("limit") or None
    return paging.limit if given is None else whole_number(given, name, paging.most)


def offset_of(listing: Listing) -> int:
    """Return the numeric offset of a request, refusing one beyond the ceiling."""
    paging, ask = listing.endpoint.paging, listing.ask
    given = ask.body.get("offset", 0) if paging.kind == "body" else ask.one("offset", "0")
    text = str(given)
    if isinstance(given, bool) or not text.isdecimal():
        raise invalid(f"Invalid offset: {given!r} is not a number")
    if paging.ceiling and int(text) >= paging.ceiling:
        raise invalid(f"The offset must be below {paging.ceiling}, got {text}")
    return int(text)


def _by_cursor(listing: Listing) -> Page:
    ask, paging = listing.ask, listing.endpoint.paging
    back = "" if ask.one("after") else ask.one("before")
    cursor = opened("before", back) if back else _cursor(listing)
    descending = listing.descending != bool(back)
    if paging.ceiling and _passed(listing.entries, cursor, descending=descending) >= paging.ceiling:
        raise invalid(f"Paging is limited to {paging.ceiling} results")
    found = _slice(listing.entries, cursor, limit_of(listing), descending=descending)
    here = cursor or (END if descending else START)
    return _troubled(listing.collection, found, here)


def _troubled(collection: Collection, page: Page, here: Cursor) -> Page:
    """Return a page as a test wants it: empty, or with the cursor that led to it."""
    trouble = collection.trouble
    if page.entries and trouble.empty_pages:
        trouble.empty_pages -= 1
        return Page([], Cursor(here.rank, here.value, here.place, here.turn + 1))
    if page.entries and trouble.repeated_cursors:
        trouble.repeated_cursors -= 1
        return Page(page.entries, here)
    return page


def _cursor(listing: Listing) -> Cursor | None:
    kind, ask = listing.endpoint.paging.kind, listing.ask
    if kind == "body_after":
        given = ask.body.get("after")
        return opened("after", str(given)) if given else None
    name = "offset" if kind == "text" else "after"
    text = ask.one(name)
    return opened(name, text) if text else None


def _slice(entries: list[Entry], cursor: Cursor | None, limit: int, *, descending: bool) -> Page:
    if descending:
        stop = len(entries) if cursor is None else bisect_left(entries, cursor.entry)
        start = max(0, stop - limit)
        shown, more = entries[start:stop][::-1], start > 0
    else:
        start = 0 if cursor is None else bisect_right(entries, cursor.entry)
        shown, more = entries[start : start + limit], start + limit < len(entries)
    previous = behind(shown[0]) if shown and cursor is not None else None
    return Page(shown, behind(shown[-1]) if more else None, previous)


def _passed(entries: list[Entry], cursor: Cursor | None, *, descending: bool) -> int:
    """Return how many rows lie before a cursor."""
    if cursor is None:
        return 0
    place = bisect_right(entries, cursor.entry)
    return len(entries) - place if descending else place


def _by_offset(listing: Listing) -> Page:
    """Return the page at a numeric offset; the `place` of its cursor is the next offset."""
    start, limit = offset_of(listing), limit_of(listing)
    entries = listing.entries[::-1] if listing.descending else listing.entries
    more = start + limit < len(entries)
    page = Page(entries[start : start + limit], Cursor(0, 0, start + limit) if more else None)
    return _troubled(listing.collection, page, Cursor(0, 0, start))


def framed(listing: Listing, page: Page, rows: list[Any]) -> Any:  # noqa: ANN401 - a body or a bare list
    """Return the whole body: rows under their name, and what leads on as the paging has it."""
    endpoint = listing.endpoint
    if not endpoint.rows:
        return rows
    body: dict[str, Any] = {endpoint.rows: rows}
    if endpoint.paging.total or listing.numbered:
        body["total"] = len(listing.entries)
    if endpoint.paging.kind == "either":
        body["type"] = "RANDOM_ACCESS" if listing.numbered else "STREAMING"
    body |= _leading_on(listing, page)
    if endpoint.envelope:
        now = iso(listing.ask.now_ms)
        body = {"status": "COMPLETE", **body, "startedAt": now, "completedAt": now}
    return body


def _leading_on(listing: Listing, page: Page) -> dict[str, Any]:
    kind, following = listing.endpoint.paging.kind, page.following
    if kind == "body":
        offset = following.place if following else offset_of(listing) + len(page.entries)
        return {"offset": offset, "hasMore": following is not None}
    if kind == "text":
        last = following or (behind(page.entries[-1]) if page.entries else START)
        return {"offset": sealed(last), "hasMore": following is not None}
    found: dict[str, Any] = {}
    if following is not None and listing.numbered:
        found["next"] = {"offset": following.place, "link": LINK}
    elif following is not None:
        after = sealed(following)
        found["next"] = {"after": after, "link": f"{LINK}/?after={after}"}
    if page.previous is not None and "before" in listing.endpoint.query.split():
        found["prev"] = {"before": sealed(page.previous)}
    return {"paging": found} if found else {}
