"""A refusal is never silent, and never mistaken for absence."""

from typing import Any

import pytest
from conftest import FEW, OTHER_GROUPS, Warehouse
from truth import differences, link_differences

from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Token

HOUR_MS = 3_600_000
SMALL = {"properties": 12, "handful": False}
REFUSED = {"status": "error", "category": "MISSING_SCOPES", "message": "no such scope"}
ABSENT = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "not here"}
BOTH = ("contacts", "companies")


def refuse(portal: Portal, path: str, status: int = 403, **rule: Any) -> None:
    """Let HubSpot refuse calls whose path matches, as it does without a scope or a type."""
    portal.faults.add(path=path, status=status, body=REFUSED if status == 403 else ABSENT, **rule)


def test_refusal_after_the_first_page(portal: Portal, warehouse: Warehouse) -> None:
    """A first backfill that is refused after its first page has failed, and goes on later."""
    portal.reset(SeedSpec(contacts=290, custom_objects=0, **SMALL))
    for status, code in ((403, 3), (404, 4)):  # the second run goes on with what the first began
        portal.faults.clear()
        refuse(portal, r"/contacts\?.*archived=false.*after=", status)
        report = warehouse.sync("contacts", only=("contacts",))
        assert (report.tables["contacts"].status, report.exit_code) == ("failed", code)
    portal.faults.clear()
    assert warehouse.sync("contacts").exit_code == 0
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []


def limited(portal: Portal, *scopes: str) -> None:
    """Let the token read contacts, and what else these scopes allow."""
    known = {"crm.objects.contacts.read", "crm.schemas.contacts.read", *scopes}
    portal.settings.tokens["emulator-token"] = Token(scopes=frozenset(known))


def test_named_table_that_is_refused(portal: Portal, warehouse: Warehouse) -> None:
    """A table that the user named and that is refused is an error; the others are loaded."""
    portal.reset(SeedSpec(contacts=20, **SMALL))
    limited(portal)
    refuse(portal, "/objects/2026-03/tickets/search", 404)
    report = warehouse.sync("contacts", "deals")
    assert (report.status, report.exit_code) == ("partial", 3)
    assert report.tables["deals"].status == "failed"
    assert any("crm.objects.deals.read" in warning for warning in report.warnings)
    assert len(warehouse.table("contacts")) == len(portal.records("contacts"))
    assert warehouse.sync("tickets").exit_code == 4


def test_reference_tables_that_are_refused(portal: Portal, warehouse: Warehouse) -> None:
    """What was loaded and is refused now has failed, with its rows, its age and an exit code.

    Another part of the same table goes on; once the refusal ends, so does the failure.
    """
    warehouse.load(portal, FEW)
    counts = "SELECT (SELECT count(*) FROM owners), (SELECT count(*) FROM association_labels)"
    before = warehouse.rows(counts)
    stages = "SELECT label FROM pipeline_stages WHERE object_type = ? ORDER BY id"
    old = {table: warehouse.rows(stages, table) for table in ("deals", "tickets")}
    for type_id in ("0-3", "0-5"):
        portal.pipelines[type_id][0]["stages"][0]["label"] = "Renamed"
    for path in ("/owners", "/pipelines/.*deals", "/associations/.*/labels"):
        refuse(portal, path)
    report = warehouse.sync(refresh_schema=True)
    assert (report.status, report.exit_code) == ("partial", 3)
    for name in ("owners", "pipelines", "association_labels"):
        assert report.tables[name].status == "failed"
        assert "Stale since 20" in (report.tables[name].error or "")
    assert warehouse.rows(counts) == before
    assert warehouse.rows(stages, "deals") == old["deals"]
    assert ("Renamed",) in warehouse.rows(stages, "tickets")
    portal.faults.clear()
    assert warehouse.sync().exit_code == 0
    assert ("Renamed",) in warehouse.rows(stages, "deals")


def test_link_table_that_is_refused(portal: Portal, warehouse: Warehouse) -> None:
    """A link table that was loaded and is refused now has failed until it is read again."""
    warehouse.load(portal, FEW, *BOTH)
    pairs = {"contacts_to_companies": BOTH}
    refuse(portal, "/associations/.*(contacts|0-1)/(companies|0-2)/batch")
    refuse(portal, "/associations/.*(companies|0-2)/(contacts|0-1)/batch")
    contact, company = (
        next(iter(portal.records("contacts"))),
        next(iter(portal.records("companies"))),
    )
    portal.associate("contacts", contact, "companies", company)
    for _ in range(2):
        portal.update("contacts", contact, {"city": "New"})
        report = warehouse.sync(*BOTH)
        outcome = report.tables["contacts_to_companies"]
        assert (outcome.status, report.exit_code) == ("failed", 3)
        assert "Stale since 20" in (outcome.error or "")
    portal.faults.clear()
    assert warehouse.sync(*BOTH).exit_code == 0
    assert link_differences(portal, warehouse, pairs) == []


def test_table_that_is_refused_during_a_full_refresh(portal: Portal, warehouse: Warehouse) -> None:
    """A loaded table that a full refresh may not read has failed, and in the runs after it too."""
    portal.reset(SeedSpec(contacts=20, custom_objects=0, **SMALL))
    limited(portal, "crm.objects.companies.read", "crm.schemas.companies.read")
    others = [kind.table for kind in STANDARD if kind.table not in BOTH]
    warehouse = warehouse.with_settings(exclude=[*OTHER_GROUPS, *others])  # all but these
    assert warehouse.sync_all().exit_code == 0
    limited(portal)
    for full_refresh in (True, False):
        report = warehouse.sync_all(full_refresh=full_refresh)
        assert report.exit_code == 3
        assert report.tables["companies"].status == "failed"
    assert differences(portal, warehouse, {"companies": "companies"}) == []


def test_parts_of_reference_tables_that_become_empty(
    portal: Portal, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty answer takes the rows of a part, or all rows, away; a change beside it is kept."""
    warehouse.load(portal, FEW)
    portal.pipelines["0-3"][0]["label"] = "Renamed"
    empty: dict[str, Any] = {"status": 200, "body": {"results": []}}
    for path in ("/owners", "/pipelines/.*tickets", "/associations/.*/labels"):
        portal.faults.add(path=path, **empty)
    for _ in range(2):
        assert warehouse.sync(refresh_schema=True).exit_code == 0
    for table in ("pipelines", "pipeline_stages"):
        live = f"SELECT DISTINCT object_type FROM {table} WHERE _hs_deleted_at IS NULL"
        kinds = {row[0] for row in warehouse.rows(live)}
        assert "deals" in kinds
        assert "tickets" not in kinds
    assert warehouse.rows("SELECT count(*) FROM owners WHERE _hs_deleted_at IS NULL") == [(0,)]
    assert warehouse.rows("SELECT count(*) FROM association_labels") == [(0,)]
    assert ("Renamed",) in warehouse.rows("SELECT label FROM pipelines")
    portal.faults.clear()
    assert warehouse.sync(refresh_schema=True).exit_code == 0
    for table in ("pipelines", "owners"):
        gone = f"SELECT count(*) FROM {table} WHERE _hs_deleted_at IS NOT NULL"
        assert warehouse.rows(gone) == [(0,)]
    assert warehouse.rows("SELECT count(*) FROM association_labels")[0][0] > 0
    assert "_hs_empty" not in caplog.text
