"""All lists: in groups side by side, with the daily comparisons that the day's share pays."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from ....errors import HubSpotError
from ....model import View
from ....run.pace.waiting import together
from ....run.run import Items as Found
from ...ledger import draw, ledger_of
from ..blocks import Out
from ..part import Part, note_left_out
from .lists import List, lists_to_read, members_pending
from .one_list import HELD, Members, Pass, read_list

TOGETHER, ROWS_TOGETHER = 50, 100_000
"""Lists, and about how many members, that are read before the cursor moves on."""


def read_members(part: Part) -> Found:
    """Read the members of all lists that the settings name.

    Guarantees: a member is marked as removed only where all members of its list came, and HubSpot
    does not work them out at that time. The cursor passes lists only with their rows.

    Raises:
        HubSpotError: every list is refused, or a call fails.
        ConfigError: the setting names what is no list and no object type.
    """
    run, state = part.run, part.state
    if run.view is None:
        return
    found = members_pending(run, run.view, part.endpoint)
    work, groups = _begun(part, run.view, found), [*_groups(found)]
    for number, group in enumerate(groups, 1):
        yield from _read_group(work, group)
        if part.brought:
            run.collections.loaded.add(part.key)
        state.parent_id = group[-1].list_id
        if number < len(groups) and run.load.budget.spent():
            run.load.unfinished.add(part.endpoint.name)
            return
    state.parent_id = ""
    note_left_out(part, work.refused)
    here = {one.list_id for one in lists_to_read(run, run.view)}
    state.marks = {name: at for name, at in state.marks.items() if name in here}
    state.cursors = {name: one for name, one in state.cursors.items() if name in here}


def _begun(part: Part, view: View, found: Sequence[List]) -> Pass:
    """Begin to read, and choose whose daily comparison the day's share of calls pays."""
    run, state, size = part.run, part.state, part.endpoint.paging.size
    began, name = run.now(), part.endpoint.name
    is_whole = run.options.full_refresh or state.shape not in {"", part.shape}
    held, ever = view.tally(name, "list_id", HELD), view.tally(name, "list_id", "1 = 1")
    work = Pass(part, view, began, Out(part, part.reading(began)), is_whole, held, ever)
    due, ledger = began - timedelta(hours=run.config.sweep_hours), ledger_of(run)
    left = ledger.share - ledger.used
    old = [one for one in found if state.marks.get(one.list_id, began) <= due]
    for one in sorted(old, key=lambda one: state.marks[one.list_id]):
        if one.is_settled and size < one.size and one.pages(size) <= left:
            left -= one.pages(size)
            work.swept.add(one.list_id)
    return work


def _groups(found: Sequence[List]) -> Iterator[list[List]]:
    """Divide lists into those that are read before the cursor moves on."""
    rest = iter(found)
    while group := [*islice(rest, 1)]:
        rows = group[0].size
        while len(group) < TOGETHER and rows < ROWS_TOGETHER and (more := next(rest, None)):
            group.append(more)
            rows += more.size
        yield group


def _read_group(work: Pass, group: Sequence[List]) -> Found:
    """Read the members of some lists side by side; what came is handed on also where one fails."""
    run, size = work.part.run, work.part.endpoint.paging.size
    if paid := [one for one in group if one.list_id in work.swept and not work.is_whole]:
        draw(run, sum(one.pages(size) for one in paid))
    tasks = [read_list(Members(work, one)) for one in group]
    try:
        yield from together(tasks, most=2 * run.config.calls_in_flight)
    except HubSpotError:
        yield from work.out.flush()
        raise
    yield from work.out.flush()
    if work.refused and not work.answered:
        raise work.refused[0]
