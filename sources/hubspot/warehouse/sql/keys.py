"""Conditions on the keys of rows, in lists of bounded length that one statement can name."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .translate import named

Row = tuple[Any, ...]
AT_ONCE = 500
"""Keys of one column that one statement names."""
FEW_AT_ONCE = 100
"""Keys of several columns that one statement names."""
LONG = 200_000
"""Characters of keys and values after which a statement ends: some databases take a megabyte."""


def parts(keys: Iterable[Any], columns: Sequence[str]) -> Iterator[list[Any]]:
    """Yield keys, or keys with values, in lists that one statement can name."""
    most = AT_ONCE if len(columns) == 1 else FEW_AT_ONCE
    part: list[Any] = []
    length = 0
    for key in keys:
        part.append(key)
        length += len(str(key))
        if len(part) == most or length > LONG:
            yield part
            part, length = [], 0
    if part:
        yield part


def of_parts(columns: Sequence[str], keys: Iterable[Row]) -> Iterator[tuple[str, list[object]]]:
    """Yield conditions, and their values, that rows with these keys meet one of."""
    for part in parts(keys, columns):
        yield of_keys(columns, part)


def of_keys(columns: Sequence[str], keys: Sequence[Row]) -> tuple[str, list[object]]:
    """Return the condition of rows with these keys, and its values."""
    names = [named(column) for column in columns]
    if len(columns) == 1:
        return _among(names[0], [key[0] for key in keys])
    each = [" AND ".join(map(_equals, names, key)) for key in keys]
    values: list[object] = [one for key in keys for one in key if one is not None]
    where = " OR ".join(f"({one})" for one in each)
    among, first = _among(names[0], [key[0] for key in keys])
    return f"({among}) AND ({where})", [*first, *values]  # most rows need no more than the first


def _among(name: str, values: Iterable[object]) -> tuple[str, list[object]]:
    """Return the condition that a column has one of some values."""
    distinct = dict.fromkeys(values)
    held = [one for one in distinct if one is not None]
    some = [f"{name} IN (?)"] if held else []
    some += [f"{name} IS NULL"] if None in distinct else []
    return " OR ".join(some), [held] if held else []


def _equals(name: str, value: object) -> str:
    return f"{name} IS NULL" if value is None else f"{name} = ?"


def assignments(
    key: Sequence[str], columns: Sequence[str], rows: Sequence[tuple[Row, Row]]
) -> tuple[list[str], list[list[object]]]:
    """Return the new value of each column in SQL, by the key of a row, and its values."""
    by_values: dict[Row, list[Row]] = {}
    for one, new in rows:
        by_values.setdefault(new, []).append(one)
    if len(by_values) == 1:
        return ["?"] * len(columns), [[one] for one in rows[0][1]]
    sqls, values = [], []
    conditions = [(of_keys(key, keys), new) for new, keys in by_values.items()]
    for at, _ in enumerate(columns):
        sqls.append(f"CASE {' '.join(f'WHEN {where} THEN ?' for (where, _), _ in conditions)} END")
        values.append([one for (_, args), new in conditions for one in (*args, new[at])])
    return sqls, values
