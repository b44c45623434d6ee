"""Table schemas of a run: property definitions read at most every 12 hours, several at once."""

from collections.abc import Callable, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import dlt
import msgspec

from ...api import search
from ...api.batch_read import batches
from ...api.stages import stage_definitions
from ...errors import ContractError, HubSpotError
from ...model import Column, ObjectType, TableSchema
from ...privacy import OPEN, Policy
from ...state.source import SourceState
from ...state.table import TableState
from ...tables.drift import Facts, compare_facts, describe, facts_of
from ...tables.properties import Definition, pack, read_definitions, to_schema, unpack
from ..findings import TableFindings
from ..options import Options
from ..pace.waiting import wait
from . import refusals
from .column_policies import by_policy, is_current, note_columns, to_empty
from .portal import Portal

MAX_AGE = timedelta(hours=12)


class Schemas:
    """Schemas by table; definitions that this run had to read stay for the reference tables."""

    def __init__(
        self,
        portal: Portal,
        options: Options,
        tables: TableFindings,
        object_types: Sequence[ObjectType],
        stages: Callable[[ObjectType], Generator[None, None, Mapping[str, str]]],
        policy: Policy = OPEN,
    ) -> None:
        """Remember what may be asked for; nothing is called yet.

        Args:
            portal: whose definitions are read.
            options: of the run.
            tables: where the run keeps what it has read of them.
            object_types: of the tables.
            stages: begins to find out the labels of a type's stages, by their ids.
            policy: the user's, on what is read of their properties.
        """
        self._portal, self._options, self._tables = portal, options, tables
        self.policy, self._stages = policy, stages
        self.object_types = object_types
        self._calls: dict[str, Future[list[Definition]]] = tables.definitions
        self.read: dict[str, list[Definition]] = {}
        self.columns: dict[str, list[Column]] = {}
        self.since: dict[str, dict[str, datetime]] = {}

    def of(
        self, object_type: ObjectType, source: SourceState, *, again: bool = False
    ) -> Generator[None, None, TableSchema]:
        """Return one table's schema: from the cache in the state, or from HubSpot.

        Columns that are new since the definitions were last read are pending for the table: its old
        records may have values of them.

        Args:
            object_type: of the table.
            source: the state.
            again: whether to ask HubSpot however young the cache is, once a run.

        Raises:
            HubSpotError: the definitions cannot be read; the table cannot be, either.
        """
        table = object_type.table
        known = unpack(source.columns.get(table, []))
        is_stale = again and table not in self._tables.refreshed
        is_stale = is_stale or not is_current(source, self.policy, table)
        facts = None if is_stale else self._cached(table, source)
        waiting = self._stages(object_type)
        if facts is None:
            yield from self._definitions(object_type, source, known)
        stages = yield from waiting
        if facts is not None and stages == (source.last(stages_name(table)) or {}):
            return _schema(table, known, facts, self.policy)
        definitions = yield from self._definitions(object_type, source, known)
        if stages:
            source.remember(stages_name(table), stages, now=self._portal.now())
        return self._renew(object_type, source, definitions, known)

    def _definitions(
        self, object_type: ObjectType, source: SourceState, known: Sequence[Column]
    ) -> Generator[None, None, list[Definition]]:
        """Read the property definitions of a type, once a run."""
        table = object_type.table
        if error := refusals.remembered(self._portal, self._options, source, table):
            raise error
        if table not in self._calls:
            self._calls[table] = self._submit(object_type)
        try:
            definitions = yield from wait(self._calls[table])
        except HubSpotError as error:
            if not known:  # a table that was loaded goes stale: it is asked for by every run
                refusals.remember(self._portal, source, table, error)
            raise
        if known and not definitions:  # HubSpot's own properties never go
            raise ContractError(
                f"HubSpot names no property of {table}, which had {len(known)}.",
                remedy="Run the sync again; nothing is lost. If it happens again, report it.",
            )
        return definitions

    def _renew(
        self,
        object_type: ObjectType,
        source: SourceState,
        definitions: list[Definition],
        known: Sequence[Column],
    ) -> TableSchema:
        """Make the schema again from definitions, and note what became of the properties."""
        table, now, policy = object_type.table, self._portal.now(), self.policy
        stages, listed = source.last(stages_name(table)) or {}, definitions
        hidden = stage_definitions(stages, {one.name for one in listed})
        definitions = [*listed, *hidden]
        schema = to_schema(table, _by_policy(policy, table, definitions), known, _normalize())
        columns = [*known, *(column for column in schema.columns if column not in known)]
        source.columns[table] = pack(columns)
        before = facts_of(source.last(_cache_name(table)))
        facts = describe(schema.columns, definitions)
        source.remember(_cache_name(table), msgspec.to_builtins(facts), now=now)
        outdated = to_empty(source, policy, table)
        changes = compare_facts(table, before, facts, known)
        self._tables.schema_changes += by_policy(policy, table, changes, outdated)
        if before is not None or outdated:
            emptied = {column.name for column in outdated}
            read = {name for name in (before or facts) if name not in emptied}
            returned = {column.name for column in known} - read - emptied
            self._add_pending(object_type, source.table(table), facts, read, returned)
        self.read[table], self.columns[table] = listed, _current(columns, facts)
        self._tables.refreshed.add(table)
        self.since[table] = source.note_columns(table, columns, at=now)
        removes = self._options.refresh_schema
        note_columns(source, policy, table, columns, current=schema.columns, emptied=removes)
        return _schema(table, columns, facts, policy)

    def _add_pending(
        self,
        object_type: ObjectType,
        state: TableState,
        facts: Facts,
        read: AbstractSet[str],
        returned: AbstractSet[str],
    ) -> None:
        """Mark the columns as pending that came since the definitions were last read.

        Args:
            object_type: of the table.
            state: of the table.
            facts: the columns that are read.
            read: columns that were read before, and hold what they did.
            returned: columns that may hold values from an earlier time.
        """
        came = [(name, fact.property) for name, fact in facts.items() if name not in read]
        if came:
            state.note_columns_added(self._portal.now())
        is_begun_again = state.has_older_rows and state.backfill is None
        if not object_type.searchable or is_begun_again:
            return  # it is listed whole
        for part in batches(came, search.GROUPS):
            stale = [column for column, _ in part if column in returned]
            state.add_pending_columns(dict(part), at=self._portal.now(), returned=stale)

    def _cached(self, table: str, source: SourceState) -> Facts | None:
        renews = self._options.refresh_schema and table not in self._tables.refreshed
        if renews:
            return None
        value = source.cached(_cache_name(table), now=self._portal.now(), max_age=MAX_AGE)
        return facts_of(value)

    def _submit(self, object_type: ObjectType) -> Future[list[Definition]]:
        client, sensitive = (
            self._portal.client_for("properties"),
            self._portal.client.config.sensitive,
        )
        return self._portal.submit(
            partial(read_definitions, client, object_type, sensitive=sensitive)
        )


