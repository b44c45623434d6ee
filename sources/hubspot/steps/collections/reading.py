"""Read the endpoints of the catalog: of the portal, or of every object type with records."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ...catalog.endpoints import ENDPOINT_OF, ENDPOINTS, TABLES
from ...catalog.endpoints.crm import CRM
from ...catalog.endpoints.declaration import Batches, Endpoint, Increment, Members
from ...errors import HubSpotError, is_absent
from ...model import ObjectType, TableOutcome, View
from ...plan.collections.due import due
from ...run.pace.waiting import together
from ...run.portal.refusals import recall, remember, remembered
from ...run.run import Items, Run
from ...state.collections import CollectionState
from ...state.source import COLLECTION
from ...tables.guarding import withheld
from ..reference.loading import has_records
from .asked import read_asked
from .blocks import Out
from .events import READERS
from .memberships.lists import members_pending
from .memberships.reading import read_members
from .parents.pending import has_pending, lacking
from .parents.reading import read_parents
from .part import Part, key_of, note_reported, shape_of
from .whole import end, read_increment, read_whole

FORCED = "The user asks for it."
TODAY = "today"
DIFFERS = "It differs between portal and warehouse."
HIDDEN = "hidden"
"""The shape of rows of an endpoint that the policy withholds."""
WITHHELD = "Not read: it takes {}, which the settings exclude or hash."


def collection_rows(run: Run, name: str, kinds: Sequence[ObjectType]) -> Items:
    """Read an endpoint if it is due, and hand on the rows of its tables.

    Args:
        run: the run.
        name: of the endpoint.
        kinds: object types that the run reads.
    """
    endpoint = ENDPOINTS[name]
    due_now = [] if _lacks_parents(run, endpoint) else due_parts(run, name, kinds)
    types = run.portal.types.gone if endpoint.per == "object type" else ()
    gone = [scope for scope in types if key_of(endpoint, scope) in run.state.collections]
    if not (due_now or gone):
        return
    with run.outcome(name) as outcome:
        outcome.mode = "whole" if endpoint.has_gone else "increment"
        if due_now:
            reason = why(run, endpoint, due_now[0].scope)
            run.outcomes.explain(name, "collection", reason)
        for scope in gone:
            end(Part(run, endpoint, outcome, scope))
        if _recalled(run, endpoint, outcome):
            return
        yield from together([_read(part) for part in due_now], most=max(1, len(due_now)))


def _lacks_parents(run: Run, endpoint: Endpoint) -> bool:
    """Whether what an endpoint is asked for lies in a warehouse that nobody sees."""
    return run.view is None and not isinstance(endpoint.per, str)


def wanted(run: Run, names: Iterable[str]) -> list[str]:
    """Return the endpoints that a load reads: those that are due and whose parents are there.

    Those that are asked for each object type, or have readers of their own, decide it themselves.
    """
    names = [*names]
    for name in names:
        if hidden := withheld(ENDPOINTS[name], run.policy):
            run.outcomes.of(name).note(WITHHELD.format(hidden))
    due_now = [name for name in names if _decides_itself(name) or why(run, ENDPOINTS[name])]
    return [name for name in due_now if not _waits(run, ENDPOINTS[name], due_now)]


def _decides_itself(name: str) -> bool:
    return ENDPOINTS[name].own_reader or ENDPOINTS[name].per == "object type"


def _waits(run: Run, endpoint: Endpoint, names: Collection[str]) -> bool:
    """Whether the load that brings an endpoint's parents has to come first."""
    per = endpoint.per
    if isinstance(per, str) or refusal_of(run, endpoint):
        return False
    return any(_is_to_come(run, endpoint, table, names) for table in endpoint.parent_tables)


def _is_to_come(run: Run, endpoint: Endpoint, table: str, names: Collection[str]) -> bool:
    """Whether this load brings rows of a table that an endpoint is asked for."""
    if table not in TABLES:
        return run.load.wants(table)
    parent = ENDPOINT_OF[table]
    has_come = _decides_itself(parent) and endpoint.name in run.collections.following
    return parent in names and not has_come


