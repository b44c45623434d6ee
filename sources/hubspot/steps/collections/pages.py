"""Pages of an endpoint's answers, by each of HubSpot's ways to go from one to the next."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, NamedTuple

import msgspec

from ...catalog.endpoints.declaration import Endpoint, Table
from ...errors import ContractError, partial_listing
from ...http.client import Client
from ...model import Paging
from ...parsing.lenient_json import as_text
from ...parsing.tolerance import fit, misfit, tolerant
from ...run.pace.waiting import wait
from ...run.run import Run

EMPTY_PAGES = 2  # in a row that promise more, before it is no accident
_decode_any = tolerant(Any)


@dataclass(frozen=True, slots=True)
class Request:
    """One list of pages."""

    endpoint: Endpoint
    path: str
    params: Mapping[str, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    begun: bool = False
    """Whether HubSpot has answered for another part of the same reading."""
    left: int | None = None
    """Rows after which this list, read from its end, meets what was read from its beginning."""


class Cursor(NamedTuple):
    """What leads to the next page: a parameter of the query, or a member of the body."""

    member: str
    value: str | int


@dataclass(frozen=True, slots=True)
class Answer:
    """One page."""

    rows: list[Any]
    cursor: Cursor | None
    """Of the next page; None on the last one."""
    errors: Sequence[str] = ()
    """Why HubSpot did not answer for some inputs: the category of each error that it names."""
    total: int | None = None
    """Rows of all pages, where HubSpot counts them."""


def pages(
    run: Run, client: Client, request: Request, *, ahead: bool = True
) -> Generator[Answer | None, None, None]:
    """Yield the pages of a list, and None while waiting.

    Guarantees: a page without rows is looked behind; HubSpot's cursors are never followed in a
    circle.

    Args:
        run: whose calls wait in line.
        client: whose meter counts the calls.
        request: the list.
        ahead: whether the next page is asked for before this one is taken.

    Raises:
        HubSpotError: of the first page as it is; of a later one a ContractError where HubSpot
            refuses to go on, repeats a cursor, or promises more and returns nothing.
    """
    name, followed, empty, depth = request.endpoint.name, set[Cursor](), 0, 0
    call: Future[Answer] | None = ask_ahead(run, client, request)
    del run.collections.ahead[request.path]
    while call is not None:
        with partial_listing(name) if request.begun or followed else nullcontext():
            answer = yield from wait(call)
        empty = 0 if answer.rows else empty + 1
        depth += len(answer.rows)
        cursor, call = _cursor(request, answer, depth), None
        if cursor is not None:
            if cursor in followed or empty == EMPTY_PAGES:
                raise _endless(name, cursor, empty)
            followed.add(cursor)
            if (behind := _behind(request, answer, depth)) is not None:
                request, depth = behind, 0
                followed.clear()
                yield answer
                call = _ask(run, client, request, None)
                continue
            call = _ask(run, client, request, cursor) if ahead else None
        yield answer
        if cursor is not None and call is None:
            call = _ask(run, client, request, cursor)


def ask_ahead(run: Run, client: Client, request: Request) -> Future[Answer]:
    """Start the call for the first page of a list, once; `pages` takes its answer."""
    ahead = run.collections.ahead
    if request.path not in ahead:
        ahead[request.path] = _ask(run, client, request, None)
    return ahead[request.path]


def _cursor(request: Request, answer: Answer, depth: int) -> Cursor | None:
    """Return the cursor of the next page; None where there is none, or its rows have come."""
    is_met = request.left is not None and depth >= request.left
    return None if is_met else answer.cursor


def _behind(request: Request, answer: Answer, depth: int) -> Request | None:
    """Return the list that begins behind these rows; None where this one goes on.

    Raises:
        ContractError: rows are left that neither order shows.
    """
    paging, rows = request.endpoint.paging, answer.rows
    if paging.order and depth >= paging.depth:
        return _from_end(request, answer, depth)
    if not paging.bound or depth < paging.depth or not rows:
        return None
    last = str(rows[-1].get("id") or "")
    if not last.isdecimal():
        return None
    params = {**request.params, paging.bound: str(int(last) + 1)}
    return replace(request, params=params, begun=True)


def _from_end(request: Request, answer: Answer, depth: int) -> Request:
    """Return the list in reverse order; a page more than is left, for some rows may go meanwhile.

    Raises:
        ContractError: rows are left that neither order shows.
    """
    paging, left = request.endpoint.paging, (answer.total or 0) - depth
    if request.left is not None or answer.total is None or left > paging.depth:
        raise ContractError(
            f"HubSpot has more {request.endpoint.name} than it lists:"
            f" {paging.depth:,} in either order.",
            remedy="Archive some of them; what is loaded stays.",
        )
    body = {**request.body, paging.order: f"-{request.body[paging.order]}"}
    return replace(request, body=body, begun=True, left=min(left + paging.size, paging.depth))


def _endless(name: str, cursor: Cursor, empty: int) -> ContractError:
    did = (
        f"returns {empty} pages of {name} in a row without a row and promises more"
        if empty == EMPTY_PAGES
        else f"repeats a page of {name}"
    )
    return ContractError(f"HubSpot {did}, at cursor {cursor.value}.", remedy="Run the sync again.")


def _ask(run: Run, client: Client, request: Request, cursor: Cursor | None) -> Future[Answer]:
    """Start the call for a page."""
    endpoint, paging = request.endpoint, request.endpoint.paging
    params, body = {**request.params}, {**request.body}
    sent: dict[str, Any] = {}
    if paging.size:
        sent[paging.size_param] = paging.size if endpoint.method == "POST" else str(paging.size)
    if cursor is not None:
        sent[cursor.member] = cursor.value
    elif paging.kind == "body_offset":
        sent["offset"] = 0
    (body if endpoint.method == "POST" else params).update(sent)
    decode, budget = partial(decode_page, endpoint), endpoint.budget
    if endpoint.method == "POST":
        return run.submit(
            partial(client.post, request.path, body, params, decode=decode, budget=budget)
        )
    return run.submit(partial(client.get, request.path, params, decode=decode, budget=budget))


def decode_rows(endpoint: Endpoint, body: bytes) -> list[Any]:
    """Read the objects of an answer of one page; errors as those of `decode_page`."""
    return rows_of(_decode_any(body), endpoint.rows, _declared(endpoint.tables))


def decode_page(endpoint: Endpoint, body: bytes) -> Answer:
    """Read a page.

    Raises:
        msgspec.DecodeError: it is no JSON; ValidationError: it lacks what nothing works without.
    """
    answer = _decode_any(body)
    rows = rows_of(answer, endpoint.rows, _declared(endpoint.tables))
    if endpoint.first.takes_members:
        rows = [row for row in rows if isinstance(row, Mapping)]
    return Answer(rows, CURSORS[endpoint.paging.kind](answer), _errors(answer), _total(answer))


@cache
def _declared(tables: tuple[Table, ...]) -> frozenset[str]:
    """Return the members of an endpoint's objects that its tables take: columns, and lists."""
    lists = {path for table in tables for path in table.lists if path != "."}
    whole = [table for table in tables if table.of_object or not table.lists]
    found = {member for table in whole for member in _members(table)}
    return frozenset(found | {path.partition(".")[0].removesuffix("{}") for path in lists})


