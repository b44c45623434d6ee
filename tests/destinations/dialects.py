"""Whether statements can be written in the SQL of destinations that have no server here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
import sqlglot
from sqlglot import exp

from sources.hubspot.warehouse.sql.translate import Language

DIALECTS = ("snowflake", "bigquery", "databricks", "redshift", "mysql", "tsql", "clickhouse")
CONDITIONAL = {"bigquery", "clickhouse"}
"""Dialects that change all rows only where a condition says so."""
MOST_VALUES = 3  # of a list: the rest are as these
Asked = Mapping[str, tuple[list[object], str]]


@contextmanager
def recorded() -> Iterator[Asked]:
    """Note each statement that is translated, with values that it had."""
    statement, found = Language.statement, {}

    def noted(language: Language, sql: str, values: Sequence[object] = (), this: str = "") -> str:
        found[sql] = [one[:MOST_VALUES] if isinstance(one, list) else one for one in values], this
        return statement(language, sql, values, this)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Language, "statement", noted)
        yield found


def foreign(asked: Asked) -> list[str]:
    """Return what is wrong with statements in any of the dialects."""
    return [
        f"{dialect}: {fault}: {made}"
        for dialect in DIALECTS
        for sql, (values, this) in asked.items()
        for made in [_language(dialect).statement(sql, values, this)]
        if (fault := _fault(made, sqlglot.parse_one(sql, read="duckdb"), dialect))
    ]


def _fault(made: str, meant: exp.Expr, dialect: str) -> str:
    try:
        read = sqlglot.parse_one(made, read=dialect)
    except sqlglot.errors.SqlglotError as error:
        return str(error)
    if type(read) is not type(meant) and not isinstance(read, exp.Query):
        return f"not a {type(meant).__name__}"
    changes = isinstance(read, exp.Update | exp.Delete)
    if changes and dialect in CONDITIONAL and not read.args.get("where"):
        return "changes rows without a condition"
    return ""


def _language(dialect: str) -> Language:
    return Language(
        dialect, lambda name: exp.table_(name, db="a dataset", quoted=True).sql(dialect=dialect)
    )