def note_following(run: Run, view: View, names: Iterable[str]) -> None:
    """Keep which endpoints the next load reads, for their parents have come.

    Args:
        run: between two loads.
        view: the warehouse.
        names: the endpoints that the run reads.
    """
    found = [ENDPOINTS[name] for name in names if not isinstance(ENDPOINTS[name].per, str)]
    run.collections.following = {
        one.name for one in found if why(run, one) and _has_pending(run, view, one)
    }
    for one in found:
        lacks = lacking(view, one)
        if lacks:
            text = f"Nothing to ask for: this portal's {one.parent_tables[0]} have no {lacks}."
            run.outcomes.of(one.name).note(text)


def _has_pending(run: Run, view: View, endpoint: Endpoint) -> bool:
    """Whether any row of the parents' table is to be read."""
    if isinstance(endpoint.read, Members):
        return bool(members_pending(run, view, endpoint))
    return has_pending(run, view, endpoint)


def due_parts(run: Run, name: str, kinds: Sequence[ObjectType]) -> list[Part]:
    """Return what of an endpoint is to be read; of types only those that were ever used."""
    parts = [part for part in parts_of(run, name, kinds) if why(run, part.endpoint, part.scope)]
    return [replace(part, outcome=run.outcomes.of(name)) for part in parts]


def parts_of(run: Run, name: str, kinds: Sequence[ObjectType]) -> list[Part]:
    """Return all that an endpoint is asked for, due or not, with outcomes that no report has."""
    endpoint = ENDPOINTS[name]
    return [
        Part(run, endpoint, TableOutcome(name), scope, slots, constants)
        for scope, slots, constants in _scopes(run, endpoint, kinds)
    ]


def start_over(run: Run) -> None:
    """Forget, as a run begins, what is loaded of endpoints, where that is to be loaded again.

    Of all where the user asks for it; else of parents, and by time, where rows are made otherwise
    by now.
    """
    for key, state in run.state.collections.items():
        endpoint = ENDPOINTS.get(key.partition(":")[0])
        if endpoint is None or endpoint.name not in run.selection.endpoints:
            continue
        is_other = state.shape not in {"", shape_of(run, endpoint)}
        if withheld(endpoint, run.policy):
            state.filled, state.contents, state.shape = [], {}, HIDDEN  # it may lose its rows
        elif run.options.full_refresh:
            state.start_over(merges=_reads_unseen(endpoint))
        elif is_other and (type(endpoint.read) in READERS or _reads_unseen(endpoint)):
            state.start_over(merges=True)
        elif is_other and endpoint.replaced_by:
            state.begin_parents()


def _reads_unseen(endpoint: Endpoint) -> bool:
    """Whether an endpoint is asked only for what its table lacks."""
    return isinstance(endpoint.per, Batches) and endpoint.per.unseen


def why(run: Run, endpoint: Endpoint, scope: str = "") -> str:
    """Return why an endpoint, or its part of an object type, is read now; empty where it is not."""
    options = run.options
    is_forced = options.full_refresh or (options.refresh_schema and endpoint.group == CRM)
    key = key_of(endpoint, scope)
    if key in run.collections.done or withheld(endpoint, run.policy):
        return ""
    if options.repairing:
        return DIFFERS if key in run.collections.to_repair else ""
    state = run.state.collections.get(key, CollectionState())
    forced, shape = FORCED if is_forced else "", shape_of(run, endpoint)
    if scope in run.state.deleted_types:
        forced = "HubSpot lists its object type again."
    return due(endpoint, state, run.now(), shape=shape, forced=forced)


def _scopes(
    run: Run, endpoint: Endpoint, kinds: Sequence[ObjectType]
) -> Iterator[tuple[str, Mapping[str, str], Mapping[str, str]]]:
    """Yield what an endpoint is asked for, with the slots of its path and constants of its rows."""
    if endpoint.per == "" or not isinstance(endpoint.per, str):
        yield "", {}, {TODAY: run.now().date().isoformat()} if endpoint.is_of_day else {}
    for kind in kinds if endpoint.per == "object type" else ():
        was_read = key_of(endpoint, kind.table) in run.state.collections
        is_used = has_records(run, run.state, kind.table) or was_read
        refused = remembered(run.portal, run.options, run.state, kind.table)
        if endpoint.applies(kind) and is_used and not refused:
            type_id = kind.type_id or kind.path
            slots = {"object_path": kind.path, "object_type_id": type_id}
            yield kind.table, slots, {"object_type": kind.table, "object_type_id": type_id}


