"""Waiting for what goes on beside, without holding up the other tables."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def wait(future: Future[T]) -> Generator[None, None, T]:
    """Yield None until a call in flight is done, so that other tables go on; return its result."""
    while not future.done():
        yield None
    return future.result()


def wait_all(futures: Iterable[Future[T]]) -> Generator[None, None, list[T]]:
    """Wait for several calls in flight; return their results in order."""
    calls = list(futures)
    while not all(call.done() for call in calls):
        yield None
    return [call.result() for call in calls]


def wait_until(ready: Callable[[], bool]) -> Generator[None, None, None]:
    """Wait for something that other tables do."""
    while not ready():
        yield None
