"""A DuckDB file, which may have the name of its dataset, with as little memory as a load needs.

Rows are added in little memory, whatever the table's size; a merge into a wide table takes more.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations import duckdb as _duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration

from sources.hubspot.errors import ConfigError

from ..failures import credentials_setting
from ..once import ResolvedOnce

if TYPE_CHECKING:
    from .client import QualifyingClient

LITTLE_MEMORY = "200MiB"


class duckdb(ResolvedOnce, _duckdb):  # noqa: N801 - dlt names destinations after their class
    """dlt's DuckDB, whose statements name the database where its schema has the same name."""

    def placed(self, config: DuckDbClientConfiguration) -> DuckDbClientConfiguration:
        """Return settings whose file is where the user wants it."""
        return _placed(config)

    def capabilities(
        self,
        config: DuckDbClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Return what DuckDB can do, whatever its settings, which dlt resolves in order to ask."""
        return super().capabilities(config or self.spec(), naming)

    @property
    def client_class(self) -> type["QualifyingClient"]:
        """The client, imported when first used."""
        from .client import QualifyingClient  # noqa: PLC0415 - heavy

        return QualifyingClient


def _placed(config: DuckDbClientConfiguration) -> DuckDbClientConfiguration:
    """Expand `~` at the beginning of the file's path, which dlt takes for a folder's name.

    Raises:
        ConfigError: the file would be in the working folder, which ends with the run.
    """
    if not (config.credentials and config.local_dir):
        return config
    file = Path(str(config.credentials.database))
    if config.pipeline_working_dir and file.is_relative_to(config.pipeline_working_dir):
        raise ConfigError(
            "A DuckDB file in dlt's working folder is gone when the run ends.",
            remedy=f"Set {credentials_setting('duckdb')} to a file elsewhere.",
        )
    if file.is_relative_to(config.local_dir):
        inner = file.relative_to(config.local_dir)
        if inner.parts and inner.parts[0].startswith("~"):
            config.credentials.database = str(inner.expanduser())
    return config
