"""Items of an endpoint's tables -> Arrow: rows, and the values that do not fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...catalog.endpoints import ENDPOINT_OF, ENDPOINTS, TABLES
from ...catalog.endpoints.declaration import Endpoint, Table
from ...errors import ContractError
from ...model import Kind
from ...parsing.lenient_json import SURROGATE, Number, escaped, replaced, to_json
from ...parsing.tolerance import misfit
from ..casts import CASTS, TIMESTAMP, TYPES, cast
from ..records import Batch, to_rejects
from .digests import Digests
from .items import Constants, Items, Row, children_of, exploded, given, to_text

OWN_COLUMNS: dict[str, Kind] = {
    "_hs_archived": "bool",
    "_hs_deleted_at": "timestamp",
    "_hs_synced_at": "timestamp",
}
MAY_BE_ANYTHING = frozenset({"value"})
"""Parts of a key that HubSpot lets people choose: the value of an option may be empty."""
_EARLIEST_MS, _LATEST_MS = 10**8, 253_402_300_799_999  # whole numbers that are surely an instant
_NATIVE: dict[Kind, type] = {"bool": bool, "integer": int, "double": float, "timestamp": int}


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table; its keys may not be null."""
    one = TABLES[table]
    fields = {column.name: TYPES[column.cast] for column in one.fields}
    fields |= {name: TYPES[kind] for name, kind in added_columns(table).items()}
    return pa.schema(
        [pa.field(name, kind, nullable=name not in one.keys) for name, kind in fields.items()]
    )


@cache
def added_columns(table: str) -> dict[str, Kind]:
    """Return the columns that a table has besides those of its declaration."""
    endpoint, one = ENDPOINTS[ENDPOINT_OF[table]], TABLES[table]
    if endpoint.own_reader:
        return {}
    extra: dict[str, Kind] = {"extra": "text"} if one is endpoint.first else {}
    synced: dict[str, Kind] = {"_hs_synced_at": "timestamp"}
    return extra | (OWN_COLUMNS if endpoint.keeps(one) else synced)


@dataclass(frozen=True, slots=True)
class Reading:
    """What all rows of one reading share."""

    synced_at: datetime
    strip_nul: bool = False
    seen: Digests = field(default_factory=Digests)
    """Keys of the first table's rows that came before: the first row counts."""


def to_batches(endpoint: Endpoint, first: Items, reading: Reading) -> Iterator[tuple[str, Batch]]:
    """Turn the objects of an endpoint into the rows of its tables, the first table first.

    A row whose key came before in this reading is left out, with its children.

    Raises:
        ContractError: a row lacks its key; the message has its JSON path.
    """
    first = _unseen(endpoint.first, exploded(endpoint.first, first), reading.seen)
    yield endpoint.first.name, to_batch(endpoint.first, first, reading)
    for table in endpoint.tables[1:]:
        items = children_of(table, first)
        if items.values:
            yield table.name, to_batch(table, _unseen(table, items, Digests()), reading)


def _unseen(table: Table, items: Items, seen: Digests) -> Items:
    """Return the items whose keys did not come before."""
    own = {column.name: column for column in table.fields}
    keys = zip(*(map(to_text, given(own[name], items)) for name in table.keys), strict=True)
    new = [index for index, key in enumerate(keys) if seen.add(key)]
    return items if len(new) == len(items.values) else items.only(new)


def to_batch(table: Table, items: Items, reading: Reading) -> Batch:
    """Turn items into the rows of one table, and what does not fit into rejects.

    Text columns take any JSON: numbers and booleans as they are written, lists and objects as JSON.
    The others are cast as the values of records are; there an empty text is no value, either, and
    rejected. A reject's id is the row's key, its parts joined by colons.

    Raises:
        ContractError: a row lacks its key; the message has its JSON path.
    """
    block = _Block(table, items, strip_nul=reading.strip_nul)
    arrays = []
    for column in table.fields:
        found = given(column, items)
        if column.name in table.keys:
            block.check_key(column.name, found)
        array = block.cast(column.name, found, column.cast)
        if column.name in table.keys and array.null_count:
            raise block.no_key(column.name, found, array.is_null().index(True).as_py())
        arrays.append(array)
    added = added_columns(table.name)
    arrays += [_added(name, block, reading) for name in added]
    block.check_lists()
    content = pa.Table.from_arrays(arrays, schema=arrow_schema(table.name))
    return Batch(content, to_rejects(table.name, block.rejects, reading.synced_at))


