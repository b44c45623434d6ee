"""Table schemas of a run: property definitions read at most every 12 hours, several at once."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial

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
        self._calls: dict[str, Future[list[Definition]]] = run.definitions
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
        known = unpack(source.columns.get(table, []))
        if cached is not None:
            current = set(cached)
            return TableSchema(table, tuple(c for c in known if c.name in current))
        self._prefetch(source)
        definitions = yield from wait(self._calls[table])
        schema = to_schema(table, definitions, known, _normalize())
        new = [column for column in schema.columns if column not in known]
        source.columns[table] = pack([*known, *new])
        names = [column.name for column in schema.columns]
        source.cache(f"properties:{table}", names, now=self._run.now())
        self.read[table] = definitions
        self._run.refreshed.add(table)
        self.columns[table] = [*known, *new]
        self.since[table] = source.note_columns(table, new, at=self._run.now())
        return schema

    def _cached(self, object_type: ObjectType, source: SourceState) -> list[str] | None:
        if self._run.refresh_schema and object_type.table not in self._run.refreshed:
            return None
        name = f"properties:{object_type.table}"
        value: list[str] | None = source.cached(name, now=self._run.now(), max_age=MAX_AGE)
        return value

    def _prefetch(self, source: SourceState) -> None:
        """Start reading the definitions of every type that needs them, once."""
        for object_type in self._types:
            table = object_type.table
            if table not in self._calls and self._cached(object_type, source) is None:
                client = self._run.client_for("properties")
                sensitive = self._run.config.sensitive
                call = partial(read_definitions, client, object_type, sensitive=sensitive)
                self._calls[table] = self._run.submit(call)


def _normalize() -> Callable[[str], str]:
    """Return dlt's naming of identifiers, with the destination's limit of their length."""
    normalize: Callable[[str], str] = dlt.current.source_schema().naming.normalize_identifier
    return normalize
