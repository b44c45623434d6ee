"""Where copies of a portal lose, double or empty something, one test for each way.

More changes in one millisecond than search can page, and an idle run that reads nothing, are in
`test_changes` and `test_sync`; deletions, merges and calculated values in `test_rows`.
"""

from random import Random

import pytest
from conftest import Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import differences, link_differences

from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import ANOMALIES

pytestmark = pytest.mark.usefixtures("records_alone")

BOTH = ("contacts", "companies")
LISTING = r"/contacts\?.*archived=false"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def seeded(portal: Portal, contacts: int = 60, **spec: int) -> dict[str, list[str]]:
    """Seed a portal, as `FEW` says if nothing else; return the ids of live records by type."""
    small = {"companies": 20, "properties": 12, "custom_objects": 0, "handful": False}
    portal.reset(SeedSpec(contacts=contacts, **(small | spec)))
    return {name: list(portal.records(name)) for name in (*BOTH, "deals")}


def apart(portal: Portal, warehouse: Warehouse, *tables: str) -> list[str]:
    """List all that differs: records, values, what became of deleted ones, links."""
    tables = tables or BOTH
    with warehouse.reading():
        found = differences(portal, warehouse, {table: table for table in tables})
        known = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hubspot'"
        names = {name for (name,) in warehouse.rows(known)}
        for at, source in enumerate(tables):
            for target in tables[at:]:
                pair = f"{source}_to_{target}"
                if pair in names:
                    found += link_differences(portal, warehouse, {pair: (source, target)})
                elif portal.associations(source, target):
                    found.append(f"{pair}: missing")
        for table in tables:
            records, live = portal.table(table), portal.records(table)
            archived = portal.records(table, archived=True)
            for id_, row in warehouse.table(table).items():
                into = str(records.survivor(int(id_)))
                became = "archived" if id_ in archived else "purged" if into == id_ else "merged"
                wanted = (became, into if became == "merged" else None)
                if id_ not in live and (row["_hs_deletion"], row["_hs_merged_into"]) != wanted:
                    lost = became == "merged" and into not in live  # nothing tells of that merge
                    found += [] if lost else [f"{table} {id_}: not {wanted}"]
    return found


def pages_listed(portal: Portal) -> int:
    """Count the pages of live records that were listed with all their properties."""
    calls = portal.journal.find(method="GET", path_contains="/objects/")
    live = [call for call in calls if call.query.get("archived") == "false"]
    return sum("createdate" in call.query.get("properties", "") for call in live)


def records_read(portal: Portal) -> int:
    """Count the ids that were asked for in batch reads."""
    calls = portal.journal.find(path_contains="/contacts/batch/read")
    return sum(len(call.body["inputs"]) for call in calls if "/objects/" in call.path)


class Stir:
    """Changes a portal a little whenever it is called, in turn in all the ways that people do."""

    def __init__(self, *kinds: str) -> None:
        self.kinds, self.chance, self.calls = kinds, Random(1), 0

    def __call__(self, portal: Portal) -> None:
        """Make one change."""
        ways = (self.edit, self.create, self.archive, self.link, self.merge, self.unlink)
        ways += (self.purge, self.label)
        rounds, way = divmod(self.calls, len(ways))
        self.calls += 1
        ways[way](portal, self.kinds[rounds % len(self.kinds)])

    def one(self, portal: Portal, kind: str) -> int:
        """Choose a live record."""
        return self.chance.choice(portal.table(kind).ids())

    def edit(self, portal: Portal, kind: str) -> None:
        """Change a value."""
        portal.update(kind, self.one(portal, kind), {"city": f"Town {self.calls}"})

    def create(self, portal: Portal, kind: str) -> None:
        """Create a record below all ids, and one above."""
        for id_ in (self.calls, None):
            portal.create(kind, {"city": f"Town {self.calls}"}, id=id_)

    def archive(self, portal: Portal, kind: str) -> None:
        """Put a record into the recycle bin."""
        portal.archive(kind, self.one(portal, kind))

    def merge(self, portal: Portal, kind: str) -> None:
        """Merge two records."""
        portal.merge(kind, *self.chance.sample(portal.table(kind).ids(), 2))

    def purge(self, portal: Portal, kind: str) -> None:
        """Remove a record for good."""
        portal.purge(kind, self.one(portal, kind))

    def link(self, portal: Portal, kind: str) -> None:
        """Associate two records."""
        portal.associate(kind, self.one(portal, kind), "companies", self.one(portal, "companies"))

    def unlink(self, portal: Portal, _kind: str) -> None:
        """Remove an association."""
        contact, firm, *_ = self.chance.choice(portal.associations(*BOTH))
        portal.dissociate("contacts", contact, "companies", firm)

    def label(self, portal: Portal, _kind: str) -> None:
        """Give an association a label."""
        contact, firm, *_ = self.chance.choice(portal.associations(*BOTH))
        label = portal.create_label(*BOTH, f"Label {self.calls}")
        portal.associate("contacts", contact, "companies", firm, type_id=label)


