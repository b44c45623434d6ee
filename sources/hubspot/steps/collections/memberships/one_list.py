"""One list: its newest members are read, or all of them are compared with the warehouse."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from ....errors import HubSpotError, NotFoundError, RequestRejectedError
from ....model import View
from ....run.run import Items as Found
from ....state.collections import CollectionState
from ....tables.endpoints.batches import values_of
from ....tables.endpoints.items import Items
from ..blocks import Out
from ..pages import Answer, pages
from ..part import Part
from .known import EPOCH, MICROSECOND, NEVER, Known, Old, Page, instant, number, written
from .lists import List

BY_JOINING = "/join-order"
"""The end of the path whose rows come by the time at which they joined."""
COLUMNS = ("record_id", "membership_timestamp", "first_seen_at", "removed_at")
HELD = "removed_at IS NULL"
"""Of members that were not removed, as a condition in SQL."""
ASKED = 500
"""Records that one question to the warehouse names."""
Pages = Generator[Answer | None, None, None]


@dataclass
class Pass:
    """One reading of the members of all lists."""

    part: Part
    view: View
    began: datetime
    out: Out
    is_whole: bool
    """Whether all rows are loaded again, whatever the warehouse has."""
    held: Mapping[str, int]
    """Members of each list in the warehouse."""
    ever: Mapping[str, int]
    """Rows of each list there, with those of members that were removed."""
    swept: set[str] = field(default_factory=set)
    """Lists whose daily comparison is due and paid."""
    refused: list[HubSpotError] = field(default_factory=list)
    """Of lists that HubSpot refuses, or has no more."""
    answered: bool = False
    """Whether it has answered for any."""


@dataclass
class Members:
    """One list whose members are read."""

    work: Pass
    one: List
    handed_on: set[int] = field(default_factory=set)
    """Records of the newest pages that the warehouse had not just so."""
    added: int = 0
    """Of these, the ones that were no members."""

    @property
    def state(self) -> CollectionState:
        """What is kept between runs."""
        return self.work.part.state

    def pages(self, end: str = BY_JOINING, after: str = "", *, ahead: bool = False) -> Pages:
        """Return the pages of its members, by the time at which they joined, or by id."""
        part = replace(self.work.part, slots={"list_id": self.one.list_id})
        request = part.request({}, {"after": after} if after else None)
        path = request.path.removesuffix(BY_JOINING) + end
        return pages(part.run, part.client, replace(request, path=path), ahead=ahead)

    def next_page(self, stream: Pages) -> Generator[None, None, Page | None]:
        """Return the next page; None after the last one.

        Raises:
            ContractError: a record has no id.
        """
        for page in stream:
            if page is None:
                yield None
                continue
            table, items = self.work.part.endpoint.first, Items()
            items.extend(page.rows, {}, "$.results")
            ids, times = values_of(table, ["record_id", "membership_timestamp"], items)
            pairs = [*zip(map(number, ids), map(instant, times), strict=True)]
            cursor = None if page.cursor is None else str(page.cursor.value)
            return Page(page.rows, pairs, cursor, page.total)
        return None

    def old(self, records: Sequence[int]) -> dict[int, Old]:
        """Return what the warehouse has of some records in this list."""
        name, found = self.one.list_id, dict[int, Old]()
        for start in range(0, len(records) if self.work.ever.get(name) else 0, ASKED):
            ids = [str(one) for one in records[start : start + ASKED]]
            table, where = self.work.part.endpoint.name, "list_id = ? AND record_id IN (?)"
            for rows in self.work.view.values(table, COLUMNS, where, name, ids):
                for record, joined, first_seen_at, removed_at in rows:
                    old = Old(instant(joined), first_seen_at, removed_at is not None)
                    found[number(record)] = old
        return found

    def hand_on(
        self, rows: Sequence[Mapping[str, Any]], first_seen: Sequence[datetime | None]
    ) -> Iterator[Any]:
        """Hand on rows, with the time at which each was first seen; now where it was not."""
        work, items = self.work, Items()
        times = [written(at or work.began) for at in first_seen]
        made = [{**row, "firstSeenAt": at} for row, at in zip(rows, times, strict=True)]
        constants = {"list_id": self.one.list_id, "object_type_id": self.one.object_type_id}
        items.extend(made, constants, "$.results")
        work.out.reading = work.part.reading(work.began)  # a new one: it keeps all keys in mind
        yield from work.out.add(items)


def read_list(members: Members) -> Found:
    """Read the members of one list; one that HubSpot refuses, or has no more, is left out."""
    try:
        yield from _read(members)
        members.work.answered = True
    except RequestRejectedError as error:
        members.work.refused.append(error)


def _read(members: Members) -> Found:
    work, name = members.work, members.one.list_id
    if work.is_whole or name not in members.state.marks:
        is_done = yield from _compare(members, members.pages(ahead=True))
    elif name in work.swept:
        is_done = False
    else:
        is_done = yield from _read_newest(members)
    if not is_done:
        yield from _compare(members, members.pages("", ahead=True), by_id=True)


def _read_newest(members: Members) -> Generator[Any, None, bool]:
    """Read the members that joined last; return whether that is all that changed.

    Where rows come oldest first, the state keeps where the last page began. A list that a page
    could hold is compared, however many pages HubSpot sends it in: no daily reading is due for it.
    """
    cursors, name = members.state.cursors, members.one.list_id
    is_short = members.one.size <= members.work.part.endpoint.paging.size
    if not is_short and (cursor := cursors.get(name, "")):
        return (yield from _read_on(members, cursor))
    stream = members.pages()
    page = yield from members.next_page(stream)
    if is_short or page is None or page.cursor is None or page.is_ascending:
        return (yield from _compare(members, stream, page))
    while (yield from _hand_on_news(members, page)) and page.cursor is not None:
        page = (yield from members.next_page(stream)) or page
    return _adds_up(members, page)


def _read_on(members: Members, cursor: str) -> Generator[Any, None, bool]:
    """Read from where the last page began, oldest members first; return whether that is all."""
    cursors, name = members.state.cursors, members.one.list_id
    stream, last = members.pages(after=cursor), None
    try:
        while page := (yield from members.next_page(stream)):
            if page.is_ascending is False:  # HubSpot lists them the other way round by now
                break
            yield from _hand_on_news(members, page)
            last, cursors[name] = page, page.cursor or cursors[name]
    except NotFoundError:
        raise
    except RequestRejectedError:  # of the cursor
        last, page = None, None
    if page or last is None:
        del cursors[name]
        return False
    return _adds_up(members, last)


def _adds_up(members: Members, page: Page) -> bool:
    """Whether the members that the warehouse has then are HubSpot's total.

    While HubSpot works them out, none is marked as removed, so that there is nothing to compare.
    """
    held = members.work.held.get(members.one.list_id, 0)
    return page.total == held + members.added or not members.one.is_settled


def _hand_on_news(members: Members, page: Page) -> Generator[Any, None, int]:
    """Hand on the rows of a page that the warehouse has not just so; return how many they are."""
    old, news, first_seen = members.old([record for record, _ in page.pairs]), [], []
    for row, (record, joined) in zip(page.rows, page.pairs, strict=True):
        before = old.get(record)
        was_member = before if before and not before.is_removed else None
        if record in members.handed_on or (was_member and was_member.joined == joined):
            continue
        members.handed_on.add(record)
        members.added += was_member is None
        news.append(row)
        first_seen.append(before.first_seen_at if before else None)
    yield from members.hand_on(news, first_seen)
    return len(news)


def _compare(
    members: Members, stream: Pages, page: Page | None = None, *, by_id: bool = False
) -> Generator[Any, None, bool]:
    """Read all members, and mark those that did not come as removed; return whether all came.

    Args:
        members: of which list.
        stream: pages.
        page: the first of them, where it was read.
        by_id: whether they come by id, so that none changes its place meanwhile.
    """
    name = members.one.list_id
    known = Known(_held(members.work, name))
    totals, cursor, is_ascending = list[int | None](), "", False
    page = page or (yield from members.next_page(stream))
    while page is not None:
        is_ascending = is_ascending or bool(page.is_ascending)
        totals = [*totals[:1], page.total]
        yield from _hand_on_unknown(members, known, page)
        cursor = page.cursor or cursor
        page = yield from members.next_page(stream)
    is_complete = _is_complete(known, totals, by_id=by_id)
    if is_complete or by_id:
        yield from _end(members, known, is_complete=is_complete)
    if is_complete and cursor and is_ascending and not by_id:
        members.state.cursors[name] = cursor
    return is_complete or by_id


def _hand_on_unknown(members: Members, known: Known, page: Page) -> Found:
    """Hand on the rows of a page that the warehouse has not just so, but for those that were."""
    work = members.work
    is_known = [known.see(*pair) and not work.is_whole for pair in page.pairs]
    news = [
        (row, record)
        for row, (record, _), is_old in zip(page.rows, page.pairs, is_known, strict=True)
        if not is_old and record not in members.handed_on
    ]
    old = members.old([record for _, record in news])
    first_seen = [old[record].first_seen_at if record in old else None for _, record in news]
    yield from members.hand_on([row for row, _ in news], first_seen)


def _held(work: Pass, name: str) -> Iterator[Sequence[Any]]:
    """Yield the members of a list that the warehouse has."""
    columns = ("record_id", "membership_timestamp")
    where = f"list_id = ? AND {HELD}"
    table = work.part.endpoint.name
    for rows in work.view.values(table, columns, where, name) if work.held.get(name) else ():
        yield from rows


def _is_complete(known: Known, totals: Sequence[int | None], *, by_id: bool) -> bool:
    """Whether as many members came as HubSpot counts.

    By id some may have joined or left meanwhile; by time such a one may have moved another one.
    """
    counted = [total for total in totals if total is not None]
    if by_id:
        return not counted or known.seen >= min(counted)
    return {*counted} <= {known.seen}


def _end(members: Members, known: Known, *, is_complete: bool) -> Found:
    """Mark the members that did not come as removed, if that can be known."""
    work, one = members.work, members.one
    if not is_complete:
        work.part.outcome.note(f"List {one.list_id}: fewer members came than HubSpot counts.")
        return
    gone = known.gone() if one.is_settled else iter(())
    at = written(work.part.run.now())
    while records := [*islice(gone, ASKED)]:
        old = members.old(records)
        rows = [{"recordId": str(record), "removedAt": at} for record in old]
        for row, before in zip(rows, old.values(), strict=True):
            if before.joined != NEVER:
                joined = EPOCH + before.joined * MICROSECOND
                row["membershipTimestamp"] = written(joined)
        yield from members.hand_on(rows, [before.first_seen_at for before in old.values()])
        work.part.outcome.tombstones += len(rows)
        work.part.outcome.rows -= len(rows)  # they are counted apart
    if one.is_settled or not work.held.get(one.list_id):
        members.state.marks[one.list_id] = work.began
