"""How much of HubSpot's rate limit a backfill uses when every call takes its time; JSON lines.

    python tests/bench/latency.py --contacts 200000 --latency-ms 300

The portal allows 190 calls per 10 seconds, of which the connector may use all; its ids lie in two
dense clusters far apart. With `--opaque` its cursors are no record ids.
"""

import argparse
import json
import sys
import tempfile
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import EmulatedPortal, emulated, figures, report, sync

PER_10_SECONDS = 190
WIDE = {"search": 5, "associations": 200, "daily": 10**9}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--properties", type=int, default=20)
    parser.add_argument("--latency-ms", type=float, default=300)
    parser.add_argument("--opaque", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        emulated(contacts=options.contacts, properties=options.properties) as portal,
    ):
        limits = {"interval": PER_10_SECONDS, **WIDE}
        portal.control(
            "settings", latency_ms=options.latency_ms, limits=limits, journal_limit=10**6
        )
        if options.opaque:
            portal.control("settings", anomalies=["opaque_cursors"])
        usage = sync(
            portal,
            Path(name),
            *("--objects", "contacts"),
            budget_share="1.0",
            associations_per_10_seconds="200",
        )
        rows = json.loads(usage.output)["tables"]["contacts"]["rows"]
        report(
            "latency",
            contacts=rows,
            latency_ms=options.latency_ms,
            opaque_cursors=options.opaque,
            **rates(portal),
            **figures(usage),
        )


def rates(portal: EmulatedPortal) -> dict[str, float]:
    """Tell how fast the pages of live records came, and how that compares with what is allowed."""
    requests = portal.control("journal", method="GET")["requests"]
    live = [one for one in requests if one["query"].get("archived") == "false"]
    pages = [one["at_ms"] for one in live if one["kind"] == "objects.list"]
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
