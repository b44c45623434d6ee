"""What a sync would do: the steps that it would perform, after the probe that it begins with."""

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from math import ceil
from typing import Any, TypeVar

from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.pipeline import StateInjectableContext
from dlt.common.schema import Schema
from dlt.extract.source import SourceSchemaInjectableContext
from dlt.pipeline.pipeline import Pipeline

from destinations.resolve import explained
from pipelines.cli.output.privacy import policy_section, still_plain
from pipelines.cli.output.report import RunReport, Section
from pipelines.commands.sync import SyncOptions
from pipelines.runtime.repair import foresee
from pipelines.runtime.stored import dataset_of, exists, stored_pipeline
from sources.hubspot import HubSpotConfig, Run, open_run
from sources.hubspot.catalog.apis import Budget, Family
from sources.hubspot.catalog.endpoints import APIS
from sources.hubspot.catalog.names import HISTORY, divided, history_table
from sources.hubspot.catalog.selection import DEFAULT, Names
from sources.hubspot.errors import HubSpotError, is_absent
from sources.hubspot.extraction import Extraction, Opened, Request
from sources.hubspot.model import ObjectType
from sources.hubspot.plan.collections.off import OffCost, off_history
from sources.hubspot.plan.cost import EXPORT_CALLS
from sources.hubspot.plan.facts import Facts, ReferenceFacts
from sources.hubspot.plan.steps import Plan, Step, add, calls_of
from sources.hubspot.plan.tables.reading import would_export
from sources.hubspot.plan.tables.sweeps import WHY_BOUNDS
from sources.hubspot.run.portal.column_policies import names_by_table, to_empty
from sources.hubspot.run.portal.portal_types import PortalTypes, guard_portal
from sources.hubspot.run.portal.refused import summary
from sources.hubspot.state.damage import NAME
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import put, source_state
from sources.hubspot.steps.collections.pricing import collection_facts, crm_calls, off_costs
from sources.hubspot.steps.history.reading import history_names
from sources.hubspot.steps.reference.definitions import LABELS_MAX_AGE
from sources.hubspot.sync import configure
from sources.hubspot.warehouse.privacy import unmatched
from sources.hubspot.warehouse.view import WarehouseView

T = TypeVar("T")
Limits = Mapping[str, Mapping[str, float]]
PLAN = ("table", "step", "reason", "rows", "calls", "minutes", "families", "open")
BLANK = ("", "")
"""What people are not shown: families and why calls are open."""
BACKFILLS = ("table", "records", "list_calls", "export_calls", "cheaper", "mode")
MOST_NAMES = 7  # of what is off, in a line
OFF = ("off", "first_calls", "calls_a_day", "tables")
TOTALS = ("tables", "rows", "calls", "minutes", "calls_left_today")
BUDGETS: dict[Family, Budget] = {api.family: api.budget for api in APIS.values()}
BUDGETS.setdefault("collections", "interval")
"""What each kind of call counts against."""


@dataclass
class Forecast:
    """What a sync would do, and what that follows from."""

    plan: Plan
    facts: Facts
    errors: Mapping[str, HubSpotError]
    """Why tables cannot be read."""
    read: Collection[str]
    """Tables that earlier syncs have read."""
    gone: Collection[str]
    """Tables whose object type was gone before."""
    names: Mapping[str, set[str]]
    """Properties by table, as far as their definitions are known."""
    warnings: list[str] = field(default_factory=list)


