"""Portal against warehouse, record by record: what is missing, extra, stale or wrong.

Two steps. Cheap ones name suspects: the ids and last-modified instants of all live records, the
ids of archived and merged ones, a random sample, or on demand every value. Then each suspect is
read by id and judged against its row. What changed while that went on is no difference.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ..api import search
from ..api.batch_read import Found, batches, read_batch
from ..api.search import instant_ms, to_ms
from ..errors import HubSpotError, RequestRejectedError
from ..http.client import Client
from ..model import LIVE, ObjectType, TableSchema, View
from ..parsing.tolerance import tolerant
from ..run.pace.waiting import wait, wait_all
from ..run.pace.walking import next_hits
from ..run.run import Run
from ..steps.sweeps.recount import list_ids
from ..tables.comparing import compare, sub_schema
from ..tables.decoding import Record, RecordDecoder
from ..warehouse.verifications import KINDS

OWN = ("_hs_created_at", "_hs_updated_at")
MERGED = "hs_merged_object_ids"
JUDGED = 1_000  # ids that are read and judged at a time

Fate = tuple[str, str | None]
"""What became of a record: `live`, `archived`, `merged` and into which, or `purged`."""


@dataclass
class Check:
    """What the comparison of one table came to."""

    table: str
    portal: int | None = None
    """Live records, or links, in the portal."""
    counted: int | None = None
    """Live records as HubSpot's search counts them; its index may lag behind."""
    used: int | None = None
    """Records as counted against the account's limit; None where HubSpot reports none."""
    warehouse: int = 0
    """Live rows, or links, in the warehouse."""
    compared: int = 0
    """Records with every value compared."""
    found: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """Ids by kind of difference; of links the ids that they come from."""
    columns: Counter[str] = field(default_factory=Counter)
    """Columns that differ, and for how many records."""
    skipped: str = ""
    """Why nothing was compared, as a sentence; empty where it was."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ids that HubSpot refuses to read, so that nothing is compared, and what it says."""

    @property
    def ids(self) -> list[str]:
        """All ids that differ, each once."""
        return list(dict.fromkeys(id_ for kind in KINDS for id_ in self.found[kind]))


