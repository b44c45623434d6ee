"""The nouns: object types, columns, pages and outcomes, as plain data."""

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec

from .errors import HubSpotError
from .parsing.tolerance import NAME, VITAL, fit, tolerant
from .privacy import Hasher

if TYPE_CHECKING:
    from dlt.common.schema import Schema

R = TypeVar("R")

Kind = Literal["text", "double", "integer", "bool", "date", "timestamp"]
"""Of columns; no property is an integer, for HubSpot's numbers may have decimals."""
SyncMode = Literal["backfill", "export", "increment", "listing", "repair", "whole", "none"]
Status = Literal["ok", "skipped", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One CRM object type, as a row of the catalog."""

    table: str
    """Table name: HubSpot's plural name, or `custom_<name>`."""
    path: str
    """The type's segment in API paths; a type id for custom objects."""
    type_id: str | None
    """HubSpot's objectTypeId, such as `0-1`; None where HubSpot publishes none."""
    last_modified: str = "hs_lastmodifieddate"
    """The property that change search filters on."""
    searchable: bool = True
    """Whether HubSpot offers search for it; otherwise its records are listed."""
    pipelines: bool = False
    """Whether its records move through pipelines."""

    @property
    def custom(self) -> bool:
        """Whether it is one of the portal's own objects."""
        return (self.type_id or "").startswith("2-")


@dataclass(frozen=True, slots=True)
class Column:
    """One property as a column of a table."""

    property: str
    name: str
    kind: Kind
    hubspot_type: str
    label: str = ""
    hasher: Hasher | None = None
    """What makes hashes of the values; None where they are read as they are."""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The property columns of one table, in a fixed order."""

    table: str
    columns: tuple[Column, ...]
    calculated: tuple[Column, ...] = ()
    """Of these, the ones whose values change without a trace."""
    private: bool = False
    """Whether properties are hashed or left out, so that nothing else of a record may show them."""

    @property
    def hashes(self) -> bool:
        """Whether any of its columns holds hashes."""
        return any(column.hasher for column in self.columns)

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the properties to ask HubSpot for."""
        return tuple(column.property for column in self.columns)


Change = Literal["added", "archived", "returned", "type", "label", "options", "policy"]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What became of one property since the definitions were last read."""

    table: str
    property: str
    change: Change
    column: str
    before: str | None = None
    after: str | None = None


class Account(msgspec.Struct, rename="camel"):
    """The portal, as its account details report it."""

    portal_id: int | None = None
    """None where the response does not name it."""
    account_type: str | None = None
    given: dict[str, Any] = {}
    """The members as HubSpot wrote them, for the table."""


_decode_any = tolerant(Any)


def decode_account(body: bytes) -> Account:
    """Decode account details; a value that does not fit is None, and stays in `given`.

    Raises:
        msgspec.DecodeError: no JSON.
    """
    answer = _decode_any(body)
    given = answer if isinstance(answer, dict) else {}
    account = fit({name: value for name, value in given.items() if name != "given"}, Account)
    account.given = given
    return account


class Next(msgspec.Struct, frozen=True):
    """Where the next page begins."""

    after: Annotated[Annotated[str, NAME] | int | None, VITAL] = None


class Paging(msgspec.Struct, frozen=True):
    """The paging member of a response; `next` is missing on the last page."""

    next: Annotated[Next | None, VITAL] = None


class BatchError(msgspec.Struct, frozen=True):
    """One entry of the `errors` of a 207."""

    category: str | None = None
    subCategory: str | None = None  # noqa: N815 - HubSpot's own name
    message: str | None = None
    context: dict[str, Any] | None = None


class Page(msgspec.Struct, Generic[R], frozen=True):
    """One response that holds records: of a listing, a search or a batch read."""

    results: list[R]
    paging: Annotated[Paging | None, VITAL] = None
    total: int | None = None
    errors: list[BatchError] | None = None
    read_at: datetime | None = None
    """When it was asked for, by HubSpot's clock, where the reader notes it."""

    @property
    def after(self) -> str | None:
        """Cursor of the next page; None on the last one."""
        after = self.paging.next.after if self.paging and self.paging.next else None
        return None if after is None else str(after)


@dataclass(slots=True)
class TableOutcome:
    """What one run did to one table; a row of `_hs_run_tables`."""

    table_name: str
    mode: SyncMode = "none"
    status: Status = "ok"
    rows: int = 0
    tombstones: int = 0
    rows_read: int = 0
    """Rows and tombstones read from HubSpot, whether or not their load completed."""
    calls: int = 0
    retries: int = 0
    rate_limited: int = 0
    seconds: float = 0.0
    reasons: str | None = None
    """The steps that were taken, each with its reason."""
    watermark_before: datetime | None = None
    watermark_after: datetime | None = None
    messages: list[str] = field(default_factory=list)
    """Notes and errors, in the order in which they came; a note alone is no failure."""
    exit_code: int = 0
    named: bool = False
    """Whether the user named the table: then a refusal is an error."""
    is_refused_at_once: bool = False
    """Whether the first question about it was refused: then a 400 says that there is none."""
    was_read: bool = False
    """Whether anything of it was ever read: then a refusal is an error, too."""
    fresh_at: datetime | None = None
    """When it was last read by an earlier run, where that is known: since then it is stale."""
    refusals: dict[str, HubSpotError] = field(default_factory=dict)
    """Why there is nothing to read of the table (under ""), or of a part of it, by its name."""

    @property
    def error(self) -> str | None:
        """All messages as one text, None where there are none."""
        return " ".join(self.messages) or None

    def note(self, text: str) -> None:
        """Add a message, each text once.

        HubSpot gives every response a correlation id of its own, which makes no other message.
        """
        if _CORRELATION.sub("", text) not in {_CORRELATION.sub("", m) for m in self.messages}:
            self.messages.append(text)


_CORRELATION = re.compile(r" \(correlation id [^)]*\)")
LIVE = "_hs_deleted_at IS NULL"
"""Rows of an object table whose records live, as a condition in SQL."""
REJECTS = "_hs_rejected_values"
"""The table of values that do not fit their column."""


class View(Protocol):
    """What a run may ask of the tables in the warehouse, as they are between two loads."""

    @property
    def makes_tables(self) -> bool:
        """Whether it has tables that SQL makes."""
        ...

    def make_tables(self, schema: "Schema", tables: Iterable[str]) -> None:
        """Make tables, or columns, of a schema that are not there."""
        ...

    def size(self, table: str) -> int:
        """Count the rows of a table as the warehouse has it, even if no state mentions it."""
        ...

    def counts(self, tables: Iterable[str], where: str, *args: object) -> Mapping[str, int]:
        """Count the rows that meet a condition; 0 for a table that is not there."""
        ...

    def tally(self, table: str, column: str, where: str) -> Mapping[Any, int]:
        """Count the rows that meet a condition, by the values of a column."""
        ...

    def values(
        self, table: str, columns: Sequence[str], where: str, *args: object
    ) -> Generator[list[tuple[Any, ...]], None, None]:
        """Yield columns of the rows that meet a condition, a few thousand at a time.

        Conditions are in the neutral dialect of `warehouse.sql`: `?` stands for an argument each.
        This one may end with an order, and sets no limit.
        """
        ...

    def has(self, table: str, columns: Sequence[str] = ()) -> bool:
        """Whether there is a table with these columns."""
        ...

    def rows(
        self, table: str, columns: Sequence[str], keys: Sequence[str], key: str = "id"
    ) -> list[tuple[Any, ...]]:
        """Return columns of the rows whose `key` is one of these; none without the table."""
        ...
