"""The tables of a dataset and of dlt's staging dataset, open for erasing rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.pipeline.pipeline import Pipeline

from .sql import Row, Tables, named, of_parts, open_tables

DELETED, TAKEN_OUT = "deleted", "id taken out"

Erased = tuple[str, str, int, str]
"""Dataset, table, rows, and which of the two was done to them."""


@dataclass
class Dataset:
    """One of the two datasets of a destination."""

    held: Tables
    tables: Mapping[str, set[str]]
    """The columns of each table that is there."""
    keys: Mapping[str, Sequence[str]]
    """The columns that name a row of each table; none where nothing does."""
    rehearsing: bool = False
    """Whether to count only, and to change nothing."""
    erased: list[Erased] = field(default_factory=list)
    """What was done so far, or would be."""

    def ask(self, table: str, shown: Iterable[str], where: str, *values: object) -> list[Row]:
        """Return columns of the rows that meet a condition."""
        columns = ", ".join(map(named, shown))
        return self.held.select(f"SELECT {columns} FROM {named(table)} WHERE {where}", *values)

    def delete(self, table: str, where: str, *values: object) -> None:
        """Delete the rows that meet a condition on their own columns; note how many they were."""
        if rows := self._count(table, where, values):
            if not self.rehearsing:
                self.held.delete(table, where, *values)
            self.erased.append((self.held.dataset, table, rows, DELETED))

    def delete_keys(self, table: str, columns: Sequence[str], keys: Iterable[Row]) -> None:
        """Delete the rows with these keys; note how many they were."""
        known = [*dict.fromkeys(keys)]
        if rows := sum(self._count(table, *one) for one in of_parts(columns, known)):
            if not self.rehearsing:
                self.held.delete_keys(table, columns, known)
            self.erased.append((self.held.dataset, table, rows, DELETED))

    def rewrite(
        self, table: str, column: str, change: Callable[[str], str], where: str, *values: object
    ) -> None:
        """Change the texts of a column and note in how many rows they were others."""
        key = self.keys.get(table) or sorted(self.tables[table])
        where = f"{named(column)} IS NOT NULL AND ({where})"
        found = self.ask(table, [*key, column], where, *values)
        news = [(row[:-1], (new,)) for row in found if (new := change(row[-1])) != row[-1]]
        if news:
            if not self.rehearsing:
                self.held.update_keys(table, key, [column], news)
            self.erased.append((self.held.dataset, table, len(news), TAKEN_OUT))

    def _count(self, table: str, where: str, values: Sequence[object]) -> int:
        return self.held.counts([table], f"{{}} WHERE {where}", *values)[table]


@contextmanager
def open_datasets(pipeline: Pipeline, *, rehearsing: bool = False) -> Iterator[list[Dataset]]:
    """Open the dataset and, where it is there, dlt's staging dataset.

    The staging dataset keeps the rows that were merged last until the next load.

    Args:
        pipeline: of the dataset.
        rehearsing: whether what is erased is only counted.

    Raises:
        ConfigError: the destination keeps no tables that can be changed.
    """
    known = pipeline.default_schema.tables
    keys = {name: get_columns_names_with_prop(one, "primary_key") for name, one in known.items()}
    with ExitStack() as stack:
        opened = [
            stack.enter_context(open_tables(pipeline, staging=staging)) for staging in (False, True)
        ]
        there = [(held, held.columns(known)) for held in opened]
        yield [Dataset(held, tables, keys, rehearsing) for held, tables in there if tables]
