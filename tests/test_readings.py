"""Readings of collections that bring little or fail, and what the next runs make of that.

What happens to one endpoint is a story; those of different endpoints are played side by side.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import duckdb
from conftest import FEWER, Warehouse
from stories import Played, Story, play_together

from pipelines.cli.output.report import RunReport
from sources.hubspot.model import REJECTS, TableOutcome
from sources.hubspot_emulator.clock import iso
from sources.hubspot_emulator.portal.store import Portal

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


def play(
    portal: Portal,
    warehouse: Warehouse,
    stories: Mapping[Story, Sequence[str]],
    later_ms: Sequence[int],
) -> None:
    """Sync a portal again and again, and let each story go on after each run.

    Args:
        stories: each with the endpoints that it is about; no two share one.
        later_ms: how long after the one before each run but the first comes.
    """
    portal.reset(FEWER)
    warehouse = warehouse.with_settings(max_attempts=1, patience_seconds=0)
    names = tuple(name for own in stories.values() for name in own)

    def run(wait_ms: int) -> RunReport:
        portal.clock.advance(wait_ms)
        return warehouse.sync_all(select=names)

    play_together(portal, warehouse, stories, [partial(run, wait_ms) for wait_ms in (0, *later_ms)])


def outcome(report: RunReport, name: str, status: str = "ok") -> TableOutcome:
    """Return what became of an endpoint, which is as it has to be."""
    found = report.tables.get(name, TableOutcome(name))
    assert found.status == status, (name, found)
    return found


# --- hours, and a minute, apart -------------------------------------------------------------------


def parents_that_are_refused_for_a_moment(portal: Portal, warehouse: Warehouse) -> Played:
    """What is loaded of them stays, messages say so, and the next run asks for them once more."""
    mails, found = portal.collections["email_campaigns"], "SELECT id, name FROM email_campaigns"
    yield
    before = sorted(warehouse.rows(found))
    refused = {before[0][0]: 404, before[1][0]: 400}
    changed = {*refused, before[2][0]}
    for key in changed:
        changes = {"lastUpdatedTime": portal.clock.now_ms() + HOUR_MS, "name": f"New {key}"}
        mails.edit(key, changes)
    for key, status in refused.items():
        portal.faults.add(path=f"v1/campaigns/{key}", status=status, times=1)
    said = "; ".join(outcome((yield), "email_campaigns").messages)  # hours later
    assert all(str(status) in said for status in refused.values()), said
    new = [(key, f"New {key}" if key in changed else name) for key, name in before]
    assert sorted(warehouse.rows(found)) == [*before[:2], *new[2:]]
    outcome((yield), "email_campaigns")  # a minute later
    assert sorted(warehouse.rows(found)) == new
    ago = {"lastUpdatedTime": portal.clock.now_ms() - 30 * DAY_MS, "name": "Taken back"}
    mails.edit(before[2][0], ago)  # a time that moves back is another, too
    assert outcome((yield), "email_campaigns").rows == 1
    assert (before[2][0], "Taken back") in warehouse.rows(found)


def a_parent_read_in_part_keeps_its_rows(portal: Portal, warehouse: Warehouse) -> Played:
    """Where a later page fails, all that is loaded stays; the next run loads all that is new."""
    errors, touched = portal.collections["import_errors"], portal.collections["imports"]
    yield
    one = errors.seen()[0]
    for number in range(101):
        errors.add({**one, "id": str(9000 + number)}, one["_parent"])
    touched.edit(one["_parent"], {"updatedAt": iso(portal.clock.now_ms())})
    outcome((yield), "import_errors")
    ids = f"SELECT id FROM import_errors WHERE import_id = '{one['_parent']}' ORDER BY id"
    before = warehouse.rows(ids)
    assert len(before) == len({row["id"] for row in errors.seen(one["_parent"])})
    yield
    errors.delete((one["_parent"], one["id"]))
    touched.edit(one["_parent"], {"updatedAt": iso(portal.clock.now_ms())})
    # a call may be made again after others have been answered
    fault = portal.faults.add(path=f"/{one['_parent']}/errors", status=500, nth=[*range(2, 9)])
    outcome((yield), "import_errors", "failed")
    assert warehouse.rows(ids) == before
    portal.faults.rules.remove(fault)
    outcome((yield), "import_errors")
    assert warehouse.rows(ids) == [row for row in before if row != (one["id"],)]


def a_batch_that_leaves_some_out(portal: Portal, warehouse: Warehouse) -> Played:
    """Errors of a batch are noted; rows go where it has none, and stay where it cannot say.

    One that HubSpot refuses for one workflow brings the others; that one is asked for again, which
    is no failure of the endpoint.
    """
    flows = portal.collections["workflows"]
    found = "SELECT workflow_id, revision_id FROM workflow_details ORDER BY ALL"
    before = sorted((str(one["id"]), str(one["revisionId"])) for one in flows.seen())
    (first, _), *_, odd, (last, _) = before
    portal.faults.add(path="flows/batch/read", sent=f'"{odd[0]}"', status=400)
    report = yield
    assert "Left out: HubSpot answered 400" in (report.tables["workflow_details"].error or "")
    before.remove(odd)
    assert warehouse.rows(found) == before

    def change(category: str) -> None:
        """Change two workflows; the first one is not in the answer to the next batch."""
        for key in (first, last):
            at = iso(portal.clock.now_ms() + HOUR_MS)
            flows.edit(key, {"updatedAt": at, "revisionId": "99"})

        def lacking(answer: dict[str, Any]) -> dict[str, Any]:
            kept = [one for one in answer["results"] if one["id"] != first]
            return answer | {"results": kept, "errors": [{"category": category}]}

        portal.faults.add(path="flows/batch/read", rewrite=lacking, times=1)

    change("INTERNAL_ERROR")
    assert "INTERNAL_ERROR" in (outcome((yield), "workflow_details").error or "")
    assert warehouse.rows(found) == [*before[:-1], (last, "99")]
    outcome((yield), "workflow_details")  # a minute later
    assert warehouse.rows(found) == [(first, "99"), *before[1:-1], (last, "99")]
    change("OBJECT_NOT_FOUND")
    assert "OBJECT_NOT_FOUND" in (outcome((yield), "workflow_details").error or "")
    assert warehouse.rows(found) == [*before[1:-1], (last, "99")]
    last_run = outcome((yield), "workflow_details")
    assert (last_run.calls, last_run.rows) == (1, 0)
    assert "Left out: HubSpot answered 400" in (last_run.error or "")


def actors_of_which_an_answer_says_nothing(portal: Portal, warehouse: Warehouse) -> Played:
    """Who is left out by an error of HubSpot's is asked for by the next run, be no message new."""

    def lacking(answer: dict[str, Any]) -> dict[str, Any]:
        error = {"category": "INTERNAL_ERROR"}
        return answer | {"results": answer["results"][1:], "errors": [error]}

    portal.faults.add(path="actors/batch/read", rewrite=lacking, times=1)
    outcome((yield), "conversation_actors")
    ((before,),) = warehouse.rows("SELECT count(*) FROM conversation_actors")
    calls = []
    for _ in range(3):
        calls.append(outcome((yield), "conversation_actors").calls)
        assert warehouse.rows("SELECT count(*) FROM conversation_actors") == [(before + 1,)]
    assert calls == [1, 0, 0]


