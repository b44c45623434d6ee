"""What a first sync, idle runs and increments cost on several destinations, in turns; JSON lines.

    python tests/bench/warehouses.py --on duckdb postgres --contacts 300 --properties 60

Destinations are named as for `pytest tests/destinations --on`, and started as they are there. Each
has a process that makes all of its syncs; the portal changes when all have made the one before.
Ratios are to the first that is named. What a server takes is counted apart.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "destinations"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from adapters import adapter_named
from harness import PYTHON, EmulatedPortal, report, workplace

RUNS = ("first", "idle", "idle", "changes", "idle", "changes")
OBJECTS = ("contacts", "companies", "deals", "tickets")
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the benchmark, or one process of it."""
    options = _asked()
    if options.life:
        live(options.life, options.dataset, tuple(options.objects))
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Let the destinations take turns, and print what each needed."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in options.on}
    with workplace(contacts=options.contacts, properties=options.properties) as (portal, folder):
        for turn in range(options.rounds):
            for name, run, cost in take_turns(portal, folder / str(turn), options):
                found[name].setdefault(run, []).append(cost)
    medians = {
        name: {run: {key: _median(costs, key) for key in costs[0]} for run, costs in runs.items()}
        for name, runs in found.items()
    }
    for name in options.on:
        ratios = {
            run: round(costs["cpu_seconds"] / medians[options.on[0]][run]["cpu_seconds"], 2)
            for run, costs in medians[name].items()
        }
        report("warehouses", on=name, **medians[name], cpu_ratio=ratios)


def _median(costs: list[dict[str, float]], key: str) -> float:
    return round(median(cost[key] for cost in costs), 2)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", nargs="+", default=["duckdb", "postgres"])
    parser.add_argument("--objects", nargs="+", default=OBJECTS)
    parser.add_argument("--contacts", type=int, default=300)
    parser.add_argument("--properties", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--life", help=argparse.SUPPRESS)
    parser.add_argument("--dataset", help=argparse.SUPPRESS)
    return parser.parse_args()


def take_turns(
    portal: EmulatedPortal, folder: Path, options: argparse.Namespace
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Let the destinations make their syncs, one after the other; yield what each cost."""
    portal.control("reset")
    with ExitStack() as lives:
        processes = {
            name: lives.enter_context(_started(name, portal, folder / name, options))
            for name in options.on
        }
        for run in RUNS:
            if run == "changes":
                change(portal)
            for name, process in processes.items():
                before = server_cpu_seconds(folder / name / "server")
                cost = json.loads(_answer(process))
                cost["server_cpu_seconds"] = server_cpu_seconds(folder / name / "server") - before
                yield name, run, cost
            portal.control("clock", advance=3_000)


def _answer(process: "subprocess.Popen[str]") -> str:
    """Let a process make its next sync."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("sync\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        sys.exit("A sync failed; its error stands above.")
    return answer


@contextmanager
def _started(
    name: str, portal: EmulatedPortal, folder: Path, options: argparse.Namespace
) -> Iterator["subprocess.Popen[str]"]:
    """Start a destination, and the process that makes its syncs."""
    server, place = folder / "server", folder / "syncs"
    for one in (server, place):
        one.mkdir(parents=True)
    for one in (server, *server.parents[:3]):
        one.chmod(0o755)  # a server that root starts runs as another user
    adapter = adapter_named(name)
    adapter.start(server)
    command = (PYTHON, __file__, "--life", adapter.destination, "--objects", *options.objects)
    process = subprocess.Popen(
        [*command, "--dataset", f"bench_{os.getpid()}_{folder.parent.name}"],
        cwd=place,
        env=os.environ | portal.environment | dict(adapter.credentials()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        adapter.stop()


def live(destination: str, dataset: str, objects: tuple[str, ...]) -> None:
    """Make a sync for each line that is read, and answer with what it cost."""
    from dlt.common.runtime.collector import NULL_COLLECTOR  # noqa: PLC0415

    from pipelines.commands.sync import SyncOptions, sync  # noqa: PLC0415

    asked = SyncOptions(objects=objects, destination=destination, dataset=dataset)
    for _ in sys.stdin:
        wall, cpu = time.monotonic(), time.process_time()
        done = sync(asked, collector=NULL_COLLECTOR)
        cost = {
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.monotonic() - wall,
            "rows": done.rows,
        }
        if done.exit_code:
            sys.exit(f"{destination}: {done.error}")
        print(json.dumps(cost), flush=True)


def change(portal: EmulatedPortal) -> None:
    """Do to the portal what people do in an hour: edits, archivings, merges, new links."""
    contacts = list(portal.control("truth", method="GET", type="contacts"))
    companies = list(portal.control("truth", method="GET", type="companies"))
    tenth = max(1, len(contacts) // 10)
    operations: list[dict[str, Any]] = [
        {"op": "update", "args": ["contacts", id_, {"jobtitle": f"CTO {time.monotonic()}"}]}
        for id_ in contacts[5 : 5 + tenth]
    ]
    operations += [
        {"op": "archive", "args": ["contacts", contacts[0]]},
        {"op": "archive", "args": ["companies", companies[0]]},
        {"op": "merge", "args": ["contacts", contacts[1], contacts[2]]},
        {"op": "associate", "args": ["contacts", contacts[3], "companies", companies[1]]},
    ]
    portal.control("perform", operations=operations)
    portal.control("clock", advance=300_000)


def server_cpu_seconds(folder: Path) -> float:
    """Return the CPU of servers with files in a folder, and of the children that they had."""
    stats = {int(path.parent.name): _stat(path) for path in Path("/proc").glob("[0-9]*/stat")}
    servers = {pid for pid in stats if str(folder).encode() in _command(pid)} - {os.getpid()}
    ticks = 0
    for pid, fields in stats.items():
        if pid in servers:
            ticks += sum(map(int, fields[11:15]))
        elif fields and int(fields[1]) in servers:
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICKS


def _stat(path: Path) -> list[str]:
    """Return what the system says of a process, from its state on; nothing when it has ended."""
    try:
        return path.read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
