"""How the endpoints of a collection are declared: paths, paging, filters, order, refusals."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from .asking import Ask
from .kind import Keep, Row
from .values import INSTANT, TEXT


class Paging(NamedTuple):
    """How rows are cut into pages: `limit` when none is asked for, and the most.

    `kind`: `one` (all at once), `after`, `body_after` (`count` and `after` in the body), `body`
    (`count` and `offset` there), `text` (an opaque `offset`), `either` (`after` or an `offset`).
    `ceiling`: rows that can be paged through before a 400.
    """

    kind: str = "one"
    limit: int = 0
    most: int = 0
    total: bool = False
    ceiling: int = 0


ONE = Paging()


def after(limit: int = 100, most: int = 100, *, total: bool = False, ceiling: int = 0) -> Paging:
    """Return paging by `limit` and an opaque `after`."""
    return Paging("after", limit, most, total, ceiling)


class Filter(NamedTuple):
    """One parameter that narrows rows: `value(row[member]) operator value(parameter)`."""

    param: str
    member: str
    operator: str
    format: str
    default: str


_FILTER = re.compile(
    r"(?P<param>\w+)(?P<operator>>=|<=|[<>=^~])(?P<member>[\w.]*)(@(?P<format>\w+))?(!(?P<default>\w+))?"
)


@cache
def filters(text: str) -> tuple[Filter, ...]:
    """Return the filters of a text such as `updatedAfter>updatedAt idGte>=id@int ids=id`.

    `=` any of the values given, `^` begins with, `~` contains, `>` and the like by value. Without
    `@format` a comparison is one of ISO instants, any other of texts. `!value` is what holds when
    the parameter is absent; the value `all` then switches the filter off.
    """
    return tuple(_filter(part) for part in text.split())


def _filter(part: str) -> Filter:
    found = _FILTER.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is not a filter")
    operator = found["operator"]
    usual = INSTANT if operator[0] in "<>" else TEXT
    return Filter(
        found["param"], found["member"] or found["param"], operator,
        found["format"] or usual, found["default"] or "",
    )  # fmt: skip


class Batch(NamedTuple):
    """A batch read: the most inputs, the member of an input (`""`: a bare text).

    `partial`: the status when an input names nothing.
    """

    most: int = 100
    member: str = "id"
    partial: int = 207


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route and the rows it answers with.

    `paths`: as `expand` has them, `{parent}` and `{key}` for ids; `parent`
    the collection of the former, that of the rows where it is not named. `scopes`: one of them is
    needed. `product`: what the portal must have besides the collection itself.

    `query`: parameters beyond paging, sort and filters, with `!` when required; `body` the members
    of a request with a body. `sorts`: names that `sort` takes, `name=member` where they differ;
    `order` the member that rows come by otherwise, `-` before it for descending, `?` where the
    portal's setting tells. `archived`: whether rows in the recycle bin come only with
    `archived=true`; `live`: that they never come.

    `rows`: the member that holds the rows, `""` for a bare list. `check` refuses a request, `keep`
    says for a request which rows come (None: all), `shape` how one is shown. `batch`: a batch
    read. `single`: one row, by its key. `answer`: the whole body, where it is no list of rows.
    """

    collection: str
    paths: str
    name: str = "list"
    method: str = "GET"
    paging: Paging = ONE
    rows: str = "results"
    filters: str = ""
    query: str = ""
    body: str | None = None
    sorts: str = ""
    order: str = ""
    archived: bool = False
    live: bool = False
    parent: str = ""
    scopes: str = ""
    product: str = ""
    batch: Batch | None = None
    single: bool = False
    envelope: bool = False
    bucket: str = "interval"
    check: Callable[[Ask], None] | None = None
    keep: Callable[[Ask], Keep | None] | None = None
    shape: Callable[[Ask, Row], Row] | None = None
    answer: Callable[[Ask], Row | list[Row]] | None = None


def one_of(
    listing: Endpoint, query: str = "", shape: Callable[[Ask, Row], Row] | None = None
) -> Endpoint:
    """Return the endpoint of a single row of a listing."""
    return Endpoint(
        collection=listing.collection,
        paths=" ".join(path + "/{key}" for path in expand(listing.paths)),
        name="get",
        single=True,
        query=f"{query} archived" if listing.archived else query,
        archived=listing.archived,
        parent=listing.parent,
        scopes=listing.scopes,
        product=listing.product,
        shape=shape or listing.shape,
    )


def batch_of(listing: Endpoint, most: int = 100, member: str = "") -> Endpoint:
    """Return the endpoint that reads rows of a listing by their ids, bare texts unless told."""
    return Endpoint(
        collection=listing.collection,
        paths=" ".join(path + "/batch/read" for path in expand(listing.paths)),
        name="batch_read",
        method="POST",
        body="inputs!",
        batch=Batch(most, member),
        query="archived" if listing.archived else "",
        archived=listing.archived,
        scopes=listing.scopes,
        product=listing.product,
        shape=listing.shape,
    )


DATED = ("2026-03", "2026-09")
_CHOICE = re.compile(r"\(([^)]*)\)")


def expand(paths: str) -> list[str]:
    """Return each path of a text: `/a/(v3|x)/b /c` gives three, `~` is each dated version."""
    found = []
    for path in paths.split():
        choice = _CHOICE.search(path)
        if choice is None:
            found += [path.replace("~", one) for one in DATED] if "~" in path else [path]
            continue
        for one in choice[1].split("|"):
            found += expand(path[: choice.start()] + one + path[choice.end() :])
    return found
