"""Members of lists come, go and come back, whichever way HubSpot orders them, and none is lost."""

import re
import tracemalloc
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from conftest import Warehouse
from docs_tables import ROOT

from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot.catalog.endpoints.paging import body_offset
from sources.hubspot.errors import ConfigError
from sources.hubspot.model import TableOutcome
from sources.hubspot.steps.collections.memberships.known import Known
from sources.hubspot_emulator.clock import iso, to_ms
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

HOUR_MS = 3_600_000
LONG, SHORT = 260, 30
"""Members of a list of two pages, and of one."""
LISTS = {"1": LONG, "2": LONG, "3": LONG, "4": LONG, "5": SHORT, "6": SHORT, "7": LONG, "8": SHORT}
DEALS = "8"
PAGE = ROOT / "sources/hubspot/docs/tables/lists.md"
ORDERS = ("ascending", "descending")
ALONE = (CRM, "list_memberships", "list_folders", "list_folder_lists")
"""What is left out where a test looks at the lists themselves."""
Row = tuple[Any, ...]


@dataclass
class Stage:
    """A portal with lists, and its warehouse."""

    portal: Portal
    warehouse: Warehouse

    def join(self, name: str, record: int, at: str = "") -> None:
        """Add a member."""
        row = {"recordId": str(record), "membershipTimestamp": at or self.now}
        self.portal.collections["list_memberships"].add(row, name)

    def leave(self, name: str, record: int) -> None:
        """Remove a member."""
        self.portal.collections["list_memberships"].delete((name, str(record)))

    @property
    def now(self) -> str:
        """The present, as HubSpot writes it."""
        return iso(self.portal.clock.now_ms())

    def sync(self, hours: float = 6) -> TableOutcome:
        """Sync some hours later, and return what became of the members."""
        self.portal.clock.advance(int(hours * HOUR_MS))
        report = self.warehouse.sync_all(exclude=(CRM,))
        assert report.exit_code == 0, report.error
        return report.tables.get("list_memberships", TableOutcome("list_memberships"))

    def members(self, where: str = "removed_at IS NULL") -> dict[tuple[str, str], Row]:
        """Return the members in the warehouse, with their times."""
        sql = "SELECT list_id, record_id, epoch_ms(membership_timestamp), first_seen_at, removed_at"
        rows = self.warehouse.rows(f"{sql} FROM list_memberships WHERE {where}")
        return {(row[0], row[1]): row[2:] for row in rows}

    def truth(self, *left_out: str) -> dict[tuple[str, str], int]:
        """Return the members in the portal, with the time at which they joined."""
        rows = self.portal.collections["list_memberships"].rows()
        lists = {row["listId"] for row in self.portal.collections["lists"].rows()} - {*left_out}
        return {
            (row["_parent"], row["recordId"]): to_ms(row["membershipTimestamp"])
            for row in rows
            if row["_parent"] in lists
        }

    def assert_same(self, *left_out: str) -> None:
        """The members of all lists but some are HubSpot's, and joined when it says."""
        ours = {key: row[0] for key, row in self.members().items() if key[0] not in left_out}
        assert ours == self.truth(*left_out)


@pytest.fixture
def stage(portal: Portal, warehouse: Warehouse) -> Stage:
    """A portal with lists of two pages and of one; the members of each joined one by one."""
    portal.reset(SeedSpec.empty())
    found = Stage(portal, warehouse.with_settings(exclude=[*others(warehouse)]))
    began_ms = portal.clock.now_ms() - 90 * 24 * HOUR_MS
    for name, size in LISTS.items():
        row = {
            "listId": name,
            "name": f"List {name}",
            "objectTypeId": "0-3" if name == DEALS else "0-1",
            "processingType": "MANUAL",
            "processingStatus": "COMPLETE",
            "listVersion": 1,
            "createdAt": iso(began_ms),
            "updatedAt": iso(began_ms),
        }
        portal.collections["lists"].add(row)
        for number in range(size):  # ids and times in different orders
            found.join(name, 1000 + number * 7 % size, iso(began_ms + number * 60_000))
    return found


def others(warehouse: Warehouse) -> list[str]:
    """Return the groups that tests leave out, but for that of lists."""
    return [name for name in warehouse.config.exclude or () if name != "lists"]


