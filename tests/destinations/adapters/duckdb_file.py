"""DuckDB: a file in the folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from . import Adapter


class DuckDB(Adapter):
    """A DuckDB file, which one process at a time may open."""

    destination = "duckdb"
    roles: ClassVar = {"nowhere": 2}
    keeps_nul = True

    def start(self, folder: Path) -> None:
        """Choose the file."""
        self._file = folder / "warehouse.duckdb"

    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Name the file, or one in a folder that does not exist."""
        file = self._file.parent / "nowhere" / "a.duckdb" if role else self._file
        return {"DESTINATION__DUCKDB__CREDENTIALS": str(file)}

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table of the file."""
        if not self._file.exists():
            return []
        with duckdb.connect(str(self._file)) as connection:
            try:
                rows = connection.execute(f'SELECT * FROM "{dataset}"."{table}"')
            except duckdb.CatalogException:
                return []
            names = [column[0] for column in rows.description or ()]
            return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]

    def stop(self) -> None:
        """Nothing runs."""
