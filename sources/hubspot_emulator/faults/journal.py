"""The record of every request, for tests to assert on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Request:
    """One request as it came and the status it got."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    kind: str
    type: str
    at_ms: int


class Journal:
    """A bounded list of requests, oldest first, with counts per kind that are never cut."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self.counts: Counter[str] = Counter()

    def add(self, request: Request, limit: int) -> None:
        """Keep a request if `limit` allows any, dropping the oldest ones above it."""
        self.counts[request.kind] += 1
        if limit:
            self._requests.append(request)
            if len(self._requests) > limit + limit // 4 + 16:
                del self._requests[:-limit]

    def clear(self) -> None:
        """Forget requests and counts."""
        self._requests.clear()
        self.counts.clear()

    def find(
        self,
        *,
        method: str | None = None,
        path_contains: str = "",
        kind: str | None = None,
        status: int | None = None,
    ) -> list[Request]:
        """Return the requests that match everything given."""
        return [
            r
            for r in list(self._requests)
            if method in (None, r.method)
            and path_contains in r.path
            and kind in (None, r.kind)
            and status in (None, r.status)
        ]

    def count(
        self,
        *,
        method: str | None = None,
        path_contains: str = "",
        kind: str | None = None,
        status: int | None = None,
    ) -> int:
        """Return how many kept requests match everything given."""
        return len(self.find(method=method, path_contains=path_contains, kind=kind, status=status))

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests))

    def __getitem__(self, index: int) -> Request:
        return self._requests[index]
