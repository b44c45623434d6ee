"""Progress of a run: bars on a terminal, log lines without one, JSON lines, or nothing."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from dlt.common.runtime.collector_base import Collector
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipelines.cli.output.dlt_log import LogHandler
from pipelines.cli.output.layout import one_line
from pipelines.cli.output.pulse import (
    JOBS,
    Counter,
    Pulse,
    Source,
    busiest,
    count_text,
    take_pulse,
    total_parts,
)

Mode = Literal["auto", "bars", "lines", "json", "quiet"]

FIRST_SECONDS, LINE_SECONDS = 1.0, 10.0
"""How long after reading began the first line about a run is written; how far apart all are."""
TABLE_SECONDS = 5.0
"""How far apart the events of one table are."""
OTHERS = "links and reference tables"  # more than a screen holds, and nobody knows their totals
_STEPS = {"Extract": "reading", "Normalize": "preparing", "Load": "loading"}
_BEFORE = "connecting"
_BAR_WIDTH = 20
_NUMBERS_WIDTH = 24  # of a table's line, spaces and spinner among them


class RunCollector(Collector):
    """Counts rows over all loads of a run, and catches dlt's log; subclasses show both.

    dlt starts and stops a collector for every step of every load; rows that are read keep
    counting over the loads, and `close` ends the display.
    """

    log_level = logging.WARNING

    def __init__(self) -> None:
        self.step = ""
        self.stage = _BEFORE
        self.load = 0
        self.counters: dict[str, Counter] = {}
        self.source = Source()
        self._began = time.monotonic()
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
            counter.add(inc)
            if total is not None or inc_total is not None:
                counter.total = (counter.total or 0) + (inc_total or 0) if total is None else total
            self.show(counter)

    def expect(self, table: str, rows: int) -> None:
        """Note how many more rows a table is expected to bring."""
        with self._lock:
            counter = self.counters.setdefault(table, Counter(table))
            counter.total = counter.count + rows

    def pulse(self) -> Pulse:
        """Return what the run is doing now."""
        with self._lock:
            counters = [*self.counters.values()]
        seconds = time.monotonic() - self._began
        return take_pulse(self.source, counters, load=self.load, stage=self.stage, seconds=seconds)

    def restart(self) -> None:
        """Forget the counts: another run begins."""
        with self._lock:
            self.counters.clear()
            self.load, self.stage, self._began = 0, _BEFORE, time.monotonic()

    def show(self, counter: Counter) -> None:
        """Display a counter that changed."""

    def draw(self) -> None:
        """Begin to display; the first step does, too."""

    def watch(self, stage: str, source: Source) -> None:
        """Display a stage that dlt knows nothing of."""
        with self._lock:
            self.counters.clear()
            self.stage, self.source, self.load = stage, source, 0
        self.draw()

    def show_stage(self) -> None:
        """Display that the next step began."""

    def log(self, level: str, message: str) -> None:
        """Display a line of dlt's log."""

    def notify(self, message: str) -> None:
        """Display what a command has to say while it works."""
        self.log("info", message)

    def close(self) -> None:
        """End the display and give dlt its own log back."""
        self._log.detach()

    def _shows(self, name: str) -> bool:
        """Whether a counter says something to people: tables read, jobs loaded."""
        if self.stage == "loading":
            return name == JOBS
        return self.stage == "reading" and name != "Resources" and not name.startswith("_")

    def _start(self, step: str) -> None:
        with self._lock:
            self._log.attach()
            before, self.stage = self.stage, _STEPS.get(step.partition(" ")[0], step)
            if self.stage == "reading" and before != "reading":  # else it is dlt's state
                self.load += 1
            self.counters.pop(JOBS, None)
            self.show_stage()

    def _stop(self) -> None:
        """Keep the counters: the next load goes on with them."""


class BarsCollector(RunCollector):
    """On a terminal: one line about the run, then the five busiest tables; nothing stays."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._console = Console(file=stream)
        self._spinner = Spinner("dots")
        self._live: Live | None = None

    def show_stage(self) -> None:
        """Draw from the first step on."""
        self.draw()

    def draw(self) -> None:
        """Begin to draw, as often as rich does."""
        if self._live is None:
            self._live = Live(
                get_renderable=self.screen,
                console=self._console,
                transient=True,
                refresh_per_second=5,
            )
            self._live.start()

    def screen(self) -> RenderableType:
        """Return what the terminal shows now."""
        pulse = self.pulse()
        self._spinner.update(text=Text("; ".join(total_parts(pulse))))
        with self._lock:
            tables = busiest(self.counters.values())
        width = max((len(counter.name) for counter in tables), default=0)
        has_room = width + _BAR_WIDTH + _NUMBERS_WIDTH <= self._console.width
        grid = Table.grid(padding=(0, 1))
        for counter in tables:
            bar = ProgressBar(counter.of or 1, counter.count, width=_BAR_WIDTH)
            name = Text(f"  {counter.name}", no_wrap=True)
            count = Text(count_text(counter.count, counter.of), justify="right", no_wrap=True)
            grid.add_row(*([name, bar if counter.of else "", count] if has_room else [name, count]))
        return Group(self._spinner, grid)

    def log(self, level: str, message: str) -> None:
        """Print above what is drawn."""
        line = f"{level.lower()}: {one_line(message)}"
        self._console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Leave a clean screen."""
        super().close()
        if self._live is not None:
            self._live.stop()
            self._live = None


