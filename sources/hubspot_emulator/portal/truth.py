"""What a portal really holds, for tests to compare with what a client made of it."""

from collections.abc import Iterable
from typing import Any

from ..clock import iso
from .changes import all_stage_values
from .links import LinkStore
from .records.record import Record
from .records.table import RecordTable

Link = tuple[str, str, int, str, str | None]


def records(table: RecordTable, *, archived: bool, hidden: bool) -> dict[str, dict[str, Any]]:
    """Return every live (or archived) record of a type as plain data, by id."""
    ids = table.every_id(archived=archived) if hidden else table.ids(archived=archived)
    found = ((one, table.get(one)) for one in ids)
    return {str(one): _describe(table, record) for one, record in found if record is not None}


def _describe(table: RecordTable, record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": str(record.id),
        "properties": _stages(table, record) | table.properties(record),
        "createdAt": iso(record.created_ms),
        "updatedAt": iso(record.updated_ms),
        "archived": record.archived_ms is not None,
    }
    if record.archived_ms is not None:
        shown["archivedAt"] = iso(record.archived_ms)
    return shown


def _stages(table: RecordTable, record: Record) -> dict[str, str]:
    return {one.name: value for one, value in all_stage_values(table, record).items()}


def associations(links: LinkStore, source: RecordTable, target: RecordTable) -> list[Link]:
    """Return every link of live records from one type to another."""
    types = links.types.of(source.type, target.type)
    live = set(target.ids())
    return [
        (str(from_id), str(to_id), one, types[one].category, types[one].label)
        for from_id in source.ids()
        for to_id, type_ids in links.targets(source.type, target.type, from_id).items()
        if to_id in live
        for one in type_ids
    ]


def counts(tables: Iterable[RecordTable]) -> dict[str, Any]:
    """Return the number of records and properties of every type."""
    return {
        table.type.name: {
            "objectTypeId": table.type.type_id,
            "live": len(table.ids()),
            "archived": len(table.ids(archived=True)),
            "hidden": len(table.hidden),
            "properties": sum(not d["archived"] for d in table.definitions.values()),
        }
        for table in tables
    }
