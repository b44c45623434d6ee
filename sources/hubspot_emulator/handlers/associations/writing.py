"""Writing associations: labels, batches, one link."""

from typing import Any

from ...portal.catalog.object_types import ObjectType
from ...portal.links import LinkType
from ...portal.records.table import RecordTable
from ..call import Call, Reply, batch_reply, inputs
from ..checks import objects_of, record_id, text, whole_number
from ..errors import invalid, not_found
from .reading import BATCH_LIMIT, pair


def create_label(call: Call) -> Reply:
    """Create a label: a pair of type ids, one per direction."""
    source, target = pair(call, writing=True)
    types = call.portal.links.types
    if text(call.body, "name")[:1].isdigit():
        raise invalid("The name of an association label must not begin with a digit")
    inverse_label = text(call.body, "inverseLabel") if "inverseLabel" in call.body else None
    made = types.add_label(source.type, target.type, text(call.body, "label"), inverse_label)
    inverse = types.of(target.type, source.type)[made.inverse_id]
    return Reply({"results": [made.shown(), inverse.shown()]})


def _ends(
    one: dict[str, Any], tables: tuple[RecordTable, RecordTable]
) -> tuple[tuple[ObjectType, int], tuple[ObjectType, int]]:
    ends = []
    for side, table in zip(("from", "to"), tables, strict=True):
        value = one.get(side)
        number = record_id(value.get("id") if isinstance(value, dict) else None, side)
        if not table.has(number):
            raise not_found(f"{table.type.singular} {number} does not exist")
        ends.append((table.type, number))
    return ends[0], ends[1]


def _type_ids(given: object, types: dict[int, LinkType]) -> list[int]:
    found = []
    for one in objects_of(given, "types"):
        type_id = whole_number(one.get("associationTypeId"), "associationTypeId", 10**9)
        known = types.get(type_id)
        if known is None or known.category != one.get("associationCategory"):
            raise invalid(f"{one} is not an association type of this pair of objects")
        found.append(type_id)
    if not found:
        raise invalid("Invalid input JSON: at least one association type is needed")
    return found


def batch_create(call: Call) -> Reply:
    """Associate records with the types given."""
    tables = pair(call, writing=True)
    types = call.portal.links.types.of(tables[0].type, tables[1].type)
    ready = [
        (*_ends(one, tables), _type_ids(one.get("types"), types))
        for one in inputs(call, BATCH_LIMIT)
    ]
    for source, target, type_ids in ready:
        for type_id in type_ids:
            call.portal.links.link(source, target, type_id)
    results = [_created(source, target, types, ids) for source, target, ids in ready]
    return batch_reply(call, results, [], 201)


def _created(
    source: tuple[ObjectType, int],
    target: tuple[ObjectType, int],
    types: dict[int, LinkType],
    type_ids: list[int],
) -> dict[str, Any]:
    return {
        "fromObjectTypeId": source[0].type_id,
        "fromObjectId": source[1],
        "toObjectTypeId": target[0].type_id,
        "toObjectId": target[1],
        "labels": [label for one in type_ids if (label := types[one].label)],
    }


def batch_create_default(call: Call) -> Reply:
    """Associate records with the unlabelled type."""
    tables = pair(call, writing=True)
    ends = [_ends(one, tables) for one in inputs(call, BATCH_LIMIT)]
    return batch_reply(call, [_default(call, source, target) for source, target in ends], [])


def put_default(call: Call) -> Reply:
    """Associate two records with the unlabelled type."""
    tables = call.table(writing=True), call.table(call.params["to_type"], writing=True)
    source, target = _path_ends(call, tables)
    return batch_reply(call, [_default(call, source, target)], [])


def _default(
    call: Call, source: tuple[ObjectType, int], target: tuple[ObjectType, int]
) -> dict[str, Any]:
    base = call.portal.links.types.base_id(source[0], target[0])
    call.portal.links.link(source, target, base)
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": base}
    ends = {"from": {"id": str(source[1])}, "to": {"id": str(target[1])}}
    return {**ends, "associationSpec": spec}


def batch_archive(call: Call) -> Reply:
    """Remove every association between the records given."""
    tables = pair(call, writing=True)
    for one in inputs(call, BATCH_LIMIT):
        (start,) = objects_of([one.get("from")], "from")
        source = (tables[0].type, record_id(start.get("id"), "from"))
        for other in objects_of(one.get("to", []), "to"):
            target = (tables[1].type, record_id(other.get("id"), "to"))
            call.portal.links.unlink(source, target)
    return Reply(None, 200 if call.dated else 204)


def batch_archive_labels(call: Call) -> Reply:
    """Remove labels between the records given; the unlabelled association stays."""
    tables = pair(call, writing=True)
    types = call.portal.links.types.of(tables[0].type, tables[1].type)
    for one in inputs(call, BATCH_LIMIT):
        source, target = _ends(one, tables)
        for type_id in _type_ids(one.get("types"), types):
            call.portal.links.unlink(source, target, type_id)
    return Reply(None, 200 if call.dated else 204)


def put_one(call: Call) -> Reply:
    """Associate two records with the types given."""
    tables = call.table(writing=True), call.table(call.params["to_type"], writing=True)
    source, target = _path_ends(call, tables)
    types = call.portal.links.types.of(tables[0].type, tables[1].type)
    type_ids = _type_ids(call.body, types)
    for type_id in type_ids:
        call.portal.links.link(source, target, type_id)
    return Reply(_created(source, target, types, type_ids), 201)


def delete_one(call: Call) -> Reply:
    """Remove every association between two records."""
    tables = call.table(writing=True), call.table(call.params["to_type"], writing=True)
    call.portal.links.unlink(*_path_ends(call, tables))
    return Reply(None, 204)


def _path_ends(
    call: Call, tables: tuple[RecordTable, RecordTable]
) -> tuple[tuple[ObjectType, int], tuple[ObjectType, int]]:
    ends = {"from": {"id": call.params["id"]}, "to": {"id": call.params["to_id"]}}
    return _ends(ends, tables)


def record_links(
    call: Call, table: RecordTable, given: object
) -> list[tuple[tuple[ObjectType, int], int]]:
    """Return the links that a new record is to have: other end and type id of each."""
    found = []
    for one in objects_of(given, "associations"):
        (end,) = objects_of([one.get("to")], "to")
        number = record_id(end.get("id"), "to")
        for kind in objects_of(one.get("types", []), "types"):
            target = _target_of(call, table, kind)
            if not target.has(number):
                raise invalid(f"{target.type.singular} {number} does not exist")
            found.append(((target.type, number), kind["associationTypeId"]))
    return found


def _target_of(call: Call, table: RecordTable, kind: dict[str, Any]) -> RecordTable:
    type_id = whole_number(kind.get("associationTypeId"), "associationTypeId", 10**9)
    for target in call.portal.tables.values():
        one = call.portal.links.types.of(table.type, target.type).get(type_id)
        if one is not None and one.category == kind.get("associationCategory"):
            return target
    raise invalid(f"{kind} is not an association type of {table.type.name}")
