"""Collections that HubSpot has for each row of another table: parents come from the warehouse."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any

from ....catalog.endpoints.declaration import Batches, Parents
from ....errors import HubSpotError, NotFoundError, RequestRejectedError, ScopeMissingError
from ....model import View
from ....plan.collections.differing import Parent, is_all_due, keep, keeps
from ....run.pace.waiting import together
from ....run.run import Items as Found
from ....state.collections import CollectionState
from ....tables.endpoints.items import Items, exploded, given
from ..blocks import Out, blocks
from ..events import READERS
from ..part import Part, note_left_out, texts
from .pending import begin_all, constants_for, failed, lost, name_of, to_read
from .rows import NO_ROWS, Contents, Rows, empty

TOGETHER = 50
"""Parents, or batches of them, that are read before the cursor moves on."""
MOST_DIVIDED = 16
"""Batches that are divided while HubSpot has answered for none: it may refuse all of them."""
NOT_FOUND = "NOT_FOUND"
"""Part of the category of errors which say that a parent is not there."""
NONE_THERE = (
    "HubSpot answers 404 for {} rows of {} that it lists; what is loaded of them stays, and they"
    " are asked for again."
)


@dataclass
class _Sweep:
    """One reading of the parents that are pending."""

    part: Part
    began: datetime
    contents: Contents
    """What the rows of its parents were, and are by now."""
    is_of_all: bool
    """Whether parents are read that did not change, too."""
    refused: list[HubSpotError] = field(default_factory=list)
    """Of parents that HubSpot refuses."""
    asked: set[str] = field(default_factory=set)
    """Names of parents."""
    failed: set[str] = field(default_factory=set)
    """Those of them that it refuses."""
    emptied: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Those of a group that have no rows, by its 404, with the constants of their rows."""
    answered: bool = False
    """Whether it has answered for any."""
    divided: int = 0
    """Batches that it refused as a whole."""
    newest: datetime | None = None


def read_parents(part: Part) -> Found:
    """Read what HubSpot has for each parent that is pending, or for batches of them.

    Guarantees: the cursor passes parents only with their rows; it stops between groups of them,
    or windows of theirs, where the load is full. A parent that HubSpot refuses is left out; where
    it refuses every one, the endpoint is refused.

    Raises:
        HubSpotError: that is so, or a call fails.
    """
    run, state, per = part.run, part.state, part.endpoint.per
    if run.view is None:
        return
    assert isinstance(per, Parents | Batches)  # noqa: S101 - by the caller
    sweep = _begun(part, run.view)
    size = TOGETHER * (per.size if isinstance(per, Batches) else 1)
    for group in _groups(to_read(run.view, part.endpoint, state, sweep.began), size):
        yield from _read_group(sweep, group)
        if part.endpoint.name in run.load.unfinished:
            break  # of some of them windows are left, which the next load reads
        state.parent_id = name_of(part.endpoint, group[-1])
        if state.all_until is None and group[-1][-1] is not None:
            state.parent_at = group[-1][-1]
        if _is_full(part):
            break
    else:
        yield from _read_failed(sweep, size)
    _note_refused(sweep)
    if part.endpoint.name not in run.load.unfinished:
        _end(per, state, sweep)


def _begun(part: Part, view: View) -> _Sweep:
    """Begin to read; where rows are made otherwise by now, those of all parents are loaded."""
    endpoint, state, began = part.endpoint, part.state, part.run.now()
    if endpoint.replaced_by:
        if state.shape not in {"", part.shape}:
            state.begin_parents()
        state.shape = part.shape
    gone, is_all = lost(view, endpoint, state), is_all_due(endpoint, state, began)
    begin_all(view, endpoint, state, began)
    return _Sweep(part, began, Contents(gone), is_all)


def _read_failed(sweep: _Sweep, size: int) -> Found:
    """Read those parents again that HubSpot refused before and that this reading has not asked for.

    Those that are gone from their own table are forgotten.
    """
    part, state = sweep.part, sweep.part.state
    names = [name for name in state.failed_parents if name not in sweep.asked]
    assert part.run.view is not None  # noqa: S101 - by the caller
    for group in _groups(failed(part.run.view, part.endpoint, names), size):
        yield from _read_group(sweep, group)
        if _is_full(part):
            return
    state.note_asked([name for name in names if name not in sweep.asked], ())


