"""One load of a run: the tables it is to read, and what is open, left or to be cleaned up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """What one load of a run is at; each load has a new one."""

    dead: set[str] = field(default_factory=set)
    """Tables whose load brings tombstones: links to and from them go."""
    merged: set[str] = field(default_factory=set)
    """Tables whose load brings tombstones of merged records."""
    appending: set[str] = field(default_factory=set)
    """Tables whose rows this load adds without a merge."""
    listed_now: set[str] = field(default_factory=set)
    """Tables that this load lists: the warehouse does not know all of their ids yet."""
    unfinished: set[str] = field(default_factory=set)
    """Tables that need another load."""
    open_tables: set[str] = field(default_factory=set)
    """Object tables that this load has begun and not finished extracting."""
    open_tails: set[str] = field(default_factory=set)
    """Resources that wait for the object tables, begun and not finished."""
    loading: Sequence[str] = ()
    """Object tables that this load has something to do for."""
    fresh: bool = False
    """Whether this load brings the first rows of the dataset, so that none replaces another."""
    wanted: Collection[str] | None = None
    """Tables that it has something to do for; all where None."""

    def wants(self, table: str) -> bool:
        """Whether it has something to do for a table."""
        return self.wanted is None or table in self.wanted
