"""Table schemas of a run: property definitions read at most every 12 hours, several at once."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any

import dlt

from .model import Column, ObjectType, TableSchema
from .properties import Definition, pack, read_definitions, to_schema, unpack
from .run import Run, wait
from .state import SourceState

MAX_AGE = timedelta(hours=12)


class Schemas:
    """Schemas by table; definitions that this run had to read stay for the reference tables."""

    def __init__(self, run: Run, object_types: Sequence[ObjectType]) -> None:
        """Remember what may be asked for; nothing is called yet."""
        self._run = run
        self._types = object_types
        self._calls: dict[str, Future[list[Definition]]] = {}
        self.read: dict[str, list[Definition]] = {}
        self.columns: dict[str, list[Column]] = {}
        self.since: dict[str, dict[str, str]] = {}

    def of(
        self, object_type: ObjectType, source: SourceState
    ) -> Generator[None, None, TableSchema]:
        """Return one table's schema: from the cache in the state, or from HubSpot.

        Raises:
            HubSpotError: the definitions cannot be read; the table cannot be, either.
        """
        table = object_type.table
        cached = self._cached(object_type, source)
        if cached is not None:
            return TableSchema(table, tuple(unpack(cached)))
        self._prefetch(source)
        definitions = yield from wait(self._calls[table])
        known = unpack(source.columns.get(table, []))
        schema = to_schema(table, definitions, known, _normalize())
        new = [column for column in schema.columns if column not in known]
        source.columns[table] = pack([*known, *new])
        source.cache(f"properties:{table}", pack(schema.columns), now=self._run.now())
        self.read[table] = definitions
        self.columns[table] = [*known, *new]
        self.since[table] = source.note_columns(table, new, at=self._run.now())
        return schema

    def _cached(self, object_type: ObjectType, source: SourceState) -> list[Any] | None:
        if self._run.refresh_schema and object_type.table not in self.read:
            return None
        name = f"properties:{object_type.table}"
        value: list[Any] | None = source.cached(name, now=self._run.now(), max_age=MAX_AGE)
        return value

    def _prefetch(self, source: SourceState) -> None:
        """Start reading the definitions of every type that needs them, once."""
        for object_type in self._types:
            table = object_type.table
            if table not in self._calls and self._cached(object_type, source) is None:
                client = self._run.client.for_table("properties")
                call = partial(read_definitions, client, object_type)
                self._calls[table] = self._run.submit(call)


def _normalize() -> Callable[[str], str]:
    """Return dlt's naming of identifiers, with the destination's limit of their length."""
    normalize: Callable[[str], str] = dlt.current.source_schema().naming.normalize_identifier
    return normalize
