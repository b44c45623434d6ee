"""What is read and what is not, in words: groups, what switches them on, what they cost."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from sources.hubspot.catalog.endpoints import ENDPOINT_OF, ENDPOINTS
from sources.hubspot.catalog.endpoints.declaration import Batches, Endpoint, Parents, Windows
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.catalog.selection import PER_TYPE, Names, Selection
from sources.hubspot.config import configured
from sources.hubspot.model import ObjectType
from sources.hubspot.run.portal.portal_types import CUSTOM, PortalTypes, settings_names
from sources.hubspot.state.collections import CollectionState
from sources.hubspot.state.source import SourceState

_TYPES = frozenset(kind.table for kind in STANDARD)
Line = tuple[str, str]
"""What holds, and what to do about it; nothing where it is as it is by default."""


def reading(selection: Selection) -> str:
    """Return what is read, as one text."""
    parts = [f"{len(selection.types)} object types", f"{len(selection.pairs)} link tables"]
    return ", ".join((*parts, *selection.groups))


def not_read(selection: Selection, state: SourceState) -> Iterator[Line]:
    """Yield what is not read, by group, with its calls and what switches it on.

    Args:
        selection: what is read.
        state: what earlier runs left, with the calls that they took.
    """
    off: dict[tuple[str, bool], list[Endpoint]] = {}
    for name, one in ENDPOINTS.items():
        if name not in selection.endpoints and not one.own_reader:
            off.setdefault((one.group, one.default), []).append(one)
    for (group, is_default), endpoints in off.items():
        costs = [f"{one.name} ({cost(one, state.collections.get(one.name))})" for one in endpoints]
        text = f"{group}: not read: {', '.join(costs)}"
        if is_default:
            yield text, "Have it read by taking it out of exclude, or into select."
        else:
            is_whole = endpoints == [one for one in ENDPOINTS.values() if one.group == group]
            names = group if is_whole else ",".join(one.name for one in endpoints)
            yield f"{text}; off by default", switch(names)
    for group in PER_TYPE.keys() - selection.per_type.keys():
        yield f"{group}: not read; hubspot-elt plan shows its calls", switch(group)


def switch(names: str) -> str:
    """Return how something that is off by default is switched on."""
    listed = ", ".join(f'"{name}"' for name in ("default", *names.split(",")))
    return f"Read it with --select default,{names}, or select = [{listed}] in the settings."


def cost(endpoint: Endpoint, kept: CollectionState | None) -> str:
    """Return the calls of one reading, as the last one took them, else as the declaration says."""
    per = endpoint.per
    if kept and kept.calls:
        return f"{_calls(kept.calls)} the last time"
    if isinstance(per, Parents):
        return f"a call for each row of {per.table}"
    if isinstance(per, Batches):
        return f"a call for {per.size} rows of {per.table}"
    if isinstance(endpoint.read, Windows):
        return f"a call for each {endpoint.read.span.total_seconds() / 3600:g} hours"
    least = _calls(len(endpoint.variants))
    return least if endpoint.paging.kind == "none" else f"{least} or more"


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"


def read_before(state: SourceState) -> dict[str, datetime | None]:
    """Return the tables that earlier runs have read, and when they did so last."""
    tables = {name: state.table(name).watermark for name in state.read_tables}
    others = {key.partition(":")[0]: kept.read_at for key, kept in state.collections.items()}
    return tables | {name: at for name, at in others.items() if at and name in ENDPOINT_OF}


def by_settings(tables: Iterable[str]) -> Selection:
    """Return what the settings choose, where the portal is not asked.

    Args:
        tables: of the warehouse, which show the portal's own object types.

    Raises:
        ConfigError: the settings name something that is not there.
    """
    own = [ObjectType(one, one, f"2-{one}") for one in tables if _is_own(one)]
    settings = settings_names(configured)
    return PortalTypes(types=(*STANDARD, *own)).choose(settings, Names())


def is_selectable(table: str) -> bool:
    """Whether a table of the warehouse is one of those that can be selected by name."""
    return table in ENDPOINT_OF or table in _TYPES or _is_own(table)


def _is_own(table: str) -> bool:
    return table.startswith(CUSTOM) and "_to_" not in table


def left_behind(selection: Selection, read: Mapping[str, datetime | None]) -> Line | None:
    """Say which tables stay as they are, for they are not chosen any more.

    Args:
        selection: what is read.
        read: tables that were read before, and when.
    """
    old = [(table, at) for table, at in sorted(read.items()) if not selection.reads(table)]
    if not old:
        return None
    since = [f"{table} (last {at:%Y-%m-%d %H:%M} UTC)" if at else table for table, at in old]
    text = f"not synced any more, for they are not selected: {', '.join(since)}; their rows stay"
    return text, "Select them to have them read again, or drop the tables."
