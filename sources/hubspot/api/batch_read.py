"""Ids -> records by batch read; missing and merged ids are distinguished.

Source: HubSpot CRM batch read (100 ids a call; 207 lists what was not found; the id of a record
that was merged away answers with its survivor; the order of results is not promised).
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import TypeVar

from ..errors import AnswerTooLargeError, RequestRejectedError
from ..http.client import Client
from ..model import ObjectType, Page
from ..tables.decoding import Record, RecordDecoder

BATCH = 100  # ids per call, HubSpot's maximum
HOPELESS = 5  # ids refused one by one without a success: the ids are not the reason
NOTHING_ELSE = "hs_object_id"
"""What is asked for where no property is: HubSpot then sends none of its own choice."""
T = TypeVar("T")


@dataclass(slots=True)
class Found:
    """What HubSpot answered for the ids of one batch."""

    records: list[Record] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Ids without a record: archived, purged, or not for this token to see."""
    merged: dict[str, str] = field(default_factory=dict)
    """Ids that return another record: the one they were merged into."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ids that HubSpot refuses with an error of their own, and what it says.

    They are not missing: whether there is a record is not known."""


def read_batch(
    client: Client,
    object_type: ObjectType,
    ids: Sequence[str],
    decoder: RecordDecoder,
    *,
    archived: bool = False,
) -> Found:
    """Read at most 100 records by id, all properties that the decoder knows.

    Raises:
        HubSpotError: anything but a refusal that depends on the ids.
    """
    path = client.path("objects", object_type.path, "batch", "read")
    names = list(decoder.properties) or [NOTHING_ELSE]
    body = {"properties": names, "propertiesWithHistory": []}
    params = {"archived": "true" if archived else "false"}
    decode = partial(decoder.page, archived=archived)

    def call(part: Sequence[str]) -> Page[Record]:
        inputs = [{"id": id_} for id_ in part]
        return client.post(path, body | {"inputs": inputs}, params, decode=decode)

    found = Found()
    for part, page in halving(call, ids):
        if isinstance(page, RequestRejectedError):
            found.refused[part[0]] = page.message
            continue
        answered = {record.id: record for record in page.results}
        merged = {old: r.id for r in answered.values() for old in decoder.merged_ids(r)}
        found.records += answered.values()
        found.merged |= {id_: merged[id_] for id_ in _without(part, answered) if id_ in merged}
        missing = _without(part, answered, merged)
        found.refused |= _refused(page, missing)
        missing = _without(missing, found.refused)
        if missing and not answered.keys() <= {*part}:  # a survivor that does not name them
            merged, refused = _survivors(call, missing)
            found.merged |= merged
            found.refused |= refused
            missing = _without(missing, refused)
        found.missing += _without(missing, found.merged)
    return found


def _without(ids: Iterable[str], *known: Container[str]) -> list[str]:
    """Return the ids that nothing is known of yet."""
    return [id_ for id_ in ids if not any(id_ in part for part in known)]


def _refused(page: Page[Record], missing: Sequence[str]) -> dict[str, str]:
    """Return the ids without a record for another reason than that none is found, and the reason.

    An error that names no ids may be about any of them.
    """
    refused: dict[str, str] = {}
    for error in page.errors or ():
        if "NOT_FOUND" not in f"{error.category} {error.subCategory}":
            ids = (error.context or {}).get("ids")
            named = {*map(str, ids)} if isinstance(ids, list) else {*missing}
            said = error.message or error.category or "an error without a message"
            refused |= {id_: said for id_ in missing if id_ in named}
    return refused


def _survivors(
    call: Callable[[Sequence[str]], Page[Record]], ids: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Ask for ids one by one, where one that was merged away answers with its survivor.

    Returns:
        The survivors by id, and what HubSpot says of the ids that it refuses.
    """
    merged: dict[str, str] = {}
    refused: dict[str, str] = {}
    for id_ in ids:
        for _, page in halving(call, [id_]):
            if isinstance(page, RequestRejectedError):
                refused[id_] = page.message
            elif page.results and page.results[0].id != id_:
                merged[id_] = page.results[0].id
            else:
                refused |= _refused(page, [] if page.results else [id_])
    return merged, refused


def halving(
    call: Callable[[Sequence[str]], T], ids: Sequence[str]
) -> Iterator[tuple[Sequence[str], T | RequestRejectedError]]:
    """Make a batch call, and where one bad id spoils it, halve the batch until that id is alone.

    So is a batch whose answer would be too large.

    Yields:
        The ids of each part with its response, or with the refusal of a single id.

    Raises:
        RequestRejectedError: the first ids are all refused, so it is the request that is wrong.
    """
    answers = []
    answered = False
    for part, answer in _halves(call, ids):
        answers.append((part, answer))
        if not isinstance(answer, RequestRejectedError):
            answered = True
        elif not answered and len(answers) >= min(len(ids), HOPELESS) > 1:
            raise answer
    return iter(answers)


def _halves(
    call: Callable[[Sequence[str]], T], ids: Sequence[str]
) -> Iterator[tuple[Sequence[str], T | RequestRejectedError]]:
    try:
        yield ids, call(ids)
    except AnswerTooLargeError:
        if len(ids) == 1:
            raise
    except RequestRejectedError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        if len(ids) == 1:
            yield ids, error
            return
    else:
        return
    middle = len(ids) // 2
    yield from _halves(call, ids[:middle])
    yield from _halves(call, ids[middle:])


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Cut anything into lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
