"""One export from its start to its file, checked against HubSpot's API.

`fetch` waits, so it runs in a thread of its own, one at a time, as HubSpot makes exports.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Annotated, Any

import msgspec

from ...api.batch_read import batches, read_batch
from ...api.record_pages import PAGE
from ...config import setting
from ...errors import ContractError, NotFoundError, RequestRejectedError
from ...http.transport.bodies import BodyTooLargeError, Bounds
from ...http.transport.download import DownloadError, download
from ...model import TableSchema
from ...parsing.tolerance import NAME, tolerant
from ...tables.decoding import Record
from ...tables.records import instants_ms, to_batch
from ..table import BLOCK, Table
from .file import CREATED, ID, BadFileError, ExportFile, to_records

ATTEMPTS = 3  # downloads of one file, each from a fresh address
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _REPORT_SECONDS = 0.2, 20.0, 60.0
_MAY_MISS = 0.01  # of the records that there were before the start


class ExportUnusableError(Exception):
    """An export that cannot stand for the table; the message says why."""


class Started(msgspec.Struct):
    """The response to a start."""

    id: Annotated[str, NAME] | int


class Status(msgspec.Struct):
    """How far an export is, and where its file is, for five minutes."""

    status: Annotated[str, NAME]
    result: str | None = None


class Detail(msgspec.Struct, rename="camel"):
    """What HubSpot reports about a finished export."""

    record_count: int | None = None


def start(table: Table) -> Started:
    """Start an export of all live records with all properties of the schema."""
    kind, client = table.object_type, table.client
    body: dict[str, Any] = {
        "exportType": "VIEW",
        "format": "CSV",
        "exportName": f"hubspot-elt {kind.table}",
        "language": "EN",
        "objectType": kind.type_id or kind.path,
        "objectProperties": _names(table),
        "exportInternalValuesOptions": ["NAMES", "VALUES"],
        "overrideAssociatedObjectsPerDefinitionPerRowLimit": False,
    }
    if client.config.api_version != "v3":
        body |= {
            "associatedObjectType": [],
            "includeLabeledAssociations": False,
            "includePrimaryDisplayPropertyForAssociatedObjects": False,
        }
    path = client.path("exports", "export", "async")
    return client.post(path, body, decode=tolerant(Started))


def _names(table: Table) -> list[str]:
    return list(dict.fromkeys((ID, *table.decoder.properties)))


@dataclass(slots=True)
class Opened:
    """A file that was checked, and the rows of it that are left."""

    file: ExportFile
    rows: Iterator[list[dict[str, str]]]
    created: str

    def to_records(self, table: Table, rows: Sequence[dict[str, str]]) -> Sequence[Record]:
        """Turn rows into records."""
        modified = table.object_type.last_modified
        return to_records(rows, table.decoder, created=self.created, modified=modified)

    def close(self) -> None:
        """Remove the file."""
        self.file.close()


def fetch(table: Table, export_id: str, *, total: int, skip: int) -> Opened:
    """Wait for an export, download and check it.

    Args:
        table: its records.
        export_id: as HubSpot returned it at the start.
        total: records before the start.
        skip: rows that earlier loads have brought.

    Raises:
        ExportUnusableError: it fails, takes too long, or is not what the table holds.
        HubSpotError: HubSpot does not answer.
    """
    reason = ""
    for _ in range(ATTEMPTS):
        address = _wait_for(table, export_id)
        spool = tempfile.TemporaryFile(dir=table.run.options.folder)  # noqa: SIM115 - kept until it is read
        file = ExportFile(spool, _names(table), most_bytes=table.run.config.max_export_gb * 1e9)
        try:
            _download(table, address, spool)
            file.check(most_rows=total + _may_differ(total))
            _count(table, export_id, file, total)
            created = _prove(table, file)
        except BodyTooLargeError as error:
            file.close()
            bound = setting("max_export_gb")
            raise ExportUnusableError(f"{error}, beyond {bound} or the disk") from None
        except (DownloadError, BadFileError) as error:
            file.close()
            reason = str(error)
        except BaseException:
            file.close()
            raise
        else:
            return Opened(file, file.blocks(skip, BLOCK), created)
    raise ExportUnusableError(f"its file cannot be used: {reason}")


def _wait_for(table: Table, export_id: str) -> str:
    """Ask for the status until the export is done; return the address of its file."""
    run, client = table.run, table.client
    path = client.path("exports", "export", "async", "tasks", export_id, "status")
    limit = run.config.export_wait_minutes * 60
    began = reported = time.monotonic()
    pause = _FIRST_WAIT_SECONDS
    while True:
        try:
            status = client.get(path, decode=tolerant(Status))
        except NotFoundError as error:
            raise ExportUnusableError("HubSpot does not know the export any more") from error
        except ContractError as error:
            raise ExportUnusableError(error.message) from error
        if status.status == "COMPLETE" and status.result:
            return status.result
        if status.status not in {"PENDING", "PROCESSING", "COMPLETE"}:
            raise ExportUnusableError(f"the export ended as {status.status}")
        waited = time.monotonic() - began
        if waited >= limit:
            raise ExportUnusableError(f"it was not ready after {limit / 60:g} minutes")
        if run.options.on_message and time.monotonic() - reported >= min(_REPORT_SECONDS, waited):
            reported = time.monotonic()
            run.options.on_message(
                f"{table.name}: waiting for HubSpot's export, {waited:.0f} s so far"
            )
        client.limits.wait(min(pause, limit - waited))
        pause = min(2 * pause, _LONGEST_WAIT_SECONDS)


def _download(table: Table, address: str, spool: IO[bytes]) -> None:
    config, limits = table.run.config, table.client.limits
    download(
        address,
        spool,
        timeout_seconds=config.timeout_seconds,
        bounds=Bounds(config.max_export_gb * 1e9, config.export_wait_minutes * 60),
        plain=config.base_url.startswith("http:"),
        proceed=lambda: limits.wait(0),  # it may be cancelled
    )


def _count(table: Table, export_id: str, file: ExportFile, total: int) -> None:
    """Compare the number of records with HubSpot's, of the export and of the table."""
    client = table.client
    path = client.path("exports", "export", export_id)
    try:
        reported = client.get(path, decode=tolerant(Detail)).record_count
    except (RequestRejectedError, ContractError):  # it may be known by its task only
        reported = None
    if reported is not None and reported != file.count:
        raise BadFileError(f"it holds {file.count:,} of {reported:,} records")
    if abs(file.count - total) > _may_differ(total):
        raise ExportUnusableError(f"it holds {file.count:,} records, and the table {total:,}")


