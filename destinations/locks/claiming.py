"""A dataset opened for the only one who writes it, when the others are done."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from dlt.pipeline.pipeline import Pipeline

from sources.hubspot.errors import BusyError

from ..resolve import open_destination
from .locks import exclusive

_LOOKS_SECONDS = (0.5, 10.0)  # between two attempts at a lock that another process holds
_REPORT_SECONDS = 10  # between two messages about it


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for another run, or another program, that has the dataset."""

    seconds: float = 0.0
    notify: Callable[[str], object] = str
    """Receives who is waited for, and for how long."""


IMPATIENT = Patience()


@contextmanager
def claimed(pipeline: Pipeline, patience: Patience) -> Iterator[None]:
    """Open the destination for the only one who writes the dataset, when the others are done.

    Raises:
        ConfigError: a setting or a driver is missing or wrong, or the lock cannot be made.
        BusyError: another run or program had the dataset for as long as there was patience.
        WarehouseError: the destination does not answer or refuses to write.
    """
    began, reported = time.monotonic(), -float(_REPORT_SECONDS)
    while True:
        with ExitStack() as held:
            try:
                held.enter_context(exclusive(pipeline))
                held.enter_context(open_destination(pipeline))
            except BusyError as error:
                waited = time.monotonic() - began
                if waited >= patience.seconds:
                    raise
                if waited - reported >= _REPORT_SECONDS:
                    left = patience.seconds - waited
                    patience.notify(f"{error.message} Waiting for it, {left:,.0f} s at most.")
                    reported = waited
            else:
                yield
                return
        least, most = _LOOKS_SECONDS
        pause = min(most, max(least, waited / 10))  # a look may cost a second of a warehouse
        time.sleep(min(pause, max(0.0, patience.seconds - waited)))
