"""A table as lines that fit a screen: which columns stay, and where sentences wrap."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from pipelines.cli.output.report import Section

NULL = "NULL"
NARROWEST = (80, 24)
"""Columns and lines where there is no terminal, and COLUMNS is not set."""
_GAP = "  "
_LEAST = 20  # columns in which a sentence, or the numbers next to a name, can still be read
_COUNT = re.compile(r"\d{1,3}(,\d{3})*(\.\d+)?(-\d{1,3}(,\d{3})*(\.\d+)?)?")
_NOTHING = ("0", "0.0")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # would move the cursor, or colour the terminal

Line = tuple[str, str]
"""A line without its end, and its style."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a table is shown."""

    width: int = NARROWEST[0]
    is_terminal: bool = False
    wide: bool = False
    """Whether every column is shown, however long the lines become."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells of a table go."""

    kept: Sequence[int]
    """The columns that stand side by side."""
    widths: Sequence[int]
    """Of these columns."""
    right: Sequence[bool]
    """Whether each of them is aligned to the right."""
    last: int | None
    """The width in which the last column wraps; None where it does not."""
    below: Sequence[int]
    """The columns of sentences under each row."""


def screen_of(stream: TextIO, *, wide: bool = False) -> Screen:
    """Return the screen behind a stream; a file or a pipe is as wide as COLUMNS says, or 80."""
    console = Console(file=stream)
    width = console.width if console.is_terminal else shutil.get_terminal_size(NARROWEST).columns
    return Screen(width, is_terminal=console.is_terminal, wide=wide)


