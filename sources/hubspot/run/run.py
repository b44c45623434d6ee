"""One run over one portal: its client, the calls in flight, the load's bound, the outcomes."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, TypeVar

from ..api import search
from ..config import HubSpotConfig
from ..errors import HubSpotError
from ..http.client import Client
from ..model import LIVE, Account, Copy, ObjectType, SchemaChange, TableOutcome, decode_account
from ..state.damage import Damage
from ..state.source import SourceState
from ..state.store import Store
from .findings import PairFindings, TableFindings
from .load import Load
from .options import Options
from .outcomes import Outcomes
from .pace.budget import LoadBudget
from .pace.lanes import Lane, Lanes
from .portal.portal_types import PortalTypes

T = TypeVar("T")
Items = Generator[Any, None, None]
"""Arrow tables for dlt, each marked for its own table; None while waiting."""


@dataclass
class Run:
    """What all resources of a run share; it lives for all its loads."""

    config: HubSpotConfig
    client: Client
    budget: LoadBudget = field(default_factory=LoadBudget)
    copy: Copy | None = None
    """The warehouse; without it nothing is compared with what is there, and no links swept."""
    store: Store = field(default_factory=Store)
    """What dlt keeps between runs, as the resources of a load share it."""
    damages: Sequence[Damage] = ()
    """What of the state was damaged as this run found it."""
    mended: list[str] = field(default_factory=list)
    """What of the state was damaged and is read again."""
    to_clean_up: set[str] = field(default_factory=set)
    """Tables that an earlier run may not have cleaned up after its last load."""
    schema_changes: list[SchemaChange] = field(default_factory=list)
    """What became of properties since they were last read."""
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    portal_types: PortalTypes = field(default_factory=PortalTypes)
    """The object types of the portal, as HubSpot listed them when the run began."""
    before_ended: datetime | None = None
    """When the run before this one stopped reading; None where it did not come to its end."""
    options: Options = field(default_factory=Options)
    load: Load = field(default_factory=Load)
    tables: TableFindings = field(default_factory=TableFindings)
    pairs: PairFindings = field(default_factory=PairFindings)
    outcomes: Outcomes = field(default_factory=Outcomes)

    def __post_init__(self) -> None:
        """Make the lanes; nothing is sent yet."""
        self._log, self.client.health.tell = self.client.health.tell, self.say
        self.lanes = Lanes(self.config.calls_in_flight)
        self._clients: dict[str, Client] = {}
        self._loads = 0
        self._live: dict[str, int] | None = None
        self._extents: dict[str, Future[tuple[int | None, int | None]]] = {}

    def wish(self, **options: Any) -> None:  # noqa: ANN401 - by their names in `Options`
        """Set options."""
        self.options = replace(self.options, **options)

    def begin_load(self, tables: Sequence[str]) -> None:
        """Begin the next load: all tables in the first, those left unfinished in the others."""
        self._tables, self._live = list(tables), None
        is_next = self._loads > 0 or self.options.repairing
        self.load = Load(wanted=self.load.unfinished if is_next else None)
        self._loads += 1
        self.budget.restart()

    def say(self, text: str) -> None:
        """Show a message on progress; in the log where nobody displays any."""
        (self.options.on_message or self._log)(text)

    def live_count(self, table: str) -> int | None:
        """Count the live rows of a table before this load; None where nobody can tell."""
        if self._live is None and self.copy is not None:
            self._live = dict(self.copy.counts(self._tables, LIVE))
        return None if self._live is None else self._live.get(table, 0)

    def restart(self, table: str) -> bool:
        """Tell, once a run and table, whether what the state says of it is to be forgotten."""
        first = self.options.full_refresh and table not in self.tables.restarted
        self.tables.restarted.add(table)
        return first

    def expect(self, table: str, rows: int) -> None:
        """Report how many more rows a table is expected to bring, for progress."""
        if self.options.on_expected:
            self.options.on_expected(table, max(0, rows))

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
        return self._loads == 1 and not self.options.repairing

    @cached_property
    def account(self) -> Account:
        """Whose portal it is; HubSpot is asked once, and its answer tells the time there, too.

        Raises:
            HubSpotError: the portal does not answer or refuses the token.
        """
        path = self.client.path("account")
        return self.client.get(path, decode=decode_account)

    @property
    def lookback(self) -> timedelta:
        """How far behind the watermark changes are searched again; the search index lags."""
        return timedelta(minutes=self.config.lookback_minutes)

    def now(self) -> datetime:
        """Tell the time by HubSpot's clock, aware UTC."""
        return self.client.portal_now() or datetime.now(UTC)

    def submit(self, call: Callable[[], T], lane: Lane = "interval") -> Future[T]:
        """Start a call; it waits for its rate budget in a lane of its own."""
        return self.lanes.submit(call, lane)

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
        for table, outcome in self.outcomes.by_table.items():
            meter = self.client_for(table).meter
            outcome.calls, outcome.retries = meter.calls, meter.retries
            outcome.rate_limited = meter.rate_limited
            taken = self.tables.reasons.get(table, {})
            outcome.reasons = " ".join(f"{kind}: {why}" for kind, why in taken.items()) or None
        return self.outcomes.by_table

    @contextmanager
    def outcome(self, table: str) -> Iterator[TableOutcome]:
        """Keep what happens to one table, and keep its error from the others where so wished."""
        outcome = self.outcomes.of(table)
        began = time.monotonic()
        try:
            yield outcome
        except HubSpotError as error:
            self.outcomes.fail(outcome, error)
            if not self.options.report_errors:
                raise
        finally:
            outcome.seconds += time.monotonic() - began
            self.load.open_tables.discard(table)

    def close(self) -> None:
        """End the lanes; calls not yet sent are dropped."""
        self.client.cancel()
        self.lanes.close()
        for download in self.tables.downloads.values():
            if not download.cancelled() and download.exception() is None:
                download.result().close()
        self.client.close()
