"""A collection read whole: loaded where it differs, and what no longer comes is marked as gone."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...run.run import Items as Found
from ...tables.endpoints.batches import to_batches
from ...tables.endpoints.items import Items, to_text
from .pages import pages
from .part import BLOCK, Part

HELD = 20_000
"""Rows of a reading that are held until its end, to be loaded only if they differ."""
GONE = "gone"
"""Digest of a part whose object type HubSpot no longer has."""


def read_whole(part: Part) -> Found:
    """Read all rows of a part and load them, unless they are those of the last load.

    Guarantees: rows that came no more are named in the state to be marked, and only if every page
    of every pass came.
    """
    run, state, before = part.run, part.state, part.client.meter.calls
    began = run.now()
    reading, held, content = part.reading(began), Items(), hashlib.sha256(part.shape.encode())
    most = HELD
    for number, variant in enumerate(part.endpoint.variants):
        constants = {**part.constants, **variant}
        for page in pages(run, part.client, part.request(variant, {}, begun=bool(number))):
            if page is None:
                yield None
                continue
            content.update(_content(page.rows, constants) if most == HELD else b"")
            held.extend(page.rows, constants, f"$.{part.endpoint.rows}")
            if len(held.values) > most:
                most = BLOCK
                yield from part.emit(held, reading)
                held = Items()
    digest = content.hexdigest() if most == HELD else ""
    if not digest or digest != state.digest or run.options.full_refresh:
        yield from part.hand_on(list(to_batches(part.endpoint, held, reading)))
        state.loaded_at, state.digest, state.shape = began, digest, part.shape
        state.filled = [name for name, rows in part.brought.items() if rows]
        run.collections.loaded.add(part.key)
    state.read_at = state.whole_at = began
    state.calls, state.is_stale = part.client.meter.calls - before, False


def end(part: Part) -> None:
    """Have all rows of a part marked as gone: HubSpot no longer has its object type."""
    state = part.state
    if state.digest != GONE:
        state.loaded_at, state.digest, state.filled = part.run.now(), GONE, []
        part.run.collections.loaded.add(part.key)


def _content(rows: Sequence[Any], constants: Mapping[str, str]) -> bytes:
    """Return what a page's rows are made of."""
    return (to_text([{**constants}, *rows]) or "").encode("utf-8", "surrogatepass")
