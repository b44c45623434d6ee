"""What a reading that failed, or a load that was cut off, leaves: the next run makes it whole."""

from conftest import Warehouse

from sources.hubspot_emulator.clock import iso
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

HOUR_MS = 3_600_000
FEW = SeedSpec(contacts=5, companies=2, custom_objects=0)


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
