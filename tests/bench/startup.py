"""How long `--help` and an idle sync of a small portal take; one JSON line.

python tests/bench/startup.py
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import CLI, emulated, measure, report, sync

ROUNDS = 5
CORE = ("--objects", "contacts,companies,deals,tickets")


def main() -> None:
    """Run the benchmark."""
    with (
        tempfile.TemporaryDirectory() as name,
        emulated(contacts=300, properties=60) as portal,
    ):
        folder = Path(name)
        asked = [measure((*CLI, "--help"), {}, folder) for _ in range(ROUNDS)]
        first = sync(portal, folder, *CORE)
        idle = [sync(portal, folder, *CORE) for _ in range(ROUNDS)]
        report(
            "startup",
            help_seconds=median(one.wall_seconds for one in asked),
            first_sync_seconds=first.wall_seconds,
            idle_sync_seconds=median(one.wall_seconds for one in idle),
            idle_cpu_seconds=median(one.cpu_seconds for one in idle),
        )


if __name__ == "__main__":
    main()
