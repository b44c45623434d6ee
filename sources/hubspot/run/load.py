"""One load of a run: the tables it is to read, and what is open, left or to be cleaned up."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from ..model import LIVE, View
from .pace.budget import LoadBudget


@dataclass(slots=True)
class Load:
    """What one load of a run is at; each load has a new one."""

    number: int = 0
    """Counted from 1; 0 before the first one begins."""
    is_first: bool = False
    """Whether it is the one that reads all tables of its run."""
    wanted: Collection[str] | None = None
    """Tables that it has something to do for; all where None."""
    budget: LoadBudget = field(default_factory=LoadBudget)
    view: View | None = None
    """The warehouse as it is before this load."""
    tables: Collection[str] = ()
    """Object tables that the portal may have."""
    dead: set[str] = field(default_factory=set)
    """Tables whose load brings tombstones: links to and from them go."""
    merged: set[str] = field(default_factory=set)
    """Tables whose load brings tombstones of merged records."""
    listed_now: set[str] = field(default_factory=set)
    """Tables that this load lists: the warehouse does not know all of their ids yet."""
    unfinished: set[str] = field(default_factory=set)
    """Tables that need another load."""
    declared: set[str] = field(default_factory=set)
    """Tables of the schema that are to be made without rows."""
    _loading: Collection[str] = ()
    _appending: AbstractSet[str] = frozenset()
    _fresh: bool = False
    _open: set[str] | None = None
    _live: dict[str, int] | None = None
    _held: dict[str, int] | None = None

    def begin(self, tables: Collection[str], *, appending: AbstractSet[str], fresh: bool) -> None:
        """Say what the load reads.

        Args:
            tables: object tables that it has something to do for.
            appending: of these, those whose rows it adds without a merge.
            fresh: whether it brings the first rows of the dataset, so that none replaces another.
        """
        self._loading, self._appending, self._fresh = tables, appending, fresh

    @property
    def appending(self) -> AbstractSet[str]:
        """Tables whose rows this load adds without a merge."""
        return self._appending

    @property
    def fresh(self) -> bool:
        """Whether this load brings the first rows of the dataset, so that none replaces another."""
        return self._fresh

    def wants(self, table: str) -> bool:
        """Whether it has something to do for a table."""
        return self.wanted is None or table in self.wanted

    def open_with(self, resources: Iterable[str]) -> None:
        """Say, once, which resources the load reads; whoever waits for them waits from now on."""
        if self._open is None:
            self._open = {*resources}

    def end(self, resource: str) -> None:
        """Say that a resource has come to its end, or never will."""
        if self._open is not None:
            self._open.discard(resource)

    @property
    def open_resources(self) -> set[str]:
        """Resources that have not come to their end."""
        return set() if self._open is None else {*self._open}

    @property
    def is_reading(self) -> bool:
        """Whether any resource has not come to its end, or not even begun."""
        return self._open is None or bool(self._open)

    @property
    def open_tables(self) -> set[str]:
        """Object tables that this load has not finished extracting."""
        return {*self._loading} if self._open is None else self._open.intersection(self._loading)

    def live_count(self, table: str) -> int | None:
        """Count the live rows of a table before this load; None where it is unknown."""
        if self._live is None and self.view is not None:
            self._live = dict(self.view.counts(self.tables, LIVE))
        return None if self._live is None else self._live.get(table, 0)

    def holds_rows(self, table: str) -> bool:
        """Whether the warehouse had rows of a table, deleted ones too; true if that is unknown."""
        if self._held is None and self.view is not None:
            self._held = dict(self.view.counts(self.tables, "1 = 1"))
        return self._held is None or bool(self._held.get(table))
