"""What excludes the other runs of a dataset, by the kind of its destination."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dlt.common.destination.client import JobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from sources.hubspot.warehouse.sql import Tables

from ..catalog import KNOWN, Known, Lock
from ..failures import redacted
from ..resolve import client_of, describe, duckdb_path, explained
from .busy import Check
from .files import identity, in_temporary_folder, is_locked, lock_of, on_file
from .guard import guarded
from .lease import is_leased, lease
from .sessions import advisory, get_lock, is_advisory_held, is_get_lock_held

Client = SqlClientBase[Any]


@contextmanager
def exclusive(pipeline: Pipeline) -> Iterator[None]:
    """Keep every other run from writing the same dataset; of a file, any dataset in it.

    Loads of the pipeline are not committed any more once the lock is lost.

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
            if lock_kind(client) == "file":
                held.enter_context(on_file(_file(client), describe(pipeline), name))
            else:
                dataset = _dataset(client) or pipeline.dataset_name
                what = f"dataset {dataset} of {describe(pipeline)}"
                path = held.enter_context(in_temporary_folder(client, what))
                if found := _between_machines(pipeline, client, path, what):
                    held.enter_context(guarded(pipeline, held.enter_context(found)))
        yield


def _between_machines(
    pipeline: Pipeline, client: JobClientBase, path: Path, what: str
) -> AbstractContextManager[Check] | None:
    """Return the lock that other machines see; None where there is none.

    Args:
        pipeline: that writes.
        client: of its destination.
        path: of the lock on a file, which is held.
        what: is locked, for people.
    """
    kind = lock_kind(client)
    if kind == "advisory":
        return advisory(*_on_server(client, pipeline.sql_client()), what)
    if kind == "get_lock":
        return get_lock(pipeline.sql_client(), _dataset(client), what)
    if kind == "lease":
        return lease(pipeline, identity(path), what)
    return None


def lock_kind(client: JobClientBase) -> Lock:
    """Return what excludes other runs from the datasets of a destination."""
    config: Any = client.config
    kind = KNOWN.get(config.destination_type, Known()).lock
    if config.destination_type == "ducklake":
        return _OF_CATALOGUES.get(config.credentials.catalog.drivername, "none")
    if config.destination_type == "sqlalchemy":
        is_mysql = config.credentials.drivername.startswith(("mysql", "mariadb"))
        return kind if is_mysql else "lease"
    return kind


_OF_CATALOGUES: dict[str, Lock] = {
    "postgres": "advisory",
    "postgresql": "advisory",
    "sqlite": "file",
    "duckdb": "file",
}
"""What excludes other runs from a DuckLake, by what keeps its catalogue."""


def _file(client: JobClientBase) -> Path:
    """Return the file that a DuckDB dataset, or the catalogue of a DuckLake, is in."""
    if client.config.destination_type == "duckdb":
        return duckdb_path(client.config).resolve()
    config: Any = client.config
    return Path(config.credentials.catalog.database).resolve()


def _on_server(client: JobClientBase, own: Client) -> tuple[Client, str]:
    """Return a client of the PostgreSQL that keeps a dataset, and the name of its lock there.

    Args:
        client: of the destination.
        own: another one, not yet open; it is the one where the destination is PostgreSQL.
    """
    if client.config.destination_type != "ducklake":
        return own, own.dataset_name
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials  # noqa: PLC0415
    from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient  # noqa: PLC0415

    lake: Any = client.config.credentials
    uri = lake.catalog.to_native_representation().replace("postgres://", "postgresql://", 1)
    catalogue = Psycopg2SqlClient(
        *(own.dataset_name, own.staging_dataset_name),
        *(PostgresCredentials(uri), own.capabilities),
    )
    return catalogue, f"{lake.metadata_schema or lake.ducklake_name} {own.dataset_name}"


def place_of(client: JobClientBase) -> str:
    """Name the dataset that a client writes and where that is, the same from any folder."""
    dataset = _dataset(client) or getattr(client.config, "dataset_name", "")
    kind = client.config.destination_type
    where = duckdb_path(client.config).resolve() if kind == "duckdb" else client.config
    return redacted(f"dataset {dataset} of {kind} {where}".strip())


def is_held(client: JobClientBase) -> bool | None:
    """Whether a run is at work on a dataset; None where it is unknown from here."""
    kind, own = lock_kind(client), _sql(client)
    if kind == "file":
        return is_locked(lock_of(_file(client)))
    if own is None or kind == "none":
        return None
    if kind == "advisory":
        server, name = _on_server(client, own)
        with server:
            return is_advisory_held(server, name)
    with own:
        if kind == "get_lock":
            return is_get_lock_held(own, own.dataset_name)
        return is_leased(Tables(own))


def _sql(client: JobClientBase) -> Client | None:
    return getattr(client, "sql_client", None)


def _dataset(client: JobClientBase) -> str:
    sql = _sql(client)
    return sql.dataset_name if sql else ""
