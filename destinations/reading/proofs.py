"""Proof that a statement only reads: what is not proven is refused before it runs.

DuckDB's own parser and planner give the proof, for only they read a statement as it will be run;
for PostgreSQL every name in it, in whatever place, has to stand for something that reads. Reading
also means nothing outside the database: no files, no network, no settings.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import duckdb

from sources.hubspot.errors import ConfigError

from ..failures import first_line

_EXPLAIN = re.compile(
    r"explain\b(?:\s*\(\s*(?:analy[sz]e|verbose|costs|settings|generic_plan|buffers|serialize|wal"
    r"|timing|summary|memory|format)\b[^()]*\)|(?:\s+(?:analy[sz]e|verbose)\b)*)",
    re.IGNORECASE,
)

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
        "test_all_types",
        "summary",
        "unnest",
        "duckdb_columns",
        "duckdb_constraints",
        "duckdb_databases",
        "duckdb_dependencies",
        "duckdb_functions",
        "duckdb_indexes",
        "duckdb_keywords",
        "duckdb_memory",
        "duckdb_optimizers",
        "duckdb_prepared_statements",
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
DUCKDB_REFUSED = frozenset({"nextval", "pg_sleep", "setseed", "sleep_ms", "write_log"})
"""Scalar functions that change or hold up the session; the rest compute."""
_FILE = re.compile(r"[./:*]")
"""In names of files, which DuckDB takes for tables; in none of ours."""
_DUCKDB_PLANNED = DUCKDB_TABLE_FUNCTIONS | {"seq_scan"}

_POSTGRES_HARMLESS = (
    *("clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday"),
    *("uuidv4", "uuidv7", "array_sample", "array_shuffle", "current_query"),
    *("pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size"),
    *("pg_database_size", "pg_partition_tree", "pg_partition_ancestors", "pg_is_in_recovery"),
    *("pg_lock_status", "pg_blocking_pids", "pg_sequence_last_value", "currval", "lastval"),
)
"""Functions that PostgreSQL marks as volatile because each call may have another result."""
_POSTGRES_RUN_SQL = ("crosstab", "crosstab2", "crosstab3", "crosstab4", "connectby", "xpath_table")
"""Functions of extensions that run the SQL in their arguments, though not marked as volatile."""


POSTGRES_MEANINGS = rf"""
WITH own_extension AS (
    SELECT objid FROM pg_catalog.pg_depend
    WHERE classid = 'pg_catalog.pg_proc'::regclass AND deptype = 'e'
), functions AS (
    SELECT p.proname AS name, CASE WHEN l.lanname = 'sql' AND p.proconfig IS NULL
        AND p.prosrc ~* '^\s*(select|with|values|table)\M' AND p.prosrc !~ ';\s*\S'
        THEN p.prosrc END AS meaning
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
    WHERE t.typname !~ '(trigger|handler)$' AND NOT 'internal'::regtype = ANY (p.proargtypes)
        AND (p.provolatile = 'v' AND p.proname <> ALL (ARRAY{list(_POSTGRES_HARMLESS)})
            OR p.proname = ANY (ARRAY{list(_POSTGRES_RUN_SQL)})
            OR p.oid >= 16384 AND p.oid NOT IN (SELECT objid FROM own_extension))
), meanings AS (
    SELECT name, meaning FROM functions
    UNION ALL
    SELECT o.oprname, p.proname FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE o.oid >= 16384
    UNION ALL
    SELECT t.typname, p.proname FROM pg_catalog.pg_cast c
    JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
    JOIN pg_catalog.pg_type t ON t.oid IN (c.castsource, c.casttarget) WHERE c.oid >= 16384
    UNION ALL
    SELECT t.typname, pg_catalog.pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_type t ON t.oid = c.contypid WHERE c.oid >= 16384
    UNION ALL
    SELECT relname, pg_catalog.pg_get_viewdef(oid) FROM pg_catalog.pg_class
    WHERE relkind = 'v' AND lower(relname) = ANY (%(words)s)
)
SELECT lower(name), meaning FROM meanings
WHERE lower(name) = ANY (%(words)s) OR lower(name) !~ '^[a-z_][a-z0-9_]*$'
"""
"""What the names among some words stand for: the SQL of views, of functions written in SQL and of
checks, the functions of operators and casts, and NULL where a function may do more than read.

