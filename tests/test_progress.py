"""Progress: each display says what is going on, on its own stream, and dlt's log fits in."""

import io
import json
import logging
import re
import time
from typing import Any

import dlt
import pytest
from dlt.common import logger
from rich.console import Console

from pipelines.cli.output.progress import (
    OTHERS,
    BarsCollector,
    LinesCollector,
    Mode,
    RunCollector,
    SilentCollector,
    make_collector,
)
from pipelines.cli.output.pulse import (
    COMPARING,
    Counter,
    Pulse,
    Source,
    busiest,
    span_text,
    take_pulse,
    total_parts,
)
from sources.hubspot.http.limits import Use


def load(collector: RunCollector, *, loads: int = 1) -> None:
    """Run a pipeline of two tables, one of them with a known total; it logs a warning."""

    def contacts():
        collector.update("contacts", inc=0, total=30)
        logger.warning("beware\nof this")
        for _ in range(3):
            yield [{"id": number} for number in range(10)]

    def owners():
        yield [{"id": number} for number in range(4)]

    pipeline = dlt.pipeline(
        "progress", pipelines_dir="state", destination="duckdb", progress=collector
    )
    for _ in range(loads):
        pipeline.run([dlt.resource(contacts), dlt.resource(owners)])
    collector.close()


STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ", re.MULTILINE)


def test_lines_tell_the_run_with_the_time() -> None:
    """Without a terminal, a load ends with one line about all tables; dlt's warning is there."""
    stream = io.StringIO()
    load(LinesCollector(stream, first_seconds=600))
    warning, line = stream.getvalue().splitlines()
    assert warning == "warning: beware of this"
    assert STAMP.sub("", line) == (
        f"load 1, reading; 30 of 30 rows; busiest: contacts 30 of 30, {OTHERS} 4"
    )


def test_rows_add_up_over_the_loads_of_a_run() -> None:
    """A table that takes several loads goes on counting where the last one ended."""
    stream = io.StringIO()
    load(make_collector("lines", stream), loads=2)
    assert "load 2, reading; 60 of 60 rows" in stream.getvalue()


def test_lines_keep_a_distance_and_totals_stay() -> None:
    """However often tables count, lines are as far apart as asked; the total is the first one."""
    stream = io.StringIO()
    collector = LinesCollector(stream, first_seconds=0.05, line_seconds=0.3)
    with collector("Extract x"):
        collector.expect("deals", 800)
        began = time.monotonic()
        for _ in range(80):
            time.sleep(0.005)
            collector.update("deals", inc=10)
        took = time.monotonic() - began
    collector.close()
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 3 + took / 0.3
    assert all("of 800 rows" in line and STAMP.match(line) for line in lines)


def test_an_idle_run_says_what_it_asks() -> None:
    """Before any row is there, the line names the tables that are asked and the calls made."""
    stream = io.StringIO()
    collector = LinesCollector(stream, first_seconds=0.01)
    tables = ["deals", "contacts", "tickets", "companies", "leads"]
    use = Use("search", 4, 5, 1.0, waiting=False)
    collector.source = Source(tables=lambda: tables, use=lambda: [use])
    with collector("Extract x"):
        while not stream.getvalue():
            time.sleep(0.01)
    collector.close()
    first = STAMP.sub("", stream.getvalue().splitlines()[0])
    assert first == (
        "load 1, reading; asking companies, contacts, deals and 2 more; 4 of 5 searches per s"
    )


def pulse_of(*counters: Counter, use: Use | None = None, **source: Any) -> Pulse:
    """Take the pulse of a run of 100 seconds."""
    asked = Source(use=lambda: [use] if use else [], **source)
    return take_pulse(asked, counters, load=2, stage="reading", seconds=100.0)


def test_a_total_is_named_once_all_tables_are_counted() -> None:
    """Rows expected are no sum of some of the tables, so it does not jump."""
    contacts = Counter("contacts", 250, 1_000)
    counting = pulse_of(contacts, tables=lambda: ["contacts", "deals"])
    assert total_parts(counting) == ["load 2, reading", "250 rows"]
    known = pulse_of(contacts, Counter("deals", 0, 0), tables=lambda: ["contacts", "deals"])
    assert total_parts(known) == ["load 2, reading", "250 of 1,000 rows", "5 min left"]


def test_waiting_for_the_rate_limit_is_said() -> None:
    """The line tells the calls of the budget that is used most, and that calls wait for it."""
    use = Use("interval", 87, 90, 10.0, waiting=True)
    assert total_parts(pulse_of(Counter("contacts", 10, 1_000), use=use)) == [
        *("load 2, reading", "10 of 1,000 rows"),
        *("87 of 90 calls per 10 s", "waiting for the rate limit"),
    ]


