"""Runs one command: progress, errors, hidden secrets, the report and the exit code."""

import gc
import io
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from pipelines.runtime.signals import reported

if TYPE_CHECKING:
    from pipelines.cli.output.progress import RunCollector
    from pipelines.cli.output.report import RunReport

    Work = Callable[[RunCollector], RunReport]

UsageError = cast("type[Exception]", typer.BadParameter.__base__)
"""What wrong options raise; some releases of typer have it from click, some bring their own."""

CALLS = "hubspot_elt.calls"
"""The log to which the client writes a line per call."""

USAGE_ERROR = 2
UNSPOKEN = 6  # run again when there is room
INTERRUPTED = 130
READS_SETTINGS = {"sync", "plan", "verify", "status", "query", "forget", "state"}
"""Commands that warn of settings given in vain; the doctor has a line for each."""
_COLLECTED_AFTER = (50_000, 20, 50)  # objects; then after this many younger collections


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    wide: bool = False

    @property
    def form(self) -> Literal["text", "json", "quiet"]:
        """Form of the result on stdout."""
        if self.json:
            return "json"
        return "quiet" if self.quiet else "text"

    @property
    def progress(self) -> Literal["auto", "json", "quiet"]:
        """Form of the progress on stderr."""
        if self.quiet:
            return "quiet"
        return "json" if self.json else "auto"


@contextmanager
def importing() -> Iterator[None]:
    """Keep modules that are imported here out of garbage collection, which takes a tenth of a sync.

    Later there is little garbage: records, pages and columns end with their last reference.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_COLLECTED_AFTER)
        gc.enable()


def run(
    command: str, work: "Work", output: Output, destination: str = "", dataset: str = ""
) -> None:
    """Do a command's work, render its report and exit with its code."""
    started_at, began = datetime.now(UTC), time.monotonic()
    with importing():
        from pipelines.cli.masking import access_token, masked  # noqa: PLC0415 - heavy
        from pipelines.cli.output.layout import screen_of  # noqa: PLC0415 - heavy
        from pipelines.cli.output.progress import make_collector  # noqa: PLC0415 - heavy
        from pipelines.cli.output.render import render  # noqa: PLC0415 - heavy
        from pipelines.cli.output.report import report_of  # noqa: PLC0415 - heavy

    where: dict[str, Any] = {"destination": destination or None, "dataset": dataset or None}
    collector, token = make_collector(output.progress), ""
    in_vain: list[str] = []
    try:
        token, in_vain = access_token(), _in_vain(command, destination)
        with _calls_shown(collector, token) if output.verbose else nullcontext():
            report = work(collector)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place for all of them
        report = report_of(error, command, **where)
    finally:
        collector.close()
    report.warnings = [*in_vain, *report.warnings]
    if not report.seconds:  # a command that keeps its own time wrote the same to the warehouse
        report.started_at, report.seconds = started_at, time.monotonic() - began
    if output.debug and report.cause:
        sys.stderr.write(masked("".join(traceback.format_exception(report.cause)), token))
    _mask(report, token)
    screen = screen_of(sys.stdout, wide=output.wide)
    try:
        render(report, output.form, stdout=sys.stdout, stderr=sys.stderr, screen=screen)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        _silence()
    reported()
    raise typer.Exit(report.exit_code)


@contextmanager
def _calls_shown(collector: "RunCollector", token: str) -> Iterator[None]:
    """Show a line for each call of HubSpot, until the context ends."""
    from pipelines.cli.masking import masked  # noqa: PLC0415 - heavy
    from pipelines.cli.output.dlt_log import LogHandler  # noqa: PLC0415 - heavy

    calls = logging.getLogger(CALLS)
    shown = LogHandler(lambda _, line: collector.log("call", masked(line, token)), logging.DEBUG)
    calls.addHandler(shown)
    calls.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        calls.setLevel(logging.NOTSET)
        calls.removeHandler(shown)


def agreed(preview: "RunReport", collector: "RunCollector") -> bool:
    """Show what a command would do and ask a person; a refusal is noted in the preview."""
    from pipelines.cli.output.render import render  # noqa: PLC0415 - heavy

    if not any(section.rows for section in preview.sections):
        return False  # there is nothing to agree to
    collector.close()  # nothing may write across the question
    render(preview, "text", stdout=sys.stderr, stderr=sys.stderr)
    if typer.confirm("Erase all of this for good?", err=True):
        return True
    preview.sections, preview.warnings = [], ["Nothing was erased."]
    return False


def _in_vain(command: str, destination: str) -> list[str]:
    """Return a warning for each setting that is misspelt or has no effect."""
    if command.split(maxsplit=1)[0] not in READS_SETTINGS:
        return []
    from pipelines.cli.notices import notices  # noqa: PLC0415 - heavy

    return [" ".join(notice) for notice in notices(destination)]


def _mask(report: "RunReport", token: str) -> None:
    """Blot secrets out of every message of a report."""
    from pipelines.cli.masking import masked  # noqa: PLC0415 - heavy

    if report.error:
        report.error = masked(report.error, token)
    report.warnings = [masked(warning, token) for warning in report.warnings]
    for outcome in report.tables.values():
        outcome.messages = [masked(message, token) for message in outcome.messages]


def misused(error: Any, words: Sequence[str]) -> int:  # noqa: ANN401 - click's UsageError
    """Report in one line what is wrong with the options; as an object where JSON was asked for."""
    message = " ".join(error.format_message().replace("Value error, ", "").split())
    message += "" if message.endswith((".", "?")) else "."
    if not asks_for_json(words):
        sys.stderr.write(f"error: {message} See hubspot-elt --help.\n")
        return USAGE_ERROR
    from sources.hubspot.errors import ConfigError  # noqa: PLC0415 - heavy

    return _report(ConfigError(message, remedy="See hubspot-elt --help."), words)


def interrupted(error: BaseException, words: Sequence[str]) -> int:
    """Report that a command was interrupted before, or after, it did its work.

    Nothing is imported for it: the signal may have come in the middle of an import.
    """
    code = int(getattr(error, "exit_code", INTERRUPTED))
    message = f"Interrupted{f' by {error}' if str(error) else ''}."
    if asks_for_json(words):
        shown = {"name": "interrupted", "message": message, "remedy": "Run the command again."}
        report = {"command": words[0], "status": "interrupted", "exit_code": code, "error": shown}
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        sys.stderr.write(f"error: {message}\n")
    return code


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line wants its result as one JSON object, whatever else is in it."""
    asked = {"--json", "--format=json"} & {*words}
    return bool(asked) or ("--format", "json") in pairwise(words)


def _report(error: BaseException, words: Sequence[str]) -> int:
    """Print an error as a JSON object; return its exit code."""
    from pipelines.cli.output.render import render  # noqa: PLC0415 - heavy
    from pipelines.cli.output.report import report_of  # noqa: PLC0415 - heavy

    report = report_of(error, words[0])
    render(report, "json", stdout=sys.stdout, stderr=sys.stderr)
    return report.exit_code


def speak_utf8() -> None:
    """Make both streams carry every character, whatever the machine's locale is.

    A stream that is closed goes nowhere. Its number is taken, or else the warehouse's file could
    get it, and be written into.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error
        pass
    os.close(free)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def unspoken(error: OSError) -> int:
    """Report that the result cannot be written; let nothing of it wait for the process's end."""
    _silence()
    sys.stderr.write(f"error: The result cannot be written: {error.strerror}.\n")
    return UNSPOKEN


def _silence() -> None:
    """Let what waits to be written to stdout go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
