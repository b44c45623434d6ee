"""Page bytes -> records, and the values of their properties in columns, whatever a page holds.

A page is decoded in one step. What the fast decoder refuses, such as numbers among the texts or
escapes that are no character, is decoded slowly and mended, and the record remembers it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import msgspec
import pyarrow as pa
from msgspec.structs import astuple

from ..model import Page, TableSchema
from ..parsing.lenient_json import SURROGATE, as_text, escaped, loads, replaced, to_json
from ..parsing.tolerance import NAME, fit
from ..privacy import Hasher
from .casts import to_bool

MERGED_IDS = "hs_merged_object_ids"
_MENDED = "_hs_mended"  # HubSpot sends no such member
_UNFIT_NAME = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')  # msgspec takes no such member names


@dataclass(frozen=True, slots=True)
class Values:
    """The property values of one page, as HubSpot writes them.

    They are built in the thread that decodes, while the texts are still in the processor's cache;
    doing that a thousand records later takes twice as long.
    """

    texts: pa.StringArray
    """Of one property for every record, then of the next."""
    size: int
    """Records of the page."""
    positions: Sequence[int]
    """Where each property of the schema is among those of `texts`."""

    def of(self, index: int) -> pa.StringArray:
        """Return the values of the schema's property at an index, one per record."""
        return self.texts.slice(self.positions[index] * self.size, self.size)


Misfit = tuple[str, str]
"""A raw text, and why it is rejected."""
WITHHELD = "(withheld)"
"""In place of a raw text that may hold values of properties that are hashed or left out."""
NO_PROPERTIES = "properties"
"""Among what was mended: the record came without its properties, so its values are unknown."""


class Record(msgspec.Struct, gc=False):
    """A record as HubSpot gives it; its properties are a row of its page's values."""

    id: str
    createdAt: str | None  # noqa: N815 - HubSpot's own name
    updatedAt: str | None  # noqa: N815 - HubSpot's own name
    archived: bool
    archivedAt: str | None  # noqa: N815 - HubSpot's own name
    mended: dict[str, Misfit] | None
    """What its JSON held that no cast sees, by member or property."""
    merged: str | None
    """The value of `hs_merged_object_ids`."""
    values: Values
    row: int


class _Properties(msgspec.Struct):
    properties: dict[str, msgspec.Raw] = {}


class _Named(msgspec.Struct):
    """A page, as far as it shows HubSpot's order of properties."""

    results: list[_Properties]


def size_of(page: Sequence[Record]) -> int:
    """Return how many bytes the values of records of one page take."""
    return page[0].values.texts.nbytes if page else 0


class RecordDecoder:
    """Decodes answers that hold records of one table; safe to share between threads.

    Args:
        schema: the table; the values of its properties are decoded, whatever else there is.
    """

    def __init__(self, schema: TableSchema) -> None:
        """Prepare for properties in the schema's order; the first page shows HubSpot's."""
        self.properties = schema.properties
        self._members = {
            name: f"\x7fp{index}" if _UNFIT_NAME.search(name) else name
            for index, name in enumerate(self.properties)
        }
        self._hashers = {c.property: c.hasher for c in schema.columns if c.hasher}
        self._private = schema.private
        self._only_slowly = list(self._members.values()) != list(self.properties)
        self._shape = _Shape(self.properties, self._members, self._hashers)
        self._learned = False

    def page(self, body: bytes, *, archived: bool = False) -> Page[Record]:
        """Decode one response of a listing, a search or a batch read.

        Guarantees: a page of records that have ids is never lost, whatever its values are:
        numbers, booleans and objects become their text, ids may be numbers, of equal members
        the last counts; escapes, bytes and surrogates that are no character are replaced and
        remembered, and so are properties that are no object.

        Args:
            body: the response.
            archived: what records are that do not say whether they are archived.

        Raises:
            msgspec.ValidationError: JSON without results, a record without an id, an odd cursor.
            msgspec.DecodeError: not JSON, or cut short.
        """
        if self._only_slowly:
            return self._decode_slowly(body, archived=archived)
        try:
            page = self._shape.decode(body, archived=archived)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_slowly(body, archived=archived)
        if page.results and not self._learned:
            self._learn(body)
        return page

    def _learn(self, body: bytes) -> None:
        """Take over HubSpot's order of properties: in order they are found at once."""
        self._learned = True
        first = msgspec.json.decode(body, type=_Named).results[0].properties
        named = [name for name in first if name in self._members]
        order = (*named, *(name for name in self.properties if name not in first))
        if order != self._shape.order:
            members = {name: self._members[name] for name in order}
            self._shape = _Shape(self.properties, members, self._hashers)

    def merged_ids(self, record: Record) -> list[str]:
        """List the ids that were merged into a record, never its own."""
        if not record.merged:
            return []
        ids = dict.fromkeys(id_.strip() for id_ in record.merged.split(";"))
        return [id_ for id_ in ids if id_ and id_ != record.id]

    def _decode_slowly(self, body: bytes, *, archived: bool) -> Page[Record]:
        """Read what the fast decoder refuses."""
        answer = loads(body)
        envelope = fit({**answer, "results": []} if isinstance(answer, dict) else answer, Page[Any])
        results = answer.get("results")
        try:
            for record in results if isinstance(results, list) else ():
                if isinstance(record, dict):
                    self._mend(record)
            page = self._shape.convert({"results": results}, archived=archived)
        except RecursionError as error:
            raise msgspec.DecodeError(str(error)) from error
        except UnicodeEncodeError as error:  # the name of a member, which is HubSpot's own
            raise msgspec.ValidationError(str(error)) from error
        return Page(page.results, envelope.paging, envelope.total, envelope.errors)

    def _mend(self, record: dict[str, Any]) -> None:
        """Make a record's values text, in the shape of the struct."""
        id_ = record.get("id")
        if type(id_) is int or isinstance(id_, str):
            record["id"] = replaced(str(id_))
        for name in ("createdAt", "updatedAt", "archivedAt"):
            record[name] = replaced(as_text(record.get(name)) or "")
        record[_MENDED] = _mend_archived(record) | self._mend_properties(record)

    def _mend_properties(self, record: dict[str, Any]) -> dict[str, Misfit]:
        """Make the properties of a record text; return what no cast sees."""
        mended: dict[str, Misfit] = {}
        properties = record.get("properties")
        if not isinstance(properties, dict):
            shown = WITHHELD if self._private else escaped(to_json(properties))
            mended[NO_PROPERTIES] = (shown, "not_an_object")
            properties = {}
        texts = {name: as_text(properties.get(name)) for name in self._members}
        broken = {name: text for name, text in texts.items() if text and SURROGATE.search(text)}
        texts |= {name: replaced(text) for name, text in broken.items()}
        record["properties"] = {self._members[name]: text for name, text in texts.items()}
        mended |= {
            name: (self._shown(name, text), "invalid_unicode") for name, text in broken.items()
        }
        return mended

    def _shown(self, name: str, text: str) -> str:
        """Return what may be shown of a value with escapes that are no character."""
        hasher = self._hashers.get(name)
        return (hasher.text(replaced(text)) or "") if hasher else escaped(text)


