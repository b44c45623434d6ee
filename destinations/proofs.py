"""Proof that a statement only reads: what is not proven is refused before it runs.

Each database's own parser or planner gives the proof, for only it reads a statement as it will be
run. Reading also means nothing beside the database: no files, no network, no settings.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from sources.hubspot.errors import ConfigError

from .failures import first_line

_EXPLAIN = re.compile(r"explain\s+(?:analyze\s+)?(?=[^\s(])", re.IGNORECASE)

# fmt: off - one name a line would be a page
DUCKDB_TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "icu_calendar_names",
        "json_each",
        "json_tree",
        "pg_timezone_names",
        "pragma_collations",
        "pragma_database_size",
        "pragma_metadata_info",
        "pragma_platform",
        "pragma_show",
        "pragma_storage_info",
        "pragma_table_info",
        "pragma_user_agent",
        "pragma_version",
        "range",
        "repeat",
        "repeat_row",
        "summary",
        "unnest",
        "duckdb_columns",
        "duckdb_constraints",
        "duckdb_databases",
        "duckdb_dependencies",
        "duckdb_extensions",
        "duckdb_functions",
        "duckdb_indexes",
        "duckdb_keywords",
        "duckdb_memory",
        "duckdb_schemas",
        "duckdb_sequences",
        "duckdb_settings",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_variables",
        "duckdb_views",
    }
)
# fmt: on
"""Table functions that only read the database; others read files, write logs or run SQL."""
DUCKDB_REFUSED = frozenset({"nextval", "setseed", "sleep_ms", "write_log"})
"""Scalar functions that change or hold up the session; the rest compute."""

POSTGRES_HARMLESS = frozenset(
    {"clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday"}
)
"""Functions that PostgreSQL marks as volatile because each call has another result."""
POSTGRES_VOLATILE = "SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v'"
_POSTGRES_SHOWS = re.compile(r"show\s+[\w.\s]+;?\s*", re.IGNORECASE)
_POSTGRES_READS = re.compile(r"\(*\s*(?:select|with|values|table)\b", re.IGNORECASE)
_SPACE_OR_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|\Z)")
_CALL = re.compile(r"\b([a-z_]\w*)\"?\(")


def prove_duckdb(sql: str) -> None:
    """Prove that a statement reads, by the syntax tree that DuckDB itself makes of it.

    The connection has to be read-only with external access off: this only adds what that leaves.

    Raises:
        ConfigError: it is no single SELECT, or it calls a function that does more than read.
    """
    text = sql.strip()
    text = text[match.end() :] if (match := _EXPLAIN.match(text)) else text
    with duckdb.connect(":memory:") as parser:
        try:
            statements = parser.extract_statements(text)
        except duckdb.Error as error:
            raise wrong(error) from error
        if len([one for one in statements if one.query]) > 1:
            raise several()
        answer = parser.execute("SELECT json_serialize_sql(?)", [text]).fetchall()[0][0]
    tree = json.loads(answer)
    if tree.get("error") or len(tree["statements"]) != 1:
        raise no_reading()
    refuse_calls(
        name
        for kind, name in _duckdb_calls(tree["statements"])
        if (name not in DUCKDB_TABLE_FUNCTIONS if kind == "table" else name in DUCKDB_REFUSED)
    )


def _duckdb_calls(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yield the functions that a syntax tree calls: `table` or `scalar`, and the name."""
    if isinstance(node, list):
        for one in node:
            yield from _duckdb_calls(one)
    elif isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield "table", str(node["function"]["function_name"]).lower()
        elif node.get("class") == "FUNCTION":
            yield "scalar", str(node["function_name"]).lower()
        for one in node.values():
            yield from _duckdb_calls(one)


def postgres_to_plan(sql: str) -> str | None:
    """Return the statement whose plan PostgreSQL has to show before it runs; None for SHOW.

    Raises:
        ConfigError: it begins like no statement that reads.
    """
    text = _without_leading_comments(sql)
    if _POSTGRES_SHOWS.fullmatch(text):
        return None
    text = text[match.end() :] if (match := _EXPLAIN.match(text)) else text
    if not _POSTGRES_READS.match(text):
        raise no_reading()
    return text


def prove_postgres(plan: Iterable[str], volatile: Iterable[str]) -> None:
    """Prove by PostgreSQL's own plan that a statement calls no function with effects.

    The transaction has to be read-only, and the statement sent by the extended protocol, which
    takes only one. Left are functions with other effects: on files, sessions, locks, settings.

    Args:
        plan: lines of EXPLAIN (VERBOSE), which names every function in its canonical spelling.
        volatile: names of the functions that PostgreSQL marks as volatile.

    Raises:
        ConfigError: it calls one of these.
    """
    risky = set(volatile) - POSTGRES_HARMLESS
    refuse_calls(name for line in plan for name in _CALL.findall(line) if name in risky)


def prove_parsed(sql: str, dialect: str | None) -> None:
    """Prove that a statement reads by sqlglot's parser, for databases whose own is not at hand.

    Raises:
        ConfigError: it is no single query, or a part of it writes.
    """
    try:
        statements = [one for one in sqlglot.parse(sql, dialect=dialect) if one is not None]
    except sqlglot.errors.SqlglotError as error:
        raise wrong(error) from error
    if len(statements) > 1:
        raise several()
    writes = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lock, exp.Merge)
    if not statements or not isinstance(statements[0], exp.Query | exp.Describe | exp.Show):
        raise no_reading()
    if any(not isinstance(part, exp.Query) for part in statements[0].find_all(*writes)):
        raise no_reading()


def refuse_calls(names: Iterable[str]) -> None:
    """Refuse a statement for the functions it calls, if there are any.

    Raises:
        ConfigError: there are; it names the first.
    """
    for name in names:
        raise ConfigError(
            f"The query calls {name}, which may do more than read tables.",
            remedy="Leave the function out, or run the statement in the database's own client.",
        )


def no_reading() -> ConfigError:
    """Return the error of a statement that is not known to read."""
    return ConfigError(
        "The query is no statement that reads.",
        remedy="Begin it with SELECT; a PIVOT has to name its values with IN.",
    )


def wrong(error: BaseException) -> ConfigError:
    """Return the error of a statement that no parser understands."""
    return ConfigError(f"The query failed: {first_line(error)}", remedy="Correct the SQL.")


def several() -> ConfigError:
    """Return the error of more than one statement."""
    return ConfigError("There is more than one statement.", remedy="Give them one by one.")


def _without_leading_comments(sql: str) -> str:
    """Return a statement from its first word on; PostgreSQL's comments nest."""
    at = 0
    while True:
        if match := _SPACE_OR_COMMENT.match(sql, at):
            at = match.end()
        elif sql.startswith("/*", at):
            depth, at = 1, at + 2
            while depth and at < len(sql):
                step = {"/*": 1, "*/": -1}.get(sql[at : at + 2], 0)
                depth, at = depth + step, at + (2 if step else 1)
        else:
            return sql[at:]
