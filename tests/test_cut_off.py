"""What a reading that failed, or a load that was cut off, leaves: the next run makes it whole."""

from datetime import UTC, datetime
from typing import Any, cast

import duckdb
import pytest
from conftest import Warehouse

from pipelines.commands.state import reset
from sources.hubspot.steps.collections.blocks import Out
from sources.hubspot.steps.collections.part import Part
from sources.hubspot.tables.endpoints.batches import Reading
from sources.hubspot_emulator.clock import iso
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

HOUR_MS = 3_600_000
FEW = SeedSpec(contacts=5, companies=2, custom_objects=0)


def touch(warehouse: Warehouse, *statements: str) -> None:
    """Change the warehouse as something else than a sync does."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("USE hubspot")
        for statement in statements:
            connection.execute(statement)


def test_a_mark_moves_only_behind_rows_that_are_loaded(
    portal: Portal, warehouse: Warehouse
) -> None:
    """Where a row lacks its key, the others of its pages come with the next run."""
    portal.reset(FEW)
    assert warehouse.sync_all(select=("login_activity",)).exit_code == 0
    portal.clock.advance(2 * HOUR_MS)
    at = iso(portal.clock.now_ms() - HOUR_MS)
    portal.collections["login_activity"].add({"id": "new", "loginAt": at})
    nameless = {"results": [{"id": "new", "loginAt": at}, {"loginAt": at}]}
    portal.faults.add(path="/activity/login", status=200, body=nameless)
    assert warehouse.sync_all(select=("login_activity",)).exit_code != 0
    portal.faults.clear()
    portal.clock.advance(2 * HOUR_MS)
    assert warehouse.sync_all(select=("login_activity",)).exit_code == 0
    assert warehouse.rows("SELECT count(*) FROM login_activity WHERE id = 'new'") == [(1,)]


def test_events_of_a_load_that_was_cut_off(portal: Portal, warehouse: Warehouse) -> None:
    """A row that arrived without its children is read again with them; then nothing is left."""
    portal.reset(FEW)
    names = ("forms", "form_submissions")
    assert warehouse.sync_all(select=names).exit_code == 0
    portal.clock.advance(HOUR_MS)
    (form,) = warehouse.rows("SELECT form_id FROM form_submissions LIMIT 1")[0]
    at_ms, value = portal.clock.now_ms(), {"name": "email", "value": "ada@example.com"}
    sent = {"conversionId": "cut", "submittedAt": at_ms, "values": [value]}
    portal.collections["form_submissions"].add(sent, form)
    portal.clock.advance(10_000)
    touch(
        warehouse,
        "INSERT INTO form_submissions BY NAME SELECT 'cut' AS submission_key, 'cut' AS"
        f" conversion_id, '{form}' AS form_id, to_timestamp({at_ms / 1000}) AS submitted_at,"
        f" to_timestamp({portal.clock.now_ms() / 1000}) AS _hs_synced_at",
    )
    assert warehouse.sync_all(select=names).exit_code == 0
    assert warehouse.rows("SELECT count(*) FROM form_submissions WHERE submission_key = 'cut'") == [
        (1,)
    ]
    assert warehouse.rows(
        "SELECT value FROM form_submission_values WHERE submission_key = 'cut'"
    ) == [("ada@example.com",)]
    assert warehouse.sync_all(select=names).tables["form_submissions"].rows == 0


def test_events_of_a_first_load_that_was_cut_off(portal: Portal, warehouse: Warehouse) -> None:
    """Rows that arrived before their load had ended come once, with their children."""
    portal.reset(FEW)
    names = ("email_events", "forms", "form_submissions", "login_activity")
    assert warehouse.sync_all(select=names).exit_code == 0
    keys = {"email_events": "(id, created)", "login_activity": "id"} | {
        "form_submissions": "submission_key",
        "form_submission_values": "(submission_key, ordinal)",
    }
    sql = [f"SELECT count(*), count(DISTINCT {key}) FROM {name}" for name, key in keys.items()]
    before = [warehouse.rows(one) for one in sql]
    touch(warehouse, "DELETE FROM _dlt_loads", "DELETE FROM _dlt_pipeline_state")
    assert warehouse.with_settings(load_rows=5).sync_all(select=names).exit_code == 0
    assert [warehouse.rows(one) for one in sql] == before


def test_events_come_once_after_the_state_was_lost(portal: Portal, warehouse: Warehouse) -> None:
    """Events that the warehouse has are not doubled, however many loads their reading takes."""
    portal.reset(FEW)
    warehouse = warehouse.with_settings(event_days=20)
    assert warehouse.sync_all(select=("email_events",)).exit_code == 0
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
    assert loads[0][0] > 3
    assert warehouse.sync_all(select=("email_events",)).tables["email_events"].rows == 0


def test_a_full_refresh_fills_what_is_reset(portal: Portal, warehouse: Warehouse) -> None:
    """Children of events that a reset is to bring back come with a full refresh, too."""
    portal.reset(FEW)
    names = ("forms", "form_submissions")
    assert warehouse.sync_all(select=names).exit_code == 0
    before = warehouse.rows("SELECT count(*) FROM form_submission_values")
    touch(warehouse, "DELETE FROM form_submission_values WHERE ordinal > 0")
    reset(["form_submissions"])
    assert warehouse.sync_all(select=names, full_refresh=True).exit_code == 0
    assert warehouse.rows("SELECT count(*) FROM form_submission_values") == before


def test_windows_of_parents_go_on_in_the_next_load(portal: Portal, warehouse: Warehouse) -> None:
    """A first reading that takes several loads brings all events of each type in one run."""
    portal.reset(FEW)
    names = ("event_types", "event_occurrences")
    small = warehouse.with_settings(load_rows=1)
    assert small.sync_all(select=names).exit_code == 0
    counts = "SELECT count(*), count(DISTINCT (event_type, id)) FROM event_occurrences"
    brought = warehouse.rows(counts)
    assert brought[0][0] > 0
    portal.clock.advance(2 * HOUR_MS)
    assert warehouse.sync_all(select=names, full_refresh=True).exit_code == 0
    assert warehouse.rows(counts) == brought


def test_rows_of_parents_in_a_reading_that_fails(portal: Portal, warehouse: Warehouse) -> None:
    """Where a row of a parent lacks its key, each run says so, and the others come afterwards."""
    portal.reset(FEW)
    names, errors = ("imports", "import_errors"), portal.collections["import_errors"]
    assert warehouse.sync_all(select=names).exit_code == 0
    rows = {row["_parent"]: row for row in errors.seen()}
    whole, broken = (rows[parent] for parent in sorted(rows)[:2])
    at = iso(portal.clock.now_ms() + HOUR_MS)
    errors.edit((whole["_parent"], whole["id"]), {"invalidValue": "Another"})
    for one in (whole, broken):
        portal.collections["imports"].edit(one["_parent"], {"updatedAt": at})

    def nameless(answer: dict[str, Any]) -> dict[str, Any]:
        return {"results": [*answer["results"], {"errorType": "OF_NOTHING"}]}

    portal.faults.add(path=f"/{broken['_parent']}/errors", rewrite=nameless)
    for _ in range(2):
        portal.clock.advance(2 * HOUR_MS)
        found = warehouse.sync_all(select=names).tables["import_errors"]
        assert "cannot be null" in (found.error or ""), found
    portal.faults.clear()
    portal.clock.advance(2 * HOUR_MS)
    assert warehouse.sync_all(select=names).exit_code == 0
    assert warehouse.rows(
        f"SELECT invalid_value FROM import_errors WHERE id = '{whole['id']}'"
    ) == [("Another",)]


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
    portal.reset(FEW)
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


def test_what_lay_in_the_last_row_of_a_parent(portal: Portal, warehouse: Warehouse) -> None:
    """With the last row of a parent goes what lies in it, though no other row is loaded."""
    portal.reset(FEW)
    names, items = ("price_books", "price_book_items"), portal.collections["price_book_items"]
    assert warehouse.sync_all(select=names).exit_code == 0
    rows = items.seen(items.seen()[0]["_parent"])
    named = ", ".join(f"'{row['id']}'" for row in rows)
    lying = f"SELECT count(*) FROM price_book_item_prices WHERE item_id IN ({named})"
    assert warehouse.rows(lying) != [(0,)]
    for row in rows:
        items.delete((row["_parent"], row["id"]))
    portal.clock.advance(25 * HOUR_MS)
    assert warehouse.sync_all(select=names).exit_code == 0
    assert warehouse.rows(lying) == [(0,)]


def test_actors_of_which_an_answer_says_nothing(portal: Portal, warehouse: Warehouse) -> None:
    """Who is left out by an error of HubSpot's is asked for by the next run, be no message new."""
    portal.reset(FEW)
    names = ("conversation_threads", "conversation_messages", "conversation_actors")

    def lacking(answer: dict[str, Any]) -> dict[str, Any]:
        error = {"category": "INTERNAL_ERROR"}
        return answer | {"results": answer["results"][1:], "errors": [error]}

    portal.faults.add(path="actors/batch/read", rewrite=lacking, times=1)
    assert warehouse.sync_all(select=names).exit_code == 0
    ((before,),) = warehouse.rows("SELECT count(*) FROM conversation_actors")
    calls = []
    for _ in range(2):
        portal.clock.advance(2 * HOUR_MS)
        actors = warehouse.sync_all(select=names).tables.get("conversation_actors")
        calls.append(actors.calls if actors else 0)
        assert warehouse.rows("SELECT count(*) FROM conversation_actors") == [(before + 1,)]
    assert calls == [1, 0]


