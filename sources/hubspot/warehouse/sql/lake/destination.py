"""dlt's destination for tables in files, by the name of the one that it stands in for."""

from typing import Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import filesystem as _filesystem

from .client import LakeClient


class filesystem(_filesystem):  # noqa: N801 - dlt names destinations after their class
    """dlt's file storage whose tables are all Delta, or all Iceberg, and merged by keys."""

    def __init__(self, table_format: str = "delta", **settings: Any) -> None:  # noqa: ANN401
        """Take a format, `delta` or `iceberg`, and what dlt's destination takes."""
        self._format = table_format
        super().__init__(**settings)
        given = self.config_params.items()  # dlt takes its own defaults for what is asked of it
        self.config_params = {name: value for name, value in given if value is not None}

    @property
    def client_class(self) -> type[LakeClient]:
        """The client."""
        return LakeClient

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        able = super()._raw_capabilities()
        able.preferred_table_format = self._format  # type: ignore[assignment]
        able.preferred_loader_file_format = "parquet"
        able.supported_loader_file_formats = ["parquet", "reference"]
        able.loader_file_format_selector = None  # type: ignore[assignment]
        able.supported_merge_strategies = ["delete-insert"]
        able.merge_strategies_selector = None  # type: ignore[assignment]
        able.supported_replace_strategies = ["insert-from-staging"]
        able.replace_strategies_selector = None  # type: ignore[assignment]
        able.supports_ddl_transactions = able.supports_transactions = False
        return able
