"""A person who asks to be forgotten is nowhere any more: in no table, staging or state of ours."""

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pyarrow as pa
import pytest
import test_postgres
from conftest import Warehouse, wide
from dlt.common.versioned_state import decompress_state

from destinations.locks import exclusive
from pipelines.cli.app import main
from pipelines.cli.output.layout import Screen
from pipelines.cli.output.render import render
from pipelines.cli.output.report import RunReport
from pipelines.commands.forget import forget, without
from pipelines.runtime import local_runs
from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.catalog import endpoints
from sources.hubspot.errors import ConfigError, WarehouseError
from sources.hubspot.state.collections import CollectionState
from sources.hubspot.warehouse.person import Person, scrubber
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

postgres = test_postgres.postgres

ID, OTHER = "987650001", "987650002"
EMAIL = "ada.lovelace@forget.example"
TABLES = ("contacts", "companies", "deals", "custom_vehicle")
Connect = Callable[[], Any]

_TEXTS = (
    "SELECT table_schema, table_name, column_name FROM information_schema.columns"
    " WHERE table_schema IN ('hubspot', 'hubspot_staging')"
    " AND (lower(data_type) LIKE '%char%' OR lower(data_type) = 'text')"
)


def loaded(portal: Portal, sync: Callable[..., object]) -> str:
    """Load a portal and then a contact with links, a rejected value and a merge; return its id."""
    portal.reset(SeedSpec(seed=9, contacts=25, properties=12))
    portal.create_property("contacts", {"name": "joined", "type": "datetime", "fieldType": "date"})
    company, deal = next(iter(portal.records("companies"))), next(iter(portal.records("deals")))
    vehicle = next(iter(portal.records("vehicle")))
    for id_ in (ID, OTHER):
        values = {"email": f"{id_}.{EMAIL}", "joined": f"never, {EMAIL}"}
        portal.create("contacts", values, id=id_)
        portal.associate("contacts", id_, "companies", company)
        portal.associate("contacts", id_, "deals", deal)
        portal.associate("contacts", id_, "vehicle", vehicle)
    sync(*TABLES)
    survivor = portal.merge("contacts", ID, OTHER)
    portal.update("contacts", survivor, {"firstname": "Ada"})
    portal.clock.advance(60_000)
    sync(*TABLES)
    return survivor


@pytest.fixture(scope="module")
def template(server: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file that was loaded once for all tests that only erase, and the contact's id."""
    with pytest.MonkeyPatch.context() as patch:
        file = tmp_path_factory.mktemp("forget") / "warehouse.duckdb"
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))
        config = wide(server)
        survivor = loaded(server.portal, Warehouse(file, config).sync)
    return file, survivor


@pytest.fixture
def survivor(warehouse: Warehouse, template: tuple[Path, str]) -> str:
    """The warehouse is filled; this is the contact's id."""
    shutil.copy(template[0], warehouse.path)
    return template[1]


