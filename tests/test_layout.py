"""Tables on a screen: names stay whole, what matters least goes first, sentences wrap."""

import io

import pytest
from rich.cells import cell_len

from pipelines.cli.output.layout import Screen, screen_of, table_lines
from pipelines.cli.output.report import Section

LONG = "custom_very_long_name_of_a_custom_object_to_line_items"
ERROR = (
    "HubSpot answered 500 to the last of six attempts, so the table keeps what it has and the next "
    "run goes on."
)
RUNS = Section(
    "runs",
    ("table", "mode", "rows", "retries", "watermark", "error"),
    [
        ("contacts", "backfill", "9,125,000", "0", "2026-11-30 02:42:13", ""),
        (LONG, "increment", "3", "0", "", ERROR),
    ],
    droppable=("watermark", "mode"),
    below=("error",),
)
SETTINGS = Section(
    "checks",
    ("check", "finding"),
    [("settings", "https://api.hubapi.com, API version 2026-03, 90% of the rate budgets")],
)


def shown(section: Section, width: int, **screen: bool) -> list[str]:
    """Return a section's lines on a screen of so many columns."""
    return [line for line, _ in table_lines(section, Screen(width, **screen))]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        pytest.param(120, ["table", "mode", "rows", "watermark"], id="wide-screen"),
        pytest.param(80, ["table", "mode", "rows"], id="terminal"),
        pytest.param(74, ["table", "rows"], id="long-name"),
    ],
)
def test_the_least_columns_go_first(width: int, columns: list[str]) -> None:
    """Where a table is too wide, columns go in their order; names stay whole, lines fit."""
    lines = shown(RUNS, width)
    assert lines[0].split() == columns
    assert any(line.startswith(LONG) for line in lines)
    assert all(cell_len(line) <= width for line in lines)


def test_columns_that_say_nothing_are_left_out_but_for_a_query() -> None:
    """A column of zeros or of nothing is shown only where a person asked for it."""
    assert "retries" not in shown(RUNS, 120)[0]
    asked = Section("rows", ("id", "empty", "zero"), [("1", None, 0)], verbatim=True)
    assert [line.split() for line in shown(asked, 80)] == [
        *(["id", "empty", "zero"], ["1", "NULL", "0"]),
    ]


def test_sentences_stand_below_their_row() -> None:
    """An error is written under its row, wrapped between words."""
    lines = shown(RUNS, 80)
    assert [line for line in lines if line.startswith("  ")] == [
        "  HubSpot answered 500 to the last of six attempts, so the table keeps what it",
        "  has and the next run goes on.",
    ]


def test_the_last_column_wraps() -> None:
    """A sentence in the last column goes on under its beginning."""
    assert shown(SETTINGS, 60)[1:] == [
        "settings  https://api.hubapi.com, API version 2026-03, 90%",
        "          of the rate budgets",
    ]


def test_a_name_that_fills_the_screen_has_a_line_of_its_own() -> None:
    """A name is never folded, and does not push the numbers of all others away."""
    name = "_to_".join(["custom_very_long_name_of_an_object"] * 2)
    rows = [("contacts", "12"), (name, "7"), ("deals", "3")]
    section = Section("plan", ("table", "calls"), rows, droppable=("calls",))
    assert shown(section, 80) == [
        *("table     calls", "contacts     12", name),
        *("              7", "deals         3"),
    ]
    assert shown(Section("names", ("table",), [(name,)]), 40) == ["table", name]


def test_wide_shows_all_columns_on_one_line() -> None:
    """With `--wide` no column leaves and nothing wraps."""
    header, first, second = shown(RUNS, 80, wide=True)
    assert header.split() == list(RUNS.columns)
    assert first.split()[:5] == ["contacts", "backfill", "9,125,000", "0", "2026-11-30"]
    assert second.endswith("the next run goes on.")


def test_a_query_too_wide_for_a_terminal_becomes_blocks() -> None:
    """Rows that do not fit a terminal are shown a column a line; a pipe gets whole lines."""
    wide = Section("rows", [f"column_{n}" for n in range(20)], [[n] * 20 for n in range(2)])
    asked = Section("rows", wide.columns, wide.rows, verbatim=True)
    blocks = shown(asked, 80, is_terminal=True)
    assert blocks[:3] == ["row 1", "column_0   0", "column_1   0"]
    assert len(blocks) == 2 * 21
    assert len(shown(asked, 80)) == 3


@pytest.mark.parametrize(
    ("columns", "width"), [(None, 80), ("132", 132)], ids=["nothing-set", "COLUMNS"]
)
def test_a_pipe_is_80_columns_wide(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal a table is laid out for 80 columns, or as many as COLUMNS says."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert screen_of(io.StringIO()) == Screen(width)
