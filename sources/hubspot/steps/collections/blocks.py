"""Rows on their way from pages to tables: in blocks, without what the warehouse has already."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ...catalog.endpoints.declaration import Endpoint
from ...model import View
from ...run.pace.waiting import wait_all
from ...state.collections import CollectionState
from ...tables.endpoints.batches import Reading, values_of
from ...tables.endpoints.items import Items, exploded, to_text
from .pages import decode_rows, pages
from .part import BLOCK, Part, constants_of


@dataclass
class Out:
    """What a reading hands on, in blocks: one table costs as much as a thousand rows."""

    part: Part
    reading: Reading
    held: Items = field(default_factory=Items)
    _begun: list[Iterator[Any]] = field(default_factory=list)
    """Rows of which some tables are handed on, and others are not yet."""

    def add(self, items: Items) -> Iterator[Any]:
        """Take objects, and hand on a block if that makes one."""
        self.held.take(exploded(self.part.endpoint.first, items))
        if len(self.held.values) >= BLOCK:
            yield from self.flush()

    def flush(self) -> Iterator[Any]:
        """Hand on what is held."""
        held, self.held = self.held, Items()
        if held.values:
            yield from self.hand_on(self.part.emit(held, self.reading))

    def hand_on(self, rows: Iterator[Any]) -> Iterator[Any]:
        """Hand on rows of tables; `end` goes on where the task that began it is given up."""
        self._begun.append(rows)
        for one in rows:  # noqa: UP028 - `yield from` would close it together with its task
            yield one
        self._begun.remove(rows)

    def end(self) -> Iterator[Any]:
        """Hand on all that was begun, and what is held."""
        for rows in self._begun:
            yield from rows
        self._begun.clear()
        yield from self.flush()


def blocks(
    part: Part, own: Mapping[str, Any] | None = None, *, ahead: bool = True
) -> Generator[Items | None, None, None]:
    """Yield the objects of all passes of a part, page by page, and None while waiting.

    Args:
        part: which.
        own: parameters of this reading alone.
        ahead: whether the next page is asked for before this one is taken.
    """
    for number, variant in enumerate(part.passes()):
        constants = {**part.constants, **constants_of(variant)}
        request = part.request(variant, own, begun=bool(number))
        for page in pages(part.run, part.client, request, ahead=ahead):
            if page is None:
                yield None
                continue
            part.reported.extend(page.errors)
            items = Items()
            items.extend(page.rows, constants, f"$.{part.endpoint.rows}")
            yield items


def detailed(part: Part, items: Items) -> Generator[None, None, Items]:
    """Return objects with the members that a second call has of them, if their endpoint has one."""
    details, run = part.endpoint.details, part.run
    if details is None or not items.values:
        return items
    path = part.request({}).path.removesuffix(details.end)
    ids = [to_text(row.get(details.key)) or "" for row in items.values]
    calls = [
        run.submit(
            partial(
                part.client.get,
                path,
                {**details.params, details.inputs: ids[start : start + details.size]},
                decode=partial(decode_rows, part.endpoint),
                budget=part.endpoint.budget,
            )
        )
        for start in range(0, len(ids), details.size)
    ]
    more: dict[str | None, Mapping[str, Any]] = {}
    for rows in (yield from wait_all(calls)):
        more |= {to_text(row.get(details.key)): row for row in rows if isinstance(row, Mapping)}
    values = [{**more.get(name, {}), **row} for name, row in zip(ids, items.values, strict=True)]
    return replace(items, values=values, _members=None)


def holds_unvouched(view: View, endpoint: Endpoint, kept: CollectionState) -> bool:
    """Whether any table of an endpoint has rows of a load that was cut off.

    Args:
        view: the warehouse; after a first load that was cut off, its schema has none of its tables.
        endpoint: whose tables.
        kept: what the state knows of it.
    """
    since = kept.loaded_at
    if since is None and kept.is_first:
        return any(view.size(one.name) for one in endpoint.tables)
    where, args = ("_hs_synced_at > ?", [since]) if since else ("1 = 1", list[Any]())
    held = [one.name for one in endpoint.tables if view.has(one.name, ["_hs_synced_at"])]
    return any(view.counts(held, where, *args).values())


def unknown(part: Part, items: Items) -> Items:
    """Return the objects whose rows the warehouse does not have; rows of events never change.

    All, where those that it has are loaded again.
    """
    table, view = part.endpoint.first, part.run.view
    items = exploded(table, items)
    if part.state.merges or view is None or not items.values:
        return items
    if not view.has(table.name):
        return items
    keys = keys_of(part, items)
    named = sorted({str(key[0]) for key in keys})
    found = view.rows(table.name, table.keys, named, key=table.keys[0])
    held = {tuple(map(plain, row)) for row in found}
    return items.only([index for index, key in enumerate(keys) if key not in held])


def keys_of(part: Part, items: Items) -> list[tuple[Any, ...]]:
    """Return the key of each row as the warehouse has it, its values as `plain` writes them."""
    table, strip_nul = part.endpoint.first, bool(part.run.options.strip_nul)
    columns = [*values_of(table, table.keys, items, strip_nul=strip_nul)]
    for place, name in enumerate(table.keys):
        hasher = part.run.policy.hasher_of(table.name, name, table.fixed)
        columns[place] = hasher.texts(columns[place]) if hasher else columns[place]
    return [tuple(map(plain, key)) for key in zip(*columns, strict=True)]


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of a column
    """Return a value as both sides write it; instants in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value
