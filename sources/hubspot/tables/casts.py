"""Text -> typed columns: casts whole columns at once, and says why a value does not fit.

Why a value is rejected: `not_a_number`, `not_an_integer`, `not_a_bool`, `not_a_date`,
`not_a_timestamp`, `out_of_range` (a number that the column cannot hold, a year outside 1..9999),
`precision` (the nearest double, or the microsecond, is kept), `nul_character` (removed). `""` is
null in every kind.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_FLOOR, Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from ..model import Kind

TIMESTAMP = pa.timestamp("us", tz="UTC")
TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "double": pa.float64(),
    "integer": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": TIMESTAMP,
}
Value = float | bool | date | datetime | None
Misfit = tuple[Value, str | None]
"""A value for the column (None where there is none), and why its text is rejected."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_FEWEST_MS = 10**8  # fewer digits are a year or `20200229` rather than an instant of 1970
_MOST_MS = 10**15  # beyond the year 9999
_MICROSECOND_OF_MS = Decimal("0.001")
_LAST_YEAR = 9999
_INTEGER_BITS = 64
_EXACT_DIGITS = 15  # a decimal number of up to this many digits survives a double
_MICROSECOND_DIGITS = 6
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ISO = re.compile(
    r"(?P<year>[+-]?\d{4,9})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r" ?(?:[Zz]|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)?)?",
    re.ASCII,
)


def cast(
    texts: pa.StringArray, kind: Kind, *, strip_nul: bool = False
) -> tuple[pa.Array, dict[int, str]]:
    """Cast one column.

    Guarantees: any text goes through; every value is in the column as it was written, or its
    index is among the rejects, or both where the column holds the nearest there is.

    Args:
        texts: as HubSpot writes them.
        kind: of the column.
        strip_nul: remove NUL characters from text, for warehouses that cannot hold them.

    Returns:
        The column, and the reasons of its rejects by index.
    """
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), TYPES[kind]), {}
    empty = pc.equal(texts, "")
    if pc.any(empty).as_py():
        texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
    if kind == "text":
        return _strip_nul(texts) if strip_nul else (texts, {})
    return _cast_typed(texts, kind)


