"""The state of the whole source: whose portal it is, its tables and pairs, what is cached."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct, field

from ..catalog.names import HISTORY, link_table
from ..catalog.object_types import STANDARD
from ..model import Column, Kind
from .collections import CollectionState
from .table import Instant, Sweep, TableState

VERSION = 3
"""Of the state's shape; a change that older states do not fit needs a migration."""
RELABELLED = "labels:"
"""Before the name of a link table in `pending_cleanup`: its links get new labels."""
COLLECTION = "collection:"
"""Before the key of a collection in `pending_cleanup`: its rows that are gone are marked."""
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class LinkSweep(Struct, omit_defaults=True):
    """A reading of all links of a pair that goes on in the next load."""

    side: Literal["source", "target", "target alone"]
    """The end whose records are asked for their links."""
    started_at: Instant
    """When it began: what it brings is not older."""
    after_id: str = ""
    """Links of records up to this id are loaded."""
    reported: int = 0
    """Links that HubSpot has reported so far."""
    more_calls: int | None = 0
    """Calls in addition to one per 1,000 records; None where other reads of the run took some."""


class PairState(Sweep, omit_defaults=True):
    """The state of the links of one pair of tables."""

    pending: bool = False
    """Whether all links are to be read, whatever the schedule says."""
    has_links: bool | None = None
    """Whether the last sweep found links; None where none has ended since some came."""
    reported_by: Literal["source", "target"] | None = None
    """The only end from which HubSpot reports the links; None where both do, as far as known."""
    types: dict[str, int] = field(default_factory=dict)
    """Of each association type that targets report, by id, the one of the source's side."""
    listed_side: Literal["source", "target"] | None = None
    """The end whose links come with the backfill that is under way."""
    other_side_at: Instant | None = None
    """When the other end was asked last, where no links are known."""
    more_calls: int | None = None
    """What the last sweep took in addition to a call per 1,000 records: a record may have several
    pages of links. None where it is not known."""
    open_sweep: LinkSweep | None = None
    """The sweep that is under way."""
    refused_ids: dict[str, list[str]] = field(default_factory=dict)
    """Records whose links HubSpot refused to read, by the end of the pair; they are read again."""

    @property
    def had_links(self) -> bool:
        """Whether earlier runs have read links."""
        return self.swept_at is not None if self.has_links is None else self.has_links

    def start_over(self) -> None:
        """Forget everything: the next run reads all links."""
        fresh = PairState(pending=True)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))

    def read_whole(self) -> None:
        """Have all links read from the first record on."""
        self.pending, self.open_sweep = True, None

    def note_refused(
        self, side: str, refused: Iterable[str], *, answered: Container[str] = ()
    ) -> None:
        """Leave records of one end to the next run, and forget those that are answered by now."""
        left = [id_ for id_ in self.refused_ids.pop(side, ()) if id_ not in answered]
        if kept := [*dict.fromkeys([*left, *refused])]:
            self.refused_ids[side] = kept

    def forget(self, side: str, ids: Container[str]) -> bool:
        """Take records of one end out of those that are read again; whether there was any."""
        before = self.refused_ids.get(side, ())
        self.note_refused(side, (), answered=ids)
        return len(self.refused_ids.get(side, ())) < len(before)


class Cached(Struct, omit_defaults=True):
    """Something of HubSpot's that is read again when it is old."""

    read_at: Instant
    """When HubSpot was asked."""
    value: Any = None
    """What is kept of its response; judged where it is used."""


class ColumnPolicies(Struct, omit_defaults=True):
    """The user's decision on the properties of a table, as its rows were written under it."""

    digest: str = ""
    """Of the patterns that may name them, the key included."""
    columns: dict[str, str] = {}
    """By column: `hashed:` and the key's fingerprint, or `emptied`; plain values where missing."""


class Ledger(Struct, omit_defaults=True):
    """What larger sweeps have used of a day's calls."""

    day: str = ""
    """The day in UTC, such as `2026-11-24`."""
    calls: int = 0
    """Calls of that day."""


