"""A plan foretells the calls of the sync that follows: kind by kind, table by table."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from conftest import CORE, Warehouse

from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from sources.hubspot.errors import DailyQuotaError
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import DEFAULT_TOKEN, Limits, Token

KINDS = {
    "account.details": "reference",
    "schemas.list": "reference",
    "owners.list": "reference",
    "pipelines.list": "reference",
    "properties.list": "definitions",
    "objects.search": "searches",
    "objects.list": "records",
    "objects.batch_read": "records",
    "associations.batch_read": "links",
    "associations.labels": "labels",
    "downloads.file": "exports",
    "exports.start": "exports",
    "exports.detail": "exports",
    "exports.status": "exports",
    "exports.count": "exports",
}
READABLE = ("contacts", "companies")
Ends = tuple[int, int]
EXACT = {"definitions", "searches", "records", "reference"}


def foretold(warehouse: Warehouse, options: SyncOptions) -> dict[tuple[str, str], Ends]:
    """Return the calls of a plan by table and kind, and of each kind in all: least and most."""
    report = plan(options, config=warehouse.config)
    section = report.sections[0]
    found: dict[tuple[str, str], Ends] = {}
    for row in section.rows:
        line = dict(zip(section.columns, row, strict=True))
        for kind, calls in line["kinds"].items():
            pair = "_to_".join(sorted(line["table"].split("_to_")))
            for table in ("", *([] if line["table"] == "reference tables" else [pair])):
                low, high = found.get((table, kind), (0, 0))
                found[table, kind] = (low + calls["low"], high + calls["high"])
    return found


def made(portal: Portal) -> Counter[tuple[str, str]]:
    """Return the calls that the portal answered since its journal was cleared, the same way."""
    calls: Counter[tuple[str, str]] = Counter()
    for call in portal.journal:
        kind = KINDS[call.kind]
        calls["", kind] += 1
        if kind in {"definitions", "searches", "records"}:
            calls[call.type, kind] += 1
        if kind == "links":  # from either end
            ends = call.path.split("/")[4:6]
            calls["_to_".join(sorted(ends)), kind] += 1
    return calls


def check(portal: Portal, warehouse: Warehouse, options: SyncOptions) -> dict[str, Ends]:
    """Plan, sync, and compare every kind of call; return the plan's sums by kind."""
    ranges = foretold(warehouse, options)
    portal.journal.clear()
    warehouse.sync(
        *options.objects,
        full_refresh=options.full_refresh,
        links=options.links,
        backfill=options.backfill,
    )
    truth = made(portal)
    none = (0, 0)
    wrong = {
        key: (ranges.get(key, none), truth[key])
        for key in ranges.keys() | truth.keys()
        if (key[1] != "exports" or not key[0])  # an export names no table
        and not ranges.get(key, none)[0] <= truth[key] <= ranges.get(key, none)[1]
    }
    assert wrong == {}
    return {kind: calls for (table, kind), calls in ranges.items() if not table}


Prepare = Callable[[Portal, Warehouse], Any]


def loaded(portal: Portal, warehouse: Warehouse) -> None:
    """Nothing happens after a first sync."""
    warehouse.once("loaded to be planned", warehouse.sync)


def twice_loaded(portal: Portal, warehouse: Warehouse) -> None:
    """Nothing happens after a second sync, and the lookback is over."""
    warehouse.once("loaded to be planned", warehouse.sync)
    portal.clock.advance(2 * 3_600_000)
    warehouse.once("loaded twice to be planned", warehouse.sync)
    portal.clock.advance(2 * 3_600_000)


def changed(portal: Portal, warehouse: Warehouse) -> None:
    """Some records change, one is created, one archived, two are merged."""
    twice_loaded(portal, warehouse)
    contacts = list(portal.records("contacts"))
    for id_ in contacts[:7]:
        portal.update("contacts", id_, {"lastname": "Changed"})
    new = portal.create("contacts", {"email": "new@example.com"})
    portal.associate("contacts", new, "companies", next(iter(portal.records("companies"))))
    portal.archive("contacts", contacts[9])
    portal.merge("contacts", contacts[10], contacts[11])
    portal.clock.advance(300_000)


