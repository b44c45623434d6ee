"""Read the endpoints of the catalog: of the portal, or of every object type with records."""

from collections.abc import Iterator, Mapping, Sequence

from ...catalog.endpoints import ENDPOINTS
from ...catalog.endpoints.crm import CRM
from ...catalog.endpoints.declaration import Endpoint
from ...errors import HubSpotError, is_absent
from ...model import ObjectType, TableOutcome
from ...plan.collections.due import due
from ...run.pace.waiting import together
from ...run.portal.refusals import recall, remember, remembered
from ...run.run import Items, Run
from ...state.collections import CollectionState
from ..reference.loading import has_records
from .part import Part, key_of, shape_of
from .whole import end, read_whole

FORCED = "The user asks for it."


def collection_rows(run: Run, name: str, kinds: Sequence[ObjectType]) -> Items:
    """Read an endpoint if it is due, and hand on the rows of its tables.

    Args:
        run: the run.
        name: of the endpoint.
        kinds: object types that the run reads.
    """
    endpoint, wanted = ENDPOINTS[name], due_parts(run, name, kinds)
    types = run.portal.types.gone if endpoint.per == "object type" else ()
    gone = [scope for scope in types if key_of(endpoint, scope) in run.state.collections]
    if not (wanted or gone):
        return
    with run.outcome(name) as outcome:
        outcome.mode = "whole"
        for scope in gone:
            end(Part(run, endpoint, outcome, scope))
        if _recalled(run, endpoint, outcome):
            return
        yield from together([_read(part) for part in wanted], most=max(1, len(wanted)))


def due_parts(run: Run, name: str, kinds: Sequence[ObjectType]) -> list[Part]:
    """Return what of an endpoint is to be read; of types only those that were ever used."""
    endpoint, outcome = ENDPOINTS[name], run.outcomes.of
    return [
        Part(run, endpoint, outcome(name), scope, slots, constants)
        for scope, slots, constants in _scopes(run, endpoint, kinds)
        if why(run, endpoint, scope)
    ]


def why(run: Run, endpoint: Endpoint, scope: str = "") -> str:
    """Return why an endpoint, or its part of an object type, is read now; empty where it is not."""
    options = run.options
    is_forced = options.full_refresh or (options.refresh_schema and endpoint.group == CRM)
    state = run.state.collections.get(key_of(endpoint, scope), CollectionState())
    forced, shape = FORCED if is_forced else "", shape_of(run, endpoint)
    if scope in run.state.deleted_types:
        forced = "HubSpot lists its object type again."
    return due(endpoint, state, run.now(), shape=shape, forced=forced)


def _scopes(
    run: Run, endpoint: Endpoint, kinds: Sequence[ObjectType]
) -> Iterator[tuple[str, Mapping[str, str], Mapping[str, str]]]:
    """Yield what an endpoint is asked for, with the slots of its path and constants of its rows."""
    if not endpoint.per:
        yield "", {}, {}
    for kind in kinds if endpoint.per == "object type" else ():
        was_read = key_of(endpoint, kind.table) in run.state.collections
        is_used = has_records(run, run.state, kind.table) or was_read
        refused = remembered(run.portal, run.options, run.state, kind.table)
        if endpoint.applies(kind) and is_used and not refused:
            yield kind.table, {"object_path": kind.path}, {"object_type": kind.table}


def _read(part: Part) -> Items:
    """Read a part; what of it was loaded stays where HubSpot refuses it."""
    try:
        yield from read_whole(part)
    except HubSpotError as error:
        _fail(part, error)


def _fail(part: Part, error: HubSpotError) -> None:
    """Note why a part cannot be read: the others go on, and the next run reads it again.

    Raises:
        HubSpotError: it failed, where the run does not report errors per table.
    """
    run, outcome, endpoint = part.run, part.outcome, part.endpoint
    state = run.state.collections.get(part.key, CollectionState())
    state.is_stale = state.read_at is not None
    _weigh(outcome, endpoint, state)
    if part.scope and is_absent(error) and not outcome.was_read:
        outcome.refusals[part.scope] = error
    elif not run.outcomes.fail(outcome, error, f"of {part.scope}" if part.scope else ""):
        remember(run.portal, run.state, endpoint.name, error)
    elif not run.options.report_errors:
        raise error


def _recalled(run: Run, endpoint: Endpoint, outcome: TableOutcome) -> bool:
    """Whether HubSpot refused an endpoint within the hour, so that it is not asked again."""
    error = recall(run.portal, run.options, run.state, endpoint.name)
    if not error:
        return False
    _weigh(outcome, endpoint, run.state.collections.get(endpoint.name, CollectionState()))
    run.outcomes.fail(outcome, error)
    return True


def _weigh(outcome: TableOutcome, endpoint: Endpoint, state: CollectionState) -> None:
    """Say what a refusal means: of what belongs to records a failure, once it was read.

    Of other APIs it means that the portal, or the token, has them no more: their rows stay.
    """
    outcome.fresh_at = state.read_at
    outcome.was_read = state.read_at is not None and endpoint.group == CRM
    outcome.is_refused_at_once = endpoint.group != CRM
