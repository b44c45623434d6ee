"""What happens to a portal while a client reads it: changes, hidden records, dying tokens."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from caller import Caller

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

CONTACTS = "/crm/objects/2026-03/contacts"
READ, SEARCH = f"{CONTACTS}/batch/read", f"{CONTACTS}/search"
LINKS = "/crm/associations/2026-03/contacts/companies/batch/read"
LIMITS = ["/crm/limits/2026-03/records", "/crm/v3/limits/records"]
NAMES = ["firstname", "favcolor", "score", "hs_merged_object_ids"]
AT = "2026-01-01T00:00:00.000Z"
ADA, BOB, EVE = "101", "102", "103"


class Api(Caller):
    """Calls of the emulator."""

    def perform(self, op: str, *args: Any, **kwargs: Any) -> Any:
        """Change the portal as clients in another process do."""
        body = {"operations": [{"op": op, "args": args, "kwargs": kwargs}]}
        answer = self.send("POST", "/_emulator/perform", body)
        assert answer.ok, answer.text
        return answer.json()[0]

    def listed(self, *, archived: bool = False) -> dict[str, Any]:
        """Return the contacts of a listing by id, what is not set left out."""
        names = ",".join(NAMES)
        path = f"{CONTACTS}?properties={names}&limit=100&archived={str(archived).lower()}"
        return _by_id(self.send("GET", path))

    def read(self, *ids: str, archived: bool = False) -> dict[str, Any]:
        """Batch read contacts by id."""
        inputs = [{"id": one} for one in ids]
        body = {"inputs": inputs, "properties": NAMES, "propertiesWithHistory": []}
        return _by_id(self.send("POST", f"{READ}?archived={str(archived).lower()}", body))

    def found(self, name: str = "hs_object_id", operator: str = "HAS_PROPERTY") -> dict[str, Any]:
        """Search contacts that have a property."""
        condition = {"propertyName": name, "operator": operator}
        body = {"filters": [condition], "properties": NAMES, "limit": 200}
        return _by_id(self.send("POST", SEARCH, body))

    def links(self, pair: str, *ids: str) -> tuple[dict[str, set[str]], list[str]]:
        """Batch read associations: the other ends by id, and the errors' sub-categories."""
        path = f"/crm/associations/2026-03/{pair}/batch/read"
        got = self.send("POST", path, {"inputs": [{"id": one} for one in ids]}).json()
        found = {r["from"]["id"]: {to["toObjectId"] for to in r["to"]} for r in got["results"]}
        return found, [error["subCategory"] for error in got.get("errors", [])]


def _by_id(answer: requests.Response) -> dict[str, Any]:
    return {
        row["id"]: {name: v for name, v in row["properties"].items() if v and name in NAMES}
        for row in answer.json()["results"]
    }


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SeedSpec.empty(), limits="off") as server:
        yield server


@pytest.fixture
def api(running: EmulatorServer) -> Api:
    """Three contacts, and a company that all of them work for."""
    running.portal.reset(SeedSpec.empty())
    portal = running.portal
    portal.clock.freeze("2026-06-01T00:00:00Z")
    portal.create("companies", {"name": "Analytical Engines"}, "7", at=AT)
    for one, name in ((ADA, "Ada"), (BOB, "Bob"), (EVE, "Eve")):
        portal.create("contacts", {"firstname": name}, one, at=AT)
        portal.associate("contacts", one, "companies", "7")
    return Api(running)


@pytest.mark.parametrize(("when", "nth_sees"), [("before", True), ("after", False)])
@pytest.mark.parametrize("kind", ["list", "search", "read", "links"])
def test_changes_between_two_calls(api: Api, kind: str, when: str, *, nth_sees: bool) -> None:
    """A scripted change hits the second call of listing, search, batch read or associations."""
    calls = {
        "list": (rf"{CONTACTS}\?", lambda: list(api.listed())),
        "search": (SEARCH, lambda: list(api.found())),
        "read": (READ, lambda: list(api.read(ADA, BOB, EVE))),
        "links": (LINKS, lambda: list(api.links("contacts/companies", ADA, BOB, EVE)[0])),
    }
    path, call = calls[kind]
    rule = {"path": path, "nth": 2, "when": when}
    operations = [{"op": "archive", "args": ["contacts", BOB]}]
    api.send("POST", "/_emulator/mutations", {**rule, "operations": operations})
    seen = [BOB in call() for _ in range(3)]
    assert seen == [True, not nth_sees, False]


