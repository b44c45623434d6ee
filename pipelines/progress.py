"""Progress of a run: bars on a terminal, log lines without one, JSON lines, or nothing."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from dlt.common.runtime.collector_base import Collector
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from pipelines.dlt_log import LogHandler

Mode = Literal["auto", "bars", "lines", "json", "quiet"]

LINE_SECONDS = 5.0
OTHERS = "links and reference tables"  # more than a screen holds, and nobody knows their totals
_STEPS = {"Extract": "reading", "Normalize": "preparing", "Load": "loading"}


@dataclass
class Counter:
    """Rows of one table, or jobs of one load."""

    name: str
    count: int = 0
    total: int | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def of(self) -> int | None:
        """The total, as long as it can be right: archived records come on top of it."""
        return self.total if self.total and self.count <= self.total else None

    @property
    def per_second(self) -> float:
        """Mean rate since the first row."""
        return self.count / max(time.monotonic() - self.began, 0.001)


class RunCollector(Collector):
    """Counts rows over all loads of a run, and catches dlt's log; subclasses show both.

    dlt starts and stops a collector for every step of every load; rows that are read keep
    counting over the loads, and `close` ends the display.
    """

    log_level = logging.WARNING

    def __init__(self) -> None:
        self.step = ""
        self.stage = ""
        self.counters: dict[str, Counter] = {}
        self._lock = threading.RLock()
        self._log = LogHandler(self.log, self.log_level)
        self._log.attach()

    def update(
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,
        inc_total: int | None = None,
        message: str | None = None,  # noqa: ARG002 - dlt's signature
        label: str | None = None,
    ) -> None:
        """Count; dlt calls it from any thread."""
        if label or not self._shows(name):
            return
        with self._lock:
            known = name in self.counters or total is not None or self.stage == "loading"
            name = name if known else OTHERS
            counter = self.counters.setdefault(name, Counter(name))
            counter.count += inc
            if total is not None or inc_total is not None:
                counter.total = (counter.total or 0) + (inc_total or 0) if total is None else total
            self.show(counter)

    def restart(self) -> None:
        """Forget the counts: another run begins."""
        with self._lock:
            self.counters.clear()

    def show(self, counter: Counter) -> None:
        """Display a counter that changed."""

    def show_stage(self) -> None:
        """Display that the next step began."""

    def log(self, level: str, message: str) -> None:
        """Display a line of dlt's log."""

    def tell(self, message: str) -> None:
        """Display what a command has to say while it works."""
        self.log("info", message)

    def close(self) -> None:
        """End the display and give dlt its own log back."""
        self._log.detach()

    def _shows(self, name: str) -> bool:
        """Whether a counter says something to people: tables read, jobs loaded."""
        if self.stage == "loading":
            return name == "Jobs"
        return self.stage == "reading" and name != "Resources" and not name.startswith("_")

    def _start(self, step: str) -> None:
        with self._lock:
            self._log.attach()
            self.stage = _STEPS.get(step.partition(" ")[0], step)
            self.counters.pop("Jobs", None)
            self.show_stage()

    def _stop(self) -> None:
        """Keep the counters: the next load goes on with them."""


