"""Progress: each display says what is going on, on its own stream, and dlt's log fits in."""

import io
import json
import logging

import dlt
import pytest
from dlt.common import logger

from pipelines.progress import (
    OTHERS,
    BarsCollector,
    LinesCollector,
    Mode,
    RunCollector,
    SilentCollector,
    make_collector,
)


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


def test_lines_tell_rows_and_totals() -> None:
    """Without a terminal, there is a line per table, one for all others, and dlt's warning."""
    stream = io.StringIO()
    load(make_collector("lines", stream))
    assert stream.getvalue().splitlines() == [
        "warning: beware of this",
        "contacts: 30 of 30 rows",
        f"{OTHERS}: 4 rows",
    ]


def test_rows_add_up_over_the_loads_of_a_run() -> None:
    """A table that takes several loads goes on counting where the last one ended."""
    stream = io.StringIO()
    load(make_collector("lines", stream), loads=2)
    assert "contacts: 60 rows" in stream.getvalue()


def test_lines_keep_a_distance() -> None:
    """However often a table counts, its lines are some seconds apart."""
    now, stream = [0.0], io.StringIO()
    collector = LinesCollector(stream, clock=lambda: now[0])
    with collector("Extract x"):
        collector.update("deals", inc=0, total=800)
        for _ in range(80):
            now[0] += 0.125
            collector.update("deals", inc=10)
    collector.close()
    assert stream.getvalue().splitlines() == [
        "deals: 400 of 800 rows",
        "deals: 800 of 800 rows",
    ]


def test_json_lines() -> None:
    """With JSON every line is an event, dlt's warnings among them."""
    stream = io.StringIO()
    load(make_collector("json", stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    steps = dict.fromkeys(event["step"] for event in events if event["event"] == "step")
    assert list(steps) == ["reading", "preparing", "loading"]
    assert {"event": "rows", "table": "contacts", "rows": 30, "total": 30} in events
    assert {"event": "log", "level": "warning", "message": "beware of this"} in events


def test_quiet_lets_only_errors_through() -> None:
    """Quiet means no rows and no warnings, but errors."""
    stream = io.StringIO()
    collector = SilentCollector(stream)
    logging.getLogger("dlt").error("lost")
    load(collector)
    assert stream.getvalue() == "error: lost\n"


def test_bars_hold_the_log() -> None:
    """Bars and dlt's warnings share the terminal without tearing each other."""
    stream = io.StringIO()
    collector = BarsCollector(stream)
    load(collector)
    text = stream.getvalue()
    assert "warning: beware of this" in text
    assert "30/30" in text


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

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    coloured = make_collector("auto", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = make_collector("auto", Terminal())
    coloured.close()
    plain.close()
    assert (type(coloured), type(plain)) == (BarsCollector, LinesCollector)
