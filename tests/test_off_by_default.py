"""Endpoints that are off by default: what they bring where they are named."""

from dataclasses import astuple
from datetime import timedelta
from typing import Any

import pytest
from conftest import Warehouse

from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot.model import TableOutcome
from sources.hubspot.plan.collections.off import off_cost, off_history
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

OFF = [name for name, one in ENDPOINTS.items() if not one.default]
NAMES = ("deals", "vehicle", "email_events", *OFF)
EMPTY = {"brand_aeo_recommendations"}
"""Off, too; a portal as it is seeded has none."""
NEW_EACH_DAY = {
    "central_exchange_rates", "list_size_history", "traffic_daily", "workflow_performance"
}  # fmt: skip
"""Off, too; a day brings rows of their own, and those of traffic change for three days."""
WITH_OBJECT = {"marketing_email_revisions"}
NOTHING = TableOutcome("")
COUNTED = ("contract_changes", "traffic_daily", "call_transcript_utterances", "pipeline_audits",
           "brand_aeo_prompts", "brand_aeo_prompt_runs")  # fmt: skip
DAY_MS = int(timedelta(days=1).total_seconds() * 1000)
NEW_DAYS = 20


def test_rows_of_endpoints_that_are_named(portal: Portal, warehouse: Warehouse) -> None:
    """All rows of the portal come, once, of all brands and of custom types too.

    A day later none is loaded again; what every parent answers 404 for goes.
    """
    portal.reset(SeedSpec(contacts=20, calls=3, properties=12, custom_objects=1))
    cut, contract = cut_off(portal), portal.create("contracts", {"hs_status": "open"})
    vehicle = portal.type("vehicle").type_id
    made: Any = [{"id": "c", "label": "Cars", "displayOrder": 0, "archived": False,
                  "createdAt": "2025-01-01T00:00:00.000Z", "updatedAt": "2025-01-01T00:00:00.000Z",
                  "stages": []}]  # fmt: skip
    portal.pipelines[vehicle] = made
    change = {"id": "9", "changeType": "RENEWAL", "effectiveAt": "2026-01-01T00:00:00Z"}
    portal.collections["contract_changes"].add(change, parent=contract)
    enrolled = {row["_contact"]: row for row in portal.collections["sequence_enrollments"].rows()}
    latest = {"name": "hs_latest_sequence_enrolled", "type": "string", "fieldType": "text"}
    portal.create_property("contacts", latest)
    for contact, row in enrolled.items():
        portal.update("contacts", contact, {latest["name"]: row["sequenceId"]})
    settings = warehouse.with_settings(event_days=NEW_DAYS)
    off = off_in_plan(settings)
    assert {"aeo", "commerce", "email", "history"} <= off.keys()
    assert foretold(settings, "pipeline_audits")["high"] is None  # pipelines are still to come
    report = settings.sync_all(select=NAMES)
    assert report.exit_code == 0, report.tables
    assert {name for name in OFF if not report.tables.get(name, NOTHING).rows} == EMPTY
    calls = sum(report.tables[name].calls for name in off["aeo"]["tables"])
    assert 0 < off["aeo"]["first_calls"]["low"] <= calls
    refused = [*portal.journal.find(status=404), *portal.journal.find(status=400)]
    assert {one.kind for one in refused} == {"list_conversions.of_list"}
    assert warehouse.rows("SELECT contract_id, change, change_type FROM contract_changes") == [
        (contract, "9", "RENEWAL")
    ]
    days = portal.collections["traffic_daily"].rows()
    wanted = {
        (row["_date"], row["_by"], row.get("breakdown", "all")): row["visits"] for row in days
    }
    sql = "SELECT date::TEXT, breakdown_by, breakdown, visits FROM traffic_daily"
    assert {tuple(row[:3]): row[3] for row in warehouse.rows(sql)} == wanted
    transcripts = "SELECT t.engagement_id = t.call_id, count(*) FROM call_transcripts t"
    transcripts += " JOIN call_transcript_utterances u ON u.transcript_id = t.id GROUP BY 1"
    assert warehouse.rows(transcripts) == [(True, 6)]
    assert_counted(off_in_plan(settings), warehouse)
    audits = "SELECT object_type, object_type_id, count(*) FROM pipeline_audits GROUP BY 1, 2"
    assert {*warehouse.rows(audits)} == {("deals", "0-3", 4), ("custom_vehicle", vehicle, 1)}
    prompts = "SELECT (SELECT count(*) FROM aeo_prompts), count(*) FROM brand_aeo_prompts"
    assert warehouse.rows(prompts) == [(2, 1)]
    saved = "SELECT count(*), count(DISTINCT email_id) FROM marketing_email_revisions"
    kept = {row["_parent"] for row in portal.collections["marketing_email_revisions"].rows()}
    kept &= {str(row["id"]) for row in portal.collections["marketing_emails"].seen()}
    assert warehouse.rows(saved)[0][1] == len(kept) > 1
    assert_small_tables(portal, warehouse, cut)
    enrolments = dict(warehouse.rows("SELECT contact_id, sequence_id FROM sequence_enrollments"))
    assert enrolments == {contact: row["sequenceId"] for contact, row in enrolled.items()}
    since = portal.clock.now_ms() - NEW_DAYS * DAY_MS
    events = [row for row in portal.collections["email_events"].rows() if row["created"] > since]
    assert 0 < len(events) < len(portal.collections["email_events"])
    assert warehouse.rows("SELECT count(*) FROM email_events") == [(len(events),)]
    for contact in enrolled:
        portal.collections["sequence_enrollments"].delete((contact,))
        portal.update("contacts", contact, {latest["name"]: "0"})
    a_day_later(portal, warehouse, settings, len(enrolled))


