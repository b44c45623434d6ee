"""What an endpoint of the catalog takes: exactly, within bounds, or at least."""

from math import ceil

from ...catalog.endpoints.declaration import Batches, Endpoint, Increment, Parents, Whole
from ..facts import CollectionFacts
from ..steps import Step


def collection_step(endpoint: Endpoint, facts: CollectionFacts) -> Step:
    """Return the step that reads an endpoint, with its calls.

    Exact where there is one page; where all rows were read before, as many as the last time, at
    most with calls for details of them and a second reading of several pages, from which rows may
    be gone. Else at least one call for each pass, object type, parent and span of time, and one for
    names of properties.

    Args:
        endpoint: its declaration.
        facts: why it is due, and what is known of it.
    """
    least = _least(endpoint, facts)
    most = max(least, facts.calls or 0)
    if endpoint.has_gone and facts.calls:
        is_whole = isinstance(endpoint.read, Whole) and not endpoint.details
        least, most = most if is_whole else least, _most(endpoint, most, facts.parts)
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


def _least(endpoint: Endpoint, facts: CollectionFacts) -> int:
    """Return the calls that a reading takes whatever comes."""
    per, least = endpoint.per, len(endpoint.variants) + bool(endpoint.properties)
    least *= facts.parts
    if isinstance(per, Batches):
        least *= ceil(facts.parents / per.size)
    elif isinstance(per, Parents):
        least *= facts.parents
    return least * (facts.windows or 1)


def _most(endpoint: Endpoint, calls: int, parts: int) -> int:
    """Return the calls at most, where the last reading of all rows took so many.

    A part that took one call is not read twice.
    """
    details, size = endpoint.details, endpoint.paging.size
    more = ceil(calls * size / details.size) if details else 0
    return (2 if calls > parts else 1) * calls + more


def _is_repeated(endpoint: Endpoint) -> bool:
    """Whether a reading takes about what the last one took."""
    return isinstance(endpoint.read, Whole | Increment)
