"""Search: operators, caps, paging, sorting and the index that lags."""

from collections.abc import Iterator
from typing import Any

import pytest
from caller import Caller

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec


class Api(Caller):
    """Searches of contacts; answers are (status, decoded body)."""

    def search(self, type: str = "contacts", **body: Any) -> tuple[int, Any]:  # noqa: A002
        """Search one type."""
        answer = self.send("POST", f"/crm/objects/2026-03/{type}/search", body)
        return answer.status_code, answer.json()

    def ids(self, *filters: tuple[Any, ...], **body: Any) -> list[str]:
        """Return the ids that meet all filters, each (property, operator, value …)."""
        rows = [
            {"propertyName": name, "operator": operator, **_operands(operator, rest)}
            for name, operator, *rest in filters
        ]
        status, got = self.search(filterGroups=[{"filters": rows}], limit=200, **body)
        assert status == 200, got
        return [row["id"] for row in got["results"]]


def _operands(operator: str, rest: list[Any]) -> dict[str, Any]:
    if operator.endswith("IN"):
        return {"values": rest}
    return dict(zip(("value", "highValue"), rest, strict=False))


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SeedSpec.empty(), limits="off") as server:
        yield server


@pytest.fixture
def api(running: EmulatorServer) -> Api:
    """An empty portal for each test."""
    running.portal.reset(SeedSpec.empty())
    return Api(running)


@pytest.fixture
def people(api: Api) -> dict[str, str]:
    """Four contacts: name to id."""
    rows: dict[str, dict[str, str]] = {
        "ada": {"firstname": "Ada", "num_notes": "9", "closedate": "2024-05-01T00:00:00Z"},
        "bob": {"firstname": "Bob Lee", "num_notes": "10", "closedate": "1714608000000"},
        "eve": {"firstname": "ada", "num_notes": "N/A"},
        "zoe": {"firstname": "", "lifecyclestage": "lead"},
    }
    return {
        name: api.portal.create("contacts", row, at=f"2024-01-0{day}T00:00:00Z")
        for day, (name, row) in enumerate(rows.items(), start=1)
    }


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("firstname", "EQ", "ADA"), "ada eve"),
        (("firstname", "NEQ", "ada"), "bob"),
        (("firstname", "IN", "ada", "bob lee"), "ada bob eve"),
        (("firstname", "IN", "Ada", "Bob Lee"), ""),
        (("firstname", "NOT_IN", "ada"), "bob"),
        (("firstname", "HAS_PROPERTY"), "ada bob eve"),
        (("firstname", "NOT_HAS_PROPERTY"), "zoe"),
        (("firstname", "CONTAINS_TOKEN", "lee"), "bob"),
        (("firstname", "CONTAINS_TOKEN", "ad*"), "ada eve"),
        (("firstname", "NOT_CONTAINS_TOKEN", "lee"), "ada eve"),
        (("num_notes", "GT", "9"), "bob"),
        (("num_notes", "GTE", "9"), "ada bob"),
        (("num_notes", "LT", "10"), "ada"),
        (("num_notes", "LTE", "10.0"), "ada bob"),
        (("num_notes", "BETWEEN", "9", "9.5"), "ada"),
        (("num_notes", "IN", "9", "11"), "ada"),
        (("closedate", "EQ", "1714521600000"), "ada"),
        (("closedate", "GT", "2024-05-01T00:00:00.000Z"), "bob"),
        (("lifecyclestage", "EQ", "lead"), "zoe"),
        (("createdate", "LT", "2024-01-02T00:00:00Z"), "ada"),
        (("hs_lastmodifieddate", "GTE", "0"), ""),
    ],
    ids=str,
)
def test_operators(
    api: Api, people: dict[str, str], condition: tuple[Any, ...], expected: str
) -> None:
    """Numbers compare as numbers, dates as instants, text without case; IN wants lower case."""
    assert [people[name] for name in expected.split()] == api.ids(condition)


