"""Lists of contacts, companies and other records, their members, folders and size history."""

from collections.abc import Iterable

from ....clock import DAY_MS, iso, to_ms
from ..asking import Ask, not_found
from ..endpoint import Endpoint, Paging, after
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import HOUR_MS, Seeds

LISTS = "/crm/(v3/lists|lists/~)"
SCOPE = "crm.lists.read"
FIRST_ID = 17
TYPES = ("0-1", "0-2", "0-1", "0-3", "0-1", "0-5")
TABLES = {"0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-5": "tickets"}
PROCESSING = ("DYNAMIC", "MANUAL", "SNAPSHOT")
LISTED, MEMBERS, IDS_AT_MOST = 6, 24, 100
KNOWN_PROPERTIES = ("hs_list_size", "hs_list_reference_count", "hs_lastmodifieddate",
                    "hs_folder_name")  # fmt: skip


def _list(seeds: Seeds, number: int) -> Row:
    processing = PROCESSING[number % len(PROCESSING)]
    made: Row = {
        "listId": str(FIRST_ID + number),
        "name": f"List {number}",
        "objectTypeId": TYPES[number % len(TYPES)],
        "processingType": processing,
        "processingStatus": "COMPLETE",
        "listVersion": 1 + number % 4,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "createdById": seeds.user(number),
        "updatedById": seeds.user(number + 1),
        "_folder": 4 if number % 3 == 1 else 0,
        "_permissions": {"teamsWithEditAccess": [368_389], "usersWithEditAccess": []},
        "_membership": {"includeUnassigned": False, "membershipTeamId": None},
    }
    if processing == "DYNAMIC":
        made["filtersUpdatedAt"] = seeds.changed(number)
        made["_filters"] = _filter_branch(number)
    return made


def _filter_branch(number: int) -> Row:
    condition = {"property": "city", "filterType": "PROPERTY",
                 "operation": {"operator": "IS_EQUAL_TO", "value": f"City {number}"}}  # fmt: skip
    inner = {"filterBranchType": "AND", "filterBranches": [], "filters": [condition]}
    return {"filterBranchType": "OR", "filterBranches": [inner], "filters": []}


def _member(seeds: Seeds, number: int) -> Row:
    """Return a member: every second one of the first list, the others of all lists in turn."""
    lists, half = max(1, seeds.size("lists", LISTED)), number // 2
    position = half % lists if number % 2 else 0
    place = half // lists if number % 2 else half
    if number % 2 and position == 0:
        place += (seeds.size("list_memberships", MEMBERS) + 1) // 2
    table = TABLES[TYPES[position % len(TYPES)]]
    return {
        "_parent": str(FIRST_ID + position),
        "recordId": seeds.record(table, place),
        "membershipTimestamp": seeds.event("list_memberships", number, MEMBERS),
    }


# how a list is shown


def _size(ask: Ask, row: Row) -> int:
    return len(ask.collections["list_memberships"].entries("recordId", (), row["listId"]))


def _searched(ask: Ask, row: Row) -> Row:
    wanted = ask.body.get("additionalProperties", [])
    own = {
        "hs_list_size": str(_size(ask, row)),
        "hs_list_reference_count": "0",
        "hs_lastmodifieddate": str(to_ms(row.get("updatedAt", 0))),
        "hs_folder_name": "EU" if row.get("_folder") else "root",
    }
    known = {name: own[name] for name in wanted if name in KNOWN_PROPERTIES}
    return {**row, "additionalProperties": known}


def _whole(ask: Ask, row: Row) -> Row:
    made = {
        **row,
        "size": _size(ask, row),
        "listPermissions": row.get("_permissions", {}),
        "membershipSettings": row.get("_membership", {}),
    }
    if ask.flag("includeFilters") and "_filters" in row:
        made["filterBranch"] = row["_filters"]
    return {name: value for name, value in made.items() if name[0] != "_"}


def _queried(ask: Ask) -> Keep | None:
    text, kinds = str(ask.body.get("query", "")).lower(), ask.body.get("processingTypes", [])
    if not text and not kinds:
        return None
    return lambda row: text in row["name"].lower() and (not kinds or row["processingType"] in kinds)


