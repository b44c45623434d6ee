"""The one place that reads the state out of dlt's, and writes it back.

Everything is JSON inside dlt's own state, so it is stored with the data it vouches for, in the
same load, and any machine with the same destination goes on where the last load ended.
"""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dlt
import msgspec
from dlt.common.pipeline import TPipelineState
from dlt.pipeline.pipeline import Pipeline

from .damage import NAME, Damage, mend, refuse
from .migrations import to_present
from .source import SourceState


class Store:
    """The state of one extraction after the other, as their resources share it."""

    def __init__(self) -> None:
        """Hold an empty state until dlt has one."""
        self.state = SourceState()
        self._kept: Any = None
        self.damages: Sequence[Damage] = ()
        """What of the state was damaged as this run found it."""
        self.mended: Sequence[str] = ()
        """What of the state was damaged and is read again."""

    def note_damages(self, damages: Sequence[Damage]) -> None:
        """Keep what was damaged before somebody mended it; the first to say so is right."""
        self.damages = self.damages or damages

    def read(self) -> None:
        """Take a copy of the state that dlt holds now, before any resource reads; note its damage.

        Raises:
            ConfigError: it is of a newer version.
        """
        self._kept = None
        self.state, damages = to_state(dlt.current.source_state())
        self.note_damages(damages)

    def accept_damages(self, is_read_again: Callable[[Damage], bool]) -> None:
        """Refuse a damaged state, but for what is read again.

        Raises:
            ConfigError: with the remedy.
        """
        refuse([one for one in self.damages if not is_read_again(one)])
        self.mended = [str(one._replace(remedy="")) for one in self.damages]

    @contextmanager
    def opened(self) -> Iterator[SourceState]:
        """Share the state of the extraction that a resource belongs to; write it back in the end.

        dlt stores what is written with the rows of the load. Of resources that read side by side
        each writes all of the state, so the last one writes what is stored.

        Raises:
            ConfigError: the state is of a newer version.
        """
        kept = dlt.current.source_state()
        if kept is not self._kept:
            self.state, _ = to_state(kept)
            self._kept = kept
        try:
            yield self.state
        finally:
            write(self.state, kept)


def to_state(kept: object) -> tuple[SourceState, list[Damage]]:
    """Read the source's part of dlt's state without what is damaged; return what that was.

    Raises:
        ConfigError: it is of a newer version.
    """
    return mend(to_present(kept))


def write(state: SourceState, kept: MutableMapping[str, Any]) -> None:
    """Write a state in place of the one that dlt holds."""
    plain: dict[str, Any] = msgspec.to_builtins(state, enc_hook=_to_text)
    tables = {name: _compact(table) for name, table in plain.pop("resources", {}).items()}
    plain["resources"] = {name: table for name, table in tables.items() if table}
    kept.clear()
    kept.update({"version": state.version} | plain)  # also where it is the default


def _compact(table: dict[str, Any]) -> dict[str, Any]:
    """Leave out members, and sweeps, that hold nothing."""
    sweeps = {kind: sweep for kind, sweep in table.get("sweeps", {}).items() if sweep}
    return {name: value for name, value in (table | {"sweeps": sweeps}).items() if value != {}}


def _to_text(value: object) -> str:
    """Write an instant that is of a class of its own, as pendulum's are."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(type(value))


def source_state(pipeline: Pipeline) -> SourceState:
    """Return a copy of the state that a pipeline holds, empty where no sync has been.

    Raises:
        ConfigError: it is damaged, beyond what the next sync reads again, or of a newer version.
    """
    known, damages = mended_state(pipeline)
    refuse(damages)
    return known


def mended_state(pipeline: Pipeline) -> tuple[SourceState, list[Damage]]:
    """Return a copy of a pipeline's state without its damaged parts, and what they were.

    Raises:
        ConfigError: it is of a newer version.
    """
    sources = pipeline.state.get("sources", {})
    return to_state(sources.get(NAME, {}) if isinstance(sources, dict) else sources)


def put(state: SourceState, kept: TPipelineState) -> None:
    """Put a state in the place of the source's in dlt's."""
    mine: dict[str, Any] = {}
    write(state, mine)
    kept.setdefault("sources", {})[NAME] = mine


def edited(kept: Any, edit: Callable[[SourceState], bool]) -> bool:  # noqa: ANN401 - maybe damaged
    """Edit the source's state in one of dlt's; return whether the edit changed anything.

    What is damaged in it goes where it is changed.
    """
    sources = kept.get("sources") if isinstance(kept, dict) else None
    mine = sources.get(NAME) if isinstance(sources, dict) else None
    if not isinstance(mine, dict):
        return False
    state, _ = to_state(mine)
    changed = edit(state)
    if changed:
        write(state, mine)
    return changed
