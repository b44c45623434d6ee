"""One contact's journey, end to end: start here to see what the connector promises."""

from datetime import UTC, datetime

from conftest import Warehouse

from sources.hubspot_emulator.portal.store import Portal


def test_one_contact(portal: Portal, warehouse: Warehouse) -> None:  # noqa: PLR0915 - one story
    """A contact is created, found, typed, loaded, changed, linked, unlinked, merged and deleted."""
    portal.create_property("contacts", {"name": "score", "type": "number", "fieldType": "number"})
    portal.create_property("contacts", {"name": "born_on", "type": "date", "fieldType": "date"})
    ada = portal.create(
        "contacts",
        {"email": "ada@example.com", "firstname": "Ada", "score": "17.5", "born_on": "1815-12-10"},
    )
    firm = portal.create("companies", {"name": "Analytical Engines"})

    # created, found, typed, loaded
    report = warehouse.sync("contacts", "companies")
    assert report.exit_code == 0
    assert report.tables["contacts"].mode == "backfill"
    row = warehouse.table("contacts")[ada]
    assert row["firstname"] == "Ada"
    assert row["score"] == 17.5
    assert row["born_on"].isoformat() == "1815-12-10"
    assert row["_hs_deleted_at"] is None
    assert row["_hs_created_at"].astimezone(UTC) <= datetime.now(UTC)

    # changed, a value that does not fit included
    portal.clock.advance(60_000)
    portal.update("contacts", ada, {"firstname": "Augusta Ada", "score": "a lot"})
    report = warehouse.sync("contacts", "companies")
    assert report.tables["contacts"].mode == "increment"
    row = warehouse.table("contacts")[ada]
    assert (row["firstname"], row["score"]) == ("Augusta Ada", None)
    rejected = "SELECT table_name, id, property, raw_value, reason FROM _hs_rejected_values"
    assert warehouse.rows(rejected) == [("contacts", ada, "score", "a lot", "not_a_number")]

    # linked, with a label
    portal.clock.advance(60_000)
    label = portal.create_label("contacts", "companies", "Founder")
    portal.associate("contacts", ada, "companies", firm, type_id=label, category="USER_DEFINED")
    portal.update("contacts", ada, {"score": "3"})
    warehouse.sync("contacts", "companies")
    links = "SELECT from_id, to_id, label FROM contacts_to_companies ORDER BY label NULLS FIRST"
    assert warehouse.rows(links) == [(ada, firm, None), (ada, firm, "Founder")]

    # unlinked
    portal.clock.advance(60_000)
    portal.dissociate("contacts", ada, "companies", firm)
    portal.update("contacts", ada, {"score": "4"})
    warehouse.sync("contacts", "companies")
    assert warehouse.rows(links) == []

    # merged with another contact: both ids go, one comes
    portal.clock.advance(60_000)
    twin = portal.create("contacts", {"email": "lovelace@example.com"})
    warehouse.sync("contacts", "companies")
    portal.clock.advance(60_000)
    survivor = portal.merge("contacts", ada, twin)
    warehouse.sync("contacts", "companies")
    rows = warehouse.table("contacts")
    assert rows[survivor]["_hs_deleted_at"] is None
    for old in (ada, twin):
        assert rows[old]["_hs_deletion"] == "merged"
        assert rows[old]["_hs_merged_into"] == survivor

    # deleted: the row stays, with its values, and says so
    portal.clock.advance(60_000)
    portal.archive("contacts", survivor)
    report = warehouse.sync("contacts", "companies")
    assert report.tables["contacts"].tombstones == 1
    row = warehouse.table("contacts")[survivor]
    assert row["_hs_deletion"] == "archived"
    assert row["_hs_archived"]
    assert row["_hs_deleted_at"] is not None
    assert row["email"] == "ada@example.com"

    # and the runs are there to be asked
    runs = warehouse.rows("SELECT status, exit_code, portal_id FROM _hs_runs")
    assert runs == [("ok", 0, portal.account["portalId"])] * 7
