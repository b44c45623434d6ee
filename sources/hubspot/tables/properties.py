"""Property definitions: read from HubSpot, and made into the columns of a table.

A column's name is given once and never changes. New names are dlt's snake case of the property's
own name; where that is taken, by another property, by an older type of the same property, or by
one of our columns, the column is called `<name>_<type>`, or else `<name>_2`, `<name>_3`, ...,
whatever order HubSpot lists the properties in. One underscore, for dlt squeezes two.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Annotated, Any

import msgspec

from ..errors import RequestRejectedError, ScopeMissingError
from ..http.client import Client
from ..model import Column, Kind, ObjectType, Page, TableSchema
from ..parsing.tolerance import NAME, fit, tolerant

KINDS: dict[str, Kind] = {
    "number": "double",
    "bool": "bool",
    "date": "date",
    "datetime": "timestamp",
}
"""HubSpot's types that are not text."""

OWN_NAMES = frozenset({"id"})
OWN_PREFIXES = ("_hs_", "_dlt_")


class Option(msgspec.Struct, rename="camel"):
    """What shows that an option of an enumeration has changed."""

    value: str = ""
    label: str | None = None
    hidden: bool | None = None


class Definition(msgspec.Struct, rename="camel"):
    """A property as HubSpot defines it: what its column depends on, and all that HubSpot gave."""

    name: Annotated[str, NAME]
    label: str | None = None
    type: Annotated[str, NAME] | None = None
    """None where it is not known."""
    field_type: str | None = None
    options: list[Option] | None = None
    calculated: bool | None = None
    hubspot_defined: bool | None = None
    referenced_object_type: str | None = None
    archived: bool | None = None
    given: Mapping[str, Any] = {}
    """The members as HubSpot wrote them, for the table of properties."""


_decode = tolerant(Page[dict[str, Any]])


def decode_definitions(body: bytes) -> list[Definition]:
    """Decode one response that lists definitions.

    Guarantees: one that has a name is never lost, whatever its other members are.

    Raises:
        msgspec.ValidationError: JSON without results, or a definition without a name.
        msgspec.DecodeError: not JSON, or cut short.
    """
    rows = enumerate(_decode(body).results)
    return [_to_definition(row, f"$.results[{index}]") for index, row in rows]


def _to_definition(row: dict[str, Any], path: str) -> Definition:
    given = {name: value for name, value in row.items() if name != "given"}
    try:
        definition = msgspec.convert(given, Definition)
        msgspec.json.encode(definition)  # refuses text that holds what is no character
    except (msgspec.ValidationError, UnicodeEncodeError):
        definition = fit(given, Definition, path)
    definition.given = given
    return definition


def read_definitions(
    client: Client, object_type: ObjectType, *, sensitive: bool = False
) -> list[Definition]:
    """Read the definitions of all properties of a type.

    Args:
        client: of this portal.
        object_type: whose properties.
        sensitive: those with sensitive data too, which HubSpot lists only when asked for them;
            left out where the token or the portal has none.

    Raises:
        HubSpotError: the definitions of the usual properties cannot be read.
    """
    path = client.path("properties", object_type.path)
    found = {row.name: row for row in client.get(path, decode=decode_definitions)}
    for sensitivity in ("sensitive", "highly_sensitive") if sensitive else ():
        try:
            rows = client.get(path, {"dataSensitivity": sensitivity}, decode=decode_definitions)
        except (ScopeMissingError, RequestRejectedError):
            continue
        found.update((row.name, row) for row in rows)
    return list(found.values())


def kind_of(definition: Definition) -> Kind:
    """Choose the kind of column a property's values go into.

    Ids and references are text, for HubSpot types them as numbers that a double would round.
    """
    kind = KINDS.get(definition.type or "", "text")
    return "text" if kind == "double" and _is_id(definition) else kind


def _is_id(definition: Definition) -> bool:
    if definition.referenced_object_type or definition.name == "hs_object_id":
        return True
    return bool(definition.hubspot_defined) and definition.name.endswith("_id")


def to_schema(
    table: str,
    definitions: Sequence[Definition],
    known: Sequence[Column],
    normalize: Callable[[str], str],
) -> TableSchema:
    """Give every property its column, in the order of property names.

    Guarantees: a property of the same kind, or of an unknown one, keeps the column
    it once had; no column is given twice, nor is one of ours; names are the same for any order of
    `definitions`, and another `normalize` leaves them as they are.

    Args:
        table: the table's name.
        definitions: of today; archived ones get no column.
        known: all columns this table ever had, those of properties long gone among them.
        normalize: dlt's naming, with the destination's limit of length.
    """
    current = {row.name: row for row in definitions if not row.archived}
    columns = _kept_columns(current, known)
    fresh = [row for name, row in current.items() if name not in columns]
    taken = {column.name.casefold() for column in known}
    for row, name in _give_names(fresh, taken, normalize):
        label = row.label or ""
        columns[row.name] = Column(row.name, name, kind_of(row), row.type or "string", label)
    return TableSchema(table, tuple(column for _, column in sorted(columns.items())))


def _kept_columns(current: Mapping[str, Definition], known: Sequence[Column]) -> dict[str, Column]:
    """Return the columns that properties had before, by property; of a new type it has none."""
    given = {(column.property, column.kind): column for column in known}
    latest = {column.property: column for column in known}
    kept = {
        name: given.get((name, kind_of(row))) if row.type else latest.get(name)
        for name, row in current.items()
    }
    return {name: column for name, column in kept.items() if column is not None}


def _give_names(
    rows: Sequence[Definition], taken: set[str], normalize: Callable[[str], str]
) -> Iterator[tuple[Definition, str]]:
    """Give columns first to those whose own name is free, best to whom it fits as it is."""
    candidates = {row.name: _names(row, normalize) for row in rows}
    own = {row.name: next(candidates[row.name]) for row in rows}
    waiting = []
    for row in sorted(rows, key=lambda row: (own[row.name] != row.name, row.name)):
        name = own[row.name]
        if _is_ours(name) or name.casefold() in taken:
            waiting.append(row)
        else:
            taken.add(name.casefold())
            yield row, name
    for row in waiting:
        name = next(
            name
            for name in candidates[row.name]
            if not _is_ours(name) and name.casefold() not in taken
        )
        taken.add(name.casefold())
        yield row, name


def _names(row: Definition, normalize: Callable[[str], str]) -> Iterator[str]:
    """Yield the names a new column may take, the best first; each survives another `normalize`."""
    base = row.name if row.name.strip() else "property"
    own = normalize(normalize(base))
    yield own
    if own.startswith(OWN_PREFIXES):
        base = f"property_{base}"
        yield normalize(normalize(base))
    for suffix in chain([row.type or "string"], map(str, count(2))):
        yield normalize(normalize(f"{base}_{suffix}"))


def _is_ours(name: str) -> bool:
    return name in OWN_NAMES or name.startswith(OWN_PREFIXES)


def pack(columns: Sequence[Column]) -> list[Any]:
    """Make columns small JSON, for the state."""
    return [[c.property, c.name, c.kind, c.hubspot_type, c.label] for c in columns]


def unpack(packed: Sequence[Sequence[Any]]) -> list[Column]:
    """Read what `pack` made."""
    return [Column(*values) for values in packed]
