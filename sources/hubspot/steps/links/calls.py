"""Calls for links: from which end of a pair, of which records, and what a refusal means."""

from collections.abc import Collection, Generator, Sequence
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import NamedTuple

from ...api.associations import BATCH, Link, Pair, Read, Side, read_links
from ...api.batch_read import HOPELESS, batches
from ...api.link_types import cheaper_side
from ...errors import (
    ContractError,
    HubSpotError,
    NotFoundError,
    RequestRejectedError,
    ScopeMissingError,
    is_absent,
)
from ...model import ObjectType, TableOutcome
from ...run.pace.waiting import wait
from ...run.portal.refusals import recall, remember
from ...run.run import Run
from ...state.table import PENDING_LIMIT

MOST_NAMED = 5  # refused records that a call names, so that the report stays readable


class Asked(NamedTuple):
    """A call in flight for the links of at most 1,000 records of one end of a pair."""

    pair: Pair
    side: Side
    ids: Sequence[str]
    call: Future[Read]

    @property
    def end(self) -> Side:
        """The end that its records are read again from; in a pair of one table both are alike."""
        return "source" if self.pair.source == self.pair.target else self.side


class LinkCalls:
    """The calls for links of one load; a pair that is refused is asked for no more."""

    def __init__(self, run: Run) -> None:
        """Remember the run; nothing is called yet."""
        self._run = run

    def recall_refusals(self, pairs: Sequence[Pair]) -> None:
        """Ask for no pair that HubSpot refused within the hour; see `refusals`."""
        run = self._run
        for pair in pairs:
            if error := recall(run.portal, run.options, run.state, pair.table):
                self._run.pairs.refused.add(pair.table)
                self._run.outcomes.fail(self.outcome(pair), error, unknown=True)

    def is_refused(self, pair: Pair) -> bool:
        """Whether HubSpot or the token does not have the links of a pair."""
        return pair.table in self._run.pairs.refused

    def outcome(self, pair: Pair) -> TableOutcome:
        """Return the outcome of a link table, with what earlier runs have read of it."""
        outcome = self._run.outcomes.of(pair.table)
        known = self._run.state.pairs.get(pair.table)
        if known and known.had_links:
            outcome.was_read, outcome.fresh_at = True, known.swept_at
        return outcome

    def side_of(self, pair: Pair) -> Generator[None, None, Side]:
        """Choose the side that all links of a pair are read from; a run does not change its mind.

        The target's side costs a call more, which names its types from those of the source's side.
        """
        if pair.table not in self._run.pairs.sides:
            known = self._run.state.pair(pair.table)
            records = yield from self.count(pair.source)
            others = yield from self.count(pair.target)
            side = cheaper_side(pair, records, others)
            chosen = known.listed_side or known.reported_by
            self._run.pairs.sides[pair.table] = chosen or side
        return self._run.pairs.sides[pair.table]

    def count(self, kind: ObjectType) -> Generator[None, None, int | None]:
        """Count the live records of a type that the token may read; None where it is unknown."""
        known = self._run.tables.totals.get(kind.table)
        if known is None:
            known = self._run.state.table(kind.table).total
        if known is not None or not kind.searchable:
            return known
        try:
            total, _ = yield from wait(self._run.portal.extent(kind))
        except (ScopeMissingError, NotFoundError):  # rows of an earlier run may have links
            return None if self._run.state.table(kind.table).was_read else 0
        except HubSpotError:  # it cannot be counted, so it may have records
            return None
        return total

    def submit(
        self, pair: Pair, ids: Sequence[str], side: Side, *, but: Collection[str] = ()
    ) -> list[Asked]:
        """Start reading the links of records of one end, those of some left out."""
        if self.is_refused(pair):
            return []
        fresh = [id_ for id_ in dict.fromkeys(ids) if id_ not in but]
        return [
            Asked(pair, side, part, self._start(pair, part, side)) for part in batches(fresh, BATCH)
        ]

    def ask(
        self, pair: Pair, ids: Sequence[str], side: Side
    ) -> Generator[None, None, dict[str, Sequence[Link]]]:
        """Read the links of at most 1,000 records of one end; none of a pair that is refused."""
        asked = Asked(pair, side, ids, self._start(pair, ids, side))
        return (yield from self.unless_refused(asked)) or {}

    def lists_any(self, pair: Pair, ids: Sequence[str], side: Side) -> Generator[None, None, bool]:
        """Return whether HubSpot lists any link of these records, at most 1,000 of one end."""
        return any((yield from self.ask(pair, ids, side)).values())

    def _start(self, pair: Pair, ids: Sequence[str], side: Side) -> Future[Read]:
        client, read = (
            self._run.portal.client_for(pair.table),
            pair if side == "source" else pair.reversed,
        )
        return self._run.submit(partial(read_links, client, read, ids), lane="links")

    def unless_refused(
        self, asked: Asked
    ) -> Generator[None, None, dict[str, Sequence[Link]] | None]:
        """Wait for a call; a pair that is refused, or answered oddly, is an outcome of its own.

        Records that are refused are left out, for nothing is known of their links: the outcome
        names them, and the next run reads them again.
        """
        pair = asked.pair
        try:
            read = yield from self._read(asked)
        except HubSpotError as error:
            is_odd = isinstance(error, ContractError) and self._run.options.report_errors
            if not (is_absent(error) or is_odd):
                raise
            if not self.is_refused(pair):  # by another call at the same time
                self._refuse(pair, error)
            return None
        self._run.pairs.more_calls[pair.table] += read.calls - 1
        return read.links

    def _read(self, asked: Asked) -> Generator[None, None, Read]:
        """Wait for a call, and keep the records that are refused for the next run.

        Raises:
            HubSpotError: it is the pair that is refused, or more records than can be kept.
        """
        try:
            read = yield from wait(asked.call)
        except RequestRejectedError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            read = Read({}, 1, dict.fromkeys(asked.ids, error))
        if read.refused and not read.links:
            why = next(iter(read.refused.values()))
            if not self._is_about_records(asked, why):
                raise why
        self._note_refused(asked, read)
        return read

    def _is_about_records(self, asked: Asked, error: HubSpotError) -> bool:
        """Whether a refusal of all records of a call is about them, and not about the pair.

        So it is where they are few, of a pair that has links, and where they were refused before.
        """
        may_be = self.outcome(asked.pair).was_read or not is_absent(error)
        if may_be and len(asked.ids) < HOPELESS:
            return True
        known = self._run.state.pairs.get(asked.pair.table)
        return known is not None and {*asked.ids} <= {*known.refused_ids.get(asked.end, ())}

    def _note_refused(self, asked: Asked, read: Read) -> None:
        """Keep the records whose links are refused, and forget those that are answered."""
        table, side = asked.pair.table, asked.end
        known = self._run.state.pairs.get(table)
        if known is None and read.refused:
            known = self._run.state.pair(table)
            known.pending = True
        if known is None or not (read.refused or known.refused_ids):
            return
        known.note_refused(side, read.refused, answered=read.links)
        self._run.pairs.refused_ids |= {(table, side, id_) for id_ in read.refused}
        outcome = self.outcome(asked.pair)
        for id_, error in islice(read.refused.items(), MOST_NAMED):
            outcome.note(f"HubSpot refuses to read the links of {id_}: {error.message}")
        if (more := len(read.refused) - MOST_NAMED) > 0:
            outcome.note(f"HubSpot refuses to read the links of {more:,} more records.")
        if read.refused and len(known.refused_ids[side]) > PENDING_LIMIT:
            raise next(iter(read.refused.values()))

    def _refuse(self, pair: Pair, error: HubSpotError) -> None:
        """Ask for a pair no more, for the hour where there is none to read."""
        self._run.pairs.refused.add(pair.table)
        if self._run.outcomes.fail(self.outcome(pair), error, unknown=True):
            self._run.pairs.failed.add(pair.table)  # the next run asks again
            self._run.state.pair(pair.table).read_whole()
        else:
            remember(self._run.portal, self._run.state, pair.table, error)
