"""A statement in one neutral dialect becomes one in the destination's; sqlglot reads and renders.

The neutral dialect is DuckDB's. Tables are named as the schema names them, those of the database's
catalog with their schema; `?` stands for a value, or for the values of a list as in `id IN (?)`.
Each column of a statement about several tables names its table or the alias of it. To read a
statement costs a millisecond or two, once a process: where the same is asked of many tables, `?`
stands for their names, too.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp

from .literals import literal

NEUTRAL = "duckdb"
THIS = "this_table"
_VALUE, _TABLE = "__hs_value_", "__hs_table_"
_MARKS = re.compile(rf"{_VALUE}(\d+)__|{_TABLE}(.+?)__hs__")
_QUESTIONS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?")


class TableName(str):
    """A value that stands for a table: one with an alias, or with no column that names it."""

    __slots__ = ()


class ColumnName(str):
    """A value that stands for a column, as in `one.?`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Language:
    """What a destination calls tables and columns, and which SQL it speaks."""

    dialect: str
    """As sqlglot calls it."""
    qualified: Callable[[str], str]
    """Returns the full name of a table, quoted."""
    fold: Callable[[str], str] = str
    """Returns a name in the case that the destination keeps it in."""

    def statement(self, sql: str, values: Sequence[object] = (), this: str = "") -> str:
        """Translate a statement of the neutral dialect.

        Args:
            sql: one statement.
            values: one for each `?` in it.
            this: the table that `this_table` stands for, in a statement for several tables.

        Raises:
            ValueError: it changes rows by what other rows say, or lacks values.
        """
        template, count = _template(sql, self.dialect, self.fold)
        if count != len(values):
            raise ValueError(f"{len(values)} values for {count} places: {sql}")

        def filled(mark: re.Match[str]) -> str:
            place, table = mark.groups()
            if table:
                return self.qualified(this if table == THIS else table)
            value = values[int(place)]
            if isinstance(value, TableName):
                return self.qualified(value)
            if isinstance(value, ColumnName):
                name = exp.to_identifier(self.fold(value), quoted=True)
                return name.sql(dialect=self.dialect)
            return literal(value, self.dialect)

        return _MARKS.sub(filled, template)

    def condition(self, where: str, values: Sequence[object] = ()) -> str:
        """Translate a condition on own columns, for what takes no statement."""
        return self.statement(f"SELECT 1 WHERE {where}", values).partition(" WHERE ")[2]


@lru_cache(maxsize=4096)
def named(name: str) -> str:
    """Return a name that comes from a variable, as the neutral dialect takes it."""
    return exp.to_identifier(name, quoted=True).sql(dialect=NEUTRAL)


@lru_cache(maxsize=1024)
def _template(sql: str, dialect: str, fold: Callable[[str], str]) -> tuple[str, int]:
    """Render a statement with marks for its tables and values; return how many values it takes."""
    marked, count = _numbered(sql)
    tree = sqlglot.parse_one(marked, read=NEUTRAL)
    changes = isinstance(tree, exp.Delete | exp.Update)
    if changes and tree.find(exp.Query) is not None:
        raise ValueError(f"a change of rows asks for other rows: {sql}")
    for name in [*tree.find_all(exp.Identifier)]:
        if name.name.startswith(_VALUE):
            name.replace(exp.Var(this=name.name))
    tables = [(one, one.name) for one in _of_dataset(tree)]
    if isinstance(tree, exp.Query):
        _give_aliases(tables)
    for name in tree.find_all(exp.Identifier):
        name.set("this", fold(name.this))
        name.set("quoted", True)
    for table, own in tables:
        table.set("this", exp.Var(this=f"{_TABLE}{own}__hs__"))
    return tree.sql(dialect=dialect), count


def _of_dataset(tree: exp.Expr) -> list[exp.Table]:
    """Return the tables of a statement but for those of the catalog, of its own, and values."""
    own = {one.alias for one in tree.find_all(exp.CTE)}
    tables = (one for one in tree.find_all(exp.Table) if not one.db)
    return [one for one in tables if one.name not in own and not one.name.startswith(_VALUE)]


def _numbered(sql: str) -> tuple[str, int]:
    """Put a numbered mark in place of each `?` that is in no text or name; return their number."""
    count = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] != "?":
            return found[0]
        count += 1
        return f"{_VALUE}{count - 1}__"

    return _QUESTIONS.sub(numbered, sql), count


def _give_aliases(tables: Iterable[tuple[exp.Table, str]]) -> None:
    """Let the columns of a table be named by its name, though a full name stands in its place."""
    for table, plain in tables:
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(plain)))