class BarsCollector(RunCollector):
    """Bars on a terminal, one per table."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._console = Console(file=stream)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def show(self, counter: Counter) -> None:
        """Move the counter's bar."""
        if self._progress is None:
            return
        if counter.name not in self._tasks:
            self._tasks[counter.name] = self._progress.add_task(counter.name, total=None, rate="")
        self._progress.update(
            self._tasks[counter.name],
            completed=counter.count,
            total=counter.of or (counter.count if counter.total else None),
            rate="" if counter.name == "Jobs" else f"{counter.per_second:,.0f}/s",
        )

    def show_stage(self) -> None:
        """Draw bars from the first step on; the bar of load jobs goes when its load is done."""
        if self._progress is None:
            self._progress = _bars(self._console)
            self._progress.start()
        if (task := self._tasks.pop("Jobs", None)) is not None:
            self._progress.remove_task(task)

    def restart(self) -> None:
        """Take the bars of the run before away."""
        super().restart()
        while self._progress is not None and self._tasks:
            self._progress.remove_task(self._tasks.popitem()[1])

    def log(self, level: str, message: str) -> None:
        """Print above the bars."""
        self._console.print(f"{level.lower()}: {message}", markup=False, highlight=False)

    def close(self) -> None:
        """Leave the bars as they stand."""
        super().close()
        if self._progress is not None:
            for name, task in self._tasks.items():
                counter = self.counters.get(name)
                self._progress.update(task, total=counter.count if counter else 1)
            self._progress.stop()
            self._progress = None


class LinesCollector(RunCollector):
    """A plain line per table every few seconds."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stream, self._clock = stream, clock
        self._shown_at: dict[str, float] = {}
        self._shown: dict[str, int] = {}

    def show(self, counter: Counter) -> None:
        """Write a line when the last one of this table is some seconds old."""
        if counter.name == "Jobs" or self._clock() < self._due_at(counter):
            return
        self._emit(counter)

    def _due_at(self, counter: Counter) -> float:
        return self._shown_at.setdefault(counter.name, self._clock()) + LINE_SECONDS

    def _emit(self, counter: Counter) -> None:
        self._shown_at[counter.name] = self._clock()
        self._shown[counter.name] = counter.count
        of = f" of {counter.of:,}" if counter.of else ""
        self.write(f"{counter.name}: {counter.count:,}{of} rows")

    def _stop(self) -> None:
        """Write what each table has come to, where rows were read since its last line."""
        if self.stage == "reading":
            for counter in self.counters.values():
                if counter.count != self._shown.get(counter.name, 0):
                    self._emit(counter)

    def log(self, level: str, message: str) -> None:
        """Write dlt's line as it is."""
        self.write(f"{level.lower()}: {message}")

    def write(self, line: str) -> None:
        """Write one line at once."""
        print(line, file=self._stream, flush=True)


class JsonCollector(LinesCollector):
    """The same as JSON lines: one event a line."""

    def _emit(self, counter: Counter) -> None:
        self._shown_at[counter.name] = self._clock()
        self._shown[counter.name] = counter.count
        self.event("rows", table=counter.name, rows=counter.count, total=counter.total)

    def show_stage(self) -> None:
        """Tell which step began."""
        self.event("step", step=self.stage)

    def log(self, level: str, message: str) -> None:
        """Tell dlt's line."""
        self.event("log", level=level.lower(), message=message)

    def event(self, kind: str, **members: Any) -> None:  # noqa: ANN401 - JSON
        """Write one event."""
        self.write(json.dumps({"event": kind} | members, ensure_ascii=False))


class SilentCollector(RunCollector):
    """Nothing but dlt's errors."""

    log_level = logging.ERROR

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def log(self, level: str, message: str) -> None:
        """Write an error of dlt's."""
        print(f"{level.lower()}: {message}", file=self._stream, flush=True)

    def tell(self, message: str) -> None:
        """Say nothing."""


def make_collector(mode: Mode = "auto", stream: TextIO | None = None) -> RunCollector:
    """Return the display for a stream; call its `close` when the run is over.

    Args:
        mode: `auto` takes bars on a terminal that shows colours, lines otherwise.
        stream: stderr where None.
    """
    stream = stream or sys.stderr
    if mode == "auto":
        console = Console(file=stream)
        mode = "bars" if console.is_terminal and not console.no_color else "lines"
    if mode == "json":
        return JsonCollector(stream)
    if mode == "quiet":
        return SilentCollector(stream)
    return BarsCollector(stream) if mode == "bars" else LinesCollector(stream)


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:26s}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>10}"),
        TimeElapsedColumn(),
        console=console,
    )
