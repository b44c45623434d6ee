"""Ids -> all values that properties ever had, by batch reads with history.

Source: HubSpot CRM batch read with `propertiesWithHistory` (50 ids a call; newest version first; a
property that never had a value is missing or has an empty list). No limit of names is documented.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ..errors import AnswerTooLargeError, RequestRejectedError, UnavailableError
from ..http.client import Client
from ..model import ObjectType
from ..tables.property_history import Past, decode_page
from .batch_read import batches, halving

BATCH = 50  # ids per call, HubSpot's maximum
NAMES = 100  # properties per call: answers grow with ids, names and versions
ATTEMPTS = 2  # of a call that can be divided


@dataclass(slots=True)
class Histories:
    """What HubSpot answered for the ids of one batch."""

    past: list[Past] = field(default_factory=list)
    """Of the records that were found, once for each group of names."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ids that HubSpot refuses with an error of their own, and what it says."""


def calls_each(names: int) -> int:
    """Return how many calls the histories of one batch of records take."""
    return -(-names // NAMES)


def read_histories(
    client: Client, object_type: ObjectType, ids: Sequence[str], names: Sequence[str]
) -> Histories:
    """Read all versions of some properties of at most 50 records.

    Guarantees: an answer that takes HubSpot too long, or is too large, is asked for in halves,
    down to one property of one record. Ids that lead nowhere, or to another record, are left out.

    Raises:
        HubSpotError: anything but a refusal that depends on the ids.
    """
    found, asked = Histories(), {*ids}
    for group in batches(names, NAMES):
        ask = partial(_divided, client, object_type, names=group)
        for part, answer in halving(ask, ids):
            if isinstance(answer, RequestRejectedError):
                found.refused[part[0]] = answer.message
            else:
                found.past += (past for past in answer if past.id in asked)
    return found


def _divided(
    client: Client, object_type: ObjectType, ids: Sequence[str], names: Sequence[str]
) -> list[Past]:
    """Read the histories of some records, in halves where HubSpot does not bring all at once."""
    path = client.path("objects", object_type.path, "batch", "read")
    is_whole = len(ids) == len(names) == 1
    body = {
        "inputs": [{"id": id_} for id_ in ids],
        "properties": [],
        "propertiesWithHistory": [*names],
    }
    sender = client if is_whole else client.with_attempts(ATTEMPTS)
    try:
        return sender.post(path, body, {"archived": "false"}, decode=decode_page).results
    except AnswerTooLargeError:
        if is_whole:
            raise
    except UnavailableError:
        if is_whole or not client.health.answers(path):
            raise
    halves = _halves(ids, names)
    return [past for part in halves for past in _divided(client, object_type, *part)]


def _halves(ids: Sequence[str], names: Sequence[str]) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Divide the ids; the names where there is a single id."""
    if len(ids) > 1:
        middle = len(ids) // 2
        return [(ids[:middle], names), (ids[middle:], names)]
    middle = len(names) // 2
    return [(ids, names[:middle]), (ids, names[middle:])]
