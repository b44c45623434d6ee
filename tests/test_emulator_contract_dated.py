"""HubSpot's client of the dated paths drives every endpoint of the emulator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hubspot_sdk import HubSpot

from sources.hubspot_emulator.http.routes import ROUTES
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

LABELLED = {"association_category": "HUBSPOT_DEFINED", "association_type_id": 279}
EXPORT: dict[str, Any] = {
    "export_type": "VIEW", "format": "CSV", "export_name": "contacts", "language": "EN",
    "object_properties": ["email"], "object_type": "contacts", "associated_object_type": [],
    "export_internal_values_options": ["NAMES"], "include_labeled_associations": False,
    "include_primary_display_property_for_associated_objects": False,
    "override_associated_objects_per_definition_per_row_limit": False,
}  # fmt: skip


class World:
    """A portal with two contacts and a company that the cases use, and the client."""

    def __init__(self, server: EmulatorServer) -> None:
        self.portal = server.portal
        self.new = HubSpot(access_token=server.token, base_url=server.url, max_retries=0)
        self.ada = server.portal.create(
            "contacts", {"email": "ada@example.com", "firstname": "Ada"}
        )
        self.bob = server.portal.create("contacts", {"email": "bob@example.com"})
        self.acme = server.portal.create("companies", {"name": "Acme"})
        server.portal.associate("contacts", self.ada, "companies", self.acme)


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
        lambda w: w.new.crm.objects.contacts.list(limit=3, properties=["email", "firstname"]),
        lambda got: len(got.results) == 3 and got.paging.next.after,
    ),
    "objects.batch_read": (
        lambda w: w.new.crm.objects.contacts.batch.get(
            inputs=[{"id": w.ada}], properties=["email"], properties_with_history=[]
        ),
        lambda got: got.results[0].properties["email"] == "ada@example.com",
    ),
    "objects.search": (
        lambda w: w.new.crm.objects.contacts.search(
            after="", filter_groups=[], limit=200, properties=["email"], sorts=["hs_object_id"]
        ),
        lambda got: got.total == len(got.results),
    ),
    "objects.get": (
        lambda w: w.new.crm.objects.contacts.get(w.ada, properties=["email"]),
        lambda got: got.properties["email"] == "ada@example.com",
    ),
    "objects.create": (
        lambda w: w.new.crm.objects.contacts.create(
            associations=[], properties={"email": "new@example.com"}
        ),
        lambda got: got.properties["email"] == "new@example.com",
    ),
    "objects.update": (
        lambda w: w.new.crm.objects.contacts.update(
            "ada@example.com", properties={"firstname": "Grace"}, id_property="email"
        ),
        lambda got: got.properties["firstname"] == "Grace",
    ),
    "objects.archive": (
        lambda w: w.new.crm.objects.contacts.delete(w.ada),
        lambda got: got is None,
    ),
    "objects.batch_create": (
        lambda w: w.new.crm.objects.contacts.batch.create(
            inputs=[{"properties": {"email": "x@example.com"}, "associations": []}]
        ),
        lambda got: got.results[0].id,
    ),
    "objects.batch_update": (
        lambda w: w.new.crm.objects.contacts.batch.update(
            inputs=[{"id": w.ada, "properties": {"firstname": "G"}}]
        ),
        lambda got: got.results[0].properties["firstname"] == "G",
    ),
    "objects.batch_upsert": (
        lambda w: w.new.crm.objects.contacts.batch.upsert(
            inputs=[{"id": "y@example.com", "id_property": "email", "properties": {}}]
        ),
        lambda got: got.results[0].new,
    ),
    "objects.batch_archive": (
        lambda w: w.new.crm.objects.contacts.batch.delete(inputs=[{"id": w.ada}]),
        lambda got: got is None,
    ),
    "objects.merge": (
        lambda w: w.new.crm.objects.contacts.merge(
            primary_object_id=w.ada, object_id_to_merge=w.bob
        ),
        lambda got: got.id,
    ),
    "objects.gdpr_delete": (
        lambda w: w.new.crm.objects.contacts.gdpr_delete(object_id=w.ada),
        lambda got: got is None,
    ),
    "associations.batch_read": (
        lambda w: w.new.crm.associations.batch.get(
            "companies", from_object_type="contacts", inputs=[{"id": w.ada}]
        ),
        lambda got: isinstance(got.results[0].to[0].to_object_id, str),
    ),
    "associations.labels": (
        lambda w: w.new.crm.associations_schema.labels.list_labels(
            "companies", from_object_type="contacts"
        ),
        lambda got: {one.label for one in got.results} >= {None, "Primary"},
    ),
    "associations.create_label": (
        lambda w: w.new.crm.associations_schema.labels.create_label(
            "companies", from_object_type="contacts", label="Boss", name="boss"
        ),
        lambda got: [one.label for one in got.results] == ["Boss", "Boss"],
    ),
    "associations.batch_create": (
        lambda w: w.new.crm.associations.batch.create(
            "companies", from_object_type="contacts",
            inputs=[{"from": {"id": w.bob}, "to": {"id": w.acme}, "types": [LABELLED]}],
        ),
        lambda got: got.results,
    ),
    "associations.batch_create_default": (
        lambda w: w.new.crm.associations.batch.create_default(
            "companies", from_object_type="contacts",
            inputs=[{"from": {"id": w.bob}, "to": {"id": w.acme}}],
        ),
        lambda got: got.results,
    ),
    "associations.batch_archive": (
        lambda w: w.new.crm.associations.batch.delete(
            "companies", from_object_type="contacts",
            inputs=[{"from": {"id": w.ada}, "to": [{"id": w.acme}]}],
        ),
        lambda got: got is None,
    ),
    "associations.batch_archive_labels": (
        lambda w: w.new.crm.associations.batch.delete_labels(
            "companies", from_object_type="contacts",
            inputs=[{"from": {"id": w.ada}, "to": {"id": w.acme}, "types": [LABELLED]}],
        ),
        lambda got: got is None,
    ),
    "links.of_record": (
        lambda w: w.new.crm.associations.list(
            "companies", object_type="contacts", object_id=w.ada
        ),
        lambda got: got.results[0].to_object_id,
    ),
    "links.put_default": (
        lambda w: w.new.crm.associations.create(
            w.acme, from_object_type="contacts", from_object_id=w.bob, to_object_type="companies"
        ),
        lambda got: got.results,
    ),
    "links.put": (
        lambda w: w.new.crm.associations.update_labels(
            w.acme, object_type="contacts", object_id=w.bob, to_object_type="companies",
            body=[{"association_category": "HUBSPOT_DEFINED", "association_type_id": 1}],
        ),
        lambda got: got.labels == ["Primary"],
    ),
    "links.delete": (
        lambda w: w.new.crm.associations.delete(
            w.acme, object_type="contacts", object_id=w.ada, to_object_type="companies"
        ),
        lambda got: got is None,
    ),
    "properties.list": (
        lambda w: w.new.crm.properties.list("0-1"),
        lambda got: "email" in {one.name for one in got.results},
    ),
    "properties.groups": (
        lambda w: w.new.crm.properties.groups.list("contacts"),
        lambda got: got.results,
    ),
    "properties.get": (
        lambda w: w.new.crm.properties.get("email", object_type="contacts"),
        lambda got: got.has_unique_value,
    ),
    "properties.batch_read": (
        lambda w: w.new.crm.properties.batch.get(
            "contacts", archived=False, data_sensitivity="non_sensitive",
            inputs=[{"name": "email"}],
        ),
        lambda got: got.results[0].name == "email",
    ),
    "properties.create": (
        lambda w: w.new.crm.properties.create(
            "contacts", name="shoe_size", label="Shoe", type="number", field_type="number",
            group_name="information",
        ),
        lambda got: got.name == "shoe_size",
    ),
    "properties.update": (
        lambda w: w.new.crm.properties.update("is_vip", object_type="contacts", label="VIP"),
        lambda got: got.label == "VIP",
    ),
    "properties.archive": (
        lambda w: w.new.crm.properties.delete("is_vip", object_type="contacts"),
        lambda got: got is None,
    ),
    "schemas.list": (
        lambda w: w.new.crm.object_schemas.list(include_property_definitions=False),
        lambda got: all(one.properties == [] for one in got.results),
    ),
    "schemas.get": (
        lambda w: w.new.crm.object_schemas.get("vehicle"),
        lambda got: got.object_type_id == "2-7234126",
    ),
    "schemas.batch_read": (
        lambda w: w.new.crm.object_schemas.batch.get(
            include_association_definitions=True, include_audit_metadata=True,
            include_property_definitions=True, inputs=["2-7234126"],
        ),
        lambda got: got.results[0].name == "vehicle",
    ),
    "schemas.delete": (
        lambda w: w.new.crm.object_schemas.delete(w.portal.create_custom_object("boat")),
        lambda got: got is None,
    ),
    "schemas.create": (
        lambda w: w.new.crm.object_schemas.create(
            allows_sensitive_properties=False, associated_objects=["CONTACT"],
            labels={"singular": "Boat", "plural": "Boats"}, name="boat", properties=[],
            required_properties=["name"], searchable_properties=["name"],
            secondary_display_properties=[],
        ),
        lambda got: got.fully_qualified_name == "p1234567_boat",
    ),
    "pipelines.list": (
        lambda w: w.new.crm.pipelines.list("deals"),
        lambda got: [one.id for one in got.results] == ["default", "renewals"],
    ),
    "pipelines.get": (
        lambda w: w.new.crm.pipelines.get("0", object_type="tickets"),
        lambda got: got.stages[0].metadata == {"ticketState": "OPEN"},
    ),
    "pipelines.stages": (
        lambda w: w.new.crm.pipelines.list_stages("default", object_type="deals"),
        lambda got: len(got.results) == 5,
    ),
    "pipelines.stage": (
        lambda w: w.new.crm.pipelines.get_stage(
            "closedwon", object_type="deals", pipeline_id="default"
        ),
        lambda got: got.label == "Closed won",
    ),
    "owners.list": (
        lambda w: w.new.crm.owners.list(archived=True),
        lambda got: [one.user_id for one in got.results] == [None] * 3,
    ),
    "owners.get": (
        lambda w: w.new.crm.owners.get(9586504, id_property="userId"),
        lambda got: got.id == "41629779",
    ),
    "account.details": (lambda w: w.new.account.get(), lambda got: got.portal_id == 1234567),
    "account.usage": (
        lambda w: w.new.account.get_daily_private_apps_usage(),
        lambda got: got.results[0].fetch_status == "SUCCESS",
    ),
    "limits.records": (
        lambda w: w.new.crm.limits.get_record_limits(),
        lambda got: got.hubspot_defined_object_types[0].usage > 30,
    ),
    "library.enablement": (
        lambda w: w.new.crm.object_library.enablement.get_all(),
        lambda got: got.enablement_by_object_type_id["0-421"] is True,
    ),
    "library.enablement_of": (
        lambda w: w.new.crm.object_library.enablement.get_by_object_type_id("0-421"),
        lambda got: got.enablement is True,
    ),
    "exports.start": (
        lambda w: w.new.crm.exports.create_async(**EXPORT), lambda got: got.id.isdecimal()
    ),
    "exports.status": (
        lambda w: w.new.crm.exports.get_status(int(w.new.crm.exports.create_async(**EXPORT).id)),
        lambda got: got.status == "COMPLETE" and got.result.startswith("http"),
    ),
    "exports.detail": (
        lambda w: w.new.crm.exports.get(int(w.new.crm.exports.create_async(**EXPORT).id)),
        lambda got: (got.export_state, got.object_properties) == ("ENQUEUED", ["email"]),
    ),
}  # fmt: skip


def test_every_dated_route_has_a_case() -> None:
    """Each route is driven in its dated form, where it has one."""
    assert {r.name for r in ROUTES if "{version}" in "".join(r.paths)} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_route(world: World, name: str) -> None:
    """HubSpot's own client understands the answer of this route."""
    call, holds = CASES[name]
    got = call(world)
    assert holds(got), got
    last = world.portal.journal[-1]
    assert (name, True, True) == (last.kind, last.status < 300, "/2026-03" in last.path)


