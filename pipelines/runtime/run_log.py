"""The run's own rows: in `_hs_runs` from its start, in `_hs_run_tables` at its end.

A run that is killed leaves its row `running`; the next one, which holds the lock, says so. A run
that cannot reach the warehouse is kept on the machine (`local_runs`) until one can.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from destinations.failures import first_line
from destinations.locks import place_of
from destinations.resolve import client_of, explained
from pipelines.cli.masking import access_token, masked
from pipelines.cli.output.report import RunReport, report_of
from pipelines.runtime import local_runs
from pipelines.runtime.stored import exists
from sources.hubspot import Run
from sources.hubspot.errors import HubSpotError, OverlapError
from sources.hubspot.model import TableOutcome
from sources.hubspot.warehouse.run_log import (
    RUNS,
    Ending,
    are_there,
    delete,
    insert,
    make_tables,
    mark_killed,
    replace_tables,
    row_of,
    update,
)
from sources.hubspot.warehouse.sql import open_tables

CLOCKS_AGREE = timedelta(seconds=5)  # HubSpot sends whole seconds, and answers take a while


@dataclass
class RunLog:
    """One command's rows, and its one duration: from its start to `end`."""

    command: str
    destination: str = "duckdb"
    dataset: str = "hubspot"
    token: str = ""
    """The access token, which no row may hold."""
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """By this machine's clock, or by HubSpot's where they differ by more than answers explain."""
    seconds: float = 0.0
    """How long the command took; 0 until it ended."""
    _began: float = field(default_factory=time.monotonic)
    _pipeline: Pipeline | None = None
    _place: str = ""
    _run: Run | None = None
    _begun: bool = False
    _ended: bool = False

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep on the machine how a command ended that could not reach the warehouse.

        One that gave way to another run leaves no row: it has begun nothing, and nothing failed.
        """
        self._place = local_runs.unresolved(self.destination, self.dataset)
        with suppress(HubSpotError):  # a settings file cannot be read: the command reports it
            self.token = access_token()
        try:
            yield
        except BaseException as error:
            if not (self._ended or isinstance(error, OverlapError)):
                self._keep(self._row(report_of(error, self.command)))
            raise

    def at(self, pipeline: Pipeline) -> None:
        """Say which warehouse it is; nothing of it is opened."""
        with (
            suppress(HubSpotError),
            explained(self.destination),
        ):  # opening it reports what is wrong
            self._place = place_of(client_of(pipeline))

    @contextmanager
    def writing(self, pipeline: Pipeline) -> Iterator[None]:
        """Write into an open warehouse that no other run writes, an error that ends it included."""
        self._pipeline = pipeline
        if exists(pipeline) and are_there(pipeline):
            self._write_start(pipeline)
        try:
            yield
        except BaseException as error:
            if not self._ended:
                self.end(report_of(error, self.command))
            raise

    def attach(self, run: Run) -> None:
        """Take over the portal and the calls from the run, and HubSpot's clock if ours is wrong."""
        self._run = run
        run.set_options(run_id=self.run_id)
        self.token = run.config.access_token or ""
        ahead = run.now() - datetime.now(UTC)
        if abs(ahead) > CLOCKS_AGREE:
            self.started_at += ahead

    def begin(self) -> None:
        """Write that the run goes on, once; what others left running was killed.

        Raises:
            WarehouseError: the warehouse refuses.
        """
        if not self._begun and self._pipeline is not None and make_tables(self._pipeline):
            self._write_start(self._pipeline)

    def _write_start(self, pipeline: Pipeline) -> None:
        with open_tables(pipeline) as tables:
            mark_killed(tables)
            waiting = local_runs.kept(self._place)
            delete(tables, [row["run_id"] for row in waiting])
            insert(tables, RUNS, [*waiting, self._row(None)])
        local_runs.drop(self._place, [row["run_id"] for row in waiting])
        self._begun = True

    def end(self, report: RunReport, tables: Mapping[str, TableOutcome] | None = None) -> None:
        """Write how the command ended, in the warehouse or else on the machine.

        Args:
            report: of the command.
            tables: what became of them; those of the report where None.

        The report gets the command's start, time and run, and a warning if the warehouse has none
        of it.
        """
        self._ended = True
        self.seconds = report.seconds = time.monotonic() - self._began
        report.started_at, report.run_id = self.started_at, self.run_id
        row = self._row(report)
        try:
            if self._write_end(row, report.tables if tables is None else tables):
                return
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine keeps the row
            report.warnings.append(f"{RUNS} does not say how the run ended: {first_line(error)}")
        self._keep(row)

    def _write_end(self, row: Mapping[str, Any], tables: Mapping[str, TableOutcome]) -> bool:
        if self._pipeline is None or not self._begun:
            return False
        with open_tables(self._pipeline) as opened:
            update(opened, row)
            if tables:
                replace_tables(opened, self.run_id, tables)
        return True

    def _keep(self, row: Mapping[str, Any]) -> None:
        plain = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}
        local_runs.keep(self._place, plain)

    def _row(self, report: RunReport | None) -> dict[str, Any]:
        """Return the row as it is now; of an ended command where there is a report."""
        if report is None:
            return row_of(self.run_id, self.command, self.started_at, self._run)
        error = _error(report)
        ending = Ending(
            self.started_at + timedelta(seconds=self.seconds or time.monotonic() - self._began),
            report.status,
            report.exit_code,
            masked(error, self.token) if error else None,
        )
        return row_of(self.run_id, self.command, self.started_at, self._run, ending)


def _error(report: RunReport) -> str | None:
    """Return a report's error, or which tables failed while others did not."""
    if report.error:
        return f"{report.error} {report.remedy}".strip()
    failed = [name for name, outcome in report.tables.items() if outcome.exit_code]
    return f"Failed: {', '.join(failed)}." if failed else None