def cut_off(portal: Portal) -> tuple[str, str, str, str]:
    """Have HubSpot cut a message off; return what its whole text makes a row of."""
    messages = portal.collections["conversation_messages"]
    one = next(row for row in messages.seen() if row["type"] == "MESSAGE")
    shown = {"text": "Text", "richText": "<p>Text</p>", "truncationStatus": "TRUNCATED"}
    own = {"_text": one["text"], "_richText": one["richText"]}
    messages.edit((one["_parent"], one["id"]), shown | own)
    return one["_parent"], one["id"], one["text"], one["richText"]


def assert_counted(off: dict[str, Any], warehouse: Warehouse) -> None:
    """What is off costs a call for each row of the warehouse that it would be asked for."""
    ((asked,),) = warehouse.rows(
        "SELECT count(*) FROM calls WHERE hs_call_transcription_id IS NOT NULL"
    )
    assert asked > 0
    assert off["transcripts"]["first_calls"] == {"low": asked, "high": asked}


def assert_small_tables(portal: Portal, warehouse: Warehouse, cut: tuple[str, ...]) -> None:
    """Who saved what, which lists turn static, seats, tokens, addresses: as the portal has it."""
    for name in (one for one in OFF if one.endswith("_revisions") and one not in WITH_OBJECT):
        saved = [
            (row["_parent"], row["id"], row["user"]["id"], row["user"]["email"])
            for row in portal.collections[name].rows()
        ]
        sql = f"SELECT parent_id, id, user_id, user_email FROM {name} WHERE extra IS NULL"
        assert sorted(warehouse.rows(sql)) == sorted(saved), name
    wanted = '{"conversionType":"INACTIVITY","timeUnit":"MONTH","offset":3}'
    found = {
        "SELECT list_id, converted_at IS NULL, requested_conversion_time FROM list_conversions": [
            ("17", True, wanted),
            ("18", False, None),
        ],
        "SELECT name, remaining_seats FROM seats": [("CORE", 5), ("SALES_PROFESSIONAL", 4)],
        "SELECT marketing_event_id, list_id, name FROM marketing_event_lists": [
            (one["_parent"], one["_list"], portal.collections["lists"].find(one["_list"])["name"])
            for one in portal.collections["marketing_event_lists"].rows()
        ],
        "SELECT id, email_campaign_id, create_contact FROM smtp_tokens": [
            (one["id"], one["emailCampaignId"], one["createContact"])
            for one in portal.collections["smtp_tokens"].rows()
        ],
        "SELECT cidr, service, direction FROM ip_ranges": [
            (one["cidr"], one["service"], one["direction"])
            for one in portal.collections["ip_ranges"].rows()
        ],
        "SELECT thread_id, message_id, text, rich_text FROM conversation_original_contents": [cut],
        "SELECT currency_code FROM unsupported_currencies": [("XAU",)],
        "SELECT central_exchange_rates_enabled FROM central_exchange_rates": [(True,)],
    }
    assert {sql: sorted(warehouse.rows(sql)) for sql in found} == {
        sql: sorted(rows) for sql, rows in found.items()
    }


