"""The records of one object type: seeded ones by formula, changed ones as stored versions."""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from random import Random
from typing import Any

from ...clock import iso
from ..catalog.definitions import Definition
from ..catalog.object_types import ObjectType
from .index import SearchIndex
from .record import Record
from .rows import SeededRows

CLOSE = 0.5  # share of scattered ids that are next to one in use


class RecordTable:
    """Holds one type's definitions, records, redirects of merged ids, and its search index."""

    def __init__(
        self, object_type: ObjectType, definitions: dict[str, Definition], rows: SeededRows
    ) -> None:
        self.type = object_type
        self.definitions = definitions
        self.definitions_version = 0
        self.rows = rows
        self.changed: dict[int, Record | None] = {}
        self.redirects: dict[int, int] = {}
        self.hidden: set[int] = set()
        self.index = SearchIndex(rows)
        self.cache: OrderedDict[Hashable, Any] = OrderedDict()
        """What readers of this table have prepared and may need again, latest last."""
        self._unique: dict[tuple[str, str], int] = {}
        self._ids: dict[bool, array[int]] = {}
        self._last_id = 0

    def ids(self, *, archived: bool = False) -> "array[int]":
        """Return the ids of live, or archived, records that are not hidden, ascending."""
        if not self._ids:
            self._ids = self._sorted_ids()
        return self._ids[archived]

    def _sorted_ids(self) -> dict[bool, "array[int]"]:
        rows, every = self.rows, self.rows.archive_every
        found: dict[bool, array[int]] = {}
        gone = range(every - 1, rows.count, every) if every else range(0)
        found[True] = array("q", map(rows.id_of, gone))
        if every:
            kept = (n for n in range(rows.count) if n % every != every - 1)
        else:
            kept = (n for n in range(rows.count))
        found[False] = array("q", map(rows.id_of, kept))
        return found

    def get(self, record_id: int) -> Record | None:
        """Return a record, live or archived, or None."""
        if record_id in self.changed:
            return self.changed[record_id]
        ordinal = self.rows.ordinal_of(record_id)
        return None if ordinal is None else self.rows.record(record_id, ordinal)

    def has(self, record_id: int, *, archived: bool = False) -> bool:
        """Return whether there is a live (or archived) record with this id that is not hidden."""
        if record_id in self.hidden:
            return False
        if record_id in self.changed:
            record = self.changed[record_id]
            return record is not None and (record.archived_ms is not None) == archived
        ordinal = self.rows.ordinal_of(record_id)
        return ordinal is not None and self.rows.is_archived(ordinal) == archived

    def survivor(self, record_id: int) -> int:
        """Return the id that a merged-away id leads to, or the id itself."""
        while record_id in self.redirects:
            record_id = self.redirects[record_id]
        return record_id

    def put(self, record: Record, noted_ms: int) -> None:
        """Store a version of a record, in the place of any earlier one."""
        archived = record.archived_ms is not None
        if record.id not in self.hidden and not self.has(record.id, archived=archived):
            self._unlist(record.id)
            _insert(self.ids(archived=archived), record.id)
        self.changed[record.id] = record
        self._last_id = max(self._last_id, record.id)
        for name in self.unique_names():
            if record.values.get(name):
                self._unique[name, record.values[name].lower()] = record.id
        self.index.note(record.id, record, noted_ms)

    def drop(self, record_id: int, noted_ms: int) -> None:
        """Remove a record for good."""
        self._unlist(record_id)
        self.hidden.discard(record_id)
        self.changed[record_id] = None
        self.index.note(record_id, None, noted_ms)

    def hide(self, record_id: int) -> None:
        """Leave a record out of everything that is read."""
        self.hidden.add(record_id)
        self._unlist(record_id)

    def show(self, record_id: int) -> None:
        """Undo `hide`."""
        record = self.get(record_id)
        if record_id in self.hidden and record is not None:
            self.hidden.discard(record_id)
            _insert(self.ids(archived=record.archived_ms is not None), record_id)

    def every_id(self, *, archived: bool = False) -> list[int]:
        """Return the ids of live, or archived, records, hidden ones too, ascending."""
        hidden = [
            one
            for one in self.hidden
            if (record := self.get(one)) and (record.archived_ms is not None) == archived
        ]
        return sorted((*self.ids(archived=archived), *hidden))

    def _unlist(self, record_id: int) -> None:
        for archived in (False, True):
            ids = self.ids(archived=archived)
            place = bisect_left(ids, record_id)
            if place < len(ids) and ids[place] == record_id:
                del ids[place]

    def page(self, after: int, limit: int, *, archived: bool) -> tuple[Sequence[int], int | None]:
        """Return up to `limit` ids from id `after` on, and the id of the next record."""
        ids = self.ids(archived=archived)
        start = bisect_left(ids, after)
        stop = start + limit
        return ids[start:stop], ids[stop] if stop < len(ids) else None

    def next_id(self, *, scattered: bool = False) -> int:
        """Return an id that was never used: above all others, or anywhere."""
        if scattered:
            return self._anywhere()
        seeded = self.rows.id_of(self.rows.count - 1) if self.rows.count else 0
        last = max(self._last_id, seeded)
        self._last_id = self.rows.in_lane(max(last, 40_000_000_000) + 3 + last % 5)
        return self._last_id

    def _anywhere(self) -> int:
        """Return an unused id, half of the time next to one in use, else far from all."""
        random = Random(len(self.changed))
        while True:
            ids = self.ids()
            found = random.randrange(1, max(self._last_id, 60_000_000_000))
            if ids and random.random() < CLOSE:
                found = random.choice(ids) + random.randint(-3, 3)
            found = self.rows.in_lane(found)
            if found > 0 and not self._was_used(found):
                return found

    def _was_used(self, record_id: int) -> bool:
        return record_id in self.changed or self.rows.ordinal_of(record_id) is not None

    def unique_names(self) -> list[str]:
        """Return the properties whose values may name a record."""
        return [name for name, d in self.definitions.items() if d["hasUniqueValue"]]

    def find_unique(self, name: str, value: str) -> int | None:
        """Return the id of the live record whose unique property holds `value`."""
        found = self._unique.get((name, value.lower()))
        if found is None:
            ordinal = self.rows.find_own(name, value.lower())
            found = None if ordinal is None else self.rows.id_of(ordinal)
        record = None if found is None else self.get(found)
        if record is None or record.archived_ms is not None:
            return None
        return record.id if record.values.get(name, "").lower() == value.lower() else None

    def value(self, record: Record, name: str) -> str | None:
        """Return what a property of a record reads as, None if it was never set."""
        if name == "hs_object_id":
            return str(record.id)
        if name == self.type.modified:
            return iso(record.updated_ms)
        if name == self.type.created:
            return iso(record.created_ms)
        return record.values.get(name)

    def properties(self, record: Record) -> dict[str, str]:
        """Return all set values of the properties that exist, the system's own too."""
        always = ("hs_object_id", self.type.created, self.type.modified)
        values = {name: str(self.value(record, name)) for name in always}
        for name, value in record.values.items():
            definition = self.definitions.get(name)
            if definition is not None and not definition["archived"]:
                values.setdefault(name, value)
        return values


def _insert(ids: "array[int]", record_id: int) -> None:
    ids.insert(bisect_left(ids, record_id), record_id)
