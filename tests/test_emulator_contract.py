"""HubSpot's client of the numbered paths drives every endpoint of the emulator."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hubspot
import hubspot.crm.associations.v4 as links_v4
import pytest
import requests
from hubspot.crm import contacts as contacts_v3
from hubspot.crm import exports as exports_v3
from hubspot.crm import properties as properties_v3
from hubspot.crm import schemas as schemas_v3
from hubspot.crm.associations.v4 import schema as labels_v4

from sources.hubspot_emulator.http import routes
from sources.hubspot_emulator.http.routes import ROUTES
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

README = Path(routes.__file__).parents[1] / "README.md"
LABELLED = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}


class World:
    """A portal with two contacts and a company that the cases use, and the client."""

    def __init__(self, server: EmulatorServer) -> None:
        self.portal = server.portal
        self.old = hubspot.HubSpot(access_token=server.token, host=server.url, base_url=server.url)
        self.ada = server.portal.create(
            "contacts", {"email": "ada@example.com", "firstname": "Ada"}
        )
        self.bob = server.portal.create("contacts", {"email": "bob@example.com"})
        self.acme = server.portal.create("companies", {"name": "Acme"})
        server.portal.associate("contacts", self.ada, "companies", self.acme)

    def raw(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that the client has no method for, through it."""
        return self.old.api_request({"method": method, "path": path, "body": body}).json()

    def export(self) -> str:
        """Start an export of the contacts; return its id."""
        request = exports_v3.PublicExportViewRequest(
            export_type="VIEW",
            format="CSV",
            export_name="contacts",
            object_properties=["email", "lastname"],
            object_type="CONTACT",
            language="EN",
            export_internal_values_options=["NAMES", "VALUES"],
            override_associated_objects_per_definition_per_row_limit=True,
            associated_object_type="COMPANY",
        )
        started = self.old.crm.exports.public_exports_api.start(request)
        return str(started.id)

    def exported(self) -> Any:
        """Export the contacts and return the finished export."""
        return self.old.crm.exports.public_exports_api.get_status(self.export())

    @property
    def pair(self) -> dict[str, Any]:
        """Return one input of an association batch."""
        return {"from": {"id": self.ada}, "to": {"id": self.acme}, "types": [LABELLED]}


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SeedSpec(contacts=40, properties=30), limits="off") as server:
        yield server


@pytest.fixture
def world(running: EmulatorServer) -> World:
    """A fresh portal for each case."""
    running.portal.reset()
    return World(running)


Case = tuple[Callable[[World], Any], Callable[[Any], object]]