def _may_differ(total: int) -> float:
    """Return how many records an export may hold more or less than the table did before it."""
    return max(PAGE, _MAY_MISS * total)


def _prove(table: Table, file: ExportFile) -> str:
    """Compare the sample with batch read; return the property that holds the creation date.

    Raises:
        ExportUnusableError: a value is not what a listing would bring.
    """
    client, kind, decoder = table.client, table.object_type, table.decoder
    read: dict[str, Record] = {}
    for ids in batches({row[ID]: None for row in file.sample}):
        read |= {r.id: r for r in read_batch(client, kind, ids, decoder).records}
    known = [name for name in CREATED if name in decoder.properties]
    differing: list[str] = ["no property that says when a record was created"]
    for created in known:
        exported = to_records(file.sample, decoder, created=created, modified=kind.last_modified)
        differing = _differing(table, exported, read)
        if not differing:
            return created
    if not file.sample and known:
        return known[0]
    raise ExportUnusableError(f"its values are not those of the API: {', '.join(differing[:5])}")


def _differing(table: Table, exported: Sequence[Record], read: dict[str, Record]) -> list[str]:
    """List the columns whose values differ in records that did not change meanwhile."""
    at, now = instants_ms(exported), instants_ms(list(read.values()))
    same = [record for record in exported if at[record.id] == now.get(record.id)]
    if not same:
        return [table.object_type.last_modified]
    left = _columns(same, table.schema)
    right = _columns([read[record.id] for record in same], table.schema)
    return [name for name, column in left.items() if column != right[name]]


def _columns(records: Sequence[Record], schema: TableSchema) -> dict[str, list[Any]]:
    """Return what records become, by column, but for values that change without a trace."""
    batch = to_batch(records, schema, synced_at=datetime.now(UTC))
    changing = {column.name for column in schema.calculated}
    changing |= {column.property for column in schema.calculated} | {"_hs_synced_at"}
    names = [name for name in batch.rows.column_names if name not in changing]
    columns = {name: batch.rows.column(name).to_pylist() for name in names}
    columns["values that fit no column"] = [
        [value for name, value in reject.items() if name != "seen_at"]
        for reject in batch.rejects.to_pylist()
        if reject["property"] not in changing
    ]
    return columns
