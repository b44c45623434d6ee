"""A backfill: complete whatever the cursors are, without a doubled row, for the least calls."""

from collections import Counter
from math import ceil

import duckdb
import pytest
from conftest import Warehouse
from truth import differences, link_differences

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

CONTACTS = {"contacts": "contacts"}
PLAIN = {"odd_values": False, "deals": 0, "tickets": 0, "properties": 12}
"""Of a portal whose columns do not matter."""
LIST = "/crm/objects/2026-03/contacts"
PAIRS = {"contacts_to_companies": ("contacts", "companies")}
LINKED = (("contacts", "contacts"), ("contacts", "companies"), ("companies", "companies"))
LISTED = r"/contacts\?.*archived=false"
BINNED = r"/contacts\?.*archived=true"
DOUBLED = "SELECT id FROM contacts GROUP BY id HAVING count(*) > 1"


@pytest.mark.parametrize(
    ("anomalies", "pages"),
    [([], 10), (["opaque_cursors"], 1), (["opaque_cursors", "search_unsorted"], 10)],
    ids=["by_id", "by_search", "by_cursor"],
)
def test_whatever_the_cursors_are(
    portal: Portal, warehouse: Warehouse, anomalies: list[str], pages: int
) -> None:
    """Where no listing can begin at an id, search and batch read do; else it goes page by page.

    All archived records of a first load arrive, for a page per 100.
    """
    seed = SeedSpec(contacts=2_000, archived=0.5, companies=0, **PLAIN)
    portal.reset(seed)
    portal.settings.anomalies = anomalies
    warehouse.sync("contacts")
    calls = portal.journal.find(method="GET", path_contains=LIST)
    listed = Counter(request.query.get("archived") for request in calls)
    assert pages <= listed["false"] <= pages + 1
    assert 10 <= listed["true"] <= 12
    assert warehouse.rows(DOUBLED) == []
    assert differences(portal, warehouse, CONTACTS) == []


def test_records_that_go_while_they_are_listed(portal: Portal, warehouse: Warehouse) -> None:
    """What was listed live and is archived, merged or changed in the same run has one row."""
    portal.reset(SeedSpec(contacts=600, companies=0, **PLAIN))
    ids = list(portal.records("contacts"))

    def change(_: Portal) -> None:
        portal.archive("contacts", ids[3])
        portal.merge("contacts", ids[-5], ids[4])
        portal.merge("contacts", ids[5], ids[-6])
        portal.update("contacts", ids[6], {"city": "New"})

    portal.mutations.add(path=LIST, nth=4, operations=change)
    small = warehouse.with_settings(load_rows=200)
    small.sync("contacts")
    assert warehouse.rows(DOUBLED) == []
    small.sync("contacts")
    assert warehouse.rows(DOUBLED) == []
    assert differences(portal, warehouse, CONTACTS) == []


def test_change_that_bears_an_earlier_instant(portal: Portal, warehouse: Warehouse) -> None:
    """A change during a listing, stamped some seconds before it was to be seen, is found."""
    portal.reset(SeedSpec(contacts=300, properties=12, companies=0, deals=0, tickets=0))
    ids = list(portal.records("contacts"))

    def change(_: Portal) -> None:
        stamp = portal.clock.now_ms() - 2_500
        portal.update("contacts", ids[3], {"city": "New"}, at=stamp)

    portal.mutations.add(path=LIST, nth=3, operations=change)
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS)
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_record_restored_before_the_archive_is_read(portal: Portal, warehouse: Warehouse) -> None:
    """A record that no listing shows, for it leaves the bin in between, is found by its tombstone.

    The number of live records is the same, for one is purged beside it.
    """
    portal.reset(SeedSpec(contacts=600, archived=0.1, companies=0, **PLAIN))
    live, dead = list(portal.records("contacts")), list(portal.records("contacts", archived=True))

    def change(_: Portal) -> None:
        portal.update("contacts", live[-1], {"city": "New"})
        portal.restore("contacts", dead[0])
        portal.purge("contacts", live[1])

    portal.mutations.add(path=LISTED, nth=3, operations=change)
    chosen = warehouse.with_settings(load_rows=200, sweep_at_once_calls=0)
    chosen.sync("contacts")
    chosen.sync("contacts")
    assert warehouse.rows(DOUBLED) == []
    assert differences(portal, warehouse, CONTACTS) == []


