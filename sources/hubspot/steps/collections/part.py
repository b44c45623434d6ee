"""One endpoint at work, or a part of it: what its readers work with."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import dlt

from ...catalog.endpoints.declaration import Endpoint, Params
from ...errors import HubSpotError
from ...http.client import Client
from ...model import REJECTS, TableOutcome
from ...run.run import Run
from ...state.collections import CollectionState
from ...tables.endpoints.batches import Reading, to_batches
from ...tables.endpoints.items import Items
from ...tables.guarding import digest_of_rules, guarded
from ...tables.records import Batch
from .pages import Request

TODAY = "@today"
_DAYS = {"date": "%Y-%m-%d", "compact": "%Y%m%d"}  # forms of days
BLOCK = 1000  # rows that become one Arrow table
MOST_NOTED = 3


@dataclass(frozen=True)
class Part:
    """An endpoint, or what it has of one object type, one parent or one batch of parents."""

    run: Run
    endpoint: Endpoint
    outcome: TableOutcome
    scope: str = ""
    """The object type; empty where it is the portal."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Of the path."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Of its rows."""
    parent: str = ""
    """The row of another table that it is asked for, as the state names it."""
    asking: Mapping[str, str] = field(default_factory=dict)
    """Parameters of each call with the names of properties."""
    brought: dict[str, int] = field(default_factory=dict)
    """Rows that this reading has loaded, by table."""
    repeated: list[int] = field(default_factory=list)
    """Calls of lists that this reading read twice: the next one takes as many less."""
    reported: list[str] = field(default_factory=list)
    """Categories of errors that came with answers: HubSpot left some inputs out."""

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
        return self.run.portal.client_for(self.endpoint.name, self.scope)

    @property
    def mark(self) -> datetime | None:
        """What is older, by the time of its rows, is loaded; None where nothing is."""
        return self.state.marks.get(self.parent) if self.parent else self.state.watermark

    def move_mark(self, at: datetime) -> None:
        """Vouch for the rows that are older, once they are handed on."""
        if self.parent:
            self.state.marks[self.parent] = at
        else:
            self.state.watermark = at

    def request(
        self, variant: Params, own: Mapping[str, Any] | None = None, *, begun: bool = False
    ) -> Request:
        """Return the list of pages of one pass.

        Args:
            variant: slots and parameters of the pass.
            own: parameters of the query, or members of the body, of this list alone.
            begun: whether HubSpot has answered to another pass.
        """
        found = request_of(self.client, self.endpoint, variant, self.slots, own, begun=begun)
        return replace(found, params=dated(found.params, self.run.now()) | {**self.asking})

    def passes(self) -> list[Params]:
        """Return the slots and parameters of each pass."""
        return [dated(variant, self.run.now()) for variant in self.endpoint.variants]

    @property
    def shape(self) -> str:
        """What its rows are made by: where it is another, they are loaded again."""
        return shape_of(self.run, self.endpoint)

    def reading(self, at: datetime) -> Reading:
        """Begin a reading that began at an instant, which its rows bear, or the next one free."""
        return Reading(self.run.stamp(at), strip_nul=bool(self.run.options.strip_nul))

    def emit(self, items: Items, reading: Reading) -> Iterator[Any]:
        """Hand on objects as the rows of all tables of the endpoint, and what does not fit."""
        if self.endpoint.has_events:
            known = self.state.loaded_at or reading.synced_at
            self.state.loaded_at = max(reading.synced_at, known)
        yield from self.hand_on([*to_batches(self.endpoint, items, reading)])

    def hand_on(self, batches: Iterable[tuple[str, Batch]]) -> Iterator[Any]:
        """Hand on the rows of tables, and what did not fit."""
        for table, found in batches:
            batch = guarded(found, table, self.run.policy)
            rows = batch.rows.num_rows
            self.run.outcomes.of(table).rows += rows
            self.run.load.budget.take(rows)
            self.brought[table] = self.brought.get(table, 0) + rows
            if rows:
                yield dlt.mark.with_table_name(batch.rows, table)
            if batch.rejects.num_rows:
                yield dlt.mark.with_table_name(batch.rejects, REJECTS)


def note_left_out(part: Part, refused: Sequence[HubSpotError]) -> None:
    """Record why parents were left out: the first reasons, and how many parents there are."""
    for error in refused[:MOST_NOTED]:
        part.outcome.note(f"Left out: {error.message}")
    if len(refused) > MOST_NOTED:
        table = getattr(part.endpoint.per, "table", "")
        part.outcome.note(f"{len(refused)} rows of {table} were left out.")


def note_reported(part: Part) -> None:
    """Record the errors that came with answers, by their categories."""
    if part.reported:
        kinds = ", ".join(sorted({*part.reported}))
        part.outcome.note(f"HubSpot did not answer for all that it was asked for: {kinds}.")


def request_of(
    client: Client,
    endpoint: Endpoint,
    variant: Params,
    slots: Mapping[str, str],
    own: Mapping[str, Any] | None = None,
    *,
    begun: bool = False,
) -> Request:
    """Return a list of pages: slots fill the path, all else is of the query or the body."""
    template = endpoint.api.dated + endpoint.api.numbered
    filled = {**slots}
    filled |= {n: str(value) for n, value in variant.items() if f"{{{n}}}" in template}
    query = {**endpoint.params, **{n: v for n, v in variant.items() if n not in filled}}
    query |= {name: slots[name] for name in endpoint.parent_slots if f"{{{name}}}" not in template}
    path = client.slotted_path(endpoint.name, filled)
    if endpoint.method == "POST":
        return Request(endpoint, path, query, {**endpoint.body, **(own or {})}, begun=begun)
    return Request(endpoint, path, query | {**(own or {})}, begun=begun)


def dated(params: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return parameters with the date where they name it."""
    today = now.date().isoformat()
    return {
        name: value.replace(TODAY, today) if isinstance(value, str) else value
        for name, value in params.items()
    }


def constants_of(variant: Params) -> dict[str, str]:
    """Return the parameters of a pass as constants of its rows."""
    return {name: value for name, value in variant.items() if isinstance(value, str)}


def key_of(endpoint: Endpoint, scope: str = "") -> str:
    """Return the name in the state of an endpoint, or of its part of an object type."""
    return f"{endpoint.name}:{scope}" if scope else endpoint.name


def shape_of(run: Run, endpoint: Endpoint) -> str:
    """Return a digest of an endpoint's columns, and of the user's policy on them."""
    policy = run.policy
    parts = [(one.name, one.columns, digest_of_rules(one, policy)) for one in endpoint.tables]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def written(at: datetime, form: str) -> str:
    """Write an instant as HubSpot takes it in a parameter.

    >>> from datetime import UTC
    >>> written(datetime(2026, 1, 2, tzinfo=UTC), "iso")
    '2026-01-02T00:00:00.000Z'
    """
    if form in {"ms", "midnight"}:
        return str(int(at.timestamp() * 1000))
    if form in _DAYS:
        return at.strftime(_DAYS[form])
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Return the values of a row's columns as texts, as calls name it."""
    return tuple("" if one is None else str(one) for one in values)