def _members(table: Table) -> Iterator[str]:
    for column in table.fields:
        yield from (one.path[0] for one in column.sources if one.origin == "member")


def _total(answer: Any) -> int | None:  # noqa: ANN401 - any JSON
    found = answer.get("total") if isinstance(answer, Mapping) else None
    return found if type(found) is int else None


def _errors(answer: Any) -> list[str]:  # noqa: ANN401 - any JSON
    found = answer.get("errors") if isinstance(answer, Mapping) else None
    errors = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return [as_text(one.get("category")) or "without a category" for one in errors]


def _way(answer: Any, place: str) -> str:  # noqa: ANN401 - any JSON
    """Return which of several places an answer has its objects in; the first where in none."""
    ways = [way.strip() for way in place.split("|")]
    for way in ways if len(ways) > 1 else ():
        is_object = isinstance(answer, Mapping) and (way == "." or way in answer)
        if is_object or (way == "$" and isinstance(answer, list)):
            return way
    return ways[0]


def rows_of(
    answer: Any,  # noqa: ANN401 - any JSON
    place: str,
    declared: AbstractSet[str],
) -> list[Any]:
    """Return the objects of an answer.

    Args:
        answer: decoded.
        place: of the objects in it.
        declared: members of objects: an answer that is the only object has one of them.

    Raises:
        msgspec.ValidationError: they are not where they should be.
    """
    place = _way(answer, place)
    if place == "{}":
        return _lists(answer)
    if place == ".":
        if not isinstance(answer, Mapping):
            raise misfit(answer, "$")
        if declared.isdisjoint(answer):
            raise msgspec.ValidationError(f"`$` has none of {', '.join(sorted(declared))}")
        return [answer]
    place, _, within = place.partition(">")
    found, path = (answer, "$") if place == "$" else _dug(answer, place)
    if within and isinstance(found, Mapping):
        return [*_tree(found, within)]
    if not isinstance(found, list):
        raise misfit(found, path)
    return found


