"""Read-only SQL on the dataset, as a table, CSV or JSON."""

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import dlt
import duckdb
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase

from destinations.failures import credentials_setting, first_line, to_error
from destinations.warehouse import duckdb_path, explained, is_duckdb, make_destination
from pipelines.render import instant_text, to_plain, value_json
from pipelines.report import RunReport, Section
from sources.hubspot.errors import ConfigError, HubSpotError

Format = Literal["table", "csv", "json"]

_READS = re.compile(
    r"[\s(]*(select|with|from|values|describe|show|explain|summarize|table)\b", re.IGNORECASE
)
_QUOTED_OR_COMMENT = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)
_WIDEST_CELL = 80
_MOST_ROWS = 1_000  # in a table for people; CSV and JSON carry all


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that a query returns."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(
    sql: str, *, destination: str = "duckdb", dataset: str = "hubspot", form: Format = "table"
) -> RunReport:
    """Run one statement that reads and report its rows.

    Raises:
        ConfigError: the statement is none that reads or is wrong, or there is no such database.
        WarehouseError: the destination does not answer.
    """
    check_statement(sql)
    with open_reader(destination, dataset) as reader:
        answer = reader.ask(sql)
    report = RunReport("query", destination=destination, dataset=dataset)
    if form == "csv":
        report.text = to_csv(answer.columns, answer.rows)
    elif form == "json":
        report.text = value_json(_distinct(answer.columns), answer.rows)
    else:
        rows = answer.rows[:_MOST_ROWS]
        report.sections.append(
            Section("rows", _distinct(answer.columns), rows, widest=_WIDEST_CELL)
        )
        if len(answer.rows) > _MOST_ROWS:
            report.warnings.append(
                f"{_MOST_ROWS:,} of {len(answer.rows):,} rows shown; --format csv prints all."
            )
    return report


def check_statement(sql: str) -> None:
    """Refuse what is not one statement that reads, before any destination sees it.

    Raises:
        ConfigError: it may write, or there are several.
    """
    bare = _QUOTED_OR_COMMENT.sub(" ", sql).strip()
    if not _READS.match(bare):
        raise ConfigError("The query is no statement that reads.", remedy="Begin it with SELECT.")
    if ";" in bare.rstrip("; \n\t"):
        raise ConfigError("There is more than one statement.", remedy="Give them one by one.")


class Reader:
    """A dataset, open for reading."""

    def ask(self, sql: str) -> Answer:
        """Run a statement; unqualified names are tables of the dataset.

        Raises:
            ConfigError: the destination refuses the statement.
        """
        raise NotImplementedError


class DuckDbReader(Reader):
    """A DuckDB file, opened read-only so that a query can never change it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def ask(self, sql: str) -> Answer:
        """Run a statement."""
        try:
            cursor = self._connection.execute(sql)
        except duckdb.Error as error:
            raise _wrong(error) from error
        columns = [column[0] for column in cursor.description or []]
        return Answer(columns, cursor.fetchall())


class SqlReader(Reader):
    """Any other SQL destination, through dlt; PostgreSQL's session is told to refuse writes."""

    def __init__(self, client: SqlClientBase[Any], name: str) -> None:
        self._client, self._name = client, name
        if self._name in {"postgres", "redshift"}:
            schema = client.capabilities.escape_identifier(client.dataset_name)
            client.execute_sql(f"SET search_path TO {schema}")
            client.execute_sql("SET default_transaction_read_only = on")

    def ask(self, sql: str) -> Answer:
        """Run a statement."""
        try:
            with self._client.execute_query(sql) as cursor:
                columns = [column[0] for column in cursor.description]
                return Answer(columns, [tuple(row) for row in cursor.fetchall()])
        except Exception as error:
            raise refused(error, self._name) from error


@contextmanager
def open_reader(destination: str, dataset: str) -> Iterator[Reader]:
    """Open a dataset for reading.

    Raises:
        ConfigError: there is no such database or dataset.
        WarehouseError: the destination does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="hubspot-elt-") as working_dir, ExitStack() as open_:
        with explained(destination):
            pipeline = dlt.pipeline(
                "hubspot",
                pipelines_dir=working_dir,
                destination=make_destination(destination),
                dataset_name=dataset,
            )
            if is_duckdb(pipeline):
                path = duckdb_path(pipeline.destination_client().config)
                name = pipeline.sql_client().dataset_name
                reader: Reader = DuckDbReader(open_.enter_context(open_duckdb(path, name)))
            else:
                client: SqlClientBase[Any] = pipeline.sql_client()
                client.open_connection()
                open_.callback(client.close_connection)
                if not client.has_dataset():
                    raise no_dataset(dataset, destination)
                reader = SqlReader(client, destination)
        yield reader


@contextmanager
def open_duckdb(path: Path, dataset: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB file read-only, with the dataset as the place of unqualified names."""
    if not path.is_file():
        raise ConfigError(
            f"There is no DuckDB file {path}.",
            remedy=f"Run hubspot-elt sync first, or set {credentials_setting('duckdb')}.",
        )
    with explained("duckdb"):
        connection = duckdb.connect(str(path), read_only=True)
    with connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            database = connection.execute("SELECT current_database()").fetchall()[0][0]
            connection.execute(f"USE {_quoted(database)}.{_quoted(dataset)}")
        except duckdb.CatalogException:
            raise no_dataset(dataset, str(path)) from None
        yield connection


def no_dataset(dataset: str, where: str) -> ConfigError:
    """Return the error of a dataset that no sync has made."""
    return ConfigError(
        f"There is no dataset {dataset} in {where}.",
        remedy="Run hubspot-elt sync first, or correct --dataset.",
    )


def refused(error: BaseException, destination: str) -> HubSpotError:
    """Return what it means that a destination refuses a statement, or is gone."""
    cause = error.__cause__ or error
    writes = type(cause).__name__ == "ReadOnlySqlTransaction"  # as this session is told to be
    if writes or isinstance(error, DatabaseUndefinedRelation):
        return _wrong(cause)
    return to_error(cause, destination) or _wrong(cause)


def _wrong(error: BaseException) -> ConfigError:
    """Return the error of a statement that is wrong."""
    return ConfigError(
        f"The query failed: {first_line(error)}",
        remedy="Correct the SQL; hubspot-elt status lists the tables.",
    )


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV with a header; NULL is an empty field, an empty text is `""`."""
    lines = [columns, *rows]
    return "".join(",".join(_csv_field(value) for value in line) + "\n" for line in lines)


def _csv_field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        text = instant_text(value)
    elif isinstance(value, list | dict):
        text = json.dumps(value, default=to_plain, ensure_ascii=False)
    else:
        text = str(value)
    if text and not re.search(r'[",\r\n]|^\s|\s$', text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return the names, each with a number where it came before; JSON objects need that."""
    seen: dict[str, int] = {}
    names = []
    for name in columns:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
