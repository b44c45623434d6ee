"""One collection's rows: seeded by formula, changed by tests, in order for every listing."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ...clock import Clock, iso, to_ms
from .kind import Kind, Row
from .seeding import Seeds
from .values import Comparable, comparable, member

Key = str | int | tuple[str | int, ...] | list[str | int]
Entry = tuple[Comparable, int]
"""What a row is sorted by, and its place."""
VIEWS_KEPT = 12
ARCHIVED = "_archived"
"""The member of a row in the recycle bin."""
_EVERY = "\0"


class Test(NamedTuple):
    """One condition on rows: a member, an operator, and the values it may have."""

    member: str
    operator: str
    values: tuple[Comparable, ...]


@dataclass
class Trouble:
    """What the next pages of a collection do wrong: how many more times."""

    repeated_cursors: int = 0
    empty_pages: int = 0


class Collection:
    """The rows of one kind; every change is seen by the next call.

    A key is a text or, where a kind has several key members, a tuple of them in the order of the
    kind: `("17", "512")` names the member 512 of list 17.
    """

    def __init__(self, kind: Kind, seeds: Seeds, clock: Clock) -> None:
        self.kind = kind
        self.lag_ms = 0
        """How long after its own time a row becomes visible."""
        self.trouble = Trouble()
        self._seeds, self._clock = seeds, clock
        self._seeded = seeds.size(kind.name, kind.size)
        self._changed: dict[int, Row | None] = {}
        self._next = self._seeded
        self._hidden: dict[int, int] = {}
        self._places: dict[tuple[str, ...], int] | None = None
        self._orders: OrderedDict[str, dict[str, list[Entry]]] = OrderedDict()
        self._views: OrderedDict[Any, list[Entry]] = OrderedDict()

    # reading

    def row(self, place: int) -> Row | None:
        """Return the row at a place, None for a deleted one."""
        if place in self._changed:
            return self._changed[place]
        return self.kind.make(self._seeds, place)

    def rows(self, parent: Key | None = None) -> list[Row]:
        """Return the truth: every row, hidden ones too, in the order they were made."""
        wanted = None if parent is None else str(parent)
        return [
            row
            for place in range(self._next)
            if (row := self.row(place)) is not None
            and (wanted is None or str(row.get("_parent")) == wanted)
        ]

    def seen(self, parent: Key | None = None) -> list[Row]:
        """Return every row that answers may show, of one parent or all, in the order of keys."""
        wanted = None if parent is None else str(parent)
        places = [place for _, place in self.entries(self.kind.keys[-1], (), wanted)]
        return [row for place in places if (row := self.row(place)) is not None]

    def __len__(self) -> int:
        return self._next - sum(row is None for row in self._changed.values())

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows())

    def find(self, key: Key) -> Row | None:
        """Return the visible row of a key."""
        place = self._known().get(_parts(key))
        if place is None or not self._is_shown(place):
            return None
        return self.row(place)

    def resolve(self, name: str) -> str | None:
        """Return the key of a visible row that a path names by its key or alias, None if none."""
        if self.find(name) is not None:
            return name
        alias, key = self.kind.alias, self.kind.keys[-1]
        named = (row for row in self.seen() if alias and str(row.get(alias)) == name)
        return next((str(row[key]) for row in named), None)

    def __getitem__(self, key: Key) -> Row:
        return self._existing(_parts(key))[1]

    def __contains__(self, key: Key) -> bool:
        return _parts(key) in self._known()

    def entries(
        self, order: str, tests: tuple[Test, ...] = (), parent: str | None = None
    ) -> list[Entry]:
        """Return the visible rows that pass every test, ascending by a member."""
        key = (order, tests, parent)
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = self._passing(order, tests, parent)
            if len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
        if self._hidden or self.lag_ms:
            return [entry for entry in found if self._is_shown(entry[1])]
        return found

    def _passing(self, order: str, tests: tuple[Test, ...], parent: str | None) -> list[Entry]:
        found = self._ordered(order).get(_EVERY if parent is None else parent, [])
        by_order = [one for one in tests if one.member == order and one.operator != "="]
        for test in by_order:
            found = _between(found, test)
        rest = [one for one in tests if one not in by_order]
        if not rest:
            return found
        return [entry for entry in found if self._passes(entry[1], rest)]

    def _passes(self, place: int, tests: list[Test]) -> bool:
        row = self.row(place)
        return row is not None and all(passes(row, test) for test in tests)

    def _ordered(self, order: str) -> dict[str, list[Entry]]:
        """Return the places of all rows, and of each parent's, in order."""
        found = self._orders.get(order)
        if found is not None:
            return found
        found = {_EVERY: []}
        for place in range(self._next):
            row = self.row(place)
            if row is None:
                continue
            entry = (comparable(member(row, order)) if order else (1, 0), place)
            found[_EVERY].append(entry)
            if "_parent" in row:
                found.setdefault(str(row.get("_parent")), []).append(entry)
        for entries in found.values():
            entries.sort()
        self._orders[order] = found
        return found

    def _is_shown(self, place: int) -> bool:
        now_ms = self._clock.now_ms()
        if self._hidden.get(place, 0) > now_ms:
            return False
        row = self.row(place) if self.lag_ms else None
        if row is None or self.kind.time not in row:
            return True
        return to_ms(row[self.kind.time]) + self.lag_ms <= now_ms

    # changing

    def add(
        self,
        row: Row,
        parent: Key | None = None,
        visible_at: datetime | str | float | None = None,
        *,
        twin: bool = False,
    ) -> Row:
        """Add a row, of a parent where the kind has one; members the key needs are made up.

        A `twin` may have the key of another row, which changes then no longer reach.
        """
        made = dict(row)
        if parent is not None:
            made["_parent"] = str(parent)
        elif self.kind.parent and "_parent" not in made:
            raise ValueError(f"a row of {self.kind.name} needs its parent in {self.kind.parent}")
        for name in self.kind.keys:
            made.setdefault(name, str(900_000 + self._next))
        key = self._key(made)
        if key in self._known() and not twin:
            raise ValueError(f"{self.kind.name} has {key} already")
        place = self._next
        self._next += 1
        self._put(place, made)
        if visible_at is not None:
            self._hidden[place] = to_ms(visible_at)
        return made

    def edit(self, key: Key, members: Row | None = None, remove: tuple[str, ...] = ()) -> Row:
        """Change members of a row, unknown ones too, and when it was changed."""
        place, row = self._existing(_parts(key))
        touched = self.kind.touched
        kept = {name: value for name, value in row.items() if name not in remove}
        if touched in kept:
            now_ms = self._clock.now_ms()
            kept[touched] = iso(now_ms) if isinstance(kept[touched], str) else now_ms
        made = {**kept, **(members or {})}
        self._put(place, made)
        return made

    def bare(self, key: Key) -> Row:
        """Take every member off a row that HubSpot does not always send."""
        _, row = self._existing(_parts(key))
        always = {*self.kind.keys, *self.kind.required.split(), self.kind.time}
        return self.edit(
            key, remove=tuple(name for name in row if name not in always and name[0] != "_")
        )

    def delete(self, key: Key) -> None:
        """Remove a row for good, without a trace."""
        place, _ = self._existing(_parts(key))
        self._put(place, None)

    def archive(self, key: Key) -> None:
        """Put a row into the recycle bin: only `archived=true` shows it."""
        now_ms = self._clock.now_ms()
        at = self.kind.archived_at.removesuffix("@ms")
        stamp = now_ms if self.kind.archived_at.endswith("@ms") else iso(now_ms)
        self.edit(key, {"_archived": True, **({at: stamp} if at else {})})

    def restore(self, key: Key) -> None:
        """Take a row out of the recycle bin."""
        self.edit(key, {"_archived": False})

    def delay(self, key: Key, until: datetime | str | float) -> None:
        """Hide a row from every answer until an instant."""
        place, _ = self._existing(_parts(key))
        self._hidden[place] = to_ms(until)

    def repeat_cursor(self, times: int = 1) -> None:
        """Let the next pages name a cursor that leads to the same page again."""
        self.trouble.repeated_cursors = times

    def empty_page(self, times: int = 1) -> None:
        """Let the next pages hold no rows, with a cursor to what they would have held."""
        self.trouble.empty_pages = times

    def _put(self, place: int, row: Row | None) -> None:
        known = self._known()
        is_there = place < self._seeded or place in self._changed
        before = self.row(place) if is_there else None
        if before is not None:
            known.pop(self._key(before), None)
        self._changed[place] = row
        if row is not None:
            known[self._key(row)] = place
        self._orders.clear()
        self._views.clear()

    def _known(self) -> dict[tuple[str, ...], int]:
        if self._places is None:
            found = ((self.row(place), place) for place in range(self._next))
            self._places = {self._key(row): place for row, place in found if row is not None}
        return self._places

    def _key(self, row: Row) -> tuple[str, ...]:
        return tuple(str(row.get(name)) for name in self.kind.keys)

    def _existing(self, key: tuple[str, ...]) -> tuple[int, Row]:
        place = self._known().get(key)
        row = None if place is None else self.row(place)
        if place is None or row is None:
            raise ValueError(f"{self.kind.name} has no row {' '.join(key)}")
        return place, row


