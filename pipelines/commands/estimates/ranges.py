"""What a sync would do to one table: rows and calls, each exact or a range that holds the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from sources.hubspot import Run
from sources.hubspot.api.record_pages import PAGE
from sources.hubspot.errors import HubSpotError
from sources.hubspot.http.limits import Budget
from sources.hubspot.model import WayIn
from sources.hubspot.steps.table import MERGED

Kind = Literal["reference", "definitions", "searches", "records", "links", "labels", "exports"]
BUDGETS: dict[Kind, Budget] = {
    "reference": "interval",
    "definitions": "interval",
    "searches": "search",
    "records": "interval",
    "links": "associations",
    "labels": "associations",
    "exports": "interval",
}
"""What each kind of call counts against."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is known (both ends are equal), or lies within two."""

    low: float = 0
    high: float = 0

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def __bool__(self) -> bool:
        return bool(self.high)


def exactly(number: float) -> Range:
    """Return a number that is known."""
    return Range(number, number)


def up_to(number: float) -> Range:
    """Return a number whose maximum alone is known."""
    return Range(0, number)


@dataclass
class Step:
    """What a sync would do to one table."""

    table: str
    way_in: WayIn
    rows: Range | None = field(default_factory=Range)
    """Records it would read; None where only reading them would tell."""
    calls: dict[Kind, Range] = field(default_factory=dict)
    note: str = ""
    total: int | None = None
    """Live records of the type in the portal."""
    pages: int = 0
    """Calls that a listing of it takes, where it is to be backfilled."""
    more_loads: int = 0
    """Loads that may follow the first one, whatever the number of rows."""
    error: HubSpotError | None = None
    """Why it cannot be read."""

    def add(self, kind: Kind, calls: Range) -> None:
        """Count calls."""
        self.calls[kind] = self.calls.get(kind, Range()) + calls

    @property
    def in_all(self) -> Range:
        """All calls."""
        return sum(self.calls.values(), Range())


def pages(records: float, size: int = PAGE) -> int:
    """Return the calls that records take; none where there are none."""
    return ceil(max(0.0, records) / size)


def row_loads(run: Run, steps: Sequence[Step]) -> Range:
    """Return the loads that the rows of backfills take besides the first."""
    whole = [step.rows for step in steps if step.way_in not in {"increment", "none"}]
    rows, most = sum(((one or Range()) for one in whole), Range()), run.config.load_rows
    return Range(max(0, ceil(rows.low / most) - 1), max(0, ceil(MERGED * rows.high / most) - 1))