def _is_full(part: Part) -> bool:
    """Whether the load is full: the next one goes on."""
    if part.run.load.budget.spent():
        part.run.load.unfinished.add(part.endpoint.name)
    return part.endpoint.name in part.run.load.unfinished


def _end(per: Parents | Batches, state: CollectionState, sweep: _Sweep) -> None:
    """Keep where the next reading goes on, once all pending parents are read."""
    if state.all_until is not None:
        state.parent_id, state.all_until, state.whole_at = state.all_until, None, sweep.began
    elif not per.changed:
        state.parent_id = ""
        state.whole_at = sweep.began if sweep.is_of_all else state.whole_at
    if isinstance(per, Batches) and per.unseen and not sweep.failed:
        state.parent_at = sweep.began  # else what was named since the one before is asked again
    if per.changed and sweep.newest:
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
        tasks = [_tolerated(sweep, _divided(sweep, out, batch), batch) for batch in batches]
    else:
        tasks = [_read_parent(sweep, out, parent) for parent in group]
    try:
        yield from together(tasks, most=2 * part.run.config.calls_in_flight)
    except HubSpotError:
        yield from out.end()
        raise
    yield from out.end()
    yield from _empty(sweep, sweep.emptied)
    sweep.emptied.clear()
    sweep.contents.keep(part)
    times = [at for at in (sweep.newest, *(one[-2] for one in group)) if isinstance(at, datetime)]
    sweep.newest = max(times, default=None)
    if _is_refused(sweep, group):
        raise sweep.refused[0]
    _keep_asked(sweep, group)


def _keep_asked(sweep: _Sweep, group: Sequence[Parent]) -> None:
    """Keep which parents of a group were read, and which are to be asked again."""
    part, per, state = sweep.part, sweep.part.endpoint.per, sweep.part.state
    names = {name_of(part.endpoint, one): one for one in group}
    sweep.asked |= names.keys()
    keep(part.endpoint, state, [one for name, one in names.items() if name not in sweep.failed])
    assert isinstance(per, Parents | Batches)  # noqa: S101 - by the caller
    if keeps(part.endpoint) or per.changed:
        state.note_asked(names.keys(), sweep.failed)
    if part.brought:
        part.run.collections.loaded.add(part.key)


def _is_refused(sweep: _Sweep, group: Sequence[Parent]) -> bool:
    """Whether HubSpot refuses the endpoint, and not only the parents that were asked for.

    One parent says nothing of the others, nor do those that it refused before, nor does 404 of
    what could be read before.
    """
    part, refused = sweep.part, sweep.refused
    if sweep.answered or not refused:
        return False
    if all(name_of(part.endpoint, one) in part.state.failed_parents for one in group):
        return False
    was_read = part.state.read_at is not None
    are_gone = all(isinstance(one, NotFoundError) for one in refused)
    if isinstance(part.endpoint.per, Batches) or not (was_read or are_gone):
        return True
    return len(refused) > 1 and not (was_read and are_gone)


def _read_parent(sweep: _Sweep, out: Out, parent: Parent) -> Found:
    """Read what HubSpot has for one parent."""
    one = part_of_parent(sweep.part, parent)
    read = READERS.get(type(sweep.part.endpoint.read))
    rows = read(one, out) if read else _read_rows(one, out, sweep.contents)
    yield from _tolerated(sweep, _answered(sweep, rows), [parent], one.constants)


def _answered(sweep: _Sweep, rows: Found) -> Found:
    """Read what HubSpot has for a parent, and note that it has answered."""
    yield from rows
    sweep.answered = True


def part_of_parent(part: Part, parent: Parent) -> Part:
    """Return what an endpoint, of `Parents`, has of one of them."""
    values, named = texts(parent[:-2]), part.endpoint.parent_slots
    slots = dict(zip(named, values, strict=False))
    unnamed = constants_for(part.endpoint)
    end = len(named) + len(unnamed)
    shown = zip(parent[len(named) : end], values[len(named) : end], strict=True)
    own = zip(unnamed, shown, strict=True)
    others = {name: text for name, (value, text) in own if value is not None}
    known = {**part.constants, **others, **slots}
    return replace(part, slots=slots, constants=known, parent="\n".join(slots.values()))


