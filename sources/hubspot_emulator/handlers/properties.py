"""Property definitions: list, read, create, update, archive, groups."""

from typing import Any

from ..portal.catalog.definitions import FIELD_TYPES, Definition
from ..portal.records.stages import definition_of
from ..portal.records.table import RecordTable
from .call import Call, Reply, batch_reply, inputs
from .checks import objects_of
from .errors import conflict, invalid, not_found

BATCH_LIMIT, MOST_UNIQUE = 100, 10
_SENSITIVITIES = ("non_sensitive", "sensitive", "highly_sensitive")


def table_of(call: Call, *, writing: bool = False) -> RecordTable:
    """Return the type that the path names; a custom object's bare name is not understood."""
    name = call.params["type"]
    found = call.portal.types.find(name)
    if found is None or (found.custom and name.lower() == found.singular):
        raise invalid(f"Unable to infer object type from: {name}")
    write_scope = found.schema_scope.removesuffix(".read") + ".write"
    call.need(write_scope if writing else found.schema_scope)
    return call.portal.tables[found.type_id]


def _sensitivity(call: Call) -> str:
    wanted = call.query.get("dataSensitivity", "non_sensitive")
    if wanted not in _SENSITIVITIES:
        raise invalid(f"Invalid dataSensitivity: {wanted!r}")
    return wanted


def list_all(call: Call) -> Reply:
    """Answer every definition at once."""
    table, archived, wanted = table_of(call), call.flag("archived"), _sensitivity(call)
    return Reply(
        {
            "results": [
                one
                for one in table.definitions.values()
                if one["archived"] == archived and one["dataSensitivity"] == wanted
            ]
        }
    )


def _find(table: RecordTable, name: str, wanted: str, *, archived: bool) -> Definition | None:
    one = definition_of(table.definitions, name)
    if one is None or one["archived"] != archived or one["dataSensitivity"] != wanted:
        return None
    return one


def get_one(call: Call) -> Reply:
    """Answer one definition; 404 for an unknown name or another sensitivity."""
    table = table_of(call)
    archived = call.flag("archived")
    one = _find(table, call.params["name"], _sensitivity(call), archived=archived)
    if one is None:
        raise not_found(f"Property {call.params['name']} does not exist")
    return Reply(one)


def batch_read(call: Call) -> Reply:
    """Answer up to 100 definitions by name."""
    table = table_of(call)
    archived = bool(call.body.get("archived", False))
    wanted = call.body.get("dataSensitivity", "non_sensitive")
    names = [str(one.get("name")) for one in inputs(call, BATCH_LIMIT)]
    found = [_find(table, name, wanted, archived=archived) for name in names]
    errors: list[dict[str, Any]] = []
    missing = [name for name, one in zip(names, found, strict=True) if one is None]
    if missing:
        text = f"Properties do not exist: {', '.join(missing)}"
        errors.append({"status": "error", "category": "OBJECT_NOT_FOUND", "message": text,
                       "context": {"name": missing}})  # fmt: skip
    return batch_reply(call, [one for one in found if one is not None], errors)


def groups(call: Call) -> Reply:
    """Answer the groups that the definitions of a type belong to."""
    table = table_of(call)
    names = sorted({str(one["groupName"]) for one in table.definitions.values()})
    rows = [
        {"name": n, "label": n.capitalize(), "displayOrder": i, "archived": False}
        for i, n in enumerate(names)
    ]
    return Reply({"results": rows})


_MEMBERS: dict[str, type] = {
    **dict.fromkeys(("hasUniqueValue", "hidden", "formField", "externalOptions",
                     "showCurrencySymbol"), bool),
    "displayOrder": int,
    "options": list,
}  # fmt: skip


def check_members(body: Definition) -> Definition:
    """Return a definition's JSON after checking the type of each member."""
    for name, value in body.items():
        wanted = _MEMBERS.get(name, str)
        if not isinstance(value, wanted):
            raise invalid(f"Invalid input JSON: {name} must be of type {wanted.__name__}")
    for option in objects_of(body.get("options", []), "options"):
        if not isinstance(option.get("value"), str):
            raise invalid("Invalid input JSON: every option needs a value")
    return body


def _check_kind(kind: object, field_type: object) -> None:
    if field_type not in FIELD_TYPES.get(str(kind), ()):
        raise invalid(f"type {kind!r} does not go with fieldType {field_type!r}")


def create(call: Call) -> Reply:
    """Create a definition; an archived one of the same name comes back."""
    table = table_of(call, writing=True)
    name = check_members(call.body)["name"]
    known = table.definitions.get(name)
    if known is not None and not known["archived"]:
        raise conflict(f"Property named '{name}' already exists.")
    valid = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()
    if not valid or len(name) > 100:  # noqa: PLR2004 - HubSpot's longest name
        raise invalid(f"Invalid property name: {name!r}")
    _check_kind(call.body["type"], call.body["fieldType"])
    if call.body.get("hasUniqueValue") and len(table.unique_names()) >= MOST_UNIQUE:
        raise invalid(f"{table.type.name} has {MOST_UNIQUE} unique properties already")
    call.portal.create_property(table.type.type_id, call.body)
    return Reply(table.definitions[name], 201)


def _present(table: RecordTable, name: str) -> Definition:
    """Return a definition that can be changed, or refuse: there is none, or it is archived."""
    one = definition_of(table.definitions, name)
    if one is None or one["archived"]:
        raise not_found(f"Property {name} does not exist")
    return one


def update(call: Call) -> Reply:
    """Change a definition, its type in place too; options are replaced whole."""
    table = table_of(call, writing=True)
    name = call.params["name"]
    one = _present(table, name)
    if one["modificationMetadata"]["readOnlyDefinition"]:
        raise invalid(f"Property {name} is defined by HubSpot and cannot be changed")
    body = check_members(call.body)
    _check_kind(body.get("type", one["type"]), body.get("fieldType", one["fieldType"]))
    call.portal.update_property(table.type.type_id, name, body)
    return Reply(table.definitions[name])


def archive(call: Call) -> Reply:
    """Archive a definition."""
    table = table_of(call, writing=True)
    name = call.params["name"]
    one = _present(table, name)
    if not one["modificationMetadata"]["archivable"]:
        raise invalid(f"Property {name} is defined by HubSpot and cannot be archived")
    call.portal.archive_property(table.type.type_id, name)
    return Reply(None, 204)
