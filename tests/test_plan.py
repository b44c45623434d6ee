"""A plan: modes, rows and seconds; that calls are right, `test_plan_calls` shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import CORE, FEW, Warehouse

from pipelines.cli.output.report import RunReport
from pipelines.commands.plan import minutes, plan
from pipelines.commands.sync import SyncOptions
from sources.hubspot.catalog.apis import Budget
from sources.hubspot.errors import AuthError, ConfigError
from sources.hubspot.plan.tables.sweeps import WHY_BOUNDS
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import DEFAULT_TOKEN, Token

LIMITS = {
    "interval": {"per_second": 9.0},
    "search": {"per_second": 4.5},
    "associations": {"per_second": 9.0},
}


def planned(warehouse: Warehouse, *objects: str, **options: Any) -> RunReport:
    """Plan a sync of these tables into the warehouse."""
    return plan(SyncOptions(objects or CORE, **options), config=warehouse.config)


def exactly(number: int) -> dict[str, int]:
    """Return a number that is known, as programs get it."""
    return {"low": number, "high": number}


def steps(report: RunReport) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the plan's steps by table and kind."""
    section = report.sections[0]
    found = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    return {(row["table"], row["step"]): row for row in found}


def totals(report: RunReport) -> Mapping[str, Any]:
    """Return the plan's last line."""
    section = report.sections[1]
    return dict(zip(section.columns, section.rows[0], strict=True))


def test_plan_of_a_first_sync(portal: Portal, warehouse: Warehouse) -> None:
    """The rows of a backfill are foretold exactly, its calls closely; nothing is written.

    What the sync did and why stands in the run log, in the same words.
    """
    portal.reset(SeedSpec(seed=3, contacts=400, properties=12))
    report = planned(warehouse.with_settings(associations_per_10_seconds=100))
    assert not warehouse.path.exists()
    done = warehouse.sync()
    foretold = steps(report)
    for table in CORE:
        assert foretold[table, "backfill"]["rows"] == exactly(done.tables[table].rows)
        assert foretold[table, "archive"]["open"] == WHY_BOUNDS["archive"]
    links = {table for table, outcome in done.tables.items() if outcome.calls and "_to_" in table}
    assert links <= {table for table, _ in foretold}
    calls = totals(report)["calls"]
    assert calls["low"] <= done.calls <= calls["high"]
    assert 0 < totals(report)["minutes"]["low"] < totals(report)["minutes"]["high"]
    logged = dict(warehouse.rows("SELECT table_name, reasons FROM _hs_run_tables"))
    assert foretold["contacts", "backfill"]["reason"] in logged["contacts"]
    assert foretold["contacts_to_deals", "links"]["reason"] in logged["contacts_to_deals"]


def test_plan_of_an_idle_sync(portal: Portal, warehouse: Warehouse) -> None:
    """Where nothing changed, one search a table is foretold, a call a small pair, and metadata."""
    warehouse.load(portal, FEW)
    foretold = steps(planned(warehouse))
    changes = {t: (row["rows"], row["calls"]) for (t, k), row in foretold.items() if k == "changes"}
    assert changes == dict.fromkeys(CORE, (exactly(0), exactly(1)))
    pairs = {table for table, kind in foretold if kind == "links"}
    assert {foretold[pair, "links"]["calls"]["low"] for pair in pairs} == {1}
    done = warehouse.sync()
    assert pairs == {table for table, told in done.tables.items() if told.calls and "_to_" in table}


def test_plan_of_an_increment(portal: Portal, warehouse: Warehouse) -> None:
    """Changed records are counted, also where they are more than one search returns."""
    portal.reset(SeedSpec(seed=3, contacts=400, properties=5, archived=0, merges=0))
    warehouse.sync()
    for id_ in list(portal.records("contacts"))[:250]:
        portal.update("contacts", id_, {"lastname": "Changed"})
    for id_ in list(portal.records("deals"))[:3]:
        portal.update("deals", id_, {"dealname": "Changed"})
    portal.clock.advance(300_000)
    foretold = steps(planned(warehouse))
    assert foretold["deals", "changes"]["rows"] == exactly(3)
    assert foretold["companies", "changes"]["rows"] == exactly(0)
    assert foretold["contacts", "changes"]["rows"] == exactly(250)
    assert ("contacts_to_deals", "changed_links") in foretold


