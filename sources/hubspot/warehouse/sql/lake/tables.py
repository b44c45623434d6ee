"""The tables of a dataset in files: asked by DuckDB in memory, changed by their own libraries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from ..keys import Row
from ..tables import Tables
from ..translate import named
from .formats import BATCH_ROWS, FileTable
from .merging import FILTERED, held_rows, leading, replace_keys
from .reading import LakeSqlClient, in_memory


class LakeTables(Tables):
    """Tables in files. A change rewrites the files that hold rows of it, in one commit a table."""

    def __init__(self, client: LakeSqlClient, *others: Any) -> None:  # noqa: ANN401
        """Take over a client, with an open connection to DuckDB, and what all tables need."""
        super().__init__(client, *others)
        self._lake = client.lake

    def delete(self, table: str, where: str = "", *values: object) -> None:
        """Delete the rows that meet a condition on their own columns."""
        found = self._found(table)
        if not where:
            found.overwrite(found.schema.empty_table().to_reader())
            return
        deletes = f"DELETE FROM {named(table)} WHERE {where}"
        condition = self._language.statement(deletes, values).partition(" WHERE ")[2]
        self._rewrite(
            found, table, condition, f"SELECT * FROM held WHERE ({condition}) IS NOT TRUE"
        )

    def update(
        self, table: str, sets: Mapping[str, object], where: str = "", *values: object
    ) -> None:
        """Give the rows that meet a condition on their own columns the same values."""
        found, condition = self._found(table), self._language.condition(where or "TRUE", values)
        new = [
            self._language.condition(
                f"CASE WHEN {where or 'TRUE'} THEN ? ELSE {named(name)} END", [*values, value]
            )
            for name, value in sets.items()
        ]
        shown = ", ".join(f"{one} AS {named(name)}" for one, name in zip(new, sets, strict=True))
        self._rewrite(found, table, condition, f"SELECT * REPLACE ({shown}) FROM held", {*sets})

    def delete_keys(self, table: str, columns: Sequence[str], keys: Iterable[Row]) -> None:
        """Delete the rows with these keys, all at once."""
        self._replace(table, columns, [dict(zip(columns, key, strict=True)) for key in keys])

    def update_keys(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Iterable[tuple[Row, Row]],
    ) -> None:
        """Give the rows with these keys values of their own, all at once."""
        news = [
            dict(zip([*key, *(f"new:{name}" for name in columns)], (*one, *new), strict=True))
            for one, new in rows
        ]
        self._replace(table, key, news, columns)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add rows, in one commit."""
        found = self._found(table)
        given = [dict(zip(columns, row, strict=True)) for row in rows]
        if given:
            schema = pa.schema([found.schema.field(name) for name in columns])
            found.append(pa.Table.from_pylist(given, schema=_plain(schema)).to_reader())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do nothing: files have no transactions of several tables."""
        yield

    def release(self) -> None:
        """Delete the files, and what logs say of them, that hold former rows only."""
        for name in self._lake.schema.tables:
            if found := self._lake.table(name):
                found.forget_past()

    def _found(self, table: str) -> FileTable:
        found = self._lake.table(table) if self.dataset == self._lake.dataset_name else None
        if found is None:
            raise DatabaseUndefinedRelation(KeyError(table))
        return found

    def _leading(self, table: str, found: FileTable, changed: set[str]) -> str | None:
        """Return the column that says which files a change is about; it may not change itself."""
        described: Any = self._lake.schema.tables.get(table, {"columns": {}})
        keys = [
            *get_columns_names_with_prop(described, "primary_key"),
            *get_columns_names_with_prop(described, "merge_key"),
            *found.schema.names,
        ]
        return leading(found.schema, [key for key in keys if key not in changed])

    def _rewrite(
        self,
        found: FileTable,
        table: str,
        condition: str,
        news: str,
        changed: set[str] | None = None,
    ) -> None:
        """Put what a statement makes of `held`, rows of a table, in their place."""
        lead = self._leading(table, found, changed or set())
        with in_memory() as connection:
            connection.register("whole", found.dataset())
            which = f"DISTINCT {named(lead)}" if lead else "1"
            asked = f"SELECT {which} FROM whole WHERE {condition} LIMIT {FILTERED + 1}"
            values = connection.execute(asked).to_arrow_table().column(0).combine_chunks()
            if not len(values):
                return
            if lead and len(values) <= FILTERED:
                values = values.cast(found.schema.field(lead).type)
                connection.register("held", held_rows(found, lead, values))
                rows = connection.execute(news).to_arrow_reader(BATCH_ROWS)
                found.replace(lead, values, rows)
            else:
                connection.register("held", found.dataset())
                found.overwrite(connection.execute(news).to_arrow_reader(BATCH_ROWS))

    def _replace(
        self,
        table: str,
        key: Sequence[str],
        staged: Sequence[Mapping[str, object]],
        columns: Sequence[str] = (),
    ) -> None:
        """Delete the rows with some keys, or give those their own values in some columns."""
        if not staged:
            return
        found = self._found(table)
        fields = [found.schema.field(name) for name in key]
        fields += [found.schema.field(name).with_name(f"new:{name}") for name in columns]
        with in_memory() as connection:
            rows = pa.Table.from_pylist([*staged], schema=_plain(pa.schema(fields)))
            connection.register("staged", rows)
            news = "SELECT * FROM staged WHERE FALSE"
            if columns:
                connection.register("old", found.dataset())
                new = ", ".join(f"s.{named(f'new:{name}')} AS {named(name)}" for name in columns)
                same = " AND ".join(f"s.{named(k)} IS NOT DISTINCT FROM t.{named(k)}" for k in key)
                news = f"SELECT t.* REPLACE ({new}) FROM old t JOIN staged s ON {same}"
            replace_keys(connection, found, key, news)


def _plain(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])
