"""Association endpoints: batch read, per record, labels, and their writes."""

from base64 import b64decode, b64encode
from typing import Any

from .call import Call, Reply, batch_reply, inputs, record_id, whole_number
from .catalog import ObjectType
from .errors import invalid, not_found
from .links import LinkType
from .table import RecordTable

BATCH_LIMIT, INLINE_LIMIT, RECORD_LIMIT = 1000, 100, 500
PREFIX = "https://api.hubapi.com/crm/v3/objects"


def pair(call: Call, *, writing: bool = False) -> tuple[RecordTable, RecordTable]:
    """Return the two types that the path names."""
    source = call.table(call.params["from_type"], writing=writing)
    return source, call.table(call.params["to_type"], writing=writing)


def sorted_links(
    call: Call, source: tuple[RecordTable, int], target: RecordTable, after: str | None
) -> list[tuple[int, tuple[int, ...]]]:
    """Return one record's links to live records, ascending, those past the cursor `after`."""
    targets = call.portal.links.targets(source[0].type, target.type, source[1])
    last = _decode(after) if after else -1
    return [
        (other, targets[other]) for other in sorted(targets) if other > last and target.has(other)
    ]


def _encode(type_id: int, last: int) -> str:
    return b64encode(f"0-{type_id}-{last}".encode()).decode()


def _decode(cursor: str) -> int:
    try:
        return int(b64decode(cursor, validate=True).decode().split("-")[-1])
    except ValueError as error:
        raise invalid(f"Invalid after: {cursor!r} is not a cursor of this endpoint") from error


def _entries(
    call: Call, links: list[tuple[int, tuple[int, ...]]], types: dict[int, LinkType]
) -> list[dict[str, Any]]:
    return [
        {
            "toObjectId": str(other) if call.dated else other,
            "associationTypes": [types[one].shown() for one in type_ids],
        }
        for other, type_ids in links
    ]


def _page(
    call: Call,
    source: tuple[RecordTable, int],
    target: RecordTable,
    after: str | None,
    limit: int,
) -> dict[str, Any]:
    links = sorted_links(call, source, target, after)
    types = call.portal.links.types.of(source[0].type, target.type)
    page: dict[str, Any] = {"to": _entries(call, links[:limit], types)}
    if len(links) > limit:
        cursor = _encode(next(iter(types)), links[limit - 1][0])
        page["paging"] = {"next": _next(source, target, cursor)}
    return page


def _next(source: tuple[RecordTable, int], target: RecordTable, cursor: str) -> dict[str, str]:
    address = f"{PREFIX}/{source[0].type.name}/{source[1]}/associations/{target.type.name}"
    return {"after": cursor, "link": f"{address}?after={cursor}"}


def batch_read(call: Call) -> Reply:
    """Answer the links of up to 1,000 records; records without any are errors of a 207."""
    source, target = pair(call)
    size = call.portal.settings.association_page_size
    results, errors = [], []
    for one in inputs(call, BATCH_LIMIT):
        number = record_id(one.get("id"))
        page = _page(call, (source, number), target, one.get("after"), size)
        if page["to"] and source.has(number):
            results.append({"from": {"id": str(number)}, **page})
        else:
            errors.append(_nothing(source.type, target.type, number))
    return batch_reply(call, results, errors)


def _nothing(source: ObjectType, target: ObjectType, number: int) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {target.singular} is associated with {source.singular} {number}.",
        "context": {
            "fromObjectId": [str(number)],
            "fromObjectType": [source.singular],
            "toObjectType": [target.singular],
        },
    }


def of_record(call: Call) -> Reply:
    """Answer the links of one record."""
    source, target = call.table(), call.table(call.params["to_type"])
    number = record_id(call.params["id"])
    if not source.has(number):
        raise not_found()
    limit = call.number("limit", RECORD_LIMIT, RECORD_LIMIT)
    page = _page(call, (source, number), target, call.query.get("after"), limit)
    return Reply({"results": page.pop("to"), **page})


def inline(call: Call, source: tuple[RecordTable, int], target: RecordTable) -> dict[str, Any]:
    """Return one record's links as list and get include them, 100 records of a type at most."""
    links = sorted_links(call, source, target, None)
    types = call.portal.links.types.of(source[0].type, target.type)
    rows = [
        {"id": str(other), "type": types[one].name}
        for other, type_ids in links[:INLINE_LIMIT]
        for one in type_ids
    ]
    if not rows:
        return {}
    found: dict[str, Any] = {"results": rows}
    if len(links) > INLINE_LIMIT:
        cursor = _encode(next(iter(types)), links[INLINE_LIMIT - 1][0])
        found["paging"] = {"next": _next(source, target, cursor)}
    return {target.type.key: found}


def labels(call: Call) -> Reply:
    """Answer the association types of a pair."""
    source, target = pair(call)
    types = call.portal.links.types.of(source.type, target.type)
    return Reply({"results": [one.shown() for one in types.values()]})


def create_label(call: Call) -> Reply:
    """Create a label: a pair of type ids, one per direction."""
    source, target = pair(call, writing=True)
    types = call.portal.links.types
    made = types.add_label(
        source.type, target.type, call.body["label"], call.body.get("inverseLabel")
    )
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
    for one in given if isinstance(given, list) else []:
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
        source = (tables[0].type, record_id(one.get("from", {}).get("id"), "from"))
        for other in one.get("to", []):
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
    call: Call, table: RecordTable, given: list[Any]
) -> list[tuple[tuple[ObjectType, int], int]]:
    """Return the links that a new record is to have: other end and type id of each."""
    found = []
    for one in given:
        number = record_id(one.get("to", {}).get("id"), "to")
        for kind in one.get("types", []):
            target = _target_of(call, table, kind)
            if not target.has(number):
                raise invalid(f"{target.type.singular} {number} does not exist")
            found.append(((target.type, number), int(kind["associationTypeId"])))
    return found


def _target_of(call: Call, table: RecordTable, kind: dict[str, Any]) -> RecordTable:
    for target in call.portal.tables.values():
        known = call.portal.links.types.of(table.type, target.type)
        one = known.get(int(kind.get("associationTypeId", 0)))
        if one is not None and one.category == kind.get("associationCategory"):
            return target
    raise invalid(f"{kind} is not an association type of {table.type.name}")
