"""What the property history of a table takes: of the records that a run reads, or of all."""

from collections.abc import Sequence

from ...api.property_history import BATCH, calls_each
from ...catalog.names import history_table
from .. import cost
from ..facts import HistoryFacts
from ..steps import WHOLE, Bounds, Kind, Step

CHANGED = "The records that this run reads may have new values."
ASKED = "The user asks for the history of all records."
FIRST = "The history of all records was not read yet, or goes on."
WHOLE_TABLE = "The table is read whole, so all of its records may have new values."
SHARE_ENDS = "The day's share of calls ends before; the next run goes on."


def history_step(
    table: str, facts: HistoryFacts, steps: Sequence[Step], *, share: int
) -> Step | None:
    """Return the step that reads the history of a table; None where there is nothing to read.

    That of all records draws on the day's share, and takes no more calls than are left of it.

    Args:
        table: of the records.
        facts: what is known of its history.
        steps: that the run performs on the table before.
        share: calls that are left of the day's share.
    """
    rows = _rows(facts.pending, [step.rows for step in steps if step.rows])
    calls = _calls(rows, facts.names)
    if not calls[1]:
        return None
    kind: Kind = "history_backfill"
    paid, reason = 0, FIRST if facts.is_first else WHOLE_TABLE
    if not (facts.is_first or any(step.kind in WHOLE for step in steps)):
        kind, reason = "history", CHANGED
    elif facts.is_forced:
        reason = ASKED
    else:
        paid = min(calls[1], share - share % calls_each(facts.names))
        reason += f" {SHARE_ENDS}" * (paid < calls[1])
        calls = min(calls[0], paid), paid
    found: cost.Calls = {"records": calls} if calls[1] else {}
    name = history_table(table)
    return Step(kind=kind, table=name, reason=reason, calls=found, rows=rows, paid=paid)


def _rows(pending: int, read: Sequence[Bounds]) -> Bounds:
    """Return the records whose history is read: those that wait for it, and what the run reads."""
    least = max([pending, *(low for low, _ in read)])
    return least, pending + sum(high for _, high in read)


def _calls(rows: Bounds, names: int) -> Bounds:
    each = calls_each(names)
    return each * cost.pages(rows[0], BATCH), each * cost.pages(rows[1], BATCH)