def _parts(key: Key) -> tuple[str, ...]:
    return tuple(map(str, key)) if isinstance(key, tuple | list) else (str(key),)


def _between(entries: list[Entry], test: Test) -> list[Entry]:
    """Return the entries whose sort value passes a comparison."""
    bound = test.values[0]
    before, behind = (bound, -1), (bound, 1 << 62)
    if test.operator[0] == ">":
        start = (
            bisect_left(entries, before) if test.operator == ">=" else bisect_right(entries, behind)
        )
        return entries[start:]
    stop = bisect_right(entries, behind) if test.operator == "<=" else bisect_left(entries, before)
    return entries[:stop]


def passes(row: Row, test: Test) -> bool:
    """Return whether a row passes one test; a missing member passes none."""
    if test.member == ARCHIVED:
        return bool(row.get(ARCHIVED)) is bool(test.values[0][1])
    value = member(row, test.member)
    if isinstance(value, list):
        return any(comparable(one) in test.values for one in value)
    found = comparable(value)
    if test.operator == "=":
        return found in test.values
    if value is None:
        return False
    if test.operator in "^~":
        text, wanted = str(value), str(test.values[0][1])
        return text.startswith(wanted) if test.operator == "^" else wanted in text
    bound = test.values[0]
    return bool(_COMPARE[test.operator](found, bound))


_COMPARE: dict[str, Any] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