def test_hidden_records_are_nowhere(api: Api) -> None:
    """A record the token may not see is in no listing, search, read, link, export of truth."""
    api.perform("hide", "contacts", [BOB])
    for ids in (api.listed(), api.found(), api.read(ADA, BOB, EVE), api.portal.records("contacts")):
        assert list(ids) == [ADA, EVE]
    assert api.send("GET", f"{CONTACTS}/{BOB}").status_code == 404
    assert api.send("PATCH", f"{CONTACTS}/{BOB}", {"properties": {}}).status_code == 404
    assert api.links("companies/contacts", "7")[0] == {"7": {ADA, EVE}}
    assert api.links("contacts/companies", BOB)[1] == ["crm.associations.NO_ASSOCIATIONS_FOUND"]
    inline = api.send("GET", "/crm/v3/objects/companies?associations=contacts").json()
    assert BOB not in str(inline)
    assert list(api.portal.records("contacts", hidden=True)) == [ADA, BOB, EVE]
    assert BOB in api.send("GET", "/_emulator/truth?type=contacts&hidden=true").json()
    assert (
        api.portal.truth()["contacts"] | {"live": 2, "hidden": 1} == api.portal.truth()["contacts"]
    )


def test_hidden_records_live_on(api: Api) -> None:
    """What happens to a record while it is hidden shows when it is shown again."""
    api.portal.hide("contacts", [ADA, BOB, EVE])
    api.portal.update("contacts", ADA, {"firstname": "Augusta"})
    api.portal.archive("contacts", BOB)
    api.portal.purge("contacts", EVE)
    assert api.listed() == api.listed(archived=True) == {}
    api.perform("show", "contacts", [ADA, BOB])
    assert api.listed() == api.read(ADA, BOB) == api.found() == {ADA: {"firstname": "Augusta"}}
    assert list(api.listed(archived=True)) == list(api.read(BOB, archived=True)) == [BOB]
    with pytest.raises(ValueError, match="there is no contact"):
        api.portal.show("contacts", [EVE])


def test_tokens_die_between_two_calls(api: Api) -> None:
    """A scripted change revokes, ends or narrows a token in the middle of a run."""
    token, now_ms = "emulator-token", api.portal.clock.now_ms()
    few = {"scopes": ["crm.objects.deals.read"]}
    for nth, operation in enumerate((
        {"op": "set_token", "args": [token], "kwargs": few},
        {"op": "set_token", "args": [token, None, now_ms - 1]},
        {"op": "revoke_token", "args": [token]},
        {"op": "set_token", "args": [token]},
    ), start=2):  # fmt: skip
        rule = {"path": CONTACTS, "nth": nth, "when": "before", "operations": [operation]}
        api.send("POST", "/_emulator/mutations", rule)
    answers = [api.send("GET", CONTACTS) for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 403, 401, 401, 200]
    assert [one.json()["category"] for one in answers[1:4]] == [
        "MISSING_SCOPES", "EXPIRED_AUTHENTICATION", "INVALID_AUTHENTICATION",
    ]  # fmt: skip


def test_merges_in_a_chain(api: Api) -> None:
    """All ids of a chain of merges lead to the last survivor, which lists them, links and all."""
    api.portal.create("companies", {"name": "Royal Society"}, "8")
    api.portal.associate("contacts", EVE, "companies", "8")
    first = api.perform("merge", "contacts", ADA, BOB)
    last = api.perform("merge", "contacts", first, EVE)
    assert list(api.listed()) == list(api.found()) == [last]
    for old in (ADA, BOB, first, EVE):
        got = api.read(old)
        assert list(got) == [last]
        assert set(got[last]["hs_merged_object_ids"].split(";")) == {ADA, BOB, first, EVE}
    assert api.links("contacts/companies", last)[0] == {last: {"7", "8"}}
    assert api.links("companies/contacts", "7", "8")[0] == {"7": {last}, "8": {last}}
    api.portal.purge("contacts", last)
    assert api.read(ADA, EVE, last) == {}


