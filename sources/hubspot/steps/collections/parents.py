"""Collections that HubSpot has for each row of another table: parents come from the warehouse."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import dlt
from dlt.extract.hints import make_hints

from ...catalog.endpoints import has_gone_rows
from ...catalog.endpoints.declaration import Batches, Endpoint, Parents
from ...errors import HubSpotError, RequestRejectedError, ScopeMissingError
from ...model import LIVE, View
from ...plan.collections.differing import differing, keep
from ...run.pace.waiting import together
from ...run.run import Items as Found
from ...run.run import Run
from ...state.collections import CollectionState
from ...tables.endpoints.definitions import EMPTY_MARK, empty_rows
from ...tables.endpoints.items import Items, exploded, given
from .blocks import Out, blocks
from .events import read_newest, read_windows
from .part import Part, texts

TOGETHER = 50
"""Parents, or batches of them, that are read before the cursor moves on."""
LOOKBACK = timedelta(minutes=10)
"""Parents that changed so long before the newest one are read again: HubSpot lists some late."""
MOST_NOTED = 3
Parent = tuple[Any, ...]
"""Its name in calls, column by column, columns that are constants of its rows, then the time of its
last change and `_hs_synced_at`."""


def pending(
    view: View, endpoint: Endpoint, state: CollectionState
) -> Generator[list[Parent], None, None]:
    """Yield the parents that are to be read, in the order in which the state's cursor passes them.

    There are none where the warehouse lacks the columns that name them.

    Args:
        view: the warehouse.
        endpoint: a declaration with parents.
        state: with the cursor.
    """
    per = endpoint.per
    assert isinstance(per, Parents | Batches)  # noqa: S101 - callers ask for no other
    names = columns_of(endpoint)
    if view.qualified(per.table, [*names, *([per.changed] if per.changed else [])]) is None:
        return
    where = [LIVE] if has_gone_rows(per.table) else []
    where += [f"({per.where})"] if per.where else []
    args: list[Any] = []
    if state.parent_id:
        passed, args = _behind(names, state, by_time=bool(per.changed))
        where.append(passed)
    if per.changed and state.newest_parent_at:
        where.append(f"({per.changed} IS NULL OR {per.changed} >= %s OR {_is_new(view, endpoint)})")
        args.append(state.newest_parent_at - LOOKBACK)
    order = ["_hs_synced_at", *names] if per.changed else names
    condition = " AND ".join(where) or "1 = 1"
    columns = [*names, *constants_for(endpoint).values(), per.changed or names[0], "_hs_synced_at"]
    yield from view.values(per.table, columns, f"{condition} ORDER BY {', '.join(order)}", *args)


def columns_of(endpoint: Endpoint) -> list[str]:
    """Return the columns of the parent that name it in calls."""
    per = endpoint.per
    return [per.column] if isinstance(per, Batches) else [*endpoint.parent_slots.values()]


def constants_for(endpoint: Endpoint) -> dict[str, str]:
    """Return the constants of rows that name no parent, and the columns of the parent for them."""
    slots = endpoint.per.slots if isinstance(endpoint.per, Parents) else {}
    named = endpoint.parent_slots
    return {name: of for name, of in slots.items() if name.removeprefix("?") not in named}


def _behind(
    names: Sequence[str], state: CollectionState, *, by_time: bool
) -> tuple[str, list[Any]]:
    """Return the condition for parents that come after the cursor, with its values."""
    columns = ["_hs_synced_at", *names] if by_time else [*names]
    values: list[Any] = [state.parent_at] if by_time else []
    values += state.parent_id.split("\n")
    parts, args = [], list[Any]()
    for index, name in enumerate(columns):
        same = [f"{one} = %s" for one in columns[:index]]
        parts.append(" AND ".join([*same, f"{name} > %s"]))
        args += values[: index + 1]
    return f"({' OR '.join(f'({part})' for part in parts)})", args


def _is_new(view: View, endpoint: Endpoint) -> str:
    """Return the condition for parents that no row was read of."""
    child, per = view.qualified(endpoint.name), endpoint.per
    parent = view.qualified(getattr(per, "table", ""))
    own = dict(zip(endpoint.replaced_by, columns_of(endpoint), strict=False))
    if child is None or parent is None or not own:
        return "1 = 0"
    same = " AND ".join(f"child.{one} = {parent}.{other}" for one, other in own.items())
    return f"NOT EXISTS (SELECT 1 FROM {child} AS child WHERE {same})"  # noqa: S608 - of our names


@dataclass
class _Sweep:
    """One reading of the parents that are pending."""

    part: Part
    began: datetime
    refused: list[HubSpotError] = field(default_factory=list)
    """Of parents that HubSpot refuses, or has no more."""
    answered: bool = False
    """Whether it has answered for any."""
    newest: datetime | None = None


def read_parents(part: Part) -> Found:
    """Read what HubSpot has for each parent that is pending, or for batches of them.

    Guarantees: the cursor passes parents only with their rows; it stops between groups of them
    where the load is full. A parent that HubSpot refuses is left out; where it refuses every one,
    the endpoint is refused.

    Raises:
        HubSpotError: that is so, or a call fails.
    """
    run, state, per = part.run, part.state, part.endpoint.per
    if run.view is None:
        return
    sweep = _Sweep(part, run.now())
    size = TOGETHER * (per.size if isinstance(per, Batches) else 1)
    if run.options.full_refresh or state.shape not in {"", part.shape}:
        state.parents = {}
    parents = differing(part.endpoint, state, pending(run.view, part.endpoint, state))
    for group in _groups(parents, size):
        yield from _read_group(sweep, group)
        keep(part.endpoint, state, group)
        if part.brought:
            run.collections.loaded.add(part.key)
        last = group[-1]
        named = last[: len(columns_of(part.endpoint))]
        state.parent_id, state.parent_at = "\n".join(texts(named)), last[-1]
        if run.load.budget.spent():
            run.load.unfinished.add(part.endpoint.name)
            return
    _note_refused(sweep)
    if not getattr(per, "changed", ""):
        state.parent_id = ""
    elif sweep.newest:
        state.newest_parent_at = max(sweep.newest, state.newest_parent_at or sweep.newest)


def _groups(parts: Iterable[list[Parent]], size: int) -> Iterator[list[Parent]]:
    rows = (row for part in parts for row in part)
    while group := list(islice(rows, size)):
        yield group


def _read_group(sweep: _Sweep, group: Sequence[Parent]) -> Found:
    """Read a group of parents; what came of it is handed on also where one fails."""
    part, per = sweep.part, sweep.part.endpoint.per
    out = Out(part, part.reading(sweep.began))
    if isinstance(per, Batches):
        starts = range(0, len(group), per.size)
        batches = [group[at : at + per.size] for at in starts]
        tasks = [_tolerated(sweep, _read_batch(part, out, batch)) for batch in batches]
    else:
        tasks = [_read_parent(sweep, out, parent) for parent in group]
    try:
        yield from together(tasks, most=2 * part.run.config.calls_in_flight)
    except HubSpotError:
        yield from out.flush()
        raise
    yield from out.flush()
    times = [one[-2] for one in group if isinstance(one[-2], datetime)]
    sweep.newest = max([*times, sweep.newest or datetime.min.replace(tzinfo=UTC)])
    if sweep.refused and not sweep.answered:
        raise sweep.refused[0]


def _read_parent(sweep: _Sweep, out: Out, parent: Parent) -> Found:
    """Read what HubSpot has for one parent."""
    part, per = sweep.part, sweep.part.endpoint.per
    assert isinstance(per, Parents)  # noqa: S101 - by the caller
    values, named = texts(parent[:-2]), part.endpoint.parent_slots
    slots = dict(zip(named, values, strict=False))
    others = dict(zip(constants_for(part.endpoint), values[len(named) :], strict=True))
    known, own = {**part.constants, **others, **slots}, "\n".join(slots.values())
    one = replace(part, slots=slots, constants=known, parent=own)
    read = READERS.get(type(part.endpoint.read).__name__, _read_rows)
    yield from _tolerated(sweep, read(one, out))


def _tolerated(sweep: _Sweep, rows: Found) -> Found:
    """Read what HubSpot has for a parent, or for some; what it refuses is left out."""
    try:
        yield from rows
        sweep.answered = True
    except ScopeMissingError:
        raise
    except RequestRejectedError as error:
        sweep.refused.append(error)


def _read_rows(part: Part, out: Out) -> Found:
    """Read all rows of a parent, which take the place of those that it had."""
    found = 0
    for block in blocks(part):
        if block is None:
            yield None
            continue
        found += len(block.values)
        yield from out.add(block)
    if not found:
        yield from _empty(part, [dict(part.constants)])


READERS = {"NewestFirst": read_newest, "Windows": read_windows}


def _read_batch(part: Part, out: Out, parents: Sequence[Parent]) -> Found:
    """Read what HubSpot has for many parents, whose rows take the place of those they had."""
    per = part.endpoint.per
    assert isinstance(per, Batches)  # noqa: S101 - by the caller
    names = [texts(parent[:1])[0] for parent in parents]
    inputs = [_filled(per.shape, name) if per.shape else name for name in names]
    rows = Items()
    for block in blocks(part, {per.inputs: inputs}):
        if block is None:
            yield None
        else:
            rows.take(exploded(part.endpoint.first, block))
    own = {one.name: one for one in part.endpoint.first.fields}
    answered = {str(one) for one in given(own[per.match], rows)}
    yield from out.add(rows)
    yield from _empty(part, [{per.match: name} for name in names if name not in answered])


def _filled(shape: Any, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return an input with the parent's name in its place."""
    if isinstance(shape, Mapping):
        return {member: _filled(value, name) for member, value in shape.items()}
    return name if shape == "@id" else shape


