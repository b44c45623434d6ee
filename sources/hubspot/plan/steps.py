"""What a plan consists of: steps in order, each with its reason, its calls and its rows."""

from collections.abc import Iterable, Mapping

import msgspec

from ..catalog.apis import Family

Bounds = tuple[int, int]
"""The least and the most; equal where the number is known."""
Kind = str
"""What a step does: a key of `STEPS` in `steps/objects.py`; of tables without records `reference`,
`links`, `changed_links`, `refused_links` or `labels`. Sweeps of object tables are the rows of
`SWEEPS`."""
WHOLE: frozenset[Kind] = frozenset({"backfill", "export", "listing"})
"""Steps that list all live records of a table."""


LINKS_ARE_OPEN = (
    "HubSpot alone knows which links changed, and which records have more than 500: each further"
    " 500 take a call more."
)
STEP_BOUNDS: dict[Kind, str] = {
    "backfill": "Large tables are listed in several ranges; a few pages come twice.",
    "export": "HubSpot decides how long an export takes and if it is of use.",
    "listing": "Large tables are listed in several ranges; a few pages come twice.",
    "pending": "HubSpot alone knows which of the records are archived or gone.",
    "repair": "HubSpot alone knows which of the records are archived or gone.",
    "changes": "HubSpot alone knows which of the records that search counts are loaded.",
    "fill": "Records that have the value already are not read again.",
    "compare": "HubSpot alone knows whether the counts still differ then.",
    "changed_links": LINKS_ARE_OPEN,
    "refused_links": "HubSpot may refuse them again, alone or with others.",
    "links": LINKS_ARE_OPEN,
    "labels": "HubSpot alone knows which pairs have links.",
    "history": "HubSpot alone knows which of the records are still there.",
    "history_backfill": "HubSpot alone knows which of the records are still there.",
    "collection": "HubSpot alone knows how many pages there are.",
}
"""Why the calls of a step lie within bounds, where they do; those of sweeps stand in `SWEEPS`."""


def exactly(number: int) -> Bounds:
    """Return the bounds of a number that is known."""
    return number, number


def up_to(number: int) -> Bounds:
    """Return the bounds of a number of which only the most is known."""
    return 0, number


def add(*bounds: Bounds) -> Bounds:
    """Add bounds.

    >>> add((1, 2), (0, 3))
    (1, 5)
    """
    return sum(low for low, _ in bounds), sum(high for _, high in bounds)


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a run does to one table."""

    kind: Kind
    table: str
    """An object table, a link table or a reference table."""
    reason: str
    """A sentence for somebody who knows HubSpot."""
    calls: Mapping[Family, Bounds] = {}
    rows: Bounds | None = (0, 0)
    """Records it reads; None where it is known only once they are read."""
    is_open: bool = False
    """Whether it may take more calls than the most that is known."""
    paid: int = 0
    """Calls that it draws from the day's share for expensive sweeps."""

    @property
    def in_all(self) -> Bounds:
        """All calls."""
        return add(*self.calls.values())


class Plan(msgspec.Struct, frozen=True):
    """All that a run does, in order."""

    steps: tuple[Step, ...] = ()

    def of(self, table: str) -> tuple[Step, ...]:
        """Return the steps of one table, in order."""
        return tuple(step for step in self.steps if step.table == table)

    def step(self, table: str, kind: Kind) -> Step | None:
        """Return a step of a table, None where it is not to be done."""
        return next((step for step in self.of(table) if step.kind == kind), None)

    @property
    def paid(self) -> int:
        """Calls that are drawn from the day's share."""
        return sum(step.paid for step in self.steps)


def calls_of(steps: Iterable[Step]) -> dict[Family, Bounds]:
    """Add up the calls of steps by family."""
    found: dict[Family, Bounds] = {}
    for step in steps:
        for family, calls in step.calls.items():
            found[family] = add(found.get(family, (0, 0)), calls)
    return found
