"""Definitions, owners, pipelines, schemas and the command line: what is refused, what is told."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sources import hubspot_emulator
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

ROOT = Path(hubspot_emulator.__file__).parents[2]
NEW = {"name": "shoe_size", "label": "Shoe size", "type": "number", "fieldType": "number",
       "groupName": "information"}  # fmt: skip
SCHEMA = {"name": "boat", "labels": {"plural": "Boats"}, "requiredProperties": [],
          "properties": [], "associatedObjects": []}  # fmt: skip
PROPERTIES, SCHEMAS = "/crm/properties/2026-03/contacts", "/crm-object-schemas/2026-03/schemas"

REFUSED: dict[str, tuple[str, str, Any, int]] = {
    "name taken": ("POST", PROPERTIES, {**NEW, "name": "city"}, 409),
    "capital letters": ("POST", PROPERTIES, {**NEW, "name": "ShoeSize"}, 400),
    "101 characters": ("POST", PROPERTIES, {**NEW, "name": "x" * 101}, 400),
    "kind and field type": ("POST", PROPERTIES, {**NEW, "fieldType": "radio"}, 400),
    "patch unknown": ("PATCH", f"{PROPERTIES}/nobody_knows", {"label": "x"}, 404),
    "patch HubSpot's": ("PATCH", f"{PROPERTIES}/city", {"label": "x"}, 400),
    "archive unknown": ("DELETE", f"{PROPERTIES}/nobody_knows", None, 404),
    "archive HubSpot's": ("DELETE", f"{PROPERTIES}/city", None, 400),
    "read unknown": ("GET", f"{PROPERTIES}/nobody_knows", None, 404),
    "wrong sensitivity": ("GET", f"{PROPERTIES}?dataSensitivity=secret", None, 400),
    "sensitive as plain": ("GET", f"{PROPERTIES}/passport_number", None, 404),
    "schema taken": ("POST", SCHEMAS, {**SCHEMA, "name": "vehicle"}, 409),
    "schema name": ("POST", SCHEMAS, {**SCHEMA, "name": "7 seas"}, 400),
    "schema of a standard type": ("GET", f"{SCHEMAS}/contacts", None, 404),
    "pipelines of contacts": ("GET", "/crm/v3/pipelines/contacts", None, 400),
    "unknown pipeline": ("GET", "/crm/v3/pipelines/deals/x", None, 404),
    "unknown stage": ("GET", "/crm/v3/pipelines/deals/default/stages/x", None, 404),
    "unknown owner": ("GET", "/crm/v3/owners/1", None, 404),
    "owner cursor": ("GET", "/crm/v3/owners?after=x", None, 400),
    "not in the library": ("GET", "/crm/v3/object-library/enablement/0-1", None, 404),
    "unknown token": ("POST", "/oauth/v2/private-apps/get/access-token-info",
                      {"tokenKey": "x"}, 404),
    "merge with itself": ("POST", "/crm/v3/objects/contacts/merge",
                          {"primaryObjectId": "5", "objectIdToMerge": "5"}, 400),
    "merge unknown": ("POST", "/crm/v3/objects/contacts/merge",
                      {"primaryObjectId": "5", "objectIdToMerge": "6"}, 404),
    "merge of products": ("POST", "/crm/v3/objects/products/merge",
                          {"primaryObjectId": "5", "objectIdToMerge": "6"}, 405),
    "write read-only type": ("POST", "/crm/v3/objects/feedback_submissions",
                             {"properties": {}}, 405),
    "upsert without idProperty": ("POST", "/crm/v3/objects/contacts/batch/upsert",
                                  {"inputs": [{"id": "1", "properties": {}}]}, 400),
    "link to nobody": ("POST", "/crm/v3/objects/contacts", {"properties": {}, "associations": [
        {"to": {"id": "1"}, "types": [{"associationCategory": "HUBSPOT_DEFINED",
                                       "associationTypeId": 279}]}]}, 400),
    "custom pseudo-property": ("POST", "/crm/v3/objects/contacts/search", {"filters": [
        {"propertyName": "associations.vehicle", "operator": "EQ", "value": "1"}]}, 400),
}  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SeedSpec(contacts=60, properties=30), limits="off") as server:
        yield server


def send(server: EmulatorServer, method: str, path: str, body: Any = None) -> requests.Response:
    """Send a request with the portal's token."""
    headers = {"Authorization": f"Bearer {server.token}"}
    return requests.request(method, server.url + path, json=body, headers=headers, timeout=5)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(running: EmulatorServer, name: str) -> None:
    """A request that breaks a rule gets HubSpot's status and envelope."""
    method, path, body, status = REFUSED[name]
    answer = send(running, method, path, body)
    assert (answer.status_code, answer.json()["status"]) == (status, "error")


