"""How a collection is declared: what names a row, how many there are, how one is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .seeding import Seeds

Row = dict[str, Any]
"""Members as HubSpot sends them; a name that begins with `_` is the portal's own and stays here."""

Keep = Callable[[Row], bool]
"""Whether a row is among an answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One collection: what names a row, how many there are at the start, how one is made.

    `key` names the members that tell rows apart; `_parent` is the row of the collection `parent`
    that this one belongs to. `time` is the instant the row itself carries, `required` the members
    that HubSpot always sends, `touched` the member that an edit sets to the present, `archived_at`
    the one that archiving sets (`@ms` behind it: as a number). `alias`: another member by which a
    path may name a row.
    """

    name: str
    make: Callable[[Seeds, int], Row]
    size: int = 5
    key: str = "id"
    parent: str = ""
    time: str = ""
    required: str = ""
    touched: str = ""
    archived_at: str = ""
    alias: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the members of the key."""
        return tuple(self.key.split())
