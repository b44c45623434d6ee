"""Objects of an endpoint's answers, and where each column of their tables takes its value."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec

from ...catalog.endpoints.columns import Column, Origin, Source, camel
from ...catalog.endpoints.declaration import Table
from ...parsing.lenient_json import to_json
from ..casts import CASTS

Row = Mapping[str, Any]
Constants = Mapping[str, str]
"""What a call was made for, by the names of the declaration."""
_EPOCH = {0, "0", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"}


@dataclass(slots=True)
class Items:
    """The items of one table in a block, each with what its columns may be taken from."""

    values: list[Any] = field(default_factory=list)
    constants: list[Constants] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    """Where each is in the answer, for messages; empty where `starts` says it."""
    parents: list[Any] = field(default_factory=list)
    ordinals: list[tuple[int, ...]] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    starts: list[tuple[int, str]] = field(default_factory=list)
    """From which index on items come from a page, and where in its answer they are."""
    _members: tuple[int, AbstractSet[str] | None] | None = None

    def members(self) -> AbstractSet[str] | None:
        """Return the names of all members that any of the objects has; None if not all are any."""
        if self._members is None or self._members[0] != len(self.values):
            kinds = {*map(type, self.values)}
            names = set[str]().union(*self.values) if kinds == {dict} else None
            self._members = (len(self.values), names)
        return self._members[1]

    def extend(self, rows: Sequence[Any], constants: Constants, place: str) -> None:
        """Add the objects of a page."""
        self.starts.append((len(self.values), place))
        self.values.extend(rows)
        self.constants.extend([constants] * len(rows))

    def take(self, other: "Items") -> None:
        """Add the objects of other pages."""
        start = len(self.values)
        if start and bool(self.places) != bool(other.places):
            self.places = [self.place(index) for index in range(start)]
            other.places = [other.place(index) for index in range(len(other.values))]
        self.starts += [(start + index, place) for index, place in other.starts]
        for name in _PARALLEL:
            getattr(self, name).extend(getattr(other, name))

    def place(self, index: int) -> str:
        """Name where an item is in HubSpot's answer."""
        if self.places or not self.starts:
            return self.places[index] if self.places else f"$[{index}]"
        start, place = self.starts[bisect_right(self.starts, index, key=itemgetter(0)) - 1]
        return f"{place}[{index - start}]"

    def only(self, indices: Sequence[int]) -> "Items":
        """Return some of the items."""
        found = Items()
        for name in _PARALLEL:
            part = getattr(self, name)
            setattr(found, name, [part[index] for index in indices] if part else [])
        found.places = [self.place(index) for index in indices]
        return found


_PARALLEL = ("values", "constants", "places", "parents", "ordinals", "lists", "names")
"""Each has one for each item, or none at all."""


def children_of(table: Table, first: Items) -> Items:
    """Return the items of a child table that lie in the rows of the first one."""
    found = Items()
    for path, label in table.lists.items():
        is_map, members = path.endswith("{}"), path.removesuffix("{}").split(".")
        for index, row in enumerate(first.values):
            walked = _walk(row, members, (), is_map)
            for ordinals, name, value in [((0,), "", row)] if table.of_object else walked:
                if table.takes_members and not isinstance(value, Mapping):
                    continue  # `check_lists` says so
                found.values.append(value)
                found.parents.append(row)
                found.constants.append(first.constants[index])
                found.ordinals.append(ordinals)
                found.lists.append(path)
                found.names.append(name or label)
                found.places.append(f"{first.place(index)}.{path}[{ordinals[-1]}]")
    return found


def exploded(table: Table, first: Items) -> Items:
    """Return the items of a first table, where they lie in lists of the answer's objects."""
    return children_of(table, first) if table.lists and not first.lists else first


Found = tuple[tuple[int, ...], str, Any]
"""An item of a list within lists: its ordinals, its name in an object, its value."""


