"""A DuckDB file, which may have the name of its dataset, with as little memory as a load needs.

Rows are added in little memory, whatever the table's size; a merge into a wide table takes more.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations import duckdb as _duckdb
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration

from sources.hubspot.errors import ConfigError

from ..dlt_settings import PIPELINE
from ..failures import credentials_setting

if TYPE_CHECKING:
    from .client import QualifyingClient

LITTLE_MEMORY = "200MiB"


class duckdb(_duckdb):  # noqa: N801 - dlt names destinations after their class
    """dlt's DuckDB, whose statements name the database where its schema has the same name."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - dlt's signature
        super().__init__(**settings)
        self._resolved: dict[object, DuckDbClientConfiguration] = {}

    def configuration(
        self,
        initial_config: DuckDbClientConfiguration,
        accept_partial: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> DuckDbClientConfiguration:
        """Return a copy of what is resolved once: dlt asks some forty times a run.

        The copies share their connections, as the clients of one load do.
        """
        given = initial_config or self.spec()
        given.pipeline_name = given.pipeline_name or PIPELINE  # the file is called after it
        key = accept_partial, repr(vars(given))
        if key not in self._resolved:
            self._resolved[key] = _placed(super().configuration(given, accept_partial))
        config = self._resolved[key].copy()
        config.credentials = self._resolved[key].credentials
        return config

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
