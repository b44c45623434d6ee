"""A warehouse that people have touched is made whole by the next sync, which says what was gone."""

from datetime import UTC, datetime

import duckdb
import pytest
import test_postgres
from conftest import DAY_MS, FEW, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from test_postgres import Postgres
from truth import differences, link_differences

from pipelines.commands.doctor import doctor
from pipelines.commands.plan import plan
from pipelines.commands.state import changing_pipeline
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.session import opened
from pipelines.runtime.stored import commit
from sources.hubspot.catalog.endpoints import ENDPOINT_OF, ENDPOINTS
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot.errors import ConfigError, VerificationError
from sources.hubspot.model import REJECTS
from sources.hubspot.warehouse.run_log import COLUMNS, VERIFICATIONS
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

postgres = test_postgres.postgres
OBJECTS = {
    "contacts": "contacts",
    "companies": "companies",
    "deals": "deals",
    "tickets": "tickets",
    "custom_vehicle": "vehicle",
}
PAIRS = {
    f"{source}_to_{target}": (OBJECTS[source], OBJECTS[target])
    for source, target in (
        ("contacts", "companies"),
        ("contacts", "deals"),
        ("contacts", "tickets"),
        ("companies", "deals"),
        ("contacts", "custom_vehicle"),
    )
}

TOUCHED: dict[str, tuple[str, str]] = {
    "companies": ("DROP TABLE companies", "companies: The table was gone"),
    "contacts_to_deals": ("DROP TABLE contacts_to_deals", "contacts_to_deals: The table was gone"),
    "contacts": (
        "ALTER TABLE contacts DROP COLUMN email; ALTER TABLE contacts RENAME jobtitle TO position",
        "contacts: Columns were gone in the warehouse: email, jobtitle.",
    ),
    "deals": (
        "ALTER TABLE deals DROP COLUMN _hs_updated_at",
        "deals: Columns were gone in the warehouse: _hs_updated_at.",
    ),
    "tickets": (
        "ALTER TABLE tickets RENAME id TO ticket_id",
        "tickets: The table had lost its key",
    ),
    "custom_vehicle": (
        "ALTER TABLE custom_vehicle RENAME TO vehicles",
        "custom_vehicle: The table",
    ),
    "contacts_to_tickets": (
        "ALTER TABLE contacts_to_tickets DROP COLUMN label",
        "contacts_to_tickets: Columns were gone in the warehouse: label.",
    ),
    "owners": ("DROP TABLE owners", "owners: The table was gone in the warehouse"),
    "pipelines": ("DROP TABLE pipelines", "pipelines: The table was gone in the warehouse"),
    "_hs_columns": ("DROP TABLE _hs_columns", "_hs_columns: The table was gone"),
    "properties": (
        "ALTER TABLE properties DROP COLUMN label",
        "properties: Columns were gone in the warehouse: label.",
    ),
    "_hs_runs": (
        "ALTER TABLE _hs_runs RENAME run_id TO id",
        "_hs_runs: The table had lost its key column in the warehouse",
    ),
    "_hs_run_tables": ("DROP TABLE _hs_run_tables", "_hs_run_tables: The table was gone"),
}
"""By table: what somebody does to it, and what the next sync says of it."""

COPIED = ("owners", "pipelines", "_hs_columns", "properties")
"""Reference tables, which are to be as they were."""


