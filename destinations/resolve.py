"""A destination by name: DuckDB by default, or any destination of dlt; checked before use."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import dlt
from dlt.common.destination import Destination
from dlt.common.destination.client import JobClientBase
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from sources.hubspot.errors import ConfigError, HubSpotError, MissingRightError, WarehouseError
from sources.hubspot.warehouse.view import held_open

from .catalog import KNOWN, REFUSED
from .duckdb.file import LITTLE_MEMORY
from .duckdb.file import duckdb as duckdb_file
from .duckdb.file_mode import created_private
from .duckdb.lake import ducklake
from .failures import credentials_setting, first_line, missing_driver, to_error, unknown_destination
from .rights import grant, kind_of
from .servers.alchemy import sqlalchemy
from .servers.mysql import keep_texts
from .servers.postgres import postgres

AnyDestination = Destination[Any, Any]

FILE = ".duckdb"
_PROBE = "_hs_write_check"
TABLE_LIBRARIES = {"delta": "deltalake", "iceberg": "pyiceberg"}
"""Formats of tables in files, and what writes them."""
TAKES_BACK_TABLES = frozenset({"mssql", "postgres", "redshift"})
"""Destinations where a rollback undoes CREATE TABLE; dlt says so of MySQL and Snowflake as well,
which end the transaction and keep the table."""


def make_destination(name: str = "duckdb") -> AnyDestination:
    """Return dlt's destination of that name; nothing is opened yet.

    Args:
        name: of one of dlt's destinations, of a destination named in dlt's configuration, the
            import path of one, or a DuckDB file, which ends with `.duckdb`.

    Raises:
        ConfigError: there is no such destination, or it cannot merge.
    """
    _refuse(name)
    with explained(name):
        if name == "duckdb" or name.endswith(FILE):
            credentials = {"global_config": duckdb_settings()}
            file = (
                {"database": str(Path(name).expanduser().absolute())} if name.endswith(FILE) else {}
            )
            return duckdb_file(credentials=credentials | file)
        if name == "filesystem":
            return _files()
        if name == "postgres":
            return postgres()
        if name == "sqlalchemy":
            keep_texts()
            return sqlalchemy()
        if name == "ducklake":
            return ducklake()
        files = KNOWN[name].files if name in KNOWN else None
        settings = {"preferred_loader_file_format": files} if files else {}
        destination = Destination.from_reference(name, **settings)
    if destination is None:
        raise unknown_destination(name)
    _refuse(destination.destination_type.rpartition(".")[2])
    if isinstance(destination, dlt.destinations.filesystem):
        raise ConfigError(
            f"{name} is dlt's file storage, whose plain files cannot be merged.",
            remedy="Take --destination filesystem: its tables are Delta or Iceberg.",
        )
    return destination


def duckdb_settings() -> dict[str, Any]:
    """Return DuckDB's settings for loading; what the user set wins.

    Loading wide tables needs no order of insertion, and keeping it costs memory; so does a cache of
    the files that a load brings, each of which is read once. What a load has freed goes back to the
    system before the next one, not when DuckDB is asked again. Blocks of few rows are
    joined by loads that delete some, in `client.py`: to join those that a first load adds takes as
    much memory as the load.
    """
    tuned = {
        "allocator_background_threads": True,
        "enable_external_file_cache": False,
        "max_vacuum_tasks": 0,
        "memory_limit": LITTLE_MEMORY,
        "preserve_insertion_order": False,
        "threads": 1,
    }
    given = dlt.config.get("destination.duckdb.credentials.global_config", dict)
    return tuned | (given or {})


@contextmanager
def open_destination(pipeline: Pipeline) -> Iterator[None]:
    """Prove that the destination opens and takes writes, leave nothing behind, and keep it open.

    What DuckDB opens stays open: to open and close it takes longer than most of what is asked.

    Raises:
        ConfigError: a setting or a driver is missing or wrong.
        WarehouseError: the destination does not answer or refuses to write.
    """
    destination = pipeline.destination
    if destination is None:
        raise ConfigError("There is no destination.", remedy="Set --destination.")
    with ExitStack() as held:
        with explained(destination.destination_name):
            client = client_of(pipeline)
            if is_duckdb(pipeline):
                file = duckdb_path(client.config)
                held.enter_context(created_private(file))
                held.enter_context(_open_duckdb_file(file))
                if file.exists():
                    held.enter_context(held_open(pipeline))
            elif isinstance(client, SqlJobClientBase):
                _check_sql(client)
                held.enter_context(held_open(pipeline))
            else:
                client.is_storage_initialized()
        yield


def keeps_nul(name: str) -> bool:
    """Whether a destination keeps NUL characters in text; others refuse a whole load for one."""
    holds = {"duckdb", "motherduck", "ducklake", "filesystem"}
    return name in holds or name.endswith(FILE)


def client_of(pipeline: Pipeline) -> JobClientBase:
    """Return a client for what needs no schema, such as where a pipeline writes; made once."""
    if pipeline not in _CLIENTS:
        _CLIENTS[pipeline] = fit(pipeline.destination_client())
    return _CLIENTS[pipeline]


def fit(client: JobClientBase) -> JobClientBase:
    """Return a client, unless no sync can work with its destination.

    Raises:
        ConfigError: so it is.
    """
    _refuse(kind_of(client))
    return client


def _refuse(kind: str) -> None:
    if kind in REFUSED:
        raise ConfigError(
            f"The destination {kind} {REFUSED[kind]}.",
            remedy="Take another --destination, such as duckdb or postgres.",
        )


_CLIENTS: WeakKeyDictionary[Pipeline, JobClientBase] = WeakKeyDictionary()
"""By pipeline; dlt makes a schema for each client that is made before a dataset's is known."""


