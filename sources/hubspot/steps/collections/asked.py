"""Collections whose objects have only the properties that are asked for by name."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from ...catalog.endpoints.declaration import Asked
from ...errors import HubSpotError, RequestRejectedError
from ...run.pace.waiting import wait
from ...run.run import Items as Found
from ...tables.properties import Definition, decode_definitions
from .pages import decode_page
from .part import Part
from .whole import read_whole

OWN = "hs_"
"""What the names of HubSpot's own properties begin with."""


def read_asked(part: Part, asked: Asked) -> Found:
    """Read all rows of a part with the properties that HubSpot lets read.

    Guarantees: a name that HubSpot refuses costs no row; it is found once, named in the outcome of
    each reading, and left out from then on.

    Raises:
        HubSpotError: the list cannot be read, whatever it is asked for.
    """
    state = part.state
    left_out = [] if part.run.options.full_refresh else state.left_out
    names = [name for name in (yield from _names(part, asked)) if name not in left_out]
    try:
        yield from read_whole(_asking(part, asked, names))
    except RequestRejectedError as error:
        if error.status != HTTPStatus.BAD_REQUEST or (yield from _refuses(part, asked, [])):
            raise
        readable = yield from _readable(part, asked, names)
        left_out = [*left_out, *(name for name in names if name not in readable)]
        yield from read_whole(_asking(part, asked, readable))
    state.left_out = left_out
    if left_out:
        part.outcome.note(f"HubSpot does not let these properties be read: {', '.join(left_out)}.")


def _names(part: Part, asked: Asked) -> Generator[None, None, list[str]]:
    """Return the properties that HubSpot is known to let read, and those of the user's."""
    path = part.client.path("properties", asked.object_type)
    call = part.run.submit(partial(part.client.get, path, decode=decode_definitions))
    try:
        found: Sequence[Definition] = yield from wait(call)
    except HubSpotError as error:
        part.outcome.note(f"Without custom properties: {error.message}")
        found = ()
    return [*asked.known, *sorted(one.name for one in found if not one.name.startswith(OWN))]


def _asking(part: Part, asked: Asked, names: Sequence[str]) -> Part:
    return replace(part, asking={asked.param: ",".join(names)} if names else {})


def _readable(part: Part, asked: Asked, names: Sequence[str]) -> Generator[None, None, list[str]]:
    """Return the names that HubSpot lets read: a list that it refuses is divided."""
    if not (yield from _refuses(part, asked, names)):
        return [*names]
    if len(names) == 1:
        return []
    half = len(names) // 2
    first = yield from _readable(part, asked, names[:half])
    return first + (yield from _readable(part, asked, names[half:]))


def _refuses(part: Part, asked: Asked, names: Sequence[str]) -> Generator[None, None, bool]:
    """Whether HubSpot refuses a list for the properties that it is asked for."""
    request = _asking(part, asked, names).request({})
    params: dict[str, Any] = {**request.params, part.endpoint.paging.size_param: "1"}
    decode = partial(decode_page, part.endpoint)
    call = part.run.submit(partial(part.client.get, request.path, params, decode=decode))
    try:
        yield from wait(call)
    except RequestRejectedError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        return True
    return False
