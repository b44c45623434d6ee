"""One version of a record, and the history of its values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a property's history."""

    value: str
    at_ms: int
    source: str


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a record; never altered, only replaced."""

    id: int
    created_ms: int
    updated_ms: int
    values: Mapping[str, str]
    archived_ms: int | None = None
    history: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
