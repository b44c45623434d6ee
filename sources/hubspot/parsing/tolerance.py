"""Responses that are not as documented: what fits is kept, member by member.

A response that fits is decoded in one step. In one that does not, a member that may be missing
loses a value of another kind than documented, and no more. A member that nothing works without (the
id of a row, the results of a page, its cursor) fails the response, and the error carries its JSON
path.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Meta, inspect

from .lenient_json import Number, as_text, loads, replaced, to_json

T = TypeVar("T")

NAME = Meta(min_length=1)
"""Of text that names something: it is not empty, and a whole number counts as its digits."""
VITAL = Meta(extra={"vital": True})
"""Of a member that may be missing, but cannot be misread: the response means nothing without it."""
_SHOWN = 60  # characters of a value in an error
_NUMBERS: dict[type, type] = {
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.BoolType: bool,
}


def tolerant(shape: type[T]) -> Callable[[bytes], T]:
    """Return a decoder of responses of a shape, a type of msgspec's; safe to share between threads.

    The decoder raises `msgspec.DecodeError` for what is no JSON, and its `ValidationError`, with
    the JSON path, for a response that lacks what nothing works without.
    """
    decode = msgspec.json.Decoder(shape, strict=False).decode

    def decode_any(body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return fit(loads(body), shape)

    return decode_any


def fit(value: Any, shape: type[T], path: str = "$") -> T:  # noqa: ANN401 - any JSON
    """Return JSON in a shape, without the values that do not fit it.

    Args:
        value: as `loads` or msgspec read it.
        shape: a type of msgspec's.
        path: where the value is in its response, for the error.

    Raises:
        msgspec.ValidationError: it lacks what nothing works without.
    """
    return msgspec.convert(_fit(value, inspect.type_info(shape), path), shape, strict=False)


def _fit(value: Any, kind: inspect.Type, path: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a value as a type wants it."""
    found: Any = None
    match kind:
        case inspect.AnyType():
            return value
        case inspect.Metadata():
            return _fit(value, kind.type, path)
        case inspect.UnionType():
            return _fit_one(value, kind.types, path)
        case inspect.StructType() if isinstance(value, Mapping):
            found = _fit_members(value, kind, path)
        case inspect.ListType() if isinstance(value, list):
            found = [_fit(one, kind.item_type, f"{path}[{at}]") for at, one in enumerate(value)]
        case inspect.DictType() if isinstance(value, Mapping):
            found = {key: _fit(one, kind.value_type, f"{path}.{key}") for key, one in value.items()}
        case inspect.StrType():
            found = _fit_text(value, kind)
        case inspect.IntType() | inspect.FloatType() | inspect.BoolType():
            found = _fit_number(value, _NUMBERS[type(kind)])
    if found is None:
        raise misfit(value, path)
    return found


def _fit_text(value: Any, kind: inspect.StrType) -> str | None:  # noqa: ANN401 - any JSON
    """Return any JSON as text; only text and whole numbers become names."""
    if not (kind.min_length or kind.pattern):
        text = as_text(value)
        return None if text is None else replaced(text)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value):
        return None
    fits = kind.pattern is None or re.search(kind.pattern, str(value))
    return replaced(str(value)) if fits else None


def _fit_number(value: Any, kind: type) -> Any:  # noqa: ANN401 - any JSON
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str | int | float) or (isinstance(text, bool) and kind is not bool):
        return None
    with suppress(msgspec.ValidationError):
        return msgspec.convert(text, kind, strict=False)
    return None


def _fit_one(value: Any, kinds: tuple[inspect.Type, ...], path: str) -> Any:  # noqa: ANN401
    """Return a value as the first of several types that takes it."""
    if value is None and any(isinstance(kind, inspect.NoneType) for kind in kinds):
        return None
    errors = []
    for kind in kinds:
        try:
            return _fit(value, kind, path)
        except msgspec.ValidationError as error:
            errors.append(error)
    raise errors[0]


def _fit_members(value: Mapping[str, Any], kind: inspect.StructType, path: str) -> dict[str, Any]:
    found = {}
    for field in kind.fields:
        name = field.encode_name
        if name not in value:
            if field.required:
                raise msgspec.ValidationError(f"`{path}.{name}` is missing")
            continue
        try:
            found[name] = _fit(value[name], field.type, f"{path}.{name}")
        except msgspec.ValidationError:
            if field.required or _is_vital(field.type):
                raise
    return found


def _is_vital(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.Metadata) and bool((kind.extra or {}).get("vital"))


def misfit(value: object, path: str) -> msgspec.ValidationError:
    """Say that a value at a JSON path cannot be used."""
    text = replaced(to_json(value))
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return msgspec.ValidationError(f"`{path}` cannot be {shown}")
