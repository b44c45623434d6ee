"""How the peak of resident memory grows with the number of records; one JSON line.

python tests/bench/memory.py --contacts 100000 1000000 --properties 150
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report, rows_of, sync, workplace


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--properties", type=int, default=150)
    options = parser.parse_args()
    peaks: dict[int, float] = {}
    rates: dict[int, int] = {}
    for contacts in options.contacts:
        with workplace(contacts=contacts, properties=options.properties) as (portal, folder):
            usage = sync(portal, folder, "--objects", "contacts")
            rows = rows_of(usage)
            peaks[contacts], rates[contacts] = usage.peak_mib, round(rows / usage.cpu_seconds)
    report(
        "memory",
        properties=options.properties,
        peak_mib=peaks,
        ratio=round(max(peaks.values()) / min(peaks.values()), 2),
        records_per_cpu_second=rates,
    )


if __name__ == "__main__":
    main()
