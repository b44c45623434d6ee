"""What leaves no trace is found: by counting, by sweeps, and for how many calls."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import FEW, Warehouse
from truth import differences, link_differences

from pipelines.runtime.workdir import working_folder
from sources.hubspot.run.pace.walking import _key
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

CONTACTS = {"contacts": "contacts"}
PAIRS = {"contacts_to_companies": ("contacts", "companies")}
HOUR_MS = int(timedelta(hours=1).total_seconds() * 1000)
LIST = "/crm/objects/2026-03/contacts"
LINKS = "/associations/2026-03/"
PLAIN = {"odd_values": False, "deals": 0, "tickets": 0, "properties": 12}
MANY = SeedSpec(contacts=3000, companies=0, **PLAIN)


def test_purged_and_restored_records_are_found_by_counting(
    portal: Portal, warehouse: Warehouse
) -> None:
    """One purged and two restored of 3,000 cost some searches and reads, and a look at the bin."""
    warehouse.load(portal, MANY, "contacts")
    restored = list(portal.records("contacts", archived=True))[:2]
    gone = list(portal.records("contacts"))[1700]
    careful = warehouse.with_settings(sweep_at_once_calls=0)
    portal.clock.advance(2 * HOUR_MS)
    portal.purge("contacts", gone)
    for id_ in restored:
        portal.restore("contacts", id_)
    portal.journal.clear()
    report = careful.sync("contacts")
    assert report.tables["contacts"].tombstones == 1
    listed = portal.journal.find(method="GET", path_contains=LIST)
    assert [request.query["archived"] for request in listed] == ["true"]
    assert portal.journal.count(path_contains=f"{LIST}/search") < 30
    assert warehouse.table("contacts")[gone]["_hs_deletion"] == "purged"
    assert differences(portal, warehouse, CONTACTS) == []


def test_purge_that_an_index_that_lags_makes_up_for(portal: Portal, warehouse: Warehouse) -> None:
    """A purge is found though search, by now, has a record that it lacked in the run before.

    The numbers of portal and table differ as they did then.
    """
    portal.reset(SeedSpec(contacts=60, properties=12, archived=0.0))
    lost = list(portal.records("contacts"))[7]
    portal.settings.search_lag_ms = 20 * 60_000
    portal.mutations.add(
        path=r"/contacts\?", nth=1, when="before", operations=lambda p: p.create("contacts", {})
    )
    warehouse.sync("contacts")
    portal.mutations.clear()
    portal.purge("contacts", lost)
    portal.clock.advance(21 * 60_000)
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_one_restored_for_one_archived(portal: Portal, warehouse: Warehouse) -> None:
    """What no number tells is found, at once, beside a record that a number tells of."""
    warehouse.load(portal, MANY, "contacts")
    careful = warehouse.with_settings(sweep_at_once_calls=0)
    live, dead = list(portal.records("contacts")), list(portal.records("contacts", archived=True))
    portal.clock.advance(2 * HOUR_MS)
    portal.archive("contacts", live[100])
    portal.restore("contacts", dead[25])
    portal.purge("contacts", live[2000])
    careful.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_what_changed_beside_records_of_another_table(portal: Portal, warehouse: Warehouse) -> None:
    """Links of tables at rest are right in the next run, calculated values in the one after.

    Nothing of these tables tells of it: a record of another one changed while the first run was at
    work.
    """
    portal.reset(SeedSpec(contacts=60, companies=20, tickets=0, properties=12))
    firm, deal = next((a, b) for a, b, *_ in portal.associations("companies", "deals"))

    def change(_: Portal) -> None:
        portal.update("contacts", next(iter(portal.records("contacts"))), {"city": "New"})
        portal.dissociate("companies", firm, "deals", deal)
        portal.set_calculated("companies", firm, {"num_associated_contacts": "77"})

    portal.mutations.add(path=f"{LINKS}deals/deals/batch/read", nth=1, operations=change)
    objects = ("contacts", "companies", "deals")
    warehouse.sync(*objects)
    warehouse.sync(*objects)
    ends = {"companies_to_deals": ("companies", "deals")}
    assert link_differences(portal, warehouse, ends) == []
    warehouse.sync(*objects)
    assert differences(portal, warehouse, {table: table for table in objects}) == []


def test_columns_that_tombstones_lack(portal: Portal, warehouse: Warehouse) -> None:
    """A column that is new, or of another type, is filled for archived records as well."""
    portal.reset(SeedSpec(contacts=50, archived=0.1, deals=0, tickets=0, properties=12))
    dead = list(portal.records("contacts", archived=True))
    text = {"type": "string", "fieldType": "text"}
    portal.create_property("contacts", text | {"name": "size"})
    portal.set_calculated("contacts", dead[0], {"size": "12"})
    careful = warehouse.with_settings(sweep_at_once_calls=0)
    careful.sync("contacts")
    portal.update_property("contacts", "size", {"type": "number", "fieldType": "number"})
    portal.create_property("contacts", text | {"name": "tint"})
    portal.set_calculated("contacts", dead[1], {"tint": "red"})
    careful.sync("contacts", refresh_schema=True)
    filled = "SELECT id, size_number, tint FROM contacts WHERE tint = 'red' OR size_number = 12"
    assert {*warehouse.rows(filled)} == {(dead[0], 12, None), (dead[1], None, "red")}
    portal.set_calculated("contacts", dead[1], {"tint": "blue"})
    careful.sync("contacts", full_refresh=True)
    assert warehouse.table("contacts")[dead[1]]["tint"] == "blue"


def loaded_and_swapped(portal: Portal, warehouse: Warehouse, **options: bool) -> list[str]:
    """Load contacts, then restore one and purge another, which no number tells; return live ids."""
    seed = SeedSpec(contacts=600, archived=0.1, companies=0, **PLAIN)
    warehouse.load(portal, seed, "contacts", **options)
    live, dead = list(portal.records("contacts")), list(portal.records("contacts", archived=True))
    portal.restore("contacts", dead[0])
    portal.purge("contacts", live[1])
    return live


def test_archive_is_swept_after_a_run_that_was_cut_short(
    portal: Portal, warehouse: Warehouse
) -> None:
    """However large it is, for what came and went in that time may leave the number as it was."""
    careful = warehouse.with_settings(sweep_at_once_calls=0)
    live = loaded_and_swapped(portal, warehouse)
    careful.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) != []
    portal.faults.add(path=f"{LIST}/batch/read", status=429, body={"policyName": "DAILY"})
    portal.update("contacts", live[2], {"city": "New"})
    assert careful.sync("contacts").exit_code == 5
    portal.faults.clear()
    careful.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_sweeps_of_a_few_calls_follow_every_change(portal: Portal, warehouse: Warehouse) -> None:
    """A pair of two calls is read in a run with a change, and after a run cut short."""
    seed = SeedSpec(contacts=1_300, companies=1_050, archived=0, **PLAIN)
    portal.reset(seed)
    ids, firms = list(portal.records("contacts")), list(portal.records("companies"))
    objects, pairs = ("contacts", "companies"), f"{LINKS}contacts/companies/batch/read"
    swept = []

    def sync() -> None:
        portal.clock.advance(60_000)
        portal.journal.clear()
        warehouse.sync(*objects)
        swept.append(portal.journal.count(path_contains=pairs) > 1)
        portal.clock.advance(60_000)

    sync()
    portal.update("contacts", ids[0], {"city": "New"})
    portal.associate("contacts", ids[-1], "companies", firms[-1])
    sync()
    assert link_differences(portal, warehouse, PAIRS) == []
    sync()
    assert swept[1:] == [True, False]
    portal.faults.add(path="/contacts/search", status=429, body={"policyName": "DAILY"})
    sync()
    portal.faults.clear()
    sync()
    assert swept[3:] == [False, True]  # a run that is cut short may have missed anything
    assert link_differences(portal, warehouse, PAIRS) == []


def test_links_are_swept_in_every_run_where_no_hours_lie_between(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A link that comes alone, when a first load has read its record, is in the next one."""
    portal.reset(FEW)
    contact, firm = list(portal.records("contacts"))[5], list(portal.records("companies"))[7]
    portal.mutations.add(
        when="after",
        path=f"{LINKS}contacts/companies/batch/read",
        operations=lambda p: p.associate("contacts", contact, "companies", firm),
    )
    always = warehouse.with_settings(sweep_at_once_calls=0, links_hours=0)
    always.sync("contacts", "companies")
    assert link_differences(portal, warehouse, PAIRS) != []
    always.sync("contacts", "companies")
    assert link_differences(portal, warehouse, PAIRS) == []


