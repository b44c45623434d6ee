"""What HubSpot, the network, the token and the warehouse do wrong makes a run longer, never wrong.

Waits are short: back-offs begin at hundredths of a second, and budgets are wide.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from typing import Any

import pytest
from conftest import Warehouse
from truth import differences, link_differences

from sources.hubspot.http import client
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import DEFAULT_TOKEN, Limits, Token

pytestmark = pytest.mark.usefixtures("records_alone")

BOTH = ("contacts", "companies")
LINKS = "SELECT * FROM contacts_to_companies ORDER BY ALL"
LIVE = "SELECT id FROM contacts WHERE _hs_deleted_at IS NULL ORDER BY id"
CALLS = r"/(objects|associations)/"
LISTING = r"/contacts\?.*archived=false"
HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"
FAULTS: dict[str, dict[str, object]] = {
    "500": {"status": 500, "body": {"status": "error", "category": "INTERNAL_ERROR"}},
    "502_html": {"status": 502, "body": HTML},
    "503_html": {"status": 503, "body": HTML},
    "504": {"status": 504},
    "523": {"status": 523, "body": HTML},
    "524": {"status": 524, "body": HTML},
    "429_retry_after": {"status": 429, "headers": {"Retry-After": "0.2"}, "body": {}},
    "429_secondly": {"status": 429, "body": {"policyName": "SECONDLY"}},
    "truncated": {"truncate": True},
    "disconnected": {"disconnect": True},
    "reset": {"reset": True},
    "html_200": {"status": 200, "body": HTML},
    "slow": {"delay_ms": 700},
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between attempts are those of a client, divided by twenty."""
    monkeypatch.setattr(client, "_FIRST_WAIT_SECONDS", client._FIRST_WAIT_SECONDS / 20)


def seeded(portal: Portal, contacts: int = 60, **spec: Any) -> dict[str, list[str]]:
    """Seed a portal, as `FEW` says if nothing else; return the ids of live records by type."""
    small = {"companies": 20, "properties": 12, "custom_objects": 0, "handful": False}
    portal.reset(SeedSpec(contacts=contacts, **(small | spec)))
    return {name: list(portal.records(name)) for name in (*BOTH, "deals")}


def apart(portal: Portal, warehouse: Warehouse, *tables: str) -> list[str]:
    """List all that differs, and rows that are doubled."""
    tables = tables or BOTH
    found = differences(portal, warehouse, {table: table for table in tables})
    if {*BOTH} <= {*tables}:
        found += link_differences(portal, warehouse, {"contacts_to_companies": BOTH})
    doubled = "SELECT id FROM {} GROUP BY id HAVING count(*) > 1"
    return found + [f"{t}: {row}" for t in tables for row in warehouse.rows(doubled.format(t))]


def change(portal: Portal, ids: dict[str, list[str]]) -> None:
    """Change some records and links, in ways that take every kind of call to find."""
    for at in range(5):
        portal.update("contacts", ids["contacts"][at], {"city": "New"})
        portal.associate("contacts", ids["contacts"][at], "companies", ids["companies"][-1])
        portal.archive("companies", ids["companies"][at])


def test_fault_of_every_kind(portal: Portal, warehouse: Warehouse) -> None:
    """Every kind of fault, at every other call of a run, costs retries and nothing else."""
    ids = seeded(portal, 250, companies=120)
    hasty = warehouse.with_settings(timeout_seconds=0.5)
    for kinds in (list(FAULTS)[::2], list(FAULTS)[1::2]):
        faults = [
            portal.faults.add(path=CALLS, nth=number + 1, **FAULTS[kind])
            for number, kind in enumerate(kinds)
        ]
        report = hasty.sync(*BOTH)
        assert [fault.used for fault in faults] == [1] * len(kinds)
        assert report.exit_code == 0
        assert report.retries >= len(kinds)
        change(portal, ids)
    warehouse.sync(*BOTH)
    assert apart(portal, warehouse) == []


def test_one_call_in_twenty_fails(portal: Portal, warehouse: Warehouse) -> None:
    """Where five of a hundred calls fail, whatever they are for, every run ends complete."""
    ids = seeded(portal, 800, odd_values=False)
    for number, kind in enumerate(FAULTS):
        portal.faults.add(probability=0.05 / len(FAULTS), seed=number, **FAULTS[kind])
    reports = [warehouse.sync(*BOTH)]
    for at in (0, 10):
        change(portal, {name: found[at:] for name, found in ids.items()})
        reports.append(warehouse.sync(*BOTH))
    assert [report.exit_code for report in reports] == [0] * 3
    assert sum(report.retries for report in reports) >= 3
    assert apart(portal, warehouse) == []


