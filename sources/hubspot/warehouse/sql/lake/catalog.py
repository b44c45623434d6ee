"""A catalog of Iceberg tables that is the storage itself: a table is its newest metadata there."""

from typing import Any

import pyarrow as pa
from dlt.common.libs.pyiceberg import ensure_iceberg_compatible_arrow_schema
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table

from .formats import HINT

METADATA = ".metadata.json"
PROPERTIES = {
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "10",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
}
"""Of new tables, unless the settings say otherwise."""


class FilesCatalog(MetastoreCatalog, NoopCatalog):  # type: ignore[misc]
    """Tables by their locations. Who commits must be the only one who writes."""

    def __init__(self, files: Any, **properties: Any) -> None:  # noqa: ANN401 - fsspec's, pyiceberg's
        """Take a file system of fsspec's, and pyiceberg's properties of the same storage."""
        super().__init__("files", **{k: v for k, v in properties.items() if v is not None})
        self._files = files

    def load_table(self, identifier: Any) -> Table:  # noqa: ANN401 - its location
        """Open a table.

        Raises:
            NoSuchTableError: there is none.
        """
        newest = self._pointed(identifier)
        if newest is None:
            raise NoSuchTableError(identifier)
        io = self._load_file_io(location=newest)
        metadata = FromInputFile.table_metadata(io.new_input(newest))
        return Table(
            (identifier,), metadata, newest, self._load_file_io(metadata.properties, newest), self
        )

    def create(self, location: str, columns: pa.Schema, properties: Any) -> None:  # noqa: ANN401
        """Make a table without rows."""
        schema = ensure_iceberg_compatible_arrow_schema(columns)
        staged = self._create_staged_table(
            ("files", "table"), schema, location, properties=PROPERTIES | (properties or {})
        )
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        self._point(location, staged.metadata_location)

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:  # noqa: ANN401
        """Write the metadata of a table as it is after a change.

        Raises:
            CommitFailedException: somebody else has changed it meanwhile.
        """
        (location,) = table.name()
        newest = self._newest(location)
        if newest != table.metadata_location:
            self._point(location, newest or "")
            raise CommitFailedException(f"Somebody else changed the table at {location}.")
        new = self._update_and_stage_table(table, table.name(), requirements, updates)
        if new.metadata == table.metadata:
            return CommitTableResponse(metadata=table.metadata, metadata_location=newest)
        self._write_metadata(new.metadata, new.io, new.metadata_location)
        self._point(location, new.metadata_location)
        self._delete_old_metadata(new.io, table.metadata, new.metadata)
        return CommitTableResponse(metadata=new.metadata, metadata_location=new.metadata_location)

    def _pointed(self, location: str) -> str | None:
        """Return the metadata that the hint names, or the newest: lists grow with each change."""
        folder = f"{location}/metadata"
        try:
            named = self._files.read_text(self._plain(f"{folder}/{HINT}"))
        except FileNotFoundError:
            return self._newest(location)
        return f"{folder}/{named}{METADATA}"

    def _point(self, location: str, metadata: str) -> None:
        name = metadata.rsplit("/", 1)[-1].removesuffix(METADATA)
        self._files.write_text(self._plain(f"{location}/metadata/{HINT}"), name)

    def _plain(self, location: str) -> str:
        return str(self._files._strip_protocol(location))  # noqa: SLF001 - fsspec has no other way

    def _newest(self, location: str) -> str | None:
        folder = f"{location}/metadata"
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._plain(folder), detail=False)
        except FileNotFoundError:
            return None
        names = [path.rsplit("/", 1)[-1] for path in found if path.endswith(METADATA)]
        return f"{folder}/{max(names)}" if names else None