def test_archive_is_swept_in_every_run_where_no_hours_lie_between(
    portal: Portal, warehouse: Warehouse
) -> None:
    """One restored for one purged, which no number tells, is in the next run."""
    always = warehouse.with_settings(sweep_at_once_calls=0, sweep_hours=0)
    loaded_and_swapped(portal, warehouse, hard_delete=True)
    portal.faults.add(path=f"{LIST}/batch/read", nth=1, status=429, body={"policyName": "DAILY"})
    assert always.sync("contacts", hard_delete=True).exit_code == 5
    always.sync("contacts", hard_delete=True)
    rows = warehouse.table("contacts")
    assert {id_ for id_, row in rows.items() if not row["_hs_deletion"]} == {
        *portal.records("contacts")
    }


def test_what_an_idle_run_sweeps(portal: Portal, warehouse: Warehouse) -> None:
    """A link that changes alone comes with the next run: pairs of one call are read in every run.

    The archive, of which the number of records tells, is listed in every other idle run.
    """
    warehouse.load(portal, FEW, "contacts", "companies")
    contacts, firm = list(portal.records("contacts")), list(portal.records("companies"))[7]
    swept = []
    for contact in contacts[:2]:
        portal.associate("contacts", contact, "companies", firm)
        portal.journal.clear()
        warehouse.sync("contacts", "companies")
        assert link_differences(portal, warehouse, PAIRS) == []
        assert portal.journal.count(path_contains="/search") == 2
        archives = portal.journal.find(path_contains="/objects/")
        swept.append(sum(call.query.get("archived") == "true" for call in archives))
    assert swept == [0, 2]


