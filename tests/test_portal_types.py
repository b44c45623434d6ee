"""A portal's own object types: each keeps its table, and what becomes of it is told everywhere."""

from copy import deepcopy
from typing import Any

import duckdb
import pytest
from conftest import Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from test_isolation import write_state
from test_refusals import limited, refuse
from truth import differences, link_differences

from pipelines.cli.output.report import RunReport
from pipelines.commands.doctor import doctor
from pipelines.commands.plan import plan
from pipelines.commands.status import status
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.api.custom_schemas import CustomSchema
from sources.hubspot.errors import ConfigError, UnavailableError
from sources.hubspot.run.portal.portal_types import name_tables
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

VEHICLE = "custom_vehicle"
LINKS = "contacts_to_custom_vehicle"
SPEC = {"properties": 12, "handful": False, "custom_objects": 1}
LIVE = f"SELECT count(*) FROM {VEHICLE} WHERE _hs_deleted_at IS NULL"
PURGED = f"SELECT count(*) FROM {VEHICLE} WHERE _hs_deletion = 'purged'"


def seed(portal: Portal, **spec: Any) -> list[str]:
    """Seed a portal with contacts, vehicles, links among them and a pipeline of vehicles."""
    portal.reset(SeedSpec(contacts=20, **SPEC | spec))
    vehicle, contact = portal.type("vehicle"), next(iter(portal.records("contacts")))
    portal.pipelines[vehicle.type_id] = deepcopy(portal.pipelines["0-3"])
    vehicles = list(portal.records("vehicle"))
    vehicles = vehicles or [portal.create("vehicle", {"name": "Van"}, at="2025-02-01T00:00:00Z")]
    portal.associate("contacts", contact, "vehicle", vehicles[0])
    return vehicles


def loaded(portal: Portal, warehouse: Warehouse) -> list[str]:
    """Seed a portal and sync it; return the vehicles."""
    vehicles = seed(portal)
    warehouse.once("contacts and vehicles", lambda: warehouse.sync("contacts", "vehicle"))
    return vehicles


def said(report: RunReport) -> str:
    """Return all that a command told."""
    return f"{report.warnings} {report.error} {[section.rows for section in report.sections]}"


def test_type_that_is_deleted_and_created_again(portal: Portal, warehouse: Warehouse) -> None:
    """Rows of a type that is gone become tombstones, and its links and reference rows go.

    A new type of the same name has a table of its own, and no command takes one for the other.
    """
    vehicles = loaded(portal, warehouse)
    assert warehouse.rows(f"SELECT count(*) FROM {LINKS}")[0][0] > 0
    gone = portal.type("vehicle")
    portal.delete_custom_object("vehicle")
    again = portal.create_custom_object("vehicle")
    portal.create("vehicle", {"name": "New"})
    new = f"{VEHICLE}_{again[2:]}"
    behind = verify(VerifyOptions(), collector=NULL_COLLECTOR, config=warehouse.config)
    assert behind.exit_code == 8
    assert VEHICLE in said(behind)
    assert f"{VEHICLE}: HubSpot no longer has" in said(plan(SyncOptions(), config=warehouse.config))
    report = warehouse.sync("contacts")
    assert (report.exit_code, report.tables[VEHICLE].tombstones) == (0, len(vehicles))
    assert new in said(report)
    assert warehouse.rows(PURGED) == [(len(vehicles),)]
    assert warehouse.rows(f"SELECT count(*) FROM {LINKS}") == [(0,)]
    for table in ("properties", "property_options"):
        assert warehouse.rows(f"SELECT * FROM {table} WHERE object_type = ?", VEHICLE) == []
    for table in ("pipelines", "pipeline_stages"):
        live = f"SELECT * FROM {table} WHERE object_type = ? AND NOT _hs_archived"
        assert warehouse.rows(live, VEHICLE) == []
    assert warehouse.rows("SELECT * FROM association_labels WHERE pair = ?", LINKS) == []
    assert warehouse.rows("SELECT * FROM _hs_columns WHERE table_name = ?", VEHICLE) != []
    after = verify(VerifyOptions(), collector=NULL_COLLECTOR, config=warehouse.config)
    assert after.exit_code == 0
    for told in (after, doctor(SyncOptions(), config=warehouse.config), status()):
        assert VEHICLE in said(told)
        assert "no longer has object type" in said(told)
    gone_id = gone.type_id
    options = VerifyOptions((gone_id,))
    after = verify(options, collector=NULL_COLLECTOR, config=warehouse.config)
    assert (after.exit_code, after.error_name) == (4, "not_found")
    foretold = plan(SyncOptions((gone_id,)), config=warehouse.config)
    assert (foretold.exit_code, "no longer has object type" in said(foretold)) == (4, True)
    named = warehouse.sync("contacts", gone_id, new)
    assert (named.exit_code, named.tables[VEHICLE].status) == (4, "failed")
    assert "no longer has object type" in said(named)
    assert differences(portal, warehouse, {new: "vehicle"}) == []
    assert warehouse.rows(PURGED) == [(len(vehicles),)]