def a_day_later(portal: Portal, warehouse: Warehouse, settings: Warehouse, changed: int) -> None:
    """Of what is off no row is loaded that is there; what every parent answers 404 for goes.

    So does what was read of records that are gone. Tags cost as many calls as the plan says.
    """
    per_call = "SELECT call_id, count(*) FROM call_transcript_utterances u"
    per_call += " JOIN call_transcripts t ON t.id = u.transcript_id GROUP BY 1 ORDER BY 1"
    (call, lines), *others = warehouse.rows(per_call)
    counts = counted(warehouse)
    portal.archive("calls", call)
    portal.clock.advance(DAY_MS)
    tags = foretold(settings, "object_tags")
    report = settings.sync_all(select=NAMES)
    assert report.exit_code == 0, report.tables
    assert tags == {"low": report.tables["object_tags"].calls, "high": tags["low"]}
    assert warehouse.rows(per_call) == others
    counts[COUNTED.index("call_transcript_utterances")][0] -= lines
    assert {name for name in OFF if report.tables.get(name, NOTHING).rows} == NEW_EACH_DAY
    gone = report.tables["sequence_enrollments"]
    assert (gone.status, gone.calls, gone.messages) == ("ok", changed, []), gone
    assert warehouse.rows("SELECT count(*) FROM sequence_enrollments") == [(0,)]
    assert counted(warehouse) == counts


def counted(warehouse: Warehouse) -> list[list[int]]:
    """Return how many rows some tables have."""
    return [[*warehouse.rows(f"SELECT count(*) FROM {name}")[0]] for name in COUNTED]


def foretold(warehouse: Warehouse, table: str) -> dict[str, int | None]:
    """Return the calls that a plan says a table takes; at most None where nobody knows."""
    section = plan(SyncOptions(select=NAMES), config=warehouse.config).sections[0]
    rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    (calls,) = [row["calls"] for row in rows if row["table"] == table]
    return {"low": calls["low"], "high": calls["high"]}


def off_in_plan(warehouse: Warehouse) -> dict[str, Any]:
    """Return what a plan without names says of groups that are off; it makes no call for that."""
    report = plan(SyncOptions(), config=warehouse.config)
    (section,) = [one for one in report.sections if one.name == "off"]
    return {row[0]: dict(zip(section.columns, row, strict=True)) for row in section.rows}


@pytest.mark.parametrize(
    ("name", "parents", "cost"),
    [
        ("roles", None, ((1, 1), (2, 2), False, False)),
        ("aeo_prompts", None, ((1, 1), (1, 1), True, True)),
        ("aeo_prompt_runs", None, ((0, 0), (0, 0), True, True)),
        ("aeo_prompt_runs", 7, ((7, 7), (7, 7), True, True)),
        ("call_transcripts", 50, ((0, 50), (0, 0), False, False)),
        ("traffic_daily", None, ((104, 104), (8, 8), False, False)),
        ("email_events", None, ((90, 90), (24, 24), True, False)),
        ("pipeline_audits", 3, ((0, 3), (0, 0), False, False)),
    ],
)
def test_cost_of_what_is_off(name: str, parents: int | None, cost: tuple[Any, ...]) -> None:
    """Calls of the first reading, and of an idle day, with whether there may be more of them."""
    assert astuple(off_cost(ENDPOINTS[name], parents)) == cost


def test_cost_of_histories() -> None:
    """50 records a call, for each 100 properties; nothing in a day without changes."""
    totals, names = {"contacts": 120, "leads": None}, {"contacts": ["a"] * 101, "leads": []}
    assert astuple(off_history(totals, names)) == ((6, 6), (0, 0), True, False)


def test_a_portal_without_what_is_asked_for(portal: Portal, warehouse: Warehouse) -> None:
    """Where calls cannot name a transcript, the run says so; 404 of all contacts is an answer."""
    latest = {"name": "hs_latest_sequence_enrolled", "type": "string", "fieldType": "text"}
    portal.create_property("contacts", latest)
    for name in ("1", "2"):
        portal.create("contacts", {latest["name"]: name})
    portal.create("calls", {"hs_call_title": "Hello"})
    portal.archive_property("calls", "hs_call_transcription_id")
    names = ("call_transcripts", "sequence_enrollments")
    report = warehouse.sync_all(select=names)
    found = report.tables["sequence_enrollments"]
    assert (found.status, found.calls, found.rows) == ("ok", 2, 0), found.error
    said = "Nothing to ask for: this portal's calls have no hs_call_transcription_id."
    assert report.exit_code == 0
    assert said in report.tables["call_transcripts"].messages
