"""What changes between two syncs, and what it costs to find it."""

from datetime import timedelta

import dlt
import pytest
from conftest import FEW, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import differences

from pipelines.runtime.run_log import RunLog
from pipelines.runtime.session import opened
from sources.hubspot import hubspot, open_run
from sources.hubspot.warehouse.view import WarehouseView
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

CONTACTS = {"contacts": "contacts"}
PLAIN = {"odd_values": False, "companies": 0, "deals": 0, "tickets": 0}
"""Of a large portal, where columns do not matter."""
DAY_MS = int(timedelta(days=1).total_seconds() * 1000)


def test_wide_portal_loses_no_column(portal: Portal, warehouse: Warehouse) -> None:
    """A thousand properties with 40-character names arrive, without a 414 and without a gap."""
    names = [f"p{number:03d}_{'x' * 35}" for number in range(1000)]
    for name in names:
        portal.create_property("contacts", {"name": name, "type": "string", "fieldType": "text"})
    for number in range(130):
        values = {name: f"{number}-{name[:4]}" for name in names[number::7]}
        portal.create("contacts", {"email": f"c{number}@example.com"} | values)
    assert warehouse.sync("contacts").exit_code == 0
    assert portal.journal.count(status=414) == 0
    assert differences(portal, warehouse, CONTACTS) == []


def test_more_changes_than_search_can_page(portal: Portal, warehouse: Warehouse) -> None:
    """More than 10,000 changes in one millisecond are all found."""
    portal.reset(SeedSpec(contacts=10_300, properties=0, **PLAIN))
    ids = list(portal.records("contacts"))
    warehouse.sync("contacts")
    portal.clock.advance(DAY_MS)
    portal.clock.freeze(portal.clock.now_ms())
    assert len(ids) > 10_000
    for id_ in ids:
        portal.update("contacts", id_, {"firstname": "Bulk"})
    report = warehouse.sync("contacts")
    assert report.tables["contacts"].rows == len(ids)
    assert differences(portal, warehouse, CONTACTS) == []


def test_more_loaded_changes_than_are_remembered(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a change of many records the rest is read again until the lookback is over, then never."""
    monkeypatch.setattr("sources.hubspot.state.table.RECENT_LIMIT", 5)
    warehouse.load(portal, FEW, "contacts")
    ids = list(portal.records("contacts"))
    for id_ in ids[:20]:
        portal.update("contacts", id_, {"firstname": "Once"})
    portal.clock.advance(5_000)
    assert [warehouse.sync("contacts").tables["contacts"].rows for _ in range(2)] == [20, 15]
    portal.clock.advance(65 * 60_000)
    warehouse.sync("contacts")
    portal.journal.clear()
    assert warehouse.sync("contacts").tables["contacts"].rows == 0
    assert differences(portal, warehouse, CONTACTS) == []


def test_hard_delete_removes_the_row(portal: Portal, warehouse: Warehouse) -> None:
    """With --hard-delete a deleted record leaves the table."""
    warehouse.load(portal, FEW, "contacts", hard_delete=True)
    rows = warehouse.table("contacts")
    assert rows.keys() == portal.records("contacts").keys()
    gone = next(iter(rows))
    portal.archive("contacts", gone)
    warehouse.sync("contacts", hard_delete=True)
    assert warehouse.table("contacts").keys() == rows.keys() - {gone}


@pytest.mark.parametrize("version", ["v3", "2026-09"])
def test_every_version_of_the_paths(portal: Portal, warehouse: Warehouse, version: str) -> None:
    """Numbered and dated paths bring the same rows."""
    portal.reset(FEW)
    report = warehouse.with_settings(api_version=version).sync("contacts", "companies")
    assert report.exit_code == 0
    assert differences(portal, warehouse, CONTACTS | {"companies": "companies"}) == []


def test_plain_dlt_use(portal: Portal, warehouse: Warehouse) -> None:
    """The source works in a pipeline of one's own, and goes on where it stopped.

    A large archive is not listed in every run, though no run knows how the last one ended.
    """
    portal.reset(SeedSpec(contacts=150, properties=12))
    run_plainly(warehouse.with_settings(sweep_at_once_calls=0), times=2)
    assert differences(portal, warehouse, CONTACTS | {"companies": "companies"}) == []
    assert portal.journal.count(method="GET", path_contains="/objects/2026-03/contacts") <= 6
    listed = portal.journal.find(method="GET", path_contains="/objects/2026-03/contacts")
    assert [request.query["archived"] for request in listed].count("true") == 1


def run_plainly(warehouse: Warehouse, *, times: int) -> None:
    """Run the source in a pipeline that knows nothing of ours."""
    pipeline = dlt.pipeline(
        "mine",
        pipelines_dir="state",
        destination=dlt.destinations.duckdb(str(warehouse.path)),
        dataset_name="hubspot",
    )
    for _ in range(times):
        run = open_run(warehouse.config)
        pipeline.run(hubspot(objects=["contacts", "companies"], run=run))
        run.close()


def test_edit_of_a_record_that_was_in_the_bin_when_it_was_searched_for(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A record edited, archived, and restored behind the search that lacked it, gets the edit."""
    warehouse.load(portal, FEW, "contacts")
    one, other = list(portal.records("contacts"))[5:7]
    warehouse.sync("contacts")
    portal.update("contacts", one, {"city": "New"})
    portal.archive("contacts", one)
    portal.purge("contacts", other)  # so that no number tells
    portal.clock.advance(DAY_MS // 16)  # longer than the lookback
    portal.mutations.add(
        path="/contacts/search", nth=1, operations=lambda p: p.restore("contacts", one)
    )
    for _ in range(2):
        warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_run_that_dies_before_it_looks_why_a_number_differs(
    portal: Portal, warehouse: Warehouse
) -> None:
    """The load that moves the watermark on does not move it past an edit that search lacked."""
    warehouse.load(portal, FEW, "contacts")
    one = list(portal.records("contacts"))[5]
    portal.update("contacts", one, {"city": "New"})
    portal.archive("contacts", one)
    portal.clock.advance(DAY_MS // 16)
    portal.mutations.add(
        path="/contacts/search", nth=1, operations=lambda p: p.restore("contacts", one)
    )
    with opened(RunLog("sync"), NULL_COLLECTOR, warehouse.config) as (pipeline, run):
        run.set_options(report_errors=True)
        with WarehouseView(pipeline) as view, run.seeing(view):
            pipeline.run(hubspot(["contacts"], run=run))  # its first load, and no more
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_watermark_moves_on_where_the_number_is_never_right(
    portal: Portal, warehouse: Warehouse
) -> None:
    """A search that always tells another number keeps the watermark a run behind, no more."""
    warehouse.load(portal, FEW, "contacts")
    wrong = {"total": 31, "results": []}
    portal.faults.add(path="/contacts/search", status=200, body=wrong)
    began = []
    for _ in range(3):
        began.append(portal.clock.now_ms())
        report = warehouse.sync("contacts")
        portal.clock.advance(DAY_MS)
    told = report.tables["contacts"].watermark_after
    assert told is not None
    assert began[-2] - 2_000 <= told.timestamp() * 1000 < began[-1]
