"""How the peak of resident memory grows with events in windows and rows of a collection; JSON.

python tests/bench/endpoints.py --events 100000 --files 10000
python tests/bench/endpoints.py --events 1000000 --files 100000
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import asked, report, sync, workplace

OTHERS = ("automation", "campaigns", "cms", "commerce", "conversations", "events", "forms", "lists")


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, events=100_000, files=10_000)
    sizes = {"email_events": options.events, "files": options.files}
    with workplace(contacts=10, properties=5) as (portal, folder):
        portal.control("reset", contacts=10, properties=5, sizes=sizes)
        usage = sync(portal, folder, exclude=json.dumps(OTHERS))
        tables = json.loads(usage.output)["tables"]
    brought = {name: tables[name]["rows"] for name in sizes}
    report(
        "collections",
        rows=brought,
        peak_mib=usage.peak_mib,
        wall_seconds=usage.wall_seconds,
        rows_per_cpu_second=round(sum(brought.values()) / usage.cpu_seconds),
    )


if __name__ == "__main__":
    main()
