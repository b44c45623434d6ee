"""What is known, before anything is read, of the endpoints that a run is to read: for a plan."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from math import ceil

from ...catalog.endpoints import ENDPOINT_OF, ENDPOINTS, has_gone_rows
from ...catalog.endpoints.crm import CRM
from ...catalog.endpoints.declaration import Endpoint, Members, Windows
from ...errors import HubSpotError
from ...model import LIVE, ObjectType
from ...plan.collections.off import OffCost, off_cost
from ...plan.facts import CollectionFacts
from ...run.run import Run
from ...state.collections import CollectionState
from ..reference.portal import are_types_due
from .events import closed, first_span
from .memberships.lists import members_calls
from .pages import pages
from .parents.pending import lacking, to_read
from .part import Part
from .reading import due_parts, refusal_of, why


def crm_calls(run: Run, kinds: Sequence[ObjectType], endpoints: Collection[str]) -> dict[str, int]:
    """Count the calls for the endpoints of records that are due, by endpoint.

    Those that take several pages are read for it: nothing else shows how many they are.

    Args:
        run: the run.
        kinds: object types that the endpoints are asked for.
        endpoints: the ones that the run reads.
    """
    calls = {"account": 1, "object_types": int(are_types_due(run, run.state))}
    for name in endpoints:
        endpoint = ENDPOINTS[name]
        if endpoint.own_reader or endpoint.group != CRM:
            continue
        due = due_parts(run, name, kinds)
        calls[name] = len(due) * len(endpoint.variants)
        if due and endpoint.paging.kind != "none":
            calls[name] = _counted(run, due[0]) or calls[name]
    return calls


def _counted(run: Run, part: Part) -> int:
    """Read all pages of an endpoint, and return how many they are."""
    counting = run.client.for_table(part.endpoint.name)
    for variant in part.endpoint.variants:
        with suppress(HubSpotError):  # the sync reports it
            for _ in pages(run, counting, part.request(variant)):
                pass
    return counting.meter.calls


def collection_facts(
    run: Run, kinds: Sequence[ObjectType], endpoints: Collection[str]
) -> dict[str, CollectionFacts]:
    """Return what is known of the endpoints of other APIs that are due; HubSpot is not asked.

    Args:
        run: the run, with a view of the warehouse.
        kinds: object types that the endpoints are asked for.
        endpoints: the ones that the run reads.
    """
    parts = {name: due_parts(run, name, kinds) for name in endpoints if _is_of_others(name)}
    due = {name: found for name, found in parts.items() if found}
    of_records = {name for name in endpoints if not _is_of_others(name)}
    all_due = {*due, *(name for name in of_records if due_parts(run, name, kinds))}
    return {
        name: _facts(run, found, all_due)
        for name, found in due.items()
        if not refusal_of(run, ENDPOINTS[name])
    }


def _is_of_others(name: str) -> bool:
    return ENDPOINTS[name].group != CRM


def _facts(run: Run, parts: Sequence[Part], due: Collection[str]) -> CollectionFacts:
    endpoint, reason = parts[0].endpoint, why(run, parts[0].endpoint, parts[0].scope)
    states = [run.state.collections.get(part.key, CollectionState()) for part in parts]
    state, calls = states[0], sum(one.calls for one in states)
    parents, are_due, bounds = 0, False, None
    if not isinstance(endpoint.per, str):
        tables = endpoint.parent_tables
        are_due = any(ENDPOINT_OF.get(one, one) in due or one not in ENDPOINT_OF for one in tables)
        if run.view is not None and isinstance(endpoint.read, Members):
            bounds = members_calls(run, run.view, endpoint)
        elif run.view is not None:
            parents = sum(map(len, to_read(run.view, endpoint, state, run.now())))
    windows = _windows(run, endpoint.read, state) if isinstance(endpoint.read, Windows) else 0
    return CollectionFacts(reason, calls or None, parents, are_due, windows, bounds, len(parts))


def _windows(run: Run, read: Windows, state: CollectionState) -> int:
    """Return the spans of time that are read, of the parent with the fewest."""
    mark, until = max(state.marks.values(), default=state.watermark), closed(read, run.now())
    span = until - (mark - read.lookback) if mark else first_span(run, read)
    return max(1, ceil(span / read.span))


def off_costs(run: Run, totals: Mapping[str, int | None]) -> dict[str, tuple[list[str], OffCost]]:
    """Return what each group that is off would take, with what of it is off; nobody is asked.

    Args:
        run: the run, with a view of the warehouse.
        totals: records by object table, as far as HubSpot said it for the plan.
    """
    off = [one for one in ENDPOINTS.values() if _is_off(run, one)]
    held, found = _held(run, off), dict[str, tuple[list[str], OffCost]]()
    for one in off:
        asked = [held.get(key, totals.get(key[0])) for key in _parents_of(one)]
        rows = None if None in asked else sum(filter(None, asked))
        state = run.state.collections.get(one.name, CollectionState())
        names, cost = found.get(one.group, ([], OffCost()))
        types = len(totals) if one.per == "object type" else 1
        counted = all(key in held for key in _parents_of(one))
        cost = sum([off_cost(one, rows, state.calls or None, counted=counted)] * types, cost)
        found[one.group] = ([*names, one.name], cost)
    return found


def _is_off(run: Run, endpoint: Endpoint) -> bool:
    """Whether a run does not read an endpoint of another API."""
    return endpoint.group != CRM and endpoint.name not in run.selection.endpoints


def _parents_of(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return the tables that an endpoint is asked for, each with the condition for its rows."""
    own = getattr(endpoint.per, "where", "")
    return [
        (table, " AND ".join([LIVE] * has_gone_rows(table) + [f"({own})"] * bool(own)) or "1 = 1")
        for table in endpoint.parent_tables
    ]


def _held(run: Run, endpoints: Sequence[Endpoint]) -> dict[tuple[str, str], int]:
    """Count the rows that endpoints are asked for, of tables that are in the warehouse."""
    wanted: dict[str, set[str]] = {}
    for one in endpoints:
        for table, where in _parents_of(one):
            if run.view and run.view.has(table) and not lacking(run.view, one):
                wanted.setdefault(where, set()).add(table)
    return {
        (table, where): count
        for where, tables in wanted.items()
        for table, count in (run.view.counts(tables, where) if run.view else {}).items()
    }
