"""Probe and plan of one load: all tables are asked first, then it is decided what is done to each.

Whichever resource is read first drives it, for the state is at hand only then; the others wait.
`hubspot-elt plan` drives the same.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from msgspec import structs

from ..api.associations import Pair
from ..api.search import modified_ms, to_ms
from ..catalog.apis import Family
from ..errors import HubSpotError
from ..model import ObjectType, TableOutcome, TableSchema
from ..plan.facts import BackfillMode, Facts, Ledger, Options, PairFacts, ReferenceFacts, TableFacts
from ..plan.history import Moment, history
from ..plan.policy import plan
from ..plan.steps import Plan
from ..run.pace.waiting import together
from ..run.portal.column_policies import is_read_whole
from ..run.portal.schemas import Schemas
from ..run.run import Run
from ..state.source import SourceState
from ..tables.decoding import RecordDecoder
from .exports.export import exports_left
from .foretelling import foretold
from .history.reading import begin_histories, choose_histories, history_facts
from .ledger import draw, ledger_of
from .links.links import Links
from .probe import (
    UNUSED,
    Probe,
    Search,
    ask_newest,
    count,
    is_unused,
    probe_changes,
    probe_whole,
)
from .table import Table


@dataclass(frozen=True, slots=True)
class Opening:
    """What it takes to open a table."""

    run: Run
    object_type: ObjectType
    schemas: Schemas
    links: Links
    source: SourceState
    outcome: TableOutcome

    def schema(self, *, again: bool = False) -> Generator[None, None, TableSchema]:
        """Return the table's schema, read again where somebody may have changed it."""
        return (yield from self.schemas.of(self.object_type, self.source, again=again))

    def table(self, *, again: bool = False) -> Generator[None, None, Table]:
        """Open the table; its schema is read again where somebody may have changed it."""
        schema = yield from self.schema(again=again)
        return self.with_schema(schema)

    def with_schema(self, schema: TableSchema) -> Table:
        """Open the table with a schema that is known."""
        kind = self.object_type
        return Table(
            run=self.run,
            object_type=kind,
            schema=schema,
            decoder=RecordDecoder(schema),
            source=self.source,
            state=self.source.table(kind.table),
            outcome=self.outcome,
            links=self.links,
        )


