"""Defects that were found once, each in the way that showed it."""

from datetime import timedelta

import pytest
from conftest import FEW, Warehouse
from truth import differences, link_differences

from sources.hubspot.api.search import instant_ms
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Token

pytestmark = pytest.mark.usefixtures("records_alone")

FIRMS = {"contacts_to_companies": ("contacts", "companies")}
LINKS_CALL = "/associations/2026-03/(contacts/companies|companies/contacts)/batch/read"
PLAIN = {"odd_values": False, "deals": 0, "tickets": 0, "properties": 12}
"""Of a portal whose columns do not matter."""
HOUR_MS = int(timedelta(hours=1).total_seconds() * 1000)


def test_failed_links_hold_the_checkpoint_back(portal: Portal, warehouse: Warehouse) -> None:
    """Records whose links could not be read are read again by the next run."""
    portal.reset(SeedSpec(contacts=1200, **PLAIN))
    portal.faults.add(path=LINKS_CALL, status=503, nth=2)
    careless = warehouse.with_settings(max_attempts=1)
    assert careless.sync("contacts", "companies").exit_code == 6
    assert careless.sync("contacts", "companies").exit_code == 0
    assert link_differences(portal, warehouse, FIRMS) == []


def test_failed_sweep_is_made_up_for(portal: Portal, warehouse: Warehouse) -> None:
    """A sweep of links that failed is done by a later run, though nothing changes any more."""
    warehouse.load(portal, FEW, "contacts", "companies")
    contacts, firm = list(portal.records("contacts")), next(iter(portal.records("companies")))
    portal.associate("contacts", contacts[9], "companies", firm)
    portal.update("contacts", contacts[0], {"firstname": "Else"})
    portal.faults.add(path=LINKS_CALL, status=503, nth=2)
    warehouse.with_settings(max_attempts=1).sync("contacts", "companies")
    portal.clock.advance(2 * HOUR_MS)
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, FIRMS) == []


def test_full_refresh_leaves_nothing_stale(portal: Portal, warehouse: Warehouse) -> None:
    """A full refresh reads all records, and marks as purged those that are nowhere.

    It takes away links that are gone, of live and of purged records.
    """
    warehouse.load(portal, FEW, "contacts", "companies")
    linked = [(a, b) for a, b, *_ in portal.associations("contacts", "companies")]
    portal.dissociate("contacts", linked[0][0], "companies", linked[0][1])
    gone = linked[-1][0]
    portal.purge("contacts", gone)
    report = warehouse.sync("contacts", "companies", full_refresh=True)
    assert report.tables["contacts"].mode == "backfill"
    row = warehouse.table("contacts")[gone]
    assert (row["_hs_deletion"], row["_hs_deleted_at"] is None) == ("purged", False)
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []
    assert link_differences(portal, warehouse, FIRMS) == []


