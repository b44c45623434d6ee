"""Links: every page, type, category and label of each, and today's only."""

import duckdb
import pytest
from conftest import CORE, FEW, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import link_differences, tables

from pipelines.commands.forget import forget
from pipelines.commands.plan import plan
from pipelines.commands.status import status
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.api.associations import Pair, read_links
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.catalog.pairs import DEFINED, select_pairs
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ConfigError
from sources.hubspot.http.client import Client
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

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
    portal.reset(SeedSpec(contacts=20, deals=40, line_items=40, properties=12))
    deals = list(portal.records("deals"))
    client = Client(config)
    good = read_links(client, LINE_ITEMS, deals).links
    spoiled = read_links(client, LINE_ITEMS, [*deals, "not-an-id"]).links
    assert {id_: sorted(links) for id_, links in spoiled.items() if links} == {
        id_: sorted(links) for id_, links in good.items() if links
    }


def test_renamed_label_is_renamed_on_every_link(portal: Portal, warehouse: Warehouse) -> None:
    """Links get a label's new name for their own direction, also after a kill before the update.

    They are read from the other side, and the name in the other direction stays.
    """
    portal.reset(SeedSpec(contacts=200, companies=100, deals=0, tickets=0, properties=12))
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
        last = "started_at = (SELECT max(started_at) FROM hubspot._hs_runs)"
        connection.execute(f"UPDATE hubspot._hs_runs SET status = 'running' WHERE {last}")
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, pairs) == []
    portal.rename_label("contacts", "companies", same, "Buying", "Buyer")
    portal.dissociate("contacts", people[0], "companies", firms[0], type_id=paired)
    warehouse.sync("contacts", "companies")
    assert link_differences(portal, warehouse, pairs) == []


@pytest.mark.parametrize("side", ["source", "target_alone"])
def test_sweep_keeps_to_the_bound_of_a_load(
    portal: Portal, warehouse: Warehouse, side: str
) -> None:
    """A sweep of many links takes several loads, and a run that ends early is gone on from there.

    Whichever side of the pair it reads.
    """
    portal.reset(SeedSpec(contacts=500, companies=250, deals=0, tickets=0, properties=12))
    if side == "target_alone":
        portal.settings.one_way = [("contacts", "companies")]

    def load() -> None:
        warehouse.sync("contacts", "companies")
        if side == "target_alone":
            warehouse.sync("contacts", "companies", links=True)

    warehouse.once(f"links to be swept, {side == 'target_alone'}", load)
    whole = "SELECT from_id, to_id, type_id, label FROM contacts_to_companies ORDER BY ALL"
    links = warehouse.rows(whole)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("DELETE FROM hubspot.contacts_to_companies")
    assert len(links) > 900
    small, loads = warehouse.with_settings(load_rows=300), "SELECT count(*) FROM _dlt_loads"
    before = warehouse.rows(loads)[0][0]
    path = "/associations/2026-03/(contacts/companies|companies/contacts)/batch/read"
    portal.faults.add(path=path, nth=4, status=429, body={"policyName": "DAILY"})
    assert small.sync("contacts", "companies", links=True).exit_code == 5
    cut = warehouse.rows("SELECT count(*) FROM contacts_to_companies")[0][0]
    assert 0 < cut < len(links)
    portal.faults.clear()
    portal.journal.clear()
    assert small.sync("contacts", "companies").exit_code == 0
    assert warehouse.rows(whole) == links
    assert warehouse.rows(loads)[0][0] - before >= len(links) / 600


def test_run_of_one_table_reads_its_own_pairs_only(portal: Portal, warehouse: Warehouse) -> None:
    """A run that loads one of several tables sweeps, and pays for, pairs of that table alone."""
    warehouse.load(portal, FEW)
    firm, deal = (next(iter(portal.records(kind))) for kind in ("companies", "deals"))
    portal.associate("companies", firm, "deals", deal)
    portal.journal.clear()
    warehouse.sync(only=("contacts",))
    asked = [call.path for call in portal.journal.find(path_contains="/associations/2026-03/")]
    assert len(asked) == 3  # contacts with companies, deals and tickets; those with none may wait
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


@pytest.mark.parametrize("text", ["leads", "leads:deals:quotes", "leads:nothing", "-leads"])
def test_pair_that_is_none_is_refused(text: str) -> None:
    """A pair that is not two known object types is refused before anything is read."""
    with pytest.raises(ConfigError):
        select_pairs(STANDARD, [text])


@pytest.mark.parametrize(
    ("changes", "pairs"),
    [
        ([], ["contacts:orders", "leads:contacts", "orders:orders"]),
        (["orders:contacts"], ["leads:contacts", "orders:contacts"]),
        (["-contacts:leads", " -orders:contacts "], []),
        (["orders:leads", "users:users"], ["contacts:orders", "leads:contacts", "orders:leads"]),
    ],
    ids=["default", "turned", "left_out", "added"],
)
def test_what_a_user_changes_about_pairs(changes: list[str], pairs: list[str]) -> None:
    """An entry adds a pair or turns it round, one with a minus leaves it out, in any direction.

    Those of types that are not read do not matter.
    """
    chosen = [TYPES[name] for name in ("leads", "orders", "contacts")]
    found = [f"{a.table}:{b.table}" for a, b in select_pairs(STANDARD, changes, chosen)]
    expected = {*pairs, "contacts:contacts"} - {"orders:orders"}
    assert sorted(found) == sorted(expected)


