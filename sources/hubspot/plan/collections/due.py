"""When an endpoint of the catalog is read, and why: the one place that decides it."""

from datetime import datetime
from math import ceil

from ...catalog.endpoints.declaration import Endpoint
from ...state.collections import CollectionState
from ..evidence import every


def due(
    endpoint: Endpoint, state: CollectionState, now: datetime, *, shape: str, forced: str = ""
) -> str:
    """Return why an endpoint, or a part of it, is read now, as a sentence; empty where it is not.

    Args:
        endpoint: its declaration.
        state: what earlier runs left.
        now: aware UTC.
        shape: of its columns, as the state keeps it.
        forced: why it cannot wait, as a sentence.
    """
    if state.read_at is None:
        return "It was not read yet."
    reason = forced
    if state.shape not in {"", shape}:
        reason = "Its columns, or the policy on them, changed."
    elif state.is_stale:
        reason = forced or "The last reading did not come to its end."
    elif not endpoint.due:
        reason = "It is read by every run."
    elif now - state.read_at >= endpoint.due:
        reason = reason or f"It is read every {every(ceil(endpoint.due.total_seconds() / 3600))}."
    return reason