def _lists(answer: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the lists among the members of an answer, with their names.

    Raises:
        msgspec.ValidationError: it is no object, or has other members alone.
    """
    if not isinstance(answer, Mapping):
        raise misfit(answer, "$")
    found = [{"name": n, "value": one} for n, one in answer.items() if isinstance(one, list)]
    if answer and not found:
        raise msgspec.ValidationError("`$` has no list")
    return found


def _dug(answer: Any, place: str) -> tuple[Any, str]:  # noqa: ANN401 - any JSON
    """Return what is at a place in an answer, with its path.

    Raises:
        msgspec.ValidationError: there is no such place.
    """
    found, path = answer, "$"
    for member in place.split("."):
        if not isinstance(found, Mapping):
            raise misfit(found, path)
        path = f"{path}.{member}"
        if member not in found:
            raise msgspec.ValidationError(f"`{path}` is missing")
        found = found[member]
    return found, path


def _tree(node: Mapping[str, Any], member: str) -> Iterator[Any]:
    """Yield an object, without what is in one of its members, and then the objects there."""
    yield {name: value for name, value in node.items() if name != member}
    inner = node.get(member)
    for one in inner if isinstance(inner, list) else []:
        if isinstance(one, Mapping):
            yield from _tree(one, member)


def _next_of(answer: Any, members: Sequence[str]) -> Cursor | None:  # noqa: ANN401 - any JSON
    """Return the cursor in `paging.next`: the first of some members that it has."""
    paging = answer.get("paging") if isinstance(answer, Mapping) else None
    if paging is None:
        return None
    if [*members] == ["after"]:
        found = fit(paging, Paging, "$.paging").next
        return None if found is None or found.after is None else Cursor("after", str(found.after))
    following = paging.get("next") if isinstance(paging, Mapping) else None
    if following is None:
        return None
    given = following if isinstance(following, Mapping) else {}
    member = next((one for one in members if given.get(one) is not None), members[-1])
    return Cursor(member, _checked(given.get(member), f"$.paging.next.{member}"))


def _offset(answer: Any, *, is_number: bool = False) -> Cursor | None:  # noqa: ANN401 - any JSON
    """Return the offset of an answer that says that there is more."""
    flag = answer.get("hasMore") if isinstance(answer, Mapping) else None
    if not isinstance(flag, bool):
        raise misfit(flag, "$.hasMore")
    if not flag:
        return None
    offset = _checked(answer.get("offset"), "$.offset")
    return Cursor("offset", int(offset) if is_number and offset.isdecimal() else offset)


def _checked(offset: Any, place: str) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(offset, str | int) or isinstance(offset, bool) or offset == "":
        raise misfit(offset, place)
    return str(offset)


CURSORS: Mapping[str, Callable[[Any], Cursor | None]] = {
    "none": partial(_next_of, members=("after", "offset")),
    "after": partial(_next_of, members=("after",)),
    "body_offset": partial(_offset, is_number=True),
    "text_offset": _offset,
    "either": partial(_next_of, members=("after", "offset")),
}
"""Finds the cursor of the next page in an answer."""
