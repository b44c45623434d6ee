"""Follows a search by record id, page by page, whatever the order of its pages."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial

from ...api.search import Hit, is_whole, modified_ms
from ...errors import ContractError
from ...model import ObjectType, Page
from .lanes import Lanes
from .waiting import wait

EMPTY_PAGES = 50  # in a row, before it is no accident


@dataclass(frozen=True, slots=True)
class Hits:
    """What one step along the ids found."""

    rows: list[Hit]
    after_id: str
    """From where to go on."""
    last: bool
    """Whether nothing more is found."""
    whole: bool
    """Whether HubSpot's own number says so, too: with `last`, nothing can have been left out."""
    total: int | None
    """How many there are behind the id that was asked for, as HubSpot reports."""


def next_hits(
    lanes: Lanes,
    object_type: ObjectType,
    search: Callable[[str, str | None], Page[Hit]],
    after_id: str,
    *,
    floor_ms: int = 0,
) -> Generator[None, None, Hits]:
    """Take the next step along the ids of a search.

    Guarantees: rows outside the filter and rows out of order move the key no further than the
    rows in order vouch for; an empty page that promises more is looked behind; a page that names
    fewer records than it counts is not the last, as long as it names any.

    Args:
        lanes: where its calls wait.
        object_type: the type searched.
        search: asks for the page after an id, at a cursor.
        after_id: where the last step ended.
        floor_ms: rows changed before it are outside the filter.

    Raises:
        ContractError: page after page is empty and promises more.
    """
    cursor: str | None = None
    for _ in range(EMPTY_PAGES):
        page = yield from wait(lanes.submit(partial(search, after_id, cursor), lane="search"))
        rows = _behind(page, int(after_id))
        keys = _inside(rows, object_type, floor_ms)
        if keys or page.after is None:
            whole = is_whole(page)
            last = page.after is None and (whole or not keys)
            return Hits(rows, str(_key(keys) or after_id), last, whole, page.total)
        cursor = page.after
    raise ContractError(
        f"HubSpot's search for {object_type.table} above id {after_id} says that more follows"
        " and returns nothing.",
        remedy="Run the sync again; if it happens again, report it.",
    )


def _behind(page: Page[Hit], after_id: int) -> list[Hit]:
    """Return the hits behind an id."""
    return [hit for hit in page.results if hit.id.isdecimal() and int(hit.id) > after_id]


def _inside(hits: Sequence[Hit], object_type: ObjectType, floor_ms: int) -> list[int]:
    """Return the ids of hits that are not known to lie outside the filter."""
    return [int(hit.id) for hit in hits if (modified_ms(hit, object_type) or floor_ms) >= floor_ms]


def _key(ids: Sequence[int]) -> int | None:
    """Return the highest id that no lower one follows: beyond it the page is not in order.

    >>> _key([1, 2, 9, 3, 4])
    4
    """
    key = lowest = None
    for id_ in reversed(ids):
        lowest = id_ if lowest is None else min(lowest, id_)
        if id_ == lowest:
            key = id_ if key is None else max(key, id_)
    return key
