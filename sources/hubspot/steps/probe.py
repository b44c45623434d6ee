"""What HubSpot says of a table before anything of it is read: one search, mostly.

The answers are facts for the plan, and what the steps begin with: nothing is asked twice.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

from ..api import search
from ..api.record_pages import calls_of_page
from ..api.search import Hit, Newest
from ..errors import (
    ContractError,
    HubSpotError,
    NotFoundError,
    RequestRejectedError,
    ScopeMissingError,
)
from ..http.clock import BEHIND, STAMPED_BEFORE
from ..model import ObjectType, Page
from ..plan.facts import Fill, TableFacts
from ..run.pace.waiting import wait
from ..run.portal.refusals import remember, remembered
from ..run.run import Run
from ..state.table import Changes, PendingColumns, TableState
from .exports.export import pages_of
from .table import Table

UNSEARCHED = timedelta(days=1)
"""How long the newest records may say that nothing changed before a search has to confirm it."""


@dataclass(frozen=True, slots=True)
class Search:
    """What the first calls of a search for changes found."""

    hits: Sequence[Hit] = ()
    """Records that changed, as far as they are named; some of them twice."""
    is_complete: bool = False
    """Whether these are surely all."""
    oldest: Sequence[Hit] = ()
    """Those of them that changed first."""
    since: datetime | None = None
    """From when on the others changed; aware UTC."""
    matching: int | None = None
    """How many changed, as HubSpot counts."""
    left: int = 0
    """How many of them a search from then on finds."""


@dataclass
class Probe:
    """What HubSpot said of one table."""

    facts: TableFacts
    error: HubSpotError | None = None
    """Why the table cannot be read."""
    ids: list[str] = field(default_factory=list)
    """Records that changed and are not loaded as they are, as far as they are named."""
    search: Search = field(default_factory=Search)
    """What else there is to search."""
    began_at: datetime | None = None
    """When a table was asked for that turned out to be unused; aware UTC."""


UNUSED = TableFacts(total=0, is_unused=True)
"""Of a table that is not used: nothing but the number of records is asked."""


def is_unused(run: Run, table: str, total: int | None) -> bool:
    """Whether a table is not used: no record is live, and the warehouse has had no row of it.

    Args:
        run: with the warehouse; without it no table counts as unused.
        table: its name.
        total: live records as search counts them.
    """
    state = run.state.table(table)
    is_begun = state.backfill or state.pending_ids or state.archived_ids
    return total == 0 and not is_begun and not run.load.holds_rows(table)


def count(run: Run, kind: ObjectType) -> Generator[None, None, int | None]:
    """Count the live records of a table that is listed; None where search does not say.

    Raises:
        HubSpotError: the table cannot be read; the next runs ask again within the hour.
    """
    if error := remembered(run.portal, run.options, run.state, kind.table):
        raise error
    if not kind.searchable:
        return None
    try:
        total, _ = yield from wait(run.portal.extent(kind))
    except (ScopeMissingError, NotFoundError) as error:
        if not run.state.table(kind.table).was_read:  # else it goes stale: every run asks for it
            remember(run.portal, run.state, kind.table, error)
        raise
    except RequestRejectedError:  # it is listed without knowing how many there are
        return None
    return total


def probe_whole(table: Table, total: int | None) -> Probe:
    """Return what is known of a table that is listed; `total` records live, if that is known."""
    facts = TableFacts(
        total=total,
        rows=table.run.load.live_count(table.name),
        searchable=table.object_type.searchable,
        pages=pages_of(total, table.decoder.properties) if total is not None else None,
        hashes=table.schema.hashes,
    )
    return Probe(facts)


def probe_changes(
    table: Table, newest: Newest, *, is_counted: bool
) -> Generator[None, None, Probe]:
    """Find out what changed in a table, by a second search where the newest records do not show it.

    Args:
        table: theirs.
        newest: the newest records.
        is_counted: whether to count the records that have a value of a new column: nothing is read.
    """
    run, state = table.run, table.state
    work = state.changes or Changes(run.now(), run.now())
    is_idle = seems_idle(table, newest)
    found = yield from _found(table, newest, work, is_idle=is_idle)
    names_all = work.searched or is_idle or found.is_complete
    ids = [] if work.searched or work.after_id != "0" else unloaded(table, found.hits)
    fills = yield from _fills(table, ids, is_counted=is_counted)
    live, deleted = _held(table, ids)
    facts = TableFacts(
        total=newest.total,
        rows=run.load.live_count(table.name),
        newest_at=_newest(table, newest.changed),
        changed=len(ids),
        created=len(ids) - live,
        restored=deleted,
        changed_while_listed=_changed_while_listed(table, found.hits),
        names_all=names_all,
        matching=None if names_all else found.matching,
        to_search=0 if names_all else found.left,
        known=0 if names_all else len(state.recent),
        calculated=bool(table.schema.calculated),
        calculated_page_calls=calls_of_page([one.property for one in table.schema.calculated]),
        fills=fills,
    )
    return Probe(facts, ids=ids, search=found)


def _found(
    table: Table, newest: Newest, work: Changes, *, is_idle: bool
) -> Generator[None, None, Search]:
    """Return the changes that the newest records show, or a second search for the oldest ones."""
    is_begun = work.searched or work.after_id != "0"
    if is_begun or is_idle or newest.complete:
        return Search(newest.changed, is_complete=newest.complete)
    ask = partial(search.oldest, table.client, table.object_type, work.since)
    page = yield from wait(table.run.submit(ask, lane="search"))
    return _search(table.object_type, page, newest.changed, work.since)


def _search(kind: ObjectType, page: Page[Hit], newest: Sequence[Hit], since: datetime) -> Search:
    """Conclude from the first and the last changes what is left to search.

    All changes are known where the first and the last ones meet in a record, and are as many as
    HubSpot counts. The number alone does not show it: a record may be archived between the two
    searches. Where the first ones are in order, others changed no earlier than the last of them.
    """
    floor = search.to_ms(since)
    meet = not {hit.id for hit in newest}.isdisjoint(hit.id for hit in page.results)
    hits = {hit.id: search.modified_ms(hit, kind) for hit in (*newest, *page.results)}
    named = sum(at >= floor for at in hits.values())
    order = _in_order([search.modified_ms(hit, kind) for hit in page.results], floor)
    earlier = sum(at < order[-1] for at in order)
    total = _matching(page)
    return Search(
        hits=[*page.results, *newest],
        is_complete=search.is_whole(page)
        or (page.total is not None and named >= page.total and meet),
        oldest=page.results,
        since=search.from_ms(order[-1]) if order else since,
        matching=total,
        left=max(0, (total or 0) - earlier),
    )


def _in_order(instants: Sequence[int], floor_ms: int) -> Sequence[int]:
    """Return instants that ascend from the floor on; none where they do not."""
    return instants if all(a <= b for a, b in pairwise((floor_ms, *instants))) else ()


def _matching(page: Page[Hit]) -> int | None:
    """Return how many records a search finds; None where its first page does not report it."""
    if not page.results:
        return 0 if page.after is None else None
    return len(page.results) if page.total is None else page.total


def _changed_while_listed(table: Table, hits: Sequence[Hit]) -> bool:
    """Whether a record changed while the backfill was at work that no run has looked behind yet."""
    if not (table.state.recount_pending and table.state.completed_run):
        return False
    began, ended = table.state.completed_run
    first, last = search.to_ms(began - STAMPED_BEFORE), search.to_ms(ended + BEHIND)
    return any(first <= search.modified_ms(hit, table.object_type) <= last for hit in hits)


def _newest(table: Table, hits: Sequence[Hit]) -> datetime | None:
    """Return when the record that changed last did so; now where HubSpot does not say when."""
    instants = [search.modified_ms(hit, table.object_type) for hit in hits]
    if not instants:
        return None
    return table.run.now() if 0 in instants else search.from_ms(max(instants))


def _fills(
    table: Table, changed: Sequence[str], *, is_counted: bool
) -> Generator[None, None, tuple[Fill, ...]]:
    """Find the columns that are to be filled; count the records with a value if asked to."""
    fills = []
    for pending in table.state.pending_columns:
        if is_later(table, pending):
            continue
        names, count, missing = tuple(pending.properties), 0, None
        if is_counted:  # by a client of its own: it is no call of the sync's probe
            client = table.run.portal.client_for(f"{table.name}: columns")
            ask = partial(search.having_after, client, table.object_type, names, "0")
            page = yield from wait(table.run.submit(ask, lane="search"))
            count = page.total or 0
            if search.is_whole(page) and not pending.searched_in:
                others = {hit.id for hit in page.results}.difference(changed)
                missing = len(unfilled(table, pending, sorted(others)))
        is_new = pending.after_id == "0" and not pending.searched_in
        is_new = is_new and not pending.search_again_at
        fills.append(Fill(names, count, is_new=is_new, missing=missing))
    return tuple(fills)


def unfilled(table: Table, pending: PendingColumns, ids: Sequence[str]) -> list[str]:
    """Leave out the records whose columns this load brings, or all have a value of today's."""
    ids = [id_ for id_ in ids if table.read_now.get(id_) is not False]
    has_old_values = pending.returned and not pending.search_again_at
    if has_old_values or table.run.view is None or _is_emptied_first(table, pending):
        return ids
    rows = table.run.view.rows(table.name, ("id", *pending.columns), ids)
    filled = {row[0] for row in rows if None not in row}
    return [id_ for id_ in ids if id_ not in filled]


