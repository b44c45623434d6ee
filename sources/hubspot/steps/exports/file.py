"""The file of an export: CSV, or a zip of several, read piece by piece.

Invariant: `check` has read the file to its end, once, before the first row of it is used.
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from math import inf
from typing import IO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ...http.transport.bodies import BodyTooLargeError
from ...tables.decoding import Record, RecordDecoder

ID = "hs_object_id"
CREATED = ("hs_createdate", "createdate")  # which of them is a record's `createdAt` differs
_PER_COLUMN = 2  # records of the sample that have a value in a column
_BLOCK_BYTES = 16 << 20  # a row has to fit; what is held in memory at a time
_ZIP, _QUOTE, _PIECE = b"PK\x03", b'"', 1 << 20
_UNREADABLE = (
    pa.ArrowInvalid,
    KeyError,
    UnicodeError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,  # a zip with a password, or packed in an unknown way
)


class BadFileError(Exception):
    """A file is not what an export should bring; the message says in what."""


class ExportFile:
    """The rows of an export, in the order of its files."""

    def __init__(self, file: IO[bytes], names: Sequence[str], *, most_bytes: float = inf) -> None:
        """Take a whole file; it is closed with this object.

        Args:
            file: open for reading; one that vanishes when it is closed.
            names: the properties asked for, `hs_object_id` among them.
            most_bytes: that its parts may have, unpacked.
        """
        self._file = file
        self._names = list(names)
        self._most_bytes = most_bytes
        self.count = 0
        """Rows in it that were checked."""
        self.sample: list[dict[str, str]] = []
        """Rows that between them have a value in every column that has any, once checked."""

    def check(self, *, most_rows: float = inf) -> None:
        """Read the file once: count its rows and choose the sample.

        Raises:
            BodyTooLargeError: it unpacks to more than it may.
            BadFileError: it is cut short, not CSV, has more rows or lacks a property or an id.
        """
        chosen, self.count = _Sample(self._names), 0
        ids: list[pa.Array] = []
        try:
            for batch in self._batches():
                self.count += batch.num_rows
                if self.count > most_rows:
                    raise BadFileError(f"it holds more than {most_rows:,.0f} records")
                ids.append(batch.column(ID))
                chosen.look_at(batch)
        except _UNREADABLE as error:
            found = _first_line(error)
            raise BadFileError(f"it is not the CSV that was asked for ({found})") from None
        known = pa.chunked_array(ids, pa.string())
        if not pc.all(pc.match_substring_regex(known, "^[0-9]+$"), min_count=0).as_py():
            raise BadFileError("it has rows without a record's id")
        if pc.count_distinct(known).as_py() != self.count:
            raise BadFileError("it has a record twice")
        self.sample = chosen.rows

    def blocks(self, skip: int, size: int) -> Iterator[list[dict[str, str]]]:
        """Yield the rows behind the first `skip`, `size` at a time; "" where a cell is empty."""
        for batch in self._batches():
            rest = batch.slice(min(skip, batch.num_rows))
            skip -= batch.num_rows - rest.num_rows
            for start in range(0, rest.num_rows, size):
                yield _rows(rest.slice(start, size))

    def close(self) -> None:
        """Close the file, which removes it."""
        self._file.close()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the columns asked for, of every file, all text."""
        texts = dict.fromkeys(self._names, pa.string())
        for part in self._parts():
            yield from csv.open_csv(
                part,
                read_options=csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=texts, include_columns=self._names, strings_can_be_null=False
                ),
            )

    def _parts(self) -> Iterator[IO[bytes]]:
        """Open one CSV file after the other."""
        self._file.seek(0)
        if self._file.read(len(_ZIP)) == _ZIP:
            with zipfile.ZipFile(self._file) as archive:
                size = sum(info.file_size for info in archive.infolist())
                if size > self._most_bytes:  # no more of a part is unpacked than it says
                    raise BodyTooLargeError(f"its file unpacks to {size / 1e9:,.1f} GB")
                for info in archive.infolist():
                    with archive.open(info) as part:
                        yield part
            return
        self._file.seek(0)
        pieces = iter(lambda: self._file.read(_PIECE), b"")
        if sum(piece.count(_QUOTE) for piece in pieces) % 2:
            raise BadFileError("it ends within a value")
        self._file.seek(0)
        yield self._file


def to_records(
    rows: Sequence[dict[str, str]], decoder: RecordDecoder, *, created: str, modified: str
) -> Sequence[Record]:
    """Turn rows into the records that a listing would have given.

    They become the very JSON of a listing's page, so nothing knows them from listed ones.

    Args:
        rows: of an export.
        decoder: of the table.
        created: the property that says when a record was created.
        modified: the property that says when it was last changed.
    """
    results = [
        {
            "id": row[ID],
            "properties": {name: value or None for name, value in row.items()},
            "createdAt": row[created],
            "updatedAt": row[modified],
            "archived": False,
        }
        for row in rows
    ]
    return decoder.page(msgspec.json.encode({"results": results})).results


def _rows(batch: pa.RecordBatch) -> list[dict[str, str]]:
    columns = [column.to_pylist() for column in batch.columns]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


class _Sample:
    """Rows that between them have a few values of every column."""

    def __init__(self, names: Sequence[str]) -> None:
        self.rows: list[dict[str, str]] = []
        self._wanted = dict.fromkeys(names, _PER_COLUMN)
        self._unequal = _PER_COLUMN if {*CREATED} <= {*names} else 0

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Take the rows that have what is still wanted."""
        if self._unequal:
            first, second = (batch.column(name) for name in CREATED)
            self._unequal -= self._take(batch, pc.not_equal(first, second), self._unequal)
        for name in [name for name, left in self._wanted.items() if left > 0]:
            self._take(batch, pc.not_equal(batch.column(name), ""), self._wanted[name])

    def _take(self, batch: pa.RecordBatch, fits: pa.Array, most: int) -> int:
        """Take the first rows that fit, and count what columns they have values of."""
        places = pc.indices_nonzero(fits).slice(0, max(0, most))
        for row in _rows(batch.take(places)):
            self.rows.append(row)
            for name in (name for name, value in row.items() if value):
                self._wanted[name] -= 1
        return len(places)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].strip("'\"")