def touch(warehouse: Warehouse, *statements: str) -> None:
    """Run statements on the dataset, as a person would."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("SET schema = 'hubspot'")
        for statement in statements:
            connection.execute(statement)


def seed(portal: Portal) -> None:
    """Fill a portal with all that a table may hold: archived, merged, purged, linked records."""
    counts = {"contacts": 60, "companies": 15, "deals": 15, "tickets": 15}
    portal.reset(SeedSpec(**counts, properties=20, custom_objects=0, handful=False, archived=0.1))
    portal.clock.freeze(midnight_ms(portal))  # what is made here is the same in each test
    portal.create_custom_object("vehicle")
    for kind in OBJECTS.values():
        portal.create_property(kind, {"name": "size", "type": "number", "fieldType": "number"})
    ids = portal.table("contacts").ids()
    cars = [portal.create("vehicle", {"name": f"Car {n}", "size": "n/a"}) for n in range(3)]
    for one, car in zip(ids, cars, strict=False):
        portal.update("contacts", one, {"size": "12", "jobtitle": "Engineer"})
        portal.associate("contacts", one, "vehicle", car)
    portal.merge("contacts", ids[10], ids[11])
    portal.clock.resume()
    portal.clock.advance(10_000)  # what changed a moment ago is read again


def midnight_ms(portal: Portal) -> int:
    """Return when the day began."""
    return portal.clock.now_ms() // DAY_MS * DAY_MS


def loaded(portal: Portal, warehouse: Warehouse) -> None:
    """Fill the portal and sync all tables, or copy the file of the test that did the same."""
    seed(portal)
    what = ("what may be damaged", midnight_ms(portal))
    warehouse.once(what, lambda: warehouse.sync(*OBJECTS))
    assert wrong(portal, warehouse) == []


def wrong(portal: Portal, warehouse: Warehouse) -> list[str]:
    """List how the warehouse differs from the portal."""
    return differences(portal, warehouse, OBJECTS) + link_differences(portal, warehouse, PAIRS)


def copies(warehouse: Warehouse) -> dict[str, list[dict[str, object]]]:
    """Return the rows of the reference tables, whatever the order of their columns."""
    found: dict[str, list[dict[str, object]]] = {}
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        for name in COPIED:
            rows = connection.execute(f"SELECT * FROM hubspot.{name}")
            columns = [column[0] for column in rows.description or ()]
            named = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
            own = {"_hs_empty", "_hs_synced_at"}
            content = [{c: v for c, v in row.items() if c not in own} for row in named]
            found[name] = sorted(content, key=lambda row: str(sorted(row.items())))
    return found


def assert_idle(warehouse: Warehouse, *objects: str) -> None:
    """Another sync finds nothing to do."""
    report = warehouse.sync(*objects)
    brought = {name: outcome.rows for name, outcome in report.tables.items() if outcome.rows}
    assert (report.exit_code, brought, report.warnings) == (0, {}, [])


def test_what_was_touched_is_made_whole(portal: Portal, warehouse: Warehouse) -> None:
    """Tables and columns that were dropped or renamed come back, filled, and the report says so."""
    loaded(portal, warehouse)
    before = copies(warehouse)
    touch(warehouse, *(statement for statement, _ in TOUCHED.values()))
    touch(warehouse, "DROP SCHEMA IF EXISTS hubspot_staging CASCADE")
    report = warehouse.sync(*OBJECTS)
    assert (report.exit_code, report.status) == (0, "ok"), report.error
    said = "\n".join(report.warnings)
    assert [text for _, text in TOUCHED.values() if text not in said] == []
    assert wrong(portal, warehouse) == []
    assert copies(warehouse) == before
    told = "SELECT count(*) FROM _hs_run_tables WHERE error LIKE '%in the warehouse%'"
    assert warehouse.rows(told) == [(len(TOUCHED),)]
    assert_idle(warehouse, *OBJECTS)


SYSTEM = {
    "loads, and a column of the state": "DROP TABLE _dlt_loads;"
    " ALTER TABLE _dlt_pipeline_state DROP COLUMN engine_version",
    "all of dlt's": "DROP TABLE _dlt_loads; DROP TABLE _dlt_version;"
    "DROP TABLE _dlt_pipeline_state; DROP SCHEMA IF EXISTS hubspot_staging CASCADE",
}
"""What of dlt's own a person may take away."""


