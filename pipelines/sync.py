"""One run: a HubSpot portal into a destination, load by load.

Start here to follow a record: `sync` opens the warehouse and the portal, then extracts, normalizes
and loads until no table has anything left. The state that dlt keeps in the destination is the
only one there is: each run begins in an empty working directory and restores it from there, so
a killed run, or another machine, goes on exactly where the last complete load ended.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dlt.common.runtime.collector_base import Collector
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from pipelines.copy import WarehouseCopy
from pipelines.progress import RunCollector
from pipelines.pulse import Source
from pipelines.purge import clean_up
from pipelines.report import RunReport, Section
from pipelines.runlog import run_log, run_status
from pipelines.session import opened
from pipelines.stored import dataset_of
from pipelines.verify import VerifyOptions, compare
from sources.hubspot import Run, hubspot
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import HubSpotError
from sources.hubspot.model import LIVE, SchemaChange
from sources.hubspot.refused import refusals_of, summary


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What a person may ask of one run."""

    objects: tuple[str, ...] = ()
    """Tables to read; all that the token may read where empty."""
    destination: str = "duckdb"
    dataset: str = "hubspot"
    only: tuple[str, ...] = ()
    """Of `objects`, those to load now, with their links to the others; all where empty."""
    full_refresh: bool = False
    """Read everything anew, and mark as purged what is no longer there."""
    hard_delete: bool = False
    """Remove deleted records instead of keeping them with `_hs_deleted_at`."""
    refresh_schema: bool = False
    """Read property definitions now, however young the cached ones are."""
    links: bool = False
    """Read all links again, whatever the schedule says."""
    verify: bool = False
    """Compare portal and warehouse afterwards."""
    backfill: str | None = None
    """How tables are read whole: `list`, `export` or `auto`; the setting decides where None."""


def sync(
    options: SyncOptions,
    *,
    collector: Collector,
    command: str = "sync",
    config: HubSpotConfig | None = None,
) -> RunReport:
    """Run one sync and tell what it did.

    Args:
        collector: where progress goes.
        config: the source's settings; dlt's configuration where None.

    Raises:
        HubSpotError: nothing could be begun: settings, token, portal or destination.
    """
    began = time.monotonic()
    if isinstance(collector, RunCollector):
        collector.draw()
    with opened(options.destination, options.dataset, collector, config) as (pipeline, run):
        _configure(run, options, collector)
        started_at = run.now()
        error = _load_all(run, options, pipeline, command)
        report = _report(run, options, command, error, 0.0)
        report.dataset = dataset_of(pipeline)
        if options.verify and not error and not run.stopped:
            verified = VerifyOptions(options.objects, options.destination, options.dataset)
            compare(report, verified, pipeline, run, collector, as_of=started_at)
    report.seconds = time.monotonic() - began
    return report


def _configure(run: Run, options: SyncOptions, collector: Collector) -> None:
    """Tell the run what this sync wants of it."""
    run.report_errors = True
    run.full_refresh = options.full_refresh
    run.refresh_schema = options.refresh_schema or options.full_refresh
    run.budget.rows = run.config.load_rows
    run.budget.seconds = run.config.load_minutes * 60
    run.sweep_links = options.links
    if options.backfill:
        run.config = replace(run.config, backfill=options.backfill)
    if isinstance(collector, RunCollector):
        run.on_message, run.on_expected = collector.tell, collector.expect
        collector.source = watched(run)


def watched(run: Run) -> Source:
    """Return what a display asks to tell what a run is doing."""

    def pending() -> set[str]:
        return run.open_tables | {name for name in run.loading if name not in run.outcomes}

    return Source(pending, run.open_tails.copy, run.client.limits.use)


def _load_all(
    run: Run, options: SyncOptions, pipeline: Pipeline, command: str
) -> PipelineStepFailed | HubSpotError | None:
    """Extract, normalize and load until no table has anything left; return what ended it early.

    A table that then does not hold as many live rows as HubSpot counts records is looked into by
    one more load.
    """
    started_at = run.now()
    compared: set[str] = set()
    while True:
        try:
            with WarehouseCopy(pipeline) as run.copy:
                source = hubspot(
                    options.objects or None,
                    only=options.only or None,
                    run=run,
                    hard_delete=options.hard_delete,
                )
                source.resources.add(run_log(run, command, started_at))
                pipeline.run(source)
                # while the copy is open, for DuckDB writes its file anew with the last connection
                told_late = clean_up(pipeline, run, hard_delete=options.hard_delete)
                if not run.stopped and not run.unfinished:
                    _look_for_gaps(run, pipeline, compared)
            run.unfinished |= run.gaps.keys()
        except (PipelineStepFailed, HubSpotError) as error:
            if run.loads == 0:
                raise  # nothing was begun
            return error
        if run.stopped or not (run.unfinished or told_late):
            return None


def _look_for_gaps(run: Run, pipeline: Pipeline, compared: set[str]) -> None:
    """Note the tables whose live rows are not as many as HubSpot's records; each once a run."""
    known = {table: total for table, total in run.totals.items() if total is not None}
    with WarehouseCopy(pipeline) as copy:
        for table, since in list(run.gaps.items()):
            older = f"{LIVE} AND _hs_synced_at < %s"
            if since and not copy.counts([table], older, since)[table]:
                del run.gaps[table]  # the new listing brought every row there is
        settled = run.looked_into - run.recounted - run.overlapped
        fresh = known.keys() - compared - run.gaps.keys() - settled
        counts = copy.counts(sorted(fresh), LIVE)
    for table, live in counts.items():
        if live != known[table] or table in run.recounted:
            run.gaps[table] = None
    compared.update(run.gaps)


def _report(
    run: Run,
    options: SyncOptions,
    command: str,
    error: PipelineStepFailed | HubSpotError | None,
    seconds: float,
) -> RunReport:
    report = RunReport(command, destination=options.destination, dataset=options.dataset)
    report.status, report.exit_code = run_status(run)
    if ending := error or run.stopped:
        report.fail(ending)
    meter = run.client.meter
    report.run_id, report.portal_id = run.run_id, run.account.portal_id
    report.tables, report.seconds = run.collect(), seconds
    report.calls, report.retries = meter.calls, meter.retries
    report.rate_limited = meter.rate_limited
    if run.schema_changes:
        report.sections.append(schema_changes(run.schema_changes))
    outcomes = run.outcomes.values()
    report.warnings = [
        f"{outcome.table_name}: {message}"
        for outcome in outcomes
        for message in outcome.messages
        if outcome.status != "skipped"
    ]
    report.warnings += summary(refusals_of(outcomes))
    return report


def schema_changes(changes: Sequence[SchemaChange]) -> Section:
    """Tell what became of properties since their definitions were last read."""
    columns = ("table", "property", "change", "column", "before", "after")
    rows = [tuple(getattr(change, name) for name in columns) for change in changes]
    return Section(
        "schema_changes",
        columns,
        rows,
        "What changed in the properties",
        droppable=("column", "before", "after"),
    )