def a_list_that_lacks_its_key(portal: Portal, warehouse: Warehouse) -> Played:
    """Each run says so, though what HubSpot answers is the same as in the last one."""
    del warehouse
    yield
    nameless = {"name": "Nameless", "processingType": "MANUAL"}
    portal.faults.add(
        path="/lists/.*search", rewrite=lambda one: one | {"lists": [*one["lists"], nameless]}
    )
    for _ in range(3):
        found = outcome((yield), "lists", "failed")
        assert "listId` cannot be null" in (found.error or ""), found


def a_mark_moves_only_behind_rows_that_are_loaded(portal: Portal, warehouse: Warehouse) -> Played:
    """Where a row lacks its key, the others of its pages come with the next run."""
    yield
    at = iso(portal.clock.now_ms() + HOUR_MS)
    portal.collections["login_activity"].add({"id": "new", "loginAt": at})
    nameless = {"results": [{"id": "new", "loginAt": at}, {"loginAt": at}]}
    fault = portal.faults.add(path="/activity/login", status=200, body=nameless)
    outcome((yield), "login_activity", "failed")
    yield
    portal.faults.rules.remove(fault)
    outcome((yield), "login_activity")
    assert warehouse.rows("SELECT count(*) FROM login_activity WHERE id = 'new'") == [(1,)]