class Planning:
    """The probes and the plan of one load."""

    def __init__(self, run: Run, schemas: Schemas, links: Links) -> None:
        """Remember what is shared; nothing is asked yet.

        Args:
            run: the run, with the probes that earlier loads made.
            schemas: of the tables that are read.
            links: with the pairs whose links are read.
        """
        self._run, self._schemas, self._links = run, schemas, links
        self._plan: Plan | None = None
        self._failed: BaseException | None = None
        self._begun = False
        self._is_foretold = False
        self._reference: Callable[[], ReferenceFacts] = ReferenceFacts

    def foretell(self, reference: Callable[[], ReferenceFacts]) -> None:
        """Know that nothing is read afterwards: what reading would show is counted instead.

        Args:
            reference: counts the calls of the reference tables, once all tables are probed.
        """
        self._is_foretold, self._reference = True, reference

    def opening(self, kind: ObjectType) -> Opening:
        """Return what it takes to open a table."""
        outcome = self._run.outcomes.of(kind.table)
        return Opening(self._run, kind, self._schemas, self._links, self._run.state, outcome)

    def made(self, kinds: Sequence[ObjectType]) -> Generator[None, None, Plan]:
        """Probe these tables, unless another resource does, and return the plan of the load.

        Raises:
            HubSpotError: none; what ends the probe of a table is kept for its resource.
        """
        if not self._begun:
            self._begun = True
            try:
                yield from together([self._probe(kind) for kind in kinds], most=len(kinds) or 1)
                self._plan = yield from self._make(kinds)
            except BaseException as error:
                self._failed = error
                raise
        while self._plan is None:
            if self._failed:
                raise self._failed
            yield None
        return self._plan

    def _probe(self, kind: ObjectType) -> Generator[None, None, None]:
        """Ask what there is of one table, once a run."""
        run, table = self._run, kind.table
        self._recall(table)
        if (
            table in run.tables.probes
            or table in run.tables.to_recount
            or table in run.tables.repairs
        ):
            return
        meter = run.portal.client_for(table).meter
        before = meter.calls
        try:
            probe = yield from self._asked(self.opening(kind))
        except HubSpotError as error:
            probe = Probe(TableFacts(refusal=str(error)), error=error)
        asked: dict[Family, int] = {"searches": meter.calls - before}
        if table in run.tables.definitions:
            asked["definitions"] = definition_calls(run)
        asked = {family: calls for family, calls in asked.items() if calls}
        run.tables.probes[table] = replace(probe, facts=structs.replace(probe.facts, asked=asked))

    def _recall(self, table: str) -> None:
        """Note what earlier runs left of a table, or forget it in a full refresh."""
        run = self._run
        state, outcome = run.state.table(table), run.outcomes.of(table)
        outcome.watermark_before = outcome.watermark_before or state.watermark
        outcome.fresh_at, outcome.named = outcome.watermark_before, table in run.options.named
        outcome.was_read |= state.was_read
        begun = state.completed_run[0] if state.completed_run else None
        if begun and state.count_mismatch[2:] >= [to_ms(begun)]:
            run.tables.mismatches.setdefault(table, state.count_mismatch[:2])  # of the previous run
        changes = is_read_whole(run.state, run.policy, table, run.view)
        if run.tables.restart(table, asked=run.options.full_refresh or changes):
            state.start_over()

    def _asked(self, opening: Opening) -> Generator[None, None, Probe]:
        run, kind = self._run, opening.object_type
        state, began_at = run.state.table(kind.table), run.now()
        if state.watermark is None or state.backfill or not kind.searchable:
            total = yield from count(run, kind)
            if is_unused(run, kind.table, total):
                run.tables.totals[kind.table] = total
                return Probe(UNUSED, began_at=began_at)
            return probe_whole((yield from opening.table()), total)
        newest = yield from ask_newest(run, kind, state)
        if is_unused(run, kind.table, newest.total):
            return Probe(UNUSED, search=Search(is_complete=True))
        known = state.recent
        news = sum(modified_ms(hit, kind) > known.get(hit.id, -1) for hit in newest.changed)
        if newest.complete or newest.in_order:
            run.options.expect(kind.table, news)
        table = yield from opening.table(again=bool(news))
        return (yield from probe_changes(table, newest, is_counted=self._is_foretold))

    def _make(self, kinds: Sequence[ObjectType]) -> Generator[None, None, Plan]:
        """Decide, and draw what expensive sweeps take from the day's share."""
        run = self._run
        ledger = ledger_of(run)
        made = yield from self._decide(kinds, ledger)
        if made.paid:
            draw(run, made.paid)
        begin_histories(run, made)
        run.tables.begin_sweeps((step.kind, step.table) for step in made.steps)
        for step in made.steps:
            run.outcomes.explain(step.table, step.kind, step.reason)
        if run.load.is_first:
            run.pairs.plan_sweeps(step.table for step in made.steps if step.kind == "links")
        return made

    def _decide(self, kinds: Sequence[ObjectType], ledger: Ledger) -> Generator[None, None, Plan]:
        """Plan the load; where nothing is read afterwards, ask what reading would show, and again.

        Args:
            kinds: object types that are read.
            ledger: the day's share of calls for expensive sweeps.
        """
        run = self._run
        if run.load.is_first:
            choose_histories(run, kinds)
        facts = self.facts([kind.table for kind in kinds])
        was_interrupted = run.view is not None and run.before_ended is None and _is_known(run)
        moment = Moment(run.options.run_id, run.now(), was_interrupted, run.tables.sweeps_begun)
        past = history(run.state, moment, tables=facts.tables, pairs=facts.pairs)
        made = plan(facts, past, ledger, run.now())
        if not self._is_foretold:
            return made
        openings = {kind.table: self.opening(kind) for kind in kinds}
        pairs = {pair.table: pair for pair in self._links.pairs}
        more = foretold(run, facts, made, lambda table: openings[table].table(), pairs)
        return plan((yield from more), past, ledger, run.now())

    def facts(self, tables: Sequence[str]) -> Facts:
        """Return what is known of these tables, and of the pairs that this load may sweep."""
        run = self._run
        found: dict[str, TableFacts] = {}
        for table in tables:
            found[table] = self._table_facts(table)
        pairs = self._links.pairs if run.load.is_first else []
        for pair in pairs:
            for end in (pair.source.table, pair.target.table):
                found.setdefault(end, _unasked(run, end))
        return Facts(
            options=_options(run),
            tables={table: found[table] for table in tables},
            others={table: one for table, one in found.items() if table not in tables},
            pairs={pair.table: _pair_facts(run, pair) for pair in pairs},
            reference=self._reference(),
            histories=history_facts(run) if run.load.is_first else {},
            calls_left=run.client.limits.snapshot()["daily"]["remaining"],
            exports_left=exports_left(run, run.state),
        )

    def _table_facts(self, table: str) -> TableFacts:
        run = self._run
        if table in run.tables.to_recount:
            total, rows = run.tables.totals.get(table) or 0, run.load.live_count(table) or 0
            return TableFacts(total=total, rows=rows, differed=(total, rows))
        if table in run.tables.repairs:
            return TableFacts(repairs=len(run.tables.repairs[table]))
        facts: TableFacts = run.tables.probes[table].facts
        return facts


def definition_calls(run: Run) -> int:
    """Return the calls that the property definitions of one type take."""
    return 3 if run.config.sensitive else 1


def _is_known(run: Run) -> bool:
    """Whether an earlier run has loaded anything."""
    return any(table.watermark for table in run.state.tables.values())


def _options(run: Run) -> Options:
    config = run.config
    return Options(
        sweep_at_once_calls=config.sweep_at_once_calls,
        sweep_hours=config.sweep_hours,
        links_hours=config.links_hours,
        backfill=cast("BackfillMode", config.backfill),
        sweep_links=run.options.sweep_links,
        calls_in_flight=config.calls_in_flight,
        definition_calls=definition_calls(run),
        sees_warehouse=run.view is not None,
    )


def _unasked(run: Run, table: str) -> TableFacts:
    """Return what is known of a table that this load does not read."""
    total = run.tables.totals.get(table)
    return TableFacts(total=run.state.table(table).total if total is None else total)


def _pair_facts(run: Run, pair: Pair) -> PairFacts:
    refusal = "HubSpot refuses it." if pair.table in run.pairs.refused else ""
    return PairFacts(pair.source.table, pair.target.table, refusal)
