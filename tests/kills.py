"""A large first load killed over and over: `uv run python tests/kills.py --kills 20 --seed 1`.

Each sync is a process of its own, killed (-9) at a random instant; records and links change between
any two. Two more runs must then bring the portal id by id, value by value and link by link, and
`verify --full` must say the same. One JSON line per kill; exits with 1 where anything differs or
any file but the warehouse is left.

With `--select all` (or `history`, `lists`, names of tables) syncs read these of a small portal, and
rows of all APIs change. The tables must then hold what a first sync into another warehouse brings.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import truth
from conftest import WIDE, Warehouse
from operations import Operation, perform
from soak import tell
from test_collections import DAY_MS, HOUR_MS, MAY_GO, NEW

from sources.hubspot.config import resolve_config
from sources.hubspot_emulator.clock import iso
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.collections.registry import KINDS
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

CLI = str(Path(sys.executable).parent / "hubspot-elt")
OBJECTS = {kind: kind for kind in ("contacts", "companies", "deals")}
LINKS = {
    "contacts_to_companies": ("contacts", "companies"),
    "contacts_to_deals": ("contacts", "deals"),
    "companies_to_deals": ("companies", "deals"),
}
NAMED = {"firstname": "Ada", "name": "Ada's", "dealname": "Ada's first"}
"""A change of any kind of record; what a kind does not have is left out."""
FAR = 10**6
"""Places of records, modulo the number of records."""
SIZES = {"email_events": 4_000, "form_submissions": 900, "list_memberships": 1_500, "files": 700}
ROWS_OF_A_LOAD = "600"


def change(portal: Portal, rng: random.Random) -> None:
    """Make changes of every kind, anywhere in the tables."""
    changes: list[Operation] = []
    for kind in OBJECTS:
        one, other, *more = (rng.randrange(FAR) for _ in range(8))
        changes += [("update", kind, place, NAMED) for place in more]
        changes += [("create", kind, {}), ("archive", kind, one), ("restore", kind, one)]
        changes += [("archive", kind, other), ("purge", kind, one), ("merge", kind, other, one)]
    for pair in range(3):
        one, other = rng.randrange(FAR), rng.randrange(FAR)
        changes += [("link", pair, one, other, 0), ("unlink", pair, other)]
    perform(portal, changes)


def change_collections(portal: Portal, rng: random.Random) -> None:
    """Change, delete and add rows of other APIs; members leave lists and join them."""
    now_ms, number = portal.clock.now_ms(), rng.randrange(10**9)
    for name in sorted({*MAY_GO} - {"list_folders"}):
        collection = portal.collections[name]
        keys = [tuple(str(row[key]) for key in KINDS[name].keys) for row in collection.seen()]
        if len(keys) > 3:
            edited, deleted = rng.sample(keys, 2)
            collection.edit(edited, NEW)
            collection.delete(deleted)
    members = portal.collections["list_memberships"]
    lists = [row["listId"] for row in portal.collections["lists"].rows()]
    joined = {
        (row["_parent"], row["recordId"]) for row in members.rows() if row["_parent"] in lists
    }
    for key in rng.sample(sorted(joined), min(5, len(joined))):
        members.delete(key)
    for place in range(4):
        row = {"recordId": str(number * 10 + place), "membershipTimestamp": iso(now_ms)}
        members.add(row, rng.choice(lists))
    for hours in range(1, 6):
        event = {"id": f"{number} {hours}", "created": now_ms - hours * HOUR_MS, "type": "OPEN"}
        portal.collections["email_events"].add({**event, "recipient": "a@example.com"})
    for form in portal.collections["forms"].seen()[:2]:
        sent = {"conversionId": f"{number} {form['id']}", "submittedAt": now_ms - HOUR_MS}
        values = [{"objectTypeId": "0-1", "name": "email", "value": "a@example.com"}] * 2
        portal.collections["form_submissions"].add({**sent, "values": values}, form["id"])


def run(folder: Path, *command: str, seconds: float | None = None) -> int:
    """Run our command in a folder, killed after so many seconds; return its exit code."""
    process = subprocess.Popen((CLI, *command), cwd=folder, stdout=subprocess.DEVNULL)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


@dataclass(frozen=True)
class Case:
    """A portal, and a warehouse in a folder, whose syncs are killed."""

    portal: Portal
    folder: Path
    rng: random.Random
    kills: int
    seconds: float

    def kill(self, sync: Sequence[str], change: Callable[[Portal, random.Random], None]) -> None:
        """Kill sync after sync, and change the portal after each."""
        for kill in range(1, self.kills + 1):
            seconds = self.rng.uniform(0.5, self.seconds)
            code = run(self.folder, *sync, seconds=seconds)
            tell(kill=kill, after_seconds=round(seconds, 1), exit_code=code)
            change(self.portal, self.rng)

    def records(self) -> bool:
        """Load records and links; return whether anything is wrong in the end."""
        warehouse = Warehouse(self.folder / "hubspot.duckdb", resolve_config())
        objects = ("--objects", ",".join(OBJECTS))
        sync = ("sync", "--quiet", *objects)
        self.kill(sync, change)
        self.portal.clock.advance(HOUR_MS)
        codes = [run(self.folder, *sync), run(self.folder, *sync)]
        found = truth.differences(self.portal, warehouse, OBJECTS)
        found += truth.link_differences(self.portal, warehouse, LINKS)
        found += [
            f"{table}: doubled rows"
            for table in OBJECTS
            if warehouse.rows(f"SELECT count(*) - count(DISTINCT id) FROM {table}") != [(0,)]
        ]
        verified = run(self.folder, "verify", "--full", *objects)
        left = sorted(path.name for path in self.folder.parent.glob("*/*"))
        tell(syncs=codes, verify=verified, differences=len(found), first=found[:20], files=left)
        return any(codes) or bool(verified or found) or left != [warehouse.path.name]

    def collections(self, select: str) -> bool:
        """Load what is selected; return whether anything is wrong in the end."""
        sync = ("sync", "--quiet", "--select", select)
        self.kill(sync, self.change_all)
        codes = []
        for _ in range(2):
            self.portal.clock.advance(2 * DAY_MS)
            codes.append(run(self.folder, *sync))
        other = self.folder.with_name("other")
        other.mkdir()
        codes.append(run(other, *sync))
        config = resolve_config()
        ours, fresh = (Warehouse(one / "hubspot.duckdb", config) for one in (self.folder, other))
        found = truth.other_differences(ours, fresh)
        tables = Counter(line.partition(" row")[0] for line in found)
        tell(syncs=codes, differences=tables, first=found[:20])
        return any(codes) or bool(found)

    @staticmethod
    def change_all(portal: Portal, rng: random.Random) -> None:
        """Make changes of every kind to records and to rows of other APIs, and let time go on."""
        portal.clock.advance(rng.choice((2_000, HOUR_MS, 7 * HOUR_MS, DAY_MS)))
        change(portal, rng)
        change_collections(portal, rng)


def main() -> int:
    """Kill as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--contacts", type=int, help="100,000; with --select 200")
    parser.add_argument("--seconds", type=float, default=30, help="latest instant of a kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--select", default="", help="what syncs read; records where it is empty")
    chosen = parser.parse_args()
    contacts = chosen.contacts or (200 if chosen.select else 100_000)
    small = contacts // (4 if chosen.select else 20)
    spec = SeedSpec(contacts=contacts, companies=small, deals=small, properties=40, archived=0.05)
    if chosen.select:
        spec = replace(spec, sizes=SIZES, custom_objects=0)
        os.environ["SOURCES__HUBSPOT__LOAD_ROWS"] = ROWS_OF_A_LOAD
        os.environ["SOURCES__HUBSPOT__PURGE_SHARE"] = "1"  # of a few records many go
    with EmulatorServer(spec, limits=WIDE) as server, tempfile.TemporaryDirectory() as name:
        os.environ["SOURCES__HUBSPOT__BASE_URL"] = server.url
        os.environ["SOURCES__HUBSPOT__ACCESS_TOKEN"] = server.token
        folder = Path(name) / "work"
        os.environ["TMPDIR"] = str(Path(name) / "temporary")
        for path in (folder, Path(os.environ["TMPDIR"])):
            path.mkdir()
        rng = random.Random(chosen.seed)
        case = Case(server.portal, folder, rng, chosen.kills, chosen.seconds)
        return int(case.collections(chosen.select) if chosen.select else case.records())


if __name__ == "__main__":
    sys.exit(main())