def _cache_name(table: str) -> str:
    return f"properties:{table}"


def stages_name(table: str) -> str:
    """Return the name under which the state keeps the stages of a table's pipelines."""
    return f"stages:{table}"


def stored_schema(table: str, source: SourceState, policy: Policy) -> TableSchema:
    """Return a table's schema as the last sync had it; nothing is asked of HubSpot."""
    known = unpack(source.columns.get(table, []))
    return _schema(table, known, facts_of(source.last(_cache_name(table))) or {}, policy)


def _schema(table: str, known: Sequence[Column], facts: Facts, policy: Policy) -> TableSchema:
    """Return the columns of the properties that are read, in the order of property names."""
    columns = [
        replace(column, hasher=policy.hasher_of(table, column.property))
        for column in sorted(known, key=lambda column: column.property)
        if column.name in facts and policy.rule(table, column.property) != "excluded"
    ]
    calculated = [column for column in columns if facts[column.name].calculated]
    return TableSchema(table, tuple(columns), tuple(calculated), policy.applies_to(table))


def _by_policy(
    policy: Policy, table: str, definitions: Sequence[Definition]
) -> Sequence[Definition]:
    """Return the definitions of what is read; hashes are text, of whatever type the values are."""
    if policy.is_open:
        return definitions
    rules = [policy.rule(table, one.name) for one in definitions]
    return [
        msgspec.structs.replace(one, type="hashed") if rule == "hashed" else one
        for one, rule in zip(definitions, rules, strict=True)
        if rule != "excluded"
    ]


def _current(known: Sequence[Column], facts: Facts) -> list[Column]:
    """Return all columns, those of today with the label and the type that HubSpot has for them."""
    return [
        replace(column, label=facts[column.name].label, hubspot_type=facts[column.name].type)
        if column.name in facts
        else column
        for column in known
    ]


def _normalize() -> Callable[[str], str]:
    """Return dlt's naming of identifiers, with the destination's limit of their length."""
    normalize: Callable[[str], str] = dlt.current.source_schema().naming.normalize_identifier
    return normalize
