"""What happens to records when they are created, changed, archived, restored or merged."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..clock import iso
from .catalog.definitions import Definition, complete, standard
from .catalog.object_types import ObjectType
from .records.rows import SeededRows, SeedOptions
from .records.table import Change, Record, RecordTable

if TYPE_CHECKING:
    from .store import Portal

NEW_ID_ON_MERGE = ("0-1", "0-2")


def create(
    portal: "Portal",
    table: RecordTable,
    properties: Mapping[str, str],
    record_id: str | int | None,
    at_ms: int | None,
) -> str:
    """Create a record and return its id."""
    _check_names(table, properties)
    when = portal.clock.now_ms() if at_ms is None else at_ms
    number = new_id(portal, table) if record_id is None else int(record_id)
    if table.get(number) is not None:
        raise ValueError(f"{table.type.singular} {number} exists already")
    table.put(Record(number, when, when, dict(properties)), portal.clock.age_ms())
    return str(number)


def new_id(portal: "Portal", table: RecordTable) -> int:
    """Return an id that was never used."""
    return table.next_id(scattered="scattered_ids" in portal.settings.anomalies)


def _check_names(table: RecordTable, properties: Mapping[str, str]) -> None:
    unknown = [name for name in properties if name not in table.definitions]
    if unknown:
        raise ValueError(f"{table.type.name} has no property {', '.join(unknown)}")


def existing(table: RecordTable, record_id: int) -> Record:
    """Return a record that must exist."""
    record = table.get(record_id)
    if record is None:
        raise ValueError(f"there is no {table.type.singular} {record_id}")
    return record


def update(
    portal: "Portal",
    table: RecordTable,
    record_id: int,
    properties: Mapping[str, str],
    at_ms: int | None,
) -> None:
    """Change values; with `at_ms` None as a calculation does, without touching last-modified."""
    _check_names(table, properties)
    record = existing(table, record_id)
    when = portal.clock.now_ms() if at_ms is None else at_ms
    source = "CALCULATED" if at_ms is None else "CRM_UI"
    history = dict(record.history)
    for name, value in properties.items():
        past = history.get(name) or _first(record, name)
        history[name] = (Change(value, when, source), *past)
    changed = replace(
        record,
        values={**record.values, **properties},
        updated_ms=record.updated_ms if at_ms is None else when,
        history=history,
    )
    table.put(changed, portal.clock.age_ms())


def _first(record: Record, name: str) -> tuple[Change, ...]:
    value = record.values.get(name)
    return () if value is None else (Change(value, record.created_ms, "IMPORT"),)


def history_of(table: RecordTable, record: Record, name: str) -> list[dict[str, Any]]:
    """Return every value a property had, newest first."""
    changes = record.history.get(name)
    if changes is None:
        value = table.value(record, name)
        changes = () if value is None else (Change(value, record.created_ms, "IMPORT"),)
    return [
        {"value": c.value, "timestamp": iso(c.at_ms), "sourceType": c.source, "sourceLabel": None}
        for c in changes
    ]


def archive(portal: "Portal", table: RecordTable, record_id: int) -> None:
    """Put a record into the recycle bin."""
    record = existing(table, record_id)
    now_ms = portal.clock.now_ms()
    if record.archived_ms is None:
        table.put(replace(record, archived_ms=now_ms), portal.clock.age_ms())


def restore(portal: "Portal", table: RecordTable, record_id: int) -> None:
    """Take a record out of the recycle bin."""
    record = existing(table, record_id)
    table.put(replace(record, archived_ms=None), portal.clock.age_ms())


def merge(portal: "Portal", table: RecordTable, primary_id: int, other_id: int, at_ms: int) -> str:
    """Merge two records; both ids lead to the survivor afterwards."""
    primary, other = existing(table, primary_id), existing(table, other_id)
    fresh = table.type.type_id in NEW_ID_ON_MERGE
    kept_id = new_id(portal, table) if fresh else primary_id
    gone = [primary_id, other_id] if fresh else [other_id]
    earlier = [
        old
        for record in (primary, other)
        for old in record.values.get("hs_merged_object_ids", "").split(";")
        if old
    ]
    values = {**other.values, **{k: v for k, v in primary.values.items() if v}}
    values["hs_merged_object_ids"] = ";".join([*earlier, *map(str, gone)])
    created_ms = min(primary.created_ms, other.created_ms)
    noted_ms = portal.clock.age_ms()
    for old in gone:
        table.drop(old, noted_ms)
        table.redirects[old] = kept_id
    table.put(Record(kept_id, created_ms, at_ms, values), noted_ms)
    for old in gone:
        portal.links.move(table.type, old, kept_id)
    return str(kept_id)


def add_custom_table(
    portal: "Portal", object_type: ObjectType, properties: list[Definition]
) -> None:
    """Give a new custom object its definitions, an empty table and its schema."""
    now_ms = portal.clock.now_ms()
    definitions = standard(object_type)
    for row in properties:
        definitions[row["name"]] = complete(row, at_ms=now_ms)
    empty = SeededRows(
        object_type, definitions, 0, SeedOptions(portal.spec.seed, 0, odd=False, archived=0)
    )
    portal.tables[object_type.type_id] = RecordTable(object_type, definitions, empty)
    portal.pipelines[object_type.type_id] = []
    portal.schemas[object_type.type_id] = {
        "requiredProperties": [object_type.display],
        "searchableProperties": [object_type.display],
        "secondaryDisplayProperties": [],
        "createdAt": iso(now_ms),
        "updatedAt": iso(now_ms),
        "archived": False,
    }
