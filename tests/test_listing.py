"""Listing along the id in ranges: complete whatever the ids, cursors and order of answers."""

import random
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import Future

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.hubspot.api.record_pages import NotKeysetError
from sources.hubspot.errors import ContractError, RequestRejectedError
from sources.hubspot.listing.prefetch import read_ahead
from sources.hubspot.listing.ranges import Listing, Range
from sources.hubspot.model import Column, Next, Page, Paging, TableSchema
from sources.hubspot.tables.decoding import RecordDecoder


class Row:
    """The one member of a record that listing looks at."""

    def __init__(self, id_: int) -> None:
        self.id = str(id_)


class Portal:
    """Answers listing calls over a set of ids, in any order of completion."""

    def __init__(self, ids, *, page=100, inclusive=True, seed=0, on_call: Callable | None = None):
        self.ids = set(ids)
        self.page, self.inclusive = page, inclusive
        self.random = random.Random(seed)
        self.calls: list[str | None] = []
        self.pending: list[tuple[Future, str | None]] = []
        self.on_call = on_call

    @property
    def ids(self) -> set[int]:
        """The ids that there are."""
        return self._ids

    @ids.setter
    def ids(self, ids: set[int]) -> None:
        self._ids, self._ascending = ids, sorted(ids)

    def submit(self, after):
        """Start a call."""
        self.calls.append(after)
        future: Future = Future()
        self.pending.append((future, after))
        return future

    def answer(self, after):
        """Return the page at a cursor."""
        start = int(after) if after is not None else 0
        first = bisect_left(self._ascending, start + (not self.inclusive))
        part, following = self._ascending[first : first + self.page], None
        if first + self.page < len(self._ascending):
            following = self._ascending[first + self.page] if self.inclusive else part[-1]
        paging = None if following is None else Paging(Next(str(following)))
        return Page([Row(i) for i in part], paging)

    def step(self):
        """Answer one of the calls that wait."""
        future, after = self.pending.pop(self.random.randrange(len(self.pending)))
        if self.on_call:
            self.on_call(self, after)
        future.set_result(self.answer(after))


def read(portal: Portal, listing: Listing, *, stop_after: int | None = None) -> list[int]:
    """Drive a listing to its end, or for some pages."""
    seen: list[int] = []
    pages = 0
    for records in listing.pages():
        if records is None:
            portal.step()
            continue
        seen += [int(record.id) for record in records]
        pages += 1
        if pages == stop_after:
            break
    return seen


id_sets = st.one_of(
    st.sets(st.integers(1, 3_000), max_size=600),
    st.sets(st.integers(10**9, 10**9 + 2_000), max_size=400).map(
        lambda cluster: cluster | {i - 10**9 + 1 for i in list(cluster)[:200]}
    ),
    st.sets(st.integers(1, 10**12), max_size=400),
)


@settings(max_examples=30, deadline=None)
@given(
    ids=id_sets, seed=st.integers(0, 99), inclusive=st.booleans(), page=st.sampled_from([1, 7, 50])
)
def test_reads_every_id(ids, seed, inclusive, page) -> None:
    """Every id is read, with cursors that include or exclude the id they name."""
    ids = set(list(ids)[:60]) if page == 1 else ids
    portal = Portal(ids, page=page, inclusive=inclusive, seed=seed)
    listing = Listing(
        portal.submit, [Range()], in_flight=6, expected=len(portal.ids), last_id=max(ids, default=0)
    )
    assert set(read(portal, listing)) == ids


def in_clusters(seed: int) -> set[int]:
    """Make 30,000 ids in clusters of any size, as far apart as they like."""
    chance = random.Random(seed)
    ids: set[int] = set()
    start = 1
    while len(ids) < 30_000:
        size, step = chance.choice([10, 500, 5_000]), chance.choice([1, 3, 50])
        ids.update(range(start, start + size * step, step))
        start += size * step + 10 ** chance.randint(0, 9)
    return ids


