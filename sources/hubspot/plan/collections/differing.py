"""Parents whose rows differ from those at the last reading, by what the state keeps of them."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from ...catalog.endpoints.declaration import Endpoint, Parents
from ...state.collections import CollectionState

Parent = tuple[Any, ...]
SHORT = 12  # characters of a digest: enough for readings of one row to differ


def differing(
    endpoint: Endpoint, state: CollectionState, parts: Iterable[Sequence[Parent]]
) -> Iterator[list[Parent]]:
    """Yield the parents that are to be read: all, unless only those whose rows differ.

    Args:
        endpoint: a declaration with parents.
        state: what was kept of earlier readings.
        parts: parents with their constants, as `pending` yields them.
    """
    for part in parts:
        if found := [one for one in part if not _is_known(endpoint, state, one)]:
            yield found


def _is_known(endpoint: Endpoint, state: CollectionState, parent: Parent) -> bool:
    return keeps(endpoint) and state.parents.get(_name(endpoint, parent)) == _digest(parent)


def keep(endpoint: Endpoint, state: CollectionState, group: Sequence[Parent]) -> None:
    """Keep what the rows of parents were at this reading."""
    if keeps(endpoint):
        state.parents |= {_name(endpoint, one): _digest(one) for one in group}


def keeps(endpoint: Endpoint) -> bool:
    """Whether parents are read only where their rows differ."""
    return isinstance(endpoint.per, Parents) and endpoint.per.differs


def _name(endpoint: Endpoint, parent: Parent) -> str:
    return "\n".join(map(str, parent[: len(endpoint.parent_slots)]))


def _digest(parent: Parent) -> str:
    """Return a digest of a parent's names and constants, without when it was synced."""
    return sha256(repr([*map(str, parent[:-2])]).encode()).hexdigest()[:SHORT]
