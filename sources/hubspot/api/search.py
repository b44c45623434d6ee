"""Ids by search: changed since an instant, with a value of a property, in a range of ids.

Invariant: search is never paged by its offset. A search of several pages filters `... AND id > last
id`, sorted by id, and takes the first page each time: the key of a record never changes and one
that matches goes on matching, so nothing is skipped however the portal changes meanwhile, the cap
of 10,000 rows is never met, and a million changes in one millisecond are just pages. The oldest and
the newest changes are first pages in the order of time, and no proof of what lies between them.

Source: HubSpot CRM search (200 rows a page, 5 calls a second, no rate headers).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any

import msgspec

from ..http.client import Client
from ..model import ObjectType, Page
from ..parsing.tolerance import NAME, tolerant

BY_ID = ("hs_object_id", "ASCENDING")
GROUPS = 5  # of filters in one search, HubSpot's maximum
PAGE = 200  # rows per search call, HubSpot's maximum
NEWEST = 200  # newest rows that the probe of a table asks for, HubSpot's maximum, too


class Hit(msgspec.Struct):
    """A search row: only what shows whether the record has to be read."""

    id: Annotated[str, NAME]
    properties: dict[str, Any] = {}
    createdAt: str | None = None  # noqa: N815 - HubSpot's own name
    updatedAt: str | None = None  # noqa: N815 - HubSpot's own name


@dataclass(frozen=True, slots=True)
class Newest:
    """What one unfiltered search returns: how many live records there are, and the newest ones."""

    total: int | None
    """Live records; None where HubSpot does not report it."""
    changed: list[Hit]
    complete: bool
    """Whether the response names every live record, so that `changed` lacks none that changed."""
    in_order: bool = False
    """Whether records run from the newest down to one from before the last run, lookback included.

    Then no others seem to have changed, but an index may be out of order: a search vouches."""
    rows: int = 0
    """How many records the response names, changed or not."""


decode_hits = tolerant(Page[Hit])


def instant_ms(text: str | None) -> int | None:
    """Read HubSpot's ISO text or epoch milliseconds as epoch milliseconds; None if it is neither.

    >>> instant_ms("2026-11-01T00:00:00.001Z")
    1793491200001
    """
    if not text:
        return None
    try:
        if text.replace(".", "", 1).isdecimal():  # first, for ISO text may be digits only, too
            return int(float(text))
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def to_ms(at: datetime) -> int:
    """Return an aware instant in epoch milliseconds."""
    return round(at.timestamp() * 1000)


def from_ms(epoch_ms: int) -> datetime:
    """Return epoch milliseconds as an aware instant."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def modified_ms(hit: Hit, object_type: ObjectType) -> int:
    """Return when a hit was last changed, in epoch milliseconds; 0 where HubSpot does not say."""
    text = hit.properties.get(object_type.last_modified) or hit.updatedAt
    return instant_ms(None if text is None else str(text)) or 0


def newest(
    client: Client, object_type: ObjectType, since: datetime, *, last_run: datetime | None = None
) -> Newest:
    """Ask once for the newest records and the number of all live ones.

    It is the only call of an idle run: the rows show whether anything changed since, and the total
    whether anything disappeared without leaving a change behind.

    Args:
        client: of the portal.
        object_type: theirs.
        since: aware UTC, inclusive.
        last_run: aware UTC, from when on changes may be unknown; `since` where None.
    """
    page = _search(
        client, object_type, [], sort=(object_type.last_modified, "DESCENDING"), limit=NEWEST
    )
    floor = to_ms(since)
    order = [modified_ms(hit, object_type) for hit in page.results]
    changed = [hit for hit, at in zip(page.results, order, strict=True) if (at or floor) >= floor]
    in_order = 0 < order[-1] < to_ms(last_run or since) if order else False
    in_order = in_order and all(a >= b for a, b in pairwise(order))
    return Newest(_total(page), changed, is_whole(page, NEWEST), in_order, len(order))


