"""A damaged state: repaired where HubSpot can report it again, else refused."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from ..errors import ConfigError
from .source import SourceState

NAME = "hubspot"
"""The name of the source, by which dlt keeps its state."""
SOURCE = f"sources.{NAME}"
"""The place of the source's state in dlt's."""
AS_BEFORE = (
    "Delete the newest row of _dlt_pipeline_state to go on from the load before it, or load into"
    " another --dataset."
)
"""The remedy for what cannot be read again."""
_PRECIOUS = frozenset({"version", "portal_id", "columns"})
"""Members that nothing can restore."""
_WHOLE = frozenset({"custom_tables"})
"""Members that are learned again as a whole, or not at all."""
_INSTEAD: dict[str, Callable[[], Any]] = {
    "pairs": lambda: {"pending": True},
    "resources": lambda: {"has_older_rows": True},
}
"""What takes the place of a damaged entry, where it is not just left out."""


class Damage(NamedTuple):
    """A part of the state that nobody could have written."""

    part: str
    """Such as `cache.labels`."""
    reason: str
    remedy: str = ""
    """What to do; empty where it is mended: what it held is read again."""
    table: str = ""
    """The object table whose state it is."""

    def __str__(self) -> str:
        reported = self.remedy or "It is read again."
        return f"The state in the warehouse is damaged at {self.part}: {self.reason}. {reported}"


def reset_of(tables: Iterable[str]) -> str:
    """Return the remedy for tables whose state is damaged."""
    named = " ".join(f"--table {table}" for table in tables)
    return f"Run `hubspot-elt state reset {named}`; the next sync reads them completely."


def mend(kept: object) -> tuple[SourceState, list[Damage]]:
    """Read a state of the present version without its damaged parts; return what they were."""
    if not isinstance(kept, Mapping):
        return SourceState(), [Damage(SOURCE, _reason(kept, dict[str, Any]), AS_BEFORE)]
    try:
        return msgspec.convert(kept, SourceState), []
    except msgspec.ValidationError:
        mended, damages = copy.deepcopy(dict(kept)), list[Damage]()
    for member in msgspec.structs.fields(SourceState):
        name = member.encode_name
        if name in mended and not _fits(mended[name], member.type):
            damages += _mend_member(mended, name, member.type)
    return msgspec.convert(mended, SourceState), damages


def _mend_member(state: dict[str, Any], name: str, shape: Any) -> list[Damage]:  # noqa: ANN401
    """Take what is damaged out of a member of the state."""
    is_whole = name in _PRECIOUS | _WHOLE or get_origin(shape) is not dict
    if isinstance(state[name], dict) and not is_whole:
        return _mend_entries(state[name], name, get_args(shape)[1])
    reason = _reason(state.pop(name), shape)
    if name == "pending_cleanup":
        state[name] = _all_tables(state)
    needs_remedy = name in _PRECIOUS or name == "resources"
    return [Damage(name, reason, AS_BEFORE if needs_remedy else "")]


def _mend_entries(entries: dict[str, Any], name: str, shape: Any) -> list[Damage]:  # noqa: ANN401
    """Take the damaged entries out of a member of the state, such as one table's."""
    reasons = {key: reason for key, entry in entries.items() if (reason := _reason(entry, shape))}
    damages = []
    for key, reason in reasons.items():
        table = key if name == "resources" else ""
        damages.append(Damage(f"{name}.{key}", reason, reset_of([table]) if table else "", table))
        del entries[key]
        if name in _INSTEAD:
            entries[key] = _INSTEAD[name]()
    return damages


def _all_tables(state: Mapping[str, Any]) -> list[str]:
    """Name all tables and link tables of a state, as far as it can be read."""
    parts = [state.get(name) for name in ("resources", "pairs")]
    return sorted({key for part in parts if isinstance(part, dict) for key in part})


def _fits(value: object, shape: Any) -> bool:  # noqa: ANN401
    return not _reason(value, shape)


def _reason(value: object, shape: Any) -> str:  # noqa: ANN401
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def refuse(damages: Sequence[Damage]) -> None:
    """Refuse a state that cannot be mended by reading HubSpot again.

    Raises:
        ConfigError: with a remedy for all of it.
    """
    refused = [one for one in damages if one.remedy]
    if not refused:
        return
    tables = [one.table for one in refused if one.table]
    lost = [one for one in refused if not one.table]
    parts = "; ".join(f"{one.part}: {one.reason}" for one in refused)
    raise ConfigError(
        f"The state in the warehouse (_dlt_pipeline_state) is damaged: {parts}.",
        remedy=AS_BEFORE if lost else reset_of(tables),
    )