Names that are no words come too. Built-in objects have ids below 16384; what an extension brings
is taken at its word.
"""
Meanings = Callable[[list[str]], Iterable[Sequence[Any]]]

_POSTGRES_SHOWS = re.compile(r"show\s+[\w.\s]+;?\s*", re.IGNORECASE)
_POSTGRES_READS = re.compile(r"\(*\s*(?:select|with|values|table)\b", re.IGNORECASE)
_SPACE_OR_COMMENT = re.compile(r"[\s;]+|--[^\n]*(?:\n|\Z)")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_LONGEST_NAME = 63
_MORE_THAN_QUOTES = re.compile(r"[\\$]|--|/\*")
_QUOTED = re.compile(r"(\"(?:[^\"]|\"\")*\")|'(?:[^']|'')*'")
_ESCAPED_NAME = re.compile(r"\bu&\"", re.IGNORECASE)


def prove_duckdb(sql: str) -> str:
    """Prove that a statement reads, by the syntax tree that DuckDB itself makes of it.

    The connection has to be read-only with external access off: this only adds what that leaves.

    Returns:
        The SELECT, without EXPLAIN; its plan shows what is in views and macros.

    Raises:
        ConfigError: it is no single SELECT, or it calls a function that does more than read.
    """
    text = _explained(_without_comments(sql))
    with duckdb.connect(":memory:") as parser:
        try:
            statements = [one for one in parser.extract_statements(sql) if one.query.strip(" ;")]
        except duckdb.Error as error:
            raise wrong(error) from error
        if len(statements) > 1:
            raise several()
        answer = parser.execute("SELECT json_serialize_sql(?)", [text]).fetchall()[0][0]
    tree = json.loads(answer)
    read = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if tree.get("error") or len(tree["statements"]) != 1 or statements[0].type not in read:
        raise no_reading()
    refuse(name for kind, name in _duckdb_calls(tree["statements"]) if _does_more(kind, name))
    return text


def prove_duckdb_plan(plan: str) -> None:
    """Prove by DuckDB's plan that no view or macro calls a table function that does more.

    Args:
        plan: answer of EXPLAIN (FORMAT json).

    Raises:
        ConfigError: one does.
    """
    refuse(name for name in _planned(json.loads(plan)) if name not in _DUCKDB_PLANNED)


def _planned(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        if name := node["extra_info"].get("Function"):
            yield name.strip().lower()
        yield from _planned(node["children"])


def _does_more(kind: str, name: str) -> bool:
    """Whether a name in a statement stands for what is outside the database, or changes it."""
    if kind == "named":
        return _FILE.search(name) is not None
    return name not in DUCKDB_TABLE_FUNCTIONS if kind == "table" else name in DUCKDB_REFUSED


def _duckdb_calls(node: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yield what a syntax tree calls or names: `table`, `scalar` or `named`, and the name."""
    if isinstance(node, list):
        for one in node:
            yield from _duckdb_calls(one)
    elif isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield "table", str(node["function"]["function_name"]).lower()
        elif node.get("class") == "FUNCTION":
            yield "scalar", str(node["function_name"]).lower()
        elif node.get("type") == "BASE_TABLE":
            yield "named", str(node["table_name"])
        for one in node.values():
            yield from _duckdb_calls(one)


def postgres_to_prove(sql: str) -> str | None:
    """Return the query that has to be proven before a statement runs; None for SHOW.

    Raises:
        ConfigError: it begins like no statement that reads.
    """
    text = _without_comments(sql)
    if _POSTGRES_SHOWS.fullmatch(text):
        return None
    text = _explained(text)
    if not _POSTGRES_READS.match(text):
        raise no_reading()
    return text


def prove_postgres(sql: str, meanings: Meanings) -> None:
    """Prove that a query names nothing that does more than read, and no view that does.

    Nothing is planned for it: a planner runs functions that are labelled as immutable. The query
    has to run in a read-only transaction by the extended protocol, which takes one statement.
    Left are functions with other effects: on files, sessions, locks, settings.

    Args:
        sql: the query.
        meanings: runs `POSTGRES_MEANINGS` for some words.

    Raises:
        ConfigError: it names one of these.
    """
    if _ESCAPED_NAME.search(sql):
        raise refused_name('U&"', "Write the name in plain letters.")
    known, texts = set[str](), [sql]
    while texts:
        text = "\n".join(map(_without_literals, texts)).lower()
        new = {word[:_LONGEST_NAME] for word in _WORD.findall(text)} - known
        texts = []
        for name, meaning in meanings(sorted(new)):
            if name in new or (not _WORD.fullmatch(name) and name not in known and name in text):
                refuse([name] if meaning is None else [])
                known.add(name)
                texts.append(meaning)
        known |= new


def _without_literals(sql: str) -> str:
    """Return a text without its literals, where nothing but quotes says what they are."""
    return sql if _MORE_THAN_QUOTES.search(sql) else _QUOTED.sub(r"\1 ", sql)


def refuse(names: Iterable[str]) -> None:
    """Refuse a statement for the functions and the like that it uses, if there are any.

    Raises:
        ConfigError: there are; it names the first.
    """
    for name in names:
        raise refused_name(name, "Leave it out, or run the statement in the database's own client.")


def refused_name(name: str, remedy: str) -> ConfigError:
    """Return the error of a statement that uses what is not known to read."""
    return ConfigError(f"The query uses {name}, which may do more than read.", remedy=remedy)


def no_reading() -> ConfigError:
    """Return the error of a statement that is not known to read."""
    return ConfigError(
        "The query is not a statement that only reads.",
        remedy="Begin it with SELECT; a PIVOT has to name its values with IN.",
    )


def wrong(error: BaseException) -> ConfigError:
    """Return the error of a statement that no parser understands."""
    return ConfigError(f"The query failed: {first_line(error)}", remedy="Correct the SQL.")


def several() -> ConfigError:
    """Return the error of more than one statement."""
    return ConfigError("The query has more than one statement.", remedy="Give them one by one.")


def _explained(text: str) -> str:
    """Return the statement that EXPLAIN is of; any other as it is."""
    return text[match.end() :].strip() if (match := _EXPLAIN.match(text)) else text


def _without_comments(sql: str) -> str:
    """Return a statement from its first word on; comments nest, in both databases."""
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