def test_links_go_with_a_record_merged_in_the_same_load(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A record that is merged away after it was listed leaves no link behind."""
    portal.reset(SeedSpec(contacts=1000, **PLAIN))
    linked = sorted({a for a, *_ in portal.associations("contacts", "companies")}, key=int)
    portal.mutations.add(
        when="before",
        path=r"/contacts\?.*archived=false",
        nth=8,
        operations=lambda p: p.merge("contacts", linked[0], linked[1]),
    )
    warehouse.sync("contacts", "companies")
    portal.clock.advance(HOUR_MS)
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, FIRMS) == []


def test_unreadable_type_does_not_fail_those_it_is_linked_with(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A 403 for one object type is a row that names the scope, not the end of the run.

    A change of a company is loaded by a token that may not read contacts.
    """
    portal.reset(FEW)
    scopes = frozenset({"crm.objects.companies.read", "crm.schemas.companies.read"})
    portal.settings.tokens["emulator-token"] = Token(scopes=scopes)
    report = warehouse.sync("contacts", "companies")
    assert (report.status, report.exit_code) == ("partial", 3)
    told = "SELECT status, error FROM _hs_run_tables WHERE table_name = 'contacts'"
    ((status, error),) = warehouse.rows(told)
    assert status == "failed"
    assert "contacts.read" in error
    assert any("contacts" in warning for warning in report.warnings)
    portal.update("companies", next(iter(portal.records("companies"))), {"name": "New"})
    report = warehouse.sync("contacts", "companies")
    assert report.tables["companies"].status == "ok"
    assert differences(portal, warehouse, {"companies": "companies"}) == []


def test_failing_search_of_one_type_fails_no_other(portal: Portal, warehouse: Warehouse) -> None:
    """Where the records of one type cannot be counted, the others are complete."""
    portal.reset(FEW)
    portal.faults.add(path="/deals/search", status=503)
    report = warehouse.with_settings(max_attempts=1).sync("contacts", "companies", "deals")
    assert {report.tables[table].status for table in ("contacts", "companies")} == {"ok"}
    assert report.tables["deals"].status == "failed"


def test_labels_of_other_pairs_stay(portal: Portal, warehouse: Warehouse) -> None:
    """A run of some types leaves the labels of the others alone."""
    warehouse.load(portal, FEW)
    pairs = "SELECT count(DISTINCT pair) FROM association_labels"
    before = warehouse.rows(pairs)
    portal.clock.advance(13 * HOUR_MS)
    warehouse.sync("contacts", "companies")
    assert warehouse.rows(pairs) == before != [(0,)]


def test_hard_delete_is_said_anew_each_time(portal: Portal, warehouse: Warehouse) -> None:
    """A run without --hard-delete keeps tombstones, whatever an earlier run was told."""
    warehouse.load(portal, FEW, "contacts", hard_delete=True)
    gone = next(iter(portal.records("contacts")))
    portal.archive("contacts", gone)
    warehouse.sync("contacts")
    assert warehouse.table("contacts")[gone]["_hs_deletion"] == "archived"


def test_archive_cut_short_is_listed_again(portal: Portal, warehouse: Warehouse) -> None:
    """An archived listing that breaks off is no sweep: the next run lists it again."""
    portal.reset(SeedSpec(contacts=900, archived=0.3, **PLAIN))
    portal.faults.add(path=r"/contacts\?.*archived=true", status=400, nth=2)
    assert warehouse.sync("contacts").exit_code == 4
    assert warehouse.sync("contacts").exit_code == 0
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []


def test_refused_pair_is_asked_for_once(portal: Portal, warehouse: Warehouse) -> None:
    """A pair that HubSpot refuses costs a handful of calls and a warning, whatever its size."""
    portal.reset(SeedSpec(contacts=1_200, odd_values=False, properties=12))
    for target, status in (("companies", 400), ("deals", 403)):
        path = f"/associations/2026-03/(contacts/{target}|{target}/contacts)/batch/read"
        portal.faults.add(path=path, status=status)
    report = warehouse.sync("contacts", "companies", "deals")
    assert report.exit_code == 0
    for target in ("companies", "deals"):
        assert report.tables[f"contacts_to_{target}"].status == "skipped"
        asked = [f"{a}/{b}/batch/read" for a, b in (("contacts", target), (target, "contacts"))]
        calls = [portal.journal.count(path_contains=f"/associations/2026-03/{a}") for a in asked]
        assert 1 <= sum(calls) <= 20


@pytest.mark.parametrize("total", [0, None])
def test_count_that_lags_loses_no_link(
    portal: Portal, warehouse: Warehouse, total: int | None
) -> None:
    """Links are read though search never tells a number; by the next run if it counted none."""
    portal.reset(FEW)
    body = {"results": []} if total is None else {"total": total, "results": []}
    portal.faults.add(path="/search", status=200, body=body)
    warehouse.sync("contacts", "companies")
    portal.faults.clear()
    if total == 0:
        portal.clock.advance(60_000)
        assert warehouse.sync("contacts", "companies").exit_code == 0
    assert link_differences(portal, warehouse, FIRMS) == []


def test_young_portal_is_idle_after_its_backfill(portal: Portal, warehouse: Warehouse) -> None:
    """Records changed shortly before they were listed are not searched for again."""
    for number in range(250):
        portal.create("contacts", {"email": f"c{number}@example.com"})
    portal.clock.advance(5_000)
    warehouse.sync("contacts")
    portal.journal.clear()
    assert warehouse.sync("contacts").tables["contacts"].rows == 0
    assert portal.journal.count(path_contains="/contacts/search") == 1


def test_epoch_milliseconds_are_never_a_year() -> None:
    """Digits are epoch milliseconds, also where they could be read as a date."""
    assert instant_ms("1794123011123") == 1794123011123
    assert instant_ms("2026-11-01T00:00:00.001Z") == 1793491200001
