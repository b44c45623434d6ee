"""What a search found: its order, and one page of it."""

import operator
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...faults import anomalies
from ...portal.records.table import RecordTable
from ...portal.store import Portal
from ..checks import objects_of
from ..errors import invalid
from .filters import reader_for

MAX_RESULTS = 10_000
STRANGERS, LOOKED_AT = 2, 100
Ids = Sequence[int]


@dataclass(frozen=True, slots=True)
class Hits:
    """The records that a search found, by ascending id, and the order it asked for.

    `starts` is the instant of change and the id at which its filters begin, 0 for no such filter.
    """

    table: RecordTable
    ids: Ids
    name: str
    descending: bool
    starts: tuple[int, int]

    def cut(self, start: int, stop: int) -> Ids:
        """Return the ids from one place in the order to another."""
        stop = min(stop, MAX_RESULTS)
        ids = self.ids
        if self.name == "hs_object_id" and self.descending:
            return ids[max(0, len(ids) - stop) : max(0, len(ids) - start)][::-1]
        if self.name == "hs_object_id":
            return ids[start:stop]
        return self.sorted(ids)[start:stop]

    def sorted(self, ids: Iterable[int]) -> list[int]:
        """Return ids in the order that was asked for."""
        return sorted(ids, key=self.key(), reverse=self.descending)

    def key(self) -> Callable[[int], Any]:
        """Return the value that a record is sorted by."""
        index, name = self.table.index, self.name
        if name == "hs_object_id":
            return int
        if name == self.table.type.created:
            return index.created_ms
        if name == self.table.type.modified:
            return index.modified_ms
        read = reader_for(self.table.definitions[name])

        def key(one: int) -> tuple[bool, Any]:
            record = index.get(one)
            value = read((record and self.table.value(record, name)) or "")
            return (True, value) if value not in (None, "") else (False, 0)

        return key

    def strangers(self, last: int) -> list[int]:
        """Return some records just outside the filters that are sorted before the record `last`."""
        index, (modified_ms, first_id) = self.table.index, self.starts
        earlier = index.modified_before(modified_ms, LOOKED_AT)
        place = bisect_left(index.ids(), first_id)
        below = index.ids()[max(0, place - LOOKED_AT) : place]
        found = [one for ids in (earlier, below) for one in self._fitting(ids, last)[-STRANGERS:]]
        return list(dict.fromkeys(found))

    def _fitting(self, ids: Ids, last: int) -> list[int]:
        hidden, key = self.table.hidden, self.key()
        others = [one for one in ids if one not in hidden and not holds(self.ids, one)]
        precedes = operator.gt if self.descending else operator.lt
        return [one for one in others if precedes(key(one), key(last))]


def holds(ids: Ids, one: int) -> bool:
    """Return whether an id is among ascending ones."""
    place = bisect_left(ids, one)
    return place < len(ids) and ids[place] == one


def sort_of(table: RecordTable, sorts: object) -> tuple[str, bool]:
    """Return the property to sort by, by default the creation date, and whether descending."""
    if not sorts:
        return table.type.created, False
    if not isinstance(sorts, list) or len(sorts) != 1:
        raise invalid("A search takes exactly one sort")
    given = {"propertyName": sorts[0]} if isinstance(sorts[0], str) else sorts[0]
    (one,) = objects_of([given], "sorts")
    name, direction = one.get("propertyName"), one.get("direction", "ASCENDING")
    if not isinstance(name, str) or name not in table.definitions:
        raise invalid(f"There is no property {name} on {table.type.name} to sort by")
    if direction not in ("ASCENDING", "DESCENDING"):
        raise invalid(f"Invalid sort direction: {direction!r}")
    return name, direction == "DESCENDING"


def page_of(portal: Portal, hits: Hits, after: str, limit: int) -> tuple[Ids, str | None]:
    """Return the ids of one page, and the cursor of the next one."""
    wanted, start = portal.settings.anomalies, int(after or 0)
    most = anomalies.room(wanted, limit)
    page = hits.cut(start, start + most)
    kind = f"search {hits.table.type.type_id}"
    if anomalies.is_empty(wanted, portal.pages_given, kind, page):
        return [], anomalies.cursor(after, start)
    page, shown = _with_strangers(wanted, hits, page, most)
    stop = start + len(page)
    shown = anomalies.shuffled(wanted, anomalies.repeated(wanted, shown, limit))
    return shown, anomalies.cursor(after, stop) if stop < len(hits.ids) else None


def _with_strangers(wanted: Collection[str], hits: Hits, page: Ids, most: int) -> tuple[Ids, Ids]:
    """Return the part of a page that is left when strangers take places, and it with them."""
    places = min(2 * STRANGERS, most - 1)
    if "search_outside" not in wanted or not page or not places:
        return page, page
    strangers = hits.strangers(page[min(len(page), most - places) - 1])[:places]
    page = page[: most - len(strangers)]
    return page, hits.sorted([*page, *strangers]) if strangers else page
