"""What only SQL can do after a load: mark what was purged, follow merges, remove leftovers.

Everything here may be done twice: a run that is killed between a load and this leaves the names of
the tables in the state (`SourceState.pending_cleanup`), and the next run does it again for them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from ..catalog.names import link_tables
from ..errors import ContractError
from ..model import LIVE, REJECTS
from ..run.run import Run
from ..state.source import RELABELLED, SourceState
from ..state.store import source_state
from .collections import (
    drop_histories,
    drop_of_gone,
    end_collections,
    read_again,
    with_rejects,
    withdraw_before,
)
from .sql import ColumnName, Selected, TableName, Tables, delete_selected, named, open_tables
from .view import WarehouseView

FEW = 5  # rows that may be purged at once whatever their share, but never the last ones
LABELS = "association_labels"
KEPT_STATES = 100  # as dlt keeps in file storage; in databases it keeps all

Ends = Mapping[str, tuple[str, str]]
"""Link tables, and the tables at their ends."""

_OLDER = (
    "SELECT one.id, one._hs_synced_at FROM ? AS one JOIN (SELECT id, max(_hs_synced_at) AS newest"
    " FROM ? GROUP BY id HAVING count(*) > 1) AS twice ON twice.id = one.id"
    " WHERE one._hs_synced_at < twice.newest"
)
_PASSED_ON = (
    "{} AS one JOIN {} AS next ON next.id = one._hs_merged_into"
    " WHERE one._hs_deletion = 'merged' AND next._hs_deletion = 'merged'"
)
_DEAD = "SELECT link.? FROM ? AS link INTERSECT SELECT id FROM ? WHERE _hs_deleted_at IS NOT NULL"
_REMOVED = "SELECT link.? FROM ? AS link EXCEPT SELECT id FROM ?"
_STRAYS = f"{_REMOVED} WHERE {LIVE}"


def clean_up(pipeline: Pipeline, run: Run, *, hard_delete: bool) -> None:
    """Do what a load left to be done: newest rows, purges, merge chains, links, rejected values.

    A table that lost more rows than is likely is not touched: it has failed.
    """
    with open_tables(pipeline) as tables:
        _keep_newest(tables, pipeline, run.load.appending | run.tables.to_clean_up)
        _mark_vanished(tables, pipeline, run, hard_delete=hard_delete)
        state = source_state(pipeline)
        _end_tables(tables, pipeline, run, state, hard_delete=hard_delete)
        left = run.tables.take_to_clean_up()
        end_collections(tables, pipeline, run, left, hard_delete=hard_delete)
        run.pairs.linked |= left
        relabelled = run.pairs.take_relabelled() | _relabelled(left)
        columns = pipeline.default_schema.tables
        names = {*columns}
        cleaned = {name for name in left & names if "_hs_deleted_at" in columns[name]["columns"]}
        _follow_merges(tables, (run.load.merged | cleaned) & names)
        pairs = {
            pair: ends for pair, ends in run.pairs.ends.items() if names.issuperset({pair, *ends})
        }
        complete = {} if run.load.unfinished else _complete(run, pairs, state)
        _drop_strays(tables, complete)
        rest = {pair: pairs[pair] for pair in pairs.keys() - complete.keys()}
        _drop_links(tables, run.load.dead | cleaned, rest, hard_delete=hard_delete)
        if LABELS in names:
            _set_labels(tables, relabelled & pairs.keys())
        histories = run.collections.take_histories()
        drop_histories(tables, run.load.dead | cleaned | histories, names)
        drop_of_gone(tables, run.load.dead | cleaned, names)
        if REJECTS in names:
            changed = run.load.appending | run.tables.changed | cleaned
            _withdraw_rejects(tables, run, changed & names)
        if pipeline.default_schema.state_table_name in names:
            _drop_old_states(tables, pipeline)


def _keep_newest(tables: Tables, pipeline: Pipeline, names: Iterable[str]) -> None:
    """Leave of every id the row that was read last, where loads add rows as they come."""
    known = pipeline.default_schema.tables
    doubled = [name for name in names if "_hs_synced_at" in known.get(name, {}).get("columns", {})]
    key = ("id", "_hs_synced_at")
    delete_selected(
        tables,
        [Selected(name, key, _OLDER, [TableName(name)] * 2) for name in sorted(doubled)],
    )


def _relabelled(names: Iterable[str]) -> set[str]:
    """Return the link tables whose labels a run may not have set."""
    return {name.removeprefix(RELABELLED) for name in names if name.startswith(RELABELLED)}


def _end_tables(
    tables: Tables, pipeline: Pipeline, run: Run, state: SourceState, *, hard_delete: bool
) -> None:
    """Make the rows of types that HubSpot no longer has tombstones, and empty their link tables."""
    known = pipeline.default_schema.tables
    objects = [name for name, table in known.items() if "_hs_deletion" in table["columns"]]
    ended = state.deleted_types.keys() & {*objects}
    gone = sorted((run.load.dead | run.tables.to_clean_up) & ended)
    if not gone:
        return
    pairs = {one for table in gone for one in link_tables(table, objects)} & known.keys()
    left = tables.counts([*gone, *sorted(pairs)])
    live = tables.counts(gone, f"{{}} WHERE {LIVE}")
    for table in gone:
        if left[table]:
            _purge_all(tables, table, run.now(), hard_delete=hard_delete)
        run.outcomes.of(table).tombstones += live[table]
    for pair in sorted(one for one in pairs if left[one]):
        tables.delete(pair)


def _purge_all(tables: Tables, table: str, now: datetime, *, hard_delete: bool) -> None:
    """Delete all rows of a table, or give a tombstone to those that are live or archived."""
    if hard_delete:
        tables.delete(table)
        return
    tables.update(table, {"_hs_deletion": "purged"}, "_hs_deletion = 'archived'")
    tables.update(table, {"_hs_deleted_at": now, "_hs_deletion": "purged"}, LIVE)


def _mark_vanished(tables: Tables, pipeline: Pipeline, run: Run, *, hard_delete: bool) -> None:
    """Mark as purged what HubSpot holds no more; a table that lost too much of it has failed."""
    for table, ids in run.tables.take_vanished().items():
        with WarehouseView(pipeline) as view:
            found = view.rows(table, ("id", "_hs_deletion"), sorted(ids))
            held = view.counts([table], LIVE)[table]
        live = [(id_,) for id_, deletion in found if deletion is None]
        binned = [(id_,) for id_, deletion in found if deletion == "archived"]
        try:
            _check_share(run, table, len(live), held)
        except ContractError as error:
            run.outcomes.fail(run.outcomes.of(table), error)
            continue
        if hard_delete:
            tables.delete_keys(table, ["id"], live)
        else:
            tombstone = {"_hs_deleted_at": run.now(), "_hs_deletion": "purged"}
            _mark(tables, table, live, tombstone)
        _mark(tables, table, binned, {"_hs_deletion": "purged"})
        run.outcomes.of(table).tombstones += len(live)
        run.load.dead.add(table)


def _mark(
    tables: Tables, table: str, ids: Iterable[tuple[str]], values: Mapping[str, object]
) -> None:
    """Give rows the same values."""
    tables.update_keys(table, ["id"], [*values], ((id_, (*values.values(),)) for id_ in ids))


def _check_share(run: Run, table: str, gone: int, live: int) -> None:
    """Refuse to believe that more of a table vanished than is likely.

    Raises:
        ContractError: too many; more likely the token or HubSpot fails.
    """
    most = max(min(FEW, live - 1), run.config.purge_share * live)
    if gone > most and live > 1:
        raise ContractError(
            f"{gone} of {live} live rows of {table} are no longer found in HubSpot; none"
            " was marked as purged.",
            remedy="Check what the token may see. If they are really gone, raise "
            "SOURCES__HUBSPOT__PURGE_SHARE and run again.",
        )


def _follow_merges(tables: Tables, names: Iterable[str]) -> None:
    """Let ids that were merged into a record that was merged itself name the last survivor."""
    for table, passed_on in tables.counts(sorted(names), _PASSED_ON).items():
        if not passed_on:
            continue
        rows = _PASSED_ON.replace("{}", named(table))
        into: dict[str, str] = {}
        for id_, survivor, next_ in tables.select(
            f"SELECT one.id, one._hs_merged_into, next._hs_merged_into AS after FROM {rows}"
        ):
            into |= {id_: survivor, survivor: next_}
        last = ((id_, _last(into, id_)) for id_ in into)
        rows_of = (((id_,), (survivor,)) for id_, survivor in last if survivor != into[id_])
        tables.update_keys(table, ["id"], ["_hs_merged_into"], rows_of)


def _last(into: Mapping[str, str], id_: str) -> str:
    """Follow merges to the end; to where they began if they go round."""
    seen, at = {id_}, into[id_]
    while at in into and at not in seen:
        seen.add(at)
        at = into[at]
    return at


def _drop_links(tables: Tables, dead: set[str], pairs: Ends, *, hard_delete: bool) -> None:
    """Take away links of records that are not live, from either end."""
    ids = _REMOVED if hard_delete else _DEAD
    delete_selected(tables, (one for end, one in _links(pairs, ids) if end in dead))


def _links(pairs: Ends, ids: str) -> Iterator[tuple[str, Selected]]:
    """Yield each end of link tables, and the links there of the ids that a query returns."""
    for pair, ends in sorted(pairs.items()):
        for column, end in zip(("from_id", "to_id"), ends, strict=True):
            values = [ColumnName(column), TableName(pair), TableName(end)]
            yield end, Selected(pair, [column], ids, values)


def _complete(run: Run, pairs: Ends, state: SourceState) -> dict[str, tuple[str, str]]:
    """Return the link tables with new links whose ends are both complete."""
    linked = run.pairs.take_linked()
    return {
        pair: ends
        for pair, ends in pairs.items()
        if not linked.isdisjoint({pair, *ends})
        and all(state.table(end).watermark is not None for end in ends)
    }


def _drop_strays(tables: Tables, pairs: Ends) -> None:
    """Take away links of records that are not in the warehouse, or not live.

    Such as are not there were created while the run was at work. Should they come, their links come
    with them; should they be purged before, nobody would ask for their links again.
    """
    delete_selected(tables, (one for _, one in _links(pairs, _STRAYS)))


def _set_labels(tables: Tables, pairs: Iterable[str]) -> None:
    """Give every link the label that its association type has by now."""
    names = sorted(pairs)
    if not names:
        return
    each = "SELECT DISTINCT ? AS pair, link.type_id, link.category, link.label FROM ? AS link"
    held = " UNION ALL ".join([each] * len(names))
    values = [value for pair in names for value in (pair, TableName(pair))]
    found = tables.select(f"SELECT pair, type_id, category, label FROM {LABELS}")
    known = {(pair, type_id, category): label for pair, type_id, category, label in found}
    for pair, label, *which in _mislabelled(tables.select(held, *values), known):
        tables.update(pair, {"label": label}, "type_id = ? AND category = ?", *which)


def _mislabelled(
    held: Iterable[Sequence[Any]], known: Mapping[tuple[Any, ...], str | None]
) -> Iterator[tuple[Any, ...]]:
    """Yield the pair, label, id and category of each type of which links have another label."""
    types = {tuple(one[:3]) for one in held if known.get(tuple(one[:3]), one[3]) != one[3]}
    for pair, type_id, category in types:
        yield pair, known[pair, type_id, category], type_id, category


def _withdraw_rejects(tables: Tables, run: Run, changed: AbstractSet[str]) -> None:
    """Delete rejected values of rows that were read again; those that remain are new rows."""
    held = with_rejects(tables, {REJECTS})
    delete_selected(tables, (read_again(table, ["id"]) for table in sorted(changed & held)))
    for (table, begin), at in run.tables.replaced.items():
        if table in held:
            withdraw_before(tables, table, begin, at)
    run.tables.replaced.clear()


def _drop_old_states(tables: Tables, pipeline: Pipeline) -> None:
    """Take away all states but the last ones, for every load adds one."""
    tables.delete(
        pipeline.default_schema.state_table_name,
        "pipeline_name = ? AND version <= ?",
        pipeline.pipeline_name,
        pipeline.state["_state_version"] - KEPT_STATES,
    )