def test_purges_and_restores(api: Api) -> None:
    """A purged record is gone from the bin; a restored one is back with its old last-modified."""
    api.portal.archive("contacts", ADA)
    api.portal.archive("contacts", BOB)
    assert list(api.listed(archived=True)) == list(api.read(ADA, BOB, archived=True)) == [ADA, BOB]
    api.perform("purge", "contacts", ADA)
    assert list(api.listed(archived=True)) == list(api.read(ADA, BOB, archived=True)) == [BOB]
    api.perform("restore", "contacts", BOB)
    assert list(api.listed()) == list(api.found()) == list(api.read(ADA, BOB, EVE)) == [BOB, EVE]
    assert api.listed(archived=True) == {}
    assert api.portal.records("contacts")[BOB]["updatedAt"] == AT


def test_names_come_back_with_their_values(api: Api) -> None:
    """A property created under an archived name shows the old values, and search finds them."""
    definition = {"name": "favcolor", "type": "string", "fieldType": "text"}
    api.perform("create_property", "contacts", definition)
    api.perform("update", "contacts", ADA, {"favcolor": "7"}, AT)
    path = "/crm/properties/2026-03/contacts"
    assert api.send("DELETE", f"{path}/favcolor").status_code == 204
    assert "favcolor" not in api.listed()[ADA]
    assert api.send("POST", SEARCH, {"filters": [
        {"propertyName": "favcolor", "operator": "HAS_PROPERTY"}]}).status_code == 400  # fmt: skip
    again = {**definition, "type": "number", "fieldType": "number", "label": "C", "groupName": "g"}
    assert api.send("POST", path, again).status_code == 201
    assert api.listed()[ADA]["favcolor"] == api.read(ADA)[ADA]["favcolor"] == "7"
    assert list(api.found("favcolor")) == [ADA]
    assert set(api.found("favcolor", "NOT_HAS_PROPERTY")) == {BOB, EVE}
    changed = {"type": "string", "fieldType": "textarea"}
    assert api.send("PATCH", f"{path}/favcolor", changed).json()["type"] == "string"
    api.perform("update_property", "contacts", "favcolor", {"type": "bool"})
    assert api.send("GET", f"{path}/favcolor").json()["type"] == "bool"
    assert api.portal.records("contacts")[ADA]["updatedAt"] == AT


def test_calculated_values_show_without_a_trace(api: Api) -> None:
    """A calculated value is listed and read at once, searched later, last-modified as before."""
    definition = {"name": "score", "type": "number", "fieldType": "calculation_equation"}
    api.portal.create_property("contacts", definition)
    api.found()
    api.portal.settings.search_lag_ms = 5_000
    api.portal.clock.advance(10_000)
    api.perform("set_calculated", "contacts", ADA, {"score": "5"})
    assert api.listed()[ADA]["score"] == api.read(ADA)[ADA]["score"] == "5"
    assert "score" not in api.found()[ADA]
    api.portal.clock.advance(5_000)
    assert api.found()[ADA]["score"] == "5"
    assert list(api.found("score")) == [ADA]
    assert api.portal.records("contacts")[ADA]["updatedAt"] == AT


def test_links_that_answer_in_one_direction(api: Api) -> None:
    """A direction that is closed has no links for any reader, the other one has them all."""
    api.send("POST", "/_emulator/settings", {"one_way": [["0-1", "companies"]]})
    nothing = ["crm.associations.NO_ASSOCIATIONS_FOUND"]
    assert api.links("contacts/companies", ADA, BOB) == ({}, nothing * 2)
    assert api.links("companies/contacts", "7") == ({"7": {ADA, BOB, EVE}}, [])
    path = "/crm/v4/objects/contacts/101/associations/companies"
    assert api.send("GET", path).json() == {"results": []}
    assert len(api.portal.associations("contacts", "companies")) == 3


@pytest.mark.parametrize("path", LIMITS)
def test_record_counts(api: Api, path: str) -> None:
    """The numbers of records are those of the live ones, hidden from the token or not."""
    api.portal.create_custom_object("vehicle")
    api.portal.create("vehicle", {})
    api.portal.archive("contacts", ADA)
    api.portal.hide("contacts", [BOB])
    got = api.send("GET", path).json()
    used = {one["objectTypeId"]: one["usage"] for one in got["hubspotDefinedObjectTypes"]}
    assert (used["0-1"], used["0-2"], used["0-3"]) == (2, 1, 0)
    assert got["customObjectTypes"]["overallUsage"] == 1
    assert [one["usage"] for one in got["customObjectTypes"]["byObjectType"]] == [1]
