"""The tables of a dataset and of dlt's staging dataset, open for erasing rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from ..errors import ConfigError

DELETED, TAKEN_OUT = "deleted", "id taken out"

Erased = tuple[str, str, int, str]
"""Dataset, table, rows, and which of the two was done to them."""


@dataclass
class Dataset:
    """One of the two datasets of a destination."""

    name: str
    client: SqlClientBase[Any]
    tables: Mapping[str, set[str]]
    """The columns of each table that is there."""
    qualified: Mapping[str, str]
    """The name of each table in SQL."""
    rehearsing: bool = False
    """Whether to count only, and to change nothing."""
    erased: list[Erased] = field(default_factory=list)
    """What was done so far, or would be."""

    def ask(self, sql: str, *args: object) -> list[Sequence[Any]]:
        """Run a statement and return its rows."""
        return list(self.client.execute_sql(sql, *args) or ())

    def delete(self, table: str, where: str, *args: object) -> None:
        """Delete rows and note how many they were."""
        name = self.qualified[table]
        found = self.ask(f"SELECT count(*) FROM {name} WHERE {where}", *args)[0][0]
        if found:
            if not self.rehearsing:
                self.ask(f"DELETE FROM {name} WHERE {where}", *args)
            self.erased.append((self.name, table, int(found), DELETED))

    def rewrite(
        self, table: str, column: str, change: Callable[[str], str], where: str, *args: object
    ) -> None:
        """Change the texts of a column and note in how many rows they were others."""
        name, rows = self.qualified[table], 0
        where = f"{column} IS NOT NULL AND {where}"
        sql = f"SELECT {column}, count(*) FROM {name} WHERE {where} GROUP BY {column}"
        for text, count in self.ask(sql, *args):
            if (changed := change(text)) != text:
                sql = f"UPDATE {name} SET {column} = %s WHERE {column} = %s AND {where}"
                if not self.rehearsing:
                    self.ask(sql, changed, text, *args)
                rows += int(count)
        if rows:
            self.erased.append((self.name, table, rows, TAKEN_OUT))


@contextmanager
def open_datasets(pipeline: Pipeline, *, rehearsing: bool = False) -> Iterator[list[Dataset]]:
    """Open the dataset and, where it is there, dlt's staging dataset.

    The staging dataset keeps the rows that were merged last until the next load.

    Args:
        pipeline: of the dataset.
        rehearsing: whether what is erased is only counted.

    Raises:
        ConfigError: they are kept in no SQL database.
    """
    job = pipeline.destination_client()
    if not isinstance(job, SqlJobClientBase):
        raise ConfigError(
            "This destination cannot run SQL, so nothing in it can be erased from here.",
            remedy="Erase the record with the destination's own tools.",
        )
    client, tables = job.sql_client, [*pipeline.default_schema.tables]
    with job:
        found = []
        for staging in (False, True):
            with client.with_staging_dataset() if staging else nullcontext():
                if client.has_dataset():
                    there = {
                        name: reported
                        for name, reported in job.get_storage_tables(tables)
                        if reported
                    }
                    columns = {
                        name: {*map(str.casefold, reported)} for name, reported in there.items()
                    }
                    names = {name: client.make_qualified_table_name(name) for name in there}
                    found.append(Dataset(client.dataset_name, client, columns, names, rehearsing))
        yield found


def marks(values: Sequence[object]) -> str:
    """Return as many marks for parameters as there are values."""
    return ", ".join(["%s"] * len(values))
