"""Which parents are to be read: those of the warehouse that changed, all, or ids that rows name."""

from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from typing import Any

from ....catalog.endpoints import TABLES, has_gone_rows, parent_columns
from ....catalog.endpoints.declaration import Batches, Endpoint, Parents
from ....model import LIVE, View
from ....plan.collections.differing import LOOKBACK, Parent, differing, is_all_due, keeps, key_of
from ....run.run import Run
from ....state.collections import CollectionState
from ....warehouse.sql import named
from ....warehouse.sql.keys import of_keys, parts
from ..part import texts


def to_read(
    view: View, endpoint: Endpoint, state: CollectionState, now: datetime
) -> Iterator[list[Parent]]:
    """Yield the parents that are pending and not known to be as they were; see `pending`."""
    gone = lost(view, endpoint, state) if keeps(endpoint) and state.parents else frozenset[str]()
    return differing(endpoint, state, now, pending(view, endpoint, state, now), gone)


def lost(view: View, endpoint: Endpoint, state: CollectionState) -> frozenset[str]:
    """Return those parents, as `key_of` names them, whose rows were loaded and are not there."""
    had = {name for name, digest in state.contents.items() if digest}
    per, names = endpoint.per, parent_columns(endpoint)
    if not had or isinstance(per, str) or not view.has(per.table, names):
        return frozenset()
    own = [LIVE] if has_gone_rows(per.table) else []
    without = view.values(per.table, names, " AND ".join([*own, _is_new(view, endpoint)]))
    return frozenset(had.intersection(key_of(endpoint, one) for rows in without for one in rows))


def pending(
    view: View, endpoint: Endpoint, state: CollectionState, now: datetime
) -> Generator[list[Parent], None, None]:
    """Yield the parents that are to be read, in the order in which the state's cursor passes them.

    There are none where the warehouse lacks the columns that name them. Those that did not change
    come, too, where the state knows what each was.

    Args:
        view: the warehouse.
        endpoint: a declaration with parents.
        state: with the cursor.
        now: aware UTC.
    """
    per = endpoint.per
    assert isinstance(per, Parents | Batches)  # noqa: S101 - callers ask for no other
    if isinstance(per, Batches) and per.unseen:
        yield from _unseen(view, endpoint, state, now)
        return
    takes_all, names = _takes_all(endpoint, per, state, now), parent_columns(endpoint)
    where, args = _conditions(view, endpoint, state, takes_all=takes_all)
    order = names if takes_all else ["_hs_synced_at", *names]
    yield from _select(view, endpoint, where, args, order)


def failed(
    view: View, endpoint: Endpoint, failed_names: Sequence[str]
) -> Generator[list[Parent], None, None]:
    """Yield those parents that are still there, of some that HubSpot refused.

    Args:
        view: the warehouse.
        endpoint: a declaration with parents.
        failed_names: of parents, as `name_of` gives them.
    """
    columns = parent_columns(endpoint)
    for part in parts((tuple(name.split("\n")) for name in failed_names), columns):
        where, values = of_keys(columns, part)
        yield from _select(view, endpoint, [f"({where})"], values, columns)


def _select(
    view: View, endpoint: Endpoint, where: Sequence[str], args: Sequence[Any], order: Sequence[str]
) -> Generator[list[Parent], None, None]:
    """Yield parents that have such rows, and of which some conditions are true, in an order."""
    per = endpoint.per
    assert isinstance(per, Parents | Batches)  # noqa: S101 - by the caller
    times = _times(per)
    shown = [*parent_columns(endpoint), *constants_for(endpoint).values(), *compared(per), *times]
    if not view.has(per.table, shown):
        return
    own = [LIVE] if has_gone_rows(per.table) else []
    own += [f"({per.where})"] if per.where else []
    condition = " AND ".join([*own, *where]) or "1 = 1"
    ordered = f"{condition} ORDER BY {', '.join(order)}"
    named = len(shown) - len(times)
    for rows in view.values(per.table, [*shown, "_hs_synced_at"], ordered, *args):
        yield [(*row[:named], _latest(row[named:-1]), row[-1]) for row in rows]


def lacking(view: View, endpoint: Endpoint) -> str:
    """Return the property by which an endpoint is asked for and that the portal has not."""
    table = endpoint.parent_tables[0]
    if table in TABLES or not view.has(table):
        return ""
    needed = [*parent_columns(endpoint), *constants_for(endpoint).values()]
    return next((one for one in needed if not view.has(table, [one])), "")


def compared(per: Parents | Batches) -> list[str]:
    """Return the columns that say that a parent is another by now, its name and times of change."""
    of_batches = [per.version] if isinstance(per, Batches) and per.version else []
    return [*of_batches, *changes(per)]


def changes(per: Parents | Batches) -> list[str]:
    """Return the columns that say when a parent changed."""
    return [one.strip() for one in per.changed.split(",") if one.strip()]


def _times(per: Parents | Batches) -> list[str]:
    """Return the columns the latest of which is the time of a parent."""
    recent = per.recent if isinstance(per, Parents) else None
    return changes(per) or ([recent[0]] if recent else [])


