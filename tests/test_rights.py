"""What doctor says of the rights in a destination, after it has tried all that a sync does."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import psycopg2
import pytest
from adapters.postgres import PASSWORD
from dlt.common.runtime.collector import NULL_COLLECTOR

from pipelines.cli.output.report import RunReport
from pipelines.commands.doctor import doctor
from pipelines.commands.query import query
from pipelines.commands.status import status
from pipelines.commands.sync import SyncOptions, sync
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import MissingRightError
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

OPTIONS = SyncOptions(destination="postgres", objects=("contacts",))


class Database:
    """A database of its own, and roles in it."""

    def __init__(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.uri, self._monkeypatch = uri.replace("/postgres?", "/rights?"), monkeypatch
        self.first = uri

    def run(self, *statements: str, uri: str = "") -> list[tuple[str, ...]]:
        """Run statements as the owner of the server; return the answer of the last one."""
        with closing(psycopg2.connect(uri or self.uri)) as database:
            database.autocommit = True
            with database.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def datasets(self) -> set[str]:
        """Return the schemas that are no system's."""
        found = self.run("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_)'")
        return {name for (name,) in found} - {"public"}

    def is_used_by(self, role: str) -> None:
        """Let what follows log in as a role."""
        uri = self.uri.replace("postgres:@", f"{role}:{PASSWORD}@")
        self._monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", uri)


@pytest.fixture
def database(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with a role that may only connect."""
    made = Database(server_uri, monkeypatch)
    made.run(
        "DROP DATABASE IF EXISTS rights",
        "DROP ROLE IF EXISTS analyst",
        "CREATE DATABASE rights",
        f"CREATE ROLE analyst LOGIN PASSWORD '{PASSWORD}'",
        uri=made.first,
    )
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", made.uri)
    yield made
    made.run("DROP DATABASE rights WITH (FORCE)", "DROP ROLE analyst", uri=made.first)


def findings(report: RunReport, check: str) -> list[tuple[str, str, str]]:
    """Return the level, the text and the remedy of what a check found."""
    return [row[1:] for row in report.sections[0].rows if row[0] == check]


def test_a_sync_is_tried_and_nothing_of_it_is_left(
    portal: Portal, config: HubSpotConfig, database: Database
) -> None:
    """Where all is allowed doctor says so; no dataset is left behind, before and after a sync."""
    portal.reset(SeedSpec(contacts=3, companies=0, properties=5, custom_objects=0))
    for synced in (set[str](), {"hubspot", "hubspot_staging"}):
        report = doctor(OPTIONS, config=config)
        assert [level for level, *_ in findings(report, "rights")] == ["ok"]
        assert report.exit_code == 0
        assert database.datasets() <= synced
        assert sync(OPTIONS, config=config, collector=NULL_COLLECTOR).exit_code == 0


def test_a_missing_right_is_named_with_the_statement_that_gives_it(
    portal: Portal, config: HubSpotConfig, database: Database
) -> None:
    """A role that may make no dataset is refused; after the statement of the remedy it is not."""
    portal.reset(SeedSpec(contacts=3, companies=0, properties=5, custom_objects=0))
    database.is_used_by("analyst")
    report = doctor(OPTIONS, config=config)
    (level, _, remedy), *_ = findings(report, "destination")
    assert (level, report.exit_code) == ("failed", 2)
    database.run(remedy[remedy.index("GRANT") :])
    assert doctor(OPTIONS, config=config).exit_code == 0


def test_a_dataset_of_another_role_is_named(
    portal: Portal, config: HubSpotConfig, database: Database
) -> None:
    """Tables that belong to another role are found before a sync is half done."""
    portal.reset(SeedSpec(contacts=3, companies=0, properties=5, custom_objects=0))
    assert sync(OPTIONS, config=config, collector=NULL_COLLECTOR).exit_code == 0
    database.run(
        "GRANT CREATE ON DATABASE rights TO analyst",
        "GRANT USAGE, CREATE ON SCHEMA hubspot TO analyst",
        "GRANT SELECT ON ALL TABLES IN SCHEMA hubspot TO analyst",
    )
    database.is_used_by("analyst")
    report = doctor(OPTIONS, config=config)
    texts = [text for level, text, _ in findings(report, "rights") if level == "failed"]
    assert any("_dlt_pipeline_state" in text for text in texts), texts
    assert all("OWNER TO" in remedy for *_, remedy in findings(report, "rights"))
    assert report.exit_code == 2


def test_a_missing_right_is_no_dataset_without_runs(database: Database) -> None:
    """A role that may not read the run log is said to lack the right, by every command."""
    database.run("CREATE SCHEMA hubspot", "CREATE TABLE hubspot._hs_runs (run_id TEXT)")
    database.is_used_by("analyst")
    for ask in (status, partial(query, "select * from hubspot._hs_runs")):
        with pytest.raises(MissingRightError, match="refuses to read: permission denied"):
            ask(destination="postgres")
