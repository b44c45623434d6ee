"""Verification: it says what a comparison id by id says, and repairs exactly that."""

import json
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from conftest import FEW, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import differences, link_differences

from pipelines.cli.output.report import RunReport
from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot_emulator.portal.store import Portal

OBJECTS = {"contacts": "contacts", "companies": "companies"}
LINKS = "contacts_to_companies"
PAIRS = {LINKS: ("contacts", "companies")}
HOUR_MS = 3_600_000
NOT_COMPARED = {table.name for one in ENDPOINTS.values() if one.own_reader for table in one.tables}
"""Reference tables that take several answers."""


def compare(warehouse: Warehouse, **options: Any) -> RunReport:
    """Verify the tables of these tests."""
    chosen = VerifyOptions(objects=tuple(OBJECTS), **options)
    return verify(chosen, collector=NULL_COLLECTOR, config=warehouse.config)


def results(report: RunReport) -> dict[str, dict[str, Any]]:
    """Return the rows of a report by table."""
    section = next(one for one in report.sections if one.name == "verification")
    rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    return {row["table"]: row for row in rows}


def damage(warehouse: Warehouse, *statements: str) -> None:
    """Run SQL that a sync never would."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("SET schema = 'hubspot'")
        for statement in statements:
            connection.execute(statement)


def twin(table: str, where: str, replaced: str = "") -> str:
    """Return SQL that adds a copy of the first row that meets a condition."""
    replace = f" REPLACE ({replaced})" if replaced else ""
    return f"INSERT INTO {table} BY NAME SELECT *{replace} FROM {table} WHERE {where} LIMIT 1"


@pytest.fixture
def synced(portal: Portal, warehouse: Warehouse) -> Warehouse:
    """A portal of 150 contacts and its warehouse."""
    warehouse.load(portal, replace(FEW, contacts=150), *OBJECTS)
    return warehouse


def test_equal_tables_are_called_equal(synced: Warehouse) -> None:
    """After a sync verification finds nothing, says so in a row per table and ends with 0."""
    report = compare(synced)
    assert (report.exit_code, report.error) == (0, None)
    found = results(report)
    assert {name for name, row in found.items() if row["result"] != "equal"} == NOT_COMPARED
    assert found["contacts"]["portal"] == found["contacts"]["counted"]
    assert found["contacts"]["portal"] == found["contacts"]["used"]
    assert found["contacts"]["portal"] == found["contacts"]["warehouse"] > 100
    assert found["contacts_to_companies"]["portal"] > 100
    rows = synced.rows("SELECT table_name, result, portal FROM _hs_verifications")
    assert {(table, row["result"], row["portal"]) for table, row in found.items()} == {*rows}
    runs = synced.rows("SELECT command, exit_code FROM _hs_runs ORDER BY started_at")
    assert runs == [("sync", 0), ("verify", 0)]


def test_damage_is_found_and_repaired(portal: Portal, synced: Warehouse) -> None:
    """Rows that were deleted, invented, doubled, aged or altered are named; repair mends them.

    So are links that were deleted, invented, doubled or relabelled, by where they begin.
    """
    ids = sorted(portal.records("contacts"))
    linked = sorted({a for a, *_ in portal.associations("contacts", "companies")} - {*ids[:5]})
    dead = sorted(portal.records("contacts", archived=True))
    one = "id IN (SELECT min(id) FROM contacts WHERE _hs_deletion = '{}')"
    damage(
        synced,
        f"DELETE FROM contacts WHERE id = '{ids[0]}'",
        twin("contacts", f"id = '{ids[1]}'", "'999' AS id"),
        twin("contacts", f"id = '{ids[1]}'", "'odd' AS id"),
        twin("contacts", f"id = '{ids[2]}'"),
        f"UPDATE contacts SET _hs_updated_at = '2020-01-01 00:00:00Z' WHERE id = '{ids[3]}'",
        f"UPDATE contacts SET firstname = 'Nobody' WHERE id = '{ids[4]}'",
        twin("contacts", f"id = '{dead[1]}'"),
        f"UPDATE contacts SET firstname = 'Nobody' WHERE id = '{dead[1]}'",
        f"UPDATE contacts SET _hs_deleted_at = '2020-01-01 00:00:00Z' WHERE id = '{dead[2]}'",
        f"DELETE FROM contacts WHERE {one.format('merged')}",
        f"DELETE FROM contacts WHERE {one.format('archived')}",
        f"DELETE FROM {LINKS} WHERE from_id = '{linked[0]}'",
        twin(LINKS, f"from_id = '{linked[1]}'", "'999' AS to_id"),
        twin(LINKS, f"from_id = '{linked[1]}'", "'77' AS from_id"),
        f"UPDATE {LINKS} SET label = 'Nonsense' WHERE from_id = '{linked[2]}'",
        twin(LINKS, f"from_id = '{linked[3]}'"),
    )
    report = compare(synced)
    row = results(report)["contacts"]
    assert report.exit_code == 8
    assert {*row["ids"]["extra"]} == {"999", "odd", ids[2], dead[1]}
    assert (row["ids"]["stale"], {*row["ids"]["wrong"]}) == ([ids[3]], {ids[4], *dead[1:3]})
    assert ids[0] in row["ids"]["missing"]
    assert len(row["ids"]["missing"]) == 3
    links = results(report)[LINKS]["ids"]
    assert links["missing"] == [linked[0]]
    assert {*links["extra"]} == {linked[1], "77", linked[3]}
    assert links["wrong"] == [linked[2]]
    kept = synced.rows("SELECT ids, result FROM _hs_verifications WHERE table_name = 'contacts'")
    assert (json.loads(kept[0][0]), kept[0][1]) == (row["ids"], "differs")
    repaired = compare(synced, repair=True)
    assert repaired.exit_code == 0
    assert results(repaired)["contacts"]["result"] == "repaired"
    assert results(repaired)["contacts"]["repaired"] == 10
    assert compare(synced).exit_code == 0
    assert differences(portal, synced, OBJECTS) == []
    assert link_differences(portal, synced, PAIRS) == []
    doubled = "SELECT id FROM contacts GROUP BY id HAVING count(*) > 1"
    assert synced.rows(doubled) == []


def test_links_to_archived_records_are_no_difference(portal: Portal, warehouse: Warehouse) -> None:
    """Where HubSpot names archived ends, verify leaves their links out, as a sync does."""
    portal.reset(replace(FEW, archived=0))
    portal.settings.archived_ends = True
    contact, firm = next((a, b) for a, b, *_ in portal.associations("contacts", "companies"))
    portal.archive("companies", firm)
    warehouse.sync(*OBJECTS)
    assert warehouse.rows(f"SELECT * FROM {LINKS} WHERE to_id = '{firm}'") == []
    assert compare(warehouse).exit_code == 0
    damage(warehouse, twin(LINKS, f"to_id <> '{firm}'", f"'{contact}' AS from_id"))
    assert compare(warehouse, repair=True).exit_code == 0
    assert link_differences(portal, warehouse, PAIRS) == []


def test_repair_that_changed_nothing_does_not_advise_itself(
    portal: Portal, synced: Warehouse
) -> None:
    """What differs after a repair as well comes with what to do instead of one more repair."""
    contact, firm = next((a, b) for a, b, *_ in portal.associations("contacts", "companies"))
    damage(synced, f"DELETE FROM {LINKS} WHERE from_id = '{contact}'")
    report = compare(synced)
    assert "verify --repair" in str(report.remedy)
    repair = 3  # after the check and its second look
    portal.mutations.add(
        when="after",
        path="/associations/2026-03/contacts/companies/batch/read",
        nth=repair,
        operations=lambda p: p.dissociate("contacts", contact, "companies", firm),
    )
    report = compare(synced, repair=True)
    assert report.exit_code == 8
    assert "verify --repair" not in str(report.remedy)
    assert f"state reset --table {LINKS}" in str(report.remedy)


def test_links_that_one_side_tells_are_repaired(portal: Portal, warehouse: Warehouse) -> None:
    """Links that HubSpot shows from their target only are read from there by a repair, too."""
    portal.reset(replace(FEW, archived=0))
    portal.settings.one_way = [("contacts", "companies")]
    warehouse.sync(*OBJECTS)
    warehouse.sync(*OBJECTS, links=True)
    every = f"SELECT from_id, to_id, type_id, label FROM {LINKS} ORDER BY ALL"
    links = warehouse.rows(every)
    damage(warehouse, f"DELETE FROM {LINKS} WHERE from_id IN (SELECT min(from_id) FROM {LINKS})")
    report = compare(warehouse, repair=True)
    assert (report.exit_code, results(report)[LINKS]["result"]) == (0, "repaired")
    assert len(links) > 50
    assert warehouse.rows(every) == links


def test_changes_since_the_sync_are_stale_until_repaired(portal: Portal, synced: Warehouse) -> None:
    """What changed in the portal after the last sync is told, by kind, and repaired."""
    ids = sorted(portal.records("contacts"))
    portal.update("contacts", ids[0], {"firstname": "New"})
    portal.archive("contacts", ids[1])
    portal.purge("contacts", ids[2])
    survivor = portal.merge("contacts", ids[3], ids[4])
    fresh = portal.create("contacts", {"email": "fresh@example.com"})
    portal.clock.advance(HOUR_MS)
    found = results(compare(synced))["contacts"]["ids"]
    assert found["stale"] == [ids[0]]
    assert {*found["extra"]} == {*ids[1:5]}
    assert {*found["missing"]} == {survivor, fresh}
    assert compare(synced, repair=True).exit_code == 0
    assert differences(portal, synced, OBJECTS) == []
    assert synced.table("contacts")[ids[2]]["_hs_deletion"] == "purged"
    assert synced.table("contacts")[ids[3]]["_hs_merged_into"] == survivor
    steps = plan(SyncOptions(objects=OBJECTS), config=synced.config).sections[0].rows
    assert not any("did not come to its end" in str(step) for step in steps)  # the last sync did


def test_changes_during_verification_are_no_differences(portal: Portal, synced: Warehouse) -> None:
    """A record that is edited, created, archived or merged while it is compared is none."""
    portal.clock.advance(HOUR_MS)

    def change(portal: Portal) -> None:
        ids = sorted(portal.records("contacts"))
        portal.clock.advance(5_000)
        portal.update("contacts", ids[0], {"firstname": "Now"})
        portal.archive("contacts", ids[1])
        portal.merge("contacts", ids[2], ids[3])
        portal.create("contacts", {"email": "now@example.com"})

    for path in (r"/objects/2026-03/contacts\?", "/contacts/batch/read"):
        portal.mutations.add(when="before", path=path, nth=1, operations=change)
    report = compare(synced)
    assert (report.exit_code, results(report)["contacts"].get("ids")) == (0, {})


def test_every_value_is_compared_on_demand(portal: Portal, synced: Warehouse) -> None:
    """With a sample of all, one altered value among all of them is found, for no more pages."""
    one = sorted(portal.records("contacts"))[77]
    damage(synced, f"UPDATE contacts SET lastname = 'Altered' WHERE id = '{one}'")
    assert compare(synced, sample=0).exit_code == 0
    report = compare(synced, sample=-1)
    assert results(report)["contacts"]["ids"] == {"wrong": [one]}
    assert report.exit_code == 8


def test_sync_verifies_afterwards(portal: Portal, synced: Warehouse) -> None:
    """`sync --verify` adds the comparison to its report and keeps the row of the sync."""
    portal.clock.advance(HOUR_MS)
    report = synced.sync(*OBJECTS, verify=True)
    equal = {name for name, row in results(report).items() if row["result"] == "equal"}
    assert results(report).keys() - equal == NOT_COMPARED
    assert synced.rows("SELECT DISTINCT command FROM _hs_runs") == [("sync",)]


def test_tombstones_are_not_missed_where_none_are_kept(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A warehouse that keeps no tombstones is equal without them, and repaired without them."""
    warehouse.load(portal, FEW, *OBJECTS, hard_delete=True)
    assert compare(warehouse).exit_code == 0
    portal.archive("contacts", min(portal.records("contacts")))
    portal.clock.advance(HOUR_MS)
    assert compare(warehouse, repair=True).exit_code == 0
    assert warehouse.table("contacts").keys() == portal.records("contacts").keys()