@pytest.mark.parametrize("seed", range(2))
def test_clusters_cost_few_extra_calls(seed) -> None:
    """However the ids lie, several calls in flight cost at most 15 % more calls than one."""
    ids = in_clusters(seed)
    portal = Portal(ids, seed=seed)
    listing = Listing(
        portal.submit, [Range()], in_flight=8, expected=len(portal.ids), last_id=max(ids)
    )
    assert set(read(portal, listing)) == ids
    assert len(portal.calls) <= len(ids) / 100 * 1.15


@settings(max_examples=30, deadline=None)
@given(ids=id_sets, seed=st.integers(0, 99), stop=st.integers(1, 30))
def test_goes_on_from_a_checkpoint(ids, seed, stop) -> None:
    """Ranges saved after any page, taken up by another listing, bring exactly what was missing."""
    portal = Portal(ids, page=10, seed=seed)
    first = Listing(
        portal.submit, [Range()], in_flight=4, expected=len(portal.ids), last_id=max(ids, default=0)
    )
    seen = read(portal, first, stop_after=stop)
    portal.pending.clear()
    second = Listing(
        portal.submit,
        first.ranges,
        in_flight=4,
        expected=len(portal.ids),
        last_id=max(ids, default=0),
    )
    assert set(seen) | set(read(portal, second)) == ids


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), data=st.data())
def test_survives_deletions_and_creations(seed, data) -> None:
    """Records that stay are read however many others come and go between any two pages."""
    stay = set(range(1, 1_000, 3))
    go = set(range(2, 1_000, 3))

    def churn(portal: Portal, _after) -> None:
        for id_ in data.draw(st.lists(st.sampled_from(sorted(go)), max_size=3)):
            portal.ids ^= {id_}

    portal = Portal(stay | go, page=20, seed=seed, on_call=churn)
    listing = Listing(
        portal.submit, [Range()], in_flight=5, expected=len(portal.ids), last_id=1_000
    )
    assert stay <= set(read(portal, listing))


def test_drained_listing_wastes_no_call() -> None:
    """A listing that is told to drain yields what is in flight and asks for nothing more."""
    portal = Portal(range(1, 2_001), page=10)
    listing = Listing(
        portal.submit, [Range()], in_flight=4, expected=len(portal.ids), last_id=2_000
    )
    seen: list[int] = []
    for records in listing.pages():
        if records is None:
            portal.step()
            continue
        seen += [int(record.id) for record in records]
        if len(seen) >= 200:
            listing.drain()
    again = Listing(
        portal.submit, listing.ranges, in_flight=4, expected=len(portal.ids), last_id=2_000
    )
    seen += read(portal, again)
    assert sorted(set(seen)) == list(range(1, 2_001))
    assert len(portal.calls) <= 2_000 / 10 * 1.1


def test_calls_stay_near_the_minimum_for_two_dense_clusters() -> None:
    """Two dense clusters far apart cost at most a few calls that find nothing."""
    ids = {*range(1, 20_001), *range(10**10, 10**10 + 20_000)}
    portal = Portal(ids)
    listing = Listing(
        portal.submit, [Range()], in_flight=8, expected=len(portal.ids), last_id=max(ids)
    )
    assert sorted(set(read(portal, listing))) == sorted(ids)
    assert len(portal.calls) <= len(ids) / 100 * 1.05


def test_shards_end_together() -> None:
    """Where a shard runs out another one is divided, so that calls stay in flight to the end."""
    ids = {*range(1, 40_000, 2), *range(10**10, 10**10 + 20_000)}
    portal, rounds = Portal(ids), 0
    listing = Listing(
        portal.submit, [Range()], in_flight=8, last_id=max(ids), expected=len(ids), spare=4_000
    )
    for records in listing.pages():
        if records is None:  # all calls in flight are answered at the same time
            rounds += 1
            while portal.pending:
                portal.step()
    assert rounds <= 1.3 * len(portal.calls) / 8


