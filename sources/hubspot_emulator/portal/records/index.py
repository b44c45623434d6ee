"""What search sees of one object type: the records as they were some moments ago."""

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque

from .record import Record
from .rows import SeededRows

RANGES_KEPT = 8
MANY = 300  # changes above which sorting again is quicker than inserting one at a time


class SearchIndex:
    """Live records by id and by last-modified, each change taken in when it is old enough."""

    def __init__(self, rows: SeededRows) -> None:
        self._rows = rows
        self._pending: deque[tuple[int, int, Record | None]] = deque()
        self._versions: dict[int, Record | None] = {}
        self._built = False
        self._ids: array[int] = array("q")
        self._modified: array[int] = array("q")
        self._by_modified: array[int] = array("q")
        self._ranges: OrderedDict[tuple[int, int], array[int]] = OrderedDict()

    def note(self, record_id: int, record: Record | None, noted_ms: int) -> None:
        """Take note of a change that search must show later."""
        self._pending.append((noted_ms, record_id, record))

    def refresh(self, until_ms: int) -> None:
        """Take in every change noted at or before `until_ms`, an age of the clock."""
        if not self._built:
            self._build()
        due: dict[int, Record | None] = {}
        while self._pending and self._pending[0][0] <= until_ms:
            _, record_id, record = self._pending.popleft()
            due[record_id] = record
        if due:
            self._ranges.clear()
        if len(due) > MANY:
            self._apply_many(due)
        else:
            for record_id, record in due.items():
                self._apply(record_id, record)

    def _build(self) -> None:
        rows = self._rows
        every = rows.archive_every
        live = [n for n in range(rows.count) if not every or n % every != every - 1]
        ids = [rows.id_of(n) for n in live]
        modified = [rows.modified_ms(n) for n in live]
        order = sorted(range(len(live)), key=modified.__getitem__)
        self._ids = array("q", ids)
        self._modified = array("q", map(modified.__getitem__, order))
        self._by_modified = array("q", map(ids.__getitem__, order))
        self._built = True

    def get(self, record_id: int) -> Record | None:
        """Return the version of a live record that search sees."""
        if record_id in self._versions:
            return self._versions[record_id]
        ordinal = self._rows.ordinal_of(record_id)
        return None if ordinal is None else self._rows.record(record_id, ordinal)

    def modified_ms(self, record_id: int) -> int:
        """Return the last-modified instant that search sees, of a record it shows."""
        record = self._versions.get(record_id)
        if record is not None:
            return record.updated_ms
        ordinal = self._rows.ordinal_of(record_id)
        return 0 if ordinal is None else self._rows.modified_ms(ordinal)

    def created_ms(self, record_id: int) -> int:
        """Return the creation instant of a record that search shows."""
        record = self._versions.get(record_id)
        if record is not None:
            return record.created_ms
        ordinal = self._rows.ordinal_of(record_id)
        return 0 if ordinal is None else self._rows.created_ms(ordinal)

    def is_seeded(self, record_id: int) -> bool:
        """Return whether search sees the record as it was seeded."""
        return record_id not in self._versions

    def _apply(self, record_id: int, record: Record | None) -> None:
        place = bisect_left(self._ids, record_id)
        known = place < len(self._ids) and self._ids[place] == record_id
        live = record is not None and record.archived_ms is None
        if known:
            self._forget(record_id)
        if known and not live:
            del self._ids[place]
        if record is not None and live:
            if not known:
                self._ids.insert(place, record_id)
            at = self._slot(record.updated_ms, record_id)
            self._modified.insert(at, record.updated_ms)
            self._by_modified.insert(at, record_id)
            self._versions[record_id] = record
        else:
            self._versions[record_id] = None

    def _apply_many(self, due: dict[int, Record | None]) -> None:
        live = {
            one: record
            for one, record in due.items()
            if record is not None and record.archived_ms is None
        }
        self._versions.update({one: live.get(one) for one in due})
        pairs = [
            pair
            for pair in zip(self._modified, self._by_modified, strict=True)
            if pair[1] not in due
        ]
        pairs += [(record.updated_ms, one) for one, record in live.items()]
        pairs.sort()
        self._modified = array("q", [pair[0] for pair in pairs])
        self._by_modified = array("q", [pair[1] for pair in pairs])
        self._ids = array("q", sorted(self._by_modified))

    def _forget(self, record_id: int) -> None:
        at = self._slot(self.modified_ms(record_id), record_id)
        del self._modified[at], self._by_modified[at]

    def _slot(self, modified_ms: int, record_id: int) -> int:
        start = bisect_left(self._modified, modified_ms)
        stop = bisect_right(self._modified, modified_ms)
        return bisect_left(self._by_modified, record_id, start, stop)

    def ids(self) -> "array[int]":
        """Return the ids of every record that search shows, ascending."""
        return self._ids

    def modified_before(self, at_ms: int, most: int) -> "array[int]":
        """Return the ids of the `most` records last modified before an instant, nearest last."""
        stop = bisect_left(self._modified, at_ms)
        return self._by_modified[max(0, stop - most) : stop]

    def modified_between(self, low_ms: int, high_ms: int) -> "array[int]":
        """Return the ids of records modified from `low_ms` to `high_ms`, inclusive, ascending."""
        key = (low_ms, high_ms)
        if key not in self._ranges:
            start = bisect_left(self._modified, low_ms)
            stop = bisect_right(self._modified, high_ms)
            whole = stop - start == len(self._ids)
            found = self._ids if whole else array("q", sorted(self._by_modified[start:stop]))
            self._ranges[key] = found
            while len(self._ranges) > RANGES_KEPT:
                self._ranges.popitem(last=False)
        return self._ranges[key]