def test_portal_that_changes_between_any_two_calls(portal: Portal, warehouse: Warehouse) -> None:
    """A portal that changes with every call of a run is complete after one more, quiet run.

    Be it the first run or a later one, and also where pages are unsorted, short, empty, hold a
    row twice or one that was not asked for, and ids go up and down.
    """
    seeded(portal, 250, companies=130)
    for anomalies in ((), ANOMALIES):
        portal.settings.anomalies = anomalies
        stir = Stir(*BOTH)
        portal.mutations.add(path=r"/(objects|associations)/", operations=stir)
        warehouse.sync(*BOTH)
        assert stir.calls >= 8
        portal.mutations.clear()
        warehouse.sync(*BOTH)
        assert apart(portal, warehouse) == [], anomalies


def test_page_boundary_of_a_search(portal: Portal, warehouse: Warehouse) -> None:
    """H1, H15: records edited while search is paged push no other out; nothing else is read."""
    ids = [portal.create("contacts", {"firstname": str(number)}) for number in range(800)][:450]
    portal.clock.advance(2 * HOUR_MS)
    warehouse.sync("contacts")
    portal.clock.advance(2 * HOUR_MS)
    for id_ in ids:
        portal.update("contacts", id_, {"city": "Before"})
    edits = iter(ids)
    portal.mutations.add(
        path="/contacts/search",
        nth=[1, 2, 3],
        operations=lambda p: [
            p.update("contacts", next(edits), {"city": "After"}) for _ in range(3)
        ],
    )
    portal.journal.clear()
    warehouse.sync("contacts")
    cities = {row["city"] for id_, row in warehouse.table("contacts").items() if id_ in ids}
    assert cities == {"Before", "After"}
    assert records_read(portal) <= len(ids) + 100
    assert pages_listed(portal) == 0
    warehouse.sync("contacts")
    assert apart(portal, warehouse, "contacts") == []


def test_hand_off_from_listing_to_search(portal: Portal, warehouse: Warehouse) -> None:
    """H2: what is edited, or gets a low id, behind a listing comes with the next run."""
    ids = seeded(portal, 250)["contacts"]

    def change(portal: Portal) -> None:
        portal.update("contacts", ids[0], {"city": "Behind"})
        portal.create("contacts", {"city": "Low"}, id=7)
        portal.clock.advance(4000)
        portal.update("contacts", ids[-1], {"city": "Ahead"})

    portal.mutations.add(path=LISTING, nth=1, operations=change)
    exact = warehouse.with_settings(lookback_minutes=0)
    exact.sync("contacts")
    exact.sync("contacts")
    assert warehouse.table("contacts")["7"]["city"] == "Low"
    assert apart(portal, warehouse, "contacts") == []


def test_index_that_is_late(portal: Portal, warehouse: Warehouse) -> None:
    """H3: changes of every kind that search shows 20 minutes late are there when it has them."""
    seeded(portal)
    warehouse.load(portal, portal.spec, "contacts")
    portal.settings.search_lag_ms = 20 * MINUTE_MS
    stir = Stir("contacts")
    for minutes in (1, 25):
        for _ in range(8):
            stir(portal)
        portal.clock.advance(minutes * MINUTE_MS)
        warehouse.sync("contacts")
    portal.clock.advance(25 * MINUTE_MS)
    warehouse.sync("contacts")
    assert apart(portal, warehouse, "contacts") == []


