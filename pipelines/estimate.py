"""The calls of a sync, table by table and by kind of call: exact, or a range that holds the truth.

Every question whether something is due is answered by the very function that `sync` asks, on a
copy of the state. A range is left where only HubSpot knows: how many records are in the bin, which
links have changed without a trace.
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import Any, Literal, TypeVar

from sources.hubspot import Run, archive, calculated, changes, exports
from sources.hubspot.associations import BATCH as LINKS_BATCH
from sources.hubspot.associations import Pair
from sources.hubspot.decoding import RecordDecoder
from sources.hubspot.errors import HubSpotError, is_absent
from sources.hubspot.increment import (
    costs_more_than_listing,
    explains,
    look,
    note_changes,
    seems_idle,
    unloaded,
)
from sources.hubspot.limits import Budget
from sources.hubspot.link_sweeps import is_due as is_link_sweep_due
from sources.hubspot.links import Links, is_one_way
from sources.hubspot.listing import SPARE, WASTE, WORTH
from sources.hubspot.model import ObjectType, WayIn
from sources.hubspot.pages import PAGE
from sources.hubspot.properties import Definition, read_definitions
from sources.hubspot.reading import BATCH
from sources.hubspot.refusals import remembered
from sources.hubspot.schemas import MAX_AGE, stored_schema
from sources.hubspot.shards import ASKED
from sources.hubspot.state import SourceState, to_instant, to_text
from sources.hubspot.table import MERGED, Table
from sources.hubspot.waiting import wait

Kind = Literal["reference", "definitions", "searches", "records", "links", "labels", "exports"]
BUDGETS: dict[Kind, Budget] = {
    "reference": "interval",
    "definitions": "interval",
    "searches": "search",
    "records": "interval",
    "links": "associations",
    "labels": "associations",
    "exports": "interval",
}
"""What each kind of call counts against."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is known (both ends are equal), or lies within two."""

    low: float = 0
    high: float = 0

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def __bool__(self) -> bool:
        return bool(self.high)


def exactly(number: float) -> Range:
    """Return a number that is known."""
    return Range(number, number)


def up_to(number: float) -> Range:
    """Return a number of which only the most is known."""
    return Range(0, number)


@dataclass
class Step:
    """What a sync would do to one table."""

    table: str
    way_in: WayIn
    rows: Range | None = field(default_factory=Range)
    """Records it would read; None where only reading them would tell."""
    calls: dict[Kind, Range] = field(default_factory=dict)
    note: str = ""
    total: int | None = None
    """Live records of the type in the portal."""
    pages: int = 0
    """Calls that a listing of it takes, where it is to be backfilled."""
    more_loads: int = 0
    """Loads that may follow the first one, whatever the number of rows."""
    error: HubSpotError | None = None
    """Why it cannot be read."""

    def add(self, kind: Kind, calls: Range) -> None:
        """Count calls."""
        self.calls[kind] = self.calls.get(kind, Range()) + calls

    @property
    def in_all(self) -> Range:
        """All calls."""
        return sum(self.calls.values(), Range())


def pages(records: float, size: int = PAGE) -> int:
    """Return the calls that records take; none where there are none."""
    return ceil(max(0.0, records) / size)


def table_steps(run: Run, kinds: Sequence[ObjectType], source: SourceState) -> dict[str, Step]:
    """Return the steps of the object tables.

    All are looked at before anything is said to be due: a change in one table, while the last run
    was at work, makes the sweeps of others due.
    """
    openings = {kind.table: _open(run, kind, source) for kind in kinds}
    opened = finish_all({name: _guarded(name, work) for name, work in openings.items()})
    for step, table in opened.values():
        if table is not None:
            _add_sweeps(step, table, source)
    return {name: step for name, (step, _) in opened.items()}


