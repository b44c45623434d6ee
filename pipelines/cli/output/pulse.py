"""What a run is doing at this moment: as data, and as one line for people."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sources.hubspot.http.limits import Use

JOBS = "Jobs"
"""dlt's name for what a load does, one job a file."""
COMPARING = "comparing"
"""The stage of a verification, which dlt knows nothing of."""
_ASKING = {"reading": "asking", COMPARING: "left are"}
"""What is said of tables in the stages that call HubSpot."""
NAMED = 3  # tables that one line names
_CALLS = {"interval": "calls", "search": "searches", "associations": "link calls"}
_HALF_SECONDS = 10.0  # half-life of a table's rows when the busiest tables are chosen
_SOONEST = 0.02  # share of the rows after which the time left can be estimated
_HOUR = 3600


@dataclass
class Counter:
    """Rows of one table, or jobs of one load."""

    name: str
    count: int = 0
    total: int | None = None
    recent: float = 0.0
    """Rows as of `at`, the newest counting most."""
    at: float = field(default_factory=time.monotonic)

    def add(self, rows: int) -> None:
        """Count rows that came just now."""
        self.recent, self.at = self.busy() + rows, time.monotonic()
        self.count += rows

    def busy(self) -> float:
        """Return how busy the table is now: its rows, half as much for each ten seconds of age."""
        halves = (time.monotonic() - self.at) / _HALF_SECONDS
        return self.recent * float(0.5**halves)

    @property
    def of(self) -> int | None:
        """The total, as long as it can be right: archived records come on top of it."""
        return self.total if self.total and self.count <= self.total else None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a display asks what a run is doing."""

    tables: Callable[[], Collection[str]] = tuple
    """The tables that are being read."""
    others: Callable[[], Collection[str]] = tuple
    """What else is being read, such as links."""
    use: Callable[[], Sequence[Use]] = tuple
    """How much of each rate budget is used."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One moment of a run."""

    load: int
    stage: str
    rows: int
    expected: int | None
    """Rows that the run brings in all, as far as counted; None until every table is."""
    jobs: Counter | None
    """What the load does in the warehouse, one job a file."""
    asked: Sequence[str]
    use: Use | None
    """Of the budget that is used most."""
    is_waiting: bool
    """Whether calls wait for the rate limit."""
    seconds: float
    """Since the run began."""

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the pace so far; None where it is not known yet."""
        if not self.expected or self.rows < self.expected * _SOONEST or self.rows == self.expected:
            return None
        return self.seconds * (self.expected - self.rows) / self.rows


def take_pulse(
    source: Source, counters: Collection[Counter], *, load: int, stage: str, seconds: float
) -> Pulse:
    """Return what a run is doing now; the rows are those of tables that expect a number."""
    known = {counter.name: counter for counter in counters}
    jobs = known.pop(JOBS, None)
    counting = {name: counter for name, counter in known.items() if counter.total is not None}
    expected = sum(max(counter.count, counter.total or 0) for counter in counting.values())
    tables, uses = source.tables(), source.use()
    is_counted = counting.keys() >= {*tables}
    return Pulse(
        load,
        stage,
        sum(counter.count for counter in counting.values()),
        expected if counting and is_counted else None,
        jobs,
        sorted(tables or source.others()),
        max(uses, key=_share, default=None),
        stage in _ASKING and any(use.waiting for use in uses),
        seconds,
    )


def busiest(counters: Collection[Counter], most: int = 5) -> list[Counter]:
    """Return the tables that bring most rows now, the busiest one first."""
    tables = [counter for counter in counters if counter.name != JOBS]
    moving = sorted(((one.busy(), one) for one in tables), key=lambda pair: -pair[0])
    return [counter for busy, counter in moving[:most] if busy >= 1]


def total_parts(pulse: Pulse) -> list[str]:
    """Return the parts of the one line that shows how far a run is."""
    parts = [f"load {pulse.load}, {pulse.stage}" if pulse.load else pulse.stage]
    if pulse.rows or pulse.expected:
        parts.append(f"{count_text(pulse.rows, pulse.expected)} rows")
    elif pulse.asked and pulse.stage in _ASKING:
        parts.append(f"{_ASKING[pulse.stage]} {names_text(pulse.asked)}")
    if pulse.jobs:
        parts.append(f"{count_text(pulse.jobs.count, pulse.jobs.total)} jobs")
    if pulse.use and pulse.use.sent and pulse.stage in _ASKING:
        parts.append(use_text(pulse.use))
    if pulse.is_waiting:
        parts.append("waiting for the rate limit")
    if (left := pulse.seconds_left) is not None:
        parts.append(f"{span_text(left)} left")
    return parts


def count_text(count: int, total: int | None) -> str:
    """Write a count, and what it is to become."""
    return f"{count:,}" if total is None else f"{count:,} of {total:,}"


def names_text(names: Sequence[str]) -> str:
    """Write some names and the number of the others."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def use_text(use: Use) -> str:
    """Write how much of a rate budget is used: `87 of 90 calls per 10 s`."""
    span = "s" if use.seconds == 1 else f"{use.seconds:g} s"
    return f"{count_text(use.sent, use.allowed)} {_CALLS[use.budget]} per {span}"


def span_text(seconds: float) -> str:
    """Write a span: `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / 60)} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _share(use: Use) -> tuple[float, int]:
    """Return how full a budget is, for comparing."""
    return (use.sent / use.allowed if use.allowed else 0.0), use.sent