def test_last_modified_and_id_together(api: Api, people: dict[str, str]) -> None:
    """The change search of a keyset client: changed since, id above, ascending."""
    since, above = ("lastmodifieddate", "GTE", "2024-01-02T00:00:00Z"), people["bob"]
    got = api.ids(since, ("hs_object_id", "GT", above), sorts=["hs_object_id"])
    assert [people["eve"], people["zoe"]] == got
    exact = ("lastmodifieddate", "BETWEEN", "1704153600000", "1704240000000")
    assert [people["bob"], people["eve"]] == api.ids(exact)


def test_groups_are_alternatives(api: Api, people: dict[str, str]) -> None:
    """A record that meets any group is found once; top-level filters are one more group."""
    one = {"propertyName": "num_notes", "operator": "EQ", "value": "9"}
    two = {"propertyName": "firstname", "operator": "EQ", "value": "ada"}
    _, got = api.search(filterGroups=[{"filters": [one]}, {"filters": [two]}])
    assert {people["ada"], people["eve"]} == {row["id"] for row in got["results"]}
    _, short = api.search(filters=[one])
    assert short["total"] == 1


@pytest.mark.parametrize(
    ("sorts", "expected"),
    [
        ([], "ada bob eve zoe"),
        ([{"propertyName": "hs_object_id", "direction": "DESCENDING"}], "zoe eve bob ada"),
        ([{"propertyName": "num_notes", "direction": "DESCENDING"}], "bob ada"),
        ([{"propertyName": "lastmodifieddate", "direction": "DESCENDING"}], "zoe eve bob ada"),
        (["createdate"], "ada bob eve zoe"),
    ],
    ids=str,
)
def test_sorts(api: Api, people: dict[str, str], sorts: list[Any], expected: str) -> None:
    """Results come in the order asked for, by creation without one."""
    _, got = api.search(sorts=sorts)
    wanted = [people[name] for name in expected.split()]
    assert wanted == [row["id"] for row in got["results"]][: len(wanted)]


def test_query_finds_words(api: Api, people: dict[str, str]) -> None:
    """The query looks for beginnings of words."""
    _, got = api.search(query="bo")
    assert [people["bob"]] == [row["id"] for row in got["results"]]


def test_association_pseudo_property(api: Api, people: dict[str, str]) -> None:
    """`associations.companies` finds the contacts of a company."""
    company = api.portal.create("companies", {})
    api.portal.associate("contacts", people["eve"], "companies", company)
    assert [people["eve"]] == api.ids(("associations.companies", "EQ", company))


FILTER = {"propertyName": "firstname", "operator": "EQ", "value": "x"}