def many_changed(portal: Portal, warehouse: Warehouse) -> None:
    """More records change than one search returns."""
    twice_loaded(portal, warehouse)
    for id_ in list(portal.records("contacts"))[:130]:
        portal.update("contacts", id_, {"lastname": "Changed"})
    portal.clock.advance(300_000)


def purged(portal: Portal, warehouse: Warehouse) -> None:
    """A record goes without a trace."""
    twice_loaded(portal, warehouse)
    portal.purge("deals", next(iter(portal.records("deals"))))


def next_day(portal: Portal, warehouse: Warehouse) -> None:
    """All sweeps and caches are due."""
    twice_loaded(portal, warehouse)
    portal.clock.advance(25 * 3_600_000)


def new_property(portal: Portal, warehouse: Warehouse) -> None:
    """A property is created and some records have a value of it; definitions are read again."""
    next_day(portal, warehouse)
    portal.create_property("contacts", {"name": "shoe_size", "type": "number"})
    for id_ in list(portal.records("contacts"))[:5]:
        portal.update("contacts", id_, {"shoe_size": "43"})
    portal.clock.advance(300_000)


def cut_off(portal: Portal, warehouse: Warehouse) -> None:
    """The day's calls end in the middle of the first sync, after some loads."""
    portal.settings.limits = Limits(10**6, search=10**6, associations=10**6, daily=32)
    assert warehouse.with_settings(load_rows=150).sync().exit_code == DailyQuotaError.exit_code
    portal.settings.limits.daily = 10**6
    portal.clock.advance(86_400_000)


def refused(portal: Portal, warehouse: Warehouse) -> None:
    """The token may not read deals."""
    scopes = {f"crm.{what}.{name}.read" for what in ("objects", "schemas") for name in READABLE}
    portal.settings.tokens = {DEFAULT_TOKEN: Token(frozenset({*scopes, "tickets"}))}


def refused_before(portal: Portal, warehouse: Warehouse) -> None:
    """The token may not read deals, and a sync has met that."""
    refused(portal, warehouse)
    warehouse.sync()


STATES: dict[str, tuple[Prepare | None, dict[str, Any], set[str]]] = {
    "first": (None, {}, {"definitions"}),
    "idle": (loaded, {}, EXACT),
    "idle-later": (twice_loaded, {}, EXACT - {"records"}),
    "changed": (changed, {}, {"definitions"}),
    "many-changed": (many_changed, {}, {"searches", "definitions"}),
    "purged": (purged, {}, {"definitions"}),
    "next-day": (next_day, {}, EXACT - {"records"}),
    "new-property": (new_property, {}, {"definitions"}),
    "subset": (changed, {"objects": ("contacts",)}, {"definitions"}),
    "more-tables": (loaded, {"objects": (*CORE, "notes", "line_items")}, {"definitions"}),
    "full-refresh": (loaded, {"full_refresh": True}, {"definitions"}),
    "all-links": (twice_loaded, {"links": True}, {"definitions", "searches"}),
    "export": (None, {"backfill": "export"}, {"definitions"}),
    "cut-off": (cut_off, {}, set()),
    "refused": (refused, {}, set()),
    "refused-before": (refused_before, {}, set()),
}
"""How a state comes about, the options of the plan, and the kinds that it foretells exactly."""


@pytest.mark.parametrize("state", STATES)
def test_the_sync_makes_the_calls_foretold(
    state: str, portal: Portal, warehouse: Warehouse
) -> None:
    """Whatever became of portal and warehouse, a sync makes as many calls as the plan says."""
    prepare, options, exact = STATES[state]
    portal.reset(SeedSpec(seed=3, contacts=220, properties=10))
    if prepare:
        prepare(portal, warehouse)
    sums = check(portal, warehouse, SyncOptions(**{"objects": CORE} | options))
    assert {kind for kind in exact if len({*sums.get(kind, (0,))}) > 1} == set()
