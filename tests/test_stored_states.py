"""Datasets that version 0 of the state was left in go on where they were, without a backfill."""

import json
import lzma
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Warehouse
from test_answers import damaged
from test_damaged_state import change_state, places
from truth import differences, link_differences

from pipelines.commands.state import show
from sources.hubspot.errors import ConfigError
from sources.hubspot.state.source import VERSION, SourceState
from sources.hubspot.state.store import to_state, write
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

FOLDER = Path(__file__).parent / "cases" / "states"
SAMPLES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}
"""What the portal went through, and the state; beside each lies the DuckDB file, packed."""
WRONG = ("odd", 7, ["odd"], {"odd": 1})
DAY_MS = 86_400_000
BETWEEN_CHECKPOINTS = 300
"""The most records that the run which was cut off had read beyond its last checkpoint."""


def begin(server: EmulatorServer, sample: Mapping[str, Any]) -> None:
    """Bring a portal to where it was when the sample was taken."""
    portal = server.portal
    portal.reset(SeedSpec(**sample["seed"]))
    portal.clock.freeze(sample["clock"])
    for name, *given in sample["portal"]:
        if name == "advance":
            portal.clock.advance(*given)
        elif name == "export":
            path, body = given
            token = {"Authorization": f"Bearer {server.token}"}
            requests.post(
                server.url + path, json=body, headers=token, timeout=10
            ).raise_for_status()
        elif name == "each":
            first, count, method, kind, *values = given
            for one in list(portal.records(kind))[first : first + count]:
                getattr(portal, method)(kind, one, *values)
        elif name == "link_each":
            count, step, source, target = given
            others = list(portal.records(target))
            for at, one in enumerate(list(portal.records(source))[:count]):
                portal.associate(source, one, target, others[at * step % len(others)])
        else:
            getattr(portal, name)(*given)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_dataset_of_version_0_goes_on(
    name: str, server: EmulatorServer, warehouse: Warehouse
) -> None:
    """Tables that were loaded are not listed again, one that was half listed only to its end.

    Modes that were noted as `way_in` are read as `mode`; columns that later versions added to
    reference tables are filled.
    """
    sample, portal = SAMPLES[name], server.portal
    begin(server, sample)
    warehouse.path.write_bytes(lzma.decompress((FOLDER / f"{name}.duckdb.xz").read_bytes()))
    before, options = to_state(sample["state"])[0], sample.get("options", {})
    shown = {row[0]: row[1] for row in show(everything=True).sections[1].rows}
    tables = {table: table.removeprefix("custom_") for table in sample["tables"]}
    assert shown == {table: before.table(table).watermark for table in shown}
    assert {*tables} <= {*shown}
    modes = "SELECT run_id, table_name, {} FROM _hs_run_tables"
    noted = {*warehouse.rows(modes.format("way_in"))}
    portal.clock.advance(DAY_MS + 1)  # everything on a schedule is due
    report = warehouse.sync(*tables, **options)
    assert (report.exit_code, report.error) == (0, None)
    shown_now = {*warehouse.rows(modes.format("mode"))}
    assert noted
    assert noted < shown_now
    assert all(mode for *_, mode in shown_now)
    for table in tables:
        known, outcome = before.table(table), report.tables[table]
        if known.backfill:
            left = (known.backfill.total or 0) - known.backfill.rows
            assert outcome.rows <= left + BETWEEN_CHECKPOINTS
        else:
            assert outcome.mode == "increment"
    undated = "SELECT name FROM properties WHERE created_at IS NULL OR sensitivity IS NULL"
    assert warehouse.rows(undated) == []
    stages = "SELECT id FROM pipeline_stages WHERE is_won"
    assert bool(warehouse.rows(stages)) == ("deals" in tables)
    found = differences(portal, warehouse, tables)
    assert [one for one in found if not (options and one.endswith(": tombstone"))] == []
    pairs = {pair: ends for pair in before.pairs if {*(ends := pair.split("_to_"))} <= {*tables}}
    kinds = {pair: (tables[one], tables[other]) for pair, (one, other) in pairs.items()}
    assert link_differences(portal, warehouse, kinds) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_state_of_version_0_is_read(name: str) -> None:
    """It is whole in the present shape, and written in it; what was given stays as it was."""
    kept = SAMPLES[name]["state"]
    before = json.dumps(kept)
    state, damages = to_state(kept)
    assert (damages, json.dumps(kept)) == ([], before)
    written: dict[str, Any] = {}
    write(state, written)
    assert written["version"] == VERSION
    assert to_state(json.loads(json.dumps(written))) == (state, [])


