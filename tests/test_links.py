"""Links: every page, type, category and label of each, and today's only."""

import duckdb
import pytest
from conftest import CORE, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import link_differences, tables

from pipelines.forget import forget
from pipelines.plan import plan
from pipelines.status import status
from pipelines.sync import SyncOptions
from pipelines.verify import VerifyOptions, verify
from sources.hubspot.associations import Pair, read_links
from sources.hubspot.catalog import STANDARD, select_pairs
from sources.hubspot.client import Client
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ConfigError
from sources.hubspot_emulator.seed import SeedSpec
from sources.hubspot_emulator.store import Portal

TYPES = {kind.table: kind for kind in STANDARD}
LINE_ITEMS = Pair(TYPES["deals"], TYPES["line_items"])


def test_record_with_thousands_of_links(portal: Portal, warehouse: Warehouse) -> None:
    """A deal with 1,200 line items keeps all of them, page after page."""
    portal.settings.association_page_size = 100
    deal = portal.create("deals", {"dealname": "Large"})
    other = portal.create("deals", {"dealname": "Small"})
    items = [portal.create("line_items", {"name": f"Item {n}"}) for n in range(1200)]
    for item in items:
        portal.associate("deals", deal, "line_items", item)
    portal.associate("deals", other, "line_items", items[7])
    assert warehouse.sync("deals", "line_items").exit_code == 0
    pairs = {"deals_to_line_items": ("deals", "line_items")}
    assert link_differences(portal, warehouse, pairs) == []
    assert warehouse.rows("SELECT count(*) FROM deals_to_line_items") == [(1201,)]


def test_one_bad_id_does_not_spoil_the_batch(portal: Portal, config: HubSpotConfig) -> None:
    """A batch that HubSpot refuses for one id brings the links of all others."""
    portal.reset(SeedSpec(contacts=20, deals=40, line_items=40))
    deals = list(portal.records("deals"))
    client = Client(config)
    good = read_links(client, LINE_ITEMS, deals)
    spoiled = read_links(client, LINE_ITEMS, [*deals, "not-an-id"])
    assert {id_: sorted(links) for id_, links in spoiled.items() if links} == {
        id_: sorted(links) for id_, links in good.items() if links
    }


def test_relabelled_link_is_replaced(portal: Portal, warehouse: Warehouse) -> None:
    """A link whose label changes has the new label only, also when nobody touched its ends."""
    portal.reset(SeedSpec(contacts=40, companies=20))
    contact, bystander = list(portal.records("contacts"))[:2]
    firm = next(iter(portal.records("companies")))
    old, new = (portal.create_label("contacts", "companies", name) for name in ("Buyer", "Owner"))
    portal.associate("contacts", contact, "companies", firm, type_id=old, category="USER_DEFINED")
    warehouse.sync("contacts", "companies")
    portal.dissociate("contacts", contact, "companies", firm, type_id=old)
    portal.associate("contacts", contact, "companies", firm, type_id=new, category="USER_DEFINED")
    portal.update("contacts", bystander, {"firstname": "Elsewhere"})
    warehouse.sync("contacts", "companies")
    pairs = {"contacts_to_companies": ("contacts", "companies")}
    assert link_differences(portal, warehouse, pairs) == []
    labels = warehouse.rows("SELECT label FROM association_labels WHERE label IS NOT NULL")
    assert {"Buyer", "Owner"} <= {label for (label,) in labels}