# what the client reads besides records: a call, and the member that holds its rows
READS: dict[str, tuple[Callable[[World], Any], str]] = {
    "lists": (lambda w: w.new.crm.lists.list(list_ids=["17"], include_filters=True), "lists"),
    "imports": (lambda w: w.new.crm.imports.list(), "results"),
    "import errors": (lambda w: w.new.crm.imports.list_errors("41"), "results"),
    "deal splits": (lambda w: w.new.crm.deal_splits.batch.read(inputs=[{"id": "1"}]), "results"),
    "campaigns": (lambda w: w.new.marketing.campaigns.list(properties=["hs_name"]), "results"),
    "e-mails": (lambda w: w.new.marketing.emails.list(include_stats=True), "results"),
    "histogram": (lambda w: w.new.marketing.emails.get_histogram(interval="DAY"), "results"),
    "marketing events": (lambda w: w.new.marketing.marketing_events.list(), "results"),
    "pages": (lambda w: w.new.cms.pages.site_pages.list(), "results"),
    "landing pages": (lambda w: w.new.cms.pages.landing_pages.list(), "results"),
    "blogs": (lambda w: w.new.cms.blogs.settings.list(), "results"),
    "domains": (lambda w: w.new.cms.domains.list(), "results"),
    "redirects": (lambda w: w.new.cms.url_redirects.list(), "results"),
    "CMS audit": (lambda w: w.new.cms.audit_logs.list(), "results"),
    "HubDB tables": (lambda w: w.new.cms.hubdb.tables.list(), "results"),
    "HubDB rows": (lambda w: w.new.cms.hubdb.rows.list("cities"), "results"),
    "occurrences": (lambda w: w.new.events.occurrences.list(event_type="e_visited_page"),
                    "results"),
    "event types": (lambda w: w.new.events.occurrences.list_event_types(), "event_types"),
    "event definitions": (lambda w: w.new.events.definitions.list(), "results"),
    "sequences": (lambda w: w.new.automation.sequences.list(user_id="9586504"), "results"),
    "users": (lambda w: w.new.settings.users.list(), "results"),
    "audit log": (lambda w: w.new.account.activity.list_audit_logs(), "results"),
    "logins": (lambda w: w.new.account.activity.list_login_activities(), "results"),
    "security": (lambda w: w.new.account.activity.list_security_activities(), "results"),
    "subscriptions": (lambda w: w.new.communication_preferences.definitions.list(), "results"),
    "statuses": (lambda w: w.new.communication_preferences.statuses.batch.read(
        channel="EMAIL", inputs=["a@example.com"]), "results"),
    "business units": (lambda w: w.new.business_units.business_unit_entries.get_by_user_id(
        "9586504"), "results"),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_the_client_reads_collections(world: World, name: str) -> None:
    """The client of HubSpot understands every collection that it knows."""
    call, rows = READS[name]
    assert len(getattr(call(world), rows)) > 0
