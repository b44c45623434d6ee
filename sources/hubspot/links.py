"""When links are read: of backfilled and changed records at once, of all others in sweeps.

HubSpot has no feed of link changes, and a link changes no record's last-modified. So beside the
links of changed records, from either end, the links of every pair that a run touches are read
again while the day's allowance of calls lasts, and daily otherwise.
"""

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from functools import partial

import dlt

from .associations import BATCH, Link, Pair, read_linked, read_links, to_arrow
from .errors import HubSpotError, NotFoundError, RequestRejectedError, ScopeMissingError
from .model import ObjectType
from .reading import batches
from .run import Items, Run, is_absent, wait
from .state import SourceState

SWEEP_SHARE = 0.05  # of the portal's daily calls
DAILY_CALLS = 250_000  # HubSpot's smallest daily limit, until a header tells the real one

Calls = list[tuple[Pair, Future[dict[str, list[Link]]]]]


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
            replace: whether older links of these records may be in the tables.
        """
        calls: Calls = []
        for pair in self.of(object_type):
            if not (yield from self._is_empty(pair.target)):
                calls += self._submit(pair, ids)
        for pair, call in calls:
            yield from self._take(pair, call, replace=replace)

    def read_from_targets(self, object_type: ObjectType, ids: Sequence[str]) -> Items:
        """Hand on the links of the records that these are linked from, for pairs that end here."""
        for pair in self.pairs:
            if pair.target != object_type or pair.source == object_type or not ids:
                continue
            client = self._run.client_for(pair.table)
            finds = [
                self._run.submit(partial(read_linked, client, pair, part), lane="links")
                for part in batches(ids, BATCH)
            ]
            sources: set[str] = set()
            for find in finds:
                sources |= yield from wait(find)
            yield from self._reread(pair, sorted(sources))

    def drop(self, object_type: ObjectType, ids: Iterable[str]) -> Items:
        """Take away the links of records that are no longer there."""
        gone = {id_: list[Link]() for id_ in ids}
        for pair in self.of(object_type) if gone else ():
            self._done.setdefault(pair.table, set()).update(gone)
            yield from self._rows(pair, gone, replace=True)

    def sweep(self) -> Items:
        """Read again all links of the pairs whose tables this run changed.

        Begin it when every object type is done, so that what it reads is not older than them.
        """
        run, source = self._run, SourceState(dlt.current.source_state())
        if run.known_ids is None:
            return
        for pair in filter(self._is_touched, self.pairs):
            with run.outcome(pair.table):
                calls = -(-(source.table(pair.source.table).total or 0) // BATCH)
                must = pair.target.table in run.backfilled
                if (
                    source.spend_on_sweeps(calls, now=run.now(), allowance=self._allowance())
                    or must
                ):
                    for ids in run.known_ids(pair.source.table):
                        yield from self._reread(pair, ids)

    def _is_touched(self, pair: Pair) -> bool:
        """Tell whether a run changed an end of a pair without having read all its links."""
        ends = {pair.source.table, pair.target.table}
        touched = ends & (self._run.changed | self._run.backfilled.keys())
        return bool(touched) and pair.source.table not in self._run.backfilled

    def _reread(self, pair: Pair, ids: Sequence[str]) -> Items:
        for _, call in self._submit(pair, ids):
            yield from self._take(pair, call, replace=True)

    def _take(self, pair: Pair, call: Future[dict[str, list[Link]]], *, replace: bool) -> Items:
        """Wait for links and hand them on; a pair that HubSpot refuses is an outcome of its own."""
        try:
            links = yield from wait(call)
        except HubSpotError as error:
            if not is_absent(error):
                raise
            outcome = self._run.outcome_of(pair.table)
            outcome.status, outcome.error = "skipped", str(error)
            return
        yield from self._rows(pair, links, replace=replace)

    def _submit(self, pair: Pair, ids: Sequence[str]) -> Calls:
        """Start reading the links of the ids that this load has not read yet."""
        done = self._done.setdefault(pair.table, set())
        fresh = [id_ for id_ in dict.fromkeys(ids) if id_ not in done]
        done.update(fresh)
        client = self._run.client_for(pair.table)
        return [
            (pair, self._run.submit(partial(read_links, client, pair, part), lane="links"))
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
        except RequestRejectedError:  # it cannot be counted, so it may have records
            return False
        return total == 0

    def _allowance(self) -> int:
        daily = self._run.client.limits.snapshot()["daily"].get("limit") or DAILY_CALLS
        return int(daily * SWEEP_SHARE)
