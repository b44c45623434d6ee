"""A collection read whole: loaded where it differs, and what no longer comes is marked as gone."""

import hashlib
import pickle
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import IO, Any

from ...catalog.endpoints.declaration import Increment
from ...http.clock import BEHIND
from ...model import LIVE
from ...run.run import Items as Found
from ...tables.endpoints.batches import Reading, to_batches
from ...tables.endpoints.digests import Digests
from ...tables.endpoints.items import Constants, Items, exploded, to_text
from ...tables.guarding import hides
from .blocks import Out, blocks, detailed, keys_of, plain
from .pages import pages
from .part import BLOCK, Part, constants_of, written

HELD = 20_000
"""Rows of a reading that memory holds; more are loaded at once, or kept in a file until its end."""
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
    """Of the content."""
    may_lack: bool
    """Whether rows may have moved past it: it had several answers, or fewer rows than counted."""
    lacks: bool
    """Whether HubSpot counted more rows than it listed."""


@dataclass
class _Listing:
    """The rows of a part: held until it is known whether they differ, many of them in a file.

    Where nothing is known that they may differ from, or a policy hides some of their values, many
    are handed on as they come.
    """

    part: Part
    reading: Reading
    held: Items = field(default_factory=Items)
    keys: Digests = field(default_factory=Digests)
    """Keys of rows that were handed on, or compared."""
    is_long: bool = False
    spool: IO[bytes] | None = None
    """Where rows are that are too many to hold, in blocks; nobody else can open it."""
    put_aside: int = 0
    """Blocks that are there."""

    @cached_property
    def compares(self) -> bool:
        """Whether the warehouse may have rows that were not read."""
        view, table = self.part.run.view, self.part.endpoint.first
        needed = [*table.keys, "_hs_deleted_at", *(["object_type"] if self.part.scope else [])]
        return view is not None and view.has(table.name, needed)

    @property
    def may_wait(self) -> bool:
        """Whether rows may lie in a file, as HubSpot gives them, until it is known if they differ.

        No file holds what is to be hashed, or left out.
        """
        run, tables = self.part.run, self.part.endpoint.tables
        is_known = bool(self.part.state.digest) and not run.options.full_refresh
        return is_known and not any(hides(table.name, run.policy) for table in tables)

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
                content.update(content_of(page.rows))
                yield from self._keep(page.rows, constants, again=again)
            lacks = lacks or rows < total
        return _Pass(content.hexdigest(), answers > 1 or lacks, lacks)

    def _keep(self, rows: Sequence[Any], constants: Constants, *, again: bool) -> Found:
        """Hold the objects of a page; once they are too many, put them aside or hand them on."""
        items, first = Items(), self.part.endpoint.first
        items.extend(rows, constants, f"$.{self.part.endpoint.rows}")
        items = exploded(first, items)
        if again:
            keys = enumerate(keys_of(self.part, items))
            items = items.only([index for index, key in keys if key not in self.keys])
        self.held.take(items)
        if len(self.held.values) > (BLOCK if self.is_long else HELD):
            self.is_long = True
            if self.may_wait:
                self._put_aside()
            else:
                self.part.state.digest = ""  # until all of them are handed on
                yield from self._hand_on(self._taken())

    def flush(self) -> Found:
        """Hand on what was put aside, and what is held."""
        for items in self._aside():
            yield from self._hand_on(items)
        yield from self._hand_on(self._taken())

    def end(self) -> Generator[Any, None, bool]:
        """Hand on what is held; return whether it was loaded, for details may be as they were."""
        part, state, forced = self.part, self.part.state, self.part.run.options.full_refresh
        if part.endpoint.details is None or self.is_long:
            state.contents.pop(DETAILED, None)
            state.digest = ""  # until all of them are handed on
            yield from self.flush()
            return True
        found = yield from detailed(part, self._taken())
        content = hashlib.sha256(repr([part.shape, found.constants]).encode())
        content.update(content_of(found.values))
        is_known = bool(state.digest) and state.contents.get(DETAILED) == content.hexdigest()
        if is_known and not forced:
            return False
        state.digest = ""
        yield from part.hand_on([*to_batches(part.endpoint, found, self.reading)])
        state.contents[DETAILED] = content.hexdigest()
        return True

    def _hand_on(self, items: Items) -> Found:
        found = yield from detailed(self.part, items)
        yield from self.part.hand_on([*to_batches(self.part.endpoint, found, self.reading)])

    def _taken(self) -> Items:
        self._note()
        held, self.held = self.held, Items()
        return held

    def _put_aside(self) -> None:
        if self.spool is None:
            folder = self.part.run.options.folder
            self.spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - kept until it is read
        pickle.dump(self._taken(), self.spool, pickle.HIGHEST_PROTOCOL)
        self.put_aside += 1

    def _aside(self) -> Iterator[Items]:
        """Yield the blocks that were put aside, in their order."""
        if self.spool is None:
            return
        self.spool.seek(0)
        for _ in range(self.put_aside):
            yield pickle.load(self.spool)  # noqa: S301 - only this process can write the file

    def close(self) -> None:
        """Remove the file, if there is one."""
        if self.spool is not None:
            self.spool.close()

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
        where, args = (f"{LIVE} AND object_type = ?", [scope]) if scope else (LIVE, [])
        found = view.values(table.name, table.keys, where, *args)
        return any(tuple(map(plain, row)) not in self.keys for rows in found for row in rows)


def read_whole(part: Part) -> Found:
    """Read all rows of a part and load them, unless they are those of the last load.

    Guarantees: rows that came no more are named in the state to be marked, and only if every page
    of every pass came. Where there are several pages, which move while rows are deleted, a row is
    gone if two readings lack it.
    """
    run, state, began = part.run, part.state, part.run.now()
    with closing(_Listing(part, part.reading(began))) as listing:
        one = yield from listing.read()
        if one.digest == state.digest and not run.options.full_refresh:
            state.watermark = state.whole_at = began
            return
        yield from _load(part, listing, one, began)


def _load(part: Part, listing: _Listing, one: _Pass, began: datetime) -> Found:
    """Load the rows of a reading that differs, once what it lacks is known to be gone."""
    run, state = part.run, part.state
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
        state.digest = ""  # what it lacks is still to be marked, be it the same next time
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
