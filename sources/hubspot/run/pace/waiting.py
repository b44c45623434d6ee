"""Waiting for calls without holding up the other tables."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

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


def together(
    tasks: Iterable[Generator[Any, None, None]], *, most: int
) -> Generator[Any, None, None]:
    """Go on with several tasks in turn, `most` at a time, so that none waits for another's call.

    They are begun in order, and what they yield is handed on as it comes.
    """
    waiting = iter(tasks)
    begun = list(islice(waiting, most))
    while begun:
        for work in list(begun):
            try:
                yield next(work)
            except StopIteration:
                begun.remove(work)
                begun += islice(waiting, 1)