def test_owners_come_in_two_passes(running: EmulatorServer) -> None:
    """Active owners and archived ones are apart; an e-mail address picks one."""
    running.portal.reset()
    new = running.portal.create_owner("new@example.com")
    found = send(running, "GET", "/crm/v3/owners?email=new@example.com").json()["results"]
    assert [one["id"] for one in found] == [new]
    running.portal.archive_owner(new)
    assert send(running, "GET", f"/crm/v3/owners/{new}").status_code == 404
    gone = send(running, "GET", f"/crm/v3/owners/{new}?archived=true").json()
    assert (gone["userId"], gone["userIdIncludingInactive"] > 0) == (None, True)


def test_a_property_may_change_its_type_in_place(running: EmulatorServer) -> None:
    """PATCH changes type and field type, and replaces the options whole."""
    running.portal.reset()
    body = {"type": "enumeration", "fieldType": "select", "options": [{"value": "a"}]}
    changed = send(running, "PATCH", f"{PROPERTIES}/is_vip", body).json()
    assert (changed["type"], [o["value"] for o in changed["options"]]) == ("enumeration", ["a"])


def test_limits_count_live_records(running: EmulatorServer) -> None:
    """The records endpoint agrees with the portal's truth for every type."""
    running.portal.reset()
    body = send(running, "GET", "/crm/limits/2026-03/records").json()
    rows = body["hubspotDefinedObjectTypes"] + body["customObjectTypes"]["byObjectType"]
    truth = {one["objectTypeId"]: one["live"] for one in running.portal.truth().values()}
    assert {row["objectTypeId"]: row["usage"] for row in rows} == truth


def test_tokens_over_the_control_api(running: EmulatorServer) -> None:
    """Tokens with scopes can be set from outside the process."""
    running.portal.reset()
    tokens = {"few": {"scopes": ["crm.objects.deals.read"]}, running.token: {}}
    send(running, "POST", "/_emulator/settings", {"tokens": tokens, "limits": "on"})
    answer = send(running, "POST", "/oauth/v2/private-apps/get/access-token-info",
                  {"tokenKey": "few"})  # fmt: skip
    assert answer.json()["scopes"] == ["crm.objects.deals.read"]
    assert running.portal.settings.limits is not None


OBJECTS = "/crm/objects/2026-03"
LIBRARY = "/crm/object-library/2026-03/enablement"


@pytest.mark.parametrize(
    ("path", "scopes", "status"),
    [
        (f"{OBJECTS}/partner_clients", "crm.objects.partner-clients.read", 200),
        (f"{OBJECTS}/partner_services", "crm.objects.partner-services.read", 200),
        (f"{OBJECTS}/line_items", "e-commerce", 200),
        (f"{OBJECTS}/taxes", "e-commerce", 403),
        (f"{OBJECTS}/emails", "crm.objects.contacts.read", 403),
        (f"{OBJECTS}/emails", "crm.objects.contacts.read sales-email-read", 200),
        (f"{OBJECTS}/feedback_submissions", "crm.objects.feedback_submissions.read", 403),
        (f"{OBJECTS}/feedback_submissions",
         "crm.objects.feedback_submissions.read crm.objects.contacts.read", 200),
        (LIBRARY, "crm.objects.deals.read", 200),
        (LIBRARY, "crm.schemas.deals.read", 403),
        (f"{LIBRARY}/0-421", "tickets", 403),
    ],
)  # fmt: skip
def test_scopes_are_those_of_the_object_type(
    running: EmulatorServer, path: str, scopes: str, status: int
) -> None:
    """Some types need two scopes, some have another one, some have one of an unlike name."""
    running.portal.reset()
    running.portal.set_token(running.token, scopes.split())
    assert send(running, "GET", path).status_code == status


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.create("starships", {}),
        lambda p: p.create("contacts", {"nobody_knows": "1"}),
        lambda p: p.create("contacts", {}, next(iter(p.records("contacts")))),
        lambda p: p.update("contacts", "5", {}),
        lambda p: p.associate("contacts", "5", "companies", "5", 3),
        lambda p: p.settings.change({"nobody_knows": 1}),
    ],
    ids=["type", "property", "id taken", "no record", "no such link", "setting"],
)
def test_mistakes_in_a_test_are_told(change: Any) -> None:
    """A test that asks the portal for the impossible gets a ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        change(Portal(SeedSpec(contacts=10, merges=0)))


def test_command_line() -> None:
    """`python -m sources.hubspot_emulator` serves until it is told to stop."""
    options = ["--port", "0", "--contacts", "10", "--limits", "off"]
    command = [sys.executable, "-m", "sources.hubspot_emulator", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, _, token = process.stdout.readline().strip().partition("  token ")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                answer = requests.get(f"{url}/crm/v3/objects/contacts", timeout=5,
                                      headers={"Authorization": f"Bearer {token}"})  # fmt: skip
                break
            except requests.ConnectionError:
                time.sleep(0.02)
        process.terminate()
    assert (answer.status_code, len(answer.json()["results"])) == (200, 10)