def values_of(
    table: Table, names: Sequence[str], items: Items, *, strip_nul: bool = False
) -> list[list[Any]]:
    """Return columns of items as they would be in the warehouse.

    Args:
        table: with these columns.
        names: of the columns.
        items: objects of HubSpot's.
        strip_nul: whether the warehouse keeps no NUL characters.
    """
    block, own = _Block(table, items, strip_nul=strip_nul), {one.name: one for one in table.fields}
    return [block.cast(name, given(own[name], items), own[name].cast).to_pylist() for name in names]


def _added(name: str, block: "_Block", reading: Reading) -> pa.Array:
    """Make a column that tables have besides those of their declarations."""
    size = len(block.items.values)
    if name == "_hs_synced_at":
        return pa.repeat(pa.scalar(reading.synced_at, TIMESTAMP), size)
    if name == "_hs_deleted_at":
        return pa.nulls(size, TIMESTAMP)
    if name == "_hs_archived":
        pairs = zip(block.items.values, block.items.constants, strict=True)
        return pa.array([_is_archived(row, constants) for row, constants in pairs], pa.bool_())
    known = members_of(ENDPOINT_OF[block.table.name])
    new = (block.items.members() or frozenset()) - known
    if not new:
        return pa.nulls(size, pa.string())
    rows = [{n: one for n, one in row.items() if n in new} for row in block.items.values]
    return block.cast(name, [row or None for row in rows], "text")


def _is_archived(row: Row, constants: Constants) -> bool:
    is_marked = isinstance(row, Mapping) and row.get("archived") is True
    return is_marked or constants.get("archived") == "true"


@cache
def members_of(endpoint: str) -> frozenset[str]:
    """Return the members of an endpoint's objects that its tables have columns of."""
    one = ENDPOINTS[endpoint]
    columns = [column for table in one.tables if table.of_object for column in table.fields]
    sources = [source for column in (*one.first.fields, *columns) for source in column.sources]
    known = {source.path[0] for source in sources if source.origin == "member"}
    known |= {column.name for column in one.first.fields}
    for table in one.tables[1:]:
        known |= {path.partition(".")[0].removesuffix("{}") for path in table.lists}
    return frozenset(known | {"archived", *one.omitted.split()})


