"""One resource per object type: the loop that executes the steps of its plan.

Whatever finds records ends in `table.emit`, the one way for every record, and every checkpoint is
taken after what it vouches for is handed on.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import HubSpotError
from ..model import ObjectType, SyncMode
from ..plan.facts import TableFacts
from ..plan.steps import WHOLE, Kind, Plan, Step
from ..run.empty_tables import if_missing, is_missing
from ..run.portal.schemas import stored_schema
from ..run.run import Items
from ..tables.records import arrow_schema
from .backfill import backfill, begin_unused, finish_backfill, sweep_after_backfill
from .by_id import read_left
from .changes import explains, finish_changes, read_changes
from .planning import Opening, Planning
from .probe import Probe
from .sweeps.archive import is_archive_empty, sweep_archived
from .sweeps.calculated import sweep_calculated
from .sweeps.fill_columns import fill_columns
from .sweeps.recount import recount
from .table import Table

MODES: dict[Kind, SyncMode] = {
    "backfill": "backfill",
    "export": "backfill",
    "listing": "listing",
    "changes": "increment",
    "repair": "repair",
}
"""How a table is read, as the run log names it, by the step that reads it."""


def object_rows(planning: Planning, object_type: ObjectType, kinds: Sequence[ObjectType]) -> Items:
    """Do to one object type what the plan says.

    Args:
        planning: probe and plan of the load.
        object_type: of the table.
        kinds: all object types that this load reads.

    Yields:
        Arrow tables: rows, rejected values, links, each for its own table; None while waiting.

    Raises:
        HubSpotError: where the run does not report errors per table.
    """
    opening = planning.opening(object_type)
    run, table = opening.run, object_type.table
    if run.outcomes.stopped:
        return
    with run.outcome(table) as outcome:
        state = run.state.table(table)
        try:
            plan = yield from planning.made(kinds)
            yield from _perform(plan, opening)
            if is_missing(table):  # it has no records, or this load brings the first
                columns = arrow_schema((yield from _open(opening)).schema)
                yield from if_missing(run, table, columns)
        except HubSpotError:
            outcome.was_read |= state.was_read or bool(run.load.live_count(table))
            raise
        finally:
            outcome.watermark_after = state.watermark


@dataclass
class Work:
    """What the steps of one table share."""

    opening: Opening
    probe: Probe
    table: Table
    steps: Sequence[Step]
    is_explained: bool = False
    """Whether what was read before the sweeps explains how many records live."""
    has_suspects: bool = True
    """Whether a recount, if there was one, found records that only one side holds."""


def _open(opening: Opening) -> Generator[None, None, Table]:
    """Open a table; one that is not used has the columns that it had, and nothing is asked."""
    probe = opening.run.tables.probes.get(opening.object_type.table)
    if probe and probe.facts.is_unused:
        name, policy = opening.object_type.table, opening.run.policy
        return opening.with_schema(stored_schema(name, opening.source, policy))
    return (yield from opening.table())


def _perform(plan: Plan, opening: Opening) -> Items:
    """Execute the steps of a table in order; a load that is full ends after any of them."""
    run, name = opening.run, opening.object_type.table
    probe: Probe = run.tables.probes.get(name) or Probe(TableFacts())
    if probe.error:
        opening.outcome.is_refused_at_once = True
        raise probe.error
    steps = plan.of(name)
    modes = [MODES[step.kind] for step in steps if step.kind in MODES]
    opening.outcome.mode = modes[0] if modes else opening.outcome.mode
    work = Work(opening, probe, (yield from _open(opening)), steps)
    for step in steps:
        yield from STEPS[step.kind](work)
        if name in run.load.unfinished:
            return
    yield from _finish(work)


def _finish(work: Work) -> Items:
    """Set the watermark, once every step is done."""
    table = work.table
    if table.state.backfill is not None:
        yield from finish_backfill(table)
    elif table.state.changes is not None:
        finish_changes(table, work.probe.facts.total, is_explained=work.is_explained)


def _backfill(work: Work) -> Items:
    work.table.state.changes = None
    if work.probe.facts.is_unused:
        begin_unused(work.table, work.probe.began_at)
    else:
        yield from backfill(work.table)


def _read_changes(work: Work) -> Items:
    yield from read_changes(work.table, work.probe)
    work.is_explained = explains(work.table, work.probe.facts.total)


def _repair(work: Work) -> Items:
    run, table = work.opening.run, work.table
    ids = run.tables.repairs.pop(table.name)
    run.options.expect(table.name, len(ids))
    run.tables.ahead.pop(table.name, None)  # older than what is read now
    yield from read_left(table, ids)
    if table.state.backfill:
        table.leave_unfinished()


def _fill(work: Work) -> Items:
    yield from fill_columns(work.table)
    if work.table.state.has_older_rows or work.opening.run.load.budget.spent():
        work.table.leave_unfinished()


def _sweep_archive(work: Work) -> Items:
    if work.probe.facts.is_unused:
        if (yield from is_archive_empty(work.table)):
            return
        work.table = yield from work.opening.table()  # what is archived has values
    if any(step.kind in WHOLE for step in work.steps):
        yield from sweep_after_backfill(work.table)
    elif work.has_suspects:
        yield from sweep_archived(work.table)


def _recount(work: Work) -> Items:
    """Recount the table in a load of its own, when the warehouse has what this run brings."""
    run, name = work.opening.run, work.table.name
    if name not in run.tables.to_recount:
        run.tables.deep.add(name)
    elif run.view is not None:
        since = run.tables.to_recount.pop(name)  # once, whatever becomes of it
        deep = name in run.tables.deep
        work.has_suspects = yield from recount(work.table, run.view, since, deep=deep)


def _skip(_work: Work) -> Items:
    """Do nothing in this load."""
    yield from ()


STEPS: Mapping[Kind, Callable[[Work], Generator[Any, None, None]]] = {
    "skip": _skip,
    "repair": _repair,
    "pending": lambda work: read_left(work.table),
    "backfill": _backfill,
    "export": _backfill,
    "listing": _backfill,
    "changes": _read_changes,
    "fill": _fill,
    "archive": _sweep_archive,
    "calculated": lambda work: sweep_calculated(work.table),
    "recount": _recount,
    "compare": _skip,  # the sync does it after its loads
}
"""What executes each kind of step of an object table."""
