"""Histories until the time is up: `uv run python tests/soak.py --minutes 30 --seed 1`.

Plans come first: all states of `tests/test_plan_calls.py`, of which the tests go through most, and
`--plans` random ones, six of each dataset, whose plan must hold the calls of the sync that follows.
Then the kept histories of `tests/test_stateful.py`, and random
ones.

Prints one JSON line per minute. A history that fails is made small, which takes up to `--shrink`
minutes more, printed as data that can be put into `KEPT` of `tests/test_stateful.py`, and ends the
soak with exit code 1.
"""

import argparse
import json
import pprint
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pytest
from conftest import OTHER_GROUPS, SERVERS, WIDE, Warehouse, wide
from hypothesis import HealthCheck, Phase, given, seed, settings
from test_plan_calls import HISTORIES, check_any, run_all
from test_stateful import ENDINGS, KEPT, SIZES, Step, check, steps

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

STATES = 6
"""Random states that one dataset goes through, each planned and synced."""
Case = tuple[Sequence[int], list[Step], str]


class OverError(BaseException):
    """The time is up, or a case failed; no failure to hypothesis."""


class Soak:
    """Cases tried so far, and the one that failed."""

    def __init__(self, server: EmulatorServer, minutes: float, kills: int) -> None:
        self.server, self.kills = server, kills
        self.began = self.told = time.monotonic()
        self.ends = self.began + minutes * 60
        self.counts = {"examples": 0, "syncs": 0, "kills": 0, "operations": 0}
        self.failed: tuple[Case, str] | None = None

    def run(self, start: int) -> None:
        """Try the kept cases, then others until the time is up or one fails."""
        for case in KEPT.values():
            self.count(case[1])
            if message := self.failure(case):
                self.failed = (case, message)
                return
        quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]  # a case takes its ten seconds

        @seed(start)
        @settings(
            max_examples=10**6,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=quiet,
        )
        @given(SIZES, steps(self.kills), ENDINGS)
        def one(size: Sequence[int], history: list[Step], ending: str) -> None:
            self.count(history)
            case = (size, history, ending)
            if message := self.failure(case):
                self.failed = (case, message)
                raise OverError
            if time.monotonic() > self.ends:
                raise OverError

        try:
            one()
        except OverError:
            return

    def failure(self, case: Case) -> str | None:
        """Tell how a case fails; None where it does not."""
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            try:
                check(self.server, Path(folder), *case)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                last = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(last.filename).name}:{last.lineno}"
                return f"{type(error).__name__} in {place}: {error}"
        return None

    def count(self, history: list[Step]) -> None:
        """Count a case, and tell every minute."""
        names = [step[0] for step in history]
        self.counts["examples"] += 1
        self.counts["syncs"] += names.count("sync") + 2
        self.counts["kills"] += names.count("kill")
        others = ("sync", "kill", "settings")
        self.counts["operations"] += len(names) - sum(map(names.count, others))
        if time.monotonic() - self.told >= 60:
            self.told = time.monotonic()
            tell(minutes=round((self.told - self.began) / 60, 1), **self.counts)

    def shrink(self, case: Case, minutes: float) -> tuple[Case, str]:
        """Make a failing case as small as the time allows; it may fail in another way then."""
        ends = time.monotonic() + minutes * 60
        message = self.failure(case) or "fails only now and then"
        tried: set[str] = set()
        smaller = _smaller(case)
        while time.monotonic() < ends and (one := next(smaller, None)):
            if repr(one) in tried:
                continue
            tried.add(repr(one))
            if told := self.failure(one):
                case, message, smaller = one, told, _smaller(one)
                tell(steps=len(case[1]), fails=told[:200])
        return case, message


def _smaller(case: Case) -> Iterator[Case]:
    """Yield cases with some steps, or what is in one, left out, the larger ones first."""
    size, history, ending = case
    if ending == "later":
        yield size, history, "soon"
    part = len(history) // 2
    while part:
        for at in range(len(history) - part, -1, -part):
            yield size, history[:at] + history[at + part :], ending
        part //= 2
    for at, step in enumerate(history):
        for inner in _simpler(step):
            yield size, [*history[:at], inner, *history[at + 1 :]], ending


def _simpler(step: Step) -> Iterator[Step]:
    """Yield a step with less in it."""
    for at, argument in enumerate(step):
        if isinstance(argument, list | dict) and argument:
            for one in range(len(argument)):
                left = [*argument][:one] + [*argument][one + 1 :]
                kept: Any = left if isinstance(argument, list) else {n: argument[n] for n in left}
                yield (*step[:at], kept, *step[at + 1 :])
        if isinstance(argument, list):
            for one, inner in enumerate(argument):
                for smaller in _simpler(inner) if isinstance(inner, tuple) else ():
                    changed = [*argument[:one], smaller, *argument[one + 1 :]]
                    yield (*step[:at], changed, *step[at + 1 :])


def tell(**members: object) -> None:
    """Print one JSON line."""
    print(json.dumps(members), flush=True)


@contextmanager
def emptied(server: EmulatorServer) -> Iterator[Warehouse]:
    """Empty the portal, and lend a warehouse that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, pytest.MonkeyPatch.context() as at:
        path = Path(folder) / "warehouse.duckdb"
        at.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
        at.setenv("SOURCES__HUBSPOT__EXCLUDE", json.dumps(OTHER_GROUPS))
        server.portal.reset(SeedSpec.empty())
        yield Warehouse(path, wide(server))


def check_plans(server: EmulatorServer, seeds: Sequence[int]) -> None:
    """Compare plans of states with the syncs that follow; raise where one is wrong."""
    for name, (begin, states) in HISTORIES.items():
        with emptied(server) as warehouse:
            begin(server.portal)
            run_all(server.portal, warehouse, states, soak=True)
        tell(plans_of=name)
    for start in seeds:
        with emptied(server) as warehouse:
            check_any(server.portal, warehouse, start, STATES)
        tell(plans_from_seed=start)


def main() -> int:
    """Soak as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=2, help="kills among twenty syncs")
    parser.add_argument("--shrink", type=float, default=10, help="minutes for making a case small")
    parser.add_argument("--plans", type=int, default=60, help="states whose plans are checked")
    chosen = parser.parse_args()
    with EmulatorServer(SeedSpec.empty(), limits=WIDE) as server:
        SERVERS[server.url] = server
        check_plans(server, range(chosen.seed, chosen.seed + chosen.plans // STATES))
        soak = Soak(server, chosen.minutes, chosen.kills)
        soak.run(chosen.seed)
        tell(ended=True, failed=bool(soak.failed), **soak.counts)
        if soak.failed is None:
            return 0
        case, message = soak.failed
        print(f"# {message}\n{pprint.pformat(case, width=100)}", flush=True)
        case, message = soak.shrink(case, chosen.shrink)
        print(f"# {message}\n{pprint.pformat(case, width=100)}", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