REFUSED: dict[str, dict[str, Any]] = {
    "limit 201": {"limit": 201},
    "limit 0": {"limit": 0},
    "past 10,000": {"after": "10000"},
    "after no number": {"after": "abc"},
    "6 groups": {"filterGroups": [{"filters": [FILTER]}] * 6},
    "7 filters": {"filterGroups": [{"filters": [FILTER] * 7}]},
    "20 filters": {"filterGroups": [{"filters": [FILTER] * 5}] * 4},
    "two sorts": {"sorts": ["firstname", "lastname"]},
    "unknown sort": {"sorts": ["nobody_knows"]},
    "unknown operator": {"filters": [{**FILTER, "operator": "LIKE"}]},
    "unknown property": {"filters": [{**FILTER, "propertyName": "nobody_knows"}]},
    "IN without values": {"filters": [{**FILTER, "operator": "IN"}]},
    "not a number": {"filters": [{"propertyName": "num_notes", "operator": "GT", "value": "x"}]},
    "BETWEEN one": {"filters": [{**FILTER, "operator": "BETWEEN"}]},
    "unknown filter member": {"filters": [{**FILTER, "colour": "red"}]},
    "groups no list": {"filterGroups": "all"},
    "unknown member": {"associations": ["companies"]},
    "long query": {"query": "x" * 3001},
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(api: Api, name: str) -> None:
    """A search that breaks a rule gives 400."""
    status, got = api.search(**REFUSED[name])
    assert (status, got["category"]) == (400, "VALIDATION_ERROR")


def test_body_previews_cannot_be_filtered(api: Api) -> None:
    """The previews of activities are not filterable."""
    row = {"propertyName": "hs_body_preview", "operator": "HAS_PROPERTY"}
    assert api.search("notes", filters=[row])[0] == 400


def test_paging_is_by_offset_and_ends_at_ten_thousand(api: Api) -> None:
    """The cursor is an offset; the total may pass 10,000, the pages may not."""
    api.portal.reset(SeedSpec(contacts=10_500, properties=0, odd_values=False, handful=False))
    _, first = api.search(limit=200)
    assert (first["paging"]["next"]["after"], first["total"]) == ("200", 10_287)
    assert "link" not in first["paging"]["next"]
    status, last = api.search(limit=200, after="9999")
    assert (status, len(last["results"])) == (200, 1)
    assert api.search(limit=200, after=last["paging"]["next"]["after"])[0] == 400


def test_the_last_page_has_no_cursor(api: Api, people: dict[str, str]) -> None:
    """Paging stops where the results do."""
    _, page = api.search(limit=3)
    _, last = api.search(limit=3, after=page["paging"]["next"]["after"])
    assert ([people["zoe"]], False) == ([r["id"] for r in last["results"]], "paging" in last)


def test_a_change_enters_the_index_late(api: Api) -> None:
    """Until the lag has passed, search finds the record as it was, and shows its old values."""
    portal = api.portal
    portal.clock.freeze("2026-01-01T00:00:00Z")
    one = portal.create("contacts", {"firstname": "old"})
    portal.clock.advance(60_000)
    portal.settings.search_lag_ms = 10_000
    portal.update("contacts", one, {"firstname": "new"})
    gone = portal.create("contacts", {"firstname": "young"})
    assert [one] == api.ids(("firstname", "EQ", "old"))
    assert api.ids(("lastmodifieddate", "GTE", "2026-01-01T00:01:00Z")) == []
    portal.clock.advance(9_999)
    assert api.ids(("firstname", "EQ", "new")) == []
    portal.clock.advance(1)
    assert [one] == api.ids(("firstname", "EQ", "new"))
    assert [one, gone] == api.ids(("lastmodifieddate", "GTE", "2026-01-01T00:01:00Z"))


def test_moving_the_clock_back_hides_nothing(api: Api) -> None:
    """A record made before the clock was set back stays visible, later ones show too."""
    one = api.portal.create("contacts", {})
    api.portal.clock.freeze("2020-01-01T00:00:00Z")
    two = api.portal.create("contacts", {})
    assert set(api.ids(("hs_object_id", "GT", "0"))) == {one, two}


def test_archived_and_merged_away_records_are_invisible(api: Api, people: dict[str, str]) -> None:
    """Search shows no archived record and, of merged ones, only the survivor."""
    api.portal.archive("contacts", people["zoe"])
    survivor = api.portal.merge("contacts", people["ada"], people["bob"])
    assert {survivor, people["eve"]} == set(api.ids(("hs_object_id", "GT", "0")))


@pytest.mark.parametrize("changes", [20, 700])
def test_the_index_follows_any_number_of_changes(api: Api, changes: int) -> None:
    """After few or many creations, edits, archivings and purges search agrees with the truth."""
    portal = api.portal
    portal.reset(SeedSpec(contacts=1500, properties=0, odd_values=False, handful=False))
    api.search()
    for number, one in enumerate(list(portal.records("contacts"))[:changes]):
        (portal.archive, portal.purge, lambda t, i: portal.update(t, i, {"firstname": "x"}))[
            number % 3
        ]("contacts", one)
        portal.create("contacts", {}, at=f"2020-01-01T00:00:{number % 60:02d}Z")
    truth = portal.records("contacts")
    assert len(truth) == api.search()[1]["total"]
    for since in ("2020-01-01T00:00:30.000Z", "2026-01-01T00:00:00.000Z"):
        _, got = api.search(
            filters=[{"propertyName": "lastmodifieddate", "operator": "GTE", "value": since}]
        )
        assert sum(row["updatedAt"] >= since for row in truth.values()) == got["total"]
