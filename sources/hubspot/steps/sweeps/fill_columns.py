"""Columns that are new to a table, filled for old records: only those with a value are read.

HubSpot touches no record when a property is created, gets another type or comes back from the
archive. So the columns are pending: search names the records that have a value, and they are read.
"""

from collections.abc import Generator
from functools import partial
from typing import Any

from ...api import search
from ...errors import RequestRejectedError
from ...model import LIVE
from ...run.pace.walking import next_hits
from ...run.run import Items
from ...state.table import PendingColumns
from ..by_id import read_ids
from ..probe import is_later, unfilled
from ..table import BLOCK, Table


def fill_columns(table: Table) -> Items:
    """Read the records that have a value of a pending column, as far as the load allows.

    Values that the warehouse still has of a property that came back without them are read again
    too. Where HubSpot refuses to search by a property, the whole table is read again instead.
    """
    for pending in list(table.state.pending_columns):
        if table.run.load.budget.spent():
            break
        if is_later(table, pending):
            continue
        try:
            finished = yield from (_clear if pending.searched_in else _fill)(table, pending)
        except RequestRejectedError as error:
            table.outcome.note(f"HubSpot does not search by {pending.properties}: {error.message}")
            table.state.start_over()
            break
        if finished:
            table.state.pending_columns.remove(pending)
    if table.state.has_older_rows or any(
        not is_later(table, one) for one in table.state.pending_columns
    ):
        table.leave_unfinished()


def _fill(table: Table, pending: PendingColumns) -> Generator[Any, None, bool]:
    """Read the records that have a value; return whether nothing is left to do."""
    ask = partial(search.having_after, table.client, table.object_type, tuple(pending.properties))
    ids: list[str] = []
    after_id = pending.after_id
    while True:
        hits = yield from next_hits(table.run.portal.lanes, table.object_type, ask, after_id)
        ids += [hit.id for hit in hits.rows]
        after_id = hits.after_id
        if hits.last or len(ids) >= BLOCK:
            yield from read_ids(table, unfilled(table, pending, ids))
            pending.after_id, ids = after_id, []
        if hits.last:
            break
        if table.run.load.budget.spent():
            return False
    if pending.search_again_at:
        return True
    pending.searched_in = (
        f"{table.run.options.run_id} {table.run.load.number}" if pending.returned else ""
    )
    if not pending.searched_in:
        _look_again(table, pending)
    return False


def _look_again(table: Table, pending: PendingColumns) -> None:
    """Ask for another search, when the index of this one can no longer lag behind."""
    pending.after_id, pending.searched_in = "0", ""
    pending.search_again_at = table.run.now() + table.run.config.lookback


def _clear(table: Table, pending: PendingColumns) -> Generator[Any, None, bool]:
    """Read again the rows that still have a value and were not found; once those are loaded."""
    run = table.run
    if run.view is not None:
        if pending.searched_in == f"{run.options.run_id} {run.load.number}":
            return False
        for column in pending.returned:
            where = f"{LIVE} AND _hs_synced_at < ?"
            rows = run.view.values(table.name, ("id", column), where, pending.added_at)
            old = [id_ for part in rows for id_, value in part if value is not None]
            yield from read_ids(table, old)
    _look_again(table, pending)
    return False
