"""A request as an endpoint's own functions see it: parts, collections, clock; nothing of HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...settings import Settings
from ..contents import Contents
from .collection import Collection
from .refusal import Refusal, refuse
from .values import parsed


class Known(Protocol):
    """The collections of a portal by name."""

    def __getitem__(self, name: str) -> Collection:
        """Return one of them."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for rows."""

    params: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    body: Any
    collections: Known
    contents: Contents
    settings: Settings
    scopes: frozenset[str] | None
    now_ms: int

    def one(self, name: str, default: str = "") -> str:
        """Return a parameter that is given once."""
        return self.query[name][-1] if self.query.get(name) else default

    def many(self, name: str) -> list[str]:
        """Return a parameter that is given repeatedly, or as names separated by commas."""
        return [part for text in self.query.get(name, ()) for part in text.split(",") if part]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean parameter."""
        text = self.one(name)
        return bool(parsed(name, text, "bool")[1]) if text else default

    def instant(self, name: str, form: str) -> int | None:
        """Return a parameter as epoch milliseconds, None without it."""
        text = self.one(name)
        return int(parsed(name, text, form)[1]) if text else None


def not_found(message: str = "resource not found") -> Refusal:
    """Return the refusal of a row that does not exist."""
    return refuse(message, "OBJECT_NOT_FOUND", 404)
