"""What SQL does after a load of collections: rows that no longer come are marked as gone."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from ..catalog.endpoints import ENDPOINTS, has_gone_rows, parent_columns, shared_keys
from ..catalog.endpoints.declaration import Batches, Endpoint, Members, Parents, Table
from ..catalog.names import history_table
from ..model import REJECTS
from ..run.run import Run
from ..state.source import COLLECTION
from ..state.store import source_state

Client = SqlClientBase[Any]


def end_collections(
    pipeline: Pipeline, run: Run, left: Iterable[str], *, hard_delete: bool
) -> None:
    """Mark the rows that the readings of this run, or of one that was killed, did not bring.

    Everything here may be done twice.

    Args:
        pipeline: of the dataset.
        run: with the collections that it loaded.
        left: what an earlier run may not have cleaned up, as the state names it.
        hard_delete: whether such rows are removed.
    """
    keys = run.collections.take_loaded()
    keys |= {one.removeprefix(COLLECTION) for one in left if one.startswith(COLLECTION)}
    if not keys:
        return
    state, tables = source_state(pipeline), {*pipeline.default_schema.tables}
    with pipeline.sql_client() as client:
        rejected = with_rejects(client, tables)
        for key in sorted(keys):
            name, _, scope = key.partition(":")
            endpoint, kept = ENDPOINTS.get(name), state.collections.get(key)
            if endpoint is None or kept is None or not {t.name for t in endpoint.tables} <= tables:
                continue
            _withdraw(client, endpoint, rejected, scope, kept.loaded_at)
            if kept.loaded_at and endpoint.has_gone:
                _end(client, run, endpoint, scope, kept.loaded_at, hard_delete=hard_delete)
            _replace_children(client, endpoint)
            drop_of_gone(client, {table.name for table in endpoint.tables}, tables)
            _fill(client, endpoint, tables)
            _end_members(client, endpoint, tables, hard_delete=hard_delete)


def _end(
    client: Client, run: Run, endpoint: Endpoint, scope: str, at: datetime, *, hard_delete: bool
) -> None:
    """Mark what a complete reading did not bring, and remove what lay in it."""
    for table in endpoint.tables:
        name = client.make_qualified_table_name(table.name)
        where = "(_hs_synced_at IS NULL OR _hs_synced_at < %s)"
        args: list[Any] = [at]
        if scope:
            where, args = f"{where} AND object_type = %s", [at, scope]
        if endpoint.keeps(table):
            where += " AND _hs_deleted_at IS NULL"
        found = client.execute_sql(f"SELECT count(*) FROM {name} WHERE {where}", *args)
        if not (found and found[0][0]):
            continue
        if hard_delete or not endpoint.keeps(table):
            client.execute_sql(f"DELETE FROM {name} WHERE {where}", *args)
        else:
            flags = ", archived = TRUE" if "archived" in table.names else ""
            sets = f"_hs_deleted_at = %s, _hs_archived = TRUE{flags}"
            client.execute_sql(f"UPDATE {name} SET {sets} WHERE {where}", at, *args)
        if endpoint.keeps(table):
            run.outcomes.of(table.name).tombstones += int(found[0][0])


def _replace_children(client: Client, endpoint: Endpoint) -> None:
    """Remove what lay in rows that were read again without it."""
    first = client.make_qualified_table_name(endpoint.first.name)
    for table in endpoint.tables[1:]:
        if endpoint.keeps(table):
            continue
        child = client.make_qualified_table_name(table.name)
        same = " AND ".join(_same_parent(client, endpoint, table, child))
        own = f"(SELECT 1 FROM {first} AS parent WHERE {same}"
        stale = f"EXISTS {own} AND parent._hs_synced_at > {child}._hs_synced_at)"
        if endpoint.replaced_by:
            stale += f" OR NOT EXISTS {own})"
        client.execute_sql(f"DELETE FROM {child} WHERE {stale}")


def drop_of_gone(client: Client, own: AbstractSet[str], tables: Collection[str]) -> None:
    """Remove what was read of rows that are gone by now, and what was read of that in turn.

    Args:
        client: of the dataset.
        own: tables of which rows may be gone: those of an endpoint, of which orphans go, too, or
            tables of records.
        tables: all tables of the dataset.
    """
    for one in ENDPOINTS.values():
        per = one.per
        if isinstance(per, str) or not one.replaced_by or not {per.table, one.name} <= {*tables}:
            continue
        if isinstance(per, Batches) and per.unseen:
            continue
        if own.isdisjoint({one.name, per.table}):
            continue
        _drop_orphans(client, one, per)
        _replace_children(client, one)
        if one.name not in own:
            drop_of_gone(client, {table.name for table in one.tables}, tables)


def _drop_orphans(client: Client, endpoint: Endpoint, per: Parents | Batches) -> None:
    """Remove the rows of an endpoint whose parents are not there."""
    child, parent = (client.make_qualified_table_name(n) for n in (endpoint.name, per.table))
    pairs = zip(parent_columns(endpoint), endpoint.replaced_by, strict=False)
    same = " AND ".join(f"parent.{a} = {child}.{b}" for a, b in pairs)
    same += " AND parent._hs_deleted_at IS NULL" if has_gone_rows(per.table) else ""
    client.execute_sql(
        f"DELETE FROM {child} WHERE NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE {same})"
    )


def _fill(client: Client, endpoint: Endpoint, tables: Collection[str]) -> None:
    """Fill the columns that HubSpot gives in another answer."""
    own = {table.name for table in endpoint.tables}
    for one in ENDPOINTS.values():
        fill = one.fills
        if fill is None or {one.name, fill.table}.isdisjoint(own):
            continue
        if not {one.name, fill.table} <= {*tables}:
            continue
        given, filled = (client.make_qualified_table_name(n) for n in (one.name, fill.table))
        same = f"given.{fill.key or fill.by} = {filled}.{fill.by}"
        value = f"SELECT max(given.{fill.column}) FROM {given} AS given WHERE {same}"
        client.execute_sql(
            f"UPDATE {filled} SET {fill.column} = ({value})"
            f" WHERE {fill.column} IS DISTINCT FROM ({value})"
        )


def _end_members(
    client: Client, endpoint: Endpoint, tables: Collection[str], *, hard_delete: bool
) -> None:
    """Mark the members of lists that are gone as removed, from then on."""
    for one in ENDPOINTS.values():
        per, read = one.per, one.read
        if not (isinstance(read, Members) and isinstance(per, Parents)):
            continue
        if endpoint.name not in {one.name, per.table} or not {per.table, one.name} <= {*tables}:
            continue
        child, parent = (client.make_qualified_table_name(n) for n in (one.name, per.table))
        same = " AND ".join(f"parent.{b} = {child}.{a}" for a, b in per.slots.items())
        gone = f"{parent} AS parent WHERE {same} AND parent._hs_deleted_at IS NOT NULL"
        client.execute_sql(
            f"UPDATE {child} SET {read.removed} ="
            f" (SELECT max(parent._hs_deleted_at) FROM {gone})"
            f" WHERE {read.removed} IS NULL AND EXISTS (SELECT 1 FROM {gone})"
        )
        if hard_delete:
            left = f"NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE {same})"
            client.execute_sql(f"DELETE FROM {child} WHERE {read.removed} IS NOT NULL OR {left}")


def _same_parent(client: Client, endpoint: Endpoint, table: Table, child: str) -> Iterable[str]:
    """Yield the conditions under which a row of a child table lies in one of the first table."""
    for name, column in shared_keys(endpoint, table).items():
        above, below = client.escape_column_name(column), client.escape_column_name(name)
        yield f"parent.{above} = {child}.{below}"


def with_rejects(client: Client, tables: Collection[str]) -> set[str]:
    """Return the tables of a dataset of which a value was rejected."""
    if REJECTS not in tables:
        return set()
    rejects = client.make_qualified_table_name(REJECTS)
    found = client.execute_sql(f"SELECT DISTINCT table_name FROM {rejects}") or ()
    return {row[0] for row in found}


def _withdraw(
    client: Client, endpoint: Endpoint, rejected: set[str], scope: str, whole_at: datetime | None
) -> None:
    """Delete rejected values of rows that were read again; those that remain are new rows."""
    rejects = client.make_qualified_table_name(REJECTS)
    for table in endpoint.tables:
        if table.name not in rejected:
            continue
        if whole_at and endpoint.has_gone:
            prefix = f"{scope}:" if scope else ""
            client.execute_sql(
                f"DELETE FROM {rejects} WHERE table_name = %s"
                " AND substr(id, 1, %s) = %s AND seen_at < %s",
                *(table.name, len(prefix), prefix, whole_at),
            )
        rows = client.make_qualified_table_name(table.name)
        names = [f"CAST(record.{client.escape_column_name(n)} AS VARCHAR)" for n in table.keys]
        key = " || ':' || ".join(names)
        client.execute_sql(
            f"DELETE FROM {rejects} WHERE table_name = %s AND EXISTS"
            f" (SELECT 1 FROM {rows} AS record WHERE {key} = {rejects}.id"
            f" AND record._hs_synced_at > {rejects}.seen_at)",
            table.name,
        )


def drop_histories(client: Client, objects: Iterable[str], tables: Collection[str]) -> None:
    """Delete the versions of records that were purged, or have no row any more.

    Those of archived and merged records stay. This may be done twice.

    Args:
        client: of the dataset.
        objects: object tables of which records may be gone.
        tables: all tables of the dataset.
    """
    for table in sorted(objects):
        if not {table, history_table(table)} <= {*tables}:
            continue
        records = client.make_qualified_table_name(table)
        _drop_rows_of(client, client.make_qualified_table_name(history_table(table)), records)
        if REJECTS in tables:
            where = "table_name = %s AND "
            rejects = client.make_qualified_table_name(REJECTS)
            _drop_rows_of(client, rejects, records, where, history_table(table))


def _drop_rows_of(client: Client, rows: str, records: str, where: str = "", *args: object) -> None:
    """Delete the rows of records that are gone for good."""
    client.execute_sql(
        f"DELETE FROM {rows} WHERE {where}NOT EXISTS (SELECT 1 FROM {records} AS record"
        f" WHERE record.id = {rows}.id AND coalesce(record._hs_deletion, '') <> 'purged')",
        *args,
    )