def test_day_and_token_that_end_in_mid_run(portal: Portal, warehouse: Warehouse) -> None:
    """What ends a run in its middle costs no page twice.

    The run that meets the daily limit keeps what it has, exit 5, and the next day's goes on; so
    does a new token after one that was revoked, or has expired, exit 3.
    """
    ids = seeded(portal, 1500, odd_values=False)["contacts"]
    portal.settings.limits = Limits(10**6, search=10**6, associations=10**6, daily=20)
    loads = warehouse.with_settings(load_rows=300)
    report = loads.sync("contacts")
    assert (report.exit_code, report.error_name) == (5, "daily_quota")
    kept = len(warehouse.rows(LIVE))
    assert 300 <= kept < len(ids)
    portal.clock.advance(24 * 3_600_000)
    portal.settings.limits.daily = 10**6

    portal.mutations.add(path=LISTING, nth=1, operations=lambda p: p.revoke_token(DEFAULT_TOKEN))
    portal.journal.clear()
    report = loads.sync("contacts")
    assert (report.exit_code, report.error_name) == (3, "auth")
    assert kept <= len(warehouse.rows(LIVE)) < len(ids)
    portal.set_token("next-token")
    renewed = warehouse.with_settings(access_token="next-token")  # noqa: S106 - not a secret
    assert renewed.sync("contacts").exit_code == 0
    pages = portal.journal.find(method="GET", path_contains="/objects/")
    listed = [page for page in pages if "createdate" in page.query["properties"]]
    assert len(listed) <= (len(ids) - kept) / 100 + 10
    assert apart(portal, warehouse, "contacts") == []

    portal.update("contacts", ids[0], {"city": "New"})
    portal.mutations.add(
        path="/contacts/search", nth=1, operations=lambda p: p.set_token("next-token", None, 1)
    )
    report = renewed.sync("contacts")
    assert (report.exit_code, "expired" in f"{report.error} {report.remedy}") == (3, True)
    portal.set_token("next-token")
    assert renewed.sync("contacts").exit_code == 0
    assert apart(portal, warehouse, "contacts") == []


def test_cursors_that_lead_in_a_circle(portal: Portal, warehouse: Warehouse) -> None:
    """Pages of owners or links that follow each other in a circle end as an error, not never."""
    seeded(portal, 20)
    ends = {"from": {"id": "1"}, "to": []}
    for cursor, nth in (("A", [*range(1, 50, 2)]), ("B", None)):
        paging = {"paging": {"next": {"after": cursor}}}
        owners, links = {"results": [], **paging}, {"results": [ends | paging]}
        portal.faults.add(path="/owners", nth=nth, status=200, body=owners)
        portal.faults.add(path="/associations/.*/batch/read", nth=nth, status=200, body=links)
    report = warehouse.sync(*BOTH)
    assert report.exit_code == 4
    assert str(report.warnings).count("repeats a page of") >= 2


def test_links_that_are_refused(portal: Portal, warehouse: Warehouse) -> None:
    """A refusal of one record's links, or of their second page, takes no link away."""
    ids = seeded(portal, 20)
    contact, other = ids["contacts"][:2]
    for firm in ids["companies"]:
        portal.associate("contacts", contact, "companies", firm)
        portal.associate("contacts", other, "companies", firm)
    warehouse.sync(*BOTH)
    before = warehouse.rows(LINKS)
    portal.settings.association_page_size = 1
    either = "/(contacts/companies|companies/contacts)/batch/read"
    portal.faults.add(path=either, nth=[*range(2, 40)], status=400)
    assert warehouse.sync(*BOTH, links=True).exit_code == 4
    assert warehouse.rows(LINKS) == before
    portal.faults.clear()
    portal.update("contacts", contact, {"city": "New"})
    portal.faults.add(path="/contacts/companies/batch/read", status=400)
    assert warehouse.sync(*BOTH).exit_code == 4
    assert warehouse.rows(LINKS) == before
    portal.faults.clear()
    assert warehouse.sync(*BOTH).exit_code == 0
    assert apart(portal, warehouse) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Fail every write of this process beyond a file's first bytes."""
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, before)


