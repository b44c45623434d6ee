"""Where calls for an object type fail, or say less than they should, no row of it is lost.

What happens to one object type is a story; those of different types are played side by side.
"""

from functools import partial
from typing import Any

import pytest
from conftest import Warehouse
from stories import Played, Story, play_together
from truth import differences

from pipelines.cli.output.report import RunReport
from sources.hubspot.http import client
from sources.hubspot.model import TableOutcome
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

HOUR_MS = 3_600_000
SPEC = SeedSpec(
    contacts=12, companies=12, deals=45, tickets=4, products=4, line_items=4, notes=4, calls=4,
    emails=4, properties=12, custom_objects=0, handful=False, archived=0, merges=0, links=False,
)  # fmt: skip
TYPES = (
    *("contacts", "companies", "deals", "tickets", "products", "line_items", "notes"),
    *("calls", "emails"),
)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between attempts are those of a client, divided by twenty."""
    monkeypatch.setattr(client, "_FIRST_WAIT_SECONDS", client._FIRST_WAIT_SECONDS / 20)


def outcome(report: RunReport, table: str, status: str = "ok", code: int = 0) -> TableOutcome:
    """Return what became of a table, which is as it has to be."""
    found = report.tables[table]
    assert (found.status, found.exit_code) == (status, code), found
    return found


def ends(portal: Portal, fault: Any) -> None:
    """End a fault, and no other."""
    portal.faults.rules.remove(fault)


def assert_same(portal: Portal, warehouse: Warehouse, table: str) -> None:
    """A table is the portal's, and no row of it is there twice."""
    assert differences(portal, warehouse, {table: table}) == []
    assert warehouse.rows(f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1") == []


def record_that_vanishes_before_it_is_read(portal: Portal, warehouse: Warehouse) -> Played:
    """What search finds and batch read does not is marked as purged, archived or merged."""
    one, two, three, four, *_ = portal.records("contacts")
    yield
    for id_ in (one, two, three):
        portal.update("contacts", id_, {"city": "New"})

    def vanish(portal: Portal) -> None:
        portal.purge("contacts", one)
        portal.archive("contacts", two)
        portal.merge("contacts", three, four)

    portal.mutations.add(when="before", path="/contacts/batch/read", nth=1, operations=vanish)
    outcome((yield), "contacts")
    outcome((yield), "contacts")
    rows = warehouse.table("contacts")
    became = [rows[id_]["_hs_deletion"] for id_ in (one, two, three, four)]
    assert became == ["purged", "archived", "merged", "merged"]
    assert_same(portal, warehouse, "contacts")


def records_that_a_batch_does_not_give(portal: Portal, warehouse: Warehouse) -> Played:
    """What a batch refuses is read later, and not taken for purged.

    A batch that HubSpot refuses for one id is halved, and the others are read. A record that a
    batch leaves out for an error of HubSpot's keeps its row.
    """
    live = list(portal.records("deals"))
    yield
    ids = live[:32]
    for id_ in ids:
        portal.update("deals", id_, {"dealname": "New"})
    down_to_one = list(range(1, 7))  # 32, 16, 8, 4, 2 ids and one
    reading = "/objects/[^/]+/deals/batch/read"
    fault = portal.faults.add(path=reading, nth=down_to_one, status=400)
    yield
    rows = warehouse.table("deals")
    assert sum(rows[id_]["dealname"] == "New" for id_ in ids) == 31
    ends(portal, fault)
    for id_ in ids[:4]:
        portal.update("deals", id_, {"dealname": "Newer"})
    fault = portal.faults.add(path=reading, rewrite=_with_errors)
    report = yield
    assert "refuses to read record" in str(report.tables["deals"].messages)
    there = "SELECT id FROM deals WHERE _hs_deleted_at IS NULL ORDER BY id"
    assert warehouse.rows(there) == [(id_,) for id_ in sorted(live)]
    ends(portal, fault)
    outcome((yield), "deals")
    assert_same(portal, warehouse, "deals")


def _with_errors(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out half of the records of a batch, for an error that names them."""
    found = answer["results"]
    left = [found.pop()["id"] for _ in range((len(found) + 1) // 2)]
    error = {"status": "error", "category": "INTERNAL_ERROR", "context": {"ids": left}}
    return answer | {"numErrors": 1, "errors": [error]}


def archived_records_that_are_refused(portal: Portal, warehouse: Warehouse) -> Played:
    """Where reading archived records is refused, those that are not live are not purged."""
    ids = list(portal.records("companies"))
    yield
    kinds = "SELECT _hs_deletion, count(*) FROM companies GROUP BY ALL ORDER BY ALL"
    assert warehouse.rows(kinds) == [(None, len(ids))]
    for id_ in ids[:5]:
        portal.update("companies", id_, {"city": "New"})
    gone = [{"op": "archive", "args": ["companies", id_]} for id_ in ids[:5]]
    reading = "/companies/batch/read"
    portal.mutations.add(path=reading, nth=1, when="before", operations=gone)
    fault = portal.faults.add(path=f"{reading}.*archived=true", status=400)
    report = yield
    assert "refuses to read record" in str(report.tables["companies"].messages)
    assert "purged" not in str(warehouse.rows(kinds))
    ends(portal, fault)
    outcome((yield), "companies")
    assert_same(portal, warehouse, "companies")


def archive_that_is_refused_later(portal: Portal, warehouse: Warehouse) -> Played:
    """A table whose archived records were listed and are refused now has failed, and heals."""
    yield
    body = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "not here"}
    fault = portal.faults.add(path=r"/tickets\?.*archived=true", status=404, body=body)
    portal.archive("tickets", next(iter(portal.records("tickets"))))
    outcome((yield), "tickets", "failed", 4)
    ends(portal, fault)
    outcome((yield), "tickets")
    assert_same(portal, warehouse, "tickets")


def archive_that_is_refused(portal: Portal, warehouse: Warehouse) -> Played:
    """A type whose archived records HubSpot does not list is loaded, and its outcome says so."""
    portal.faults.add(path=r"/products\?.*archived=true", status=400)
    for name in ("Old", "New"):
        portal.update("products", next(iter(portal.records("products"))), {"name": name})
        found = outcome((yield), "products")
        assert "does not list archived records" in (found.error or "")
        assert_same(portal, warehouse, "products")


def too_many_requests(portal: Portal, warehouse: Warehouse) -> Played:
    """A 429 that never ends is reported with exit 6; what it is for is read by the next run."""
    body = {"policyName": "SECONDLY", "message": "You have reached your secondly limit."}
    headers = {"Retry-After": "0.1"}
    path = "/line_items/search"
    fault = portal.faults.add(path=path, status=429, headers=headers, body=body)
    report = yield
    outcome(report, "line_items", "failed", 6)
    assert report.exit_code == 6
    ends(portal, fault)
    outcome((yield), "line_items")
    assert_same(portal, warehouse, "line_items")


def search_that_tells_no_number(portal: Portal, warehouse: Warehouse) -> Played:
    """A run that cannot count records says that no purge is found, next to all else it found."""
    first = next(iter(portal.records("notes")))
    portal.faults.add(path=r"/notes\?.*archived=true", status=400)
    yield
    old = {"id": first, "properties": {"hs_lastmodifieddate": "2020-01-01T00:00:00Z"}}
    portal.faults.add(path="/notes/search", status=200, body={"results": [old]})
    report = yield
    assert len(outcome(report, "notes").messages) == 2
    sql = "SELECT error FROM _hs_run_tables WHERE table_name = 'notes'"
    said = warehouse.rows(f"{sql} ORDER BY length(error) DESC")[0][0]
    for message in ("names no number", "does not list archived records"):
        assert message in said
        assert any(message in warning for warning in report.warnings)


def answer_that_says_nothing(portal: Portal, warehouse: Warehouse) -> Played:
    """A search without records or their number, and no property at all, fail the table.

    They are no sign that nothing changed, or that the columns of what changed are empty.
    """
    tables = ("calls", "emails")
    yield
    yield
    for table, name in zip(tables, ("hs_call_title", "hs_email_subject"), strict=True):
        portal.update(table, next(iter(portal.records(table))), {name: "New"})
    faults = [
        portal.faults.add(path=path, status=200, body={"results": []})
        for path in ("/calls/search", "/properties/2026-03/emails")
    ]
    report = yield  # hours later
    for table in tables:
        outcome(report, table, "failed", 4)
    for fault in faults:
        ends(portal, fault)
    report = yield
    for table in tables:
        outcome(report, table)
        assert_same(portal, warehouse, table)


STORIES: tuple[Story, ...] = (
    record_that_vanishes_before_it_is_read,
    records_that_a_batch_does_not_give,
    archived_records_that_are_refused,
    archive_that_is_refused_later,
    archive_that_is_refused,
    too_many_requests,
    search_that_tells_no_number,
    answer_that_says_nothing,
)


def test_what_calls_do_not_give(portal: Portal, warehouse: Warehouse) -> None:
    """What one type's calls refuse or leave out fails that type, costs no row, and comes later."""
    portal.reset(SPEC)

    def run(wait_ms: int) -> RunReport:
        portal.clock.advance(wait_ms)
        return warehouse.sync(*TYPES)

    play_together(
        portal, warehouse, STORIES, [partial(run, wait) for wait in (0, 0, 2 * HOUR_MS, 0)]
    )
