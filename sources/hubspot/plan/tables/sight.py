"""What is known of one object table when its steps and sweeps are chosen."""

from dataclasses import dataclass
from datetime import datetime

from .. import cost
from ..facts import Options, Sweep, TableFacts, TableState
from ..steps import Bounds, up_to


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is known of one table when its steps are chosen."""

    table: str
    facts: TableFacts
    state: TableState
    options: Options
    now: datetime
    was_interrupted: bool = False

    @property
    def surplus(self) -> int:
        """Live records that neither the rows nor the changed records explain; below 0: missing."""
        if self.facts.total is None or self.facts.rows is None or not self.facts.names_all:
            return 0
        return self.facts.total - self.facts.rows - self.facts.created

    @property
    def returning(self) -> int:
        """The most live records that a sweep of the archive may find to be back from it."""
        if self.state.sweeps.get("archive", Sweep()).calls is None:
            return 0  # it was not swept yet
        return cost.once_archived(self.state) + max(0, self.surplus)

    @property
    def recalculated(self) -> Bounds:
        """How many records a sweep of calculated values reads by id, for they differ."""
        one, most = self.facts, self.facts.recalculated
        if most is None:
            return up_to(one.total if one.total is not None else self.state.total or 0)
        return (0 if self.surplus or self.returning else most), most

    @property
    def suspects(self) -> Bounds:
        """How many records a recount reads by id, for only one side may hold them."""
        return up_to(max(cost.FEW_SUSPECTS, abs(self.surplus)))

    @property
    def differs(self) -> str:
        """The two counts that disagree, as a sentence; for the same two numbers every other run."""
        facts, state = self.facts, self.state
        if facts.rows is None and None not in {facts.total, state.total}:
            reported = f"HubSpot counts {facts.total:,} {self.table}, and counted {state.total:,}."
            return reported if facts.total != state.total else ""
        if not self.surplus or facts.total is None or facts.rows is None:
            return ""
        recounted_at = state.differed_at if state.differed == (facts.total, facts.rows) else None
        if recounted_at and state.previous_at and recounted_at >= state.previous_at:
            return ""  # the previous run recounted for them
        expected = facts.rows + facts.created
        return f"HubSpot counts {facts.total:,} {self.table}, the warehouse {expected:,}."
