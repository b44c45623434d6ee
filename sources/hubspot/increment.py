"""What changed in a table since its watermark: changed, new, archived, merged records."""

from collections.abc import Generator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from . import archive, changes
from .errors import RequestRejectedError
from .reading import Found, batches, read_batch
from .run import Items, wait, wait_all
from .state import to_instant, to_text
from .table import BLOCK, Table, emit, note_loaded, sweep_archived


def increment(table: Table) -> Items:
    """Find what changed since the watermark, read it, and look where something disappeared."""
    run, state = table.run, table.state
    resumed = state.working("increment")
    since = (state.watermark or run.now()) - run.lookback
    since = max(since, state.listed_at or since)
    work = state.begin(
        "increment", started_at=to_text(run.now()), since=to_text(since), after_id="0", new=0
    )
    since = to_instant(work["since"]) or since
    call = partial(changes.newest, table.client, table.object_type, since)
    try:
        peek = yield from wait(run.submit(call, lane="search"))
    except RequestRejectedError:  # no search without a filter: walk the changes, count nothing
        peek = changes.Peek(None, [], complete=False)
    if peek.complete and not resumed:
        yield from _read_hits(table, peek.changed, since, work)
    elif not (yield from _search(table, since, work)):
        table.leave_unfinished()
        return
    if archive.is_due(state, peek.total, new=work["new"], now=run.now()):
        run.changed.add(table.name)
        yield from sweep_archived(table, since=state.swept_at)
        yield from _read_restored(table)
    started_at = to_instant(work["started_at"]) or run.now()
    state.finish("increment", watermark=started_at, total=peek.total)
    state.note_recent({}, since=started_at - run.lookback)


def _search(table: Table, since: datetime, work: dict[str, Any]) -> Generator[Any, None, bool]:
    """Walk all changes by the key of their ids; tell whether the end was reached."""
    hits: list[changes.Hit] = []
    after_id = work["after_id"]
    while True:
        search = partial(changes.changed_after, table.client, table.object_type, since)
        page = yield from wait(table.run.submit(partial(search, after_id), lane="search"))
        hits += page.results
        last = not page.results or page.after is None
        after_id = after_id if last else changes.next_key(page.results, after=after_id)
        if last or len(hits) >= BLOCK:
            yield from _read_hits(table, hits, since, work)
            work["after_id"], hits = after_id, []
            if last or table.run.budget.spent():
                return last


def _read_hits(
    table: Table, hits: Sequence[changes.Hit], since: datetime, work: dict[str, Any]
) -> Items:
    """Read the records that search found, but for those loaded already as they are."""
    loaded, floor = table.state.recent, int(since.timestamp() * 1000)
    fresh = [
        hit for hit in hits if changes.modified_ms(hit, table.object_type) > loaded.get(hit.id, -1)
    ]
    work["new"] += sum(
        hit.id not in loaded and (changes.instant_ms(hit.createdAt) or 0) >= floor for hit in fresh
    )
    if fresh:
        table.run.changed.add(table.name)
        yield from _read_ids(table, [hit.id for hit in fresh])


def _read_ids(table: Table, ids: Sequence[str]) -> Items:
    """Read records by id and hand them on; ids that are gone are looked for in the archive."""
    found = yield from _read_batches(table, ids, archived=False)
    missing = [id_ for part in found for id_ in part.missing]
    gone = yield from _read_batches(table, missing, archived=True)
    records = [record for part in (*found, *gone) for record in part.records]
    for part in found:
        for id_, message in part.refused.items():
            table.outcome.error = f"HubSpot refuses to read record {id_}: {message}"
    for block in batches(records, BLOCK):
        yield from emit(table, block, replace_links=True, remember=False)
    yield from table.links.read_from_targets(table.object_type, [r.id for r in records])
    note_loaded(table, records)


def _read_restored(table: Table) -> Items:
    """Bring back the records that are tombstones here and live again in the portal."""
    if table.run.archived_ids is None:
        return
    for ids in table.run.archived_ids(table.name):
        found = yield from _read_batches(table, ids, archived=False)
        for part in found:
            yield from emit(table, part.records, replace_links=True)


def _read_batches(
    table: Table, ids: Sequence[str], *, archived: bool
) -> Generator[None, None, list[Found]]:
    read = partial(read_batch, table.client, table.object_type, archived=archived)
    calls = [
        table.run.submit(partial(read, ids=part, decoder=table.decoder)) for part in batches(ids)
    ]
    return (yield from wait_all(calls))
