"""Calls in flight: threads per rate budget, so that one that waits holds up no other."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeVar

T = TypeVar("T")
Lane = Literal["interval", "search", "links", "exports"]
LANES: dict[Lane, int] = {"interval": 0, "search": 8, "links": 0, "exports": 1}
"""Threads of each lane; 0: as many as calls may be in flight."""


class Lanes:
    """Pools of threads, which start with their first call."""

    def __init__(self, calls_in_flight: int) -> None:
        """Make the pools; nothing is sent yet."""
        self._pools = {
            lane: ThreadPoolExecutor(threads or calls_in_flight, f"hubspot-{lane}")
            for lane, threads in LANES.items()
        }

    def submit(self, call: Callable[[], T], lane: Lane = "interval") -> Future[T]:
        """Start a call; it waits for its rate budget in a lane of its own."""
        return self._pools[lane].submit(call)

    def close(self) -> None:
        """Wait for the calls that were sent; those that were not are dropped."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