def test_name_of_a_type_that_was_created_again(portal: Portal, warehouse: Warehouse) -> None:
    """A sync of a type by its name goes on where the type is deleted and created again, even twice.

    The rows of the old type end, those of the new one come, and so do the links of a named pair.
    """
    vehicles = loaded(portal, warehouse)
    for name in ("vehicle", VEHICLE):
        portal.delete_custom_object("vehicle")
        new = f"{VEHICLE}_{portal.create_custom_object('vehicle')[2:]}"
        made = portal.create("vehicle", {"name": "New"})
        portal.associate("contacts", next(iter(portal.records("contacts"))), "vehicle", made)
        used = warehouse.with_settings(pairs=(f"contacts:{name}",))
        options = SyncOptions(("contacts", name))
        foretold = plan(options, config=used.config)
        report = used.sync("contacts", name)
        assert (foretold.exit_code, report.exit_code) == (0, 0)
        assert f"A new type of the same name is in {new}" in said(report)
        assert report.tables[new].rows == 1
        assert warehouse.rows(PURGED) == [(len(vehicles),)]
        assert warehouse.rows(LIVE) == [(0,)]
        assert differences(portal, warehouse, {new: "vehicle"}) == []
        links = {f"contacts_to_{new}": ("contacts", "vehicle")}
        assert link_differences(portal, warehouse, links) == []
        compared = VerifyOptions(("contacts", name))
        checked = verify(compared, collector=NULL_COLLECTOR, config=used.config)
        assert checked.exit_code == 0
    assert used.sync("contacts", VEHICLE).exit_code == 0


def test_end_of_a_type_that_a_kill_cut_off(portal: Portal, warehouse: Warehouse) -> None:
    """A run that ends between a load and its clean-up leaves the clean-up to the next run."""
    loaded(portal, warehouse)
    portal.delete_custom_object("vehicle")
    warehouse.sync("contacts")
    with duckdb.connect(str(warehouse.path)) as connection:  # as the load left it
        connection.execute(
            f"UPDATE hubspot.{VEHICLE} SET _hs_deleted_at = NULL, _hs_deletion = NULL"
        )
        last = "started_at = (SELECT max(started_at) FROM hubspot._hs_runs)"
        connection.execute(f"UPDATE hubspot._hs_runs SET status = 'running' WHERE {last}")
    assert warehouse.rows(LIVE)[0][0] > 0
    assert warehouse.sync("contacts").exit_code == 0
    assert warehouse.rows(LIVE) == [(0,)]


def test_types_that_hubspot_does_not_list(portal: Portal, warehouse: Warehouse) -> None:
    """Where the listing of custom types is refused, the run has failed, and known types go on.

    Where their records are refused, too, their tables are stale, with all of their rows.
    """
    vehicles = loaded(portal, warehouse)
    types = warehouse.rows("SELECT * FROM object_types ORDER BY ALL")
    vehicles.append(portal.create("vehicle", {"name": "New"}))
    refuse(portal, "/schemas")
    report = warehouse.sync("contacts", "vehicle")
    assert (report.exit_code, report.tables["object_types"].status) == (3, "failed")
    assert "Stale since 20" in said(report)
    assert VEHICLE in said(report)
    assert warehouse.rows(LIVE) == [(len(vehicles),)]
    assert warehouse.rows("SELECT * FROM object_types ORDER BY ALL") == types
    compared = verify(VerifyOptions(), collector=NULL_COLLECTOR, config=warehouse.config)
    assert "custom objects" in said(compared)
    checked = doctor(SyncOptions(), config=warehouse.config)
    assert (checked.exit_code, VEHICLE in said(checked)) == (3, True)
    limited(portal)
    portal.update("vehicle", vehicles[0], {"name": "Unseen"})
    report = warehouse.sync("contacts", "vehicle")
    assert report.tables[VEHICLE].status == "failed"
    assert warehouse.rows(LIVE) == [(len(vehicles),)]
    write_state(warehouse, {}, custom_tables=None)  # as an older version leaves it
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("DELETE FROM hubspot.object_types WHERE custom")
    report = warehouse.sync("contacts")
    assert (report.exit_code, report.tables[VEHICLE].status) == (3, "failed")
    portal.set_token("emulator-token")
    portal.faults.clear()
    assert warehouse.sync("contacts", "vehicle").exit_code == 0
    assert differences(portal, warehouse, {VEHICLE: "vehicle"}) == []