def mentions(connect: Connect, *words: str) -> set[str]:
    """Name the columns, of both datasets, in whose texts, or stored states, one of these is."""
    found = set()
    whole = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, words))})(?!\w)")
    with closing(connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(_TEXTS)
        for schema, table, column in cursor.fetchall():
            cursor.execute(f'SELECT DISTINCT "{column}" FROM "{schema}"."{table}"')
            texts = [row[0] for row in cursor.fetchall() if row[0]]
            if (table, column) == ("_dlt_pipeline_state", "state"):
                texts = [json.dumps(decompress_state(text)) for text in texts]
            if any(map(whole.search, texts)):
                found.add(f"{schema}.{table}.{column}")
    return found


def erased(report: RunReport) -> dict[tuple[str, str], int]:
    """Return the rows that were erased, by dataset and table."""
    assert (report.status, report.exit_code) == ("ok", 0)
    return {(row[0], row[1]): row[2] for row in report.sections[0].rows}


def check(connect: Connect, survivor: str, destination: str) -> None:
    """Forget the contact, and prove that nothing of it, nor of what was merged, is left."""
    before = {name.rpartition(".")[0] for name in mentions(connect, ID, OTHER, survivor, EMAIL)}
    expected = ("contacts", "contacts_to_companies", "contacts_to_deals", "_hs_rejected_values")
    assert before >= {f"hubspot.{table}" for table in (*expected, "_dlt_pipeline_state")}
    assert "hubspot_staging.contacts" in before

    report = forget("contacts", survivor, destination=destination)
    assert mentions(connect, ID, OTHER, survivor, EMAIL) == set()
    rows = erased(report)
    assert {f"{schema}.{table}" for schema, table in rows} == before
    assert rows["hubspot", "contacts"] == 3
    assert all(rows.values())
    assert any("HubSpot has to delete" in warning for warning in report.warnings)
    assert any("backups" in warning for warning in report.warnings)
    again = forget("contacts", survivor, destination=destination)
    assert erased(again) == {}
    assert "Nothing of contacts" in again.sections[0].title
    out = io.StringIO()
    render(again, "text", stdout=out, stderr=io.StringIO(), screen=Screen(80, is_terminal=False))
    assert re.search(r"rows  what\nhubspot +contacts +0  deleted", out.getvalue())


def test_nothing_is_left(portal: Portal, warehouse: Warehouse, survivor: str) -> None:
    """A record and what was merged into it are gone everywhere; the next sync goes on as ever."""
    assert loaded(portal, lambda *_: None) == survivor  # the portal as it was when it was loaded
    others = len(warehouse.table("contacts"))
    connect = partial(duckdb.connect, str(warehouse.path))
    check(connect, survivor, "duckdb")
    assert len(warehouse.table("contacts")) == others - 3
    portal.gdpr_delete("contacts", survivor)
    report = warehouse.sync(*TABLES)
    assert (report.exit_code, report.tables["contacts"].mode) == (0, "increment")
    assert len(warehouse.table("contacts")) == others - 3
    assert mentions(connect, survivor, EMAIL) == set()


def test_archived_record_without_a_tombstone(portal: Portal, warehouse: Warehouse) -> None:
    """Where tombstones are not kept, the state remembers who is archived; it forgets them, too."""
    portal.reset(SeedSpec(contacts=25, properties=12))
    portal.archive("contacts", portal.create("contacts", {"email": EMAIL}, id=ID))
    warehouse.sync("contacts", hard_delete=True)
    connect = partial(duckdb.connect, str(warehouse.path))
    assert "hubspot._dlt_pipeline_state.state" in mentions(connect, ID)
    assert forget("contacts", ID).exit_code == 0
    assert mentions(connect, ID) == set()


def test_nothing_is_left_in_postgres(
    portal: Portal, postgres: test_postgres.Postgres, server_uri: str
) -> None:
    """The same in PostgreSQL."""
    check(partial(psycopg2.connect, server_uri), loaded(portal, postgres.sync), "postgres")


def test_one_that_was_merged_away(warehouse: Warehouse, survivor: str) -> None:
    """Forgetting an id that was merged into another keeps the survivor, and says so."""
    report = forget("contacts", OTHER)
    assert any(f"merged into {survivor}" in warning for warning in report.warnings)
    assert {ID, survivor} <= warehouse.table("contacts").keys()
    assert OTHER not in warehouse.table("contacts")


def test_links_from_the_other_end(warehouse: Warehouse, survivor: str) -> None:
    """Links that lead to a record go with it; a custom object is known by its bare name."""
    linked = warehouse.rows("SELECT to_id, count(*) FROM contacts_to_custom_vehicle GROUP BY 1")
    id_, count = linked[0]
    rows = erased(forget("vehicle", id_))
    assert rows["hubspot", "contacts_to_custom_vehicle"] == count
    assert rows["hubspot", "custom_vehicle"] == 1
    assert len(warehouse.rows("SELECT * FROM contacts_to_custom_vehicle")) == sum(
        row[1] for row in linked[1:]
    )


PERSONAL = ("contacts", "owners", "forms", "email_events", "consent", "marketing_events",
            "conversations", "marketing_emails")  # fmt: skip


def test_tables_of_other_apis(portal: Portal, warehouse: Warehouse) -> None:
    """By id or address: events, submissions with all their values, and JSON lose the contact."""
    portal.reset(SeedSpec(seed=9, contacts=25, properties=12, custom_objects=0))
    warehouse = warehouse.with_settings(event_days=30)
    sent = max(portal.collections["email_events"].rows(), key=lambda row: int(row["created"]))
    forms = portal.collections["forms"].rows()
    person, record = next(iter(portal.records("contacts").items()))
    email = str(record["properties"]["email"])
    note = {"contactId": int(person), "seen": [f"by {email.upper()}", person], "other": "kept"}
    portal.collections["forms"].edit(str(forms[0]["id"]), {"zzNew": note})
    portal.collections["email_events"].edit(
        (sent["id"], str(sent["created"])), {"recipient": email.upper(), "attempt": "once"}
    )
    said = portal.collections["conversation_messages"]
    mine = {row["_parent"] for row in said.rows() if row["createdBy"] == f"V-{person}"}
    of_others = [
        row for row in said.rows() if row["type"] == "MESSAGE" and row["_parent"] not in mine
    ]
    (one, other), to = of_others[:2], {"type": "HS_EMAIL_ADDRESS", "value": email}
    recipients = [{"actorId": f"E-{email}", "deliveryIdentifier": to}]
    said.edit((one["_parent"], one["id"]), {"recipients": recipients})
    said.edit((other["_parent"], other["id"]), {"text": f"Write to {email.upper()}, not to me."})
    mailing = portal.collections["marketing_emails"].rows()[0]
    to_all = {"contactIds": {"include": [person, "7"]}, "contactIlsLists": {"include": [person]}}
    portal.collections["marketing_emails"].edit(str(mailing["id"]), {"to": to_all})
    assert warehouse.sync_at_once(select=PERSONAL).exit_code == 0
    values = "SELECT DISTINCT submission_key FROM form_submission_values"
    keys = warehouse.rows(f"{values} WHERE lower(value) = lower(?)", email)
    before = {name: count(warehouse, name) for name in EXPECTED}
    connect = partial(duckdb.connect, str(warehouse.path))
    odd = "SELECT id FROM _hs_rejected_values WHERE table_name = 'email_events' AND id LIKE ?"
    assert keys
    assert len(warehouse.rows(odd, f"{sent['id']}:%")) == 1
    found = mentions(connect, email.upper())
    assert {"hubspot.email_events.recipient", "hubspot.forms.extra"} <= found

    shown = erased(forget("contacts", email.upper(), dry_run=True))
    rows = erased(forget("contacts", email.upper()))
    assert {name: n for name, n in rows.items() if "_dlt" not in name[1]} == {
        name: n for name, n in shown.items() if "_dlt" not in name[1]
    }
    assert rows["hubspot", "form_submissions"] == len(keys)
    assert rows["hubspot", "email_events"] >= 1
    assert warehouse.rows(odd, f"{sent['id']}:%") == []
    assert mentions(connect, email, email.upper()) == set()
    lists = {"marketing_email_recipients.ref_id", "forms.extra"}
    assert {name.split(".", 1)[1] for name in mentions(connect, person)} <= lists
    sent_to = "SELECT kind, ref_id FROM marketing_email_recipients WHERE email_id = ?"
    assert {*warehouse.rows(sent_to, mailing["id"])} == {("contact", "7"), ("ils_list", person)}
    words = "SELECT text FROM conversation_messages WHERE thread_id = ? AND id = ?"
    assert warehouse.rows(words, other["_parent"], other["id"]) == [
        ("Write to (erased), not to me.",)
    ]
    assert warehouse.rows(words, one["_parent"], one["id"]) == []
    left = [json.loads(text)["zzNew"] for (text,) in warehouse.rows(EXTRA)]
    assert left == [{"seen": ["by (erased)", person], "other": "kept"}]
    assert {name: before[name] - count(warehouse, name) for name in before} == {
        name: rows.get(("hubspot", name), 0) for name in before
    }
    assert before["owners"] == count(warehouse, "owners")
    assert not warehouse.rows(
        "SELECT 1 FROM form_submission_values v WHERE NOT EXISTS"
        " (SELECT 1 FROM form_submissions s WHERE s.submission_key = v.submission_key)"
    )
    assert erased(forget("contacts", email)) == {}


EXPECTED = ("contacts", "owners", "email_events", "form_submissions", "form_submission_values")
EXTRA = "SELECT extra FROM forms WHERE extra LIKE '%zzNew%'"


def count(warehouse: Warehouse, table: str) -> int:
    """Return how many rows a table has."""
    ((rows,),) = warehouse.rows(f"SELECT count(*) FROM {table}")
    return int(rows)


@pytest.mark.parametrize("name", endpoints.TABLES)
def test_declarations_say_who_is_named(name: str) -> None:
    """Columns with ids of contacts, of records, or addresses bear a mark, and what it needs."""
    for column in endpoints.TABLES[name].fields:
        if column.kind == "text" and re.fullmatch(PERSON, column.name):
            assert column.form, column.name
        if column.form == "record":
            assert {"object_type", "object_type_id", "kind"} & {*endpoints.TABLES[name].names}


PERSON = r"vid|(\w+_)?contact_id|record_id|(\w+_)?recipient|(\w+_)?email|email_address"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param('{"contactId": 501, "n": 501}', '{"n": 501}', id="member that names it"),
        pytest.param('{"to": {"contacts": [501, 7]}}', '{"to": {"contacts": [7]}}', id="list"),
        pytest.param('["Ada@X.Example, b@x.example"]', '["(erased), b@x.example"]', id="address"),
        pytest.param('{"ada@x.example": 1, "b": 2}', '{"b": 2}', id="address as a name"),
        pytest.param('["ada@x.example.org", "nada@x.example"]', None, id="others' addresses"),
        pytest.param('{"count": "501", "on": true}', None, id="number of something else"),
        pytest.param("no JSON 501", None, id="no JSON"),
    ],
)
def test_people_in_json(text: str, left: str | None) -> None:
    """A contact leaves JSON by its addresses, and by its id where a member says that it is one."""
    person = Person("contacts", "0-1", ["501"], ["ada@x.example"])
    assert scrubber(person)(text) == (left or text)


