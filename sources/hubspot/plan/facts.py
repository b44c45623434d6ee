"""What a plan is made of: what HubSpot and the warehouse said now, and what earlier runs left.

All of it is frozen and can be written as JSON; instants are aware UTC by HubSpot's clock.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..catalog.apis import Family

BackfillMode = Literal["list", "export", "auto"]
"""How a table is read whole."""
Instant = Annotated[datetime, Meta(tz=True)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings and options that decide what a run does."""

    sweep_at_once_calls: int = 5
    """A sweep of at most so many calls is cheap: it follows changes instead of a schedule."""
    sweep_hours: float = 24
    """Between two expensive sweeps of archived records or calculated values."""
    links_hours: float = 1
    """Between two expensive sweeps of a pair of linked tables."""
    backfill: BackfillMode = "list"
    full_refresh: bool = False
    sweep_links: bool = False
    """Whether the user asks for all links (`--links`)."""
    calls_in_flight: int = 14
    """A large listing is divided into as many ranges at most."""
    definition_calls: int = 1
    """Calls for the property definitions of a type."""
    sees_warehouse: bool = True
    """False in plain dlt use: then nothing can be compared with the rows that are there."""


class Fill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns that came to a table, whose old records may have values of them."""

    properties: tuple[str, ...]
    records: int = 0
    """Live records that have a value, as search counts them."""
    is_new: bool = True
    """Whether none of them was read yet."""
    missing: int | None = None
    """Of these, the ones whose values nothing else brings; None where it is not known."""


class TableFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What HubSpot and the warehouse say of one object type."""

    total: int | None = None
    """Live records as search counts them; None where it does not report it."""
    rows: int | None = 0
    """Live rows in the warehouse; None where it cannot be asked."""
    searchable: bool = True
    is_unused: bool = False
    """Whether HubSpot counts no record, and the warehouse has never had a row of the table."""
    newest_at: Instant | None = None
    """When the record that changed last did so, of those within the lookback window."""
    changed: int = 0
    """Records that the probe names as changed and that are not loaded as they are."""
    created: int = 0
    """Of these, the ones of which the warehouse has no live row."""
    restored: int = 0
    """Of these, the ones of which it has a deleted row."""
    changed_while_listed: bool = False
    """Whether one of them changed while the last backfill was at work."""
    names_all: bool = True
    """Whether the probe surely names all records that changed."""
    matching: int | None = None
    """Records that a search since the lookback window finds; None where the probe names all."""
    to_search: int = 0
    """Of these, the ones among which the others are searched, 200 a call."""
    known: int = 0
    """Of these, about how many are loaded as they are."""
    pages: int | None = None
    """Calls of a listing; as many as hundreds of records where None."""
    hashes: bool = False
    """Whether properties are hashed: the file of an export would hold their values."""
    calculated: bool = False
    """Whether it has properties that HubSpot calculates."""
    calculated_page_calls: int = 1
    """Calls that a page of their values takes: 2 where their names do not fit a URL."""
    recalculated: int | None = None
    """Records whose calculated values differ from the warehouse's; None where nobody has asked."""
    asked: Mapping[Family, int] = {}
    """Calls that the probe made for the table, by kind of endpoint."""
    fills: tuple[Fill, ...] = ()
    refusal: str = ""
    """Why the token or the portal does not let one read it."""
    repairs: int | None = None
    """Records that this load only has to read again by id."""
    differed: tuple[int, int] | None = None
    """Live records and live rows after the loads of this run, which only has to recount them."""


class PairFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pair of linked tables."""

    source: str
    target: str
    refusal: str = ""
    """Why the token or the portal does not let one read its links."""
    relabelled: bool = False
    """Whether HubSpot names its association types otherwise than when they were last read."""


class CollectionFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint of the catalog that is due."""

    reason: str
    """Why it is, as a sentence."""
    calls: int | None = None
    """What the last reading of all its rows took; None where there was none."""
    parents: int = 0
    """Rows of another table that it is asked for, as the warehouse has them."""
    are_parents_due: bool = False
    """Whether this run reads their table first, so that there may be others."""
    windows: int = 0
    """Spans of time that it is asked for."""
    bounds: tuple[int, int] | None = None
    """Its calls, where they are worked out from what the warehouse has of its parents."""
    parts: int = 1
    """Object types that it is asked for; 1 where it is asked for the portal, or for parents."""


class HistoryFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The property history of one object table."""

    pending: int = 0
    """Records in the warehouse whose history is not read yet."""
    names: int = 0
    """Properties whose history is read."""
    is_first: bool = True
    """Whether that of all records is to be read, or goes on."""
    is_forced: bool = False
    """Whether the user asks for all of it now."""


class ReferenceFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calls of the reference tables that are due."""

    calls: Mapping[str, int] = {}
    """By endpoint of the catalog."""
    collections: Mapping[str, CollectionFacts] = {}
    """Endpoints of other APIs that are due, by name."""
    stale_labels: tuple[str, ...] = ()
    """Pairs whose association labels were read more than 12 hours ago, or never."""


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that HubSpot and the warehouse said before anything is read."""

    options: Options = Options()
    tables: Mapping[str, TableFacts] = {}
    others: Mapping[str, TableFacts] = {}
    """Tables that this load does not read, at the other end of a pair."""
    pairs: Mapping[str, PairFacts] = {}
    reference: ReferenceFacts = ReferenceFacts()
    histories: Mapping[str, HistoryFacts] = {}
    """By object table."""
    calls_left: int | None = None
    """Calls of the day that HubSpot still answers; None where it does not report it."""
    exports_left: int = 30
    """Exports that may be started within these 24 hours."""


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a sweep."""

    swept_at: Instant | None = None
    """When the last one that came to its end began."""
    calls: int | None = None
    """What that one took; None where its declaration has to say."""
    is_open: bool = False
    """Whether one goes on in the next load."""


class TableState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What earlier runs left of one object table."""

    watermark: Instant | None = None
    """What changed before is in the table; None before its first load."""
    completed_at: Instant | None = None
    """When the last run that read it to the end began, if that is later."""
    total: int | None = None
    """Live records when it was last read."""
    backfill: int | None = None
    """Rows that an unfinished backfill has loaded; None where none is open."""
    searched: bool = False
    """Whether an unfinished run has read all changes already."""
    holds_rows: bool = False
    """Whether the table may hold rows from before its state began."""
    pending: int = 0
    """Ids that an earlier load left, or that HubSpot refused."""
    columns_at: Instant | None = None
    """When columns last came."""
    listed_from: Instant | None = None
    """When the first load began, until a run has found out whether records changed during it."""
    is_resumed: bool = False
    """Whether an earlier run began the backfill that is open."""
    differed: tuple[int, int] | None = None
    """Live records and rows that differed last time, for no record that was found."""
    differed_at: Instant | None = None
    """When that was."""
    sweeps: Mapping[str, Sweep] = {}

    @property
    def previous_at(self) -> datetime | None:
        """When the last run that read it to the end began."""
        return self.completed_at or self.watermark


class PairState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What earlier runs left of one pair of linked tables."""

    swept_at: Instant | None = None
    is_open: bool = False
    pending: bool = False
    """Whether links have to be read whatever the schedule says."""
    has_links: bool | None = False
    """Whether the last sweep found links; None where links came since."""
    reported_by: Literal["source", "target", ""] = ""
    """The only side from which HubSpot lists these links."""
    knows_types: bool = True
    """Whether it is known what the association types of the target's side mean; else it costs a
    call to read links from there."""
    more_calls: int | None = 0
    """What the last sweep took in addition to a call per 1,000 records: a record may have several
    pages of links. None where it is not known."""
    asks_both: bool = False
    """Whether the other side is asked, too, if no links are found: once a day."""
    refused: tuple[int, int] = (0, 0)
    """Records of its source, and of its target, whose links HubSpot refused to an earlier run."""


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What earlier runs left of a dataset."""

    was_interrupted: bool = False
    """Whether the previous run did not come to its end."""
    tables: Mapping[str, TableState] = {}
    pairs: Mapping[str, PairState] = {}


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The calls of a day that expensive sweeps may use."""

    share: int = 12_500
    """Calls of a day."""
    used: int = 0
    """Of these, today."""
