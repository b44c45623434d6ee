"""What landed in DuckDB against what the portal holds, value by value.

A value counts as right in any form that says the same: an instant as text or timestamp, a number as
text or number, a truth value as text or boolean, empty text as null.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
from dlt.common.normalizers.naming.snake_case import NamingConvention

BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PREFIXES = ("", "property_", "properties__")  # which contenders put before a property's name
VARIANT = "__v_"  # dlt's second column for values that do not fit the first
EMPTY = (None, "")
EXAMPLES = 5
BATCH = 1000


@dataclass(frozen=True)
class Truth:
    """A portal's live records: the type of every property, and the raw values by id."""

    kinds: Mapping[str, str]
    records: Mapping[str, Mapping[str, str | None]]


@dataclass
class Landed:
    """A table as it landed: names of columns, rows, and values kept beside it by (id, property)."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    key: str = "id"
    named: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Verdict:
    """How a landed table differs from the truth.

    `columns_missing` are properties with values and without a column, `cells_missing` their
    values; `cells_aside` are not in their column, but in a second one or in a table of values that
    did not fit; `cells_wrong` say something else, or nothing.
    """

    rows: int = 0
    rows_missing: int = 0
    rows_extra: int = 0
    columns_missing: int = 0
    cells_missing: int = 0
    cells_wrong: int = 0
    cells_aside: int = 0
    wrong_by_property: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


def compare(truth: Truth, landed: Landed) -> Verdict:
    """Compare every value."""
    verdict = Verdict()
    names = [one.lower() for one in landed.columns]
    place = columns_of(truth.kinds, names, landed.named)
    variants = {name: _variants(names, at) for name, at in place.items()}
    key = names.index(landed.key)
    seen: set[str] = set()
    homeless: set[str] = set()
    for row in landed.rows:
        id_ = _id(row[key])
        verdict.rows += 1
        if id_ not in truth.records or id_ in seen:
            verdict.rows_extra += 1
            continue
        seen.add(id_)
        for name, raw in truth.records[id_].items():
            if name not in truth.kinds:
                continue
            at = place.get(name)
            if at is None:
                if raw:
                    verdict.cells_missing += 1
                    homeless.add(name)
            elif not same(raw, row[at], truth.kinds[name]):
                others = [row[one] for one in variants[name]]
                others.append(landed.beside.get((id_, name)))
                if raw and any(same(raw, one, truth.kinds[name]) for one in others):
                    verdict.cells_aside += 1
                else:
                    _note_wrong(verdict, (id_, name), raw, row[at])
    verdict.rows_missing = len(truth.records) - len(seen)
    verdict.columns_missing = len(homeless)
    return verdict


def _note_wrong(verdict: Verdict, cell: tuple[str, str], raw: str | None, value: object) -> None:
    verdict.cells_wrong += 1
    id_, name = cell
    known = verdict.wrong_by_property
    if name not in known and len(verdict.examples) < EXAMPLES:
        verdict.examples.append(f"{id_} {name}: {_short(raw)} became {_short(value)}")
    known[name] = known.get(name, 0) + 1


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def columns_of(
    properties: Iterable[str], columns: Sequence[str], named: Mapping[str, str]
) -> dict[str, int]:
    """Find each property's column: as `named`, or by the prefix under which most are found."""
    places = {name: at for at, name in enumerate(columns)}
    if named:
        return {name: places[one.lower()] for name, one in named.items() if one.lower() in places}
    properties = list(properties)
    snake = NamingConvention().normalize_identifier

    def under(prefix: str) -> dict[str, int]:
        found = {}
        for name in properties:
            for one in (prefix + name.lower(), prefix + snake(name)):
                if one in places:
                    found.setdefault(name, places[one])
        return found

    return max((under(prefix) for prefix in PREFIXES), key=len)


def _variants(columns: Sequence[str], at: int) -> list[int]:
    start = columns[at] + VARIANT
    return [other for other, name in enumerate(columns) if name.startswith(start)]


def _id(value: object) -> str:
    return str(int(value)) if isinstance(value, float | Decimal) else str(value)


def same(raw: str | None, value: object, kind: str) -> bool:
    """Return whether a landed value says what HubSpot's text says."""
    if raw in EMPTY or value in EMPTY:
        return raw in EMPTY and value in EMPTY
    if str(value) == raw:
        return True
    return any(read(raw) == read(value) is not None for read in _readers(value, kind))


def _readers(value: object, kind: str) -> tuple[Callable[[object], object], ...]:
    for types, reader in _OF_VALUE:
        if isinstance(value, types):
            return (reader,)
    return _OF_KIND.get(kind, ())


def _bool(value: object) -> bool | None:
    return BOOLS.get(str(value).strip().lower())


def _number(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _instant(value: object) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        if isinstance(value, datetime):
            at = value
        elif (milliseconds := _number(value)) is not None:
            return EPOCH + timedelta(milliseconds=float(milliseconds))
        else:
            at = datetime.fromisoformat(str(value).strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _decoded(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None


# how to read what HubSpot sent and what landed, by what landed, or where text did by the property
_OF_VALUE: tuple[tuple[Any, Callable[[object], object]], ...] = (
    (bool, _bool),
    ((int, float, Decimal), _number),
    (date, _instant),
    ((dict, list), _decoded),
)
_OF_KIND: dict[str, tuple[Callable[[object], object], ...]] = {
    "number": (_number,),
    "bool": (_bool,),
    "date": (_instant,),
    "datetime": (_instant,),
    "json": (_decoded,),
}


def judge(truth: Truth, file: Path, key: str) -> tuple[Verdict, dict[str, int]]:
    """Compare `hubspot.contacts` of a DuckDB file; return the rows of the tables beside it too."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = _tables(connection)
        named, beside = _ours(connection, tables)
        live = ' WHERE "_hs_deleted_at" IS NULL' if named else ""
        found = connection.execute(f"SELECT * FROM hubspot.contacts{live}")
        columns = [one[0] for one in found.description]
        verdict = compare(truth, Landed(columns, _rows(found), key, named, beside))
    return verdict, {name: rows for name, rows in tables.items() if name != "contacts"}


def _rows(found: duckdb.DuckDBPyConnection) -> Iterable[Sequence[Any]]:
    while rows := found.fetchmany(BATCH):
        yield from rows


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hubspot'"
    names = [name for (name,) in connection.execute(sql).fetchall()]
    count = "SELECT count(*) FROM hubspot.{}"
    return {
        name: int(connection.execute(count.format(f'"{name}"')).fetchall()[0][0])
        for name in sorted(names)
        if not name.startswith("_dlt")
    }


def _ours(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, int]
) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Return our own map of columns and our table of values that did not fit, if they are there."""
    if "_hs_columns" not in tables:
        return {}, {}
    sql = "SELECT property, column_name FROM hubspot._hs_columns WHERE table_name = 'contacts'"
    named = dict(connection.execute(sql).fetchall())
    if "_hs_rejected_values" not in tables:
        return named, {}
    sql = (
        "SELECT id, property, raw_value FROM hubspot._hs_rejected_values"
        " WHERE table_name = 'contacts'"
    )
    rows = connection.execute(sql).fetchall()
    return named, {(id_, name): raw for id_, name, raw in rows}