@pytest.mark.parametrize("contacts", [40, 200], ids=["from_contacts", "from_companies"])
def test_renamed_label_is_renamed_on_every_link(
    portal: Portal, warehouse: Warehouse, contacts: int
) -> None:
    """Links get a label's new name for their own direction, also after a kill before the update.

    Whichever side they are read from, and though the name in the other direction stays.
    """
    portal.reset(SeedSpec(contacts=contacts, companies=100, deals=0, tickets=0, properties=12))
    pairs = {"contacts_to_companies": ("contacts", "companies")}
    same, paired = (
        portal.create_label("contacts", "companies", *names)
        for names in (("Buyer",), ("Buys from", "Sells to"))
    )
    people, firms = (list(portal.records(kind)) for kind in ("contacts", "companies"))
    for contact, firm in zip(people[:20], firms, strict=False):
        portal.associate("contacts", contact, "companies", firm, type_id=same)
        portal.associate("contacts", contact, "companies", firm, type_id=paired)
    warehouse.sync("contacts", "companies")
    portal.rename_label("contacts", "companies", same, "Purchaser", "Buyer")
    portal.rename_label("contacts", "companies", paired, "Purchases from", "Supplies")
    warehouse.sync("contacts", "companies", refresh_schema=True)
    assert link_differences(portal, warehouse, pairs) == []
    with duckdb.connect(str(warehouse.path)) as connection:  # as a kill after the load leaves it
        old = "UPDATE hubspot.contacts_to_companies SET label = 'Buyer' WHERE label = 'Purchaser'"
        connection.execute(old)
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, pairs) == []
    portal.rename_label("contacts", "companies", same, "Buying", "Buyer")
    portal.dissociate("contacts", people[0], "companies", firms[0], type_id=paired)
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, pairs) == []


@pytest.mark.parametrize("side", ["source", "target", "target_alone"])
def test_sweep_keeps_to_the_bound_of_a_load(
    portal: Portal, warehouse: Warehouse, side: str
) -> None:
    """A sweep of many links takes several loads, and a run that ends early is gone on from there.

    Whichever side of the pair it reads.
    """
    portal.reset(SeedSpec(contacts=500, companies=250, deals=0, tickets=0, properties=12))
    if side == "target_alone":
        portal.settings.one_way = [("contacts", "companies")]
    warehouse.sync("contacts", "companies")
    warehouse.sync("contacts", "companies", links=True)
    whole = "SELECT from_id, to_id, type_id, label FROM contacts_to_companies ORDER BY ALL"
    links = warehouse.rows(whole)
    with duckdb.connect(str(warehouse.path)) as connection:
        some = "WHERE from_id > '20600'" if side == "target" else ""
        connection.execute(f"DELETE FROM hubspot.contacts_to_companies {some}")
    missing = len(links) - warehouse.rows("SELECT count(*) FROM contacts_to_companies")[0][0]
    assert missing > 900
    small, loads = warehouse.with_settings(load_rows=300), "SELECT count(*) FROM _dlt_loads"
    before = warehouse.rows(loads)[0][0]
    path = "/associations/2026-03/(contacts/companies|companies/contacts)/batch/read"
    portal.faults.add(path=path, nth=4, status=429, body={"policyName": "DAILY"})
    assert small.sync("contacts", "companies", links=True).exit_code == 5
    cut = warehouse.rows("SELECT count(*) FROM contacts_to_companies")[0][0]
    assert len(links) - missing < cut < len(links)
    portal.faults.clear()
    portal.journal.clear()
    assert small.sync("contacts", "companies").exit_code == 0
    assert warehouse.rows(whole) == links
    assert warehouse.rows(loads)[0][0] - before >= missing / 600


def test_pair_with_an_empty_end_costs_no_call(portal: Portal, warehouse: Warehouse) -> None:
    """Where one end has no records, links are not asked for."""
    for number in range(5):
        portal.create("contacts", {"email": f"c{number}@example.com"})
    warehouse.sync("contacts", "deals")
    asked = portal.journal.count(path_contains="/associations/2026-03/contacts/deals/batch/read")
    assert asked == 0


