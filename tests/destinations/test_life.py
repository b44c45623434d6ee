"""A dataset's whole life in each destination, equal to the portal after each step."""

import pytest
from dataset import Dataset
from life import HOUR_MS, LIFE
from truth import differences, link_differences

from sources.hubspot.catalog.names import link_table
from sources.hubspot_emulator.portal.store import Portal

LONG = "a_type_whose_name_is_as_long_as_hubspot_lets_it_be_and_longer_than_some"
pytestmark = pytest.mark.usefixtures("records_alone")


def test_life(portal: Portal, dataset: Dataset, subtests: pytest.Subtests) -> None:
    """Whatever happens in the portal, the dataset is equal to it after the next sync."""
    for name, change in LIFE.items():
        change(portal)
        with subtests.test(name):
            report = dataset.sync()
            assert (report.exit_code, report.error, report.warnings) == (0, None, [])
            assert dataset.wrong(portal) == []
    with subtests.test("idle"):
        for _ in range(3):  # what a new property brings is looked for until no index can lag
            portal.clock.advance(HOUR_MS)
            report = dataset.sync()
            brought = {name: one.rows for name, one in report.tables.items() if one.rows}
            if not brought:
                break
        assert (report.exit_code, brought, report.warnings) == (0, {}, [])
        assert dataset.wrong(portal) == []


def test_names_beyond_the_limit(portal: Portal, dataset: Dataset) -> None:
    """A type whose name no identifier can hold has its records and links like any other."""
    portal.create_custom_object(LONG)
    type_id = portal.type(LONG).type_id
    contacts = [portal.create("contacts", {"email": f"{n}@example.com"}) for n in range(3)]
    for contact in contacts:
        portal.associate("contacts", contact, LONG, portal.create(LONG, {"name": contact}))
    portal.clock.advance(HOUR_MS)
    assert dataset.sync("contacts", type_id).exit_code == 0
    portal.archive("contacts", contacts[0])
    portal.archive(LONG, next(iter(portal.records(LONG))))
    portal.clock.advance(HOUR_MS)
    assert dataset.sync("contacts", type_id).exit_code == 0
    table = dataset.named(f"custom_{LONG}")
    links = link_table("contacts", table)
    assert len(links) <= dataset.adapter.longest_name
    assert differences(portal, dataset, {"contacts": "contacts", table: LONG}) == []
    assert link_differences(portal, dataset, {links: ("contacts", LONG)}) == []
    portal.clock.advance(HOUR_MS)
    report = dataset.sync("contacts", type_id)
    assert (report.exit_code, report.rows, report.warnings) == (0, 0, [])
