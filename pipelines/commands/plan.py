"""What a sync would do: per table the mode, rows, calls and seconds; it asks only for counts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from destinations.resolve import explained
from pipelines.cli.output.report import RunReport, Section
from pipelines.commands.estimates.links import link_steps
from pipelines.commands.estimates.ranges import BUDGETS, Range, Step, exactly, up_to
from pipelines.commands.estimates.tables import is_chosen, table_steps
from pipelines.commands.sync import SyncOptions
from pipelines.runtime.repair import foresee
from pipelines.runtime.stored import dataset_of, portal_types, stored_pipeline
from sources.hubspot import HubSpotConfig, Run, open_run
from sources.hubspot.api.associations import Pair
from sources.hubspot.errors import HubSpotError, ScopeMissingError
from sources.hubspot.http.limits import Budget
from sources.hubspot.run.refusals import remembered
from sources.hubspot.run.refused import summary, to_add
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import source_state
from sources.hubspot.steps.collections import (
    LABELS_MAX_AGE,
    are_pipelines_due,
    are_types_due,
    count_owner_calls,
    is_due,
)
from sources.hubspot.steps.exports import export
from sources.hubspot.warehouse.view import WarehouseCopy

PLAN = ("table", "way_in", "rows", "calls", "seconds", "kinds", "note")
LESS_THAN_PLAN = ("seconds", "way_in")
BACKFILLS = ("table", "records", "list_calls", "export_calls", "cheaper", "way")
TOTALS = ("tables", "rows", "calls", "seconds", "calls_left_today")
_REFERENCE = "reference tables"
_ACCOUNT = 1  # call

Limits = Mapping[str, Mapping[str, float]]


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
            run.guard_portal(state.portal_id)
            with explained(options.destination):
                damage, report.warnings = foresee(pipeline, state, run.now())
            _configure(run, options, state)
            with WarehouseCopy(pipeline, damage) as run.copy:
                run.portal_types = portal_types(run.client, state, run.copy)
                read, gone = {*state.read_tables}, {*state.deleted_types}
                steps = _steps(run, options.objects, state)
                _tell(report, steps, run.client.limits.snapshot())
                _tell_refused(report, run, steps, options.objects, read, gone)
                report.sections += _backfills(run, state, steps)
        finally:
            run.close()
    report.portal_id, report.calls = run.account.portal_id, run.client.meter.calls
    return report


def _configure(run: Run, options: SyncOptions, state: SourceState) -> None:
    """Ask of the run what a sync with these options asks."""
    run.before_ended, state.last_run_ended_at = state.last_run_ended_at, None
    run.full_refresh, run.chosen = options.full_refresh, bool(options.objects)
    run.refresh_schema = options.refresh_schema or options.full_refresh
    run.sweep_links, run.hard_delete = options.links, options.hard_delete
    if options.backfill:
        run.config = replace(run.config, backfill=options.backfill)


def _steps(run: Run, objects: Sequence[str], state: SourceState) -> list[Step]:
    """List the steps of a sync: object types, links, reference tables."""
    known = run.portal_types
    chosen = known.select(objects)
    run.begin_load([kind.table for kind in known.types])
    tables = table_steps(run, chosen, state)
    pairs = [Pair(source, target) for source, target in known.pairs(chosen, run.config.pairs)]
    links = list(link_steps(run, state, pairs, tables))
    tables |= {link.table: link for link in links if link.in_all}
    return [*tables.values(), _reference(run, state, objects, pairs, tables)]


def _reference(
    run: Run,
    state: SourceState,
    objects: Sequence[str],
    pairs: Sequence[Pair],
    tables: Mapping[str, Step],
) -> Step:
    """Count the calls for the account, schemas, owners, pipelines and labels of links.

    Args:
        run: the run.
        state: the state.
        objects: tables that the user names.
        pairs: the pairs among them.
        tables: steps of object types, and of the pairs whose links are read.
    """
    step = Step(_REFERENCE, "whole", rows=None)
    chosen = run.portal_types.select(objects)
    run.totals |= {
        name: one.total for name, one in tables.items() if one.total is not None and not one.error
    }
    owned = [
        one
        for one in chosen
        if are_pipelines_due(run, state, one) and not remembered(run, state, one.table)
    ]
    calls = _ACCOUNT + are_types_due(run, state, objects) + len(owned)
    if is_due(run, state, "owners", "owners"):
        calls += count_owner_calls(run.client)
    step.add("reference", exactly(calls))
    for pair in pairs:
        ends = (tables[pair.source.table], tables[pair.target.table])
        fresh = state.cached(f"labels:{pair.table}", now=run.now(), max_age=LABELS_MAX_AGE)
        if not (fresh and not run.refresh_schema) and all(
            one.total and not one.error for one in ends
        ):
            known = state.pairs.get(pair.table)
            has_links = known is not None and known.has_links
            if has_links or pair.table in tables:  # else no first link can be found
                step.add("labels", exactly(1) if has_links else up_to(1))
    return step


def seconds(calls: Mapping[Budget, float], limits: Limits) -> float:
    """Return the least time that calls take: the budgets run side by side, each at our share."""
    return max((n / limits[budget]["per_second"] for budget, n in calls.items()), default=0.0)


def _seconds(steps: Sequence[Step], limits: Limits) -> Range:
    """Return the least time that the calls of some steps take."""
    ends = []
    for end in ("low", "high"):
        calls: dict[Budget, float] = {}
        for step in steps:
            for kind, number in step.calls.items():
                budget = BUDGETS[kind]
                calls[budget] = calls.get(budget, 0) + getattr(number, end)
        ends.append(ceil(10 * seconds(calls, limits)) / 10)
    return Range(*ends)


def _tell(report: RunReport, steps: Sequence[Step], limits: Limits) -> None:
    """Make the report's sections and warn where the day's calls will not do."""
    rows = [_row(step, _seconds([step], limits), to_json) for step in steps]
    report.sections.append(
        Section(
            "plan",
            PLAN,
            rows,
            "What a sync would do",
            _brief(steps, limits),
            droppable=LESS_THAN_PLAN,
            below=("note", "kinds"),
        )
    )
    calls = sum((step.in_all for step in steps), Range())
    read = sum((step.rows or Range() for step in steps), Range())
    left, tables = limits["daily"]["remaining"], sum(step.error is None for step in steps)
    total = (tables, read, calls, _seconds(steps, limits))
    report.sections.append(
        Section(
            "totals",
            TOTALS,
            [(*(to_json(one) for one in total), left)],
            "In sum",
            [(*(to_text(one) for one in total), left)],
        )
    )
    if left is not None and calls.high > left - limits["daily"]["reserve"]:
        report.warnings.append(
            f"The sync takes {to_text(calls)} calls, but {left:,} are left today; it keeps what "
            "it has loaded and goes on with the next run."
        )


def _tell_refused(
    report: RunReport,
    run: Run,
    steps: Sequence[Step],
    objects: Sequence[str],
    read: Collection[str],
    gone: Collection[str],
) -> None:
    """Warn of what a sync could not read; of named tables, and those read before, it would fail.

    Args:
        report: of the command.
        run: the portal, with its object types.
        steps: of the object tables.
        objects: tables that the user names.
        read: tables that earlier syncs have read.
        gone: tables whose type was gone before.
    """
    known = run.portal_types
    refused = {step.table: step.error for step in steps if step.error}
    failing = {t: error for t, error in refused.items() if objects or t in read}
    failing |= {table: known.refusal(table) for table in known.gone_of(objects).values()}
    if known.error and known.custom:
        failing["custom objects"] = known.error
    elif known.error:
        refused["custom objects"] = known.error
    report.warnings += [f"{table}: {error}" for table, error in failing.items()]
    report.warnings += summary({t: e for t, e in refused.items() if t not in failing})
    new = (known.gone.keys() & read) - {*gone, *failing}
    report.warnings += [f"{table}: {known.explain(table)}" for table in sorted(new)]
    if failing:
        report.status = "partial"
        report.exit_code = min(error.exit_code for error in failing.values())


def _brief(steps: Sequence[Step], limits: Limits) -> list[Sequence[Any]]:
    """Return the rows for people: tables without records in one line, unreadable ones in none."""
    shown = [step for step in steps if step.error is None]
    empty = [step for step in shown if step.total == 0]
    rows = [_row(s, _seconds([s], limits), to_text) for s in shown if s.total != 0]
    if empty:
        together = Step(f"{len(empty)} empty table{'s' * (len(empty) > 1)}", empty[0].way_in)
        for step in empty:
            for kind, calls in step.calls.items():
                together.add(kind, calls)
        rows.insert(-1, _row(together, _seconds([together], limits), to_text))
    return [(*row[:-2], "", row[-1]) for row in rows]


def _row(step: Step, span: Range, write: Any) -> Sequence[Any]:  # noqa: ANN401 - a function
    note = _absence(step.error) if step.error else step.note
    kinds = {kind: write(calls) for kind, calls in step.calls.items()}
    rows = None if step.rows is None else write(step.rows)
    return (step.table, step.way_in, rows, write(step.in_all), write(span), kinds, note)


def _absence(error: HubSpotError) -> str:
    if isinstance(error, ScopeMissingError):
        return f"the token lacks {' and '.join(to_add(error)) or 'a scope'}"
    return "not in this portal"


def to_json(number: Range | int) -> Any:  # noqa: ANN401 - JSON
    """Return a range as programs read it: both ends."""
    return {"low": number.low, "high": number.high} if isinstance(number, Range) else number


def to_text(number: Range | int) -> str:
    """Return a range as people read it: `12`, or `12-15`."""
    if not isinstance(number, Range):
        return f"{number:,}"
    ends = dict.fromkeys(f"{end:,}" for end in (number.low, number.high))
    return "-".join(ends)


def _backfills(run: Run, source: SourceState, steps: Sequence[Step]) -> list[Section]:
    """Return what each backfill costs by listing and by an export, and which `auto` would take."""
    rows = [
        (
            step.table,
            step.total,
            step.pages,
            export.CALLS,
            "export" if is_chosen(run, source, "auto", step) else "list",
            "export" if step.way_in == "export" else "list",
        )
        for step in steps
        if step.pages
    ]
    title = "Calls of a backfill, by mode"
    return (
        [Section("backfills", BACKFILLS, rows, title, droppable=("records", "export_calls", "way"))]
        if rows
        else []
    )
