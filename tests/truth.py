"""The portal against the warehouse: every id, value, tombstone and link, compared one by one."""

import math
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from conftest import Warehouse

from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot.catalog.endpoints.declaration import Windows
from sources.hubspot_emulator.portal.store import Portal

BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OF_RUNS = {"_hs_synced_at", "_hs_updated_at", "_dlt_id", "_dlt_load_id", "first_seen_at"}
"""Columns that tell when rows were loaded."""
OF_DAYS = {one.name for each in ENDPOINTS.values() if each.is_of_day for one in each.tables} | {
    "list_size_history"
}
"""Tables to which each day adds rows; the emulator has the present size of a list for each day."""
OF_EVENTS = {
    table.name
    for one in ENDPOINTS.values()
    if one.has_events or isinstance(one.read, Windows)
    for table in one.tables
}
"""Tables of rows that stay, however old, and whatever they belong to goes."""


def differences(portal: Portal, warehouse: Warehouse, objects: dict[str, str]) -> list[str]:
    """List how the warehouse differs from the portal; empty when it is complete and current.

    Args:
        objects: table name -> the portal's name of the object type.
    """
    found: list[str] = []
    with warehouse.reading():
        columns, rejected = columns_of(warehouse), rejected_of(warehouse)
        for table, name in objects.items():
            every = warehouse.all_rows(table)
            rows = {row["id"]: row for row in every}
            ids = Counter(row["id"] for row in every)
            found += [f"{table} {id_}: doubled" for id_, count in ids.items() if count > 1]
            live = {id_: row for id_, row in rows.items() if row["_hs_deleted_at"] is None}
            truth = portal.records(name)
            found += [f"{table} {id_}: missing" for id_ in truth.keys() - live.keys()]
            found += [f"{table} {id_}: extra" for id_ in live.keys() - truth.keys()]
            archived = portal.records(name, archived=True)
            dead = {id_ for id_, row in rows.items() if row["_hs_deletion"] == "archived"}
            found += [f"{table} {id_}: tombstone" for id_ in dead ^ archived.keys()]
            present = [*{one[0]: one for one in columns[table]}.values()]  # of the types of today
            of_table = present, rejected[table]
            for id_ in truth.keys() & live.keys():
                found += _record(table, truth[id_], live[id_], *of_table)
            for id_ in archived.keys() & dead:
                found += _record(table, archived[id_], rows[id_], *of_table)
    return sorted(found)


def link_differences(
    portal: Portal, warehouse: Warehouse, pairs: dict[str, tuple[str, str]]
) -> list[str]:
    """List how link tables differ from the portal's associations; one that is missing is empty."""
    found: list[str] = []
    with warehouse.reading():
        for table, (source, target) in pairs.items():
            truth = {*portal.associations(source, target)}  # of live records alone
            columns = ("from_id", "to_id", "type_id", "category", "label")
            rows = [tuple(row[c] for c in columns) for row in warehouse.all_rows(table)]
            if len(rows) != len(set(rows)):
                found.append(f"{table}: doubled rows")
            found += [f"{table} {row}: missing" for row in truth - set(rows)]
            found += [f"{table} {row}: extra" for row in set(rows) - truth]
    return sorted(found)


def other_differences(ours: Warehouse, fresh: Warehouse) -> list[str]:
    """List how all tables differ from those of a first sync, tombstones and removals left out."""
    found, held, expected = [], *(_live(one) for one in (ours, fresh))
    for name in sorted(held.keys() | expected.keys()):
        mine, theirs = held.get(name, Counter()), expected.get(name, Counter())
        found += [f"{name}: missing row {row}" for row in theirs - mine]
        extra = mine - theirs
        if name in OF_EVENTS:  # a first reading does not bring all that was brought before
            extra = Counter({row: count for row, count in extra.items() if mine[row] > 1})
        found += [f"{name}: extra row {row}" for row in extra]
    return found


def _live(warehouse: Warehouse) -> dict[str, Counter[tuple[Any, ...]]]:
    """Count the equal rows of each table that are not gone; versions of live records alone."""
    found = {}
    with warehouse.reading():
        there = tables(warehouse)
        for name in sorted(there - OF_DAYS):
            if name.startswith("_"):
                continue
            sql = "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
            columns = {column for (column,) in warehouse.rows(sql, name)}
            gone = sorted(columns & {"_hs_deleted_at", "removed_at"})
            where = " AND ".join(f"{column} IS NULL" for column in gone) or "TRUE"
            if (record := name.removesuffix("_property_history")) != name and record in there:
                where = f"id IN (SELECT id FROM {record} WHERE _hs_deleted_at IS NULL)"
            shown = ", ".join(f'"{column}"' for column in sorted(columns - OF_RUNS))
            rows = warehouse.rows(f"SELECT {shown} FROM {name} WHERE {where}")
            found[name] = Counter(rows)
    return found


def tables(warehouse: Warehouse) -> set[str]:
    """Name the tables of the dataset."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hubspot'"
    return {name for (name,) in warehouse.rows(sql)}


def columns_of(warehouse: Warehouse) -> dict[str, list[tuple[str, str, str]]]:
    """Return the property, column and type of each column, the newest last, by table."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in sorted(warehouse.all_rows("_hs_columns"), key=lambda row: row["since_at"]):
        one = row["property"], row["column_name"], row["hubspot_type"]
        found[row["table_name"]].append(one)
    return found


def rejected_of(warehouse: Warehouse) -> dict[str, dict[tuple[str, str], str]]:
    """Return the raw values that did not fit, by table, id and property."""
    found: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for row in warehouse.all_rows("_hs_rejected_values"):
        found[row["table_name"]][row["id"], row["property"]] = row["raw_value"]
    return found


def _record(
    table: str,
    truth: dict[str, Any],
    row: dict[str, Any],
    columns: list[tuple[str, str, str]],
    rejected: dict[tuple[str, str], str],
) -> list[str]:
    found = []
    given = truth["properties"]
    for name, column, kind in columns:
        raw = given.get(name)
        raw = None if raw == "" else raw
        value = row[column]
        if raw == value:
            continue
        reject = rejected.get((row["id"], name))
        if not is_same(raw, value, kind, reject):
            found.append(f"{table} {row['id']} {name}: {raw!r} became {value!r} ({reject=})")
    return found


def is_same(raw: str | None, value: Any, kind: str, reject: str | None) -> bool:
    """Whether a column's value is what HubSpot has, or the text of it that was set aside."""
    if raw is None or value is None:
        return raw in {value, reject}
    if isinstance(value, str):
        return raw == value
    if isinstance(value, bool) or kind == "bool":  # which MySQL's driver returns as a number
        return BOOLS.get(raw.strip().lower()) is bool(value)
    if isinstance(value, int | float):
        exact = float(raw) == value or math.isclose(float(raw), value, rel_tol=1e-15)
        return exact and (len(raw) < 17 or reject == raw or repr(value) in {raw, raw + ".0"})
    return _instant(raw) == (
        datetime(value.year, value.month, value.day, tzinfo=UTC)
        if type(value) is date
        else value.astimezone(UTC)
    )


def _instant(raw: str) -> datetime:
    text = raw.strip()
    try:
        return EPOCH + timedelta(milliseconds=float(text))
    except ValueError:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
