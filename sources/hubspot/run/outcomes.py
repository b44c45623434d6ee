"""What becomes of each table of a run, and what an error means for it."""

from dataclasses import dataclass, field

from ..errors import HubSpotError, NotFoundError, ScopeMissingError, ends_run, is_absent
from ..model import TableOutcome


@dataclass(slots=True)
class Outcomes:
    """The outcomes of a run, table by table."""

    by_table: dict[str, TableOutcome] = field(default_factory=dict)
    stopped: HubSpotError | None = None
    """The error that ends the whole run: nothing more is asked of HubSpot."""

    def of(self, table: str) -> TableOutcome:
        """Return the outcome of a table, a new one where there is none yet."""
        return self.by_table.setdefault(table, TableOutcome(table))

    def fail(
        self,
        outcome: TableOutcome,
        error: HubSpotError,
        part: str = "",
        *,
        unknown: bool = False,
    ) -> None:
        """Note what an error means for a table: failed, or skipped where there is none to read.

        A refusal is absence only where nothing was ever read and nobody asked for the table by
        name; else the table goes stale.

        Args:
            outcome: of the table.
            error: what ended the reading of it, or of a part.
            part: which part it was.
            unknown: whether a 400 says that HubSpot knows no such thing; else only where it is the
                first answer.
        """
        since = outcome.fresh_at if is_absent(error) else None
        stale = f" Stale since {since:%Y-%m-%d %H:%M} UTC." if since else ""
        outcome.note(f"{part}: {error}{stale}" if part else f"{error}{stale}")
        unknown = unknown or outcome.mode == "none"
        absent = (unknown and is_absent(error)) or isinstance(
            error, ScopeMissingError | NotFoundError
        )
        was_read = outcome.was_read or outcome.rows or outcome.tombstones
        if absent and not (was_read or outcome.named):
            outcome.status, outcome.refusals[""] = "skipped", error
        else:
            outcome.status = "failed"
            outcome.exit_code = min(outcome.exit_code or error.exit_code, error.exit_code)
        if ends_run(error):
            self.stopped = error