@dataclass(frozen=True, slots=True)
class _Block:
    """The columns of a table in the making, and the values that do not fit."""

    table: Table
    items: Items
    strip_nul: bool = field(kw_only=True)
    rejects: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Raw text and reason by id and column."""

    def cast(self, name: str, values: list[Any], kind: Kind) -> pa.Array:
        """Return the column of some JSON values, one for each item."""
        array = _native(values, kind)
        if array is not None:
            return array
        texts = [
            one
            if one is None or type(one) is str
            else str(one)
            if type(one) is int
            else to_text(one)
            for one in values
        ]
        try:
            array = pa.array(texts, pa.string())
        except UnicodeEncodeError:
            texts = [self._without_surrogates(i, name, one) for i, one in enumerate(texts)]
            array = pa.array(texts, pa.string())
        if self.strip_nul:
            array = self._without_nul(name, array)
        return array if kind == "text" else self._cast_texts(name, array, kind)

    def _cast_texts(self, name: str, texts: pa.Array, kind: Kind) -> pa.Array:
        array, reasons = cast(texts, kind)
        for index in pc.indices_nonzero(pc.equal(texts, "").fill_null(False)).to_pylist():
            reasons[index] = CASTS[kind]("")[1] or ""
        for index, reason in reasons.items():
            self.reject(index, name, texts[index].as_py() or "", reason)
        return array

    def _without_surrogates(self, index: int, name: str, text: str | None) -> str | None:
        if text is None or not SURROGATE.search(text):
            return text
        self.reject(index, name, escaped(text), "invalid_unicode")
        return replaced(text)

    def _without_nul(self, name: str, texts: pa.Array) -> pa.Array:
        found = pc.indices_nonzero(pc.match_substring(texts, "\0").fill_null(False)).to_pylist()
        for index in found:
            self.reject(index, name, texts[index].as_py(), "nul_character")
        return pc.replace_substring(texts, "\0", "") if found else texts

    def reject(self, index: int, name: str, raw: str, reason: str) -> None:
        """Note a value that did not fit."""
        shown = raw.replace("\0", "\\0") if self.strip_nul else raw
        self.rejects[self._id(index), name] = (shown, reason)

    def _id(self, index: int) -> str:
        """Return the text that names a row among the rejects."""
        one = self.items.only([index])
        own = {column.name: column for column in self.table.fields}
        texts = [to_text(given(own[name], one)[0]) or "" for name in self.table.keys]
        id_ = replaced(":".join(texts))
        return id_.replace("\0", "") if self.strip_nul else id_

    def check_key(self, name: str, values: Sequence[Any]) -> None:
        """Refuse values that cannot name anything.

        Raises:
            ContractError: there is one.
        """
        if name in MAY_BE_ANYTHING or ({*map(type, values)} <= {str, int} and "" not in values):
            return
        is_flag = {c.name: c.kind for c in self.table.fields}[name] == "bool"
        for index, one in enumerate(values):
            odd = isinstance(one, float | Number | list | Mapping) or one is None or one == ""
            if odd or (isinstance(one, bool) and not is_flag):
                raise self.no_key(name, values, index)

    def no_key(self, name: str, values: Sequence[Any], index: int) -> ContractError:
        """Return the error of a row that lacks its key."""
        source = {c.name: c for c in self.table.fields}[name].sources[0]
        place = ".".join([self.items.place(index), *source.path])
        return ContractError(
            f"HubSpot's answer for {self.table.name} is not as documented:"
            f" {misfit(values[index], place)}.",
            remedy="Run the sync again; what is loaded stays. If it happens again, report this.",
        )

    def check_lists(self) -> None:
        """Note the lists of objects that are none; the objects among their items are rows."""
        endpoint = ENDPOINTS[ENDPOINT_OF[self.table.name]]
        for child in endpoint.tables[1:] if self.table is endpoint.first else ():
            if not child.rows.isidentifier():
                continue
            may_lack = endpoint.own_reader or not child.keeps
            wants = Mapping if child.takes_members else object
            for index, row in enumerate(self.items.values):
                value = row.get(child.rows)
                is_fine = value is None and may_lack
                if isinstance(value, list):
                    is_fine = all(isinstance(one, wants) for one in value)
                if not is_fine:
                    self.reject(index, child.rows, escaped(to_json(value)), "not_a_list")


def _native(values: Sequence[Any], kind: Kind) -> pa.Array | None:
    """Return a column of values that are of its kind already; None where one is not."""
    kinds = {*map(type, values)} - {type(None)}
    if not kinds:
        return pa.nulls(len(values), TYPES[kind])
    if kinds != {_NATIVE.get(kind)}:
        return None
    if kind != "timestamp":
        try:
            return pa.array(values, TYPES[kind])
        except OverflowError:
            return None
    present = [one for one in values if one is not None]
    if min(present) >= _EARLIEST_MS and max(present) <= _LATEST_MS:
        return pa.array(values, pa.int64()).cast(pa.timestamp("ms", "UTC")).cast(TIMESTAMP)
    return None
