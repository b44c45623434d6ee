"""HubSpot's GraphQL: the rows of one collection query, page by page, complete or not at all.

A collection is answered by HubSpot's search index and paged by `limit` and `offset` alone. A set
that changes meanwhile therefore shifts under the reader, and nothing lies beyond 10,000 rows.
Source: HubSpot's page "Query HubSpot data using GraphQL"; limits as its community knows them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import msgspec

from ..errors import (
    ConfigError,
    ContractError,
    RateLimitedError,
    RequestRejectedError,
    ResponseError,
    ScopeMissingError,
    UnavailableError,
)
from ..http.client import Client

Row = dict[str, Any]

PATH = "/collector/graphql"  # has no version
MOST_ROWS = 10_000  # of one query: the search index shows no more
MOST_ROWS_A_PAGE = 500
ROWS_A_PAGE = 100
_READINGS = 3  # of a set that changes while it is read
_ASK = "Ask for one collection with items { ... }, hasMore and total."
_REST = (
    "Read them through REST, which has no such limit: the tables of `sync` or `hubspot()`. Or let"
    " the query filter for fewer rows."
)
_NEEDS = (
    "Grant the token the scope collector.graphql_query.execute and the scopes of the objects; the"
    " portal needs Content Hub Professional, or Sales or Service Hub Enterprise."
)
_FEWER = 'Ask for fewer rows a page (variables={"limit": 20}), fewer fields or fewer nested rows.'
_MEANINGS: tuple[tuple[str, type[ResponseError], str], ...] = (
    (r"scope|permission|unauthori[sz]ed|not authori[sz]ed|forbidden", ScopeMissingError, _NEEDS),
    (r"per.minute|rate.?limit|too many requests", RateLimitedError, "Run again in a minute."),
    (r"\bpoints?\b|complexity", RequestRejectedError, _FEWER),
    (r"10,?000", RequestRejectedError, _REST),
)
"""What an error in an answer of 200 means, by its text: class and remedy."""


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """A query of one collection, checked before anything is sent.

    Raises:
        ConfigError: the query cannot be paged; the message says what it lacks.
    """

    name: str
    """What messages call it."""
    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Of the query. `limit` is the rows of a page; `offset` is set here."""
    key: Sequence[str] = ()
    """Members that identify a row; a member of a nested object as `_metadata__id`."""

    def __post_init__(self) -> None:
        """Check what can be known without an answer."""
        for name in ("limit", "offset"):
            declared = re.search(rf"\${name}\s*:", self.query)
            if not (declared and re.search(rf":\s*\${name}\b", self.query)):
                raise self._wrong(
                    f"the query does not page by the variable ${name}",
                    "Declare both and pass them to the collection: query ($limit: Int, $offset:"
                    " Int) { CRM { contact_collection(limit: $limit, offset: $offset) { ... } } }.",
                )
        if "offset" in self.variables:
            raise self._wrong("offset is set for each page", "Leave it out of the variables.")
        limit = self.limit
        if not isinstance(limit, int) or not 1 <= limit <= MOST_ROWS_A_PAGE:
            message = f"limit is {limit!r}; HubSpot answers 1 to {MOST_ROWS_A_PAGE} rows a page"
            raise self._wrong(message, "Correct it in the variables.")

    def _wrong(self, message: str, remedy: str) -> ConfigError:
        return ConfigError(f"GraphQL query {self.name}: {message}.", remedy=remedy)

    @property
    def limit(self) -> Any:  # noqa: ANN401 - as the user gave it
        """The rows of a page."""
        return self.variables.get("limit", ROWS_A_PAGE)

    def key_of(self, row: Row) -> tuple[str, ...]:
        """Return what identifies a row; empty where the query has no key.

        Raises:
            ConfigError: a part of the key is missing or null.
        """
        found = []
        for name in self.key:
            value = _member(row, name)
            if value is None or isinstance(value, dict | list):
                remedy = f"Ask for {name} in items, or choose another primary key."
                raise self._wrong(f"a row has no value of its key {name}", remedy)
            found.append(str(value))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Page:
    path: str
    rows: list[Row]
    total: int | None
    has_more: bool


def read_collection(client: Client, asked: CollectionQuery) -> list[Row]:
    """Return all rows of a collection as HubSpot gives them, in its order.

    Guarantees: where the query asks for `total`, there are as many rows; where it has a key, each
    row is there once; no nested collection that shows its own `hasMore` or `total` is cut. A set
    that changes meanwhile is read again. Without `total` and key a shift may go unnoticed.

    Raises:
        ConfigError: the query has no collection, lacks what shows its end, matches more than
            10,000 rows, or a nested collection has more rows than it asks for.
        ContractError: HubSpot answers the same page twice, or an empty one before the end.
        ScopeMissingError: the token lacks a scope, or the portal a product.
        RateLimitedError: the points of the minute are used up.
        RequestRejectedError: any other error in an answer, be there data or not; it names the path.
        UnavailableError: the set changed during each of three readings.
        HubSpotError: as `Client.post`.
    """
    for _ in range(_READINGS):
        pages = list(_pages(client, asked))
        rows = [row for page in pages for row in page.rows]
        totals = {page.total for page in pages}
        keys = {asked.key_of(row) for row in rows} if asked.key else set()
        is_whole = totals in ({None}, {len(rows)})
        if is_whole and (not asked.key or len(keys) == len(rows)):
            _check_nested(client, asked, pages[0].path, rows)
            return rows
    doubt = f", or {', '.join(asked.key)} does not identify a row" if asked.key else ""
    raise UnavailableError(
        f"GraphQL query {asked.name}: the rows changed during each of {_READINGS} readings, so"
        f" some may be missing{doubt}.",
        remedy=f"Run again at a quieter time. {_REST}",
    )


