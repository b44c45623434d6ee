"""DuckDB's extensions: from packages that hold them, else from DuckDB's repository."""

from importlib.util import find_spec
from pathlib import Path

import duckdb


def install(*extensions: str) -> None:
    """Install those that are not there."""
    with duckdb.connect() as connection:
        asked = "SELECT extension_name FROM duckdb_extensions() WHERE installed"
        there = {name for (name,) in connection.execute(asked).fetchall()}
        for name in {*extensions} - there:
            package = find_spec(f"duckdb_extension_{name}")
            parts = package.submodule_search_locations if package else None
            found = [one for part in parts or () for one in Path(part).rglob("*.duckdb_extension")]
            connection.execute(f"FORCE INSTALL '{found[0]}'" if found else f"INSTALL {name}")