def events_of_a_load_that_was_cut_off(portal: Portal, warehouse: Warehouse) -> Played:
    """A row that arrived without its children is read again with them; then nothing is left."""
    yield
    (form,) = warehouse.rows("SELECT form_id FROM form_submissions LIMIT 1")[0]
    at_ms = portal.clock.now_ms() + HOUR_MS
    value = {"name": "email", "value": "ada@example.com"}
    sent = {"conversionId": "cut", "submittedAt": at_ms, "values": [value]}
    portal.collections["form_submissions"].add(sent, form)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            "INSERT INTO hubspot.form_submissions BY NAME SELECT 'cut' AS submission_key,"
            f" 'cut' AS conversion_id, '{form}' AS form_id,"
            f" to_timestamp({at_ms / 1000}) AS submitted_at,"
            f" to_timestamp({at_ms / 1000 + 10}) AS _hs_synced_at"
        )
    outcome((yield), "form_submissions")
    where = "WHERE submission_key = 'cut'"
    assert warehouse.rows(f"SELECT count(*) FROM form_submissions {where}") == [(1,)]
    found = warehouse.rows(f"SELECT value FROM form_submission_values {where}")
    assert found == [("ada@example.com",)]
    assert outcome((yield), "form_submissions").rows == 0


HOURS_APART: Mapping[Story, Sequence[str]] = {
    parents_that_are_refused_for_a_moment: ("email_campaign_ids", "email_campaigns"),
    a_parent_read_in_part_keeps_its_rows: ("imports", "import_errors"),
    a_batch_that_leaves_some_out: ("workflows", "workflow_details"),
    actors_of_which_an_answer_says_nothing: (
        *("conversation_threads", "conversation_messages", "conversation_actors"),
    ),
    a_list_that_lacks_its_key: ("lists",),
    a_mark_moves_only_behind_rows_that_are_loaded: ("login_activity",),
    events_of_a_load_that_was_cut_off: ("forms", "form_submissions"),
}


def test_readings_hours_apart(portal: Portal, warehouse: Warehouse) -> None:
    """What a reading could not bring comes with the next run; what it could not tell stays."""
    play(portal, warehouse, HOURS_APART, (2 * HOUR_MS, MINUTE_MS, 2 * HOUR_MS, 2 * HOUR_MS))


# --- days apart -----------------------------------------------------------------------------------


def what_changes_while_its_parent_does_not(portal: Portal, warehouse: Warehouse) -> Played:
    """Rows of HubDB tables, and details of workflows, are read of all of these once a day.

    In between they are read of those that changed.
    """
    people = "marketing_event_participations"
    yield
    row = portal.collections["hubdb_rows"].seen()[0]
    flow, *_, third, other = flows = portal.collections["workflows"].seen()
    portal.collections["workflows"].edit(other["id"], {"name": "Changed"})
    revised = {"revisionId": "98", "updatedAt": third["updatedAt"]}
    portal.collections["workflows"].edit(third["id"], revised)
    leaving = portal.collections[people].seen()[0]
    portal.collections[people].delete((leaving["_parent"], leaving["id"]))
    report = yield  # hours later
    assert 0 < outcome(report, "workflow_details").rows < len(flows)
    assert outcome(report, people).calls == 1  # of the one event whose counters differ
    details = "SELECT workflow_id FROM workflow_details WHERE revision_id = '{}'"
    assert warehouse.rows(details.format(98)) == [(third["id"],)]
    events = portal.collections["marketing_events"].seen()
    young = max(events, key=lambda one: one["startDateTime"])["objectId"]
    taking_part = portal.collections[people].seen(young)[0]
    taking_part["properties"]["attendanceDurationSeconds"] = 4711
    portal.collections[people].edit((young, taking_part["id"]), taking_part)
    portal.collections["hubdb_rows"].edit((row["_parent"], row["id"]), {"name": "Quiet"})
    silent = {"revisionId": "99", "updatedAt": flow["updatedAt"]}
    portal.collections["workflows"].edit(flow["id"], silent)
    yield  # a day later
    assert warehouse.rows("SELECT count(*) FROM hubdb_rows WHERE name = 'Quiet'") == [(1,)]
    assert warehouse.rows(details.format(99)) == [(flow["id"],)]
    spent = f"SELECT id FROM {people} WHERE attendance_duration_seconds = 4711"
    assert warehouse.rows(spent) == [(taking_part["id"],)]


