"""One sync: a portal into the warehouse, load by load, until no table has anything left.

    from sources.hubspot import sync

    pipeline = dlt.pipeline("hubspot", destination="duckdb", dataset_name="hubspot")
    print(sync(pipeline, ["contacts", "companies"]).tables["contacts"].rows)

The state that dlt keeps in the destination is the only one there is: a sync begins where the last
complete load ended, whatever ended it, on whatever machine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from dlt.pipeline.pipeline import Pipeline

from .catalog.names import HISTORY
from .catalog.selection import Names
from .config import HubSpotConfig, resolve_config
from .errors import ConfigError, HubSpotError, PartialSyncError
from .extraction import names_of, open_run
from .model import LIVE, TableOutcome
from .run.loaded import Loaded, run_status
from .run.run import Run
from .source import hubspot
from .state.damage import NAME
from .steps.collections.reading import note_following
from .steps.history.reading import are_histories_pending
from .warehouse import run_log
from .warehouse.end_of_load import end_of_load
from .warehouse.post_load import clean_up
from .warehouse.privacy import empty_columns, note_unmatched
from .warehouse.sql import open_tables
from .warehouse.view import WarehouseView, held_open


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a person may ask of one sync of a portal."""

    objects: tuple[str, ...] = ()
    """Object types to read, as if they stood in `select`."""
    only: tuple[str, ...] = ()
    """What of all to load now, with its links to the others; all where empty."""
    select: tuple[str, ...] = ()
    """What to read, and nothing else but what it needs; what the settings choose where empty."""
    exclude: tuple[str, ...] = ()
    """What of it not to read."""
    full_refresh: bool = False
    """Read everything again, and mark as purged what is no longer there."""
    hard_delete: bool = False
    """Remove deleted records instead of keeping them with `_hs_deleted_at`."""
    refresh_schema: bool = False
    """Read property definitions now, however young the cached ones are."""
    links: bool = False
    """Read all links again, whatever the schedule says."""
    backfill: str | None = None
    """How tables are read whole: `list`, `export` or `auto`; the setting decides where None."""

    @property
    def names(self) -> Names:
        """What it names to read."""
        return Names(self.select, self.exclude, objects=self.objects, only=self.only)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync brought to the warehouse."""

    run_id: str
    status: Literal["ok", "partial", "failed"]
    tables: Mapping[str, TableOutcome]
    """By name; rows count when their load completed."""
    calls: int
    """Sent to HubSpot."""


def sync(  # noqa: PLR0913 - four of them name what is read, in words that people know
    pipeline: Pipeline,
    objects: str | Sequence[str] = (),
    *,
    select: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    only: str | Sequence[str] = (),
    access_token: str | None = None,
    config: HubSpotConfig | None = None,
    **options: Any,  # noqa: ANN401 - by their names in `SyncRequest`
) -> SyncResult:
    """Bring a dataset up to date with a portal, with all that the command line's sync does for it.

    Loads are bounded and each ends in a checkpoint; deleted, merged and purged records, links and
    labels are followed up in SQL after each; counts are compared in the end. What is left in the
    pipeline's working folder by a run that was killed is dropped: its load comes again. Nothing
    keeps two syncs of one dataset apart; see to it that one runs at a time.

    Args:
        pipeline: any of dlt's whose destination can merge.
        objects: object types to read, and to link with each other; the same as in `select`.
        select: object types, tables, link tables or groups to read, and nothing else but what they
            need; what the settings choose where neither this nor `objects` is given.
        exclude: what of it is not read.
        only: of these, the ones to load now, with their links to the others.
        access_token: of the portal; the setting `sources.hubspot.access_token` where None.
        config: resolved settings; read from dlt's configuration where None.
        options: `full_refresh`, `hard_delete`, `refresh_schema`, `links`, `backfill`.

    Raises:
        ConfigError: a setting is missing or wrong; or the pipeline holds loads of other sources.
        HubSpotError: the portal does not answer or refuses the token.
        PartialSyncError: some tables failed; all others are loaded.
    """
    request = SyncRequest(
        objects=names_of(objects),
        only=names_of(only),
        select=names_of(select),
        exclude=names_of(exclude),
        **options,
    )
    run = open_run(config or resolve_config(access_token=access_token))
    try:
        configure(run, request)
        run.set_options(report_errors=True)
        _restore(pipeline)
        with _recorded(pipeline, run) as loaded:
            load_all(pipeline, run, request, loaded)
            if run.outcomes.stopped:
                raise run.outcomes.stopped
        status, _ = run_status(run)
        tables = loaded.settle(run, "interrupted")
        result = SyncResult(run.options.run_id, status, tables, run.client.meter.calls)
    finally:
        run.close()
    if status != "ok":
        failed = {name: one for name, one in tables.items() if one.exit_code}
        raise PartialSyncError({name: one.error or one.status for name, one in failed.items()})
    return result


def configure(run: Run, request: SyncRequest) -> None:
    """Give a run its options and the bound of its loads.

    Raises:
        ConfigError: there is no such mode of a backfill.
    """
    run.set_options(full_refresh=request.full_refresh)
    run.set_options(refresh_schema=request.refresh_schema or request.full_refresh)
    run.set_options(sweep_links=request.links)
    run.set_options(load_rows=run.config.load_rows, load_seconds=run.config.load_minutes * 60)
    if request.backfill:
        run.configure(backfill=request.backfill)


def load_all(
    pipeline: Pipeline,
    run: Run,
    request: SyncRequest,
    loaded: Loaded,
    before_load: Callable[[], None] | None = None,
) -> None:
    """Extract, normalize and load until no table has anything left.

    A table that then does not hold as many live rows as HubSpot counts records is recounted by
    one more load.

    Args:
        pipeline: whose state and schema are those of the destination.
        run: of the portal.
        request: what it reads.
        loaded: takes over what completed loads brought, also where an error ends it.
        before_load: called before anything of a load is read.
    """
    compared: set[str] = set()
    while True:
        done = len(pipeline.list_completed_load_packages())
        try:
            with WarehouseView(pipeline) as view, run.seeing(view):
                source = hubspot(
                    request.objects,
                    select=request.select,
                    exclude=request.exclude,
                    only=request.only,
                    run=run,
                    hard_delete=request.hard_delete,
                )
                if before_load:
                    before_load()
                if run.load.is_first:
                    empty_columns(pipeline, run)
                source.runs_once = True
                source.resources.add(end_of_load(run))
                pipeline.run(source)
            loaded.note(run)
            clean_up(pipeline, run, hard_delete=request.hard_delete)
            if not run.outcomes.stopped and not run.load.unfinished:
                _find_mismatches(run, pipeline, compared)
                note_unmatched(pipeline, run)
            _note_following(run, pipeline)
            loaded.note(run)
        except BaseException:
            if len(pipeline.list_completed_load_packages()) > done:
                loaded.note(run)
            raise
        if run.outcomes.stopped or not run.left:
            return


def _note_following(run: Run, pipeline: Pipeline) -> None:
    """Note the collections whose parents this load brought: the next one reads them."""
    if run.outcomes.stopped or run.options.repairing:
        return
    with WarehouseView(pipeline) as view:
        note_following(run, view, run.selection.endpoints)
        if are_histories_pending(run, view):
            run.collections.following.add(HISTORY)


def _find_mismatches(run: Run, pipeline: Pipeline, compared: set[str]) -> None:
    """Note the tables whose live rows are not as many as HubSpot's records; each once a run."""
    known = {table: total for table, total in run.tables.totals.items() if total is not None}
    with WarehouseView(pipeline) as view:
        for table, since in list(run.tables.to_recount.items()):
            older = f"{LIVE} AND _hs_synced_at < ?"
            if since and not view.counts([table], older, since)[table]:
                del run.tables.to_recount[table]  # the new listing brought every row there is
        fresh = known.keys() - compared - run.tables.to_recount.keys()
        counts = view.counts(sorted(fresh), LIVE)
    for table, live in counts.items():
        if table in run.tables.deep or (live != known[table] and not _is_counted(run, table, live)):
            run.tables.to_recount[table] = None
    compared.update(run.tables.to_recount)


