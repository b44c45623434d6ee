"""What may be done with the tables of a dataset, on every destination alike.

One rule: a change never asks other rows. What decides on them is selected first; then rows are
deleted or updated by their keys, in lists of bounded length, or by values in their own columns.
That runs on every destination, and takes no more locks or memory than it must.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase, raise_database_error

from .keys import Row, assignments, of_keys, of_parts, parts
from .literals import NAIVE, Rendered, aware, literal
from .translate import THIS, Language, named

Client = SqlClientBase[Any]
Described = Iterable[tuple[str, Mapping[str, Any]]]
FETCHED = 8_000  # values that are held at a time
ROWS_AT_ONCE = 50  # that one INSERT brings


class Tables:
    """The tables of one dataset, through dlt's client of it; their connection is the client's.

    Statements and conditions are in the neutral dialect of `translate`, with `?` for values.
    """

    def __init__(
        self,
        client: Client,
        connect: Callable[[], Client] | None = None,
        described: Callable[[Iterable[str]], Described] | None = None,
    ) -> None:
        """Take over a client.

        Args:
            client: with an open connection.
            connect: makes another client, for answers that are read while others are asked; all
                answers are held whole where None.
            described: returns the columns of tables, as dlt does; where None, `columns` cannot be
                asked.
        """
        self._client, self._connect, self._described = client, connect, described
        self._language = language_of(client)
        self._is_new: bool | None = None

    @property
    def dataset(self) -> str:
        """Its name in the destination."""
        return self._client.dataset_name

    def columns(self, tables: Iterable[str]) -> dict[str, set[str]]:
        """Return the columns of those tables that are there, by names in lower case.

        None without the dataset; views and the like may be among them.
        """
        if self._described is None:
            raise TypeError("columns are described by the client of a job")
        found = self._described(tables) if self._client.has_dataset() else ()
        return {name: {*map(str.lower, columns)} for name, columns in found if columns}

    def select(self, sql: str, *values: object) -> list[Row]:
        """Return the whole answer of a query. Instants are aware."""
        with self._run(self._client, sql, values) as cursor:
            return self._rows(cursor.fetchall())

    def translate(self, sql: str) -> str:
        """Return a statement of the neutral dialect in the database's."""
        return self._language.statement(sql)

    @contextmanager
    def run(self, statement: str) -> Iterator[tuple[list[str], list[Row]]]:
        """Run a query in the database's own dialect; yield names of columns and rows."""
        with self._execute(self._client, statement) as cursor:
            names = [str(column[0]) for column in _described(cursor)]
            yield names, self._rows(cursor.fetchall())

    def pages(self, sql: str, *values: object) -> Iterator[list[Row]]:
        """Yield the answer of a query, a few thousand rows at a time.

        The dataset may be asked and changed meanwhile.
        """
        few = self.select(f"{sql} LIMIT {FETCHED + 1}", *values)
        if len(few) <= FETCHED or self._connect is None:
            if few:
                yield few if len(few) <= FETCHED else self.select(sql, *values)
            return
        del few
        with (
            self._connect() as client,
            client.with_alternative_dataset_name(self.dataset),
            self._run(client, sql, values) as cursor,
        ):
            while rows := cursor.fetchmany(FETCHED):
                yield self._rows(rows)

    def size(self, table: str) -> int:
        """Count the rows of a table; 0 where there is none, or no dataset."""
        if self._is_new is None:
            self._is_new = not self._client.has_dataset()
        if self._is_new:
            return 0
        try:
            return int(self.select(f"SELECT count(*) FROM {named(table)}")[0][0])
        except DatabaseUndefinedRelation:
            return 0

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
        sql = f"SELECT ?, count(*) FROM {rows.replace('{}', THIS)}"
        own = tables if isinstance(tables, Mapping) else dict.fromkeys(tables, ())
        counts = [
            self._language.statement(sql, [one, *first, *values], one) for one, first in own.items()
        ]
        if not counts:
            return {}
        with self._execute(self._client, " UNION ALL ".join(counts)) as cursor:
            return {name: int(count) for name, count in cursor.fetchall()}

    def delete(self, table: str, where: str = "", *values: object) -> None:
        """Delete the rows that meet a condition on their own columns; all without one."""
        self._change(f"DELETE FROM {named(table)}{_where(where)}", values)

    def delete_keys(self, table: str, columns: Sequence[str], keys: Iterable[Row]) -> None:
        """Delete the rows with these keys; a None stands for NULL."""
        for where, values in of_parts(columns, keys):
            self.delete(table, where, *values)

    def update(
        self, table: str, sets: Mapping[str, object], where: str = "", *values: object
    ) -> None:
        """Give the rows that meet a condition on their own columns the same values."""
        changes = ", ".join(f"{named(column)} = ?" for column in sets)
        self._change(
            f"UPDATE {named(table)} SET {changes}{_where(where)}", [*sets.values(), *values]
        )

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
        for part in parts(rows, key):
            news, values = assignments(key, columns, part)
            shown = [self._condition(sql, args) for sql, args in zip(news, values, strict=True)]
            where, args = of_keys(key, [one for one, _ in part])
            self.update(table, dict(zip(columns, shown, strict=True)), where, *args)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add rows; columns that are not named are NULL."""
        listed, left, dialect = ", ".join(map(named, columns)), iter(rows), self._language.dialect
        sql = f"INSERT INTO {named(table)} ({listed}) VALUES (?)"  # read once, however many rows
        while part := list(islice(left, ROWS_AT_ONCE)):
            self._change(sql, [Rendered("), (".join(literal(row, dialect) for row in part))])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make several changes one, where the destination can."""
        able = self._client.capabilities  # of those that can, dlt says mostly that their DDL can
        can = able.supports_transactions or able.supports_ddl_transactions
        with self._client.begin_transaction() if can else nullcontext():
            yield

    def release(self) -> None:
        """Let DuckDB use the blocks of deleted rows again."""
        if self._language.dialect == "duckdb":
            self._client.execute_sql("CHECKPOINT")

    def _condition(self, sql: str, values: Sequence[object]) -> Rendered:
        return Rendered(self._language.condition(sql, values))

    def _change(self, sql: str, values: Sequence[object]) -> None:
        with self._run(self._client, sql, values):
            pass

    def _run(
        self, client: Client, sql: str, values: Sequence[object]
    ) -> AbstractContextManager[Any]:
        return self._execute(client, self._language.statement(sql, values))

    def _execute(self, client: Client, statement: str) -> AbstractContextManager[Any]:
        if is_sqlalchemy(client):
            return _through_driver(client, statement)
        if self._language.dialect == "bigquery":
            statement = statement.replace("%", "%%")  # its driver halves them
        return client.execute_query(statement)

    def _rows(self, rows: Iterable[Sequence[Any]]) -> list[Row]:
        if self._language.dialect in NAIVE:
            return [aware(row) for row in rows]
        return [tuple(row) for row in rows]


