"""What a reading that failed, or a load that was cut off, leaves: the next run makes it whole."""

from datetime import UTC, datetime
from typing import Any, cast

import duckdb
import pytest
from conftest import FEWER, Warehouse

from pipelines.commands.state import reset
from sources.hubspot.steps.collections.blocks import Out
from sources.hubspot.steps.collections.part import Part
from sources.hubspot.tables.endpoints.batches import Reading
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

HOUR_MS = 3_600_000
EVENTS = ("email_events", "cms_audit_logs", "forms", "form_submissions", "login_activity")
FILES = SeedSpec(contacts=1, companies=0, custom_objects=0, sizes={"files": 250})


def touch(warehouse: Warehouse, *statements: str) -> None:
    """Change the warehouse as something else than a sync does."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("USE hubspot")
        for statement in statements:
            connection.execute(statement)


def test_events_of_a_first_load_that_was_cut_off(portal: Portal, warehouse: Warehouse) -> None:
    """Rows that arrived before their load had ended come once, with their children."""
    warehouse = warehouse.with_settings(event_days=12)
    warehouse.load_all(portal, FEWER, select=EVENTS)
    names = ("email_events", "forms", "form_submissions", "login_activity")
    keys = {"email_events": "(id, created)", "login_activity": "id"} | {
        "form_submissions": "submission_key",
        "form_submission_values": "(submission_key, ordinal)",
    }
    sql = [f"SELECT count(*), count(DISTINCT {key}) FROM {name}" for name, key in keys.items()]
    before = [warehouse.rows(one) for one in sql]
    touch(warehouse, "DELETE FROM _dlt_loads", "DELETE FROM _dlt_pipeline_state")
    assert warehouse.with_settings(load_rows=5).sync_all(select=names).exit_code == 0
    assert [warehouse.rows(one) for one in sql] == before
    loads = warehouse.rows("SELECT count(*) FROM _dlt_loads")
    assert loads[0][0] > 2


def test_events_come_once_after_the_state_was_lost(portal: Portal, warehouse: Warehouse) -> None:
    """Events that the warehouse has are not doubled, however many loads their reading takes."""
    warehouse = warehouse.with_settings(event_days=12)
    warehouse.load_all(portal, FEWER, select=EVENTS)
    before = warehouse.rows("SELECT count(*) FROM email_events")
    oldest = "SELECT id FROM email_events ORDER BY created LIMIT 10"
    touch(
        warehouse,
        f"DELETE FROM email_events WHERE id IN ({oldest})",
        "DROP TABLE _dlt_pipeline_state",
    )
    small = warehouse.with_settings(load_rows=5)
    assert small.sync_all(select=("email_events",)).exit_code == 0
    counts = "SELECT count(*), count(DISTINCT (id, created)) FROM email_events"
    assert warehouse.rows(counts) == [before[0] * 2]
    loads = warehouse.rows("SELECT count(*) FROM _dlt_loads")
    assert loads[0][0] > 2
    assert warehouse.sync_all(select=("email_events",)).tables["email_events"].rows == 0


def test_a_full_refresh_fills_what_is_reset(portal: Portal, warehouse: Warehouse) -> None:
    """Children of events that a reset is to bring back come with a full refresh, too."""
    warehouse = warehouse.with_settings(event_days=12)
    warehouse.load_all(portal, FEWER, select=EVENTS)
    names = ("forms", "form_submissions")
    before = warehouse.rows("SELECT count(*) FROM form_submission_values")
    touch(warehouse, "DELETE FROM form_submission_values WHERE ordinal > 0")
    reset(["form_submissions"])
    assert warehouse.sync_all(select=names, full_refresh=True).exit_code == 0
    assert warehouse.rows("SELECT count(*) FROM form_submission_values") == before


def test_windows_of_parents_go_on_in_the_next_load(portal: Portal, warehouse: Warehouse) -> None:
    """A first reading that takes several loads brings all events of each type in one run."""
    portal.reset(FEWER)
    names = ("event_types", "event_occurrences")
    small = warehouse.with_settings(load_rows=1)
    assert small.sync_all(select=names).exit_code == 0
    counts = "SELECT count(*), count(DISTINCT (event_type, id)) FROM event_occurrences"
    brought = warehouse.rows(counts)
    assert brought[0][0] > 0
    portal.clock.advance(2 * HOUR_MS)
    assert warehouse.sync_all(select=names, full_refresh=True).exit_code == 0
    assert warehouse.rows(counts) == brought


def test_rows_that_a_task_has_begun_to_hand_on() -> None:
    """All of them are handed on, though the task is given up, for another of its group failed."""
    out = Out(cast("Part", None), Reading(datetime.now(UTC)))
    task = out.hand_on(iter(["rows", "what lies in them"]))
    assert next(task) == "rows"
    task.close()
    assert [*out.end()] == ["what lies in them"]
    assert [*out.end()] == []


def test_a_policy_that_is_set_before_all_parents_were_read(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a first reading had loaded before it failed obeys the policy that came afterwards."""
    monkeypatch.setattr("sources.hubspot.steps.collections.parents.reading.TOGETHER", 1)
    portal.reset(FEWER)
    names = ("imports", "import_errors")
    last = max(row["_parent"] for row in portal.collections["import_errors"].seen())
    portal.faults.add(path=f"/{last}/errors", status=500)
    warehouse = warehouse.with_settings(max_attempts=1, patience_seconds=0)
    assert warehouse.sync_all(select=names).tables["import_errors"].status == "failed"
    given = "SELECT count(*) FROM import_errors WHERE invalid_value IS NOT NULL"
    assert warehouse.rows(given) != [(0,)]
    portal.faults.clear()
    portal.clock.advance(2 * HOUR_MS)
    chosen = warehouse.with_settings(exclude_properties=["import_errors.invalid_value"])
    assert chosen.sync_all(select=names).exit_code == 0
    assert warehouse.rows(given) == [(0,)]


def test_a_change_that_is_taken_back_after_a_reading_that_failed(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reading has loaded before it failed is loaded again, be it as the one before it."""
    for bound in ("HELD", "BLOCK"):
        monkeypatch.setattr(f"sources.hubspot.steps.collections.whole.{bound}", 40)
    warehouse.load_all(portal, FILES, select=("files",))
    files = portal.collections["files"]
    first = files.rows()[0]
    files.edit(first["id"], {"name": "Another"})
    last = files.rows()[-1]["id"]

    def nameless(answer: dict[str, Any]) -> dict[str, Any]:
        rows = [one | {"id": None} if one["id"] == last else one for one in answer["results"]]
        return answer | {"results": rows}

    portal.faults.add(path="files", rewrite=nameless)
    portal.clock.advance(25 * HOUR_MS)
    assert warehouse.sync_all(select=("files",)).exit_code != 0
    portal.faults.clear()
    files.edit(first["id"], first)
    portal.clock.advance(25 * HOUR_MS)
    assert warehouse.sync_all(select=("files",)).exit_code == 0
    named = f"SELECT name FROM files WHERE id = '{first['id']}'"
    assert warehouse.rows(named) == [(first["name"],)]
