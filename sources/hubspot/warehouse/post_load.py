"""What only SQL can do after a load: mark what was purged, follow merges, remove leftovers.

Everything here may be done twice: a run that is killed between a load and this leaves the names of
the tables in the state (`SourceState.pending_cleanup`), and the next run does it again for them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from ..api.batch_read import batches
from ..errors import ContractError
from ..model import LIVE, REJECTS
from ..run.portal.portal_types import link_tables
from ..run.run import Run
from ..state.source import RELABELLED, SourceState
from ..state.store import source_state
from .collections import drop_histories, drop_of_gone, end_collections, with_rejects
from .view import WarehouseView

FEW = 5  # rows that may be purged at once whatever their share, but never the last ones
ASKED = 500  # ids that one statement names
CHAIN = 20  # merges after merges that are followed
LABELS = "association_labels"
KEPT_STATES = 100  # as dlt keeps in file storage; in databases it keeps all

Client = SqlClientBase[Any]


def clean_up(pipeline: Pipeline, run: Run, *, hard_delete: bool) -> None:
    """Do what a load left to be done: newest rows, purges, merge chains, links, rejected values.

    A table that lost more rows than is likely is not touched: it has failed.
    """
    _keep_newest(pipeline, run.load.appending | run.tables.to_clean_up)
    for table, ids in run.tables.take_vanished().items():
        try:
            _mark_purged(pipeline, run, table, sorted(ids), hard_delete=hard_delete)
        except ContractError as error:
            run.outcomes.fail(run.outcomes.of(table), error)
    state = source_state(pipeline)
    _end_tables(pipeline, run, state, hard_delete=hard_delete)
    left = run.tables.take_to_clean_up()
    end_collections(pipeline, run, left, hard_delete=hard_delete)
    run.pairs.linked |= left
    relabelled = run.pairs.take_relabelled() | _relabelled(left)
    with pipeline.sql_client() as client:
        columns = pipeline.default_schema.tables
        tables = {*columns}
        cleaned = {name for name in left & tables if "_hs_deleted_at" in columns[name]["columns"]}
        _follow_merges(client, (run.load.merged | cleaned) & tables)
        pairs = {
            pair: ends for pair, ends in run.pairs.ends.items() if tables.issuperset({pair, *ends})
        }
        complete = {} if run.load.unfinished else _complete(run, pairs, state)
        _drop_strays(client, complete)
        rest = {pair: pairs[pair] for pair in pairs.keys() - complete.keys()}
        _drop_links(client, run.load.dead | cleaned, rest, hard_delete=hard_delete)
        if LABELS in tables:
            _set_labels(client, relabelled & pairs.keys())
        histories = run.collections.take_histories()
        drop_histories(client, run.load.dead | cleaned | histories, tables)
        drop_of_gone(client, run.load.dead | cleaned, tables)
        if REJECTS in tables:
            changed = run.load.appending | run.tables.changed | cleaned
            _withdraw_rejects(client, run, changed & tables)
        if pipeline.default_schema.state_table_name in tables:
            _drop_old_states(client, pipeline)


def _keep_newest(pipeline: Pipeline, names: Iterable[str]) -> None:
    """Leave of every id the row that was read last, where loads add rows as they come."""
    known = pipeline.default_schema.tables
    tables = [name for name in names if "_hs_synced_at" in known.get(name, {}).get("columns", {})]
    if not tables:
        return
    twice = "SELECT id FROM {} GROUP BY id HAVING count(*) > 1"
    with pipeline.sql_client() as client:
        for table in _with_rows(client, tables, f"({twice}) AS twice"):
            name = client.make_qualified_table_name(table)
            same_id = f"FROM {name} AS other WHERE other.id = {name}.id"
            client.execute_sql(
                f"DELETE FROM {name} WHERE id IN ({twice.format(name)})"
                f" AND _hs_synced_at < (SELECT max(other._hs_synced_at) {same_id})"
            )


def _with_rows(client: Client, tables: Iterable[str], rows: str) -> list[str]:
    """Return the tables of which there are such rows, by one statement: most often there are none.

    Args:
        client: of the dataset.
        tables: that are there.
        rows: what stands after FROM, with `{}` for the name of the table.
    """
    names = {table: client.make_qualified_table_name(table) for table in sorted(tables)}
    sql = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM {rows.format(*[name] * rows.count('{}'))}"
        for table, name in names.items()
    )
    found = (client.execute_sql(sql) if sql else None) or ()
    return [table for table, count in found if count]


def _relabelled(names: Iterable[str]) -> set[str]:
    """Return the link tables whose labels a run may not have set."""
    return {name.removeprefix(RELABELLED) for name in names if name.startswith(RELABELLED)}


def _end_tables(pipeline: Pipeline, run: Run, state: SourceState, *, hard_delete: bool) -> None:
    """Make the rows of types that HubSpot no longer has tombstones, and empty their link tables."""
    tables = pipeline.default_schema.tables
    objects = [name for name, table in tables.items() if "_hs_deletion" in table["columns"]]
    ended = state.deleted_types.keys() & {*objects}
    gone = sorted((run.load.dead | run.tables.to_clean_up) & ended)
    if not gone:
        return
    links = {table: link_tables(table, objects) for table in gone}
    with WarehouseView(pipeline) as view, pipeline.sql_client() as client:
        left = view.counts([*gone, *(one for pairs in links.values() for one in pairs)], "1 = 1")
        live = view.counts(gone, LIVE)
        for table in gone:
            if left[table]:
                _purge_all(client, table, run.now(), hard_delete=hard_delete)
            for pair in sorted(one for one in links[table] if left[one]):
                client.execute_sql(f"DELETE FROM {client.make_qualified_table_name(pair)}")
            run.outcomes.of(table).tombstones += live[table]


def _purge_all(client: Client, table: str, now: datetime, *, hard_delete: bool) -> None:
    """Delete all rows of a table, or give a tombstone to those that are live or archived."""
    name = client.make_qualified_table_name(table)
    if hard_delete:
        client.execute_sql(f"DELETE FROM {name}")
        return
    client.execute_sql(
        f"UPDATE {name} SET _hs_deleted_at = coalesce(_hs_deleted_at, %s),"
        f" _hs_deletion = 'purged' WHERE {LIVE} OR _hs_deletion = 'archived'",
        now,
    )


def _mark_purged(
    pipeline: Pipeline, run: Run, table: str, ids: list[str], *, hard_delete: bool
) -> None:
    """Give a tombstone to the rows of ids that HubSpot holds no more, live or archived."""
    with WarehouseView(pipeline) as view:
        found = view.rows(table, ("id", "_hs_deletion"), ids)
        held = view.counts([table], LIVE)[table]
    live = [id_ for id_, deletion in found if deletion is None]
    binned = [id_ for id_, deletion in found if deletion == "archived"]
    _check_share(run, table, len(live), held)
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        for part in batches(live, ASKED):
            if hard_delete:
                sql = f"DELETE FROM {name} WHERE id IN ({_marks(part)})"
                client.execute_sql(sql, *part)
            else:
                sql = (
                    f"UPDATE {name} SET _hs_deleted_at = %s, _hs_deletion = 'purged'"
                    f" WHERE id IN ({_marks(part)})"
                )
                client.execute_sql(sql, run.now(), *part)
        for part in batches(binned, ASKED):
            sql = f"UPDATE {name} SET _hs_deletion = 'purged' WHERE id IN ({_marks(part)})"
            client.execute_sql(sql, *part)
    run.outcomes.of(table).tombstones += len(live)
    run.load.dead.add(table)


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


def _follow_merges(client: Client, tables: Iterable[str]) -> None:
    """Let ids that were merged into a record that was merged itself name the last survivor."""
    middle = "SELECT id FROM {} WHERE _hs_deletion = 'merged'"
    passed_on = f"_hs_deletion = 'merged' AND _hs_merged_into IN ({middle})"
    left: Iterable[str] = tables
    for _ in range(CHAIN):
        left = _with_rows(client, left, f"{{}} WHERE {passed_on}")
        for table in left:
            name = client.make_qualified_table_name(table)
            client.execute_sql(
                f"UPDATE {name} SET _hs_merged_into = (SELECT max(next._hs_merged_into)"
                f" FROM {name} AS next WHERE next.id = {name}._hs_merged_into)"
                f" WHERE {passed_on.format(name)}"
            )


def _drop_links(
    client: Client, dead: set[str], pairs: Mapping[str, tuple[str, str]], *, hard_delete: bool
) -> None:
    """Take away links of records that are not live, from either end."""
    gone = "NOT IN" if hard_delete else "IN"
    where = "" if hard_delete else " WHERE _hs_deleted_at IS NOT NULL"
    for pair, ends in pairs.items():
        for table, column in zip(ends, ("from_id", "to_id"), strict=True):
            if table in dead:
                links, records = (client.make_qualified_table_name(n) for n in (pair, table))
                client.execute_sql(
                    f"DELETE FROM {links} WHERE {column} {gone} (SELECT id FROM {records}{where})"
                )


def _complete(
    run: Run, pairs: Mapping[str, tuple[str, str]], state: SourceState
) -> dict[str, tuple[str, str]]:
    """Return the link tables with new links whose ends are both complete."""
    linked = run.pairs.take_linked()
    return {
        pair: ends
        for pair, ends in pairs.items()
        if not linked.isdisjoint({pair, *ends})
        and all(state.table(end).watermark is not None for end in ends)
    }


def _drop_strays(client: Client, pairs: Mapping[str, tuple[str, str]]) -> None:
    """Take away links of records that are not in the warehouse, or not live.

    Such as are not there were created while the run was at work. Should they come, their links come
    with them; should they be purged before, nobody would ask for their links again.
    """
    for pair, ends in pairs.items():
        links, *records = (client.make_qualified_table_name(name) for name in (pair, *ends))
        strays = " OR ".join(
            f"{column} NOT IN (SELECT id FROM {table} WHERE {LIVE})"
            for column, table in zip(("from_id", "to_id"), records, strict=True)
        )
        client.execute_sql(f"DELETE FROM {links} WHERE {strays}")


def _set_labels(client: Client, pairs: Iterable[str]) -> None:
    """Give every link the label that its association type has by now."""
    names = {pair: client.make_qualified_table_name(pair) for pair in sorted(pairs)}
    if not names:
        return
    labels = client.make_qualified_table_name(LABELS)
    held = " UNION ALL ".join(
        f"SELECT DISTINCT '{pair}', type_id, category, label FROM {links}"
        for pair, links in names.items()
    )
    found = client.execute_sql(f"SELECT pair, type_id, category, label FROM {labels}") or ()
    known = {(pair, type_id, category): label for pair, type_id, category, label in found}
    for pair, label, *which in _mislabelled(client.execute_sql(held) or (), known):
        value = "NULL" if label is None else "%s"
        sql = f"UPDATE {names[pair]} SET label = {value} WHERE type_id = %s AND category = %s"
        client.execute_sql(sql, *([] if label is None else [label]), *which)


def _mislabelled(
    held: Iterable[Sequence[Any]], known: Mapping[tuple[Any, ...], str | None]
) -> Iterator[tuple[Any, ...]]:
    """Yield the pair, label, id and category of each type of which links have another label."""
    types = {tuple(one[:3]) for one in held if known.get(tuple(one[:3]), one[3]) != one[3]}
    for pair, type_id, category in types:
        yield pair, known[pair, type_id, category], type_id, category


def _withdraw_rejects(client: Client, run: Run, changed: AbstractSet[str]) -> None:
    """Delete rejected values of rows that were read again; those that remain are new rows."""
    rejects = client.make_qualified_table_name(REJECTS)
    held = with_rejects(client, {REJECTS})
    for table in sorted(changed & held):
        records = client.make_qualified_table_name(table)
        client.execute_sql(
            f"DELETE FROM {rejects} WHERE table_name = %s AND EXISTS"
            f" (SELECT 1 FROM {records} AS record WHERE record.id = {rejects}.id"
            f" AND record._hs_synced_at > {rejects}.seen_at)",
            table,
        )
    for (table, key), at in run.tables.replaced.items():
        if table in held:
            client.execute_sql(
                f"DELETE FROM {rejects} WHERE table_name = %s"
                " AND substr(id, 1, %s) = %s AND seen_at < %s",
                *(table, len(key), key, at),
            )
    run.tables.replaced.clear()


def _drop_old_states(client: Client, pipeline: Pipeline) -> None:
    """Take away all states but the last ones, for every load adds one."""
    name = client.make_qualified_table_name(pipeline.default_schema.state_table_name)
    client.execute_sql(
        f"DELETE FROM {name} WHERE pipeline_name = %s AND version <= %s",
        pipeline.pipeline_name,
        pipeline.state["_state_version"] - KEPT_STATES,
    )


def _marks(values: list[str]) -> str:
    return ", ".join(["%s"] * len(values))
