"""HubSpot's own clients for Python read every endpoint beyond the CRM that they know."""

import inspect
from collections.abc import Iterator
from typing import Any

import hubspot
import pytest
from emulated_calls import ROUTES_OF, Listed
from hubspot_sdk import HubSpot
from sdk_methods import Method, methods, snake

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

KNOWN = {"dated": 110, "numbered": 60}
"""Routes that a client knows; fewer would mean that its methods are no longer found."""
NO_ARGUMENT = {("numbered", "pipeline_audits.of_stage")}
"""A client's method lacks an argument for a slot of its path."""
NO_NAME = {"additionalProperties"}
"""Members of a body for which the client of the dated paths has no argument."""


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module, which nothing changes."""
    with EmulatorServer(SeedSpec(contacts=60, properties=30), limits="off") as server:
        yield server


@pytest.mark.parametrize("client", KNOWN)
def test_clients_read_every_route(running: EmulatorServer, client: str) -> None:
    """Each takes every answer; that of the dated paths compares it with the specification."""
    bound, wrong, called = _client(running, client), {}, 0
    for name in ROUTES_OF:
        listing = Listed.of(name, running.portal)
        found = _method(client, listing)
        if found is None or (client, name) in NO_ARGUMENT:
            continue
        called += 1
        try:
            assert _call(bound, listing, *found) is not None
            assert running.portal.journal[-1].status < 300
        except Exception as error:  # noqa: BLE001 - whatever a client says is reported below
            wrong[name] = str(error.__cause__ or error)
    assert wrong == {}
    assert called >= KNOWN[client]


def _client(server: EmulatorServer, name: str) -> Any:
    if name == "numbered":
        return hubspot.HubSpot(access_token=server.token, host=server.url, base_url=server.url)
    return HubSpot(
        access_token=server.token, base_url=server.url, max_retries=0,
        _strict_response_validation=True,
    )  # fmt: skip


def _method(client: str, listing: Listed) -> tuple[Method, dict[str, str]] | None:
    """Return the method that calls one of the paths, with the arguments for its slots."""
    for method in methods(client):
        for path in listing.paths:
            slots = method.match(listing.endpoint.method, path)
            if slots is not None:
                return method, slots
    return None


def _call(client: Any, listing: Listed, method: Method, slots: dict[str, str]) -> Any:
    call, body = method.of(client), dict(listing.body or {})
    if listing.endpoint.paging.kind == "body":
        body = {"offset": 0, **body}
    members = {snake(key): value for key, value in {**listing.query, **body}.items()}
    if rest := NO_NAME & body.keys():
        members["extra_body"] = {key: members.pop(snake(key)) for key in rest}
    arguments = inspect.signature(call).parameters.values()
    needed = {one.name for one in arguments if one.default is one.empty and one.name != "kwargs"}
    whole = needed - slots.keys() - members.keys()
    return call(**({**dict.fromkeys(whole, body), **listing.query} if whole else members), **slots)
