"""One record erased from every table of ours, for a person who asks to be forgotten.

With it go the records that were merged into it, for they are the same person's. What is erased
last is the record's own row, which names the merges, so that a run that was cut off can be
repeated until nothing is left.
"""

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from dlt.common.schema.typing import PIPELINE_STATE_TABLE_NAME
from dlt.common.versioned_state import compress_state, decompress_state
from dlt.pipeline.pipeline import Pipeline
from dlt.pipeline.state_sync import generate_pipeline_state_version_hash

from destinations.locks import IMPATIENT, Patience, place_of
from pipelines.cli.output.report import RunReport, Section
from pipelines.commands.state import changing_pipeline, choose
from pipelines.runtime import local_runs
from pipelines.runtime.stored import commit, dataset_of
from sources.hubspot.catalog.endpoints import TABLES
from sources.hubspot.catalog.names import history_table, link_table
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.errors import ConfigError
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import edited, source_state
from sources.hubspot.warehouse.erase import (
    DELETED,
    TAKEN_OUT,
    Dataset,
    Erased,
    open_datasets,
)
from sources.hubspot.warehouse.person import (
    CONTACTS,
    Person,
    addresses_of,
    erase_person,
    ids_of_address,
    marked_tables,
)
from sources.hubspot.warehouse.run_log import RUNS
from sources.hubspot.warehouse.sql import of_parts

COLUMNS = ("dataset", "table", "rows", "what")
_CHAIN = 20  # merges after merges that are followed


def forget(
    object_name: str,
    record_id: str,
    *,
    destination: str = "duckdb",
    dataset: str = "hubspot",
    dry_run: bool = False,
    patience: Patience = IMPATIENT,
) -> RunReport:
    """Erase a record from the dataset, from dlt's staging dataset and from the stored states.

    Args:
        object_name: its table, or a custom object's bare name.
        record_id: HubSpot's id of it, or the e-mail address of a contact; one that nothing is known
            of is a warning.
        destination: name of the destination.
        dataset: that the tables are in.
        dry_run: whether to report only what would be erased.
        patience: with another run, or another program, that has the dataset.

    Raises:
        ConfigError: there is no such table, or the destination cannot run SQL.
        WarehouseError: the destination does not answer, or another run is at work.
    """
    report = RunReport("forget", destination=destination, dataset=dataset)
    with changing_pipeline(destination, dataset, patience) as pipeline:
        objects, report.dataset = _object_tables(pipeline, dataset), dataset_of(pipeline)
        table = choose([object_name], objects, what="OBJECT")[0]
        with open_datasets(pipeline, rehearsing=dry_run) as datasets:
            known = _ids_of(datasets, table, record_id)
            ids, survivors = _family(datasets, table, known)
            person = _person(datasets, table, ids)
            names = [*ids, *person.emails]
            for one in datasets:
                _erase_links(one, table, names, objects)
                _erase_mentions(one, table, ids)
                erase_person(one, person)
            states = _forget_state(pipeline, datasets[0], table, names)
            states += _erase_from_runs(pipeline, datasets, dataset, names)
            for one in datasets:
                if table in one.tables:
                    one.delete(table, "id IN (?)", ids)
                if not dry_run:
                    one.held.release()
            erased = [row for one in datasets for row in one.erased]
    rows, record = erased + states, f"{table} {record_id}"
    report.sections = [_section(record, dataset, table, rows, dry_run=dry_run)]
    report.warnings = list(_warnings(record, dataset, survivors, found=bool(rows)))
    return report


def _ids_of(datasets: Sequence[Dataset], table: str, named: str) -> list[str]:
    """Return the id of a record, or an e-mail address and the ids of the contacts that have it."""
    if "@" not in named or table != CONTACTS:
        return [named]
    return [named, *ids_of_address(datasets, table, named)]


def _person(datasets: Sequence[Dataset], table: str, ids: Sequence[str]) -> Person:
    """Return a record as tables of other APIs name it."""
    types = {kind.table: kind.type_id for kind in STANDARD}
    return Person(table, types.get(table), ids, addresses_of(datasets, table, ids))


def _object_tables(pipeline: Pipeline, dataset: str) -> list[str]:
    """Return the tables of object types that a sync has made.

    Raises:
        ConfigError: no sync has been in the dataset.
    """
    objects: list[str] = []
    if pipeline.default_schema_name:
        tables = pipeline.default_schema.tables.items()
        objects = [name for name, reported in tables if "_hs_deleted_at" in reported["columns"]]
    if not objects:
        raise ConfigError(
            f"No sync has run in dataset {dataset} yet.",
            remedy="Run hubspot-elt sync first, or correct --dataset.",
        )
    return objects


