"""The members of a request, checked: each is returned in its type or refused with a 400."""

from typing import Any

from .errors import invalid


def whole_number(value: object, name: str, most: int) -> int:
    """Return `value` as a number between 1 and `most`, or refuse it."""
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal():
        raise invalid(f"Invalid integer value for {name}: {value!r}")
    if not 1 <= int(text) <= most:
        raise invalid(f"{name} must be between 1 and {most}, got {text}")
    return int(text)


def record_id(value: object, name: str = "id") -> int:
    """Return a record id from a path or body, or refuse it."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()):
        raise invalid(f"Invalid {name}: {value!r} is not a record id")
    return int(text)


def text_list(value: object, name: str) -> tuple[str, ...]:
    """Return a body member that must be a list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"Invalid input JSON: {name} must be a list of strings")
    return tuple(value)


def text(body: dict[str, Any], name: str) -> str:
    """Return a body member that must be a text."""
    value = body.get(name)
    if not isinstance(value, str):
        raise invalid(f"Invalid input JSON: {name} must be a string")
    return value


def objects_of(value: object, name: str) -> list[dict[str, Any]]:
    """Return a body member that must be a list of objects."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise invalid(f"Invalid input JSON: {name} must be a list of objects")
    return value
