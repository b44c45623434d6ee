"""What runs cost that find nothing new, with all that is read by default; JSON lines.

python tests/bench/idle.py --contacts 1000

An hour and a day pass by the portal's clock, so that what is due by then is read.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import asked, report, sync, workplace

HOUR_MS = 3_700_000
"""A little more than an hour."""


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, contacts=1_000, properties=20)
    with workplace(contacts=options.contacts, properties=options.properties) as (portal, folder):
        portal.control("settings", journal_limit=10**6)
        passes = {"first": 0, "second": 0, "third": 0, "hour": HOUR_MS, "day": 24 * HOUR_MS}
        for run, passed in passes.items():
            portal.control("clock", advance=passed)
            portal.control("journal", method="DELETE")
            usage = sync(portal, folder)
            by_kind = portal.calls()
            calls = sum(by_kind.values())
            report("idle", run=run, calls=calls, by_kind=by_kind, cpu_seconds=usage.cpu_seconds)


if __name__ == "__main__":
    main()
