"""The state of one object table: how far it is read, and what the next load goes on with."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True)]
Digits = Annotated[str, Meta(pattern="^[0-9]+$")]

_MOMENT = timedelta(milliseconds=1)  # what comes that long after a sweep began, it lacks
RECENT_LIMIT = 20_000  # entries; records beyond it are read again until the lookback is over
PENDING_LIMIT = 20_000  # ids that HubSpot refuses or a load left; more of them is no accident


class IdRange(Struct, omit_defaults=True):
    """Record ids from `start` up to, not including, `end`, and how far a listing has read them."""

    start: int = 0
    """The first id that may be in it."""
    end: int | None = None
    """None: to the end of the listing."""
    after: str | None = None
    """Cursor of the next page; None at the very beginning."""
    position: int = 0
    """Highest id handed on."""
    floor: int = 0
    """Highest id handed on before that cursor."""
    settled: bool = True
    """Whether `end` is a record that the right neighbour was given."""
    beyond: int | None = None
    """First id at or past `end` that was seen while the neighbour's first one was unknown."""
    empty_from: int | None = None
    """From here to `end` a neighbour found nothing."""
    stride: float = 1.0
    """Ids per record in the page read last."""
    repeats: int = 0
    """How often in a row HubSpot repeated a cursor."""


class Export(Struct, omit_defaults=True):
    """An export that was started, and how many of its rows are loaded."""

    id: str
    """HubSpot's id of the export."""
    rows: int = 0
    """Rows of its file that are loaded."""


class Backfill(Struct, omit_defaults=True):
    """A listing of all live records that goes on in the next load."""

    started_at: Instant
    """When it began: the watermark that it ends with."""
    run_id: str = ""
    """The run that listed last; another one cannot trust what was read before it."""
    has_older_rows: bool = False
    """Whether the table may hold rows that the listing will not bring."""
    ranges: list[IdRange] | None = None
    """What is left to list; None before the first page."""
    total: int | None = None
    """Live records when it began; None where HubSpot does not report it."""
    last_id: int | None = None
    """The highest record id when it began; None where HubSpot does not report it."""
    paging: Literal["keyset", "search", "cursor"] = "keyset"
    """How pages are asked for."""
    rows: int = 0
    """Records listed so far."""
    spare: float = 0
    """How many more records may be read twice so that ranges can be listed at the same time."""
    export_decided: bool = False
    """Whether the mode of the backfill, export or listing, is decided."""
    export: Export | None = None
    """The export that it reads; None where records are listed."""


class Changes(Struct, omit_defaults=True):
    """A search for changed records that goes on in the next load."""

    started_at: Instant
    """When it began: the watermark that it ends with."""
    since: Instant
    """The search names what changed since then."""
    after_id: Digits = "0"
    """Records up to this id are loaded."""
    searched: bool = False
    """Whether all that was found is loaded."""
    complete: bool = False
    """Whether the search surely found all that changed."""


class OpenSweep(Struct, omit_defaults=True):
    """A sweep along record ids that goes on in the next load."""

    started_at: Instant
    """When it began: what it brings is not older."""
    ranges: list[IdRange] | None = None
    """What is left to list; None before the first page."""
    last_id: int | None = None
    """The highest record id when it began; None where one page is read after the other."""


class Sweep(Struct, omit_defaults=True):
    """What is kept of the last sweep of a kind."""

    swept_at: Instant | None = None
    """When the last completed sweep began."""


class TableSweep(Sweep, omit_defaults=True):
    """What is kept of a kind of sweep over an object table."""

    calls: int | None = None
    """Calls that the last one took; None where they follow from the size of the table."""
    open_sweep: OpenSweep | None = None
    """The sweep that is under way."""

    @property
    def was_listed(self) -> bool:
        """Whether HubSpot listed the records before, be it none of them."""
        return self.swept_at is not None and self.calls is not None


class PendingColumns(Struct, omit_defaults=True):
    """Columns that are to be filled for the old records that have a value."""

    properties: list[str]
    """HubSpot's names of the properties; few, for one search asks for all of them."""
    columns: list[str]
    """Their columns."""
    added_at: Instant
    """Rows read since then have the values."""
    returned: list[str] = []
    """Of the columns, those that may hold values from before the property was archived."""
    after_id: Digits = "0"
    """Records up to this id are filled."""
    searched_in: str = ""
    """The run and load in which the search came to its end; empty before."""
    search_again_at: Instant | None = None
    """When to search once more, for search may not have shown all values yet."""


