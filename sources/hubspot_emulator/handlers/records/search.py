"""The search endpoint: caps and filters over the lagging index."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from ...portal.records.record import Record
from ...portal.records.table import RecordTable
from ..call import Call, Reply
from ..checks import record_id, text_list, whole_number
from ..errors import invalid
from . import render
from .filters import Filter, Predicate, compile_filter, parse_groups, to_instant, to_number, tokens
from .hits import MAX_RESULTS, Hits, Ids, holds, page_of, sort_of

DEFAULT_LIMIT, MAX_LIMIT, MAX_QUERY = 10, 200, 3_000
FAR_MS = 1 << 60
ID = "hs_object_id"


def search(call: Call) -> Reply:
    """Answer one page of the records that match, as the index knows them."""
    table = call.table()
    call.allow(table, "S")
    body = call.body
    limit = whole_number(body.get("limit", DEFAULT_LIMIT), "limit", MAX_LIMIT)
    after = _cursor(body.get("after"))
    groups = parse_groups(body)
    query = str(body.get("query") or "")
    if len(query) > MAX_QUERY:
        raise invalid(f"The query is longer than {MAX_QUERY} characters")
    names = call.visible(table, text_list(body.get("properties") or [], "properties"))
    table.index.refresh(call.portal.clock.age_ms() - call.portal.settings.search_lag_ms)
    ids = matches(call, table, groups, query)
    hits = Hits(table, ids, *sort_of(table, body.get("sorts")), _starts(table, groups))
    page, following = page_of(call.portal, hits, after, limit)
    answer: dict[str, Any] = {"total": len(ids), "results": _rows(table, page, names)}
    if following is not None:
        answer["paging"] = {"next": {"after": following}}
    return Reply(answer)


def _cursor(after: object) -> str:
    if after in (None, ""):
        return ""
    text = str(after)
    if not text.isdecimal():
        raise invalid(f"Invalid after: {after!r} is not a whole number")
    if int(text) >= MAX_RESULTS:
        raise invalid(f"Paging through search ends at {MAX_RESULTS} results, after was {text}")
    return text


def matches(call: Call, table: RecordTable, groups: list[list[Filter]], query: str) -> Ids:
    """Return the ids that meet any group and the query, ascending."""
    if not groups:
        ids: Ids = table.index.ids()
    elif len(groups) == 1:
        ids = _group(call, table, groups[0])
    else:
        ids = sorted(set().union(*(_group(call, table, group) for group in groups)))
    if table.hidden:
        ids = [one for one in ids if one not in table.hidden]
    if not query.strip():
        return ids
    words = tokens(query)
    return _keep(table, ids, [lambda record: _mentions(table, record, words)])


def _mentions(table: RecordTable, record: Record, words: list[str]) -> bool:
    names = [*(name for name, _ in table.type.own), "firstname", "lastname", "phone", "company"]
    present = [t for name in names for t in tokens(record.values.get(name, ""))]
    return all(any(one.startswith(word) for one in present) for word in words)


def _group(call: Call, table: RecordTable, group: list[Filter]) -> Ids:
    """Return the ids that meet every filter, those on dates and ids answered by the index."""
    tests = [_linked(call, table, one) or compile_filter(table, one) for one in group]
    spans = {table.type.modified: (0, FAR_MS), ID: (0, FAR_MS)}
    rest: list[Predicate] = []
    for one, test in zip(group, tests, strict=True):
        span = _span(one) if one.name in spans else None
        if span:
            low, high = spans[one.name]
            spans[one.name] = max(low, span[0]), min(high, span[1])
        elif not _lists_ids(one):
            rest.append(test)
    ids = _listed(_ranged(table, spans[table.type.modified], spans[ID]), group)
    return _keep(table, ids, rest) if rest else ids


def _lists_ids(one: Filter) -> bool:
    """Whether a filter names the ids of the records."""
    return one.name == ID and one.operator == "IN"


def _listed(ids: Ids, group: list[Filter]) -> Ids:
    """Return those of some ids that every filter names that names ids."""
    lists = [_whole_numbers(one.values) for one in group if _lists_ids(one)]
    return [one for one in sorted(set.intersection(*lists)) if holds(ids, one)] if lists else ids


def _whole_numbers(texts: Sequence[str]) -> set[int]:
    return {number for text in texts if isinstance(number := to_number(text), int)}


def _ranged(table: RecordTable, modified: tuple[int, int], ids: tuple[int, int]) -> Ids:
    whole = modified == (0, FAR_MS)
    found = table.index.ids() if whole else table.index.modified_between(*modified)
    start, stop = bisect_left(found, ids[0]), bisect_right(found, ids[1])
    return found if stop - start == len(found) else found[start:stop]


def _span(one: Filter) -> tuple[int, int] | None:
    """Return the range of whole numbers that a comparison allows, None if it is no range."""
    read = to_number if one.name == ID else to_instant
    if one.operator not in ("LT", "LTE", "GT", "GTE", "EQ", "BETWEEN"):
        return None
    value = read(one.value)
    high = read(one.high) if one.operator == "BETWEEN" else value
    if not isinstance(value, int) or not isinstance(high, int):
        return None
    spans = {
        "LT": (0, value - 1), "LTE": (0, value), "GT": (value + 1, FAR_MS),
        "GTE": (value, FAR_MS), "EQ": (value, value), "BETWEEN": (value, high),
    }  # fmt: skip
    return spans[one.operator]


def _starts(table: RecordTable, groups: list[list[Filter]]) -> tuple[int, int]:
    """Return the instant of change and the id at which the filters begin, 0 where they do not."""
    starts = {table.type.modified: 0, ID: 0}
    for one in (one for group in groups for one in group if one.name in starts):
        starts[one.name] = max(starts[one.name], (_span(one) or (0, 0))[0])
    return starts[table.type.modified], starts[ID]


def _linked(call: Call, table: RecordTable, one: Filter) -> Predicate | None:
    """Return the predicate of the pseudo-property `associations.{type}`, None for others."""
    if not one.name.startswith("associations."):
        return None
    target = call.table(one.name.removeprefix("associations."))
    if target.type.custom or one.operator != "EQ":
        raise invalid(f"{one.name} {one.operator} is not supported")
    number = record_id(one.value)
    if number in target.hidden:
        return lambda _record: False
    links = call.portal.links.targets(target.type, table.type, number)
    return lambda record: record.id in links


def _keep(table: RecordTable, ids: Ids, tests: list[Predicate]) -> Ids:
    kept: array[int] = array("q")
    for one in ids:
        record = table.index.get(one)
        if record is not None and all(test(record) for test in tests):
            kept.append(one)
    return kept


def _rows(table: RecordTable, ids: Ids, names: tuple[str, ...]) -> list[msgspec.Raw]:
    """Return records as the index knows them."""
    plan = render.plan_for(table, names)
    found = []
    for one in ids:
        ordinal = table.rows.ordinal_of(one) if table.index.is_seeded(one) else None
        if ordinal is not None and plan.is_quick(ordinal):
            found.append(msgspec.Raw(plan.seeded(one, ordinal)))
        elif record := table.index.get(one):
            found.append(msgspec.Raw(render.encode(plan.any(record))))
    return found