def row_loads(run: Run, steps: Sequence[Step]) -> Range:
    """Return the loads that the rows of backfills take besides the first."""
    whole = [step.rows for step in steps if step.way_in not in {"increment", "none"}]
    rows, most = sum(((one or Range()) for one in whole), Range()), run.config.load_rows
    return Range(max(0, ceil(rows.low / most) - 1), max(0, ceil(MERGED * rows.high / most) - 1))


def finish_all(works: Mapping[str, Generator[Any, None, T]]) -> dict[str, T]:
    """Run generators that yield while they wait, side by side; return their results in order."""
    waiting, results = dict(works), dict[str, T]()
    while waiting:
        for name in list(waiting):
            try:
                next(waiting[name])
            except StopIteration as ended:
                results[name] = ended.value
                del waiting[name]
        time.sleep(0.002)
    return {name: results[name] for name in works}


Opened = tuple[Step, Table | None]


def _guarded(name: str, work: Generator[Any, None, Opened]) -> Generator[Any, None, Opened]:
    """Make the step of a table that cannot be read."""
    try:
        return (yield from work)
    except HubSpotError as error:
        if not is_absent(error):
            raise
        step = Step(name, "none", total=0, error=error)
        step.add("definitions", up_to(1))
        step.add("searches", up_to(2))
        return step, None


def _open(run: Run, kind: ObjectType, source: SourceState) -> Generator[Any, None, Opened]:
    """Ask how much of a type there is, or how much of it is new."""
    state = source.table(kind.table)
    if run.restart(kind.table):
        state.begin_anew()
    known = bool(source.columns.get(kind.table))
    if not known and (error := remembered(run, source, kind.table)):
        step = Step(kind.table, "none", total=0, error=error)
        step.add("searches", up_to(1))  # whether links lead to any
        return step, None
    table = _table(run, kind, source)
    if state.watermark is None or state.working("backfill") or not kind.searchable:
        return (yield from _whole(table))
    return (yield from _increment(table))


def _table(run: Run, kind: ObjectType, source: SourceState) -> Table:
    """Open a table as the last sync left it; nothing is asked of HubSpot."""
    name = kind.table
    schema = stored_schema(name, source)
    return Table(
        run=run,
        object_type=kind,
        schema=schema,
        decoder=RecordDecoder(schema, set()),
        source=source,
        state=source.table(name),
        outcome=run.outcome_of(name),
        links=Links(run, []),
    )


def _definitions(
    table: Table, step: Step, *, needed: bool
) -> Generator[Any, None, list[Definition]]:
    """Read a type's definitions where the sync would, which takes as many calls."""
    run, kind = table.run, table.object_type
    name = f"properties:{table.name}"
    cached = table.source.cached(name, now=run.now(), max_age=MAX_AGE)
    if cached is not None and not (needed or run.refresh_schema or table.state.working("doubted")):
        return []
    client = run.client.for_table(name)
    read = partial(read_definitions, client, kind, sensitive=run.config.sensitive)
    definitions = yield from wait(run.submit(read))
    step.add("definitions", exactly(client.meter.calls))
    return definitions


# --- whole tables -----------------------------------------------------------------------------


def _whole(table: Table) -> Generator[Any, None, Opened]:
    """Estimate the reading of all records: by listing, or a backfill by an export."""
    run, kind, state, source = table.run, table.object_type, table.state, table.source
    fresh = state.watermark is None
    step = Step(table.name, "backfill" if fresh else "listing")
    definitions = yield from _definitions(table, step, needed=False)
    names = [one.name for one in definitions] or list(table.decoder.properties)
    if fresh:  # they are read again in the end
        again = step.calls.get("definitions") or exactly(1)
        step.add("definitions", again)
    work = state.work("backfill")
    total = None
    if kind.searchable:
        total, _ = yield from wait(run.extent(kind))
    step.total, done = total, work.get("rows", 0) if work else 0
    if total is None:
        total = run.live_count(table.name) or 0
        step.rows, step.note = None, "HubSpot does not tell how many there are"
    else:
        step.rows = exactly(max(0, total - done))
    step.pages = exports.pages_of(total, names) if fresh and total else 0
    _add_listing(step, table, names, total, done)
    if step.pages and is_chosen(run, source, run.config.backfill, step):
        _choose_export(step)
    return step, None


