"""Read-only SQL on the dataset, as a table, CSV or JSON."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from destinations.reading.readers import open_reader
from pipelines.cli.output.layout import instant_text
from pipelines.cli.output.render import to_plain, value_json
from pipelines.cli.output.report import RunReport, Section

Format = Literal["table", "csv", "json"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # moves the cursor
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")  # full-width signs as well
_FIGURE = re.compile(r"[+-]?[\d\s.,()/-]+")  # a number or a telephone number computes nothing
_WIDEST_CELL = 80
_MOST_ROWS = 1_000  # in a table for people; CSV and JSON carry all


def query(
    sql: str, *, destination: str = "duckdb", dataset: str = "hubspot", form: Format = "table"
) -> RunReport:
    """Run one statement that reads and report its rows.

    Raises:
        ConfigError: the statement is none that reads or is wrong, or there is no such database.
        WarehouseError: the destination does not answer.
    """
    with open_reader(destination, dataset) as reader:
        answer = reader.ask_proven(sql)
    report = RunReport("query", destination=destination, dataset=dataset)
    if form == "csv":
        report.text = to_csv(answer.columns, answer.rows)
    elif form == "json":
        report.text = value_json(_distinct(answer.columns), answer.rows)
    else:
        rows = answer.rows[:_MOST_ROWS]
        report.sections.append(
            Section("rows", _distinct(answer.columns), rows, widest=_WIDEST_CELL, verbatim=True)
        )
        if len(answer.rows) > _MOST_ROWS:
            report.warnings.append(
                f"{_MOST_ROWS:,} of {len(answer.rows):,} rows shown; --format csv prints all."
            )
    return report


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    r"""Return rows as CSV with a header; NULL is an empty field, an empty text is `""`.

    Texts are safe to show and to open: control characters are written as `\x1b`, and what a
    spreadsheet would run as a formula begins with an apostrophe.
    """
    lines = [columns, *rows]
    return "".join(",".join(_csv_field(value) for value in line) + "\n" for line in lines)


def _csv_field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        text = instant_text(value)
    elif isinstance(value, list | dict):
        text = json.dumps(value, default=to_plain, ensure_ascii=False)
    else:
        text = str(value)
    text = _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
    if isinstance(value, str) and _FORMULA.match(text) and not _FIGURE.fullmatch(text):
        text = f"'{text}"
    if text and not re.search(r'[",\r\n]|^\s|\s$', text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return the names, each with a number where it came before; JSON objects need that."""
    seen: dict[str, int] = {}
    names = []
    for name in columns:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names
