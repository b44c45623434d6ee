"""How much of HubSpot's rate limit a backfill uses when every call takes its time; JSON lines.

    python tests/bench/latency.py --contacts 200000 --latency-ms 300

The portal allows 190 calls per 10 seconds, of which the connector may use all; its ids lie in two
dense clusters far apart. With `--opaque` its cursors are no record ids.
"""

import sys
from math import ceil
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import EmulatedPortal, asked, figures, kind_of, report, rows_of, sync, workplace

PER_10_SECONDS = 190
WIDE = {"search": 5, "associations": 200, "daily": 10**9}


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, contacts=200_000, properties=20, latency_ms=300.0, opaque=False)
    with workplace(contacts=options.contacts, properties=options.properties) as (portal, folder):
        limits = {"interval": PER_10_SECONDS, **WIDE}
        portal.control(
            "settings", latency_ms=options.latency_ms, limits=limits, journal_limit=10**6
        )
        if options.opaque:
            portal.control("settings", anomalies=["opaque_cursors"])
        usage = sync(
            portal,
            folder,
            *("--objects", "contacts"),
            budget_share="1.0",
            associations_per_10_seconds="200",
        )
        rows = rows_of(usage)
        report(
            "latency",
            contacts=rows,
            latency_ms=options.latency_ms,
            opaque_cursors=options.opaque,
            **rates(portal),
            **figures(usage),
        )


def brings_live_records(request: dict[str, Any]) -> bool:
    """Return whether a call was a page of the listing, or a batch read in its place."""
    kind = kind_of(request["method"], request["path"])
    return kind == "read" or (kind == "list" and request["query"].get("archived") == "false")


def rates(portal: EmulatedPortal) -> dict[str, float]:
    """Tell how fast the pages of live records came, and how that compares with what is allowed."""
    requests = portal.control("journal", method="GET")["requests"]
    pages = [one["at_ms"] for one in requests if brings_live_records(one)]
    seconds = (max(pages) - min(pages)) / 1000
    allowed = PER_10_SECONDS / 10
    return {
        "pages": len(pages),
        "pages_per_second": round(len(pages) / seconds, 2),
        "share_of_limit": round(len(pages) / seconds / allowed, 3),
        "least_seconds": ceil(len(pages) / allowed),
        "refused": sum(one["status"] == 429 for one in requests),
    }


if __name__ == "__main__":
    main()
