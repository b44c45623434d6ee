"""What the fields of a query lead to: records that the search index finds, and linked ones."""

from collections.abc import Sequence
from typing import Any

from ...portal.records.record import Record
from ...portal.records.table import RecordTable
from ..associations.reading import sorted_links
from ..call import Call
from ..checks import whole_number
from ..errors import invalid
from ..records.filters import parse_groups
from ..records.hits import MAX_RESULTS, Hits, sort_of
from ..records.search import matches

MAX_LIMIT = 500
OPERATORS = {
    "eq": "EQ", "neq": "NEQ", "lt": "LT", "lte": "LTE", "gt": "GT", "gte": "GTE", "in": "IN",
    "not_in": "NOT_IN", "contains": "CONTAINS_TOKEN", "not_contains": "NOT_CONTAINS_TOKEN",
}  # fmt: skip
Page = dict[str, Any]


def find(call: Call, table: RecordTable, _source: object, **given: Any) -> Page:  # noqa: ANN401
    """Return one page of the records that match, as the search index knows them."""
    call.table(table.type.name)
    limit, offset = _place(given)
    if offset + limit > MAX_RESULTS:
        raise invalid(f"limit and offset lead beyond {MAX_RESULTS} results")
    conditions = [_condition(name, value) for name, value in (given.get("filter") or {}).items()]
    table.index.refresh(call.portal.clock.age_ms() - call.portal.settings.search_lag_ms)
    ids = matches(call, table, parse_groups({"filters": conditions}), "")
    page = Hits(table, ids, *sort_of(table, _sorts(given.get("orderBy"))), (0, 0))
    found = [record for one in page.cut(offset, offset + limit) if (record := table.index.get(one))]
    return _page(found, len(ids), limit, offset)


def one(
    call: Call,
    table: RecordTable,
    _source: object,
    uniqueIdentifier: str,  # noqa: N803 - HubSpot's name
    uniqueIdentifierValue: str,  # noqa: N803
) -> Record | None:
    """Return the live record that has a unique value."""
    call.table(table.type.name)
    if uniqueIdentifier in ("id", "hs_object_id"):
        known = uniqueIdentifierValue.isdecimal() and table.has(int(uniqueIdentifierValue))
        return table.get(int(uniqueIdentifierValue)) if known else None
    if uniqueIdentifier not in table.unique_names():
        raise invalid(f"{uniqueIdentifier} is no unique property of {table.type.name}")
    number = table.find_unique(uniqueIdentifier, uniqueIdentifierValue)
    return None if number is None else table.get(number)


def linked(
    call: Call, pair: tuple[RecordTable, RecordTable], type_id: int, record: Record, **given: int
) -> Page:
    """Return one page of the records that a record is linked to, by one kind of link."""
    source, target = pair
    call.table(target.type.name)
    limit, offset = _place(given)
    links = sorted_links(call, (source, record.id), target, None)
    ids = [other for other, type_ids in links if type_id in type_ids]
    found = [other for one in ids[offset : offset + limit] if (other := target.get(one))]
    return _page(found, len(ids), limit, offset)


def _place(given: dict[str, Any]) -> tuple[int, int]:
    """Return limit and offset."""
    limit, offset = given.get("limit"), given.get("offset") or 0
    if not 0 <= offset < MAX_RESULTS:
        raise invalid(f"offset must be between 0 and {MAX_RESULTS}")
    return whole_number(limit or 0, "limit", MAX_LIMIT), offset


def _page(found: Sequence[Record], total: int, limit: int, offset: int) -> Page:
    more = offset + limit < total
    return {"items": found, "total": total, "hasMore": more, "limit": limit, "offset": offset}


def _condition(name: str, value: object) -> dict[str, Any]:
    """Return a filter of search: `email__contains` is the property and the operator."""
    prop, _, suffix = name.rpartition("__")
    if not prop or suffix not in OPERATORS:
        raise invalid(f"Unknown filter {name}")
    member = "values" if isinstance(value, list) else "value"
    return {"propertyName": prop, "operator": OPERATORS[suffix], member: value}


def _sorts(order: object) -> list[dict[str, Any]]:
    """Return the sorts of search: `createdate__desc` is the property and the direction."""
    names = order if isinstance(order, list) else [order] if order else []
    parts = [str(one).rpartition("__") for one in names]
    if any(direction not in ("asc", "desc") for _, _, direction in parts):
        raise invalid(f"Unknown order {order}")
    return [
        {"propertyName": name, "direction": f"{direction.upper()}ENDING"}
        for name, _, direction in parts
    ]
