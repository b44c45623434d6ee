"""A query that sqlglot parses and proves to read, with the tables of the dataset in full.

What runs is what was parsed, written again: a part that the parser takes for a comment and the
database for a command, as MySQL does, is not sent.
"""

from collections.abc import Callable

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from .proofs import no_reading, refuse, several, wrong

_WRITES = (exp.DDL, exp.DML, exp.Command, exp.Into, exp.Lock, exp.Merge)
_FUNCTIONS = (
    *("load_file", "sleep", "benchmark", "get_lock", "release_lock", "release_all_locks"),
    *("set_config", "pg_sleep", "pg_cancel_backend", "pg_terminate_backend", "external_query"),
    *("url", "file", "remote", "s3", "hdfs", "executable", "openrowset", "openquery"),
)
"""Functions that read files or other servers, or hold up the session; Snowflake's begin alike."""


def prove_parsed(sql: str, dialect: str | None) -> exp.Expr:
    """Prove that a statement reads by sqlglot's parser, for databases whose own is not at hand.

    Raises:
        ConfigError: it is no single query, a part of it writes, or calls a function that does more.
    """
    try:
        statements = [one for one in sqlglot.parse(sql, dialect=dialect) if one is not None]
    except sqlglot.errors.SqlglotError as error:
        raise wrong(error) from error
    if len(statements) > 1:
        raise several()
    if not statements or not _reads(statements[0]):
        raise no_reading()
    called = (one.name.lower() for one in statements[0].find_all(exp.Anonymous))
    refuse(name for name in called if name in _FUNCTIONS or name.startswith("system$"))
    return statements[0]


def _reads(statement: exp.Expr) -> bool:
    """Whether a statement is a query, and every part of it."""
    parts = statement.find_all(*_WRITES)
    return isinstance(statement, exp.Query | exp.Describe | exp.Show) and all(
        isinstance(part, exp.Query) for part in parts
    )


def in_full(query: exp.Expr, dialect: str, qualified: Callable[[str], str]) -> str:
    """Write a query with the full name of each table that it names without a schema.

    Args:
        query: that was proven to read; it is changed.
        dialect: to write it in, as sqlglot calls it.
        qualified: returns the full name of a table of the dataset, quoted.
    """
    own = {one.alias.lower() for one in query.find_all(exp.CTE)}
    folds = Dialect.get_or_raise(dialect).normalize_identifier
    for table in [*query.find_all(exp.Table)]:
        name = table.this
        if table.db or not isinstance(name, exp.Identifier) or name.name.lower() in own:
            continue
        if isinstance(query, exp.Query) and not table.alias:
            table.set("alias", exp.TableAlias(this=name.copy()))
        table.set("this", exp.Var(this=qualified(folds(name.copy()).name)))
    return query.sql(dialect=dialect, comments=False)
