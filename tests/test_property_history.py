"""The history of properties: every value that they had, of exactly the records that were read."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from conftest import Warehouse
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.runtime.collector import NULL_COLLECTOR

from pipelines.commands.forget import forget
from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.catalog.names import history_table
from sources.hubspot.errors import UnknownTypeError
from sources.hubspot.model import Column, TableSchema
from sources.hubspot.tables.property_history import decode_page, rows_of, to_batch
from sources.hubspot_emulator.portal.changes import history_of
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Limits

pytestmark = pytest.mark.usefixtures("records_alone")

MINUTE, DAY = 60_000, 24 * 3_600_000
TABLE = "deals_property_history"
CALCULATED = "weighted"
NOT_KEPT = "hs_lastmodifieddate"
"""The property of which the emulator has the last version only."""
LOADED = "the history of 120 deals"
SPEC = SeedSpec(
    seed=3, contacts=0, companies=0, tickets=0, properties=12, handful=False, custom_objects=0
)
Version = tuple[Any, ...]


def seed(portal: Portal, deals: int = 120) -> None:
    """Fill a portal with deals, one of whose properties HubSpot calculates."""
    portal.reset(replace(SPEC, deals=deals))
    formula = {"name": CALCULATED, "type": "number", "fieldType": "calculation_equation"}
    portal.create_property("deals", formula)
    portal.clock.advance(5 * MINUTE)


def ids(portal: Portal) -> list[str]:
    """Return the ids of the live deals."""
    return list(portal.records("deals"))


def truth(portal: Portal) -> set[Version]:
    """Return what the portal has of all live deals: id, property, time, value, source."""
    table, found = portal.table("deals"), set()
    names = [name for name, one in table.definitions.items() if not is_calculated(one)]
    names.remove(NOT_KEPT)
    for id_ in ids(portal):
        record = table.get(int(id_))
        assert record is not None
        for name in names:
            for one in history_of(table, record, name):
                source = one.get("sourceId") or ""
                version = (id_, name, one["timestamp"], one["value"] or None)
                found.add((*version, one["sourceType"], source))
    return found


def is_calculated(definition: Mapping[str, Any]) -> bool:
    """Whether HubSpot calculates a property, as its definition says in either way."""
    return bool(definition.get("calculated")) or definition["fieldType"].startswith("calculation_")


def held(warehouse: Warehouse) -> list[Version]:
    """Return what the warehouse has: id, property, time, value, source."""
    rows = warehouse.rows(
        f"SELECT id, property, timestamp, value, source_type, source_id FROM {TABLE}"
    )
    return [(*row[:2], iso(row[2]), *row[3:]) for row in rows if row[1] != NOT_KEPT]


def iso(at: datetime) -> str:
    """Write an instant as HubSpot does."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def asked(portal: Portal) -> list[Mapping[str, Any]]:
    """Return the bodies of the calls for histories since the journal was cleared."""
    bodies = [call.body for call in portal.journal if call.path.endswith("deals/batch/read")]
    return [body for body in bodies if body and body.get("propertiesWithHistory")]


def asked_ids(portal: Portal) -> list[str]:
    """Return the ids that these name."""
    return [one["id"] for body in asked(portal) for one in body["inputs"]]


def planned(warehouse: Warehouse, **options: Any) -> dict[str, Any] | None:
    """Return the plan's step for the history; None where there is none."""
    report = plan(SyncOptions(**options), config=warehouse.config)
    section = report.sections[0]
    rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    return next((row for row in rows if row["table"] == TABLE), None)


@pytest.fixture
def used(portal: Portal, warehouse: Warehouse) -> Warehouse:
    """A warehouse of 120 deals with their history; many tests begin with it."""
    seed(portal)
    used = warehouse.with_settings(select=[TABLE], load_rows=900, calls_in_flight=1)
    used.once(LOADED, used.sync_all)
    return used


