"""Rows that stand in a table more than once, as after two machines have synced at once.

Of a key there is one row, live or dead. The one that was read last stays.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ..api.associations import COLUMNS as LINK
from ..catalog.endpoints import TABLES
from ..tables.property_history import KEY as HISTORY
from ..warehouse.sql import Row, Tables, named, of_parts

_READ_AT = "_hs_synced_at"
_NEVER = datetime.min.replace(tzinfo=UTC)
_KINDS = {"_hs_deletion": ("id",), "from_id": LINK[:-1], "value_hash": HISTORY}
"""Keys of tables of records, links and property histories, by a column that no others have."""


def find_doubles(tables: Tables, known: Mapping[str, Collection[str]]) -> dict[str, list[Row]]:
    """Return the keys that several rows have, by table.

    Args:
        tables: of the dataset.
        known: columns by table, of records, links, property histories or endpoints.
    """
    by_key: dict[Sequence[str], list[str]] = defaultdict(list)
    for name, columns in known.items():
        by_key[_key_of(name, columns)].append(name)
    found: dict[str, list[Row]] = {}
    for key, alike in by_key.items():
        shown = ", ".join(map(named, key))
        several = f"SELECT {shown} FROM {{}} GROUP BY {shown} HAVING count(*) > 1"
        for name, count in tables.counts(alike, f"({several}) AS doubled").items():
            if count:
                found[name] = tables.select(several.format(named(name)))
    return found


def collapse(tables: Tables, name: str, columns: Sequence[str], keys: Iterable[Row]) -> None:
    """Leave one row of each key.

    Of rows that are equal all are deleted, and one is added again.

    Args:
        tables: of the dataset.
        name: of the table.
        columns: that it has.
        keys: that several of its rows have.
    """
    key = _key_of(name, columns)
    own = [columns.index(column) for column in key]
    at = columns.index(_READ_AT) if _READ_AT in columns else None
    shown = ", ".join(map(named, columns))
    for where, values in of_parts(key, keys):
        alike: dict[Row, list[Row]] = defaultdict(list)
        for row in tables.select(f"SELECT {shown} FROM {named(name)} WHERE {where}", *values):
            alike[tuple(row[place] for place in own)].append(row)
        older, kept = _sorted(alike, at)
        with tables.transaction():
            tables.delete_keys(name, [*key, _READ_AT], older)
            tables.delete_keys(name, key, kept)
            tables.insert(name, columns, kept.values())


def _sorted(alike: Mapping[Row, Sequence[Row]], at: int | None) -> tuple[list[Row], dict[Row, Row]]:
    """Return keys and times of older rows, and by key one of several rows that are the newest.

    Args:
        alike: rows by key.
        at: which of their columns says when they were read; none does where None.
    """
    older: list[Row] = []
    kept: dict[Row, Row] = {}
    for key, rows in alike.items():
        times = [_NEVER if at is None else row[at] or _NEVER for row in rows]
        newest = max(times)
        if times.count(newest) > 1:
            kept[key] = rows[times.index(newest)]
        older += [(*key, None if time is _NEVER else time) for time in {*times} - {newest}]
    return older, kept


def _key_of(name: str, columns: Collection[str]) -> Sequence[str]:
    """Return the columns that identify a row of a table."""
    if name in TABLES:
        return TABLES[name].keys
    return next(key for column, key in _KINDS.items() if column in columns)
