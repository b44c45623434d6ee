"""Properties about stages, which HubSpot's list of properties may hide: their names and types.

A record has four for each stage of its type's pipelines: when it last entered and left the stage,
and how many milliseconds it was there, all in all and the last time; and one for the stage that it
is in. HubSpot answers them to whoever asks for them by name, and ignores a name that it has not.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ..tables.properties import Definition

OF_STAGE: Mapping[str, tuple[str, str]] = {
    "hs_v2_date_entered_": ("datetime", 'Date entered "{}"'),
    "hs_v2_date_exited_": ("datetime", 'Date exited "{}"'),
    "hs_v2_cumulative_time_in_": ("number", 'Cumulative time in "{}"'),
    "hs_v2_latest_time_in_": ("number", 'Latest time in "{}"'),
}
"""Beginning of the name, type and label."""
CURRENT = ("current_stage", "current stage")
_OF_CURRENT = "hs_v2_date_entered_"
_NO_NAME, _NUMBER = re.compile(r"[^0-9a-z_]"), re.compile(r"_\d+$")


def labels_of(pipelines: Iterable[Any]) -> dict[str, str]:
    """Return the labels of stages, with those of their pipelines, by their ids.

    Args:
        pipelines: as HubSpot answers them; what is none is passed over.
    """
    found: dict[str, str] = {}
    for pipeline in pipelines:
        stages = pipeline.get("stages") if isinstance(pipeline, Mapping) else None
        for stage in stages if isinstance(stages, list) else ():
            if isinstance(stage, Mapping) and stage.get("id") not in (None, ""):
                found[str(stage["id"])] = f"{stage.get('label')} ({pipeline.get('label')})"
    return found


def stage_definitions(labels: Mapping[str, str], listed: Collection[str]) -> Iterator[Definition]:
    """Yield the definitions of the properties about stages that HubSpot does not list.

    A name that it lists may end with a number more than the id of the stage.

    Args:
        labels: of the stages, by their ids.
        listed: names of the properties that it does.
    """
    named = {
        f"{start}{_written(stage)}": (kind, text.format(label))
        for stage, label in labels.items()
        for start, (kind, text) in OF_STAGE.items()
    }
    if labels:
        kind, text = OF_STAGE[_OF_CURRENT]
        named[f"{_OF_CURRENT}{CURRENT[0]}"] = (kind, text.format(CURRENT[1]))
    known = {*listed, *(_NUMBER.sub("", name) for name in listed)}
    for name, (kind, label) in named.items():
        if name not in known:
            yield Definition(name, label, kind)


def is_about_stage(name: str) -> bool:
    """Whether a property is about a stage."""
    return name.startswith(tuple(OF_STAGE))


def _written(stage: str) -> str:
    """Write the id of a stage as names of properties have it.

    >>> _written("9F1C-22")
    '9f1c_22'
    """
    return _NO_NAME.sub("_", stage.lower())
