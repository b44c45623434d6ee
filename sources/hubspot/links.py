"""When links are read: of backfilled and changed records at once, of all others in sweeps.

HubSpot has no feed of link changes, and a link changes no record's last-modified. So beside the
links of changed records, from either end, the links of every pair that a run touches are owed:
they are read again in full as soon as the day's allowance of calls bears it. Debts are kept in
state, so whatever ends a run, a later one pays them.
"""

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import dlt

from .associations import BATCH, Link, Pair, read_linked, read_links, to_arrow
from .errors import HubSpotError, NotFoundError, ScopeMissingError
from .model import ObjectType
from .reading import batches
from .run import Items, Run, is_absent, wait
from .state import SourceState, to_text

AT_ONCE = 8 * BATCH  # ids whose links are asked for at the same time
SWEEP_SHARE = 0.05  # of the portal's daily calls
DAILY_CALLS = 250_000  # HubSpot's smallest daily limit, until a header tells the real one

Calls = list[tuple[Pair, list[str], Future[dict[str, list[Link]]]]]
T = TypeVar("T")


class Links:
    """The pairs of a run, and which from-ids this load has already read."""

    def __init__(self, run: Run, pairs: Sequence[tuple[ObjectType, ObjectType]]) -> None:
        """Remember the pairs; nothing is called yet."""
        self._run = run
        self.pairs = [Pair(source, target) for source, target in pairs]
        self._done: dict[str, set[str]] = {}

    def of(self, object_type: ObjectType) -> list[Pair]:
        """List the pairs that are read from one type."""
        return [pair for pair in self.pairs if pair.source == object_type]

    def read(self, object_type: ObjectType, ids: Sequence[str], *, replace: bool = True) -> Items:
        """Hand on all links of the records, for every pair that begins at their type.

        Args:
            object_type: theirs.
            ids: of the records.
            replace: whether older links of these records may be in the tables.
        """
        source = SourceState(dlt.current.source_state())
        calls: Calls = []
        for pair in self.of(object_type):
            known = source.links(pair.table)
            if (yield from self._is_empty(pair.target)):
                known["owed"] = "must"
            else:
                calls += self._submit(pair, ids)
        for pair, part, call in calls:
            yield from self._take(pair, part, call, replace=replace)

    def read_from_targets(self, object_type: ObjectType, ids: Sequence[str]) -> Items:
        """Hand on the links of the records that these are linked from, for pairs that end here."""
        for pair in self.pairs:
            if pair.target != object_type or pair.source == object_type or not ids:
                continue
            if pair.table in self._run.refused_pairs or (yield from self._is_empty(pair.source)):
                continue
            client = self._run.client_for(pair.table)
            finds = [
                self._run.submit(partial(read_linked, client, pair, part), lane="links")
                for part in batches(ids, BATCH)
            ]
            for find in finds:
                found = yield from self._unless_refused(pair, find)
                yield from self._reread(pair, sorted(found or ()))

    def drop(self, object_type: ObjectType, ids: Iterable[str]) -> Items:
        """Take away the links of records that are no longer there."""
        gone = {id_: list[Link]() for id_ in ids}
        for pair in self.of(object_type) if gone else ():
            self._done.setdefault(pair.table, set()).update(gone)
            self._run.dropped_links[pair.table] = pair.source.table
            yield from self._rows(pair, gone, replace=True)

    def owe(self, object_type: ObjectType, source: SourceState) -> None:
        """Note that links of a type that changed are to be read again, in this run or a later."""
        for pair in self.pairs:
            if object_type in {pair.source, pair.target} and source.knows_links(pair.table):
                source.links(pair.table).setdefault("owed", "may")

    def sweep(self) -> Items:
        """Read again all links of the pairs that are owed: what must be first, then the oldest.

        Begin it when every object type is done, so that what it reads is not older than them. A
        debt is paid only by a sweep that reached its end; it survives anything else.
        """
        run, source = self._run, SourceState(dlt.current.source_state())
        if run.known_ids is None:
            return
        for pair in self.pairs:
            if not source.knows_links(pair.table):
                source.links(pair.table)["owed"] = "must"
        owed = [pair for pair in self.pairs if "owed" in source.links(pair.table)]
        for pair in sorted(owed, key=lambda pair: _urgency(source.links(pair.table))):
            ends = (source.table(pair.source.table), source.table(pair.target.table))
            if any(end.watermark is None or end.total == 0 for end in ends):
                continue
            if pair.source.table in run.listed_now:
                run.unfinished.add(pair.table)  # another load, which knows the ids, pays
                continue
            calls = -(-(ends[0].total or 0) // BATCH)
            spent = source.spend_on_sweeps(calls, now=run.now(), allowance=self._allowance())
            if spent or source.links(pair.table)["owed"] == "must":
                yield from self._sweep(pair, source)

    def _sweep(self, pair: Pair, source: SourceState) -> Items:
        run = self._run
        with run.outcome(pair.table):
            for ids in run.known_ids(pair.source.table) if run.known_ids else ():
                yield from self._reread(pair, ids)
            known = source.links(pair.table)
            known.pop("owed", None)
            known["swept_at"] = to_text(run.now())

    def _reread(self, pair: Pair, ids: Sequence[str]) -> Items:
        for part in batches(ids, AT_ONCE):
            for _, asked, call in self._submit(pair, part):
                yield from self._take(pair, asked, call, replace=True)

    def _take(
        self, pair: Pair, ids: Sequence[str], call: Future[dict[str, list[Link]]], *, replace: bool
    ) -> Items:
        """Wait for the links of these ids and hand them on."""
        links = yield from self._unless_refused(pair, call)
        if links is None:
            return
        done = self._done.setdefault(pair.table, set())
        # asked for twice at the same time, by either end, they are handed on once
        fresh = {id_: links[id_] for id_ in ids if id_ not in done}
        done.update(fresh)
        yield from self._rows(pair, fresh, replace=replace)

    def _unless_refused(self, pair: Pair, call: Future[T]) -> Generator[None, None, T | None]:
        """Wait for a call; a pair that HubSpot refuses is an outcome of its own, no more."""
        try:
            return (yield from wait(call))
        except HubSpotError as error:
            if not is_absent(error):
                raise
            self._run.refused_pairs.add(pair.table)
            outcome = self._run.outcome_of(pair.table)
            outcome.status, outcome.error = "skipped", str(error)
            return None

    def _submit(self, pair: Pair, ids: Sequence[str]) -> Calls:
        """Start reading the links of the ids that this load has not read yet."""
        done = self._done.get(pair.table, set())
        fresh = [id_ for id_ in dict.fromkeys(ids) if id_ not in done]
        if pair.table in self._run.refused_pairs:
            return []
        client = self._run.client_for(pair.table)
        return [
            (pair, part, self._run.submit(partial(read_links, client, pair, part), lane="links"))
            for part in batches(fresh, BATCH)
        ]

    def _rows(self, pair: Pair, links: dict[str, list[Link]], *, replace: bool) -> Items:
        rows = to_arrow(links, mark_empty=replace)
        outcome = self._run.outcome_of(pair.table)
        outcome.way_in = "increment" if replace else "backfill"
        outcome.rows += sum(map(len, links.values()))
        self._run.budget.take(rows.num_rows)
        if rows.num_rows:
            yield dlt.mark.with_table_name(rows, pair.table)

    def _is_empty(self, target: ObjectType) -> Generator[None, None, bool]:
        """Tell whether no record of a type exists, or none that the token may read."""
        known = SourceState(dlt.current.source_state()).table(target.table).total
        if known is not None:
            return known == 0
        if not target.searchable:
            return False
        try:
            total, _ = yield from wait(self._run.extent(target))
        except (ScopeMissingError, NotFoundError):
            return True
        except HubSpotError:  # it cannot be counted, so it may have records
            return False
        return total == 0

    def _allowance(self) -> int:
        daily = self._run.client.limits.snapshot()["daily"].get("limit") or DAILY_CALLS
        return int(daily * SWEEP_SHARE)


def _urgency(known: dict[str, Any]) -> tuple[bool, str]:
    """Order debts: those that must be paid, then by how long ago a pair was swept."""
    return known["owed"] != "must", known.get("swept_at", "")
