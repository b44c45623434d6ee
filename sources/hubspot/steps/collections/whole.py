"""A collection read whole: loaded where it differs, and what no longer comes is marked as gone."""

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ...catalog.endpoints.declaration import Increment
from ...http.clock import BEHIND
from ...model import LIVE
from ...run.run import Items as Found
from ...tables.endpoints.batches import Reading, to_batches
from ...tables.endpoints.digests import Digests
from ...tables.endpoints.items import Constants, Items, exploded, to_text
from .blocks import Out, blocks, detailed, keys_of, plain
from .pages import pages
from .part import BLOCK, Part, constants_of, written

HELD = 20_000
"""Rows of a reading that are held until its end, to be loaded only if they differ."""
SHORT = (
    "HubSpot counts more rows of {} than it lists, twice in a row: none is marked as gone before it"
    " lists them all."
)
DETAILED = "details"
"""The name, among the digests of the state, of rows together with their details."""
GONE = "gone"
"""Digest of a part whose object type HubSpot no longer has."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one reading of all pages came to."""

    digest: str
    """Of the content; empty where there were too many rows to hold."""
    may_lack: bool
    """Whether rows may have moved past it: it had several answers, or fewer rows than counted."""
    lacks: bool
    """Whether HubSpot counted more rows than it listed."""


@dataclass
class _Listing:
    """The rows of a part: held until it is known whether they differ, unless they are too many."""

    part: Part
    reading: Reading
    held: Items = field(default_factory=Items)
    keys: Digests = field(default_factory=Digests)
    """Keys of rows that were handed on, or compared."""
    streams: bool = False

    @cached_property
    def compares(self) -> bool:
        """Whether the warehouse may have rows that were not read."""
        view, table = self.part.run.view, self.part.endpoint.first
        needed = [*table.keys, "_hs_deleted_at", *(["object_type"] if self.part.scope else [])]
        return view is not None and view.qualified(table.name, needed) is not None

    def read(self, *, again: bool = False) -> Generator[Any, None, _Pass]:
        """Read all pages of all passes; if they are read again, only rows that are new are kept."""
        part, answers, lacks = self.part, 0, False
        content = hashlib.sha256(part.shape.encode() + _day(part, self.reading.synced_at))
        for number, variant in enumerate(part.passes()):
            constants = {**part.constants, **constants_of(variant)}
            content.update(repr(constants).encode())
            rows = total = 0
            request = part.request(variant, begun=again or bool(number))
            for page in pages(part.run, part.client, request):
                if page is None:
                    yield None
                    continue
                answers, rows = answers + 1, rows + len(page.rows)
                total = max(total, page.total or 0)
                content.update(b"" if self.streams else content_of(page.rows))
                yield from self._keep(page.rows, constants, again=again)
            lacks = lacks or rows < total
        return _Pass("" if self.streams else content.hexdigest(), answers > 1 or lacks, lacks)

    def _keep(self, rows: Sequence[Any], constants: Constants, *, again: bool) -> Found:
        """Hold the objects of a page, and hand them on once they are too many to hold."""
        items, first = Items(), self.part.endpoint.first
        items.extend(rows, constants, f"$.{self.part.endpoint.rows}")
        items = exploded(first, items)
        if again:
            keys = enumerate(keys_of(self.part, items))
            items = items.only([index for index, key in keys if key not in self.keys])
        self.held.take(items)
        if len(self.held.values) > (BLOCK if self.streams else HELD):
            self.streams = True
            yield from self.flush()

    def flush(self) -> Found:
        """Hand on what is held."""
        found = yield from self._taken()
        yield from self.part.hand_on([*to_batches(self.part.endpoint, found, self.reading)])

    def _taken(self) -> Generator[Any, None, Items]:
        """Return what is held, with its details, and hold it no more."""
        self._note()
        held, self.held = self.held, Items()
        return (yield from detailed(self.part, held))

    def end(self) -> Generator[Any, None, bool]:
        """Hand on what is held; return whether it was loaded, for details may be as they were."""
        part, state, forced = self.part, self.part.state, self.part.run.options.full_refresh
        if part.endpoint.details is None or self.streams:
            state.contents.pop(DETAILED, None)
            yield from self.flush()
            return True
        found = yield from self._taken()
        content = hashlib.sha256(repr([part.shape, found.constants]).encode())
        content.update(content_of(found.values))
        is_known = bool(state.digest) and state.contents.get(DETAILED) == content.hexdigest()
        if is_known and not forced:
            return False
        state.contents[DETAILED] = content.hexdigest()
        yield from part.hand_on([*to_batches(part.endpoint, found, self.reading)])
        return True

    def _note(self) -> None:
        if self.compares:
            for key in keys_of(self.part, self.held):
                self.keys.add(key)

    def misses_rows(self) -> bool:
        """Whether the warehouse has live rows that were not read."""
        view, table, scope = self.part.run.view, self.part.endpoint.first, self.part.scope
        if view is None or not self.compares:
            return False
        self._note()
        where, args = (f"{LIVE} AND object_type = %s", [scope]) if scope else (LIVE, [])
        found = view.values(table.name, table.keys, where, *args)
        return any(tuple(map(plain, row)) not in self.keys for rows in found for row in rows)