def _pages(client: Client, asked: CollectionQuery) -> Iterator[_Page]:
    """Yield the pages of one reading."""
    offset, before = 0, None
    while True:
        page = _page(client, asked, min(asked.limit, MOST_ROWS - offset), offset)
        offset += len(page.rows)
        if (page.total or 0) > MOST_ROWS or (page.has_more and offset >= MOST_ROWS):
            matches = f"{page.total:,}" if page.total else f"more than {MOST_ROWS:,}"
            raise ConfigError(
                f"GraphQL query {asked.name} matches {matches} rows, and GraphQL has no way past"
                f" {MOST_ROWS:,}.",
                remedy=_REST,
            )
        if page.rows and page.rows == before:
            raise ContractError(
                f"GraphQL query {asked.name}: HubSpot answered the same rows of {page.path} twice.",
                remedy="Pass $offset to this collection, and ask for hs_object_id in items.",
            )
        yield page
        if not page.has_more:
            return
        if not page.rows:
            raise ContractError(
                f"GraphQL query {asked.name}: an empty page of {page.path} says that there are"
                f" more rows after {offset}.",
                remedy=_REST,
            )
        before = page.rows


def _page(client: Client, asked: CollectionQuery, limit: int, offset: int) -> _Page:
    """Read one page."""
    variables = {**asked.variables, "limit": limit, "offset": offset}
    body = {"query": asked.query, "variables": variables}
    try:
        answer = client.post(PATH, body, decode=msgspec.json.Decoder(dict[str, Any]).decode)
    except ScopeMissingError as error:
        raise ScopeMissingError(
            error.message, remedy=_NEEDS, status=error.status, correlation_id=error.correlation_id
        ).with_scopes(error.scopes) from error
    if errors := answer.get("errors"):
        _refuse(asked, errors)
    found = dict(_collections(answer.get("data"), ""))
    if len(found) != 1:
        names = " and ".join(found) or "no collection"
        raise ConfigError(f"GraphQL query {asked.name} answers {names}.", remedy=_ASK)
    ((path, collection),) = found.items()
    return _to_page(asked, path, collection, offset)


def _to_page(asked: CollectionQuery, path: str, collection: Row, offset: int) -> _Page:
    """Return what a collection says of itself."""
    rows, total, has_more = (collection.get(name) for name in ("items", "total", "hasMore"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ContractError(
            f"GraphQL query {asked.name}: an item of {path} is not an object.", remedy=_ASK
        )
    total = total if isinstance(total, int) else None
    if not isinstance(has_more, bool):
        if total is None:
            message = f"GraphQL query {asked.name} asks {path} for neither hasMore nor total"
            raise ConfigError(f"{message}, so its end is not known.", remedy=_ASK)
        has_more = offset + len(rows) < total
    return _Page(path, rows, total, has_more)


def _collections(value: object, path: str) -> Iterator[tuple[str, Row]]:
    """Yield the outermost collections of an answer, by their paths."""
    if not isinstance(value, dict):
        return
    if "items" in value:
        yield path, value
        return
    for name, member in value.items():
        yield from _collections(member, f"{path}.{name}".lstrip("."))


def _refuse(asked: CollectionQuery, errors: object) -> NoReturn:
    """Raise what the errors of an answer mean: the first one, with its path."""
    entries = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    first = entries[0] if entries else {"message": str(errors)}
    text = " ".join(str(first.get("message")).split()).rstrip(".")
    path = first.get("path")
    at = f" at {'.'.join(map(str, path))}" if isinstance(path, list) and path else ""
    more = f" ({len(entries) - 1} more)" if len(entries) > 1 else ""
    meant = f"{text} {first.get('extensions') or ''}"
    kind, remedy = next(
        (known[1:] for known in _MEANINGS if re.search(known[0], meant, re.IGNORECASE)),
        (RequestRejectedError, "Correct the query; nothing of it is loaded."),
    )
    raise kind(f"GraphQL query {asked.name} failed{at}: {text}{more}.", remedy=remedy, status=200)


def _check_nested(client: Client, asked: CollectionQuery, path: str, rows: list[Row]) -> None:
    """Refuse nested collections that are cut, and name those that do not say whether they are.

    Raises:
        ConfigError: there are more rows than the query asks for.
    """
    silent: set[str] = set()
    for row in rows:
        for place, one in _nested(row, f"{path}.items"):
            total, has_more = one.get("total"), one.get("hasMore")
            if has_more is True or (isinstance(total, int) and total > len(one["items"])):
                of = f" of the row {'/'.join(asked.key_of(row))}" if asked.key else ""
                raise ConfigError(
                    f"GraphQL query {asked.name}: {place}{of} has more than the"
                    f" {len(one['items'])} rows that the query asks for.",
                    remedy="Raise the limit of this collection, or read the links through REST.",
                )
            if has_more is None and total is None:
                silent.add(place)
    for place in sorted(silent):
        client.health.notify(
            f"GraphQL query {asked.name} does not ask {place} for hasMore: rows beyond its limit"
            " would be missing unseen."
        )


def _nested(value: object, path: str) -> Iterator[tuple[str, Row]]:
    """Yield the collections within a row, by their paths."""
    if isinstance(value, list):
        for one in value:
            yield from _nested(one, path)
    elif isinstance(value, dict):
        if isinstance(value.get("items"), list):
            yield path, value
        for name, member in value.items():
            if isinstance(member, dict | list):
                yield from _nested(member, f"{path}.{name}")


def _member(row: Row, name: str) -> object:
    """Return a member of a row; `a__b` is the member `b` of the object `a`."""
    if name in row:
        return row[name]
    outer, _, inner = name.rpartition("__")
    nested = _member(row, outer) if outer else None
    return nested.get(inner) if isinstance(nested, dict) else None
