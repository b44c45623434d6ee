"""Writing records: create, update, upsert, archive, merge, gdpr-delete, one or in batches."""

from collections.abc import Callable
from typing import Any

from ...portal.records.table import RecordTable
from ..associations.writing import record_links
from ..call import Call, Reply, batch_reply, inputs, live_or_404
from ..checks import record_id
from ..errors import ApiError, batch_error, conflict, invalid, not_found
from . import render
from .filters import to_instant, to_number
from .objects import resolve

BATCH_LIMIT, MAX_MERGES, LONGEST_TEXT = 100, 250, 65_536
Values = dict[str, str]
_DATE: tuple[str, Callable[[str], bool]] = (
    "INVALID_DATE",
    lambda value: to_instant(value) is not None,
)
_TYPED: dict[str, tuple[str, Callable[[str], bool]]] = {
    "number": ("INVALID_INTEGER", lambda value: to_number(value) is not None),
    "bool": ("INVALID_BOOLEAN", lambda value: value.lower() in {"true", "false"}),
    "date": _DATE,
    "datetime": _DATE,
}
"""By type of a property, what a text is that is no such value, and whether it is one."""


def _writable(call: Call, letters: str = "CW") -> RecordTable:
    table = call.table(writing=True)
    call.allow(table, letters)
    return table


def _values(table: RecordTable, given: object) -> Values:
    """Return the values of a request, refusing unknown properties and wrong shapes."""
    if not isinstance(given, dict):
        raise invalid("Invalid input JSON: properties must be an object")
    values = {name: "" if value is None else _text(value) for name, value in given.items()}
    errors = [e for name, value in values.items() if (e := _problem(table, name, value))]
    if errors:
        raise invalid(f"Property values were not valid: {errors}", *errors)
    return values


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        raise invalid("Invalid input JSON: a property's value must be a scalar")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _problem(table: RecordTable, name: str, value: str) -> dict[str, Any] | None:
    definition = table.definitions.get(name)
    if definition is None or definition["archived"]:
        return _error("PROPERTY_DOESNT_EXIST", name, f'Property "{name}" does not exist')
    if definition["modificationMetadata"]["readOnlyValue"]:
        return _error("READ_ONLY_VALUE", name, f'"{name}" is a read only property')
    if not value:
        return None
    code = _wrong(definition, value)
    return _error(code, name, f'"{value[:80]}" is not valid for "{name}"') if code else None


def _wrong(definition: dict[str, Any], value: str) -> str | None:
    """Return the code of what is wrong with a value of a property; None where nothing is."""
    if len(value) > LONGEST_TEXT:
        return "INVALID_LENGTH"
    if definition["type"] == "enumeration":
        return None if _is_option(definition, value) else "INVALID_OPTION"
    if definition["type"] not in _TYPED:
        return None
    code, is_right = _TYPED[definition["type"]]
    return None if is_right(value) else code


def _is_option(definition: dict[str, Any], value: str) -> bool:
    """Whether a value is an option of an enumeration; any text is where it has none."""
    options = {option["value"] for option in definition["options"]}
    multiple = definition["fieldType"] == "checkbox"
    parts = [p for p in value.split(";") if p] if multiple else [value]
    return not options or options.issuperset(parts)


def _error(code: str, name: str, message: str) -> dict[str, Any]:
    return {"message": message, "code": code, "context": {"propertyName": [name]}}


def _check_unique(table: RecordTable, values: Values, own_id: int | None = None) -> None:
    for name in table.unique_names():
        holder = table.find_unique(name, values[name]) if values.get(name) else None
        if holder is not None and holder != own_id:
            kind = table.type.singular.capitalize()
            raise conflict(f"{kind} already exists. Existing ID: {holder}")


def _appended(table: RecordTable, number: int, values: Values) -> Values:
    """Return values with those that begin with `;` added to a multi-checkbox's present ones."""
    record = table.get(number)
    found = dict(values)
    for name, value in values.items():
        if value.startswith(";") and table.definitions[name]["fieldType"] == "checkbox":
            present = record.values.get(name, "") if record else ""
            parts = [p for p in (*present.split(";"), *value.split(";")) if p]
            found[name] = ";".join(dict.fromkeys(parts))
    return found


def _shown(table: RecordTable, number: int) -> dict[str, Any]:
    record = table.get(number)
    if record is None:
        raise not_found()
    return render.plan_for(table, tuple(record.values)).any(record)


def _create(call: Call, table: RecordTable, body: dict[str, Any]) -> int:
    values = _values(table, body.get("properties", {}))
    _check_unique(table, values)
    wanted = record_links(call, table, body.get("associations") or [])
    number = int(call.portal.create(table.type.type_id, values))
    for target, type_id in wanted:
        call.portal.links.link((table.type, number), target, type_id)
    return number


