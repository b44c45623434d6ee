"""What is asked of a run."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a run; set before its first load."""

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Its name in the run log."""
    report_errors: bool = False
    """Whether an error of one table is an outcome, and the rest goes on; else it is raised."""
    named: frozenset[str] = frozenset()
    """Object tables that somebody asks for by name: not to read one is an error."""
    refresh_schema: bool = False
    full_refresh: bool = False
    """Whether every table is read whole, once."""
    hard_delete: bool = False
    """Whether deleted records leave no tombstone in the warehouse."""
    sweep_links: bool = False
    """Whether all links are read again, whatever the schedule says."""
    repairing: bool = False
    """Whether loads only read again what is to be repaired."""
    load_rows: float = float("inf")
    """Rows that one load may bring, so that memory stays bounded."""
    load_seconds: float = float("inf")
    """Time that one load may take, so that what a kill costs stays bounded."""
    folder: str | None = None
    """Where downloads lie while they are read; the machine's place for such where None."""
    on_expected: Callable[[str, int], None] | None = None
    """Called with a table and how many more rows it is expected to bring, for progress."""
    on_message: Callable[[str], None] | None = None
    """Called with what takes its time, for progress."""
    strip_nul: bool | None = None
    """Whether the destination cannot hold NUL characters in text; None until it is known."""

    def expect(self, table: str, rows: int) -> None:
        """Report how many more rows a table is expected to bring, for progress."""
        if self.on_expected:
            self.on_expected(table, max(0, rows))
