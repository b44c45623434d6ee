"""Budgets, tokens, faults, scripted changes, clock, journal, control API and speed."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from caller import Caller

from sources.hubspot_emulator.clock import to_ms
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Limits, Token

CONTACTS = "/crm/objects/2026-03/contacts"


class Api(Caller):
    """Calls of the emulator."""

    def get(self, path: str = CONTACTS) -> requests.Response:
        """Read something."""
        return self.send("GET", path)

    def search(self) -> requests.Response:
        """Search contacts."""
        return self.send("POST", f"{CONTACTS}/search", {})

    def links(self) -> requests.Response:
        """Read the labels of a pair."""
        return self.get("/crm/associations/2026-03/contacts/companies/labels")

    def control(self, method: str, name: str, body: Any = None, **query: Any) -> Any:
        """Use the control API."""
        return self.send(method, f"/_emulator/{name}", body, params=query).json()


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module, its budgets on."""
    with EmulatorServer(SeedSpec(contacts=30, properties=10)) as server:
        yield server


@pytest.fixture
def api(running: EmulatorServer) -> Api:
    """A freshly seeded portal for each test."""
    running.portal.reset()
    return Api(running)


def test_the_interval_budget(api: Api) -> None:
    """The call over the budget gets 429 and the policy's name; ten seconds later it passes."""
    api.portal.settings.limits = Limits(interval=3)
    left = [api.get().headers["X-HubSpot-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = api.get()
    assert (refused.status_code, refused.json()["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert "Retry-After" not in refused.headers
    api.portal.clock.advance(10_000)
    assert api.get().status_code == 200


def test_search_has_its_own_budget_and_no_headers(api: Api) -> None:
    """Five searches pass in a second, the sixth does not, and none touches the interval."""
    answers = [api.search() for _ in range(6)]
    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[-1].json()["policyName"] == "SECONDLY"
    assert not [name for name in answers[0].headers if "ratelimit" in name.lower()]
    assert api.get().headers["X-HubSpot-RateLimit-Remaining"] == "99"


def test_associations_have_their_own_budget(api: Api) -> None:
    """Calls of associations count apart from the interval."""
    api.portal.settings.limits = Limits(associations=1)
    assert [api.links().status_code for _ in range(2)] == [200, 429]
    assert api.get().status_code == 200


def test_the_day_ends_at_midnight(api: Api) -> None:
    """A used-up day refuses every kind of call until the account's next one begins."""
    api.portal.clock.freeze("2026-05-01T22:59:00Z")
    api.portal.settings.limits = Limits(daily=2)
    api.portal.settings.retry_after = True
    assert api.get().headers["X-HubSpot-RateLimit-Daily-Remaining"] == "1"
    assert api.search().status_code == 200
    refused = api.search()
    assert (refused.json()["policyName"], refused.headers["Retry-After"]) == ("DAILY", "60")
    assert api.portal.account["utcOffset"] == "+01:00"
    assert api.portal.meter.day_ends_ms() == to_ms("2026-05-01T23:00:00Z")
    api.portal.clock.advance(60_000)
    assert api.get().status_code == 200


def test_oauth_tokens_carry_no_daily_headers(api: Api) -> None:
    """The daily headers are for private apps only."""
    api.portal.settings.tokens["oauth"] = Token(daily_headers=False)
    answer = api.send("GET", CONTACTS, headers={"Authorization": "Bearer oauth"})
    assert "X-HubSpot-RateLimit-Daily" not in answer.headers
    assert "X-HubSpot-RateLimit-Max" in answer.headers


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_unknown_tokens(api: Api, secret: str) -> None:
    """No token, or one nobody knows, gives 401 INVALID_AUTHENTICATION."""
    answer = api.send("GET", CONTACTS, headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_expired_tokens(api: Api) -> None:
    """A token past its life gives 401 EXPIRED_AUTHENTICATION."""
    late = Token(expires_at_ms=api.portal.clock.now_ms() - 5_000)
    api.portal.settings.tokens["old"] = late
    answer = api.send("GET", CONTACTS, headers={"Authorization": "Bearer old"})
    assert (answer.status_code, answer.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_missing_scopes_are_named(api: Api) -> None:
    """A token without a type's scope gets 403 and the name of the scope."""
    api.portal.settings.tokens["few"] = Token(frozenset({"crm.objects.contacts.read"}))
    few = {"headers": {"Authorization": "Bearer few"}}
    assert api.send("GET", CONTACTS, **few).status_code == 200
    answer = api.send("GET", "/crm/v3/objects/deals", **few)
    needed = answer.json()["errors"][0]["context"]["requiredGranularScopes"]
    assert (answer.status_code, needed) == (403, ["crm.objects.deals.read"])
    assert api.send("PATCH", f"{CONTACTS}/1", {"properties": {}}, **few).status_code == 403
    assert api.send("GET", "/crm/v3/properties/contacts", **few).status_code == 403


def test_sensitive_values_need_their_scope(api: Api) -> None:
    """A sensitive property is hidden from the usual list, and its values from plain tokens."""
    one = api.portal.create("contacts", {"passport_number": "X1"})
    api.portal.settings.tokens["few"] = Token(frozenset({"crm.objects.contacts.read"}))
    path = f"{CONTACTS}/{one}?properties=passport_number,email"
    assert api.send("GET", path).json()["properties"]["passport_number"] == "X1"
    plain = api.send("GET", path, headers={"Authorization": "Bearer few"}).json()
    assert "passport_number" not in plain["properties"]
    listed = api.get("/crm/properties/2026-03/contacts?dataSensitivity=sensitive").json()
    assert [row["name"] for row in listed["results"]] == ["passport_number"]


def test_the_date_header_follows_the_clock(api: Api) -> None:
    """A client may take the portal's time from the Date header."""
    api.portal.clock.freeze("2030-01-02T03:04:05Z")
    assert api.get().headers["Date"] == "Wed, 02 Jan 2030 03:04:05 GMT"


def test_a_fault_hits_the_call_it_names(api: Api) -> None:
    """Only the second listing fails, with the page that was given."""
    api.portal.faults.add(
        method="GET", path="contacts", nth=2, status=502, body="<html>bad gateway</html>"
    )
    answers = [api.get() for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 502, 200]
    assert answers[1].text == "<html>bad gateway</html>"
    assert "html" in answers[1].headers["Content-Type"]


def test_faults_end_after_so_many_times(api: Api) -> None:
    """`times` bounds a fault; `clear` removes it."""
    api.portal.faults.add(status=477, headers={"Retry-After": "1"}, times=2)
    assert [api.get().status_code for _ in range(3)] == [477, 477, 200]
    api.portal.faults.add(status=500)
    api.portal.faults.clear()
    assert api.get().status_code == 200


def test_probable_faults_are_repeatable(api: Api) -> None:
    """The same seed fails the same calls."""
    runs = []
    for _ in range(2):
        api.portal.faults.clear()
        api.portal.faults.add(status=503, probability=0.5, seed=7)
        runs.append([api.get().status_code for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_truncated_answers_are_no_json(api: Api) -> None:
    """A truncated answer is well-formed HTTP whose JSON stops half-way."""
    api.portal.faults.add(truncate=True, times=1)
    answer = api.get()
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_connections_may_break_in_mid_body(api: Api) -> None:
    """The client sees a broken connection, and the next call is well again."""
    api.portal.faults.add(disconnect=True, times=1)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        api.get()
    assert api.get().status_code == 200


def test_delays_overlap(running: EmulatorServer, api: Api) -> None:
    """Latency is slept, so that calls in flight together wait together."""
    api.portal.settings.latency_ms = 60
    started = time.perf_counter()
    api.get()
    assert time.perf_counter() - started >= 0.06


@pytest.mark.parametrize(("when", "seen"), [("before", True), ("after", False)])
def test_changes_in_the_middle_of_paging(api: Api, when: str, *, seen: bool) -> None:
    """A scripted change happens before, or after, the call it names is answered."""
    operation = {"op": "create", "args": ["contacts", {"firstname": "new"}, "5"]}
    api.portal.mutations.add(when=when, nth=2, path="contacts", operations=[operation])
    api.get()
    assert (api.get().json()["results"][0]["id"] == "5") == seen
    assert api.get().json()["results"][0]["id"] == "5"


def test_changes_may_be_a_function(api: Api) -> None:
    """A test may give a function of the portal instead of operations."""
    api.portal.mutations.add(nth=1, operations=lambda portal: portal.create("contacts", {}, "7"))
    api.get()
    assert "7" in api.portal.records("contacts")


def test_the_journal_holds_every_request(api: Api) -> None:
    """A request's method, path, query, body, kind and status are kept, refused ones too."""
    api.get(f"{CONTACTS}?limit=2")
    api.send("POST", f"{CONTACTS}/search", {"limit": 900})
    first, second = api.portal.journal
    assert (first.kind, first.query, first.status) == ("objects.list", {"limit": "2"}, 200)
    assert (second.kind, second.body, second.status) == ("objects.search", {"limit": 900}, 400)
    assert api.portal.journal.count(method="POST", path_contains="/search") == 1
    assert api.portal.journal.counts["objects.list"] == 1


def test_the_journal_may_be_off(api: Api) -> None:
    """With a limit of 0 only the counts are kept."""
    api.portal.settings.journal_limit = 0
    api.get()
    assert (len(api.portal.journal), api.portal.journal.counts["objects.list"]) == (0, 1)


def test_control_api(api: Api) -> None:
    """Everything a test does in Python can be done over HTTP."""
    made = api.control(
        "POST", "perform", {"operations": [{"op": "create", "args": ["contacts", {}]}]}
    )
    assert made[0] in api.control("GET", "truth", type="contacts")
    settings = api.control("POST", "settings", {"limits": {"interval": 1}, "search_lag_ms": 5})
    assert (settings["limits"]["interval"], settings["search_lag_ms"]) == (1, 5)
    assert api.control("POST", "settings", {"limits": "off"})["limits"] is None
    assert api.control("POST", "clock", {"freeze": "2026-01-01T00:00:00Z"})["now_ms"] == (
        1_767_225_600_000
    )
    api.control("POST", "faults", {"status": 500, "times": 1})
    assert api.get().status_code == 500
    api.control("POST", "faults", {"status": 500})
    api.control("DELETE", "faults")
    api.control("POST", "mutations", {"operations": [{"op": "archive", "args": ["0-1", made[0]]}]})
    assert api.get().status_code == 200
    api.control("DELETE", "mutations")
    assert made[0] in api.control("GET", "truth", type="contacts", archived="true")
    assert api.control("GET", "journal", kind="objects.list")["counts"]["fault"] == 1
    api.control("DELETE", "journal")
    assert api.control("POST", "reset", {"contacts": 50})["contacts"]["live"] == 46
    assert api.control("POST", "seed", {"contacts": 0, "merges": 0})["contacts"]["live"] == 0
    assert api.control("GET", "truth", **{"from": "contacts", "to": "companies"}) == []


@pytest.mark.parametrize(
    ("name", "body"),
    [("settings", {"nobody_knows": 1}), ("perform", {"operations": [{"op": "reset"}]}),
     ("faults", {"colour": "red"}), ("nothing", {})],
)  # fmt: skip
def test_wrong_controls_are_refused(api: Api, name: str, body: dict[str, Any]) -> None:
    """A control the emulator does not know answers 4xx and changes nothing."""
    assert api.send("POST", f"/_emulator/{name}", body).status_code in (400, 404)


def test_reset_restores_data_and_settings(api: Api) -> None:
    """After a reset nothing of the last test is left."""
    before = api.portal.records("contacts")
    api.portal.create("contacts", {})
    api.portal.settings.latency_ms = 5
    api.portal.faults.add(status=500)
    api.portal.reset()
    assert (api.portal.records("contacts"), api.get().status_code) == (before, 200)
    assert api.portal.settings.latency_ms == 0


def test_seeds_are_repeatable() -> None:
    """The same spec gives the same portal, another seed another one."""
    spec = SeedSpec(contacts=60, properties=40)
    first, second, other = (Portal(one) for one in (spec, spec, SeedSpec(2, 60, properties=40)))
    assert first.records("contacts") == second.records("contacts")
    assert first.associations("contacts", "companies") == second.associations(
        "contacts", "companies"
    )
    assert first.records("contacts") != other.records("contacts")


def test_seeds_hold_what_breaks_naive_clients() -> None:
    """The seed has the oddities it promises."""
    portal = Portal(SeedSpec(contacts=1000, properties=60))
    rows = list(portal.records("contacts").values())
    values = [value for row in rows for value in row["properties"].values()]
    assert max(map(len, values)) == 60_000
    for odd in ("N/A", "3092727991;3881228353", "1572480000000", "1726061259356.0", "Yes", ""):
        assert odd in values
    names = set(portal.table("contacts").definitions)
    assert {"favColor", "fav_color", "id", "2nd_choice"} <= names
    assert max(map(len, names)) > 40
    changed = [row["updatedAt"] for row in rows]
    assert max(map(changed.count, set(changed))) >= 40
    ids = sorted(int(row["id"]) for row in rows)
    assert ids[-1] > 10**10 > ids[0]
    assert portal.truth()["contacts"]["archived"] == 20
    assert any("hs_merged_object_ids" in row["properties"] for row in rows)


def test_starts_quickly() -> None:
    """A small portal serves within half a second, one of 100,000 contacts within two."""
    for contacts, properties, seconds in ((1_000, 60, 0.5), (100_000, 300, 2.0)):
        started = time.perf_counter()
        with EmulatorServer(SeedSpec(contacts=contacts, properties=properties)):
            assert time.perf_counter() - started < seconds