def test_large_sweeps_wait_for_their_schedule(portal: Portal, warehouse: Warehouse) -> None:
    """A sweep of links above the limit is made when its hours are over, or when it is asked for."""
    warehouse.load(portal, FEW, "contacts", "companies")
    slow = warehouse.with_settings(sweep_at_once_calls=0, links_hours=5)
    contacts, firm = list(portal.records("contacts")), list(portal.records("companies"))[7]
    for step, (hours, asked) in enumerate([(1, False), (3, True), (5, False)]):
        portal.associate("contacts", contacts[step], "companies", firm)
        portal.clock.advance(hours * HOUR_MS)
        slow.sync("contacts", "companies", links=asked)
        stale = link_differences(portal, warehouse, PAIRS)
        assert bool(stale) == (step == 0), (step, stale)


def test_links_are_swept_from_the_smaller_side(portal: Portal, warehouse: Warehouse) -> None:
    """All links of 2,500 contacts with 20 companies are read with one call and found stale."""
    portal.reset(SeedSpec(contacts=2500, companies=20, **PLAIN))
    label = portal.create_label("contacts", "companies", "Buyer", "Supplier")
    warehouse.sync("contacts", "companies")
    contacts, firms = list(portal.records("contacts")), list(portal.records("companies"))
    portal.associate("contacts", contacts[8], "companies", firms[7])
    linked = sorted(portal.associations("contacts", "companies"))
    portal.dissociate("contacts", linked[0][0], "companies", linked[0][1])
    portal.associate("contacts", contacts[9], "companies", firms[7], type_id=label)
    portal.journal.clear()
    warehouse.sync("contacts", "companies", links=True)
    pair = f"{LINKS}contacts/companies/batch/read"
    assert portal.journal.count(path_contains=pair) <= 2  # only of those that differ
    assert link_differences(portal, warehouse, PAIRS) == []


def test_labels_that_read_otherwise_from_the_other_side(
    portal: Portal, warehouse: Warehouse
) -> None:
    """Thousands of them, which each sweep reads from both sides, are not swept in every run."""
    portal.reset(SeedSpec(contacts=2500, companies=20, **PLAIN))
    label = portal.create_label("contacts", "companies", "Buyer", "Supplier")
    firm = next(iter(portal.records("companies")))
    for contact in portal.records("contacts"):
        portal.associate("contacts", contact, "companies", firm, type_id=label)
    warehouse.sync("contacts", "companies")
    warehouse.sync("contacts", "companies")
    portal.journal.clear()
    warehouse.sync("contacts", "companies")
    assert portal.journal.count(path_contains=f"{LINKS}contacts/companies") == 0
    assert link_differences(portal, warehouse, PAIRS) == []


@pytest.mark.parametrize(
    ("ids", "key"),
    [([], None), ([3], 3), ([1, 2, 3], 3), ([1, 2, 9, 3, 4], 4), ([5, 1], 1), ([2, 2, 3], 3)],
)
def test_key_goes_no_further_than_the_order(ids: list[int], key: int | None) -> None:
    """The key of a page is the last id that no lower one follows."""
    assert _key(ids) == key


def test_folder_of_a_killed_run_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A working folder that a kill left behind goes with the next run; one in use stays."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    hold = (
        "import time\nfrom pipelines.runtime.workdir import working_folder\n"
        "with working_folder() as folder:\n    print(folder, flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True, env=os.environ | {}
    )
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    with working_folder():
        assert left.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = tmp_path / "hubspot-elt-run-killed-at-its-first-moment"
    first.mkdir()
    os.utime(first, (0, 0))
    with working_folder() as folder:
        assert not left.exists()
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_runs_that_begin_at_once_leave_each_other_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run takes a folder for one that was left while its run is about to lock it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def begin(_: int) -> bool:
        with working_folder() as folder:
            return folder.exists()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(begin, range(400)))
    assert list(tmp_path.iterdir()) == []


def test_link_of_a_record_that_came_and_went(portal: Portal, warehouse: Warehouse) -> None:
    """A link to a record that was created during a run and purged before the next one goes."""
    people = [portal.create("contacts", {"firstname": f"No. {n}"}) for n in range(5)]
    known, contact = portal.create("companies", {"name": "Known"}), people[3]
    portal.associate("contacts", contact, "companies", known)
    warehouse.sync("contacts", "companies")

    def link(portal: Portal) -> None:
        firm = portal.create("companies", {"name": "Ephemera"})
        portal.associate("contacts", contact, "companies", firm)

    portal.update("contacts", contact, {"firstname": "Ada"})
    portal.clock.advance(2 * HOUR_MS)
    portal.settings.search_lag_ms = HOUR_MS  # search shows the contact, but not yet the company
    pair = f"{LINKS}contacts/companies/batch/read"
    portal.mutations.add(when="before", path=pair, nth=1, operations=link)
    warehouse.sync("contacts", "companies")
    (gone,) = portal.records("companies").keys() - {known}
    portal.purge("companies", gone)
    portal.settings.search_lag_ms = 0
    warehouse.sync("contacts", "companies")
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, PAIRS) == []
