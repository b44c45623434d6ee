"""The same syncs into a real PostgreSQL: nothing is lost, nothing doubled, faults are explained."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import pytest
from adapters.postgres import PASSWORD
from conftest import Warehouse
from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection
from truth import differences, link_differences

from destinations.connections import interrupt
from pipelines.cli.output.report import RunReport
from pipelines.commands.status import status
from pipelines.runtime.stored import hubspot_pipeline
from sources.hubspot import hubspot
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ConfigError, WarehouseError
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

OBJECTS = {
    "contacts": "contacts",
    "companies": "companies",
    "deals": "deals",
    "custom_vehicle": "vehicle",
}
PAIRS = {
    "contacts_to_companies": ("contacts", "companies"),
    "contacts_to_deals": ("contacts", "deals"),
    "contacts_to_custom_vehicle": ("contacts", "vehicle"),
}


class Postgres(Warehouse):
    """A PostgreSQL database that syncs go into, and questions about it."""

    def __init__(self, uri: str, config: HubSpotConfig) -> None:
        super().__init__(Path(), config)
        self.uri = uri

    def sync(self, *objects: str, **options: Any) -> RunReport:
        """Run a sync of these tables."""
        return super().sync(*objects, destination="postgres", **options)

    def rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """Run SQL on the dataset."""
        with closing(self._connect()) as database, database.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s"), args)
            return cursor.fetchall()

    def _read(self, name: str) -> list[dict[str, Any]]:
        with closing(self._connect()) as database, database.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{name}"')
            columns = [column.name for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def all_rows(self, name: str) -> list[dict[str, Any]]:
        """Return a table's rows, none where it is not there."""
        with suppress(UndefinedTable):
            return self._read(name)
        return []

    def _connect(self) -> connection:
        return psycopg2.connect(self.uri, options="-c search_path=hubspot")


@pytest.fixture
def postgres(
    server_uri: str, config: HubSpotConfig, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Postgres]:
    """A database without any dataset."""
    with closing(psycopg2.connect(server_uri)) as database, database.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS hubspot CASCADE")
        cursor.execute("DROP SCHEMA IF EXISTS hubspot_staging CASCADE")
        database.commit()
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    return Postgres(server_uri, config)


def wrong(portal: Portal, postgres: Postgres) -> list[str]:
    """List all differences, but for NUL characters, which PostgreSQL cannot hold."""
    found = differences(portal, postgres, OBJECTS) + link_differences(portal, postgres, PAIRS)
    return [line for line in found if "\\x00" not in line]


def test_syncs_are_complete(portal: Portal, postgres: Postgres) -> None:
    """Records, odd values, tombstones and links are there after a first sync and after changes."""
    portal.reset(SeedSpec(seed=5, contacts=150, properties=40))
    report = postgres.sync(*OBJECTS)
    assert (report.status, report.exit_code) == ("ok", 0)
    assert wrong(portal, postgres) == []

    change(portal)
    with closing(psycopg2.connect(postgres.uri)) as database, database.cursor() as cursor:
        cursor.execute("ALTER TABLE hubspot._hs_run_tables RENAME mode TO way_in")
        database.commit()  # as an earlier version left it
    assert postgres.sync(*OBJECTS).status == "ok"
    assert wrong(portal, postgres) == []
    assert postgres.rows("SELECT * FROM _hs_run_tables WHERE mode IS NULL") == []

    told = status(destination="postgres").sections[1]
    counts = {row[0]: row[1:3] for row in told.rows}
    dead = [row for row in postgres.table("contacts").values() if row["_hs_deleted_at"]]
    assert counts["contacts"] == (len(portal.records("contacts")), len(dead))
    assert counts["contacts_to_companies"][1] == 0

    end_a_type(portal, postgres)


def end_a_type(portal: Portal, postgres: Postgres) -> None:
    """Check that a type that is gone, and parts of reference tables without rows, leave theirs."""
    portal.delete_custom_object("vehicle")
    portal.pipelines["0-3"] = []
    portal.pipelines["0-5"][0]["label"] = "Renamed"
    portal.clock.advance(3_600_000)  # pipelines are read about every hour
    assert postgres.sync("contacts", "deals", "tickets").exit_code == 0
    assert {r["_hs_deletion"] for r in postgres.table("custom_vehicle").values()} == {"purged"}
    assert postgres.rows("SELECT * FROM contacts_to_custom_vehicle") == []
    live = postgres.rows("SELECT object_type FROM pipelines WHERE _hs_deleted_at IS NULL")
    assert {kind for (kind,) in live} == {"tickets"}
    assert ("Renamed",) in postgres.rows("SELECT label FROM pipelines")


