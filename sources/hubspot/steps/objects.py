"""One resource per object type: backfill or increment. The spine of the source.

Whatever finds records ends in `table.emit`, the one way for every record, and every checkpoint is
taken after what it vouches for is handed on.
"""

from collections.abc import Generator
from dataclasses import dataclass

from ..api.search import modified_ms
from ..errors import HubSpotError
from ..model import ObjectType, TableOutcome, TableSchema
from ..run.run import Items, Run
from ..run.schemas import Schemas
from ..state.source import SourceState
from ..state.table import TableState
from ..tables.decoding import RecordDecoder
from ..tables.empty_tables import is_missing
from ..tables.records import arrow_schema
from .backfill import backfill
from .by_id import read_left
from .changes import increment, look
from .links import Links
from .sweeps.recount import take_census
from .table import Table


def object_rows(run: Run, object_type: ObjectType, schemas: Schemas, links: Links) -> Items:
    """Read what is new of one object type, from where the state says the table is.

    Yields:
        Arrow tables: rows, rejected values, links, each for its own table; None while waiting.

    Raises:
        HubSpotError: where the run does not report errors per table.
    """
    if run.stopped:
        return
    run.open_tables.add(object_type.table)
    with run.outcome(object_type.table) as outcome:
        source = run.state
        source.last_run_ended_at = None  # until the sweep of links ends, after all tables
        state = source.table(object_type.table)
        _note_known(run, state, outcome)
        if run.restart(object_type.table):
            state.start_over()
        try:
            opening = Opening(run, object_type, schemas, links, source, outcome)
            yield from _read(opening)
            if is_missing(object_type.table):  # it has no records, or this load brings the first
                yield arrow_schema((yield from opening.schema())).empty_table()
        except HubSpotError:
            outcome.was_read |= state.was_read or bool(run.live_count(object_type.table))
            raise
        finally:
            outcome.watermark_after = state.watermark


def _note_known(run: Run, state: TableState, outcome: TableOutcome) -> None:
    """Note what earlier runs have read of a table, before this one forgets it."""
    outcome.watermark_before = outcome.watermark_before or state.watermark
    outcome.fresh_at, outcome.named = outcome.watermark_before, run.chosen
    outcome.was_read |= state.was_read


@dataclass(frozen=True, slots=True)
class Opening:
    """What it takes to open a table."""

    run: Run
    object_type: ObjectType
    schemas: Schemas
    links: Links
    source: SourceState
    outcome: TableOutcome

    def schema(self, *, anew: bool = False) -> Generator[None, None, TableSchema]:
        """Return the table's schema, read anew where somebody may have changed it."""
        return (yield from self.schemas.of(self.object_type, self.source, anew=anew))

    def table(self, *, anew: bool = False) -> Generator[None, None, Table]:
        """Open the table with its schema, which is read anew where somebody may have changed it."""
        kind = self.object_type
        schema = yield from self.schema(anew=anew)
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


def _read(opening: Opening) -> Items:
    """Choose what this load has to do for the table, and do it."""
    run, kind, outcome = opening.run, opening.object_type, opening.outcome
    state = opening.source.table(kind.table)
    if kind.table in run.gaps and run.copy is not None:
        listed_since = run.gaps.pop(kind.table)  # once, whatever becomes of it
        yield from take_census((yield from opening.table()), run.copy, listed_since)
    elif kind.table in run.repairs:
        ids = run.repairs.pop(kind.table)
        run.expect(kind.table, len(ids))
        run.ahead.pop(kind.table, None)  # older than what is read now
        table = yield from opening.table()
        outcome.way_in = "repair"
        yield from read_left(table, ids)
        if state.backfill:
            table.leave_unfinished()
    elif state.watermark is None or state.backfill or not kind.searchable:
        fresh = state.watermark is None
        table = yield from opening.table()
        outcome.way_in = "backfill" if fresh else "listing"
        yield from backfill(table)
    else:
        outcome.way_in = "increment"
        peek = yield from look(run, kind, state)
        loaded = state.recent
        news = sum(modified_ms(hit, kind) > loaded.get(hit.id, -1) for hit in peek.changed)
        if peek.complete or peek.in_order:
            run.expect(kind.table, news)
        yield from increment((yield from opening.table(anew=bool(news))), peek)
