"""What a run says of the lock of its dataset: who holds it, and that it was lost."""

import os
import socket
from collections.abc import Callable

from sources.hubspot.errors import BusyError, OverlapError

from ..failures import redacted

Check = Callable[[], None]
"""Raises BusyError where a lock that was taken is no longer held."""


def me() -> str:
    """Name this process, for the runs that find its lock."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def busy(what: str, by: str) -> OverlapError:
    """Return the error of a run that gives way.

    Args:
        what: the other one writes.
        by: who that is, as far as it is known.
    """
    who = f": {by}" if by else ""
    return OverlapError(
        redacted(f"Another run is at work on {what}{who}."),
        remedy="Wait for it to end, which --wait SECONDS does, or stop it.",
    )


def lost(what: str, by: str = "") -> BusyError:
    """Return the error of a run whose lock is gone; what it loads does not count any more.

    Args:
        what: it writes.
        by: who holds the lock now, as far as it is known.
    """
    who = f", and is held by {by}" if by else ""
    return BusyError(
        redacted(f"The lock on {what} was lost in the middle of the run{who}."),
        remedy="Run it again: it goes on where the last complete load ended.",
    )