class LinesCollector(RunCollector):
    """A line about the whole run every ten seconds, with the time."""

    def __init__(
        self,
        stream: TextIO,
        *,
        first_seconds: float = FIRST_SECONDS,
        line_seconds: float = LINE_SECONDS,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._line_seconds = line_seconds
        self._closed = threading.Event()
        self._first = threading.Timer(first_seconds, self._show)
        self._first.daemon = True
        self._ticking: threading.Thread | None = None
        self._shown_rows = 0

    def draw(self) -> None:
        """Begin to write lines."""
        if self._ticking is None:
            self._ticking = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticking.start()

    def show_stage(self) -> None:
        """Write lines from the first step on, and one soon."""
        self.draw()
        if self.stage == "reading" and self._first.ident is None:
            self._first.start()

    def _tick(self) -> None:
        while not self._closed.wait(self._line_seconds):
            self._show()

    def _show(self) -> None:
        self.show_pulse(self.pulse())

    def show_pulse(self, pulse: Pulse) -> None:
        """Write one line about the run."""
        self._shown_rows = pulse.rows
        parts = total_parts(pulse)
        with self._lock:
            tables = busiest(self.counters.values())
        if len(tables) > 1 and pulse.stage == "reading":
            counts = (f"{one.name} {count_text(one.count, one.of)}" for one in tables)
            parts.append(f"busiest: {', '.join(counts)}")
        self.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ} {'; '.join(parts)}")

    def _stop(self) -> None:
        """Write what a load has read, where there is news since the last line."""
        if self.stage == "reading" and (pulse := self.pulse()).rows != self._shown_rows:
            self.show_pulse(pulse)

    def log(self, level: str, message: str) -> None:
        """Write dlt's message as one line."""
        self.write(f"{level.lower()}: {one_line(message)}")

    def write(self, line: str) -> None:
        """Write one line at once."""
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Write nothing more."""
        super().close()
        self._first.cancel()
        self._closed.set()
        if self._ticking is not None:
            self._ticking.join()


class JsonCollector(LinesCollector):
    """Events as JSON, one a line: steps, the rows of each table, the whole run, dlt's log."""

    def __init__(
        self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic, **seconds: float
    ) -> None:
        super().__init__(stream, **seconds)
        self._clock = clock
        self._shown_at: dict[str, float] = {}
        self._shown: dict[str, int] = {}

    def show(self, counter: Counter) -> None:
        """Write an event when the last one of this table is some seconds old."""
        if counter.name != JOBS and self._clock() >= self._due_at(counter):
            self._emit(counter)

    def _due_at(self, counter: Counter) -> float:
        return self._shown_at.setdefault(counter.name, self._clock()) + TABLE_SECONDS

    def _emit(self, counter: Counter) -> None:
        self._shown_at[counter.name] = self._clock()
        self._shown[counter.name] = counter.count
        self.event("rows", table=counter.name, rows=counter.count, total=counter.total)

    def _stop(self) -> None:
        """Write what each table has come to, where rows were read since its last event."""
        if self.stage == "reading":
            for counter in [*self.counters.values()]:
                if counter.count != self._shown.get(counter.name, 0):
                    self._emit(counter)
            self.show_pulse(self.pulse())

    def show_stage(self) -> None:
        """Report which step began."""
        self.event("step", step=self.stage)
        super().show_stage()

    def show_pulse(self, pulse: Pulse) -> None:
        """Write one event about the run."""
        use = pulse.use
        self.event(
            "total",
            load=pulse.load,
            step=pulse.stage,
            rows=pulse.rows,
            expected=pulse.expected,
            seconds_left=pulse.seconds_left and round(pulse.seconds_left, 1),
            asked=list(pulse.asked),
            budget=use and use.budget,
            calls=use and use.sent,
            calls_allowed=use and use.allowed,
            per_seconds=use and use.seconds,
            waiting=pulse.is_waiting,
        )

    def log(self, level: str, message: str) -> None:
        """Write dlt's line."""
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
        print(f"{level.lower()}: {one_line(message)}", file=self._stream, flush=True)

    def notify(self, message: str) -> None:
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
