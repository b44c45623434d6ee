"""One resource per object type: backfill or increment. The spine of the source.

Whatever finds records ends in `table.emit`, the one way for every record, and every checkpoint is
taken after what it vouches for is handed on.
"""

import dlt

from .backfill import backfill
from .decoding import RecordDecoder
from .increment import increment
from .links import Links
from .model import ObjectType
from .run import Items, Run
from .schemas import Schemas
from .state import SourceState
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
        source = SourceState(dlt.current.source_state())
        state = source.table(object_type.table)
        if run.restart(object_type.table):
            state.reset()
        state.check(object_type.table)
        outcome.watermark_before = outcome.watermark_before or state.watermark
        try:
            schema = yield from schemas.of(object_type, source)
            decoder = RecordDecoder(schema)
            yield from _read(Table(run, object_type, schema, decoder, state, outcome, links))
        finally:
            outcome.watermark_after = state.watermark
            if object_type.table in run.changed:
                links.owe(object_type, source)


def _read(table: Table) -> Items:
    fresh = table.state.watermark is None or table.state.working("backfill")
    if fresh or not table.object_type.searchable:
        table.outcome.way_in = "backfill" if fresh else "listing"
        yield from backfill(table)
    else:
        table.outcome.way_in = "increment"
        yield from increment(table)
