"""Where to divide a listing so that its ranges are even: searches count records where ids are not.

HubSpot gives out ids in bursts and from several sequences, so a few of them do not show how many
lie where. A search names the number of records behind an id, and the first of them. A listing is
complete wherever it is divided; only how long it takes depends on what is found here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..api.record_pages import PAGE
from ..api.search import Hit, in_range
from ..errors import HubSpotError
from ..http.client import Client
from ..model import ObjectType, Page
from .ranges import WASTE, WORTH, Division

Count = Callable[[int, int], Page[Hit]]
"""Counts the records with `after_id < id <= last_id`; the response holds the first of them."""

ASKED = 1 / 2  # share of the spare records that searches may cost
EVEN = 1.25  # times the even distance that records at the start of a part may have
HALVES = 1.1  # times the even number of records that the second half of a part may hold
CLUSTER = 1.1  # times the room of its first records that a cluster takes at most


@dataclass(slots=True)
class Part:
    """Ids from `start` up to and including `last`, and how many records they hold."""

    start: int
    last: int
    records: int
    stride: float
    """Ids per record at its beginning."""
    is_halved: bool = False
    """Whether a half of its ids is known to hold a half of its records."""
    is_spread: bool = False
    """Whether its records are known not to be a cluster at its beginning."""

    @property
    def span(self) -> int:
        """How many ids there are."""
        return max(1, self.last + 1 - self.start)

    @property
    def is_even(self) -> bool:
        """Whether its records are spread evenly, as far as known."""
        return self.is_halved or 1 / EVEN <= self.stride * self.records / self.span <= EVEN


def ask_division(
    client: Client,
    object_type: ObjectType,
    total: int,
    last_id: int,
    *,
    shards: int,
    spare: float,
) -> Division:
    """Ask HubSpot where to divide a listing; see `divide`. Nowhere, if it does not answer."""
    count = partial(in_range, client, object_type)
    try:
        return divide(count, total, last_id, shards=shards, spare=spare)
    except HubSpotError:  # the listing meets what is grave itself, else it is divided as it goes
        return [], 0


def most_questions(total: int, shards: int, spare: float) -> int:
    """Return how many searches dividing a listing takes at most; it takes one at least, or none.

    Args:
        total: number of records.
        shards: ranges that are wanted.
        spare: records that may be read twice.
    """
    shards = min(shards, total // (PAGE * WORTH))
    return min(int(ASKED * spare / PAGE), shards) if shards > 1 else 0


def divide(count: Count, total: int, last_id: int, *, shards: int, spare: float) -> Division:
    """Find where a listing is divided into ranges of about as many records each.

    Args:
        count: asks HubSpot.
        total: number of records.
        last_id: the highest id.
        shards: ranges that are wanted.
        spare: records that may be read twice; to ask once costs as many as a page holds.

    Returns:
        First ids of all ranges but the first, ascending, and the records that it cost to ask.
    """
    shards, most = min(shards, total // (PAGE * WORTH)), most_questions(total, shards, spare)
    if not most:
        return [], 0
    parts = [_part(count(0, last_id), total, last_id)]
    asked = 1
    while asked < most:
        uneven = [part for part in parts if not part.is_even]
        fullest = max(uneven, key=lambda part: part.records, default=None)
        if fullest is None or fullest.records < total / shards:
            break
        at = parts.index(fullest)
        parts[at : at + 1] = _halves(count, fullest)
        asked += 1
    shards = min(shards, 1 + int((spare - asked * PAGE) / WASTE))
    borders = {_id_behind(parts, total * n / shards) for n in range(1, shards)}
    return sorted(borders), asked * PAGE


def _part(page: Page[Hit], records: int, last: int) -> Part:
    """Make a part of what a search has found up to an id."""
    reported = [int(hit.id) for hit in page.results if hit.id.isdecimal()]
    ids = [id_ for id_ in reported if id_ <= last] or [last]
    stride = (max(ids) - min(ids)) / max(1, len(ids) - 1)
    return Part(min(ids), last, records, max(1.0, stride))


def _halves(count: Count, part: Part) -> list[Part]:
    """Divide a part behind the cluster that it may begin with, or in the middle of its ids."""
    cluster = CLUSTER * part.stride * part.records
    is_cluster = not part.is_spread and cluster < part.span
    middle = part.start + int(cluster if is_cluster else part.span / 2)
    page = count(middle, part.last)
    behind = min(max(page.total or 0, len(page.results)), part.records)
    first = Part(part.start, middle, part.records - behind, part.stride)
    second = _part(page, behind, part.last)
    if is_cluster:
        second.is_spread = behind > part.records / 2
    elif 1 / HALVES <= 2 * behind / part.records <= HALVES:
        first.is_halved = second.is_halved = True
    return [first, second] if behind else [first]


def _id_behind(parts: list[Part], records: float) -> int:
    """Return the id that about this many records lie before."""
    for part in parts:
        if records <= part.records:
            return part.start + int(part.span * records / part.records)
        records -= part.records
    return parts[-1].last
