"""Rows that go because of what other rows say: their keys are selected first, by plain queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .tables import Tables


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows of a table, by a query that returns their keys."""

    table: str
    columns: Sequence[str]
    """Of the keys, as the query returns them."""
    keys: str
    """The query; one that is asked of several tables has `?` for all names."""
    values: Sequence[object] = ()


def delete_selected(tables: Tables, rows: Iterable[Selected]) -> None:
    """Delete rows by their keys; the same query about several tables is one statement.

    It counts, for mostly there are none; the keys of those that are there come page by page.
    """
    same: dict[str, list[Selected]] = {}
    for one in rows:
        same.setdefault(one.keys, []).append(one)
    for keys, asked in same.items():
        found = tables.counts(
            {str(at): one.values for at, one in enumerate(asked)}, f"({keys}) AS selected"
        )
        for at, one in enumerate(asked):
            if found[str(at)]:
                for page in tables.pages(keys, *one.values):
                    tables.delete_keys(one.table, one.columns, page)