def parents_of_which_nothing_says_when_they_changed(portal: Portal, warehouse: Warehouse) -> Played:
    """Rows of a HubDB table that nobody has published are read once a day, as all others."""
    tables, rows = (portal.collections[name] for name in ("hubdb_tables", "hubdb_rows"))
    row = rows.seen()[-1]
    tables.edit(row["_parent"], remove=("publishedAt",))
    rows.edit((row["_parent"], row["id"]), {"name": "Draft"})
    yield
    yield  # hours later
    rows.edit((row["_parent"], row["id"]), {"name": "Changed"})
    yield  # a day later
    assert warehouse.rows("SELECT count(*) FROM hubdb_rows WHERE name = 'Changed'") == [(1,)]


def answers_for_parents_that_say_nothing(portal: Portal, warehouse: Warehouse) -> Played:
    """404 of parents is no refusal, null stays null, answers of nothing known cost no row."""
    mails = portal.collections["email_campaigns"]
    tables = ("email_campaigns", "campaign_budgets", "campaign_budget_items")
    mails.edit("55", remove=("lastUpdatedTime",))
    yield
    assert warehouse.rows(f"SELECT * FROM {REJECTS} WHERE table_name IN {tables}") == []
    kept = {name: warehouse.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in tables}
    times = "SELECT id FROM email_campaigns WHERE last_updated_time IS NULL"
    assert warehouse.rows(times) == [("55",)]
    assert all(kept.values())
    yield
    mails.edit("58", {"lastUpdatedTime": portal.clock.now_ms() + HOUR_MS})
    portal.faults.add(path=r"v1/campaigns/\d", status=404)
    portal.faults.add(path="/budget/totals", rewrite=lambda _: {"results": {}})
    report = yield  # a day later
    found = outcome(report, "email_campaigns")
    assert found.calls == 3
    assert "404 for 3 rows of email_campaign_ids" in found.messages[0]
    budgets = outcome(report, "campaign_budgets", "failed")
    assert "has none of budgetItems" in (budgets.error or "")
    for name, rows in kept.items():
        assert warehouse.rows(f"SELECT * FROM {name} ORDER BY ALL") == rows


def kinds_of_assets_that_take_the_place_of_others(portal: Portal, warehouse: Warehouse) -> Played:
    """What is named otherwise is loaded, be its content the same."""

    def of_kind(kind: str) -> Any:
        return lambda answer: {
            "results": [one | {"assets": {kind: {}}} for one in answer["results"]]
        }

    for kind in ("FORM", "SITE_PAGE"):
        fault = portal.faults.add(path="campaigns/.*batch/read", rewrite=of_kind(kind))
        outcome((yield), "campaign_asset_types")
        yield
        assert warehouse.rows("SELECT DISTINCT asset_type FROM campaign_asset_types") == [(kind,)]
        portal.faults.rules.remove(fault)