def test_every_pair_is_defined_once() -> None:
    """The table of pairs names known object types, and no pair in both directions."""
    pairs = [frozenset((a, b)) for a, others in DEFINED.items() for b in others]
    assert {name for pair in pairs for name in pair} <= TYPES.keys()
    assert len(pairs) == len({*pairs})


def test_pairs_that_hubspot_defines_are_read(portal: Portal, warehouse: Warehouse) -> None:
    """Links of quotes, leads, orders and the like come by default; a run costs what has links.

    A pair without links is read again with the next change of a record, or after an hour.
    """
    portal.reset(SeedSpec(contacts=60, companies=20, deals=15, tickets=0, properties=12))
    objects = ("contacts", "deals", "line_items", "quotes", "leads", "orders", "products")
    ids = {kind: list(portal.records(kind)) for kind in objects}
    for source, target in (("contacts", "orders"), ("line_items", "orders"), ("deals", "orders")):
        portal.associate(source, ids[source][0], target, ids[target][0])
    path = "/associations/2026-03/"

    def read() -> list[str]:
        portal.journal.clear()
        assert warehouse.sync(*objects).exit_code == 0
        paths = [request.path for request in portal.journal.find(path_contains=path)]
        return sorted(one.split("/", 4)[4] for one in paths if one.endswith("/batch/read"))

    def ends(text: str) -> frozenset[str]:
        return frozenset(text.removesuffix("/batch/read").replace("_to_", "/").split("/"))

    known = [(a.table, b.table) for a, b in select_pairs([TYPES[name] for name in objects], None)]
    assert ("leads", "contacts") in known
    assert not any("products" in pair for pair in known)
    first = read()
    assert first == sorted(f"{a}/{b}/batch/read" for a, b in known)
    pairs = {f"{a}_to_{b}": (a, b) for a, b in known}
    assert link_differences(portal, warehouse, pairs) == []
    linked = {name for name in pairs if name in tables(warehouse)}
    assert {"deals_to_quotes", "leads_to_contacts", "contacts_to_orders"} < linked
    labels = warehouse.rows("SELECT DISTINCT pair FROM association_labels")
    assert {name for (name,) in labels} == linked
    main = ("contacts/contacts", "deals/deals", "contacts/deals")  # the pairs that people link most
    portal.associate("contacts", ids["contacts"][1], "quotes", ids["quotes"][0])
    for _ in range(2):
        idle = read()
        assert {ends(one) for one in idle} <= {ends(one) for one in (*linked, *main)}
    portal.clock.advance(3_700_000)
    read()
    assert link_differences(portal, warehouse, pairs) == []


def test_refused_pair_is_not_asked_for_in_every_run(portal: Portal, warehouse: Warehouse) -> None:
    """A pair that HubSpot says is none costs a call an hour, and no run fails for it."""
    portal.reset(SeedSpec(contacts=20, companies=5, deals=0, tickets=0, properties=12))
    path = "/associations/2026-03/contacts/orders/batch/read"
    portal.faults.add(path=path, status=400, body={"message": "no association of these types"})
    asked = []
    for advance in (0, 0, 3_700_000):
        portal.clock.advance(advance)
        portal.journal.clear()
        assert warehouse.sync("contacts", "orders").exit_code == 0
        asked.append(portal.journal.count(path_contains=path))
    assert asked[0] == asked[2] > asked[1] == 0
    assert asked[0] < 15  # until it is sure that no single id is the reason


def test_few_records_are_read_for_the_links_of_many(portal: Portal, warehouse: Warehouse) -> None:
    """Links of 10,000 contacts with a dozen leads are found from the side of the leads."""
    portal.reset(
        SeedSpec(contacts=10_001, odd_values=False, companies=0, properties=8, merges=0, archived=0)
    )
    people, quotes = (list(portal.records(kind)) for kind in ("contacts", "quotes"))
    portal.associate("contacts", people[-1], "quotes", quotes[0])
    assert warehouse.sync("contacts", "quotes").exit_code == 0
    path = "/associations/2026-03/"
    assert portal.journal.count(path_contains=f"{path}quotes/contacts/batch/read") == 1
    assert portal.journal.count(path_contains=f"{path}contacts/quotes/batch/read") == 1
    assert link_differences(portal, warehouse, {"contacts_to_quotes": ("contacts", "quotes")}) == []


def test_chosen_pair_is_read_in_its_direction(portal: Portal, warehouse: Warehouse) -> None:
    """A default pair that the user turns round is read as it is written, and not twice."""
    portal.reset(SeedSpec(contacts=60, properties=12))
    config = warehouse.with_settings(pairs=["orders:contacts", "companies:products"])
    order, person = (next(iter(portal.records(kind))) for kind in ("orders", "contacts"))
    portal.associate("orders", order, "contacts", person)
    config.sync("contacts", "orders")
    pairs = {"orders_to_contacts": ("orders", "contacts")}
    assert link_differences(portal, warehouse, pairs) == []
    assert warehouse.rows("SELECT count(*) > 0 FROM orders_to_contacts") == [(True,)]
    assert "contacts_to_orders" not in tables(warehouse)


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
