"""How HubSpot's objects become the rows of reference tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from ..catalog.endpoints import ENDPOINTS, REFERENCE
from ..errors import ContractError
from ..model import Kind
from ..parsing.lenient_json import SURROGATE, Number, escaped, replaced, to_json
from ..parsing.tolerance import misfit
from .casts import CASTS, TYPES, cast
from .properties import Definition
from .records import Batch, to_rejects

Row = Mapping[str, Any]

EMPTY_MARK = "_hs_empty"
"""Column of the one row that stands for a scope without rows: it is never kept."""


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table; its keys may not be null."""
    one = REFERENCE[table]
    return pa.schema(
        [
            pa.field(name, TYPES[kind], nullable=name not in one.key)
            for name, kind in one.columns.items()
        ]
    )


def no_rows(table: str, scope: str) -> pa.Table:
    """Make the row by which a scope loses all of its rows."""
    one = REFERENCE[table]
    keys = {name: scope if name == one.scope else "0" for name in one.key}
    rows = to_batch(table, [keys], seen_at=datetime.fromtimestamp(0, UTC)).rows
    return rows.append_column(EMPTY_MARK, pa.array([True]))


LISTS: dict[str, list[str]] = {
    name: [table.member for table in endpoint.tables.values() if table.member]
    for name, endpoint in ENDPOINTS.items()
}
"""Members of a table's rows whose objects are the rows of other tables."""

PATH = "$"
"""A row's own member for its place in HubSpot's response; HubSpot has none of this name."""


def rows_at(rows: object, path: str) -> list[dict[str, Any]]:
    """Return the objects of a list with their places in the response; none where it is no list."""
    found = rows if isinstance(rows, list) else []
    return [
        {**row, PATH: f"{path}[{index}]"}
        for index, row in enumerate(found)
        if isinstance(row, Mapping)
    ]


def rows_by_table(name: str, found: Sequence[Row], scope: str = "") -> dict[str, list[Row]]:
    """Return the rows of each table of an endpoint.

    Args:
        name: of the endpoint.
        found: its objects, with their places.
        scope: the object type that it was asked for; empty where it is the portal.
    """
    rows: dict[str, list[Row]] = {}
    for table, one in ENDPOINTS[name].tables.items():
        own = {one.scope: scope} if one.scope else {}
        if not one.member:
            rows[table] = [{**row, **own} for row in found]
            continue
        parent = one.parent or {}
        rows[table] = [
            {**item, **own, **{column: row.get(member) for column, member in parent.items()}}
            for row in found
            for item in rows_at(row.get(one.member), f"{row[PATH]}.{one.member}")
        ]
    return rows


def definition_rows(object_type: str, definitions: Sequence[Definition]) -> dict[str, list[Row]]:
    """Return the rows of the tables of properties and their options; the last of equals counts."""
    properties: list[Row] = []
    options: dict[tuple[str, str], Row] = {}
    for one in definitions:
        own = {"object_type": object_type, "name": one.name}
        properties.append({**one.given, **own, "options": one.given.get("options") or []})
        for option in rows_at(one.given.get("options"), f"{one.name}.options"):
            value = to_text(option.get("value")) or ""
            key = {"object_type": object_type, "property": one.name, "value": value}
            options[one.name, value] = {**option, **key}
    return {"properties": properties, "property_options": list(options.values())}


def to_batch(
    table: str, rows: Sequence[Row], *, seen_at: datetime, strip_nul: bool = False
) -> Batch:
    """Turn HubSpot's objects into the rows of a table, and what does not fit into rejects.

    Text columns take any JSON: numbers and booleans as they are written, lists and objects as JSON.
    The others are cast as the values of records are; there an empty text is no value, either, and
    rejected. A reject's id is the row's key, its parts joined by colons.

    Raises:
        ContractError: a row lacks its key; the message has its JSON path.
    """
    columns = _Columns(table, [_key(table, row) for row in rows], strip_nul=strip_nul)
    arrays = []
    for name, kind in REFERENCE[table].columns.items():
        given = [row.get(_camel(name), row.get(name)) for row in rows]
        arrays.append(columns.cast(name, [to_text(value) for value in given], kind))
        if name in REFERENCE[table].key and arrays[-1].null_count:
            index = arrays[-1].is_null().index(True).as_py()
            raise _no_key(table, rows[index], name)
    for member in LISTS.get(table, ()):
        columns.check_lists(member, rows)
    content = pa.Table.from_arrays(arrays, schema=arrow_schema(table))
    return Batch(content, to_rejects(table, columns.found, seen_at))


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table in the making, and the values that do not fit."""

    table: str
    ids: list[str]
    strip_nul: bool = field(kw_only=True)
    found: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Raw text and reason by id and column."""

    def cast(self, name: str, texts: list[str | None], kind: Kind) -> pa.Array:
        """Return the column of some texts, one per row."""
        for index, text in enumerate(texts):
            if text is not None:
                texts[index] = self._clean(self.ids[index], name, text)
        if kind == "text":
            return pa.array(texts, pa.string())
        array, reasons = cast(pa.array(texts, pa.string()), kind)
        nothing = [index for index, text in enumerate(texts) if text == ""]
        reasons |= {index: CASTS[kind]("")[1] or "" for index in nothing}
        for index, reason in reasons.items():
            self.reject(self.ids[index], name, texts[index] or "", reason)
        return array

    def _clean(self, id_: str, name: str, text: str) -> str:
        """Take out what is no character, and what the warehouse cannot hold."""
        if SURROGATE.search(text):
            self.reject(id_, name, escaped(text), "invalid_unicode")
            text = replaced(text)
        if self.strip_nul and "\0" in text:
            self.reject(id_, name, text, "nul_character")
            text = text.replace("\0", "")
        return text

    def reject(self, id_: str, name: str, raw: str, reason: str) -> None:
        """Note a value that did not fit."""
        self.found[id_, name] = (raw.replace("\0", "\\0") if self.strip_nul else raw, reason)

    def check_lists(self, name: str, rows: Sequence[Row]) -> None:
        """Note the lists of objects that are none; the objects among their items are rows."""
        for id_, row in zip(self.ids, rows, strict=True):
            value = row.get(name)
            if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
                self.reject(id_, name, escaped(to_json(value)), "not_a_list")


def _key(table: str, row: Row) -> str:
    """Return the text that names a row among the rejects.

    Raises:
        ContractError: a part of its key is missing or cannot name anything.
    """
    parts = []
    for name in REFERENCE[table].key:
        value = row.get(_camel(name), row.get(name))
        is_odd = value in (None, "") or isinstance(value, bool | float | Number | list | Mapping)
        if is_odd and name not in MAY_BE_ANYTHING:
            raise _no_key(table, row, name)
        parts.append(replaced(to_text(value) or ""))
    return ":".join(parts)


MAY_BE_ANYTHING = frozenset({"value"})
"""Parts of a key that HubSpot lets people choose: the value of an option may be empty."""


def _no_key(table: str, row: Row, name: str) -> ContractError:
    given = row.get(_camel(name), row.get(name))
    place = f"{row.get(PATH, table)}.{_camel(name)}"
    return ContractError(
        f"HubSpot's answer for {table} is not as documented: {misfit(given, place)}.",
        remedy="Run the sync again; what is loaded stays. If it happens again, report this.",
    )


def to_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a value's text; of a list or an object its JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, UnicodeEncodeError):  # it was read leniently
        return to_json(value)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
