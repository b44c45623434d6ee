"""Every text becomes its value, or the nearest there is and a reason, or null and a reason."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.hubspot.model import Kind
from sources.hubspot.tables.casts import cast

CASES = json.loads((Path(__file__).parent / "cases" / "casts.json").read_text("utf-8"))
KINDS: tuple[Kind, ...] = ("text", "double", "bool", "date", "timestamp")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def expected(kind: Kind, value: Any) -> Any:
    """Read a value of the cases file."""
    if isinstance(value, str) and kind != "text":
        return date.fromisoformat(value) if kind == "date" else datetime.fromisoformat(value)
    return value


@pytest.mark.parametrize("crowd", [False, True], ids=["alone", "among others"])
@pytest.mark.parametrize(
    ("kind", "text", "value", "reason"),
    [
        pytest.param(kind, *case[1:], id=f"{kind}: {case[0]}")
        for kind, cases in CASES.items()
        for case in cases
    ],
)
def test_cast(kind: Kind, text: str, value: Any, reason: str | None, *, crowd: bool) -> None:
    """A text becomes the value and the reject of the table, whatever is beside it in its column."""
    usual = {"text": "a", "double": "1", "bool": "true"}.get(kind, "2024-01-01")
    values = [usual, None, text, "", usual] if crowd else [text]
    array, reasons = cast(pa.array(values, pa.string()), kind)
    at = 2 if crowd else 0
    assert array[at].as_py() == expected(kind, value)
    assert reasons == ({at: reason} if reason else {})
    assert array.null_count == (value is None) + 2 * crowd


TEXTS = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"\A ?[+-]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,4})? ?\Z"),
    st.from_regex(r"\A[0-9]{4}-[0-3][0-9]-[0-3][0-9]\Z"),
    st.from_regex(
        r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
        r"(\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:?[0-6][0-9])?\Z"
    ),
    st.sampled_from(["true", "False", "YES", "no", "1", "0"]),
)


def is_exact(kind: Kind, text: str, value: Any) -> bool:
    """Return whether a value is what a text says, by other means than the casts."""
    match kind:
        case "text":
            return bool(value == text)
        case "double":
            return Decimal(repr(value)) == Decimal(text.strip())
        case "bool":
            return BOOLS[text.strip().lower()] is value
        case "timestamp":
            return microseconds_of(text.strip()) == (value - EPOCH) // timedelta(microseconds=1)
        case "date":
            days = microseconds_of(text.strip()) // (86_400 * 10**6)
            return (EPOCH + timedelta(days=days)).date() == value


def microseconds_of(text: str) -> Fraction:
    """Read an instant with the standard library, in microseconds since 1970."""
    try:
        return Fraction(text) * 1000
    except ValueError:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return Fraction((at - EPOCH) // timedelta(microseconds=1))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    values=st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=8),
)
def test_every_value_is_exact_or_rejected(kind: Kind, values: list[str | None]) -> None:
    """Any text in any kind goes through; what has no reject is exactly what HubSpot wrote."""
    array, reasons = cast(pa.array(values, pa.string()), kind)
    assert len(array) == len(values)
    for index, (text, value) in enumerate(zip(values, array.to_pylist(), strict=True)):
        if not text:
            assert (value, index in reasons) == (None, False)
        elif index not in reasons:
            assert is_exact(kind, text, value), (text, value)
        elif value is not None:
            assert reasons[index] == "precision"


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(KINDS), texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_a_cast_does_not_depend_on_the_neighbours(kind: Kind, texts: list[str]) -> None:
    """A column casts every value as if it were alone."""
    array, reasons = cast(pa.array(texts, pa.string()), kind)
    alone = [cast(pa.array([text], pa.string()), kind) for text in texts]
    assert array.to_pylist() == [one[0].as_py() for one, _ in alone]
    assert reasons == {i: found[0] for i, (_, found) in enumerate(alone) if found}
