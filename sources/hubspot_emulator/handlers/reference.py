"""Small reference endpoints: owners, pipelines, account, limits, library, tokens."""

from typing import Any

from ..clock import iso
from ..portal.catalog.object_types import LIBRARY_TYPE_IDS
from .call import Call, Reply
from .errors import invalid, not_found

OWNER_LIMIT, MAX_OWNER_LIMIT = 100, 500
OWNER_SCOPES = ("crm.objects.owners.read", "automation")
RECORD_LIMIT = 15_000_000


def owners(call: Call) -> Reply:
    """Answer one page of active, or archived, owners."""
    call.need(*OWNER_SCOPES)
    archived, email = call.flag("archived"), call.query.get("email")
    rows = [
        one
        for one in sorted(call.portal.owners, key=lambda one: int(one["id"]))
        if one["archived"] == archived and email in (None, one["email"])
    ]
    limit = call.number("limit", OWNER_LIMIT, MAX_OWNER_LIMIT)
    after = call.query.get("after", "0")
    if not after.isdecimal():
        raise invalid(f"Invalid after: {after!r}")
    start = next((i for i, one in enumerate(rows) if int(one["id"]) >= int(after)), len(rows))
    body: dict[str, Any] = {"results": rows[start : start + limit]}
    if start + limit < len(rows):
        following = rows[start + limit]["id"]
        link = f"https://api.hubapi.com/crm/v3/owners/?limit={limit}&after={following}"
        body["paging"] = {"next": {"after": following, "link": link}}
    return Reply(body)


def owner(call: Call) -> Reply:
    """Answer one owner, by its id or by its user's."""
    call.need(*OWNER_SCOPES)
    archived = call.flag("archived")
    by_user = call.query.get("idProperty", "id") == "userId"
    key = "userIdIncludingInactive" if by_user else "id"
    for one in call.portal.owners:
        if str(one[key]) == call.params["id"] and one["archived"] == archived:
            return Reply(one)
    raise not_found(f"There is no owner {call.params['id']}")


def _pipelines(call: Call) -> list[dict[str, Any]]:
    table = call.table()
    if table.type.type_id not in call.portal.pipelines:
        raise invalid(f"{table.type.name} have no pipelines")
    return call.portal.pipelines[table.type.type_id]


def pipelines(call: Call) -> Reply:
    """Answer every pipeline of a type with its stages."""
    return Reply({"results": _pipelines(call)})


def _pipeline(call: Call) -> dict[str, Any]:
    for one in _pipelines(call):
        if one["id"] == call.params["pipeline_id"]:
            return one
    raise not_found(f"There is no pipeline {call.params['pipeline_id']}")


def pipeline(call: Call) -> Reply:
    """Answer one pipeline."""
    return Reply(_pipeline(call))


def stages(call: Call) -> Reply:
    """Answer the stages of one pipeline."""
    return Reply({"results": _pipeline(call)["stages"]})


def stage(call: Call) -> Reply:
    """Answer one stage of one pipeline."""
    for one in _pipeline(call)["stages"]:
        if one["id"] == call.params["stage_id"]:
            return Reply(one)
    raise not_found(f"There is no stage {call.params['stage_id']}")


def account(call: Call) -> Reply:
    """Answer the account's details, whatever the token may do."""
    return Reply(call.portal.account)


def usage(call: Call) -> Reply:
    """Answer today's use of the daily budget."""
    limits = call.portal.settings.limits
    now_ms = call.portal.clock.now_ms()
    row = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": limits.daily if limits else 1_000_000,
        "currentUsage": call.portal.meter.used_today,
        "collectedAt": iso(now_ms),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(call.portal.meter.day_ends_ms()),
    }
    return Reply({"results": [row]})


def _need_any_record_scope(call: Call) -> None:
    """Refuse a token that may read records of no type."""
    scopes = (kind.scope for kind in call.portal.types.all())
    call.need(*(scope for scope in scopes if scope.startswith("crm.objects.")))


def record_limits(call: Call) -> Reply:
    """Answer the number of live records of each type, those hidden from the token too."""
    _need_any_record_scope(call)
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for table in call.portal.tables.values():
        used = len(table.every_id()) if table.hidden else len(table.ids())
        rows[table.type.custom].append(
            {
                "objectTypeId": table.type.type_id,
                "singularLabel": table.type.singular,
                "pluralLabel": table.type.plural_label or table.type.name,
                "limit": RECORD_LIMIT,
                "usage": used,
                "percentage": round(100 * used / RECORD_LIMIT, 4),
            }
        )
    custom = {
        "overallLimit": RECORD_LIMIT,
        "overallUsage": sum(row["usage"] for row in rows[True]),
        "byObjectType": rows[True],
    }
    return Reply({"hubspotDefinedObjectTypes": rows[False], "customObjectTypes": custom})


def enablement(call: Call) -> Reply:
    """Answer which library objects the portal uses."""
    _need_any_record_scope(call)
    tables = call.portal.tables
    enabled = {one: tables[one].rows.count > 0 or bool(tables[one].changed)
               for one in LIBRARY_TYPE_IDS}  # fmt: skip
    return Reply({"enablementByObjectTypeId": enabled})


def enablement_of(call: Call) -> Reply:
    """Answer whether the portal uses one library object."""
    _need_any_record_scope(call)
    type_id = call.params["type"]
    if type_id not in LIBRARY_TYPE_IDS:
        raise not_found(f"{type_id} is not an object of the library")
    table = call.portal.tables[type_id]
    return Reply({"enablement": table.rows.count > 0 or bool(table.changed)})


def introspect(call: Call) -> Reply:
    """Answer what the token in the body may do."""
    token = call.portal.settings.tokens.get(str(call.body["tokenKey"]))
    if token is None:
        raise not_found("The token is unknown")
    scopes = sorted(token.scopes) if token.scopes is not None else all_scopes(call)
    ids = {"userId": 9_586_504, "hubId": call.portal.id, "appId": 4_711_000}
    return Reply({**ids, "scopes": scopes})


def all_scopes(call: Call) -> list[str]:
    """Return every scope the emulator knows of."""
    kinds = call.portal.types.all()
    reads = {
        scope
        for kind in kinds
        for scope in (kind.scope, kind.schema_scope, kind.other_scope, kind.second_scope)
        if scope
    }
    return sorted({*reads, *(kind.write_scope for kind in kinds), OWNER_SCOPES[0], "oauth"})
