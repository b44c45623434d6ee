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
from pipelines.runtime.stored import hubspot_pipeline
from sources.hubspot import hubspot
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ConfigError
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


def test_a_type_that_ends(portal: Portal, postgres: Postgres) -> None:
    """A type that is gone, and parts of reference tables without rows, leave their tables."""
    portal.reset(SeedSpec(seed=5, contacts=30, properties=5))
    assert postgres.sync(*OBJECTS).exit_code == 0
    with closing(psycopg2.connect(postgres.uri)) as database, database.cursor() as cursor:
        cursor.execute("ALTER TABLE hubspot._hs_run_tables RENAME mode TO way_in")
        database.commit()  # as an earlier version left it
    portal.delete_custom_object("vehicle")
    portal.pipelines["0-3"] = []
    portal.pipelines["0-5"][0]["label"] = "Renamed"
    portal.clock.advance(3_600_000)  # pipelines are read about every hour
    assert postgres.sync("contacts", "deals", "tickets").exit_code == 0
    assert postgres.rows("SELECT * FROM _hs_run_tables WHERE mode IS NULL") == []
    assert {r["_hs_deletion"] for r in postgres.table("custom_vehicle").values()} == {"purged"}
    assert postgres.rows("SELECT * FROM contacts_to_custom_vehicle") == []
    live = postgres.rows("SELECT object_type FROM pipelines WHERE _hs_deleted_at IS NULL")
    assert {kind for (kind,) in live} == {"tickets"}
    assert ("Renamed",) in postgres.rows("SELECT label FROM pipelines")


def test_empty_text_is_not_null(portal: Portal, postgres: Postgres) -> None:
    """An option's empty value and description stay empty text, and a missing label is NULL.

    The raw value says where NUL characters were.
    """
    options = [{"value": "", "label": "none", "description": ""}]
    portal.create_property("contacts", {"name": "x", "type": "enumeration", "options": options})
    id_, company = portal.create("contacts", {"lastname": "a\0b"}), portal.create("companies", {})
    portal.associate("contacts", id_, "companies", company)
    postgres.sync("contacts", "companies")
    assert postgres.table("contacts")[id_]["lastname"] == "ab"
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
