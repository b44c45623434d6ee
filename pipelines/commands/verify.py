"""Portal against warehouse: compare every table, repair what differs, keep the result as rows.

What is compared and how: `sources.hubspot.verify`. This module
chooses the tables, names the cost, repairs by an ordinary load and writes `_hs_verifications`.
"""

import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dlt.common.runtime.collector_base import Collector
from dlt.pipeline.pipeline import Pipeline

from pipelines.cli.output.progress import RunCollector
from pipelines.cli.output.pulse import COMPARING, Source
from pipelines.cli.output.report import RunReport
from pipelines.cli.output.verifications import Result, report_results, verification_rows
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.session import opened
from pipelines.runtime.stored import dataset_of, portal_types
from sources.hubspot import Run, hubspot
from sources.hubspot.api.associations import BATCH as LINKS_BATCH
from sources.hubspot.api.associations import Pair
from sources.hubspot.api.batch_read import BATCH
from sources.hubspot.api.record_pages import PAGE
from sources.hubspot.catalog.names import HISTORY, history_table
from sources.hubspot.catalog.pairs import Ends
from sources.hubspot.catalog.selection import Names
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ConfigError, HubSpotError, VerificationError
from sources.hubspot.model import LIVE, ObjectType
from sources.hubspot.run.loaded import Loaded
from sources.hubspot.run.portal.column_policies import is_current
from sources.hubspot.run.portal.portal_types import PortalTypes, guard_portal, settings_names
from sources.hubspot.run.portal.schemas import stored_schema
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import put, source_state
from sources.hubspot.steps.links.links import is_one_way
from sources.hubspot.verify.collections import Comparison, comparisons
from sources.hubspot.verify.doubles import collapse, find_doubles
from sources.hubspot.verify.links import check_links, differing_links
from sources.hubspot.verify.records import Check, Verification, read_usage
from sources.hubspot.warehouse.end_of_load import end_of_load
from sources.hubspot.warehouse.post_load import clean_up
from sources.hubspot.warehouse.sql import Row, open_tables
from sources.hubspot.warehouse.view import WarehouseView

