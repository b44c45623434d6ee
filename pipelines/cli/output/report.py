"""RunReport: what a command did, as data; any exception becomes one, with its exit code."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from destinations.failures import redacted, to_error
from sources.hubspot.errors import HubSpotError
from sources.hubspot.model import TableOutcome

RunStatus = Literal["ok", "partial", "failed", "interrupted", "running", "killed"]

INTERRUPTED = 130
BUG = 1
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a command's result."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    """What stands above the table for people; nothing where empty."""
    brief: Sequence[Sequence[Any]] | None = None
    """The rows that people see; all of them where None."""
    shown: bool = True
    """Whether people see it; JSON has it in any case."""
    widest: int | None = None
    """Characters of a cell that people see; all of them where None."""
    droppable: Sequence[str] = ()
    """Columns that leave a screen that is too narrow for all, the first one first."""
    below: Sequence[str] = ()
    """Columns of sentences, which people see under their row."""
    verbatim: bool = False
    """Whether every column and value is shown as it is, also one that says nothing."""


@dataclass
class RunReport:
    """What one command did; the only thing that a command hands to the renderers."""

    command: str
    status: RunStatus = "ok"
    exit_code: int = 0
    run_id: str | None = None
    portal_id: int | None = None
    destination: str | None = None
    dataset: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    tables: dict[str, TableOutcome] = field(default_factory=dict)
    calls: int = 0
    retries: int = 0
    rate_limited: int = 0
    error: str | None = None
    error_name: str | None = None
    remedy: str = ""
    warnings: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    """Result tables of the commands that answer questions."""
    text: str | None = None
    """Result that is printed as it stands, in text mode."""
    cause: BaseException | None = None
    """The exception behind `error`, for --debug."""

    @property
    def rows(self) -> int:
        """Rows written to all tables."""
        return sum(outcome.rows for outcome in self.tables.values())

    @property
    def tombstones(self) -> int:
        """Deleted records marked or removed in all tables."""
        return sum(outcome.tombstones for outcome in self.tables.values())

    def fail(self, error: BaseException) -> "RunReport":
        """Take over what an exception means: status, exit code, message and remedy."""
        self.cause = error
        cause = find_cause(error, self.destination or "")
        if isinstance(cause, KeyboardInterrupt):
            self.status, self.error_name = "interrupted", "interrupted"
            self.exit_code = getattr(cause, "exit_code", INTERRUPTED)
            self.error = f"Interrupted{f' by {cause}' if str(cause) else ''}."
            self.remedy = "Run the command again to go on."
        elif isinstance(cause, HubSpotError):
            self.status, self.exit_code, self.error_name = "failed", cause.exit_code, cause.name
            self.error, self.remedy = redacted(cause.message), cause.remedy
        else:
            self.status, self.exit_code, self.error_name = "failed", BUG, "bug"
            self.error = f"Unexpected {type(cause).__name__}: {_one_line(str(cause))}"
            self.remedy = "This is a bug of ours; run again with --debug and report the traceback."
        return self


def report_of(error: BaseException, command: str, **members: Any) -> RunReport:  # noqa: ANN401
    """Make the report of a command that an exception ended.

    Args:
        error: as it was caught; wrapped by dlt or not.
        command: the command's name.
        members: further members of the report, such as `destination`.
    """
    return RunReport(command, **members).fail(error)


def find_cause(error: BaseException, destination: str = "") -> BaseException:
    """Find what an exception comes down to: an error of ours, an interrupt, or the innermost one.

    dlt wraps what a resource raises twice, and drivers' errors more often, so the whole chain of
    causes is looked at.
    """
    causes = [cause for cause in chain(error) if not isinstance(cause, StopIteration)]
    for cause in causes:
        if isinstance(cause, HubSpotError | KeyboardInterrupt):
            return cause
    for cause in reversed(causes):
        if known := to_error(cause, destination):
            return known
    return causes[-1] if causes else error


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what caused it, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def to_json(report: RunReport) -> dict[str, Any]:
    """Return the report as the one JSON object that `--json` prints."""
    error = {"name": report.error_name, "message": report.error, "remedy": report.remedy}
    members: dict[str, Any] = {
        name: getattr(report, name)
        for name in ("command", "status", "exit_code", "run_id", "portal_id", "destination")
    }
    members |= {
        "dataset": report.dataset,
        "started_at": report.started_at,
        "tables": {name: _table(outcome) for name, outcome in report.tables.items()},
        "totals": _totals(report),
        "warnings": report.warnings,
        "error": error if report.error else None,
    }
    if report.sections:
        members["result"] = {
            section.name: [dict(zip(section.columns, row, strict=True)) for row in section.rows]
            for section in report.sections
        }
    return members


def _table(outcome: TableOutcome) -> dict[str, Any]:
    names = ("mode", "status", "rows", "tombstones", "rows_read", "calls", "retries")
    return {name: getattr(outcome, name) for name in names} | {
        "rate_limited": outcome.rate_limited,
        "seconds": round(outcome.seconds, 3),
        "watermark": outcome.watermark_after,
        "error": outcome.error,
        "messages": outcome.messages,
    }


def _totals(report: RunReport) -> dict[str, int | float]:
    names = ("rows", "tombstones", "calls", "retries", "rate_limited")
    return {name: getattr(report, name) for name in names} | {"seconds": round(report.seconds, 3)}


def _one_line(text: str) -> str:
    return redacted(re.sub(r"\s+", " ", text).strip())[:_LONGEST_MESSAGE]
