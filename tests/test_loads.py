"""Loads are bounded, resumable and never doubled, whatever ends a run."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import dlt
import pyarrow as pa
from conftest import WIDE, Warehouse
from truth import differences, link_differences

from sources.hubspot import hubspot, open_run
from sources.hubspot.run.load import Load
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

LIST = "/crm/objects/2026-03/contacts"
HOUR_MS = 60 * 60_000
CONTACTS = {"contacts": "contacts"}
OBJECTS = {"contacts": "contacts", "companies": "companies"}
PAIRS = {"contacts_to_companies": ("contacts", "companies")}


def test_backfill_in_several_loads(portal: Portal, warehouse: Warehouse) -> None:
    """A backfill larger than one load is loaded in several, and is complete."""
    portal.reset(SeedSpec(contacts=2300, odd_values=False, properties=12))
    report = warehouse.with_settings(load_rows=1000).sync(*OBJECTS)
    assert report.exit_code == 0
    loads = warehouse.rows("SELECT count(*) FROM _dlt_loads")[0][0]
    assert loads >= 3
    assert differences(portal, warehouse, OBJECTS) == []
    assert link_differences(portal, warehouse, PAIRS) == []


def test_long_texts_are_handed_on_in_small_tables(portal: Portal, warehouse: Warehouse) -> None:
    """However long texts are, few of them are held at a time."""
    portal.create_property("contacts", {"name": "body", "type": "string", "fieldType": "textarea"})
    for number in range(700):
        portal.create("contacts", {"body": f"{number}{'x' * 60_000}"})
    sizes: list[int] = []

    def measure(rows: pa.Table) -> pa.Table:
        sizes.append(rows.nbytes)
        return rows

    with closing(open_run(warehouse.config)) as run:
        pipeline = dlt.pipeline(
            "mine",
            pipelines_dir="state",
            destination=dlt.destinations.duckdb(str(warehouse.path)),
        )
        source = hubspot(["contacts"], run=run).with_resources("contacts")
        source.resources["contacts"].add_map(measure)
        pipeline.extract(source)
    assert sum(sizes) > 40 * 10**6
    assert max(sizes) < 30 * 10**6


def at_its_limit(portal: Portal, warehouse: Warehouse) -> Warehouse:
    """Seed contacts for two loads of a backfill, and a limit that the first one comes near.

    The first takes at least 14 calls and must not need 17; before the second, lift the limit.
    """
    portal.reset(SeedSpec(contacts=1_700, odd_values=False, archived=0, companies=0, properties=12))
    portal.settings.limits = replace(WIDE, interval=17, interval_ms=100_000)
    return warehouse.with_settings(load_rows=1_000, budget_share=1.0)


def test_calls_go_on_while_a_load_is_written(portal: Portal, warehouse: Warehouse) -> None:
    """Where HubSpot's limit is reached, pages for the next load are asked for before this one ends.

    None of them is asked for twice, and what changes after it was read arrives with the next run.
    """
    small = at_its_limit(portal, warehouse)
    portal.settings.latency_ms = 60  # in a run of seconds HubSpot's clock is known better
    last = list(portal.records("contacts"))[-1]

    def lift(_: Portal) -> None:
        portal.settings.limits = WIDE

    portal.mutations.add(when="before", path=LIST, nth=12, operations=lift)
    portal.mutations.add(
        when="before",
        path=LIST,
        nth=14,
        operations=lambda p: p.update("contacts", last, {"city": "New"}),
    )
    small.sync_at_once("contacts")  # by the clock of this machine, which the loads note
    pages = [
        r for r in portal.journal.find(path_contains=LIST) if r.query.get("archived") == "false"
    ]
    assert len({page.query.get("after") for page in pages}) == len(pages) <= 19
    ahead = portal.clock.now_ms() - time.time() * 1000  # of the clock that says when a load ended
    ended = warehouse.rows("SELECT epoch_ms(min(inserted_at)) FROM _dlt_loads")[0][0] + ahead
    read = "SELECT count(*) FROM contacts WHERE epoch_ms(_hs_synced_at) < ?"
    rows = warehouse.rows(read, ended)[0][0]
    assert 1_000 <= rows < 1_700
    assert sum(page.at_ms < ended for page in pages) > rows / 100
    small.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_property_that_comes_while_a_load_is_written(portal: Portal, warehouse: Warehouse) -> None:
    """Pages that were read ahead without it put no value into the column of another property."""
    small = at_its_limit(portal, warehouse)
    portal.faults.add(path=LIST, nth=5, status=429, body={"policyName": "DAILY"})
    assert small.sync("contacts").exit_code == 5
    portal.clock.advance(11.5 * HOUR_MS)

    def change(_: Portal) -> None:
        new = {"name": "a_first_one", "type": "string", "fieldType": "text"}
        portal.create_property("contacts", new)
        portal.clock.advance(HOUR_MS)  # definitions are read anew every 12 hours
        portal.settings.limits = WIDE

    portal.mutations.add(when="before", path=LIST, nth=12, operations=change)
    small.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def test_killed_backfill_goes_on(
    portal: Portal, warehouse: Warehouse, server: EmulatorServer
) -> None:
    """A run that is killed in its middle leaves nothing half, and the next one ends complete.

    `tests/kills.py` kills one run after the other, at random.
    """
    portal.reset(SeedSpec(contacts=2000, odd_values=False, properties=12))
    portal.settings.latency_ms = 60
    environment = os.environ | {
        "SOURCES__HUBSPOT__BASE_URL": server.url,
        "SOURCES__HUBSPOT__ACCESS_TOKEN": server.token,
        "SOURCES__HUBSPOT__LOAD_ROWS": "500",
    }
    start = "from pipelines.cli.app import main; main()"
    command = [sys.executable, "-c", start, "sync", "--objects", ",".join(OBJECTS)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while portal.journal.count(path_contains=LIST) < 12 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    portal.settings.latency_ms = 0
    assert 0 < len(warehouse.rows("SELECT id FROM contacts")) < 2000
    report = warehouse.sync(*OBJECTS)
    assert report.exit_code == 0
    assert differences(portal, warehouse, OBJECTS) == []
    assert link_differences(portal, warehouse, PAIRS) == []
    doubled = "SELECT id FROM contacts GROUP BY id HAVING count(*) > 1"
    assert warehouse.rows(doubled) == []


def test_backfill_resumes_where_the_last_load_ended(portal: Portal, warehouse: Warehouse) -> None:
    """After a failure in mid-backfill the next run does not read again what is loaded."""
    portal.reset(SeedSpec(contacts=2000, odd_values=False, properties=12))
    portal.faults.add(
        path=r"/contacts\?.*archived=false", method="GET", status=503, nth=list(range(15, 99))
    )
    limited = warehouse.with_settings(load_rows=1000, max_attempts=1)
    assert limited.sync("contacts").exit_code == 6
    loaded = len(warehouse.table("contacts"))
    assert 0 < loaded < 2000
    portal.faults.clear()
    portal.journal.clear()
    assert limited.sync("contacts").exit_code == 0
    pages = portal.journal.count(method="GET", path_contains="/objects/2026-03/contacts")
    assert pages <= (2000 - loaded) / 100 + 15
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []


def test_no_call_is_ever_refused_for_its_rate(portal: Portal, warehouse: Warehouse) -> None:
    """A sync of a portal with HubSpot's smallest limits gets no 429 at all."""
    portal.reset(SeedSpec(contacts=2000, odd_values=False, properties=12))
    portal.settings.change({"limits": {"interval": 100, "search": 5, "associations": 100}})
    strict = warehouse.with_settings(search_per_second=5, associations_per_10_seconds=100)
    report = strict.sync("contacts", "companies", "deals")
    assert (report.exit_code, report.rate_limited) == (0, 0)
    assert portal.journal.count(status=429) == 0


def test_end_of_a_load_does_not_depend_on_what_begins_first() -> None:
    """Whoever waits for resources waits from before the first begins until the last has ended."""
    load = Load()
    load.begin(["contacts", "deals"], appending=set(), fresh=False)
    assert load.is_reading
    assert load.open_tables == {"contacts", "deals"}
    load.open_with(["contacts", "deals", "links"])
    load.end("contacts")
    assert load.open_tables == {"deals"}
    load.end("deals")
    assert (load.open_tables, load.is_reading) == (set(), True)
    load.open_with(["contacts"])  # the last resource says it once more
    load.end("links")
    assert not load.is_reading