def test_the_history_of_all_records(portal: Portal, warehouse: Warehouse) -> None:
    """All versions come once, over several loads, with the calls of the plan; then none is due."""
    seed(portal)
    used = warehouse.with_settings(select=[TABLE], load_rows=900, calls_in_flight=1)
    step = planned(used)
    assert step
    assert step["step"] == "history_backfill"
    assert step["families"] == {"records": {"low": 3, "high": 3}}
    portal.journal.clear()
    report = used.sync_all()
    assert report.exit_code == 0, report.error
    used.keep(LOADED)
    assert [len(body["inputs"]) for body in asked(portal)] == [50, 50, len(ids(portal)) - 100]
    assert {*held(used)} == truth(portal)
    assert len(held(used)) == len({*held(used)})
    assert used.rows("SELECT count(*) FROM _dlt_loads") == [(4,)]
    most = used.rows(f"SELECT max(ordinal), count(*) FROM {TABLE}")[0]
    assert most[0] == 1, "no two versions share an instant, though some do"
    logged = used.rows("SELECT rows, mode FROM _hs_run_tables WHERE table_name = ?", TABLE)
    assert logged == [(most[1], "backfill")]

    portal.journal.clear()
    assert planned(used) is None
    used.sync_all()
    assert asked(portal) == []


def test_the_history_of_what_changed(portal: Portal, used: Warehouse) -> None:
    """Exactly the ids that a run reads are asked for; archived records keep their history."""
    first, second, third = ids(portal)[:3]
    of_third = [one for one in held(used) if one[0] == third]
    portal.update("deals", first, {"dealname": "Renamed", "amount": ""})
    portal.update("deals", second, {"dealname": "Dated back"}, at=portal.clock.now_ms() - DAY)
    portal.update("deals", second, {"amount": "5"})
    portal.archive("deals", third)
    new = portal.create("deals", {"dealname": "New"})
    portal.clock.advance(5 * MINUTE)
    step = planned(used)
    assert step
    assert (step["step"], step["calls"]) == ("history", {"low": 1, "high": 1})
    portal.journal.clear()
    used.sync_all()
    assert sorted(asked_ids(portal)) == sorted([first, second, new])
    assert {*held(used)} == truth(portal) | {*of_third}


def test_no_version_goes_but_with_its_record(portal: Portal, used: Warehouse) -> None:
    """Versions that an answer lacks stay; those of a purged, or a forgotten, record are deleted."""
    first, second, third = ids(portal)[:3]
    before = {*held(used)}
    portal.faults.add(path="/deals/batch/read", rewrite=without_oldest)
    portal.update("deals", first, {"dealname": "Renamed"})
    portal.purge("deals", second)
    portal.clock.advance(5 * MINUTE)
    used.sync_all(full_refresh=True)
    after = {*held(used)}
    assert {one for one in before if one[0] != second} < after
    assert second not in {one[0] for one in after}

    erased = forget("deals", third)
    assert any(row[1] == TABLE for row in erased.sections[0].rows)
    for table in (TABLE, f"hubspot_staging.{TABLE}"):
        assert used.rows(f"SELECT count(*) FROM {table} WHERE id = ?", third) == [(0,)]


def test_a_history_that_is_gone_is_read_again(portal: Portal, used: Warehouse) -> None:
    """A table that somebody dropped is filled again; `verify` says that it compares no history."""
    compared = verify(VerifyOptions(), collector=NULL_COLLECTOR, config=used.config)
    assert any("deals" in text and "history" in text for text in compared.warnings)
    with duckdb.connect(str(used.path)) as connection:
        connection.execute(f"DROP TABLE hubspot.{TABLE}")
    portal.clock.advance(5 * MINUTE)
    report = used.sync_all()
    assert report.exit_code == 0, report.error
    assert {*held(used)} == truth(portal)


def without_oldest(answer: Any) -> Any:
    """Leave out the oldest version of every property, and the lists of those with one."""
    for record in answer["results"]:
        for versions in record.get("propertiesWithHistory", {}).values():
            del versions[-1:]
    return answer


def test_a_first_load_within_the_days_share(portal: Portal, warehouse: Warehouse) -> None:
    """The history of all records takes no more than the day's share, and goes on the next day."""
    seed(portal)
    portal.settings.limits = Limits(10**6, search=10**6, associations=10**6, daily=10_000)
    used = warehouse.with_settings(select=[TABLE], sweep_share=0.0001)
    portal.clock.advance(DAY)
    used.sync_all()
    report = used.sync_all()
    assert len(asked(portal)) == 1, "the share of two days pays for more, or for none"
    assert report.exit_code == 0
    step = planned(used)
    assert step
    assert "share" in step["reason"]
    assert step["families"] == {}
    portal.clock.advance(DAY)
    used.sync_all()
    assert len(asked(portal)) == 2
    used.sync_all(select=(TABLE,))
    assert len(asked(portal)) == 3
    assert {*held(used)} == truth(portal)
    assert len({*asked_ids(portal)}) == len(asked_ids(portal)), "a record was read twice"