def is_whole(page: Page[Hit], limit: int = PAGE) -> bool:
    """Whether a response holds all that its search finds, by its own number or by its size."""
    if page.after is not None:
        return False
    return len(page.results) < limit if page.total is None else page.total <= len(page.results)


def extent(client: Client, object_type: ObjectType) -> tuple[int | None, int | None]:
    """Return the number of live records and the highest record id; None where unknown."""
    page = _search(client, object_type, [], sort=("hs_object_id", "DESCENDING"), limit=1)
    last = page.results[0].id if page.results else ""
    return _total(page), int(last) if last.isdecimal() else None


def oldest(client: Client, object_type: ObjectType, since: datetime) -> Page[Hit]:
    """Search those that changed first of the records changed at or after `since`; count them all.

    Args:
        client: of the portal.
        object_type: theirs.
        since: aware UTC, millisecond resolution, inclusive.

    Returns:
        At most 200 hits, the oldest change first, as far as HubSpot keeps them in order.
    """
    filters = [_filter(object_type.last_modified, "GTE", str(to_ms(since)))]
    sort = (object_type.last_modified, "ASCENDING")
    return _search(client, object_type, [filters], sort=sort, limit=PAGE)


def changed_after(
    client: Client,
    object_type: ObjectType,
    since: datetime,
    after_id: str,
    cursor: str | None = None,
) -> Page[Hit]:
    """Search the next records, by id, of those changed at or after `since`.

    Args:
        client: of the portal.
        object_type: theirs.
        since: aware UTC, millisecond resolution, inclusive.
        after_id: only ids greater than this one; "0" to begin.
        cursor: of an empty page of the same search, to look behind it.

    Returns:
        At most 200 hits by ascending id; `after` is None when there are no more.
    """
    filters = [
        _filter(object_type.last_modified, "GTE", str(to_ms(since))),
        _filter("hs_object_id", "GT", after_id),
    ]
    return _search(client, object_type, [filters], sort=BY_ID, limit=PAGE, cursor=cursor)


def having_after(
    client: Client,
    object_type: ObjectType,
    properties: Sequence[str],
    after_id: str,
    cursor: str | None = None,
) -> Page[Hit]:
    """Search the next records, by id, that have a value of any of at most five properties."""
    groups = [
        [_filter(name, "HAS_PROPERTY"), _filter("hs_object_id", "GT", after_id)]
        for name in properties
    ]
    return _search(client, object_type, groups, sort=BY_ID, limit=PAGE, cursor=cursor)


def in_range(
    client: Client, object_type: ObjectType, after_id: int, last_id: int | None
) -> Page[Hit]:
    """Count the records with `after_id < id <= last_id`; the first 200 come along."""
    filters = [_filter("hs_object_id", "GT", str(after_id))]
    if last_id is not None:
        filters.append(_filter("hs_object_id", "LTE", str(last_id)))
    return _search(client, object_type, [filters], sort=BY_ID, limit=PAGE)


def _total(page: Page[Hit]) -> int | None:
    """Return the total of an unfiltered search; None where it contradicts the rows next to it."""
    return page.total if page.total or not page.results else None


def _filter(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    given = {} if value is None else {"value": value}
    return {"propertyName": name, "operator": operator, **given}


def _search(
    client: Client,
    object_type: ObjectType,
    groups: list[list[dict[str, str]]],
    *,
    sort: tuple[str, str],
    limit: int,
    cursor: str | None = None,
) -> Page[Hit]:
    body: dict[str, Any] = {
        "filterGroups": [{"filters": filters} for filters in groups],
        "sorts": [{"propertyName": sort[0], "direction": sort[1]}],
        "properties": [object_type.last_modified],
        "limit": limit,
    }
    if cursor is not None:
        body["after"] = cursor
    path = client.path("search", object_type.path)
    return client.post(path, body, decode=decode_hits)
