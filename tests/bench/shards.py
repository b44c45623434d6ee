"""How much of a rate limit a listing uses, by how the ids of a table lie; JSON lines.

    python tests/bench/shards.py --latency-ms 300 --per-second 19

Time is simulated, so it takes seconds and calls nobody: each call is answered after the latency,
give or take a tenth, and is sent as soon as the limit allows.
"""

import heapq
import random
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness import asked, report

from sources.hubspot.api.record_pages import PAGE
from sources.hubspot.api.search import PAGE as HITS
from sources.hubspot.api.search import Hit
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.listing.ranges import SPARE, Listing, Range, shards_of
from sources.hubspot.listing.shards import divide
from sources.hubspot.model import Next, Page, Paging

RECORDS = (30_000, 50_000, 100_000, 200_000)
IN_FLIGHT = HubSpotConfig(access_token="").calls_in_flight
FAR = 57 * 10**9


class Simulated:
    """A portal whose records are only ids, and its clock."""

    def __init__(self, ids: Collection[int], seconds: float, per_second: float, seed: int) -> None:
        self.ids = sorted(ids)
        self.seconds, self.per_second = seconds, per_second
        self.random = random.Random(seed)
        self.now = self.free_at = 0.0
        self.calls = self.searches = 0
        self.waiting: list[tuple[float, int, Future[Any], Any]] = []

    def submit(self, after: str | None) -> Future[Any]:
        """Start a call for a page."""
        self.calls += 1
        sent_at = max(self.now, self.free_at)
        self.free_at = sent_at + 1 / self.per_second
        answered_at = sent_at + self.seconds * self.random.uniform(0.9, 1.1)
        first = bisect_left(self.ids, int(after or 0) + 1)
        part = [Hit(str(id_)) for id_ in self.ids[first : first + PAGE]]
        more = first + PAGE < len(self.ids)
        return self.later(answered_at, Page(part, Paging(Next(part[-1].id)) if more else None))

    def later(self, at: float, answer: Any) -> Future[Any]:
        """Answer at an instant."""
        future: Future[Any] = Future()
        heapq.heappush(self.waiting, (at, self.calls, future, answer))
        return future

    def step(self) -> None:
        """Let time pass until the next answer."""
        self.now, _, future, answer = heapq.heappop(self.waiting)
        future.set_result(answer)

    def count(self, after: int, last: int) -> Page[Hit]:
        """Count records, as a search does."""
        self.searches += 1
        first, end = bisect_right(self.ids, after), bisect_right(self.ids, last)
        found = [Hit(str(id_)) for id_ in self.ids[first : min(end, first + HITS)]]
        return Page(found, total=end - first)


def ways(count: int, rng: random.Random) -> Iterator[tuple[str, Collection[int]]]:
    """Make ids that lie in the ways in which they may lie."""

    def clusters(number: int, room: int) -> set[int]:
        starts = [rng.randrange(room) for _ in range(number)]
        return {at + 3 * i for at in starts for i in range(count // number)}

    def pair(share: float) -> set[int]:
        near = int(count * share)
        return {*range(20_000, 20_000 + 2 * near, 2), *range(FAR, FAR + 4 * (count - near), 4)}

    yield "even", range(20_000, 20_000 + 2 * count, 2)
    yield "two_clusters", pair(0.6)
    yield "small_and_large_cluster", pair(0.1)
    yield "large_and_small_cluster", pair(0.9)
    yield "ten_clusters", clusters(10, 10**10)
    yield "sixty_clusters", clusters(60, 10**11)
    yield "exponential", {int(10 ** (3 + 8 * i / count)) + i for i in range(count)}
    yield "power", {int(10**11 * rng.random() ** 4) + 1 for _ in range(count)}
    yield "random", {rng.randrange(50 * count) + 1 for _ in range(count)}
    bursts, at = set[int](), 10**9
    while len(bursts) < count:
        at += rng.randrange(10**5, 10**8)
        for _ in range(rng.randrange(1, 400)):
            at += rng.randrange(1, 200)
            bursts.add(at)
    yield "bursts", bursts


def read(portal: Simulated) -> tuple[float, float]:
    """List all; return the calls, beside the least, and the share of the limit that was used."""
    total, last_id = len(portal.ids), portal.ids[-1]
    spare = SPARE * total
    shards = shards_of(total, IN_FLIGHT)
    division = divide(portal.count, total, last_id, shards=shards, spare=spare)
    listing = Listing(
        portal.submit,
        [Range()],
        in_flight=IN_FLIGHT,
        last_id=last_id,
        expected=total,
        spare=spare,
    )
    listing.division = portal.later(portal.searches * portal.seconds, division)
    found = 0
    for records in listing.pages():
        if records is None:
            portal.step()
        else:
            found += len(records)
    if found != total:
        sys.exit(f"{found} of {total} records were read")
    least = -(-total // PAGE)
    return (portal.calls + portal.searches) / least, least / portal.per_second / portal.now


def main() -> None:
    """Run the benchmark."""
    options = asked(__doc__, latency_ms=300.0, per_second=19.0, seeds=3)
    everything: list[tuple[float, float]] = []
    for count in RECORDS:
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(options.seeds):
            for way, ids in ways(count, random.Random(seed)):
                portal = Simulated(ids, options.latency_ms / 1000, options.per_second, seed)
                found.setdefault(way, []).append(read(portal))
        shares = {way: round(mean(share for _, share in runs), 2) for way, runs in found.items()}
        calls = {way: round(mean(calls for calls, _ in runs), 3) for way, runs in found.items()}
        report("shards", records=count, share_of_limit=shares, calls_of_least=calls)
        everything += [run for runs in found.values() for run in runs]
    report(
        "shards",
        mean_share_of_limit=round(mean(share for _, share in everything), 3),
        mean_calls_of_least=round(mean(calls for calls, _ in everything), 4),
        most_calls_of_least=round(max(calls for calls, _ in everything), 4),
    )


if __name__ == "__main__":
    main()