class TableState(Struct, omit_defaults=True):
    """The state of one object table."""

    watermark: Instant | None = None
    """Everything changed before this instant of HubSpot's clock is in the table."""
    searched_at: Instant | None = None
    """The watermark of the last run whose listing or search vouches for all before it."""
    total: int | None = None
    """Live records when the table was last read; None where counts did not agree."""
    recent: dict[str, int] = {}
    """Last-modified (epoch ms) by id of loaded records that changed within the lookback window."""
    completed_run: tuple[Instant, Instant] | None = None
    """When the last completed backfill or incremental sync began and ended."""
    listed_at: Instant | None = None
    """When the last full listing began: it lags behind nothing."""
    has_older_rows: bool = False
    """Whether the table may hold rows from before this state began."""
    pending_ids: list[str] = []
    """Ids that HubSpot refused to read, or that a load left to the next."""
    count_mismatch: list[int] = []
    """Live records of the portal and of the table that differed, and when they did (epoch ms)."""
    recount_pending: bool = False
    """Whether it is not known yet if records changed during the first load."""
    sweeps: dict[str, TableSweep] = {}
    """By kind: `archive`, `calculated`, `recount` (all ranges of ids counted, or listed)."""
    archived_ids: list[str] = []
    """Ids that were archived at the last sweep, where the table keeps no tombstones."""
    columns_added_at: Instant | None = None
    """When columns were last added, which tombstones of an older sweep lack."""
    pending_columns: list[PendingColumns] = []
    """Columns that are to be filled for old records."""
    backfill: Backfill | None = None
    """The listing that is under way."""
    changes: Changes | None = None
    """The incremental sync that is under way."""

    def sweep(self, kind: str) -> TableSweep:
        """Return what is kept of a kind of sweep, from now on; a new one where nothing is."""
        return self.sweeps.setdefault(kind, TableSweep())

    def last_sweep(self, kind: str) -> TableSweep:
        """Return what is kept of a kind of sweep, to read it."""
        return self.sweeps.get(kind, TableSweep())

    @property
    def was_loaded(self) -> bool:
        """Whether the table was loaded whole before, whatever its watermark is."""
        return self.watermark is not None

    @property
    def was_read(self) -> bool:
        """Whether records of the table were read, or HubSpot has counted some."""
        work = self.backfill
        return self.was_loaded or (work is not None and bool(work.total or work.rows))

    def note_recent(
        self, loaded: Mapping[str, int], *, since: datetime, gone: Iterable[str] = ()
    ) -> None:
        """Add what was just loaded and forget what is gone or older than `since`."""
        floor = int(since.timestamp() * 1000)
        recent = {
            id_: modified
            for id_, modified in (self.recent | dict(loaded)).items()
            if modified >= floor
        }
        for id_ in gone:
            recent.pop(id_, None)
        self.recent = dict(sorted(recent.items(), key=lambda at: at[1])[-RECENT_LIMIT:])

    def finish(
        self, watermark: datetime, ended: datetime, total: int | None, *, is_complete: bool = True
    ) -> None:
        """Close the work: the promise of the watermark holds from the load that carries this.

        Args:
            watermark: when the work began.
            ended: when it ended.
            total: live records.
            is_complete: whether it surely found all that changed; the next search begins there.
        """
        self.backfill, self.changes, self.has_older_rows = None, None, False
        self.searched_at = watermark if is_complete else self.searched_at
        self.watermark, self.total = watermark, total
        self.completed_run = watermark, ended

    def rewind(self, to: datetime, *, known: bool = False) -> None:
        """Take the watermark back to `to`: the next run searches again what changed since then.

        It reads that again, too, unless it is `known` which of it is loaded as it is.
        """
        if not known:
            self.recent, self.completed_run = {}, None
            self.listed_at, self.changes = None, None
        self.searched_at = min(self.searched_at or to, to)
        self.watermark = to

    def start_over(self) -> None:
        """Forget everything: the next run lists the table and compares it with its rows."""
        fresh = TableState(has_older_rows=True)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))

    def note_columns_added(self, at: datetime) -> None:
        """Note that every sweep so far was made without some columns, even in the same second.

        Args:
            at: now; HubSpot's clock is known to the second.
        """
        swept = [sweep.swept_at + _MOMENT for sweep in self.sweeps.values() if sweep.swept_at]
        self.columns_added_at = max([at, *swept])

    def add_pending_columns(
        self, columns: Mapping[str, str], *, at: datetime, returned: Iterable[str] = ()
    ) -> None:
        """Have columns filled for old records: those that have a value are read.

        Args:
            columns: property by column; few, for one search asks for all of them.
            at: now; rows read since have the values.
            returned: of the columns, those that may hold values from before.
        """
        added = PendingColumns([*columns.values()], [*columns], at, returned=[*returned])
        self.pending_columns.append(added)

    def add_pending_ids(self, ids: Iterable[str]) -> None:
        """Leave records to a later load or run, which reads them by id."""
        self.pending_ids = [*dict.fromkeys([*self.pending_ids, *ids])][-PENDING_LIMIT:]

    def take_pending_ids(self) -> list[str]:
        """Return, and forget, the ids that were left to a later load or run."""
        taken, self.pending_ids = self.pending_ids, []
        return taken

    def forget(self, ids: Iterable[str]) -> bool:
        """Take ids out of everything that is remembered of records; whether there was any."""
        gone = {*ids}
        known = {*self.recent, *self.pending_ids, *self.archived_ids}
        self.recent = {id_: at for id_, at in self.recent.items() if id_ not in gone}
        self.pending_ids = [id_ for id_ in self.pending_ids if id_ not in gone]
        self.archived_ids = [id_ for id_ in self.archived_ids if id_ not in gone]
        return not gone.isdisjoint(known)
