"""Budgets: never a call too many at HubSpot, and next to nothing of our share left unused."""

import contextlib
import heapq
import itertools
import json
import math
import random
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire import Quick

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import DailyQuotaError, UnavailableError
from sources.hubspot.http.client import Client
from sources.hubspot.http.limits import Limits
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

PREFIX = "X-HubSpot-RateLimit-"


def headers(**numbers) -> dict[str, str]:
    """Return rate headers; an underscore stands for the dash."""
    return {PREFIX + name.replace("_", "-"): str(number) for name, number in numbers.items()}


class Wire:
    """Calls on their way to a portal whose clock is ours, several in flight."""

    def __init__(self, budget, *, share=0.9, in_flight=8, delays: Callable[[], tuple]) -> None:
        self.now = 1000.0
        self.limits = Limits(share, sleep=self.advance, clock=lambda: self.now)
        self.budget = budget
        self.arrivals: list[float] = []
        self._in_flight = in_flight
        self._delays = delays
        self._answers: list = []
        self._order = itertools.count()

    def advance(self, seconds: float) -> None:
        """Let time pass; answers arrive meanwhile."""
        end = self.now + seconds
        while self._answers and self._answers[0][0] <= end:
            self.now, _, slot = heapq.heappop(self._answers)
            self.limits.release(slot)
        self.now = end

    def call(self) -> None:
        """Send one call as soon as a connection and the budget are free."""
        while len(self._answers) >= self._in_flight:
            self.advance(self._answers[0][0] - self.now)
        slot = self.limits.acquire(self.budget)
        there, back = self._delays()
        self.arrivals.append(self.now + there)
        heapq.heappush(self._answers, (self.now + there + back, next(self._order), slot))

    def run(self, seconds: float) -> float:
        """Call for a while; return the calls per second."""
        began = self.now
        while self.now - began < seconds:
            self.call()
        return len(self.arrivals) / (self.now - began)

    def most_in(self, window: float) -> int:
        """Return the highest number of arrivals in any rolling window."""
        times = sorted(self.arrivals)
        ends = (bisect_left(times, first + window) for first in times)
        return max(end - at for at, end in enumerate(ends))


def constant(there, back):
    """Return delays that never change."""
    return lambda: (there, back)


def jitter(there, back, seed=1):
    """Return delays evenly spread from 0."""
    rng = random.Random(seed)
    return lambda: (rng.uniform(0, there), rng.uniform(0, back))


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.05])
@pytest.mark.parametrize(
    ("budget", "limit", "window", "delays"),
    [
        ("interval", 100, 10, constant(0.0, 0.001)),
        ("interval", 100, 10, constant(0.05, 0.3)),
        ("interval", 100, 10, jitter(0.75, 0.1)),
        ("interval", 190, 10, jitter(0.3, 0.1)),
        ("interval", 250, 10, constant(0.0, 0.02)),
        ("search", 5, 1, constant(0.0, 0.01)),
        ("search", 5, 1, constant(0.04, 0.5)),
        ("search", 5, 1, jitter(0.08, 0.2)),
        ("associations", 100, 10, jitter(0.3, 0.3)),
    ],
    ids=["fast", "slow", "jitter", "190", "250", "search", "search-slow", "search-jitter", "links"],
)
def test_no_call_too_many_and_no_share_unused(budget, limit, window, delays, share):
    """No window sees more than the limit; 90 % of the share is used, and no more than all of it."""
    wire = Wire(budget, share=share, delays=delays)
    wire.limits.learn(budget, headers(Max=limit) if budget == "interval" else {})
    rate = wire.run(9 * window / share)
    assert wire.most_in(window) <= limit
    assert rate >= 0.9 * limit * share / window
    assert wire.most_in(8 * window / share) <= 8 * limit + max(1, limit * share)


def test_share_holds_in_every_window():
    """Other apps find their part of the budget free in every window, not only on average."""
    wire = Wire("interval", share=0.5, delays=constant(0, 0.01))
    wire.limits.learn("interval", {})
    wire.run(60)
    assert wire.most_in(10) <= 50


def test_first_call_goes_alone():
    """Until the first answer has told the limit, nothing else is sent."""
    wire = Wire("interval", delays=constant(0.1, 0.4))
    wire.call()
    wire.call()
    assert wire.arrivals[1] - wire.arrivals[0] >= 0.5


def test_limit_is_learned():
    """The headers of an answer replace the limit and the window, for better or worse."""
    limits = Limits()
    limits.learn("interval", headers(Max=190, Interval_Milliseconds=5000))
    assert limits.snapshot()["interval"] == {
        "limit": 190, "window_seconds": 5, "share": 0.9, "per_second": 34.2, "others": 0,
    }  # fmt: skip


