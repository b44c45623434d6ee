"""Search filters: a request's filter groups turned into predicates over records."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from ...clock import to_ms
from ...portal.catalog.definitions import Definition
from ...portal.changes import value_of
from ...portal.records.record import Record
from ...portal.records.stages import definition_of
from ...portal.records.table import RecordTable
from ..checks import objects_of
from ..errors import invalid

Number = int | Decimal
Comparable = int | Decimal | str
Reader = Callable[[str], Comparable | None]
Predicate = Callable[[Record], bool]

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
    "EQ": lambda a, b: a == b,
    "NEQ": lambda a, b: a != b,
}
LISTS, PRESENCE = ("IN", "NOT_IN"), ("HAS_PROPERTY", "NOT_HAS_PROPERTY")
TOKENS = ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")
OPERATORS = (*COMPARISONS, "BETWEEN", *LISTS, *PRESENCE, *TOKENS)
NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(OPERATORS, ("value",)),
    **dict.fromkeys(LISTS, ("values",)),
    **dict.fromkeys(PRESENCE, ()),
    "BETWEEN": ("value", "highValue"),
}
"""The members of a filter that its operator compares with."""
NAMED = {"value": "a value", "values": "values", "highValue": "a highValue"}
NOT_FILTERABLE = ("hs_body_preview_html", "hs_email_html", "hs_body_preview")
MAX_GROUPS, MAX_FILTERS, MAX_TOTAL = 5, 6, 18
MEMBERS = {"propertyName", "operator", "value", "values", "highValue"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition, checked but not yet compiled."""

    name: str
    operator: str
    value: str = ""
    high: str = ""
    values: tuple[str, ...] = ()


def parse_groups(body: dict[str, Any]) -> list[list[Filter]]:
    """Return the filter groups of a search, refusing what HubSpot refuses."""
    groups = objects_of(body.get("filterGroups") or [], "filterGroups")
    if body.get("filters"):
        groups = [*groups, {"filters": body["filters"]}]
    if len(groups) > MAX_GROUPS:
        raise invalid(f"Too many filter groups: {len(groups)}, at most {MAX_GROUPS} are allowed")
    found = [
        [parse_filter(one) for one in objects_of(group.get("filters", []), "filters")]
        for group in groups
    ]
    if any(len(group) > MAX_FILTERS for group in found):
        raise invalid(f"A filter group has more than {MAX_FILTERS} filters")
    if sum(map(len, found)) > MAX_TOTAL:
        raise invalid(f"A search has more than {MAX_TOTAL} filters")
    return [group for group in found if group]


def parse_filter(row: dict[str, Any]) -> Filter:
    """Return one filter from its JSON."""
    if set(row) - MEMBERS:
        raise invalid(f"Invalid input JSON: unknown member in filter {row!r}")
    name, operator = row.get("propertyName"), row.get("operator")
    if not isinstance(name, str) or operator not in OPERATORS:
        raise invalid(f"Invalid filter: propertyName {name!r}, operator {operator!r}")
    if name in NOT_FILTERABLE:
        raise invalid(f"{name} cannot be filtered on")
    for member in NEEDED[operator]:
        if not _is_given(row.get(member), as_list=member == "values"):
            raise invalid(f"{operator} on {name} needs {NAMED[member]}")
    texts = tuple(str(one) for one in row.get("values") or ())
    return Filter(name, operator, str(row.get("value", "")), str(row.get("highValue", "")), texts)


def _is_given(value: object, *, as_list: bool) -> bool:
    """Whether a filter has something to compare with."""
    return isinstance(value, list) and bool(value) if as_list else value is not None


def to_number(text: str) -> Number | None:
    """Return the number a text holds, exact whatever its size, or None."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def to_instant(text: str) -> int | None:
    """Return the epoch milliseconds of a date, instant or number of milliseconds, or None."""
    number = to_number(text)
    if number is not None:
        return int(number)
    try:
        return to_ms(text.strip().replace(" Z", "Z"))
    except (ValueError, OverflowError):
        return None


def _to_text(text: str) -> str:
    return text.lower()


_READERS: dict[str, Reader] = {"number": to_number, "datetime": to_instant, "date": to_instant}


def reader_for(definition: Definition) -> Reader:
    """Return how values of a property are compared: as numbers, instants or text."""
    return _READERS.get(definition["type"], _to_text)


def compile_filter(table: RecordTable, condition: Filter) -> Predicate:
    """Return the predicate of one filter; a property the type lacks is refused."""
    definition = definition_of(table.definitions, condition.name)
    if definition is None or definition["archived"]:
        if condition.name == "hs_lastmodifieddate":  # contacts know it not, and match nothing
            return lambda _record: False
        raise invalid(f"There is no property {condition.name} on {table.type.name}")
    test = _test_for(condition, definition)
    name = condition.name
    if condition.operator == "NOT_HAS_PROPERTY":
        return lambda record: not value_of(table, record, name)
    return lambda record: bool(value := value_of(table, record, name)) and test(str(value))


def _test_for(condition: Filter, definition: Definition) -> Callable[[str], bool]:
    operator = condition.operator
    if operator in PRESENCE:
        return lambda _value: True
    if operator in TOKENS:
        return _token_test(condition.value, wanted=operator == "CONTAINS_TOKEN")
    read = reader_for(definition)
    if operator in LISTS:
        # texts are compared with the record's lower-cased value: upper case never matches
        known = {one if read is _to_text else read(one) for one in condition.values}
        return lambda value: (read(value) in known) == (operator == "IN")
    low = _operand(read, condition.value, definition)
    if operator == "BETWEEN":
        high = _operand(read, condition.high, definition)
        within = COMPARISONS["LTE"]
        return lambda v: (got := read(v)) is not None and within(low, got) and within(got, high)
    compare = COMPARISONS[operator]
    return lambda value: (got := read(value)) is not None and compare(got, low)


def _operand(read: Reader, text: str, definition: Definition) -> Comparable:
    value = read(text)
    if value is None:
        raise invalid(f"{text!r} is not a {definition['type']}, as {definition['name']} is")
    return value


def tokens(text: str) -> list[str]:
    """Return the lower-case words of a text."""
    return re.findall(r"[\w*]+", text.lower())


def _token_test(pattern: str, *, wanted: bool) -> Callable[[str], bool]:
    words = tokens(pattern)

    def test(value: str) -> bool:
        present = tokens(value)
        hit = all(any(fnmatchcase(one, word) for one in present) for word in words)
        return hit == wanted

    return test
