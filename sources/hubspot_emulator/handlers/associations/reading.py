"""Reading associations: batch read, per record, inline, labels."""

from base64 import b64decode, b64encode
from typing import Any

from ...portal.catalog.object_types import ObjectType
from ...portal.links import LinkType
from ...portal.records.table import RecordTable
from ..call import Call, Reply, batch_reply, inputs
from ..checks import record_id
from ..errors import invalid, not_found

BATCH_LIMIT, INLINE_LIMIT, RECORD_LIMIT = 1000, 100, 500
PREFIX = "https://api.hubapi.com/crm/v3/objects"


def pair(call: Call, *, writing: bool = False) -> tuple[RecordTable, RecordTable]:
    """Return the two types that the path names."""
    source = call.table(call.params["from_type"], writing=writing)
    return source, call.table(call.params["to_type"], writing=writing)


def sorted_links(
    call: Call, source: tuple[RecordTable, int], target: RecordTable, after: str | None
) -> list[tuple[int, tuple[int, ...]]]:
    """Return one record's links to live records, ascending, those past the cursor `after`.

    In a direction that `one_way` names there are none; `archived_ends` adds archived records.
    """
    settings = call.portal.settings
    if settings.one_way and _is_closed(call, source[0].type, target.type):
        return []
    targets = call.portal.links.targets(source[0].type, target.type, source[1])
    last = _decode(after) if after else -1
    return [
        (other, targets[other])
        for other in sorted(targets)
        if other > last
        and (target.has(other) or (settings.archived_ends and target.has(other, archived=True)))
    ]


def _is_closed(call: Call, source: ObjectType, target: ObjectType) -> bool:
    portal = call.portal
    return any(
        (portal.type(start), portal.type(end)) == (source, target)
        for start, end in portal.settings.one_way
    )


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
