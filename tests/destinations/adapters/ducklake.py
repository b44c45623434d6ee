"""DuckLake: Parquet files in a folder, and a catalogue of them in SQLite or in PostgreSQL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb
from emulators.extensions import install

from . import Adapter
from .postgres import PASSWORD, Postgres

SETTING = "DESTINATION__DUCKLAKE__CREDENTIALS__"
NAME = "lake"


class DuckLake(Adapter):
    """A catalogue in a SQLite file next to the data."""

    destination = "ducklake"
    keeps_nul = True
    roles: ClassVar[Mapping[str, int]] = {"nowhere": 2}
    scanner = "sqlite"
    holds_tables = False  # the later commit of two fails

    def start(self, folder: Path) -> None:
        """Choose the files; install DuckDB's extensions."""
        install("ducklake", f"{self.scanner}_scanner")
        self._folder = folder

    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Name the catalogue and the folder of the data."""
        return {
            f"{SETTING}DUCKLAKE_NAME": NAME,
            f"{SETTING}CATALOG": self.catalog(role),
            f"{SETTING}STORAGE__BUCKET_URL": str(self._folder / "files"),
        }

    def catalog(self, role: str) -> str:
        """Return the address of the catalogue."""
        folder = self._folder / "nowhere" if role else self._folder
        return f"sqlite:///{folder / 'catalog.sqlite'}"

    def attached(self) -> tuple[str, str]:
        """Return where DuckDB finds the catalogue, and the options of that."""
        return f"{self._folder / 'catalog.sqlite'}", "META_TYPE 'sqlite', META_BUSY_TIMEOUT 1000"

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table by DuckDB."""
        with duckdb.connect() as connection:
            place, options = self.attached()
            try:
                connection.execute(f"ATTACH 'ducklake:{place}' AS {NAME} (READ_ONLY, {options})")
                rows = connection.execute(f'SELECT * FROM {NAME}."{dataset}"."{table}"')
            except (duckdb.CatalogException, duckdb.InvalidInputException):  # no table, no lake
                return []
            names = [column[0] for column in rows.description or ()]
            return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]

    def stop(self) -> None:
        """Nothing runs."""


class DuckLakeOnPostgres(DuckLake):
    """A catalogue in a PostgreSQL server of the tests' own."""

    roles: ClassVar[Mapping[str, int]] = {"wrong": 2, "missing": 2, "nowhere": 6}
    secret = PASSWORD
    scanner = "postgres"
    most_columns = 1_600  # of the catalogue's own tables
    serves = True

    def start(self, folder: Path) -> None:
        """Start the server as well."""
        super().start(folder)
        self._server = Postgres()
        self._server.start(folder)

    def catalog(self, role: str) -> str:
        """Return the address of the database."""
        return self._server.credentials(role)["DESTINATION__POSTGRES__CREDENTIALS"]

    def attached(self) -> tuple[str, str]:
        """Return where DuckDB finds the catalogue, and the options of that."""
        return f"postgres:{self._server.uri}", f"METADATA_SCHEMA '{NAME}'"

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()
