"""What only SQL can do after a load: mark what was purged, follow merges, remove leftovers.

Everything here may be done twice: a run that is killed between a load and this leaves the names of
the tables in the state (`SourceState.pending_cleanup`), and the next run does it again for them.
"""

from collections.abc import Iterable, Mapping
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
from .collections import end_collections
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
    _end_tables(pipeline, run, hard_delete=hard_delete)
    left = run.tables.take_to_clean_up()
    end_collections(pipeline, run, left, hard_delete=hard_delete)
    run.pairs.linked |= left
    relabelled = run.pairs.take_relabelled() | _relabelled(left)
    with pipeline.sql_client() as client:
        columns = pipeline.default_schema.tables
        tables = {*columns}
        cleaned = {name for name in left & tables if "_hs_deleted_at" in columns[name]["columns"]}
        for table in (run.load.merged | cleaned) & tables:
            _follow_merges(client, table)
        pairs = {
            pair: ends for pair, ends in run.pairs.ends.items() if tables.issuperset({pair, *ends})
        }
        _drop_links(client, run.load.dead | cleaned, pairs, hard_delete=hard_delete)
        if not run.load.unfinished:
            _drop_strays(client, run, pairs, source_state(pipeline))
        if LABELS in tables:
            _set_labels(client, relabelled & pairs.keys())
        if REJECTS in tables:
            _withdraw_rejects(client, (run.load.appending | run.tables.changed | cleaned) & tables)
            _withdraw_replaced(client, run)
        if pipeline.default_schema.state_table_name in tables:
            _drop_old_states(client, pipeline)


def _keep_newest(pipeline: Pipeline, names: Iterable[str]) -> None:
    """Leave of every id the row that was read last, where loads add rows as they come."""
    known = pipeline.default_schema.tables
    tables = [name for name in names if "_hs_synced_at" in known.get(name, {}).get("columns", {})]
    if not tables:
        return
    with pipeline.sql_client() as client:
        for table in tables:
            name = client.make_qualified_table_name(table)
            twice = f"SELECT id FROM {name} GROUP BY id HAVING count(*) > 1"  # noqa: S608
            same_id = f"FROM {name} AS other WHERE other.id = {name}.id"
            found = client.execute_sql(f"SELECT count(*) FROM ({twice}) AS twice")  # noqa: S608
            if found and found[0][0]:
                client.execute_sql(
                    f"DELETE FROM {name} WHERE id IN ({twice})"  # noqa: S608
                    f" AND _hs_synced_at < (SELECT max(other._hs_synced_at) {same_id})"
                )


def _relabelled(names: Iterable[str]) -> set[str]:
    """Return the link tables whose labels a run may not have set."""
    return {name.removeprefix(RELABELLED) for name in names if name.startswith(RELABELLED)}


def _end_tables(pipeline: Pipeline, run: Run, *, hard_delete: bool) -> None:
    """Make the rows of types that HubSpot no longer has tombstones, and empty their link tables."""
    tables = pipeline.default_schema.tables
    objects = [name for name, table in tables.items() if "_hs_deletion" in table["columns"]]
    ended = source_state(pipeline).deleted_types.keys() & {*objects}
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
                client.execute_sql(f"DELETE FROM {client.make_qualified_table_name(pair)}")  # noqa: S608
            run.outcomes.of(table).tombstones += live[table]