def _add_listing(step: Step, table: Table, names: Sequence[str], total: int, done: int) -> None:
    """Count the calls of a listing, of the sweeps of the archive around it, and of what follows."""
    run, state, work = table.run, table.state, table.state.work("backfill")
    resumed = "ranges" in work
    listed = exports.pages_of(max(0, total - done), names)
    factor = 2 if listed > max(1, pages(total - done)) else 1
    divided = ceil(SPARE * total / WASTE) + 2 if listed >= WORTH else 0
    ends = len(work.get("ranges") or ())
    least = min(listed, pages(total - done)) if resumed else listed
    step.add("records", Range(least, listed + factor * (divided + 2 * ends)))
    held = run.live_count(table.name) or 0
    anew = state.anew or state.watermark is not None or (bool(held) and not resumed)
    sweeps = 1 if anew else 2
    if not table.object_type.searchable:
        step.add("records", up_to(1 + pages(held)))  # as many as there are, and no number tells
    largest = factor * (1 + pages(total))
    step.add("records", Range(1 if anew or resumed else 2, sweeps * largest))
    if table.object_type.searchable:
        asked = min(ceil(ASKED * SPARE * total / PAGE), run.config.calls_in_flight + 8)
        more = (asked if listed >= WORTH else 0) + (1 if resumed or total > PAGE else 0)
        step.add("searches", Range(0 if resumed else 1, 1 + more))
    stray = max(0, held - done) if resumed else held
    step.add("records", up_to(3 * pages(stray)))
    step.more_loads = bool(stray) or resumed


def is_chosen(run: Run, source: SourceState, way: str, step: Step) -> bool:
    """Tell whether a sync that backfills in this way would take an export for the table."""
    return exports.is_chosen(
        way,
        pages=step.pages,
        calls_left=run.client.limits.snapshot()["daily"]["remaining"],
        exports_left=exports.exports_left(run, source),
    )


def _choose_export(step: Step) -> None:
    """Take an export instead of the listing, which follows where the file is of no use."""
    step.way_in = "export"
    records = step.calls["records"]
    step.calls["records"] = Range(records.low - step.pages, records.high)
    step.add("exports", Range(3, exports.CALLS + 200))  # it is asked after until it is ready
    step.more_loads += 2


# --- changes ----------------------------------------------------------------------------------


def _increment(table: Table) -> Generator[Any, None, Opened]:
    """Estimate what changed since the watermark, from the search that a sync begins with."""
    run, kind, state = table.run, table.object_type, table.state
    peek = yield from look(run, kind, state)
    step = Step(table.name, "increment", total=peek.total)
    step.add("searches", exactly(1))
    ids: list[str] = []
    work = state.work("increment")
    if work.get("searched"):
        step.rows = exactly(0)
    elif work["after_id"] == "0" and (peek.complete or seems_idle(table, peek)):
        ids = unloaded(table, peek.changed)
        step.rows = exactly(len(ids))
    else:
        ids = yield from _search(table, step, peek, work)
        if step.way_in == "listing":
            return step, None
    news = any(
        changes.modified_ms(hit, kind) > state.recent.get(hit.id, -1) for hit in peek.changed
    )
    definitions = yield from _definitions(table, step, needed=news)
    if ids:
        run.active.add(table.name)
    table.read_now.update(dict.fromkeys(ids, False))
    if not explains(table, peek.total):
        run.overlapped.add(table.name)
    yield from _add_columns(step, table, definitions)
    _add_reads(step, table)
    return step, table