def test_tables_to_come(warehouse: Warehouse, survivor: str) -> None:
    """Tables that name a record by type and id lose its rows, verifications and errors its id."""
    of_both = [{kind: table, key: ID} for kind, key, table in kinds() for table in TABLES]
    ids = {"missing": [ID, "5"], "extra": ["6"], "wrong": {ID: ["email"], "7": ["email"]}}
    common = {"run_id": "1", "ids": json.dumps(ids), "error": f"refuses to read record {ID}: no"}
    pairs = ("contacts", "contacts_to_deals", "deals")
    with stored_pipeline("duckdb", "hubspot") as pipeline:
        for kind, key, _ in kinds():
            rows = [row for row in of_both if {kind, key} <= row.keys()]
            pipeline.run(rows, table_name=f"history_by_{kind}_{key}")
        rows = [common | {"table_name": name} for name in pairs]
        pipeline.run(pa.Table.from_pylist(rows), table_name="_hs_verifications")
    rows = erased(forget("contacts", ID))
    for kind, key, _ in kinds():
        table = f"history_by_{kind}_{key}"
        assert rows["hubspot", table] == 1
        assert len(warehouse.rows(f"SELECT * FROM {table}")) == len(TABLES) - 1
    left = {"missing": ["5"], "extra": ["6"], "wrong": {"7": ["email"]}}
    found = warehouse.rows("SELECT table_name, ids, error FROM _hs_verifications")
    for name, text, error in found:
        assert json.loads(text) == (ids if name == "deals" else left)
        assert (ID in error) == (name == "deals")
    assert len(found) == 3


