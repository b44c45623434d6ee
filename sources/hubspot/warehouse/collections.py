"""What SQL does after a load of collections: rows that no longer come are marked as gone."""

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby

from dlt.pipeline.pipeline import Pipeline

from ..catalog.endpoints import ENDPOINT_OF, ENDPOINTS, has_gone_rows, parent_columns, shared_keys
from ..catalog.endpoints.declaration import Batches, Endpoint, Fill, Members, Parents, Table
from ..catalog.names import history_table
from ..model import LIVE, REJECTS
from ..run.run import Run
from ..state.source import COLLECTION
from ..state.store import source_state
from .sql import ColumnName, Selected, TableName, Tables, delete_selected

_FILLED_AT_ONCE = 100  # values, which may be long
_REJECT = ("table_name", "id", "seen_at")
_KEPT = "record.id FROM ? AS record WHERE coalesce(record._hs_deletion, '') <> 'purged'"
_VERSIONS = f"SELECT version.id FROM ? AS version EXCEPT SELECT {_KEPT}"
_REJECTED_VERSIONS = (
    "SELECT reject.table_name, reject.id FROM ? AS reject WHERE reject.table_name = ?"
    f" EXCEPT SELECT ?, {_KEPT}"
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was loaded of an endpoint, or of one object type of it."""

    endpoint: Endpoint
    scope: str
    at: datetime | None
    """The `_hs_synced_at` of the last reading of all rows: older rows are gone."""

    @property
    def whole_at(self) -> datetime | None:
        """The same, where a row that no longer comes is gone."""
        return self.at if self.endpoint.has_gone else None

    @property
    def values(self) -> list[object]:
        """Of the condition of rows that it did not bring."""
        return [self.at, self.scope] if self.scope else [self.at]


def end_collections(
    tables: Tables, pipeline: Pipeline, run: Run, left: Iterable[str], *, hard_delete: bool
) -> None:
    """Mark the rows that the readings of this run, or of one that was killed, did not bring.

    Everything here may be done twice.

    Args:
        tables: of the dataset.
        pipeline: with its state and schema.
        run: with the collections that it loaded.
        left: what an earlier run may not have cleaned up, as the state names it.
        hard_delete: whether such rows are removed.
    """
    keys = run.collections.take_loaded()
    keys |= {one.removeprefix(COLLECTION) for one in left if one.startswith(COLLECTION)}
    names = {*pipeline.default_schema.tables}
    readings = [*_readings(pipeline, sorted(keys), names)] if keys else []
    if not readings:
        return
    _withdraw(tables, readings, with_rejects(tables, names))
    _end(tables, run, readings, hard_delete=hard_delete)
    endpoints = [*{one.endpoint.name: one.endpoint for one in readings}.values()]
    own = {table.name for one in endpoints for table in one.tables}
    dependent = {one.name for one in _dependent(names)}
    _replace_children(tables, [one for one in endpoints if one.name not in dependent])
    drop_of_gone(tables, own, names)
    _fill(tables, own, names)
    _end_members(tables, own, names, hard_delete=hard_delete)


def _readings(
    pipeline: Pipeline, keys: Iterable[str], names: AbstractSet[str]
) -> Iterator[_Reading]:
    state = source_state(pipeline)
    for key in keys:
        name, _, scope = key.partition(":")
        endpoint, kept = ENDPOINTS.get(name), state.collections.get(key)
        if endpoint and kept and {table.name for table in endpoint.tables} <= names:
            yield _Reading(endpoint, scope, kept.loaded_at)


def _end(tables: Tables, run: Run, readings: Iterable[_Reading], *, hard_delete: bool) -> None:
    """Mark what complete readings did not bring, and remove what lay in it."""
    same: dict[str, list[tuple[_Reading, Table]]] = {}
    for one in readings:
        for table in one.endpoint.tables if one.whole_at else ():
            same.setdefault(_old(one, table), []).append((one, table))
    for where, old in same.items():
        each = {f"{at}": (TableName(t.name), *one.values) for at, (one, t) in enumerate(old)}
        counts = tables.counts(each, f"? WHERE {where}")
        for at, (one, table) in enumerate(old):
            if not (count := counts[f"{at}"]):
                continue
            if one.endpoint.keeps(table):
                run.outcomes.of(table.name).tombstones += count
            if hard_delete or not one.endpoint.keeps(table):
                tables.delete(table.name, where, *one.values)
            else:
                tables.update(table.name, _tombstone(one, table), where, *one.values)


def _old(reading: _Reading, table: Table) -> str:
    """Return the condition of rows that a reading did not bring."""
    where = "(_hs_synced_at IS NULL OR _hs_synced_at < ?)"
    where += " AND object_type = ?" if reading.scope else ""
    return where + (f" AND {LIVE}" if reading.endpoint.keeps(table) else "")


def _tombstone(reading: _Reading, table: Table) -> dict[str, object]:
    """Return the values of a row that is gone."""
    flags = {"_hs_archived": True} | ({"archived": True} if "archived" in table.names else {})
    return {"_hs_deleted_at": reading.at, **flags}


def _replace_children(tables: Tables, endpoints: Iterable[Endpoint]) -> None:
    """Remove what lay in rows that were read again without it."""
    rows: list[Selected] = []
    for one in endpoints:
        for child in one.tables[1:]:
            if not one.keeps(child):
                rows.append(_stale(one, child))
                if one.replaced_by:
                    shared = shared_keys(one, child)
                    rows.append(_without(child.name, [*shared], one.name, [*shared.values()]))
    delete_selected(tables, rows)


def _stale(endpoint: Endpoint, child: Table) -> Selected:
    """Select rows of a child table that are older than what they lie in."""
    shared = shared_keys(endpoint, child)
    shown = ", ".join(["child.?"] * len(shared))
    same = " AND ".join(["parent.? = child.?"] * len(shared))
    keys = (
        f"SELECT DISTINCT {shown}, child._hs_synced_at FROM ? AS child JOIN ? AS parent ON {same}"
        " WHERE parent._hs_synced_at > child._hs_synced_at"
    )
    both = (ColumnName(name) for own, above in shared.items() for name in (above, own))
    values = [*map(ColumnName, shared), TableName(child.name), TableName(endpoint.name), *both]
    return Selected(child.name, [*shared, "_hs_synced_at"], keys, values)


def _without(
    table: str, columns: Collection[str], parent: str, same: Collection[str], *, live: bool = False
) -> Selected:
    """Select rows of which the parents are not there.

    Args:
        table: that has them.
        columns: that name the parent.
        parent: the table of the parents.
        same: the columns there.
        live: whether a parent that is gone has a row, and is not there.
    """
    shown, above = (", ".join([f"{alias}.?"] * len(columns)) for alias in ("child", "parent"))
    where = f" WHERE parent.{LIVE}" if live else ""
    keys = f"SELECT {shown} FROM ? AS child EXCEPT SELECT {above} FROM ? AS parent{where}"
    values = [
        *map(ColumnName, columns),
        TableName(table),
        *map(ColumnName, same),
        TableName(parent),
    ]
    return Selected(table, [*columns], keys, values)


def drop_of_gone(tables: Tables, own: AbstractSet[str], names: AbstractSet[str]) -> None:
    """Remove what was read of rows that are gone by now, and what was read of that in turn.

    Args:
        tables: of the dataset.
        own: tables of which rows may be gone: those of an endpoint, of which orphans go, too, or
            tables of records.
        names: of all tables of the dataset.
    """
    reached = {*own}
    for _, level in groupby(_dependent(names), lambda one: _depth(one.name)):
        found = [one for one in level if not reached.isdisjoint({one.name, one.parent_tables[0]})]
        delete_selected(tables, map(_orphans, found))
        _replace_children(tables, found)
        reached |= {table.name for one in found for table in one.tables}


def _dependent(names: AbstractSet[str]) -> Iterator[Endpoint]:
    """Yield the endpoints whose rows go with their parents, those of parents first."""
    for one in _by_depth():
        if {one.parent_tables[0], *(table.name for table in one.tables)} <= names:
            yield one


@cache
def _by_depth() -> tuple[Endpoint, ...]:
    found = [one for one in ENDPOINTS.values() if not isinstance(one.per, str) and one.replaced_by]
    left = [one for one in found if not (isinstance(one.per, Batches) and one.per.unseen)]
    return tuple(sorted(left, key=lambda one: _depth(one.name)))


@cache
def _depth(name: str) -> int:
    """Return how many endpoints an endpoint's rows are read of, one after another."""
    above = [ENDPOINT_OF.get(table) for table in ENDPOINTS[name].parent_tables[:1]]
    return 1 + _depth(above[0]) if above and above[0] else 0


def _orphans(endpoint: Endpoint) -> Selected:
    """Select the rows of an endpoint whose parents are not there."""
    parent, above = endpoint.parent_tables[0], parent_columns(endpoint)
    columns = endpoint.replaced_by[: len(above)]
    return _without(
        endpoint.name, columns, parent, above[: len(columns)], live=has_gone_rows(parent)
    )


def _fill(tables: Tables, own: AbstractSet[str], names: AbstractSet[str]) -> None:
    """Fill the columns that HubSpot gives in another answer."""
    for one in ENDPOINTS.values():
        fill = one.fills
        if fill and not own.isdisjoint({one.name, fill.table}) and {one.name, fill.table} <= names:
            _fill_from(tables, one.name, fill)


def _fill_from(tables: Tables, given: str, fill: Fill) -> None:
    """Fill a column where it is another than what is given, and empty it where nothing is."""
    key, by, column = (ColumnName(name) for name in (fill.key or fill.by, fill.by, fill.column))
    here, there = TableName(given), TableName(fill.table)
    values = "SELECT given.? AS filled, max(given.?) AS value FROM ? AS given"
    held = "SELECT filled.?, filled.? FROM ? AS filled"
    other = f"SELECT other.filled FROM ({values} GROUP BY given.? EXCEPT {held}) AS other"
    found = tables.select(other, key, column, here, key, by, column, there)
    for start in range(0, len(found), _FILLED_AT_ONCE):
        ids = [id_ for (id_,) in found[start : start + _FILLED_AT_ONCE]]
        news = tables.select(
            f"{values} WHERE given.? IN (?) GROUP BY given.?", key, column, here, key, ids, key
        )
        rows = (((id_,), (value,)) for id_, value in news)
        tables.update_keys(fill.table, [fill.by], [fill.column], rows)
    filled = "SELECT filled.? FROM ? AS filled WHERE filled.? IS NOT NULL"
    empty = f"{filled} EXCEPT SELECT given.? FROM ? AS given"
    gone = tables.select(empty, by, there, column, key, here)
    tables.update_keys(fill.table, [fill.by], [fill.column], ((id_, (None,)) for id_ in gone))


def _end_members(
    tables: Tables, own: AbstractSet[str], names: AbstractSet[str], *, hard_delete: bool
) -> None:
    """Mark the members of lists that are gone as removed, from then on."""
    for one in ENDPOINTS.values():
        per, read = one.per, one.read
        if not (isinstance(read, Members) and isinstance(per, Parents)):
            continue
        if own.isdisjoint({one.name, per.table}) or not {per.table, one.name} <= names:
            continue
        _end_members_of(tables, one.name, read.removed, per)
        if hard_delete:
            tables.delete(one.name, f"{read.removed} IS NOT NULL")
            delete_selected(
                tables, [_without(one.name, [*per.slots], per.table, [*per.slots.values()])]
            )


def _end_members_of(tables: Tables, members: str, removed: str, per: Parents) -> None:
    shown = ", ".join(["child.?"] * len(per.slots))
    same = " AND ".join(["parent.? = child.?"] * len(per.slots))
    both = (ColumnName(name) for own, above in per.slots.items() for name in (above, own))
    found = tables.select(
        f"SELECT DISTINCT {shown}, parent._hs_deleted_at FROM ? AS child JOIN ? AS parent ON {same}"
        " WHERE child.? IS NULL AND parent._hs_deleted_at IS NOT NULL",
        *(*map(ColumnName, per.slots), TableName(members), TableName(per.table)),
        *(*both, ColumnName(removed)),
    )
    rows = (((*row[:-1], None), row[-1:]) for row in found)
    tables.update_keys(members, [*per.slots, removed], [removed], rows)


def with_rejects(tables: Tables, names: Collection[str]) -> set[str]:
    """Return the tables of a dataset of which a value was rejected."""
    if REJECTS not in names:
        return set()
    return {name for (name,) in tables.select(f"SELECT DISTINCT table_name FROM {REJECTS}")}


def withdraw_before(tables: Tables, table: str, begin: str, at: datetime) -> None:
    """Delete rejected values, older than a time, of rows of which the keys begin with a text."""
    where = "table_name = ? AND substr(id, 1, ?) = ? AND seen_at < ?"
    tables.delete(REJECTS, where, table, len(begin), begin, at)


def read_again(table: str, keys: Collection[str]) -> Selected:
    """Select rejected values of rows that were read again since."""
    key = " || ':' || ".join(["CAST(record.? AS VARCHAR)"] * len(keys))
    found = (
        "SELECT DISTINCT reject.table_name, reject.id, reject.seen_at FROM ? AS reject"
        f" JOIN ? AS record ON reject.id = {key}"
        " WHERE reject.table_name = ? AND record._hs_synced_at > reject.seen_at"
    )
    values = [TableName(REJECTS), TableName(table), *map(ColumnName, keys), table]
    return Selected(REJECTS, _REJECT, found, values)


def _withdraw(tables: Tables, readings: Iterable[_Reading], rejected: set[str]) -> None:
    """Delete rejected values of rows that were read again; those that remain are new rows."""
    for one in readings:
        for table in one.endpoint.tables:
            if table.name in rejected and one.whole_at:
                begin = f"{one.scope}:" if one.scope else ""
                withdraw_before(tables, table.name, begin, one.whole_at)
    read = {table.name: table.keys for one in readings for table in one.endpoint.tables}
    delete_selected(
        tables, (read_again(name, read[name]) for name in sorted(read.keys() & rejected))
    )


def drop_histories(tables: Tables, objects: Iterable[str], names: AbstractSet[str]) -> None:
    """Delete the versions of records that were purged, or have no row any more.

    Those of archived and merged records stay. This may be done twice.

    Args:
        tables: of the dataset.
        objects: object tables of which records may be gone.
        names: of all tables of the dataset.
    """
    rows: list[Selected] = []
    for table in sorted(objects):
        history, records = history_table(table), TableName(table)
        if not {table, history} <= names:
            continue
        rows.append(Selected(history, ["id"], _VERSIONS, [TableName(history), records]))
        if REJECTS in names:
            values = [TableName(REJECTS), history, history, records]
            rows.append(Selected(REJECTS, ["table_name", "id"], _REJECTED_VERSIONS, values))
    delete_selected(tables, rows)