def test_named_type_that_nobody_lists(portal: Portal, warehouse: Warehouse) -> None:
    """A first run that names a custom type has no wrong setting where HubSpot lists none."""
    seed(portal)
    portal.faults.add(path="/schemas", status=503)
    eager = warehouse.with_settings(max_attempts=1, patience_seconds=0)
    with pytest.raises(UnavailableError, match=r"Unknown object type: vehicle.*503"):
        eager.sync("contacts", "vehicle")
    linked = eager.with_settings(pairs=["vehicle:contacts"])
    with pytest.raises(UnavailableError, match=r"Unknown object type: vehicle.*503"):
        linked.sync("contacts")
    portal.faults.clear()
    with pytest.raises(ConfigError, match="Unknown object type: vehicel"):
        eager.sync("contacts", "vehicel")


def test_type_that_is_listed_again(portal: Portal, warehouse: Warehouse) -> None:
    """A type that a listing left out is whole again once it is listed."""
    loaded(portal, warehouse)
    portal.faults.add(path="/schemas", status=200, body={"results": []}, times=1)
    assert warehouse.sync("contacts").tables[VEHICLE].tombstones > 0
    assert warehouse.sync("contacts", "vehicle").exit_code == 0
    assert differences(portal, warehouse, {VEHICLE: "vehicle"}) == []
    pairs = {LINKS: ("contacts", "vehicle")}
    assert link_differences(portal, warehouse, pairs) == []
    sql = "SELECT count(*) FROM pipelines WHERE object_type = ?"
    assert warehouse.rows(sql, VEHICLE)[0][0] > 0


def test_names_stay_where_the_older_of_two_types_goes(portal: Portal, warehouse: Warehouse) -> None:
    """Of two types whose names make the same table, the newer keeps its own when the older goes.

    So it does where a state of an older version does not tell which table is whose.
    """
    portal.reset(SeedSpec.empty())
    older, newer = (portal.create_custom_object(name) for name in ("my_car", "MyCar"))
    for type_id in (older, newer):
        portal.create(type_id, {"name": type_id})
    table = f"custom_my_car_{newer[2:]}"
    assert warehouse.sync("contacts", "custom_my_car", table).exit_code == 0
    write_state(warehouse, {}, custom_tables=None)
    portal.delete_custom_object(older)
    assert warehouse.sync(table).exit_code == 0
    assert differences(portal, warehouse, {table: newer}) == []
    assert warehouse.rows("SELECT _hs_deletion FROM custom_my_car") == [("purged",)]


@pytest.mark.parametrize(
    ("known", "listed", "expected"),
    [
        pytest.param({}, {"2-9": "a", "2-10": "a"}, {"2-9": "a", "2-10": "a_10"}, id="both new"),
        pytest.param({"2-9": "a"}, {"2-10": "a"}, {"2-9": "a", "2-10": "a_10"}, id="again"),
        pytest.param({"2-9": "a"}, {"2-9": "b"}, {"2-9": "a"}, id="renamed"),
    ],
)
def test_tables_of_types(
    known: dict[str, str], listed: dict[str, str], expected: dict[str, str]
) -> None:
    """A table once given stays with its type id; a name that is taken is told apart by the id."""
    before = {type_id: f"custom_{name}" for type_id, name in known.items()}
    schemas = [CustomSchema(type_id, name) for type_id, name in listed.items()]
    tables = name_tables(schemas, before, str.lower)
    assert tables == {type_id: f"custom_{name}" for type_id, name in expected.items()}
