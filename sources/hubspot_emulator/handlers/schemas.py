"""Custom object schemas: list, read, create, delete."""

from typing import Any

from ..clock import iso
from ..portal.catalog.definitions import INSTALLED_MS
from ..portal.catalog.object_types import ObjectType
from .call import Call, Reply, batch_reply
from .checks import objects_of, text, text_list
from .errors import conflict, invalid, not_found
from .properties import check_members

READ, WRITE = "crm.schemas.custom.read", "crm.schemas.custom.write"


def list_all(call: Call) -> Reply:
    """Answer the schema of every custom object."""
    call.need(READ, "crm.objects.custom.read")
    archived = call.flag("archived")
    rows = [
        _schema(call, found)
        for type_id, members in call.portal.schemas.items()
        if members["archived"] == archived and (found := call.portal.types.find(type_id))
    ]
    return Reply({"results": rows})


def get_one(call: Call) -> Reply:
    """Answer one schema, by any form of the object's name."""
    call.need(READ, "crm.objects.custom.read")
    found = call.portal.types.find(call.params["type"])
    if found is None or not found.custom:
        raise not_found(f"There is no custom object {call.params['type']}")
    return Reply(_schema(call, found))


def batch_read(call: Call) -> Reply:
    """Answer several schemas."""
    call.need(READ, "crm.objects.custom.read")
    found = [call.portal.types.find(one) for one in text_list(call.body["inputs"], "inputs")]
    return batch_reply(call, [_schema(call, one) for one in found if one and one.custom], [])


def _schema(call: Call, kind: ObjectType) -> dict[str, Any]:
    definitions = call.portal.tables[kind.type_id].definitions.values()
    shown: dict[str, Any] = {
        "id": kind.type_id.split("-")[1],
        "objectTypeId": kind.type_id,
        "fullyQualifiedName": kind.name,
        "name": kind.singular,
        "labels": {
            "singular": kind.singular.replace("_", " ").capitalize(),
            "plural": kind.plural_label,
        },
        "primaryDisplayProperty": kind.display,
        "allowsSensitiveProperties": False,
        **call.portal.schemas[kind.type_id],
        "properties": [],
        "associations": [],
    }
    if call.flag("includePropertyDefinitions", default=True):
        shown["properties"] = [one for one in definitions if not one["archived"]]
    if call.flag("includeAssociationDefinitions", default=True):
        shown["associations"] = _associations(call, kind)
    if call.flag("includeAuditMetadata", default=True):
        shown |= {"createdByUserId": 9_586_504, "updatedByUserId": 9_586_504}
    return shown


def _associations(call: Call, kind: ObjectType) -> list[dict[str, Any]]:
    links = call.portal.links
    found = map(call.portal.types.find, links.pairs_from(kind.type_id))
    others = [one for one in found if one is not None]
    dates = {"createdAt": iso(INSTALLED_MS), "updatedAt": iso(INSTALLED_MS)}
    return [
        {
            "id": str(one.type_id),
            "name": one.name,
            "fromObjectTypeId": source.type_id,
            "toObjectTypeId": target.type_id,
            **dates,
        }
        for other in others
        for source, target in ((kind, other), (other, kind))
        for one in links.types.of(source, target).values()
    ]


def create(call: Call) -> Reply:
    """Create a custom object type."""
    call.need(WRITE)
    name = text(call.body, "name")
    if not name or not name.replace("_", "a").isalnum() or not name[0].isalpha():
        raise invalid(f"Invalid object name: {name!r}")
    if any(one.custom and one.singular == name for one in call.portal.types.all()):
        raise conflict(f"Object {name} already exists")
    (labels,) = objects_of([call.body["labels"]], "labels")
    rows = objects_of(call.body["properties"], "properties")
    for row in rows:
        text(check_members(row), "name")
    plural = text(labels, "plural") if "plural" in labels else None
    type_id = call.portal.create_custom_object(name, rows, plural)
    return Reply(_schema(call, call.portal.type(type_id)), 201)


def delete(call: Call) -> Reply:
    """Delete a custom object type that has no records left."""
    call.need(WRITE)
    found = call.portal.types.find(call.params["type"])
    if found is None or not found.custom:
        raise not_found(f"There is no custom object {call.params['type']}")
    if call.portal.records(found.type_id):
        raise invalid(f"Object type {found.type_id} still has records")
    call.portal.delete_custom_object(found.type_id)
    return Reply(None, 204)
