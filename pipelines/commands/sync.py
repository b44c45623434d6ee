"""One run: a HubSpot portal into a destination, load by load.

Start here to follow a record: `sync` opens the warehouse and the portal, then extracts, normalizes
and loads until no table has anything left. The state that dlt keeps in the destination is the
only one there is: each run begins in an empty working directory and restores it from there, so
a killed run, or another machine, goes on exactly where the last complete load ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dlt.common.runtime.collector_base import Collector
from dlt.pipeline.pipeline import Pipeline

from destinations.failures import first_line
from pipelines.cli.output.progress import RunCollector
from pipelines.cli.output.pulse import Source
from pipelines.cli.output.report import RunReport, Section
from pipelines.commands.verify import VerifyOptions, compare
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.session import opened
from pipelines.runtime.stored import dataset_of
from sources.hubspot import Run
from sources.hubspot.catalog.endpoints import TABLES
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.model import SchemaChange
from sources.hubspot.run.loaded import Loaded, kept, run_status
from sources.hubspot.run.portal.refused import refusals_of, summary
from sources.hubspot.sync import SyncRequest, configure, load_all
from sources.hubspot.warehouse.run_log import prune


@dataclass(frozen=True, slots=True)
class SyncOptions(SyncRequest):
    """What a person may ask of one run."""

    destination: str = "duckdb"
    dataset: str = "hubspot"
    verify: bool = False
    """Compare portal and warehouse afterwards."""
    wait_seconds: float = 0.0
    """For another run, or another program, that has the dataset."""


def sync(
    options: SyncOptions,
    *,
    collector: Collector,
    command: str = "sync",
    config: HubSpotConfig | None = None,
) -> RunReport:
    """Run one sync and report what it did.

    Args:
        collector: where progress goes.
        config: the source's settings; dlt's configuration where None.

    Raises:
        HubSpotError: nothing could be begun: settings, token, portal or destination.
    """
    log, loaded = RunLog(command, options.destination, options.dataset), Loaded()
    report = RunReport(command, destination=options.destination, dataset=options.dataset)
    if isinstance(collector, RunCollector):
        collector.draw()
    with opened(log, collector, config, wait_seconds=options.wait_seconds) as (pipeline, run):
        _configure(run, options, collector)
        as_of, report.dataset = run.now(), dataset_of(pipeline)
        ending = _load_all(run, options, pipeline, log, loaded) or run.outcomes.stopped
        _conclude(report, run, ending)
        if options.verify and not ending:
            verified = VerifyOptions(
                *(options.objects, options.destination, options.dataset),
                select=options.select,
                exclude=options.exclude,
            )
            try:
                compare(report, verified, pipeline, run, collector, as_of=as_of)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the report has it
                ending = report.fail(error).cause
            loaded.note(run)
        _count(report, run, loaded, ending)
        if not ending:
            _prune(report, pipeline, run)
        log.end(report)
    return report


def _prune(report: RunReport, pipeline: Pipeline, run: Run) -> None:
    """Delete old rows of the run log; that this fails is no failure of the sync."""
    try:
        prune(pipeline, run)
    except Exception as error:  # noqa: BLE001 - the report has it
        report.warnings.append(f"Old rows of the run log were not deleted: {first_line(error)}")


def _configure(run: Run, options: SyncOptions, collector: Collector) -> None:
    """Hand the options of this sync to the run."""
    run.set_options(report_errors=True)
    configure(run, options)
    if isinstance(collector, RunCollector):
        run.set_options(on_message=collector.notify, on_expected=collector.expect)
        collector.source = watched(run)


def watched(run: Run) -> Source:
    """Return what a display asks to show what a run is doing."""

    def tables() -> set[str]:
        return run.load.open_tables

    def others() -> set[str]:
        return run.load.open_resources - run.load.open_tables

    return Source(tables, others, run.client.limits.use)


def _load_all(
    run: Run, options: SyncOptions, pipeline: Pipeline, log: RunLog, loaded: Loaded
) -> BaseException | None:
    """Load until no table has anything left; return what ended it early."""
    try:
        load_all(pipeline, run, options, loaded, log.begin)
    except (Exception, KeyboardInterrupt) as error:
        if run.load.number == 0:
            raise  # nothing was begun
        return error
    return None


def _conclude(report: RunReport, run: Run, ending: BaseException | None) -> None:
    """Report how the loads ended, what was noted of tables, and what became of properties."""
    report.status, report.exit_code = run_status(run)
    if ending:
        report.fail(ending)
    report.portal_id = run.portal.account.portal_id
    if run.tables.schema_changes:
        report.sections.append(schema_changes(run.tables.schema_changes))
    outcomes = run.outcomes.by_table.values()
    report.warnings = [
        f"{outcome.table_name}: {message}"
        for outcome in outcomes
        for message in outcome.messages
        if outcome.status != "skipped"
    ]
    report.warnings += [*run.store.mended, *summary(refusals_of(outcomes))]


def _count(report: RunReport, run: Run, loaded: Loaded, ending: BaseException | None) -> None:
    """Report what was asked of HubSpot, and what of it is in the warehouse now."""
    meter = run.client.meter
    report.calls, report.retries = meter.calls, meter.retries
    report.rate_limited = meter.rate_limited
    if ending is not run.outcomes.stopped and report.status == "failed":
        lost = f"Not loaded: {report.error}"
        report.tables = loaded.settle(run, "failed", exit_code=report.exit_code, message=lost)
    else:
        report.tables = loaded.settle(run, "interrupted")
    if ending:
        report.error = f"{report.error} {kept(report.tables)}"
    objects = [one for name, one in report.tables.items() if name not in TABLES]
    if objects and not ending and all(outcome.status == "skipped" for outcome in objects):
        report.warnings.append("No record was read: every object type was skipped.")


def schema_changes(changes: Sequence[SchemaChange]) -> Section:
    """Return what became of properties since their definitions were last read."""
    columns = ("table", "property", "change", "column", "before", "after")
    rows = [tuple(getattr(change, name) for name in columns) for change in changes]
    return Section(
        "schema_changes",
        columns,
        rows,
        "What changed in the properties",
        droppable=("column", "before", "after"),
    )
