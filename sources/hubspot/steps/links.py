"""When links are read: of backfilled and changed records at once, of all others in sweeps.

HubSpot has no feed of link changes, and a link changes no record's last-modified. So beside the
links of changed records, from either end, the links of every pair are swept; see `sweeps`. Within
a load the links of a record are handed on once: they replace what the warehouse holds of it.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from math import ceil
from typing import Any, TypeVar

import dlt

from ..api.associations import BATCH, COLUMNS, Link, Pair, read_links, to_arrow
from ..api.batch_read import batches
from ..api.search import instant_ms, to_ms
from ..errors import ContractError, HubSpotError, NotFoundError, ScopeMissingError, is_absent
from ..model import ObjectType, TableOutcome
from ..run.refusals import recall, remember
from ..run.run import Items, Run
from ..run.waiting import wait
from ..state.source import SourceState
from ..tables.decoding import Record

Calls = list[tuple[Pair, list[str], Future[dict[str, Sequence[Link]]]]]
T = TypeVar("T")


class Links:
    """The pairs of a run, and which from-ids this load has already read."""

    def __init__(self, run: Run, pairs: Sequence[Pair]) -> None:
        """Remember the pairs; nothing is called yet."""
        self._run = run
        self.pairs = pairs
        self._done: dict[str, set[str]] = {}
        self._queued: defaultdict[str, list[str]] = defaultdict(list)
        """From-ids of a backfill, by link table, that wait for a call to be full."""
        self.late: defaultdict[str, list[str]] = defaultdict(list)
        """From-ids of this load, by link table, whose links are read when every table is done."""
        self._asked: Calls = []
        """Calls of backfills in flight."""
        self._replace: dict[str, bool] = {}
        """By object table whether the links that a backfill brings replace older ones."""
        self._latest: dict[str, dict[str, Sequence[Link]]] = {}
        """By link table what `read` was told last."""
        self._began_ms = to_ms(run.now()) - 2_000  # HubSpot's clock is known to the second

    def recall_refusals(self) -> None:
        """Ask for no pair that HubSpot refused within the hour; see `refusals`."""
        for pair in self.pairs:
            if error := recall(self._run, self._run.state, pair.table):
                self._run.refused_pairs.add(pair.table)
                self._run.fail(self.outcome(pair), error, unknown=True)

    def read(self, object_type: ObjectType, ids: Sequence[str]) -> Items:
        """Hand on all links of the records, in place of those that the tables hold of them."""
        calls: Calls = []
        for pair in (yield from self._told(object_type)) if ids else ():
            self._latest[pair.table] = {}
            calls += self._submit(pair, ids)
        for pair, part, call in calls:
            links = yield from self._take(pair, part, call, replace=True)
            self._latest[pair.table].update(links)

    def owe(self, object_type: ObjectType, ids: Sequence[str]) -> Items:
        """Leave the links of all records of a type to the end of the run; see `link_sweeps`."""
        for pair in (yield from self._told(object_type, whole=True)):
            self._owe(pair)
            self.late[pair.table] += ids

    def queue(self, object_type: ObjectType, ids: Sequence[str], *, replace: bool) -> Items:
        """Ask for the links of listed records, as many at a time as a call takes.

        What has been answered so far is handed on; `flush` has to hand on the rest of the load.

        Args:
            object_type: theirs.
            ids: of the records.
            replace: whether older links of these records may be in the tables.
        """
        for pair in (yield from self._told(object_type, whole=True)) if ids else ():
            queued = self._queued[pair.table]
            queued += ids
            while len(queued) >= BATCH:
                self._asked += self._submit(pair, queued[:BATCH])
                del queued[:BATCH]
        self._replace[object_type.table] = replace
        done = [asked for asked in self._asked if asked[2].done()]
        yield from self._take_asked(object_type, done)

    def flush(self, object_type: ObjectType) -> Items:
        """Hand on all that `queue` has taken of a type and not handed on yet."""
        for pair in self.pairs:
            if pair.source == object_type:
                self._asked += self._submit(pair, self._queued.pop(pair.table, ()))
        yield from self._take_asked(object_type, self._asked)

    def _take_asked(self, object_type: ObjectType, calls: Calls) -> Items:
        """Hand on the answers to calls for records of a type; a sweep is owed where one fails.

        The others are handed on all the same, for the listing does not come back to their records.
        """
        failed: HubSpotError | None = None
        for asked in [one for one in calls if one[0].source == object_type]:
            pair, part, call = asked
            self._asked.remove(asked)
            try:
                replace = self._replace[object_type.table]
                yield from self._take(pair, part, call, replace=replace)
            except HubSpotError as error:
                self._owe(pair)
                failed = failed or error
        if failed:
            raise failed

    def _told(
        self, object_type: ObjectType, *, whole: bool = False
    ) -> Generator[None, None, list[Pair]]:
        """List the pairs whose links HubSpot tells from this type, and that may have some.

        Of a whole table not those with far fewer records at the other end: a sweep is cheaper.
        """
        source, told = self._run.state, []
        swept = whole and self._run.copy is not None and not self._run.repairing
        for pair in self.pairs:
            if pair.source != object_type or is_one_way(source, pair):
                continue
            known = source.pair(pair.table)
            others = yield from self._count(pair.target)
            if others == 0:
                self._owe(pair)
            elif swept and others and not known.reported_by:
                records = yield from self._count(pair.source)
                if is_lopsided(records or 0, others):
                    self._owe(pair)
                else:
                    told.append(pair)
            else:
                told.append(pair)
        return told

    def _owe(self, pair: Pair) -> None:
        self._run.state.pair(pair.table).read_whole()

    def read_from_targets(self, object_type: ObjectType, records: Sequence[Record]) -> Items:
        """Hand on the links of the records that these are, or were, linked from, if they differ.

        Those whose links this load has read before one of these records changed are left to the
        next load of the run.
        """
        source = self._run.state
        ids = [record.id for record in records]
        late = any((instant_ms(record.updatedAt) or 0) >= self._began_ms for record in records)
        for pair in self.pairs:
            if pair.target != object_type or not ids or is_one_way(source, pair):
                continue
            if pair.table in self._run.refused_pairs or (yield from self._count(pair.source)) == 0:
                continue
            theirs = yield from self._links_to(pair, ids)
            linked = self.differing(pair, theirs, ids)
            if again := linked & self._done.get(pair.table, set()) if late else set():
                self._run.late_links.setdefault(pair.table, set()).update(again)
                self._run.unfinished.add(pair.table)
            yield from self.reread(pair, sorted(linked))

    def ask(
        self, pair: Pair, ids: Sequence[str], *, backwards: bool = False
    ) -> Generator[None, None, dict[str, Sequence[Link]]]:
        """Read the links of at most 1,000 records of one end; none of a pair that is refused."""
        read = partial(read_links, self._run.client_for(pair.table))
        call = partial(read, pair.reversed if backwards else pair, ids)
        found = yield from self._unless_refused(pair, self._run.submit(call, lane="links"))
        return found or {}

    def _links_to(self, pair: Pair, ids: Sequence[str]) -> Generator[None, None, list[Link]]:
        """Read the links of targets: target, source, type, category, label."""
        if pair.source == pair.target:  # the answers about these records are the same ones
            known = self._latest.get(pair.table, {})
            ids = [id_ for id_ in ids if id_ not in known]
            found = [link for links in known.values() for link in links]
        else:
            found = []
        client = self._run.client_for(pair.table)
        calls = [
            self._run.submit(partial(read_links, client, pair.reversed, part), lane="links")
            for part in batches(ids, BATCH)
        ]
        for call in calls:
            links = (yield from self._unless_refused(pair, call)) or {}
            found += [link for one in links.values() for link in one]
        return found

    def differing(self, pair: Pair, theirs: Sequence[Link], ids: Sequence[str]) -> set[str]:
        """List the sources whose links to some targets the warehouse does not hold as told.

        The types of a link have other ids in the other direction, and labels may read differently
        there: a source whose links do not agree in number, category and label is named, and is to
        be read from its own side, which decides.

        Args:
            pair: theirs.
            theirs: links as told from the targets' side: target, source, type, category, label.
            ids: the targets.
        """
        told: defaultdict[tuple[str, str], Counter[Any]] = defaultdict(Counter)
        held: defaultdict[tuple[str, str], Counter[Any]] = defaultdict(Counter)
        for to_id, from_id, _, category, label in theirs:
            told[from_id, to_id][category, label] += 1
        if self._run.copy:
            columns = ("from_id", "to_id", "category", "label")
            for from_id, to_id, *kind in self._run.copy.rows(pair.table, columns, ids, key="to_id"):
                held[from_id, to_id][tuple(kind)] += 1
        return {ends[0] for ends in told.keys() | held.keys() if told[ends] != held[ends]}

    def drop(self, object_type: ObjectType, ids: Iterable[str]) -> Items:
        """Take away the links of records that are no longer there."""
        gone = dict.fromkeys(ids, ())
        for pair in self.pairs if gone else ():
            if pair.source == object_type:
                self._done.setdefault(pair.table, set()).update(gone)
                yield from self.hand_on(pair, gone, replace=True)

    def reread(self, pair: Pair, ids: Sequence[str], *, replace: bool = True) -> Items:
        """Hand on the links of these records, but for those that this load has."""
        first, rest = ids[:BATCH], ids[BATCH:]  # a pair may be refused, after a dozen calls
        for part in (first, *batches(rest, AT_ONCE)):
            for _, asked, call in self._submit(pair, part):
                yield from self._take(pair, asked, call, replace=replace)

    def hand_on(self, pair: Pair, links: Mapping[str, Sequence[Link]], *, replace: bool) -> Items:
        """Yield links as rows of their table, which is made with its first link."""
        held = dlt.current.source_schema().tables.get(pair.table, {}).get("columns")
        rows = to_arrow(links, mark_empty=replace and bool(held) and not self._run.fresh)
        outcome = self._run.outcome_of(pair.table)
        if outcome.way_in != "backfill":  # tombstones of a backfill only take links away
            outcome.way_in = "increment" if replace else "backfill"
        brought = sum(map(len, links.values()))
        outcome.rows += brought
        if brought:
            self._run.state.pair(pair.table).has_links = None
        self._run.budget.take(rows.num_rows)
        if rows.num_rows:
            self._run.linked.add(pair.table)
            yield dlt.mark.with_table_name(rows, pair.table)

    def _take(
        self,
        pair: Pair,
        ids: Sequence[str],
        call: Future[dict[str, Sequence[Link]]],
        *,
        replace: bool,
    ) -> Generator[Any, None, dict[str, Sequence[Link]]]:
        """Wait for the links of these ids, hand them on and return them."""
        links = yield from self._unless_refused(pair, call)
        if links is None:
            return {}
        done = self._done.setdefault(pair.table, set())
        # asked for twice at the same time, by either end, they are handed on once
        fresh = {id_: links[id_] for id_ in ids if id_ not in done}
        done.update(fresh)
        self._note_labels(pair, fresh)
        if replace:
            fresh = self._differing(pair, fresh)
        yield from self.hand_on(pair, fresh, replace=replace)
        return links

    def _differing(self, pair: Pair, links: dict[str, Sequence[Link]]) -> dict[str, Sequence[Link]]:
        """Keep of these records those whose links the warehouse does not hold as they are."""
        if self._run.copy is None:
            return links
        held: defaultdict[str, Counter[Any]] = defaultdict(Counter)
        for row in self._run.copy.rows(pair.table, COLUMNS, list(links), key="from_id"):
            held[row[0]][row] += 1
        return {
            id_: found
            for id_, found in links.items()
            if Counter(dict.fromkeys(found, 1)) != held[id_]
        }

    def _note_labels(self, pair: Pair, links: Mapping[str, Sequence[Link]]) -> None:
        """Note a pair whose links bear other labels than were read of its association types."""
        labels = self._run.state.last(f"labels:{pair.table}")
        if not isinstance(labels, dict):
            return
        shown = {(str(link[2]), link[4]) for found in links.values() for link in found}
        if any(labels.get(type_id, label) != label for type_id, label in shown):
            self._run.stale_labels.add(pair.table)

    def _unless_refused(self, pair: Pair, call: Future[T]) -> Generator[None, None, T | None]:
        """Wait for a call; a pair that is refused, or told oddly, is an outcome of its own."""
        try:
            return (yield from wait(call))
        except HubSpotError as error:
            is_odd = isinstance(error, ContractError) and self._run.report_errors
            if not (is_absent(error) or is_odd):
                raise
            if pair.table in self._run.refused_pairs:  # by a call beside this one
                return None
            self._run.refused_pairs.add(pair.table)
            outcome = self.outcome(pair)
            self._run.fail(outcome, error, unknown=True)
            if outcome.status == "failed":  # the next run asks again
                self._owe(pair)
            else:
                remember(self._run, self._run.state, pair.table, error)
            return None

    def outcome(self, pair: Pair) -> TableOutcome:
        """Return the outcome of a link table, with what earlier runs have read of it."""
        outcome = self._run.outcome_of(pair.table)
        known = self._run.state.pairs.get(pair.table)
        if known and known.has_links:
            outcome.was_read, outcome.fresh_at = True, known.swept_at
        return outcome

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

    def _count(self, kind: ObjectType) -> Generator[None, None, int | None]:
        """Count the live records of a type that the token may read; None where nobody can tell."""
        known = self._run.totals.get(kind.table)
        if known is None:
            known = self._run.state.table(kind.table).total
        if known is not None or not kind.searchable:
            return known
        try:
            total, _ = yield from wait(self._run.extent(kind))
        except (ScopeMissingError, NotFoundError):  # rows of an earlier run may have links
            return None if self._run.state.table(kind.table).was_read else 0
        except HubSpotError:  # it cannot be counted, so it may have records
            return None
        return total


AT_ONCE = 8 * BATCH  # ids whose links are asked for at the same time
LOPSIDED = 10  # calls for one end for each of the other end


def is_one_way(source: SourceState, pair: Pair) -> bool:
    """Whether HubSpot tells the links of a pair from its target only."""
    known = source.pairs.get(pair.table)
    return known is not None and known.reported_by == "target"


def is_lopsided(records: int, others: int) -> bool:
    """Whether links of a whole table are read from the other end, and then of those linked alone.

    That never takes more than a tenth more calls, and mostly saves nearly all.
    """
    return ceil(records / BATCH) >= LOPSIDED * ceil(others / BATCH)