def test_host_clock_that_is_wrong(portal: Portal, warehouse: Warehouse) -> None:
    """H3: a host ten minutes ahead of HubSpot, and then ten minutes behind, misses no change."""
    ids = seeded(portal)["contacts"]
    exact = warehouse.with_settings(lookback_minutes=0)
    portal.clock.advance(-10 * MINUTE_MS)
    exact.sync("contacts")
    for id_ in ids[:2]:
        portal.update("contacts", id_, {"city": "Now"})
        portal.clock.advance(20 * MINUTE_MS)
    exact.sync("contacts")
    assert apart(portal, warehouse, "contacts") == []


def test_links_that_cannot_be_read(portal: Portal, warehouse: Warehouse) -> None:
    """H8, H11: a pair that fails loses no link, holds up no other one, and is caught up with.

    The other one here links companies, of which only one end was touched.
    """
    links = "SELECT * FROM contacts_to_companies ORDER BY ALL"
    ids = seeded(portal)
    contacts, firms = ids["contacts"], ids["companies"]
    portal.associate("companies", firms[0], "companies", firms[1], type_id=13)
    warehouse.sync(*BOTH)
    before = warehouse.rows(links)
    for at in range(9):
        portal.update("contacts", contacts[at], {"city": "New"})
        portal.associate("contacts", contacts[at], "companies", firms[at])
    portal.update("companies", firms[0], {"city": "New"})
    portal.dissociate("companies", firms[0], "companies", firms[1])
    portal.associate("companies", firms[0], "companies", firms[2], type_id=13)
    portal.faults.add(path="/(contacts/companies|companies/contacts)/batch/read", status=503)
    assert warehouse.with_settings(max_attempts=1).sync(*BOTH).exit_code == 6
    assert warehouse.rows(links) == before
    family = {"companies_to_companies": ("companies", "companies")}
    assert link_differences(portal, warehouse, family) == []
    portal.faults.clear()
    assert warehouse.sync(*BOTH).exit_code == 0
    assert apart(portal, warehouse) == []


def test_properties_that_change(portal: Portal, warehouse: Warehouse) -> None:
    """H13: columns that are new, or of a new type, or back, are filled for untouched records.

    Only the records with a value are read for that.
    """
    text = {"type": "string", "fieldType": "text"}
    number = {"type": "number", "fieldType": "number"}
    ids = seeded(portal, 350)["contacts"]
    for name in ("size", "tint"):
        portal.create_property("contacts", text | {"name": name})
        for id_ in ids[:5]:
            portal.set_calculated("contacts", id_, {name: "12"})
    warehouse.sync("contacts")
    portal.update_property("contacts", "size", number)
    portal.archive_property("contacts", "tint")
    portal.create_property("contacts", number | {"name": "nps"})
    for id_ in ids[::70]:
        portal.set_calculated("contacts", id_, {"nps": "9"})
    portal.journal.clear()
    warehouse.sync("contacts", refresh_schema=True)
    assert (records_read(portal), pages_listed(portal)) == (9, 0)
    filled = "SELECT count(size_number), count(nps) FROM contacts"
    assert warehouse.rows(filled) == [(5, 5)]
    for id_ in ids[3:8]:
        portal.set_calculated("contacts", id_, {"tint": "7"})
    portal.create_property("contacts", text | {"name": "tint", "label": "Hue"})
    warehouse.sync("contacts", refresh_schema=True)
    left = apart(portal, warehouse, "contacts")
    assert [line for line in left if " size: " not in line] == []  # the column of the old type
    assert warehouse.rows(filled) == [(5, 5)]
    assert warehouse.rows("SELECT label FROM properties WHERE name = 'tint'") == [("Hue",)]