def test_association_limit_is_not_taken_from_the_interval():
    """An association answer that carries the interval's numbers teaches nothing."""
    limits = Limits()
    limits.learn("interval", headers(Max=190))
    limits.learn("associations", headers(Max=190))
    assert limits.snapshot()["associations"]["limit"] == 100
    limits.learn("associations", headers(Max=150))
    assert limits.snapshot()["associations"]["limit"] == 150


@pytest.mark.parametrize("text", ["", "x", "-5", "1.5", "0", "²"], ids=ascii)
def test_bad_headers_teach_nothing(text):
    """A header that is no whole number above 0 leaves the limit as it was."""
    limits = Limits()
    limits.learn("interval", headers(Max=text, Interval_Milliseconds=text, Remaining=text))
    assert limits.snapshot()["interval"]["limit"] == 100
    assert limits.snapshot()["interval"]["window_seconds"] == 10


def test_other_callers_are_left_room():
    """What HubSpot counts beyond our own calls is taken off, and the rest spread over a window."""
    wire = Wire("interval", delays=constant(0, 0))
    slot = wire.limits.acquire("interval")
    wire.limits.release(slot)
    wire.limits.learn("interval", headers(Max=100, Remaining=29), slot)
    assert wire.limits.snapshot()["interval"]["others"] == 70
    for _ in range(26):  # 27 with the first: 90 % of the 30 that are left
        wire.call()
    assert 9 <= wire.now - 1000 <= 10
    wire.run(20)  # nothing more is heard of the others
    assert wire.most_in(10) >= 80


def test_few_calls_beside_others_are_not_spread():
    """While half of the limit is free, calls beside others go out at once."""
    wire = Wire("interval", delays=constant(0, 0))
    slot = wire.limits.acquire("interval")
    wire.limits.release(slot)
    wire.limits.learn("interval", headers(Max=100, Remaining=89), slot)
    for _ in range(35):
        wire.call()
    assert wire.now - 1000 < 1


def test_others_may_search_too():
    """Where others use the interval, half of a budget that no header tells of is left to them."""
    wire = Wire("search", delays=constant(0, 0.01))
    slot = wire.limits.acquire("interval")
    wire.limits.learn("interval", headers(Max=100, Remaining=60), slot)
    wire.run(9)
    assert wire.most_in(1) <= 2
    wire.run(9)
    assert wire.most_in(1) >= 4


def test_budget_joins_the_interval():
    """After a 429 that says so, searches hold slots of the interval, and wait with it."""
    wire = Wire("search", delays=constant(0, 0))
    wire.limits.learn("interval", headers(Max=30))
    wire.run(2)
    before = len(wire.arrivals)
    assert wire.limits.join_interval("search")
    assert not wire.limits.join_interval("search")
    assert not wire.limits.join_interval("interval")
    wire.run(30)
    assert before >= 9
    assert wire.most_in(10) <= 30
    wire.limits.penalise("search", 5)
    began = wire.now
    wire.limits.acquire("interval")
    assert wire.now - began >= 5


def test_own_calls_are_not_taken_for_others():
    """A header that counts just our own calls takes nothing off."""
    wire = Wire("interval", delays=constant(0, 0.01))
    wire.limits.learn("interval", {})
    for _ in range(20):
        wire.call()
    slot = wire.limits.acquire("interval")
    wire.limits.learn("interval", headers(Max=100, Remaining=79), slot)
    assert wire.limits.snapshot()["interval"]["others"] == 0


def test_penalty_stops_every_thread():
    """After a 429 nobody calls for as long as told, other budgets go on."""
    wire = Wire("search", delays=constant(0, 0))
    wire.limits.penalise("search", 3)
    wire.limits.release(wire.limits.acquire("interval"))
    assert wire.now == 1000
    wire.call()
    assert wire.now - 1000 >= 3


def test_day_is_learned_and_its_reserve_kept():
    """Calls stop while the other apps' part of the day is still there."""
    limits = Limits(0.9)
    limits.learn("interval", headers(Daily=1000, Daily_Remaining=101))
    limits.release(limits.acquire("associations"))
    limits.learn("associations", headers(Daily=1000, Daily_Remaining=100))
    assert limits.snapshot()["daily"] == {"limit": 1000, "remaining": 100, "reserve": 100}
    with pytest.raises(DailyQuotaError, match=r"100 of the portal's 1000.*midnight"):
        limits.acquire("search")


def test_spent_day_stops_calls():
    """Once HubSpot has refused a call for the day, no other one is sent."""
    limits = Limits()
    limits.spend_day()
    with pytest.raises(DailyQuotaError, match="midnight"):
        limits.acquire("interval")


