"""What a run brought to the warehouse: rows and watermarks count when their load completed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..model import Status, TableOutcome
from .run import Run

MOST_NAMED = 3  # tables that a sentence names


@dataclass
class Loaded:
    """The outcomes of a run as its completed loads left them."""

    outcomes: dict[str, TableOutcome] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    """Tables that were to be gone on with by another load."""

    @classmethod
    def all_of(cls, run: Run) -> "Loaded":
        """Return what a run has read, as all of it is loaded."""
        loaded = cls()
        loaded.note(run)
        return loaded

    def note(self, run: Run) -> None:
        """Take over what a load brought; the state that vouches for it is in the warehouse."""
        self.outcomes = {
            name: replace(outcome, messages=[*outcome.messages])
            for name, outcome in _collect(run).items()
        }
        self.pending = run.left

    def settle(
        self, run: Run, cut_off: Status, *, exit_code: int = 0, message: str = ""
    ) -> dict[str, TableOutcome]:
        """Return every table's outcome with the rows and the watermark that the warehouse has.

        Args:
            run: whose outcomes say what was read.
            cut_off: status of tables that the run read from, or was to read from, without an end.
            exit_code: what such a table ended with.
            message: why.
        """
        settled = {}
        for name, read in _collect(run).items():
            outcome = _as_loaded(read, self.outcomes.get(name))
            if outcome.status == "ok" and self._is_cut_off(name, read):
                outcome.status, outcome.exit_code = cut_off, exit_code
                if message:
                    outcome.note(message)
            settled[name] = outcome
        return settled

    def _is_cut_off(self, name: str, read: TableOutcome) -> bool:
        loaded = self.outcomes.get(name)
        return loaded is None or name in self.pending or _brought(loaded) != _brought(read)


def _collect(run: Run) -> dict[str, TableOutcome]:
    return run.outcomes.collect(run.portal.meter_of)


def _as_loaded(read: TableOutcome, loaded: TableOutcome | None) -> TableOutcome:
    return replace(
        read,
        messages=[*read.messages],
        rows_read=read.rows + read.tombstones,
        rows=loaded.rows if loaded else 0,
        tombstones=loaded.tombstones if loaded else 0,
        watermark_after=loaded.watermark_after if loaded else read.watermark_before,
    )


def _brought(outcome: TableOutcome) -> tuple[object, ...]:
    return outcome.rows, outcome.tombstones, outcome.watermark_after


def kept(outcomes: Mapping[str, TableOutcome]) -> str:
    """Say in one sentence how many rows of which tables the run loaded."""
    rows = {name: one.rows + one.tombstones for name, one in outcomes.items()}
    most = sorted((name for name in rows if rows[name]), key=lambda name: (-rows[name], name))
    if not most:
        return "Nothing was loaded yet."
    named = [f"{rows[name]:,} rows of {name}" for name in most[:MOST_NAMED]]
    if others := most[MOST_NAMED:]:
        tables = "table" if len(others) == 1 else "tables"
        named.append(f"{sum(rows[name] for name in others):,} of {len(others)} other {tables}")
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    return f"Loaded and kept: {listed}."


def run_status(run: Run) -> tuple[Literal["ok", "partial", "failed"], int]:
    """Return a run's status and exit code: the gravest code that any table ended with."""
    if run.outcomes.stopped:
        return "failed", run.outcomes.stopped.exit_code
    codes: Sequence[int] = [o.exit_code for o in run.outcomes.by_table.values() if o.exit_code]
    return ("partial", min(codes)) if codes else ("ok", 0)
