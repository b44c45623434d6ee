"""A collection read whole: loaded where it differs, and what no longer comes is marked as gone."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ...catalog.endpoints.declaration import Increment
from ...run.run import Items as Found
from ...tables.endpoints.batches import to_batches
from ...tables.endpoints.items import Items, to_text
from .blocks import Out, blocks, detailed
from .pages import pages
from .part import BLOCK, Part, constants_of, written

HELD = 20_000
"""Rows of a reading that are held until its end, to be loaded only if they differ."""
GONE = "gone"
"""Digest of a part whose object type HubSpot no longer has."""


def read_whole(part: Part) -> Found:
    """Read all rows of a part and load them, unless they are those of the last load.

    Guarantees: rows that came no more are named in the state to be marked, and only if every page
    of every pass came.
    """
    run, state = part.run, part.state
    began = run.now()
    reading, held, content = part.reading(began), Items(), hashlib.sha256(part.shape.encode())
    content.update(_day(part, began))
    most = HELD
    for number, variant in enumerate(part.passes()):
        constants = {**part.constants, **constants_of(variant)}
        content.update(repr(constants).encode())
        for page in pages(run, part.client, part.request(variant, begun=bool(number))):
            if page is None:
                yield None
                continue
            content.update(_content(page.rows) if most == HELD else b"")
            held.extend(page.rows, constants, f"$.{part.endpoint.rows}")
            if len(held.values) > most:
                most = BLOCK
                held = yield from detailed(part, held)
                yield from part.emit(held, reading)
                held = Items()
    digest = content.hexdigest() if most == HELD else ""
    if not digest or digest != state.digest or run.options.full_refresh:
        held = yield from detailed(part, held)
        yield from part.hand_on(list(to_batches(part.endpoint, held, reading)))
        state.loaded_at, state.digest, state.shape = began, digest, part.shape
        state.filled = [name for name, rows in part.brought.items() if rows]
        run.collections.loaded.add(part.key)
    state.watermark = state.whole_at = began


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
        state.loaded_at, state.digest, state.filled = part.run.now(), GONE, []
        part.run.collections.loaded.add(part.key)


def _day(part: Part, at: datetime) -> bytes:
    """Return the day, where there are details: nothing else may show that these changed."""
    return f"{at:%Y-%m-%d}".encode() if part.endpoint.details else b""


def _content(rows: Sequence[Any]) -> bytes:
    """Return what rows are made of, however pages divide them."""
    text = (to_text([*rows]) or "")[1:-1]
    return f"{text},".encode("utf-8", "surrogatepass") if rows else b""
