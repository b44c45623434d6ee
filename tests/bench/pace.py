"""How near the readings of collections come to HubSpot's rate limit, or to its latency; JSON lines.

    python tests/bench/pace.py --rows 100000 --latency-ms 100

The portal allows 190 calls per 10 seconds, of which the connector may use all. It has so many
files, whose pages of 100 are one chain: the cursor of each is in the answer before. And it has so
many messages, 100 in each conversation, where calls for many conversations are in flight together.
`share` is the time that the limit allows for all whole windows of 190 calls, or that latency takes
where it is longer and calls are a chain, divided by the time that they took.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import requests
from harness import EmulatedPortal, asked, figures, report, sync, workplace

PER_WINDOW, WINDOW_SECONDS = 190, 10
LIMITS = {"interval": PER_WINDOW, "search": 5, "associations": 200, "daily": 10**9}
PAGE = 100
CHAINED = {"files": True, "conversation_messages": False}
"""Tables, and whether each of their calls needs the answer to the one before."""


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, rows=100_000, latency_ms=100.0)
    rows = {"files": options.rows, "conversation_messages": options.rows}
    sizes = rows | {"conversation_threads": options.rows // PAGE}
    for table, is_chain in CHAINED.items():
        with workplace(contacts=10, properties=5) as (portal, folder):
            portal.control("reset", contacts=10, properties=5, handful=False, sizes=sizes)
            warm_up(portal)
            settings = {"latency_ms": options.latency_ms, "journal_limit": 10**6}
            portal.control("settings", limits=LIMITS, **settings)
            portal.control("journal", method="DELETE")
            usage = sync(portal, folder, "--select", table, budget_share="1.0")
            calls = portal.control("journal", method="GET")["requests"]
            report(
                "pace",
                table=table,
                rows=json.loads(usage.output)["tables"][table]["rows"],
                latency_ms=options.latency_ms,
                **paces(calls, table, options.latency_ms if is_chain else 0),
                **figures(usage),
            )


def warm_up(portal: EmulatedPortal) -> None:
    """Have the emulator make its rows, which it does when they are first asked for."""
    token, threads = {"Authorization": f"Bearer {portal.token}"}, "conversations/v3/conversations"
    first = requests.get(f"{portal.url}/{threads}/threads", headers=token, timeout=600).json()
    messages = f"{threads}/threads/{first['results'][0]['id']}/messages"
    for path in (messages, "files/v3/files/search"):
        requests.get(f"{portal.url}/{path}", headers=token, timeout=600).raise_for_status()


def paces(calls: list[dict[str, Any]], table: str, latency_ms: float) -> dict[str, float]:
    """Tell how fast the calls for a table came, and in which share of the time they took.

    Args:
        calls: of the journal.
        table: their last word is in the path of its calls.
        latency_ms: that each call waits for after the one before.
    """
    word = f"/{table.rpartition('_')[2]}"
    times = sorted(one["at_ms"] for one in calls if word in one["path"])
    whole = (len(times) - 1) // PER_WINDOW * PER_WINDOW or len(times) - 1
    seconds = (times[whole] - times[0]) / 1000
    least = whole * max(WINDOW_SECONDS / PER_WINDOW, latency_ms / 1000)
    return {
        "calls": len(times),
        "calls_per_second": round(whole / seconds, 2),
        "least_seconds": round(least, 1),
        "seconds": round(seconds, 1),
        "share": round(least / seconds, 3),
        "refused": sum(one["status"] == 429 for one in calls),
    }


if __name__ == "__main__":
    main()