def _update(call: Call, table: RecordTable, number: int, given: object) -> None:
    values = _appended(table, number, _values(table, given))
    _check_unique(table, values, number)
    call.portal.update(table.type.type_id, number, values)


def create(call: Call) -> Reply:
    """Create one record."""
    table = _writable(call, "C")
    return Reply(_shown(table, _create(call, table, call.body)), 201)


def update(call: Call) -> Reply:
    """Change some values of one record."""
    table = _writable(call)
    number = resolve(table, call.params["id"], call.query.get("idProperty"))
    if number is None:
        raise not_found()
    found = live_or_404(table, number)
    _update(call, table, found, call.body["properties"])
    return Reply(_shown(table, found))


def archive(call: Call) -> Reply:
    """Put one record into the recycle bin."""
    table = _writable(call)
    number = record_id(call.params["id"])
    if table.has(number):
        call.portal.archive(table.type.type_id, number)
    return Reply(None, 204)


def batch_create(call: Call) -> Reply:
    """Create records: all or nothing, unless inputs carry an objectWriteTraceId."""
    table = _writable(call, "C")
    given = inputs(call, BATCH_LIMIT)
    traced = any(one.get("objectWriteTraceId") for one in given)
    if not traced:
        for one in given:
            _check_unique(table, _values(table, one.get("properties", {})))
    results, errors = [], []
    for one in given:
        try:
            shown = _shown(table, _create(call, table, one))
        except ApiError as error:
            if not traced:
                raise
            errors.append(_traced(one, error))
        else:
            trace = one.get("objectWriteTraceId")
            results.append({**shown, "objectWriteTraceId": trace} if trace else shown)
    return batch_reply(call, results, errors, 201)


def _traced(one: dict[str, Any], error: ApiError) -> dict[str, Any]:
    trace = str(one.get("objectWriteTraceId"))
    return batch_error(error.category, error.message, {"objectWriteTraceId": [trace]})


def batch_update(call: Call) -> Reply:
    """Change records; missing and merged-away ids are errors of a 207."""
    table = _writable(call)
    ready, missing = [], []
    for one in inputs(call, BATCH_LIMIT):
        number = resolve(table, one.get("id"), one.get("idProperty"))
        if number is None or not table.has(number):
            missing.append(str(one.get("id")))
        else:
            _values(table, one.get("properties"))
            ready.append((number, one["properties"]))
    for number, given in ready:
        _update(call, table, number, given)
    message = "Could not get some objects, they may be deleted or not exist."
    errors = [batch_error("OBJECT_NOT_FOUND", message, {"ids": missing})] if missing else []
    return batch_reply(call, [_shown(table, number) for number, _ in ready], errors)


def batch_upsert(call: Call) -> Reply:
    """Change or create records by a unique property."""
    table = _writable(call, "U")
    given = inputs(call, BATCH_LIMIT)
    for one in given:
        if not one.get("idProperty"):
            raise invalid("Invalid input JSON: every input needs an idProperty")
        _values(table, one.get("properties"))
    results = []
    for one in given:
        number = resolve(table, one.get("id"), one["idProperty"])
        fresh = number is None
        if number is None:
            values = {one["idProperty"]: str(one["id"]), **one["properties"]}
            number = _create(call, table, {"properties": values})
        else:
            _update(call, table, number, one["properties"])
        results.append({**_shown(table, number), "new": fresh})
    return batch_reply(call, results, [])


def batch_archive(call: Call) -> Reply:
    """Put records into the recycle bin; ids that are not there do not matter."""
    table = _writable(call)
    numbers = [record_id(one.get("id")) for one in inputs(call, BATCH_LIMIT)]
    for number in numbers:
        if table.has(number):
            call.portal.archive(table.type.type_id, number)
    return Reply(None, 204)


def merge(call: Call) -> Reply:
    """Merge two records into one."""
    table = _writable(call, "M")
    primary, other = (
        table.survivor(record_id(call.body[name], name))
        for name in ("primaryObjectId", "objectIdToMerge")
    )
    if primary == other:
        raise invalid("A record cannot be merged with itself")
    for number in (primary, other):
        if not table.has(number):
            raise not_found(f"{table.type.singular} {number} does not exist")
    merged = [table.get(n) for n in (primary, other)]
    past = [(r.values.get("hs_merged_object_ids") or "") for r in merged if r]
    if sum(text.count(";") + 1 for text in past if text) >= MAX_MERGES:
        message = "Cannot have more than 250 identities on a profile"
        raise ApiError(414, "VALIDATION_ERROR", message)
    return Reply(_shown(table, int(call.portal.merge(table.type.type_id, primary, other))))


def gdpr_delete(call: Call) -> Reply:
    """Remove a record for good."""
    table = _writable(call, "G")
    number = resolve(table, call.body["objectId"], call.body.get("idProperty"))
    if number is not None and table.get(number) is not None:
        call.portal.gdpr_delete(table.type.type_id, number)
    return Reply(None, 204)
