"""The source in somebody's own dlt pipeline, without the command line around it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from conftest import FEWER, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot import hubspot, open_run, sync
from sources.hubspot.config import resolve_config
from sources.hubspot.errors import AuthError, ConfigError
from sources.hubspot.warehouse.end_of_load import end_of_load
from sources.hubspot.warehouse.view import WarehouseView
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

README = (Path(__file__).parent.parent / "sources/hubspot/README.md").read_text(encoding="utf-8")
LIVE_IDS = "SELECT id FROM hubspot.contacts WHERE _hs_deleted_at IS NULL"


@pytest.fixture
def pipeline(
    server: EmulatorServer, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    """A pipeline of dlt's into the warehouse; the settings point at the emulator."""
    monkeypatch.setenv("SOURCES__HUBSPOT__BASE_URL", server.url)
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", server.token)
    return dlt.pipeline(
        "hubspot",
        pipelines_dir=str(tmp_path / "state"),
        destination=dlt.destinations.duckdb(str(warehouse.path)),
        dataset_name="hubspot",
    )


def working() -> list[str]:
    """Name the threads of runs."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("hubspot-") and "emulator" not in name]


def test_a_run_ends_with_its_resources(portal: Portal, pipeline: Pipeline) -> None:
    """Whichever resources are read, and also where one of them fails, no thread is left."""
    portal.reset(SeedSpec(contacts=20, properties=12, companies=3, deals=0, tickets=0))
    pipeline.run(hubspot(["contacts", "companies"]))
    assert working() == []
    pipeline.run(hubspot(["contacts", "companies"]).with_resources("companies", "owners"))
    assert working() == []
    portal.faults.add(path="objects/.*/contacts", status=400)
    portal.faults.add(path="contacts/search", status=400)
    with pytest.raises(PipelineStepFailed):
        pipeline.run(hubspot(["contacts", "companies"]))
    assert working() == []


def test_tables_without_rows_take_no_job(
    portal: Portal, warehouse: Warehouse, pipeline: Pipeline
) -> None:
    """They are made before a first load begins; a run that is killed then has lost nothing."""
    portal.reset(SeedSpec(contacts=20, properties=12, companies=0, deals=0, tickets=0))
    run = open_run(resolve_config())
    with closing(run), WarehouseView(pipeline) as view, run.seeing(view):
        source = hubspot(["contacts"], run=run)
        source.resources.add(end_of_load(run))
        pipeline.extract(source)
    (load_id,) = pipeline.list_extracted_load_packages()
    jobs = pipeline.get_load_package_info(load_id).jobs["new_jobs"]
    loaded = {job.job_file_info.table_name for job in jobs}
    made = {name for (name,) in warehouse.rows("SELECT table_name FROM duckdb_tables()")}
    assert {"contacts", "properties"} <= loaded.difference(made)
    assert {"pipelines", "association_labels", "_hs_runs", "_hs_verifications"} <= made - loaded
    report = warehouse.sync("contacts")
    assert (report.exit_code, report.warnings) == (0, [])
    assert len(warehouse.table("contacts")) == 20


def test_removed_records_are_no_difference(
    portal: Portal, warehouse: Warehouse, pipeline: Pipeline
) -> None:
    """A pipeline that removes deleted records remembers it, so `verify` misses no tombstone."""
    portal.reset(SeedSpec(contacts=20, properties=12, companies=0, deals=0, tickets=0))
    pipeline.run(hubspot(["contacts"], hard_delete=True))
    portal.archive("contacts", list(portal.records("contacts"))[3])
    portal.clock.advance(3_600_000)
    pipeline.run(hubspot(["contacts"], hard_delete=True))
    assert all(row["_hs_deleted_at"] is None for row in warehouse.table("contacts").values())
    report = verify(
        VerifyOptions(objects=("contacts",)), collector=NULL_COLLECTOR, config=warehouse.config
    )
    assert report.exit_code == 0, report.sections


def test_the_readme_says_how_to_sync_from_python(
    portal: Portal, warehouse: Warehouse, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purge that a plain pipeline does not see is seen by the call that the README shows."""
    portal.reset(SeedSpec(contacts=20, properties=12, companies=3, deals=0, tickets=0))
    gone = list(portal.records("contacts"))[3]
    shown, plain = (text.split("```")[0] for text in README.split("```python")[1:3])
    exec(plain, {"pipeline": pipeline})  # noqa: S102 - our own text
    portal.purge("contacts", gone)
    portal.clock.advance(3_600_000)
    exec(plain, {"pipeline": pipeline})  # noqa: S102 - our own text
    assert warehouse.table("contacts")[gone]["_hs_deleted_at"] is None
    monkeypatch.setenv("DLT_DATA_DIR", pipeline.pipelines_dir)
    namespace: dict[str, Any] = {}
    exec(shown, namespace)  # noqa: S102 - our own text
    assert namespace["result"].status == "ok"
    assert warehouse.table("contacts")[gone]["_hs_deletion"] == "purged"


