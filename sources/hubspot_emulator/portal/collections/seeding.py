"""What seeded rows are made from: existing records, users and owners, and instants near now."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from ...clock import DAY_MS, iso
from ..contents import Contents

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
DAYS = 60  # the span of time before the start over which seeded events lie
BEGAN_MS = 1_735_689_600_000  # 2025-01-01, when the oldest seeded definitions were made


INVENTED = 70_000_000_000  # ids from here on are of no record
FIRST_MERGED, MERGED_TYPES = 20, ("contacts", "companies", "deals")


class Plan(NamedTuple):
    """How many rows collections have: `sizes` by name, and whether others have a few or none.

    `merges`: pairs of seeded records of each type that are merged from the 21st record on.
    """

    sizes: Mapping[str, int]
    few: bool
    merges: int


class Seeds:
    """The portal as the rows of collections see it; the same spec and day give the same rows."""

    def __init__(self, contents: Contents, plan: "Plan", now_ms: int) -> None:
        self.contents = contents
        self.midnight_ms = now_ms - now_ms % DAY_MS
        self._plan = plan
        self._merged = 2 * plan.merges

    def size(self, name: str, usual: int) -> int:
        """Return how many rows a collection has at the start."""
        return self._plan.sizes.get(name, usual if self._plan.few else 0)

    def _ordinal(self, type_name: str, number: int) -> int | None:
        """Return the place of a seeded record that is neither archived nor merged away."""
        rows = self.contents.table(type_name).rows
        number += self._merged if type_name in MERGED_TYPES and number >= FIRST_MERGED else 0
        every = rows.archive_every
        ordinal = number + number // (every - 1) if every > 1 else number
        return ordinal if ordinal < rows.count else None

    def record(self, type_name: str, number: int) -> str:
        """Return the id of a live seeded record, an id of no record where there are not so many."""
        ordinal = self._ordinal(type_name, number)
        if ordinal is None:
            return str(INVENTED + number)
        return str(self.contents.table(type_name).rows.id_of(ordinal))

    def contact(self, number: int) -> tuple[str, str]:
        """Return the id and e-mail address of a live seeded contact."""
        count = max(1, self.contents.table("contacts").rows.count * 3 // 4 - self._merged)
        ordinal = self._ordinal("contacts", number % count)
        if ordinal is None:
            return str(INVENTED + number), f"nobody{number}@example.com"
        rows = self.contents.table("contacts").rows
        return str(rows.id_of(ordinal)), f"person{ordinal}@example.com"

    def owner(self, number: int) -> dict[str, Any]:
        """Return an active owner, whose user is a user of the account."""
        active = [one for one in self.contents.owners if not one["archived"]]
        return active[number % len(active)]

    def user(self, number: int) -> str:
        """Return the id of a user."""
        return str(self.owner(number)["userId"])

    def made_ms(self, number: int) -> int:
        """Return when a definition was made: one a day from 2025 on."""
        return BEGAN_MS + number % 300 * DAY_MS + number * 1_013

    def made(self, number: int) -> str:
        """Return `made_ms` as text."""
        return iso(self.made_ms(number))

    def changed(self, number: int) -> str:
        """Return when a definition was last changed."""
        return iso(self.made_ms(number) + 30 * DAY_MS + number % 7 * HOUR_MS)

    def instant(self, at_ms: int) -> str:
        """Return an instant as text."""
        return iso(at_ms)

    def event_ms(self, name: str, number: int, usual: int) -> int:
        """Return the time of an event: evenly over the 60 days before today, oldest first."""
        count = max(1, self.size(name, usual))
        step = DAYS * DAY_MS // count
        return self.midnight_ms - DAYS * DAY_MS + number * step + number * 7_919 % max(1, step)

    def event(self, name: str, number: int, usual: int) -> str:
        """Return `event_ms` as text."""
        return iso(self.event_ms(name, number, usual))


def guid(text: str) -> str:
    """Return a GUID made from a text, the same one each time."""
    digits = sha256(text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
