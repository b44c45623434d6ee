"""The one door for links: whoever wants links of records asks here, and rows come out.

HubSpot has no feed of link changes, and a link changes no record's last-modified. So links are read

- of listed records, with their load (`listed`, `flush`),
- of changed records, from either end (`read`, `read_from_targets`),
- of all records of a pair, in sweeps (`hand_on_links`, called by `sweeps.links`).

HubSpot lists most links from both ends. All links of a pair are read from one side only: the one
that takes fewer calls (`side_of`). What the target's side lists is turned round: its types are
translated, and what they cannot tell is read from the source's side. Within a load the links of a
record are handed on once, for they replace what the warehouse holds of it.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import dlt

from ...api.associations import BATCH, COLUMNS, Link, Pair, Side, read_links, to_arrow
from ...api.batch_read import batches
from ...api.link_types import cheaper_side, differing, learn, translated, turned_round
from ...api.search import instant_ms, to_ms
from ...errors import ContractError, HubSpotError, NotFoundError, ScopeMissingError, is_absent
from ...model import ObjectType, TableOutcome
from ...run.pace.waiting import wait
from ...run.portal.refusals import recall, remember
from ...run.run import Items, Run
from ...state.source import SourceState
from ...tables.decoding import Record

T = TypeVar("T")


class Asked(NamedTuple):
    """A call in flight for the links of at most 1,000 records of one end of a pair."""

    pair: Pair
    side: Side
    ids: Sequence[str]
    call: Future[dict[str, Sequence[Link]]]


class Links:
    """The pairs of a run, and the links that this load has read."""

    def __init__(self, run: Run, pairs: Sequence[Pair]) -> None:
        """Remember the pairs; nothing is called yet."""
        self._run = run
        self.pairs = pairs
        self._done: dict[str, set[str]] = {}
        """By link table the from-ids whose links this load brings."""
        self._queued: defaultdict[tuple[str, Side], list[str]] = defaultdict(list)
        """Ids of listed records, by link table and side, that wait for a call to be full."""
        self._asked: list[Asked] = []
        """Calls for links of listed records in flight."""
        self._replace: dict[str, bool] = {}
        """By object table whether the links that a backfill brings replace older ones."""
        self._latest: dict[str, dict[str, Sequence[Link]]] = {}
        """By link table what `read` was answered last."""
        self._turned: dict[str, dict[str, set[Link]]] = {}
        """By link table and from-id all links, where those that targets list differ from the
        warehouse's; handed on by `hand_on_turned`."""
        self._untold: defaultdict[str, set[int]] = defaultdict(set)
        """By link table the types of the target's side that no link has distinguished."""
        self.reported: defaultdict[str, int] = defaultdict(int)
        """By link table how many links this load has read."""
        self._began_ms = to_ms(run.now()) - 2_000  # HubSpot's clock is known to the second

    def recall_refusals(self) -> None:
        """Ask for no pair that HubSpot refused within the hour; see `refusals`."""
        for pair in self.pairs:
            if error := recall(self._run, self._run.state, pair.table):
                self._run.pairs.refused.add(pair.table)
                self._run.outcomes.fail(self.outcome(pair), error, unknown=True)

    # --- changed records ------------------------------------------------------------------------

    def read(self, object_type: ObjectType, ids: Sequence[str]) -> Items:
        """Hand on all links of the records, in place of those that the tables hold of them."""
        calls: list[Asked] = []
        for pair in self.pairs if ids else ():
            if pair.source != object_type or is_one_way(self._run.state, pair):
                continue
            if (yield from self._count(pair.target)) == 0:
                self._leave(pair)
            else:
                self._latest[pair.table] = {}
                calls += self._submit(pair, ids, "source")
        for asked in calls:
            links = yield from self._take(asked, replace=True)
            self._latest[asked.pair.table].update(links)

    def read_from_targets(self, object_type: ObjectType, records: Sequence[Record]) -> Items:
        """Hand on the links of the records that these are, or were, linked from, if they differ.

        Those whose links this load has read before one of these records changed are left to the
        next load of the run.
        """
        ids = [record.id for record in records]
        late = any((instant_ms(record.updatedAt) or 0) >= self._began_ms for record in records)
        for pair in self.pairs:
            if pair.target != object_type or not ids or is_one_way(self._run.state, pair):
                continue
            if pair.table in self._run.pairs.refused or (yield from self._count(pair.source)) == 0:
                continue
            theirs = yield from self._links_to(pair, ids)
            linked = yield from self._linked_otherwise(pair, theirs, ids)
            if again := linked & self._done.get(pair.table, set()) if late else set():
                self._run.pairs.late.setdefault(pair.table, set()).update(again)
                self._run.load.unfinished.add(pair.table)
            yield from self.hand_on_links(pair, sorted(linked), "source")

    def _linked_otherwise(
        self, pair: Pair, theirs: Sequence[Link], ids: Sequence[str]
    ) -> Generator[None, None, set[str]]:
        """Name the sources whose links to some targets differ from the warehouse's, or may."""
        if pair.source == pair.target:  # the types of both directions stand in the same table
            reported, held = (
                Counter(link[:2] for link in links)
                for links in (theirs, self._held(pair, ids, key="to_id"))
            )
            return {
                ends[0] for ends in reported.keys() | held.keys() if reported[ends] != held[ends]
            }
        yield from self._learn(pair, theirs, ids)
        links, unclear = self._translated(pair, theirs)
        return unclear | differing(links, self._held(pair, ids, key="to_id")).keys()

    def _links_to(self, pair: Pair, ids: Sequence[str]) -> Generator[None, None, list[Link]]:
        """Read the links of targets, turned round."""
        found: list[Link] = []
        if pair.source == pair.target:  # the responses about these records are the same ones
            known = self._latest.get(pair.table, {})
            ids = [id_ for id_ in ids if id_ not in known]
            found = [link for links in known.values() for link in links]
        for asked in self._submit(pair, ids, "target"):
            links = (yield from self._unless_refused(pair, asked.call)) or {}
            found += chain(*links.values())
        return turned_round(found)

    # --- listed records -------------------------------------------------------------------------

    def listed(self, object_type: ObjectType, ids: Sequence[str], *, replace: bool) -> Items:
        """Ask for the links of listed records, from the cheaper side of each pair.

        As many at a time as a call takes. What has been answered so far is handed on; `flush` has
        to hand on the rest of the load.

        Args:
            object_type: theirs.
            ids: of the records.
            replace: whether older links of these records may be in the tables.
        """
        self._replace[object_type.table] = replace
        for pair in self.pairs if ids else ():
            if object_type not in {pair.source, pair.target}:
                continue
            side = yield from self.side_of(pair)
            self._run.state.pair(pair.table).listed_side = side  # whatever run ends the listing
            if object_type != pair.end(side):
                continue
            if (yield from self._count(pair.reversed.end(side))) == 0:
                self._leave(pair)
                continue
            queued = self._queued[pair.table, side]
            queued += ids
            while len(queued) >= BATCH:
                self._asked += self._submit(pair, queued[:BATCH], side)
                del queued[:BATCH]
        done = [asked for asked in self._asked if asked.side == "source" and asked.call.done()]
        yield from self._take_asked(object_type, done)

    def flush(self, object_type: ObjectType) -> Items:
        """Hand on all that `listed` has asked for of a type and not handed on yet."""
        pairs = {pair.table: pair for pair in self.pairs}
        for table, side in list(self._queued):
            if pairs[table].end(side) == object_type:
                ids = self._queued.pop((table, side))
                self._asked += self._submit(pairs[table], ids, side)
        yield from self._take_asked(object_type, list(self._asked))
        for pair in self.pairs:
            if pair.target == object_type:
                replace = self._replace.get(object_type.table, True)
                yield from self.hand_on_turned(pair, replace=replace)

    def _take_asked(self, object_type: ObjectType, calls: Sequence[Asked]) -> Items:
        """Hand on the responses to calls for records of a type; a sweep is due where one fails.

        The others are handed on all the same, for the listing does not come back to their records.
        """
        failed: HubSpotError | None = None
        for asked in [one for one in calls if one.pair.end(one.side) == object_type]:
            self._asked.remove(asked)
            try:
                replace = self._replace[object_type.table]
                yield from self._take(asked, replace=replace)
            except HubSpotError as error:
                self._leave(asked.pair)
                failed = failed or error
        if failed:
            raise failed

    def side_of(self, pair: Pair) -> Generator[None, None, Side]:
        """Choose the side that all links of a pair are read from; a run does not change its mind.

        The target's side costs a call more, which names its types from those of the source's side.
        """
        if pair.table not in self._run.pairs.sides:
            known = self._run.state.pair(pair.table)
            records = yield from self._count(pair.source)
            others = yield from self._count(pair.target)
            side = cheaper_side(pair, records, others)
            chosen = known.listed_side or known.reported_by
            self._run.pairs.sides[pair.table] = chosen or side
        return self._run.pairs.sides[pair.table]

    def turn_to(self, pair: Pair, side: Side) -> None:
        """Know that HubSpot lists the links of a pair from one side only; none were handed on."""
        self._run.pairs.sides[pair.table] = self._run.state.pair(pair.table).reported_by = side
        self._done.pop(pair.table, None)

    def _leave(self, pair: Pair) -> None:
        """Leave all links of a pair to a sweep that does not wait for its schedule."""
        self._run.state.pair(pair.table).read_whole()

    # --- the door -------------------------------------------------------------------------------

    def hand_on_links(
        self, pair: Pair, ids: Sequence[str], side: Side, *, replace: bool = True
    ) -> Items:
        """Hand on the links of records of one end, where they differ from the warehouse's.

        Those that targets list are handed on by `hand_on_turned`, once a load. Records of the
        source whose links this load has read are left out.

        Args:
            pair: theirs.
            ids: any number of records of that end.
            side: the end.
            replace: whether the warehouse may hold links of theirs.
        """
        first, rest = ids[:BATCH], ids[BATCH:]  # a pair may be refused, after a dozen calls
        for part in (first, *batches(rest, AT_ONCE)):
            for asked in self._submit(pair, part, side):
                yield from self._take(asked, replace=replace)

    def lists_any(self, pair: Pair, ids: Sequence[str], side: Side) -> Generator[None, None, bool]:
        """Return whether HubSpot lists any link of these records, at most 1,000 of one end."""
        return any((yield from self._ask(pair, ids, side)).values())

    def hand_on_turned(self, pair: Pair, *, replace: bool = True) -> Items:
        """Hand on the links that targets have listed since the load began, if they differ."""
        turned = self._turned.pop(pair.table, {})
        done = self._done.setdefault(pair.table, set())
        links = {id_: [*found] for id_, found in turned.items() if id_ not in done}
        self._run.budget.take(-sum(map(len, turned.values())))  # they are counted as they go
        done.update(links)
        if links:
            self._run.pairs.relabelled.add(pair.table)  # their labels are those of their types
            yield from self.hand_on(pair, links, replace=replace)

    def forget_turned(self, pair: Pair) -> None:
        """Hand on nothing of what targets have listed: they are read again."""
        turned = self._turned.pop(pair.table, {})
        self._run.budget.take(-sum(map(len, turned.values())))

    def _turn(self, pair: Pair, ids: Sequence[str], answers: Iterable[Sequence[Link]]) -> Items:
        """Keep all links of the sources whose links to these targets the warehouse lacks."""
        theirs = turned_round(chain(*answers))
        yield from self._learn(pair, theirs, ids)
        reported, unclear = self._translated(pair, theirs)
        yield from self.hand_on_links(pair, sorted(unclear), "source")
        changed = differing(reported, self._held(pair, ids, key="to_id"))
        for from_id in self._done.get(pair.table, set()) & changed.keys():
            del changed[from_id]
        turned = self._turned.setdefault(pair.table, {})
        whole = {id_: set(turned[id_]) for id_ in changed.keys() & turned.keys()}
        others = sorted(changed.keys() - turned.keys())
        whole |= {id_: set() for id_ in others}
        for row in self._held(pair, others, key="from_id"):
            whole[row[0]].add(row)
        read = {*ids}
        for from_id, found in changed.items():
            kept = {link for link in whole[from_id] if link[1] not in read}
            self._run.budget.take(len(kept) + len(found) - len(turned.get(from_id, ())))
            turned[from_id] = kept | {*found}

    def _learn(self, pair: Pair, theirs: Sequence[Link], ids: Sequence[str]) -> Items:
        """Learn which types the links have from the source's side, by reading some from there."""
        known, untold = self._run.state.pair(pair.table), self._untold[pair.table]
        new = [link for link in theirs if link[2] not in {*map(int, known.types)} | untold]
        if not new or known.reported_by == "target":
            return
        sample = [*dict.fromkeys(link[0] for link in new)][:BATCH]
        read, chosen = {*ids}, {*sample}
        answers = yield from self._ask(pair, sample, "source")
        own = [link for link in chain(*answers.values()) if link[1] in read]
        found = learn(own, [link for link in theirs if link[0] in chosen])
        known.types |= {str(type_id): own_id for type_id, own_id in found.items()}
        untold.update(link[2] for link in new if link[2] not in found)

    def _translated(self, pair: Pair, theirs: Sequence[Link]) -> tuple[list[Link], set[str]]:
        """Give links that targets list the types and labels that they have from the source's side.

        Also return the sources of those whose type nobody knows.
        """
        known = self._run.state.pair(pair.table)
        if known.reported_by == "target" or pair.source == pair.target:
            return list(theirs), set()
        labels = self._run.state.last(f"labels:{pair.table}")
        types = {int(type_id): own for type_id, own in known.types.items()}
        return translated(theirs, types, labels if isinstance(labels, dict) else {})

    def _held(self, pair: Pair, ids: Sequence[str], *, key: str) -> list[Link]:
        """Return the links that the warehouse holds of records of one end."""
        return self._run.copy.rows(pair.table, COLUMNS, ids, key=key) if self._run.copy else []

    def drop(self, object_type: ObjectType, ids: Iterable[str]) -> Items:
        """Take away the links of records that are no longer there."""
        gone = dict.fromkeys(ids, ())
        for pair in self.pairs if gone else ():
            if pair.source == object_type:
                self._done.setdefault(pair.table, set()).update(gone)
                yield from self.hand_on(pair, gone, replace=True)

    def hand_on(self, pair: Pair, links: Mapping[str, Sequence[Link]], *, replace: bool) -> Items:
        """Yield links as rows of their table, which is made with its first link."""
        held = dlt.current.source_schema().tables.get(pair.table, {}).get("columns")
        rows = to_arrow(links, mark_empty=replace and bool(held) and not self._run.load.fresh)
        outcome = self._run.outcomes.of(pair.table)
        if outcome.mode != "backfill":  # tombstones of a backfill only take links away
            outcome.mode = "increment" if replace else "backfill"
        brought = sum(map(len, links.values()))
        outcome.rows += brought
        if brought:
            self._run.state.pair(pair.table).has_links = None
        self._run.budget.take(rows.num_rows)
        if rows.num_rows:
            self._run.pairs.linked.add(pair.table)
            yield dlt.mark.with_table_name(rows, pair.table)

    def _take(
        self, asked: Asked, *, replace: bool
    ) -> Generator[Any, None, dict[str, Sequence[Link]]]:
        """Wait for the links of some records, hand them on and return them."""
        pair = asked.pair
        links = yield from self._unless_refused(pair, asked.call)
        if links is None:
            return {}
        self.reported[pair.table] += sum(map(len, links.values()))
        if asked.side == "target":
            yield from self._turn(pair, asked.ids, links.values())
            return links
        done = self._done.setdefault(pair.table, set())
        # asked for twice at the same time, by either end, they are handed on once
        fresh = {id_: links[id_] for id_ in asked.ids if id_ not in done}
        done.update(fresh)
        self._note_labels(pair, fresh)
        if replace and self._run.copy:
            found = differing(chain(*fresh.values()), self._held(pair, list(fresh), key="from_id"))
            fresh = {id_: found[id_] for id_ in fresh if id_ in found}
        yield from self.hand_on(pair, fresh, replace=replace)
        return links

    def _note_labels(self, pair: Pair, links: Mapping[str, Sequence[Link]]) -> None:
        """Note a pair whose links bear other labels than were read of its association types."""
        labels = self._run.state.last(f"labels:{pair.table}")
        if not isinstance(labels, dict):
            return
        shown = {(str(link[2]), link[4]) for found in links.values() for link in found}
        if any(labels.get(type_id, label) != label for type_id, label in shown):
            self._run.pairs.stale_labels.add(pair.table)

    def _unless_refused(self, pair: Pair, call: Future[T]) -> Generator[None, None, T | None]:
        """Wait for a call; a pair that is refused, or answered oddly, is an outcome of its own."""
        try:
            return (yield from wait(call))
        except HubSpotError as error:
            is_odd = isinstance(error, ContractError) and self._run.options.report_errors
            if not (is_absent(error) or is_odd):
                raise
            if pair.table in self._run.pairs.refused:  # by another call at the same time
                return None
            self._run.pairs.refused.add(pair.table)
            outcome = self.outcome(pair)
            self._run.outcomes.fail(outcome, error, unknown=True)
            if outcome.status == "failed":  # the next run asks again
                self._leave(pair)
            else:
                remember(self._run, self._run.state, pair.table, error)
            return None

    def outcome(self, pair: Pair) -> TableOutcome:
        """Return the outcome of a link table, with what earlier runs have read of it."""
        outcome = self._run.outcomes.of(pair.table)
        known = self._run.state.pairs.get(pair.table)
        if known and known.has_links:
            outcome.was_read, outcome.fresh_at = True, known.swept_at
        return outcome

    def _submit(self, pair: Pair, ids: Sequence[str], side: Side) -> list[Asked]:
        """Start reading the links of records, of the source's side of those not read yet."""
        if pair.table in self._run.pairs.refused:
            return []
        done = self._done.get(pair.table, set()) if side == "source" else set()
        fresh = [id_ for id_ in dict.fromkeys(ids) if id_ not in done]
        client, read = self._run.client_for(pair.table), pair if side == "source" else pair.reversed
        return [
            Asked(
                pair, side, part, self._run.submit(partial(read_links, client, read, part), "links")
            )
            for part in batches(fresh, BATCH)
        ]

    def _ask(
        self, pair: Pair, ids: Sequence[str], side: Side
    ) -> Generator[None, None, dict[str, Sequence[Link]]]:
        """Read the links of at most 1,000 records of one end; none of a pair that is refused."""
        read = partial(read_links, self._run.client_for(pair.table))
        call = partial(read, pair if side == "source" else pair.reversed, ids)
        return (yield from self._unless_refused(pair, self._run.submit(call, lane="links"))) or {}

    def _count(self, kind: ObjectType) -> Generator[None, None, int | None]:
        """Count the live records of a type that the token may read; None where nobody can tell."""
        known = self._run.tables.totals.get(kind.table)
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


def is_one_way(source: SourceState, pair: Pair) -> bool:
    """Whether HubSpot reports the links of a pair from its target only."""
    known = source.pairs.get(pair.table)
    return known is not None and known.reported_by == "target"
