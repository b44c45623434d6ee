"""What one table cannot do does not stop the others and is reported; what nobody can stops all."""

from typing import Any

import duckdb
import pytest
from conftest import FEW, Warehouse
from dlt.common.versioned_state import compress_state, decompress_state
from truth import differences

from pipelines.commands.doctor import doctor
from pipelines.commands.sync import SyncOptions
from sources.hubspot.config import resolve_config
from sources.hubspot.errors import AuthError, ConfigError, HubSpotError
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Token


def test_failing_table_leaves_the_others_complete(portal: Portal, warehouse: Warehouse) -> None:
    """A table HubSpot cannot answer for fails alone; the exit code tells, the rest is there."""
    portal.reset(FEW)
    portal.faults.add(path=r"/companies\?", method="GET", status=503)
    config = warehouse.with_settings(max_attempts=2)
    report = config.sync("contacts", "companies")
    assert (report.status, report.exit_code) == ("partial", 6)
    assert report.tables["companies"].status == "failed"
    assert warehouse.table("contacts").keys() >= portal.records("contacts").keys()
    portal.faults.clear()
    assert config.sync("contacts", "companies").exit_code == 0
    assert warehouse.table("companies").keys() >= portal.records("companies").keys()


def test_wrong_token_ends_before_anything_is_written(portal: Portal, warehouse: Warehouse) -> None:
    """A token that HubSpot does not know stops the run before a table exists."""
    assert portal.records("contacts") == {}
    stranger = warehouse.with_settings(access_token="pat-na1-unknown")  # noqa: S106 - not a secret
    with pytest.raises(AuthError):
        stranger.sync("contacts")
    with duckdb.connect(str(warehouse.path)) as connection:
        assert connection.execute("SHOW ALL TABLES").fetchall() == []


def test_another_portal_is_refused(portal: Portal, warehouse: Warehouse) -> None:
    """A dataset that was loaded from one portal takes no rows of another."""
    warehouse.load(portal, FEW, "contacts")
    with EmulatorServer(SeedSpec(contacts=5)) as other:
        other.portal.account["portalId"] = 999
        warehouse.config = resolve_config(base_url=other.url, access_token=other.token)
        with pytest.raises(ConfigError, match=r"999.*--dataset"):
            warehouse.sync("contacts")


def test_unknown_object_is_refused_with_what_there_is(portal: Portal, warehouse: Warehouse) -> None:
    """An object type nobody knows ends the run with the list of those in the portal."""
    assert portal.records("contacts") == {}
    with pytest.raises(ConfigError, match=r"contcats.*contacts, companies"):
        warehouse.sync("contcats")


def test_damaged_state_is_refused_with_the_way_out(portal: Portal, warehouse: Warehouse) -> None:
    """A state that nobody could have written stops the run; a full refresh mends it."""
    warehouse.load(portal, FEW, "contacts")
    write_state(warehouse, {"backfill": {"started_at": "yesterday"}})
    with pytest.raises(ConfigError, match=r"damaged.*state reset --table contacts"):
        warehouse.sync("contacts")
    report = warehouse.sync("contacts", full_refresh=True)
    assert report.exit_code == 0
    assert warehouse.sync("contacts").tables["contacts"].mode == "increment"


def test_unreadable_state_is_refused(portal: Portal, warehouse: Warehouse) -> None:
    """A state row that is no state at all stops the run with one message."""
    warehouse.load(portal, FEW, "contacts")
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("UPDATE hubspot._dlt_pipeline_state SET state = 'rubbish'")
    with pytest.raises(HubSpotError, match="_dlt_pipeline_state"):
        warehouse.sync("contacts")


def test_damaged_cache_is_read_again(portal: Portal, warehouse: Warehouse) -> None:
    """Cached metadata that makes no sense is simply read again, and no matter to the doctor."""
    warehouse.load(portal, FEW, "contacts")
    write_state(warehouse, {}, cache={"properties:contacts": {"read_at": 7}, "labels": "no"})
    assert doctor(SyncOptions(), config=warehouse.config).exit_code == 0
    assert warehouse.sync("contacts").exit_code == 0


def write_state(warehouse: Warehouse, table: dict[str, Any], **source: Any) -> None:
    """Overwrite what the newest state says of the contacts, and of the source."""
    with duckdb.connect(str(warehouse.path)) as connection:
        newest = "SELECT max(version) FROM hubspot._dlt_pipeline_state"
        sql = f"SELECT state FROM hubspot._dlt_pipeline_state WHERE version = ({newest})"
        state = decompress_state(connection.execute(sql).fetchall()[0][0])
        ours = state["sources"]["hubspot"]
        ours["resources"]["contacts"].update(table)
        ours.update(source)
        connection.execute(
            f"UPDATE hubspot._dlt_pipeline_state SET state = ? WHERE version = ({newest})",
            [compress_state(state)],
        )


def test_types_that_a_token_may_not_read_are_asked_for_once_an_hour(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A run of all types tells of them without a call; one that names them asks, and reads them.

    What was read by its name is read from then on. A run of all types asks again an hour later.
    One line of the report names what the token may not read, and the scopes to add.
    """
    portal.reset(FEW)

    def allow(*names: str) -> None:
        scopes = {f"crm.{what}.{name}.read" for what in ("objects", "schemas") for name in names}
        portal.settings.tokens["emulator-token"] = Token(scopes=frozenset(scopes))

    said: list[str] = []

    def refused() -> tuple[int, str | None]:
        portal.journal.clear()
        report = warehouse.sync_all()
        assert (report.exit_code, len(report.warnings)) == (0, 1)
        said.append(report.warnings[0])
        return portal.journal.count(status=403), report.tables["deals"].error

    allow("contacts")

    often, reason = refused()
    assert often > 20
    seldom, reason_again = refused()
    assert seldom < 6  # reference tables
    assert reason
    assert (reason_again or "").startswith(reason.rstrip("."))
    assert "--refresh-schema" in (reason_again or "")
    for line in said:
        for name in ("deals", "owners", "crm.objects.deals.read", "crm.objects.owners.read"):
            assert f" {name}" in line
        assert "sensitive" not in line
        assert "pipelines of" not in line
    allow("contacts", "companies", "deals")
    warehouse.sync("deals")
    portal.update("deals", next(iter(portal.records("deals"))), {"dealname": "New"})
    assert refused()[1] is None
    assert differences(portal, warehouse, {"deals": "deals"}) == []
    assert "companies" not in {name for (name,) in warehouse.rows("SHOW TABLES")}
    kinds = warehouse.rows("SELECT DISTINCT object_type FROM pipelines")
    assert ("deals",) in kinds
    portal.clock.advance(3_700_000)
    often, reason = refused()
    assert (often > 20, reason) == (True, None)
    assert differences(portal, warehouse, {"companies": "companies"}) == []
