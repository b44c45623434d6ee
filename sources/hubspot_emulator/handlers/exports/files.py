"""The files of exports: records as CSV; several files, and large ones, in a zip."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from ...clock import iso
from ...portal.catalog.definitions import Definition
from ...portal.changes import stage_values
from ...portal.export_tasks import Sheet
from ...portal.links import LinkStore
from ...portal.records.record import Record
from ...portal.records.stages import definition_of, hidden_names
from ...portal.records.table import RecordTable
from ..records.filters import to_instant

ROWS_AT_ONCE = 500
USUAL_LINKS = 1_000  # associated records in a cell, unless that limit is overridden


@dataclass(frozen=True, slots=True)
class Form:
    """How names and values are written.

    `names` and `values`: internal ones instead of labels. `minutes`: instants without seconds,
    which is how people see them.
    """

    names: bool
    values: bool
    minutes: bool
    all_links: bool


class TableSheet:
    """The records of one type as they were when it was made, with a selection of columns."""

    def __init__(
        self,
        table: RecordTable,
        ids: Sequence[int],
        columns: Sequence[str],
        readable: Sequence[str],
        form: Form,
    ) -> None:
        self.ids = ids
        self.associated: list[tuple[RecordTable, LinkStore]] = []
        self._table = table
        self._changed = dict(table.changed)  # versions are replaced, never altered
        self._columns = list(columns)
        self._readable = frozenset(readable)
        self._form = form
        self._of_stages = hidden_names(table.definitions, columns)
        self._definitions = dict(table.definitions)
        for name in self._of_stages:
            self._definitions[name] = definition_of(table.definitions, name) or {}
        self._fragments: dict[int, tuple[bytes, ...]] = {}
        self._template, self._own, self._runs = self._plan()

    def header(self) -> bytes:
        """Return the first line."""
        shown = [n if self._form.names else self._definitions[n]["label"] for n in self._columns]
        others = [
            f"Associated {other.type.singular.replace('_', ' ').title()} IDs"
            for other, _ in self.associated
        ]
        return b",".join(_cell(name) for name in (*shown, *others))

    def rows(self, ids: Sequence[int]) -> Iterator[bytes]:
        """Yield the lines of some records."""
        seeded = self._table.rows
        for record_id in ids:
            ordinal = None if record_id in self._changed else seeded.ordinal_of(record_id)
            is_plain = not self._of_stages and ordinal is not None and not seeded.is_odd(ordinal)
            if ordinal is not None and is_plain:
                line = self._seeded(record_id, ordinal)
            else:
                record = self._changed.get(record_id)
                if record is None and ordinal is not None:
                    record = seeded.record(record_id, ordinal)
                if record is None:
                    continue
                line = self._any(record)
            yield line + self._links(record_id)

    def _plan(self) -> tuple[bytes, list[str], list[list[str]]]:
        """Return a template of a line: runs of pooled values between those of a record's own."""
        kind = self._table.type
        own = {name: text for name, text in kind.own if name in self._readable}
        places, dynamic, runs = [], [], [list[str]()]
        for name in self._columns:
            if name in own or name in {"hs_object_id", kind.created, kind.modified}:
                places.append(b'"%b"')
                dynamic.append(name)
                runs.append([])
            elif runs[-1]:
                runs[-1].append(name)
            else:
                places.append(b"%b")
                runs[-1].append(name)
        return b",".join(places), dynamic, runs

    def _fragment(self, index: int) -> tuple[bytes, ...]:
        found = self._fragments.get(index)
        if found is None:
            values = self._table.rows.pool_values(index)
            cells = {name: _cell(self._value(name, values.get(name))) for name in self._columns}
            found = tuple(b",".join(cells[name] for name in run) for run in self._runs)
            self._fragments[index] = found
        return found

    def _seeded(self, record_id: int, ordinal: int) -> bytes:
        """Return the line of a record of the seed, live and without odd values."""
        rows, kind = self._table.rows, self._table.type
        own = dict(kind.own)
        fragments = self._fragment(rows.pool_index(ordinal))
        parts = [fragments[0]] if self._runs[0] else []
        for name, run, fragment in zip(self._own, self._runs[1:], fragments[1:], strict=True):
            if name == "hs_object_id":
                parts.append(b"%d" % record_id)
            elif name in own:
                parts.append((own[name] % ordinal).replace('"', '""').encode())
            else:
                created = name == kind.created
                at = rows.created_ms(ordinal) if created else rows.modified_ms(ordinal)
                parts.append(self._value(name, iso(at)).encode())
            if run:
                parts.append(fragment)
        return self._template % tuple(parts)

    def _any(self, record: Record) -> bytes:
        values = {name: self._table.value(record, name) for name in self._columns}
        values.update(stage_values(self._table, record, self._of_stages))
        return b",".join(_cell(self._value(name, values[name])) for name in self._columns)

    def _value(self, name: str, value: str | None) -> str:
        """Return a value as the file has it."""
        if not value or name not in self._readable:
            return ""
        definition = self._definitions[name]
        if self._form.minutes and definition["type"] == "datetime":
            at = to_instant(value)
            return value if at is None else iso(at)[:16].replace("T", " ")
        return value if self._form.values else _labels(definition, value)

    def _links(self, record_id: int) -> bytes:
        line = b""
        for other, links in self.associated:
            found = links.targets(self._table.type, other.type, record_id)
            live = [str(one) for one in sorted(found) if other.has(one)]
            shown = live if self._form.all_links else live[:USUAL_LINKS]
            line += b"," + _cell(";".join(shown))
        return line


def _labels(definition: Definition, value: str) -> str:
    """Return the labels of a value's options."""
    known = {option["value"]: option["label"] for option in definition["options"]}
    return ";".join(known.get(one, one) for one in value.split(";")) if known else value


def _cell(text: str) -> bytes:
    return b'"' + text.replace('"', '""').encode() + b'"'


def write(sheet: Sheet, name: str, *, rows_per_file: int, zip_bytes: int) -> tuple[bytes, str]:
    """Return an export's download and its media type.

    A single small file comes as it is, everything else as a zip.
    """
    parts = [sheet.ids[n : n + rows_per_file] for n in range(0, len(sheet.ids), rows_per_file)]
    plain = BytesIO()
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, ids in enumerate(parts or [sheet.ids], 1):
            with archive.open(f"{name}-{number}.csv", "w") as file:
                for block in _blocks(sheet, ids):
                    file.write(block)
                    if plain.tell() <= zip_bytes:
                        plain.write(block)
    if len(parts) > 1 or plain.tell() > zip_bytes:
        return buffer.getvalue(), "application/zip"
    return plain.getvalue(), "text/csv;charset=utf-8"


def _blocks(sheet: Sheet, ids: Sequence[int]) -> Iterator[bytes]:
    yield sheet.header() + b"\n"
    for start in range(0, len(ids), ROWS_AT_ONCE):
        lines = sheet.rows(ids[start : start + ROWS_AT_ONCE])
        yield b"".join(line + b"\n" for line in lines)