def test_cancel_ends_a_wait():
    """A thread that waits for its turn is let go at once, with an error."""
    limits = Limits()
    limits.penalise("interval", 60)
    timer = threading.Timer(0.1, limits.cancel)
    timer.start()
    with pytest.raises(UnavailableError, match="cancelled"):
        limits.acquire("interval")
    timer.join(1)
    assert not timer.is_alive()


@pytest.mark.parametrize(
    ("rates", "seconds", "clock"),
    [({"interval": 9, "associations": 9}, 12, Quick(5)), ({"search": 4.5}, 3, Quick(1))],
    ids=["ten_seconds", "one_second"],
)
def test_busy_client_is_never_refused(rates, seconds, clock):
    """At HubSpot's smallest limits 24 threads get no 429, and use at least 90 % of the share.

    Every third call arrives 80 ms late, which is what a limiter that counts sendings trips over.
    The clock runs faster where windows are ten times as long.
    """
    with EmulatorServer(SeedSpec(contacts=5), latency_ms=20 / clock.speed) as server:
        clock.rule(server.portal)
        server.portal.faults.add(delay_ms=80 / clock.speed, probability=0.3)
        config = HubSpotConfig(access_token=server.token, base_url=server.url, calls_in_flight=24)
        client = clock.client(config)
        sent = keep_busy(client, rates, seconds, clock)
        assert client.meter.rate_limited == 0
        assert not server.portal.journal.find(status=429)
    for budget, rate in rates.items():
        assert sent[budget] >= 0.9 * rate * seconds


def keep_busy(
    client: Client, budgets: Collection[str], seconds: float, clock: Quick
) -> Counter[str]:
    """Call with 24 threads in all; return the calls answered in time, by budget."""
    listing = client.path("objects", "contacts")
    links = client.path("associations", "contacts", "companies", "batch", "read")
    inputs = {"inputs": [{"id": "1"}]}
    calls = {
        "interval": lambda: client.get(listing, {"limit": 1}, decode=json.loads),
        "search": lambda: client.post(f"{listing}/search", {"limit": 1}, decode=json.loads),
        "associations": lambda: client.post(links, inputs, decode=json.loads),
    }
    answered: Counter[str] = Counter()
    end = clock.now() + seconds

    def work(budget: str) -> None:
        with contextlib.suppress(UnavailableError):  # cancelled in the end
            while clock.now() < end:
                calls[budget]()
                answered[budget] += clock.now() < end

    with ThreadPoolExecutor(24) as pool:
        futures = [
            pool.submit(work, budget) for budget in budgets for _ in range(24 // len(budgets))
        ]
        clock.sleep(seconds)
        client.cancel()
    for future in futures:
        future.result()
    return answered


class BlockedError(Exception):
    """A call has to wait so many seconds."""


class Crowd:
    """Clients that share one token of a portal of 100 calls per 10 seconds, on a clock of ours."""

    def __init__(self, starts: list[float], delays: Callable[[], tuple], in_flight: int) -> None:
        self.now, self.refused, self.accepted = 0.0, 0, [0 for _ in starts]
        self._delays, self._arrivals = delays, []
        self._events: list = []
        self._order = itertools.count()
        self._free = [in_flight for _ in starts]
        self._limits = [Limits(0.9, sleep=self._block, clock=lambda: self.now) for _ in starts]
        for at, start in enumerate(starts):
            self._later(start, lambda at=at: self._send(at))

    def _block(self, seconds: float) -> None:
        raise BlockedError(seconds)

    def _later(self, seconds: float, event: Callable[[], object]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event))

    def _send(self, at: int) -> None:
        try:
            slot = self._limits[at].acquire("interval")
        except BlockedError as blocked:
            self._later(blocked.args[0] + 1e-6, lambda: self._send(at))
            return
        self._free[at] -= 1
        there, back = self._delays()
        self._later(there, lambda: self._arrive(at, slot, back))
        if self._free[at]:
            self._later(0, lambda: self._send(at))

    def _arrive(self, at: int, slot, back: float) -> None:
        used = len(self._arrivals) - bisect_left(self._arrivals, self.now - 10)
        self.refused += used >= 100
        if used < 100:
            self._arrivals.append(self.now)
            self.accepted[at] += 1
        left = max(0, 99 - used)
        self._later(back, lambda: self._answered(at, slot, left, refused=used >= 100))

    def _answered(self, at: int, slot, left: int, *, refused: bool) -> None:
        limits = self._limits[at]
        limits.release(slot)
        limits.learn("interval", headers(Max=100, Remaining=left), slot)
        if refused:
            limits.penalise("interval", 10)
        self._free[at] += 1
        if self._free[at] == 1:
            self._send(at)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= seconds:
            self.now, _, event = heapq.heappop(self._events)
            event()