def _family(
    datasets: Sequence[Dataset], table: str, known: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return a record's ids with the ids merged into it, and the ids it was merged into itself."""
    ids, survivors = [*known], set[str]()
    for _ in range(_CHAIN):
        before = len(ids)
        for one in datasets:
            if "_hs_merged_into" not in one.tables.get(table, ()):
                continue
            where = "_hs_merged_into IN (?) OR id IN (?)"
            for old, new in one.ask(table, ("id", "_hs_merged_into"), where, [*ids], [*ids]):
                ids += [old] if old not in ids else []
                survivors |= {new} if new else set()
        if len(ids) == before:
            break
    return ids, sorted(survivors - {*ids})


def _links_of(table: str, objects: Sequence[str]) -> dict[str, list[str]]:
    """Return the link tables that a table may have, with the columns that hold its ids."""
    links: dict[str, list[str]] = {}
    for end in {*objects, *(kind.table for kind in STANDARD)}:
        links.setdefault(link_table(table, end), []).append("from_id")
        links.setdefault(link_table(end, table), []).append("to_id")
    return links


def _erase_links(dataset: Dataset, table: str, ids: Sequence[str], objects: Sequence[str]) -> None:
    """Erase the links of a record, and its id from what was said of link tables."""
    links = _links_of(table, objects)
    for pair in sorted(links.keys() & dataset.tables.keys()):
        where = " OR ".join(f"{end} IN (?)" for end in links[pair])
        dataset.delete(pair, where, *[ids] * len(links[pair]))
    said_of = [table, *sorted(links), *marked_tables()]
    whole = _whole(ids)
    changes = {"ids": partial(without, ids=whole), "error": partial(whole.sub, "(erased)")}
    for name, columns in dataset.tables.items():
        for column in (one for one in changes if {"table_name", one} <= columns):
            dataset.rewrite(name, column, changes[column], "table_name IN (?)", said_of)


def _whole(ids: Sequence[str]) -> re.Pattern[str]:
    """Return what finds ids in a text, but not as parts of others."""
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, ids))})(?!\w)")


def _erase_from_runs(
    pipeline: Pipeline, datasets: Sequence[Dataset], dataset: str, ids: Sequence[str]
) -> list[Erased]:
    """Take ids out of the errors of runs: in the dataset, and of those kept on this machine."""
    change = partial(_whole(ids).sub, "(erased)")
    for one in datasets:
        if RUNS in one.tables:
            one.rewrite(RUNS, "error", change, "run_id IS NOT NULL")
    name = pipeline.destination.destination_name
    places = (place_of(pipeline.destination_client()), local_runs.unresolved(name, dataset))
    runs = local_runs.rewrite_errors(places, change, rehearsing=datasets[0].rehearsing)
    return [("this machine", local_runs.FILE, runs, TAKEN_OUT)] if runs else []


def _erase_mentions(dataset: Dataset, table: str, ids: Sequence[str]) -> None:
    """Erase a record from all tables about records of several tables, known or to come."""
    for name, columns in dataset.tables.items():
        if name in TABLES:
            continue  # a pipeline's id is no record's
        for kind in ("table_name", "object_type"):
            for key in ("id", "record_id"):
                if {kind, key} <= columns:
                    where = f"{kind} IN (?) AND {key} IN (?)"
                    dataset.delete(name, where, [table, history_table(table)], ids)


def without(text: str, ids: re.Pattern[str]) -> str:
    """Take ids out of the lists and objects of a JSON text; anything else stays as it is."""

    def cut(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {key: cut(one) for key, one in value.items() if not ids.search(key)}
        if isinstance(value, list):
            return [
                cut(one)
                for one in value
                if isinstance(one, dict | list) or not ids.search(str(one))
            ]
        return value

    try:
        known = json.loads(text)
    except ValueError:
        return text
    kept = cut(known)
    return text if kept == known else json.dumps(kept)


def _forget_state(
    pipeline: Pipeline, dataset: Dataset, table: str, ids: Sequence[str]
) -> list[Erased]:
    """Take ids out of the state, in a load of its own, and out of the states of earlier loads."""

    def edit(source: SourceState) -> None:
        source.forget(table, ids)

    if not dataset.rehearsing and source_state(pipeline).forget(table, ids):
        commit(pipeline, edit)
    name, key, rows = PIPELINE_STATE_TABLE_NAME, ("_dlt_load_id", "version_hash"), 0
    for one in dict.fromkeys(dataset.held.select(f"SELECT {', '.join(key)} FROM {name}")):
        ((where, values),) = of_parts(key, [one])
        for (text,) in dataset.ask(name, ("state",), where, *values):
            try:
                state: Any = decompress_state(text)
            except (ValueError, zlib.error):
                continue  # damaged: nothing can be read from it
            if edited(state, lambda source: source.forget(table, ids)):
                hash_ = state["_version_hash"] = generate_pipeline_state_version_hash(state)
                news = [(one, (compress_state(state), hash_))]
                if not dataset.rehearsing:
                    dataset.held.update_keys(name, key, ("state", "version_hash"), news)
                rows += 1
    return [(dataset.held.dataset, name, rows, TAKEN_OUT)] if rows else []


def _section(
    record: str, dataset: str, table: str, rows: Sequence[Erased], *, dry_run: bool
) -> Section:
    if rows:
        title = f"Would be erased: {record}" if dry_run else f"Erased: {record}"
        return Section("erased", COLUMNS, rows, title=title)
    nothing = [(dataset, table, 0, DELETED)]
    return Section(
        "erased",
        COLUMNS,
        [],
        f"Nothing of {record} is in dataset {dataset}",
        nothing,
        verbatim=True,
    )


def _warnings(record: str, dataset: str, survivors: Sequence[str], *, found: bool) -> Iterator[str]:
    if not found:
        yield (
            f"{record} was not found in dataset {dataset}; check the table, the id and --dataset"
            " before you report the record as erased."
        )
    if survivors:
        yield (
            f"{record} was merged into {', '.join(survivors)}, which is kept; forget that too if"
            " it is the same person's."
        )
    yield (f"HubSpot has to delete {record} for good as well, else a later sync may bring it back.")
    yield (
        "Not erased: backups; properties and texts of other records that name this one, such as"
        " notes and emails; names and numbers in messages and transcripts of others, of which"
        " only the e-mail addresses are taken out; the id in audit_logs, which say what users"
        " did; and freed blocks of the database until it reuses them."
    )
