"""One endpoint at work, or one object type's part of it: what its readers work with."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dlt

from ...catalog.endpoints import TABLES
from ...catalog.endpoints.declaration import Endpoint, Params
from ...http.client import Client
from ...model import REJECTS, TableOutcome
from ...run.run import Run
from ...state.collections import CollectionState
from ...tables.endpoints.batches import OWN_COLUMNS, Reading, to_batches
from ...tables.endpoints.items import Items
from ...tables.guarding import guarded
from ...tables.records import Batch
from .pages import Request

BLOCK = 1000  # rows that become one Arrow table


@dataclass(frozen=True)
class Part:
    """An endpoint, or what it has of one object type."""

    run: Run
    endpoint: Endpoint
    outcome: TableOutcome
    scope: str = ""
    """The object type; empty where it is the portal."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Of the path."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Of its rows."""
    brought: dict[str, int] = field(default_factory=dict)
    """Rows that this reading has loaded, by table."""

    @property
    def key(self) -> str:
        """Its name in the state."""
        return key_of(self.endpoint, self.scope)

    @property
    def state(self) -> CollectionState:
        """What is kept of it."""
        return self.run.state.collection(self.key)

    @property
    def client(self) -> Client:
        """The client whose meter counts its calls."""
        return self.run.portal.client_for(self.endpoint.name)

    def request(
        self,
        variant: Params,
        slots: Mapping[str, str],
        own: Mapping[str, Any] | None = None,
        *,
        begun: bool = False,
    ) -> Request:
        """Return the list of pages of one pass.

        Args:
            variant: slots and parameters of the pass.
            slots: of the path, besides those of the part.
            own: parameters of the query, or members of the body, of this list alone.
            begun: whether HubSpot has answered to another pass.
        """
        endpoint = self.endpoint
        filled = {**self.slots, **slots}
        template = endpoint.api.dated + endpoint.api.numbered
        filled |= {name: value for name, value in variant.items() if f"{{{name}}}" in template}
        query = {**endpoint.params, **{n: v for n, v in variant.items() if n not in filled}}
        path = self.client.slotted_path(endpoint.name, filled)
        if endpoint.method == "POST":
            return Request(endpoint, path, query, {**endpoint.body, **(own or {})}, begun=begun)
        return Request(endpoint, path, query | {**(own or {})}, begun=begun)

    @property
    def shape(self) -> str:
        """What its rows are made by: where it is another, they are loaded again."""
        return shape_of(self.run, self.endpoint)

    def reading(self, at: datetime) -> Reading:
        """Begin a reading whose rows bear an instant."""
        return Reading(at, strip_nul=bool(self.run.options.strip_nul))

    def emit(self, items: Items, reading: Reading) -> Iterator[Any]:
        """Hand on objects as the rows of all tables of the endpoint, and what does not fit."""
        yield from self.hand_on(to_batches(self.endpoint, items, reading))

    def hand_on(self, batches: Iterable[tuple[str, Batch]]) -> Iterator[Any]:
        """Hand on the rows of tables, and what did not fit."""
        for table, found in batches:
            keys = {*TABLES[table].keys, *OWN_COLUMNS}
            batch = guarded(found, table, self.run.policy, keys)
            self.run.outcomes.of(table).rows += batch.rows.num_rows
            self.run.load.budget.take(batch.rows.num_rows)
            self.brought[table] = self.brought.get(table, 0) + batch.rows.num_rows
            if batch.rows.num_rows:
                yield dlt.mark.with_table_name(batch.rows, table)
            if batch.rejects.num_rows:
                yield dlt.mark.with_table_name(batch.rejects, REJECTS)


def key_of(endpoint: Endpoint, scope: str = "") -> str:
    """Return the name in the state of an endpoint, or of its part of an object type."""
    return f"{endpoint.name}:{scope}" if scope else endpoint.name


def shape_of(run: Run, endpoint: Endpoint) -> str:
    """Return a digest of an endpoint's columns, and of the user's policy on them."""
    parts = [(one.name, one.columns, run.policy.digest(one.name)) for one in endpoint.tables]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
