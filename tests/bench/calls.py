"""How many calls a backfill, an increment and an idle run make, next to the least; JSON lines.

python tests/bench/calls.py --contacts 30000 --changed 2000

Contacts change two seconds after the idle run, so that they are not taken for changes during it.
"""

import sys
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import EmulatedPortal, asked, report, sync, workplace

TYPES = ("contacts", "companies", "deals")
LISTED = ("--objects", ",".join(TYPES))


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, contacts=30_000, properties=20, changed=2_000)
    with workplace(contacts=options.contacts, properties=options.properties) as (portal, folder):
        portal.control("settings", journal_limit=10**6)
        sync(portal, folder, *LISTED)
        live = {kind: list(portal.control("truth", method="GET", type=kind)) for kind in TYPES}
        counts = {kind: len(ids) for kind, ids in live.items()}
        least = sum(ceil(count / 100) for count in counts.values()) + least_links(portal, counts)
        tell(portal, "backfill", least, records=counts)
        sync(portal, folder, *LISTED)
        tell(portal, "idle", len(TYPES))
        change(portal, live["contacts"], options.changed)
        sync(portal, folder, *LISTED)
        k = options.changed
        pairs = 4  # contacts with contacts and companies, deals with contacts, contacts of both
        tell(portal, "increment", ceil(k / 200) + ceil(k / 100) + pairs * ceil(k / 1000) + 3)


def change(portal: EmulatedPortal, ids: list[str], count: int) -> None:
    """Change so many contacts, spread over all."""
    chosen = ids[:: max(1, len(ids) // count)][:count]
    operations = [
        {"op": "update", "args": ["contacts", id_, {"jobtitle": "CTO"}]} for id_ in chosen
    ]
    portal.control("clock", advance=2_000)
    portal.control("perform", operations=operations)
    portal.control("clock", advance=60_000)
    portal.control("journal", method="DELETE")


def least_links(portal: EmulatedPortal, counts: dict[str, int]) -> int:
    """Count a call per 1,000 records on the smaller side of each pair that was read."""
    requests = portal.control("journal", method="GET")["requests"]
    paths = {r["path"] for r in requests if r["path"].endswith("/batch/read")}
    pairs = {frozenset(path.split("/")[-4:-2]) for path in paths if "/associations/" in path}
    return sum(ceil(min(counts[end] for end in pair) / 1000) for pair in pairs)


def tell(portal: EmulatedPortal, run: str, least: int, **more: object) -> None:
    """Report the calls since the journal was cleared, and clear it."""
    calls = portal.calls()
    made = sum(count for kind, count in calls.items() if kind != "metadata")
    report(
        "calls",
        run=run,
        least=least,
        calls=made,
        ratio=round(made / least, 3),
        by_kind=calls,
        **more,
    )
    portal.control("journal", method="DELETE")


if __name__ == "__main__":
    main()