def table_lines(section: Section, screen: Screen) -> Iterator[Line]:
    """Yield a table's lines, the header first.

    Guarantees: no cell is cut or folded, but for sentences, which wrap between words. Where the
    screen is too narrow, columns leave in the order of `section.droppable`; columns that say
    nothing are left out. A name that leaves no room next to it has a line of its own. Rows of a
    query keep all columns: where these do not fit a terminal, each row becomes a block of one line
    per column.
    """
    rows = section.rows if section.brief is None else section.brief
    names = [to_cell(name) for name in section.columns]
    cells = [[to_cell(value, section) for value in row] for row in rows]
    grid = _grid(section, screen, rows, [names, *cells])
    if section.verbatim and _is_too_wide(grid.widths, screen):
        yield from _record_lines(names, cells, screen)
        return
    yield _aligned([names[i] for i in grid.kept], grid), "bold"
    for row in cells:
        yield from _row_lines([row[i] for i in grid.kept], grid)
        for i in grid.below:
            yield from _sentence(row[i], screen)


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most this many columns; only longer words are cut."""
    if not text:
        return []
    lines = Text(text).wrap(_ruler(), max(width, _LEAST))
    return [line.plain.rstrip() for line in lines]


def to_cell(value: object, section: Section | None = None) -> str:
    """Return a value as one line of text that no terminal can misread."""
    exact = section is None or section.verbatim
    if value is None:
        return NULL if exact else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        at = value if exact else value.replace(microsecond=0)
        text = instant_text(at).replace("T", " ")
    elif isinstance(value, float):
        text = f"{value:.15g}"
    else:
        text = str(value)
    text = _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)
    widest = section.widest if section else None
    return text if widest is None or len(text) <= widest else text[: widest - 1] + "…"


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return _CONTROL.sub(" ", text).strip()


def instant_text(at: datetime) -> str:
    """Write an instant as ISO text; in UTC with a `Z` where its zone is known."""
    if at.tzinfo is None:
        return at.isoformat()
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def _ruler() -> Console:
    return Console(width=NARROWEST[0])


def _grid(
    section: Section, screen: Screen, rows: Sequence[Sequence[Any]], table: Sequence[Sequence[str]]
) -> _Grid:
    """Lay a table out.

    Args:
        section: the table.
        screen: where it is shown.
        rows: the values that are shown.
        table: the names of all columns, and the cells of every row.
    """
    exact = screen.wide or section.verbatim
    kept = [*range(len(section.columns))] if exact else _kept(section, rows, table, screen)
    widths = _widths(_columns(table, kept), None if exact else screen.width)
    return _Grid(
        kept,
        widths,
        right=[_is_numeric([row[i] for row in rows]) for i in kept],
        last=None if exact or len(kept) == 1 else _room(widths, screen),
        below=[] if screen.wide else [section.columns.index(name) for name in section.below],
    )


def _kept(
    section: Section,
    rows: Sequence[Sequence[Any]],
    table: Sequence[Sequence[str]],
    screen: Screen,
) -> list[int]:
    """Choose the columns that are shown side by side: those that say something, and fit."""
    names = section.columns
    kept = [i for i, name in enumerate(names) if name not in section.below]
    if rows:
        kept = [i for i in kept if i == 0 or any(_says_something(row[i]) for row in rows)]
    for name in section.droppable:
        if _sum(_widths(_columns(table, kept), screen.width)) <= screen.width:
            break
        kept = [i for i in kept if names[i] != name]
    return kept


def _columns(table: Sequence[Sequence[str]], kept: Sequence[int]) -> list[list[str]]:
    """Return some columns of a table."""
    return [[row[i] for i in kept] for row in table]


def _says_something(value: object) -> bool:
    return bool(value) and value not in _NOTHING


def _widths(table: Sequence[Sequence[str]], screen_width: int | None) -> list[int]:
    """Return the width of each column; of the first one without names that fill the screen."""
    widths = [[cell_len(cell) for cell in column] for column in zip(*table, strict=True)]
    if screen_width is not None:
        widths[0] = [one for one in widths[0] if one <= screen_width - _LEAST] or widths[0]
    return [max(column) for column in widths]


def _sum(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _is_too_wide(widths: Sequence[int], screen: Screen) -> bool:
    """Whether lines would wrap on a terminal where nobody asked for that."""
    return screen.is_terminal and not screen.wide and _sum(widths) > screen.width


def _room(widths: Sequence[int], screen: Screen) -> int | None:
    """Return the columns in which the last cells wrap; None where they need not, or cannot."""
    left = screen.width - _sum(widths) + widths[-1]
    return left if _LEAST <= left < widths[-1] else None


def _row_lines(cells: Sequence[str], grid: _Grid) -> Iterator[Line]:
    """Yield a row; a name that is too long has a line of its own.

    Where its last cell wraps, the lines after the first hold only that cell.
    """
    first, *others = cells
    if cell_len(first) > grid.widths[0]:
        yield first, ""
        first = ""
    if not first and not any(others):
        return
    *front, end = first, *others
    parts = [end] if grid.last is None else wrapped(end, grid.last) or [""]
    yield _aligned([*front, parts[0]], grid), ""
    indent = " " * (_sum(grid.widths) - grid.widths[-1])
    yield from ((indent + part, "") for part in parts[1:])


def _sentence(text: str, screen: Screen) -> Iterator[Line]:
    """Yield a sentence that stands under its row."""
    yield from ((f"{_GAP}{part}", "") for part in wrapped(text, screen.width - len(_GAP)))


def _aligned(cells: Sequence[str], grid: _Grid) -> str:
    padded = (
        " " * (width - cell_len(cell)) + cell if at_right else set_cell_size(cell, width)
        for cell, width, at_right in zip(cells, grid.widths, grid.right, strict=True)
    )
    return _GAP.join(padded).rstrip()


def _record_lines(columns: Sequence[str], cells: list[list[str]], screen: Screen) -> Iterator[Line]:
    """Yield each row as a block: its number, then a line per column."""
    width = max(map(cell_len, columns))
    for number, row in enumerate(cells, 1):
        yield f"row {number}", "bold"
        for name, cell in zip(columns, row, strict=True):
            parts = wrapped(cell, screen.width - width - len(_GAP)) or [""]
            yield f"{set_cell_size(name, width)}{_GAP}{parts[0]}".rstrip(), ""
            yield from ((" " * (width + len(_GAP)) + part, "") for part in parts[1:])


def _is_numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None and value != ""]
    kinds = (int, float, Decimal)
    return bool(known) and all(isinstance(v, kinds) or _COUNT.fullmatch(str(v)) for v in known)
