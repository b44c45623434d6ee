"""The one door for links: whoever wants links of records asks here, and rows come out.

HubSpot has no feed of link changes, and a link changes no record's last-modified. So links are read

- of listed records, with their load (`listed`),
- of changed records, from either end (`read`, `read_from_targets`),
- of all records of a pair, in sweeps (`hand_on_links`, called by `sweeps.links`).

HubSpot lists most links from both ends. All links of a pair are read from one side only: the one
that takes fewer calls (`calls`). What the target's side lists is turned round: its types are
translated (`translation`), and what is left is read from the source's side. Within a load
the links of a record are handed on once, for they replace what the warehouse holds of it.
"""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import dlt

from ...api.associations import BATCH, COLUMNS, Link, Pair, Side, to_arrow
from ...api.batch_read import batches
from ...api.link_types import differing, turned_round
from ...api.search import instant_ms, to_ms
from ...http.clock import MARGIN
from ...model import ObjectType
from ...run.run import Items, Run
from ...state.source import SourceState
from ...tables.decoding import Record
from .calls import Asked, LinkCalls
from .translation import Translation

AT_ONCE = 8 * BATCH  # ids whose links are asked for at the same time


class Links:
    """The pairs of a run, and the links that this load has read."""

    def __init__(self, run: Run, pairs: Sequence[Pair]) -> None:
        """Remember the pairs; nothing is called yet."""
        self._run = run
        self.pairs = pairs
        self.calls = LinkCalls(run)
        self._translation = Translation(run, self.calls)
        self._done: dict[str, set[str]] = {}
        """By link table the from-ids whose links this load brings."""
        self._latest: dict[str, dict[str, Sequence[Link]]] = {}
        """By link table what `read` was answered last."""
        self._turned: dict[str, dict[str, set[Link]]] = {}
        """By link table and from-id all links, where those that targets list differ from the
        warehouse's; handed on by `hand_on_turned`."""
        self.reported: defaultdict[str, int] = defaultdict(int)
        """By link table how many links this load has read."""
        self._began_ms = to_ms(run.now() - MARGIN)

    # --- changed records ------------------------------------------------------------------------

    def read(self, object_type: ObjectType, ids: Sequence[str]) -> Items:
        """Hand on all links of the records, in place of those that the tables hold of them."""
        calls: list[Asked] = []
        for pair in self.pairs if ids else ():
            if pair.source != object_type or is_one_way(self._run.state, pair):
                continue
            if (yield from self.calls.count(pair.target)) == 0:
                self._run.state.pair(pair.table).read_whole()
            else:
                self._latest[pair.table] = {}
                calls += self.submit(pair, ids, "source")
        for asked in calls:
            links = yield from self.take(asked, replace=True)
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
            if self.calls.is_refused(pair) or (yield from self.calls.count(pair.source)) == 0:
                continue
            theirs = yield from self._links_to(pair, ids)
            linked = yield from self._linked_otherwise(pair, theirs)
            if again := linked & self._done.get(pair.table, set()) if late else set():
                self._run.pairs.late.setdefault(pair.table, set()).update(again)
                self._run.load.unfinished.add(pair.table)
            yield from self.hand_on_links(pair, sorted(linked), "source")

    def _linked_otherwise(
        self, pair: Pair, answers: Mapping[str, Sequence[Link]]
    ) -> Generator[None, None, set[str]]:
        """Name the sources whose links to some targets differ from the warehouse's, or may."""
        ids, theirs = [*answers], turned_round(chain(*answers.values()))
        if pair.source == pair.target:  # the types of both directions stand in the same table
            reported, held = (
                Counter(link[:2] for link in links)
                for links in (theirs, self._held(pair, ids, key="to_id"))
            )
            return {
                ends[0] for ends in reported.keys() | held.keys() if reported[ends] != held[ends]
            }
        links, unclear = yield from self._translation.translate(pair, theirs, ids)
        return unclear | differing(links, self._held(pair, ids, key="to_id")).keys()

    def _links_to(
        self, pair: Pair, ids: Sequence[str]
    ) -> Generator[None, None, dict[str, Sequence[Link]]]:
        """Read the links of targets, as these list them."""
        found: dict[str, Sequence[Link]] = {}
        if pair.source == pair.target:  # the responses about these records are the same ones
            found |= self._latest.get(pair.table, {})
            ids = [id_ for id_ in ids if id_ not in found]
        for asked in self.submit(pair, ids, "target"):
            found |= (yield from self.calls.unless_refused(asked)) or {}
        return found

    # --- sweeps ---------------------------------------------------------------------------------

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
            for asked in self.submit(pair, part, side):
                yield from self.take(asked, replace=replace)

    def hand_on_turned(self, pair: Pair, *, replace: bool = True) -> Items:
        """Hand on the links that targets have listed since the load began, if they differ."""
        turned = self._turned.pop(pair.table, {})
        done = self._done.setdefault(pair.table, set())
        links = {id_: [*found] for id_, found in turned.items() if id_ not in done}
        self._run.load.budget.take(-sum(map(len, turned.values())))  # they are counted as they go
        done.update(links)
        if links:
            self._run.pairs.relabelled.add(pair.table)  # their labels are those of their types
            yield from self.hand_on(pair, links, replace=replace)

    def forget_turned(self, pair: Pair) -> None:
        """Hand on nothing of what targets have listed: they are read again."""
        turned = self._turned.pop(pair.table, {})
        self._run.load.budget.take(-sum(map(len, turned.values())))

    def _turn(self, pair: Pair, links: Mapping[str, Sequence[Link]]) -> Items:
        """Keep all links of the sources whose links to these targets the warehouse lacks."""
        ids, theirs = [*links], turned_round(chain(*links.values()))
        reported, unclear = yield from self._translation.translate(pair, theirs, ids)
        unclear -= self._done.get(pair.table, set())
        self._run.pairs.more_calls[pair.table] += -(-len(unclear) // BATCH)
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
            self._run.load.budget.take(len(kept) + len(found) - len(turned.get(from_id, ())))
            turned[from_id] = kept | {*found}

    def turn_to(self, pair: Pair, side: Side) -> None:
        """Know that HubSpot lists the links of a pair from one side only; none were handed on."""
        self._run.pairs.sides[pair.table] = self._run.state.pair(pair.table).reported_by = side
        self._done.pop(pair.table, None)

    # --- the door -------------------------------------------------------------------------------

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
        self._run.pairs.brought[pair.table] += brought
        if brought:
            outcome.was_read = True
            self._run.state.pair(pair.table).has_links = None
        self._run.load.budget.take(rows.num_rows)
        if rows.num_rows:
            self._run.pairs.linked.add(pair.table)
            yield dlt.mark.with_table_name(rows, pair.table)

    def take(
        self, asked: Asked, *, replace: bool
    ) -> Generator[Any, None, dict[str, Sequence[Link]]]:
        """Wait for the links of some records, hand them on and return them."""
        pair = asked.pair
        links = yield from self.calls.unless_refused(asked)
        if links is None:
            return {}
        self.reported[pair.table] += sum(map(len, links.values()))
        if asked.side == "target":
            yield from self._turn(pair, links)
            return links
        done = self._done.setdefault(pair.table, set())
        # asked for twice at the same time, by either end, they are handed on once
        fresh = {id_: links[id_] for id_ in asked.ids if id_ in links and id_ not in done}
        done.update(fresh)
        self._note_labels(pair, fresh)
        if replace and self._run.view:
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

    def _held(self, pair: Pair, ids: Sequence[str], *, key: str) -> list[Link]:
        """Return the links that the warehouse holds of records of one end."""
        return self._run.view.rows(pair.table, COLUMNS, ids, key=key) if self._run.view else []

    def submit(self, pair: Pair, ids: Sequence[str], side: Side) -> list[Asked]:
        """Start reading the links of records, of the source's side of those not read yet."""
        return self.calls.submit(
            pair, ids, side, but=self._done.get(pair.table, ()) if side == "source" else ()
        )


def is_one_way(source: SourceState, pair: Pair) -> bool:
    """Whether HubSpot reports the links of a pair from its target only."""
    known = source.pairs.get(pair.table)
    return known is not None and known.reported_by == "target"
