"""Prints a report: text for people, or one JSON object for programs."""

import json
import math
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.text import Text

from pipelines.cli.output.layout import (
    Screen,
    instant_text,
    one_line,
    screen_of,
    table_lines,
    wrapped,
)
from pipelines.cli.output.report import RunReport, Section, to_json
from sources.hubspot.model import TableOutcome

Form = Literal["text", "json", "quiet"]

TABLES = ("table", "mode", "rows", "tombstones", "calls", "seconds", "watermark", "status")
_UPPER_CONTROL = re.compile(r"[\x7f-\x9f]")
LESS_THAN_ROWS = ("watermark", "seconds", "calls", "mode")


def render(
    report: RunReport, form: Form, *, stdout: TextIO, stderr: TextIO, screen: Screen | None = None
) -> None:
    """Print a report: the result on stdout, what went wrong on stderr.

    Args:
        report: of one command.
        form: `text`; `json`: one object on stdout; `quiet`: nothing but errors.
        stdout: where the result goes.
        stderr: where warnings and errors go.
        screen: what tables are laid out for; the one behind `stdout` where None.
    """
    if form == "json":
        stdout.write(_json_text(to_json(report)))
        return
    if form == "text":
        screen = screen or screen_of(stdout)
        if report.text is not None:
            stdout.write(report.text)
        for section in (one for one in report.sections if one.shown):
            write_section(section, stdout, screen)
        _write_tables(report, stdout, screen)
    _write_troubles(report, stderr)


def to_plain(value: object) -> object:
    """Return a value as JSON can hold it: instants as ISO text in UTC, anything odd as text."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    return list(value) if isinstance(value, set | tuple) else str(value)


def write_section(section: Section, stream: TextIO, screen: Screen) -> None:
    """Print one table, laid out for a screen; with a bold header on a terminal."""
    if section.title:
        stream.writelines(
            f"{line}\n" for line in ("", *wrapped(one_line(section.title), screen.width))
        )
    console = Console(file=stream)
    for line, style in table_lines(section, screen):
        if screen.is_terminal and style:
            console.print(Text(line, style), soft_wrap=True)
        else:
            stream.write(f"{line}\n")


def _write_tables(report: RunReport, stream: TextIO, screen: Screen) -> None:
    """Print what a run did to the tables, those without news as one number."""
    if not report.tables:
        return
    news = [o for o in report.tables.values() if o.rows or o.tombstones or o.status == "failed"]
    if news:
        rows = [_table_row(outcome) for outcome in news]
        write_section(Section("tables", TABLES, rows, droppable=LESS_THAN_ROWS), stream, screen)
    if quiet := len(report.tables) - len(news):
        stream.write(f"{quiet} tables without changes\n")
    stream.writelines(f"{line}\n" for line in wrapped(summary(report), screen.width))


def _table_row(outcome: TableOutcome) -> Sequence[str]:
    watermark = outcome.watermark_after
    return (
        outcome.table_name,
        outcome.mode,
        f"{outcome.rows:,}",
        f"{outcome.tombstones:,}",
        f"{outcome.calls:,}",
        f"{outcome.seconds:.1f}",
        f"{watermark:%Y-%m-%d %H:%M:%S}" if watermark else "",
        "" if outcome.status == "ok" else outcome.status,
    )


def summary(report: RunReport) -> str:
    """Return a run in one line, without what is zero."""
    counts = [f"{report.rows:,} rows"]
    counts += [f"{report.tombstones:,} tombstones"] if report.tombstones else []
    where = f" into {report.destination}, dataset {report.dataset}" if report.destination else ""
    calls = [f"{report.calls:,} calls"]
    calls += [f"{report.retries:,} retries"] if report.retries else []
    calls += [f"{report.rate_limited:,} rate-limited"] if report.rate_limited else []
    reported = (f"{' and '.join(counts)}{where}", ", ".join(calls), f"{report.seconds:.1f} s")
    return f"{report.status}: {'; '.join(reported)}"


def _write_troubles(report: RunReport, stream: TextIO) -> None:
    """Print warnings and the error: each a line, wrapped between words on a terminal."""
    lines = [f"warning: {one_line(warning)}" for warning in report.warnings]
    if report.error:
        lines.append(f"error: {one_line(f'{report.error} {report.remedy}')}")
    screen = screen_of(stream)
    for line in lines:
        parts = wrapped(line, screen.width) if screen.is_terminal else [line]
        stream.writelines(f"{part}\n" for part in parts)


def value_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a JSON array of objects; a number that JSON lacks, such as NaN, is null."""
    objects = [dict(zip(columns, map(_finite, row), strict=True)) for row in rows]
    return _json_text(objects)


def _json_text(value: object) -> str:
    """Write JSON that no terminal obeys: it leaves DEL and the controls above as they are."""
    text = json.dumps(value, default=to_plain, ensure_ascii=False)
    return _UPPER_CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
