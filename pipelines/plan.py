"""What a sync would do: per table the way in, rows, calls, minutes; it asks only for counts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil

from pipelines.report import RunReport, Section
from pipelines.stored import dataset_of, portal_types, source_state, stored_pipeline
from pipelines.sync import SyncOptions
from sources.hubspot import HubSpotConfig, Run, archive, calculated, changes, exports, open_run
from sources.hubspot.associations import BATCH as LINKS_BATCH
from sources.hubspot.associations import Pair
from sources.hubspot.drift import facts_of
from sources.hubspot.errors import HubSpotError, ScopeMissingError, is_absent
from sources.hubspot.increment import note_changes
from sources.hubspot.limits import Budget
from sources.hubspot.link_sweeps import calls_of as link_calls_of
from sources.hubspot.link_sweeps import is_due as is_link_sweep_due
from sources.hubspot.model import ObjectType, WayIn
from sources.hubspot.properties import read_definitions
from sources.hubspot.reading import BATCH
from sources.hubspot.reference import LABELS_MAX_AGE
from sources.hubspot.schemas import MAX_AGE
from sources.hubspot.state import SourceState, TableState

PLAN = ("table", "way_in", "rows", "calls", "minutes", "note")
BACKFILLS = ("table", "records", "list_calls", "export_calls", "cheaper", "way")
TOTALS = ("tables", "rows", "calls", "minutes", "calls_left_today")
_OWNERS_CALLS = 2  # live and archived ones

Calls = Counter[Budget]


@dataclass
class Step:
    """What a sync would do to one table."""

    table: str
    way_in: WayIn
    rows: int | None = None
    """Rows it would bring; None where only reading them would tell."""
    calls: Calls = field(default_factory=Counter)
    note: str = ""
    total: int | None = None
    """Live records of the type in the portal."""
    pages: int = 0
    """Calls that a listing of it takes, where it is to be backfilled."""


def plan(options: SyncOptions, *, config: HubSpotConfig | None = None) -> RunReport:
    """Tell what a sync with these options would do; nothing is written.

    Args:
        options: of the sync.
        config: the source's settings; dlt's configuration where None.

    Raises:
        HubSpotError: a sync could not begin: settings, token, portal or destination.
    """
    report = RunReport("plan", destination=options.destination, dataset=options.dataset)
    with stored_pipeline(options.destination, options.dataset) as pipeline:
        state, report.dataset = source_state(pipeline), dataset_of(pipeline)
    run = open_run(config)
    try:
        run.guard_portal(state.portal_id)
        run.before_ended = state.worked_until
        run.full_refresh, run.refresh_schema = options.full_refresh, options.refresh_schema
        if options.backfill:
            run.config = replace(run.config, backfill=options.backfill)
        steps = _steps(run, options.objects, state)
        _tell(report, steps, run.client.limits.snapshot())
        report.sections += _backfills(run, state, steps)
    finally:
        run.close()
    report.portal_id, report.calls = run.account.portal_id, run.client.meter.calls
    return report


def _steps(run: Run, objects: Sequence[str], state: SourceState) -> list[Step]:
    """List the steps of a sync: object types, links, reference tables."""
    known = portal_types(run.client, state)
    chosen = known.select(objects)
    looks = [run.submit(partial(_look, run, kind, state), lane="search") for kind in chosen]
    steps = {kind.table: look.result() for kind, look in zip(chosen, looks, strict=True)}
    pairs = [Pair(source, target) for source, target in known.pairs(chosen, run.config.pairs)]
    links = list(_link_steps(run, state, pairs, steps))
    fresh_labels = not run.refresh_schema and state.cached(
        "labels", now=run.now(), max_age=LABELS_MAX_AGE
    )
    owned = sum(kind.pipelines for kind in chosen)
    reference = Step("reference tables", "whole")
    reference.calls["interval"] = 2 + _OWNERS_CALLS + owned  # account and schemas are two
    reference.calls["associations"] = 0 if fresh_labels else len(links)
    return [*steps.values(), *(link for link in links if link.calls.total()), reference]


# --- one object type ------------------------------------------------------------------------


def _look(run: Run, kind: ObjectType, source: SourceState) -> Step:
    """Ask how much of a type there is, and how much of it is new."""
    state = source.table(kind.table)
    fresh = run.full_refresh or state.watermark is None or state.working("backfill")
    try:
        if fresh or not kind.searchable:
            return _whole(run, kind, source, fresh=fresh)
        return _increment(run, kind, state, source)
    except HubSpotError as error:
        if not is_absent(error):
            raise
        return Step(kind.table, "none", rows=0, note=_absence(error), total=0)


def _whole(run: Run, kind: ObjectType, source: SourceState, *, fresh: bool) -> Step:
    """Plan to read all of a type: by listing, or a backfill by an export."""
    total = changes.extent(run.client, kind)[0] if kind.searchable else None
    names = [row.name for row in read_definitions(run.client, kind)]
    step = Step(kind.table, "backfill" if fresh else "listing", rows=total, total=total)
    if total is None:
        step.note = "HubSpot does not tell how many there are"
    step.calls["search"] = int(kind.searchable)
    calls = exports.pages_of(total, names)
    if fresh and total:
        step.pages = calls
        if _is_chosen(run, source, run.config.backfill, step):
            step.way_in, calls = "export", exports.CALLS
    sweeps = 2 if source.table(kind.table).watermark is None else 1  # of archived records, a page
    step.calls["interval"] = 1 + calls + sweeps  # definitions are one
    return step


def _is_chosen(run: Run, source: SourceState, way: str, step: Step) -> bool:
    """Tell whether a sync that backfills in this way would take an export for the table."""
    return exports.is_chosen(
        way,
        pages=step.pages,
        calls_left=run.client.limits.snapshot()["daily"]["remaining"],
        exports_left=exports.exports_left(run, source),
    )


def _increment(run: Run, kind: ObjectType, state: TableState, source: SourceState) -> Step:
    since = (state.searched_at or run.now()) - run.lookback
    peek = changes.newest(run.client, kind, since)
    loaded = state.recent
    fresh = [h for h in peek.changed if changes.modified_ms(h, kind) > loaded.get(h.id, -1)]
    step = Step(kind.table, "increment", rows=len(fresh), total=peek.total)
    step.calls["search"] = 1
    if not peek.complete and (fresh or not peek.in_order):
        matching = changes.changed_after(run.client, kind, since, "0").total or len(fresh)
        step.calls["search"] += ceil(matching / changes.PAGE)
        step.rows = max(len(fresh), matching - len(loaded))
    name = f"properties:{kind.table}"
    note_changes(run, kind, state, peek.changed)
    if peek.total != state.total:
        run.active.add(kind.table)
    stale = source.cached(name, now=run.now(), max_age=MAX_AGE) is None
    facts = facts_of(source.last(name)) or {}
    step.calls["interval"] = ceil(step.rows / BATCH) if step.rows else 0
    step.calls["interval"] += int(stale or bool(step.rows) or run.refresh_schema)
    if archive.is_due(run, source, state, kind.table):
        step.calls["interval"] += archive.calls_of(state)
    if any(fact.calculated for fact in facts.values()) and calculated.is_due(
        run, source, state, kind.table
    ):
        step.calls["interval"] += calculated.calls_of(state)
    return step


def _absence(error: HubSpotError) -> str:
    if isinstance(error, ScopeMissingError):
        return f"the token lacks {' or '.join(error.scopes) or 'a scope'}"
    return "not in this portal"


# --- links ----------------------------------------------------------------------------------


def _link_steps(
    run: Run, state: SourceState, pairs: Sequence[Pair], steps: Mapping[str, Step]
) -> Iterator[Step]:
    """Plan the pairs both ends of which have records."""
    for pair in pairs:
        source, target = steps[pair.source.table], steps[pair.target.table]
        if source.total == 0 or target.total == 0:
            continue
        fresh = source.way_in != "increment"
        step = Step(pair.table, "backfill" if fresh else "increment")
        whole = ceil((source.total or 0) / LINKS_BATCH)
        if fresh:
            step.calls["associations"] = max(1, whole)
        else:
            ends = (source.rows or 0, target.rows or 0)
            step.calls["associations"] = sum(ceil(rows / LINKS_BATCH) for rows in ends)
            if is_link_sweep_due(run, state, pair):
                step.calls["associations"] += link_calls_of(state, pair)
        yield step


# --- the result -----------------------------------------------------------------------------


def minutes(calls: Calls, limits: Mapping[str, Mapping[str, float]]) -> float:
    """Tell the least time that calls take: the budgets run side by side, each at our share."""
    return max((n / limits[b]["per_second"] / 60 for b, n in calls.items()), default=0.0)


def _tell(
    report: RunReport, steps: Sequence[Step], limits: Mapping[str, Mapping[str, float]]
) -> None:
    """Make the report's sections and warn where the day's calls will not do."""
    rows = [
        (s.table, s.way_in, s.rows, s.calls.total(), round(minutes(s.calls, limits), 1), s.note)
        for s in steps
    ]
    report.sections.append(Section("plan", PLAN, rows, title="What a sync would do"))
    calls = sum((step.calls for step in steps), Calls())
    left = limits["daily"]["remaining"]
    tables = sum(step.way_in != "none" for step in steps)
    total = (tables, sum(s.rows or 0 for s in steps), calls.total())
    totals = [(*total, round(minutes(calls, limits), 1), left)]
    report.sections.append(Section("totals", TOTALS, totals, title="In sum"))
    if left is not None and calls.total() > left - limits["daily"]["reserve"]:
        report.warnings.append(
            f"The sync takes {calls.total():,} calls, but {left:,} are left today; it keeps what "
            "it has loaded and goes on with the next run."
        )


def _backfills(run: Run, source: SourceState, steps: Sequence[Step]) -> Iterator[Section]:
    """Tell what each backfill costs by listing and by an export, and which `auto` would take."""
    rows = [
        (
            step.table,
            step.total,
            step.pages,
            exports.CALLS,
            "export" if _is_chosen(run, source, "auto", step) else "list",
            "export" if step.way_in == "export" else "list",
        )
        for step in steps
        if step.pages
    ]
    if rows:
        yield Section("backfills", BACKFILLS, rows, title="Calls of a backfill, by its way")