def _strip_nul(texts: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    found = pc.indices_nonzero(pc.match_substring(texts, "\0").fill_null(False)).to_pylist()
    if not found:
        return texts, {}
    stripped = pc.replace_substring(texts, "\0", "")
    stripped = pc.if_else(pc.equal(stripped, ""), pa.scalar(None, pa.string()), stripped)
    return stripped, dict.fromkeys(found, "nul_character")


def _cast_typed(texts: pa.Array, kind: Kind) -> tuple[pa.Array, dict[int, str]]:
    """Cast the usual forms at once, and look at each of the others."""
    usual = _is_usual(texts, kind)
    if pc.all(usual).as_py():
        plain = texts
    else:
        plain = pc.if_else(usual, texts, pa.scalar(None, pa.string()))
    column = pc.equal(plain, "true") if kind == "bool" else pc.cast(plain, TYPES[kind])
    if plain.null_count == texts.null_count:
        return column, {}
    others = pc.and_(pc.is_null(plain), pc.is_valid(texts))
    indices = pc.indices_nonzero(others).to_pylist()
    misfits = [CASTS[kind](text) for text in texts.take(indices).to_pylist()]
    mended = pa.array([value for value, _ in misfits], TYPES[kind])
    reasons = {i: reason for i, (_, reason) in zip(indices, misfits, strict=True) if reason}
    return pc.replace_with_mask(column, others, mended), reasons


_DAY = (
    "[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_USUAL: dict[Kind, str] = {
    "double": r"^-?[0-9]+(?:\.[0-9]+)?$",
    "integer": "^-?[0-9]{1,18}$",
    "bool": r"^(?:true|false)$",
    "date": f"^{_DAY}$",
    "timestamp": f"^{_DAY}T{_TIME}Z$",
}
"""Forms that Arrow casts without a loss, and never refuses: no 29th of February is among them."""


def _is_usual(texts: pa.Array, kind: Kind) -> pa.Array:
    usual = pc.match_substring_regex(texts, _USUAL[kind])
    if kind == "double":
        return pc.and_(usual, pc.less_equal(pc.binary_length(texts), _EXACT_DIGITS))
    return usual


def to_double(text: str) -> Misfit:
    """Read a decimal number: ASCII digits, point, exponent; spaces around it do no harm."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None, "not_a_number"
    value = float(text)
    if math.isinf(value):
        return None, "out_of_range"
    exact = _decimal(text)
    return value, None if exact == Decimal(repr(value)) else "precision"


def to_integer(text: str) -> Misfit:
    """Read a whole number of at most 64 bits, however it is written: `5`, `5.0`, `5e3`."""
    value = _decimal(text) if _NUMBER.fullmatch(text := text.strip()) else None
    if value is None or value != value.to_integral_value():
        return None, "not_an_integer"
    if abs(value) >= 2 ** (_INTEGER_BITS - 1):
        return None, "out_of_range"
    return int(value), None


def to_bool(text: str) -> Misfit:
    """Read true, false, yes, no, 1 or 0 in any case."""
    value = _BOOLS.get(text.strip().lower())
    return value, "not_a_bool" if value is None else None


def to_date(text: str) -> Misfit:
    """Read the UTC date of whatever `to_timestamp` reads."""
    at, reason = _instant(text.strip())
    if at is None:
        return None, reason or "not_a_date"
    return at.date(), None


def to_timestamp(text: str) -> Misfit:
    """Read an instant: ISO 8601 (UTC where it names no zone), a day, or epoch milliseconds.

    Digits alone are milliseconds. Fewer than nine digits are not read as an instant of 1970, for
    they are a year or `20200229` more likely, unless they are whole days: `0`, `86400000`.
    """
    at, reason = _instant(text.strip())
    return at, reason or ("not_a_timestamp" if at is None else None)


CASTS: dict[Kind, Callable[[str], Misfit]] = {
    "double": to_double,
    "integer": to_integer,
    "bool": to_bool,
    "date": to_date,
    "timestamp": to_timestamp,
}
"""Casts of single values, for what is not usual."""


def _instant(text: str) -> tuple[datetime | None, str | None]:
    """Read an instant; None without a reason where the text is none."""
    try:
        if _NUMBER.fullmatch(text):
            return _from_milliseconds(text)
        parts = _ISO.fullmatch(text)
        return _from_iso(parts) if parts else (None, None)
    except OverflowError:
        return None, "out_of_range"
    except ValueError:  # a month 13, an offset of 30 hours
        return None, None


def _from_milliseconds(text: str) -> tuple[datetime | None, str | None]:
    ms = _decimal(text)
    if ms is None or abs(ms) > _MOST_MS:
        return None, "out_of_range"
    if abs(ms) < _FEWEST_MS and ms % _DAY_MS:
        return None, None
    kept = ms.quantize(_MICROSECOND_OF_MS, ROUND_FLOOR)
    at = _EPOCH + timedelta(microseconds=int(kept.scaleb(3)))
    return at, None if kept == ms else "precision"


def _from_iso(parts: re.Match[str]) -> tuple[datetime | None, str | None]:
    year = int(parts["year"])
    if not 1 <= year <= _LAST_YEAR:
        return None, "out_of_range"
    fraction = parts["fraction"] or ""
    kept, lost = fraction[:_MICROSECOND_DIGITS], fraction[_MICROSECOND_DIGITS:].strip("0")
    offset = timedelta(hours=int(parts["hours"] or 0), minutes=int(parts["minutes"] or 0))
    at = datetime(
        year,
        int(parts["month"]),
        int(parts["day"]),
        int(parts["hour"] or 0),
        int(parts["minute"] or 0),
        int(parts["second"] or 0),
        int(kept.ljust(_MICROSECOND_DIGITS, "0")),
        timezone(-offset if parts["sign"] == "-" else offset),
    )
    return at.astimezone(UTC), "precision" if lost else None


def _decimal(text: str) -> Decimal | None:
    """Return the exact number; None where its exponent is beyond all use."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