def test_a_sync_catches_up_with_plain_runs(
    portal: Portal, warehouse: Warehouse, pipeline: Pipeline
) -> None:
    """Rows that were gone in a plain run are marked, and what it cannot read is read at once."""
    portal.reset(FEWER)
    names = ("account_users", "forms", "form_submissions")
    pipeline.run(hubspot(select=names))
    users = portal.collections["account_users"]
    gone = str(users.rows()[0]["id"])
    users.delete(gone)
    portal.clock.advance(13 * 3_600_000)
    pipeline.run(hubspot(select=names))
    marked = "SELECT id FROM account_users WHERE _hs_deleted_at IS NOT NULL"
    assert warehouse.rows(marked) == []
    assert warehouse.sync_all(select=names).exit_code == 0
    assert warehouse.rows(marked) == [(gone,)]
    assert warehouse.rows("SELECT count(*) FROM form_submissions") != [(0,)]


def test_named_types_need_no_call_before_they_are_read(
    portal: Portal, warehouse: Warehouse, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source is made at import, without a token; each time it is read it brings what is new."""
    portal.reset(SeedSpec(contacts=20, properties=12, companies=3, deals=0, tickets=0))
    token = dlt.secrets["sources.hubspot.access_token"]
    monkeypatch.delenv("SOURCES__HUBSPOT__ACCESS_TOKEN")
    source = hubspot(["contacts", "companies"])
    assert list(portal.journal) == []
    assert {"contacts", "companies", "links", "owners"} <= source.selected_resources.keys()
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", token)
    pipeline.run(source)
    portal.create("contacts", {"email": "new@example.com"})
    portal.clock.advance(60_000)
    for column in pipeline.default_schema.get_table_columns("contacts").values():
        del column["name"]  # as dagster-dlt does with what it shows of a table
    pipeline.drop()  # as it does before each run
    pipeline.run(source)
    assert len(warehouse.table("contacts")) == 21
    assert working() == []


def test_a_token_may_be_an_argument(
    portal: Portal, server: EmulatorServer, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is an argument, as of other sources of dlt's, or comes from its settings."""
    portal.reset(SeedSpec(contacts=5, properties=12, companies=0, deals=0, tickets=0))
    pipeline.extract(hubspot(["contacts"], access_token=dlt.secrets.value))
    monkeypatch.delenv("SOURCES__HUBSPOT__ACCESS_TOKEN")
    with pytest.raises(PipelineStepFailed, match="access token"):
        pipeline.extract(hubspot(["contacts"], access_token=dlt.secrets.value))
    pipeline.extract(hubspot(["contacts"], access_token=server.token))


def test_two_portals_in_one_process_do_not_meet(
    portal: Portal, server: EmulatorServer, tmp_path: Path
) -> None:
    """Two syncs at the same time, each of its own portal, bring each its own records."""
    portal.reset(SeedSpec(contacts=320, properties=12, companies=3, deals=0, tickets=0))
    files = [tmp_path / "one.duckdb", tmp_path / "two.duckdb"]
    with EmulatorServer(SeedSpec(seed=9, contacts=130, properties=12, companies=5)) as other:
        portals = [(server, portal), (other, other.portal)]

        def run(number: int) -> set[str]:
            at, _ = portals[number]
            own = dlt.pipeline(
                f"portal_{number}",
                pipelines_dir=str(tmp_path / f"state_{number}"),
                destination=dlt.destinations.duckdb(str(files[number])),
                dataset_name="hubspot",
            )
            config = resolve_config(base_url=at.url, access_token=at.token)
            sync(own, ["contacts", "companies"], config=config)
            with duckdb.connect(str(files[number])) as connection:
                return {id_ for (id_,) in connection.sql(LIVE_IDS).fetchall()}

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(run, range(2)))
        for ids, (_, held) in zip(found, portals, strict=True):
            assert ids == {*held.records("contacts")}


def test_wrong_wishes_are_refused(portal: Portal, warehouse: Warehouse, pipeline: Pipeline) -> None:
    """One name may be a text of its own; a way to read tables that there is not is refused.

    The error that ended a sync is the one that is raised.
    """
    portal.reset(SeedSpec(contacts=5, properties=12, companies=0, deals=0, tickets=0))
    with pytest.raises(ConfigError, match="backfill"):
        sync(pipeline, "contacts", backfill="lst")
    assert list(portal.journal.find(path_contains="/objects/")) == []
    assert sync(pipeline, "contacts").tables["contacts"].rows == 5
    assert warehouse.rows("SELECT status FROM _hs_runs") == [("ok",)]
    assert "contacts" in hubspot("contacts").selected_resources
    check_error_that_is_raised(portal, pipeline)


def check_error_that_is_raised(portal: Portal, pipeline: Pipeline) -> None:
    """A run log that cannot be written does not hide why a sync ended."""

    def lose(_: Portal) -> None:
        with pipeline.sql_client() as client:
            client.execute_sql("DROP TABLE _hs_runs")

    portal.mutations.add(path="/contacts/search", nth=1, operations=lose)
    portal.faults.add(path="/contacts/search", status=401, times=9)
    with pytest.raises(AuthError) as refused:
        sync(pipeline, "contacts")
    assert any("_hs_runs" in note for note in refused.value.__notes__)
