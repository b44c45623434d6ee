"""All rows of one parent: held until the last of them has come, loaded where they are others."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from ....plan.collections.differing import SHORT, keeps_all, key_of
from ....state.collections import MOST_KNOWN
from ....tables.endpoints.batches import to_batches
from ....tables.endpoints.digests import Digests
from ....tables.endpoints.items import Constants, Items, exploded, given
from ....tables.records import Batch
from ...reference.loading import emptied
from ..blocks import Out
from ..part import BLOCK, Part
from ..whole import content_of

NO_ROWS = ""
"""Digest of the rows of a parent that has none."""


@dataclass
class Contents:
    """What the rows of parents were, and what those are that a reading hands on."""

    lost: AbstractSet[str]
    """Parents, by `key_of`, whose rows were loaded and are not there."""
    new: dict[str, str] = field(default_factory=dict)
    """Digests by parent: the state knows none of them before all these rows are handed on."""

    def differ(self, part: Part, name: Sequence[str], digest: str) -> bool:
        """Whether the rows of a parent are others than those that were loaded.

        Args:
            part: of the endpoint, or the parent.
            name: of the parent, column by column.
            digest: of its rows; `NO_ROWS` of none.
        """
        key = key_of(part.endpoint, name)
        if part.state.contents.get(key) == digest and key not in self.lost:
            return False
        self.new[key] = digest
        return True

    def keep(self, part: Part) -> None:
        """Keep what was handed on, as far as the state has room for it."""
        contents, all_of_them = part.state.contents, keeps_all(part.endpoint)
        for key, digest in self.new.items():
            if key in contents or len(contents) < MOST_KNOWN or all_of_them:
                contents[key] = digest
        self.new.clear()


@dataclass
class Rows:
    """The rows of a parent: as HubSpot gives them where they are few, else as they are loaded."""

    part: Part
    """What an endpoint has of the parent."""
    out: Out
    """Takes the rows together with those of other parents, where they are few."""
    name: Sequence[str]
    """Of the parent, column by column."""
    held: Items = field(default_factory=Items)
    batches: list[tuple[str, Batch]] = field(default_factory=list)
    count: int = 0
    constants: Constants = field(default_factory=dict)
    """Of the last row."""

    def __post_init__(self) -> None:
        """Begin the digest with what else the rows are made by."""
        self._reading = replace(self.out.reading, seen=Digests())
        self._content = hashlib.sha256(repr([self.part.shape, self.part.constants]).encode())
        columns = self.part.endpoint.first.fields
        self._around = [one for one in columns if one.sources[0].origin == "parent"]

    def add(self, items: Items) -> None:
        """Take objects, page by page."""
        if items.values and items.constants[0] != self.constants:
            self.constants = items.constants[0]
            self._content.update(repr(self.constants).encode())
        self._content.update(content_of(items.values) + content_of(items.names))
        if items.parents and self._around:
            around = zip(*(given(one, items) for one in self._around), strict=True)
            self._content.update(content_of([*around]))
        self.count += len(items.values)
        self.held.take(exploded(self.part.endpoint.first, items))
        if len(self.held.values) >= BLOCK:
            self._convert()

    def _convert(self) -> None:
        self.batches += to_batches(self.part.endpoint, self.held, self._reading)
        self.held = Items()

    def hand_on(self, contents: Contents) -> Iterator[Any]:
        """Hand on the rows, which take the place of those loaded, unless they are the same."""
        digest = self._content.hexdigest()[:SHORT] if self.count else NO_ROWS
        if not contents.differ(self.part, self.name, digest):
            return
        if not self.count:
            yield from empty(self.part, [self.part.constants])
        elif not self.batches:
            yield from self.out.add(self.held)
        else:
            self._convert()
            yield from self.out.hand_on(self.part.hand_on(self.batches))


def empty(part: Part, constants: Sequence[Mapping[str, str]]) -> Iterator[Any]:
    """Have the rows of parents removed that have none by now, with what lies in them."""
    columns = part.endpoint.replaced_by
    if part.run.load.fresh or not constants or not columns:
        return
    table = part.endpoint.first
    taken = {one.name: one.sources[0].path for one in table.fields}
    keys = [
        {name: row.get(name) or row["".join(taken[name])] for name in columns} for row in constants
    ]
    part.run.collections.loaded.add(part.key)
    yield emptied(table.name, keys)
