"""The exports of one portal: waiting, at work one at a time, done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Sheet(Protocol):
    """The records of an export as they were when it was started."""

    ids: Sequence[int]

    def header(self) -> bytes:
        """Return the first line."""

    def rows(self, ids: Sequence[int], /) -> Iterator[bytes]:
        """Yield the lines of some records."""


@dataclass
class Task:
    """One export, from its start on."""

    id: str
    body: dict[str, Any]
    sheet: Sheet
    requested_ms: int
    polls_left: int
    status: str = "PENDING"
    completed_ms: int = 0
    addresses: dict[str, int] = field(default_factory=dict)
    """When each address that was given ends."""
    file: tuple[bytes, str] | None = None
    """The download and its media type, once somebody asked for it."""


@dataclass
class Tasks:
    """The exports of one portal, in the order they were started."""

    by_id: dict[str, Task] = field(default_factory=dict)

    def started_since(self, ms: int) -> int:
        """Return how many were started after an instant."""
        return sum(task.requested_ms > ms for task in self.by_id.values())

    def advance(self, end: str, now_ms: int) -> None:
        """Let the first unfinished export go on: one is at work at a time."""
        for task in self.by_id.values():
            if task.status in ("PENDING", "PROCESSING"):
                task.polls_left -= 1
                task.status = "PROCESSING"
                if task.polls_left < 0:
                    task.status, task.completed_ms = end, now_ms
                return
