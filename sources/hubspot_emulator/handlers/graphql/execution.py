"""Runs a query against a schema of the portal's types, properties and associations."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    graphql_sync,
)
from graphql.language import EnumValueNode, ValueNode
from graphql.utilities import value_from_ast_untyped

from ...portal.catalog.definitions import Definition
from ...portal.records.record import Record
from ...portal.records.table import RecordTable
from ..call import Call
from ..errors import ApiError
from ..records.filters import to_number
from . import collections

TYPES = ("contacts", "companies", "deals", "tickets")
Resolver = Callable[..., Any]


def _any_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> object:
    """Return a literal as JSON has it; the name of an enum value as text."""
    return (
        node.value if isinstance(node, EnumValueNode) else value_from_ast_untyped(node, variables)
    )


ANY = GraphQLScalarType("Any", parse_value=lambda value: value, parse_literal=_any_literal)
OPTION = GraphQLObjectType(
    "Option", {"label": GraphQLField(GraphQLString), "value": GraphQLField(GraphQLString)}
)
METADATA = GraphQLObjectType("Metadata", {"id": GraphQLField(GraphQLString)})
PAGED = {
    "limit": GraphQLArgument(GraphQLInt, default_value=10),
    "offset": GraphQLArgument(GraphQLInt, default_value=0),
}
FOUND = {**PAGED, "filter": GraphQLArgument(ANY), "orderBy": GraphQLArgument(ANY)}


@dataclass(slots=True)
class Points:
    """What a query has cost: a point per value."""

    used: int = 0


def execute(call: Call, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a query: `data`, and `errors` where something is wrong."""
    points = Points()
    result = graphql_sync(
        _schema(call),
        query,
        variable_values=variables,
        operation_name=call.body.get("operationName"),
        context_value=points,
    )
    most = call.portal.settings.graphql_points
    if points.used > most:
        message = f"The query needs {points.used} points; a query may have {most} points"
        return {"data": None, "errors": [{"message": message}]}
    return dict(result.formatted)


def _schema(call: Call) -> GraphQLSchema:
    """Make the schema as the portal's definitions are now."""
    tables = [call.portal.table(name) for name in TYPES]
    lists: dict[str, GraphQLObjectType] = {}
    for table in tables:
        record = GraphQLObjectType(
            table.type.singular,
            lambda table=table: dict(_fields(call, table, lists)),  # type: ignore[misc]
        )
        members = {
            "items": GraphQLField(GraphQLList(record)),
            "total": GraphQLField(GraphQLInt),
            "hasMore": GraphQLField(GraphQLBoolean),
            "limit": GraphQLField(GraphQLInt),
            "offset": GraphQLField(GraphQLInt),
        }
        lists[table.type.type_id] = GraphQLObjectType(f"{table.type.singular}_collection", members)
    crm = GraphQLObjectType("CRM", dict(_roots(call, tables, lists)))
    root = GraphQLObjectType("Query", {"CRM": GraphQLField(crm, resolve=lambda *_: {})})
    return GraphQLSchema(root)


def _roots(
    call: Call, tables: list[RecordTable], lists: dict[str, GraphQLObjectType]
) -> Iterator[tuple[str, GraphQLField]]:
    """Yield the fields of `CRM`: a collection per type, and one record of it."""
    text = GraphQLArgument(GraphQLNonNull(GraphQLString))
    names = {"uniqueIdentifier": text, "uniqueIdentifierValue": text}
    for table in tables:
        listed = lists[table.type.type_id]
        record = listed.fields["items"].type.of_type
        yield (
            f"{table.type.singular}_collection",
            GraphQLField(listed, args=FOUND, resolve=_refusing(collections.find, call, table)),
        )
        yield (
            table.type.singular,
            GraphQLField(record, args=names, resolve=_refusing(collections.one, call, table)),
        )


def _refusing(answer: Resolver, *args: object) -> Resolver:
    """Return a resolver whose refusals stand in the answer's `errors`."""

    def resolve(source: object, _info: object, **given: object) -> object:
        try:
            return answer(*args, source, **given)
        except ApiError as error:
            raise GraphQLError(error.message) from error

    return resolve


def _fields(
    call: Call, table: RecordTable, lists: dict[str, GraphQLObjectType]
) -> Iterator[tuple[str, GraphQLField]]:
    """Yield the fields of a record: its properties, its id, its associations."""
    for name in call.visible(table, tuple(table.definitions)):
        definition = table.definitions[name]
        if not definition["archived"]:
            kind = _kind(definition)
            yield _name(name), GraphQLField(kind, resolve=_value_of(table, name, definition))
    yield "_metadata", GraphQLField(METADATA, resolve=lambda record, _info: {"id": str(record.id)})
    associations = dict(_associations(call, table, lists))
    kind = GraphQLObjectType(f"{table.type.singular}_associations", associations)
    yield "associations", GraphQLField(kind, resolve=lambda record, _info: record)


def _name(text: str) -> str:
    """Return a name that GraphQL allows."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return f"_{name}" if name[0].isdigit() else name


def _kind(definition: Definition) -> GraphQLScalarType | GraphQLObjectType | GraphQLList[Any]:
    if definition["type"] != "enumeration":
        return ANY
    return GraphQLList(OPTION) if definition["fieldType"] == "checkbox" else OPTION


def _value_of(table: RecordTable, name: str, definition: Definition) -> Resolver:
    """Return the resolver of a property: numbers and booleans as such, options with labels."""
    labels = {one["value"]: one["label"] for one in definition.get("options") or ()}
    several = definition["fieldType"] == "checkbox"

    def resolve(record: Record, info: Any) -> object:  # noqa: ANN401 - the library's
        info.context.used += 1
        value = table.value(record, name)
        if not value:
            return None
        match definition["type"]:
            case "number":
                number = to_number(value)
                return (
                    float(number)
                    if isinstance(number, Decimal)
                    else value
                    if number is None
                    else number
                )
            case "bool":
                return value == "true"
            case "enumeration":
                found = [{"value": one, "label": labels.get(one)} for one in value.split(";")]
                return found if several else found[0]
        return value

    return resolve


def _associations(
    call: Call, table: RecordTable, lists: dict[str, GraphQLObjectType]
) -> Iterator[tuple[str, GraphQLField]]:
    """Yield a field per kind of link to a type of the schema, named by its label."""
    for type_id, listed in lists.items():
        target = call.portal.tables[type_id]
        for link in call.portal.links.types.of(table.type, target.type).values():
            pair = f"{table.type.singular}_to_{target.type.singular}"
            suffix = link.label.lower() if link.label else pair
            resolve = _refusing(collections.linked, call, (table, target), link.type_id)
            name = _name(f"{target.type.singular}_collection__{suffix}")
            yield name, GraphQLField(listed, args=PAGED, resolve=resolve)
