"""All live records of a table, by listing, load after load; then the archived ones."""

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from typing import Any

from . import changes, sweeps
from .archive import sweep_archived
from .decoding import Record
from .errors import HubSpotError, RequestRejectedError
from .exports import read_export
from .listing import Listing, NotKeysetError, Range, list_page
from .model import Page
from .run import Items, wait
from .state import to_instant, to_text
from .table import BLOCK, Table, emit, note_loaded


def backfill(table: Table) -> Items:
    """List all live records, then the archived ones; the watermark is the beginning of it."""
    run, state = table.run, table.state
    work = state.begin("backfill", started_at=to_text(run.now()), anew=_may_hold_rows(table))
    if "ranges" not in work:
        total, last_id = yield from _extent(table)
        work.update(ranges=None, total=total, last_id=last_id, sequential=False, rows=0)
    elif work.get("run_id") != run.run_id:  # an earlier run's part may be stale
        run.changed.add(table.name)
        run.resumed.add(table.name)
    work["run_id"] = run.run_id
    if run.on_expected and work["total"]:
        run.on_expected(table.name, work["total"])
    try:
        finished = yield from read_export(table, work)
        if finished is None:
            finished = yield from _list(table, work)
    except NotKeysetError:
        work.update(ranges=None, sequential=True, rows=0)
        finished = yield from _list(table, work)
    if not finished:
        table.leave_unfinished()
        return
    yield from _finish(table, work)


def _may_hold_rows(table: Table) -> bool:
    """Whether the warehouse may hold rows that the listing will not bring."""
    return (
        table.state.anew
        or table.state.watermark is not None
        or bool(table.run.live_count(table.name))
    )


def _finish(table: Table, work: dict[str, Any]) -> Items:
    """Sweep the archive and set the watermark, once all live records are listed."""
    run, state = table.run, table.state
    yield from sweep_archived(table, changed=True)
    if table.name in run.unfinished:
        return
    started_at = to_instant(work["started_at"]) or run.now()
    agreed = work["rows"] == work["total"]
    if table.object_type.searchable:  # numbers that differ are asked for once more
        run.totals[table.name] = work["total"] if agreed else (yield from _total(table))
    if not work["export"]:  # what an export may have left out, search still owes
        state.note_listing(started_at)
    sweeps.note(state.sweep("calculated"), started_at)
    state.finish("backfill", watermark=started_at, total=max(work["rows"], work["total"] or 0))
    run.backfilled[table.name] = started_at
    if work["anew"]:
        run.gaps[table.name] = started_at


def _total(table: Table) -> Generator[None, None, int | None]:
    """Ask how many records live now."""
    call = partial(changes.extent, table.client, table.object_type)
    try:
        total, _ = yield from wait(table.run.submit(call, lane="search"))
    except RequestRejectedError:
        return None
    return total


def _extent(table: Table) -> Generator[None, None, tuple[int | None, int | None]]:
    """Ask how much there is; listing works without the answer, only with one call in flight."""
    if not table.object_type.searchable:
        return None, None
    try:
        return (yield from wait(table.run.extent(table.object_type)))
    except RequestRejectedError:
        return None, None


def _list(table: Table, work: dict[str, Any]) -> Generator[Any, None, bool]:
    """List until the load is full or the listing ends; tell whether it ended."""
    run = table.run
    saved = [{}] if work["ranges"] is None else work["ranges"]
    ranges = [Range(**range_) for range_ in saved]

    def submit(after: str | None) -> Future[Page[Record]]:
        call = partial(list_page, table.client, table.object_type, table.decoder, after)
        return run.submit(call)

    listing = Listing(
        submit,
        ranges,
        in_flight=run.config.calls_in_flight,
        last_id=work["last_id"],
        sequential=work["sequential"],
    )
    pages = listing.pages(max(0, (work["total"] or 0) - work["rows"]))
    block: list[Record] = []
    ending: HubSpotError | None = None
    while ending is None:
        try:
            records = next(pages)
        except StopIteration:
            break
        except HubSpotError as error:  # what arrived before is handed on, then it is raised
            ending = error
            continue
        block.extend(records or ())
        if len(block) >= BLOCK:
            yield from _hand_on(table, listing, block, work)
            if run.budget.spent():
                listing.drain()
        elif records is None:
            yield None
    yield from _hand_on(table, listing, block, work)
    if ending is not None:
        raise ending
    return not listing.ranges


def _hand_on(table: Table, listing: Listing, block: list[Record], work: dict[str, Any]) -> Items:
    """Empty a block of listed records into the load, then take a checkpoint."""
    table.run.listed_now.add(table.name)
    replace = work["anew"] or table.name in table.run.resumed
    yield from emit(table, block, replace_links=replace)
    note_loaded(table, block, read_at=table.run.now())
    work["ranges"] = [asdict(range_) for range_ in listing.ranges]
    work["rows"] += len(block)
    block.clear()