def _empty(part: Part, constants: Sequence[Mapping[str, str]]) -> Iterator[Any]:
    """Have the rows of parents removed that have none by now."""
    columns = part.endpoint.replaced_by
    if part.run.load.fresh or not constants or not columns:
        return
    table = part.endpoint.first
    taken = {one.name: one.sources[0].path for one in table.fields}
    keys = [
        {name: row.get(name) or row["".join(taken[name])] for name in columns} for row in constants
    ]
    hints = make_hints(table_name=table.name, columns={EMPTY_MARK: {"hard_delete": True}})
    yield dlt.mark.with_hints(empty_rows(table.name, keys), hints, create_table_variant=True)


def _note_refused(sweep: _Sweep) -> None:
    """Record the parents that were left out."""
    table = getattr(sweep.part.endpoint.per, "table", "")
    for error in sweep.refused[:MOST_NOTED]:
        sweep.part.outcome.note(f"Left out: {error.message}")
    if len(sweep.refused) > MOST_NOTED:
        sweep.part.outcome.note(f"{len(sweep.refused)} rows of {table} were left out.")


def has_pending(run: Run, view: View, endpoint: Endpoint) -> bool:
    """Whether any parent is to be read."""
    state = run.state.collections.get(endpoint.name, CollectionState())
    return any(differing(endpoint, state, pending(view, endpoint, state)))