def describe(pipeline: Pipeline) -> str:
    """Return in a few words where a pipeline writes, without any secret."""
    name = pipeline.destination.destination_name if pipeline.destination else ""
    with explained(name):
        client = client_of(pipeline)
    if is_duckdb(pipeline):
        return f"DuckDB file {duckdb_path(client.config)}"
    return f"{name} {client.config}".strip()


def is_duckdb(pipeline: Pipeline) -> bool:
    """Whether a pipeline writes a DuckDB file."""
    return isinstance(pipeline.destination, dlt.destinations.duckdb)


def duckdb_path(config: Any) -> Path:  # noqa: ANN401 - dlt's configuration of the destination
    """Return the file that a DuckDB destination writes."""
    return Path(config.credentials.database)


@contextmanager
def _open_duckdb_file(path: Path) -> Iterator[None]:
    """Prove that a DuckDB file, or the folder it will be in, can be written; keep the file open.

    Raises:
        ConfigError: it cannot; the message names the setting.
    """
    import duckdb  # noqa: PLC0415 - only this destination needs it

    if not path.exists():
        _check_folder(path.parent)
        yield
        return
    if path.is_dir():
        raise ConfigError(
            f"{path} is a folder, not a DuckDB file.",
            remedy=f"Set {credentials_setting('duckdb')} to a file.",
        )
    if not os.access(path, os.W_OK):
        raise ConfigError(
            f"{path} is read-only.",
            remedy=f"Make it writable, or set {credentials_setting('duckdb')} to another file.",
        )
    with duckdb.connect(str(path)) as connection:
        _remove_spilled(path)
        connection.execute(f"BEGIN; CREATE TABLE {_PROBE} (x INT); ROLLBACK")
        yield


def _remove_spilled(path: Path) -> None:
    """Take away what DuckDB had put aside when a run was killed: nobody else has the file open."""
    folder = path.with_name(f"{path.name}.tmp")
    with suppress(OSError):
        for left in folder.glob("duckdb_temp_*"):
            left.unlink()
        folder.rmdir()


def _check_folder(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise ConfigError(
            f"No DuckDB file can be made in {folder}: {error.strerror}.",
            remedy=f"Set {credentials_setting('duckdb')} to a file that can be written.",
        ) from None


def _check_sql(client: SqlJobClientBase) -> None:
    """Open a SQL destination; where a table can be made and taken back, try that as well."""
    with client.sql_client as sql:
        held = sql.has_dataset()
        if str(client.config.destination_type) not in TAKES_BACK_TABLES:
            return
        try:
            with explained(str(client.config.destination_type)), sql.begin_transaction() as trial:
                if not held:
                    sql.create_dataset()
                sql.execute_sql(f"CREATE TABLE {sql.make_qualified_table_name(_PROBE)} (x INT)")
                trial.rollback_transaction()
        except MissingRightError as error:
            statement = grant(client, "held" if held else "dataset", sql.dataset_name)
            raise MissingRightError(error.message, remedy=f"{error.remedy} {statement}") from error


def _files() -> AnyDestination:
    """Return file storage whose tables are Delta or Iceberg: files alone cannot be merged.

    Raises:
        ConfigError: the settings name another format, or its library is not there.
    """
    setting = "destination.filesystem.table_format"
    asked = dlt.config.get(setting, str) or "delta"
    if asked not in TABLE_LIBRARIES:
        raise ConfigError(
            f"{setting} is {asked!r}: files of that kind cannot be merged.",
            remedy="Set it to delta or iceberg.",
        )
    if find_spec(TABLE_LIBRARIES[asked]) is None:
        raise missing_driver("filesystem", TABLE_LIBRARIES[asked]) from None
    from sources.hubspot.warehouse.sql.lake.destination import (  # noqa: PLC0415 - heavy
        filesystem,
    )

    return filesystem(table_format=asked)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what dlt and drivers raise into errors of ours."""
    try:
        yield
    except HubSpotError:
        raise
    except ModuleNotFoundError as error:
        raise missing_driver(name, error.name or "module") from error
    except Exception as error:
        raise _innermost(error, name) from error


def _innermost(error: BaseException, name: str) -> BaseException:
    """Return the meaning of the deepest cause that has one; an interrupt is no failure."""
    meaning, cause = None, error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, KeyboardInterrupt):
            return cause
        meaning = to_error(cause, name) or meaning
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    return meaning or WarehouseError(
        f"The destination {name} cannot be opened: {first_line(error)}",
        remedy=f"Check {credentials_setting(name)}.",
    )
