"""Exports: started, waited for one after the other, downloaded from an address of five minutes."""

import uuid
from collections.abc import Sequence
from typing import Any

from ...clock import DAY_MS, iso
from ...portal.export_tasks import Task
from ...portal.records.stages import definition_of
from ...portal.records.table import RecordTable
from ..call import Call, Reply
from ..checks import objects_of, text, text_list
from ..errors import ApiError, invalid, not_found, rate_limited
from ..records import search
from ..records.filters import parse_groups
from .files import Form, TableSheet, write

PREFIX = "/hubspot-exports"
LIFE_MS = 300_000
MOST_ASSOCIATED = 4
SCOPE = "crm.export"
SEARCH = {"filters", "filterGroups", "query", "sorts"}
INTERNAL = {"NAMES", "VALUES"}
LANGUAGES = ("DE", "EN", "EN_GB", "ES", "FI", "FR", "IT", "JA", "NL", "PL", "PT", "PT_BR", "SV")
CHOICES = {
    "exportType": ("VIEW", "LIST"),
    "language": LANGUAGES,
    "format": ("CSV", "XLS", "XLSX"),
}
FLAGS = (
    "includeLabeledAssociations", "includePrimaryDisplayPropertyForAssociatedObjects",
    "overrideAssociatedObjectsPerDefinitionPerRowLimit",
)  # fmt: skip
DATED_MEMBERS = (*FLAGS[:2], "associatedObjectType")  # required by the dated paths
STATES = {"COMPLETE": "DONE", "PENDING": "ENQUEUED"}


def start(call: Call) -> Reply:
    """Begin an export of what the portal holds now."""
    call.need(SCOPE)
    _check(call)
    portal, tasks = call.portal, call.portal.exports
    table = _table(call, text(call.body, "objectType"))
    sheet = _sheet(call, table)
    now_ms = portal.clock.now_ms()
    limited = portal.settings.limits is not None
    if limited and tasks.started_since(now_ms - DAY_MS) >= portal.settings.exports_per_day:
        most = portal.settings.exports_per_day
        raise rate_limited(
            "EXPORTS_DAILY", f"You have reached the limit of {most} exports in 24 hours."
        )
    task_id = str(30_000_001 + len(tasks.by_id))
    polls = portal.settings.export_polls
    tasks.by_id[task_id] = Task(task_id, call.body, sheet, now_ms, polls)
    version = "crm/exports/" + call.version if call.dated else "crm/v3/exports"
    address = f"https://api.hubapi.com/{version}/export/async/tasks/{task_id}/status"
    return Reply({"id": task_id, "links": {"status": address}}, 202)


def _check(call: Call) -> None:
    """Refuse a body whose members are not as documented."""
    body = call.body
    missing = [name for name in DATED_MEMBERS if name not in body] if call.dated else []
    if missing:
        raise invalid(f"Invalid input JSON: missing required members {missing}")
    _check_choices(body)
    if not text(body, "exportName").strip():
        raise invalid("exportName must not be empty")
    internal = text_list(body["exportInternalValuesOptions"], "exportInternalValuesOptions")
    if not set(internal) <= INTERNAL:
        raise invalid(f"exportInternalValuesOptions are {sorted(INTERNAL)}")
    wrong = [name for name in FLAGS if not isinstance(body.get(name, False), bool)]
    if wrong:
        raise invalid(f"Invalid input JSON: {wrong} must be booleans")
    _check_kind(body)


def _check_choices(body: dict[str, Any]) -> None:
    """Refuse values that are not among those that HubSpot documents, or offers here."""
    for name, known in CHOICES.items():
        if text(body, name).upper() not in known:
            raise invalid(f"Invalid input JSON: {name} {body[name]!r} is none of {known}")
    if body["format"].upper() != "CSV":
        raise invalid("This portal exports CSV only")


def _check_kind(body: dict[str, Any]) -> None:
    """Refuse what does not go with the type of the export."""
    if body["exportType"].upper() == "LIST":
        raise invalid(f"There is no list {text(body, 'listId')!r} in this portal")
    if "listId" in body:
        raise invalid("listId belongs to exports of the type LIST")


def _table(call: Call, name: str) -> RecordTable:
    if not name:
        raise invalid("An object type must not be empty")
    table = call.table(name)
    if table.type.custom and name != table.type.type_id:
        raise invalid(f"{name!r}: a custom object is exported by its type id")
    return table


def _sheet(call: Call, table: RecordTable) -> TableSheet:
    body, settings = call.body, call.portal.settings
    names = tuple(dict.fromkeys(text_list(body["objectProperties"], "objectProperties")))
    known = {name: definition_of(table.definitions, name) for name in names}
    unknown = [name for name, one in known.items() if one is None or one["archived"]]
    if unknown or not names:
        raise invalid(f"{table.type.name} cannot be exported with the properties {unknown}")
    columns = names if "hs_object_id" in names else ("hs_object_id", *names)
    options = body["exportInternalValuesOptions"]
    minutes = settings.export_minutes or "VALUES" not in options
    all_links = bool(body.get(FLAGS[2], False))
    form = Form("NAMES" in options, "VALUES" in options, minutes, all_links)
    sheet = TableSheet(table, _ids(call, table), columns, call.visible(table, columns), form)
    sheet.associated = [(_table(call, one), call.portal.links) for one in _associated(call)]
    return sheet


