"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is loaded stays, nothing else is left.

Handlers are set here because the first process of a container ignores signals without one.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_EXIT_BASE = 128  # what shells add a signal's number to

_hurries: list[Callable[[], object]] = []
_received: list[int] = []


class Stopped(KeyboardInterrupt):
    """A signal that ends the command."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__()
        self.number = number

    @property
    def exit_code(self) -> int:
        """What the process ends with: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return _EXIT_BASE + self.number

    def __str__(self) -> str:
        """Name the signal, but for the one that a person sends with Ctrl-C."""
        return "" if self.number == signal.SIGINT else signal.Signals(self.number).name


@contextmanager
def stopping() -> Iterator[list[int]]:
    """End what runs in the context with `Stopped` at a first signal, and at once at a second.

    Yields a list that holds the number of the first one until it is reported.

    A signal that is ignored, as SIGHUP is under nohup, stays so. Outside the main thread, where
    Python sets no handlers, nothing changes.
    """
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before: dict[int, Any] = {}
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:
            with suppress(ValueError):
                before[number] = signal.signal(number, _stop)
    _received.clear()
    try:
        yield _received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hurrying(hurry: Callable[[], object]) -> Iterator[None]:
    """Call something at a signal, in the context: it ends what other threads wait for."""
    _hurries.append(hurry)
    try:
        yield
    finally:
        _hurries.remove(hurry)


def reported() -> None:
    """Note that the user knows of the signal that came, if any."""
    _received.clear()


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
    for other in _NAMES:
        if hasattr(signal, other):
            signal.signal(getattr(signal, other), _end)
    _received.append(number)
    for hurry in _hurries:
        hurry()
    raise Stopped(number)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python's signature
    os._exit(_EXIT_BASE + number)