def kinds() -> Iterator[tuple[str, str, str]]:
    """Yield the pairs of columns by which a table may name a record."""
    for kind in ("table_name", "object_type"):
        for key in ("id", "record_id"):
            yield kind, key, "contacts"


def test_errors_of_runs_lose_the_id(warehouse: Warehouse, survivor: str) -> None:
    """No error of a run names the record any more, in the warehouse or on this machine."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute(
            "UPDATE hubspot._hs_runs SET error = ?", [f"HubSpot refuses {ID}, {ID}0"]
        )
    place = local_runs.unresolved("duckdb", "hubspot")
    run = {"run_id": "r", "started_at": "2026-01-01T00:00:00Z", "error": f"It refuses {ID}."}
    assert local_runs.keep(place, run)
    rows = erased(forget("contacts", ID, dry_run=True))
    assert rows["this machine", "runs.jsonl"] == 1
    assert ID in local_runs.kept(place)[-1]["error"]
    assert erased(forget("contacts", ID)) == rows
    assert local_runs.kept(place)[-1]["error"] == "It refuses (erased)."
    errors = {error for (error,) in warehouse.rows("SELECT error FROM _hs_runs")}
    assert errors == {f"HubSpot refuses (erased), {ID}0"}


def test_reference_data_stays(warehouse: Warehouse, survivor: str) -> None:
    """A pipeline whose id is a record's number is no record."""
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("UPDATE hubspot.pipelines SET id = '5' WHERE object_type = 'deals'")
    count = warehouse.rows("SELECT count(*) FROM pipelines WHERE id = '5'")
    forget("deals", "5")
    assert warehouse.rows("SELECT count(*) FROM pipelines WHERE id = '5'") == count != [(0,)]