@pytest.mark.parametrize("order", ORDERS)
def test_members_are_those_of_hubspot(stage: Stage, order: str) -> None:
    """Joins cost a call per list; removals, also hidden ones, and gone lists leave marked rows."""
    stage.portal.settings.join_order = order
    first = stage.sync()
    stage.assert_same(DEALS)
    assert (first.rows, first.calls) == (5 * LONG + 2 * SHORT, 12)
    seen_at = {key: row[1] for key, row in stage.members().items()}

    planned = plan(SyncOptions(exclude=(CRM,)), config=stage.warehouse.config).sections[0].rows
    assert "list_memberships" not in {row[0] for row in planned}
    assert stage.sync(1).calls == 0  # it is read every six hours
    idle = stage.sync()
    assert (idle.rows, idle.tombstones, idle.calls) == (0, 0, len(LISTS) - 1)

    stage.join("1", 1)  # joins alone
    stage.leave("2", 1003)  # a removal
    stage.leave("3", 1003)  # a removal and a join: the number is the same
    stage.join("3", 1)
    stage.leave("5", 1003)
    stage.leave("7", 1003)  # while HubSpot works the list out
    stage.join("7", 1)
    stage.portal.collections["lists"].edit("7", {"processingStatus": "PROCESSING"})
    before_ms = stage.portal.clock.now_ms()
    changed = stage.sync()
    assert (changed.rows, changed.tombstones) == (3, 3)
    stage.assert_same(DEALS, "7")
    gone = stage.members("removed_at IS NOT NULL")
    assert gone.keys() == {(name, "1003") for name in "235"}
    assert all(ms(row[2]) >= before_ms and row[1] == seen_at[key] for key, row in gone.items())
    assert ("7", "1003") in stage.members()
    assert ("7", "1") in stage.members()

    stage.join("2", 1003)  # they come back
    stage.join("5", 1003)
    stage.leave("3", 1005)  # between two syncs: only the time of joining shows it
    stage.join("3", 1005)
    stage.leave("4", 1005)  # and a join in the past hides a removal
    stage.join("4", 1, "2024-01-01T00:00:00Z")
    stage.portal.collections["lists"].delete("6")
    stage.portal.collections["lists"].edit("7", {"processingStatus": "COMPLETE"})
    stage.sync()
    stage.assert_same(DEALS, "4")
    assert stage.members()["2", "1003"][1] == seen_at["2", "1003"]
    assert stage.members()["3", "1005"][1] == seen_at["3", "1005"]
    ended = {row[2] for row in stage.members("list_id = '6'").values()}
    assert ended == {row[0] for row in stage.warehouse.rows(
        "SELECT _hs_deleted_at FROM lists WHERE list_id = '6'")}  # fmt: skip

    stage.portal.settings.join_order = next(one for one in ORDERS if one != order)
    stage.join("1", 2)
    stage.leave("1", 1003)
    stage.sync(24)
    stage.assert_same(DEALS)
    assert_documented(stage)


def assert_documented(stage: Stage) -> None:
    """The statements of the page on lists answer what they claim to."""
    members, left, several = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    truth = stage.truth(DEALS)
    sizes = Counter(f"List {name}" for name, _ in truth)
    assert dict(stage.warehouse.rows(members)) == sizes
    gone = {(f"List {name}", record) for name, record in stage.members("removed_at IS NOT NULL")}
    assert {row[:2] for row in stage.warehouse.rows(left)} == gone
    times = Counter(record for _, record in truth)
    found = {(record, lists) for _, record, lists in stage.warehouse.rows(several)}
    assert found == {(record, lists) for record, lists in times.items() if lists > 1}


def ms(at: datetime) -> int:
    """Return an instant in epoch milliseconds."""
    return int(at.timestamp() * 1000)


def test_lists_have_their_filters_and_folders(stage: Stage) -> None:
    """What HubSpot gives in other answers is in the row of a list, also when that alone changed."""
    lists, folders = (stage.portal.collections[name] for name in ("lists", "list_folders"))
    for folder, parent in (("0", "0"), ("4", "0"), ("5", "4")):
        folders.add({"id": folder, "name": f"Folder {folder}", "parentFolderId": parent})
    lists.edit("5", {"_filters": {"filterBranchType": "OR"}, "_folder": 5})
    stage.warehouse = stage.warehouse.with_settings(member_lists=["5"])
    sql = "SELECT list_id, filter_branch, list_permissions, folder_id FROM lists ORDER BY list_id"
    stage.sync()
    found = {row[0]: row[1:] for row in stage.warehouse.rows(sql)}
    assert found["5"] == ('{"filterBranchType":"OR"}', "{}", "5")
    assert {row for name, row in found.items() if name != "5"} == {(None, "{}", "0")}
    tree = stage.warehouse.rows("SELECT id, parent_folder_id FROM list_folders ORDER BY id")
    assert tree == [("0", "0"), ("4", "0"), ("5", "4")]
    lists.edit("5", {"_permissions": {"teamsWithEditAccess": [1]}, "_folder": 4})
    stage.sync(24)
    found = {row[0]: row[1:] for row in stage.warehouse.rows(sql)}
    assert found["5"][1:] == ('{"teamsWithEditAccess":[1]}', "4")


