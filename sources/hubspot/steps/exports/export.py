"""All live records of a table from one export: a few calls, however many records there are.

Invariant: no row of an export is used before the whole file was read once, holds as many records
as HubSpot says, and agrees with batch read about a sample that has values in all columns.
Whatever else happens, the table is listed instead, and its outcome says why.

HubSpot makes exports for people: it documents neither how their values are written nor what
associations carry in addition to ids. So links are read as ever, and a search index may have been
asked: changes are searched from a lookback before the export was started.
"""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

from ...api.record_pages import PAGE, calls_of_page
from ...errors import (
    ContractError,
    ForeignResponseError,
    RateLimitedError,
    RequestRejectedError,
    ScopeMissingError,
)
from ...plan.tables.reading import is_export_chosen
from ...run.pace.waiting import wait
from ...run.run import Run
from ...state.source import SourceState
from ...state.table import Backfill, Export
from ..links.listed import ReadLinks
from ..table import Table, emit, note_loaded
from .fetch import ExportUnusableError, Opened, fetch, start

PER_DAY = 30  # exports in 24 hours, whoever starts them
_REFUSED = (
    ContractError,
    ScopeMissingError,
    RequestRejectedError,
    RateLimitedError,
    ForeignResponseError,
)


def pages_of(total: int | None, names: Sequence[str]) -> int:
    """Return how many calls a listing takes; a page without records is one."""
    return max(1, ceil((total or 0) / PAGE) * calls_of_page(names))


def exports_left(run: Run, source: SourceState) -> int:
    """Return how many exports this connector may start now."""
    return PER_DAY - len(_of_the_last_day(run, source))


def _of_the_last_day(run: Run, source: SourceState) -> list[datetime]:
    """List when the exports of the last 24 hours were started."""
    since = run.now() - timedelta(days=1)
    return [at for at in source.exports_started_at if at > since]


def read_export(
    table: Table, work: Backfill, read_links: ReadLinks
) -> Generator[Any, None, bool | None]:
    """Hand on the records of an export, load after load.

    The first load only starts it, so that its id is in the state before anybody waits.

    Args:
        table: theirs.
        work: the open backfill in the state.
        read_links: hands on the links of its records.

    Returns:
        Whether it is all handed on; None where the table is to be listed.

    Raises:
        HubSpotError: HubSpot does not answer; the export waits for the next run.
    """
    if not work.export_decided:
        chosen = work.ranges is None and _chooses(table, work)
        work.export, work.export_decided = (yield from _start(table)) if chosen else None, True
        if work.export is not None and table.run.load.budget.bounded:
            return False
    if work.export is None:
        return None
    table.outcome.mode = "export"
    try:
        return (yield from _hand_on(table, work, work.export, read_links))
    except ExportUnusableError as error:
        return _give_up(table, work, work.export.rows, str(error))


def _chooses(table: Table, work: Backfill) -> bool:
    """Decide, once a backfill, whether it is made by an export; say so where that is not to be."""
    run, names = table.run, table.decoder.properties
    if not work.total or table.object_type.last_modified not in names:
        return False
    facts: dict[str, Any] = {
        "pages": pages_of(work.total, names),
        "calls_left": run.client.limits.snapshot()["daily"]["remaining"],
    }
    left, mode = exports_left(run, table.source), run.config.backfill
    if table.schema.hashes:
        if is_export_chosen(mode, exports_left=left, **facts):
            _say_why(table, "an export is a file, which would hold what is to be hashed")
        return False
    if left <= 0 and is_export_chosen(mode, exports_left=1, **facts):
        _say_why(table, f"{PER_DAY} exports were started in the last 24 hours")
    return is_export_chosen(mode, exports_left=left, **facts)


def _start(table: Table) -> Generator[None, None, Export | None]:
    """Start an export; return what the state is to keep of it, None where HubSpot refuses."""
    run = table.run
    earlier, source = _of_the_last_day(run, table.source), table.source
    source.exports_started_at = [*earlier, run.now()]
    try:
        answer = yield from wait(run.submit(partial(start, table)))
    except _REFUSED as error:
        source.exports_started_at = earlier
        _say_why(table, str(error))
        return None
    return Export(str(answer.id))


def _hand_on(
    table: Table, work: Backfill, export: Export, read_links: ReadLinks
) -> Generator[Any, None, bool]:
    """Hand on rows until the load is full or the file ends; return whether it ended."""
    run = table.run
    opened = yield from _wait_for(table, work, export)
    if opened is None:
        return False
    run.load.listed_now.add(table.name)
    while rows := next(opened.rows, None):
        records = opened.to_records(table, rows)
        yield from emit(table, records, read_links=read_links)
        note_loaded(table, records, read_at=work.started_at)  # it may be as old as that
        export.rows += len(rows)
        work.rows = export.rows
        if run.load.budget.spent():
            return False
    run.tables.downloads.pop(table.name).result().close()
    return True


def _wait_for(table: Table, work: Backfill, export: Export) -> Generator[None, None, Opened | None]:
    """Wait for the file, but no longer than this load's rows of others may; None until then."""
    run = table.run
    if table.name not in run.tables.downloads:
        call = partial(fetch, table, export.id, total=work.total or 0, skip=export.rows)
        run.tables.downloads[table.name] = run.submit(call, lane="exports")
    future = run.tables.downloads[table.name]
    while not future.done():
        if run.load.budget.spent():
            return None
        yield None
    opened: Opened = future.result()
    return opened


def _give_up(table: Table, work: Backfill, loaded: int, reason: str) -> bool | None:
    """Have the table listed from its beginning: by the next load where it holds rows already."""
    table.run.tables.downloads.pop(table.name, None)
    _say_why(table, reason)
    table.outcome.mode = "backfill"
    work.export, work.ranges, work.rows = None, None, 0
    if loaded:
        work.has_older_rows = table.state.has_older_rows = True
        table.run.tables.changed.add(table.name)
        table.run.tables.resumed.add(table.name)
        return False
    return None


def _say_why(table: Table, reason: str) -> None:
    table.outcome.note(f"Listed, not exported: {reason.rstrip('.')}.")
