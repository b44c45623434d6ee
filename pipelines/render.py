"""How a report is spoken: text for people, or one JSON object for programs."""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, TextIO

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.report import RunReport, Section, to_json

Form = Literal["text", "json", "quiet"]

NULL = "NULL"
_COUNT = re.compile(r"\d{1,3}(,\d{3})*(\.\d)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # would move the cursor, or colour the terminal


def render(report: RunReport, form: Form, *, stdout: TextIO, stderr: TextIO) -> None:
    """Print a report: the result on stdout, what went wrong on stderr.

    Args:
        form: `text`; `json`: one object on stdout; `quiet`: nothing but errors.
    """
    if form == "json":
        stdout.write(json.dumps(to_json(report), default=to_plain, ensure_ascii=False) + "\n")
        return
    if form == "text":
        if report.text is not None:
            stdout.write(report.text)
        for section in report.sections:
            write_section(section, stdout)
        _write_tables(report, stdout)
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


def instant_text(at: datetime) -> str:
    """Write an instant as ISO text; in UTC with a `Z` where its zone is known."""
    if at.tzinfo is None:
        return at.isoformat()
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_section(section: Section, stream: TextIO) -> None:
    """Print one table: with rules on a terminal, as aligned plain text elsewhere."""
    console = Console(file=stream)
    if section.title:
        stream.write(f"\n{section.title}\n")
    shown = section.rows if section.brief is None else section.brief
    numeric = [_is_numeric([row[i] for row in shown]) for i in range(len(section.columns))]
    rows = [[to_cell(value, section.widest) for value in row] for row in shown]
    if console.is_terminal:
        _write_rich(section.columns, rows, numeric, console)
    else:
        _write_aligned(section.columns, rows, numeric, stream)


def to_cell(value: object, widest: int | None = None) -> str:
    """Return a value as one line of text that no terminal can misread."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        text = instant_text(value).replace("T", " ")
    elif isinstance(value, float):
        text = f"{value:.15g}"
    else:
        text = str(value)
    text = _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)
    return text if widest is None or len(text) <= widest else text[: widest - 1] + "…"


def _is_numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    kinds = (int, float, Decimal)
    return bool(known) and all(isinstance(v, kinds) or _COUNT.fullmatch(str(v)) for v in known)


def _write_rich(
    columns: Sequence[str], rows: list[list[str]], numeric: list[bool], console: Console
) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style="dim" if cell == NULL else "") for cell in row))
    console.print(table)


def _write_aligned(
    columns: Sequence[str], rows: list[list[str]], numeric: list[bool], stream: TextIO
) -> None:
    lines = [list(columns), *rows]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = zip(line, widths, numeric, strict=True)
        stream.write("  ".join(_padded(*cell) for cell in cells).rstrip() + "\n")


def _padded(text: str, width: int, right: bool) -> str:  # noqa: FBT001 - zipped
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def _write_tables(report: RunReport, stream: TextIO) -> None:
    """Print what a run did to the tables, those without news as one number."""
    if not report.tables:
        return
    news = [o for o in report.tables.values() if o.rows or o.tombstones or o.status == "failed"]
    if news:
        columns = (
            *("table", "way in", "rows", "tombstones", "calls", "seconds"),
            *("watermark", "status"),
        )
        rows = [
            (
                o.table_name,
                o.way_in,
                f"{o.rows:,}",
                f"{o.tombstones:,}",
                f"{o.calls:,}",
                f"{o.seconds:.1f}",
                f"{o.watermark_after:%Y-%m-%d %H:%M:%S}" if o.watermark_after else "",
                o.status,
            )
            for o in news
        ]
        write_section(Section("tables", columns, rows), stream)
    if quiet := len(report.tables) - len(news):
        stream.write(f"{quiet} tables without news\n")
    stream.write(summary(report) + "\n")


def summary(report: RunReport) -> str:
    """Return a run in one line."""
    where = f" into {report.destination}, dataset {report.dataset}" if report.destination else ""
    return (
        f"{report.status}: {report.rows:,} rows and {report.tombstones:,} tombstones{where};"
        f" {report.calls:,} calls, {report.retries:,} retries,"
        f" {report.rate_limited:,} rate-limited, {report.seconds:.1f} s"
    )


def _write_troubles(report: RunReport, stream: TextIO) -> None:
    stream.writelines(f"warning: {one_line(warning)}\n" for warning in report.warnings)
    if report.error:
        stream.write(f"error: {one_line(f'{report.error} {report.remedy}')}\n")


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return _CONTROL.sub(" ", text).strip()


def value_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a JSON array of objects; a number that JSON lacks, such as NaN, is null."""
    objects = [dict(zip(columns, map(_finite, row), strict=True)) for row in rows]
    return json.dumps(objects, default=to_plain, ensure_ascii=False) + "\n"


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
