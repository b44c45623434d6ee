"""What leaves HubSpot is the user's decision: what is left out or hashed is nowhere in plain."""

import gzip
import hmac
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from conftest import FEWER, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from dlt.common.versioned_state import decompress_state
from pyarrow import parquet

from pipelines.cli.output.report import RunReport
from pipelines.commands.doctor import doctor
from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.config import policy_of, resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot.model import Column, TableSchema
from sources.hubspot.privacy import Hasher, Policy, Rule
from sources.hubspot.steps.collections.reading import WITHHELD
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.records import to_batch
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

KEY = "a key for tests, with 32 letters or more"
TOKEN = "pat-na1-0000"  # noqa: S105 - of no portal


def hashed(text: str) -> str:
    """Return the hash that stands for a text."""
    return hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


def policy(**settings: Any) -> Policy:
    """Return the policy of some settings."""
    return policy_of(resolve_config(access_token=TOKEN, hash_key=KEY, **settings))


@pytest.mark.parametrize(
    ("table", "name", "rule"),
    [
        ("contacts", "email", "hashed"),
        ("contacts", "Email", "hashed"),
        ("deals", "email", "plain"),
        ("contacts", "phone", "excluded"),
        ("deals", "phone", "excluded"),
        ("deals", "phone2", "plain"),
        ("contacts", "hs_ip_1", "excluded"),
        ("companies", "name", "plain"),
        ("companies", "domain", "excluded"),
        ("companies", "hs_object_id", "plain"),
        ("tickets", "subject", "excluded"),
        ("tickets", "hs_lastmodifieddate", "plain"),
        ("properties", "phone", "plain"),
        ("_hs_columns", "phone", "plain"),
    ],
)
def test_rules(table: str, name: str, rule: Rule) -> None:
    """Exclusion outweighs the others, a list limits its tables only, and keys stay plain."""
    found = policy(
        include_properties=["companies.name"],
        exclude_properties=["*.phone", "contacts.hs_ip_?", "tickets.*"],
        hash_properties=["Contacts.email", "contacts.phone"],
    )
    assert found.rule(table, name) == rule


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hash_properties": ["contacts.email"]}, r"there is no key.*HASH_KEY.*token_hex"),
        ({"hash_properties": ["contacts.email"], "hash_key": "short"}, "has 5 characters"),
        ({"exclude_properties": ["contacts.createdate"]}, "contacts.createdate"),
        ({"hash_properties": ["*.hs_object_id"], "hash_key": KEY}, r"\*.hs_object_id"),
        ({"include_properties": ["contacts"]}, "INCLUDE_PROPERTIES.*not 'contacts'"),
        ({"exclude_properties": ["contacts. phone"]}, "EXCLUDE_PROPERTIES.*table.property"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """What cannot be meant is refused before anything is asked, with the setting's name."""
    with pytest.raises(ConfigError, match=message):
        resolve_config(access_token=TOKEN, **settings)


def test_hashes() -> None:
    """A hash is the HMAC of the exact text; null and empty texts have none; no key is shown."""
    config = resolve_config(access_token=TOKEN, hash_key=KEY, hash_properties=["*.email"])
    hasher = policy_of(config).hasher
    assert hasher is not None
    texts = ["Ada", "ada", " ada", "Zoë", "", None]
    wanted = [*map(hashed, ["Ada", "ada", " ada", "Zoë"]), "", None]
    assert hasher.texts(texts) == wanted
    assert KEY not in repr(config) + repr(hasher) + repr(policy_of(config))


# --- a change of the settings -----------------------------------------------------------------

DEFINED = (("score", "number"), ("salary", "string"), ("phone", "string"), ("mobile", "string"))
HASHES = ["contacts.email", "contacts.score", "contacts.salary"]
CHANGED: dict[str, Any] = {
    "hash_properties": [*HASHES, "contacts.emial"],
    "exclude_properties": ["*.phone"],
    "hash_key": KEY,
}


def person(number: int) -> dict[str, str]:
    """Return the properties of a contact, each text its own."""
    name = f"secret{number}"
    values = {"email": f"{name}@plain.example", "score": f"77{number}.0625", "phone": f"555{name}"}
    return values | {"firstname": f"Ada{number}", "salary": f"salary {name}", "mobile": f"m{name}"}


def define(portal: Portal) -> None:
    """Give contacts the properties of a person."""
    for name, kind in DEFINED:
        portal.create_property("contacts", {"name": name, "type": kind, "fieldType": "text"})


def move(portal: Portal, sync: Callable[[str], object]) -> dict[str, str]:
    """Let three contacts come and two go, with two syncs; return their ids."""
    define(portal)
    names = ("live", "archived", "purged")
    ids = {name: portal.create("contacts", person(at)) for at, name in enumerate(names, 1)}
    portal.update("contacts", ids["live"], {"score": "a lot of secrets"})
    portal.archive("contacts", ids["archived"])
    sync("contacts")
    portal.clock.advance(60_000)
    portal.gdpr_delete("contacts", ids["purged"])
    sync("contacts")
    return ids


def planned(warehouse: Warehouse, **options: Any) -> RunReport:
    """Plan a sync of contacts."""
    return plan(SyncOptions(objects=("contacts",), **options), config=warehouse.config)


def findings(warehouse: Warehouse) -> str:
    """Return what a doctor says about properties, with the remedies."""
    report = doctor(SyncOptions(objects=("contacts",)), config=warehouse.config)
    return "\n".join(map(str, (row for row in report.sections[0].rows if row[0] == "properties")))


def verified(warehouse: Warehouse) -> int:
    """Compare every value of contacts with the portal; return the exit code."""
    options = VerifyOptions(("contacts",), sample=-1)
    return verify(options, collector=NULL_COLLECTOR, config=warehouse.config).exit_code


def everything(warehouse: Warehouse) -> str:
    """Return the texts of all tables of all datasets, states unpacked."""
    found = []
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        sql = "SELECT schema_name, table_name FROM duckdb_tables()"
        for schema, table in connection.execute(sql).fetchall():
            rows = connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
            found += [repr(row) for row in rows]
            if table == "_dlt_pipeline_state":
                states = connection.execute(f'SELECT state FROM "{schema}"."{table}"').fetchall()
                found += [repr(decompress_state(state)) for (state,) in states]
    return "\n".join(found)


@pytest.fixture
def people(portal: Portal, warehouse: Warehouse) -> dict[str, str]:
    """A contact that lives, one that is archived and one that is purged, all of them loaded."""
    ids: dict[str, str] = {}

    def play(sync: Callable[[str], object]) -> None:
        portal.reset(SeedSpec.empty())
        ids.update(move(portal, sync))

    if not warehouse.once("people who come and go", lambda: play(warehouse.sync)):
        play(lambda _: None)
    assert warehouse.table("contacts")[ids["purged"]]["email"] == person(3)["email"]
    return ids


def test_a_change_of_settings(portal: Portal, warehouse: Warehouse, people: dict[str, str]) -> None:
    """Hashes take the place of values at once, of archived records too; nothing plain stays."""
    private = warehouse.with_settings(**CHANGED)
    made = planned(private)
    sections = {section.name: section.rows for section in made.sections}
    hidden = [("contacts", "hashed", name.partition(".")[2]) for name in sorted(HASHES)]
    assert sections["policy"] == [*hidden, ("contacts", "excluded", "phone")]
    assert any("the settings have hashed: contacts.email" in text for text in made.warnings)
    portal.journal.clear()
    report = private.sync("contacts")
    calls = sections["totals"][0][2]
    assert calls["low"] <= len([*portal.journal]) <= calls["high"]
    policies = [row[:3] for row in report.sections[0].rows if row[5] == "hashed"]
    assert policies == [("contacts", name, "policy") for name in ("email", "salary", "score")]
    lost = "The settings name properties that do not exist: contacts.emial."
    assert report.warnings == [f"properties: {lost} Did you mean contacts.email?"]
    assert lost in made.warnings[0]

    rows = private.table("contacts")
    for name, number in (("live", 1), ("archived", 2)):
        assert rows[people[name]]["email"] == hashed(person(number)["email"])
        assert rows[people[name]]["mobile"] == person(number)["mobile"]
    assert rows[people["live"]]["score_hashed"] == hashed("a lot of secrets")
    purged = rows[people["purged"]]
    assert [purged[name] for name in ("email", "salary", "score")] == [None, None, None]
    texts = everything(private)
    assert "msecret3" in texts
    for text in ("@plain.example", "salary secret", "772.0625", "a lot of secrets"):
        assert text not in texts, text
    sql = "SELECT DISTINCT table_name, policy, property FROM _hs_columns WHERE policy IS NOT NULL"
    assert {*private.rows(sql)} == {*sections["policy"]}
    assert verified(private) == 0
    with pytest.raises(ConfigError, match="have changed since the last sync: contacts"):
        verified(warehouse)


def test_what_is_left_out_goes_on_request(warehouse: Warehouse, people: dict[str, str]) -> None:
    """Excluded values stay until `--refresh-schema`; doctor and plan say so; and all comes back."""
    private = warehouse.with_settings(**CHANGED)
    private.sync("contacts")
    assert "555secret3" in everything(private)
    assert "contacts.phone" in findings(private)
    assert any("contacts.phone" in text for text in planned(private).warnings)
    private.sync("contacts", refresh_schema=True)
    texts = everything(private)
    assert "555secret" not in texts
    assert "msecret3" in texts
    assert "warning" not in findings(private)
    assert "3 known properties are hashed, 1 are left out" in findings(private)

    warehouse.sync("contacts")
    for name, number in (("live", 1), ("archived", 2)):
        row, values = warehouse.table("contacts")[people[name]], person(number)
        assert (row["email"], row["phone"]) == (values["email"], values["phone"])
        assert row["score_hashed"] is None
    assert hashed(person(1)["email"]) not in everything(warehouse)
    assert findings(warehouse) == ""


def test_another_key(portal: Portal, warehouse: Warehouse) -> None:
    """Hashes of an earlier key are replaced; the same key gives the same hashes in every run."""
    define(portal)
    portal.create("contacts", person(1))
    private = warehouse.with_settings(hash_properties=["contacts.*"], hash_key=KEY)
    private.sync("contacts")
    before = everything(private)
    assert "secret1" not in before
    assert hashed("secret1@plain.example") in before
    other = warehouse.with_settings(hash_properties=["contacts.*"], hash_key=KEY[::-1])
    calls = {section.name: section.rows for section in planned(other).sections}["totals"][0][2]
    portal.journal.clear()
    report = other.sync("contacts")
    assert report.tables["contacts"].mode == "backfill"  # so many columns are not filled one by one
    assert calls["low"] <= len([*portal.journal]) <= calls["high"]
    after = everything(other)
    assert hashed("secret1@plain.example") not in after
    assert hmac.new(KEY[::-1].encode(), b"secret1@plain.example", "sha256").hexdigest() in after


# --- every way that values take ----------------------------------------------------------------


def test_odd_values() -> None:
    """Whatever the JSON of a hashed value is, its text is hashed; and what is rejected too."""
    hasher = Hasher(KEY.encode())
    columns = [Column(name, name, "text", "number", hasher=hasher) for name in ("one", "two")]
    schema = TableSchema("contacts", (*columns, Column("n", "n", "text", "")), private=True)
    body = (
        '{"results": [{"id": "1", "properties": {"one": 12.50, "two": {"a": ["secret"]}}},'
        ' {"id": "2", "properties": {"one": "sec\\ud800ret", "two": "", "n": "sec\\ud800ret"}},'
        ' {"id": "3", "properties": ["secret"]}]}'
    )
    page = RecordDecoder(schema).page(body.encode())
    batch = to_batch(page.results, schema, synced_at=datetime.now(UTC))
    assert batch.rows.column("one").to_pylist() == [hashed("12.50"), hashed("sec\ufffdret"), None]
    assert batch.rows.column("two").to_pylist() == [hashed('{"a": ["secret"]}'), None, None]
    rejects = [(row["property"], row["raw_value"]) for row in batch.rejects.to_pylist()]
    assert rejects == [
        ("one", hashed("sec\ufffdret")),
        ("n", "sec\\ud800ret"),
        ("properties", "(withheld)"),
    ]


def test_owners(portal: Portal, warehouse: Warehouse) -> None:
    """Tables of other APIs obey at once, those who left included; keys stay."""
    portal.create("contacts", {"firstname": "Ada"})
    left = portal.create_owner("left@plain.example")
    warehouse.sync("contacts")
    portal.clock.advance(3_600_000)
    portal.owners[:] = [owner for owner in portal.owners if owner["id"] != left]
    warehouse.sync("contacts")
    emails = dict(warehouse.rows("SELECT id, email FROM owners"))
    assert emails[left] == "left@plain.example"
    private = warehouse.with_settings(
        hash_properties=["owners.email"], exclude_properties=["owners.*name"], hash_key=KEY
    )
    assert "owners.email" in findings(private)
    private.sync("contacts")
    found = dict(private.rows("SELECT id, email FROM owners"))
    assert found == {id_: hashed(email) for id_, email in emails.items()} | {left: None}
    assert not [email for email in emails.values() if email in everything(private)]
    assert "owners.email" not in findings(private)
    assert "owners.first_name" in findings(private)
    private.sync("contacts", refresh_schema=True)
    names = private.rows("SELECT DISTINCT first_name, last_name FROM owners")
    assert names == [(None, None)]
    assert "warning" not in findings(private)
    assert dict(private.rows("SELECT id, email FROM owners")) == found


def test_events_and_addresses_that_identify_rows(portal: Portal, warehouse: Warehouse) -> None:
    """Events are read again under another policy, and no address stays that it hides.

    What an address is asked for by is not read then, and a message says so.
    """
    portal.reset(FEWER)
    warehouse = warehouse.with_settings(event_days=12)
    events, statuses = ("email_events", "email_subscription_changes"), "subscription_statuses"
    people = "SELECT id, email FROM conversation_actors ORDER BY ALL"
    names = ("contacts", *events, statuses, "conversations", "campaigns")
    recipients = " UNION ALL ".join(f"SELECT '{one}', recipient FROM {one}" for one in events)
    recipients = f"{recipients} ORDER BY ALL"
    assert warehouse.sync_all(select=names).exit_code == 0
    plain = warehouse.rows(recipients)
    assert {one for one, recipient in plain if recipient} == {*events}
    actors = warehouse.rows(people)
    assert any(email for _, email in actors)
    assert warehouse.rows(f"SELECT count(*) FROM {statuses}") != [(0,)]
    private = warehouse.with_settings(
        hash_properties=["email_*.recipient", f"{statuses}.email", "conversation_actors.email"],
        exclude_properties=["campaigns.name"],
        hash_key=KEY,
    )
    report = private.sync_all(select=names)
    assert report.exit_code == 0
    assert report.tables[statuses].messages == [WITHHELD.format(f"{statuses}.email")]
    assert private.rows(f"SELECT count(*) FROM {statuses}") == [(0,)]
    wanted = sorted((one, text and hashed(text)) for one, text in plain)
    assert sorted(private.rows(recipients)) == wanted
    assert dict(private.rows(people)) == {id_: email and hashed(email) for id_, email in actors}
    private.sync_all(select=("campaigns",), refresh_schema=True)
    shown = private.rows("SELECT DISTINCT name, properties FROM campaigns")
    assert shown == [(None, None)]  # JSON that has the name, too
    again = private.sync_all(select=names).tables
    assert not any(again[one].rows for one in events if one in again)
    report = warehouse.sync_all(select=names)
    assert (report.exit_code, report.tables[statuses].messages) == (0, [])
    assert warehouse.rows(recipients) == plain
    assert warehouse.rows(people) == actors
    assert warehouse.rows(f"SELECT count(*) FROM {statuses}") != [(0,)]


def test_exports(portal: Portal, warehouse: Warehouse) -> None:
    """An export is asked for no excluded property; a table with hashes is listed, for no file."""
    portal.reset(SeedSpec(seed=3, contacts=150, companies=120, properties=12, handful=False))
    private = warehouse.with_settings(
        hash_properties=["contacts.email"], exclude_properties=["*.phone"], hash_key=KEY
    )
    report = private.sync("contacts", "companies", backfill="export")
    modes = [report.tables[name].mode for name in ("contacts", "companies")]
    assert modes == ["backfill", "export"]
    assert "Listed, not exported" in (report.tables["contacts"].error or "")
    asked = [str(call.query) + str(call.body) for call in portal.journal]
    assert not [text for text in asked if "phone" in re.findall(r"\w+", text)]
    emails = {record.get("email") for record in portal.records("contacts").values()}
    texts = everything(private)
    assert emails
    assert not [email for email in emails if email and email in texts]


# --- what a sync leaves anywhere -----------------------------------------------------------------


PLAIN = (b"@plain.example", b"salary secret", b"555secret", b".0625", KEY.encode())
LOADED = {".duckdb", ".wal"}
"""Endings of the files of a warehouse."""


def texts_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the content of every file, of Parquet and compressed ones what is packed in them."""
    names = (Path(root, name) for root, _, found in os.walk(folder) for name in found)
    for path in names:  # what vanishes meanwhile does no harm
        with suppress(FileNotFoundError, pa.ArrowInvalid, EOFError):  # gone, or not written yet
            content = path.read_bytes()
            yield path, content
            if content.startswith(b"PAR1"):
                yield path, repr(parquet.read_table(pa.BufferReader(content)).to_pydict()).encode()
            if content.startswith(b"\x1f\x8b"):
                yield path, gzip.decompress(content)


def names_found(folder: Path) -> set[str]:
    """Return the endings of the files that hold a first name; none holds what nobody may see."""
    found = set()
    for path, content in texts_below(folder):
        assert not [text for text in PLAIN if text in content], path
        found |= {path.suffix} if b"Ada1" in content else set()
    return found


def test_nothing_plain_is_left_by_a_kill(tmp_path: Path) -> None:
    """Files, logs, JSON and tables of a killed sync and of the next one hold no plain value."""
    (tmp_path / "tmp").mkdir()
    code = "from pipelines.cli.app import main; main()"
    words = ["sync", "--objects", "contacts", "--json", "--verbose", "--debug"]
    command = [sys.executable, "-c", code, *words]
    with EmulatorServer(SeedSpec.empty(), limits="off") as server:
        define(server.portal)
        for number in range(1_200):  # a load brings a thousand
            server.portal.create("contacts", person(number))
        fault = server.portal.faults.add(path=r"contacts\?.*archived=true", delay_ms=600_000)
        environment = os.environ | {
            "SOURCES__HUBSPOT__BASE_URL": server.url,
            "SOURCES__HUBSPOT__ACCESS_TOKEN": server.token,
            "SOURCES__HUBSPOT__HASH_PROPERTIES": '["contacts.email", "contacts.score"]',
            "SOURCES__HUBSPOT__EXCLUDE_PROPERTIES": '["contacts.phone", "contacts.salary"]',
            "SOURCES__HUBSPOT__HASH_KEY": KEY,
            "SOURCES__HUBSPOT__LOAD_ROWS": "20",
            "DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "warehouse.duckdb"),
            "TMPDIR": str(tmp_path / "tmp"),
        }
        seen = set[str]()
        with (
            (tmp_path / "sync.log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
        ):
            give_up_at = time.monotonic() + 60
            try:
                while not (fault.used and seen & LOADED) and time.monotonic() < give_up_at:
                    seen |= names_found(tmp_path)
                    time.sleep(0.02)
            finally:
                process.kill()
        server.portal.faults.clear()
        assert seen & LOADED, seen
        assert ".parquet" in seen
        names_found(tmp_path)
        with (tmp_path / "next.log").open("wb") as log:
            done = subprocess.run(command, stdout=log, stderr=log, env=environment, check=False)
        assert done.returncode == 0, (tmp_path / "next.log").read_text()
    assert ".duckdb" in names_found(tmp_path)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        sql = "SELECT count(*), max(email) FROM hubspot.contacts WHERE firstname = 'Ada7'"
        assert connection.execute(sql).fetchall() == [(1, hashed(person(7)["email"]))]
