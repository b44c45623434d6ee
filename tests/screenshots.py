"""Screens of commands, kept as text files: what people see at 80 and at 120 columns.

`UPDATE_SCREENS=1 uv run pytest tests/test_screens.py tests/test_demo.py` writes them anew; read the
difference before it is committed. Instants, spans, ids, calls, addresses and paths are replaced, so
that a file changes only where a screen does.
"""

import io
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from pipelines.cli.output.layout import Screen
from pipelines.cli.output.render import render
from pipelines.cli.output.report import RunReport, Section

FOLDER = Path(__file__).parent / "screens"
WIDTHS = (80, 120)
_AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
_MEASURED = {"calls", "seconds", "list_calls", "calls_left_today"}
_REPLACED = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "https://api.hubapi.com"),
    (re.compile(r"(/[\w.-]+)+/(?=\w+\.duckdb)"), "/home/ada/"),
    (re.compile(r"\d{4}-\d\d-\d\d( |T)\d\d:\d\d(:\d\d(\.\d+)?)?"), "2026-03-01 12:30:15"),
    (re.compile(r"\d{4}-\d\d-\d\d(?! )"), "2026-03-01"),
    (re.compile(r"[\d,]+ of 1,000,000,000 calls"), "42 of 1,000,000,000 calls"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"), "5d1f7a20-0000-4000-8000-5d1f7a201234"),
    (re.compile(r"\b(now|\d+ (min|h|days) ago)(?=$|;|,)"), "1 min ago"),
    (re.compile(r"(?<![\d,])\d+(-\d+)? calls"), "42 calls"),
    (re.compile(r"\(about \d+ expected\)"), "(about 42 expected)"),
    (re.compile(r"\d+\.\d s\b"), "1.5 s"),
    (re.compile(r"\d+\.\d h old"), "0.1 h old"),
    (re.compile(r"\b(?:January|February|March|April|May|June|July|August|September|October|"
                r"November|December) \d{4}"), "September 2027"),
)  # fmt: skip


def check_screen(name: str, report: RunReport, *, is_terminal: bool = False) -> None:
    """Compare what a report looks like with its file, at every width.

    Raises:
        AssertionError: the screen has changed, or a line of it is wider than the screen.
    """
    parts = []
    for width in WIDTHS:
        out, err = io.StringIO(), io.StringIO()
        screen = Screen(width, is_terminal=is_terminal)
        render(settled(report), "text", stdout=out, stderr=err, screen=screen)
        text = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
        wide = [one for one in text.splitlines() if cell_len(one) > width and " " in one]
        assert not wide, (name, wide)
        parts.append(f"--- {width} columns ---\n{text}{_settled_text(err.getvalue())}")
    check_text(name, "\n".join(parts))


def check_text(name: str, text: str) -> None:
    """Compare a text with its file, or write it where that is asked for.

    Raises:
        AssertionError: they differ.
    """
    path = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def settled(report: RunReport) -> RunReport:
    """Return a report without what differs from run to run."""
    tables = {
        name: replace(
            outcome,
            calls=7,
            seconds=1.5,
            watermark_after=outcome.watermark_after and _AT,
        )
        for name, outcome in sorted(report.tables.items())  # tables are read side by side
    }
    return replace(
        report,
        tables=tables,
        sections=[_settled_section(section) for section in report.sections],
        calls=42,
        seconds=2.5,
        text=report.text and _settled_text(report.text),
        warnings=[_settled_text(warning) for warning in report.warnings],
        error=report.error and _settled_text(report.error),
    )


def _settled_section(section: Section) -> Section:
    def rows(given: Sequence[Sequence[Any]]) -> list[list[Any]]:
        pairs = [zip(section.columns, row, strict=True) for row in given]
        return [[_settled_value(name, value) for name, value in row] for row in pairs]

    return replace(
        section,
        title=_settled_text(section.title),
        rows=rows(section.rows),
        brief=None if section.brief is None else rows(section.brief),
    )


def _settled_value(column: str, value: object) -> object:
    if isinstance(value, datetime):
        return _AT
    if column in _MEASURED and value is not None and value != "":
        return 7
    if isinstance(value, str):
        return _settled_text(value)
    return value


def _settled_text(text: str) -> str:
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text