Checks = dict[str, Generator[None, None, Check]]


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What a person may ask of one verification."""

    objects: tuple[str, ...] = ()
    """Tables to compare, with the links among them; all that were loaded where empty."""
    destination: str = "duckdb"
    dataset: str = "hubspot"
    repair: bool = False
    """Read again what differs."""
    sample: int = 2_000
    """Records of a table whose values are compared; every one where negative."""
    wait_seconds: float = 0.0
    """For another run, or another program, that has the dataset."""
    select: tuple[str, ...] = ()
    """What to compare, by the names that a sync takes."""
    exclude: tuple[str, ...] = ()
    """What of it not to compare."""

    @property
    def names(self) -> Names:
        """What it names to compare."""
        return Names(self.select, self.exclude, objects=self.objects)


@dataclass(frozen=True)
class Scope:
    """What is compared: of what was loaded, object types, pairs among them and endpoints."""

    kinds: dict[str, ObjectType]
    pairs: dict[str, Pair]
    state: SourceState
    endpoints: list[Comparison] = field(default_factory=list)

    @property
    def compared(self) -> dict[str, Comparison]:
        """The endpoints of which nothing forbids a comparison."""
        return {one.endpoint.name: one for one in self.endpoints if not one.skipped}

    def cost(self, sample: int) -> int:
        """Estimate the calls that a comparison takes."""
        calls = 1 + sum(one.calls for one in self.endpoints)
        for name in self.kinds:
            table = self.state.table(name)
            total = table.total or 0
            calls += 2 + -(-total // PAGE) + max(1, table.last_sweep("archive").calls or 0)
            calls += -(-min(max(sample, 0), total) // BATCH)
        for pair in self.pairs.values():
            calls += -(-(self.state.table(pair.source.table).total or 0) // LINKS_BATCH)
        return calls


def verify(
    options: VerifyOptions, *, collector: Collector, config: HubSpotConfig | None = None
) -> RunReport:
    """Compare the portal with the warehouse, and with `repair` read again what differs.

    Args:
        options: what to compare.
        collector: where the cost and the progress of a repair go.
        config: the source's settings; dlt's configuration where None.

    Raises:
        HubSpotError: nothing could be begun: settings, token, portal or destination.
        VerificationError: tables or columns are gone from the warehouse.
    """
    log = RunLog("verify", options.destination, options.dataset)
    report = RunReport("verify", destination=options.destination, dataset=options.dataset)
    wait = options.wait_seconds
    with opened(log, collector, config, wait_seconds=wait, mends=False) as (pipeline, run):
        report.dataset = dataset_of(pipeline)
        log.begin()
        compare(report, options, pipeline, run, collector, as_of=run.now())
        meter = run.client.meter
        report.portal_id, report.calls = run.portal.account.portal_id, meter.calls
        report.retries, report.rate_limited = meter.retries, meter.rate_limited
        log.end(report, Loaded.all_of(run).settle(run, "interrupted"))
    return report


def compare(
    report: RunReport,
    options: VerifyOptions,
    pipeline: Pipeline,
    run: Run,
    collector: Collector,
    *,
    as_of: datetime,
) -> None:
    """Compare, repair and record; add the result to a report.

    Args:
        report: of the command.
        options: what to compare.
        pipeline: the warehouse, open.
        run: the portal, open.
        collector: receives the cost.
        as_of: what changed in the portal at or after this instant is no difference.
    """
    with WarehouseView(pipeline) as view:
        known = run.portal.know(portal_types(run.client, source_state(pipeline), view))
        ended = _ended(known, options, view)
        scope = _scope(options, pipeline, run, view)
    expected, before = scope.cost(options.sample), run.client.meter.calls
    _say_cost(collector, scope, expected)
    run.set_options(report_errors=True, repairing=True)
    guard_portal(run.portal.account, scope.state.portal_id)
    with WarehouseView(pipeline) as view, run.seeing(view):
        judge = Verification(run, view, as_of, options.sample, not scope.state.hard_delete)
        usage = read_usage(run.client)
        doubled = _doubles(pipeline, scope, collapses=options.repair)
        checks = _checks(judge, scope)
        if isinstance(collector, RunCollector):
            collector.watch(COMPARING, Source(checks.copy, use=run.client.limits.use))
        results = _gather(run, checks)
        _note_children(results, scope.endpoints)
        _note_doubles(results, doubled, scope, are_left=not options.repair)
        for name, kind in scope.kinds.items():
            results[name].check.used = usage.get(kind.type_id or "")
        if options.repair and any(result.left for result in results.values()):
            _repair(pipeline, run, scope, results)
            _compare_again(judge, scope, results)
    results |= ended
    _record(pipeline, run, scope, results, as_of)
    report.warnings += [f"{table}: {known.explain(table)}" for table in known.gone.keys() - ended]
    if known.error and known.custom:
        report.warnings.append(f"object_types: custom objects: {known.error}")
    report.warnings += _not_compared(scope)
    calls = run.client.meter.calls - before
    report_results(report, list(results.values()), expected, calls, repaired=options.repair)


def _not_compared(scope: Scope) -> list[str]:
    """Name the property histories, of which HubSpot may list less than was once read."""
    names = [name for name in scope.kinds if f"{HISTORY}:{name}" in scope.state.collections]
    text = (
        f"Not compared: the property history of {', '.join(names)}. HubSpot may list fewer"
        " versions than it once did, and all are kept; so a difference shows no fault."
    )
    return [text] if names else []


def _say_cost(collector: Collector, scope: Scope, calls: int) -> None:
    """Say how much is compared, before it is."""
    if isinstance(collector, RunCollector):
        tables = len(scope.kinds) + len(scope.pairs) + len(scope.compared)
        collector.notify(f"Comparing {tables} tables takes about {calls:,} calls.")


def _ended(known: PortalTypes, options: VerifyOptions, view: WarehouseView) -> dict[str, Result]:
    """Judge the tables whose type HubSpot no longer has: those named, or with rows that live."""
    named = {*known.gone_of(options.names.asked).values()}
    asked = sorted(named if options.names.asked else known.gone)
    results: dict[str, Result] = {}
    for table, live in view.counts(asked, LIVE).items():
        error: HubSpotError = known.refusal(table)
        if live:
            error = VerificationError(
                f"HubSpot no longer has the object type of {live:,} live rows.",
                remedy="hubspot-elt sync marks them as purged.",
            )
        if live or table in named:
            results[table] = Result(table, Check(table, portal=0, warehouse=live), error)
    return results


def _scope(options: VerifyOptions, pipeline: Pipeline, run: Run, view: WarehouseView) -> Scope:
    """Choose the object types, pairs and endpoints that were loaded.

    Raises:
        ConfigError: none of them was ever loaded.
    """
    run.store.state = state = source_state(pipeline)
    known = run.portal.types
    selection = known.choose(settings_names(run.config.get), options.names)
    chosen = selection.types
    kinds = {kind.table: kind for kind in chosen if state.table(kind.table).watermark is not None}
    if not kinds and not chosen and known.gone_of(options.names.asked):
        return Scope({}, {}, state)
    in_sync = bool(run.load.number)
    endpoints = comparisons(run, view, selection.endpoints, [*kinds.values()], in_sync=in_sync)
    was_read = any(one.parts for one in endpoints)
    if not kinds and (chosen or not was_read):
        raise ConfigError(
            f"There is nothing to verify in dataset {options.dataset} yet.",
            remedy="Run hubspot-elt sync first, or correct --select, --exclude and --dataset.",
        )
    _refuse_other_policy(run, state, kinds)
    return Scope(kinds, _pairs(selection.pairs, kinds, state), state, endpoints)


def _pairs(
    chosen: Iterable[Ends], kinds: Mapping[str, ObjectType], state: SourceState
) -> dict[str, Pair]:
    """Return the pairs that were read and whose tables are both compared."""
    pairs = [Pair(*ends) for ends in chosen]
    read = [pair for pair in pairs if pair.table in state.pairs]
    return {pair.table: pair for pair in read if _has_both_ends(pair, kinds, state)}


def _refuse_other_policy(run: Run, state: SourceState, tables: Iterable[str]) -> None:
    """Refuse to compare tables that were read under other settings on properties.

    Raises:
        ConfigError: it names them.
    """
    used = [name for name in tables if state.columns.get(name) and state.table(name).total != 0]
    changed = [name for name in used if not is_current(state, run.policy, name)]
    if changed:
        raise ConfigError(
            f"The settings on properties have changed since the last sync: {', '.join(changed)}.",
            remedy="Run hubspot-elt sync first.",
        )


def _has_both_ends(pair: Pair, kinds: Mapping[str, ObjectType], state: SourceState) -> bool:
    """Whether both tables of a pair are compared and have records."""
    ends = {pair.source.table, pair.target.table}
    return ends <= kinds.keys() and all(state.table(end).total != 0 for end in ends)


def _checks(judge: Verification, scope: Scope) -> Checks:
    """Begin the check of every table."""
    tables: Checks = {
        name: judge.check(kind, stored_schema(name, scope.state, judge.run.policy))
        for name, kind in scope.kinds.items()
    }
    return (
        tables
        | {
            name: check_links(judge, pair, one_way=is_one_way(scope.state, pair))
            for name, pair in scope.pairs.items()
        }
        | {name: one.check(judge) for name, one in scope.compared.items()}
    )


def _note_children(results: dict[str, Result], compared: Iterable[Comparison]) -> None:
    """Add the results of tables that come with others, in the same calls, or are not compared."""
    for one in compared:
        first = results.get(one.endpoint.name)
        for name, check in one.checks.items():
            if name not in results:
                error = first.error if first else None
                results[name] = Result(name, check, error, left=check.ids)


def _doubles(pipeline: Pipeline, scope: Scope, *, collapses: bool) -> dict[str, list[Row]]:
    """Find the keys that several rows of a table have, tombstones included.

    Args:
        pipeline: the warehouse, open.
        scope: what is compared; rows that the portal does not list may be doubled as well.
        collapses: whether one row of each is left.
    """
    schema = pipeline.default_schema.tables
    names = [*scope.kinds, *map(history_table, scope.kinds), *scope.pairs]
    names += [table.name for one in scope.endpoints for table in one.endpoint.tables]
    known = {name: [*schema[name]["columns"]] for name in names if name in schema}
    with open_tables(pipeline) as tables:
        doubled = find_doubles(tables, known)
        for name, keys in doubled.items() if collapses else ():
            collapse(tables, name, known[name], keys)
    return doubled


def _note_doubles(
    results: dict[str, Result],
    doubled: Mapping[str, Iterable[Row]],
    scope: Scope,
    *,
    are_left: bool,
) -> None:
    """Add keys that several rows have to the results of their tables; of links where they begin."""
    for name, keys in doubled.items():
        result = results.setdefault(name, Result(name, Check(name)))
        size = 1 if name in scope.pairs else None
        ids = [":".join(map(str, key[:size])) for key in keys]
        result.check.found["extra"] = sorted({*result.check.found["extra"], *ids})
        if are_left:
            result.left = result.check.ids


def _compare_again(judge: Verification, scope: Scope, results: Mapping[str, Result]) -> None:
    """Compare what was repaired, and note what still differs."""
    endpoints = {n: one.again() for n, one in scope.compared.items() if one.differing}
    checks = _checks_again(judge, scope, results)
    checks |= {name: one.check(judge) for name, one in endpoints.items()}
    found = _gather(judge.run, checks)
    _note_children(found, endpoints.values())
    for name, again in found.items():
        results[name].error, results[name].left = again.error, again.left
        results[name].calls += again.calls


def _checks_again(judge: Verification, scope: Scope, results: Mapping[str, Result]) -> Checks:
    """Begin the checks of what was repaired."""
    checks: Checks = {}
    for name, result in results.items():
        pair = scope.pairs.get(name)
        if result.left and pair and is_one_way(scope.state, pair):
            checks[name] = check_links(judge, pair, one_way=True)
        elif result.left and pair:
            checks[name] = differing_links(judge, pair, result.left)
        elif result.left and name in scope.kinds:
            schema = stored_schema(name, scope.state, judge.run.policy)
            checks[name] = judge.check_ids(scope.kinds[name], schema, result.left)
    return checks


def _gather(run: Run, waiting: Checks) -> dict[str, Result]:
    """Run checks side by side, in one thread, their calls in flight at the same time.

    Args:
        run: the run.
        waiting: the checks by table; each leaves when it is done.
    """
    results = {name: Result(name) for name in waiting}
    before = {name: run.portal.client_for(name).meter.calls for name in waiting}
    while waiting:
        for name in list(waiting):
            result = results[name]
            try:
                next(waiting[name])
                continue
            except StopIteration as ended:
                result.check = ended.value
                result.left = ended.value.ids
            except HubSpotError as error:
                result.error = error
            result.calls = run.portal.client_for(name).meter.calls - before[name]
            del waiting[name]
        time.sleep(0.002)
    return results


def _repair(pipeline: Pipeline, run: Run, scope: Scope, results: Mapping[str, Result]) -> None:
    """Read again exactly what differs, as an ordinary load."""
    left = {name: result.left for name, result in results.items() if result.left}
    run.tables.repair({name: list(ids) for name, ids in left.items() if name in scope.kinds})
    run.pairs.repair({name: set(ids) for name, ids in left.items() if name in scope.pairs})
    _read_again(pipeline, run, scope)
    pipeline.run(_source(run, scope))
    clean_up(pipeline, run, hard_delete=scope.state.hard_delete)


def _read_again(pipeline: Pipeline, run: Run, scope: Scope) -> None:
    """Have the next load read endpoints, or their parts, whole."""
    run.collections.to_repair = {key for one in scope.compared.values() for key in one.differing}
    state = source_state(pipeline)
    for key in run.collections.to_repair:
        state.collection(key).start_over()
    with pipeline.managed_state() as kept:
        put(state, kept)


def _source(run: Run, scope: Scope) -> Any:  # noqa: ANN401 - a source of dlt's
    endpoints = [one.endpoint.name for one in scope.endpoints]
    hard_delete = scope.state.hard_delete
    return hubspot([*scope.kinds], select=endpoints, run=run, hard_delete=hard_delete)


def _record(
    pipeline: Pipeline,
    run: Run,
    scope: Scope,
    results: Mapping[str, Result],
    as_of: datetime,
) -> None:
    """Load a row per table that was compared, next to the run's own."""
    for result in results.values():
        if result.left:
            outcome = run.outcomes.of(result.table)
            outcome.status, outcome.exit_code = "failed", VerificationError.exit_code
            outcome.note(f"{len(result.left):,} differ between portal and warehouse.")
    run.tables.repair({})
    run.collections.to_repair.clear()
    source = _source(run, scope)
    source.resources.add(end_of_load(run))
    source.resources.add(verification_rows(run, list(results.values()), as_of))
    pipeline.run(source)
