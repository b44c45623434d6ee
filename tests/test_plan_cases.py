"""What a run decides, case by case: facts of HubSpot and of earlier runs in, steps out.

Each case is a file in `cases/plan`; its name and its `what` say in words what must hold.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sources.hubspot.plan.facts import Facts, Instant, Ledger, State
from sources.hubspot.plan.policy import plan
from sources.hubspot.plan.steps import Plan, Step
from sources.hubspot.plan.tables.sweeps import SWEEPS
from sources.hubspot.steps.objects import STEPS

CASES = sorted((Path(__file__).parent / "cases" / "plan").glob("*.json"))


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One case as its file has it."""

    what: str
    now: Instant
    facts: Facts
    state: State
    steps: tuple[Step, ...]
    ledger: Ledger = Ledger()


def case(name: str) -> Case:
    """Return a case by the name of its file."""
    path = Path(__file__).parent / "cases" / "plan" / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=Case)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_steps(path: Path) -> None:
    """The plan has exactly the steps of the case, with their reasons, calls and rows."""
    one = case(path.stem)
    assert one.what
    found = plan(one.facts, one.state, one.ledger, one.now)
    assert plain(found.steps) == plain(one.steps)


def plain(steps: tuple[Step, ...]) -> Any:
    """Return steps as JSON has them."""
    return msgspec.to_builtins(steps)


def test_there_are_cases() -> None:
    """The policy is described by at least 60 cases."""
    assert len(CASES) >= 60


def test_a_plan_draws_no_more_than_the_share() -> None:
    """However many expensive sweeps are due, they take what is left of the day's share at most."""
    one = case("sweeps-that-waited-longest-come-first")
    for used in range(12_400, 12_501, 10):
        found = plan(one.facts, one.state, Ledger(used=used), one.now)
        assert found.paid <= 12_500 - used


def test_steps_of_a_table_are_found_by_name() -> None:
    """A plan tells the steps of one table, in order, and whether a kind of step is among them."""
    one = case("archive-swept-because-a-contact-changed")
    found: Plan = plan(one.facts, one.state, one.ledger, one.now)
    assert [step.kind for step in found.of("contacts")] == ["changes", "archive"]
    assert found.step("contacts", "archive") is not None
    assert found.step("contacts", "backfill") is None


def test_every_sweep_has_a_function_and_a_case() -> None:
    """A row of the table of sweeps is executed by the function of the same name, and described."""
    assert {*SWEEPS} <= {*STEPS}
    assert {*SWEEPS} <= {step.kind for path in CASES for step in case(path.stem).steps}
