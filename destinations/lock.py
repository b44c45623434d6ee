"""One writer at a time: a lock on what a run writes; it ends with its process.

It is the operating system's lock on a file: next to a DuckDB file, which one process at a time may
have open anyway, and in the machine's folder for temporary files for every other dataset.
PostgreSQL keeps a second one, so that two machines exclude each other as well. The file says who
holds the lock; where it stays behind, as after a kill, it locks nothing.
"""

import hashlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlt.common.destination.client import JobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline
from filelock import FileLock, Timeout

from sources.hubspot.errors import BusyError, ConfigError, OverlapError

from .failures import credentials_setting, redacted
from .resolve import client_of, describe, duckdb_path, explained, is_duckdb, open_destination

_SESSION = {
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "4",
}
"""Settings of PostgreSQL's that keep a lock while its run lives, and no longer."""

_LOOKS_SECONDS = 0.5  # between two attempts at a lock that another process holds
_REPORT_SECONDS = 10  # between two messages about it


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for another run, or another program, that has the dataset."""

    seconds: float = 0.0
    notify: Callable[[str], object] = str
    """Receives who is waited for, and for how long."""


IMPATIENT = Patience()


@contextmanager
def claimed(pipeline: Pipeline, patience: Patience) -> Iterator[None]:
    """Open the destination for the only one who writes the dataset, when the others are done.

    Raises:
        ConfigError: a setting or a driver is missing or wrong, or the lock cannot be made.
        BusyError: another run or program had the dataset for as long as there was patience.
        WarehouseError: the destination does not answer or refuses to write.
    """
    began, reported = time.monotonic(), -float(_REPORT_SECONDS)
    while True:
        with ExitStack() as held:
            try:
                held.enter_context(exclusive(pipeline))
                held.enter_context(open_destination(pipeline))
            except BusyError as error:
                waited = time.monotonic() - began
                if waited >= patience.seconds:
                    raise
                if waited - reported >= _REPORT_SECONDS:
                    left = patience.seconds - waited
                    patience.notify(f"{error.message} Waiting for it, {left:,.0f} s at most.")
                    reported = waited
            else:
                yield
                return
        time.sleep(min(_LOOKS_SECONDS, max(0.0, patience.seconds - waited)))


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
                held.enter_context(_on_file(file, describe(pipeline)))
            else:
                dataset = _dataset(pipeline, client)
                what = f"dataset {dataset} of {describe(pipeline)}"
                held.enter_context(_in_temporary_folder(client, what))
                if client.config.destination_type == "postgres":
                    held.enter_context(_on_server(pipeline.sql_client(), what))
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
        return _is_locked(file.with_name(f"{file.name}.lock"))
    sql: SqlClientBase[Any] | None = getattr(client, "sql_client", None)
    if client.config.destination_type != "postgres" or sql is None:
        return None
    with sql:
        high, low = divmod(_server_key(sql.dataset_name) % 2**64, 2**32)
        found = sql.execute_sql(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND classid = %s AND objid = %s",
            *(high, low),
        )
    return bool(found)


def _is_locked(path: Path) -> bool | None:
    """Whether a process holds the lock of a file; others may ask at the same time."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _dataset(pipeline: Pipeline, client: JobClientBase) -> str:
    sql: SqlClientBase[Any] | None = getattr(client, "sql_client", None)
    return sql.dataset_name if sql else pipeline.dataset_name


@contextmanager
def _on_file(file: Path, what: str) -> Iterator[None]:
    """Hold the lock of a DuckDB file."""
    remedy = f"Make the folder writable, or set {credentials_setting('duckdb')} to another file."
    if not file.parent.is_dir():
        raise ConfigError(f"There is no folder {file.parent} for the DuckDB file.", remedy=remedy)
    with _file_lock(file.with_name(f"{file.name}.lock"), what, remedy):
        yield


