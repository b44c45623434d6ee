"""What an endpoint of the catalog takes: exactly, within bounds, or at least."""

from math import ceil

from ...catalog.endpoints.declaration import Batches, Endpoint, Increment, Parents, Whole
from ..facts import CollectionFacts
from ..steps import Step


def collection_step(endpoint: Endpoint, facts: CollectionFacts) -> Step:
    """Return the step that reads an endpoint, with its calls.

    Exact where there is one page; as many as the last time where all rows were read before; else
    at least one call for each pass, parent and span of time, and one for names of properties.

    Args:
        endpoint: its declaration.
        facts: why it is due, and what is known of it.
    """
    per, least = endpoint.per, len(endpoint.variants) + bool(endpoint.properties)
    if isinstance(per, Batches):
        least *= ceil(facts.parents / per.size)
    elif isinstance(per, Parents):
        least *= facts.parents
    if facts.windows:
        least *= facts.windows
    most = max(least, facts.calls or 0)
    is_whole = isinstance(endpoint.read, Whole) and isinstance(per, str)
    if is_whole and facts.calls:
        least = most
    least, most = facts.bounds or (least, most)
    is_known = endpoint.paging.kind == "none" or bool(facts.calls and _is_repeated(endpoint))
    return Step(
        kind="collection",
        table=endpoint.name,
        reason=facts.reason,
        calls={endpoint.family: (least, most)},
        rows=None,
        is_open=facts.are_parents_due or not is_known,
    )


def _is_repeated(endpoint: Endpoint) -> bool:
    """Whether a reading takes about what the last one took."""
    return isinstance(endpoint.read, Whole | Increment)
