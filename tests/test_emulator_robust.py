"""Malformed requests: whatever a body holds, the emulator refuses it and never falls over."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from caller import Caller

from sources.hubspot_emulator.handlers.call import Route
from sources.hubspot_emulator.http.routes import ROUTES
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

ENDS = {"from": {"id": "20054"}, "to": {"id": "20054"}}
VALUES: tuple[Any, ...] = (
    None, -1, True, "x", [], {}, [1], [{}], [[]], [{"id": {}}], [{"id": "1", "properties": 1}],
    [{**ENDS, "types": [1]}], [{"from": 1, "to": [1]}], [{"filters": [1]}],
    [{"filters": [{"propertyName": 1, "operator": "EQ", "value": []}]}],
    [{"to": {"id": "1"}, "types": [{}]}], {"email": []}, [{"id": "x", "after": 1}], "9" * 30,
    "", [""], {"filters": [{"property": {}}]}, {"filterGroups": 1, "query": 5},
)  # fmt: skip
FITTING: dict[str, Any] = {
    "inputs": [], "properties": [], "propertiesWithHistory": [], "type": "string",
    "fieldType": "text", "labels": {}, "exportType": "VIEW", "format": "CSV", "language": "EN",
    "objectType": "contacts", "objectProperties": ["email"], "exportInternalValuesOptions": [],
    "overrideAssociatedObjectsPerDefinitionPerRowLimit": True, "associatedObjectType": [],
    "includeLabeledAssociations": False,
    "includePrimaryDisplayPropertyForAssociatedObjects": False,
}  # fmt: skip
NAMES = {
    "version": "2026-03", "type": "contacts", "from_type": "contacts", "to_type": "companies",
    "id": "20054", "to_id": "20054", "name": "city", "pipeline_id": "default", "stage_id": "x",
}  # fmt: skip
WRITING = [route for route in ROUTES if route.body is not None]


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SeedSpec(contacts=30, properties=10), limits="off") as server:
        yield server


def _bodies(route: Route) -> Iterator[Any]:
    """Yield bodies that are wrong as a whole, then ones with one wrong member."""
    yield from VALUES
    members = [member.rstrip("!") for member in route.body or ()]
    required = {m.rstrip("!") for m in route.body or () if m.endswith("!")}
    whole = {name: FITTING.get(name, "x") for name in (*required, *FITTING) if name in members}
    for name in members:
        yield from ({**whole, name: value} for value in VALUES)


@pytest.mark.parametrize("route", WRITING, ids=lambda route: route.name)
def test_malformed_bodies(running: EmulatorServer, route: Route) -> None:
    """No body makes the emulator answer 5xx."""
    running.portal.reset()
    path, caller = route.paths[-1].format(**NAMES), Caller(running)
    for body in _bodies(route):
        assert caller.send(route.method, path, body).status_code < 500, body


def test_unreadable_json(running: EmulatorServer) -> None:
    """A body that is no JSON gives 400."""
    path = f"{running.url}/crm/v3/objects/contacts/search"
    headers = {"Authorization": f"Bearer {running.token}"}
    assert requests.post(path, data=b"{", headers=headers, timeout=5).status_code == 400
