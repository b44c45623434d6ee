"""The state of one endpoint of the catalog, or of one object type's part of it."""

from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec import Struct, field

from .table import Instant

BEFORE_ALL = "0"
"""An id that is less than any of HubSpot's, as text."""
MOST_FAILED = 500
"""Parents whose failures one endpoint keeps."""
MOST_KNOWN = 2_000
"""Parents of which one endpoint keeps what they, or their rows, were; those of a declaration that
reads them by what they were are all kept."""


class CollectionState(Struct, omit_defaults=True):
    """What is kept of the readings of one endpoint."""

    read_at: Instant | None = None
    """When the last reading that came to its end began."""
    whole_at: Instant | None = None
    """When the last one of these began that read all rows."""
    loaded_at: Instant | None = None
    """The `_hs_synced_at` of the last such rows that were loaded: older rows are gone. Of events,
    that of the last rows: later ones are of a load that was cut off."""
    digest: str = ""
    """Of what these rows were made of; empty where two readings differed."""
    shape: str = ""
    """Of the columns, and the user's policy on them, by which these rows were made."""
    calls: int = 0
    """What the last reading took that came to its end."""
    is_stale: bool = False
    """Whether the next run reads it, however young what it has is."""
    merges: bool = False
    """Whether rows that the warehouse has, of events and of what is read once, are loaded again,
    until a reading has ended."""
    watermark: Instant | None = None
    """What is older, by HubSpot's time of the rows, is in the table."""
    parent_at: Instant | None = None
    """Of parents up to this `_hs_synced_at`, the rows are read."""
    parent_id: str = ""
    """Of those loaded at that very time, up to this id."""
    all_until: str | None = None
    """While all parents are read: behind which of those of `parent_at` the cursor goes on then."""
    newest_parent_at: Instant | None = None
    """The latest change of a parent that was seen."""
    parents: dict[str, str] = field(default_factory=dict)
    """By parent, a digest of its row at the last reading."""
    has_many_parents: bool = False
    """Whether these would be too many, so that none is kept."""
    contents: dict[str, str] = field(default_factory=dict)
    """By parent, a digest of the rows that were last read of it; empty where there were none."""
    failed_parents: dict[str, int] = field(default_factory=dict)
    """Parents that are asked again, for HubSpot refused them: how often it did; 500 at most."""
    left_out: list[str] = []
    """Properties that HubSpot does not let read."""
    filled: list[str] = []
    """Its tables that had rows when all were last loaded; of events, that any were loaded of."""
    marks: dict[str, Instant] = field(default_factory=dict)
    """By parent, what is older is in the table; of lists when all members were last compared."""
    cursors: dict[str, str] = {}
    """By list whose members come oldest first, where their last page begins."""

    @property
    def is_first(self) -> bool:
        """Whether nothing was read to its end before, nor forgotten to be read again."""
        return self.read_at is None and not self.is_stale

    def forget(self, ids: Collection[str]) -> bool:
        """Take ids of parents out; return whether any was there.

        Parents that came at the time of one that was the last are read again.
        """
        cursors = {self.parent_id, self.all_until}
        found = not cursors.isdisjoint(ids) or bool({*ids} & self.marks.keys())
        if not cursors.isdisjoint(ids):
            self.parent_id = BEFORE_ALL if self.parent_id in ids else self.parent_id
            self.all_until = BEFORE_ALL if self.all_until in ids else self.all_until
            self.parent_at = self.parent_at and self.parent_at - timedelta(milliseconds=1)
        self.marks = {parent: at for parent, at in self.marks.items() if parent not in ids}
        failed = [one for one in self.failed_parents if not {*one.split("\n")}.isdisjoint(ids)]
        for one in failed:
            del self.failed_parents[one]
        return found or bool(failed)

    def note_asked(self, names: Collection[str], failed: Collection[str]) -> None:
        """Keep which parents HubSpot refused of those that it was asked for."""
        for name in names:
            times = self.failed_parents.pop(name, 0)
            if name in failed and len(self.failed_parents) < MOST_FAILED:
                self.failed_parents[name] = times + 1

    @property
    def has_new_failures(self) -> bool:
        """Whether HubSpot refused parents once: the next run asks for them at once."""
        return 1 in self.failed_parents.values()

    def rewind(self, to: datetime) -> None:
        """Take back to `to` up to when rows, and changes of parents, are loaded."""
        self.watermark = self.watermark and min(self.watermark, to)
        self.marks = {parent: min(at, to) for parent, at in self.marks.items()}
        self.newest_parent_at = self.newest_parent_at and min(self.newest_parent_at, to)
        self.parent_at, self.parent_id, self.all_until, self.contents = None, "", None, {}
        self.parents = self.parents if self.newest_parent_at else {}
        self.is_stale, self.digest = True, ""

    def begin_parents(self) -> None:
        """Have what is loaded of all parents read, and loaded, again."""
        self.parent_at, self.parent_id, self.all_until = None, "", None
        self.newest_parent_at = self.whole_at = None
        self.parents, self.contents, self.has_many_parents = {}, {}, False

    def start_over(self, *, merges: bool = False) -> None:
        """Forget what is loaded: the next run loads all of it.

        Args:
            merges: whether that takes the place of rows of events, too: of these only such come
                otherwise that the warehouse lacks. It stays so until a reading has ended.
        """
        fresh = CollectionState(
            read_at=self.read_at, is_stale=True, calls=self.calls, merges=merges or self.merges
        )
        fresh.loaded_at = self.loaded_at
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))
