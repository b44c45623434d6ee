"""HubDB: published tables with their columns, and rows of them by cursor or by offset."""

from ..asking import Ask
from ..endpoint import Batch, Endpoint, Paging, after, one_of
from ..kind import Kind, Row
from ..seeding import Seeds

TABLES = "/cms/(v3/hubdb|hubdb/2026-03)/tables"
ROWS, NAMES = 9, ("cities", "events", "prices")
TABLE_SCOPES, ROW_SCOPES = "hubdb hubdb.tables.read", "hubdb hubdb.rows.read"
COLUMNS = (("city", "TEXT"), ("size", "NUMBER"), ("kind", "SELECT"), ("seen", "DATETIME"))


def _table(seeds: Seeds, number: int) -> Row:
    at = {"createdAt": seeds.made(number), "updatedAt": seeds.changed(number)}
    options = [{"id": "1", "name": "a", "label": "A", "type": "option", "order": 0, **at}]
    return {
        "id": str(2_001 + number),
        "name": NAMES[number] if number < len(NAMES) else f"table{number}",
        "label": f"Table {number}",
        "published": True,
        "publishedAt": seeds.changed(number),
        **at,
        "deleted": False,
        "deletedAt": "1970-01-01T00:00:00Z",
        "columnCount": len(COLUMNS),
        "useForPages": False,
        "allowPublicApiAccess": True,
        "allowChildTables": False,
        "enableChildTablePages": False,
        "isOrderedManually": False,
        "dynamicMetaTags": {},
        "columns": [
            {
                "id": str(place + 1),
                "name": name,
                "label": name.capitalize(),
                "description": "",
                "type": kind,
                "deleted": False,
                "width": 100,
                **({"options": options} if kind == "SELECT" else {}),
            }
            for place, (name, kind) in enumerate(COLUMNS)
        ],
        **({"_archived": True, "deletedAt": seeds.changed(9)} if number == 2 else {}),  # noqa: PLR2004 - the third one
    }


def _with_count(ask: Ask, row: Row) -> Row:
    """Return a table with the number of its rows, unless a test set its own."""
    count = len(ask.collections["hubdb_rows"].entries("id", (), row["id"]))
    return {"rowCount": count, **row}


def _row(seeds: Seeds, number: int) -> Row:
    values: Row = {"city": f"City {number} ü", "size": number + 0.5}
    if number % 2:
        values["kind"] = {"id": "1", "name": "a", "label": "A", "type": "option"}
        values["seen"] = seeds.made_ms(number)
    return {
        "_parent": str(2_001 + number % max(1, min(2, seeds.size("hubdb_tables", 3)))),
        "id": str(190_001 + number),
        "values": values,
        "path": f"city-{number}",
        "name": f"City {number}",
        "childTableId": "0",
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "publishedAt": seeds.changed(number),
    }


def _chosen(ask: Ask, row: Row) -> Row:
    wanted = ask.many("properties")
    if not wanted:
        return row
    values = {name: value for name, value in row.get("values", {}).items() if name in wanted}
    return {**row, "values": values}


KINDS = (
    Kind("hubdb_tables", _table, 3, touched="updatedAt", archived_at="deletedAt", alias="name",
         required="id name label"),
    Kind("hubdb_rows", _row, ROWS, key="_parent id", parent="hubdb_tables", touched="updatedAt",
         required="id values"),
)  # fmt: skip
_SPANS = " ".join(
    f"{name}At={name}At@iso {name}After>{name}At {name}Before<{name}At"
    for name in ("created", "updated")
)
_TABLES = Endpoint(
    collection="hubdb_tables", paths=TABLES, paging=after(1_000, 1_000, total=True),
    scopes=TABLE_SCOPES, product="hubdb", archived=True, filters=_SPANS, shape=_with_count,
    query="contentType isGetLocalizedSchema", sorts="id name createdAt updatedAt",
)  # fmt: skip
_ROWS = Endpoint(
    collection="hubdb_rows", paths=TABLES + "/{parent}/rows", scopes=ROW_SCOPES, product="hubdb",
    paging=Paging("either", 1_000, 1_000, total=True), query="properties", archived=True,
    sorts="id=id hs_id=id hs_created_at=createdAt hs_path=path hs_name=name", shape=_chosen,
)  # fmt: skip
ENDPOINTS = (
    _TABLES,
    one_of(_TABLES, query="includeForeignIds isGetLocalizedSchema"),
    _ROWS,
    one_of(_ROWS),
    Endpoint(collection="hubdb_rows", name="batch_read", method="POST", body="inputs!",
             paths=TABLES + "/{parent}/rows/batch/read", scopes=ROW_SCOPES, product="hubdb",
             batch=Batch(100, "", 207)),
)  # fmt: skip
