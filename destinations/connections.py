"""The connections of this process that write, so that a signal can interrupt them."""

from contextlib import suppress
from typing import Any
from weakref import WeakSet

OPEN: "WeakSet[Any]" = WeakSet()


def interrupt() -> None:
    """End what connections that write are at, with an error where they are used."""
    for connection in OPEN.copy():
        with suppress(Exception):  # it is closed by now
            if hasattr(connection, "interrupt"):  # DuckDB's
                connection.interrupt()
            else:  # PostgreSQL's
                connection.cancel()