def rows_of_parents_in_a_reading_that_fails(portal: Portal, warehouse: Warehouse) -> Played:
    """Where a row of a parent lacks its key, each run says so, and the others come afterwards."""
    errors = portal.collections["import_errors"]
    yield
    rows = {row["_parent"]: row for row in errors.seen()}
    whole, broken = (rows[parent] for parent in sorted(rows)[:2])
    at = iso(portal.clock.now_ms() + HOUR_MS)
    errors.edit((whole["_parent"], whole["id"]), {"invalidValue": "Another"})
    for one in (whole, broken):
        portal.collections["imports"].edit(one["_parent"], {"updatedAt": at})

    def nameless(answer: dict[str, Any]) -> dict[str, Any]:
        return {"results": [*answer["results"], {"errorType": "OF_NOTHING"}]}

    fault = portal.faults.add(path=f"/{broken['_parent']}/errors", rewrite=nameless)
    for _ in range(2):
        found = outcome((yield), "import_errors", "failed")
        assert "cannot be null" in (found.error or ""), found
    portal.faults.rules.remove(fault)
    outcome((yield), "import_errors")
    value = f"SELECT invalid_value FROM import_errors WHERE id = '{whole['id']}'"
    assert warehouse.rows(value) == [("Another",)]


def what_lay_in_the_last_row_of_a_parent(portal: Portal, warehouse: Warehouse) -> Played:
    """With the last row of a parent goes what lies in it, though no other row is loaded."""
    items = portal.collections["price_book_items"]
    yield
    yield
    rows = items.seen(items.seen()[0]["_parent"])
    named = ", ".join(f"'{row['id']}'" for row in rows)
    lying = f"SELECT count(*) FROM price_book_item_prices WHERE item_id IN ({named})"
    assert warehouse.rows(lying) != [(0,)]
    for row in rows:
        items.delete((row["_parent"], row["id"]))
    outcome((yield), "price_book_items")  # a day later
    assert warehouse.rows(lying) == [(0,)]


def rows_that_are_counted_a_while_longer(portal: Portal, warehouse: Warehouse) -> Played:
    """A row that HubSpot counts without listing it is marked once it is not counted any more."""
    pages = portal.collections["blog_posts"]
    yield
    yield
    live = "SELECT count(*) FROM blog_posts WHERE _hs_deleted_at IS NULL"
    before = warehouse.rows(live)
    pages.delete(pages.seen()[-1]["id"])
    fault = portal.faults.add(
        path="/posts", rewrite=lambda answer: answer | {"total": answer["total"] + 1}
    )
    assert outcome((yield), "blog_posts").calls  # a day later
    assert warehouse.rows(live) == before
    portal.faults.rules.remove(fault)
    assert outcome((yield), "blog_posts").calls
    assert warehouse.rows(live) == [(before[0][0] - 1,)]


def what_a_campaign_that_changed_has(portal: Portal, warehouse: Warehouse) -> Played:
    """Its assets and numbers are read by the next run, those of the others a day later."""
    first, *others = portal.collections["campaigns"].seen()
    names, report = ("campaign_metrics", "campaign_assets"), (yield)
    found = [outcome(report, name).calls for name in names]
    assert found == [1 + len(others)] * 2  # each has assets of one type, for another story
    portal.collections["campaigns"].edit(first["id"], {"updatedAt": iso(portal.clock.now_ms())})
    report = yield
    assert [outcome(report, name).calls for name in names] == [1, 1]
    assert outcome((yield), "campaign_metrics").calls == 1 + len(others)  # a day later


DAYS_APART: Mapping[Story, Sequence[str]] = {
    what_changes_while_its_parent_does_not: (
        *("hubdb_tables", "hubdb_rows", "workflows", "workflow_details"),
        *("marketing_events", "marketing_event_participations"),
    ),
    parents_of_which_nothing_says_when_they_changed: (),
    answers_for_parents_that_say_nothing: (
        *("email_campaign_ids", "email_campaigns", "campaigns", "campaign_budgets"),
    ),
    kinds_of_assets_that_take_the_place_of_others: ("campaign_asset_types",),
    what_a_campaign_that_changed_has: ("campaign_metrics", "campaign_assets"),
    rows_of_parents_in_a_reading_that_fails: ("imports", "import_errors"),
    what_lay_in_the_last_row_of_a_parent: ("price_books", "price_book_items"),
    rows_that_are_counted_a_while_longer: ("blog_posts",),
}


def test_readings_days_apart(portal: Portal, warehouse: Warehouse) -> None:
    """What nothing tells of is read once a day, and what HubSpot cannot say costs no row."""
    play(portal, warehouse, DAYS_APART, (2 * HOUR_MS, DAY_MS + HOUR_MS, DAY_MS + HOUR_MS))
