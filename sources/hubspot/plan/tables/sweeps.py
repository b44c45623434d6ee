"""The kinds of sweeps over an object table, as rows of `SWEEPS`.

A new kind is a row here and its function in `STEPS` of `steps/objects.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

from .. import cost
from ..facts import Options, TableFacts, TableState
from ..steps import STEP_BOUNDS, Bounds, Kind, up_to
from .sight import Sight

RECOUNT_HOURS = 24 * 7
"""Between two deep recounts, which find records whose numbers cancel each other out."""


class SweepKind(NamedTuple):
    """One kind of sweep over an object table."""

    what: str
    """Such as `archived {table}`."""
    hours: Callable[[Options], float]
    """Between two that nothing else calls for; a setting of `Options`, or a constant."""
    calls: Callable[[TableFacts, TableState], int]
    """What one takes; up to the setting `sweep_at_once_calls` it is cheap."""
    applies: Callable[[Sight], bool]
    """Whether a table has anything to sweep."""
    cost: Callable[[Sight], cost.Calls]
    """What one takes, in bounds per family of endpoints, without the links of what it finds."""
    why_bounds: str
    """Why nobody knows before what one takes, as a sentence; empty where the bounds are equal."""
    finds: str
    """What it alone finds, for the documents; `{size}` is the number of records."""
    follows_counts: bool = False
    """Whether it explains why HubSpot counts other records than the warehouse."""
    follows_changes: bool = True
    """Whether cheap ones follow changes; else all of them follow the schedule, which begins with
    the table's watermark."""
    follows_listing: Callable[[Sight], bool] = lambda _sight: False
    """Whether it is due with a listing of the table, which brings what other sweeps look for."""
    forced: Callable[[Sight], str] | None = None
    """Why it cannot wait, if that is not what other sweeps cannot wait for."""
    reads: Callable[[Sight], Bounds] = lambda _sight: (0, 0)
    """How many live records it may read by id; `plan` adds the calls for their links."""
    is_done_by_listing: bool = True
    """Whether a complete listing of the table brings all that it finds."""


def _why_recounted(sight: Sight) -> str:
    """Say why missing and surplus rows may cancel each other out; empty if they may not."""
    if sight.state.is_resumed:
        return "The listing took more than one run."
    if sight.state.listed_from and sight.facts.changed_while_listed:
        return "Records changed during the first load."
    return ""


def _archive_cost(sight: Sight) -> cost.Calls:
    one = sight.facts
    if one.rows is None or not one.names_all:  # any of them may be back from the archive
        surprises = one.matching or one.changed
    else:
        surprises = abs(sight.surplus) + one.restored
    definitions = sight.options.definition_calls
    return cost.archive(one, sight.state, surprises=surprises, definitions=definitions)


SWEEPS: dict[Kind, SweepKind] = {
    "recount": SweepKind(
        "ranges of ids of {table}",
        lambda _options: RECOUNT_HOURS,
        cost.recount_calls,
        lambda sight: bool(sight.facts.total and sight.facts.rows and sight.facts.searchable),
        lambda sight: cost.recount(sight.facts, missing=0, deep=True),
        "HubSpot alone knows which ranges differ.",
        "as many records purged as restored, or lost in a first load",
        follows_changes=False,
        follows_listing=lambda sight: sight.state.is_resumed,
        forced=_why_recounted,
        reads=lambda sight: sight.suspects,
    ),
    "archive": SweepKind(
        "archived {table}",
        lambda options: options.sweep_hours,
        lambda _facts, state: cost.archive_calls(state),
        lambda _sight: True,
        _archive_cost,
        "HubSpot alone knows which records were archived, restored or purged.",
        "as many records restored as archived, {size} archived records",
        follows_counts=True,
        follows_listing=lambda _sight: True,
        reads=lambda sight: up_to(sight.returning),
        is_done_by_listing=False,
    ),
    "calculated": SweepKind(
        "calculated values of {table}",
        lambda options: options.sweep_hours,
        cost.calculated_calls,
        lambda sight: sight.facts.calculated and sight.options.sees_warehouse,
        lambda sight: cost.calculated(sight.facts, sight.state, sight.recalculated),
        "HubSpot alone knows which values differ; of large tables a few pages come twice.",
        "a calculated value alone, {size} records",
        reads=lambda sight: sight.recalculated,
    ),
}
"""Sweeps of object tables, in the order in which they run."""


WHY_BOUNDS = STEP_BOUNDS | {kind: row.why_bounds for kind, row in SWEEPS.items()}
"""Why the calls of a step lie within bounds, where they do."""
