"""Faults and scripted changes: what happens to the n-th call that matches a rule."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar, cast

Operation = dict[str, Any]
"""One change by the name of the portal's method: `{"op": "update", "args": [...]}`."""


@dataclass
class Rule:
    """Which calls a rule is for, and how often it has been met.

    `path` is a regular expression searched in the path with its query, `sent` one searched in the
    body of the request; `nth` counts matching calls from 1 (a number or several); `times` ends the
    rule after this many uses.
    """

    method: str | None = None
    path: str = ""
    sent: str = ""
    nth: int | list[int] | None = None
    probability: float | None = None
    times: int | None = None
    seed: int = 1
    seen: int = field(default=0, init=False)
    used: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._pattern = re.compile(self.path)
        self._sent = re.compile(self.sent.encode())
        self._random = Random(self.seed)

    def meets(self, method: str, path: str, body: bytes = b"") -> bool:
        """Count a call; return whether the rule applies to it."""
        if self.method not in (None, method) or not self._pattern.search(path):
            return False
        if not self._sent.search(body):
            return False
        self.seen += 1
        if self.times is not None and self.used >= self.times:
            return False
        if self.nth is not None:
            wanted = [self.nth] if isinstance(self.nth, int) else self.nth
            if self.seen not in wanted:
                return False
        if self.probability is not None and self._random.random() >= self.probability:
            return False
        self.used += 1
        return True


@dataclass
class Fault(Rule):
    """A rule with what goes wrong.

    `status` answers at once with `headers` and `body`: text sent as HTML, an object sent as JSON,
    HubSpot's own form of an error where None; `delay_ms` waits first; `rewrite` changes the JSON of
    the response: a function of it, or values by JSON pointer (`{"/results/0/id": null}`);
    `truncate` sends a well-formed response whose JSON stops half-way; `disconnect` closes the
    connection in the middle of the body, `reset` breaks it there with a TCP reset.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay_ms: float = 0
    rewrite: Callable[[Any], Any] | dict[str, Any] | None = None
    truncate: bool = False
    disconnect: bool = False
    reset: bool = False


def rewritten(answer: Any, rewrite: Callable[[Any], Any] | dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of a response as a fault's `rewrite` has it; pointers to nothing are left."""
    if callable(rewrite):
        return rewrite(answer)
    for pointer, value in rewrite.items():
        *path, last = pointer.removeprefix("/").split("/")
        part = answer
        with suppress(LookupError, TypeError, ValueError):
            for key in path:
                part = part[int(key) if isinstance(part, list) else key]
            part[int(last) if isinstance(part, list) else last] = value
    return answer


@dataclass
class Mutation(Rule):
    """A rule with changes to the portal, made before or after the call is answered.

    `operations` are calls of the portal's methods, or one function of the portal.
    """

    when: str = "after"
    operations: list[Operation] | Callable[[Any], object] = field(default_factory=list)


R = TypeVar("R", bound=Rule)


class Rules(Generic[R]):
    """The rules of one kind of one portal, in the order they were added."""

    def __init__(self, kind: type[R]) -> None:
        self.rules: list[R] = []
        self._kind = kind

    def add(self, **members: object) -> R:
        """Add a rule; the members are those of its kind and of `Rule`."""
        rule = self._kind(**cast("dict[str, Any]", members))
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove every rule."""
        self.rules.clear()

    def first(self, method: str, path: str, body: bytes = b"") -> R | None:
        """Return the first rule that applies to a call; those after it do not count the call."""
        return next((rule for rule in self.rules if rule.meets(method, path, body)), None)

    def all(self, method: str, path: str, body: bytes = b"") -> list[R]:
        """Return every rule that applies to a call."""
        return [rule for rule in self.rules if rule.meets(method, path, body)]
