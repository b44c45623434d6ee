"""A lock between machines is one run's, is looked at before a load counts, and lapses."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg2
import pytest
from holding import elsewhere, opened, pipeline_to
from test_postgres import Postgres
from truth import differences

from destinations.catalog import KNOWN, Lock
from destinations.locks import is_held
from destinations.locks.lease import lease
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import BusyError, OverlapError
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

OTHER = "UPDATE hubspot._hs_lock SET owner = 'another', until = now() + interval '1 hour'"
LAPSED = "UPDATE hubspot._hs_lock SET until = now() - interval '1 second'"
KILLED = (
    "PERFORM pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name LIKE 'hubspot-elt, %'"
)
LOST: dict[Lock, str] = {"lease": OTHER, "advisory": KILLED}
"""What takes each kind of lock from its holder."""


@pytest.fixture
def ask(
    server_uri: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """A function that runs SQL on a server that holds no dataset yet."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    with closing(psycopg2.connect(server_uri)) as database, database.cursor() as cursor:
        database.autocommit = True

        def run(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

        for dataset in ("hubspot", "hubspot_staging"):
            run(f"DROP SCHEMA IF EXISTS {dataset} CASCADE")
        yield run


@pytest.fixture(params=["lease"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lock:
    """The kind of lock that PostgreSQL has for the test."""
    chosen: Lock = request.param
    monkeypatch.setitem(KNOWN, "postgres", replace(KNOWN["postgres"], lock=chosen))
    return chosen


@pytest.mark.usefixtures("kind")
def test_a_lease_is_kept_from_other_machines(
    ask: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is refused while another machine holds the lease, also a dead one until it lapses."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    there = tmp_path / "other machine"
    there.mkdir()
    client = pipeline_to("postgres").destination_client()
    with elsewhere("postgres", lock="lease", TMPDIR=str(there)) as holder:
        holds = rf"dataset hubspot of postgres .*process {holder.pid} on .* since .* until "
        with pytest.raises(OverlapError, match=holds), opened("postgres"):
            pass
        with opened("postgres", "another"):
            pass
        assert is_held(client)
    with pytest.raises(OverlapError, match=holds), opened("postgres"):
        pass
    ask(LAPSED)
    assert not is_held(client)
    with opened("postgres"):
        assert is_held(client)
        assert ask("SELECT count(*), max(owner) LIKE '%process%' FROM hubspot._hs_lock") == [
            (1, True)
        ]
    assert not is_held(client)
    ask("DROP SCHEMA another CASCADE")


@pytest.mark.usefixtures("kind", "ask")
def test_a_dead_run_of_the_same_machine_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock on a file shows that a run of this machine is gone, however long its lease is."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with elsewhere("postgres", lock="lease", TMPDIR=str(tmp_path)) as holder:
        holds = f"process {holder.pid} on "
        with pytest.raises(OverlapError, match=holds), opened("postgres"):
            pass
    with opened("postgres"):
        pass


def test_of_two_takers_one_gets_the_lease(ask: Callable[[str], Any]) -> None:
    """However many want a lease at once, the first that there is or a lapsed one, one has it."""
    takers = 4
    pipelines = [pipeline_to("postgres") for _ in range(takers)]
    begin, end = Barrier(takers), Barrier(takers)

    def take(number: int) -> bool:
        held = lease(pipelines[number], f"machine {number}", "it")
        begin.wait()
        try:
            held.__enter__()
        except OverlapError:
            end.wait()
            return False
        end.wait()
        held.__exit__(None, None, None)
        return True

    with ThreadPoolExecutor(takers) as threads:
        for before in ("SELECT 1", LAPSED, "DROP TABLE hubspot._hs_lock", "SELECT 1"):
            ask(before)
            assert sum(threads.map(take, range(takers))) == 1


@pytest.mark.usefixtures("kind")
def test_a_run_that_lost_its_lock_commits_nothing(
    portal: Portal, config: HubSpotConfig, server_uri: str, ask: Callable[[str], Any]
) -> None:
    """A lock that goes while a load is written ends the run; the next one brings all of it."""
    contact = portal.create("contacts", {"email": "ada@example.com"})
    postgres = Postgres(server_uri, config)
    assert postgres.sync("contacts").exit_code == 0
    loads = ask("SELECT count(*) FROM hubspot._dlt_loads")
    portal.update("contacts", contact, {"email": "ada@example.org"})
    portal.create("contacts", {"email": "bob@example.com"})
    ask(
        f"CREATE FUNCTION hubspot.lose() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {OTHER}; RETURN NULL; END $$"
    )
    ask(
        "CREATE TRIGGER lose AFTER INSERT ON hubspot._dlt_pipeline_state"
        " EXECUTE FUNCTION hubspot.lose()"
    )
    report = postgres.sync("contacts")
    assert (report.status, report.exit_code) == ("failed", 6)
    assert "was lost in the middle of the run" in (report.error or "")
    assert ask("SELECT count(*) FROM hubspot._dlt_loads") == loads

    ask("DROP FUNCTION hubspot.lose CASCADE")
    ask(LAPSED)
    assert postgres.sync("contacts").exit_code == 0
    assert differences(portal, postgres, {"contacts": "contacts"}) == []


@pytest.mark.parametrize("kind", LOST, indirect=True)
def test_a_load_is_not_begun_without_the_lock(
    ask: Callable[[str], Any], server_uri: str, kind: Lock
) -> None:
    """A lock that goes while records are read leaves the tables as they were."""
    pipeline = pipeline_to("postgres")
    with suppress(psycopg2.Error):
        ask("CREATE SCHEMA hubspot")

    def rows() -> Iterator[dict[str, int]]:
        yield {"id": 1}
        with closing(psycopg2.connect(server_uri)) as database, database.cursor() as cursor:
            cursor.execute(LOST[kind].replace("PERFORM", "SELECT"))
            database.commit()

    with pytest.raises(Exception, match="Pipeline execution failed") as failed, opened(pipeline):
        pipeline.run(rows(), table_name="things")
    causes = [failed.value.__cause__, failed.value.__cause__.__cause__]
    assert any(isinstance(one, BusyError) for one in causes)
    assert ask("SELECT count(*) FROM pg_tables WHERE tablename = 'things'") == [(0,)]
