"""What may be done with the tables of a dataset, on every destination alike.

One rule: a change never asks other rows. What decides on them is selected first; then rows are
deleted or updated by their keys, in lists of bounded length, or by values in their own columns.
That runs on every destination, and takes no more locks or memory than it must.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .translate import named

Row = tuple[Any, ...]
AT_ONCE = 500
"""Keys of one column that one statement names."""
FEW_AT_ONCE = 100
"""Keys of several columns that one statement names."""
LONG = 200_000
"""Characters of keys and values after which a statement ends: some databases take a megabyte."""


class Tables(Protocol):
    """The tables of one dataset, open.

    Statements and conditions are in the neutral dialect of `translate`, with `?` for values.
    """

    @property
    def dataset(self) -> str:
        """Its name in the destination."""

    def columns(self, tables: Iterable[str]) -> dict[str, set[str]]:
        """Return the columns of those tables that are there, by names in lower case.

        None without the dataset; views and the like may be among them.
        """

    def select(self, sql: str, *values: object) -> list[Row]:
        """Return the whole answer of a query. Instants are aware."""

    def pages(self, sql: str, *values: object) -> Iterator[list[Row]]:
        """Yield the answer of a query, a few thousand rows at a time.

        The dataset may be asked and changed meanwhile.
        """

    def size(self, table: str) -> int:
        """Count the rows of a table; 0 where there is none, or no dataset."""

    def counts(
        self,
        tables: Iterable[str] | Mapping[str, Sequence[object]],
        rows: str = "{}",
        *values: object,
    ) -> dict[str, int]:
        """Count rows of several tables, by one statement.

        Args:
            tables: that are there; or what each count is called, with the first of its values.
            rows: what stands after FROM, with `{}` for the table; the same for all.
            values: of each count.
        """

    def delete(self, table: str, where: str = "", *values: object) -> None:
        """Delete the rows that meet a condition on their own columns; all without one."""

    def delete_keys(self, table: str, columns: Sequence[str], keys: Iterable[Row]) -> None:
        """Delete the rows with these keys; a None stands for NULL."""

    def update(
        self, table: str, sets: Mapping[str, object], where: str = "", *values: object
    ) -> None:
        """Give the rows that meet a condition on their own columns the same values."""

    def update_keys(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Iterable[tuple[Row, Row]],
    ) -> None:
        """Give the rows with these keys values of their own.

        Args:
            table: that holds them.
            key: columns of the keys.
            columns: that change.
            rows: a key and its values, each.
        """

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add rows; columns that are not named are NULL."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make several changes one, where the destination can."""

    def release(self) -> None:
        """Give up what the destination still holds of rows that were deleted or overwritten."""


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
