"""Dates on which a record entered and left a stage: worked out from the history of its stage."""

import re
from collections.abc import Sequence

from .record import Change

_NAME = re.compile(r"hs_(?:v2_)?date_(entered|exited)_(\w+)")


def stage_of(name: str) -> tuple[str, str] | None:
    """Return what a property is the date of, `entered` or `exited`, and the stage; None if none."""
    found = _NAME.fullmatch(name)
    return None if found is None else (found[1], found[2])


def date_ms(name: str, changes: Sequence[Change]) -> int | None:
    """Return when a record last entered or left the stage that a property names, None if never.

    `changes` are those of the stage, newest first.
    """
    wanted = stage_of(name)
    if wanted is None:
        return None
    way, stage = wanted
    ordered = sorted(changes, key=lambda one: (one.at_ms, -changes.index(one)))
    before, found = "", None
    for change in ordered:
        entered = change.value == stage and before != stage
        left = change.value != stage and before == stage
        if entered if way == "entered" else left:
            found = change.at_ms
        before = change.value
    return found
