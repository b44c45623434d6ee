"""How many records per CPU second a first sync of contacts loads into DuckDB; one JSON line.

    python tests/bench/backfill.py --contacts 100000 --properties 150

With `--merge 10000` so many contacts change afterwards, and a second line tells what it costs to
merge them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import (
    EmulatedPortal,
    asked,
    figures,
    import_cpu_seconds,
    report,
    rows_of,
    sync,
    workplace,
)

LISTED = ("--objects", "contacts")


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, contacts=100_000, properties=150, merge=0)
    with workplace(contacts=options.contacts, properties=options.properties) as (portal, folder):
        imports = import_cpu_seconds(folder)
        usage = sync(portal, folder, *LISTED)
        rows = rows_of(usage)
        cpu = usage.cpu_seconds - imports
        report(
            "backfill",
            contacts=rows,
            properties=options.properties,
            records_per_cpu_second=round(rows / cpu),
            import_cpu_seconds=imports,
            calls=portal.calls(),
            **figures(usage),
        )
        if options.merge:
            merge(portal, folder, options.merge, imports)


def merge(portal: EmulatedPortal, folder: Path, changed: int, imports: float) -> None:
    """Change so many contacts, spread over all, and sync again."""
    ids = list(portal.control("truth", method="GET", type="contacts"))
    step = max(1, len(ids) // changed)
    operations = [
        {"op": "update", "args": ["contacts", id_, {"jobtitle": "CTO"}]}
        for id_ in ids[::step][:changed]
    ]
    portal.control("perform", operations=operations)
    portal.control("clock", advance=60_000)
    portal.control("journal", method="DELETE")
    usage = sync(portal, folder, *LISTED)
    rows = rows_of(usage)
    cpu = round(usage.cpu_seconds - imports, 2)
    report("merge", rows=rows, merge_cpu_seconds=cpu, calls=portal.calls(), **figures(usage))


if __name__ == "__main__":
    main()
