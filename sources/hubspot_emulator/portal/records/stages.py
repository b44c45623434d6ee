"""When a record entered and left stages, and how long it stayed: from the history of its stage.

No list of properties has the properties for it; they are answered when asked for by name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ...clock import iso
from ..catalog.definitions import INSTALLED_MS, Definition, complete
from .history import STAGES
from .record import Change

_NAME = re.compile(
    r"hs_(?:v2_)?date_(entered|exited)_(\w+)|hs_v2_(cumulative|latest)_time_in_(\w+)"
)
STEMS = {
    "entered": "hs_v2_date_entered_",
    "exited": "hs_v2_date_exited_",
    "cumulative": "hs_v2_cumulative_time_in_",
    "latest": "hs_v2_latest_time_in_",
}
CURRENT = "current_stage"


class Hidden(NamedTuple):
    """What a property says about a stage: `entered`, `exited`, `cumulative` or `latest`."""

    what: str
    stage: str

    @property
    def name(self) -> str:
        """Return the name of the property."""
        return STEMS[self.what] + self.stage


@lru_cache(maxsize=4096)
def hidden(name: str) -> Hidden | None:
    """Return what a property says about which stage; None where it is none of these."""
    found = _NAME.fullmatch(name)
    return Hidden(found[1] or found[3], found[2] or found[4]) if found else None


def stage_property(definitions: Mapping[str, Definition]) -> str:
    """Return the property with the stage of a type's records; empty where it has no stages."""
    return next((one for one in STAGES if one in definitions), "")


def definition_of(definitions: Mapping[str, Definition], name: str) -> Definition | None:
    """Return a definition by its name, be it listed or not."""
    wanted = hidden(name)
    if name in definitions or wanted is None or not stage_property(definitions):
        return definitions.get(name)
    kind = "datetime" if wanted.what in {"entered", "exited"} else "number"
    row = {"name": name, "type": kind, "fieldType": "calculation_equation"}
    return complete(row, hubspot_defined=True, at_ms=INSTALLED_MS)


def values_of_stages(changes: Sequence[Change]) -> dict[Hidden, str]:
    """Return the values of all properties about stages.

    Times are of visits that have ended, in milliseconds. `changes` are those of the stage, newest
    first.
    """
    ordered = [*reversed(changes)]
    ordered.sort(key=lambda one: one.at_ms)
    dates: dict[Hidden, int] = {}
    times: dict[Hidden, int] = {}
    before = ""
    for change in ordered:
        if change.value == before:
            continue
        if before:
            name = named(before)
            stayed = change.at_ms - dates[Hidden("entered", name)]
            dates[Hidden("exited", name)] = change.at_ms
            times[Hidden("latest", name)] = stayed
            total = Hidden("cumulative", name)
            times[total] = times.get(total, 0) + stayed
        if change.value:
            dates[Hidden("entered", named(change.value))] = change.at_ms
            dates[Hidden("entered", CURRENT)] = change.at_ms
        before = change.value
    return {
        **{key: iso(at) for key, at in dates.items()},
        **{k: str(ms) for k, ms in times.items()},
    }


def named(stage: str) -> str:
    """Write the id of a stage as names of properties have it."""
    return stage.lower().replace("-", "_")


def hidden_names(definitions: Mapping[str, Definition], names: Iterable[str]) -> list[str]:
    """Return those names of properties about stages that no list has, if a type has stages."""
    if not stage_property(definitions):
        return []
    return [name for name in names if hidden(name) and name not in definitions]
