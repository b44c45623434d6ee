"""Values as they stand in a statement, so that no driver's way of passing parameters matters."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from sqlglot import exp

NAIVE = frozenset({"mysql", "clickhouse", "sqlite"})
"""Dialects whose columns of instants have no time zone: what they hold is UTC."""
KEEPS_NUL = frozenset({"duckdb"})
"""Dialects with a text that may hold NUL; others refuse a statement for one."""


_MARK = "__hs_text__"


class Rendered(str):
    """A part of a statement in the destination's dialect: it stands there as it is."""

    __slots__ = ()


def literal(value: object, dialect: str) -> str:
    """Return a value as it stands in a statement; several, divided by commas.

    Args:
        value: None, a bool, a number, a text, a date, an aware instant, or a collection of these.
        dialect: as sqlglot calls it.

    Raises:
        TypeError: there is no literal of such a value.
    """
    if isinstance(value, str):
        return str(value) if isinstance(value, Rendered) else _text(value, dialect)
    if isinstance(value, bool) and dialect == "tsql":
        return str(int(value))
    if value is None or isinstance(value, bool):
        return _constant(value, dialect)
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, date):
        return _instant(value, dialect) if isinstance(value, datetime) else _date(value, dialect)
    if isinstance(value, Iterable):
        return ", ".join(literal(one, dialect) for one in value)
    raise TypeError(f"{type(value).__name__} has no literal")


@cache
def _constant(value: bool | None, dialect: str) -> str:  # noqa: FBT001 - that is the value
    return exp.convert(value).sql(dialect=dialect)


def _text(text: str, dialect: str) -> str:
    """Return a text in quotes; what every id of HubSpot's looks like needs no further care."""
    if text.isprintable() and "'" not in text and "\\" not in text:
        return f"'{text}'"
    if "\0" not in text:
        return exp.Literal.string(text).sql(dialect=dialect)
    if dialect not in KEEPS_NUL:
        return _text(text.replace("\0", ""), dialect)
    parts = (exp.Literal.string(part).sql(dialect=dialect) for part in text.split("\0"))
    return f"({' || chr(0) || '.join(parts)})"


def _date(day: date, dialect: str) -> str:
    return _cast("DATE", dialect).replace(_MARK, day.isoformat())


def _instant(at: datetime, dialect: str) -> str:
    at = at.astimezone(UTC)
    if dialect in NAIVE:
        return f"'{at:%Y-%m-%d %H:%M:%S.%f}'"
    text = at.isoformat(sep=" ", timespec="microseconds")
    return _cast("TIMESTAMPTZ", dialect).replace(_MARK, text)


@cache
def _cast(kind: str, dialect: str) -> str:
    """Return a cast of a text to a type, with a mark for the text."""
    return exp.cast(exp.Literal.string(_MARK), kind).sql(dialect=dialect)


def aware(row: Iterable[object]) -> tuple[object, ...]:
    """Return a row whose instants are aware, in UTC."""
    return tuple(
        one.replace(tzinfo=UTC) if isinstance(one, datetime) and one.tzinfo is None else one
        for one in row
    )