def test_a_verification_names_the_tables_that_are_left() -> None:
    """A stage that dlt knows nothing of is displayed, too: every ten seconds, or on a terminal."""
    stream = io.StringIO()
    collector = LinesCollector(stream, line_seconds=0.01)
    left = ["contacts", "deals"]
    collector.watch(COMPARING, Source(tables=lambda: left))
    while not stream.getvalue():
        time.sleep(0.01)
    collector.close()
    assert STAMP.sub("", stream.getvalue().splitlines()[0]) == "comparing; left are contacts, deals"


def test_the_busiest_tables_come_first() -> None:
    """At most five tables are shown, none of which brought nothing lately."""
    counters = [Counter(f"table_{n}") for n in range(8)]
    for number, counter in enumerate(counters):
        counter.add(100 * number)
    counters[7].at -= 200
    assert [counter.name for counter in busiest(counters)] == [
        f"table_{n}" for n in range(6, 1, -1)
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (7_800, "2 h 10 min")],
    ids=["soon", "seconds", "minutes", "hours"],
)
def test_spans(seconds: float, text: str) -> None:
    """The time left is written as people say it."""
    assert span_text(seconds) == text


def test_json_lines() -> None:
    """With JSON every line is an event, dlt's warnings among them."""
    stream = io.StringIO()
    load(make_collector("json", stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    steps = dict.fromkeys(event["step"] for event in events if event["event"] == "step")
    assert list(steps) == ["reading", "preparing", "loading"]
    assert {"event": "rows", "table": "contacts", "rows": 30, "total": 30} in events
    totals = [event for event in events if event["event"] == "total"]
    assert (totals[-1]["load"], totals[-1]["rows"], totals[-1]["expected"]) == (1, 30, 30)
    assert {"event": "log", "level": "warning", "message": "beware of this"} in events


def test_quiet_lets_only_errors_through() -> None:
    """Quiet means no rows and no warnings, but errors."""
    stream = io.StringIO()
    collector = SilentCollector(stream)
    logging.getLogger("dlt").error("lost")
    load(collector)
    assert stream.getvalue() == "error: lost\n"


@pytest.mark.parametrize("kind", [BarsCollector, LinesCollector, SilentCollector])
def test_no_message_moves_the_cursor(kind: Any) -> None:
    """Whatever a message holds, it is one line that no terminal obeys."""
    stream = io.StringIO()
    collector = kind(stream)
    collector.log("ERROR", "lost\x1b[2J\r\nand gone\x9b")
    collector.close()
    assert stream.getvalue().splitlines() == ["error: lost [2J  and gone"]


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Claim it."""
        return True


def test_bars_leave_a_clean_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the run and its tables are drawn; in the end only dlt's warning is left."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    collector = BarsCollector(stream)
    collector.draw()
    collector.expect("contacts", 100)
    collector.load, collector.stage = 1, "reading"
    collector.update("contacts", inc=40)
    drawn = Console(file=io.StringIO(), width=80)
    drawn.print(collector.screen())
    shown = drawn.file.getvalue()  # type: ignore[attr-defined]
    assert "load 1, reading; 40 of 100 rows" in shown
    assert "contacts ━" in shown
    collector.log("WARNING", "beware")
    collector.close()
    written = stream.getvalue()
    assert "warning: beware" in written
    last = written[written.rindex("\r") :]
    assert "reading" not in last
    assert "\x1b[2K" in written[written.rindex("reading") :]  # the lines drawn last are erased


def test_dlt_gets_its_log_back() -> None:
    """After the run dlt's own handlers are in their place again."""
    before = logging.getLogger("dlt").handlers[:]
    collector = make_collector("lines", io.StringIO())
    assert logging.getLogger("dlt").handlers != before
    collector.close()
    collector.close()
    assert logging.getLogger("dlt").handlers == before


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("quiet", SilentCollector), ("auto", LinesCollector), ("bars", BarsCollector)],
)
def test_mode_chooses_the_display(mode: Mode, kind: type[RunCollector]) -> None:
    """A stream that is no terminal gets lines unless something else is asked for."""
    collector = make_collector(mode, io.StringIO())
    collector.close()
    assert type(collector) is kind


def test_no_color_means_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR turns the bars of a terminal into lines."""
    monkeypatch.setenv("TERM", "xterm")
    coloured = make_collector("auto", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = make_collector("auto", Terminal())
    coloured.close()
    plain.close()
    assert (type(coloured), type(plain)) == (BarsCollector, LinesCollector)
