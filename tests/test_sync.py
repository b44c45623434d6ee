"""What a sync leaves in the warehouse: everything, once, and nothing that is not there."""

from datetime import timedelta

import duckdb
import pytest
from conftest import FEW, Warehouse
from dlt.common.versioned_state import decompress_state
from truth import differences, link_differences, tables

from sources.hubspot.catalog.endpoints import ENDPOINT_OF, ENDPOINTS, TABLES
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

OBJECTS = {
    "contacts": "contacts",
    "companies": "companies",
    "deals": "deals",
    "tickets": "tickets",
    "custom_vehicle": "vehicle",
    "custom_subscription_plan": "subscription_plan",
}
PAIRS = {
    "contacts_to_companies": ("contacts", "companies"),
    "contacts_to_deals": ("contacts", "deals"),
    "companies_to_deals": ("companies", "deals"),
    "contacts_to_contacts": ("contacts", "contacts"),
    "contacts_to_custom_vehicle": ("contacts", "vehicle"),
}


MANY = SeedSpec(seed=3, contacts=1_100, properties=40)
SOME = SeedSpec(seed=3, contacts=150, properties=40)


def test_first_sync_is_complete_and_the_next_one_idle(portal: Portal, warehouse: Warehouse) -> None:
    """After the first sync every record, value, tombstone and link of the portal is there.

    When nothing changed, the next one asks once per object type and once per small pair, and for
    metadata; pairs without a link, and those of more than 1,000 records, are left out. No table is
    cleaned up again.
    """
    portal.reset(MANY)
    report = warehouse.sync(*OBJECTS)
    assert (report.status, report.exit_code) == ("ok", 0)
    assert differences(portal, warehouse, OBJECTS) == []
    assert link_differences(portal, warehouse, PAIRS) == []
    portal.journal.clear()
    report = warehouse.sync(*OBJECTS)
    asked = [r for r in portal.journal if "/objects/" in r.path]
    assert len(asked) <= len(OBJECTS)
    assert all(r.path.endswith("/search") for r in asked)
    assert sum(report.tables[table].rows for table in OBJECTS) == 0
    paths = [r.path for r in portal.journal if "/associations/" in r.path]
    pairs = {frozenset(path.split("/")[4:6]) for path in paths}
    linked = "SELECT count(*) FROM duckdb_tables() WHERE contains(table_name, '_to_')"
    linked += " AND schema_name = 'hubspot' AND estimated_size > 0"
    assert len(pairs) == warehouse.rows(linked)[0][0]
    assert len(paths) <= len(pairs) + 2  # a firm of two pages, labels with a name for each end
    states = "SELECT state FROM _dlt_pipeline_state ORDER BY version DESC LIMIT 1"
    state = decompress_state(warehouse.rows(states)[0][0])["sources"]["hubspot"]
    assert OBJECTS.keys().isdisjoint(state.get("pending_cleanup", ()))


def test_first_load_merges_nothing(portal: Portal, warehouse: Warehouse) -> None:
    """The first load of a dataset goes into its tables at once, and brings every row once."""
    warehouse.load(portal, SOME, *OBJECTS)
    schemas = {name for (name,) in warehouse.rows("SELECT schema_name FROM duckdb_schemas()")}
    assert "hubspot" in schemas
    assert "hubspot_staging" not in schemas
    for table in PAIRS.keys() & tables(warehouse):
        assert warehouse.rows(f"SELECT * FROM {table} WHERE _hs_no_links IS NOT NULL") == []
    of_records = [name for name, one in ENDPOINT_OF.items() if ENDPOINTS[one].group == CRM]
    keys = {name: TABLES[name].keys for name in of_records} | {
        "_hs_rejected_values": ("table_name", "id", "property")
    }
    for table, key in keys.items():
        count = f"SELECT count(*), count(DISTINCT ({', '.join(key)})) FROM {table}"
        ((rows, distinct),) = warehouse.rows(count)
        assert rows == distinct > 0, table


@pytest.mark.parametrize(
    "emptied", [("_dlt_version",), ("contacts", "companies")], ids=["by_hand", "by_a_kill"]
)
def test_rows_that_no_state_tells_of_are_replaced(
    portal: Portal, warehouse: Warehouse, emptied: tuple[str, ...]
) -> None:
    """Where dlt's tables were emptied, or a first load was killed, nothing is doubled."""
    warehouse.load(portal, FEW, "contacts", "companies")
    with duckdb.connect(str(warehouse.path)) as connection:
        for table in ("_dlt_pipeline_state", "_dlt_loads", *emptied):
            connection.execute(f"DELETE FROM hubspot.{table}")
    assert warehouse.sync("contacts", "companies").exit_code == 0
    both = {table: table for table in ("contacts", "companies")}
    for table, key in {"contacts": ("id",), "properties": TABLES["properties"].keys}.items():
        doubled = f"SELECT 1 FROM {table} GROUP BY {', '.join(key)} HAVING count(*) > 1"
        assert warehouse.rows(doubled) == [], table
    assert differences(portal, warehouse, both) == []
    assert link_differences(portal, warehouse, {"contacts_to_companies": tuple(both)}) == []


def test_second_sync_brings_every_change(portal: Portal, warehouse: Warehouse) -> None:
    """Edits, creations, archives, merges, new and removed links are there after the next sync."""
    warehouse.load(portal, SOME, *OBJECTS)
    change(portal)
    warehouse.sync(*OBJECTS)
    assert differences(portal, warehouse, OBJECTS) == []
    assert link_differences(portal, warehouse, PAIRS) == []


def test_one_table_at_a_time(portal: Portal, warehouse: Warehouse) -> None:
    """Tables loaded one by one, as a scheduler does, end with the same rows and links."""
    portal.reset(FEW)
    tables = ("contacts", "companies")
    for table in (*tables, *tables):
        assert warehouse.sync(*tables, only=(table,)).exit_code == 0
    objects = {table: table for table in tables}
    assert differences(portal, warehouse, objects) == []
    pairs = {table: ends for table, ends in PAIRS.items() if {*ends} <= {*tables}}
    assert link_differences(portal, warehouse, pairs) == []


def change(portal: Portal) -> None:
    """Do to the portal what people do to it in a day."""
    contacts, companies = list(portal.records("contacts")), list(portal.records("companies"))
    portal.update("contacts", contacts[5], {"firstname": "Ada", "lastname": ""})
    portal.archive("contacts", contacts[7])
    portal.archive("companies", companies[3])
    new = portal.create("contacts", {"email": "new@example.com"})
    firm = portal.create("companies", {"name": "New Ltd"})
    portal.associate("contacts", new, "companies", firm)
    portal.associate("contacts", contacts[20], "companies", firm)
    portal.associate("contacts", contacts[30], "companies", companies[4])
    portal.merge("contacts", contacts[11], contacts[12])
    portal.clock.advance(timedelta(minutes=5).total_seconds() * 1000)