def _is_counted(run: Run, table: str, live: int) -> bool:
    """Whether the previous run recounted for the same two numbers, and found nothing."""
    return run.tables.mismatches.get(table) == [run.tables.totals.get(table), live]


def _restore(pipeline: Pipeline) -> None:
    """Take over schema and state from the destination; what was not loaded is dropped.

    Raises:
        ConfigError: it holds loads of other sources that are not complete.
    """
    ids = [*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()]
    names = {pipeline.get_load_package_info(load_id).schema_name for load_id in ids}
    if others := sorted(names - {NAME}):
        raise ConfigError(
            f"The pipeline {pipeline.pipeline_name} holds loads that are not complete, of other"
            f" sources: {', '.join(others)}.",
            remedy="Call pipeline.load() first, or give the sync a pipeline of its own.",
        )
    pipeline.drop()
    pipeline.sync_destination()


@contextmanager
def _recorded(pipeline: Pipeline, run: Run) -> Iterator[Loaded]:
    """Write a row of `_hs_runs`, and the rows of its tables, around the loads of a sync."""
    loaded, started_at = Loaded(), datetime.now(UTC)
    writes = run_log.make_tables(pipeline)

    def write(status: str, code: int | None, error: BaseException | None = None) -> None:
        ended_at = datetime.now(UTC)
        ending = run_log.Ending(ended_at, status, code, _reason(error) if error else None)
        with open_tables(pipeline) as tables:
            row = run_log.row_of(run.options.run_id, "sync", started_at, run, ending)
            run_log.update(tables, row)
            outcomes = loaded.settle(run, "failed" if error else "interrupted")
            run_log.replace_tables(tables, run.options.run_id, outcomes)

    if writes:
        with open_tables(pipeline) as tables:
            run_log.mark_killed(tables)  # one sync runs at a time
            row = run_log.row_of(run.options.run_id, "sync", started_at, run)
            run_log.insert(tables, run_log.RUNS, [row])
    try:
        with held_open(pipeline) if writes else nullcontext():
            yield loaded
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        status, code = ("interrupted", 130) if interrupted else ("failed", 1)
        try:
            if writes:
                write(status, getattr(error, "exit_code", code), error)
        except Exception as second:  # noqa: BLE001 - what ended the sync is what counts
            error.add_note(f"{run_log.RUNS} does not say how the run ended: {second}")
        raise
    if writes:
        write(*run_status(run))


def _reason(error: BaseException) -> str:
    """Say why a sync ended, without what a driver may reveal of its credentials."""
    return str(error) if isinstance(error, HubSpotError) else type(error).__name__