def _walk(
    value: Any,  # noqa: ANN401 - any JSON
    path: Sequence[str],
    ordinals: tuple[int, ...],
    is_map: bool,  # noqa: FBT001 - recursive
) -> Iterator[Found]:
    found = value.get(path[0]) if isinstance(value, Mapping) else None
    if len(path) > 1 and isinstance(found, list):
        for ordinal, one in enumerate(found):
            yield from _walk(one, path[1:], (*ordinals, ordinal), is_map)
    elif len(path) > 1:
        yield from _walk(found, path[1:], ordinals, is_map)
    elif is_map:
        named = found.items() if isinstance(found, Mapping) else ()
        for ordinal, (name, one) in enumerate(named):
            yield (*ordinals, ordinal), name, one
    else:
        for ordinal, one in enumerate(found if isinstance(found, list) else [found]):
            if one is not None:
                yield (*ordinals, ordinal), "", one


def given(column: Column, items: Items) -> list[Any]:
    """Return what HubSpot gives for a column, one value for each item."""
    first, *others = column.sources
    found = _taken(first, column.name, items)
    for source in others:
        instead = _taken(source, column.name, items)
        if found is None or instead is None:
            found = instead if found is None else found
        else:
            found = [instead[i] if one is None else one for i, one in enumerate(found)]
    if found is None:
        return [None] * len(items.values)
    form = _FORMS.get(column.form)
    return [*map(form, found)] if form else found


def _nonzero(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return None if isinstance(value, str | int) and value in _EPOCH else value


def _is_won(metadata: Any) -> bool | None:  # noqa: ANN401 - any JSON
    """Whether a stage is won, by its metadata; None where they do not say it."""
    probability = to_text(_dig(metadata, ["probability"]))
    closed = to_text(_dig(metadata, ["isClosed"]))
    chance = CASTS["double"](probability or "")[0]
    if chance is None:
        return None
    is_closed = CASTS["bool"](closed or "")[0]
    return None if chance == 1 and is_closed is None else bool(chance == 1 and is_closed)


_FORMS: dict[str, Callable[[Any], Any]] = {"nonzero": _nonzero, "won": _is_won}
"""Forms of columns that make another value of what HubSpot gives."""


def _taken(source: Source, name: str, items: Items) -> list[Any] | None:
    if source.origin == "member" and (there := items.members()) is not None:
        if len(source.path) == 1:
            return _members(items, source.path[0], name)
        if source.path[0] not in there:
            return None
    return _ORIGINS[source.origin](items, source.path)


_ORIGINS: dict[Origin, Callable[[Items, Sequence[str]], list[Any]]] = {
    "member": lambda items, path: [_dig(row, path) for row in items.values],
    "parent": lambda items, path: (
        [*map(_digest, items.parents, items.constants)]
        if [*path] == ["hash"]
        else [_dig(row, path) for row in items.parents]
    ),
    "constant": lambda items, path: [constants.get(path[0]) for constants in items.constants],
    "item": lambda items, _path: items.values,
    "ordinal": lambda items, path: [
        one[int(path[0]) - 1 if path else -1] for one in items.ordinals
    ],
    "key": lambda items, _path: items.names,
    "list": lambda items, path: [
        one == path[0] or one.endswith(f".{path[0]}") for one in items.lists
    ],
    "head": lambda items, path: [
        one.partition(path[0])[0] if isinstance(one, str) else one for one in items.values
    ],
    "literal": lambda items, path: [path[0]] * len(items.values),
    "hash": lambda items, _path: [*map(_digest, items.values, items.constants)],
}


def _members(items: Items, member: str, name: str) -> list[Any] | None:
    """Return a member of each object; where HubSpot writes it as the column is called, also that.

    None where no object has it.
    """
    there = items.members() or ()
    if member in there:
        found = [row.get(member) for row in items.values]
        if name == member or name not in there or camel(name) != member:
            return found
        return [row.get(member, row.get(name)) for row in items.values]
    if name in there and camel(name) == member:
        return [row.get(name) for row in items.values]
    return None


def _dig(value: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON
    for member in path:
        if type(value) is not dict:  # an ABC's check takes longer than all else
            return None
        value = value.get(member)
    return value


def _digest(value: Any, constants: Constants) -> str:  # noqa: ANN401 - any JSON
    text = to_text([value, {**constants}]) or ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a value's text; of a list or an object its JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, UnicodeEncodeError):  # it was read leniently
        return to_json(value)
