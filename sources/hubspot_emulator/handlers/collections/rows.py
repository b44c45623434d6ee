"""Rows of a collection as an endpoint answers them: a page, one, or those a batch names."""

from typing import Any

from ...clock import iso
from ...portal.collections.asking import Ask, not_found
from ...portal.collections.collection import ARCHIVED, Entry, Test
from ...portal.collections.endpoint import Endpoint, Filter, filters
from ...portal.collections.kind import Row
from ...portal.collections.values import parsed
from ..call import Reply
from ..checks import objects_of, text_list
from ..errors import batch_error, invalid
from . import pages
from .pages import Listing


def shown(endpoint: Endpoint, ask: Ask, row: Row) -> Row:
    """Return a row as it is sent: without the portal's own members."""
    made = endpoint.shape(ask, row) if endpoint.shape else row
    if not any(name[0] == "_" for name in made):
        return made
    kept = {name: value for name, value in made.items() if name[0] != "_"}
    if "archived" in kept:
        kept["archived"] = bool(row.get(ARCHIVED))
    return kept


def single(endpoint: Endpoint, ask: Ask) -> Reply:
    """Answer one row by its key."""
    key = ask.params["key"]
    collection = ask.collections[endpoint.collection]
    if "parent" in ask.params:
        row = collection.find((ask.params["parent"], key))
    else:
        row = collection.find(collection.resolve(key) or key)
    if row is None or not _in_view(endpoint, ask, row):
        raise not_found()
    return Reply(shown(endpoint, ask, row))


def _in_view(endpoint: Endpoint, ask: Ask, row: Row) -> bool:
    """Return whether a row is on the side of the recycle bin that is asked for."""
    return not endpoint.archived or bool(row.get(ARCHIVED)) == ask.flag("archived")


# lists of rows


def listed(endpoint: Endpoint, ask: Ask) -> Reply:
    """Answer a page of rows, or all of them where there are no pages."""
    collection = ask.collections[endpoint.collection]
    order, descending = _order(endpoint, ask)
    entries = collection.entries(order, _tests(endpoint, ask), ask.params.get("parent"))
    keep = None if endpoint.keep is None else endpoint.keep(ask)
    if keep is not None:
        entries = [one for one in entries if keep(collection.row(one[1]) or {})]
    listing = Listing(endpoint, ask, collection, entries, descending=descending)
    page = pages.page_of(listing)
    return Reply(pages.framed(listing, page, [_row(listing, one) for one in page.entries]))


def _row(listing: Listing, entry: Entry) -> Row:
    return shown(listing.endpoint, listing.ask, listing.collection.row(entry[1]) or {})


def _order(endpoint: Endpoint, ask: Ask) -> tuple[str, bool]:
    """Return the member that rows come by, and whether the greatest comes first."""
    usual = endpoint.order or ask.collections[endpoint.collection].kind.keys[-1]
    asked = ask.one("sort") if endpoint.body is None else str(ask.body.get("sort") or "")
    if asked:
        usual = "-" * asked.startswith("-") + _member(endpoint, asked.removeprefix("-"))
    if usual.startswith("?"):
        return usual[1:], ask.settings.join_order == "descending"
    return usual.removeprefix("-"), usual.startswith("-")


def _member(endpoint: Endpoint, name: str) -> str:
    known = dict(part.partition("=")[::2] for part in endpoint.sorts.split())
    if name not in known:
        raise invalid(f"Cannot sort by {name!r}; known: {', '.join(known)}")
    return known[name] or name


def _tests(endpoint: Endpoint, ask: Ask) -> tuple[Test, ...]:
    """Return what a row must be to be among the answer."""
    found = [test for one in filters(endpoint.filters) if (test := _test(ask, one))]
    if endpoint.archived:
        found.append(Test(ARCHIVED, "=", ((1, ask.flag("archived")),)))
    if endpoint.live:
        found.append(Test(ARCHIVED, "=", ((1, False),)))
    return tuple(found)


def _test(ask: Ask, one: Filter) -> Test | None:
    values = _given(ask, one)
    if not values or (one.default and "all" in values):
        return None
    wanted = tuple(parsed(one.param, text, one.format) for text in values)
    return Test(one.member, one.operator, wanted)


def _given(ask: Ask, one: Filter) -> list[str]:
    values = list(ask.query.get(one.param, ()))
    if not values and isinstance(ask.body, dict) and one.param in ask.body:
        given = ask.body[one.param]
        values = [str(value) for value in given] if isinstance(given, list) else [str(given)]
    return [value for value in values if value] or ([one.default] if one.default else [])


# batches


def batch(endpoint: Endpoint, ask: Ask) -> Reply:
    """Answer the rows whose keys the body names; those that are missing are errors."""
    most, member, partial = endpoint.batch or (0, "", 0)
    if member:
        wanted = [_input(one, member) for one in objects_of(ask.body["inputs"], "inputs")]
    else:
        wanted = list(text_list(ask.body["inputs"], "inputs"))
    if len(wanted) > most:
        raise invalid(
            f"The maximum number of inputs supported in a batch request is {most}. "
            "Please reduce the number of items and try again"
        )
    found, missing = _find(endpoint, ask, wanted)
    now = iso(ask.now_ms)
    body: dict[str, Any] = {"status": "COMPLETE", "results": found}
    if missing:
        message = "Could not get some objects, they may be deleted or not exist."
        error = batch_error("OBJECT_NOT_FOUND", message, {"ids": missing})
        body |= {"numErrors": 1, "errors": [error]}
    body |= {"startedAt": now, "completedAt": now}
    return Reply(body, partial if missing else 200)


def _input(one: dict[str, Any], member: str) -> str:
    if not isinstance(one.get(member), str | int):
        raise invalid(f"Invalid input JSON: every input needs {member}")
    return str(one[member])


def _find(endpoint: Endpoint, ask: Ask, wanted: list[str]) -> tuple[list[Row], list[str]]:
    collection = ask.collections[endpoint.collection]
    found, missing = [], []
    for key in dict.fromkeys(wanted):
        row = collection.find((ask.params["parent"], key) if "parent" in ask.params else key)
        if row is None or not _in_view(endpoint, ask, row):
            missing.append(key)
        else:
            found.append(shown(endpoint, ask, row))
    return found, missing
