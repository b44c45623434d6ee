"""DuckLake is opened once for all of a run, and its clients see what the others write."""

import pytest
from adapters import Adapter
from dataset import Dataset
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.warehouse.sql import open_tables
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal


@pytest.fixture
def lake(adapter: Adapter, portal: Portal, dataset: Dataset) -> Dataset:
    """A dataset of some contacts in a DuckLake."""
    if adapter.destination != "ducklake":
        pytest.skip("is about DuckLake")
    portal.reset(SeedSpec(seed=5, contacts=30, properties=5))
    assert dataset.sync("contacts").exit_code == 0
    return dataset


def test_clients_share_one_duckdb(lake: Dataset) -> None:
    """To load its extensions and join the catalogue takes longer than an idle run asks."""
    with (
        stored_pipeline("ducklake", lake.name) as pipeline,
        pipeline.sql_client() as one,
        pipeline.sql_client() as other,
    ):
        one.execute_sql("SET GLOBAL ducklake_retry_wait_ms = 99")
        asked = "SELECT current_setting('ducklake_retry_wait_ms')"
        assert one.execute_sql(asked) == other.execute_sql(asked)


def test_clients_see_what_others_write(lake: Dataset) -> None:
    """Questions share a transaction until something is written, by whichever client."""
    with (
        stored_pipeline("ducklake", lake.name) as pipeline,
        open_tables(pipeline) as one,
        open_tables(pipeline) as other,
    ):
        held = one.size("contacts")
        assert held == other.size("contacts") > 0
        with other.transaction():
            other.delete("contacts", "id > ?", "")
            assert one.size("contacts") == held
        assert one.size("contacts") == other.size("contacts") == 0
        one.insert("contacts", ("id",), [("1",)])
        assert one.size("contacts") == other.size("contacts") == 1


def test_questions_go_on_after_an_error(lake: Dataset) -> None:
    """A statement that fails ends the transaction of the questions before it, and no more."""
    with stored_pipeline("ducklake", lake.name) as pipeline, pipeline.sql_client() as client:
        count = "SELECT count(*) FROM contacts"
        held = client.execute_sql(count)
        with pytest.raises(Exception, match="nothing"):
            client.execute_sql("SELECT nothing FROM contacts")
        assert client.execute_sql(count) == held


def test_lake_is_left(lake: Dataset, adapter: Adapter) -> None:
    """After a run nothing of the catalogue is open: another program may write it."""
    with stored_pipeline("ducklake", lake.name) as pipeline:
        client = pipeline.sql_client()
        assert isinstance(client, DuckDbSqlClient)
        pool = client.credentials.conn_pool
        assert pool is not None
        assert pool._conn is not None
    assert pool._conn is None
    assert adapter.read(lake.name, "contacts")
