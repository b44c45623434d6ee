"""The portal as one run asks it: whose it is, its clock, and the calls in flight."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TypeVar

from ...api import search
from ...http.client import Client
from ...http.meter import Meter
from ...model import Account, ObjectType, decode_account
from ..pace.lanes import Lane, Lanes
from .portal_types import PortalTypes

T = TypeVar("T")
Extent = tuple[int | None, int | None]
"""How many live records a type has, and the highest id of theirs; None where HubSpot is silent."""


class Portal:
    """One portal, asked by one run; every call of the run goes through here."""

    def __init__(self, client: Client, *, calls_in_flight: int) -> None:
        """Make the lanes; nothing is sent yet."""
        self.client = client
        self.lanes = Lanes(calls_in_flight)
        self._clients: dict[tuple[str, str], Client] = {}
        self._extents: dict[str, Future[Extent]] = {}
        self._types = PortalTypes()

    @cached_property
    def account(self) -> Account:
        """Whose portal it is; HubSpot is asked once, and its response reports the time there, too.

        Raises:
            HubSpotError: the portal does not answer or refuses the token.
        """
        path = self.client.path("account")
        return self.client.get(path, decode=decode_account)

    @property
    def types(self) -> PortalTypes:
        """The object types of the portal, as HubSpot listed them when the run began."""
        return self._types

    def know(self, types: PortalTypes) -> PortalTypes:
        """Keep the object types for the run; return them."""
        self._types = types
        return types

    def now(self) -> datetime:
        """Return the time by HubSpot's clock, aware UTC."""
        return self.client.portal_now() or datetime.now(UTC)

    def submit(self, call: Callable[[], T], lane: Lane = "interval") -> Future[T]:
        """Start a call; it waits for its rate budget in a lane of its own."""
        return self.lanes.submit(call, lane)

    def client_for(self, table: str, scope: str = "") -> Client:
        """Return the client whose meter counts the calls made for one table, or a part of it."""
        if (table, scope) not in self._clients:
            whole = self.client_for(table) if scope else self.client
            self._clients[table, scope] = whole.for_table(table)
        return self._clients[table, scope]

    def meter_of(self, table: str) -> Meter:
        """Return the count of the calls made for one table."""
        return self.client_for(table).meter

    def extent(self, object_type: ObjectType, *, again: bool = False) -> Future[Extent]:
        """Ask, once a run or again, for the number of live records of a type and the highest id."""
        table = object_type.table
        if again or table not in self._extents:
            call = partial(search.extent, self.client_for(table), object_type)
            self._extents[table] = self.submit(call, lane="search")
        return self._extents[table]

    def close(self) -> None:
        """End the lanes; calls not yet sent are dropped."""
        self.client.cancel()
        self.lanes.close()
        self.client.close()