def test_a_dry_run_shows_and_keeps_all(warehouse: Warehouse, survivor: str) -> None:
    """A dry run counts the very rows that are erased afterwards, and changes none."""
    before = mentions(partial(duckdb.connect, str(warehouse.path)), survivor, EMAIL)
    shown = forget("contacts", survivor, dry_run=True)
    assert mentions(partial(duckdb.connect, str(warehouse.path)), survivor, EMAIL) == before
    assert "Would be erased" in shown.sections[0].title
    tables = {name for name in erased(shown) if "_dlt" not in name[1]}
    assert {
        name for name in erased(forget("contacts", survivor)) if "_dlt" not in name[1]
    } == tables


@pytest.mark.parametrize(("answer", "left"), [("n\n", True), ("y\n", False)])
def test_a_terminal_is_asked(
    warehouse: Warehouse,
    survivor: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    answer: str,
    left: bool,
) -> None:
    """On a terminal nothing is erased before a person has seen what goes and said yes."""
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(SystemExit) as ended:
        main(["forget", "contacts", survivor])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert f"Would be erased: contacts {survivor}" in said.err
    assert ("Nothing was erased" in said.err) is left
    assert (survivor in warehouse.table("contacts")) is left


def test_what_is_not_found_is_a_warning(warehouse: Warehouse, survivor: str) -> None:
    """An id that nothing is known of may be misspelt, so nobody is told that it is erased."""
    report = forget("contacts", "404404404")
    assert erased(report) == {}
    assert "contacts 404404404 was not found in dataset hubspot" in report.warnings[0]


def test_unknown_table(warehouse: Warehouse, survivor: str) -> None:
    """A table that is not there is told with those that are."""
    with pytest.raises(ConfigError, match=r"Unknown table: contcats.*companies, contacts"):
        forget("contcats", survivor)


def test_dataset_without_runs(warehouse: Warehouse) -> None:
    """Where no sync has been there is nothing to forget, and no file is made."""
    with pytest.raises(ConfigError, match="No sync has run in dataset hubspot yet"):
        forget("contacts", "1")
    assert not warehouse.path.exists()


def test_not_beside_another_run(warehouse: Warehouse, survivor: str) -> None:
    """While another run writes the dataset, nothing is erased."""
    with stored_pipeline("duckdb", "hubspot") as pipeline, exclusive(pipeline):  # noqa: SIM117
        with pytest.raises(WarehouseError, match="Another run"):
            forget("contacts", survivor)
    assert survivor in warehouse.table("contacts")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param('{"missing": ["1", "11"]}', '{"missing": ["11"]}', id="list"),
        pytest.param('{"wrong": {"1": ["email"]}}', '{"wrong": {}}', id="object"),
        pytest.param('{"extra": ["2:1", 1]}', '{"extra": []}', id="pairs and numbers"),
        pytest.param('{"missing": ["2"],"n": 1}', '{"missing": ["2"],"n": 1}', id="not there"),
        pytest.param("no JSON 1", "no JSON 1", id="no JSON"),
    ],
)
def test_ids_in_json(text: str, left: str) -> None:
    """An id leaves every list and object it is in, and nothing else changes."""
    assert without(text, re.compile(r"(?<!\w)(1)(?!\w)")) == left


@pytest.mark.parametrize("cursor", ["parent_id", "all_until"])
def test_a_cursor_of_parents_that_names_a_person(cursor: str) -> None:
    """No state names who is forgotten; parents of the time at which the cursor was come again."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    state = CollectionState(parent_at=at)
    setattr(state, cursor, EMAIL)
    assert state.forget([EMAIL])
    assert EMAIL not in repr(state)
    assert state.parent_at == at - timedelta(milliseconds=1)
    assert not state.forget([EMAIL])
