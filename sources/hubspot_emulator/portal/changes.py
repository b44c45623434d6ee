"""What happens to records when they are created, changed, archived, restored or merged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..clock import iso
from .catalog.definitions import Definition, complete, standard
from .catalog.object_types import ObjectType
from .links import LinkStore
from .records import history
from .records.record import Change, Record
from .records.rows import SeededRows, SeedOptions
from .records.stages import Hidden, hidden, stage_property, values_of_stages
from .records.table import RecordTable

USER_ID = 9_586_504  # who changes records by hand
NEW_ID_ON_MERGE = ("0-1", "0-2")
_SOURCES: dict[str, dict[str, Any]] = {
    "CRM_UI": {"sourceId": f"userId:{USER_ID}", "updatedByUserId": USER_ID},
    "INTEGRATION": {"sourceId": "42", "sourceLabel": "Importer"},
    "AUTOMATION_PLATFORM": {"sourceId": "enrollmentId:77"},
}
"""Members of an entry of the history, by where the value came from."""


class When(NamedTuple):
    """The instant that a change carries, and the clock's age at which search may note it."""

    at_ms: int
    noted_ms: int


def create(table: RecordTable, record_id: int, properties: Mapping[str, str], when: When) -> None:
    """Create a record under an id that no other one has."""
    _check_names(table, properties)
    if table.get(record_id) is not None:
        raise ValueError(f"{table.type.singular} {record_id} exists already")
    table.put(Record(record_id, when.at_ms, when.at_ms, dict(properties)), when.noted_ms)


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


def update(table: RecordTable, record_id: int, properties: Mapping[str, str], when: When) -> None:
    """Change values, and last-modified with them."""
    changed = _changed(table, record_id, properties, when, "CRM_UI")
    table.put(replace(changed, updated_ms=when.at_ms), when.noted_ms)


def calculate(
    table: RecordTable, record_id: int, properties: Mapping[str, str], when: When
) -> None:
    """Change values as a calculation does: last-modified stays."""
    table.put(_changed(table, record_id, properties, when, "CALCULATED"), when.noted_ms)


def _changed(
    table: RecordTable, record_id: int, properties: Mapping[str, str], when: When, source: str
) -> Record:
    """Return the next version of a record, its history longer by these values."""
    _check_names(table, properties)
    record = existing(table, record_id)
    versions = dict(record.history)
    for name, value in properties.items():
        past = versions.get(name) or _first(table, record, name)
        versions[name] = (Change(value, when.at_ms, source), *past)
    return replace(record, values={**record.values, **properties}, history=versions)


def _first(table: RecordTable, record: Record, name: str) -> tuple[Change, ...]:
    """Return the versions of a value that was never changed since the start."""
    value = table.value(record, name)
    if value is None:
        return ()
    ordinal = table.rows.ordinal_of(record.id)
    if ordinal is None or name not in record.values:
        return (Change(value, record.created_ms, "IMPORT"),)
    return history.seeded(table.rows, ordinal, name, value)


def history_of(table: RecordTable, record: Record, name: str) -> list[dict[str, Any]]:
    """Return every value a property had, newest first; a backdated one comes where it belongs."""
    changes = record.history.get(name) or _first(table, record, name)
    return [_entry(one) for one in sorted(changes, key=lambda one: one.at_ms, reverse=True)]


def stage_values(table: RecordTable, record: Record, names: Iterable[str]) -> dict[str, str | None]:
    """Return the values of those properties about stages that no list has."""
    values = all_stage_values(table, record)
    return {name: values.get(wanted) for name in names if (wanted := hidden(name))}


def all_stage_values(table: RecordTable, record: Record) -> dict[Hidden, str]:
    """Return all values about the stages of a record; none where its type has no stages."""
    stage = stage_property(table.definitions)
    if not stage:
        return {}
    return values_of_stages(record.history.get(stage) or _first(table, record, stage))


def seeded_stage_values(table: RecordTable, ordinal: int, names: Sequence[str]) -> list[str | None]:
    """Return the same, in the order of the names, of a record as it was at the start."""
    rows, stage = table.rows, stage_property(table.definitions)
    value = rows.pool_values(rows.pool_index(ordinal)).get(stage)
    if value is None:
        return [None] * len(names)
    values = values_of_stages(history.seeded(rows, ordinal, stage, value))
    return [values.get(wanted) if (wanted := hidden(name)) else None for name in names]


def value_of(table: RecordTable, record: Record, name: str) -> str | None:
    """Return what a property reads as, be it listed or not; None if it was never set."""
    if name in table.definitions or not hidden(name):
        return table.value(record, name)
    return stage_values(table, record, [name])[name]


def _entry(change: Change) -> dict[str, Any]:
    return {
        "value": change.value,
        "timestamp": iso(change.at_ms),
        "sourceType": change.source,
        "sourceLabel": None,
        **_SOURCES.get(change.source, {}),
    }


def archive(table: RecordTable, record_id: int, when: When) -> None:
    """Put a record into the recycle bin."""
    record = existing(table, record_id)
    if record.archived_ms is None:
        table.put(replace(record, archived_ms=when.at_ms), when.noted_ms)


def restore(table: RecordTable, record_id: int, noted_ms: int) -> None:
    """Take a record out of the recycle bin."""
    table.put(replace(existing(table, record_id), archived_ms=None), noted_ms)


def merge(
    table: RecordTable,
    links: LinkStore,
    ids: tuple[int, int],
    when: When,
    *,
    scattered: bool = False,
) -> int:
    """Merge the second record into the first; both ids lead to the survivor, whose id it returns.

    Contacts and companies survive under a new id; `scattered` says where it may lie.
    """
    primary, other = (existing(table, one) for one in ids)
    fresh = table.type.type_id in NEW_ID_ON_MERGE
    kept_id = table.next_id(scattered=scattered) if fresh else ids[0]
    gone = ids if fresh else ids[1:]
    values = {**other.values, **{k: v for k, v in primary.values.items() if v}}
    values["hs_merged_object_ids"] = ";".join([*_merged_ids(primary, other), *map(str, gone)])
    for old in gone:
        table.drop(old, when.noted_ms)
        table.redirects[old] = kept_id
    created_ms = min(primary.created_ms, other.created_ms)
    table.put(Record(kept_id, created_ms, when.at_ms, values), when.noted_ms)
    for old in gone:
        links.move(table.type, old, kept_id)
    return kept_id


def _merged_ids(*records: Record) -> list[str]:
    past = [record.values.get("hs_merged_object_ids", "").split(";") for record in records]
    return [old for ids in past for old in ids if old]


def new_table(object_type: ObjectType, properties: list[Definition], at_ms: int) -> RecordTable:
    """Return the empty table of a new custom object."""
    definitions = standard(object_type)
    definitions |= {row["name"]: complete(row, at_ms=at_ms) for row in properties}
    none = SeedOptions(seed=1, filled=0, odd=False, archived=0)
    return RecordTable(object_type, definitions, SeededRows(object_type, definitions, 0, none))
