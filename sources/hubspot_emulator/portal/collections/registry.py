"""Every collection of a portal by name, made when it is first asked for."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...clock import Clock
from ..contents import Contents
from .account import security, settings, usage
from .collection import Collection
from .content import files, hubdb, pages, revisions
from .crm import audits, commerce, deals, imports, lists
from .endpoint import Endpoint
from .kind import Kind
from .marketing import (
    campaigns,
    email,
    email_events,
    forms,
    marketing_events,
    occurrences,
    subscriptions,
    traffic,
)
from .seeding import Plan, Seeds
from .work import automation, conversations

_GROUPS = (
    settings, usage, security, lists, forms, email, email_events, subscriptions, campaigns,
    marketing_events, pages, revisions, files, automation, deals, occurrences, conversations, hubdb,
    imports, audits, commerce, traffic,
)  # fmt: skip
KINDS: dict[str, Kind] = {kind.name: kind for group in _GROUPS for kind in group.KINDS}
ENDPOINTS: tuple[Endpoint, ...] = tuple(one for group in _GROUPS for one in group.ENDPOINTS)


class Collections:
    """The collections of one portal.

    Seeded rows lie before the day on which a collection is first asked for.
    """

    def __init__(self, contents: Contents, plan: Plan, clock: Clock) -> None:
        unknown = plan.sizes.keys() - KINDS.keys()
        if unknown:
            raise ValueError(f"unknown collections {sorted(unknown)}; known: {', '.join(KINDS)}")
        self._contents, self._plan, self._clock = contents, plan, clock
        self._made: dict[str, Collection] = {}

    def __getitem__(self, name: str) -> Collection:
        if name not in self._made:
            if name not in KINDS:
                raise ValueError(f"unknown collection {name!r}; known: {', '.join(KINDS)}")
            seeds = Seeds(self._contents, self._plan, self._clock.now_ms())
            self._made[name] = Collection(KINDS[name], seeds, self._clock)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def change(self, name: str, change: str, arguments: Mapping[str, Any]) -> object:
        """Change a collection by the name of one of its methods, as the control API asks."""
        if change == "set":
            for member, value in arguments.items():
                if member != "lag_ms":
                    raise ValueError(f"unknown member {member!r}; known: lag_ms")
                self[name].lag_ms = int(value)
            return None
        if change not in CHANGES:
            raise ValueError(f"unknown change {change!r}; known: {', '.join(CHANGES)}, set")
        return getattr(self[name], change)(**arguments)


CHANGES = (
    "add", "edit", "bare", "delete", "archive", "restore", "delay", "repeat_cursor", "empty_page",
)  # fmt: skip