class SourceState(Struct, omit_defaults=True):
    """The state of one portal in one dataset."""

    version: int = VERSION
    """Of this shape; a state without a number is 0, whose members had other names."""
    portal_id: int | None = None
    """The portal that the dataset was loaded from."""
    hard_delete: bool = False
    """Whether the last run kept no tombstones."""
    last_run_ended_at: Instant | None = None
    """When the run before stopped reading; None where it did not come to its end."""
    tables: dict[str, TableState] = field(default_factory=dict, name="resources")
    """By object table; the name by which dlt finds what to drop with a table."""
    pairs: dict[str, PairState] = {}
    """By link table."""
    custom_tables: dict[str, str] | None = None
    """The table of every custom object type ever listed, by type id; None where unknown."""
    deleted_types: dict[str, Instant] = {}
    """Tables whose object type HubSpot no longer has, and since when that is known."""
    cache: dict[str, Cached] = {}
    """Property definitions and labels as last read, and what HubSpot has refused."""
    columns: dict[str, list[tuple[str, str, Kind, str, str]]] = {}
    """Every column ever given, by table: property, column, type, HubSpot's type, label."""
    columns_since: dict[str, dict[str, Instant]] = {}
    """Since when a table has its columns."""
    policies: dict[str, ColumnPolicies] = {}
    """By table, or part of a reference table, that was read under a policy."""
    reference_digests: dict[str, str] = {}
    """Of the content that each reference table was last loaded with."""
    reference_read_at: dict[str, Instant] = {}
    """When each reference table, or a part of one, was last read."""
    collections: dict[str, CollectionState] = {}
    """By endpoint of the catalog, with the object type behind a colon where it has parts."""
    pending_cleanup: list[str] = []
    """Tables and link tables that a run may not have cleaned up after its last load."""
    cleanup_run_id: str | None = None
    """The run that brought that load; where it came to a good end, nothing is left to clean up."""
    exports_started_at: list[Instant] = []
    """When exports were started, oldest first."""
    ledger: Ledger = field(default_factory=Ledger)
    """What larger sweeps have used of a day's calls."""

    def leave_to_clean_up(self, name: str) -> None:
        """Have the next run that ends its loads with SQL clean up after a table."""
        self.pending_cleanup = sorted({*self.pending_cleanup, name})
        self.cleanup_run_id = None

    @property
    def is_empty(self) -> bool:
        """Whether no run has left anything here."""
        return self == SourceState()

    @property
    def known_tables(self) -> list[str]:
        """Object tables that something is known of."""
        return [name for name, state in self.tables.items() if state != TableState()]

    @property
    def read_tables(self) -> list[str]:
        """Object tables with something read."""
        return [name for name, state in self.tables.items() if state.was_read]

    def table(self, name: str) -> TableState:
        """Return the state of an object table; a new one where nothing is known of it."""
        return self.tables.setdefault(name, TableState())

    def pair(self, name: str) -> PairState:
        """Return the state of a pair's links; a new one where nothing is known of it."""
        return self.pairs.setdefault(name, PairState())

    def collection(self, key: str) -> CollectionState:
        """Return the state of an endpoint, or of a part of it; a new one where nothing is known."""
        return self.collections.setdefault(key, CollectionState())

    def forget(self, table: str, ids: Iterable[str]) -> bool:
        """Take ids out of everything that is remembered of records; whether there was any."""
        gone = {*ids}
        found = [self.table(table).forget(gone)]
        for other in {*self.tables, *(kind.table for kind in STANDARD)}:
            begun, ended = link_table(table, other), link_table(other, table)
            if begun in self.pairs:
                found.append(self.pairs[begun].forget("source", gone))
            if ended in self.pairs:
                found.append(self.pairs[ended].forget("target", gone))
        found += [kept.forget(gone) for kept in self.collections.values()]
        return any(found)

    def end_table(self, table: str, at: datetime, links: Iterable[str]) -> None:
        """Forget a table whose type is gone, but for its columns; with it its link tables."""
        self.deleted_types[table] = at
        self.tables.pop(table, None)
        for pair in links:
            self.pairs.pop(pair, None)
            self.cache.pop(f"labels:{pair}", None)
        for kind in ("properties", "refused", "stages"):
            self.cache.pop(f"{kind}:{table}", None)
        self.collections.pop(f"{HISTORY}:{table}", None)

    def cached(self, name: str, *, now: datetime, max_age: timedelta) -> Any | None:  # noqa: ANN401 - any JSON
        """Return a cached value; None where there is none, or it is older."""
        entry = self.cache.get(name)
        return entry.value if entry and now - entry.read_at < max_age else None

    def remember(self, name: str, value: object, *, now: datetime) -> None:
        """Cache JSON, with the time it was read."""
        self.cache[name] = Cached(now, value)

    def expire(self, prefix: str) -> None:
        """Let cached values whose name begins so be read again; they stay known as the last."""
        for name, entry in self.cache.items():
            if name.startswith(prefix):
                entry.read_at = _LONG_AGO

    def last(self, name: str) -> Any | None:  # noqa: ANN401 - any JSON
        """Return a cached value however old it is, or None where there is none."""
        entry = self.cache.get(name)
        return entry.value if entry else None

    def note_policies(self, policies: Mapping[str, ColumnPolicies]) -> None:
        """Keep under which policy tables are written from now on; nothing where there is none."""
        self.policies |= policies
        self.policies = {name: one for name, one in self.policies.items() if one.digest}

    def note_columns(
        self, table: str, columns: Sequence[Column], *, at: datetime
    ) -> dict[str, datetime]:
        """Remember since when a table has these columns; return that of all, by column name."""
        since = self.columns_since.setdefault(table, {})
        for column in columns:
            since.setdefault(column.name, at)
        return since
