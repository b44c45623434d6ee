"""Links of given records: every page, every type, category and label of each.

Source: HubSpot associations batch read (1,000 from-ids a call; pages per from-id; a record
without links is an error entry of a 207, which is the normal answer).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import msgspec
import pyarrow as pa

from ..errors import ContractError, RequestRejectedError, partial_listing
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
        return f"{self.source.table}_to_{self.target.table}"

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


class _Error(msgspec.Struct):
    """One for every record without links, so no more of it is decoded than is looked at."""

    category: str | None = None
    subCategory: str | None = None  # noqa: N815 - HubSpot's own name
    message: str | None = None


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
    """By every id asked for; an empty list says that HubSpot knows of none."""
    calls: int
    """What it took: one where no record has a second page of links."""


def read_links(client: Client, pair: Pair, ids: Sequence[str]) -> Read:
    """Read all links of at most 1,000 records.

    Raises:
        ContractError: an error entry that is not about a missing link or record; pages that come
            again; a refusal after the first page.
    """
    links: dict[str, Sequence[Link]] = dict.fromkeys(ids, ())
    cursors: dict[str, str | None] = dict.fromkeys(ids)
    followed: set[tuple[str, str]] = set()
    calls = 0
    while cursors:
        following: dict[str, str] = {}
        with partial_listing(f"links of {pair.table}") if followed else nullcontext():
            answers, made = _read_pages(client, pair, cursors)
        calls += made
        for answer in answers:
            for result in answer.results:
                from_id = str(result.source.id)
                links[from_id] = (*links.get(from_id, ()), *_links_of(from_id, result.to))
                after = result.paging.next.after if result.paging and result.paging.next else None
                if after is not None:
                    following[from_id] = str(after)
        if not followed.isdisjoint(following.items()):
            raise ContractError(
                f"HubSpot repeats a page of links of {pair.table}.", remedy="Run the sync again."
            )
        followed |= following.items()
        cursors = dict(following)
    return Read(links, calls)


def _read_pages(
    client: Client, pair: Pair, cursors: Mapping[str, str | None]
) -> tuple[list[_Answer], int]:
    """Return the responses about some records, and how many calls it took to get them."""
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

    answers = []
    for part, answer in halving(call, list(cursors)):
        if not isinstance(answer, RequestRejectedError):
            _refuse_unknown_errors(pair, answer.errors or ())
            answers.append(answer)
        elif len(cursors) == 1 or cursors[part[0]] is not None:
            raise answer  # else a single id that HubSpot does not know: it has no links
    return answers, made


def _refuse_unknown_errors(pair: Pair, errors: Iterable[_Error]) -> None:
    for kind, error in {(one.category, one.subCategory): one for one in errors}.items():
        if not any("NOT_FOUND" in str(part) or "NO_ASSOCIATIONS" in str(part) for part in kind):
            raise ContractError(
                f"HubSpot could not read links of {pair.table}: {error.category} {error.message}",
                remedy="Run the sync again.",
            )


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
