"""Read the endpoints of the catalog whole: of the portal, or of every object type with records."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from ...catalog.endpoints import ENDPOINTS
from ...errors import ContractError, HubSpotError, partial_listing
from ...http.client import Client
from ...model import ObjectType, Page
from ...parsing.tolerance import tolerant
from ...run.portal.column_policies import digest_of, note_policy
from ...run.portal.refusals import remembered
from ...run.run import Items, Run
from ...tables.reference_tables import Row, rows_at, rows_by_table
from .loading import hand_on, has_records, is_due, part_of, waited
from .portal import are_types_due

Part = ObjectType | None
"""What an endpoint is asked for: an object type, or the portal."""
_decode_page = tolerant(Page[dict[str, Any]])


def endpoint_rows(run: Run, name: str, kinds: Sequence[ObjectType]) -> Items:
    """Read an endpoint and hand on the rows of its tables; about every hour.

    Args:
        run: the run.
        name: of the endpoint.
        kinds: object types that the run reads.
    """
    endpoint = ENDPOINTS[name]
    due = _due(run, name, kinds)
    gone = run.portal.types.gone if endpoint.per else ()
    if not (due or gone):
        return
    with run.outcome(name) as outcome:
        outcome.mode = "whole"
        client = run.portal.client_for(name)
        calls = {_scope(part): run.submit(partial(_read, client, name, part)) for part in due}
        for scope, call in calls.items():
            rows = yield from waited(run, outcome, _key(name, scope), call, scope)
            if isinstance(rows, HubSpotError):
                continue
            with part_of(run, outcome, scope) if scope else nullcontext():
                for table, found in rows_by_table(name, rows, scope).items():
                    yield from hand_on(run, table, found, scope)
                note_policy(run.state, _key(name, scope), digest_of(run.policy, endpoint.tables))
        for scope in gone:
            for table in endpoint.tables:
                yield from hand_on(run, table, [], scope)


def reference_calls(
    run: Run, names: Collection[str], kinds: Sequence[ObjectType]
) -> Mapping[str, int]:
    """Count the calls for the reference tables that are due, by endpoint.

    Those that take several pages are read for it: nothing else shows how many they are.

    Args:
        run: the run.
        names: tables that the user names; all are read where empty.
        kinds: object types that the run reads.
    """
    calls = {"account": 1, "object_types": int(are_types_due(run, run.state, names))}
    for name, endpoint in ENDPOINTS.items():
        if not endpoint.has_own_reader:
            due = _due(run, name, kinds)
            counting = run.client.for_table(name)
            for part in due if endpoint.is_paged else ():
                with suppress(HubSpotError):  # the sync reports it
                    _read(counting, name, part)
            calls[name] = counting.meter.calls or len(due) * len(endpoint.passes)
    return calls


def _due(run: Run, name: str, kinds: Sequence[ObjectType]) -> list[Part]:
    """Return what an endpoint is to be asked for; of types only those that were ever used."""
    endpoint, state = ENDPOINTS[name], run.state
    if not endpoint.per:
        return [None] if is_due(run, state, name, *endpoint.tables) else []
    due: list[Part] = []
    for kind in kinds:
        key, digests = _key(name, kind.table), [_key(one, kind.table) for one in endpoint.tables]
        was_read = state.reference_read_at.get(key) is not None
        is_used = has_records(run, state, kind.table) or was_read
        wanted = (
            endpoint.applies(kind)
            and is_used
            and not remembered(run.portal, run.options, state, kind.table)
        )
        is_listed_again = kind.table in state.deleted_types  # what was read of it is gone
        if wanted and (is_listed_again or is_due(run, state, key, *digests)):
            due.append(kind)
    return due


def _scope(part: Part) -> str:
    return part.table if part else ""


def _key(name: str, scope: str) -> str:
    return f"{name}:{scope}" if scope else name


def _read(client: Client, name: str, part: Part) -> list[Row]:
    """Read all pages; a refusal after the first one does not mean that there are none."""
    path = client.path(name, *([part.path] if part else []))
    rows: list[Row] = []
    for number, query in enumerate(ENDPOINTS[name].passes):
        params, followed = dict(query), set[str]()
        while True:
            with partial_listing(name) if number or followed else nullcontext():
                page = client.get(path, params, decode=_decode_page)
            rows += rows_at(page.results, "$.results")
            if page.after is None:
                break
            if page.after in followed:
                message = f"HubSpot repeats a page of {name}."
                raise ContractError(message, remedy="Run the sync again.")
            followed.add(page.after)
            params["after"] = page.after
    return rows
