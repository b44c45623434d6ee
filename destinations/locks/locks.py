"""What excludes the other runs of a dataset, by the kind of its destination."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dlt.common.destination.client import JobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from ..failures import redacted
from ..resolve import client_of, describe, duckdb_path, explained, is_duckdb
from .files import in_temporary_folder, is_locked, on_file
from .server import on_server, server_key


@contextmanager
def exclusive(pipeline: Pipeline) -> Iterator[None]:
    """Keep every other run from writing the same dataset; of DuckDB, any dataset in the file.

    Args:
        pipeline: with its destination; nothing of it needs to exist yet.

    Raises:
        ConfigError: the lock cannot be made where it has to be.
        BusyError: another run holds it.
    """
    name = pipeline.destination.destination_name if pipeline.destination else ""
    with ExitStack() as held:
        with explained(name):
            client = client_of(pipeline)
            if is_duckdb(pipeline):
                file = duckdb_path(client.config).resolve()
                held.enter_context(on_file(file, describe(pipeline)))
            else:
                dataset = _dataset(pipeline, client)
                what = f"dataset {dataset} of {describe(pipeline)}"
                held.enter_context(in_temporary_folder(client, what))
                if client.config.destination_type == "postgres":
                    held.enter_context(on_server(pipeline.sql_client(), what))
        yield


def place_of(client: JobClientBase) -> str:
    """Name the dataset that a client writes and where that is, the same from any folder."""
    sql: SqlClientBase[Any] | None = getattr(client, "sql_client", None)
    dataset = sql.dataset_name if sql else getattr(client.config, "dataset_name", "")
    kind, credentials = client.config.destination_type, getattr(client.config, "credentials", "")
    where = duckdb_path(client.config).resolve() if kind == "duckdb" else credentials
    return redacted(f"dataset {dataset} of {kind} {where}".strip())


def is_held(client: JobClientBase) -> bool | None:
    """Whether a run is at work on a dataset; None where it is unknown from here."""
    if client.config.destination_type == "duckdb":
        file = duckdb_path(client.config).resolve()
        return is_locked(file.with_name(f"{file.name}.lock"))
    sql: SqlClientBase[Any] | None = getattr(client, "sql_client", None)
    if client.config.destination_type != "postgres" or sql is None:
        return None
    with sql:
        high, low = divmod(server_key(sql.dataset_name) % 2**64, 2**32)
        found = sql.execute_sql(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND classid = %s AND objid = %s",
            *(high, low),
        )
    return bool(found)


def _dataset(pipeline: Pipeline, client: JobClientBase) -> str:
    sql: SqlClientBase[Any] | None = getattr(client, "sql_client", None)
    return sql.dataset_name if sql else pipeline.dataset_name
