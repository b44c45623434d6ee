"""Marketing events, who takes part in them, and how many."""

from ..asking import Ask
from ..endpoint import Endpoint, after, one_of
from ..kind import Keep, Kind, Row
from ..seeding import HOUR_MS, Seeds

BASE = "/marketing/(marketing-events/v3|v3/marketing-events|marketing-events/~)"
SCOPE = "crm.objects.marketing_events.read"
STATES = ("REGISTERED", "CANCELLED", "ATTENDED", "NO_SHOW")
COUNTERS = {"registrants": "REGISTERED", "attendees": "ATTENDED", "cancellations": "CANCELLED",
            "noShows": "NO_SHOW"}  # fmt: skip
COUNT, PARTICIPANTS = 3, 14


def _event(seeds: Seeds, number: int) -> Row:
    at = seeds.midnight_ms - (number + 3) * 24 * HOUR_MS
    return {
        "objectId": str(99_001 + number),
        "externalEventId": f"ext-{number % 2}",  # not unique across apps
        "eventName": f"Webinar {number}",
        "eventType": "WEBINAR",
        "eventStatus": "PAST",
        "eventStatusV2": "PAST",
        "eventCancelled": False,
        "eventCompleted": True,
        "eventOrganizer": "Mia Ito",
        "eventDescription": "",
        "eventUrl": f"https://events.example.com/{number}",
        "startDateTime": seeds.instant(at),
        "endDateTime": seeds.instant(at + HOUR_MS),
        "appInfo": {"id": str(42 + number), "name": "Zoomer"},
        "customProperties": [{"name": "lang", "value": "de"}],
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _participation(seeds: Seeds, number: int) -> Row:
    place = number % max(1, seeds.size("marketing_events", COUNT))
    contact, email = seeds.contact(number)
    state = STATES[number % len(STATES)]
    at = seeds.event_ms("marketing_event_participations", number, PARTICIPANTS)
    own: Row = {"attendanceState": state, "occurredAt": at}
    if state == "ATTENDED":
        own |= {"attendanceDurationSeconds": 1_200 + number, "attendancePercentage": "0.8"}
    return {
        "_parent": str(99_001 + place),
        "id": f"p{number + 1}",
        "createdAt": seeds.instant(at),
        "associations": {
            "contact": {"contactId": contact, "email": email, "firstname": "A", "lastname": "B"},
            "marketingEvent": {"marketingEventId": str(99_001 + place),
                               "name": f"Webinar {place}", "externalEventId": f"ext-{place % 2}",
                               "externalAccountId": "acc"},
        },
        "properties": own,
    }  # fmt: skip


def _counts(ask: Ask, event: str) -> dict[str, int]:
    rows = ask.collections["marketing_event_participations"].seen(event)
    states = [row.get("properties", {}).get("attendanceState") for row in rows]
    return {name: states.count(state) for name, state in COUNTERS.items()}


def _with_counts(ask: Ask, row: Row) -> Row:
    """Return an event with the numbers of those who take part, unless a test set its own."""
    return {**_counts(ask, row["objectId"]), **row}


def _totals(ask: Ask) -> Row:
    found = _counts(ask, ask.params["parent"])
    return {"registered": found["registrants"], "attended": found["attendees"],
            "cancelled": found["cancellations"], "noShows": found["noShows"]}  # fmt: skip


def _of_contact(ask: Ask) -> Keep | None:
    """Keep who is meant by an id or an e-mail address."""
    who = ask.one("contactIdentifier")
    return (lambda row: who in row["associations"]["contact"].values()) if who else None


def _list_of_event(_: Seeds, number: int) -> Row:
    return {"_parent": str(99_001 + number), "_list": str(17 + number)}


def _lists_of_event(ask: Ask) -> Row:
    ids = [row["_list"] for row in ask.collections["marketing_event_lists"].seen(
        ask.params["parent"])]  # fmt: skip
    lists = [row for row in ask.collections["lists"].seen() if row["listId"] in ids]
    shown = [{n: v for n, v in row.items() if n[0] != "_"} for row in lists]
    return {"total": len(shown), "results": shown}


KINDS = (
    Kind("marketing_events", _event, COUNT, key="objectId", touched="updatedAt",
         required="objectId eventName createdAt updatedAt"),
    Kind("marketing_event_participations", _participation, PARTICIPANTS, key="_parent id",
         parent="marketing_events", required="id createdAt"),
    Kind("marketing_event_lists", _list_of_event, 2, key="_parent _list",
         parent="marketing_events"),
)  # fmt: skip
_EVENTS = Endpoint(collection="marketing_events", paths=BASE, paging=after(10, 100), scopes=SCOPE,
                   order="objectId", shape=_with_counts)  # fmt: skip
ENDPOINTS = (
    _EVENTS,
    one_of(_EVENTS),
    Endpoint(collection="marketing_events", name="attendance", parent="marketing_events",
             paths=BASE + "/participations/{parent}", scopes=SCOPE, answer=_totals),
    Endpoint(collection="marketing_event_lists", name="of_event", answer=_lists_of_event,
             paths=BASE + "/associations/{parent}/lists",
             scopes="crm.objects.marketing_events.write"),
    Endpoint(
        collection="marketing_event_participations", name="breakdown", scopes=SCOPE,
        paths=BASE + "/participations/{parent}/breakdown", paging=after(10, 100, total=True),
        query="before contactIdentifier", keep=_of_contact, order="createdAt",
        filters="state=properties.attendanceState",
    ),
)  # fmt: skip
