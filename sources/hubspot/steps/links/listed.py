"""Links of listed records, asked for with their load, as many records at a time as a call takes."""

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from ...api.associations import BATCH, Pair, Side
from ...errors import HubSpotError
from ...model import ObjectType
from ...run.run import Items, Run
from .calls import Asked
from .links import Links

T = TypeVar("T")
ReadLinks = Callable[[Sequence[str]], Items]
"""Hands on the links of records of one type, by their ids."""


def with_listed_links(
    run: Run,
    links: Links,
    object_type: ObjectType,
    rows: Callable[[ReadLinks], Generator[Any, None, T]],
    *,
    replace: bool,
) -> Generator[Any, None, T]:
    """Hand on rows, then the links of theirs that are still on their way, whatever ends them.

    Args:
        run: the run.
        links: of the load.
        object_type: of the records.
        rows: yields rows, and has the links of their records read by what it is given.
        replace: whether older links of these records may be in the tables.
    """
    listed = ListedLinks(run, links, object_type, replace=replace)
    try:
        result = yield from rows(listed.read)
    except HubSpotError:
        yield from listed.flush()
        raise
    yield from listed.flush()
    return result


class ListedLinks:
    """The links of the records of one type that a load lists, from the cheaper side of each pair.

    `with_listed_links` alone makes one, for what is queued has to be flushed.
    """

    def __init__(self, run: Run, links: Links, object_type: ObjectType, *, replace: bool) -> None:
        """Begin with nothing queued."""
        self._run, self._links, self._object_type, self._replace = run, links, object_type, replace
        self._queued: defaultdict[tuple[Pair, Side], list[str]] = defaultdict(list)
        """Ids of listed records, by pair and side, that wait for a call to be full."""
        self._asked: list[Asked] = []
        """Calls in flight."""

    def read(self, ids: Sequence[str]) -> Items:
        """Ask for the links of listed records; hand on what has been answered so far."""
        for pair in self._links.pairs if ids else ():
            if self._object_type not in {pair.source, pair.target}:
                continue
            side = yield from self._links.calls.side_of(pair)
            known = self._run.state.pair(pair.table)
            known.listed_side = side  # whatever run ends the listing
            if self._object_type != pair.end(side):
                continue
            if (yield from self._links.calls.count(pair.reversed.end(side))) == 0:
                known.read_whole()
                continue
            queued = self._queued[pair, side]
            queued += ids
            while len(queued) >= BATCH:
                self._asked += self._links.submit(pair, queued[:BATCH], side)
                del queued[:BATCH]
        yield from self._take(
            [one for one in self._asked if one.side == "source" and one.call.done()]
        )

    def flush(self) -> Items:
        """Hand on all that was asked for and not handed on yet."""
        for (pair, side), ids in self._queued.items():
            self._asked += self._links.submit(pair, ids, side)
        self._queued.clear()
        yield from self._take([*self._asked])
        for pair in self._links.pairs:
            if pair.target == self._object_type:
                yield from self._links.hand_on_turned(pair, replace=self._replace)

    def _take(self, calls: Sequence[Asked]) -> Items:
        """Hand on the responses; a sweep is due where one fails.

        The others are handed on all the same, for the listing does not come back to their records.
        """
        failed: HubSpotError | None = None
        for asked in calls:
            self._asked.remove(asked)
            try:
                yield from self._links.take(asked, replace=self._replace)
            except HubSpotError as error:
                self._run.state.pair(asked.pair.table).read_whole()
                failed = failed or error
        if failed:
            raise failed
