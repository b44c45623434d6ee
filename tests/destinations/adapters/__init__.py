"""What the suite must know of a destination: four functions, and what it can and cannot do as data.

A destination that is not here needs a subclass of `Adapter`, and its name in `ADAPTERS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, ClassVar

ADAPTERS = {
    "duckdb": "adapters.duckdb_file:DuckDB",
    "postgres": "adapters.postgres:Postgres",
    "mariadb": "adapters.mariadb:MariaDB",
    "snowflake": "adapters.snowflake:Snowflake",
    "bigquery": "adapters.bigquery:BigQuery",
    "ducklake": "adapters.ducklake:DuckLake",
    "ducklake-postgres": "adapters.ducklake:DuckLakeOnPostgres",
    "delta": "adapters.lake:Delta",
    "delta-s3": "adapters.lake:DeltaS3",
    "iceberg": "adapters.lake:Iceberg",
    "iceberg-s3": "adapters.lake:IcebergS3",
}
"""By the name that `--on` takes: the module and the class."""


class Adapter(ABC):
    """A destination under test. A class has no arguments; nothing runs before `start`."""

    folder: Path
    """That the suite starts it with."""
    destination: ClassVar[str]
    """What `--destination` takes."""
    roles: ClassVar[Mapping[str, int]] = {}
    """Logins that cannot load, and the exit code of a sync with each. Of `wrong` (a password),
    `missing` (a database, catalog or bucket), `reader` (may read, and neither write nor create),
    `nowhere` (a host that does not answer), those that there are."""
    secret: ClassVar[str] = ""
    """Part of the credentials that no message may show; empty where there is none."""
    keeps_nul: ClassVar[bool] = False
    """Whether text keeps its NUL characters."""
    between_machines: ClassVar[bool] = True
    """Whether two runs on two machines exclude each other."""
    killable: ClassVar[bool] = True
    """Whether another process reaches the same data: not where it lives in the tests' own."""
    serves: ClassVar[bool] = False
    """Whether connections are lost when `stop` is called, and `start` brings the data back."""
    alters: ClassVar[bool] = True
    """Whether `ALTER TABLE .. DROP COLUMN` and `DROP TABLE` are statements that it takes."""
    holds_tables: ClassVar[bool] = True
    """Whether an open transaction of another program makes a sync wait, not fail."""
    longest_name: ClassVar[int] = 255
    """Characters of an identifier."""
    most_columns: ClassVar[int] = 10_000
    """Columns of the widest table; a type that has more properties is refused."""

    @abstractmethod
    def start(self, folder: Path) -> None:
        """Start what is needed, with its files in a folder; again after `stop`, with its data."""

    @abstractmethod
    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Return the environment of a sync that loads into it, or that has this role."""

    @abstractmethod
    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table, read by the driver and not by the connector.

        None where there is no such table or dataset. Booleans may be 0 and 1, instants naive in
        UTC, numbers Decimal. Names of columns are as the connector chose them, in lower case.
        """

    @abstractmethod
    def stop(self) -> None:
        """End what `start` began, at once, whoever is connected."""


def adapter_named(name: str) -> Adapter:
    """Make the adapter of a name in `ADAPTERS`, or of `module:Class`."""
    made: Adapter = resolve_name(ADAPTERS.get(name, name))()
    return made
