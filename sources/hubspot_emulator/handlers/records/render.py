"""Records as JSON. Seeded ones are put together from encoded fragments of the pool's rows."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ...clock import iso
from ...portal.catalog.reference_data import PORTAL_ID
from ...portal.changes import history_of, seeded_stage_values, stage_values
from ...portal.records.history import is_listed
from ...portal.records.record import Record
from ...portal.records.stages import hidden_names
from ...portal.records.table import RecordTable

encode = msgspec.json.encode
PLANS_KEPT = 24

# what a read returns when it names no properties, besides the dates and the id
_DEFAULTS = {
    "0-1": ("email", "firstname", "lastname"),
    "0-2": ("domain", "name"),
    "0-3": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "0-5": ("content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "subject"),
}


class Plan:
    """How to write the records of one type with one selection of properties."""

    def __init__(self, table: RecordTable, names: tuple[str, ...]) -> None:
        kind = table.type
        own = dict(kind.own)
        always = {"hs_object_id", kind.created, kind.modified}
        wanted = names or _DEFAULTS.get(kind.type_id, ())
        self.table = table
        self.names = [
            name
            for name in wanted
            if name not in always
            and (definition := table.definitions.get(name))
            and not definition["archived"]
        ]
        self.of_stages = hidden_names(table.definitions, wanted)
        self._nothing = [encode(name) + b":null," for name in self.of_stages]
        self._pooled = [name for name in self.names if name not in own]
        self._fragments: dict[int, bytes] = {}
        mine = [(n, own[n]) for n in self.names if n in own]
        self._own = len(mine)
        self._template = (
            b'{"id":"%d","properties":{%b%b'
            + b"".join(encode(n) + b":" + encode(t) + b"," for n, t in mine)
            + f'"hs_object_id":"%d","{kind.created}":"%b","{kind.modified}":"%b"}},'
            '"createdAt":"%b","updatedAt":"%b","archived":false,'
            f'"url":"{url_of(table, "%d")}"}}'.encode()
        )

    def _fragment(self, index: int) -> bytes:
        found = self._fragments.get(index)
        if found is None:
            values = self.table.rows.pool_values(index)
            found = b"".join(
                encode(name) + b":" + encode(values.get(name)) + b"," for name in self._pooled
            )
            self._fragments[index] = found
        return found

    def _stages(self, ordinal: int) -> bytes:
        """Return the values about the stages of a record of the seed."""
        if not self.of_stages:
            return b""
        parts = self._nothing.copy()
        values = seeded_stage_values(self.table, ordinal, self.of_stages)
        for place, value in enumerate(values):
            if value is not None:
                parts[place] = f'"{self.of_stages[place]}":"{value}",'.encode()
        return b"".join(parts)

    def is_quick(self, ordinal: int) -> bool:
        """Return whether a seeded record can be put together from fragments."""
        return not self.table.rows.is_odd(ordinal)

    def seeded(self, record_id: int, ordinal: int) -> bytes:
        """Return a record of the seed, live and without odd values."""
        rows = self.table.rows
        created = iso(rows.created_ms(ordinal)).encode()
        modified = iso(rows.modified_ms(ordinal)).encode()
        fragment = self._fragment(rows.pool_index(ordinal))
        own, times = (ordinal,) * self._own, (created, modified)
        parts = (record_id, fragment, self._stages(ordinal), *own, record_id, *times, *times)
        return self._template % (*parts, record_id)

    def any(self, record: Record) -> dict[str, Any]:
        """Return any record as plain data."""
        table = self.table
        always = ("hs_object_id", table.type.created, table.type.modified)
        values: dict[str, str | None] = {name: record.values.get(name) for name in self.names}
        values.update((name, table.value(record, name)) for name in always)
        values.update(stage_values(table, record, self.of_stages))
        shown: dict[str, Any] = {
            "id": str(record.id),
            "properties": values,
            "createdAt": iso(record.created_ms),
            "updatedAt": iso(record.updated_ms),
            "archived": record.archived_ms is not None,
            "url": url_of(table, str(record.id)),
        }
        if record.archived_ms is not None:
            shown["archivedAt"] = iso(record.archived_ms)
        return shown


def url_of(table: RecordTable, record_id: str) -> str:
    """Return a record's page in HubSpot's user interface."""
    place = f"{PORTAL_ID}/record/{table.type.type_id}/{record_id}"
    return f"https://app.hubspot.com/contacts/{place}"


def plan_for(table: RecordTable, names: tuple[str, ...]) -> Plan:
    """Return the plan of a selection, made once and kept while it is in use."""
    key = (table.definitions_version, names)
    plan: Plan | None = table.cache.get(key)
    if plan is None:
        plan = table.cache[key] = Plan(table, names)
        if len(table.cache) > PLANS_KEPT:
            table.cache.popitem(last=False)
    return plan


def rows(table: RecordTable, ids: Iterable[int], names: tuple[str, ...]) -> list[msgspec.Raw]:
    """Return live records, encoded, in the order of `ids`."""
    plan = plan_for(table, names)
    seeded, changed = table.rows, table.changed
    found = []
    for record_id in ids:
        ordinal = None if record_id in changed else seeded.ordinal_of(record_id)
        if ordinal is not None and plan.is_quick(ordinal):
            found.append(msgspec.Raw(plan.seeded(record_id, ordinal)))
        elif record := table.get(record_id):
            found.append(msgspec.Raw(encode(plan.any(record))))
    return found


def with_history(
    table: RecordTable, record: Record, names: tuple[str, ...], history: tuple[str, ...]
) -> dict[str, Any]:
    """Return one record with the past values of some properties."""
    every = tuple(dict.fromkeys((*names, *history)))
    shown = plan_for(table, every).any(record)
    if history:
        past = {
            name: history_of(table, record, name) for name in history if name in table.definitions
        }
        shown["propertiesWithHistory"] = {
            name: versions
            for name, versions in past.items()
            if versions or is_listed(record.id, name)
        }
    return shown