def _associated(call: Call) -> Sequence[str]:
    given = call.body.get("associatedObjectType") or []
    if isinstance(given, str) and not call.dated:
        given = [given]
    names = text_list(given, "associatedObjectType")
    if len(names) > MOST_ASSOCIATED:
        raise invalid(f"At most {MOST_ASSOCIATED} associated object types may be exported")
    return names


def _ids(call: Call, table: RecordTable) -> Sequence[int]:
    """Return the ids that the export's search finds; without one, all live records."""
    request = _search_request(call.body)
    filters = [_renamed(one) for one in objects_of(request.get("filters") or [], "filters")]
    groups = parse_groups({"filterGroups": request.get("filterGroups") or [], "filters": filters})
    query = str(request.get("query") or "")
    if not groups and not query.strip():
        return table.ids()[:]
    table.index.refresh(call.portal.clock.age_ms() - call.portal.settings.search_lag_ms)
    return [one for one in search.matches(call, table, groups, query) if table.has(one)]


def _search_request(body: dict[str, Any]) -> dict[str, Any]:
    """Return the search of an export, refusing what is none; empty where there is none."""
    request = body.get("publicCrmSearchRequest") or {}
    if not isinstance(request, dict) or set(request) - SEARCH:
        raise invalid("Invalid input JSON: publicCrmSearchRequest")
    for name in ("filters", "filterGroups", "sorts"):
        if not isinstance(request.get(name) or [], list):
            raise invalid(f"Invalid input JSON: {name} must be a list")
    return request


def _renamed(condition: dict[str, Any]) -> dict[str, Any]:
    """Return a filter with the key that searches have, for the guide to exports has another."""
    return {("propertyName" if k == "property" else k): v for k, v in condition.items()}


def status(call: Call) -> Reply:
    """Return how far an export is; a finished one with a fresh address of its file."""
    call.need(SCOPE)
    portal, now_ms = call.portal, call.portal.clock.now_ms()
    task = _task(call, call.params["id"])
    portal.exports.advance(portal.settings.export_end, now_ms)
    requested = iso(task.requested_ms)
    body: dict[str, Any] = {
        "status": task.status,
        "requestedAt": requested,
        "startedAt": requested,
        "completedAt": iso(task.completed_ms or now_ms),
        "links": {},
    }
    if task.status == "COMPLETE":
        signature = uuid.uuid4().hex
        task.addresses[signature] = now_ms + LIFE_MS
        body["result"] = f"{portal.address}{PREFIX}/{task.id}/{signature}"
    elif task.status not in ("PENDING", "PROCESSING"):
        error = {"status": "error", "category": "EXPORT_ERROR", "message": "The export failed."}
        body |= {"numErrors": 1, "errors": [error]}
    return Reply(body)


def detail(call: Call) -> Reply:
    """Describe an export, with its number of records once it is done."""
    call.need(SCOPE)
    task = _task(call, call.params["id"])
    table_type = call.portal.type(task.body["objectType"])
    at = iso(task.completed_ms or task.requested_ms)
    body = {
        "id": task.id,
        "exportName": task.body["exportName"],
        "exportType": task.body["exportType"].upper(),
        "objectType": table_type.type_id,
        "objectProperties": task.body["objectProperties"],
        "createdAt": iso(task.requested_ms),
        "updatedAt": at,
        "exportState": STATES.get(task.status, task.status),
    }
    if task.status == "COMPLETE":
        body["recordCount"] = len(task.sheet.ids)
    return Reply(body)


def _task(call: Call, task_id: str) -> Task:
    task = call.portal.exports.by_id.get(task_id)
    if task is None:
        raise not_found(f"There is no export {task_id}")
    return task


def download(call: Call) -> Reply:
    """Give a file to whoever has its address, for as long as that lasts."""
    task = call.portal.exports.by_id.get(call.params["id"])
    ends_ms = task.addresses.get(call.params["signature"], 0) if task else 0
    if task is None or call.portal.clock.now_ms() >= ends_ms:
        page = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        return Reply(page, 403, {"Content-Type": "application/xml"})
    if task.file is None:
        settings = call.portal.settings
        task.file = write(
            task.sheet,
            "hubspot-crm-exports",
            rows_per_file=settings.export_rows_per_file,
            zip_bytes=settings.export_zip_bytes,
        )
    content, kind = task.file
    return Reply(content, 200, {"Content-Type": kind})


def refuse_token(authorization: str | None) -> None:
    """Refuse a download that shows a token, as stores of signed addresses do."""
    if authorization:
        raise ApiError(400, "VALIDATION_ERROR", "Only one auth mechanism allowed")
