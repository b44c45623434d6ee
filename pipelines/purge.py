"""What only SQL takes away after a load: records and links that are gone, rejects that fit."""

from datetime import datetime

from dlt.pipeline.pipeline import Pipeline

from sources.hubspot import Run
from sources.hubspot.errors import ContractError
from sources.hubspot.table import REJECTS

MOST = 0.5  # share of a table's live rows that may disappear at once before somebody should look
FEW = 100  # rows that may disappear whatever their share


def clean_up(pipeline: Pipeline, run: Run, *, hard_delete: bool) -> None:
    """Do what a load left to be done: purge tables that were listed anew, then their links.

    Raises:
        ContractError: more of a table disappeared than is likely; nothing of it is touched, the
            other tables are done.
    """
    doubts: list[ContractError] = []
    while run.relisted:
        table, began = run.relisted.popitem()
        try:
            _mark_purged(pipeline, run, table, began, hard_delete=hard_delete)
        except ContractError as error:
            doubts.append(error)
    _drop_links(pipeline, run)
    _withdraw_rejects(pipeline, run)
    if doubts:
        raise doubts[0]


def _mark_purged(
    pipeline: Pipeline, run: Run, table: str, began: datetime, *, hard_delete: bool
) -> None:
    """Give a tombstone to every live row that a complete new listing did not bring back."""
    gone = "_hs_deleted_at IS NULL AND _hs_synced_at < %s"
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        counted = client.execute_sql(
            f"SELECT count(*), sum(CASE WHEN {gone} THEN 1 ELSE 0 END) FROM {name}"  # noqa: S608
            " WHERE _hs_deleted_at IS NULL",
            began,
        )
        live, unseen = counted[0] if counted else (0, 0)
        if not unseen:
            return
        if unseen > max(FEW, live * MOST):
            raise ContractError(
                f"{unseen} of {live} live rows of {table} were not in its new listing.",
                remedy="Compare with HubSpot; drop the table and sync if it is right.",
            )
        if hard_delete:
            client.execute_sql(f"DELETE FROM {name} WHERE {gone}", began)  # noqa: S608
        else:
            sql = f"UPDATE {name} SET _hs_deleted_at = %s, _hs_deletion = 'purged' WHERE {gone}"  # noqa: S608
            client.execute_sql(sql, run.now(), began)
    run.outcome_of(table).tombstones += unseen
    run.dropped_links |= {
        pair: table for pair in pipeline.default_schema.tables if pair.startswith(f"{table}_to_")
    }


def _withdraw_rejects(pipeline: Pipeline, run: Run) -> None:
    """Take away rejected values of records read again since; what still misfits came anew."""
    tables = pipeline.default_schema.tables
    if REJECTS not in tables:
        return
    with pipeline.sql_client() as client:
        rejects = client.make_qualified_table_name(REJECTS)
        for table in run.changed & tables.keys():
            records = client.make_qualified_table_name(table)
            client.execute_sql(
                f"DELETE FROM {rejects} WHERE table_name = %s AND EXISTS"  # noqa: S608
                f" (SELECT 1 FROM {records} AS record WHERE record.id = {rejects}.id"
                f" AND record._hs_synced_at > {rejects}.seen_at)",
                table,
            )


def _drop_links(pipeline: Pipeline, run: Run) -> None:
    """Take away links of records that are not live; such as were loaded beside their tombstone."""
    if not run.dropped_links:
        return
    with pipeline.sql_client() as client:
        for pair, table in run.dropped_links.items():
            if pair in pipeline.default_schema.tables:
                links, records = (client.make_qualified_table_name(n) for n in (pair, table))
                client.execute_sql(
                    f"DELETE FROM {links} WHERE from_id NOT IN"  # noqa: S608
                    f" (SELECT id FROM {records} WHERE _hs_deleted_at IS NULL)"
                )
    run.dropped_links = {}