def test_a_table_without_records_is_known_as_such() -> None:
    """That a table has 0 records is kept, and not taken for an unknown number."""
    state, written = SourceState(), dict[str, Any]()
    state.table("deals").total = 0
    state.table("notes").sweep("archive").calls = 0
    write(state, written)
    found, _ = to_state(json.loads(json.dumps(written)))
    assert (found.table("deals").total, found.table("tickets").total) == (0, None)
    assert found.table("notes").sweep("archive").calls == 0


def test_a_state_of_version_1_is_read() -> None:
    """Its sweeps are kept by kind, and with them what they left."""
    at, work = "2026-11-01T00:00:00Z", {"started_at": "2026-11-02T00:00:00Z"}
    swept = {"swept_at": at, "calls": 3, "columns_added_at": at, "archived_ids": ["7"]}
    table = {"watermark": at, "archive": swept, "calculated": {"open_sweep": work}}
    tables = {"contacts": {**table, "recounted_at": at}, "deals": {}}
    kept = {"version": 1, "resources": tables | {"notes": {"archive": {"swept_at": at}}}}
    before = json.dumps(kept)
    state, damages = to_state(kept)
    found = state.table("contacts")
    assert (damages, json.dumps(kept)) == ([], before)
    assert (found.sweep("archive").calls, found.archived_ids) == (3, ["7"])
    instants = (found.sweep("archive").swept_at, found.sweep("recount").swept_at, found.watermark)
    assert {*instants, found.columns_added_at} == {datetime(2026, 11, 1, tzinfo=UTC)}
    assert found.sweep("calculated").open_sweep
    assert state.table("deals").sweeps == {}
    assert state.table("notes").sweep("archive").calls == 0  # which was not written


@pytest.mark.parametrize("name", ["calculated", "columns", "export", "links", "sweeps"])
def test_damage_of_version_0_is_damage_of_the_present_one(name: str) -> None:
    """Whatever is wrong with an older state, what is left is a state, and nothing else is lost."""
    members = ("resources", "links", "worked_until", "sweeps", "exports", "cleanup", "gone")
    kept = {one: value for one, value in SAMPLES[name]["state"].items() if one in members}
    for path in places(kept):
        for wrong in WRONG if path else ():
            state, damages = to_state(damaged(kept, path, wrong))
            assert isinstance(state, SourceState)
            assert len(damages) <= 1


@pytest.mark.parametrize("ask", ["sync", "show"])
def test_a_state_of_a_newer_version_is_refused(
    server: EmulatorServer, warehouse: Warehouse, ask: str
) -> None:
    """It ends with exit code 2 and the remedy; nothing is changed."""
    begin(server, SAMPLES["idle"])
    warehouse.path.write_bytes(lzma.decompress((FOLDER / "idle.duckdb.xz").read_bytes()))
    change_state(warehouse, lambda state: state["sources"]["hubspot"].update(version=VERSION + 1))
    with pytest.raises(ConfigError, match=f"version {VERSION + 1}.*up to version") as refused:
        warehouse.sync("contacts") if ask == "sync" else show()
    assert (refused.value.exit_code, "newer" in refused.value.remedy) == (2, True)
