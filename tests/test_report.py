"""Any exception becomes a report with its exit code, and a report reads the same to all."""

import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pytest
import typer
from dlt.common.exceptions import SignalReceivedException
from dlt.extract.exceptions import ResourceExtractionError

from pipelines.cli import console
from pipelines.cli.output.layout import to_cell
from pipelines.cli.output.render import render, to_plain
from pipelines.cli.output.report import RunReport, Section, report_of, to_json
from sources.hubspot import errors
from sources.hubspot.model import TableOutcome

EXIT_CODES = {
    errors.ConfigError: 2,
    errors.AuthError: 3,
    errors.ScopeMissingError: 3,
    errors.RequestRejectedError: 4,
    errors.NotFoundError: 4,
    errors.ContractError: 4,
    errors.DailyQuotaError: 5,
    errors.RateLimitedError: 6,
    errors.UnavailableError: 6,
    errors.WarehouseError: 6,
    errors.VerificationError: 8,
}
MEMBERS = (
    *("command", "status", "exit_code", "run_id", "portal_id", "destination", "dataset"),
    *("started_at", "tables", "totals", "warnings", "error"),
)


def wrapped(error: BaseException) -> Exception:
    """Wrap an exception twice, as dlt does with what a resource raises."""
    inner = ResourceExtractionError("contacts", None, "failed", "generator")
    inner.__cause__ = error
    outer = RuntimeError("pipeline step failed")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("kind", "code"), EXIT_CODES.items(), ids=[kind.__name__ for kind in EXIT_CODES]
)
def test_errors_of_ours_keep_their_code(kind: type[errors.HubSpotError], code: int) -> None:
    """However deep dlt wraps an error of ours, its code, name, message and remedy come out."""
    report = report_of(wrapped(kind("It failed.", remedy="Mend it.")), "sync")
    assert (report.status, report.exit_code) == ("failed", code)
    assert (report.error_name, report.error, report.remedy) == (kind.name, "It failed.", "Mend it.")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(KeyboardInterrupt(), id="Ctrl-C"),
        pytest.param(wrapped(KeyboardInterrupt()), id="in a resource"),
        pytest.param(SignalReceivedException(2), id="seen by dlt"),
    ],
)
def test_interrupts_are_130(error: BaseException) -> None:
    """An interrupt ends with 130, wherever it arrived."""
    report = report_of(error, "sync")
    assert (report.status, report.exit_code) == ("interrupted", 130)


def test_unknown_exceptions_are_bugs_without_secrets() -> None:
    """What nobody foresaw is a bug of ours: exit 1, one line, no password, a hint at --debug."""
    error = ValueError("cannot\n parse postgresql://ada:pa55word@host/db Bearer abc-def")
    report = report_of(wrapped(error), "sync")
    assert (report.exit_code, report.error_name) == (1, "bug")
    assert report.error is not None
    assert "ValueError" in report.error
    assert "\n" not in report.error
    assert "--debug" in report.remedy
    assert "pa55word" not in report.error
    assert "abc-def" not in report.error


def test_driver_errors_are_the_warehouse() -> None:
    """An error of a database driver is told as the destination's, not as a bug."""
    report = report_of(wrapped(duckdb.IOException("Could not set lock on file")), "sync")
    assert (report.exit_code, report.error_name) == (6, "busy")


