"""Reading records: list, get one, batch read."""

from collections.abc import Sequence
from typing import Any

from ...faults import anomalies
from ...portal.records.record import Record
from ...portal.records.table import RecordTable
from ..associations.reading import inline
from ..call import Call, Reply, batch_reply, inputs, live_or_404
from ..checks import record_id, text_list
from ..errors import batch_error, invalid, not_found
from . import render

LIST_LIMIT, HISTORY_LIMIT, DEFAULT_LIMIT, BATCH_LIMIT = 100, 50, 10, 100
HISTORY_BATCH_MESSAGE = (
    "The maximum number of inputs supported in a batch request for property histories is 50. "
    "Please reduce the number of items and try again"
)


def list_page(call: Call) -> Reply:
    """Answer one page of the keyset scan in ascending record id."""
    table = call.table()
    call.allow(table, "L")
    archived = call.flag("archived")
    names, history = _selection(call, table)
    limit = call.number("limit", DEFAULT_LIMIT, HISTORY_LIMIT if history else LIST_LIMIT)
    after = _cursor(call)
    ids, following = _ids(call, table, after, limit, archived=archived)
    body: dict[str, Any] = {"results": _listed(call, table, ids, (names, history, archived))}
    if following is not None:
        body["paging"] = {"next": _next(call, table, following, limit)}
    return Reply(body)


def _cursor(call: Call) -> str:
    given = call.query.get("after", "")
    after = anomalies.opened(call.portal.settings.anomalies, given)
    if after is None:
        raise invalid(f"The cursor {given} is not valid")
    if after:
        record_id(after, "after")
    return after


def _ids(
    call: Call, table: RecordTable, after: str, limit: int, *, archived: bool
) -> tuple[Sequence[int], str | None]:
    """Return the ids of one page, and the cursor of the next one."""
    wanted, given = call.portal.settings.anomalies, call.portal.pages_given
    room = anomalies.room(wanted, limit)
    ids, following = table.page(int(after or 0), room, archived=archived)
    if anomalies.is_empty(wanted, given, f"list {table.type.type_id} {archived}", ids):
        return [], anomalies.sealed(wanted, anomalies.cursor(after, ids[0]))
    if following is not None and "empty_pages" in wanted:
        following = ids[-1] + 1  # so that the cursor of an empty page can lie beyond its own
    shown = anomalies.repeated(wanted, ids, limit)
    if following is None:
        return shown, None
    return shown, anomalies.sealed(wanted, anomalies.cursor(after, following))


def _selection(call: Call, table: RecordTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the properties wanted, and those wanted with their history."""
    found = (call.names("properties"), call.names("propertiesWithHistory"))
    return call.visible(table, found[0]), call.visible(table, found[1])


def _listed(
    call: Call,
    table: RecordTable,
    ids: Sequence[int],
    selection: tuple[tuple[str, ...], tuple[str, ...], bool],
) -> Sequence[Any]:
    names, history, archived = selection
    wanted = call.names("associations")
    if not (history or wanted or archived):
        return render.rows(table, ids, names)
    records = [table.get(one) for one in ids]
    return [_whole(call, table, r, names, history) for r in records if r is not None]


def _whole(
    call: Call,
    table: RecordTable,
    record: Record,
    names: tuple[str, ...],
    history: tuple[str, ...],
) -> dict[str, Any]:
    shown = render.with_history(table, record, names, history)
    found = {}
    for name in call.names("associations"):
        other = call.table(name)
        found.update(inline(call, (table, record.id), other))
    if found:
        shown["associations"] = found
    return shown


def _next(call: Call, table: RecordTable, following: str, limit: int) -> dict[str, str]:
    version = call.portal.settings.link_version
    address = f"https://api.hubapi.com/crm/objects/{version}/{table.type.type_id}"
    return {"after": following, "link": f"{address}?limit={limit}&after={following}"}


def get_one(call: Call) -> Reply:
    """Answer one record, by id or by a unique property; a merged-away id gives the survivor."""
    table = call.table()
    names, history = _selection(call, table)
    archived = call.flag("archived")
    number = resolve(table, call.params["id"], call.query.get("idProperty"))
    if number is None:
        raise not_found()
    record = table.get(live_or_404(table, number, archived=archived))
    if record is None:
        raise not_found()
    return Reply(_whole(call, table, record, names, history))


def resolve(table: RecordTable, value: object, id_property: str | None) -> int | None:
    """Return the record id that a value of `id_property` (or an id) names, None if none."""
    if id_property in (None, "", "hs_object_id"):
        text = str(value)
        return int(text) if text.isascii() and text.isdecimal() else None
    definition = table.definitions.get(str(id_property))
    if definition is None or not definition["hasUniqueValue"]:
        raise invalid(f"{id_property} is not a unique property of {table.type.name}")
    return table.find_unique(str(id_property), str(value))


def batch_read(call: Call) -> Reply:
    """Answer up to 100 records by id; those that are missing are errors of a 207."""
    table = call.table()
    call.allow(table, "R")
    archived = call.flag("archived")
    names, history = (
        call.visible(table, text_list(call.body[member], member))
        for member in ("properties", "propertiesWithHistory")
    )
    if history and len(call.body["inputs"]) > HISTORY_LIMIT:
        raise invalid(HISTORY_BATCH_MESSAGE)
    wanted = [_input_id(one) for one in inputs(call, BATCH_LIMIT)]
    found, missing = _find(table, wanted, call.body.get("idProperty"), archived=archived)
    if history or archived:
        records = [table.get(one) for one in found]
        results: Sequence[Any] = [
            render.with_history(table, r, names, history) for r in records if r is not None
        ]
    else:
        results = render.rows(table, found, names)
    return batch_reply(call, results, _missing(table, missing))


def _input_id(one: dict[str, Any]) -> str:
    if "id" not in one or not isinstance(one["id"], str | int):
        raise invalid("Invalid input JSON: every input needs an id")
    return str(one["id"])


def _find(
    table: RecordTable, wanted: list[str], id_property: str | None, *, archived: bool
) -> tuple[list[int], list[str]]:
    found: dict[int, None] = {}
    missing = []
    for value in wanted:
        number = resolve(table, value, id_property)
        survivor = None if number is None else table.survivor(number)
        if survivor is not None and table.has(survivor, archived=archived):
            found[survivor] = None
        else:
            missing.append(value)
    return list(found), missing


def _missing(table: RecordTable, ids: list[str]) -> list[dict[str, Any]]:
    if not ids:
        return []
    message = (
        f"Could not get some {table.type.singular.upper()} objects, they may be deleted or not "
        "exist. Check that ids are valid."
    )
    return [batch_error("OBJECT_NOT_FOUND", message, {"ids": ids})]
