"""What a sync does to a destination, tried on a dataset made for that, which is dropped again."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from dlt.common.destination.client import JobClientBase, WithStagingDataset
from dlt.common.schema.utils import has_table_seen_data
from dlt.pipeline.pipeline import Pipeline

from destinations.resolve import client_of, explained
from destinations.rights import grant
from pipelines.runtime.quicker_dlt.stand_ins import keep_schemas
from pipelines.runtime.stored import dataset_of, exists, hubspot_pipeline
from pipelines.runtime.workdir import working_folder
from sources.hubspot.errors import ConfigError, MissingRightError
from sources.hubspot.run.resources import make_resource
from sources.hubspot.source import MERGE
from sources.hubspot.warehouse.sql import open_tables

TRIAL = "trial"
ODD = "O'Hara \\ % :name 你好 🌍"
"""A text that a database of another character set, or a driver that reads it, would change."""
NEVER = "1 = 0"
ASKED = 8
"""Tables of the dataset that are asked; all belong to who made the first."""
_AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
_FIRST: list[dict[str, Any]] = [
    {"id": id_, "name": ODD, "amount": 1.5, "size": 2**53 + 1, "is_on": True, "at": _AT}
    | {"day": date(2026, 1, 2)}
    for id_ in ("1", "2", "3")
]
_AGAIN: list[dict[str, Any]] = [
    _FIRST[1] | {"name": "changed", "added": "a column"},
    _FIRST[2] | {"id": "4", "added": None},
]
_COLUMNS = ("id", "name", "amount", "size", "is_on", "at", "day")


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a sync does and the destination does not let it do."""

    what: str
    reason: str
    remedy: str = ""
    """What to do: of a right, the statement that gives it."""


def probe(pipeline: Pipeline, destination: str) -> list[Lack]:
    """Try all that a sync does to a destination; nothing of it is left.

    A dataset of its own is made, loaded, merged into, changed and dropped. The dataset that is
    there already is asked for the same rights by statements that change no row.

    Args:
        pipeline: of the dataset.
        destination: its name, as `make_destination` takes it.

    Raises:
        WarehouseError: the destination does not answer.
    """
    held = dataset_of(pipeline)
    lacks = _in_held(pipeline, held) if exists(pipeline) else []
    name = f"{held[:20]}_probe_{uuid.uuid4().hex[:8]}"
    with (
        working_folder() as folder,
        hubspot_pipeline(folder, destination, name) as trial,
    ):
        keep_schemas(trial)
        client = client_of(trial)
        before = len(lacks)
        try:
            for what, act in _ACTS.items():
                with _noted(lacks, what, client, "dataset", held):
                    act(trial)
                if len(lacks) > before:
                    break
        finally:
            with _noted(lacks, "drop a dataset", client, "dataset", held):
                _drop(trial)
    return lacks


@contextmanager
def _noted(
    lacks: list[Lack], what: str, client: JobClientBase, right: str, dataset: str
) -> Iterator[None]:
    """Note a permanent failure as something that the destination does not let a sync do."""
    try:
        with explained(str(client.config.destination_type)):
            yield
    except MissingRightError as error:
        lacks.append(Lack(what, error.message, f"{error.remedy} {grant(client, right, dataset)}"))
    except ConfigError as error:
        lacks.append(Lack(what, error.message, error.remedy))


def _make(pipeline: Pipeline) -> None:
    with pipeline.destination_client() as client:
        client.initialize_storage()


def _load(pipeline: Pipeline) -> None:
    _run(pipeline, _FIRST, write_disposition="append", primary_key="id")
    _expect(pipeline, {row["id"]: row for row in _FIRST})


def _merge(pipeline: Pipeline) -> None:
    _run(pipeline, _AGAIN, write_disposition=MERGE, primary_key="id")
    _expect(pipeline, {row["id"]: row for row in [*_FIRST, *_AGAIN]})


def _change(pipeline: Pipeline) -> None:
    """Change rows as what follows a load does."""
    with open_tables(pipeline) as tables:
        tables.update_keys(TRIAL, ["id"], ["name"], [(("1",), ("one",)), (("2",), ("two",))])
        tables.update(TRIAL, {"name": "four"}, "id = ?", "4")
        tables.delete_keys(TRIAL, ["id"], [("3",)])
        tables.insert(TRIAL, ["id", "name", "at"], [("5", "five", _AT)])
        tables.delete(TRIAL, "at > ? AND id = ?", datetime(2000, 1, 1, tzinfo=UTC), "5")
        tables.release()
        names: dict[str, str] = dict(tables.select("SELECT id, name FROM trial"))
    if names != {"1": "one", "2": "two", "4": "four"}:
        raise ConfigError(f"After its changes a table holds other rows: {names}.")


def _drop(pipeline: Pipeline) -> None:
    with pipeline.destination_client() as client:
        if isinstance(client, WithStagingDataset):
            with client.with_staging_dataset():
                _drop_there(client)
        _drop_there(client)


def _drop_there(client: JobClientBase) -> None:
    if client.is_storage_initialized():
        client.drop_storage()


_ACTS: Mapping[str, Callable[[Pipeline], None]] = {
    "make a dataset": _make,
    "make tables and load rows": _load,
    "replace rows by key and add a column": _merge,
    "change and delete rows": _change,
}
"""What a sync does, in this order."""


def _run(pipeline: Pipeline, rows: list[dict[str, Any]], **hints: Any) -> None:  # noqa: ANN401
    table = pa.Table.from_pylist(rows)
    key = pa.field("id", pa.string(), nullable=False)
    table = table.cast(table.schema.set(table.schema.get_field_index("id"), key))
    pipeline.run(make_resource(TRIAL, iter([table]), **hints))


def _expect(pipeline: Pipeline, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare what the table holds with what was loaded.

    Raises:
        ConfigError: a value came back as another.
    """
    with open_tables(pipeline) as tables:
        found = tables.select(f"SELECT {', '.join(_COLUMNS)} FROM trial ORDER BY id")
    loaded = [tuple(rows[id_][column] for column in _COLUMNS) for id_ in sorted(rows)]
    if found != loaded:
        differing = [pair for pair in zip(found, loaded, strict=False) if pair[0] != pair[1]]
        shown = differing[0] if differing else (len(found), len(loaded))
        raise ConfigError(f"What was loaded is read back as something else: {shown}.")


def _in_held(pipeline: Pipeline, dataset: str) -> list[Lack]:
    """Ask the dataset that is there for the rights of a sync, by statements that change nothing."""
    lacks: list[Lack] = []
    if not pipeline.default_schema_name:
        return lacks
    known, client = pipeline.default_schema.tables, client_of(pipeline)
    ours = sorted(name for name, one in known.items() if has_table_seen_data(one))
    for name in ours[:ASKED]:
        column = next(iter(known[name]["columns"]))
        with _noted(lacks, name, client, "held", dataset), open_tables(pipeline) as tables:
            tables.delete(name, NEVER)
            tables.update(name, {column: None}, NEVER)
    what = f"change the tables of {dataset}, such as {', '.join(one.what for one in lacks[:3])}"
    return [replace(lacks[0], what=what)] if lacks else []
