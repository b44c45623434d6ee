"""Members as HubSpot lists them and as the warehouse has them, in few bytes each."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ....errors import ContractError

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
NEVER = -(1 << 62)
"""Instead of the time of a member that has none."""


class Old(NamedTuple):
    """A membership as the warehouse has it."""

    joined: int
    first_seen_at: datetime | None
    is_removed: bool


class Page(NamedTuple):
    """Members of a list: rows of HubSpot's, and of each its record and when it joined."""

    rows: list[Any]
    pairs: list[tuple[int, int]]
    cursor: str | None
    total: int | None

    @property
    def is_ascending(self) -> bool | None:
        """Whether rows come oldest first; None where this page does not show it."""
        times = [joined for _, joined in self.pairs if joined != NEVER]
        return None if not times or times[0] == times[-1] else times[0] < times[-1]


class Known:
    """The members of a list in the warehouse, in 17 bytes each, and which of them were seen."""

    def __init__(self, rows: Iterator[Sequence[Any]]) -> None:
        """Take the record and the time of each."""
        ids, times = array("q"), array("q")
        for record, joined in rows:
            ids.append(number(record))
            times.append(instant(joined))
        order = pc.array_sort_indices(_column(ids))
        self._ids = _numbers(_column(ids).take(order))
        self._times = _numbers(_column(times).take(order))
        self._seen = bytearray(len(ids))
        self._others = array("q")

    def see(self, record: int, joined: int) -> bool:
        """Note that a record is a member; return whether the warehouse has it just so."""
        index = bisect_left(self._ids, record)
        if index == len(self._ids) or self._ids[index] != record:
            self._others.append(record)
            return False
        self._seen[index] = 1
        return self._times[index] == joined

    @property
    def seen(self) -> int:
        """How many members were seen, each counted once."""
        others = _column(self._others)
        ordered = others.take(pc.array_sort_indices(others))
        repeated = pc.sum(pc.equal(ordered[1:], ordered[:-1])).as_py() or 0
        return sum(self._seen) + len(others) - int(repeated)

    def gone(self) -> Iterator[int]:
        """Yield the records that were not seen."""
        return (one for one, seen in zip(self._ids, self._seen, strict=True) if not seen)


def _column(numbers: "array[int]") -> pa.Array:
    """Return numbers as a column of the same memory: Python's own would take six times as much."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _numbers(column: pa.Array) -> memoryview:
    """Return the numbers of a column, in its own memory."""
    return memoryview(column.buffers()[1]).cast("q")[: len(column)]


def number(record: object) -> int:
    """Return a record's id as a number.

    Raises:
        ContractError: it is none.
    """
    text = str(record)
    if not (text.isascii() and text.isdecimal()):
        raise ContractError(
            f"HubSpot's answer for list_memberships is not as documented: a record's id is {text}.",
            remedy="Run the sync again; what is loaded stays. If it happens again, report this.",
        )
    return int(text)


def instant(at: datetime | None) -> int:
    """Return an instant as a number."""
    if at is None:
        return NEVER
    return ((at.replace(tzinfo=UTC) if at.tzinfo is None else at) - EPOCH) // MICROSECOND


def written(at: datetime) -> str:
    """Write an instant as HubSpot does."""
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%S.%f}Z"