CASES: dict[str, Case] = {
    "objects.list": (
        lambda w: w.old.crm.contacts.basic_api.get_page(
            limit=3, properties=["email"], associations=["companies"], archived=False
        ),
        lambda got: len(got.results) == 3 and got.paging.next.after,
    ),
    "objects.batch_read": (
        lambda w: w.old.crm.contacts.batch_api.read(
            contacts_v3.BatchReadInputSimplePublicObjectId(
                inputs=[{"id": w.ada}], properties=["email"], properties_with_history=[]
            )
        ),
        lambda got: got.results[0].properties["email"] == "ada@example.com",
    ),
    "objects.search": (
        lambda w: w.old.crm.contacts.search_api.do_search(
            contacts_v3.PublicObjectSearchRequest(
                filter_groups=[
                    {"filters": [{"propertyName": "email", "operator": "EQ",
                                  "value": "ada@example.com"}]}
                ],
                limit=5,
            )
        ),
        lambda got: got.total == 1 and got.results[0].properties["firstname"] == "Ada",
    ),
    "objects.get": (
        lambda w: w.old.crm.contacts.basic_api.get_by_id(
            w.ada, properties_with_history=["firstname"], associations=["companies"]
        ),
        lambda got: got.properties_with_history["firstname"][0].value == "Ada"
        and got.associations["companies"].results,
    ),
    "objects.create": (
        lambda w: w.old.crm.contacts.basic_api.create(
            contacts_v3.SimplePublicObjectInputForCreate(
                properties={"email": "new@example.com"},
                associations=[{"to": {"id": w.acme}, "types": [LABELLED]}],
            )
        ),
        lambda got: got.properties["email"] == "new@example.com",
    ),
    "objects.update": (
        lambda w: w.old.crm.contacts.basic_api.update(
            w.ada, contacts_v3.SimplePublicObjectInput(properties={"firstname": "Grace"})
        ),
        lambda got: got.properties["firstname"] == "Grace",
    ),
    "objects.archive": (
        lambda w: w.old.crm.contacts.basic_api.archive(w.ada) or w.portal.records("contacts"),
        lambda got: "ada@example.com" not in str(got),
    ),
    "objects.batch_create": (
        lambda w: w.old.crm.contacts.batch_api.create(
            contacts_v3.BatchInputSimplePublicObjectBatchInputForCreate(
                inputs=[{"properties": {"email": "x@example.com"}, "associations": []}]
            )
        ),
        lambda got: got.results[0].id,
    ),
    "objects.batch_update": (
        lambda w: w.old.crm.contacts.batch_api.update(
            contacts_v3.BatchInputSimplePublicObjectBatchInput(
                inputs=[{"id": w.ada, "properties": {"firstname": "G"}}]
            )
        ),
        lambda got: got.results[0].properties["firstname"] == "G",
    ),
    "objects.batch_upsert": (
        lambda w: w.old.crm.contacts.batch_api.upsert(
            contacts_v3.BatchInputSimplePublicObjectBatchInputUpsert(
                inputs=[
                    {"id": "ada@example.com", "idProperty": "email", "properties": {}},
                    {"id": "y@example.com", "idProperty": "email", "properties": {}},
                ]
            )
        ),
        lambda got: [one.new for one in got.results] == [False, True],
    ),
    "objects.batch_archive": (
        lambda w: w.old.crm.contacts.batch_api.archive(
            contacts_v3.BatchInputSimplePublicObjectId(inputs=[{"id": w.ada}])
        )
        or w.portal.records("contacts", archived=True),
        lambda got: "ada@example.com" in str(got),
    ),
    "objects.merge": (
        lambda w: w.old.crm.contacts.basic_api.merge(
            contacts_v3.PublicMergeInput(primary_object_id=w.ada, object_id_to_merge=w.bob)
        ),
        lambda got: ";" in got.properties["hs_merged_object_ids"],
    ),
    "objects.gdpr_delete": (
        lambda w: w.old.crm.contacts.basic_api.purge(
            contacts_v3.PublicGdprDeleteInput(object_id="ada@example.com", id_property="email")
        )
        or w.portal.records("contacts"),
        lambda got: "ada@example.com" not in str(got),
    ),
    "associations.batch_read": (
        lambda w: w.old.crm.associations.v4.batch_api.get_page(
            "contacts", "companies",
            links_v4.BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": w.ada}]),
        ),
        lambda got: got.results[0].to[0].association_types[0].type_id == 279,
    ),
    "associations.labels": (
        lambda w: w.old.crm.associations.v4.schema.definitions_api.get_all("contacts", "companies"),
        lambda got: {one.label for one in got.results} >= {None, "Primary"},
    ),
    "associations.create_label": (
        lambda w: w.old.crm.associations.v4.schema.definitions_api.create(
            "contacts", "companies",
            labels_v4.PublicAssociationDefinitionCreateRequest(
                label="Boss", name="boss", inverse_label="Firm"
            ),
        ),
        lambda got: [one.label for one in got.results] == ["Boss", "Firm"],
    ),
    "associations.batch_create": (
        lambda w: w.old.crm.associations.v4.batch_api.create(
            "contacts", "companies",
            links_v4.BatchInputPublicAssociationMultiPost(inputs=[w.pair]),
        ),
        lambda got: got.status == "COMPLETE",
    ),
    "associations.batch_create_default": (
        lambda w: w.old.crm.associations.v4.batch_api.create_default(
            "contacts", "companies",
            links_v4.BatchInputPublicDefaultAssociationMultiPost(
                inputs=[{"from": {"id": w.bob}, "to": {"id": w.acme}}]
            ),
        ),
        lambda got: got.results[0].association_spec.association_type_id == 279,
    ),
    "associations.batch_archive": (
        lambda w: w.old.crm.associations.v4.batch_api.archive(
            "contacts", "companies",
            links_v4.BatchInputPublicAssociationMultiArchive(
                inputs=[{"from": {"id": w.ada}, "to": [{"id": w.acme}]}]
            ),
        )
        or (w.ada, w.portal.associations("contacts", "companies")),
        lambda got: got[0] not in {link[0] for link in got[1]},
    ),
    "associations.batch_archive_labels": (
        lambda w: w.old.crm.associations.v4.batch_api.archive_labels(
            "contacts", "companies",
            links_v4.BatchInputPublicAssociationMultiPost(inputs=[w.pair]),
        ),
        lambda got: got is None,
    ),
    "links.of_record": (
        lambda w: w.old.crm.associations.v4.basic_api.get_page("contacts", w.ada, "companies"),
        lambda got: got.results[0].association_types,
    ),
    "links.put_default": (
        lambda w: w.old.crm.associations.v4.basic_api.create_default(
            "contacts", w.bob, "companies", w.acme
        ),
        lambda got: got.results,
    ),
    "links.put": (
        lambda w: w.old.crm.associations.v4.basic_api.create(
            "contacts", w.bob, "companies", w.acme,
            [links_v4.AssociationSpec("HUBSPOT_DEFINED", 1)],
        ),
        lambda got: got.labels == ["Primary"],
    ),
    "links.delete": (
        lambda w: w.old.crm.associations.v4.basic_api.archive(
            "contacts", w.ada, "companies", w.acme
        ),
        lambda got: got is None,
    ),
    "properties.list": (
        lambda w: w.old.crm.properties.core_api.get_all("contacts"),
        lambda got: "email" in {one.name for one in got.results},
    ),
    "properties.groups": (
        lambda w: w.old.crm.properties.groups_api.get_all("contacts"),
        lambda got: got.results[0].name == "information",
    ),
    "properties.get": (
        lambda w: w.old.crm.properties.core_api.get_by_name("contacts", "email"),
        lambda got: got.has_unique_value,
    ),
    "properties.batch_read": (
        lambda w: w.old.crm.properties.batch_api.read(
            "contacts",
            properties_v3.BatchReadInputPropertyName(
                archived=False, inputs=[{"name": "email"}]
            ),
        ),
        lambda got: got.results[0].name == "email",
    ),
    "properties.create": (
        lambda w: w.old.crm.properties.core_api.create(
            "contacts",
            properties_v3.PropertyCreate(
                name="shoe_size", label="Shoe", type="number", field_type="number",
                group_name="information",
            ),
        ),
        lambda got: got.name == "shoe_size",
    ),
    "properties.update": (
        lambda w: w.old.crm.properties.core_api.update(
            "contacts", "is_vip",
            properties_v3.PropertyUpdate(label="VIP"),
        ),
        lambda got: got.label == "VIP",
    ),
    "properties.archive": (
        lambda w: w.old.crm.properties.core_api.archive("contacts", "is_vip"),
        lambda got: got is None,
    ),
    "schemas.list": (
        lambda w: w.old.crm.schemas.core_api.get_all(archived=False),
        lambda got: {one.name for one in got.results} == {"vehicle", "subscription_plan"},
    ),
    "schemas.get": (
        lambda w: w.old.crm.schemas.core_api.get_by_id("p1234567_vehicle"),
        lambda got: got.object_type_id == "2-7234126",
    ),
    "schemas.batch_read": (
        lambda w: w.raw("POST", "/crm/v3/schemas/batch/read", {"inputs": ["2-7234126"]}),
        lambda got: got["results"][0]["name"] == "vehicle",
    ),
    "schemas.delete": (
        lambda w: w.old.crm.schemas.core_api.archive(w.portal.create_custom_object("boat")),
        lambda got: got is None,
    ),
    "schemas.create": (
        lambda w: w.old.crm.schemas.core_api.create(
            schemas_v3.ObjectSchemaEgg(
                name="boat", labels={"singular": "Boat", "plural": "Boats"},
                required_properties=["name"], properties=[], associated_objects=["CONTACT"],
            )
        ),
        lambda got: got.fully_qualified_name == "p1234567_boat",
    ),
    "pipelines.list": (
        lambda w: w.old.crm.pipelines.pipelines_api.get_all("deals"),
        lambda got: [one.id for one in got.results] == ["default", "renewals"],
    ),
    "pipelines.get": (
        lambda w: w.old.crm.pipelines.pipelines_api.get_by_id("tickets", "0"),
        lambda got: got.stages[0].metadata == {"ticketState": "OPEN"},
    ),
    "pipelines.stages": (
        lambda w: w.old.crm.pipelines.pipeline_stages_api.get_all("deals", "default"),
        lambda got: len(got.results) == 5,
    ),
    "pipelines.stage": (
        lambda w: w.old.crm.pipelines.pipeline_stages_api.get_by_id(
            "deals", "default", "closedwon"
        ),
        lambda got: got.metadata["isClosed"] == "true",
    ),
    "owners.list": (
        lambda w: w.old.crm.owners.owners_api.get_page(limit=5),
        lambda got: len(got.results) == 5 and got.paging.next.after,
    ),
    "owners.get": (
        lambda w: w.old.crm.owners.owners_api.get_by_id(41629779),
        lambda got: got.email == "owner0@example.com",
    ),
    "account.details": (
        lambda w: w.raw("GET", "/account-info/v3/details"),
        lambda got: got["portalId"] == 1234567,
    ),
    "account.usage": (
        lambda w: w.raw("GET", "/account-info/v3/api-usage/daily/private-apps"),
        lambda got: got["results"][0]["fetchStatus"] == "SUCCESS",
    ),
    "limits.records": (
        lambda w: w.raw("GET", "/crm/v3/limits/records"),
        lambda got: got["hubspotDefinedObjectTypes"][0]["usage"] > 30,
    ),
    "library.enablement": (
        lambda w: w.raw("GET", "/crm/v3/object-library/enablement"),
        lambda got: got["enablementByObjectTypeId"]["0-421"] is True,
    ),
    "library.enablement_of": (
        lambda w: w.raw("GET", "/crm/v3/object-library/enablement/0-421"),
        lambda got: got == {"enablement": True},
    ),
    "tokens.introspect": (
        lambda w: w.raw(
            "POST", "/oauth/v2/private-apps/get/access-token-info", {"tokenKey": "emulator-token"}
        ),
        lambda got: got["hubId"] == 1234567 and "oauth" in got["scopes"],
    ),
    "exports.start": (lambda w: w.export(), lambda got: got.isdecimal()),
    "exports.status": (
        lambda w: w.exported(), lambda got: got.status == "COMPLETE" and got.result
    ),
    "exports.detail": (
        lambda w: w.raw("GET", f"/crm/v3/exports/export/{w.export()}"),
        lambda got: got["exportState"] == "ENQUEUED" and got["objectType"] == "0-1",
    ),
    "downloads.file": (
        lambda w: requests.get(w.exported().result, timeout=5).text.splitlines()[0],
        lambda got: got == '"hs_object_id","email","lastname","Associated Company IDs"',
    ),
    "graphql.query": (
        lambda w: w.raw(
            "POST", "/collector/graphql",
            {"query": "{ CRM { company_collection(limit: 2) { total items { name } } } }"},
        ),
        lambda got: len(got["data"]["CRM"]["company_collection"]["items"]) == 2,
    ),
}  # fmt: skip


def test_every_route_has_a_case() -> None:
    """Each route is driven in its numbered form."""
    assert {route.name for route in ROUTES} == set(CASES)


def test_the_readme_lists_every_route() -> None:
    """The README's list of endpoints is the route table."""
    listed = "\n".join(f"{route.method:6} {route.paths[0]}" for route in ROUTES)
    assert listed in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_route(world: World, name: str) -> None:
    """HubSpot's own client understands the answer of this route."""
    call, holds = CASES[name]
    got = call(world)
    assert holds(got), got
    last = world.portal.journal[-1]
    assert (name, True) == (last.kind, last.status < 300)
