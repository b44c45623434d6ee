"""dlt's client of file storage, with tables that are made before a load, and merged as in SQL."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, Self, cast

import pyarrow as pa
from dlt.common.destination.client import JobClientBase
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.libs.pyarrow import (
    columns_to_arrow,
    get_local_dataset_reader,
    py_arrow_to_table_schema_columns,
)
from dlt.common.schema import TSchemaTables
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.common.schema.utils import pipeline_state_table
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient, ReferenceFollowupJob
from dlt.destinations.job_client_impl import SqlJobClientBase

from ....errors import ConfigError
from .dlt_files import DltFiles
from .formats import DeltaFiles, FileTable, IcebergFiles
from .merging import merge
from .reading import LakeSqlClient
from .tables import LakeTables

AT_ONCE = 8  # tables that are opened at the same time

_CHANGES: Counter[str] = Counter()
"""How often this process has changed the table at a location; no other one writes meanwhile."""


class LakeJob(ReferenceFollowupJob):
    """Loads all files of a table in one commit."""

    _job_client: "LakeClient"

    def run(self) -> None:
        """Add the rows, put them in the place of all, or merge them."""
        name = self.load_table_name
        table, how = self._job_client.made_table(name), self._load_table["write_disposition"]
        if how == "merge":
            merge(table, self._load_table, self.file_paths)
        elif how == "replace":
            table.overwrite(get_local_dataset_reader(self.file_paths))
        else:
            table.append(get_local_dataset_reader(self.file_paths))


class LakeClient(FilesystemClient):
    """Keeps every table in one format, and answers what clients of SQL databases are asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - dlt's signature
        """Open nothing."""
        super().__init__(*args, **kwargs)
        self._open: dict[str, tuple[int, FileTable | None]] = {}

    @property
    def format(self) -> str:
        """The format of all tables: `delta` or `iceberg`."""
        return str(self.capabilities.preferred_table_format)

    @property  # type: ignore[override]
    def sql_client(self) -> LakeSqlClient:
        """What asks the tables."""
        if self._sql_client is None:
            staging = f"{self.dataset_name}_staging"
            self._sql_client = LakeSqlClient(self, self.dataset_name, staging)
        return cast("LakeSqlClient", self._sql_client)

    @sql_client.setter
    def sql_client(self, client: Any) -> None:  # noqa: ANN401 - dlt's
        self._sql_client = client

    @property
    def tables_opened(self) -> type[LakeTables]:
        """What asks and changes the tables."""
        return LakeTables

    def __enter__(self) -> Self:
        self.sql_client.open_connection()
        return self

    def __exit__(self, *_: object) -> None:
        self.sql_client.close_connection()

    def changes(self, name: str) -> int:
        """Count how often this process has changed a table."""
        return _CHANGES[self._location(name)]

    def names(self) -> list[str]:
        """Return the names of all tables, as their folders have them."""
        if not self.is_storage_initialized():
            return []
        self.fs_client.invalidate_cache()
        found = self.fs_client.ls(self.dataset_path, detail=True)
        folders = [one["name"] for one in found if one["type"] == "directory"]
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in folders]

    def table(self, name: str) -> FileTable | None:
        """Return a table as it is by now; None where there is none."""
        now = self.changes(name)
        before, found = self._open.get(name, (-1, None))
        if before != now:
            found = self._opened(name)
            self._open[name] = now, found
        return found

    def made_table(self, name: str) -> FileTable:
        """Return a table, made with all its columns."""
        self._make([name])
        found = self.table(name)
        if found is None:
            raise DestinationUndefinedEntity(name)
        return found

    def _location(self, name: str) -> str:
        return str(self.make_remote_url(self.get_table_dir(name))).rstrip("/")

    def _changed(self, name: str) -> Callable[[], None]:
        location = self._location(name)

        def note() -> None:
            _CHANGES[location] += 1

        return note

    def _opened(self, name: str) -> FileTable | None:
        if self.is_dlt_table(name):
            return self._dlt_files(name)
        location, changed = self._location(name), self._changed(name)
        if self.format == "delta":
            return DeltaFiles.open(location, self._options(), changed)
        return IcebergFiles.open(location, self._files_catalog(), self.fs_client, changed)

    def _dlt_files(self, name: str) -> DltFiles | None:
        try:
            paths = self.list_table_files(name)
        except DestinationUndefinedEntity:
            return None
        described = self.schema.tables.get(name) or pipeline_state_table()
        columns = columns_to_arrow(described["columns"], self.capabilities, "UTC")
        plain = pa.schema([field.with_nullable(True) for field in columns])
        return DltFiles(self.fs_client, paths, plain, self._changed(name)) if paths else None

    def _options(self) -> dict[str, str]:
        """Return how deltalake reaches the storage."""
        from dlt.common.libs.deltalake import deltalake_storage_options  # noqa: PLC0415 - an extra

        given = deltalake_storage_options(
            self.config.credentials, self.config.deltalake_storage_options
        )
        is_plain = str(given.get("endpoint_url", "")).startswith("http://")
        plain = {"AWS_ALLOW_HTTP": "true"} if is_plain else {}
        return plain | {key: str(value) for key, value in given.items() if value is not None}

    def _files_catalog(self) -> Any:  # noqa: ANN401 - of an extra
        from dlt.common.libs.pyiceberg import _get_fileio_config  # noqa: PLC0415 - an extra

        from .catalog import FilesCatalog  # noqa: PLC0415

        return FilesCatalog(self.fs_client, **_get_fileio_config(self.config.credentials))

    def get_storage_tables(
        self, table_names: Iterable[str]
    ) -> Iterator[tuple[str, TTableSchemaColumns]]:
        """Yield the columns that tables really have; none where a table is not there."""
        names = [*table_names]
        if not self.is_storage_initialized():
            yield from ((name, {}) for name in names)
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [*pool.map(self.table, names)]
        for name, table in zip(names, found, strict=True):
            if isinstance(table, DltFiles):
                yield name, py_arrow_to_table_schema_columns(table.columns)
            else:
                yield name, py_arrow_to_table_schema_columns(table.schema) if table else {}

    def _make(self, names: Iterable[str]) -> TSchemaTables:
        """Make tables, and columns of theirs, that are not there; return what was made."""
        made: TSchemaTables = {}
        asked = [name for name in names if not self.is_dlt_table(name)]
        for name, held in self.get_storage_tables(asked):
            lacks = self.schema.get_new_table_columns(name, held, case_sensitive=True)
            fields = columns_to_arrow(
                {str(column["name"]): column for column in lacks}, self.capabilities, "UTC"
            )
            if not fields:
                continue
            table = self.table(name)
            if table:
                table.add_columns([*fields])
            else:
                self._create(name, fields)
            partial = self.prepare_load_table(name)
            made[name] = cast("Any", {**partial, "columns": {one["name"]: one for one in lacks}})
        return made

    def _create(self, name: str, columns: pa.Schema) -> None:
        location, changed = self._location(name), self._changed(name)
        self._refuse_other_format(name)
        if self.format == "delta":
            DeltaFiles.create(location, self._options(), columns, changed)
            return
        self._files_catalog().create(location, columns, self.config.iceberg_table_properties)
        changed()

    def _refuse_other_format(self, name: str) -> None:
        """Keep one folder from holding tables of two formats.

        Raises:
            ConfigError: there is a table of the other format.
        """
        other, folder = {
            "delta": ("iceberg", "metadata"),
            "iceberg": ("delta", "_delta_log"),
        }[self.format]
        path = self.pathlib.join(self.get_table_dir(name), folder)
        if self.fs_client.exists(path) and self.fs_client.find(path):
            raise ConfigError(
                f"The tables of {self.dataset_name} are {other} tables.",
                remedy=f"Set DESTINATION__FILESYSTEM__TABLE_FORMAT to {other}, or take another"
                " --dataset.",
            )

    def initialize_storage(self, truncate_tables: Iterable[str] | None = None) -> None:
        """Make the dataset, with places for dlt's own tables."""
        super().initialize_storage(truncate_tables or ())
        for folder in self.get_table_dirs(self.schema.dlt_table_names()):
            self.fs_client.makedirs(folder, exist_ok=True)

    def is_storage_initialized(self) -> bool:
        """Whether there is a dataset.

        Raises:
            ConfigError: there is no such bucket; to make one would hide that its name is wrong.
        """
        found = super().is_storage_initialized()
        bucket = self.bucket_path.partition("/")[0]
        if not (found or self.is_local_filesystem or self.fs_client.exists(bucket)):
            raise ConfigError(
                f"There is no bucket {bucket}.",
                remedy="Make it, or correct DESTINATION__FILESYSTEM__BUCKET_URL.",
            )
        return found

    def maybe_ddl_transaction(self) -> Any:  # noqa: ANN401 - as SQL clients have it
        """Do nothing: each table is made on its own."""
        return nullcontext()

    def _execute_schema_update_sql(
        self,
        only_tables: Iterable[str],
        store_schema: bool = True,  # noqa: FBT001, FBT002
    ) -> TSchemaTables:
        """Make tables as SQL clients do."""
        made = self._make(only_tables)
        if store_schema:
            self._update_schema_in_storage(self.schema)
        return made

    def update_stored_schema(
        self,
        only_tables: Any = None,  # noqa: ANN401 - dlt's signature
        expected_update: Any = None,  # noqa: ANN401
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> TSchemaTables:
        """Make what a load brings, then store the schema that says so."""
        applied = JobClientBase.update_stored_schema(self, only_tables, expected_update, force)
        stored = self._get_stored_schema_by_hash_or_newest(self.schema.stored_version_hash)
        if force or not stored:
            self._make(only_tables or self.schema.data_table_names(seen_data_only=True))
            if not stored:
                self._update_schema_in_storage(self.schema)
        return applied or {}

    def _update_schema_in_storage(self, schema: Any) -> None:  # noqa: ANN401 - dlt's
        super()._update_schema_in_storage(schema)
        self._changed(self.schema.version_table_name)()

    def complete_load(self, load_id: str) -> None:
        """Store the state, then the load."""
        super().complete_load(load_id)
        for name in (self.schema.state_table_name, self.schema.loads_table_name):
            self._changed(name)()

    def truncate_tables(self, table_names: list[str]) -> None:
        """Take all rows away."""
        for name in table_names:
            if table := self.table(name):
                table.overwrite(table.schema.empty_table().to_reader())

    def drop_tables(self, *tables: str, delete_schema: bool = True) -> None:
        """Delete the files of tables."""
        super().drop_tables(*tables, delete_schema=delete_schema)
        for name in (*tables, self.schema.version_table_name):
            self._changed(name)()

    @contextmanager
    def with_staging_dataset(self) -> Iterator["LakeClient"]:
        """Open dlt's staging dataset; it has no tables, for merges need none."""
        self._open.clear()
        with super().with_staging_dataset():
            yield self
        self._open.clear()

    @staticmethod
    def get_reference_followup_job_class(
        table: PreparedTableSchema,
    ) -> type[ReferenceFollowupJob] | None:
        """Return what loads a table."""
        return LakeJob if table.get("table_format") else None


SqlJobClientBase.register(LakeClient)
