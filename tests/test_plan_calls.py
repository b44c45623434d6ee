"""A plan foretells the calls of the sync that follows: as many of each kind of endpoint.

Each state is a plan and a sync of the same dataset, one after the other, so that forty states cost
forty syncs of a few records. Most portals here have no archived record at first: where there are
some, HubSpot does not report which of them were restored or purged, and a plan has bounds.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import pytest
from conftest import Warehouse

from pipelines.cli.output.report import RunReport
from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from sources.hubspot.catalog.apis import Family
from sources.hubspot.errors import DailyQuotaError
from sources.hubspot.http.paths import api_of
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import DEFAULT_TOKEN, Limits, Token

TWO = ("contacts", "companies")
MINUTE, HOUR = 60_000, 3_600_000
Ends = tuple[int, int]


def foretold(report: RunReport) -> dict[str, Ends]:
    """Return the calls of a plan by kind: least and most."""
    section = report.sections[0]
    found: dict[str, Ends] = {}
    for row in section.rows:
        line = dict(zip(section.columns, row, strict=True))
        for kind, calls in line["families"].items():
            low, high = found.get(kind, (0, 0))
            found[kind] = (low + calls["low"], high + calls["high"])
    return found


def made(portal: Portal) -> Counter[str]:
    """Return the calls that the portal answered since its journal was cleared, by kind."""
    apis = [api_of(call.path) for call in portal.journal]
    return Counter(api.family if api else "exports" for api in apis)  # their files have no API


Change = Callable[[Portal], Any]


class State(NamedTuple):
    """What becomes of a portal before a plan and a sync."""

    name: str
    change: Change = lambda _portal: None
    options: Mapping[str, Any] = MappingProxyType({})
    settings: Mapping[str, Any] = MappingProxyType({})
    bounded: frozenset[str] = frozenset()
    """Kinds of calls of which HubSpot alone decides how many there are."""
    soak: bool = False
    """Whether only `tests/soak.py --plans` goes through it: there are others much like it."""


def check(portal: Portal, warehouse: Warehouse, state: State) -> None:
    """Plan, sync, and compare every kind of call: exact, but for those that are bounded."""
    state.change(portal)
    options = SyncOptions(**{"objects": TWO, **state.options})
    used = warehouse.with_settings(**state.settings)
    ranges = foretold(plan(options, config=used.config))
    portal.journal.clear()
    names = ("full_refresh", "links", "backfill")
    used.sync(*options.objects, **{name: getattr(options, name) for name in names})
    truth = made(portal)
    for kind in {*ranges, *truth}:
        low, high = ranges.get(kind, (0, 0))
        assert low <= truth[kind] <= high, (state.name, kind, (low, high), truth[kind])
        assert kind in state.bounded or low == high, (state.name, kind, (low, high), truth[kind])


def run_all(
    portal: Portal, warehouse: Warehouse, states: Sequence[State], *, soak: bool = False
) -> None:
    """Go through states one after the other; through those for the soak where it is one."""
    for state in states:
        if soak or not state.soak:
            check(portal, warehouse, state)


def seed(portal: Portal, contacts: int = 220, *, archived: float = 0) -> None:
    """Fill a portal with a few records, and with links in every pair of contacts and companies."""
    spec = SeedSpec(seed=3, contacts=contacts, companies=30, properties=10, archived=archived)
    portal.reset(spec)
    for table in TWO:
        one, other, *_ = ids(portal, table)
        portal.associate(table, one, table, other)
    portal.clock.advance(5 * MINUTE)


def ids(portal: Portal, table: str = "contacts") -> list[str]:
    """Return the ids of a table's live records."""
    return list(portal.records(table))


def edit(portal: Portal, count: int) -> None:
    """Change so many contacts."""
    for id_ in ids(portal)[:count]:
        portal.update("contacts", id_, {"lastname": str(portal.clock.now_ms())})
    portal.clock.advance(5 * MINUTE)


def later(hours: float) -> Change:
    """Let hours pass."""
    return lambda portal: portal.clock.advance(int(hours * HOUR))


def create(portal: Portal, count: int) -> None:
    """Create so many contacts."""
    for number in range(count):
        portal.create("contacts", {"email": f"new{number}@example.com"})
    portal.clock.advance(5 * MINUTE)


ALL = frozenset(get_args(Family))
FIRST = frozenset({"records", "links", "labels"})
"""How many records are archived, and which pairs have links, is known after the first load."""
LEFT = frozenset({"records", "links"})
"""HubSpot alone knows who left the archive, and what is linked with those that are restored."""
LINKS = frozenset({"links"})
"""HubSpot alone knows which links of changed records are new, and how many pages of them."""
LABELS = frozenset({"labels"})
"""HubSpot alone knows whether a link of those that are read has the label that was renamed."""
COUNTED = frozenset({"records", "searches"})
"""HubSpot alone knows whether the counts agree again, once the archive was swept."""


