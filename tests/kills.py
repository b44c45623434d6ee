"""A large first load killed over and over: `uv run python tests/kills.py --kills 20 --seed 1`.

Each sync is a process of its own, killed (-9) at a random instant; records and links change between
any two. Two more runs must then bring the portal id by id, value by value and link by link, and
`verify --full` must say the same. One JSON line per kill; exits with 1 where anything differs or
any file but the warehouse is left.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import truth
from conftest import WIDE, Warehouse
from operations import Operation, perform
from soak import tell

from sources.hubspot.config import resolve_config
from sources.hubspot_emulator.http.server import EmulatorServer
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


def run(folder: Path, *command: str, seconds: float | None = None) -> int:
    """Run our command in a folder, killed after so many seconds; return its exit code."""
    process = subprocess.Popen((CLI, *command), cwd=folder, stdout=subprocess.DEVNULL)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


def main() -> int:
    """Kill as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30, help="latest instant of a kill")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    small = chosen.contacts // 20
    spec = SeedSpec(
        contacts=chosen.contacts, companies=small, deals=small, properties=40, archived=0.05
    )
    with EmulatorServer(spec, limits=WIDE) as server, tempfile.TemporaryDirectory() as name:
        os.environ["SOURCES__HUBSPOT__BASE_URL"] = server.url
        os.environ["SOURCES__HUBSPOT__ACCESS_TOKEN"] = server.token
        folder = Path(name) / "work"
        os.environ["TMPDIR"] = str(Path(name) / "temporary")
        for path in (folder, Path(os.environ["TMPDIR"])):
            path.mkdir()
        warehouse = Warehouse(folder / "hubspot.duckdb", resolve_config())
        objects = ("--objects", ",".join(OBJECTS))
        sync = ("sync", "--quiet", *objects)
        for kill in range(1, chosen.kills + 1):
            seconds = rng.uniform(0.5, chosen.seconds)
            code = run(folder, *sync, seconds=seconds)
            tell(kill=kill, after_seconds=round(seconds, 1), exit_code=code)
            change(server.portal, rng)
        server.portal.clock.advance(3_600_000)
        codes = [run(folder, *sync), run(folder, *sync)]
        found = truth.differences(server.portal, warehouse, OBJECTS)
        found += truth.link_differences(server.portal, warehouse, LINKS)
        found += [
            f"{table}: doubled rows"
            for table in OBJECTS
            if warehouse.rows(f"SELECT count(*) - count(DISTINCT id) FROM {table}") != [(0,)]
        ]
        verified = run(folder, "verify", "--full", *objects)
        left = sorted(path.name for path in Path(name).glob("*/*"))
        tell(syncs=codes, verify=verified, differences=len(found), first=found[:20], files=left)
        return 1 if any(codes) or verified or found or left != [warehouse.path.name] else 0


if __name__ == "__main__":
    sys.exit(main())
