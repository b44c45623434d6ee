"""HubDB: published tables, their columns and rows."""

from ...apis import SPRING_2026
from ..declaration import DAY, WITH_ARCHIVED, Endpoint, Parents, Table
from ..paging import after, either
from .cms import CMS

_HUBDB, _HUBDB_DATED = "/cms/v3/hubdb/tables", f"/cms/hubdb/{SPRING_2026}/tables"
_HUBDB_TIER = "Marketing Hub or Content Hub Professional"

ENDPOINTS = (
    Endpoint(
        "hubdb_tables",
        group=CMS,
        numbered=_HUBDB,
        dated=_HUBDB_DATED,
        paging=after(100),
        variants=WITH_ARCHIVED,
        key="id",
        columns="id, name, label, published bool, published_at timestamp:nonzero, created_at,"
        " updated_at, deleted bool, deleted_at timestamp:nonzero, row_count integer,"
        " column_count integer, use_for_pages bool, allow_public_api_access bool,"
        " allow_child_tables bool, enable_child_table_pages bool, is_ordered_manually bool,"
        " dynamic_meta_tags json",
        about="a published table of HubDB",
        children=(
            Table(
                "hubdb_columns",
                "table_id, id",
                "table_id = ^id, id, name, label, type, description, deleted bool,"
                " width integer, foreign_table_id, foreign_column_id, options json",
                rows="columns",
                about="a column of a HubDB table",
            ),
        ),
        scopes=("hubdb", "hubdb.tables.read"),
        tier=_HUBDB_TIER,
    ),
    Endpoint(
        "hubdb_rows",
        group=CMS,
        numbered=f"{_HUBDB}/{{table_id}}/rows",
        dated=f"{_HUBDB_DATED}/{{table_id}}/rows",
        paging=either(1000),
        per=Parents(
            "hubdb_tables",
            {"table_id": "id"},
            changed="published_at",
            where="NOT coalesce(_hs_archived, false)",
            all_every=DAY,
        ),
        scopes=("hubdb", "hubdb.rows.read"),
        tier=_HUBDB_TIER,
        key="table_id, id",
        columns="table_id = @table_id, id, name, path, child_table_id, values json, created_at,"
        " updated_at, published_at timestamp:nonzero",
        about="a row of a HubDB table",
    ),
)
