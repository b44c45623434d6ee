"""How many calls a run makes: of a first load, an increment and an idle run, kind by kind."""

import random
from collections import Counter
from math import ceil

from conftest import Warehouse
from truth import differences, link_differences

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

HOUR = 3_600_000
OBJECTS = ("contacts", "companies", "deals")
MIXED = {f"contacts_to_{other}": ("contacts", other) for other in ("companies", "deals")}
PAIRS = MIXED | {"companies_to_deals": ("companies", "deals")}


def made(portal: Portal) -> Counter[str]:
    """Count the calls since the journal was cleared, by kind of endpoint, and clear it."""
    calls = Counter(call.kind for call in portal.journal)
    portal.journal.clear()
    return calls


def test_least_calls(portal: Portal, warehouse: Warehouse) -> None:
    """All links of a pair are read from its smaller side, and metadata no more often than needed.

    Records come in pages of 100, of which no more than two in a hundred are read twice. The types
    of links that were read from the other side are those of their own direction.
    """
    portal.reset(SeedSpec(contacts=3_300, companies=900, deals=700, properties=8, handful=False))
    portal.settings.association_page_size = 5_000  # else the largest company takes two calls
    paired = portal.create_label("contacts", "companies", "Buys from", "Sells to")
    people, firms = (list(portal.records(kind)) for kind in ("contacts", "companies"))
    for number in range(0, 60, 3):
        portal.associate("contacts", people[number], "companies", firms[-1], type_id=paired)
    assert warehouse.sync(*OBJECTS).exit_code == 0
    listed = [call for call in portal.journal if call.kind == "objects.list"]
    pages = [call for call in listed if call.query["archived"] == "false"]
    first, live = made(portal), {kind: len(list(portal.records(kind))) for kind in OBJECTS}
    assert link_differences(portal, warehouse, PAIRS) == []
    sides = [
        (live["contacts"], live["contacts"]),
        (live["contacts"], live["companies"]),
        (live["contacts"], live["deals"]),
        *([(live["companies"], live["companies"])] * 3),
    ]
    least = sum(ceil(min(ends) / 1000) for ends in sides)
    assert first["associations.batch_read"] == least + len(MIXED)  # one each tells its types apart
    assert len(pages) <= ceil(1.02 * sum(ceil(count / 100) for count in live.values()))
    assert first["properties.list"] == len(OBJECTS)
    assert first["pipelines.list"] == 1
    assert warehouse.sync(*OBJECTS).exit_code == 0
    idle = made(portal)
    assert idle["account.details"] == 1
    assert idle["objects.search"] == len(OBJECTS)
    kinds = ("owners.list", "pipelines.list", "schemas.list", "properties.list")
    assert sum(idle[kind] for kind in (*kinds, "associations.labels")) == 0


def test_links_from_the_smaller_side_stay_true(portal: Portal, warehouse: Warehouse) -> None:
    """Links that come, go and change their label alone are found from the smaller side.

    Over several loads, and the names of labels are those of the table's direction.
    """
    portal.reset(SeedSpec(contacts=1_300, companies=300, deals=0, properties=8, handful=False))
    paired = portal.create_label("contacts", "companies", "Buys from", "Sells to")
    people, firms = (list(portal.records(kind)) for kind in ("contacts", "companies"))
    portal.associate("contacts", people[0], "companies", firms[-1], type_id=paired)
    small = warehouse.with_settings(load_rows=1_000)
    small.sync("contacts", "companies")
    pairs = {"contacts_to_companies": ("contacts", "companies")}
    assert link_differences(portal, warehouse, pairs) == []
    portal.dissociate("contacts", people[0], "companies", firms[-1])
    portal.associate("contacts", people[5], "companies", firms[-1], type_id=paired)
    portal.associate("contacts", people[6], "companies", firms[-2])
    portal.archive("companies", firms[3])
    portal.rename_label("contacts", "companies", paired, "Bought from", "Sells to")
    portal.clock.advance(13 * 3_600_000)
    small.sync("contacts", "companies")
    assert link_differences(portal, warehouse, pairs) == []
    labels = warehouse.rows("SELECT label FROM contacts_to_companies WHERE type_id = ?", paired)
    assert labels == [("Bought from",)]


def test_an_increment_of_300(portal: Portal, warehouse: Warehouse) -> None:
    """300 changed contacts cost twelve calls where no sweep is due, whatever order they are in."""
    spec = SeedSpec(contacts=1_300, companies=90, deals=70, properties=8, handful=False)
    warehouse.load(portal, spec, *OBJECTS)
    portal.clock.advance(20 * 60_000)
    changed = list(portal.records("contacts"))[:300]
    random.Random(7).shuffle(changed)
    for id_ in changed:
        portal.update("contacts", id_, {"jobtitle": "CTO"})
        portal.clock.advance(1)
    portal.clock.advance(60_000)
    portal.journal.clear()
    quiet = warehouse.with_settings(sweep_at_once_calls=0)
    assert quiet.sync(*OBJECTS).tables["contacts"].rows == 300
    assert made(portal) == {
        "account.details": 1,
        "properties.list": 1,
        "objects.search": len(OBJECTS) + 1,
        "objects.batch_read": 3,
        "associations.batch_read": 3,
    }


def test_types_without_records(portal: Portal, warehouse: Warehouse) -> None:
    """A type without records costs the search that counts them; its archive is swept once a day.

    What lies there is loaded with its values, in the first run. An archive that HubSpot refuses is
    asked for once a day, too.
    """
    names = ("deals", "tickets", "products")
    spec = SeedSpec(contacts=5, companies=0, deals=0, tickets=0, properties=8, handful=False)
    portal.reset(spec)
    portal.archive("tickets", portal.create("tickets", {"subject": "Lost"}))
    portal.faults.add(method="GET", path="objects/.*/products$", status=400)
    listed = []
    for hours in (0, 1, 13, 11):
        portal.clock.advance(hours * HOUR)
        portal.journal.clear()
        assert warehouse.sync("contacts", *names).status == "ok"
        calls = [call.kind for call in portal.journal if call.type in {"deals", "products"}]
        assert calls.count("objects.search") == 2
        listed.append((calls.count("objects.list"), len(calls) - 2))
        assert differences(portal, warehouse, {"tickets": "tickets"}) == []
        assert [row["subject"] for row in warehouse.table("tickets").values()] == ["Lost"]
    assert listed == [(2, 2), (0, 0), (0, 0), (2, 2)]
    portal.faults.clear()
    portal.create("deals", {"dealname": "First"})
    portal.clock.advance(HOUR)
    warehouse.sync("contacts", *names)
    assert [row["dealname"] for row in warehouse.table("deals").values()] == ["First"]