@pytest.mark.parametrize("delays", [(0.005, 0.02), (0.05, 0.2), (0.1, 1.0)], ids=str)
@pytest.mark.parametrize("start", [0, 0.3, 2, 9.9, 25])
def test_two_commands_share_the_budget(start, delays):
    """Two clients of one token that want all of a limit are hardly refused, and both get on."""
    crowd = Crowd([0, start], jitter(*delays), in_flight=14)
    crowd.run(120)
    assert crowd.refused <= 6  # 14 to 133 where each takes what the other has not used yet
    assert sum(crowd.accepted) >= 0.75 * 10 * 120
    assert min(crowd.accepted) >= 200


def two_clients(
    server: EmulatorServer, clock: Quick, budgets: Callable[[Client], list]
) -> list[Client]:
    """Call with two clients of eight threads each, the second one later; return them."""
    config = HubSpotConfig(access_token=server.token, base_url=server.url, calls_in_flight=8)
    clients = [clock.client(config), clock.client(config)]
    end = clock.now() + 9

    def work(client: Client) -> None:
        with contextlib.suppress(UnavailableError):  # cancelled in the end
            while clock.now() < end:
                for call in budgets(client):
                    call()

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(work, clients[0]) for _ in range(8)]
        clock.sleep(0.7)
        futures += [pool.submit(work, clients[1]) for _ in range(8)]
        clock.sleep(end - clock.now())
        for client in clients:
            client.cancel()
    for future in futures:
        future.result()
    return clients


def owners(client: Client) -> Callable[[], object]:
    """Return a call of the interval."""
    return lambda: client.get(client.path("owners"), decode=json.loads)


def search(client: Client) -> Callable[[], object]:
    """Return a search."""
    path = client.path("objects", "contacts", "search")
    return lambda: client.post(path, {"limit": 1}, decode=json.loads)


def test_two_commands_share_searches():
    """What others use of the interval warns of their searches, which no header tells of."""
    limits = {"interval": 100, "interval_ms": 10_000, "search": 5}
    with EmulatorServer(SeedSpec(contacts=1), limits=limits, latency_ms=4) as server:
        clock = Quick(5)
        clock.rule(server.portal)
        two_clients(server, clock, lambda client: [owners(client), *[search(client)] * 3])
        assert server.portal.journal.count(status=429) <= 6  # it was 20
        assert server.portal.journal.count(path_contains="/search", status=200) >= 9


def test_portal_that_grants_no_exemption():
    """Where searches count in the interval after all, a few refusals teach it; it is told once."""
    limits = {"interval": 20, "interval_ms": 2000, "search": 10, "search_ms": 200}
    with EmulatorServer(SeedSpec(contacts=1), limits=limits, exemptions=False) as server:
        config = HubSpotConfig(access_token=server.token, base_url=server.url, search_per_second=50)
        said: list[str] = []
        clock = server.portal.clock
        client = Client(
            config,
            sleep=lambda seconds: clock.advance(math.ceil(seconds * 1000)),
            clock=lambda: clock.elapsed_ms() / 1000,
        )
        client.health.notify = said.append
        owners(client)()
        for _ in range(60):
            search(client)()
        refused = server.portal.journal.count(status=429)
        for _ in range(20):
            search(client)()
            owners(client)()
        assert 1 <= refused <= 3
        assert server.portal.journal.count(status=429) == refused
    assert [text for text in said if "counts searches" in text] == said
    assert len(said) == 1


def test_portal_without_limits_is_not_held_back() -> None:
    """After 20 answers that name no limit calls are free, until the first 429."""
    clock = Ticking()
    limits = Limits(0.9, sleep=clock.sleep, clock=clock)
    for _ in range(400):
        slot = limits.acquire("interval")
        limits.learn("interval", {}, slot)
        limits.release(slot)
    assert clock() < 1
    limits.penalise("interval", 0)
    for _ in range(200):
        limits.release(limits.acquire("interval"))
    assert clock() > 10


class Ticking:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def test_use_tells_what_is_sent_and_what_waits() -> None:
    """Each budget tells the calls of its last window, our share, and whether any call waits."""
    now, seen = [1000.0], []

    def sleep(seconds: float) -> None:
        seen.append({use.budget: (use.sent, use.waiting) for use in limits.use()})
        now[0] += seconds

    limits = Limits(0.9, search=5, sleep=sleep, clock=lambda: now[0])
    for _ in range(6):
        limits.release(limits.acquire("search"))
    assert seen[0]["search"] == (5, True)
    assert seen[0]["interval"] == (0, False)
    (search,) = [use for use in limits.use() if use.budget == "search"]
    assert (search.allowed, search.seconds, search.waiting) == (5, 1.0, False)
