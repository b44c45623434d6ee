"""The folder that dlt works in: empty at the beginning of a run, gone at its end.

A run that is killed leaves its folder behind; the next run on the machine takes it away. It knows
a folder in use by the lock that its run holds, whatever process or container that is.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sources.hubspot.errors import ConfigError

_PREFIX = "hubspot-elt-run-"
_LOCK = "in-use.lock"
_WORK = "dlt"
_FIRST_SECONDS = 10  # within which a run has locked its folder


@contextmanager
def working_folder() -> Iterator[Path]:
    """Make an empty folder and hold it until the context ends.

    Raises:
        ConfigError: there is no place where it can be made.
    """
    with ExitStack() as held:
        own = _locked_folder(held)
        _remove_left_ones(own)
        yield own / _WORK


def _locked_folder(held: ExitStack) -> Path:
    """Make a folder with a lock in it.

    Until it is locked it looks like one that was left, so another run that begins in the same
    moment may take it away; then the next one is created.
    """
    while True:
        folder = _new_folder()
        held.callback(_remove, folder)
        with suppress(FileNotFoundError, FileExistsError):  # it went, or went and came, meanwhile
            held.enter_context(FileLock(folder / _LOCK))
            (folder / _WORK).mkdir()
            return folder


def _new_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        place = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
        raise ConfigError(
            f"No working folder can be made{place}: {error.strerror or error}.",
            remedy="Set TMPDIR to a folder that can be written.",
        ) from None


def _remove_left_ones(own: Path) -> None:
    """Take away the folders of runs that were killed."""
    for folder in own.parent.glob(f"{_PREFIX}*"):
        held = folder / _LOCK
        if folder == own:
            continue
        if not held.exists():  # a run at its first moment, or killed at its first or last one
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _FIRST_SECONDS:
                    folder.rmdir()
            continue
        with suppress(Timeout, OSError, RuntimeError), FileLock(held, blocking=False):
            _remove(folder)


def _remove(folder: Path) -> None:
    """Take a folder away, its lock at last: what a kill leaves of it is known as left."""
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    with suppress(OSError):
        (folder / _LOCK).unlink()
    with suppress(OSError):
        folder.rmdir()
