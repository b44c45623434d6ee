"""What becomes of each table of a run, and what an error means for it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import HubSpotError, NotFoundError, ScopeMissingError, ends_run, is_absent
from ..http.meter import Meter
from ..model import TableOutcome


@dataclass(slots=True)
class Outcomes:
    """The outcomes of a run, table by table."""

    by_table: dict[str, TableOutcome] = field(default_factory=dict)
    stopped: HubSpotError | None = None
    """The error that ends the whole run: nothing more is asked of HubSpot."""

    _reasons: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, table: str) -> TableOutcome:
        """Return the outcome of a table, a new one where there is none yet."""
        return self.by_table.setdefault(table, TableOutcome(table))

    def explain(self, table: str, kind: str, reason: str) -> None:
        """Note why a step is taken; the last reason of a kind counts."""
        self._reasons.setdefault(table, {})[kind] = reason

    def collect(self, meter_of: Callable[[str], Meter]) -> dict[str, TableOutcome]:
        """Return the outcome of every table, with what its calls have come to."""
        for table, outcome in self.by_table.items():
            meter = meter_of(table)
            outcome.calls, outcome.retries = meter.calls, meter.retries
            outcome.rate_limited = meter.rate_limited
            taken = self._reasons.get(table, {})
            outcome.reasons = " ".join(f"{kind}: {why}" for kind, why in taken.items()) or None
        return self.by_table

    def fail(
        self,
        outcome: TableOutcome,
        error: HubSpotError,
        part: str = "",
        *,
        unknown: bool = False,
    ) -> bool:
        """Note what an error means for a table: failed, or skipped where there is none to read.

        A refusal is absence only where nothing was ever read and nobody asked for the table by
        name; else the table goes stale.

        Args:
            outcome: of the table.
            error: what ended the reading of it, or of a part.
            part: which part it was.
            unknown: whether a 400 says that HubSpot knows no such thing; else only where it is the
                answer to the first question about the table.

        Returns:
            Whether the table has failed.
        """
        text = f"{error}{_stale(outcome, error)}"
        outcome.note(f"{part}: {text}" if part else text)
        if ends_run(error):
            self.stopped = error
        unknown = unknown or outcome.is_refused_at_once
        if _has_nothing(outcome) and _says_absent(error, unknown=unknown):
            outcome.status, outcome.refusals[""] = "skipped", error
            return False
        outcome.status = "failed"
        outcome.exit_code = min(outcome.exit_code or error.exit_code, error.exit_code)
        return True


def _stale(outcome: TableOutcome, error: HubSpotError) -> str:
    """Say since when a table is stale that HubSpot refuses by now."""
    since = outcome.fresh_at if is_absent(error) else None
    return f" Stale since {since:%Y-%m-%d %H:%M} UTC." if since else ""


def _has_nothing(outcome: TableOutcome) -> bool:
    """Whether nothing of a table was ever read, and nobody asked for it by name."""
    return not (outcome.named or outcome.was_read)


def _says_absent(error: HubSpotError, *, unknown: bool) -> bool:
    """Whether an error says that there is no such table, or no right to it; see `fail`."""
    if isinstance(error, ScopeMissingError | NotFoundError):
        return True
    return unknown and is_absent(error)