def new_property(portal: Portal) -> None:
    """Create a property; five contacts have a value of it."""
    portal.create_property("contacts", {"name": "shoe_size", "type": "number"})
    for id_ in ids(portal)[:5]:
        portal.update("contacts", id_, {"shoe_size": "43"})
    portal.clock.advance(5 * MINUTE)


def first_archived(portal: Portal) -> str:
    """Return the id of an archived contact."""
    return next(iter(portal.records("contacts", archived=True)))


def purge_archived(portal: Portal) -> None:
    """Remove an archived contact for good, as 90 days in the recycle bin do."""
    portal.purge("contacts", first_archived(portal))
    portal.clock.advance(5 * MINUTE)


def edit_and_purge(portal: Portal) -> None:
    """Change sixty contacts, and remove an archived one for good."""
    edit(portal, 60)
    purge_archived(portal)


def restore(portal: Portal) -> None:
    """Take a contact out of the recycle bin, and link it again."""
    id_ = first_archived(portal)
    portal.restore("contacts", id_)
    portal.associate("contacts", id_, "companies", ids(portal, "companies")[0])
    portal.clock.advance(5 * MINUTE)


def swap(portal: Portal) -> None:
    """Restore one contact and archive another."""
    live = ids(portal)[5]
    restore(portal)
    portal.archive("contacts", live)


def link(portal: Portal, table: str) -> None:
    """Link the first contact with the last record of a table."""
    portal.associate("contacts", ids(portal)[0], table, ids(portal, table)[-1])


def link_and_edit(portal: Portal) -> None:
    """Link the first contact with a company, and change it."""
    link(portal, "companies")
    edit(portal, 1)


def hub(portal: Portal) -> None:
    """Link all contacts with the first company, which takes a second page of links."""
    company, *_ = ids(portal, "companies")
    for id_ in ids(portal):
        portal.associate("contacts", id_, "companies", company)
    edit_company(portal)


def edit_company(portal: Portal) -> None:
    """Change the first company."""
    company, *_ = ids(portal, "companies")
    portal.update("companies", company, {"name": str(portal.clock.now_ms())})
    portal.clock.advance(5 * MINUTE)


def new_label(portal: Portal) -> None:
    """Give a link a label, so that its labels are read when they are old."""
    type_id = portal.create_label(*TWO, "Buyer", "Bought by")
    portal.associate(TWO[0], ids(portal)[0], TWO[1], ids(portal, TWO[1])[0], type_id)
    later(13)(portal)


def rename_label(portal: Portal) -> None:
    """Give the label of a link another name; nothing else changes."""
    type_id = next(kind for *_, kind, _, label in portal.associations(*TWO) if label == "Buyer")
    portal.rename_label(*TWO, type_id, "Customer", "Sold to")
    later(2)(portal)


def recalculate(portal: Portal) -> None:
    """Change a calculated value of a contact, and nothing else."""
    definitions = portal.table("contacts").definitions
    name = next(name for name, one in definitions.items() if one.get("calculated"))
    portal.set_calculated("contacts", ids(portal)[3], {name: "4711"})
    later(2)(portal)


def merge(portal: Portal) -> None:
    """Merge two contacts."""
    one, other, *_ = ids(portal)
    portal.merge("contacts", one, other)
    portal.clock.advance(5 * MINUTE)


def create_and_archive(portal: Portal) -> None:
    """Create a record of a type that was not used, and archive it at once."""
    portal.archive("carts", portal.create("carts", {}))
    later(25)(portal)


def list_type(*, listed: bool) -> Change:
    """Have HubSpot list the portal's own object types, or no more."""

    def change(portal: Portal) -> None:
        for schema in portal.schemas.values():
            schema["archived"] = not listed
        later(0.1)(portal)

    return change


def link_inside(portal: Portal) -> None:
    """Link two contacts and change one of them: the other one's links are read, too."""
    link(portal, "contacts")
    edit(portal, 1)


def first_link(portal: Portal) -> None:
    """Link two contacts; when the pair is swept again, no contact has changed."""
    link(portal, "contacts")
    later(2)(portal)


def purge_all(portal: Portal) -> None:
    """Remove all contacts for good."""
    for id_ in ids(portal):
        portal.purge("contacts", id_)
    portal.clock.advance(5 * MINUTE)


def lost_scope(portal: Portal) -> None:
    """Take the scope for companies from the token."""
    scopes = {f"crm.{what}.contacts.read" for what in ("objects", "schemas")}
    portal.settings.tokens = {DEFAULT_TOKEN: Token(frozenset(scopes))}


