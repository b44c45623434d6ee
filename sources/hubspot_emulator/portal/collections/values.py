"""Values of rows that can be compared: instants of either form, numbers, texts."""

import re
from typing import Any

from ...clock import to_ms
from .refusal import refuse

INSTANT, MILLISECONDS, NUMBER, FLAG, TEXT = "iso", "ms", "int", "bool", "text"
"""The forms that a parameter may have."""

Comparable = tuple[int, Any]
"""A rank (nothing, numbers and instants, texts) and the value, so that any two can be compared."""

NOTHING: Comparable = (0, 0)
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_ISO_LENGTH, _DASH, _T = 16, 4, 10


def comparable(value: object) -> Comparable:
    """Return a value in a form in which `9` comes before `10` and instants are in order."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        if value.isdecimal():
            return (1, int(value))
        if len(value) >= _ISO_LENGTH and value[_DASH] == "-" and value[_T] == "T":
            return (1, to_ms(value))
        return (2, value)
    if isinstance(value, int | float):
        return (1, value)
    return (2, str(value))


def member(row: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - any member of a row
    """Return a member by its dotted path, None where there is none."""
    found: Any = row
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def parsed(name: str, text: str, form: str) -> Comparable:
    """Return a parameter's value in the form it must have, or refuse it with a 400."""
    if form == INSTANT:
        if not _ISO.fullmatch(text):
            raise refuse(f"Invalid value for {name}: {text!r} is not a valid date-time")
        return (1, to_ms(text))
    if form in (MILLISECONDS, NUMBER):
        if not text.lstrip("-").isdecimal():
            raise refuse(f"Invalid value for {name}: {text!r} is not a number")
        return (1, int(text))
    if form == FLAG:
        if text not in ("true", "false"):
            raise refuse(f"Invalid value for {name}: {text!r} is not a boolean")
        return (1, text == "true")
    return comparable(text)