def plan(options: SyncOptions, *, config: HubSpotConfig | None = None) -> RunReport:
    """Return what a sync with these options would do; nothing is written.

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
            guard_portal(run.portal.account, state.portal_id)
            configure(run, options)
            run.set_options(report_errors=True)
            with explained(options.destination):
                damage, report.warnings = foresee(pipeline, state, run.now())
            kind = WarehouseView if exists(pipeline) else _Nothing
            with kind(pipeline, damage) as view, run.seeing(view):
                forecast = _forecast(pipeline, run, options, state)
                off = _off(run, forecast, options.names)
        finally:
            run.close()
    limits = run.client.limits.snapshot()
    _describe(report, forecast.plan, limits)
    _describe_policy(report, run, forecast, state)
    _warn_of_refused(report, run, forecast, options.names.asked)
    report.sections += _backfills(forecast)
    report.sections += off
    report.portal_id, report.calls = run.portal.account.portal_id, run.client.meter.calls
    return report


class _Nothing(WarehouseView):
    """The view of a warehouse that no sync has made yet; asking it would make a file."""

    def size(self, table: str) -> int:  # noqa: ARG002 - no table holds any
        """Return that there is no row."""
        return 0


def _forecast(pipeline: Pipeline, run: Run, options: SyncOptions, state: SourceState) -> Forecast:
    """Probe and plan as a sync does, on a copy of the state."""
    request = Request(options.names, hard_delete=options.hard_delete)
    read, gone = {*state.read_tables}, {*state.deleted_types}
    with _as_extracted(pipeline, state):
        extraction = Extraction(request, run)
        opened = extraction.begin()
        planning = opened.planning
        kinds = extraction.wanted
        run.tables.to_empty = _to_empty(run, kinds)
        planning.foretell(
            lambda: ReferenceFacts(
                crm_calls(run, opened.described, extraction.endpoints),
                collection_facts(run, opened.described, run.selection.endpoints),
                tuple(_stale_labels(opened)),
            )
        )
        made = finished(planning.made(kinds))
        facts = planning.facts([kind.table for kind in kinds])
    probes = [(kind.table, run.tables.probes[kind.table]) for kind in kinds]  # as they are listed
    errors = {table: probe.error for table, probe in probes if probe.error}
    for error in errors.values():
        if not is_absent(error):
            raise error
    return Forecast(made, facts, errors, read, gone, _names(run, opened))


def _to_empty(run: Run, kinds: Sequence[ObjectType]) -> dict[str, set[str]]:
    """Return the columns by table that a sync would empty before it reads."""
    found = {kind.table: to_empty(run.state, run.policy, kind.table) for kind in kinds}
    return {table: {column.name for column in columns} for table, columns in found.items()}


def _names(run: Run, opened: Opened) -> dict[str, set[str]]:
    """Return the names of properties by table, where the settings say anything about some."""
    if run.policy.is_open or run.view is None:
        return {}
    read = opened.schemas.read
    return names_by_table(run.view) | {
        table: {one.name for one in definitions} for table, definitions in read.items()
    }


@contextmanager
def _as_extracted(pipeline: Pipeline, state: SourceState) -> Iterator[None]:
    """Give the source the schema and a copy of the state, as dlt does when it extracts."""
    kept = deepcopy(pipeline.state)
    put(state, kept)
    schema = pipeline.schemas[NAME] if NAME in pipeline.schemas else Schema(NAME)
    sections = ConfigSectionContext(
        pipeline_name=pipeline.pipeline_name,
        sections=("sources", NAME, NAME),
        source_state_key=NAME,
    )
    container = Container()
    with (
        container.injectable_context(SourceSchemaInjectableContext(schema)),
        container.injectable_context(StateInjectableContext(state=kept)),
        container.injectable_context(sections),
    ):
        yield


def finished(work: Generator[Any, None, T]) -> T:
    """Run a generator that yields while it waits to its end; return its result."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            result: T = ended.value
            return result
        time.sleep(0.002)


def _stale_labels(opened: Opened) -> Iterator[str]:
    """Name the pairs whose labels are to be read again."""
    run = opened.run
    for pair in opened.links.pairs:
        name = f"labels:{pair.table}"
        fresh = run.state.cached(name, now=run.now(), max_age=LABELS_MAX_AGE)
        if run.options.refresh_schema or not fresh:
            yield pair.table


def minutes(calls: Mapping[Budget, float], limits: Limits) -> float:
    """Return the least time that calls take: the budgets run side by side, each at our share."""
    seconds = (n / limits[budget]["per_second"] for budget, n in calls.items())
    return max(seconds, default=0.0) / 60