def read_whole(part: Part) -> Found:
    """Read all rows of a part and load them, unless they are those of the last load.

    Guarantees: rows that came no more are named in the state to be marked, and only if every page
    of every pass came. Where there are several pages, which move while rows are deleted, a row is
    gone if two readings lack it.
    """
    run, state, began = part.run, part.state, part.run.now()
    listing = _Listing(part, part.reading(began))
    one = yield from listing.read()
    if one.digest and one.digest == state.digest and not run.options.full_refresh:
        state.watermark = state.whole_at = began
        return
    other, calls = one, part.client.meter.calls
    if one.may_lack and listing.misses_rows():
        other = yield from listing.read(again=True)
        part.repeated.append(part.client.meter.calls - calls)
    is_loaded = yield from listing.end()
    state.digest = one.digest if one.digest == other.digest else ""
    if not is_loaded:
        state.watermark = state.whole_at = began
        return
    state.shape = part.shape
    state.filled = [name for name, rows in part.brought.items() if rows]
    run.collections.loaded.add(part.key)
    state.watermark = began
    if other is not one and other.lacks:
        part.outcome.note(SHORT.format(part.endpoint.name))
        return
    state.loaded_at, state.whole_at = listing.reading.synced_at, began


def read_increment(part: Part) -> Found:
    """Read the rows that changed since the last reading; now and then all, for what is gone."""
    run, state, read = part.run, part.state, part.endpoint.read
    assert isinstance(read, Increment)  # noqa: S101 - by the table of readers
    began = run.now()
    whole_at = None if run.options.full_refresh or state.is_stale else state.whole_at
    is_other = state.shape != part.shape
    if state.watermark is None or whole_at is None or is_other or _is_over(read, whole_at, began):
        yield from read_whole(part)
        return
    bound = written(state.watermark - read.lookback, read.form)
    since = {**read.params, read.param: bound}
    out = Out(part, part.reading(began))
    for block in blocks(part, since):
        yield from out.add(block) if block else [None]
    yield from out.flush()
    if part.brought.get(part.endpoint.name):
        state.digest = ""
        run.collections.loaded.add(part.key)
    state.watermark = began


def _is_over(read: Increment, whole_at: datetime, now: datetime) -> bool:
    return now - whole_at >= read.whole_every


def end(part: Part) -> None:
    """Have all rows of a part marked as gone: HubSpot no longer has its object type."""
    state = part.state
    if state.digest != GONE:
        ended_at = part.run.now() + BEHIND  # no row of it comes any more, and none may be younger
        state.loaded_at, state.digest, state.filled = ended_at, GONE, []
        part.run.collections.loaded.add(part.key)


def _day(part: Part, at: datetime) -> bytes:
    """Return the day, where there are details: nothing else may show that these changed."""
    return f"{at:%Y-%m-%d}".encode() if part.endpoint.details else b""


def content_of(rows: Sequence[Any]) -> bytes:
    """Return what rows are made of, however pages divide them."""
    text = (to_text([*rows]) or "")[1:-1]
    return f"{text},".encode("utf-8", "surrogatepass") if rows else b""
