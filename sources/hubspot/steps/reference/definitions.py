"""Reference tables that come with records: property definitions, association labels."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any

from ...api.associations import Pair
from ...errors import HubSpotError
from ...model import Page
from ...parsing.tolerance import tolerant
from ...run.pace.waiting import wait_until
from ...run.portal.portal_types import link_tables
from ...run.portal.schemas import Schemas
from ...run.run import Items, Run
from ...state.source import SourceState
from ...tables.reference_tables import definition_rows, rows_at, to_text
from ..links.links import Links
from .loading import hand_on, part_of, waited

LABELS_MAX_AGE = timedelta(hours=12)
_decode_page = tolerant(Page[dict[str, Any]])


def properties(run: Run, schemas: Schemas) -> Items:
    """Property definitions, their options and their columns, of the types that were refreshed."""
    with run.outcome("properties") as outcome:
        outcome.mode = "whole"
        for table, definitions in schemas.read.items():
            for name, rows in definition_rows(table, definitions).items():
                yield from hand_on(run, name, rows, table)
            columns = [
                {
                    "table_name": table,
                    "property": column.property,
                    "column_name": column.name,
                    "hubspot_type": column.hubspot_type,
                    "label": column.label,
                    "since_at": schemas.since[table][column.name].isoformat(),
                }
                for column in schemas.columns[table]
            ]
            yield from hand_on(run, "_hs_columns", columns, table)
        for table in run.portal.types.gone:  # the columns of its rows stay
            yield from hand_on(run, "properties", [], table)
            yield from hand_on(run, "property_options", [], table)


def association_labels(run: Run, links: Links) -> Items:
    """Association types and labels of the pairs that have links.

    They are read every 12 hours, and where a link that was read bears another label.
    """
    yield from wait_until(lambda: "links" not in run.load.open_resources)
    if run.load.unfinished:  # sweeps of links go on in another load
        return
    state = run.state
    client = run.portal.client_for("association_labels")
    calls: dict[Pair, Future[Page[dict[str, Any]]]] = {}
    for pair in links.pairs:
        fresh = state.cached(f"labels:{pair.table}", now=run.now(), max_age=LABELS_MAX_AGE)
        ends = (state.table(pair.source.table), state.table(pair.target.table))
        stale = run.options.refresh_schema or pair.table in run.pairs.stale_labels
        if (fresh and not stale) or any(end.watermark is None for end in ends):
            continue
        known = state.pairs.get(pair.table)
        empty = known is not None and known.has_links is False
        if not empty and all(end.total != 0 for end in ends):
            path = client.path("association_labels", pair.source.path, pair.target.path)
            calls[pair] = run.submit(partial(client.get, path, decode=_decode_page), lane="links")
    with run.outcome("association_labels") as outcome:
        outcome.mode = "whole" if calls else outcome.mode
        for pair, call in calls.items():
            ends_of = {
                "pair": pair.table,
                "from_object_type": pair.source.table,
                "to_object_type": pair.target.table,
            }
            name = f"association_labels:{pair.table}"
            page = yield from waited(run, outcome, name, call, pair.table)
            if isinstance(page, HubSpotError) and pair.table not in outcome.refusals:
                continue  # the next run asks again
            found = [] if isinstance(page, HubSpotError) else page.results
            rows = [{**row, **ends_of} for row in rows_at(found, "$.results")]
            with part_of(run, outcome, pair.table):
                before = state.reference_digests.get(name)
                if not isinstance(page, HubSpotError):
                    yield from hand_on(run, "association_labels", rows, pair.table)
                    if state.reference_digests[name] != before or run.options.refresh_schema:
                        run.pairs.relabelled.add(pair.table)
                labels = {str(row.get("typeId")): to_text(row.get("label")) for row in rows}
                state.remember(f"labels:{pair.table}", labels, now=run.now())
        yield from _drop_labels(run, state)


def _drop_labels(run: Run, state: SourceState) -> Iterator[Any]:
    """Take away the labels of pairs that lost an object type."""
    known = run.portal.types
    tables = [kind.table for kind in known.types] + [*known.gone]
    for table in known.gone:
        for pair in sorted(link_tables(table, tables)):
            if f"association_labels:{pair}" in state.reference_digests:
                yield from hand_on(run, "association_labels", [], pair)