def test_kinds_of_assets_that_take_the_place_of_others(
    portal: Portal, warehouse: Warehouse
) -> None:
    """What is named otherwise is loaded, be its content the same."""
    portal.reset(FEW)
    names = ("campaigns", "campaign_asset_types")

    def of_kind(kind: str) -> Any:
        return lambda answer: {
            "results": [one | {"assets": {kind: {}}} for one in answer["results"]]
        }

    for kind in ("FORM", "SITE_PAGE"):
        portal.faults.clear()
        portal.faults.add(path="campaigns/.*batch/read", rewrite=of_kind(kind))
        assert warehouse.sync_all(select=names).exit_code == 0
        assert warehouse.rows("SELECT DISTINCT asset_type FROM campaign_asset_types") == [(kind,)]
        portal.clock.advance(25 * HOUR_MS)


def test_rows_that_are_counted_a_while_longer(portal: Portal, warehouse: Warehouse) -> None:
    """A row that HubSpot counts without listing it is marked once it is not counted any more."""
    portal.reset(FEW)
    pages = portal.collections["blog_posts"]
    assert warehouse.sync_all(select=("blog_posts",)).exit_code == 0
    gone = pages.seen()[-1]["id"]

    def counting(answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"total": answer["total"] + 1}

    pages.delete(gone)
    live = "SELECT count(*) FROM blog_posts WHERE _hs_deleted_at IS NULL"
    before = warehouse.rows(live)
    portal.faults.add(path="/posts", rewrite=counting)
    portal.clock.advance(25 * HOUR_MS)
    assert warehouse.sync_all(select=("blog_posts",)).exit_code == 0
    assert warehouse.rows(live) == before
    portal.faults.clear()
    portal.clock.advance(25 * HOUR_MS)
    assert warehouse.sync_all(select=("blog_posts",)).exit_code == 0
    assert warehouse.rows(live) == [(before[0][0] - 1,)]


def test_a_change_that_is_taken_back_after_a_reading_that_failed(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reading has loaded before it failed is loaded again, be it as the one before it."""
    for bound in ("HELD", "BLOCK"):
        monkeypatch.setattr(f"sources.hubspot.steps.collections.whole.{bound}", 40)
    portal.reset(SeedSpec(contacts=1, companies=0, custom_objects=0, sizes={"files": 250}))
    files = portal.collections["files"]
    assert warehouse.sync_all(select=("files",)).exit_code == 0
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


def test_a_list_that_lacks_its_key(portal: Portal, warehouse: Warehouse) -> None:
    """Each run says so, though what HubSpot answers is the same as in the last one."""
    portal.reset(FEW)
    assert warehouse.sync_all(select=("lists",)).exit_code == 0
    nameless = {"name": "Nameless", "processingType": "MANUAL"}
    portal.faults.add(
        path="/lists/.*search", rewrite=lambda one: one | {"lists": [*one["lists"], nameless]}
    )
    for _ in range(2):
        portal.clock.advance(2 * HOUR_MS)
        found = warehouse.sync_all(select=("lists",)).tables["lists"]
        assert "listId` cannot be null" in (found.error or ""), found