def test_a_circle_of_causes_ends() -> None:
    """Exceptions that name each other as cause are no endless loop."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert report_of(one, "sync").exit_code == 1


def test_json_members_of_an_empty_report() -> None:
    """Every member is there even if nothing happened, and `result` only where there is one."""
    assert tuple(to_json(RunReport("sync"))) == MEMBERS


def test_json_tells_tables_totals_and_result() -> None:
    """Rows add up over the tables; result tables are lists of objects by their names."""
    report = RunReport("sync", calls=7)
    report.tables = {
        name: TableOutcome(name, rows=rows, tombstones=1) for name, rows in (("a", 2), ("b", 3))
    }
    report.sections = [Section("runs", ("n", "text"), [(1, "x")])]
    found = spoken(report, "json")[0]
    told = json.loads(found)
    assert found.count("\n") == 1
    assert (told["totals"]["rows"], told["totals"]["tombstones"], told["totals"]["calls"]) == (
        *(5, 2),
        7,
    )
    assert told["tables"]["b"]["rows"] == 3
    assert told["result"] == {"runs": [{"n": 1, "text": "x"}]}


def test_all_messages_of_a_table_are_kept() -> None:
    """Notes and errors of a table add up, each once; the text in `--json` holds them all."""
    outcome = TableOutcome("deals")
    assert outcome.error is None
    for text in ("One.", "Two.", "One."):
        outcome.note(text)
    told = to_json(RunReport("sync", tables={"deals": outcome}))["tables"]["deals"]
    assert (told["messages"], told["error"]) == (["One.", "Two."], "One. Two.")
    assert (told["status"], outcome.exit_code) == ("ok", 0)


def test_no_message_of_a_table_shows_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line blots the token out of every message of every table."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", "unusual-token")
    report = RunReport("sync", tables={"deals": TableOutcome("deals")})
    report.tables["deals"].note("First unusual-token.")
    report.tables["deals"].note("Second unusual-token.")
    with pytest.raises(typer.Exit):
        console.run("sync", lambda _: report, console.Output(quiet=True))
    assert len(report.tables["deals"].messages) == 2
    assert "unusual-token" not in str(to_json(report))


def spoken(report: RunReport, form: str) -> tuple[str, str]:
    """Return what a report prints on stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    render(report, form, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_text_puts_troubles_on_stderr() -> None:
    """Warnings and errors are single lines on stderr, whatever they hold."""
    report = report_of(errors.ConfigError("It\nfailed.", remedy="Mend it."), "sync")
    report.warnings.append("deals: \x1b[31mnot read")
    out, err = spoken(report, "text")
    assert out == ""
    assert err.splitlines() == ["warning: deals:  [31mnot read", "error: It failed. Mend it."]


def test_quiet_keeps_errors() -> None:
    """`quiet` drops the result and keeps errors."""
    report = report_of(errors.ConfigError("It failed."), "sync")
    report.sections = [Section("runs", ("n",), [(1,)])]
    assert spoken(report, "quiet") == ("", "error: It failed.\n")


def test_no_title_moves_the_cursor() -> None:
    """A title is text that no terminal obeys, as cells are."""
    section = Section("one", ("a",), [(1,)], "Tables\x1b[2J\rof\x9b")
    text = spoken(RunReport("query", sections=[section]), "text")[0]
    assert "Tables [2J of" in text
    assert text.replace("\n", "").isprintable()


def test_columns_are_aligned_by_width_on_screen() -> None:
    """Numbers stand at the right, and letters that take two places count as two."""
    report = RunReport("query", sections=[Section("rows", ("n", "text", "b"), [])])
    report.sections[0] = Section("rows", ("n", "text", "b"), [(1, "漢字", 1), (10, "a", 2)])
    assert spoken(report, "text")[0].splitlines() == [
        *(" n  text  b", " 1  漢字  1", "10  a     2"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00Z", id="UTC"),
        pytest.param(
            datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))),
            "2026-03-01T10:00:00Z",
            id="other zone",
        ),
        pytest.param(date(2026, 3, 1), "2026-03-01", id="date"),
        pytest.param(Decimal(7), 7, id="whole decimal"),
        pytest.param(Decimal("7.5"), 7.5, id="decimal"),
        pytest.param(b"\x01\xff", "01ff", id="bytes"),
    ],
)
def test_values_as_json(value: object, expected: object) -> None:
    """What JSON has no form for is told in the form that loses nothing people need."""
    assert to_plain(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "NULL", id="null"),
        pytest.param(True, "true", id="bool"),
        pytest.param(2**53 + 1, "9007199254740993", id="large integer"),
        pytest.param("a\tb\x1b[0m", "a\\tb\\x1b[0m", id="control characters"),
    ],
)
def test_values_as_cells(value: object, expected: str) -> None:
    """A cell is one line that no terminal can misread."""
    assert to_cell(value) == expected
