"""Lists whose members the settings ask for, and the calls that reading them takes."""

from collections.abc import Set as AbstractSet
from math import ceil
from typing import NamedTuple

from ....catalog.endpoints.declaration import Endpoint
from ....config import setting
from ....errors import ConfigError
from ....model import LIVE, View
from ....run.run import Run
from ....state.collections import CollectionState

DEFAULT_TYPES = ("contacts", "companies")
COMPLETE, ALL = "COMPLETE", "all"


class List(NamedTuple):
    """A list as the warehouse has it."""

    list_id: str
    object_type_id: str
    status: str
    size: int

    @property
    def is_settled(self) -> bool:
        """Whether HubSpot does not work out its members now."""
        return self.status in {"", COMPLETE}

    def pages(self, size: int) -> int:
        """Return the calls that all of its members take."""
        return max(1, ceil(self.size / size))


def lists_to_read(run: Run, view: View) -> list[List]:
    """Return the lists whose members the settings ask for, in the order in which they are read.

    Raises:
        ConfigError: the setting names what is no list and no object type.
    """
    columns = ("list_id", "object_type_id", "processing_status", "size")
    found = [
        List(row[0], row[1] or "", row[2] or "", row[3] or 0)
        for rows in view.values("lists", columns, LIVE)
        for row in rows
    ]
    chosen = _chosen(run, {one.list_id for one in found})
    return sorted(
        one
        for one in found
        if chosen is None or not chosen.isdisjoint({one.list_id, one.object_type_id})
    )


def _chosen(run: Run, ids: AbstractSet[str]) -> AbstractSet[str] | None:
    """Return the ids of lists and object types that the setting names; None where it is all.

    A number that is no list may be one that is gone.

    Raises:
        ConfigError: it names anything else.
    """
    types = {kind.table: kind.type_id for kind in run.portal.types.types if kind.type_id}
    names = {types.get(one, one) for one in run.config.member_lists or DEFAULT_TYPES}
    odd = sorted(one for one in names - {ALL, *types.values()} - ids if not one.isdecimal())
    if odd:
        raise ConfigError(
            f"{setting('member_lists')} names {odd[0]}, which is no list and no object type.",
            remedy=f"Name `{ALL}`, ids of lists, or object types: {', '.join(sorted(types))}.",
        )
    return None if ALL in names else names


def members_pending(run: Run, view: View, endpoint: Endpoint) -> list[List]:
    """Return the lists that a reading, maybe one that was begun, has not read yet."""
    state = run.state.collections.get(endpoint.name, CollectionState())
    return [one for one in lists_to_read(run, view) if one.list_id > state.parent_id]


def members_calls(run: Run, view: View, endpoint: Endpoint) -> tuple[int, int]:
    """Return the calls that a reading takes: at least one for each list; at most all pages, twice.

    That is where the newest pages show that something is missing.
    """
    found, size = members_pending(run, view, endpoint), endpoint.paging.size
    state = run.state.collections.get(endpoint.name, CollectionState())
    least = sum(1 if one.list_id in state.marks else one.pages(size) for one in found)
    most = sum(1 if one.size <= size else 2 * one.pages(size) + 1 for one in found)
    return least, max(least, most)