def _minutes(steps: Sequence[Step], limits: Limits) -> tuple[float, float]:
    """Return the least time that the calls of some steps take, between two bounds."""
    ends = []
    for end in (0, 1):
        calls: dict[Budget, float] = {}
        for family, bounds in calls_of(steps).items():
            budget = BUDGETS[family]
            calls[budget] = calls.get(budget, 0) + bounds[end]
        ends.append(ceil(100 * minutes(calls, limits)) / 100)
    return ends[0], ends[1]


def _describe(report: RunReport, made: Plan, limits: Limits) -> None:
    """Make the report's sections and warn where the day's calls will not do."""
    report.sections.append(
        Section(
            "plan",
            PLAN,
            [_row(step, limits) for step in made.steps],
            "What a sync would do",
            _brief(made.steps, limits),
            droppable=("minutes", "step"),
            below=("reason", "families", "open"),
        )
    )
    calls = add(*(step.in_all for step in made.steps))
    more = any(step.is_open for step in made.steps)
    rows = add(*(step.rows for step in made.steps if step.rows))
    tables = len({step.table for step in made.steps if step.kind != "skip"})
    left = limits["daily"]["remaining"]
    totals = (rows, calls, _minutes(made.steps, limits))
    report.sections.append(
        Section(
            "totals",
            TOTALS,
            [(tables, to_json(rows), to_json(calls, more=more), to_json(totals[2]), left)],
            "In sum",
            [(f"{tables:,}", to_text(rows), to_text(calls, more=more), to_text(totals[2]), left)],
        )
    )
    if left is not None and calls[1] > left - limits["daily"]["reserve"]:
        report.warnings.append(
            f"The sync takes {to_text(calls)} calls, but {left:,} are left today; it keeps what "
            "it has loaded and goes on with the next run."
        )


def _describe_policy(report: RunReport, run: Run, forecast: Forecast, state: SourceState) -> None:
    """Add what the settings say about properties, and what the warehouse holds against them."""
    read = {name: found for name, found in forecast.names.items() if name in forecast.facts.tables}
    if section := policy_section(run.policy, read):
        report.sections.append(section)
    tables = [kind.table for kind in run.portal.types.types]
    lost = unmatched(run.policy, forecast.names, tables)
    report.warnings += [lost] if lost else []
    report.warnings += [" ".join(found) for found in still_plain(state, run.policy)]


def _row(step: Step, limits: Limits) -> Sequence[Any]:
    families = {family: to_json(calls) for family, calls in step.calls.items()}
    rows = None if step.rows is None else to_json(step.rows)
    took = to_json(_minutes([step], limits))
    calls = to_json(step.in_all, more=step.is_open)
    return (step.table, step.kind, step.reason, rows, calls, took, families, _open_reason(step))


def _open_reason(step: Step) -> str:
    """Say why the calls of a step are not known exactly; nothing where they are."""
    low, high = step.in_all
    is_known = low == high and not step.is_open
    return "" if is_known else WHY_BOUNDS.get(step.kind, "")


def _brief(steps: Sequence[Step], limits: Limits) -> list[Sequence[Any]]:
    """Return the rows for people; tables that cost a single call and bring nothing in one line."""
    quiet = [step for step in steps if _is_quiet(step)]
    merged = quiet if len(quiet) > 1 else []
    rows: list[Sequence[Any]] = []
    for step in steps:
        if step in merged or step.kind == "skip":
            continue
        records = "" if step.rows is None else to_text(step.rows)
        took = to_text(_minutes([step], limits))
        rows.append(
            (
                *(step.table, step.kind, step.reason, records),
                *(to_text(step.in_all, more=step.is_open), took, *BLANK),
            )
        )
    if merged:
        name, calls = f"{len(merged)} other tables", add(*(step.in_all for step in merged))
        took = to_text(_minutes(merged, limits))
        rows.append((name, "changes", "Nothing changed.", "0", to_text(calls), took, *BLANK))
    return rows


def _is_quiet(step: Step) -> bool:
    return step.kind == "changes" and step.rows == (0, 0)


def to_json(bounds: tuple[float, float], *, more: bool = False) -> dict[str, float | None]:
    """Return bounds as programs read them: both ends; no upper one where there may be more."""
    return {"low": bounds[0], "high": None if more else bounds[1]}