def test_slow_answers_are_asked_for_in_halves(portal: Portal, warehouse: Warehouse) -> None:
    """Where HubSpot does not bring a batch in time, halves of it are asked for; others go on."""
    seed(portal)
    portal.faults.add(path="/deals/batch/read", times=2, status=504)
    used = warehouse.with_settings(select=[TABLE], calls_in_flight=1)
    report = used.sync_all()
    assert report.exit_code == 0, report.error
    sizes = [len(body["inputs"]) for body in asked(portal)]
    assert sizes[:3] == [25, 25, 50]
    assert {*held(used)} == truth(portal)


def test_the_policy_holds_for_histories(portal: Portal, used: Warehouse) -> None:
    """Excluded properties are not asked for, hashed ones are hashes; what was plain before goes."""
    values = {one[3] for one in held(used) if one[1] == "dealname"}
    assert values
    policy = {
        "exclude_properties": ["deals.amount"],
        "hash_properties": ["deals.dealname"],
        "hash_key": "a key for tests, with 32 letters or more",
    }
    portal.journal.clear()
    private = used.with_settings(**policy)
    private.sync_all(refresh_schema=True)
    assert all("amount" not in body["propertiesWithHistory"] for body in asked(portal))
    assert len(asked(portal)) == 3
    now = held(private)
    assert "amount" not in {one[1] for one in now}
    names = {one[3] for one in now if one[1] == "dealname"}
    assert len(names) == len(values)
    assert all(len(one) == 64 for one in names)


SCHEMA = TableSchema("deals", (Column("stage", "stage", "text", "string"),))
ODD = b"""{"results": [
  {"id": 7, "propertiesWithHistory": {"stage": [
    {"value": 3, "timestamp": "2026-11-02T08:00:00.250Z", "sourceType": "CRM_UI", "sourceId": 9},
    {"value": null, "timestamp": 1793606400250, "updatedByUserId": "8"},
    {"value": true, "timestamp": "2026-11-02T08:00:00.250Z", "sourceType": "CRM_UI"},
    {"value": true, "timestamp": "2026-11-02T08:00:00.250Z", "sourceType": "CRM_UI"},
    {"value": "x", "timestamp": "soon"}], "other": [], "none": null}},
  {"id": "8"}, {"id": "9", "propertiesWithHistory": null}]}"""


def test_odd_answers() -> None:
    """No version is lost, whatever its members are; one without a time is a rejected value."""
    past = decode_page(ODD).results
    rows = [row for one in past for row in rows_of(one, SCHEMA)]
    batch = to_batch(rows, "deals", synced_at=datetime.now(UTC), strip_nul=True)
    found = batch.rows.select(["id", "value", "source_id", "updated_by_user_id", "ordinal"])
    assert found.to_pylist() == [
        {"id": "7", "value": "true", "source_id": "", "updated_by_user_id": None, "ordinal": 0},
        {"id": "7", "value": None, "source_id": "", "updated_by_user_id": "8", "ordinal": 0},
        {"id": "7", "value": "3", "source_id": "9", "updated_by_user_id": None, "ordinal": 1},
    ]
    assert {at.microsecond for at in batch.rows["timestamp"].to_pylist()} == {250_000}
    assert batch.rejects.select(["id", "raw_value", "reason"]).to_pylist() == [
        {"id": "7", "raw_value": "soon", "reason": "not_a_timestamp"}
    ]


def test_long_names_are_those_of_every_warehouse() -> None:
    """The table with the history of a type with a long name is called the same everywhere."""
    tables = ["vehicle", *(f"{'x' * number}{'_unit' * 9}" for number in range(40))]
    names = [history_table(table) for table in tables]
    assert len({*names}) == len(names)
    in_postgres = NamingConvention(max_length=63)
    assert [in_postgres.normalize_identifier(name) for name in names] == names


def test_unknown_tables_are_named(portal: Portal, warehouse: Warehouse) -> None:
    """A setting that names no object type is refused."""
    seed(portal)
    with pytest.raises(UnknownTypeError, match="delas_property_history"):
        planned(warehouse.with_settings(select=["delas_property_history"]))
