"""One table in files, Delta or Iceberg: each by its library, under the same few operations."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs

from ..literals import literal

BATCH_ROWS = 8_192
UPKEEP_EVERY = 50
"""Changes after which small files of a table are joined, and files of former rows deleted."""
KEPT_DAYS = 7
"""How long former rows can be read by who has begun to, or asks for an earlier version."""
_SMALL_BYTES = 16 * 1024**2
HINT = "version-hint.text"
"""The file that names the newest metadata of an Iceberg table, as other programs write it, too."""
_KEEPS_LOG = "delta.logRetentionDuration"
_ALONE = Lock()
"""Held while warnings are off, which they are for all threads."""


class FileTable(Protocol):
    """A table as it was when it was opened; who has changed it opens it again."""

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""

    def dataset(self) -> Any:  # noqa: ANN401 - what DuckDB and pyarrow scan
        """Return its rows, to be scanned as often as need be."""

    def append(self, rows: pa.RecordBatchReader) -> None:
        """Add rows."""

    def replace(self, column: str, values: pa.Array, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of those whose column has one of these values, in one commit.

        Args:
            column: that decides.
            values: of it; a null stands for NULL.
            rows: whose column has one of the values, too.
        """

    def overwrite(self, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of all."""

    def add_columns(self, fields: Sequence[pa.Field]) -> None:
        """Add columns that are null in all rows."""

    def forget_past(self) -> None:
        """Delete all files that hold former rows only."""


def conformed(rows: pa.RecordBatchReader, schema: pa.Schema) -> pa.RecordBatchReader:
    """Return rows with the columns and types of a table; columns that they lack are null."""
    places = [rows.schema.get_field_index(field.name) for field in schema]

    def batches() -> Iterable[pa.RecordBatch]:
        for batch in rows:
            columns = [
                batch.column(at).cast(field.type)
                if at >= 0
                else pa.nulls(batch.num_rows, field.type)
                for at, field in zip(places, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def among(column: str, values: pa.Array) -> pyarrow.dataset.Expression:
    """Return the condition that a column has one of some values, for a scan of rows."""
    field = pyarrow.dataset.field(column)
    found = field.isin(values.drop_null())
    return found | field.is_null() if values.null_count else found


@dataclass(frozen=True)
class DeltaFiles:
    """A Delta table."""

    table: Any
    changed: Callable[[], None]
    """Called after each change."""

    @classmethod
    def open(
        cls, location: str, options: dict[str, str], changed: Callable[[], None]
    ) -> "DeltaFiles | None":
        """Open the table at a location; None where there is none."""
        from deltalake import DeltaTable  # noqa: PLC0415 - an extra
        from deltalake.exceptions import TableNotFoundError  # noqa: PLC0415

        try:
            return cls(DeltaTable(location, storage_options=options), changed)
        except TableNotFoundError:
            return None

    @classmethod
    def create(
        cls, location: str, options: dict[str, str], schema: pa.Schema, changed: Callable[[], None]
    ) -> "DeltaFiles":
        """Make a table without rows."""
        from deltalake import DeltaTable  # noqa: PLC0415
        from dlt.common.libs.deltalake import (  # noqa: PLC0415
            ensure_delta_compatible_arrow_schema,
        )

        kept = ensure_delta_compatible_arrow_schema(schema)
        made = DeltaTable.create(location, kept, storage_options=options, mode="ignore")
        changed()
        return cls(made, changed)

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return pa.schema(self.table.schema().to_arrow())

    def dataset(self) -> Any:  # noqa: ANN401
        """Return its rows."""
        return self.table.to_pyarrow_dataset()

    def append(self, rows: pa.RecordBatchReader) -> None:
        """Add rows."""
        self._write(rows, mode="append")

    def replace(self, column: str, values: pa.Array, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of those with some values, in one commit."""
        named, held = f'"{column}"', values.drop_null().to_pylist()
        some = [f"{named} IN ({literal(held, 'duckdb')})"] if held else []
        some += [f"{named} IS NULL"] if values.null_count else []
        if some:
            self._write(rows, mode="overwrite", predicate=" OR ".join(some))

    def overwrite(self, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of all."""
        self._write(rows, mode="overwrite")

    def _write(self, rows: pa.RecordBatchReader, **how: Any) -> None:  # noqa: ANN401 - deltalake's
        from deltalake import write_deltalake  # noqa: PLC0415

        write_deltalake(self.table, conformed(rows, self.schema), **how)
        if self.table.version() % UPKEEP_EVERY == 0:
            self.table.optimize.compact(max_concurrent_tasks=1)
            self.table.vacuum(KEPT_DAYS * 24, enforce_retention_duration=False, dry_run=False)
        self.changed()

    def add_columns(self, fields: Sequence[pa.Field]) -> None:
        """Add columns that are null in all rows."""
        from deltalake import Field  # noqa: PLC0415
        from dlt.common.libs.deltalake import (  # noqa: PLC0415
            ensure_delta_compatible_arrow_schema,
        )

        nullable = pa.schema([field.with_nullable(True) for field in fields])
        kept = ensure_delta_compatible_arrow_schema(nullable)
        self.table.alter.add_columns([Field.from_arrow(field) for field in kept])
        self.changed()

    def forget_past(self) -> None:
        """Delete all files that hold former rows only, and what the log says of them."""
        self.table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        kept = self.table.metadata().configuration.get(_KEEPS_LOG, "interval 30 days")
        self.table.alter.set_table_properties({_KEEPS_LOG: "interval 0 days"})
        self.table.create_checkpoint()
        self.table.cleanup_metadata()
        self.table.alter.set_table_properties({_KEEPS_LOG: kept})
        self.changed()


@dataclass(frozen=True)
class IcebergFiles:
    """An Iceberg table, whose files are reached as dlt reaches them."""

    table: Any
    files: Any
    """dlt's client of the storage."""
    changed: Callable[[], None]

    @classmethod
    def open(
        cls,
        location: str,
        catalog: Any,  # noqa: ANN401 - of an extra
        files: Any,  # noqa: ANN401 - fsspec's
        changed: Callable[[], None],
    ) -> "IcebergFiles | None":
        """Open the table at a location; None where there is none."""
        from pyiceberg.exceptions import NoSuchTableError  # noqa: PLC0415 - an extra

        try:
            return cls(catalog.load_table(location), files, changed)
        except NoSuchTableError:
            return None

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return self.table.schema().as_arrow()

    def dataset(self) -> Any:  # noqa: ANN401
        """Return its rows."""
        tasks = [*self.table.scan().plan_files()]
        if any(task.delete_files for task in tasks):  # another program's
            return self.table.scan().to_arrow()
        return self._dataset_of([task.file for task in tasks])

    def _dataset_of(self, files: Iterable[Any]) -> Any:  # noqa: ANN401
        paths = [self.files._strip_protocol(file.file_path) for file in files]  # noqa: SLF001
        plain = pa.schema([field.remove_metadata() for field in self.schema])
        system = pa.fs.PyFileSystem(pa.fs.FSSpecHandler(self.files))
        return pyarrow.dataset.dataset(
            [*map(str, paths)], schema=plain, filesystem=system, format="parquet"
        )

    def append(self, rows: pa.RecordBatchReader) -> None:
        """Add rows."""
        found = self._taken(rows)
        if found.num_rows:
            self.table.append(found)
            self._changed()

    def replace(self, column: str, values: pa.Array, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of those with some values, in one commit."""
        from pyiceberg.expressions import AlwaysFalse, In, IsNull, Or  # noqa: PLC0415

        held = values.drop_null().to_pylist()
        some = In(column, held) if held else AlwaysFalse()
        null = IsNull(column) if values.null_count else AlwaysFalse()
        self._overwrite(rows, overwrite_filter=Or(some, null))

    def overwrite(self, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of all."""
        self._overwrite(rows)

    def _overwrite(self, rows: pa.RecordBatchReader, **which: Any) -> None:  # noqa: ANN401
        found = self._taken(rows)
        with _ALONE, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Delete operation did not match any records")
            self.table.overwrite(found, **which)
        self._changed()

    def _changed(self) -> None:
        if self.table.metadata.last_sequence_number % UPKEEP_EVERY == 0:
            self._join()
            self._expire(datetime.now(UTC) - timedelta(days=KEPT_DAYS))
        self.changed()

    def _join(self) -> None:
        """Write the rows of small files into one."""
        from pyiceberg.io.pyarrow import _dataframe_to_data_files  # noqa: PLC0415 - an extra

        held = [task.file for task in self.table.scan().plan_files()]
        small = [file for file in held if file.file_size_in_bytes < _SMALL_BYTES]
        rows = self._dataset_of(small[:UPKEEP_EVERY]).to_table()
        with self.table.transaction() as change, change.update_snapshot().overwrite() as snapshot:
            for file in small[:UPKEEP_EVERY]:
                snapshot.delete_data_file(file)
            made = _dataframe_to_data_files(
                change.table_metadata, rows, self.table.io, write_uuid=snapshot.commit_uuid
            )
            for file in made:
                snapshot.append_data_file(file)

    def _taken(self, rows: pa.RecordBatchReader) -> pa.Table:
        return conformed(rows, self.schema).read_all()

    def add_columns(self, fields: Sequence[pa.Field]) -> None:
        """Add columns that are null in all rows."""
        from dlt.common.libs.pyiceberg import (  # noqa: PLC0415 - an extra
            ensure_iceberg_compatible_arrow_schema,
        )

        nullable = pa.schema([field.with_nullable(True) for field in fields])
        with self.table.update_schema() as update:
            update.union_by_name(ensure_iceberg_compatible_arrow_schema(nullable))
        self.changed()

    def forget_past(self) -> None:
        """Forget all snapshots but the last, and delete the files that none names."""
        self._expire(datetime.now(UTC))
        self.changed()

    def _expire(self, before: datetime) -> None:
        self.table.maintenance.expire_snapshots().older_than(before).commit()
        used = {self.table.metadata_location}
        used |= {log.metadata_file for log in self.table.metadata.metadata_log}
        for kept in self.table.snapshots():
            used.add(kept.manifest_list)
            for manifest in kept.manifests(self.table.io):
                used.add(manifest.manifest_path)
                used |= {
                    one.data_file.file_path for one in manifest.fetch_manifest_entry(self.table.io)
                }
        plain = self.files._strip_protocol  # noqa: SLF001 - fsspec has no other way
        folder = plain(self.table.location())
        needed = {*map(plain, used), f"{folder}/metadata/{HINT}"}
        for path in self.files.find(folder):
            if path not in needed:
                self.files.rm_file(path)