def test_run_of_one_table_reads_its_own_pairs_only(portal: Portal, warehouse: Warehouse) -> None:
    """A run that loads one of several tables sweeps, and pays for, pairs of that table alone."""
    portal.reset(SeedSpec(contacts=60, companies=20, properties=12))
    warehouse.sync()
    firm, deal = (next(iter(portal.records(kind))) for kind in ("companies", "deals"))
    portal.associate("companies", firm, "deals", deal)
    portal.journal.clear()
    warehouse.sync(only=("contacts",))
    asked = [call.path for call in portal.journal.find(path_contains="/associations/2026-03/")]
    assert len(asked) == 4  # contacts with contacts, companies, deals and tickets
    assert all("/contacts/" in path for path in asked)
    warehouse.sync(only=("deals",))
    pairs = {"companies_to_deals": ("companies", "deals")}
    assert link_differences(portal, warehouse, pairs) == []


def test_link_tables_come_with_their_first_link(portal: Portal, warehouse: Warehouse) -> None:
    """A pair without a link has no table, which troubles no command; its first link makes it."""
    portal.reset(SeedSpec(contacts=20, companies=10, tickets=5, properties=12, merges=0))
    warehouse.sync()
    linked = {table for table in tables(warehouse) if "_to_" in table}
    assert "contacts_to_contacts" not in linked
    for table in linked:
        assert warehouse.rows(f"SELECT count(*) > 0 FROM {table}") == [(True,)]
    one, other, gone = list(portal.records("contacts"))[:3]
    assert (
        verify(VerifyOptions(CORE), collector=NULL_COLLECTOR, config=warehouse.config).exit_code
        == 0
    )
    assert status().exit_code == forget("contacts", gone).exit_code == 0
    assert plan(SyncOptions(CORE), config=warehouse.config).exit_code == 0
    portal.archive("contacts", gone)
    portal.associate("contacts", one, "contacts", other)
    warehouse.sync(links=True)
    pairs = {"contacts_to_contacts": ("contacts", "contacts")}
    assert warehouse.rows("SELECT count(*) FROM contacts_to_contacts") == [(2,)]
    assert link_differences(portal, warehouse, pairs) == []
    assert {table for table in tables(warehouse) if "_to_" in table} == linked | {*pairs}


@pytest.mark.parametrize("text", ["leads", "leads:deals:quotes", "leads:nothing"])
def test_pair_that_is_none_is_refused(text: str) -> None:
    """A pair that is not two known object types is refused before anything is read."""
    with pytest.raises(ConfigError):
        select_pairs(STANDARD, [text])


def test_chosen_pair_is_read_in_its_direction(portal: Portal, warehouse: Warehouse) -> None:
    """A pair of the user's choice is read beside the default ones, as it is written."""
    portal.reset(SeedSpec(contacts=60))
    config = warehouse.with_settings(pairs=["leads:contacts"])
    config.sync("contacts", "leads")
    pairs = {"leads_to_contacts": ("leads", "contacts")}
    assert link_differences(portal, warehouse, pairs) == []
    assert warehouse.rows("SELECT count(*) > 0 FROM leads_to_contacts") == [(True,)]


def test_links_of_a_table_that_was_archived_whole(portal: Portal, warehouse: Warehouse) -> None:
    """Where all records of a table come back from the bin, their links come with them."""
    objects = ("contacts", "companies")
    pairs = {f"{a}_to_{b}": (a, b) for a, b in (objects, objects[1:] * 2, objects[:1] * 2)}
    portal.reset(SeedSpec(contacts=60, companies=20, properties=12))
    for kind in objects:
        one, *others = list(portal.records(kind))[:6]
        for other in others:
            portal.associate(kind, one, kind, other)
    warehouse.sync(*objects)
    ids = {kind: list(portal.records(kind)) for kind in objects}
    lone = warehouse.with_settings(purge_share=1.0)
    for kind in objects:
        for id_ in ids[kind]:
            portal.archive(kind, id_)
    for _ in range(2):
        lone.sync(*objects)
    assert link_differences(portal, warehouse, pairs) == []
    for kind in objects:
        for id_ in ids[kind]:
            portal.restore(kind, id_)
    for _ in range(2):
        lone.sync(*objects)
    assert warehouse.rows("SELECT count(*) FROM companies_to_companies")[0][0] > 4
    assert link_differences(portal, warehouse, pairs) == []