def interrupted(portal: Portal, warehouse: Warehouse, pages: int, **options: bool) -> None:
    """Run a sync that lists so many pages of live records and has no more calls then."""
    portal.faults.clear()
    no_more = {"path": LISTED, "status": 429, "body": {"policyName": "DAILY"}}
    portal.faults.add(nth=list(range(pages + 1, 99)), **no_more)
    assert warehouse.sync("contacts", **options).exit_code == 5
    portal.faults.clear()


@pytest.mark.parametrize(
    ("archived", "hard_delete"), [(0.0, False), (0.02, True)], ids=["tombstones", "no_tombstones"]
)
def test_bin_that_changes_while_a_backfill_is_interrupted(
    portal: Portal, warehouse: Warehouse, archived: float, *, hard_delete: bool
) -> None:
    """Each run that takes up a backfill looks into the bin, so what it passes by is known.

    The number of live records is the same, for one is purged. What is restored ahead of the
    backfill is listed, and has one row.
    """
    portal.reset(SeedSpec(contacts=900, archived=archived, companies=0, **PLAIN))
    live, dead = list(portal.records("contacts")), list(portal.records("contacts", archived=True))
    one = warehouse.with_settings(calls_in_flight=1)
    interrupted(portal, one, 2, hard_delete=hard_delete)
    portal.archive("contacts", live[300])
    for ahead_or_behind in dead:
        portal.restore("contacts", ahead_or_behind)
    interrupted(portal, one, 4, hard_delete=hard_delete)
    portal.restore("contacts", live[300])
    portal.purge("contacts", live[295])
    for _ in range(2):
        one.sync("contacts", hard_delete=hard_delete)
    assert warehouse.rows(DOUBLED) == []
    if hard_delete:
        assert {*warehouse.table("contacts")} == {*portal.records("contacts")}
    else:
        assert differences(portal, warehouse, CONTACTS) == []


def test_row_that_an_interrupted_backfill_does_not_know(
    portal: Portal, warehouse: Warehouse
) -> None:
    """The run that takes it up doubles no row that is there, though their number is as it was."""
    portal.reset(SeedSpec(contacts=600, archived=0.0, companies=0, **PLAIN))
    ids = list(portal.records("contacts"))
    one = warehouse.with_settings(calls_in_flight=1)
    interrupted(portal, one, 2)
    with duckdb.connect(str(warehouse.path)) as connection:
        moved = f"UPDATE hubspot.contacts SET id = '{ids[400]}' WHERE id = '{ids[50]}'"
        connection.execute(moved)
    for _ in range(2):
        one.sync("contacts")
    assert warehouse.rows(DOUBLED) == []
    assert differences(portal, warehouse, CONTACTS) == []


def test_record_that_is_in_the_bin_only_while_it_is_listed(
    portal: Portal, warehouse: Warehouse
) -> None:
    """No listing shows it, nor a number, for one is purged beside it; the next run does.

    One range of 200 ids after the other is searched, so that no two can make up for each other.
    """
    portal.reset(SeedSpec(contacts=600, archived=0.0, companies=0, **PLAIN))
    ids = list(portal.records("contacts"))
    hidden, lost = ids[-1], ids[-2]

    def hide(_: Portal) -> None:
        portal.update("contacts", ids[5], {"city": "New"})
        portal.archive("contacts", hidden)

    def show(_: Portal) -> None:
        portal.clock.advance(5_000)
        portal.restore("contacts", hidden)
        portal.purge("contacts", lost)

    portal.mutations.add(when="before", path=LISTED, nth=1, operations=hide)
    portal.mutations.add(when="before", path=BINNED, nth=1, operations=show)
    warehouse.sync("contacts")
    assert hidden not in warehouse.table("contacts")
    portal.journal.clear()
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []
    assert len(portal.journal.find(path_contains="/search")) == 5
    portal.journal.clear()
    warehouse.sync("contacts")
    assert len(portal.journal.find(path_contains="/search")) == 1


def test_record_that_is_merged_after_it_was_listed(portal: Portal, warehouse: Warehouse) -> None:
    """Of a record that a first load brings twice, the row that was read last stays."""
    portal.reset(SeedSpec(contacts=300, properties=12))
    ids = list(portal.records("contacts"))

    def change(_: Portal) -> None:
        portal.merge("contacts", ids[-1], ids[3])
        portal.archive("contacts", ids[4])

    portal.mutations.add(when="before", path=LISTED, nth=3, operations=change)
    small = warehouse.with_settings(load_rows=100, calls_in_flight=1)
    assert small.sync("contacts").exit_code == 0
    assert warehouse.rows(DOUBLED) == []
    became = [warehouse.table("contacts")[id_]["_hs_deletion"] for id_ in ids[3:5]]
    assert became == ["merged", "archived"]
    assert differences(portal, warehouse, CONTACTS) == []


