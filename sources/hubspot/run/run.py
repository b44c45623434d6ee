"""One run over one portal: its client, the calls in flight, the load's bound, the outcomes."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

from ..api import search
from ..config import HubSpotConfig
from ..errors import (
    ConfigError,
    HubSpotError,
    NotFoundError,
    ScopeMissingError,
    ends_run,
    is_absent,
)
from ..http.client import Client
from ..listing.prefetch import Calls
from ..model import LIVE, Account, Copy, ObjectType, SchemaChange, TableOutcome, decode_account
from ..state.damage import Damage
from ..state.source import SourceState
from ..state.store import Store
from .budget import LoadBudget
from .portal_types import PortalTypes
from .waiting import wait_until

T = TypeVar("T")
Items = Generator[Any, None, None]
"""Arrow tables for dlt, each marked for its own table; None while waiting."""

Lane = Literal["interval", "search", "links", "exports"]
LANES: dict[Lane, int] = {"interval": 0, "search": 8, "links": 0, "exports": 1}
"""Threads per rate budget, so that one that waits holds up no other; 0: the calls in flight."""


@dataclass
class Run:
    """What all resources of a run share; it lives for all its loads."""

    config: HubSpotConfig
    client: Client
    budget: LoadBudget = field(default_factory=LoadBudget)
    report_errors: bool = False
    """Whether an error of one table is an outcome, and the rest goes on; else it is raised."""
    chosen: bool = False
    """Whether the tables were chosen by name, instead of all there are."""
    refresh_schema: bool = False
    full_refresh: bool = False
    """Whether every table is read anew, once."""
    restarted: set[str] = field(default_factory=set)
    """Tables that this run has begun anew."""
    definitions: dict[str, Future[Any]] = field(default_factory=dict)
    """Property definitions by table, as this run asked for them."""
    refreshed: set[str] = field(default_factory=set)
    """Tables whose schema this run has renewed."""
    strip_nul: bool | None = None
    """Whether the destination cannot hold NUL characters in text; None until it is known."""
    hard_delete: bool = False
    """Whether deleted records leave no tombstone in the warehouse."""
    sweep_links: bool = False
    """Whether all links are read again, whatever the schedule says."""
    copy: Copy | None = None
    """The warehouse; without it nothing is compared with what is there, and no links swept."""
    refused_pairs: set[str] = field(default_factory=set)
    """Link tables that HubSpot or the token does not have."""
    dead: set[str] = field(default_factory=set)
    """Tables whose load brings tombstones: links to and from them go."""
    merged: set[str] = field(default_factory=set)
    """Tables whose load brings tombstones of merged records."""
    vanished: dict[str, set[str]] = field(default_factory=dict)
    """Ids by table that HubSpot holds neither live nor archived, to be marked as purged."""
    totals: dict[str, int | None] = field(default_factory=dict)
    """Live records by table as HubSpot counted them in this run; None where it does not tell."""
    gaps: dict[str, datetime | None] = field(default_factory=dict)
    """Tables to be looked into by the next load, and when a complete new listing began, if so."""
    deep: set[str] = field(default_factory=set)
    """Tables to be recounted in many ranges of ids, whatever their numbers are."""
    mismatches: dict[str, Sequence[int]] = field(default_factory=dict)
    """Live records, live rows and when (epoch ms) they were last found to differ, by table."""
    probes: dict[str, Any] = field(default_factory=dict)
    """What HubSpot said of each table before it was read; see `steps.probe`."""
    sweeps_begun: set[tuple[str, str]] = field(default_factory=set)
    """Kinds and tables of the steps that this run has planned."""
    due_links: set[str] = field(default_factory=set)
    """Link tables that are to be swept in this run."""
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    """Why each step was taken, by table and kind."""
    repairs: dict[str, list[str]] = field(default_factory=dict)
    """Ids by table that a load only has to read again."""
    repairing: bool = False
    """Whether loads only read again what `repairs` and `late_links` name."""
    archived_seen: dict[str, set[str]] = field(default_factory=dict)
    """Ids that an unfinished sweep of a table's archive has seen."""
    resumed: set[str] = field(default_factory=set)
    """Tables whose listing an earlier run began."""
    store: Store = field(default_factory=Store)
    """What dlt keeps between runs, as the resources of a load share it."""
    damages: Sequence[Damage] = ()
    """What of the state was damaged as this run found it."""
    mended: list[str] = field(default_factory=list)
    """What of the state was damaged and is read again."""
    replaced: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """When reference tables, or the rows of which keys begin with a text, were read anew."""
    link_sides: dict[str, Literal["source", "target"]] = field(default_factory=dict)
    """The end of each pair that all of its links are read from."""
    late_links: dict[str, set[str]] = field(default_factory=dict)
    """From-ids by link table whose links a load had read before they changed."""
    linked: set[str] = field(default_factory=set)
    """Link tables that this run brought rows of, and what an earlier one may not have cleaned up:
    tables whose links to records that are not there go at the end of the run."""
    stale_labels: set[str] = field(default_factory=set)
    """Link tables whose links bear other labels than their association types did."""
    relabelled: set[str] = field(default_factory=set)
    """Link tables whose association types this load brings with other labels."""
    swept_links: set[str] = field(default_factory=set)
    """Link tables whose turn to be swept came in this run."""
    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Link tables, and the object tables at their ends."""
    tidy: set[str] = field(default_factory=set)
    """Tables that an earlier run may not have tidied up after its last load."""
    schema_changes: list[SchemaChange] = field(default_factory=list)
    """What became of properties since they were last read."""
    on_expected: Callable[[str, int], None] | None = None
    """Called with a table and how many more rows it is expected to bring, for progress."""
    on_message: Callable[[str], None] | None = None
    """Told what takes its time, for progress."""
    folder: str | None = None
    """Where downloads lie while they are read; the machine's place for such where None."""
    ahead: dict[str, tuple[Sequence[str], Calls]] = field(default_factory=dict)
    """Pages of the listing by table that the load before has asked for, and of which properties."""
    downloads: dict[str, Future[Any]] = field(default_factory=dict)
    """Exports by table, on their way or being read; load after load takes its rows of them."""
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    outcomes: dict[str, TableOutcome] = field(default_factory=dict)
    loading: Sequence[str] = ()
    """Object tables that this load has something to do for."""
    open_tables: set[str] = field(default_factory=set)
    """Object tables that this load has begun and not finished extracting."""
    open_tails: set[str] = field(default_factory=set)
    """Resources that wait for the object tables, begun and not finished."""
    portal_types: PortalTypes = field(default_factory=PortalTypes)
    """The object types of the portal, as HubSpot listed them when the run began."""
    unfinished: set[str] = field(default_factory=set)
    """Tables that need another load."""
    changed: set[str] = field(default_factory=set)
    """Tables in which this run found a change."""
    before_ended: datetime | None = None
    """When the run before this one stopped reading; None where it did not come to its end."""
    backfilled: dict[str, datetime] = field(default_factory=dict)
    """Tables that this run listed to the end, and when the listing began."""
    fresh: bool = False
    """Whether this load brings the first rows of the dataset, so that none replaces another."""
    appending: set[str] = field(default_factory=set)
    """Tables whose rows this load adds without a merge."""
    listed_now: set[str] = field(default_factory=set)
    """Tables that this load lists: the warehouse does not know all of their ids yet."""
    stopped: HubSpotError | None = None
    """The error that ends the whole run: nothing more is asked of HubSpot."""

    def __post_init__(self) -> None:
        """Make the pools of threads, which start with their first call; nothing is sent yet."""
        self._log, self.client.health.tell = self.client.health.tell, self.say
        self._pools = {
            lane: ThreadPoolExecutor(threads or self.config.calls_in_flight, f"hubspot-{lane}")
            for lane, threads in LANES.items()
        }
        self._clients: dict[str, Client] = {}
        self._loads = 0
        self._remaining: set[str] | None = None
        self._tables: list[str] = []
        self._live: dict[str, int] | None = None
        self._extents: dict[str, Future[tuple[int | None, int | None]]] = {}

    def say(self, text: str) -> None:
        """Show a message on progress; in the log where nobody displays any."""
        (self.on_message or self._log)(text)

    def begin_load(self, tables: Sequence[str]) -> None:
        """Begin the next load: all tables in the first, those left unfinished in the others."""
        self._tables, self._live = list(tables), None
        self._remaining = self.unfinished if self._loads or self.repairing else None
        self._loads += 1
        self.dead, self.merged, self.listed_now = set(), set(), set()
        self.appending, self.unfinished = set(), set()
        self.open_tables, self.open_tails = set(), set()
        self.budget.restart()

    def live_count(self, table: str) -> int | None:
        """Count the live rows of a table before this load; None where nobody can tell."""
        if self._live is None and self.copy is not None:
            self._live = dict(self.copy.counts(self._tables, LIVE))
        return None if self._live is None else self._live.get(table, 0)

    def restart(self, table: str) -> bool:
        """Tell, once a run and table, whether what the state says of it is to be forgotten."""
        first = self.full_refresh and table not in self.restarted
        self.restarted.add(table)
        return first

    def expect(self, table: str, rows: int) -> None:
        """Report how many more rows a table is expected to bring, for progress."""
        if self.on_expected:
            self.on_expected(table, max(0, rows))

    def wants(self, table: str) -> bool:
        """Whether this load still has something to do for a table."""
        return self._remaining is None or table in self._remaining

    def after_tables(self, name: str, rows: Items, *, last_load: bool = True) -> Items:
        """Run a resource when all object tables are done: of the last load, or of each."""
        self.open_tails.add(name)
        try:
            yield from wait_until(lambda: not self.open_tables)
            if not last_load or not (self.stopped or self.unfinished):
                yield from rows
        finally:
            self.open_tails.discard(name)

    def tail(self, name: str, rows: Items) -> Items:
        """Run a resource that the run's own rows have to wait for."""
        self.open_tails.add(name)
        try:
            yield from rows
        finally:
            self.open_tails.discard(name)

    @property
    def state(self) -> SourceState:
        """The state, as the resources of this load share it."""
        return self.store.state

    @property
    def loads(self) -> int:
        """Loads begun so far."""
        return self._loads

    @property
    def first_load(self) -> bool:
        """Whether this is the run's first load."""
        return self._loads == 1 and not self.repairing

    @cached_property
    def account(self) -> Account:
        """Whose portal it is; HubSpot is asked once, and its answer tells the time there, too.

        Raises:
            HubSpotError: the portal does not answer or refuses the token.
        """
        path = self.client.path("account-info", "details")
        return self.client.get(path, decode=decode_account)

    @property
    def lookback(self) -> timedelta:
        """How far behind the watermark changes are searched again; the search index lags."""
        return timedelta(minutes=self.config.lookback_minutes)

    def now(self) -> datetime:
        """Tell the time by HubSpot's clock, aware UTC."""
        return self.client.portal_now() or datetime.now(UTC)

    def guard_portal(self, portal_id: int | None) -> None:
        """Refuse to mix two portals in one dataset, as far as HubSpot names its portal."""
        if None not in {portal_id, self.account.portal_id} and portal_id != self.account.portal_id:
            raise ConfigError(
                f"The token is of portal {self.account.portal_id}, the dataset of {portal_id}.",
                remedy="Set SOURCES__HUBSPOT__ACCESS_TOKEN to a token of that portal, or choose "
                "another --dataset for this one.",
            )

    def submit(self, call: Callable[[], T], lane: Lane = "interval") -> Future[T]:
        """Start a call; it waits for its rate budget in a lane of its own."""
        return self._pools[lane].submit(call)

    def client_for(self, table: str) -> Client:
        """Return the client whose meter counts the calls made for one table."""
        if table not in self._clients:
            self._clients[table] = self.client.for_table(table)
        return self._clients[table]

    def extent(
        self, object_type: ObjectType, *, again: bool = False
    ) -> Future[tuple[int | None, int | None]]:
        """Ask, once a run or again, for the number of live records of a type and the highest id."""
        table = object_type.table
        if again or table not in self._extents:
            call = partial(search.extent, self.client_for(table), object_type)
            self._extents[table] = self.submit(call, lane="search")
        return self._extents[table]

    def collect(self) -> dict[str, TableOutcome]:
        """Return the outcome of every table, with what its calls have come to."""
        for table, outcome in self.outcomes.items():
            meter = self.client_for(table).meter
            outcome.calls, outcome.retries = meter.calls, meter.retries
            outcome.rate_limited = meter.rate_limited
            taken = self.reasons.get(table, {})
            outcome.reasons = " ".join(f"{kind}: {why}" for kind, why in taken.items()) or None
        return self.outcomes

    def close(self) -> None:
        """End the pool; calls not yet sent are dropped."""
        self.client.cancel()
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        for download in self.downloads.values():
            if not download.cancelled() and download.exception() is None:
                download.result().close()
        self.client.close()

    def outcome_of(self, table: str) -> TableOutcome:
        """Return the outcome of a table, a new one where there is none yet."""
        return self.outcomes.setdefault(table, TableOutcome(table))

    @contextmanager
    def outcome(self, table: str) -> Iterator[TableOutcome]:
        """Keep what happens to one table, and keep its error from the others where so wished."""
        outcome = self.outcome_of(table)
        began = time.monotonic()
        try:
            yield outcome
        except HubSpotError as error:
            self.fail(outcome, error)
            if not self.report_errors:
                raise
        finally:
            outcome.seconds += time.monotonic() - began
            self.open_tables.discard(table)

    def fail(
        self,
        outcome: TableOutcome,
        error: HubSpotError,
        part: str = "",
        *,
        unknown: bool = False,
    ) -> None:
        """Note what an error means for a table: failed, or skipped where there is none to read.

        A refusal is absence only where nothing was ever read and nobody asked for the table by
        name; else the table goes stale.

        Args:
            outcome: of the table.
            error: what ended the reading of it, or of a part.
            part: which part it was.
            unknown: whether a 400 says that HubSpot knows no such thing; else only where it is the
                first answer.
        """
        since = outcome.fresh_at if is_absent(error) else None
        stale = f" Stale since {since:%Y-%m-%d %H:%M} UTC." if since else ""
        outcome.note(f"{part}: {error}{stale}" if part else f"{error}{stale}")
        unknown = unknown or outcome.way_in == "none"
        absent = (unknown and is_absent(error)) or isinstance(
            error, ScopeMissingError | NotFoundError
        )
        was_read = outcome.was_read or outcome.rows or outcome.tombstones
        if absent and not (was_read or outcome.named):
            outcome.status, outcome.refusals[""] = "skipped", error
        else:
            outcome.status = "failed"
            outcome.exit_code = min(outcome.exit_code or error.exit_code, error.exit_code)
        if ends_run(error):
            self.stopped = error