def test_dlt_tables_that_are_gone(portal: Portal, warehouse: Warehouse) -> None:
    """Without dlt's tables no row is doubled, lost or left behind, and changes still arrive."""
    objects = {name: OBJECTS[name] for name in ("contacts", "custom_vehicle")}
    pairs = {"contacts_to_custom_vehicle": ("contacts", "vehicle")}
    portal.reset(SeedSpec(contacts=12, properties=12, custom_objects=0, handful=False))
    portal.create_custom_object("vehicle")
    portal.create_property("contacts", {"name": "size", "type": "number", "fieldType": "number"})
    car = portal.create("vehicle", {"name": "Car"})
    first, *others = portal.table("contacts").ids()
    portal.update("contacts", first, {"size": "12"})
    for one in (first, *others):
        portal.associate("contacts", one, "vehicle", car)
    warehouse.sync(*objects)
    portal.update_property("contacts", "size", {"type": "string", "fieldType": "text"})
    warehouse.sync(*objects, refresh_schema=True)
    for name, statement in SYSTEM.items():
        portal.clock.advance(60_000)
        touch(warehouse, statement)
        portal.purge("contacts", others.pop())
        portal.dissociate("contacts", others.pop(), "vehicle", car)
        portal.update("contacts", first, {"size": name, "email": "ada@example.com"})
        portal.clock.advance(3_600_000)
        report = warehouse.sync(*objects, links=True)
        assert report.exit_code == 0, report.error
        assert any("gone" in warning for warning in report.warnings)
        found = differences(portal, warehouse, objects)
        assert [line for line in found if " size: " not in line] == []  # of the older type
        sizes = "SELECT size, size_string FROM contacts WHERE id = ?"
        assert warehouse.rows(sizes, str(first)) == [(None, name)]
        assert link_differences(portal, warehouse, pairs) == []
        doubled = "SELECT id FROM contacts GROUP BY id HAVING count(*) > 1"
        assert warehouse.rows(doubled) == []
    assert_idle(warehouse, *objects)


def test_type_that_was_changed(portal: Portal, warehouse: Warehouse) -> None:
    """A column of another type ends the sync with its name; dropped, it comes back filled."""
    warehouse.load(portal, FEW, "contacts")
    touch(warehouse, "ALTER TABLE contacts ALTER createdate TYPE VARCHAR")
    with pytest.raises(ConfigError, match=r"contacts\.createdate is of type text") as refused:
        warehouse.sync("contacts")
    assert "drop it" in refused.value.remedy
    touch(warehouse, "ALTER TABLE contacts DROP COLUMN createdate")
    assert warehouse.sync("contacts").exit_code == 0
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []


def test_place_of_a_table_that_is_taken(portal: Portal, warehouse: Warehouse) -> None:
    """What stands where a table was is named by doctor and sync; dropped, the table is filled."""
    tables = {"contacts": "contacts", "companies": "companies"}
    warehouse.load(portal, FEW, *tables)
    touch(
        warehouse,
        "ALTER TABLE contacts RENAME TO kept",
        "CREATE VIEW contacts AS SELECT * FROM kept",
        "ALTER TABLE companies RENAME TO moved",
        'ALTER TABLE moved RENAME TO "Companies"',
    )
    report = doctor(SyncOptions(tuple(tables)), config=warehouse.config)
    with pytest.raises(ConfigError) as refused:
        warehouse.sync(*tables)
    shown = str([row[2] for row in report.sections[0].rows])
    for said in (
        "contacts is a view instead of a table",
        "companies is spelled Companies",
    ):
        assert said in shown
        assert said in str(refused.value)
    assert "drop it" in refused.value.remedy
    touch(warehouse, "DROP VIEW contacts", "DROP TABLE companies")
    assert warehouse.sync(*tables).exit_code == 0
    assert differences(portal, warehouse, tables) == []


EMPTIED = (
    *("account", "object_types", "owners", "pipelines", "pipeline_stages"),
    *("properties", "property_options", "_hs_columns"),
)


def test_reference_tables_without_rows(portal: Portal, warehouse: Warehouse) -> None:
    """Reference tables that somebody emptied are filled again; doctor and verify name them."""
    warehouse.load(portal, FEW)
    before = {name: warehouse.rows(f"SELECT count(*) FROM {name}") for name in EMPTIED}
    touch(warehouse, *(f"DELETE FROM {name}" for name in EMPTIED))
    report = doctor(SyncOptions(("contacts",)), config=warehouse.config)
    assert any("all rows of owners" in row[2] for row in report.sections[0].rows)
    with pytest.raises(VerificationError, match="all rows of account"):
        verify(VerifyOptions(), collector=NULL_COLLECTOR, config=warehouse.config)
    report = warehouse.sync()
    said = "\n".join(report.warnings)
    assert [name for name in EMPTIED if f"{name}: The table had lost all rows" not in said] == []
    assert {name: warehouse.rows(f"SELECT count(*) FROM {name}") for name in EMPTIED} == before
    assert_idle(warehouse)


