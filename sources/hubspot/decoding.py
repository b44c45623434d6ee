"""Page bytes -> records: structs with one field per property, whatever the page holds.

A page is decoded in one step. What the fast decoder refuses, such as numbers among the texts or
escapes that are no character, is decoded slowly and mended, and the record remembers it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from .model import Page, TableSchema

_MENDED = "_hs_mended"  # HubSpot sends no such member
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
_NO_ESCAPE = "\udc5c"  # a backslash, as `surrogateescape` writes a byte that is no character
_LONGEST_INTEGER = 4_000  # digits; Python reads no more than 4,300
_UNFIT_NAME = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')  # msgspec takes no such member names


class Record(Protocol):
    """A record as HubSpot gives it; `properties` has one field per column."""

    id: str
    properties: Any
    createdAt: str | None  # noqa: N815 - HubSpot's own name
    updatedAt: str | None  # noqa: N815 - HubSpot's own name
    archived: bool
    archivedAt: str | None  # noqa: N815 - HubSpot's own name
    mended: dict[str, str] | None
    """Texts that held what is no character, escaped, by property."""


class RecordDecoder:
    """Decodes answers that hold records of one table; safe to share between threads.

    Args:
        schema: the table; its properties become the fields of the records, in its order.
    """

    def __init__(self, schema: TableSchema) -> None:
        """Generate the struct that records are decoded into."""
        self.properties = schema.properties
        fields = [f"p{index}" for index in range(len(self.properties))]
        self._by_name = dict(zip(self.properties, fields, strict=True))
        self._members = {
            name: f"\x7f{name_of_field}" if _UNFIT_NAME.search(name) else name
            for name, name_of_field in self._by_name.items()
        }
        record: Any = _record_type(dict(zip(fields, self._members.values(), strict=True)))
        self._page_type = Page[record]
        self._decode: Callable[[bytes], Page[Record]] = msgspec.json.Decoder(self._page_type).decode
        self._only_slowly = list(self._members.values()) != list(self.properties)

    def page(self, body: bytes) -> Page[Record]:
        """Decode one answer of a listing, a search or a batch read.

        Guarantees: a page that is JSON of this shape is never lost, whatever its values are:
        numbers, booleans and objects become their text, ids may be numbers, of equal members
        the last counts; escapes, bytes and surrogates that are no character are replaced and
        remembered.

        Raises:
            msgspec.ValidationError: JSON of another shape.
            msgspec.DecodeError: not JSON, or cut short.
        """
        if self._only_slowly:
            return self._decode_slowly(body)
        try:
            return self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_slowly(body)

    def merged_ids(self, record: Record) -> list[str]:
        """List the ids that were merged into a record, never its own."""
        member = self._by_name.get("hs_merged_object_ids")
        text = getattr(record.properties, member) if member else None
        ids = dict.fromkeys(id_.strip() for id_ in (text or "").split(";"))
        return [id_ for id_ in ids if id_ and id_ != record.id]

    def _decode_slowly(self, body: bytes) -> Page[Record]:
        """Read what the fast decoder refuses."""
        try:
            answer = _loads(body)
            results = answer.get("results") if isinstance(answer, dict) else None
            for record in results if isinstance(results, list) else ():
                if isinstance(record, dict):
                    self._mend(record)
        except (ValueError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from error
        try:
            page: Page[Record] = msgspec.convert(answer, self._page_type)
        except UnicodeEncodeError as error:  # the name of a member, which is HubSpot's own
            raise msgspec.ValidationError(str(error)) from error
        return page

    def _mend(self, record: dict[str, Any]) -> None:
        """Make a record's values text, in the shape of the struct."""
        id_ = record.get("id")
        if type(id_) is int or isinstance(id_, str):
            record["id"] = _replaced(str(id_))
        for name in ("createdAt", "updatedAt", "archivedAt"):
            record[name] = _replaced(_as_text(record.get(name)) or "")
        record["archived"] = record.get("archived") or False
        properties = record.get("properties")
        if not isinstance(properties, dict):
            return
        texts = {name: _as_text(properties.get(name)) for name in self._members}
        broken = {name: text for name, text in texts.items() if text and _SURROGATE.search(text)}
        texts |= {name: _replaced(text) for name, text in broken.items()}
        record["properties"] = {self._members[name]: text for name, text in texts.items()}
        record[_MENDED] = {
            name: text.replace(_NO_ESCAPE, "\\").encode("utf-8", "backslashreplace").decode()
            for name, text in broken.items()
        }


def _record_type(members: Mapping[str, str]) -> Any:  # noqa: ANN401 - a generated type
    """Generate the struct of a record; `members`: field -> name of the property in JSON."""
    text = str | None
    properties = msgspec.defstruct(
        "Properties", [(name, text, None) for name in members], rename=members, gc=False
    )
    return msgspec.defstruct(
        "Record",
        [
            ("id", str),
            ("properties", properties),
            ("createdAt", text, None),
            ("updatedAt", text, None),
            ("archived", bool, False),
            ("archivedAt", text, None),
            ("mended", dict[str, str] | None, None),
        ],
        rename={"mended": _MENDED},
        gc=False,
    )


@dataclass(frozen=True, slots=True)
class _Number:
    """A JSON number that Python would round or refuse."""

    text: str


def _loads(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON whose strings may hold anything, numbers with all their digits."""
    text = body.decode("utf-8-sig", "surrogateescape")
    return json.loads(
        _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else _NO_ESCAPE, text),
        parse_int=lambda digits: int(digits) if len(digits) < _LONGEST_INTEGER else _Number(digits),
        parse_float=_Number,
        parse_constant=_Number,
        strict=False,
    )


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a value's text; of anything but a string its JSON."""
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join([_json(item) for item in value])}]"
    if isinstance(value, dict):
        members = [f"{_json(name)}: {_json(item)}" for name, item in value.items()]
        return f"{{{', '.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)


def _replaced(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)