def _read(part: Part) -> Items:
    """Read a part; what of it was loaded stays where HubSpot refuses it."""
    run, state, before = part.run, part.state, part.client.meter.calls
    began, name = run.now(), part.endpoint.name
    was_open = name in run.load.unfinished
    state.merges = state.merges or name in run.collections.doubted
    try:
        yield from _rows(part)
    except HubSpotError as error:
        run.collections.done.add(part.key)
        _fail(part, error)
        return
    note_reported(part)
    _leave_gone(part)
    if type(part.endpoint.read) in {*READERS, Members} or _reads_unseen(part.endpoint):
        state.filled = sorted({*state.filled, *(name for name, n in part.brought.items() if n)})
    if name in run.load.unfinished and not was_open:
        return
    run.collections.done.add(part.key)
    state.read_at, state.shape, state.is_stale = began, part.shape, state.has_new_failures
    state.merges = False
    run.collections.doubted.discard(name)
    if part.endpoint.paging.kind == "none" or state.whole_at in {None, began} or not state.calls:
        state.calls = part.client.meter.calls - before - sum(part.repeated)


def _leave_gone(part: Part) -> None:
    """Leave rows that are gone to the next run that sees the warehouse, where this one does not."""
    if part.run.view is None and part.key in part.run.collections.loaded:
        part.run.state.leave_to_clean_up(f"{COLLECTION}{part.key}")


def _rows(part: Part) -> Items:
    """Read a part as its declaration says."""
    endpoint = part.endpoint
    if isinstance(endpoint.read, Members):
        yield from read_members(part)
    elif not isinstance(endpoint.per, str):
        yield from read_parents(part)
    elif isinstance(endpoint.read, Increment):
        yield from read_increment(part)
    elif read := READERS.get(type(endpoint.read)):
        out = Out(part, part.reading(part.run.now()))
        yield from read(part, out)
        yield from out.flush()
    elif endpoint.properties:
        yield from read_asked(part, endpoint.properties)
    else:
        yield from read_whole(part)


def _fail(part: Part, error: HubSpotError) -> None:
    """Note why a part cannot be read: the others go on, and the next run reads it again.

    Raises:
        HubSpotError: it failed, where the run does not report errors per table.
    """
    run, outcome, endpoint = part.run, part.outcome, part.endpoint
    state = run.state.collections.get(part.key, CollectionState())
    state.is_stale = state.read_at is not None
    _weigh(run, outcome, endpoint, state)
    if part.scope and is_absent(error) and not outcome.was_read:
        outcome.refusals[part.scope] = error
    elif not run.outcomes.fail(outcome, error, f"of {part.scope}" if part.scope else ""):
        remember(run.portal, run.state, endpoint.name, error)
    elif not run.options.report_errors:
        raise error


def refusal_of(run: Run, endpoint: Endpoint) -> HubSpotError | None:
    """Return why HubSpot refused an endpoint within the hour; None where it is to be asked."""
    return recall(run.portal, run.options, run.state, endpoint.name)


def _recalled(run: Run, endpoint: Endpoint, outcome: TableOutcome) -> bool:
    """Whether HubSpot refused an endpoint within the hour, so that it is not asked again."""
    error = refusal_of(run, endpoint)
    if not error:
        return False
    run.collections.done.add(endpoint.name)
    _weigh(run, outcome, endpoint, run.state.collections.get(endpoint.name, CollectionState()))
    run.outcomes.fail(outcome, error)
    return True


def _weigh(run: Run, outcome: TableOutcome, endpoint: Endpoint, state: CollectionState) -> None:
    """Say what a refusal means: of what belongs to records a failure, once it was read.

    Of other APIs it means that the portal, or the token, has them no more: their rows stay, and
    only what the user names has failed.
    """
    outcome.named |= endpoint.name in run.options.named
    outcome.fresh_at = state.read_at
    outcome.was_read = state.read_at is not None and endpoint.group == CRM
    outcome.is_refused_at_once = endpoint.group != CRM