def _search(
    table: Table, step: Step, peek: changes.Peek, work: Mapping[str, Any]
) -> Generator[Any, None, list[str]]:
    """Estimate the search for changes: exactly where one page names them all."""
    run, kind, state = table.run, table.object_type, table.state
    since, after_id = to_instant(work["since"]) or run.now(), work["after_id"]
    client = run.client_for(table.name)
    search = partial(changes.changed_after, client, kind, since, after_id)
    page = yield from wait(run.submit(search, lane="search"))
    known = len(state.recent) if after_id == "0" else 0
    matching = len(page.results) if page.total is None else page.total
    step.add("searches", exactly(max(1, pages(matching, changes.PAGE))))
    if (
        after_id == "0"
        and page.results
        and costs_more_than_listing(page.total, peek.total, known=known)
    ):
        step.way_in, step.rows = "listing", exactly(peek.total or 0)
        step.calls["searches"] = Range(2, 4)
        _add_listing(step, table, table.decoder.properties, peek.total or 0, 0)
        return []
    ids = unloaded(table, page.results)
    if page.after is None:
        named = [hit for hit in page.results if hit.id in {*ids} or hit.id in state.recent]
        note_changes(run, kind, state, named)
        step.rows = exactly(len(ids))
    else:
        run.overlapped.add(table.name)
        step.rows = Range(max(len(ids), matching - known), matching)
    return ids


def _add_columns(
    step: Step, table: Table, definitions: Sequence[Definition]
) -> Generator[Any, None, None]:
    """Count the reading of records that have a value of a property that is new."""
    run, state, kind = table.run, table.state, table.object_type
    known = {column.property for column in table.schema.columns}
    came = [one.name for one in definitions if one.name not in known]
    groups = [came[i : i + changes.GROUPS] for i in range(0, len(came), changes.GROUPS)]
    owed = [one for one in state.owed if not _is_later(table, one)]
    for names in [*groups, *(one["properties"] for one in owed)]:
        search = partial(changes.having_after, run.client_for(table.name), kind, names, "0")
        count = (yield from wait(run.submit(search, lane="search"))).total or 0
        step.add("searches", exactly(max(1, pages(count, changes.PAGE))))
        step.rows = (step.rows or Range()) + (exactly(count) if names in groups else up_to(count))
        if count:
            run.active.add(table.name)
    if came:
        state.sweep("archive")["columns_at"] = to_text(run.now())
    step.more_loads += len(groups) + len(owed)


def _is_later(table: Table, owed: Mapping[str, Any]) -> bool:
    again_at = to_instant(owed.get("again_at"))
    return again_at is not None and table.run.now() < again_at


def _add_reads(step: Step, table: Table) -> None:
    """Count the reading of records by id; those that are gone are looked for in the archive."""
    left = len(table.state.work("refused") or ())
    rows = step.rows or Range()
    step.add("records", Range(pages(rows.low, BATCH), pages(rows.high, BATCH)))
    step.add("records", Range(pages(left, BATCH), 3 * pages(left, BATCH)))


def _add_sweeps(step: Step, table: Table, source: SourceState) -> None:
    """Count the sweeps that are due, and looking for what the numbers do not explain."""
    run, state = table.run, table.state
    live = run.live_count(table.name) or 0
    total = live if step.total is None else step.total
    new = len(table.read_now) - _held_live(table)
    gone, come = max(0, live + new - total), max(0, total - live - new)
    known = archive.calls_of(state)
    if archive.is_due(run, source, state, table.name):
        still = not (gone or come or step.rows)
        more = 0 if still else 1 + pages(gone + new) + 3 * pages(come + gone, BATCH)
        step.add("records", Range(known if still else 1, known + more))
    if table.schema.calculated and calculated.is_due(run, source, state, table.name):
        listed = calculated.calls_of(state)
        is_large = (state.total or 0) > WORTH * PAGE
        divided = 2 + ceil(SPARE * total / WASTE) if is_large else 0
        step.add("records", Range(listed, 2 * listed + divided))  # values differ, or they do not
        step.add("searches", exactly(int(is_large)))
    if gone or come:  # counted apart, range by range, where it stays unexplained
        census = 1 + pages(live)
        step.add("searches", up_to(census + 1))
        step.add("records", up_to(2 * census + 3 * pages(gone + come, BATCH) + known))
        step.more_loads += 2


