"""Links of given records: every page, every type, category and label of each.

Source: HubSpot associations batch read (1,000 from-ids a call; pages per from-id; a record
without links is an error entry of a 207, which is the normal answer; any other error says nothing
of the links of the records that it names).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import msgspec
import pyarrow as pa

from ..catalog.names import link_table
from ..errors import ContractError, HubSpotError, RequestRejectedError, partial_listing
from ..http.client import Client
from ..model import ObjectType, Paging
from ..parsing.tolerance import NAME, VITAL, tolerant
from .batch_read import halving

BATCH = 1000  # from-ids per call, HubSpot's maximum
PAGE = 500  # records that one is linked with, on a page; the next pages of a batch come together

SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("from_id", pa.string(), nullable=False),
        pa.field("to_id", pa.string(), nullable=False),
        pa.field("type_id", pa.int64(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("label", pa.string()),
        pa.field("_hs_no_links", pa.bool_()),
    ]
)
"""A row with `_hs_no_links` only says that its from-id has no links; it never stays in a table."""


Side = Literal["source", "target"]
"""The end of a pair whose records are asked for their links."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two object types whose links are read from the first to the second."""

    source: ObjectType
    target: ObjectType

    @property
    def table(self) -> str:
        """Name of the table that holds the links."""
        return link_table(self.source.table, self.target.table)

    @property
    def reversed(self) -> "Pair":
        """The same pair, read from its other end."""
        return Pair(self.target, self.source)

    def end(self, side: Side) -> ObjectType:
        """Return the object type at one end."""
        return self.source if side == "source" else self.target


class _End(msgspec.Struct):
    id: Annotated[str, NAME] | int


class _Type(msgspec.Struct):
    typeId: int  # noqa: N815 - HubSpot's own name
    category: str | None = None
    label: str | None = None


class _To(msgspec.Struct):
    toObjectId: Annotated[str, NAME] | int  # noqa: N815 - HubSpot's own name
    associationTypes: list[_Type]  # noqa: N815 - HubSpot's own name


class _From(msgspec.Struct, rename={"source": "from"}):
    source: _End
    to: list[_To]
    paging: Annotated[Paging | None, VITAL] = None


class _Context(msgspec.Struct):
    fromObjectId: list[str | int] = []  # noqa: N815 - HubSpot's own name
    ids: list[str | int] = []


class _Error(msgspec.Struct):
    """One for every record without links, so no more of it is decoded than is looked at."""

    category: str | None = None
    subCategory: str | None = None  # noqa: N815 - HubSpot's own name
    message: str | None = None
    context: _Context | None = None

    @property
    def says_none(self) -> bool:
        """Whether it says that a record has no links, or that there is no such record."""
        kind = f"{self.category} {self.subCategory}"
        return "NOT_FOUND" in kind or "NO_ASSOCIATIONS" in kind

    @property
    def ids(self) -> list[str]:
        """The records that it names."""
        named = self.context or _Context()
        return [*map(str, (*named.fromObjectId, *named.ids))]


class _Answer(msgspec.Struct):
    results: list[_From]
    errors: Annotated[list[_Error] | None, VITAL] = None


decode_answer = tolerant(_Answer)

Link = tuple[str, str, int, str | None, str | None]
COLUMNS = ("from_id", "to_id", "type_id", "category", "label")
"""The columns of a link table, in the order of a `Link`."""


class Read(NamedTuple):
    """All links of some records."""

    links: dict[str, Sequence[Link]]
    """By every id asked for, but for the refused ones; an empty list says that HubSpot knows of
    none."""
    calls: int
    """What it took: one where no record has a second page of links."""
    refused: dict[str, HubSpotError]
    """Ids whose links, or a page of them, HubSpot refuses, and why: nothing is known of them."""


def read_links(client: Client, pair: Pair, ids: Sequence[str]) -> Read:
    """Read all links of at most 1,000 records; a refusal of some does not spoil the others.

    Raises:
        RequestRejectedError: HubSpot refuses all of several records at once.
        ContractError: pages that come again; a refusal of all of several next pages.
    """
    links: dict[str, Sequence[Link]] = dict.fromkeys(ids, ())
    refused: dict[str, HubSpotError] = {}
    cursors: dict[str, str | None] = dict.fromkeys(ids)
    followed: set[tuple[str, str]] = set()
    calls = 0
    while cursors:
        following: dict[str, str] = {}
        with partial_listing(f"links of {pair.table}") if followed else nullcontext():
            results, spoiled, made = _read_pages(client, pair, cursors)
        calls += made
        refused |= spoiled
        for result in results:
            from_id = str(result.source.id)
            links[from_id] = (*links.get(from_id, ()), *_links_of(from_id, result.to))
            after = result.paging.next.after if result.paging and result.paging.next else None
            if after is not None and from_id not in refused:
                following[from_id] = str(after)
        if not followed.isdisjoint(following.items()):
            raise ContractError(
                f"HubSpot repeats a page of links of {pair.table}.", remedy="Run the sync again."
            )
        followed |= following.items()
        cursors = dict(following)
    return Read({id_: links[id_] for id_ in links if id_ not in refused}, calls, refused)


def _read_pages(
    client: Client, pair: Pair, cursors: Mapping[str, str | None]
) -> tuple[list[_From], dict[str, HubSpotError], int]:
    """Return a page of links of some records, those refused, and the calls that it took."""
    made = 0
    path = client.path("associations", pair.source.path, pair.target.path, "batch", "read")

    def call(ids: Sequence[str]) -> _Answer:
        nonlocal made
        made += 1
        inputs = [
            {"id": id_} if cursors[id_] is None else {"id": id_, "after": cursors[id_]}
            for id_ in ids
        ]
        return client.post(path, {"inputs": inputs}, decode=decode_answer)

    results: list[_From] = []
    refused: dict[str, HubSpotError] = {}
    for part, answer in halving(call, list(cursors)):
        if isinstance(answer, RequestRejectedError):
            refused[part[0]] = answer
        else:
            results += answer.results
            refused |= _refused(pair, part, answer)
    return results, refused, made


def _refused(pair: Pair, ids: Sequence[str], answer: _Answer) -> dict[str, HubSpotError]:
    """Return the records whose links HubSpot could not read, and why.

    An error that names no record may be about any that nothing else is said of.
    """
    errors = answer.errors or ()
    refused: dict[str, HubSpotError] = {}
    for error in (one for one in errors if not one.says_none):
        settled = {str(result.source.id) for result in answer.results}
        settled.update(*(one.ids for one in errors if one.says_none))
        why = ContractError(
            f"HubSpot could not read links of {pair.table}: {error.category} {error.message}",
            remedy="Run the sync again.",
        )
        refused |= dict.fromkeys(error.ids or (id_ for id_ in ids if id_ not in settled), why)
    return refused


def _links_of(from_id: str, ends: Iterable[_To]) -> list[Link]:
    return [
        (from_id, str(end.toObjectId), kind.typeId, kind.category, kind.label)
        for end in ends
        for kind in end.associationTypes
    ]


def to_arrow(links: Mapping[str, Sequence[Link]], *, mark_empty: bool) -> pa.Table:
    """Make rows of the links.

    Args:
        links: by from-id, as `read_links` returns them.
        mark_empty: add a marker row per id without links, so that its old links are replaced too.
    """
    rows: list[tuple[object, ...]] = []
    for from_id, found in links.items():
        if found:
            rows += [(*link, None) for link in dict.fromkeys(found)]
        elif mark_empty:
            rows.append((from_id, "", 0, None, None, True))
    columns: Iterable[Sequence[object]] = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
