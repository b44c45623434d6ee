"""Parents whose rows differ from those at the last reading, by what the state keeps of them."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from ...catalog.endpoints import parent_columns
from ...catalog.endpoints.declaration import Batches, Endpoint, Parents
from ...state.collections import MOST_KNOWN, CollectionState

Parent = tuple[Any, ...]
"""Its name in calls, column by column, columns that are constants of its rows, those that say that
it is another by now, then the time of its last change and `_hs_synced_at`."""
LOOKBACK = timedelta(minutes=10)
"""Parents that changed so long before the newest one are read again: HubSpot lists some late."""
SHORT = 12  # characters of a digest: enough for readings of one row to differ


def differing(
    endpoint: Endpoint,
    state: CollectionState,
    now: datetime,
    parts: Iterable[Sequence[Parent]],
    lost: AbstractSet[str],
) -> Iterator[list[Parent]]:
    """Yield the parents that are to be read: all, unless only those whose rows differ.

    Args:
        endpoint: a declaration with parents.
        state: what was kept of earlier readings.
        now: aware UTC.
        parts: parents, as `pending` yields them.
        lost: those, as `key_of` names them, that had rows which are not there any more.
    """
    for part in parts:
        found = [
            one
            for one in part
            if key_of(endpoint, one) in lost or not _is_known(endpoint, state, now, one)
        ]
        if found:
            yield found


def is_all_due(endpoint: Endpoint, state: CollectionState, now: datetime) -> bool:
    """Whether it is time to read parents that did not change, too."""
    every, at = getattr(endpoint.per, "all_every", None), state.whole_at
    return every is not None and (at is None or now - at >= every)


def _is_known(endpoint: Endpoint, state: CollectionState, now: datetime, parent: Parent) -> bool:
    """Whether what is loaded of a parent is what it has."""
    if not keeps(endpoint) or state.parents.get(key_of(endpoint, parent)) != _digest(parent):
        return False
    per, at = endpoint.per, parent[-2]
    assert isinstance(per, Parents | Batches)  # noqa: S101 - by `keeps`
    if not per.changed:
        within = getattr(per, "recent", None)
        is_recent = at is None or within is None or now - at <= within[1]
        return not (is_recent and is_all_due(endpoint, state, now))
    if at is None or state.all_until is not None or is_all_due(endpoint, state, now):
        return False
    return state.newest_parent_at is None or bool(at < state.newest_parent_at - LOOKBACK)


def keep(endpoint: Endpoint, state: CollectionState, group: Sequence[Parent]) -> None:
    """Keep what the rows of parents were at this reading.

    Where they are too many, the state knows none; their times of change alone say which are read.
    """
    if not keeps(endpoint) or state.has_many_parents:
        return
    state.parents |= {key_of(endpoint, one): _digest(one) for one in group}
    if not keeps_all(endpoint) and len(state.parents) > MOST_KNOWN:
        state.parents, state.has_many_parents = {}, True


def keeps(endpoint: Endpoint) -> bool:
    """Whether parents are read only where their rows differ."""
    per = endpoint.per
    return not isinstance(per, str) and bool(per.changed or keeps_all(endpoint))


def keeps_all(endpoint: Endpoint) -> bool:
    """Whether nothing but what the state keeps says which parents are read."""
    return bool(getattr(endpoint.per, "differs", False))


def key_of(endpoint: Endpoint, parent: Sequence[Any]) -> str:
    """Return what stands for a parent in the state; it says nothing of whom the parent names."""
    return _short(parent[: len(parent_columns(endpoint))])


def _digest(parent: Parent) -> str:
    """Return a digest of a parent's names, constants and times, without when it was synced."""
    return _short(parent[:-2])


def _short(values: Sequence[Any]) -> str:
    texts = [
        one.astimezone(UTC).isoformat()
        if isinstance(one, datetime)
        else ""
        if one is None
        else str(one)
        for one in values
    ]
    return sha256(repr(texts).encode()).hexdigest()[:SHORT]
