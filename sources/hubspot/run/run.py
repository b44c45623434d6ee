"""One run over one portal: what all of its loads and tables share."""

import time
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from ..catalog.selection import Selection
from ..config import HubSpotConfig, check_config, policy_of
from ..errors import HubSpotError
from ..http.client import Client
from ..model import TableOutcome, View
from ..privacy import Policy
from ..state.source import SourceState
from ..state.store import Store
from .findings import CollectionFindings, PairFindings, TableFindings
from .load import Load
from .options import Options
from .outcomes import Outcomes
from .pace.budget import LoadBudget
from .pace.lanes import Lane
from .portal.portal import Portal

T = TypeVar("T")
C = TypeVar("C", bound=View)
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
Items = Generator[Any, None, None]
"""Arrow tables for dlt, each marked for its own table; None while waiting."""


@dataclass
class Run:
    """What all resources of a run share; it lives for all its loads."""

    config: HubSpotConfig
    client: Client
    store: Store = field(default_factory=Store)
    """What dlt keeps between runs, as the resources of a load share it."""
    options: Options = field(default_factory=Options)
    outcomes: Outcomes = field(default_factory=Outcomes)
    tables: TableFindings = field(default_factory=TableFindings)
    pairs: PairFindings = field(default_factory=PairFindings)
    collections: CollectionFindings = field(default_factory=CollectionFindings)
    load: Load = field(default_factory=Load)
    view: View | None = None
    """The warehouse; without it nothing is compared with what is there, and no links swept."""
    selection: Selection = field(default_factory=Selection)
    """What this run reads."""
    own_types: bool | None = None
    """Whether the portal's own object types may be among it; None where all types are."""
    before_ended: datetime | None = None
    """When the run before this one stopped reading; None where it did not come to its end."""

    def __post_init__(self) -> None:
        """Make the lanes; nothing is sent yet."""
        self.portal = Portal(self.client, calls_in_flight=self.config.calls_in_flight)
        self._log, self.client.health.notify = self.client.health.notify, self.say

    def set_options(self, **options: Any) -> None:  # noqa: ANN401 - by their names in `Options`
        """Set options."""
        self.options = replace(self.options, **options)

    def configure(self, **settings: Any) -> None:  # noqa: ANN401 - by their names in `HubSpotConfig`
        """Use other settings than the run was opened with; ConfigError where one is wrong."""
        self.config = check_config(replace(self.config, **settings))

    @contextmanager
    def seeing(self, view: C) -> Iterator[C]:
        """Let the run see the warehouse, as it is between two loads, for as long as this lasts."""
        self.view = view
        try:
            yield view
        finally:
            self.view = None

    @property
    def left(self) -> set[str]:
        """Tables that another load has to go on with: read on, count again or repair."""
        if self.options.repairing:
            return self.tables.repairs.keys() | self.collections.repairs
        following = self.collections.following
        return self.load.unfinished | self.tables.to_recount.keys() | following

    def begin_load(self, tables: Collection[str]) -> Load:
        """Begin the next load: of all tables in the first, of those that are left in the others."""
        number = self.load.number + 1
        is_first = number == 1 and not self.options.repairing
        if is_first:
            self.before_ended = self.state.last_run_ended_at
        bound = LoadBudget(self.options.load_rows, self.options.load_seconds)
        wanted = None if is_first else self.left
        self.load = Load(number, is_first, wanted, bound, self.view, tables)
        return self.load

    @contextmanager
    def outcome(self, table: str) -> Iterator[TableOutcome]:
        """Keep what happens to one table, and keep its error from the others where so asked."""
        outcome = self.outcomes.of(table)
        began = time.monotonic()
        try:
            yield outcome
        except HubSpotError as error:
            self.fail(outcome, error)
        finally:
            outcome.seconds += time.monotonic() - began

    def fail(self, outcome: TableOutcome, error: HubSpotError, part: str = "") -> None:
        """Note an error of a table, or of a part of it; raise it where nobody reads outcomes."""
        self.outcomes.fail(outcome, error, part)
        if not self.options.report_errors:
            raise error

    @cached_property
    def policy(self) -> Policy:
        """What the user decided about properties: read, hashed or left out."""
        return policy_of(self.config)

    @property
    def state(self) -> SourceState:
        """The state, as the resources of this load share it."""
        return self.store.state

    def now(self) -> datetime:
        """Return the time by HubSpot's clock, aware UTC."""
        return self.portal.now()

    def stamp(self, at: datetime | None = None) -> datetime:
        """Return what rows bear as the time at which they were read.

        Guarantees: it is later than that of any row whose children an earlier run has read, or that
        it found gone. HubSpot's clock is known to the second alone, so that a run which begins at
        once may think itself earlier.

        Args:
            at: when the reading began; now where None.
        """
        kept = self.state.collections.values()
        seen = [time for one in kept for time in (one.parent_at, one.loaded_at) if time]
        earliest = max(seen, default=EPOCH) + MICROSECOND
        return max(at or self.now(), earliest)

    def submit(self, call: Callable[[], T], lane: Lane = "interval") -> Future[T]:
        """Start a call; it waits for its rate budget in a lane of its own."""
        return self.portal.submit(call, lane)

    def say(self, text: str) -> None:
        """Show a message on progress; in the log where nobody displays any."""
        (self.options.on_message or self._log)(text)

    def close(self) -> None:
        """End the lanes; calls not yet sent are dropped."""
        self.portal.close()
        self.tables.close()