def test_property_that_was_archived_while_records_were_read(
    portal: Portal, warehouse: Warehouse
) -> None:
    """H13: values read while a property was archived are found and repaired by `verify`."""
    text = {"type": "string", "fieldType": "text"}
    portal.create_property("contacts", text | {"name": "tint"})
    ids = [portal.create("contacts", {"tint": "red"}) for _ in range(230)]
    portal.archive("contacts", ids.pop())
    portal.clock.advance(2 * HOUR_MS)
    for when, change in (
        ("before", lambda p: p.archive_property("contacts", "tint")),
        ("after", lambda p: p.create_property("contacts", text | {"name": "tint"})),
    ):
        portal.mutations.add(path=LISTING, nth=1, when=when, operations=change)
    warehouse.sync("contacts")
    portal.mutations.clear()
    lacking = [id_ for id_, row in warehouse.table("contacts").items() if row["tint"] is None]
    assert {*ids} & {*lacking}
    options = VerifyOptions(objects=("contacts",), sample=-1, repair=True)
    found = verify(options, collector=NULL_COLLECTOR, config=warehouse.config)
    assert found.exit_code == 0
    assert apart(portal, warehouse, "contacts") == []


def test_property_that_comes_while_a_table_is_first_listed(
    portal: Portal, warehouse: Warehouse
) -> None:
    """H13: one that was archived when the definitions were read has its values 12 hours later."""
    text = {"type": "string", "fieldType": "text"}
    portal.create_property("contacts", text | {"name": "tint"})
    for _ in range(130):
        portal.create("contacts", {"tint": "red"})
    portal.archive_property("contacts", "tint")
    portal.clock.advance(2 * HOUR_MS)
    portal.mutations.add(
        path=LISTING,
        nth=1,
        operations=lambda p: p.create_property("contacts", text | {"name": "tint"}),
    )
    warehouse.sync("contacts")
    portal.clock.advance(12 * HOUR_MS)
    warehouse.sync("contacts")
    assert apart(portal, warehouse, "contacts") == []
    assert warehouse.rows("SELECT count(tint) FROM contacts") == [(130,)]


def test_change_of_a_wide_record(portal: Portal, warehouse: Warehouse) -> None:
    """H14: a change in a portal whose names of properties fit no address comes in all columns."""
    names = [f"p{number:03d}_{'x' * 90}" for number in range(200)]
    for name in names:
        portal.create_property("contacts", {"name": name, "type": "string", "fieldType": "text"})
    one, other = (portal.create("contacts", {names[0]: "first"}) for _ in range(2))
    warehouse.sync("contacts")
    portal.update("contacts", one, {name: name[:4] for name in names})
    portal.archive("contacts", other)
    warehouse.sync("contacts")
    assert portal.journal.count(status=414) == 0
    assert apart(portal, warehouse, "contacts") == []


def test_links_that_change_alone(portal: Portal, warehouse: Warehouse) -> None:
    """H7: links added, removed and relabelled are found though no record was touched.

    Also where only one end tells of them, and between records of one type.
    """
    ids = seeded(portal)
    firms, labels = ids["companies"], [portal.create_label("contacts", "companies", "Old")]
    labels.append(portal.create_label("contacts", "companies", "New"))
    portal.settings.one_way = [("companies", "contacts")]
    linked = [row for row in portal.associations("contacts", "companies") if row[4] is None]
    for contact, firm, *_ in linked[:2]:
        portal.associate("contacts", contact, "companies", firm, type_id=labels[0])
    warehouse.sync(*BOTH)
    for at, links in ((0, False), (1, True)):
        contact, firm, *_ = linked[at]
        portal.dissociate("contacts", contact, "companies", firm, type_id=labels[0])
        portal.associate("contacts", contact, "companies", firm, type_id=labels[1])
        portal.dissociate("contacts", linked[at - 5][0], "companies", linked[at - 5][1])
        portal.associate("contacts", ids["contacts"][-1], "companies", firms[at])
        portal.associate("companies", firms[at], "companies", firms[at + 5], type_id=13)
        warehouse.sync(*BOTH, links=links)
        if not links:
            warehouse.sync(*BOTH)
        assert apart(portal, warehouse) == []
