"""Rows that never change, by their time: in closed windows, or newest first up to a mark."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...catalog.endpoints.declaration import Endpoint, NewestFirst, Windows
from ...run.run import Items as Found
from ...run.run import Run
from ...tables.endpoints.batches import values_of
from ...tables.endpoints.items import Items, exploded
from .blocks import Out, blocks, unknown
from .part import Part, written

OVERLAP = timedelta(seconds=1)
"""By which a span begins before the end of the one before: HubSpot may leave its bounds out."""
NOT_IN_ORDER = (
    "HubSpot does not list {} newest first, so that all pages were read to find what is new."
)


def read_windows(part: Part, out: Out) -> Found:
    """Read the windows that are closed by now, oldest first; the mark moves with each.

    Guarantees: it stops between two windows where the load is full, and the next load goes on at
    the mark; so does a run after one that was killed. No row that the warehouse has is handed on,
    for rows are added without a merge: the first load of a run looks, as an earlier run may have
    been killed within a load, and every load does that reads again what was read before.
    """
    run, read = part.run, part.endpoint.read
    assert isinstance(read, Windows)  # noqa: S101 - by the table of readers
    mark, until = part.mark, closed(read, run.now())
    key, begun = (part.key, part.parent), run.collections.begun
    goes_on = key in begun
    begun.add(key)
    start = _start(first_span(run, read), read, mark, until, goes_on=goes_on)
    while start < until:
        end = min(start + read.span, until)
        bounds = _bounds(read, start, end)
        is_new = read.changing or (goes_on and start != mark and part.state.is_first)
        for block in blocks(part, bounds):
            if block is None:
                yield None
                continue
            yield from out.add(block if is_new else unknown(part, block))
        yield from out.flush()
        part.move_mark(end if mark is None else max(end, mark))
        start = end
        if start < until and run.load.budget.spent():
            run.load.unfinished.add(part.endpoint.name)
            return


def first_span(run: Run, read: Windows) -> timedelta:
    """Return how far back the first reading goes, by the settings or the declaration."""
    days = run.config.event_days
    return timedelta(days=days) if days else read.first


def _start(
    first: timedelta, read: Windows, mark: datetime | None, until: datetime, *, goes_on: bool
) -> datetime:
    """Return where reading begins: before the mark, unless the load before came up to it."""
    if mark is None:
        return until - first
    return mark if goes_on else mark - read.lookback


def _bounds(read: Windows, start: datetime, end: datetime) -> dict[str, str]:
    """Return the parameters of a span; days begin where the day before ends."""
    lower = start if _is_by_day(read) else start - OVERLAP
    return {read.start: written(lower, read.form), read.end: written(end, read.form)}


def _is_by_day(read: Windows) -> bool:
    return read.form not in {"iso", "ms"}


def closed(read: Windows, now: datetime) -> datetime:
    """Return the end of the last window that no late row falls into."""
    until = now - read.lag
    if _is_by_day(read):
        return until.replace(hour=0, minute=0, second=0, microsecond=0)
    return until.replace(microsecond=until.microsecond // 1000 * 1000)


def read_newest(part: Part, out: Out) -> Found:
    """Read pages, newest rows first, up to one whose rows an earlier reading has seen.

    Guarantees: pages that do not show that they come in this order are read to their end.
    """
    run, read = part.run, part.endpoint.read
    assert isinstance(read, NewestFirst)  # noqa: S101 - by the table of readers
    began, mark = run.now(), part.mark
    since = None if mark is None else mark - read.lookback
    order, is_met, goes_on = _Order(), False, False
    for block in blocks(part, ahead=since is None):
        if block is None:
            yield None
            continue
        goes_on, rows = is_met, exploded(part.endpoint.first, block)
        times = order.seen(_times(part.endpoint, rows), read.lookback)
        young = _young(times, since)
        if young:
            yield from out.add(unknown(part, rows.only(young)))
        is_met = is_met or len(young) < len(rows.values)
        if is_met and order.is_newest_first:
            break
    yield from out.flush()
    part.move_mark(began)
    if goes_on and not order.is_newest_first:
        part.outcome.note(NOT_IN_ORDER.format(part.endpoint.name))


@dataclass
class _Order:
    """In which order rows come."""

    first: datetime | None = None
    least: datetime | None = None
    is_mixed: bool = False
    """Whether a row came that is newer than one before it."""

    def seen(
        self, times: Sequence[datetime | None], lookback: timedelta
    ) -> Sequence[datetime | None]:
        """Take the times of more rows; within the lookback they may come as they like."""
        for at in times:
            if at is None:
                continue
            self.first = self.first or at
            self.least = min(self.least or at, at)
            self.is_mixed = self.is_mixed or at > self.least + lookback
        return times

    @property
    def is_newest_first(self) -> bool:
        """Whether the rows show it: some are older than the first, and none is out of order."""
        is_shown = self.first is not None and self.least is not None and self.least < self.first
        return is_shown and not self.is_mixed


def _young(times: Sequence[datetime | None], since: datetime | None) -> list[int]:
    """Return the places of rows that are not older than an instant, or have no time."""
    return [n for n, at in enumerate(times) if at is None or since is None or at >= since]


def _times(endpoint: Endpoint, rows: Items) -> list[datetime | None]:
    """Return the time of each row; None where it has none that can be read."""
    column = endpoint.read.column if isinstance(endpoint.read, NewestFirst) else ""
    (found,) = values_of(endpoint.first, [column], rows)
    return found


READERS: Mapping[type, Callable[[Part, Out], Found]] = {
    Windows: read_windows,
    NewestFirst: read_newest,
}
"""By how they are read."""
