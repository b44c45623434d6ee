"""How the peak of resident memory grows with rows of collections; JSON lines.

    python tests/bench/endpoints.py --events 100000 1000000
    python tests/bench/endpoints.py --files 100000
    python tests/bench/endpoints.py --members 1000000

Each size is one portal, which is read for the first time and a day later, when nothing is new;
of members of a list once more, after one has left. What is not named is not measured. Of several
sizes the last line tells how the highest peak of a reading compares with that of the first size.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import requests
from harness import EmulatedPortal, Usage, figures, report, sync, workplace

DAY_MS = 25 * 3_600_000
SIZES = {"events": "email_events", "files": "files", "members": "list_memberships"}
"""Options, and the collection that each is about."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in SIZES:
        parser.add_argument(f"--{option}", type=int, nargs="+", default=[])
    for option, sizes in vars(parser.parse_args()).items():
        peaks = [read(SIZES[option], size) for size in sizes]
        if len(peaks) > 1:
            ratios = {run: round(peaks[-1][run] / peak, 3) for run, peak in peaks[0].items()}
            report("growth", table=SIZES[option], sizes=sizes, peak_ratios=ratios)


def read(table: str, size: int) -> dict[str, float]:
    """Read a portal with so many rows of a table several times; return the peaks in MiB."""
    runs = ["first", "idle", *(["one removal"] if table == "list_memberships" else [])]
    peaks = {}
    with workplace(contacts=10, properties=5) as (portal, folder):
        sizes = {table: size, "lists": int(table == "list_memberships")}
        portal.control("reset", contacts=10, properties=5, handful=False, sizes=sizes)
        for run in runs:
            if run == "one removal":
                remove_member(portal)
            usage = sync(portal, folder, "--select", table)
            peaks[run] = usage.peak_mib
            report("collections", table=table, run=run, **brought(usage, table), **figures(usage))
            portal.control("clock", advance=DAY_MS)
    return peaks


def brought(usage: Usage, table: str) -> dict[str, int]:
    """Return what a sync brought of a table, and what it marked as gone, by how many calls."""
    found = json.loads(usage.output)["tables"][table]
    return {name: found[name] for name in ("rows", "tombstones", "calls")}


def remove_member(portal: EmulatedPortal) -> None:
    """Take one member out of the list that there is."""
    (found,) = portal.control("collections", method="GET", collection="lists")
    path = f"{portal.url}/crm/v3/lists/{found['listId']}/memberships?limit=1"
    answer = requests.get(path, headers={"Authorization": f"Bearer {portal.token}"}, timeout=600)
    record = answer.json()["results"][0]["recordId"]
    change = {"collection": "list_memberships", "change": "delete"}
    portal.control("collections", **change, key=[found["listId"], record])


if __name__ == "__main__":
    main()