def _by_ids(ask: Ask) -> Row:
    wanted = ask.query.get("listIds", ())
    if any("," in one for one in wanted):
        raise refuse("Invalid value for listIds: give the parameter repeatedly")
    if len(wanted) > IDS_AT_MOST:
        raise refuse(f"At most {IDS_AT_MOST} listIds may be asked for")
    found = [ask.collections["lists"].find(one) for one in dict.fromkeys(wanted)]
    return {"lists": [_whole(ask, row) for row in found if row is not None]}


def _by_id(ask: Ask) -> Row:
    row = ask.collections["lists"].find(ask.params["key"])
    if row is None:
        raise not_found("List does not exist")
    return {"list": _whole(ask, row)}


def _by_name(ask: Ask) -> Row:
    for row in ask.collections["lists"].seen():
        if (row["objectTypeId"], row["name"]) == (ask.params["type"], ask.params["name"]):
            return {"list": _whole(ask, row)}
    raise not_found("List does not exist")


def _history(ask: Ask) -> Row:
    start, end = ask.instant("startDate", "iso"), ask.instant("endDate", "iso")
    if start is None or end is None or start > end:
        raise refuse("startDate must come before endDate")
    row = ask.collections["lists"][ask.params["parent"]]
    size, first = _size(ask, row), start + -start % DAY_MS
    days = range(first, min(end, ask.now_ms) + 1, DAY_MS)
    edited = to_ms(row["updatedAt"]) if "updatedAt" in row else -1
    return {
        "sizeHistory": [{"size": size, "timestamp": iso(day)} for day in days],
        "editHistory": [row["updatedAt"]] if start <= edited <= end else [],
    }


# folders


def _folder(seeds: Seeds, number: int) -> Row:
    return {
        "id": str((0, 4, 5)[number] if number < len((0, 4, 5)) else number + 3),
        "name": ("root", "EU", "Archive")[number % 3],
        "parentFolderId": "5" if number == 1 else "0",  # the second lies in the third
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "userId": int(seeds.user(number)),
    }


def _folder_tree(ask: Ask) -> Row:
    wanted = ask.one("folderId", "0")
    rows = ask.collections["list_folders"].seen()
    if all(row["id"] != wanted for row in rows):
        raise not_found(f"Folder {wanted} does not exist")
    lists = [
        int(row["listId"])
        for row in ask.collections["lists"].seen()
        if str(row.get("_folder", 0)) == wanted
    ]
    return {"folder": {**_node(rows, wanted), "childLists": lists}}


def _node(rows: Iterable[Row], folder_id: str) -> Row:
    """Return a folder with those in it, in which lists are not named."""
    rows = list(rows)
    own = next(row for row in rows if row["id"] == folder_id)
    inside = [r["id"] for r in rows if r["parentFolderId"] == folder_id and r["id"] != folder_id]
    return {**own, "childLists": [], "childNodes": [_node(rows, one) for one in inside]}


# memberships of a record


def _of_record(ask: Ask, type_id: str, record: str) -> list[Row]:
    members = ask.collections["list_memberships"]
    found = []
    for row in ask.collections["lists"].seen():
        joined = members.find((row["listId"], record))
        if row["objectTypeId"] == type_id and joined is not None:
            at = joined["membershipTimestamp"]
            found.append({"listId": row["listId"], "listVersion": row["listVersion"],
                          "firstAddedTimestamp": at, "lastAddedTimestamp": at,
                          "isPublicList": True})  # fmt: skip
    internal = iso(to_ms("2025-01-01T00:00:00Z") + HOUR_MS)
    return [*found, {"listId": "999999", "listVersion": 1, "firstAddedTimestamp": internal,
                     "lastAddedTimestamp": internal, "isPublicList": False}]  # fmt: skip


def _record_memberships(ask: Ask) -> Row:
    found = _of_record(ask, ask.params["type"], ask.params["record"])
    return {"total": len(found), "results": found}


def _records_memberships(ask: Ask) -> Row:
    inputs = ask.body["inputs"]
    if len(inputs) > IDS_AT_MOST:
        raise refuse(f"The maximum number of inputs supported in a batch request is {IDS_AT_MOST}")
    now = iso(ask.now_ms)
    results = [
        {
            **{name: str(one[name]) for name in ("objectTypeId", "recordId")},
            "recordListMemberships": _of_record(
                ask, str(one["objectTypeId"]), str(one["recordId"])
            ),
        }
        for one in inputs
    ]
    return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}