def test_plan_names_missing_scopes(portal: Portal, warehouse: Warehouse) -> None:
    """A table that the token may not read is in the plan, with the scope that it lacks."""
    portal.reset(SeedSpec(seed=3, contacts=20, properties=5))
    scopes = frozenset({"crm.objects.contacts.read", "crm.schemas.contacts.read"})
    portal.settings.tokens = {DEFAULT_TOKEN: Token(scopes)}
    report = planned(warehouse, "contacts", "deals")
    foretold = steps(report)
    assert ("contacts", "backfill") in foretold
    assert "crm.objects.deals.read" in foretold["deals", "skip"]["reason"]
    assert [w for w in report.warnings if "deals" in w and "crm.objects.deals.read" in w]
    assert (report.status, report.exit_code) == ("partial", 3)
    everything = plan(SyncOptions(), config=warehouse.config)
    assert (everything.exit_code, len(everything.warnings)) == (0, 1)
    assert "custom objects" in everything.warnings[0]


def test_plan_only_counts(portal: Portal, warehouse: Warehouse) -> None:
    """No record is read: what is asked for is metadata and searches."""
    portal.reset(SeedSpec(seed=3, contacts=20, properties=5))
    portal.journal.clear()
    planned(warehouse)
    objects = [call for call in portal.journal if "/objects/" in call.path]
    assert objects
    assert all(call.path.endswith("/search") for call in objects)


def test_plan_of_another_portal_is_refused(portal: Portal, warehouse: Warehouse) -> None:
    """A token of another portal than the dataset's is a setting to correct."""
    warehouse.load(portal, FEW, "contacts")
    portal.account["portalId"] += 1
    with pytest.raises(ConfigError, match="SOURCES__HUBSPOT__ACCESS_TOKEN"):
        planned(warehouse, "contacts")


def test_plan_with_a_wrong_token(warehouse: Warehouse) -> None:
    """A refused token ends the plan as it would end the sync."""
    with pytest.raises(AuthError):
        planned(warehouse.with_settings(access_token="pat-na1-wrong"))  # noqa: S106 - refused


def test_people_see_quiet_tables_in_one_line(portal: Portal, warehouse: Warehouse) -> None:
    """Tables without a change are one line, bounds are two numbers, programs get all of it."""
    portal.reset(SeedSpec(seed=3, contacts=20, properties=5, companies=0, deals=0, tickets=0))
    section = planned(warehouse).sections[0]
    assert section.brief is not None
    first = [row for row in section.brief if row[0] == "contacts"]
    low, high = map(int, first[1][4].split("-"))
    assert 0 < low < high
    warehouse.sync()
    section = planned(warehouse).sections[0]
    assert section.brief is not None
    assert "4 other tables" in [row[0] for row in section.brief]
    assert len([row for row in section.rows if row[1] == "changes"]) == 4


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        pytest.param({}, 0, id="nothing"),
        pytest.param({"interval": 540}, 1, id="one-budget"),
        pytest.param({"interval": 540, "search": 540}, 2, id="side-by-side"),
        pytest.param({"interval": 540, "associations": 5400}, 10, id="links-last-longest"),
    ],
)
def test_minutes(calls: dict[Budget, float], expected: float) -> None:
    """Budgets run side by side, so the longest decides."""
    assert minutes(calls, LIMITS) == pytest.approx(expected)


def test_plan_leaves_no_file(portal: Portal, warehouse: Warehouse, tmp_path: Path) -> None:
    """A plan for a warehouse that is not there yet leaves the folder as it was."""
    portal.reset(SeedSpec(seed=3, contacts=5, properties=5))
    planned(warehouse, "contacts")
    assert list(tmp_path.iterdir()) == []