def change(portal: Portal) -> None:
    """Do to the portal what people do to it in a day."""
    contacts, companies = list(portal.records("contacts")), list(portal.records("companies"))
    portal.update("contacts", contacts[5], {"firstname": "Ada", "lastname": ""})
    portal.archive("contacts", contacts[7])
    portal.archive("companies", companies[3])
    new = portal.create("contacts", {"email": "new@example.com"})
    portal.associate("contacts", new, "companies", companies[4])
    portal.merge("contacts", contacts[11], contacts[12])
    linked = portal.associations("contacts", "companies")[0]
    portal.dissociate("contacts", linked[0], "companies", linked[1])
    portal.clock.advance(300_000)


def test_full_refresh_marks_what_was_purged(portal: Portal, postgres: Postgres) -> None:
    """A record that left no trace in HubSpot becomes a tombstone when all is read anew."""
    portal.reset(SeedSpec(seed=6, contacts=20, properties=5))
    postgres.sync("contacts")
    purged = next(iter(portal.records("contacts")))
    portal.purge("contacts", purged)
    report = postgres.sync("contacts", full_refresh=True)
    assert report.status == "ok"
    assert postgres.table("contacts")[purged]["_hs_deletion"] == "purged"


def test_server_that_goes_away(portal: Portal, postgres: Postgres) -> None:
    """H12: a watermark whose rows did not arrive is not kept: the next run brings them."""
    portal.reset(SeedSpec(contacts=60, properties=12))
    ids = list(portal.records("contacts"))
    postgres.sync("contacts")
    portal.update("contacts", ids[0], {"city": "Lost?"})
    portal.archive("contacts", ids[1])
    portal.mutations.add(path="/contacts/search", operations=lambda _: let_in(postgres, "false"))
    lost = postgres.sync("contacts")
    assert (lost.exit_code, lost.rows, lost.tables["contacts"].status) == (6, 0, "failed")
    assert "Nothing was loaded yet." in str(lost.error)
    portal.mutations.clear()
    let_in(postgres, "true")
    assert postgres.sync("contacts").exit_code == 0
    runs = postgres.rows("SELECT status, exit_code FROM _hs_runs ORDER BY started_at")
    assert runs == [("ok", 0), ("failed", 6), ("ok", 0)]
    assert differences(portal, postgres, {"contacts": "contacts"}) == []


def let_in(postgres: Postgres, yes: str) -> None:
    """Let PostgreSQL take connections, or end those that there are and take no others."""
    with closing(psycopg2.connect(postgres.uri, dbname="template1")) as database:
        database.autocommit = True
        with database.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE postgres ALLOW_CONNECTIONS {yes}")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
            )


TEXTS = {
    "60 kB": "\U0001f600" * 15_000,
    "what COPY takes for NULL elsewhere": "\\N",
    "what ends COPY elsewhere": "\\.",
    "the same on a line": "a\n\\.\nb",
    "null word": "NULL",
    "quote": '"',
    "CSV syntax": '","\r\n',
    "SQL syntax": "it's \\' --",
    "blank": "  \t",
    "controls": "".join(map(chr, range(1, 32))),
}


def test_text_arrives_as_it_is(portal: Portal, postgres: Postgres) -> None:
    """Any text comes back unchanged, but for its NUL characters, which PostgreSQL cannot hold.

    The raw value says where they were. An option's empty value and description stay empty text, and
    a missing label is NULL.
    """
    options = [{"value": "", "label": "none", "description": ""}]
    portal.create_property("contacts", {"name": "x", "type": "enumeration", "options": options})
    sent = {portal.create("contacts", {"lastname": text}): text for text in TEXTS.values()}
    id_, company = portal.create("contacts", {"lastname": "a\0b"}), portal.create("companies", {})
    portal.associate("contacts", id_, "companies", company)
    postgres.sync("contacts", "companies")
    rows = postgres.table("contacts")
    assert {id_: rows[id_]["lastname"] for id_ in sent} == sent
    assert rows[id_]["lastname"] == "ab"
    rejected = "SELECT id, property, raw_value, reason FROM _hs_rejected_values"
    assert postgres.rows(rejected) == [(id_, "lastname", "a\\0b", "nul_character")]
    sql = "SELECT value, description FROM property_options WHERE property = ?"
    assert postgres.rows(sql, "x") == [("", "")]
    assert (None,) in postgres.rows("SELECT label FROM contacts_to_companies")


