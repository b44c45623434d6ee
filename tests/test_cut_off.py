"""What a reading that failed, or a load that was cut off, leaves: the next run makes it whole."""

import duckdb
from conftest import Warehouse

from pipelines.commands.state import reset
from sources.hubspot_emulator.clock import iso
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

HOUR_MS = 3_600_000
FEW = SeedSpec(contacts=5, companies=2, custom_objects=0)


def touch(warehouse: Warehouse, *statements: str) -> None:
    """Change the warehouse as something else than a sync does."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("USE hubspot")
        for statement in statements:
            connection.execute(statement)


def test_a_mark_moves_only_behind_rows_that_are_loaded(
    portal: Portal, warehouse: Warehouse
) -> None:
    """Where a row lacks its key, the others of its pages come with the next run."""
    portal.reset(FEW)
    assert warehouse.sync_all(select=("login_activity",)).exit_code == 0
    portal.clock.advance(2 * HOUR_MS)
    at = iso(portal.clock.now_ms() - HOUR_MS)
    portal.collections["login_activity"].add({"id": "new", "loginAt": at})
    nameless = {"results": [{"id": "new", "loginAt": at}, {"loginAt": at}]}
    portal.faults.add(path="/activity/login", status=200, body=nameless)
    assert warehouse.sync_all(select=("login_activity",)).exit_code != 0
    portal.faults.clear()
    portal.clock.advance(2 * HOUR_MS)
    assert warehouse.sync_all(select=("login_activity",)).exit_code == 0
    assert warehouse.rows("SELECT count(*) FROM login_activity WHERE id = 'new'") == [(1,)]


def test_a_full_refresh_fills_what_is_reset(portal: Portal, warehouse: Warehouse) -> None:
    """Children of events that a reset is to bring back come with a full refresh, too."""
    portal.reset(FEW)
    names = ("forms", "form_submissions")
    assert warehouse.sync_all(select=names).exit_code == 0
    before = warehouse.rows("SELECT count(*) FROM form_submission_values")
    touch(warehouse, "DELETE FROM form_submission_values WHERE ordinal > 0")
    reset(["form_submissions"])
    assert warehouse.sync_all(select=names, full_refresh=True).exit_code == 0
    assert warehouse.rows("SELECT count(*) FROM form_submission_values") == before