def _purge_all(client: Client, table: str, now: datetime, *, hard_delete: bool) -> None:
    """Delete all rows of a table, or give a tombstone to those that are live or archived."""
    name = client.make_qualified_table_name(table)
    if hard_delete:
        client.execute_sql(f"DELETE FROM {name}")  # noqa: S608
        return
    client.execute_sql(
        f"UPDATE {name} SET _hs_deleted_at = coalesce(_hs_deleted_at, %s),"  # noqa: S608
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
                sql = f"DELETE FROM {name} WHERE id IN ({_marks(part)})"  # noqa: S608
                client.execute_sql(sql, *part)
            else:
                sql = (
                    f"UPDATE {name} SET _hs_deleted_at = %s, _hs_deletion = 'purged'"  # noqa: S608
                    f" WHERE id IN ({_marks(part)})"
                )
                client.execute_sql(sql, run.now(), *part)
        for part in batches(binned, ASKED):
            sql = f"UPDATE {name} SET _hs_deletion = 'purged' WHERE id IN ({_marks(part)})"  # noqa: S608
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


def _follow_merges(client: Client, table: str) -> None:
    """Let ids that were merged into a record that was merged itself name the last survivor."""
    name = client.make_qualified_table_name(table)
    middle = f"SELECT id FROM {name} WHERE _hs_deletion = 'merged'"  # noqa: S608
    passed_on = f"_hs_deletion = 'merged' AND _hs_merged_into IN ({middle})"
    for _ in range(CHAIN):
        left = client.execute_sql(f"SELECT count(*) FROM {name} WHERE {passed_on}")  # noqa: S608
        if not left or not left[0][0]:
            return
        client.execute_sql(
            f"UPDATE {name} SET _hs_merged_into = (SELECT max(next._hs_merged_into)"  # noqa: S608
            f" FROM {name} AS next WHERE next.id = {name}._hs_merged_into) WHERE {passed_on}"
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
                    f"DELETE FROM {links} WHERE {column} {gone}"  # noqa: S608
                    f" (SELECT id FROM {records}{where})"
                )


def _drop_strays(
    client: Client,
    run: Run,
    pairs: Mapping[str, tuple[str, str]],
    state: SourceState,
) -> None:
    """Take away new links of records that are not in the warehouse, as both ends are complete.

    Such were created while the run was at work. Should they come, their links come with them;
    should they be purged before, nobody would ask for their links again.
    """
    linked = run.pairs.take_linked()
    for pair, ends in pairs.items():
        if linked.isdisjoint({pair, *ends}):
            continue
        if any(state.table(end).watermark is None for end in ends):
            continue
        links, *records = (client.make_qualified_table_name(name) for name in (pair, *ends))
        strays = " OR ".join(
            f"{column} NOT IN (SELECT id FROM {table} WHERE {LIVE})"  # noqa: S608
            for column, table in zip(("from_id", "to_id"), records, strict=True)
        )
        client.execute_sql(f"DELETE FROM {links} WHERE {strays}")  # noqa: S608


def _set_labels(client: Client, pairs: Iterable[str]) -> None:
    """Give every link the label that its association type has by now."""
    labels = client.make_qualified_table_name(LABELS)
    for pair in pairs:
        links = client.make_qualified_table_name(pair)
        types = f"SELECT type_id, category, label FROM {labels} WHERE pair = %s"  # noqa: S608
        for type_id, category, label in client.execute_sql(types, pair) or ():
            where = "type_id = %s AND category = %s AND "
            if label is None:
                sql = f"UPDATE {links} SET label = NULL WHERE {where} label IS NOT NULL"  # noqa: S608
                client.execute_sql(sql, type_id, category)
            else:
                where += "(label IS NULL OR label <> %s)"
                sql = f"UPDATE {links} SET label = %s WHERE {where}"  # noqa: S608
                client.execute_sql(sql, label, type_id, category, label)


def _withdraw_rejects(client: Client, changed: Iterable[str]) -> None:
    """Delete rejected values of records that were read again; those that remain are new rows."""
    rejects = client.make_qualified_table_name(REJECTS)
    for table in changed:
        records = client.make_qualified_table_name(table)
        client.execute_sql(
            f"DELETE FROM {rejects} WHERE table_name = %s AND EXISTS"  # noqa: S608
            f" (SELECT 1 FROM {records} AS record WHERE record.id = {rejects}.id"
            f" AND record._hs_synced_at > {rejects}.seen_at)",
            table,
        )


def _withdraw_replaced(client: Client, run: Run) -> None:
    """Delete rejected values of rows of reference tables that were read again."""
    rejects = client.make_qualified_table_name(REJECTS)
    for (table, key), at in run.tables.replaced.items():
        client.execute_sql(
            f"DELETE FROM {rejects} WHERE table_name = %s"  # noqa: S608
            " AND substr(id, 1, %s) = %s AND seen_at < %s",
            *(table, len(key), key, at),
        )
    run.tables.replaced.clear()


def _drop_old_states(client: Client, pipeline: Pipeline) -> None:
    """Take away all states but the last ones, for every load adds one."""
    name = client.make_qualified_table_name(pipeline.default_schema.state_table_name)
    client.execute_sql(
        f"DELETE FROM {name} WHERE pipeline_name = %s AND version <= %s",  # noqa: S608
        pipeline.pipeline_name,
        pipeline.state["_state_version"] - KEPT_STATES,
    )


def _marks(values: list[str]) -> str:
    return ", ".join(["%s"] * len(values))
