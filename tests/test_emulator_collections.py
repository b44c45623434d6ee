"""Every endpoint beyond the CRM: it pages to its end, filters, refuses, and shows every change."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from caller import Caller
from emulated_calls import COMPANIONS, FILTERS, LISTINGS, ROUTES_OF, Listed, listed, pages

from sources.hubspot_emulator.clock import to_ms
from sources.hubspot_emulator.handlers.collections.answering import ROUTES
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.collections.endpoint import Endpoint, Filter
from sources.hubspot_emulator.portal.collections.values import comparable, member
from sources.hubspot_emulator.portal.seed import SeedSpec

SPEC = SeedSpec(contacts=60, properties=30)


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SPEC, limits="off") as server:
        yield server


@pytest.fixture(scope="module")
def reader(running: EmulatorServer) -> Caller:
    """A portal that no test of this module changes while it is used."""
    running.portal.reset(SPEC)
    return Caller(running)


@pytest.fixture
def caller(running: EmulatorServer) -> Iterator[Caller]:
    """A fresh portal for one test."""
    running.portal.reset(SPEC)
    yield Caller(running)
    running.portal.reset(SPEC)


@pytest.mark.parametrize("name", LISTINGS)
def test_pages_lead_to_the_end(reader: Caller, name: str) -> None:
    """Pages of two rows hold the same rows in the same order as one large page, each once."""
    listing = listed(LISTINGS[name], reader.portal)
    assert listing.paths
    for path in listing.paths:
        few, many = pages(reader, listing, path, 2), pages(reader, listing, path, listing.most)
        assert few.rows == many.rows
        assert len(few.rows) >= 1
        assert len(few.rows) == len({str(row) for row in few.rows})
        assert few.totals <= {len(few.rows)}
        assert many.calls == 1


@pytest.mark.parametrize("name", FILTERS)
def test_filters_narrow(reader: Caller, name: str) -> None:
    """A filter gives the rows that pass it, bounds as its operator says."""
    endpoint, one = FILTERS[name]
    listing = listed(endpoint, reader.portal).with_values(COMPANIONS.get(name, {}))
    path = listing.paths[0]
    rows = pages(reader, listing, path, listing.most).rows
    values = sorted(
        {comparable(v): v for row in rows if (v := member(row, one.member)) is not None}.items()
    )
    assert values, f"no seeded row has {one.member}"
    value = values[len(values) // 2][1]
    given = value[0] if isinstance(value, list) else value
    in_ms = one.format == "ms" and isinstance(given, str)
    asked = listing.with_values({one.param: to_ms(given) if in_ms else given})
    found = pages(reader, asked, path, listing.most).rows
    assert found == [row for row in rows if expected(row, one, given)]


def expected(row: dict[str, Any], one: Filter, given: object) -> bool:
    """Return whether a row passes a filter, worked out without the emulator's own index."""
    value = member(row, one.member)
    if value is None:
        return False
    if one.operator in ("=", "^", "~"):
        texts = [str(part) for part in value] if isinstance(value, list) else [str(value)]
        return any(str(given) in text if one.operator == "~" else text == str(given)
                   for text in texts)  # fmt: skip
    left, right = comparable(value), comparable(given)
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[
        one.operator
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_refusals(reader: Caller, route: Any) -> None:
    """An unknown parameter, a token without the scope and a portal without the product are told."""
    endpoint = ROUTES_OF[route.name]
    listing = listed(endpoint, reader.portal)
    for path in listing.paths:
        strange = listing.call(reader, path, {"stranger": "1"})
        assert (strange.status_code, strange.json()["category"]) == (400, "VALIDATION_ERROR")
    path = listing.paths[0]
    good = listing.call(reader, path, {})
    assert good.status_code < 300, good.text
    if endpoint.scopes:
        reader.portal.set_token("narrow", {"oauth"})
        poor = listing.call(reader, path, {}, token="narrow")  # noqa: S106 - made up
        assert (poor.status_code, poor.json()["category"]) == (403, "MISSING_SCOPES")
    for status in (403, 404):
        reader.portal.settings.absent = {endpoint.collection: status}
        lacking = listing.call(reader, path, {})
        reader.portal.settings.absent = {}
        assert lacking.status_code == status
        assert lacking.json()["category"] != "MISSING_SCOPES"


@pytest.mark.parametrize("name", [n for n, e in LISTINGS.items() if e.paging.kind != "one"])
def test_pages_have_a_size_and_cursors_are_the_portals(reader: Caller, name: str) -> None:
    """A page that is too large and a cursor that the portal never gave are refused."""
    endpoint = LISTINGS[name]
    listing = listed(endpoint, reader.portal)
    assert listing.page(reader, listing.paths[0], listing.most + 1, None).status_code == 400
    if endpoint.paging.kind != "body":
        assert listing.page(reader, listing.paths[0], 1, "nonsense").status_code == 400


@pytest.mark.parametrize("name", [n for n, e in LISTINGS.items() if e.paging.kind != "one"])
def test_troubles_of_pages(reader: Caller, name: str) -> None:
    """On request a page is empty with a cursor, or its cursor leads to itself; no row is lost."""
    listing = listed(LISTINGS[name], reader.portal)
    path, collection = listing.paths[0], reader.portal.collections[listing.endpoint.collection]
    whole = pages(reader, listing, path, 2).rows
    collection.empty_page()
    found = pages(reader, listing, path, 2)
    assert (found.rows, found.empty) == (whole, 1)
    collection.repeat_cursor()
    found = pages(reader, listing, path, 2)
    assert found.rows == [*whole[:2], *whole]


def test_changes_show_at_once(caller: Caller) -> None:
    """Rows that are added, edited, bared, archived and deleted are so in the next answer."""
    files = caller.portal.collections["files"]
    listing = Listed.of("files.search", caller.portal)
    added = files.add({"id": "9001", "access": "PRIVATE", "name": "new", "unheard_of": {"a": 1}})
    files.edit("8001", {"name": "renamed", "size": "many"})
    files.bare("8002")
    files.archive("8003")
    files.delete("8004")
    with pytest.raises(ValueError, match="already"):
        files.add({"id": "9001", "access": "PRIVATE"})
    files.add({"id": "8005", "access": "PRIVATE", "name": "twin"}, twin=True)
    ids = [row["id"] for row in pages(caller, listing, listing.paths[0], 100).rows]
    assert ids.count("8005") == 2
    rows = {row["id"]: row for row in pages(caller, listing, listing.paths[0], 100).rows}
    assert rows["9001"] == added
    assert (rows["8001"]["name"], rows["8001"]["size"]) == ("renamed", "many")
    assert rows["8001"]["updatedAt"] > rows["8001"]["createdAt"]
    assert rows["8002"].keys() == {"id", "access"}
    assert rows.keys().isdisjoint({"8003", "8004"})


def test_rows_may_appear_late(caller: Caller) -> None:
    """A delayed row, and every row of a collection that lags, is seen when the clock says so."""
    portal = caller.portal
    portal.clock.freeze("2026-05-01T12:00:00Z")
    events = portal.collections["email_events"]
    listing = Listed.of("email_events.list", portal)

    def seen() -> set[str]:
        return {row["id"] for row in pages(caller, listing, listing.paths[0], 1000).rows}

    now_ms = portal.clock.now_ms()
    events.add({"id": "late", "created": now_ms - 1000}, visible_at=now_ms + 5000)
    events.add({"id": "fresh", "created": now_ms - 60_000})
    assert "late" not in seen()
    portal.clock.advance(5000)
    assert {"late", "fresh"} <= seen()
    events.lag_ms = 120_000
    assert seen().isdisjoint({"late", "fresh"})
    portal.clock.advance(60_000)
    assert seen() & {"late", "fresh"} == {"fresh"}


def test_a_page_goes_on_where_the_last_one_ended(caller: Caller) -> None:
    """Rows that are deleted or added between two pages take no other row out of the answer."""
    listing = Listed.of("files.search", caller.portal)
    files, path = caller.portal.collections["files"], listing.paths[0]
    first = listing.page(caller, path, 3, None).json()
    files.delete(first["results"][0]["id"])
    files.add({"id": "1", "access": "PRIVATE"})
    rest = listing.page(caller, path, 100, first["paging"]["next"]["after"]).json()["results"]
    assert first["results"] + rest == [
        *first["results"],
        *(row for row in files.rows() if int(row["id"]) > int(first["results"][-1]["id"])),
    ]


HIDDEN: dict[str, Callable[[Caller], Any]] = {
    "forms of one type": lambda c: {row["formType"] for row in get(c, "/marketing/v3/forms")},
    "archived forms apart": lambda c: [
        row["archived"] for row in get(c, "/marketing/v3/forms?formTypes=all&archived=true")
    ],
    "e-mails vanish with statistics": lambda c: (
        len(get(c, "/marketing/v3/emails")) - len(get(c, "/marketing/v3/emails?includeStats=true"))
    ),
    "an event without type": lambda c: sum(
        "type" not in row for row in get(c, f"/email/public/v1/events?{ALL}", "events")
    ),
}
ALL = "startTimestamp=0&endTimestamp=9999999999999&limit=1000"
SEEN = {"forms of one type": {"hubspot"}, "archived forms apart": [True],
        "e-mails vanish with statistics": 1, "an event without type": 3}  # fmt: skip


def get(caller: Caller, path: str, rows: str = "results") -> list[dict[str, Any]]:
    """Return the rows of one answer."""
    found: list[dict[str, Any]] = caller.send("GET", path).json()[rows]
    return found


@pytest.mark.parametrize("name", HIDDEN)
def test_what_hubspot_hides(reader: Caller, name: str) -> None:
    """Defaults of HubSpot hide what a naive client never misses."""
    assert HIDDEN[name](reader) == SEEN[name]


def test_comment_forms_have_no_submissions(reader: Caller) -> None:
    """Submissions of a comment form are refused by name; those of a deleted form are not found."""
    forms = reader.portal.collections["forms"]
    comments = next(row["id"] for row in forms if row["formType"] == "blog_comment")
    answer = reader.send("GET", f"/form-integrations/v1/submissions/forms/{comments}")
    assert (answer.status_code, answer.json()["category"]) == (400, "FORM_TYPE_NOT_ALLOWED")
    assert reader.send("GET", "/form-integrations/v1/submissions/forms/none").status_code == 404


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_members_of_a_list_in_the_order_they_joined(caller: Caller, order: str) -> None:
    """The join order has the direction of the setting; a member who comes back is the newest."""
    caller.portal.settings.join_order = order
    members, path = caller.portal.collections["list_memberships"], "/crm/v3/lists/17/memberships"
    whole = caller.send("GET", path).json()
    record = whole["results"][0]["recordId"]
    members.delete(("17", record))
    assert caller.send("GET", path).json()["total"] == whole["total"] - 1
    members.add({"recordId": record, "membershipTimestamp": "2030-01-01T00:00:00Z"}, "17")
    rows = get(caller, f"{path}/join-order")
    times = [row["membershipTimestamp"] for row in rows]
    assert times == sorted(times, reverse=order == "descending")
    assert rows[0 if order == "descending" else -1]["recordId"] == record


def test_a_large_collection_is_quick(caller: Caller) -> None:
    """A million events take no memory before they are asked for, and a window of them is exact."""
    caller.portal.reset(SeedSpec(contacts=20, properties=10, sizes={"email_events": 20_000}))
    events = caller.portal.collections["email_events"]
    assert len(events) == 20_000
    times = sorted(row["created"] for row in events)
    start, end = times[5_000], times[5_400]
    window = f"/email/public/v1/events?startTimestamp={start}&endTimestamp={end}&limit=1000"
    found = [row["created"] for row in get(caller, window, "events")]
    assert found == times[5_000:5_401][::-1]


def test_a_row_that_is_added_hides_no_other(caller: Caller) -> None:
    """Rows of the start are found by their keys, however many are added."""
    sizes = {"lists": 1, "list_memberships": 8}
    caller.portal.reset(SeedSpec(contacts=20, properties=10, sizes=sizes))
    members = caller.portal.collections["list_memberships"]
    for record in range(4):
        members.add({"recordId": f"9{record}"}, parent="17")
    keys = [(row["_parent"], row["recordId"]) for row in members.rows()]
    assert len(keys) == 12
    assert all(key in members for key in keys)


def test_the_control_api_changes_collections(caller: Caller) -> None:
    """What Python does to a collection, the control API does by the name of the method."""

    def control(change: str, **arguments: Any) -> int:
        body = {"collection": "roles", "change": change, **arguments}
        return caller.send("POST", "/_emulator/collections", body).status_code

    assert control("add", row={"id": "99", "name": "Auditor"}) == 200
    assert control("edit", key="31", members={"name": "Seller"}) == 200
    assert control("delete", key="32") == 200
    assert control("burn", key="32") == 400
    found = {row["id"]: row["name"] for row in get(caller, "/settings/v3/users/roles")}
    assert (found["99"], found["31"], "32" in found) == ("Auditor", "Seller", False)
    truth = caller.send("GET", "/_emulator/collections?collection=roles").json()
    assert {row["id"]: row["name"] for row in truth} == found


def test_every_endpoint_is_named_once() -> None:
    """No two routes have one name, and none is declared twice."""
    names = [route.name for route in ROUTES]
    assert len(names) == len(set(names))
    paths = [(route.method, path) for route in ROUTES for path in route.paths]
    assert len(paths) == len(set(paths))
    assert all(isinstance(one, Endpoint) for one in ROUTES_OF.values())


def test_histories_have_several_versions(reader: Caller) -> None:
    """Seeded values have pasts: several versions, equal instants, backdated ones, missing names."""
    table = reader.portal.table("contacts")
    ids = [str(one) for one in table.ids()[:40]]
    names = ["city", "lastname", "lifecyclestage", "jobtitle"]
    body = {"inputs": [{"id": one} for one in ids], "properties": [],
            "propertiesWithHistory": names}  # fmt: skip
    answer = reader.send("POST", "/crm/v3/objects/contacts/batch/read", body).json()
    pasts = [(row, name, row["propertiesWithHistory"].get(name))
             for row in answer["results"] for name in names]  # fmt: skip
    assert {len(past) for _, _, past in pasts if past is not None} >= {0, 1, 2, 3}
    assert any(past is None for _, _, past in pasts)
    several = [past for _, _, past in pasts if past and len(past) > 1]
    assert any(past[0]["timestamp"] == past[1]["timestamp"] for past in several)
    assert any(past[-1]["timestamp"] < row["createdAt"] for row, _, past in pasts if past)
    assert all(past == sorted(past, key=lambda e: e["timestamp"], reverse=True) for past in several)
    assert all(row["properties"][name] == past[0]["value"] for row, name, past in pasts if past)
    too_many = {**body, "inputs": [{"id": str(n)} for n in range(51)]}
    refused = reader.send("POST", "/crm/v3/objects/contacts/batch/read", too_many)
    assert (refused.status_code, "50" in refused.json()["message"]) == (400, True)


def test_an_edit_leaves_the_past_as_it_was(caller: Caller) -> None:
    """A changed value is added to the versions there were; those of other values stay."""
    record = str(caller.portal.table("contacts").ids()[5])
    path = f"/crm/v3/objects/contacts/{record}?propertiesWithHistory=city,lastname,jobtitle"
    before = caller.send("GET", path).json()["propertiesWithHistory"]
    caller.portal.update("contacts", record, {"city": "Bern"})
    after = caller.send("GET", path).json()["propertiesWithHistory"]
    assert after["city"][0]["value"] == "Bern"
    assert after.pop("city")[1:] == before.pop("city", [])
    assert after == before


BASE = "/conversations/v3/conversations"
CAMPAIGNS, EVENTS = "/marketing/v3/campaigns", "/events/v3/events"
LISTS = {"listIds": [], "processingTypes": [], "additionalProperties": []}
REFUSED: dict[str, tuple[str, str, Any]] = {
    "an unreadable property": ("GET", f"{CAMPAIGNS}?properties=hs_name,hs_secret", None),
    "an unknown asset type": ("GET", f"{CAMPAIGNS}/{{campaign}}/assets/TEAPOT", None),
    "51 campaigns": ("POST", f"{CAMPAIGNS}/batch/read",
                     {"inputs": [{"id": str(n)} for n in range(51)]}),
    "a sort without its bound": ("GET", f"{BASE}/threads?sort=latestMessageTimestamp", None),
    "a contact without a status": ("GET", f"{BASE}/threads?associatedContactId=1", None),
    "a contact and an inbox": (
        "GET", f"{BASE}/threads?associatedContactId=1&threadStatus=OPEN&inboxId=3", None),
    "sequences of nobody": ("GET", "/automation/v4/sequences", None),
    "an open window": ("GET", f"{EVENTS}?occurredAfter=2026-01-01T00:00:00Z", None),
    "an object without its type": ("GET", f"{EVENTS}?objectId=1", None),
    "milliseconds for ISO": ("GET", "/marketing/v3/emails?updatedAfter=1790000000000", None),
    "ISO for milliseconds": (
        "GET", "/email/public/v1/events?startTimestamp=2026-01-01T00:00:00Z", None),
    "a name to sort by": ("GET", "/cms/v3/blogs/authors?sort=createdAt", None),
    "joined ids": ("GET", "/crm/v3/lists?listIds=17,18", None),
    "an offset too deep": ("POST", "/crm/v3/lists/search", {**LISTS, "offset": 10_000}),
    "a body that lacks members": ("POST", "/crm/v3/lists/search", {"offset": 0}),
    "an unknown member": ("POST", "/crm/v3/lists/search", {**LISTS, "offset": 0, "limit": 5}),
    "a status without channel": ("GET", "/communication-preferences/v4/statuses/a@b.c", None),
    "a flow without its type": ("POST", "/automation/v4/flows/batch/read",
                                {"inputs": [{"flowId": "12"}]}),
    "a flow by a number": ("POST", "/automation/v4/flows/batch/read",
                           {"inputs": [{"type": "FLOW_ID", "flowId": 12}]}),
    "a type of forms": ("GET", "/marketing/v3/forms?formTypes=teapot", None),
    "a day without hyphens": (
        "GET", f"{CAMPAIGNS}/{{campaign}}/assets/FORM?startDate=20260101&endDate=2026-01-02", None),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_requests(reader: Caller, name: str) -> None:
    """A request that HubSpot refuses gets a 400 that names what is wrong."""
    method, path, body = REFUSED[name]
    campaign = reader.portal.collections["campaigns"].rows()[0]["id"]
    answer = reader.send(method, path.format(campaign=campaign), body)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
    assert name != "an unreadable property" or "hs_secret" in answer.json()["message"]


GONE = {
    "forms": "/form-integrations/v1/submissions/forms/{}",
    "lists": "/crm/lists/2026-03/{}/memberships",
    "campaigns": "/marketing/campaigns/2026-03/{}/budget/totals",
    "marketing_events": "/marketing/marketing-events/2026-03/participations/{}/breakdown",
    "conversation_threads": "/conversations/conversations/2026-09/threads/{}/messages",
    "hubdb_tables": "/cms/hubdb/2026-03/tables/{}/rows",
    "imports": "/crm/imports/2026-03/{}/errors",
    "price_books": "/commerce/price-books/2026-09-beta/price-books/{}/items",
}


@pytest.mark.parametrize("name", GONE)
def test_children_of_what_is_gone(caller: Caller, name: str) -> None:
    """Children of a row answer 200 until it is deleted, and 404 from then on."""
    collection = caller.portal.collections[name]
    key = collection.rows()[0][collection.kind.keys[-1]]
    assert caller.send("GET", GONE[name].format(key)).status_code == 200
    collection.delete(key)
    assert caller.send("GET", GONE[name].format(key)).status_code == 404


def test_batches_tell_what_they_miss(reader: Caller) -> None:
    """Actors that are unknown come as errors of a 200, workflows as errors of a 207."""
    actors = reader.send("POST", f"{BASE}/actors/batch/read", {"inputs": ["S-hubspot", "V-1"]})
    inputs = [{"type": "FLOW_ID", "flowId": one} for one in ("12", "999")]
    flows = reader.send("POST", "/automation/v4/flows/batch/read", {"inputs": inputs})
    assert (actors.status_code, flows.status_code) == (200, 207)
    for answer, missing in ((actors, "V-1"), (flows, "999")):
        body = answer.json()
        assert (len(body["results"]), body["numErrors"]) == (1, 1)
        assert body["errors"][0]["context"]["ids"] == [missing]
    assert flows.json()["results"][0]["actions"]


def test_hubdb_answers_in_two_ways(reader: Caller) -> None:
    """Rows come by a cursor, or by a number once an offset or an order is asked for."""
    path = "/cms/v3/hubdb/tables/cities/rows?limit=2"
    streamed = reader.send("GET", path).json()
    sorted_rows = reader.send("GET", f"{path}&sort=id").json()
    assert (streamed["type"], "after" in streamed["paging"]["next"]) == ("STREAMING", True)
    assert (sorted_rows["type"], sorted_rows["paging"]["next"]["offset"]) == ("RANDOM_ACCESS", 2)
    assert streamed["results"] == sorted_rows["results"]


def test_a_ticket_of_a_thread_is_there_when_asked_for(reader: Caller) -> None:
    """Threads name their ticket only with `association=TICKET`, and can be found by it."""
    path = f"{BASE}/threads?association=TICKET"
    tickets = [row["threadAssociations"]["associatedTicketId"]
               for row in get(reader, path) if "threadAssociations" in row]  # fmt: skip
    assert tickets
    assert not any("threadAssociations" in row for row in get(reader, f"{BASE}/threads"))
    assert len(get(reader, f"{path}&associatedTicketId={tickets[0]}")) == 1


def test_statistics_are_of_what_was_sent(reader: Caller) -> None:
    """Statistics add up the e-mails sent in the span, by campaign and by day, ids as numbers."""
    span = "startTimestamp=2025-01-01T00:00:00Z&endTimestamp=2026-01-01T00:00:00Z"
    whole = reader.send("GET", f"/marketing/v3/emails/statistics/list?{span}").json()
    days = get(reader, f"/marketing/v3/emails/statistics/histogram?{span}&interval=DAY")
    assert all(isinstance(one, int) for one in whole["emails"])
    sent = [part["counters"]["sent"] for part in whole["campaignAggregations"].values()]
    by_day = [day["aggregations"]["counters"]["sent"] for day in days]
    assert whole["aggregate"]["counters"]["sent"] == sum(sent) == sum(by_day) > 0


def test_stage_dates_follow_the_history(caller: Caller) -> None:
    """Dates of stages are in no list of properties, and tell when a deal last came and went."""
    portal, types = caller.portal, "/crm/v3/properties/deals"
    deal = portal.create("deals", {"dealstage": "qualifiedtobuy"}, at="2026-01-01T00:00:00Z")
    portal.update("deals", deal, {"dealstage": "closedwon"}, at="2026-02-01T00:00:00Z")
    ways, stages = ("entered", "exited"), ("qualifiedtobuy", "closedwon")
    pairs = [(way, stage) for stage in stages for way in ways]
    names = [f"hs_v2_date_{way}_{stage}" for way, stage in pairs]
    body = {"inputs": [{"id": deal}], "properties": names, "propertiesWithHistory": []}
    row = caller.send("POST", "/crm/v3/objects/deals/batch/read", body).json()["results"][0]
    january, february = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
    assert [row["properties"][name] for name in names] == [january, february, february, None]
    assert not any("date_entered" in one["name"] for one in get(caller, types))
    assert caller.send("GET", f"{types}/{names[0]}").json()["type"] == "datetime"
    listed_rows = get(caller, f"/crm/v3/objects/deals?limit=100&properties={names[2]},dealstage")
    won = [
        row["properties"] for row in listed_rows if row["properties"]["dealstage"] == "closedwon"
    ]
    assert all(values[names[2]] for values in won)


def test_stages_are_unique_and_deleted_ones_leave_their_name(caller: Caller) -> None:
    """No two pipelines of a type share a stage; records keep the id of one that was deleted."""
    for rows in caller.portal.pipelines.values():
        stages = [stage["id"] for pipeline in rows for stage in pipeline["stages"]]
        assert len(stages) == len(set(stages))
    deal = caller.portal.create("deals", {"pipeline": "renewals", "dealstage": "renewal_closedwon"})
    caller.portal.delete_stage("deals", "default", "closedlost")
    caller.portal.delete_pipeline("deals", "renewals")
    (left,) = get(caller, "/crm/v3/pipelines/deals")
    assert (left["id"], "closedlost" in [one["id"] for one in left["stages"]]) == ("default", False)
    kept = caller.send("GET", f"/crm/v3/objects/deals/{deal}?properties=dealstage").json()
    assert kept["properties"]["dealstage"] == "renewal_closedwon"


def test_activities_share_one_sequence_of_ids(caller: Caller) -> None:
    """No call, e-mail, meeting, note or task has the id of another one, new ones neither."""
    types = ("calls", "emails", "meetings", "notes", "tasks", "communications", "postal_mail")
    for contacts in (20, 60):
        caller.portal.reset(SeedSpec(contacts=contacts, properties=10))
        for name in types:
            caller.portal.create(name, {})
        ids = [one for name in types for one in caller.portal.records(name)]
        assert len(ids) == len(set(ids)) > len(types)