def test_kill_after_the_repair(portal: Portal, warehouse: Warehouse) -> None:
    """What a run that was killed has made again, empty, the next one fills.

    It does for archived records too, where HubSpot's clock shows no time since they were swept.
    """
    loaded(portal, warehouse)
    portal.clock.freeze()
    touch(warehouse, "DROP TABLE contacts", "ALTER TABLE deals DROP COLUMN dealname")
    with opened(RunLog("sync"), NULL_COLLECTOR, warehouse.config):
        pass
    assert warehouse.rows("SELECT count(*) FROM contacts") == [(0,)]
    assert warehouse.sync(*OBJECTS).exit_code == 0
    assert wrong(portal, warehouse) == []


def test_other_commands_name_what_is_gone(portal: Portal, warehouse: Warehouse) -> None:
    """`doctor`, `plan` and `verify` name what is gone, and leave it to a sync to make it again."""
    warehouse.load(portal, FEW, "contacts")
    touch(warehouse, "DROP TABLE owners", "ALTER TABLE contacts DROP COLUMN email")
    report = doctor(SyncOptions(("contacts",)), config=warehouse.config)
    found = next(row for row in report.sections[0].rows if row[0] == "tables")
    assert found[1] == "warning"
    assert "owners, contacts.email" in found[2]
    with pytest.raises(VerificationError, match=r"owners, contacts\.email"):
        verify(VerifyOptions(), collector=NULL_COLLECTOR, config=warehouse.config)
    touch(warehouse, "DROP TABLE contacts")
    report = plan(SyncOptions(("contacts",)), config=warehouse.config)
    assert "lacks owners, contacts" in report.warnings[0]
    assert ("contacts", "backfill") in {row[:2] for row in report.sections[0].rows}
    touch(warehouse, "DROP TABLE _dlt_loads")
    report = doctor(SyncOptions(("contacts",)), config=warehouse.config)
    assert any("state" in row[2] and row[1] == "warning" for row in report.sections[0].rows)


def test_documented_tables_exist_from_the_first_run_on(
    portal: Portal, warehouse: Warehouse
) -> None:
    """Every documented table is there, though empty; none of a type that the token may not read."""
    portal.create("contacts", {"email": "ada@example.com"})
    portal.faults.add(path="/tickets", status=403, times=1_000)
    warehouse.sync("contacts", "deals", "tickets")
    held = tables(warehouse)
    of_records = {name for name, one in ENDPOINT_OF.items() if ENDPOINTS[one].group == CRM}
    documented = {*of_records, *COLUMNS, REJECTS, VERIFICATIONS, "contacts", "deals"}
    assert documented - held.keys() == set()
    assert "tickets" not in held
    assert {"id", "_hs_created_at", "_hs_deleted_at"} <= held["deals"]
    assert "dealname" not in held["deals"]  # the columns of properties come with the first record
    assert [name for name in held if "_to_" in name] == []
    with changing_pipeline("duckdb", "hubspot") as pipeline:  # as an older version left it
        at = datetime.now(UTC)
        commit(pipeline, lambda state: state.table("quotes").finish(at, at, 0))
    portal.clock.advance(3_600_000)
    assert warehouse.sync("contacts", "deals", "quotes").exit_code == 0
    assert warehouse.rows("SELECT (SELECT count(*) FROM deals), count(*) FROM quotes") == [(0, 0)]
    before = warehouse.rows("SELECT version_hash FROM _dlt_version")
    assert_idle(warehouse, "contacts", "deals", "quotes")
    assert warehouse.rows("SELECT version_hash FROM _dlt_version") == before
    portal.create("deals", {"dealname": "First"})
    portal.clock.advance(3_600_000)
    assert warehouse.sync("contacts", "deals", "quotes").exit_code == 0
    assert differences(portal, warehouse, {"contacts": "contacts", "deals": "deals"}) == []