def language_of(client: Client) -> Language:
    """Return how a client's database is spoken to."""
    able = client.capabilities
    return Language(
        str(able.sqlglot_dialect or "postgres"),
        client.make_qualified_table_name,
        able.casefold_identifier,
    )


def _described(cursor: Any) -> Iterable[Sequence[Any]]:  # noqa: ANN401 - of any driver
    """Return what a cursor says of its columns, also where SQLAlchemy keeps it."""
    described: Iterable[Sequence[Any]] = (
        getattr(cursor, "description", None) or cursor.cursor.description
    )
    return described


def _where(condition: str) -> str:
    return f" WHERE {condition or 'TRUE'}"  # BigQuery changes nothing without one


def is_sqlalchemy(client: object) -> bool:
    """Whether a client of dlt's, of jobs or of SQL, works through SQLAlchemy."""
    return type(client).__module__.startswith("dlt.destinations.impl.sqlalchemy")


@contextmanager
@raise_database_error
def _through_driver(client: Any, statement: str) -> Iterator[Any]:  # noqa: ANN401 - dlt's client
    """Run a statement as it is: SQLAlchemy would take `:name` in a text for a parameter."""
    with client._ensure_transaction():  # noqa: SLF001 - as dlt's execute_query does
        found = client.native_connection.exec_driver_sql(
            statement, execution_options={"no_parameters": True}
        )
        try:
            yield found
        finally:
            found.close()
