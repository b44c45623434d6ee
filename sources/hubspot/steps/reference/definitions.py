"""Reference tables that come with records: property definitions, association labels."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any

from ...api.associations import Pair
from ...catalog.names import link_tables
from ...errors import HubSpotError
from ...http.client import Client
from ...model import Column, Page
from ...parsing.tolerance import tolerant
from ...run.pace.waiting import wait_until
from ...run.portal.schemas import Schemas
from ...run.run import Items, Run
from ...state.source import SourceState
from ...tables.endpoints.definitions import definition_rows, rows_at
from ...tables.endpoints.items import to_text
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
                    "policy": _policy(schemas, table, column),
                }
                for column in schemas.columns[table]
            ]
            yield from hand_on(run, "_hs_columns", columns, table)
        for table in run.portal.types.gone:  # the columns of its rows stay
            yield from hand_on(run, "properties", [], table)
            yield from hand_on(run, "property_options", [], table)


def _policy(schemas: Schemas, table: str, column: Column) -> str | None:
    """Return whether the values of a column are hashed or no longer read; None where neither."""
    rule = schemas.policy.rule(table, column.property)
    return None if rule == "plain" else rule


def association_labels(run: Run, links: Links) -> Items:
    """Association types and labels of the pairs that have links.

    They are read every 12 hours, and where a link that was read bears another label.
    """
    yield from wait_until(lambda: "links" not in run.load.open_resources)
    if run.load.unfinished:  # sweeps of links go on in another load
        return
    calls = {pair: _ask_for_labels(run, pair) for pair in links.pairs if _are_labels_due(run, pair)}
    with run.outcome("association_labels") as outcome:
        outcome.mode = "whole" if calls else outcome.mode
        for pair, call in calls.items():
            name = f"association_labels:{pair.table}"
            page = yield from waited(run, outcome, name, call, pair.table)
            if not isinstance(page, HubSpotError):
                with part_of(run, outcome, pair.table):
                    yield from _hand_on_labels(run, pair, page.results)
            elif pair.table in outcome.refusals:  # of any other error the next run asks again
                run.state.remember(f"labels:{pair.table}", {}, now=run.now())
        yield from _drop_labels(run, run.state)


def _are_labels_due(run: Run, pair: Pair) -> bool:
    """Whether the labels of a pair are read: it has links, and they are old or have changed."""
    state = run.state
    fresh = state.cached(f"labels:{pair.table}", now=run.now(), max_age=LABELS_MAX_AGE)
    stale = run.options.refresh_schema or pair.table in run.pairs.stale_labels
    known = state.pairs.get(pair.table)
    if (fresh and not stale) or (known is not None and known.has_links is False):
        return False
    ends = (state.table(pair.source.table), state.table(pair.target.table))
    return all(end.watermark is not None and end.total != 0 for end in ends)


def _ask_for_labels(run: Run, pair: Pair) -> Future[Page[dict[str, Any]]]:
    client = run.portal.client_for("association_labels")
    return run.submit(partial(read_labels, client, pair), lane="links")


def read_labels(client: Client, pair: Pair) -> Page[dict[str, Any]]:
    """Read the association types of a pair, with their labels."""
    path = client.path("association_labels", pair.source.path, pair.target.path)
    return client.get(path, decode=_decode_page)


def labels_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return the labels of association types by type id, as the state keeps them."""
    return {str(row.get("typeId")): to_text(row.get("label")) for row in rows}


def _hand_on_labels(run: Run, pair: Pair, found: Sequence[dict[str, Any]]) -> Iterator[Any]:
    """Hand on the labels of a pair; where they have changed, those of its links are set again."""
    state, name = run.state, f"association_labels:{pair.table}"
    ends = {
        "pair": pair.table,
        "from_object_type": pair.source.table,
        "to_object_type": pair.target.table,
    }
    rows = [{**row, **ends} for row in rows_at(found, "$.results")]
    before = state.reference_digests.get(name)
    yield from hand_on(run, "association_labels", rows, pair.table)
    if state.reference_digests[name] != before or run.options.refresh_schema:
        run.pairs.relabelled.add(pair.table)
    state.remember(f"labels:{pair.table}", labels_of(rows), now=run.now())


def _drop_labels(run: Run, state: SourceState) -> Iterator[Any]:
    """Take away the labels of pairs that lost an object type."""
    known = run.portal.types
    tables = [kind.table for kind in known.types] + [*known.gone]
    for table in known.gone:
        for pair in sorted(link_tables(table, tables)):
            if f"association_labels:{pair}" in state.reference_digests:
                yield from hand_on(run, "association_labels", [], pair)
