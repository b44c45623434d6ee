"""The tables that a dataset really has against the schema that the last sync stored with them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TTableSchema, TTableSchemaColumns
from dlt.common.schema.utils import has_table_seen_data, new_table, pipeline_state_table
from dlt.destinations.fs_client import FSClientBase
from dlt.destinations.job_client_impl import SqlJobClientBase, SqlJobClientWithStagingDataset
from dlt.pipeline.pipeline import Pipeline

from sources.hubspot.warehouse.sql import Tables, open_tables

_TYPED = frozenset({"duckdb", "motherduck", "postgres"})
"""Destinations whose types come back from the catalog as dlt wrote them, as the tests show."""

_RELATIONS = (
    "SELECT table_name, table_type <> 'BASE TABLE' FROM information_schema.tables"
    " WHERE table_schema = ?"
)
_MATERIALIZED = "SELECT matviewname, TRUE FROM pg_catalog.pg_matviews WHERE schemaname = ?"
_CATALOGS = {
    "duckdb": [_RELATIONS],
    "mysql": [_RELATIONS],
    "postgres": [_RELATIONS, _MATERIALIZED],
    "snowflake": [_RELATIONS],
}
"""By dialect, the questions for the tables of a dataset, and for what else has names like them."""


@dataclass(frozen=True, slots=True)
class Damage:
    """How the tables of a dataset differ from what the last sync left."""

    tables: Sequence[str] = ()
    """Tables that are gone."""
    keyless: Sequence[str] = ()
    """Tables that lack a column which may not be null; none such can be added to rows."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns that are gone, by table; not those of `tables` and `keyless`."""
    types: Sequence[str] = ()
    """What stands where a table or column was: another type, view or spelling; sentences."""
    staging: Sequence[str] = ()
    """Tables of dlt's staging dataset that are gone or have another shape."""
    emptied: Sequence[str] = ()
    """Tables that had rows and have none, as far as the caller of `find_damage` knows."""

    @property
    def gone(self) -> list[str]:
        """Tables that have to be made from nothing."""
        return [*self.tables, *self.keyless]

    def part(self, keep: Callable[[str], bool]) -> "Damage":
        """Return what concerns some tables of the dataset; the staging dataset goes with data."""
        return Damage(
            [name for name in self.tables if keep(name)],
            [name for name in self.keyless if keep(name)],
            {name: columns for name, columns in self.columns.items() if keep(name)},
            staging=[name for name in self.staging if keep(name)],
        )

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return any(
            (self.tables, self.keyless, self.columns, self.types, self.staging, self.emptied)
        )


def find_damage(pipeline: Pipeline) -> Damage:
    """Compare the tables of a dataset with the stored schema; none where there is no SQL to ask.

    One question to the database's catalog, and one about dlt's staging dataset. What the schema
    does not name, such as tables and columns of somebody else's, is nobody's business here.
    """
    client = pipeline.destination_client() if pipeline.default_schema_name else None
    if not isinstance(client, SqlJobClientBase):
        return Damage()
    schema = client.schema
    of_dlt = {*schema.dlt_table_names()}
    known = [n for n, one in schema.tables.items() if n in of_dlt or has_table_seen_data(one)]
    with client:
        held = _held(client, known)
        keyless, columns = _missing_columns(client, held)
        taken = _taken(client, known) if _may_be_taken(client, held) else ()
        types = [*taken, *_wrong_types(client, held)]
        staging: list[str] = []
        if isinstance(client, SqlJobClientWithStagingDataset):
            merged = [n for n in known if schema.tables[n].get("write_disposition") == "merge"]
            with client.with_staging_dataset():
                staging = _odd_staging(client, merged)
    return Damage(
        tables=[name for name in known if not held[name]],
        keyless=keyless,
        columns=columns,
        types=types,
        staging=staging,
    )


def recreate(pipeline: Pipeline, damage: Damage) -> None:
    """Make what is gone again, empty; the staging dataset's tables come with the next load.

    The state must not vouch for its rows any more: once it is made, nothing shows that it
    was gone.
    """
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        return
    with client:
        if damage.keyless:
            client.drop_tables(*damage.keyless, delete_schema=False)
        if made := [*damage.gone, *damage.columns]:
            client.update_stored_schema(only_tables=made, force=True)
        if damage.staging and isinstance(client, SqlJobClientWithStagingDataset):
            version = client.schema.version_table_name
            with client.with_staging_dataset():  # without its version, dlt makes its tables again
                is_odd = version in damage.staging
                client.drop_tables(*damage.staging, delete_schema=not is_odd)


def clear_system_tables(pipeline: Pipeline) -> bool:
    """Drop those of dlt's own tables that lack a column; whether there were any."""
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        return False
    schema = client.schema.clone()
    schema.update_table(pipeline_state_table(add_dlt_id=True))
    with client:
        held = _held(client, schema.dlt_table_names())
        short = [
            name for name, there in held.items() if there and _absent(client, schema, name, there)
        ]
        if short:
            client.drop_tables(*short, delete_schema=False)
    return bool(short)


def is_there(pipeline: Pipeline) -> bool:
    """Whether there is such a dataset; true where there is no SQL to ask."""
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        return True
    with client:
        return client.sql_client.has_dataset()


