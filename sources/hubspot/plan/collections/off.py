"""What a run would take in addition if it read a group that is off: by what is known already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from ...api.property_history import BATCH, calls_each
from ...catalog.endpoints.declaration import Endpoint, Snapshot, Whole, Windows
from ..cost import pages
from ..facts import CollectionFacts
from ..steps import Bounds, add
from .price import collection_step

RUNS_A_DAY = 24  # of a schedule by the hour
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OffCost:
    """Calls of something that is off."""

    first: Bounds = (0, 0)
    """Of its first reading."""
    day: Bounds = (0, 0)
    """Of a day of runs by the hour in which nothing changes."""
    first_is_open: bool = False
    """Whether the first reading may take more calls than the most that is known."""
    day_is_open: bool = False
    """Whether a day may."""

    def __add__(self, other: "OffCost") -> "OffCost":
        """Add the calls of two things."""
        return OffCost(
            add(self.first, other.first),
            add(self.day, other.day),
            self.first_is_open or other.first_is_open,
            self.day_is_open or other.day_is_open,
        )


def off_cost(
    endpoint: Endpoint, parents: int | None, calls: int | None = None, *, counted: bool = False
) -> OffCost:
    """Return what an endpoint would take.

    Args:
        endpoint: its declaration.
        parents: rows of the table that it is asked for; None where nobody knows.
        calls: what the last reading of all its rows took; None where there was none.
        counted: whether all these rows meet the condition of the declaration.
    """
    windows = _windows(endpoint)
    is_known = isinstance(endpoint.per, str) or parents is not None
    step = collection_step(
        endpoint, CollectionFacts("", calls, parents or 0, not is_known, windows)
    )
    low, high = step.in_all
    once = low // (windows or 1), high // (windows or 1)
    if getattr(endpoint.per, "where", "") and not counted:
        low, once = 0, (0, once[1])  # only some of the parents are asked for
    readings = _readings(endpoint)
    is_paged = isinstance(endpoint.read, Whole | Snapshot) and step.is_open
    is_open = bool(readings) and (is_paged or not is_known)
    day = readings * once[0], readings * once[1]
    return OffCost((low, high), day, step.is_open, is_open)


def _windows(endpoint: Endpoint) -> int:
    """Return the spans of time of the first reading; 0 where it has none."""
    read = endpoint.read
    return ceil(read.first / read.span) if isinstance(read, Windows) else 0


def _readings(endpoint: Endpoint) -> int:
    """Return how often it is read in a day; never where it follows changes of its parents."""
    if getattr(endpoint.per, "changed", "") or getattr(endpoint.per, "differs", False):
        return 0
    return round(_DAY / max(endpoint.due, _DAY / RUNS_A_DAY))


def off_history(totals: Mapping[str, int | None], names: Mapping[str, Sequence[str]]) -> OffCost:
    """Return what the property history of object tables would take; nothing while nothing changes.

    Args:
        totals: records by table; None where nobody knows.
        names: properties by table whose history would be read.
    """
    known = [
        calls_each(len(names[t])) * pages(n, BATCH) for t, n in totals.items() if n and names[t]
    ]
    return OffCost((sum(known),) * 2, first_is_open=None in totals.values())