@contextmanager
def _in_temporary_folder(client: JobClientBase, what: str) -> Iterator[None]:
    """Hold the lock of a dataset that is no file, in a folder of this user's on this machine."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    folder = Path(tempfile.gettempdir()) / f"hubspot-elt-{user}".rstrip("-")
    remedy = "Set TMPDIR to a folder of your own that can be written."
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {user, 0}:
            raise ConfigError(f"The folder {folder} belongs to another user.", remedy=remedy)
    except OSError as error:
        raise _no_lock(folder, error, remedy) from None
    query = getattr(getattr(client.config, "credentials", None), "query", None) or {}
    place = (
        what,
        client.config.fingerprint(),
        str(getattr(client.config, "bucket_url", "")),
        *(str(query.get(name, "")) for name in ("host", "port")),  # of a server behind a socket
    )
    key = hashlib.sha256("\n".join(place).encode()).hexdigest()[:24]
    with _file_lock(folder / f"{key}.lock", what, remedy):
        yield


@contextmanager
def _file_lock(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Hold the operating system's lock on a file, and remove the file at a regular end."""
    lock = FileLock(path, blocking=False, thread_local=False, on_acquired=_sign)
    try:
        try:
            lock.acquire()
        except Timeout:
            if path.exists():
                raise
            lock.acquire()  # the file was removed by a run that ended just now
    except Timeout:
        raise _busy(what, _signature(path)) from None
    except (OSError, RuntimeError) as error:
        raise _no_lock(path, error, remedy) from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows refuses while it is open, and the library does it then
            path.unlink()  # while it is held: nobody takes a lock on a file that is gone
        lock.release()


def _sign(descriptor: int) -> None:
    """Write into the file who holds its lock."""
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text.encode())


def _signature(path: Path) -> str:
    """Return who holds the lock of a file, as far as it says."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        by = json.loads(path.read_text(encoding="utf-8"))
        return f"process {by['pid']} on {by['host']} since {by['since']}"
    return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _server_key(dataset: str) -> int:
    """Return the number of a dataset's lock on a server, as a signed one of 64 bits."""
    digest = hashlib.sha256(f"hubspot-elt {dataset}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


@contextmanager
def _on_server(client: SqlClientBase[Any], what: str) -> Iterator[None]:
    """Hold an advisory lock of PostgreSQL's for a dataset, on a connection of its own.

    It belongs to a transaction that stays open and does nothing: a lock of the session would
    outlive its run where a pooler keeps the connection.
    """
    key = _server_key(client.dataset_name)
    connection = client.open_connection()
    try:
        connection.autocommit = False
        me = f"hubspot-elt, process {os.getpid()} on {socket.gethostname()}"
        for name, value in (_SESSION | {"application_name": me}).items():
            client.execute_sql(
                "SELECT set_config(name, %s, true) FROM pg_settings WHERE name = %s", value, name
            )
        taken = client.execute_sql("SELECT pg_try_advisory_xact_lock(%s)", key)
        if not (taken and taken[0][0]):
            raise _busy(what, _holder(client, key))
        yield
    finally:
        with suppress(Exception):  # where the connection is gone, the lock is too
            client.close_connection()


def _holder(client: SqlClientBase[Any], key: int) -> str:
    """Return who holds an advisory lock, as far as PostgreSQL lets us see it."""
    rows = client.execute_sql(
        "SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND classid::bigint = %s AND objid::bigint = %s",
        (key >> 32) & 0xFFFFFFFF,
        key & 0xFFFFFFFF,
    )
    name, since = rows[0] if rows else ("", None)
    by = str(name).removeprefix("hubspot-elt, ")
    return f"{by} since {since:%Y-%m-%dT%H:%M:%S%z}" if by and since else by


def _busy(what: str, by: str) -> OverlapError:
    who = f": {by}" if by else ""
    return OverlapError(
        redacted(f"Another run is at work on {what}{who}."),
        remedy="Wait for it to end, which --wait SECONDS does, or stop it.",
    )


def _no_lock(path: Path, error: Exception, remedy: str) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        f"The lock {path} cannot be made: {reason.rstrip('.')}.",
        remedy=remedy,
    )
