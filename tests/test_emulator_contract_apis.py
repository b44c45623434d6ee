"""HubSpot's own clients for Python read every endpoint beyond the CRM that they know."""

import inspect
from collections.abc import Iterator
from typing import Any

import hubspot
import pytest
from emulated_calls import ROUTES_OF, Listed
from hubspot_sdk import HubSpot
from sdk_methods import Method, methods, snake
from sdk_models import Models, objects_of, under

from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot.catalog.endpoints.declaration import Table
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

KNOWN = {"dated": 110, "numbered": 60}
"""Routes that a client knows; fewer would mean that its methods are no longer found."""
NO_ARGUMENT = {("numbered", "pipeline_audits.of_stage")}
"""A client's method lacks an argument for a slot of its path."""
NO_NAME = {"additionalProperties"}
"""Members of a body for which the client of the dated paths has no argument."""


UNLISTED = {
    "object_types": "table_name singular_label plural_label custom",  # by a reader of their own
    "account_users": "seat_names",
    "teams": "parent_team_id",
    "company_currency": "currency_code",
    "meeting_links": "payment_link_id",
    "limits_calculated_properties": "limit percentage",  # the portal has one limit for all types
    "lists": "size filter_branch list_permissions membership_settings folder_id",
    "list_memberships": "first_seen_at removed_at",
    "sequences": "settings",
}
"""Columns whose members are in no answer of their own, or in more than HubSpot specifies."""
CHECKED = 80
"""Endpoints whose answers the client knows; fewer would mean that they are no longer found."""


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


def test_columns_are_members_that_clients_know(running: EmulatorServer) -> None:
    """A column of the catalog has a path in HubSpot's specification, or is known to have none."""
    client, checked, wrong = _client(running, "dated"), 0, dict[str, str]()
    for endpoint in ENDPOINTS.values():
        objects = objects_of(client, endpoint)
        checked += bool(objects)
        for table in endpoint.tables if objects else ():
            names = " ".join(_unknown(table, objects))
            wrong |= {table.name: names} if names else {}
    assert wrong == UNLISTED
    assert checked >= CHECKED


def _unknown(table: Table, objects: Models) -> Iterator[str]:
    """Yield the columns of a table that no object, or item of it, has a member for."""
    items = objects
    if table.lists and not table.of_object:
        within = [under(objects, path.removesuffix("{}").split(".")) for path in table.lists]
        assert all(within), f"{table.name}: no list is in {table.rows}"
        is_map = any(path.endswith("{}") for path in table.lists)
        items = [None] if is_map else [one for part in within for one in part or ()]
    around = {"member": items, "parent": objects}
    for column in table.fields:
        asked = [one for one in column.sources if one.origin in around and one.path != ("hash",)]
        if asked and all(under(around[one.origin], one.path) is None for one in asked):
            yield column.name


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
