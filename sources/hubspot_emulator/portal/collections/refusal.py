"""Requests that an endpoint cannot answer, before they become errors of HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - what is refused is no fault of the portal
    """A request that an endpoint cannot answer, before it becomes an error of HTTP."""

    status: int
    category: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


def refuse(message: str, category: str = "VALIDATION_ERROR", status: int = 400) -> Refusal:
    """Return a refusal, a 400 unless told otherwise."""
    return Refusal(status, category, message)