def test_keys_with_nul(portal: Portal, postgres: Postgres) -> None:
    """Rows of other APIs whose keys have NUL characters come once, and the raw key says where."""
    portal.reset(SeedSpec.empty())
    at_ms = portal.clock.now_ms() - 7_200_000
    portal.collections["email_events"].add({"id": "a\0b", "created": at_ms, "type": "OPEN"})
    portal.collections["forms"].add({"id": "c\0d", "name": "Form", "formType": "hubspot"})
    names = ("email_events", "forms")
    for rows in ((1, 1), (0, 0)):
        report = postgres.sync_all(select=names, destination="postgres")
        assert (report.exit_code, report.error) == (0, None)
        assert tuple(report.tables[name].rows for name in names) == rows
        portal.clock.advance(3_600_000)
    assert [*postgres.table("email_events"), *postgres.table("forms")] == ["ab", "cd"]
    rejected = "SELECT id, raw_value FROM _hs_rejected_values WHERE property = 'id' ORDER BY id"
    assert postgres.rows(rejected) == [(f"ab:{at_ms}", "a\\0b"), ("cd", "c\\0d")]


def test_text_with_nul_loads_in_a_plain_pipeline(
    portal: Portal,
    postgres: Postgres,
    server: EmulatorServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pipeline of dlt's own loses NUL characters in text as a sync does, instead of its load."""
    monkeypatch.setenv("SOURCES__HUBSPOT__BASE_URL", server.url)
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", server.token)
    id_ = portal.create("contacts", {"lastname": "a\0b"})
    pipeline = dlt.pipeline(
        "plain", pipelines_dir=str(tmp_path), destination="postgres", dataset_name="hubspot"
    )
    pipeline.run(hubspot(["contacts"]).with_resources("contacts"))
    assert postgres.table("contacts")[id_]["lastname"] == "ab"


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        pytest.param(
            ("postgres:@localhost/postgres", "loader:wrong-p4ssword@localhost/postgres"),
            ConfigError,
            "password",
            id="wrong-password",
        ),
        pytest.param(
            ("localhost/postgres", "localhost/nowhere"), ConfigError, "nowhere", id="no-database"
        ),
        pytest.param(
            ("postgres:@localhost/postgres", f"loader:{PASSWORD}@localhost/postgres"),
            ConfigError,
            "GRANT CREATE ON DATABASE",
            id="no-right",
        ),
    ],
)
def test_refusals_are_explained(
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    error: type[Exception],
    says: str,
) -> None:
    """A login or a right that PostgreSQL refuses ends the run with one message and no secret."""
    uri = postgres.uri.replace(*change)
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", uri)
    assert uri != postgres.uri
    with pytest.raises(error, match="DESTINATION__POSTGRES__CREDENTIALS") as refused:
        postgres.sync("contacts")
    message = str(refused.value)
    assert says in message
    assert "p4ssword" not in message
    assert "\n" not in message


def test_more_properties_than_columns(portal: Portal, postgres: Postgres) -> None:
    """A type that has more properties than a table may have columns ends the run with code 2."""
    portal.reset(SeedSpec(contacts=3, properties=1650, odd_values=False))
    report = postgres.sync("contacts")
    assert (report.status, report.exit_code) == ("failed", 2)
    assert "more properties than the database has columns" in str(report.error)
    assert "--objects" in report.remedy


def test_server_that_does_not_answer(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, portal: Portal
) -> None:
    """An unreachable server is told before any record is asked for; the run may be tried again."""
    uri = f"postgresql://loader:{PASSWORD}@127.0.0.1:1/postgres"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", uri)
    portal.journal.clear()
    with pytest.raises(WarehouseError, match="host and port in DESTINATION__POSTGRES") as refused:
        postgres.sync("contacts")
    assert refused.value.retryable
    assert PASSWORD not in str(refused.value)
    assert {call.kind for call in portal.journal} <= {"account.details"}


def test_a_statement_ends_with_the_signal(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server is at for a load, in whatever thread, is cancelled when a run is stopped."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    with hubspot_pipeline(Path("state"), "postgres", "hubspot") as pipeline:
        client = pipeline.sql_client()
        with client, ThreadPoolExecutor(1) as pool:
            asleep = pool.submit(client.execute_sql, "SELECT pg_sleep(600)")
            while not asleep.done():
                interrupt()
                time.sleep(0.1)
    assert "cancel" in str(asleep.exception())