CALM = [
    State("first sync", bounded=FIRST),
    State("idle at once"),
    State("idle, sweeps due", later(0.1)),
    State("idle, sweeps not due", later(0.1)),
    State("idle for two hours", later(2)),
    State("idle for thirteen hours: labels and definitions", later(13)),
    State(
        "nothing is cheap, nothing due",
        later(0.1),
        settings={"sweep_at_once_calls": 0},
        soak=True,
    ),
    State("nothing is cheap, the hour is over", later(2), settings={"sweep_at_once_calls": 0}),
    State(
        "nothing is cheap, the day is over: calculated values are not compared before",
        later(25),
        settings={"sweep_at_once_calls": 0},
        bounded=frozenset({"records", "links"}),
        soak=True,
    ),
    State("the share is spent", later(2), settings={"sweep_share": 1e-9}),
    State("sweeps in every run", later(0.1), settings={"sweep_hours": 0, "links_hours": 0}),
    State("all links by request", later(0.1), options={"links": True}),
    State("one table of two", later(0.1), options={"objects": ("contacts",)}),
    State("a table more", later(0.1), options={"objects": (*TWO, "notes")}, bounded=FIRST),
    State(
        "types without records more",
        options={"objects": (*TWO, "carts", "taxes")},
        bounded=frozenset({"records", "definitions"}),
    ),
    State("the same when idle", later(2), options={"objects": (*TWO, "carts", "taxes")}),
    State(
        "a record of an unused type was created and archived",
        create_and_archive,
        options={"objects": (*TWO, "carts", "taxes")},
        bounded=frozenset({"records", "definitions"}),
        soak=True,
    ),
    State(
        "a type without search", options={"objects": (*TWO, "contracts")}, bounded=FIRST, soak=True
    ),
    State("a full refresh", options={"full_refresh": True}, bounded=FIRST),
]
EVERY_RUN, ALL_MAY_GO = {"sweep_hours": 0}, {"purge_share": 1}
BUSY = [
    State("first sync by export", options={"backfill": "export"}, bounded=FIRST | {"exports"}),
    State("idle after it", later(0.1)),
    State("three records changed", lambda p: edit(p, 3), bounded=LINKS),
    State("a link inside a table", link_inside, bounded=LINKS),
    State("the same, seen again", later(0.1)),
    State("a record was created", lambda p: create(p, 1), bounded=LINKS, soak=True),
    State("more changed than the newest name", lambda p: edit(p, 210), bounded=LINKS, soak=True),
    State("quiet again", later(2)),
    State("a calculated value changed alone", recalculate, bounded=LINKS, soak=True),
    State("two records were merged", merge, bounded=COUNTED | LINKS, soak=True),
    State("a label came", new_label, bounded=LABELS),
    State("it was renamed", rename_label, bounded=LABELS),
    State("and nothing else", later(2)),
    State("a new property", new_property, bounded=LINKS),
    State("its second search", later(2)),
    State(
        "records were archived",
        lambda p: [p.archive("contacts", one) for one in ids(p)[9:13]],
        bounded=COUNTED | LINKS,
    ),
    State(
        "a record was purged",
        lambda p: p.purge("companies", ids(p, "companies")[0]),
        bounded=COUNTED | LEFT,
    ),
    State("idle, sweeps due", later(0.1), settings=EVERY_RUN, bounded=LEFT),
    State(
        "a record left the bin for good",
        purge_archived,
        settings=EVERY_RUN,
        bounded=LEFT,
        soak=True,
    ),
    State(
        "sixty records changed, one left the bin for good", edit_and_purge, bounded=LEFT, soak=True
    ),
    State("as many restored as archived", swap, settings=EVERY_RUN, bounded=LEFT, soak=True),
    State("a record was restored", restore, bounded=COUNTED | LEFT, soak=True),
    State("a missing scope", lost_scope, options={"objects": TWO}, bounded=LEFT),
]
AFTER = [State("idle after a run that was cut off", later(2))]
OWN_TYPE = {"objects": ("contacts", "vehicle")}
EMPTY = [
    State("first sync", bounded=FIRST),
    State("idle", later(0.1)),
    State(
        "the first link of a pair, and a change of its record",
        link_and_edit,
        bounded=frozenset({"links", "labels"}),
    ),
    State("the first link of a pair alone", first_link, bounded=frozenset({"labels"}), soak=True),
    State("all records are gone", purge_all, settings=ALL_MAY_GO, bounded=COUNTED | LEFT),
    State("a used table without a record", later(0.1), settings=EVERY_RUN),
    State(
        "a record changed whose partners are gone",
        edit_company,
        bounded=FIRST - {"records"},
        soak=True,
    ),
    State("a type of the portal's own", later(0.1), options=OWN_TYPE, bounded=FIRST),
    State("HubSpot does not list it", list_type(listed=False)),
    State("listed again", list_type(listed=True), options=OWN_TYPE, bounded=FIRST),
]


