"""Where a listing is divided: into even ranges, whatever the ids, and for a few questions."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise

import pytest
from conftest import Warehouse
from hypothesis import given, settings
from hypothesis import strategies as st
from test_listing import Portal as Listed
from test_listing import id_sets, read

from sources.hubspot.api.search import PAGE as HITS
from sources.hubspot.api.search import Hit
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.http.client import Client
from sources.hubspot.listing.ranges import SPARE, Division, Listing, Range, shards_of
from sources.hubspot.listing.shards import ask_division, divide
from sources.hubspot.model import ObjectType, Page
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

CONTACTS = ObjectType("contacts", "0-1", "contacts")
RECORDS = 100_000
ODD = (0, 1, 7, 10**6, 10**9 - 1, 10**9, 10**9 + 1, 10**10)


def in_bursts() -> set[int]:
    """Make ids of a sequence that many portals share: a few hundred at a time, far apart."""
    chance, ids, at = random.Random(1), set(), 10**9
    while len(ids) < RECORDS:
        at += chance.randrange(10**5, 10**8)
        ids.update(at + 60 * number for number in range(chance.randrange(1, 400)))
    return ids


IDS: dict[str, Callable[[], Collection[int]]] = {
    "even": lambda: range(20_000, 20_000 + 2 * RECORDS, 2),
    "two_clusters": lambda: {
        *range(20_000, 20_000 + RECORDS, 2),
        *range(57 * 10**9, 57 * 10**9 + 2 * RECORDS, 4),
    },
    "bursts": in_bursts,
}


class Sorted(Listed):
    """Answers calls over many ids that do not change."""

    def __init__(self, ids: Collection[int]) -> None:
        super().__init__(ids)
        self.ascending = sorted(ids)

    def answer(self, after: str | None) -> Page:
        """Return the page at a cursor."""
        first = bisect_left(self.ascending, int(after or 0))
        self.ids = set(self.ascending[first : first + self.page + 1])
        return super().answer(after)


def counting(ids: Collection[int]) -> Callable[[int, int], Page[Hit]]:
    """Make a search for records by id."""
    ascending = sorted(ids)

    def count(after: int, last: int) -> Page[Hit]:
        first, end = bisect_right(ascending, after), bisect_right(ascending, last)
        found = ascending[first : min(end, first + HITS)]
        return Page([Hit(str(id_)) for id_ in found], total=end - first)

    return count


def division_of(ids: Collection[int]) -> Division:
    """Divide a listing of these ids, at the usual cost."""
    spare, shards = SPARE * len(ids), shards_of(len(ids), 14)
    return divide(counting(ids), len(ids), max(ids), shards=shards, spare=spare)


@pytest.mark.parametrize("kind", IDS)
def test_ranges_are_even(kind: str) -> None:
    """No range holds much more than its share, and asking costs at most half of what is spared."""
    ids = sorted(IDS[kind]())
    borders, cost = division_of(ids)
    ends = [0, *(bisect_right(ids, border) for border in borders), len(ids)]
    sizes = [end - start for start, end in pairwise(ends)]
    assert len(sizes) >= 10
    assert max(sizes) <= 1.5 * len(ids) / len(sizes)
    assert cost <= SPARE * len(ids) / 2


@pytest.mark.parametrize("kind", IDS)
def test_calls_stay_in_flight_to_the_end(kind: str) -> None:
    """A listing that is divided so is read in a few more rounds of calls than ranges allow."""
    ids = IDS[kind]()
    portal, rounds = Sorted(ids), 0
    borders, cost = division_of(ids)
    listing = Listing(
        portal.submit,
        [Range()],
        in_flight=14,
        last_id=max(ids),
        expected=len(ids),
        spare=SPARE * len(ids),
    )
    listing.division = Future()
    listing.division.set_result((borders, cost))
    for records in listing.pages():
        if records is None:  # all calls in flight are answered at the same time
            rounds += 1
            while portal.pending:
                portal.step()
    assert rounds <= 1.5 * len(portal.calls) / (len(borders) + 1)
    assert len(portal.calls) + cost / 100 <= 1.02 * len(ids) / 100


@settings(max_examples=60, deadline=None)
@given(ids=id_sets, borders=st.sets(st.integers(1, 10**12), max_size=8), seed=st.integers(0, 99))
def test_reads_every_id_wherever_it_is_divided(ids, borders, seed) -> None:
    """Borders that make no sense cost calls, never a record."""
    portal = Listed(ids, page=7, seed=seed)
    listing = Listing(
        portal.submit, [Range()], in_flight=6, expected=len(ids), last_id=max(ids, default=0)
    )
    listing.division = Future()
    listing.division.set_result((sorted(borders | set(list(ids)[:5])), 0))
    assert set(read(portal, listing)) == ids


@settings(max_examples=60, deadline=None)
@given(
    answers=st.lists(
        st.tuples(st.none() | st.integers(0, 10**7), st.lists(st.sampled_from(ODD), max_size=3)),
        min_size=12,
        max_size=12,
    )
)
def test_search_that_counts_wrong(answers: list[tuple[int | None, list[int]]]) -> None:
    """Numbers that contradict each other and rows outside the filter still end in some borders."""
    given_out = iter(answers)

    def count(_after: int, _last: int) -> Page[Hit]:
        total, ids = next(given_out)
        return Page([Hit(str(id_)) for id_ in ids], total=total)

    borders, cost = divide(count, 10**6, 10**9, shards=12, spare=2_400)
    assert borders == sorted(set(borders))
    assert cost <= 1_200


@pytest.mark.parametrize("status", [400, 503])
def test_search_that_does_not_count(portal: Portal, config: HubSpotConfig, status: int) -> None:
    """Where the search fails, the listing is not divided beforehand, and goes on."""
    portal.faults.add(path="/search", status=status, body={"category": "VALIDATION_ERROR"})
    client = Client(replace(config, max_attempts=1, patience_seconds=0))
    assert ask_division(client, CONTACTS, 10**6, 10**9, shards=8, spare=10**4) == ([], 0)


def test_backfill_counts_before_it_divides(portal: Portal, warehouse: Warehouse) -> None:
    """A first sync of a large table asks as often as its size pays for, and is complete."""
    spec = {"properties": 0, "custom_objects": 0, "archived": 0, "merges": 0, "links": False}
    portal.reset(SeedSpec(contacts=17_000, **spec))
    warehouse.sync("contacts")
    searches = portal.journal.find(path_contains="/contacts/search")
    assert sum(bool(search.body["filterGroups"]) for search in searches) == 1
    pages = portal.journal.find(path_contains="/objects/", method="GET")
    assert len(pages) <= 1.02 * 170 + 2  # the archive has a page, before and after
    assert warehouse.table("contacts").keys() == portal.records("contacts").keys()
