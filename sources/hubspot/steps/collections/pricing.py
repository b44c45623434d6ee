"""What the endpoints that are due will take, for a plan: counted where only reading shows it."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from ...catalog.endpoints import ENDPOINTS
from ...errors import HubSpotError
from ...model import ObjectType
from ...run.run import Run
from ..reference.portal import are_types_due
from .pages import pages
from .part import Part
from .reading import due_parts


def endpoint_calls(
    run: Run, names: Collection[str], kinds: Sequence[ObjectType], endpoints: Collection[str]
) -> dict[str, int]:
    """Count the calls for the endpoints that are due, by endpoint.

    Those that take several pages are read for it: nothing else shows how many they are.

    Args:
        run: the run.
        names: tables that the user names; all are read where empty.
        kinds: object types that the run reads.
        endpoints: the ones that the run reads.
    """
    calls = {"account": 1, "object_types": int(are_types_due(run, run.state, names))}
    for name in endpoints:
        endpoint = ENDPOINTS[name]
        if endpoint.own_reader:
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
            for _ in pages(run, counting, part.request(variant, {})):
                pass
    return counting.meter.calls
