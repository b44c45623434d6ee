"""The operating system's lock on a file, which ends with its process.

It is next to a DuckDB file, which one process at a time may have open anyway, and in the machine's
folder for temporary files for every other dataset. The file says who holds the lock; where it stays
behind, as after a kill, it locks nothing.
"""

import hashlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from dlt.common.destination.client import JobClientBase
from filelock import FileLock, Timeout

from sources.hubspot.errors import ConfigError

from ..failures import credentials_setting
from .busy import busy

_OWN_FOLDER = "Set TMPDIR to a folder of your own that can be written."


def is_locked(path: Path) -> bool | None:
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


def lock_of(file: Path) -> Path:
    """Return the file whose lock stands for another one."""
    return file.with_name(f"{file.name}.lock")


@contextmanager
def on_file(file: Path, what: str, destination: str) -> Iterator[None]:
    """Hold the lock of a file that a dataset is in.

    Args:
        file: it may be about to be made.
        what: is locked, for people.
        destination: whose setting names the file.
    """
    remedy = f"Make the folder writable, or set {credentials_setting(destination)} to another file."
    if not file.parent.is_dir():
        raise ConfigError(f"There is no folder {file.parent} for {file.name}.", remedy=remedy)
    with _file_lock(lock_of(file), what, remedy):
        yield


@contextmanager
def in_temporary_folder(client: JobClientBase, what: str) -> Iterator[Path]:
    """Hold the lock of a dataset that is no file, in a folder of this user's on this machine.

    Yields:
        The file.
    """
    user = os.getuid() if hasattr(os, "getuid") else ""
    folder = Path(tempfile.gettempdir()) / f"hubspot-elt-{user}".rstrip("-")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {user, 0}:
            raise ConfigError(f"The folder {folder} belongs to another user.", remedy=_OWN_FOLDER)
    except OSError as error:
        raise _no_lock(folder, error, _OWN_FOLDER) from None
    query = getattr(getattr(client.config, "credentials", None), "query", None) or {}
    place = (
        what,
        client.config.fingerprint(),
        *(str(query.get(name, "")) for name in ("host", "port")),  # of a server behind a socket
    )
    path = folder / f"{_digest(*place)}.lock"
    with _file_lock(path, what, _OWN_FOLDER):
        yield path


def identity(path: Path) -> str:
    """Name a lock as only those processes do that exclude each other by this very file.

    A copy of the machine, or of its files, has another name.
    """
    try:
        known = sorted(path.parent.glob("machine-*"))
        if not known:
            known = [path.parent / f"machine-{secrets.token_hex(12)}"]
            known[0].touch(mode=0o600)
    except OSError as error:
        raise _no_lock(path.parent, error, _OWN_FOLDER) from None
    return _digest(known[0].name, socket.gethostname(), path.name)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


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
        raise busy(what, _signature(path)) from None
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


def _no_lock(path: Path, error: Exception, remedy: str) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        f"The lock {path} cannot be made: {reason.rstrip('.')}.",
        remedy=remedy,
    )
