"""dlt's own tables in file storage: a file of JSON for each row."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from .formats import among

FILE = "_hs_file"
"""The column with the path of a row's file, which views leave out."""


@dataclass(frozen=True)
class DltFiles:
    """A table of dlt's; its rows are few and short, and are held whole."""

    files: Any
    """dlt's client of the storage."""
    paths: Sequence[str]
    columns: pa.Schema
    changed: Callable[[], None]

    @property
    def schema(self) -> pa.Schema:
        """Its columns, and that of the files."""
        return self.columns.append(pa.field(FILE, pa.string()))

    def dataset(self) -> Any:  # noqa: ANN401 - pyarrow's
        """Return its rows."""
        rows = []
        for path in self.paths:
            row = self._read(path)
            rows.append(
                {name: _typed(row.get(name), kind) for name, kind in self._kinds} | {FILE: path}
            )
        return pyarrow.dataset.dataset(pa.Table.from_pylist(rows, schema=self.schema))

    def _read(self, path: str) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(self.files.read_text(path, encoding="utf-8"))
        return row

    @property
    def _kinds(self) -> list[tuple[str, pa.DataType]]:
        return [(field.name, field.type) for field in self.columns]

    def append(self, rows: pa.RecordBatchReader) -> None:
        """Refuse rows: dlt adds them."""
        raise NotImplementedError("only dlt adds rows to its tables")

    def replace(self, column: str, values: pa.Array, rows: pa.RecordBatchReader) -> None:
        """Put rows, each of which names its file, in the place of those with some values."""
        gone = self.dataset().scanner(filter=among(column, values)).to_table()
        self._write(rows, {*gone.column(FILE).to_pylist()})

    def _write(self, rows: pa.RecordBatchReader, left: set[str]) -> None:
        for row in rows.read_all().to_pylist():
            path = row.pop(FILE)
            kept = {name: row[name] for name in self._read(path)}  # dlt reads no other members
            text = json.dumps(kept, default=datetime.isoformat)
            self.files.write_text(path, text, encoding="utf-8")
            left.discard(path)
        for path in left:
            self.files.rm_file(path)
        self.changed()

    def overwrite(self, rows: pa.RecordBatchReader) -> None:
        """Put rows in the place of all."""
        self._write(rows, {*self.paths})

    def add_columns(self, fields: Sequence[pa.Field]) -> None:
        """Add nothing: a file has what dlt writes."""

    def forget_past(self) -> None:
        """Do nothing: a file holds no former rows."""


def _typed(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 - JSON
    return datetime.fromisoformat(value) if value and pa.types.is_timestamp(kind) else value
