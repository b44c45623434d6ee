"""How long `--help` and an idle sync of a small portal take; one JSON line.

python tests/bench/startup.py
"""

import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import CLI, measure, report, sync, workplace

ROUNDS = 5
CORE = ("--objects", "contacts,companies,deals,tickets")


def main() -> None:
    """Run the benchmark."""
    with workplace(contacts=300, properties=60) as (portal, folder):
        helped = [measure((*CLI, "--help"), {}, folder) for _ in range(ROUNDS)]
        first = sync(portal, folder, *CORE)
        idle = [sync(portal, folder, *CORE) for _ in range(ROUNDS)]
        report(
            "startup",
            help_seconds=median(one.wall_seconds for one in helped),
            first_sync_seconds=first.wall_seconds,
            idle_sync_seconds=median(one.wall_seconds for one in idle),
            idle_cpu_seconds=median(one.cpu_seconds for one in idle),
        )


if __name__ == "__main__":
    main()