def test_links_of_one_pair_that_fail(portal: Portal, warehouse: Warehouse) -> None:
    """The links of the other pairs, asked for at the same time, are loaded with the records."""
    portal.reset(SeedSpec(contacts=120, companies=20, properties=12, deals=0, tickets=0))
    once = warehouse.with_settings(sweep_at_once_calls=0, max_attempts=1)
    portal.faults.add(path="/associations/2026-03/contacts/contacts/batch/read", status=500)
    assert once.sync("contacts", "companies").exit_code == 6
    portal.faults.clear()
    assert once.sync("contacts", "companies").exit_code == 0
    pairs = {f"{one}_to_{other}": (one, other) for one, other in LINKED}
    assert link_differences(portal, warehouse, pairs) == []


def test_change_in_the_instant_of_the_one_that_was_read(
    portal: Portal, warehouse: Warehouse
) -> None:
    """Two changes may bear one instant, and a listing may read a record in between."""
    portal.reset(SeedSpec(contacts=300, archived=0, properties=12))
    first = next(iter(portal.records("contacts")))

    def change(_: Portal) -> None:
        portal.clock.freeze(portal.clock.now_ms())
        portal.update("contacts", first, {"city": "Read"})

    def change_again(_: Portal) -> None:
        portal.update("contacts", first, {"city": "Later"})
        portal.clock.advance(10_000)

    portal.mutations.add(when="before", path=LIST, nth=2, operations=change)
    portal.mutations.add(when="before", path=LIST, nth=4, operations=change_again)
    warehouse.sync("contacts")
    assert warehouse.table("contacts")[first]["city"] == "Read"
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_increment_that_changed_nearly_all_lists(portal: Portal, warehouse: Warehouse) -> None:
    """Where search and batch reads would cost more calls than a listing, the table is listed."""
    warehouse.load(portal, SeedSpec(contacts=620, companies=0, **PLAIN), "contacts")
    ids = list(portal.records("contacts"))
    for share, mode in ((0.5, "increment"), (0.95, "listing")):
        changed = ids[: int(len(ids) * share)]
        for id_ in changed:
            portal.update("contacts", id_, {"city": f"At {share}"})
            portal.clock.advance(1)  # in one instant, two searches would show fewer of them
        portal.archive("contacts", ids.pop())
        portal.clock.advance(7_200_000)
        portal.journal.clear()
        report = warehouse.sync("contacts")
        assert report.tables["contacts"].mode == mode
        reads = portal.journal.count(method="POST", path_contains=f"{LIST}/batch/read")
        assert reads == (len(changed) // 100 + 1 if mode == "increment" else 0)
        assert differences(portal, warehouse, CONTACTS) == []
    portal.journal.clear()
    assert warehouse.sync("contacts").tables["contacts"].mode == "increment"
    assert portal.journal.count(path_contains="/crm/objects/") == 1


def test_increment_costs_by_what_changed(portal: Portal, warehouse: Warehouse) -> None:
    """So many as changed decide: by 200 searches, by 100 reads, by 1,000 link calls a pair."""
    portal.reset(SeedSpec(contacts=2_000, companies=80, **PLAIN | {"deals": 60, "tickets": 40}))
    warehouse.sync()
    portal.clock.advance(5_000)  # surely after the first load
    changed = list(portal.records("contacts"))[:1100]
    for id_ in changed:
        portal.update("contacts", id_, {"city": "New"})
    portal.clock.advance(60_000)
    portal.journal.clear()
    careful = warehouse.with_settings(sweep_at_once_calls=0)  # no sweep of what did not change
    assert careful.sync().tables["contacts"].rows == len(changed)
    assert portal.journal.count(path_contains="/search") <= ceil(1100 / 200) + 4
    assert 11 <= portal.journal.count(path_contains=f"{LIST}/batch/read") <= 12
    links = portal.journal.find(path_contains="/associations/2026-03/")
    pairs = {request.path for request in links if request.method == "POST"}
    assert 0 < len(links) <= len(pairs) * ceil(1100 / 1000)