def to_text(bounds: tuple[float, float], *, more: bool = False) -> str:
    """Return bounds as people read them: `12`, `12-15`, or `12+` where there may be more."""
    return f"{bounds[0]:,}+" if more else "-".join(dict.fromkeys(f"{end:,}" for end in bounds))


def _warn_of_refused(report: RunReport, run: Run, forecast: Forecast, asked: Sequence[str]) -> None:
    """Warn of what a sync could not read; of named tables, and those read before, it would fail.

    Args:
        report: of the command.
        run: the portal, with its object types.
        forecast: what a sync would do.
        asked: what the user names.
    """
    known = run.portal.types
    own = {"custom objects": known.error} if known.error else {}
    refused = {**forecast.errors, **own}
    named = run.options.named
    failing = {t: e for t, e in forecast.errors.items() if t in named or t in forecast.read}
    failing |= _gone(known, asked) | (own if known.custom else {})
    report.warnings += [f"{table}: {error}" for table, error in failing.items()]
    report.warnings += summary({t: e for t, e in refused.items() if t not in failing})
    new = (known.gone.keys() & {*forecast.read}) - {*forecast.gone, *failing}
    report.warnings += [f"{table}: {known.explain(table)}" for table in sorted(new)]
    if failing:
        report.status = "partial"
        report.exit_code = min(error.exit_code for error in failing.values())


def _gone(known: PortalTypes, asked: Sequence[str]) -> dict[str, HubSpotError]:
    """Return the errors of named tables whose object type HubSpot no longer has."""
    return {table: known.refusal(table) for table in known.gone_of(asked).values()}


def _off(run: Run, forecast: Forecast, names: Names) -> list[Section]:
    """Return what groups that are off would cost; nothing where a command names what it reads."""
    if names.asked and DEFAULT not in divided(names.select):
        return []
    shown: list[tuple[Sequence[Any], Sequence[Any]]] = []
    for group, (tables, cost) in _off_costs(run, forecast).items():
        first, day = (cost.first, cost.first_is_open), (cost.day, cost.day_is_open)
        data = [to_json(calls, more=more) for calls, more in (first, day)]
        text = [to_text(calls, more=more) for calls, more in (first, day)]
        listed = ", ".join(tables) if len(tables) <= MOST_NAMES else f"{len(tables)} tables"
        shown.append(((group, *data, tables), (group, *text, listed)))
    data_rows, text_rows = [one for one, _ in shown], [one for _, one in shown]
    title = "Off: calls if you add it with --select default,NAME"
    droppable = ("tables",)
    return [Section("off", OFF, data_rows, title, text_rows, droppable=droppable)] if shown else []


def _off_costs(run: Run, forecast: Forecast) -> dict[str, tuple[list[str], OffCost]]:
    """Return what is off by group; the histories of object tables are one of these."""
    totals = {table: one.total for table, one in forecast.facts.tables.items()}
    found = off_costs(run, totals)
    without = {t: n for t, n in totals.items() if t not in run.selection.per_type.get(HISTORY, ())}
    if without:
        names = {table: history_names(run, table) for table in without}
        found[HISTORY] = ([history_table(one) for one in without], off_history(without, names))
    return found


def _backfills(forecast: Forecast) -> list[Section]:
    """Return what each backfill costs by listing and by an export, and which `auto` would take."""
    rows = []
    for step in forecast.plan.steps:
        if step.kind not in {"backfill", "export"}:
            continue
        one = forecast.facts.tables[step.table]
        if not (one.total and one.pages):
            continue
        is_cheaper = would_export(one, forecast.facts, "auto")
        cheaper = "export" if is_cheaper else "list"
        mode = "export" if step.kind == "export" else "list"
        rows.append((step.table, one.total, one.pages, EXPORT_CALLS, cheaper, mode))
    title = "Calls of a backfill, by its mode"
    droppable = ("records", "export_calls", "mode")
    return [Section("backfills", BACKFILLS, rows, title, droppable=droppable)] if rows else []