@dataclass(frozen=True)
class Verification:
    """What the checks of all tables have in common."""

    run: Run
    view: View
    as_of: datetime
    """What changed in the portal at or after this instant is no difference."""
    sample: int
    """Records of a table whose values are compared; all of them where negative."""
    tombstones: bool
    """Whether the warehouse keeps tombstones."""

    def check(self, kind: ObjectType, schema: TableSchema) -> Generator[None, None, Check]:
        """Compare an object type with its table."""
        check = Check(kind.table)
        held, suspects = self._held(kind.table, check), set[str]()
        if self.sample < 0:
            visit = partial(self._visit, schema, suspects, check)
            listed = yield from list_ids(self.run, kind, RecordDecoder(schema), visit=visit)
        else:
            listed = yield from list_ids(self.run, kind)
        check.portal = len(listed)
        if kind.searchable:
            check.counted, _ = yield from wait(self.run.portal.extent(kind))
        both = listed.keys() & held.keys()
        suspects |= listed.keys() ^ held.keys()
        suspects |= {id_ for id_ in both if instant_ms(listed[id_]) != held[id_]}
        if self.tombstones:
            both |= yield from self._dead(kind, schema, suspects, check)
        chosen = sorted(both - suspects)
        chosen = random.sample(chosen, min(max(self.sample, 0), len(chosen)))
        check.compared += len(chosen)
        yield from self.judge(kind, schema, [*suspects, *chosen], check)
        return check

    def check_ids(
        self, kind: ObjectType, schema: TableSchema, ids: Iterable[str]
    ) -> Generator[None, None, Check]:
        """Compare some records only."""
        check = Check(kind.table)
        yield from self.judge(kind, schema, ids, check)
        return check

    def fates(
        self, kind: ObjectType, ids: Iterable[str], check: Check
    ) -> Generator[None, None, dict[str, Fate]]:
        """Read what became of records; those that changed at or after `as_of` are left out."""
        wanted = sorted({*ids})
        bare = TableSchema(kind.table, ())
        live = yield from self._read(kind, bare, [id_ for id_ in wanted if id_.isdecimal()], check)
        gone = yield from self._read(kind, bare, live.missing, check, archived=True)
        return self._fates(wanted, live, gone)

    def judge(
        self, kind: ObjectType, schema: TableSchema, ids: Iterable[str], check: Check
    ) -> Generator[None, None, None]:
        """Read ids from the portal and add to a check what is different about their rows."""
        for part in batches(ids, JUDGED):
            numbers = [id_ for id_ in part if id_.isdecimal()]  # no other id is HubSpot's
            live = yield from self._read(kind, schema, numbers, check)
            kept = _kept(schema)
            gone = yield from self._read(kind, kept, live.missing, check, archived=True)
            differing, _ = self._compare(schema, live.records, OWN)
            dead, _ = self._compare_dead(kept, gone.records)
            differing |= dead
            rows: defaultdict[str, list[tuple[str, str | None]]] = defaultdict(list)
            columns = ("id", "_hs_deletion", "_hs_merged_into", "_hs_deleted_at")
            for id_, deletion, into, at in self.view.rows(kind.table, columns, part):
                rows[id_].append(("live" if at is None else deletion, into))
            fates = self._fates(part, live, gone)
            for id_, fate in fates.items():
                verdict = self._verdict(fate, rows[id_], differing.get(id_, ()))
                if verdict:
                    check.found[verdict].append(id_)
                    check.columns.update(differing.get(id_, ()))

    def _held(self, table: str, check: Check) -> dict[str, int | None]:
        """Return when (ms) the live rows were changed, by id."""
        held: dict[str, int | None] = {}
        for rows in self.view.values(table, ("id", "_hs_updated_at"), LIVE):
            check.warehouse += len(rows)
            held.update((id_, to_ms(at) if at else None) for id_, at in rows)
        return held

    def _visit(
        self, schema: TableSchema, suspects: set[str], check: Check, records: Sequence[Record]
    ) -> None:
        """Compare every value of a page of records, all live or all archived."""
        if any(record.archived for record in records):
            differing, _ = self._compare_dead(schema, records)
        else:
            differing, _ = self._compare(schema, records)
        suspects.update(differing)
        check.compared += len(records)

    def _compare_dead(
        self, schema: TableSchema, records: Sequence[Record]
    ) -> tuple[dict[str, list[str]], list[str]]:
        """Compare archived records with their tombstones; the date where HubSpot reports it."""
        dated = all(record.archivedAt for record in records)
        own = (*OWN, "_hs_deleted_at") if dated else OWN
        return self._compare(schema, records, own, archived=True)

    def _dead(
        self, kind: ObjectType, schema: TableSchema, suspects: set[str], check: Check
    ) -> Generator[None, None, set[str]]:
        """Return the ids that both portal and warehouse take for archived.

        Suspects are those that only one does, or that are not merged alike; and where every value
        is compared, those with a difference.
        """
        merged, archived = self._tombstones(kind.table)
        both: set[str] = set()
        whole, kept = self.sample < 0, _kept(schema)
        visit = partial(self._visit, kept, suspects, check) if whole else None
        decoder = RecordDecoder(kept) if whole else None
        try:
            listed = yield from list_ids(self.run, kind, decoder, archived=True, visit=visit)
            suspects |= (listed.keys() - merged) ^ archived
            both = listed.keys() & archived
        except RequestRejectedError:  # an object type without an archive
            pass
        try:
            reported = yield from self._merged(kind, schema, check)
            suspects |= {id_ for id_, into in reported.items() if merged.get(id_) != into}
        except RequestRejectedError:  # no search by this property
            pass
        return both

    def _tombstones(self, table: str) -> tuple[dict[str, str], set[str]]:
        """Return which ids the warehouse takes for merged, into which, and which for archived."""
        columns, dead = ("id", "_hs_deletion", "_hs_merged_into"), "_hs_deleted_at IS NOT NULL"
        rows = [row for part in self.view.values(table, columns, dead) for row in part]
        merged = {id_: into for id_, deletion, into in rows if deletion == "merged"}
        return merged, {id_ for id_, deletion, _ in rows if deletion == "archived"}

    def _compare(
        self,
        schema: TableSchema,
        records: Sequence[Record],
        own: Sequence[str] = (),
        *,
        archived: bool = False,
    ) -> tuple[dict[str, list[str]], list[str]]:
        nul = bool(self.run.options.strip_nul)
        return compare(self.view, schema, records, own, archived=archived, strip_nul=nul)

    def _merged(
        self, kind: ObjectType, schema: TableSchema, check: Check
    ) -> Generator[None, None, dict[str, str]]:
        """Ask the survivors of merges for the ids that were merged into them."""
        named = [column for column in schema.columns if column.property == MERGED]
        if not named or not kind.searchable:
            return {}
        client, survivors, after_id, last = self.run.portal.client_for(kind.table), [], "0", False
        ask = partial(search.having_after, client, kind, (MERGED,))
        while not last:
            hits = yield from next_hits(self.run.portal.lanes, kind, ask, after_id)
            survivors += [hit.id for hit in hits.rows]
            after_id, last = hits.after_id, hits.last
        found = yield from self._read(kind, sub_schema(schema, named), survivors, check)
        decoder = RecordDecoder(sub_schema(schema, named))
        return {old: record.id for record in found.records for old in decoder.merged_ids(record)}

    def _read(
        self,
        kind: ObjectType,
        schema: TableSchema,
        ids: Sequence[str],
        check: Check,
        *,
        archived: bool = False,
    ) -> Generator[None, None, Found]:
        """Read records by id; those that are refused are noted in the check."""
        read = partial(read_batch, self.run.portal.client_for(kind.table), kind, archived=archived)
        decoder = RecordDecoder(schema)
        calls = [self.run.submit(partial(read, ids=p, decoder=decoder)) for p in batches(ids)]
        whole = Found()
        try:
            parts = yield from wait_all(calls)
        except RequestRejectedError:
            if not archived:
                raise
            return Found(missing=list(ids))  # an object type without an archive
        for found in parts:
            whole.records += found.records
            whole.missing += found.missing
            whole.merged |= found.merged
            check.refused |= found.refused
        return whole

    def _fates(self, ids: Sequence[str], live: Found, gone: Found) -> dict[str, Fate]:
        """Return what became of each id; nothing of what changed after `as_of`."""
        never = [id_ for id_ in ids if not id_.isdecimal()]  # no such id is HubSpot's
        fates: dict[str, Fate] = dict.fromkeys((*gone.missing, *never), ("purged", None))
        fates |= {record.id: ("archived", None) for record in gone.records}
        fates |= {old: ("merged", into) for old, into in (live.merged | gone.merged).items()}
        fates |= {record.id: ("live", None) for record in live.records}
        changed = self._changed([*gone.records, *live.records])
        return {
            id_: fates[id_] for id_ in ids if id_ in fates and (fates[id_][1] or id_) not in changed
        }

    def _changed(self, records: Iterable[Record]) -> set[str]:
        """Return the ids of the records that changed at or after `as_of`."""
        latest = {record.id: _changed_ms(record) for record in records}
        since = to_ms(self.as_of)
        return {id_ for id_, changed_ms in latest.items() if changed_ms >= since}

    def _verdict(self, fate: Fate, rows: Sequence[Fate], differing: Iterable[str]) -> str | None:
        """Return the kind of difference between a record's fate and its rows; None where equal."""
        living = sum(deletion == "live" for deletion, _ in rows)
        if living > int(fate[0] == "live"):
            return "extra"
        if fate in rows:
            columns = set(differing)
            return "stale" if "_hs_updated_at" in columns else "wrong" if columns else None
        if fate[0] == "live":
            return "missing"
        if not self.tombstones or (fate[0] == "purged" and ("archived", None) not in rows):
            return None
        return "wrong" if rows else "missing"


def _kept(schema: TableSchema) -> TableSchema:
    """Return the columns that a tombstone keeps: all but those that change without a trace."""
    return sub_schema(schema, [one for one in schema.columns if one not in schema.calculated])


def read_usage(client: Client) -> dict[str, int]:
    """Return how many records of each type id HubSpot counts against the account's limits.

    Nothing where it does not report it: the token lacks a scope, or the portal has no such API.
    """
    try:
        answer = client.get(client.path("limits", "records"), decode=tolerant(dict[str, Any]))
    except HubSpotError:  # what ails the token or the portal shows in the checks
        return {}
    found: dict[str, int] = {}
    waiting: list[Any] = [answer]
    while waiting:  # standard and custom types stand at different places
        part = waiting.pop()
        members = part.values() if isinstance(part, dict) else part
        waiting += [one for one in members if isinstance(one, dict | list)]
        if isinstance(part, dict) and isinstance(part.get("usage"), int):
            found[str(part.get("objectTypeId"))] = part["usage"]
    return found


def _changed_ms(record: Record) -> int:
    return max(instant_ms(record.updatedAt) or 0, instant_ms(record.archivedAt) or 0)