def test_full_disk(portal: Portal, warehouse: Warehouse) -> None:
    """A disk that is full in mid-load ends the run with a clear error; the next is complete."""
    seeded(portal, 1500)
    with files_of_at_most(2**19):
        report = warehouse.with_settings(load_rows=500).sync("contacts")
    assert (report.exit_code, report.error_name) == (6, "warehouse"), report.error
    assert warehouse.sync("contacts").exit_code == 0
    assert apart(portal, warehouse, "contacts") == []


def test_full_disk_where_rows_are_put_aside(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that memory does not hold need room: the error says how to make it; nothing is lost."""
    for bound in ("HELD", "BLOCK"):
        monkeypatch.setattr(f"sources.hubspot.steps.collections.whole.{bound}", 40)
    portal.reset(SeedSpec(contacts=1, companies=0, custom_objects=0, sizes={"files": 600}))
    files = portal.collections["files"]
    assert warehouse.sync_all(select=("files",)).exit_code == 0
    files.edit(files.rows()[0]["id"], {"name": "Another"})
    portal.clock.advance(25 * 3_600_000)
    with files_of_at_most(2**17):
        report = warehouse.sync_all(select=("files",))
    assert (report.exit_code, report.error_name) == (2, "config")
    assert "set TMPDIR" in report.remedy
    assert warehouse.sync_all(select=("files",)).tables["files"].rows == 600
    assert warehouse.rows("SELECT count(*) FROM files WHERE name = 'Another'") == [(1,)]


def test_scope_that_is_lost(portal: Portal, warehouse: Warehouse) -> None:
    """H10: a type that the token may no longer read is marked, and keeps its rows and links."""
    ids = seeded(portal)
    warehouse.load(portal, portal.spec, "contacts", "companies")
    links = warehouse.rows(LINKS)
    known = portal.settings.tokens
    scopes = {f"crm.{kind}.contacts.read" for kind in ("objects", "schemas")}
    portal.settings.tokens = {"emulator-token": Token(scopes=frozenset(scopes))}
    portal.update("contacts", ids["contacts"][0], {"city": "New"})
    outcome = warehouse.sync("contacts", "companies").tables["companies"]
    assert outcome.status in {"failed", "skipped"}
    assert "companies.read" in str(outcome.error)
    rows = warehouse.table("companies")
    assert {id_ for id_ in rows if rows[id_]["_hs_deleted_at"] is None} == {*ids["companies"]}
    assert warehouse.rows(LINKS) == links
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []
    portal.settings.tokens = known
    portal.archive("companies", ids["companies"][0])
    assert warehouse.sync("contacts", "companies").exit_code == 0
    assert apart(portal, warehouse, "contacts", "companies") == []


def test_listing_that_comes_back_short(portal: Portal, warehouse: Warehouse) -> None:
    """No row is taken for purged because a listing was empty, or lacked a page."""
    live = {*seeded(portal, 450, odd_values=False)["contacts"]}
    warehouse.load(portal, portal.spec, "contacts")
    for pages in (2, None):
        portal.faults.add(path=r"/contacts\?", nth=pages, status=200, body={"results": []})
        report = warehouse.sync("contacts", full_refresh=True)
        assert {id_ for (id_,) in warehouse.rows(LIVE)} == live
        assert report.exit_code in {0, 4}
        portal.faults.clear()
    assert warehouse.sync("contacts").exit_code == 0
    assert apart(portal, warehouse, "contacts") == []


def test_most_of_a_table_disappears(portal: Portal, warehouse: Warehouse) -> None:
    """Where most of a table is gone the run stops with its name, and touches nothing of it.

    With a higher purge_share it goes on.
    """
    ids = seeded(portal)["contacts"]
    warehouse.load(portal, portal.spec, "contacts")
    before, gone = warehouse.rows(LIVE), ids[: len(ids) * 6 // 10]
    portal.hide("contacts", gone[::2])
    for id_ in gone[1::2]:
        portal.purge("contacts", id_)
    for anew in (False, True):
        report = warehouse.sync("contacts", full_refresh=anew)
        assert report.exit_code == 4
        told = f"{len(gone)} of {len(ids)} live rows of contacts"
        assert told in f"{report.error} {report.warnings}"
        assert warehouse.rows(LIVE) == before
    assert warehouse.with_settings(purge_share=0.7).sync("contacts").exit_code == 0
    assert apart(portal, warehouse, "contacts") == []
