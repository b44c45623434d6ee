"""An advisory lock of PostgreSQL's, which every machine sees."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from .busy import busy

_SESSION = {
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "4",
}
"""Settings of PostgreSQL's that keep a lock while its run lives, and no longer."""


def server_key(dataset: str) -> int:
    """Return the number of a dataset's lock on a server, as a signed one of 64 bits."""
    digest = hashlib.sha256(f"hubspot-elt {dataset}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


@contextmanager
def on_server(client: SqlClientBase[Any], what: str) -> Iterator[None]:
    """Hold an advisory lock of PostgreSQL's for a dataset, on a connection of its own.

    It belongs to a transaction that stays open and does nothing: a lock of the session would
    outlive its run where a pooler keeps the connection.
    """
    key = server_key(client.dataset_name)
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
            raise busy(what, _holder(client, key))
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
