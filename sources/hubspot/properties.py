"""Property definitions: read from HubSpot, and made into the columns of a table.

A column's name is given once and never changes. New names are dlt's snake case of the property's
own name; where that is taken, by another property, by an older type of the same property, or by
one of our columns, the column is called `<name>_<type>` or `<name>_2`, `<name>_3`, ..., in the
order of property names, whatever order HubSpot lists them in. One underscore: dlt squeezes two.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from typing import Any

import msgspec

from .client import Client
from .errors import RequestRejectedError, ScopeMissingError
from .model import Column, Kind, ObjectType, TableSchema

KINDS: dict[str, Kind] = {
    "number": "double",
    "bool": "bool",
    "date": "date",
    "datetime": "timestamp",
}
"""HubSpot's types that are not text."""

OWN_PREFIXES = ("_hs_", "_dlt_")
OWN_NAMES = {"id"}


class Option(msgspec.Struct, rename="camel"):
    """One choice of an enumeration."""

    value: str = ""
    label: str | None = None
    display_order: int | None = None
    hidden: bool | None = None
    description: str | None = None


class Definition(msgspec.Struct, rename="camel"):
    """A property as HubSpot defines it."""

    name: str
    label: str | None = None
    type: str = "string"
    field_type: str | None = None
    group_name: str | None = None
    description: str | None = None
    options: list[Option] = []
    calculated: bool | None = None
    external_options: bool | None = None
    has_unique_value: bool | None = None
    hidden: bool | None = None
    hubspot_defined: bool | None = None
    referenced_object_type: str | None = None
    archived: bool | None = None


class _Definitions(msgspec.Struct):
    results: list[Definition]


_decode = msgspec.json.Decoder(_Definitions).decode


def read_definitions(
    client: Client, object_type: ObjectType, *, sensitive: bool = False
) -> list[Definition]:
    """Read the definitions of all properties of a type.

    Args:
        client: of this portal.
        object_type: whose properties.
        sensitive: also those with sensitive data, as far as the token may see them.

    Raises:
        HubSpotError: the definitions cannot be read.
    """
    path = client.path("properties", object_type.path)
    found = {row.name: row for row in client.get(path, {}, decode=_decode).results}
    for sensitivity in ("sensitive", "highly_sensitive") if sensitive else ():
        try:
            answer = client.get(path, {"dataSensitivity": sensitivity}, decode=_decode)
        except (ScopeMissingError, RequestRejectedError):
            continue
        found.update((row.name, row) for row in answer.results)
    return list(found.values())


def kind_of(definition: Definition) -> Kind:
    """Choose the kind of column a property's values go into.

    Ids and references are text, for HubSpot types them as numbers that a double would round.
    """
    own_id = definition.hubspot_defined and definition.name.endswith("_id")
    if definition.referenced_object_type or definition.name == "hs_object_id" or own_id:
        return "text"
    return KINDS.get(definition.type, "text")


def to_schema(
    table: str,
    definitions: Sequence[Definition],
    known: Sequence[Column],
    normalize: Callable[[str], str],
) -> TableSchema:
    """Give every property its column.

    Args:
        table: the table's name.
        definitions: of today, in any order.
        known: all columns this table ever had; they keep their names.
        normalize: dlt's naming, with the destination's limit of length.
    """
    given = {(column.property, column.kind): column for column in known}
    taken = {column.name for column in known}
    columns = []
    for definition in sorted(definitions, key=lambda definition: definition.name):
        kind = kind_of(definition)
        column = given.get((definition.name, kind))
        if column is None:
            name = next(n for n in _names(definition, normalize) if n not in taken)
            label = definition.label or ""
            column = Column(definition.name, name, kind, definition.type, label)
        taken.add(column.name)
        columns.append(column)
    return TableSchema(table, tuple(columns))


def _names(definition: Definition, normalize: Callable[[str], str]) -> Iterator[str]:
    """Yield the names a new column may take, the best first; each survives another `normalize`."""
    suffixes = ("", f"_{definition.type}")
    for suffix in chain(suffixes, (f"_{number}" for number in count(2))):
        name = normalize(normalize(f"{definition.name}{suffix}"))
        if name not in OWN_NAMES and not name.startswith(OWN_PREFIXES):
            yield name


def pack(columns: Sequence[Column]) -> list[Any]:
    """Make columns small JSON."""
    return [[c.property, c.name, c.kind, c.hubspot_type, c.label] for c in columns]


def unpack(packed: Sequence[Sequence[Any]]) -> list[Column]:
    """Read what `pack` made."""
    return [Column(*values) for values in packed]