def _held_live(table: Table) -> int:
    """Count the records to be read that the warehouse has as live ones."""
    if table.run.copy is None:
        return 0
    held = table.run.copy.rows(table.name, ("id", "_hs_deleted_at"), list(table.read_now))
    return sum(deleted_at is None for _, deleted_at in held)


# --- links ------------------------------------------------------------------------------------


def link_steps(
    run: Run, source: SourceState, pairs: Sequence[Pair], steps: Mapping[str, Step]
) -> Iterator[Step]:
    """Yield the steps of the pairs both ends of which have records."""
    for pair in pairs:
        ends = steps[pair.source.table], steps[pair.target.table]
        if any(end.total == 0 or end.error for end in ends):
            continue
        is_backfill = ends[0].way_in in {"backfill", "export"}
        step = Step(pair.table, "backfill" if is_backfill else "increment", rows=None)
        if is_backfill:
            whole = pages(_most(run, ends[0], pair.source), LINKS_BATCH)
            loads = row_loads(run, [ends[0]]).high + ends[0].more_loads
            step.add("links", Range(max(1, whole), max(1, whole) + loads + 2))
        else:
            _add_changed_links(run, source, pair, ends, step)
        yield step


def _most(run: Run, step: Step, kind: ObjectType) -> int:
    """Return how many live records a type has, as far as anybody can tell."""
    return step.total if step.total is not None else run.live_count(kind.table) or 0


def _add_changed_links(
    run: Run, source: SourceState, pair: Pair, ends: tuple[Step, Step], step: Step
) -> None:
    """Count the links of changed records, from either end, and the sweep of a pair that is due."""
    sides = [
        pages(_most(run, end, kind), LINKS_BATCH)
        for end, kind in zip(ends, (pair.source, pair.target), strict=True)
    ]
    one_way = is_one_way(source, pair)
    changed = [(end.way_in == "increment" and end.rows) or Range() for end in ends]
    if changed[0] and not one_way:
        step.add(
            "links", Range(pages(changed[0].low, LINKS_BATCH), pages(changed[0].high, LINKS_BATCH))
        )
    if changed[1] and not one_way and pair.source != pair.target:
        read = Range(pages(changed[1].low, LINKS_BATCH), pages(changed[1].high, LINKS_BATCH))
        step.add("links", read + up_to(sides[0]))
    new = not source.knows_links(pair.table)
    forced = run.sweep_links or new or "owed" in source.links(pair.table)
    begun = ends[1].way_in in {"backfill", "export"}
    if forced or begun or is_link_sweep_due(run, source, pair):
        _add_sweep(run, source, pair, sides, changed, step)
        step.more_loads = int(forced or begun)


def _add_sweep(
    run: Run,
    source: SourceState,
    pair: Pair,
    sides: Sequence[int],
    changed: Sequence[Range],
    step: Step,
) -> None:
    """Count a sweep: by the smaller side where links are known, then the ends that differ."""
    held = run.copy.counts([pair.table], "1 = 1")[pair.table] if run.copy else 0
    mine, theirs = sides
    known = source.links(pair.table) if source.knows_links(pair.table) else {}
    if known.get("told_by") == "target":
        step.add("links", Range(theirs, theirs + mine))
    elif held and "told_by" not in known:
        read_already = pages(changed[0].high, LINKS_BATCH)
        low = min(theirs, max(0, mine - read_already))
        step.add("links", Range(low, max(mine, 2 * theirs + mine - 1)))
    else:
        read_already = pages(changed[0].high, LINKS_BATCH)
        step.add("links", Range(max(0, mine - read_already), mine + 1 + theirs))
