"""The newest records say whether anything changed; only a search vouches for having all of it."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Warehouse
from truth import differences

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

CONTACTS = {"contacts": "contacts"}
SEARCH = "/contacts/search"
HOUR_MS = int(timedelta(hours=1).total_seconds() * 1000)
OLD = "2020-01-01T00:00:00Z"
Rewrite = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def loaded(portal: Portal, warehouse: Warehouse) -> Portal:
    """A portal of 1,200 contacts that was loaded two hours ago."""
    seed = SeedSpec(contacts=1200, odd_values=False, properties=6, companies=0, deals=0, tickets=0)
    warehouse.load(portal, seed, "contacts")
    portal.clock.advance(2 * HOUR_MS)
    return portal


def change(portal: Portal, count: int, city: str = "Here", *, shuffled: bool = False) -> None:
    """Change the first contacts there are, an instant apart, a minute ago."""
    ids = list(portal.records("contacts"))[:count]
    if shuffled:
        random.Random(7).shuffle(ids)
    for id_ in ids:
        portal.update("contacts", id_, {"city": city})
        portal.clock.advance(1)
    portal.clock.advance(60_000)


def aged(first: int) -> Rewrite:
    """Return a page of hits on which those from `first` on were changed long ago."""

    def rewrite(answer: dict[str, Any]) -> dict[str, Any]:
        for hit in answer["results"][first:]:
            hit["updatedAt"] = hit["properties"]["lastmodifieddate"] = OLD
        return answer

    return rewrite


def searches(portal: Portal) -> int:
    """Count the searches since the journal was cleared."""
    return portal.journal.count(path_contains=SEARCH)


def test_old_rows_at_the_end_of_the_newest_hide_no_change(
    loaded: Portal, warehouse: Warehouse
) -> None:
    """Two old records among the 200 newest do not say that all 500 changes were seen."""
    change(loaded, 500)
    loaded.faults.add(path=SEARCH, nth=1, rewrite=aged(198))
    loaded.journal.clear()
    warehouse.sync("contacts")
    assert differences(loaded, warehouse, CONTACTS) == []


def test_changes_behind_an_idle_page_come_with_the_next_search(
    loaded: Portal, warehouse: Warehouse
) -> None:
    """Where no change shows among the newest, the next search begins where the last one did."""
    warehouse.sync("contacts")
    change(loaded, 3)
    hidden = loaded.faults.add(path=SEARCH, rewrite=aged(0), times=2)
    for _ in range(2):
        loaded.journal.clear()
        assert warehouse.sync("contacts").tables["contacts"].rows == 0
        assert searches(loaded) == 1
        loaded.clock.advance(2 * HOUR_MS)  # longer than the lookback
    assert hidden.used == 2
    one = list(loaded.records("contacts"))[-1]
    loaded.update("contacts", one, {"city": "There"})
    assert warehouse.sync("contacts").tables["contacts"].rows == 4
    assert differences(loaded, warehouse, CONTACTS) == []


def test_a_day_without_a_search_ends_with_one(loaded: Portal, warehouse: Warehouse) -> None:
    """However idle a table seems, a search confirms it once a day."""
    change(loaded, 3)
    loaded.faults.add(path=SEARCH, nth=[1, 2], rewrite=aged(0))
    warehouse.sync("contacts")
    loaded.clock.advance(24 * HOUR_MS)
    loaded.journal.clear()
    assert warehouse.sync("contacts").tables["contacts"].rows == 3
    assert searches(loaded) == 2
    assert differences(loaded, warehouse, CONTACTS) == []


def test_search_that_names_fewer_than_it_counts_is_not_at_its_end(
    loaded: Portal, warehouse: Warehouse
) -> None:
    """A page without a cursor is the last one only if HubSpot counts no more records than it names.

    Where it names none, the run says so and the next one searches for them.
    """

    def cut(answer: dict[str, Any]) -> dict[str, Any]:
        return {"total": answer["total"], "results": answer["results"][:50]}

    def emptied(answer: dict[str, Any]) -> dict[str, Any]:
        return {"total": answer["total"], "results": []}

    change(loaded, 450)
    loaded.faults.add(path=SEARCH, nth=[2, 3], rewrite=cut)
    loaded.faults.add(path=SEARCH, nth=2, rewrite=emptied)  # of those that the first leaves
    report = warehouse.sync("contacts")
    assert report.tables["contacts"].rows == 99  # one is on both pages
    assert "names fewer changed records" in (report.tables["contacts"].error or "")
    loaded.faults.clear()
    assert warehouse.sync("contacts").tables["contacts"].rows == 351
    assert differences(loaded, warehouse, CONTACTS) == []


def test_oldest_and_newest_changes_that_are_all_of_them_need_no_more_searches(
    loaded: Portal, warehouse: Warehouse
) -> None:
    """Up to 400 changes are named by two searches, whatever the order of their ids."""
    change(loaded, 390, shuffled=True)
    loaded.journal.clear()
    assert warehouse.sync("contacts").tables["contacts"].rows == 390
    assert searches(loaded) == 2
    assert differences(loaded, warehouse, CONTACTS) == []


@pytest.mark.parametrize("lost", [slice(0, 10), slice(40, 50)], ids=["first", "between"])
def test_a_change_missing_from_the_oldest_is_searched(
    loaded: Portal, warehouse: Warehouse, lost: slice
) -> None:
    """Where the search behind the oldest changes counts too few, it begins before them again."""

    def rewrite(answer: dict[str, Any]) -> dict[str, Any]:
        del answer["results"][lost]
        return answer

    change(loaded, 500, shuffled=True)
    loaded.faults.add(path=SEARCH, nth=2, rewrite=rewrite)
    assert warehouse.sync("contacts").tables["contacts"].rows == 500
    assert differences(loaded, warehouse, CONTACTS) == []


@pytest.mark.parametrize("found", [401, 600])
def test_a_count_that_falls_between_two_searches(
    loaded: Portal, warehouse: Warehouse, found: int
) -> None:
    """Fewer changes than named so far are no proof: only a record that both searches name is.

    The second search counts the changes short, as one does that was answered by another replica, or
    after records were archived. The counts of live records agree.
    """

    def short(answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"total": answer["total"] - (found - 400)}

    change(loaded, found)
    loaded.clock.advance(2 * HOUR_MS)
    fault = loaded.faults.add(path=SEARCH, nth=2, rewrite=short)
    warehouse.sync("contacts")
    assert fault.used
    assert differences(loaded, warehouse, CONTACTS) == []


def test_a_record_archived_between_two_searches(loaded: Portal, warehouse: Warehouse) -> None:
    """A change is archived between the searches, another record before them: nothing is lost."""
    ids = list(loaded.records("contacts"))
    change(loaded, 401)
    loaded.clock.advance(2 * HOUR_MS)
    loaded.archive("contacts", ids[-1])

    def archive(answer: dict[str, Any]) -> dict[str, Any]:
        loaded.archive("contacts", ids[400])
        return answer

    loaded.faults.add(path=SEARCH, nth=1, rewrite=archive)
    for _ in range(2):
        warehouse.sync("contacts")
        loaded.clock.advance(2 * HOUR_MS)
    assert differences(loaded, warehouse, CONTACTS) == []


def test_a_first_record_that_comes_beside_the_count(portal: Portal, warehouse: Warehouse) -> None:
    """What is created after a type was counted as empty is a change for the next run."""
    portal.reset(SeedSpec(contacts=0, properties=6, companies=0, deals=0, tickets=0))

    def create(answer: dict[str, Any]) -> dict[str, Any]:
        portal.create("contacts", {"city": "Here"})
        portal.clock.advance(20_000)
        return answer

    portal.faults.add(path=SEARCH, nth=1, rewrite=create)
    warehouse.sync("contacts")
    portal.faults.clear()
    portal.clock.advance(2 * HOUR_MS)
    outcome = warehouse.sync("contacts").tables["contacts"]
    assert differences(portal, warehouse, CONTACTS) == []
    assert "changes" in (outcome.reasons or "")
    assert "recount" not in (outcome.reasons or "")
