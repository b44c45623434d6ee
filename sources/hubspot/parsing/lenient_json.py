"""JSON whose strings and numbers may be anything: read whole, and written as text again."""

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

NO_ESCAPE = "\udc5c"  # a backslash, as `surrogateescape` writes a byte that is no character
SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
_LONGEST_INTEGER = 4_000  # digits; Python reads no more than 4,300


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number that Python would round or refuse."""

    text: str


def loads(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON whose strings may hold anything, numbers with all their digits.

    Raises:
        msgspec.DecodeError: not JSON, cut short, or nested deeper than Python follows.
    """
    try:
        text = body.decode("utf-8-sig", "surrogateescape")
        return json.loads(
            _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else NO_ESCAPE, text),
            parse_int=lambda digits: (
                int(digits) if len(digits) < _LONGEST_INTEGER else Number(digits)
            ),
            parse_float=Number,
            parse_constant=Number,
            strict=False,
        )
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Return a value's text; of anything but a string its JSON."""
    return value if value is None or isinstance(value, str) else to_json(value)


def to_json(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Write JSON that `loads` read."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join([to_json(item) for item in value])}]"
    if isinstance(value, dict):
        members = [f"{to_json(name)}: {to_json(item)}" for name, item in value.items()]
        return f"{{{', '.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)


def escaped(text: str) -> str:
    r"""Write what is no character as an escape: `\ud800`, or the byte as `\udcff`."""
    return text.replace(NO_ESCAPE, "\\").encode("utf-8", "backslashreplace").decode()


def replaced(text: str) -> str:
    """Replace what is no character by U+FFFD."""
    return SURROGATE.sub("\ufffd", text)