def _is_emptied_first(table: Table, pending: PendingColumns) -> bool:
    """Whether a sync would empty the columns before it reads, where nothing is read now."""
    return not table.run.tables.to_empty.get(table.name, set()).isdisjoint(pending.columns)


def is_later(table: Table, pending: PendingColumns) -> bool:
    """Whether columns are filled for now, and looked at once more when search has caught up."""
    again_at = pending.search_again_at
    return again_at is not None and table.run.now() < again_at


def ask_newest(
    run: Run, object_type: ObjectType, state: TableState
) -> Generator[None, None, Newest]:
    """Ask once what changed since the last search and how many records live."""
    since, last_run = _floor(run, state, state.searched_at), _floor(run, state, state.watermark)
    state.changes = state.changes or Changes(run.now(), since)
    client = run.portal.client_for(object_type.table)
    call = partial(search.newest, client, object_type, since, last_run=last_run)
    try:
        newest = yield from wait(run.submit(call, lane="search"))
    except NotFoundError:
        raise
    except RequestRejectedError:  # no search without a filter: walk the changes, count nothing
        newest = Newest(None, [], complete=False)
    run.tables.totals[object_type.table] = newest.total
    live = run.load.live_count(object_type.table)
    if live and newest.complete and newest.total is None and not newest.rows:
        raise ContractError(
            f"HubSpot's search for {object_type.table} names neither records nor their number.",
            remedy="Run the sync again; what changed is read then. If it happens again, report it.",
        )
    if newest.total is None:
        run.outcomes.of(object_type.table).note(
            f"HubSpot's search for {object_type.table} names no number of records, so only "
            "`hubspot-elt verify` finds purged ones."
        )
    return newest


