"""Locks of a server that end with the session which took them: PostgreSQL's and MySQL's."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from .busy import Check, busy, lost, me

Client = SqlClientBase[Any]

_SETTINGS = {
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "4",
}
"""Settings of PostgreSQL's that keep a lock while its run lives, and no longer."""
_OURS = "locktype = 'advisory' AND objsubid = 1 AND classid::bigint = %s AND objid::bigint = %s"


@contextmanager
def advisory(client: Client, name: str, what: str) -> Iterator[Check]:
    """Hold an advisory lock of PostgreSQL's, on a connection of its own.

    It belongs to a transaction that stays open and does nothing: a lock of the session would
    outlive its run where a pooler keeps the connection.

    Args:
        client: of the server; not yet open.
        name: of what is locked.
        what: that is, for people.

    Raises:
        BusyError: another run holds it.
    """
    connection = client.open_connection()
    try:
        connection.autocommit = False
        for setting, value in (_SETTINGS | {"application_name": f"hubspot-elt, {me()}"}).items():
            client.execute_sql(
                "SELECT set_config(name, %s, true) FROM pg_settings WHERE name = %s", value, setting
            )
        if not _says(client, "SELECT pg_try_advisory_xact_lock(%s)", _number(name)):
            raise busy(what, _holder(client, name))
        asked = f"SELECT count(*) FROM pg_locks WHERE {_OURS} AND pid = pg_backend_pid()"
        yield _checking(client, what, asked, *_halves(name))
    finally:
        with suppress(Exception):  # where the connection is gone, the lock is too
            client.close_connection()


def is_advisory_held(client: Client, name: str) -> bool:
    """Whether a session holds the advisory lock; the client is open."""
    return _says(client, f"SELECT count(*) FROM pg_locks WHERE {_OURS}", *_halves(name))


def _holder(client: Client, name: str) -> str:
    """Return who holds an advisory lock, as far as PostgreSQL lets us see it."""
    rows = client.execute_sql(
        "SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)"
        f" WHERE granted AND {_OURS}",
        *_halves(name),
    )
    holder, since = rows[0] if rows else ("", None)
    by = str(holder).removeprefix("hubspot-elt, ")
    return f"{by} since {since:%Y-%m-%dT%H:%M:%S%z}" if by and since else by


def _number(name: str) -> int:
    """Return the number of a lock, as a signed one of 64 bits."""
    return int.from_bytes(_digest(name)[:8], signed=True)


def _halves(name: str) -> tuple[int, int]:
    """Return the number of a lock as PostgreSQL lists it."""
    return divmod(_number(name) % 2**64, 2**32)


@contextmanager
def get_lock(client: Client, name: str, what: str) -> Iterator[Check]:
    """Hold a lock of MySQL's or MariaDB's by its name, on a connection of its own.

    It is one node's: of a cluster, all runs have to write to the same.

    Args:
        client: of the server; not yet open.
        name: of what is locked.
        what: that is, for people.

    Raises:
        BusyError: another run holds it.
    """
    key = _text(name)
    client.open_connection()
    try:
        client.execute_sql("SET SESSION wait_timeout = 2147483")  # it does nothing for hours
        if not _says(client, "SELECT GET_LOCK(%s, 0)", key):
            raise busy(what, _thread(client, key))
        yield _checking(client, what, "SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", key)
    finally:
        with suppress(Exception):  # where the connection is gone, the lock is too
            client.execute_sql("SELECT RELEASE_LOCK(%s)", key)  # a pool may keep the connection
        with suppress(Exception):
            client.close_connection()


def is_get_lock_held(client: Client, name: str) -> bool:
    """Whether a session holds the lock; the client is open."""
    return _says(client, "SELECT IS_USED_LOCK(%s) IS NOT NULL", _text(name))


def _thread(client: Client, key: str) -> str:
    """Return which session holds a lock, as far as MySQL lets us see it."""
    rows = client.execute_sql(
        "SELECT id, host FROM information_schema.processlist WHERE id = IS_USED_LOCK(%s)", key
    )
    return f"session {rows[0][0]} of {rows[0][1]}" if rows else ""


def _text(name: str) -> str:
    """Return the name of a lock within MySQL's 64 characters."""
    return f"hubspot-elt {_digest(name).hex()[:40]}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(f"hubspot-elt {name}".encode()).digest()


def _says(client: Client, sql: str, *values: object) -> bool:
    rows = client.execute_sql(sql, *values)
    return bool(rows and rows[0][0])


def _checking(client: Client, what: str, sql: str, *values: object) -> Check:
    """Return what asks the session that took a lock whether it has it."""

    def check() -> None:
        try:
            holds = _says(client, sql, *values)
        except Exception as error:
            raise lost(what) from error
        if not holds:
            raise lost(what)

    return check