def tables(warehouse: Warehouse) -> dict[str, set[str]]:
    """Return the columns of every table of the dataset."""
    sql = "SELECT table_name, column_name FROM information_schema.columns"
    held: dict[str, set[str]] = {}
    for table, column in warehouse.rows(f"{sql} WHERE table_schema = 'hubspot'"):
        held.setdefault(table, set()).add(column)
    return held


def test_what_was_touched_in_postgres(portal: Portal, postgres: Postgres) -> None:
    """PostgreSQL's tables come back as well; a view that holds on to one is named."""
    seed(portal)
    assert postgres.sync(*OBJECTS).exit_code == 0
    portal.update("contacts", portal.table("contacts").ids()[0], {"jobtitle": "Chief"})
    portal.clock.advance(5_000)  # what changed just now is read once more
    assert postgres.sync(*OBJECTS).exit_code == 0  # this one makes the staging dataset
    postgres.rows(
        "DROP TABLE companies; ALTER TABLE contacts DROP COLUMN email;"
        "ALTER TABLE contacts_to_deals RENAME TO mine; ALTER TABLE tickets RENAME id TO old;"
        "ALTER TABLE hubspot_staging.contacts DROP COLUMN jobtitle; DROP TABLE owners;"
        "CREATE VIEW ours AS SELECT old FROM tickets; ALTER TABLE deals RENAME TO kept;"
        "CREATE MATERIALIZED VIEW deals AS SELECT * FROM kept;"
        'ALTER TABLE contacts RENAME jobtitle TO "JobTitle"; COMMIT; SELECT 1'
    )
    with pytest.raises(ConfigError, match=r"deals is a view .*, contacts\.jobtitle is spelled Job"):
        postgres.sync(*OBJECTS)
    postgres.rows(
        'DROP MATERIALIZED VIEW deals; ALTER TABLE contacts DROP COLUMN "JobTitle";COMMIT; SELECT 1'
    )
    with pytest.raises(ConfigError, match="depend on it"):
        postgres.sync(*OBJECTS)
    postgres.rows("DROP VIEW ours; COMMIT; SELECT 1")
    report = postgres.sync(*OBJECTS)
    said = "\n".join(report.warnings)
    assert report.exit_code == 0, report.error
    gone = ("companies", "contacts", "contacts_to_deals", "tickets", "owners")
    assert [name for name in gone if f"{name}: " not in said] == []
    assert wrong(portal, postgres) == []
    report = postgres.sync(*OBJECTS)
    assert (report.exit_code, report.rows, report.warnings) == (0, 0, [])


TRIGGER = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no changes, please'; END $$;
    CREATE TRIGGER guard BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION refuse();
    COMMIT; SELECT 1
"""


def test_trigger_of_somebody(portal: Portal, postgres: Postgres) -> None:
    """A trigger that refuses rows ends a sync with what to do about it."""
    portal.create("contacts", {"email": "ada@example.com"})
    assert postgres.sync("contacts").exit_code == 0
    postgres.rows(TRIGGER)
    portal.create("contacts", {"email": "bob@example.com"})
    report = postgres.sync("contacts")
    assert (report.exit_code, "no changes, please" in (report.error or "")) == (2, True)
    assert "trigger" in report.remedy


def test_constraint_of_somebody(portal: Portal, warehouse: Warehouse) -> None:
    """A constraint that refuses rows ends a sync with what to do about it."""
    portal.create("contacts", {"email": "ada@example.com"})
    warehouse.sync("contacts")
    touch(warehouse, "CREATE UNIQUE INDEX only_one ON contacts (_hs_archived)")
    portal.create("contacts", {"email": "bob@example.com"})
    report = warehouse.sync("contacts")
    assert (report.exit_code, "constraint" in (report.error or "")) == (2, True)
    assert "Drop the constraint" in report.remedy
    touch(warehouse, "DROP INDEX only_one")
    assert warehouse.sync("contacts").exit_code == 0
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []
