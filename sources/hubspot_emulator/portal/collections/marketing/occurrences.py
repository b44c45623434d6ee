"""Events of contacts and other records: types, definitions, occurrences."""

from typing import Any

from ..asking import Ask
from ..endpoint import Endpoint, after, one_of
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import Seeds

DEFINITIONS = "/events/(v3/event-definitions|~/event-definitions)"
EVENTS = 30
TYPES = ("e_visited_page", "pe1234567_login", "ae42_played", "e_v2_contact_booked_meeting")
SCOPE: dict[str, Any] = {
    "scopes": "behavioral_events.event_definitions.read_write",
    "product": "enterprise",
}
BUILT_IN = [
    {"name": "hs_touchpoint_source", "label": "Source", "type": "enumeration",
     "fieldType": "select", "groupName": "login"},
]  # fmt: skip


def _type(_: Seeds, number: int) -> Row:
    return {"name": TYPES[number] if number < len(TYPES) else f"pe1234567_event{number}"}


def _types(ask: Ask) -> Row:
    return {"eventTypes": [row["name"] for row in ask.collections["event_types"].seen()]}


def _definition(seeds: Seeds, number: int) -> Row:
    name = ("login", "upgrade", "refund")[number % 3]
    return {
        "id": str(1 + number),
        "name": name,
        "fullyQualifiedName": f"pe1234567_{name}",
        "objectTypeId": f"6-{101 + number}",
        "labels": {"singular": name.capitalize(), "plural": f"{name.capitalize()}s"},
        "description": "",
        "primaryObject": "CONTACT",
        "primaryObjectId": "0-1",
        "trackingType": "MANUAL",
        "archived": False,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "createdUserId": int(seeds.user(number)),
        "associations": [],
        "_properties": [
            {"name": "device", "label": "Device", "type": "string", "fieldType": "text",
             "groupName": name, "options": []},
            *BUILT_IN,
        ],
    }  # fmt: skip


def _with_properties(ask: Ask, row: Row) -> Row:
    """Return a definition with its properties when they are asked for, else with none."""
    if "_properties" not in row:
        return row
    return {**row, "properties": row["_properties"] if ask.flag("includeProperties") else []}


def _named(ask: Ask) -> Keep:
    wanted = ask.one("searchString").lower()
    return lambda row: wanted in str(row.get("name", "")).lower()


def _check_order(ask: Ask) -> None:
    if ask.one("sortOrder", "ASC").upper() not in ("ASC", "DESC"):
        raise refuse("sortOrder must be ASC or DESC")


def _occurrence(seeds: Seeds, number: int) -> Row:
    kind = TYPES[number % 2]
    return {
        "id": f"f{number + 1:07d}",
        "eventType": kind,
        "objectType": "CONTACT",
        "objectId": seeds.contact(number)[0],
        "occurredAt": seeds.event("event_occurrences", number, EVENTS),
        "properties": {"hs_url": f"https://www.example.com/{number % 5}", "hs_page_id": "3"}
        if kind == TYPES[0]
        else {"device": "phone"},
    }


def _check_filters(ask: Ask) -> None:
    """Refuse what needs more: an object without its type, ids or values without the event's."""
    if ask.one("objectId") and not ask.one("objectType"):
        raise refuse("objectType is required with objectId")
    if ask.one("id") and not ask.one("eventType"):
        raise refuse("eventType is required with id")
    if not (ask.one("eventType") or ask.one("objectId") or ask.settings.open_event_windows):
        raise refuse("One of eventType or objectId is required")
    named = ask.one("objectType")
    if named and ask.contents.types.find(named) is None:
        raise refuse(f"Object type {named} is not known")
    kind = ask.one("eventType")
    if kind and ask.collections["event_types"].find(kind) is None:
        raise refuse(f"Event type {kind} is not known")


def _of_object(ask: Ask) -> Keep | None:
    """Keep occurrences of the object type asked for, by any of its names."""
    find = ask.contents.types.find
    wanted = find(ask.one("objectType")) if ask.one("objectType") else None
    return None if wanted is None else lambda row: find(str(row["objectType"])) == wanted


KINDS = (
    Kind("event_types", _type, len(TYPES), key="name"),
    Kind("event_definitions", _definition, 3, touched="updatedAt",
         key="name", required="id name fullyQualifiedName objectTypeId"),
    Kind("event_occurrences", _occurrence, EVENTS, time="occurredAt",
         required="id eventType objectType objectId occurredAt"),
)  # fmt: skip
_DEFINITIONS = Endpoint(
    collection="event_definitions", paths=DEFINITIONS, paging=after(total=True),
    query="includeProperties searchString sortOrder", check=_check_order, keep=_named,
    shape=_with_properties, order="id", **SCOPE,
)  # fmt: skip
ENDPOINTS = (
    Endpoint(collection="event_types", answer=_types,
             paths="/events/(v3/events|event-occurrences/~)/event-types"),
    _DEFINITIONS,
    one_of(_DEFINITIONS, query="includeProperties"),
    Endpoint(
        collection="event_occurrences", paths="/events/(v3/events|event-occurrences/~)",
        paging=after(), query="before properties objectType", product="enterprise",
        order="-occurredAt", sorts="occurredAt", check=_check_filters, keep=_of_object,
        filters="eventType=eventType objectId=objectId id=id occurredAfter>=occurredAt@iso "
                "occurredBefore<=occurredAt@iso",
    ),
)  # fmt: skip