@pytest.mark.parametrize("far", [1, 10**10], ids=["even", "clusters"])
@pytest.mark.parametrize("expected", [400, 40_000])
def test_nobody_knows_how_many(far: int, expected: int) -> None:
    """A wrong guess of how many there are costs no more calls than may be spared."""
    ids = {*range(1, 100_000, 50), *range(100_000 * far, 100_000 * far + 100_000, 50)}
    portal, waiting = Portal(ids), []
    portal.on_call = lambda *_: waiting.append(len(portal.pending))
    listing = Listing(
        portal.submit, [Range()], in_flight=8, last_id=max(ids), expected=expected, spare=600
    )
    assert sorted(set(read(portal, listing))) == sorted(ids)
    assert len(portal.calls) <= len(ids) / 100 + 600 / 50
    if expected > len(ids):
        assert max(waiting) >= 3


def test_refuses_ids_out_of_order() -> None:
    """A listing that is not in the order of ids is handed back, to be read in sequence."""
    portal = Portal(range(1, 50))
    portal.answer = lambda _after: Page([Row(5), Row(3)], None)
    with pytest.raises(NotKeysetError):
        read(portal, Listing(portal.submit, [Range()], in_flight=2, last_id=49))


def test_refused_cursor_inside_the_ids_is_not_an_error_of_the_table() -> None:
    """Where HubSpot refuses an id as a cursor, the listing is handed back, to be read in turn."""
    portal = Portal(range(1, 5_000))
    answer = portal.answer

    def only_its_own(after):
        if after not in {None, "101"}:
            raise RequestRejectedError("bad cursor", status=400)
        return answer(after)

    portal.answer = only_its_own

    def step() -> None:
        future, after = portal.pending.pop()
        try:
            future.set_result(portal.answer(after))
        except RequestRejectedError as error:
            future.set_exception(error)

    portal.step = step
    with pytest.raises(NotKeysetError):
        read(portal, Listing(portal.submit, [Range()], in_flight=4, expected=5_000, last_id=5_000))


def test_sequential_listing_follows_empty_and_short_pages() -> None:
    """In sequence, only a page without a cursor ends the listing."""
    pages = {None: ([9], "x"), "x": ([], "y"), "y": ([2, 9], None)}
    portal = Portal([])
    portal.answer = lambda after: Page(
        [Row(i) for i in pages[after][0]],
        Paging(Next(pages[after][1])) if pages[after][1] else None,
    )
    listing = Listing(portal.submit, [Range()], in_flight=1)
    assert read(portal, listing) == [9, 2, 9]


@pytest.mark.parametrize("cursors", ["7", "78", "789"])
def test_repeated_cursors_are_an_error_and_not_a_loop(cursors: str) -> None:
    """The same cursors again and again, one or several in turn, end the listing with an error."""
    portal = Portal([])
    turns = iter(cursors * 20)
    portal.answer = lambda _after: Page([Row(1)], Paging(Next(next(turns))))
    with pytest.raises(ContractError, match="again and again"):
        read(portal, Listing(portal.submit, [Range()], in_flight=1))


@pytest.mark.parametrize(("characters", "pages"), [(10, 7), (2 * 1024**2, 1)])
def test_large_pages_are_not_read_ahead(characters: int, pages: int) -> None:
    """Small pages for the next load are read one after the other, large ones one by one."""
    column = Column("body", "body", "text", "string")
    decoder, asked = RecordDecoder(TableSchema("notes", (column,))), []

    def read_page(after: str | None) -> Page:
        asked.append(after)
        following = str(int(after or 0) + 1)
        record = {"id": following, "properties": {"body": "x" * characters}}
        answer = {"results": [record], "paging": {"next": {"after": following}}}
        return decoder.page(msgspec.json.encode(answer))

    def start(call: Callable[[], Page]) -> Future:
        future: Future = Future()
        future.set_result(call())
        return future

    calls = read_ahead(read_page, start, [Range()], most=7)
    assert len(calls) == len(asked) == pages
