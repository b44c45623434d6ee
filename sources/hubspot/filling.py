"""Columns that are new to a table, filled for old records: only those with a value are read.

HubSpot touches no record when a property is created, gets another type or comes back from the
archive. So the columns are owed: search names the records that have a value, and they are read.
"""

from collections.abc import Generator
from functools import partial
from typing import Any

from . import changes
from .errors import RequestRejectedError
from .model import LIVE
from .rereading import read_ids
from .run import Items
from .state import to_instant
from .table import BLOCK, Table
from .walking import next_hits


def fill_columns(table: Table) -> Items:
    """Read the records that have a value of a column the table owes; as far as the load allows.

    Values that the warehouse still has of a property that came back without them are read again
    too. Where HubSpot refuses to search by a property, the whole table is read anew instead.
    """
    while table.state.owed and not table.run.budget.spent():
        owed = table.state.owed[0]
        try:
            finished = yield from _clear(table, owed) if owed["searched"] else _fill(table, owed)
        except RequestRejectedError as error:
            table.outcome.error = (
                f"HubSpot does not search by {owed['properties']}: {error.message}"
            )
            table.state.begin_anew()
            break
        if not finished:
            break
        table.state.owed.pop(0)
    if table.state.owed or table.state.anew:
        table.leave_unfinished()


def _fill(table: Table, owed: dict[str, Any]) -> Generator[Any, None, bool]:
    """Read the records that have a value; tell whether all is done."""
    search = partial(
        changes.having_after, table.client, table.object_type, tuple(owed["properties"])
    )
    ids: list[str] = []
    after_id = owed["after_id"]
    while True:
        hits = yield from next_hits(table.run, table.object_type, search, after_id)
        ids += [hit.id for hit in hits.rows]
        after_id = hits.after_id
        if hits.last or len(ids) >= BLOCK:
            yield from read_ids(table, ids)
            owed["after_id"], ids = after_id, []
        if hits.last:
            owed["searched"] = f"{table.run.run_id} {table.run.loads}"
            return not owed["columns"]
        if table.run.budget.spent():
            return False


def _clear(table: Table, owed: dict[str, Any]) -> Generator[Any, None, bool]:
    """Read again the rows that still have a value and were not found; once those are loaded."""
    run = table.run
    if run.copy is None:
        return True
    if owed["searched"] == f"{run.run_id} {run.loads}":
        return False
    for column in owed["columns"]:
        since = to_instant(owed["began_at"])
        where = f"{LIVE} AND _hs_synced_at < %s"
        rows = run.copy.values(table.name, ("id", column), where, since)
        yield from read_ids(
            table, [id_ for part in rows for id_, value in part if value is not None]
        )
    return True
