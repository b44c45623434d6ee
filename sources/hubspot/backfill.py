"""All live records of a table, by listing, load after load; then the archived ones."""

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from typing import Any

from . import archive
from .decoding import Record
from .errors import HubSpotError, RequestRejectedError
from .listing import Listing, NotKeysetError, Range, list_page
from .model import Page
from .run import Items, wait
from .state import to_instant, to_text
from .table import BLOCK, Table, emit, sweep_archived


def backfill(table: Table) -> Items:
    """List all live records, then the archived ones; the watermark is the beginning of it."""
    started = to_text(table.run.now())
    work = table.state.begin("backfill", started_at=started, anew=table.run.full_refresh)
    if "ranges" not in work:
        total, last_id = yield from _extent(table)
        work.update(ranges=None, total=total, last_id=last_id, sequential=False, rows=0)
    elif work.get("run_id") != table.run.run_id:  # an earlier run's part may be stale
        table.run.changed.add(table.name)
    work["run_id"] = table.run.run_id
    if table.run.on_expected and work["total"]:
        table.run.on_expected(table.name, work["total"])
    try:
        finished = yield from _list(table, work)
    except NotKeysetError:
        work.update(ranges=None, sequential=True, rows=0)
        finished = yield from _list(table, work)
    if not finished:
        table.leave_unfinished()
        return
    started_at = to_instant(work["started_at"]) or table.run.now()
    agreed = work["total"] in {None, work["rows"]}
    total = work["rows"] if agreed else None  # else the next run looks for what disappeared
    if archive.is_due(table.state, total, new=0, now=table.run.now()):
        yield from sweep_archived(table, since=table.state.swept_at)
    table.state.note_listing(started_at)
    table.state.finish("backfill", watermark=started_at, total=total)
    table.run.backfilled[table.name] = started_at
    if work["anew"]:
        table.run.relisted[table.name] = started_at


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
    yield from emit(table, block, replace_links=work["anew"])
    work["ranges"] = [asdict(range_) for range_ in listing.ranges]
    work["rows"] += len(block)
    block.clear()
