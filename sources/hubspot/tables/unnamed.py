"""Properties that a page of records does not name, though they were asked for.

HubSpot names even a property without a value, with null; one that is archived it leaves out. So a
property that no record of a page names, where others are named with null, was archived when HubSpot
answered, and the records may have values of it once it is restored.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

_NULL = b"null"
_PAGES_FOR_NULL = 20  # in which one is looked for; an older HubSpot leaves out what has no value


class _Properties(msgspec.Struct):
    properties: dict[str, msgspec.Raw] = {}


class _Records(msgspec.Struct):
    results: list[_Properties]


def named_in(body: bytes) -> list[Mapping[str, msgspec.Raw]]:
    """Return the properties of each record of a page, their values as JSON."""
    return [record.properties for record in msgspec.json.decode(body, type=_Records).results]


class Unnamed:
    """Looks for them page by page; safe to share between threads.

    Args:
        properties: names of those that are asked for.
        found: takes those that pages do not name.
    """

    def __init__(self, properties: Collection[str], found: set[str]) -> None:
        """Nothing is known yet of how HubSpot writes what has no value."""
        self._properties = properties
        self._found = found
        self._names_nulls = False
        self._pages_left = _PAGES_FOR_NULL

    def look(self, body: bytes, empty: Iterable[str]) -> None:
        """Look at one page; `empty`: the properties of which it holds no value."""
        if not self._names_nulls and self._pages_left:
            self._pages_left -= 1
            self._names_nulls = _has_null(body, self._properties)
        if self._names_nulls:
            self._found.update(name for name in empty if not _names(body, name))


def _has_null(body: bytes, properties: Collection[str]) -> bool:
    return any(
        bytes(value) == _NULL and name in properties and _names(body, name)
        for named in named_in(body)
        for name, value in named.items()
    )


def _names(body: bytes, name: str) -> bool:
    """Whether a page has a member of a name; of names that JSON may write otherwise, always."""
    return not name.isascii() or f'"{name}":'.encode() in body