def _tolerated(
    sweep: _Sweep,
    rows: Found,
    parents: Sequence[Parent],
    constants: Mapping[str, str] | None = None,
) -> Found:
    """Read what HubSpot has for a parent, or for some; what it refuses is left out.

    404 is an answer where an endpoint says so: the parent has no rows.
    """
    try:
        yield from rows
    except ScopeMissingError:
        raise
    except RequestRejectedError as error:
        endpoint = sweep.part.endpoint
        names = [name_of(endpoint, one) for one in parents]
        if isinstance(error, NotFoundError) and endpoint.empty_on_404 and constants is not None:
            sweep.answered = True
            sweep.emptied[names[0]] = constants
        else:
            sweep.refused.append(error)
            sweep.failed.update(names)


def _read_rows(part: Part, out: Out, contents: Contents) -> Found:
    """Read all rows of a parent, which take the place of those that it had once all have come."""
    rows = Rows(part, out, part.parent.split("\n"))
    for block in blocks(part):
        if block is None:
            yield None
        else:
            rows.add(block)
    yield from rows.hand_on(contents)


def _divided(sweep: _Sweep, out: Out, batch: Sequence[Parent]) -> Found:
    """Read a batch; one that HubSpot refuses is divided, until what it refuses stands alone.

    Raises:
        RequestRejectedError: it does not take that one, or none at all.
    """
    try:
        yield from _read_batch(sweep, out, batch)
    except RequestRejectedError as error:
        is_hopeless = not sweep.answered and sweep.divided >= MOST_DIVIDED
        if error.status != HTTPStatus.BAD_REQUEST or len(batch) == 1 or is_hopeless:
            raise
        sweep.divided += 1
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            yield from _tolerated(sweep, _divided(sweep, out, part), part)


def _read_batch(sweep: _Sweep, out: Out, parents: Sequence[Parent]) -> Found:
    """Read what HubSpot has for many parents, whose rows take the place of those they had."""
    part = replace(sweep.part, reported=[])
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
    sweep.answered = True
    found = _by_parent(part, per, rows)
    if per.unseen:
        yield from out.add(rows)
    else:
        yield from _hand_on(sweep, out, rows, found)
    sweep.part.reported.extend(part.reported)
    yield from _leave_out(sweep, per, [n for n in names if n not in found], part.reported)


def _hand_on(
    sweep: _Sweep, out: Out, rows: Items, places: Mapping[str, Sequence[int]]
) -> Iterator[Any]:
    """Hand on the rows of parents, by their names, that are not as they were."""
    for name, indices in places.items():
        held = Rows(sweep.part, out, [name])
        held.add(rows.only(indices))
        yield from held.hand_on(sweep.contents)


def _by_parent(part: Part, per: Batches, rows: Items) -> dict[str, list[int]]:
    """Return the places of rows by the name of their parent."""
    own, found = {one.name: one for one in part.endpoint.first.fields}, dict[str, list[int]]()
    for index, one in enumerate(given(own[per.match], rows)):
        found.setdefault(str(one), []).append(index)
    return found


def _leave_out(
    sweep: _Sweep, per: Batches, names: Sequence[str], errors: Sequence[str]
) -> Iterator[Any]:
    """Have the rows of parents removed that an answer lacks.

    If it reports another error than that parents are not there, what is loaded of them stays.
    """
    if any(NOT_FOUND not in error for error in errors):
        sweep.failed.update(names)
    elif not per.unseen:
        yield from _empty(sweep, {name: {per.match: name} for name in names})


def _filled(shape: Any, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return an input with the parent's name in its place."""
    if isinstance(shape, Mapping):
        return {member: _filled(value, name) for member, value in shape.items()}
    return name if shape == "@id" else shape


def _empty(sweep: _Sweep, parents: Mapping[str, Mapping[str, str]]) -> Iterator[Any]:
    """Have the rows of parents removed that have none by now, unless they had none before.

    Args:
        sweep: the reading.
        parents: by name, the constants of their rows.
    """
    part, contents = sweep.part, sweep.contents
    new = [of for name, of in parents.items() if contents.differ(part, name.split("\n"), NO_ROWS)]
    yield from empty(part, new)


def _note_refused(sweep: _Sweep) -> None:
    """Record the parents that were left out."""
    table = getattr(sweep.part.endpoint.per, "table", "")
    refused = [one for one in sweep.refused if not isinstance(one, NotFoundError)]
    missing = len(sweep.refused) - len(refused)
    if missing:
        sweep.part.outcome.note(NONE_THERE.format(missing, table))
    note_left_out(sweep.part, refused)