def test_lists_beyond_the_last_page_are_read_from_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pages end before the lists do, the others come in reverse; what neither shows fails."""
    for depth, is_read in ((2, False), (4, True)):
        paging = body_offset(2, order="sort", depth=depth)
        monkeypatch.setitem(ENDPOINTS, "lists", replace(ENDPOINTS["lists"], paging=paging))
        stage.portal.clock.advance(HOUR_MS)
        lists = stage.warehouse.sync_all(exclude=ALONE).tables["lists"]
        assert ("than it lists" in (lists.error or "")) != is_read
    assert (lists.rows, lists.calls) == (len(LISTS), 5)


SEARCHED, NOTHING = "/lists/([^/]+/)?search", dict[int, str]()


def remove(portal: Portal, name: str) -> None:
    """Delete a list."""
    portal.collections["lists"].delete(name)


def test_lists_that_move_while_others_are_deleted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What slips from one page to the one before lives; what two readings lack is gone."""
    monkeypatch.setitem(ENDPOINTS, "lists", replace(ENDPOINTS["lists"], paging=body_offset(2)))
    gone = "SELECT string_agg(list_id, ' ' ORDER BY list_id) FROM lists WHERE _hs_deleted_at"
    calls, clock = [], stage.portal.clock
    clock.advance(24 * HOUR_MS - clock.now_ms() % (24 * HOUR_MS))  # details are read once a day
    for deleted, expected in (
        (NOTHING, None),
        ({1: "1"}, None),
        (NOTHING, "1"),
        (NOTHING, "1"),
        ({1: "2", 5: "3"}, "1"),
        (NOTHING, "1 2 3"),
    ):
        stage.portal.mutations.clear()
        for call, name in deleted.items():
            delete = partial(remove, name=name)
            stage.portal.mutations.add(path=SEARCHED, nth=call, operations=delete)
        stage.portal.clock.advance(HOUR_MS)
        lists = stage.warehouse.sync_all(exclude=ALONE).tables["lists"]
        calls.append(lists.calls)
        assert lists.status == "ok"
        assert stage.warehouse.rows(f"{gone} IS NOT NULL") == [(expected,)]
        assert any("twice in a row" in one for one in lists.messages) == (len(deleted) == 2)
    assert calls == [5, 9, 9, 4, 7, 7]


def test_settings_choose_the_lists_whose_members_are_read(stage: Stage) -> None:
    """Object types, ids or all; a name of neither ends the run, which says what there is.

    Members of a short list are compared however many pages they come in.
    """
    warehouse = stage.warehouse
    for names, lists in ((["deals", "5"], {"8", "5"}), (["all"], {*LISTS})):
        stage.warehouse = warehouse.with_settings(member_lists=names)
        stage.sync()
        assert {key[0] for key in stage.members()} == lists
    stage.leave("5", 1003)  # nothing but all members shows it, and they come in two pages
    stage.join("5", 1, "2024-01-01T00:00:00Z")
    stage.warehouse = warehouse.with_settings(member_lists=["5"])
    stage.portal.collections["list_memberships"].empty_page()
    stage.sync()
    stage.assert_same()
    stage.warehouse = warehouse.with_settings(member_lists=["dreams"])
    stage.portal.clock.advance(6 * HOUR_MS)
    with pytest.raises(ConfigError, match=r"dreams.*no object type.*contacts"):
        plan(SyncOptions(exclude=(CRM,)), config=stage.warehouse.config)


def test_members_are_compared_in_few_bytes_each() -> None:
    """A list of a million members takes some 50 MB while it is compared, new members among them."""
    members, own = 50_000, pa.default_memory_pool()
    pool = pa.proxy_memory_pool(own)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        known = Known((str(10**10 + 2 * number), None) for number in range(members))
        for number in range(members):
            known.see(10**10 + number, 0)
        known.see(10**10 + 1, 0)
        assert known.seen == members
        assert tracemalloc.get_traced_memory()[1] + pool.max_memory() < 60 * members
        assert sum(1 for _ in known.gone()) == members // 2
        del known
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(own)