def _floor(run: Run, state: TableState, at: datetime | None) -> datetime:
    """Return the instant from which changes are looked for behind what was found up to another."""
    since = (at or run.now()) - run.config.lookback
    return max(since, state.listed_at - STAMPED_BEFORE) if state.listed_at else since


def seems_idle(table: Table, newest: Newest) -> bool:
    """Whether the newest records bring nothing new, and a search has confirmed that lately."""
    searched_at = table.state.searched_at
    if searched_at is None or table.run.now() - searched_at >= UNSEARCHED:
        return False
    return newest.in_order and not unloaded(table, newest.changed)


def unloaded(table: Table, hits: Sequence[Hit]) -> list[str]:
    """List the ids of records that are not loaded as search found them, each once."""
    known, at = table.state.recent, dict[str, int]()
    for hit in hits:
        modified = search.modified_ms(hit, table.object_type)
        if not modified or modified > known.get(hit.id, -1):
            at[hit.id] = modified
    return list(at)


def _held(table: Table, ids: Sequence[str]) -> tuple[int, int]:
    """Count the records that the warehouse has live rows of, and deleted ones."""
    if table.run.view is None:
        return 0, 0
    held = table.run.view.rows(table.name, ("id", "_hs_deleted_at"), ids)
    live = sum(deleted_at is None for _, deleted_at in held)
    return live, len(held) - live
