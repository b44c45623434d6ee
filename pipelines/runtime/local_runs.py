"""Runs that could not reach the warehouse: a small file of this user's on this machine.

It holds the newest runs, one JSON object a line, and no secret. The next run that opens the
warehouse moves its lines into `_hs_runs`. Where no folder can be written nothing is kept: the run
has already reported its error.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_state_path

MOST_RUNS = 200  # of all datasets; the oldest go first
LONGEST_ERROR = 2_000  # characters of one run's error, so that the file stays below half a megabyte
FILE = "runs.jsonl"
_LOCK_SECONDS = 5
_READ_ONLY_FOR_OTHERS = 0o600

Entry = Mapping[str, Any]


def unresolved(destination: str, dataset: str) -> str:
    """Return the place of a dataset whose settings do not say where it is."""
    return f"dataset {dataset} of {destination}"


def keep(place: str, entry: Entry) -> bool:
    """Keep a run of a place; return whether any folder could be written.

    Args:
        place: the dataset and where it is, without secrets.
        entry: the row of `_hs_runs`, instants as ISO text.
    """
    line: dict[str, Any] = {"place": place, **entry}
    line["error"] = (entry.get("error") or "")[:LONGEST_ERROR] or None
    for file in _files():
        with suppress(OSError, Timeout, RuntimeError), _locked(file):
            _write(file, [*_read(file), line][-MOST_RUNS:])
            return True
    return False


def kept(place: str) -> list[dict[str, Any]]:
    """Return the runs of a place as rows of `_hs_runs`; what is damaged in the file is left out."""
    lines = [line for file in _files() for line in _read(file) if line.get("place") == place]
    rows = [{name: read(line.get(name)) for name, read in _MEMBERS.items()} for line in lines]
    return [row for row in rows if row["run_id"] and row["started_at"]]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _instant(value: object) -> datetime | None:
    """Read an instant; one without a zone is in UTC."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


_MEMBERS: dict[str, Callable[[object], Any]] = {
    **dict.fromkeys(("run_id", "command", "status", "error"), _text),
    **dict.fromkeys(("portal_id", "exit_code", "calls", "retries", "rate_limited"), _number),
    **dict.fromkeys(("started_at", "ended_at"), _instant),
}


def drop(place: str, run_ids: Sequence[str]) -> None:
    """Take runs of a place away: the warehouse has them now."""
    gone = {(place, run_id) for run_id in run_ids}
    for file in _files():
        if not gone or not file.exists():
            continue
        with suppress(OSError, Timeout, RuntimeError), _locked(file):
            lines = _read(file)
            left = [line for line in lines if (line.get("place"), line.get("run_id")) not in gone]
            if len(left) < len(lines):
                _write(file, left)


def rewrite_errors(
    places: Sequence[str], change: Callable[[str], str], *, rehearsing: bool = False
) -> int:
    """Change the errors of the runs of places; return how many became others.

    Raises:
        OSError: the file cannot be written.
    """
    changed = 0
    for file in _files():
        if not any(line.get("place") in places for line in _read(file)):
            continue
        with _locked(file):
            lines = _read(file)
            after = [
                line | {"error": change(line["error"])}
                if line.get("place") in places and isinstance(line.get("error"), str)
                else line
                for line in lines
            ]
            count = sum(old != new for old, new in zip(lines, after, strict=True))
            if count and not rehearsing:
                _write(file, after)
            changed += count
    return changed


def _files() -> list[Path]:
    """Name the file in the user's folder for such, and the one that stands in where it fails."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    files = []
    with suppress(OSError, RuntimeError):  # nobody's home is known
        files.append(user_state_path("hubspot-elt", appauthor=False) / FILE)
    with suppress(OSError):  # no folder for temporary files can be written
        files.append(Path(tempfile.gettempdir()) / f"hubspot-elt-{user}".rstrip("-") / FILE)
    return files


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(file.parent):
        raise PermissionError(file.parent)
    with FileLock(file.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=_READ_ONLY_FOR_OTHERS):
        yield


def _is_ours(folder: Path) -> bool:
    """Whether a folder is this user's: what others put into theirs is not believed."""
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


def _read(file: Path) -> list[dict[str, Any]]:
    """Return the lines that are objects; a damaged one is left out."""
    try:
        if file.is_symlink() or not _is_ours(file.parent):
            return []
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        with suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return found


def _write(file: Path, lines: Sequence[Entry]) -> None:
    """Put a new file in the place of the old one, readable for its owner alone."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=FILE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