MANY_LINKS = [
    State("first sync: how many pages of links there are is unknown", bounded=FIRST),
    State("idle: a second page of links as the last time", later(0.1)),
    State("a record with two pages of links changed", edit_company, bounded=LINKS),
    State("idle after it", later(0.1), bounded=LINKS),
    State("idle again", later(0.1)),
    State("nearly all changed", lambda p: edit(p, 630), bounded=FIRST, soak=True),
]


def seed_hub(portal: Portal) -> None:
    """Fill a portal with contacts that all have a link to one company."""
    seed(portal, contacts=640)
    hub(portal)


def seed_unlinked(portal: Portal) -> None:
    """Fill a portal with a few records and no link."""
    portal.reset(SeedSpec(seed=3, contacts=20, companies=30, archived=0, merges=0, links=False))
    portal.clock.advance(5 * MINUTE)


HISTORIES: Mapping[str, tuple[Change, Sequence[State]]] = {
    "calm": (seed, CALM),
    "busy": (seed, BUSY),
    "many_links": (seed_hub, MANY_LINKS),
    "empty": (seed_unlinked, EMPTY),
}
"""How a portal begins, and what becomes of it."""


@pytest.mark.parametrize("name", HISTORIES)
def test_the_sync_makes_the_calls_foretold(name: str, portal: Portal, warehouse: Warehouse) -> None:
    """In every state of a portal a sync makes as many calls of each kind as the plan says.

    Second pages of links and labels of first links are among them, and the sweeps of a table that
    lost all of its records.
    """
    begin, states = HISTORIES[name]
    begin(portal)
    run_all(portal, warehouse, states)


def test_after_a_run_that_was_cut_off(portal: Portal, warehouse: Warehouse) -> None:
    """The day's calls end in the middle of the first sync; the plan of the rest holds."""
    seed(portal)
    portal.settings.limits = Limits(10**6, search=10**6, associations=10**6, daily=17)
    cut = warehouse.with_settings(load_rows=150).sync(*TWO)
    assert cut.exit_code == DailyQuotaError.exit_code
    portal.settings.limits.daily = 10**6
    portal.clock.advance(25 * HOUR)  # at 24 hours the daily search falls due between plan and sync
    check(portal, warehouse, State("the rest", bounded=FIRST | {"searches"}))
    run_all(portal, warehouse, AFTER)


CHANGES: Sequence[Change] = (
    lambda p: edit(p, 3),
    lambda p: create(p, 2),
    lambda p: p.archive("contacts", ids(p)[-2]),
    edit_company,
    link_inside,
    link_and_edit,
    merge,
    new_property,
    purge_archived,
    recalculate,
    restore,
    swap,
    create_and_archive,
    later(1.5),
    later(25),
)
"""What may happen to a portal between two runs."""


def check_any(portal: Portal, warehouse: Warehouse, start: int, count: int) -> None:
    """Draw states one after the other, and check that the bounds of each plan hold.

    `tests/soak.py --plans` does so: what is drawn differs from one seed to the next.
    """
    chance = Random(start)
    seed(portal, contacts=60, archived=0.1)
    check(portal, warehouse, State("first sync with archived records", bounded=FIRST))
    for number in range(count):
        drawn = chance.sample(CHANGES, chance.randint(1, 3))

        def change(portal: Portal, drawn: Sequence[Change] = drawn) -> None:
            for one in drawn:
                one(portal)

        state = State(f"random state {number}", change, {"objects": (*TWO, "carts")}, bounded=ALL)
        check(portal, warehouse, state)


def test_there_are_twenty_states() -> None:
    """At least twenty states are compared to the exact number of every kind."""
    states = [state for state in (*CALM, *BUSY, *AFTER, *EMPTY, *MANY_LINKS) if not state.soak]
    assert sum(not state.bounded for state in states) >= 20


def test_calculated_values_that_take_two_calls_a_page(portal: Portal, warehouse: Warehouse) -> None:
    """Where names of calculated properties do not fit a URL, a plan counts both calls of a page."""
    seed(portal, 150)
    for number in range(200):
        name = f"total_{number:03d}_{'x' * 80}"
        portal.create_property("contacts", {"name": name, "type": "number", "calculated": True})
    warehouse.sync("contacts")
    hours, contacts = {"sweep_hours": 0}, {"objects": ("contacts",)}
    changed = State("one changed alone", recalculate, contacts, hours, bounded=LINKS)
    run_all(portal, warehouse, [State("idle", later(2), contacts, hours), changed])
    assert portal.journal.count(path_contains="/contacts/batch/read") > 1
