"""Who may read a new DuckDB file: its owner alone, for it holds personal data."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt

from sources.hubspot.errors import ConfigError

SETTING = "DESTINATION__DUCKDB__FILE_MODE"
_KEY = "destination.duckdb.file_mode"
_OWNER_ONLY = 0o600
_OTHERS = 0o077
_READ_WRITE = 0o666


@contextmanager
def created_private(file: Path) -> Iterator[None]:
    """Let a DuckDB file, its log and other files of the same time be read by its owner alone.

    The setting gives a new file another mode. A file that is there keeps its mode, and its log gets
    the same.

    Raises:
        ConfigError: the setting is no mode.
    """
    mode = file.stat().st_mode if file.exists() else _wanted_mode()
    open_to_others = mode & _OTHERS & _READ_WRITE
    before = os.umask(_READ_WRITE & ~mode if open_to_others else _OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def _wanted_mode() -> int:
    given: Any = dlt.config.get(_KEY)
    if given is None:
        return _OWNER_ONLY
    text = str(given).strip()
    if not re.fullmatch(r"0?[67][0-7]{2}", text):
        raise ConfigError(
            f"{SETTING} ([destination.duckdb] file_mode in .dlt/config.toml) must be a file mode"
            " such as 0640 in which the owner reads and writes.",
            remedy="Correct or remove it.",
        )
    return int(text, 8)