def _mend_archived(record: dict[str, Any]) -> dict[str, Misfit]:
    """Make whether a record is archived a boolean; return what it was where it is none."""
    archived = record.get("archived")
    if archived is None or isinstance(archived, bool):
        return {}
    text = as_text(archived) or ""
    record["archived"], reason = to_bool(text)
    return {"archived": (escaped(text), reason)} if reason else {}


class _Shape:
    """The struct that pages are decoded into: one field per property, in one order.

    Fields that come in another order than the struct's are searched for, which takes three times
    as long.
    """

    def __init__(
        self, properties: Sequence[str], members: Mapping[str, str], hashers: Mapping[str, Hasher]
    ) -> None:
        """Generate it.

        Args:
            properties: in the schema's order.
            members: the names in JSON of all properties, in the struct's order.
            hashers: of the properties that are hashed.
        """
        self.order = tuple(members)
        at = {name: position for position, name in enumerate(self.order)}
        self._positions = [at[name] for name in properties]
        self._merged_at = at.get(MERGED_IDS)
        self._hashers = {at[name]: hasher for name, hasher in hashers.items()}
        self._page_type = Page[_record_type(members.values())]  # type: ignore[misc]
        self._decode: Callable[[bytes], Page[Any]] = msgspec.json.Decoder(self._page_type).decode

    def decode(self, body: bytes, *, archived: bool) -> Page[Record]:
        """Decode a response as it is; what does not fit is an error of msgspec's."""
        return self._to_page(self._decode(body), archived=archived)

    def convert(self, answer: Any, *, archived: bool) -> Page[Record]:  # noqa: ANN401 - any JSON
        """Make a page of a response that is decoded already."""
        return self._to_page(msgspec.convert(answer, self._page_type), archived=archived)

    def _to_page(self, page: Page[Any], *, archived: bool) -> Page[Record]:
        rows = [astuple(found.properties) for found in page.results]
        columns: Iterable[Iterable[str | None]] = zip(*rows, strict=True)
        if self._hashers:
            columns = self._hashed(columns)
        texts = pa.array(chain.from_iterable(columns), pa.string())
        values = Values(texts, len(rows), self._positions)
        at = self._merged_at
        records = [
            Record(
                found.id,
                found.createdAt,
                found.updatedAt,
                archived if found.archived is None else found.archived,
                found.archivedAt,
                found.mended,
                None if at is None else rows[row][at],
                values,
                row,
            )
            for row, found in enumerate(page.results)
        ]
        return Page(records, page.paging, page.total, page.errors)

    def _hashed(self, columns: Iterable[Iterable[str | None]]) -> Iterator[Iterable[str | None]]:
        """Put hashes in the place of values that nothing else may see."""
        for position, column in enumerate(columns):
            hasher = self._hashers.get(position)
            yield hasher.texts(column) if hasher else column


def _record_type(members: Iterable[str]) -> Any:  # noqa: ANN401 - a generated type
    """Generate the struct of a record; `members`: the names of its properties in JSON."""
    text = str | None
    fields = {f"p{index}": member for index, member in enumerate(members)}
    properties = msgspec.defstruct(
        "Properties", [(name, text, None) for name in fields], rename=fields, gc=False
    )
    return msgspec.defstruct(
        "Record",
        [
            ("id", Annotated[str, NAME]),
            ("properties", properties),
            ("createdAt", text, None),
            ("updatedAt", text, None),
            ("archived", bool | None, None),
            ("archivedAt", text, None),
            ("mended", dict[str, Misfit] | None, None),
        ],
        rename={"mended": _MENDED},
        gc=False,
    )
