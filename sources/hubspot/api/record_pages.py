"""One page of a table's records: of the listing, or of a search and batch reads."""

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus

from ..errors import AnswerTooLargeError, RequestRejectedError
from ..http.client import Client
from ..model import Next, ObjectType, Page, Paging
from ..tables.decoding import Record, RecordDecoder
from .batch_read import NOTHING_ELSE, Found, batches, read_batch
from .search import in_range

PAGE = 100  # records per listing call, HubSpot's maximum
URL_PROPERTIES = 15_000  # characters of names in a URL; HubSpot's hard stop is about 32,000


class NotKeysetError(Exception):
    """Pages do not run along the record id; they must be read another way."""


def calls_of_page(properties: Sequence[str]) -> int:
    """Return what a page of the listing takes: a second call where the names do not fit a URL."""
    return 2 if len(",".join(properties)) > URL_PROPERTIES else 1


def list_page(
    client: Client,
    object_type: ObjectType,
    decoder: RecordDecoder,
    after: str | None,
    *,
    archived: bool = False,
) -> Page[Record]:
    """Read one page of the listing with all properties the decoder knows, however many.

    Where their names do not fit a URL, the page is listed without them and its records are read
    by id, so a wide portal costs a second call per page and loses no column.
    """
    names = ",".join(decoder.properties) or NOTHING_ELSE
    path = client.path("objects", object_type.path)
    decode = partial(decoder.page, archived=archived)
    params = {"limit": str(PAGE), "archived": "true" if archived else "false"}
    if after is not None:
        params["after"] = after
    if calls_of_page(decoder.properties) == 1:
        try:
            return _halving(client, path, {"properties": names} | params, decode, PAGE)
        except RequestRejectedError as error:
            if error.status != HTTPStatus.REQUEST_URI_TOO_LONG:
                raise
    page = client.get(path, {"properties": NOTHING_ELSE} | params, decode=decode)
    ids = [record.id for record in page.results]
    return Page(_read(client, object_type, ids, decoder, archived=archived), page.paging)


def _halving(
    client: Client,
    path: str,
    params: dict[str, str],
    decode: Callable[[bytes], Page[Record]],
    limit: int,
) -> Page[Record]:
    """Read a page of the listing; in halves, down to a record, where it is too large for one."""
    try:
        return client.get(path, params | {"limit": str(limit)}, decode=decode)
    except AnswerTooLargeError:
        if limit == 1:
            raise
    first = _halving(client, path, params, decode, limit // 2)
    if first.after is None:
        return first
    rest = _halving(client, path, params | {"after": first.after}, decode, limit - limit // 2)
    return Page([*first.results, *rest.results], rest.paging)


def search_page(
    client: Client, object_type: ObjectType, decoder: RecordDecoder, after: str | None
) -> Page[Record]:
    """Read the 200 live records behind an id: a search for ids, then batch reads.

    All of it is documented: the filter, the sort and the reading by id. The cursor is the last id.

    Raises:
        NotKeysetError: the hits are not in the order of their ids.
    """
    hits = in_range(client, object_type, int(after or 0), None)
    ids = [hit.id for hit in hits.results]
    if not all(id_.isdecimal() for id_ in ids) or ids != sorted(ids, key=int):
        raise NotKeysetError
    records = [
        record
        for part in batches(dict.fromkeys(ids))
        for record in _read(client, object_type, part, decoder)
    ]
    following = (ids[-1] if ids else after or "0") if hits.after is not None else None
    return Page(records, None if following is None else Paging(Next(following)))


def _read(
    client: Client,
    object_type: ObjectType,
    ids: Sequence[str],
    decoder: RecordDecoder,
    *,
    archived: bool = False,
) -> list[Record]:
    """Read records by id, in the order of the ids, without those that are gone meanwhile."""
    found = read_batch(client, object_type, ids, decoder, archived=archived) if ids else Found()
    if found.refused:
        id_, said = next(iter(found.refused.items()))
        raise RequestRejectedError(f"HubSpot refuses to read {object_type.table} {id_}: {said}")
    by_id = {record.id: record for record in found.records}
    return [by_id[id_] for id_ in ids if id_ in by_id]