def name_of(endpoint: Endpoint, parent: Parent) -> str:
    """Return a parent's name in the state."""
    return "\n".join(texts(parent[: len(parent_columns(endpoint))]))


def _conditions(
    view: View, endpoint: Endpoint, state: CollectionState, *, takes_all: bool
) -> tuple[list[str], list[Any]]:
    """Return what is true of parents that are to be read, with the values of these conditions."""
    per = endpoint.per
    assert isinstance(per, Parents | Batches)  # noqa: S101 - by the caller
    times, where, args = changes(per), list[str](), list[Any]()
    begins = bool(per.changed) and takes_all and state.all_until is None
    if state.parent_id and not begins:
        passed, args = _behind(parent_columns(endpoint), state, by_time=not takes_all)
        where.append(passed)
    if state.has_many_parents and not takes_all and state.newest_parent_at:
        is_changed = " OR ".join(f"{one} >= ?" for one in times)
        where.append(f"({times[0]} IS NULL OR {is_changed} OR {_is_new(view, endpoint)})")
        args += [state.newest_parent_at - LOOKBACK] * len(times)
    return where, args


def _latest(times: Sequence[datetime | None]) -> datetime | None:
    """Return the latest of some instants; None where there is none."""
    return max((one for one in times if one is not None), default=None)


def _takes_all(
    endpoint: Endpoint, per: Parents | Batches, state: CollectionState, now: datetime
) -> bool:
    """Whether parents are read that did not change, too."""
    return not per.changed or state.all_until is not None or is_all_due(endpoint, state, now)


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
        same = [f"{one} = ?" for one in columns[:index]]
        parts.append(" AND ".join([*same, f"{name} > ?"]))
        args += values[: index + 1]
    return f"({' OR '.join(f'({part})' for part in parts)})", args


def _is_new(view: View, endpoint: Endpoint) -> str:
    """Return the condition for parents that no row was read of."""
    parent = getattr(endpoint.per, "table", "")
    own = dict(zip(endpoint.replaced_by, parent_columns(endpoint), strict=False))
    if not (own and view.has(endpoint.name) and view.has(parent)):
        return "1 = 0"
    same = " AND ".join(f"child.{one} = {named(parent)}.{other}" for one, other in own.items())
    return f"NOT EXISTS (SELECT 1 FROM {named(endpoint.name)} AS child WHERE {same})"


def begin_all(view: View, endpoint: Endpoint, state: CollectionState, now: datetime) -> None:
    """Begin to read all parents, where it is time to read those that did not change, too.

    What changes from now on is read later: the cursor goes on behind the newest of them.
    """
    per, names = endpoint.per, parent_columns(endpoint)
    assert isinstance(per, Parents | Batches)  # noqa: S101 - by the caller
    if not per.changed or state.all_until is not None or not is_all_due(endpoint, state, now):
        return
    order = ", ".join(f"{name} DESC" for name in ("_hs_synced_at", *names))
    newest = next(
        view.values(per.table, [*names, "_hs_synced_at"], f"1 = 1 ORDER BY {order}"), None
    )
    if newest:
        state.parent_at, state.parent_id = newest[0][-1], ""
        state.all_until = "\n".join(texts(newest[0][:-1]))


def _unseen(
    view: View, endpoint: Endpoint, state: CollectionState, now: datetime
) -> Generator[list[Parent], None, None]:
    """Yield what columns of tables name and the endpoint's first table lacks, each of it once.

    All that they name, where what the table has is to be loaded again.

    Guarantees: the warehouse compares; what is named is never held but for a few thousand. What
    HubSpot does not know is yielded while its row is new, and then where all parents are due.

    Args:
        view: the warehouse.
        endpoint: a declaration with batches of what is unseen.
        state: with the time of the last reading.
        now: aware UTC.
    """
    per = endpoint.per
    assert isinstance(per, Batches)  # noqa: S101 - by the caller
    has_own = view.has(endpoint.name) and not state.merges
    known = [(endpoint.name, per.match)] if has_own else []
    is_all = state.parent_at is None or is_all_due(endpoint, state, now)
    young, args = ([], []) if is_all else (["_hs_synced_at >= ?"], [state.parent_at])
    for table, column in per.named:
        if not view.has(table, [column]):
            continue
        mine = f"{named(table)}.{named(column)}"
        where = [f"{mine} <> ''", *young]
        where += [
            f"NOT EXISTS (SELECT 1 FROM {named(other)} AS other WHERE other.{named(same)} = {mine})"
            for other, same in known
        ]
        condition = f"{' AND '.join(where)} GROUP BY {named(column)} ORDER BY {named(column)}"
        for rows in view.values(table, [column], condition, *args):
            yield [(row[0], None, None) for row in rows]
        known.append((table, column))


def has_pending(run: Run, view: View, endpoint: Endpoint) -> bool:
    """Whether any parent is to be read, or is to be asked for again as HubSpot refused it."""
    state = run.state.collections.get(endpoint.name, CollectionState())
    return bool(state.failed_parents) or any(to_read(view, endpoint, state, run.now()))