# lists that will be, or were, made static


def _conversion(seeds: Seeds, number: int) -> Row:
    if number:
        return {"listId": "18", "_parent": "18", "convertedAt": seeds.changed(number)}
    wanted = {"conversionType": "INACTIVITY", "timeUnit": "MONTH", "offset": 3}
    return {"listId": "17", "_parent": "17", "requestedConversionTime": wanted}


def _conversion_of(ask: Ask) -> Row:
    rows = ask.collections["list_conversions"].seen(ask.params["parent"])
    if not rows:
        raise not_found(f"List {ask.params['parent']} has no conversion")
    return {name: value for name, value in rows[0].items() if name[0] != "_"}


KINDS = (
    Kind("lists", _list, LISTED, key="listId", touched="updatedAt",
         required="listId name objectTypeId processingType processingStatus listVersion"),
    Kind("list_memberships", _member, MEMBERS, key="_parent recordId", parent="lists",
         required="recordId membershipTimestamp"),
    Kind("list_conversions", _conversion, 2, key="_parent", parent="lists", required="listId"),
    Kind("list_folders", _folder, 3, touched="updatedAt", required="id name parentFolderId"),
)  # fmt: skip

_LISTS = Endpoint(collection="lists", paths=LISTS, name="by_ids", scopes=SCOPE,
                  query="listIds includeFilters", answer=_by_ids)  # fmt: skip
_MEMBERS = Endpoint(
    collection="list_memberships", paths=LISTS + "/{parent}/memberships", scopes=SCOPE,
    paging=after(100, 250, total=True), query="before", order="recordId",
)  # fmt: skip
ENDPOINTS = (
    Endpoint(
        collection="lists", name="search", method="POST", paths=f"{LISTS}/search", rows="lists",
        paging=Paging("body", 20, 500, total=True, ceiling=10_000), scopes=SCOPE, keep=_queried,
        body="listIds! processingTypes! additionalProperties! offset! query count objectTypeId "
             "sort",
        filters="listIds=listId objectTypeId=objectTypeId", shape=_searched, order="listId",
        sorts="HS_LIST_ID=listId HS_UPDATED_AT=updatedAt",
    ),
    Endpoint(
        collection="lists", name="all", method="POST", paths="/crm/lists/2026-09-beta/all",
        paging=Paging("body_after", 100, 500, total=True), scopes=SCOPE, keep=_queried,
        body="processingTypes! additionalProperties! objectTypeId count after",
        filters="objectTypeId=objectTypeId", shape=_searched, order="listId",
    ),
    _LISTS,
    Endpoint(collection="lists", name="get", paths=LISTS + "/{key}", scopes=SCOPE,
             query="includeFilters", answer=_by_id),
    Endpoint(collection="lists", name="by_name", scopes=SCOPE, query="includeFilters",
             paths=LISTS + "/object-type-id/{type}/name/{name}", answer=_by_name),
    Endpoint(collection="list_folders", name="tree", paths=f"{LISTS}/folders", scopes=SCOPE,
             query="folderId", answer=_folder_tree),
    Endpoint(collection="lists", name="history", parent="lists", scopes=SCOPE, answer=_history,
             paths=LISTS + "/{parent}/size-and-edits-history/between",
             query="startDate! endDate!"),
    Endpoint(collection="list_conversions", name="of_list", scopes=SCOPE, answer=_conversion_of,
             paths=LISTS + "/{parent}/schedule-conversion"),
    _MEMBERS,
    Endpoint(
        collection="list_memberships", name="join_order", scopes=SCOPE, query="before",
        paths=LISTS + "/{parent}/memberships/join-order", paging=after(100, 250, total=True),
        order="?membershipTimestamp",
    ),
    Endpoint(collection="list_memberships", name="of_record", scopes=SCOPE,
             paths=LISTS + "/records/{type}/{record}/memberships", answer=_record_memberships),
    Endpoint(collection="list_memberships", name="of_records", method="POST", body="inputs!",
             paths=f"{LISTS}/records/memberships/batch/read", scopes=SCOPE,
             answer=_records_memberships),
)  # fmt: skip
