"""After a table was read anew: rows of records that are no longer anywhere become tombstones."""

from dlt.pipeline.pipeline import Pipeline

from sources.hubspot import Run
from sources.hubspot.errors import ContractError

MOST = 0.5  # share of a table's live rows that may disappear at once before somebody should look
FEW = 100  # rows that may disappear whatever their share


def mark_purged(pipeline: Pipeline, run: Run) -> None:
    """Give a tombstone to every live row that a complete new listing did not bring back.

    Raises:
        ContractError: more of a table disappeared than is likely; nothing of it is touched.
    """
    while run.relisted:
        table, began = run.relisted.popitem()
        with pipeline.sql_client() as client:
            name = client.make_qualified_table_name(table)
            gone = "_hs_deleted_at IS NULL AND _hs_synced_at < %s"
            counted = client.execute_sql(
                f"SELECT count(*), sum(CASE WHEN {gone} THEN 1 ELSE 0 END) FROM {name}"  # noqa: S608
                " WHERE _hs_deleted_at IS NULL",
                began,
            )
            live, unseen = counted[0] if counted else (0, 0)
            if (unseen or 0) > max(FEW, live * MOST):
                raise ContractError(
                    f"{unseen} of {live} live rows of {table} were not in its new listing.",
                    remedy="Compare with HubSpot; drop the table and sync if it is right.",
                )
            if unseen:
                client.execute_sql(
                    f"UPDATE {name} SET _hs_deleted_at = %s, _hs_deletion = 'purged'"  # noqa: S608
                    f" WHERE {gone}",
                    run.now(),
                    began,
                )
                run.outcome_of(table).tombstones += unseen