def was_loaded(pipeline: Pipeline, names: Iterable[str]) -> bool:
    """Whether a load has ended in a dataset whose state is gone.

    Not so after a first load that was killed: it leaves tables, and no row of a load.

    Args:
        pipeline: without a state.
        names: tables that a load brings.
    """
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        return False
    loads = client.schema.loads_table_name
    with open_tables(pipeline) as tables:
        held = tables.columns([loads, *names])
        return tables.counts([loads])[loads] > 0 if loads in held else bool(held)


def install_schema(pipeline: Pipeline, name: str, tables: Iterable[str]) -> None:
    """Give a pipeline the schema of its dataset: the stored one, or else one of what is there.

    Args:
        pipeline: whose schema is gone, or whose state is.
        name: of the schema.
        tables: those to look for where no schema is stored.
    """
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        return
    with client:
        stored = client.get_stored_schema(name)
        if stored:
            schema = Schema.from_dict(json.loads(stored.schema))
        else:
            schema = Schema(name)
            for table, columns in _held(client, tables).items():
                if columns:
                    schema.update_table(_of_catalog(table, columns))
    schema.update_table(pipeline_state_table(add_dlt_id=True))
    pipeline._inject_schema(schema)  # noqa: SLF001 - dlt restores a schema only with a state


def _of_catalog(table: str, columns: TTableSchemaColumns) -> TTableSchema:
    """Describe a table as it is in the database; keys and the like come with its next rows."""
    kept: list[TColumnSchema] = [
        {"name": name, "data_type": reported["data_type"], "nullable": reported["nullable"]}
        for name, reported in columns.items()
    ]
    made = new_table(table, write_disposition="append", columns=kept)
    made["x-normalizer"] = {"seen-data": True}
    return made


def _held(client: SqlJobClientBase, names: Iterable[str]) -> dict[str, TTableSchemaColumns]:
    """Return the columns that tables have; none where a table is not there."""
    client.config.info_tables_query_threshold = 0  # one question without a list of names
    return dict(client.get_storage_tables(names))


def _absent(
    client: SqlJobClientBase, schema: Schema, table: str, held: TTableSchemaColumns
) -> list[TColumnSchema]:
    """List the columns of a schema's table that the database does not have."""
    exact = client.capabilities.generates_case_sensitive_identifiers()
    return schema.get_new_table_columns(table, held, case_sensitive=exact)


def _missing_columns(
    client: SqlJobClientBase, held: Mapping[str, TTableSchemaColumns]
) -> tuple[list[str], dict[str, list[str]]]:
    """List the tables that lack a column that may not be null, and the columns others lack."""
    keyless: list[str] = []
    columns: dict[str, list[str]] = {}
    for name, there in held.items():
        absent = _absent(client, client.schema, name, there) if there else []
        if any(column.get("nullable") is False for column in absent):
            keyless.append(name)
        elif absent:
            columns[name] = [str(column["name"]) for column in absent]
    return keyless, columns


def _may_be_taken(client: SqlJobClientBase, held: Mapping[str, TTableSchemaColumns]) -> bool:
    """Whether something may stand where a table was; in DuckDB only if that is gone.

    Tables in files are seen through views of ours.
    """
    if isinstance(client, FSClientBase):
        return False
    return client.capabilities.sqlglot_dialect != "duckdb" or not all(held.values())


def _taken(client: SqlJobClientBase, known: Sequence[str]) -> Iterator[str]:
    """Report the tables in whose place something else stands, so that they cannot be made."""
    able, catalog = client.capabilities, Tables(client.sql_client)
    dataset = client.sql_client._get_information_schema_components()[1]  # noqa: SLF001 - as it is stored
    stored = {able.casefold_identifier(name): name for name in known}
    in_any_case = {one.casefold(): name for one, name in stored.items()}
    questions = _CATALOGS.get(str(able.sqlglot_dialect), ())
    for found, is_view in (row for sql in questions for row in catalog.select(sql, dataset)):
        name = in_any_case.get(found.casefold())
        if found in stored and is_view:
            yield f"{name} is a view instead of a table"
        elif name and found not in stored and not (is_view or able.has_case_sensitive_identifiers):
            yield f"{name} is spelled {found}"


def _wrong_types(
    client: SqlJobClientBase, held: Mapping[str, TTableSchemaColumns]
) -> Iterator[str]:
    """Report the columns whose type, or spelling, is not the one that a sync writes."""
    if client.config.destination_type not in _TYPED:
        return
    exact = client.config.destination_type == "postgres"  # it distinguishes case, dlt does not
    for table, there in held.items():
        by_name = {name.casefold(): name for name in there} if exact else {}
        for name, column in client.schema.tables[table]["columns"].items():
            if name not in there and name in by_name:
                yield f"{table}.{name} is spelled {by_name[name]}"
            if name in there and column.get("data_type") != there[name].get("data_type"):
                is_, should = there[name].get("data_type"), column.get("data_type")
                yield f"{table}.{name} is of type {is_} instead of {should}"


def _odd_staging(client: SqlJobClientBase, merged: Sequence[str]) -> list[str]:
    """List the tables of the staging dataset that would not take what a merge brings.

    Where dlt keeps no version of it, as in a dataset that is new or gone, the next load makes it.
    """
    version = client.schema.version_table_name
    held = _held(client, [version, *merged])
    keyless, columns = _missing_columns(client, held)
    odd = {*keyless, *columns, *(text.partition(".")[0] for text in _wrong_types(client, held))}
    gone = {name for name in merged if not held[name]} if held[version] else set()
    return sorted(odd | gone)
