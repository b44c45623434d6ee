"""Every statement that a dataset's life takes is one that each destination's SQL knows."""

import re
from collections.abc import Iterator, Sequence

import duckdb
import pytest
import sqlglot
from conftest import Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError

from pipelines.commands.forget import forget
from pipelines.commands.verify import VerifyOptions, verify
from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.warehouse.sql import open_tables
from sources.hubspot.warehouse.sql.literals import Rendered
from sources.hubspot.warehouse.sql.translate import Language
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

TYPES = ("contacts", "companies")
SELECTED = (
    *TYPES,
    "contacts_property_history",
    "list_memberships",
    "list_folder_lists",
    "workflow_details",
    "campaign_budgets",
    "campaign_assets",
)
HOUR_MS = 3_600_000
_SETS = r"\b(EXCEPT|INTERSECT)\b(?! DISTINCT)"
REFUSED = {
    "snowflake": r"\bDATETIMEOFFSET\b",
    "bigquery": rf"{_SETS}|\bVARCHAR\b|\bTEXT\b|\bTIMESTAMPTZ\b",
    "databricks": r"\bTEXT\b|\bTIMESTAMPTZ\b",
    "redshift": r"\bIS DISTINCT FROM\b|\bILIKE ANY\b",
    "mysql": r"\|\||\bIS DISTINCT FROM\b|\bTIMESTAMPTZ\b|AS (TEXT|VARCHAR)\b",
    "tsql": r"\bLIMIT\b|\bTRUE\b|\bFALSE\b|\|\||SET [^=]* = \(|\bTIMESTAMPTZ\b",
    "clickhouse": _SETS,
}
"""What each dialect has no word for, where sqlglot may read it nevertheless; PostgreSQL and DuckDB
run all of it in other tests."""
CONDITIONAL = {"bigquery", "clickhouse"}
"""Dialects that change all rows only where a condition says so."""
NAMES = re.compile(r'"[^"]+"(, "[^"]+")*')
Asked = tuple[str, Sequence[object], str]


class Recorder:
    """What was asked and changed, in the neutral dialect."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.statements: dict[str, Asked] = {}
        self._conditions: dict[str, tuple[str, Sequence[object]]] = {}
        statement, condition = Language.statement, Language.condition

        def asked(self_: Language, sql: str, values: Sequence[object] = (), this: str = "") -> str:
            shape = NAMES.sub("name", sql)  # whichever tables and columns it names
            self.statements.setdefault(shape, (sql, list(values), this))
            return statement(self_, sql, values, this)

        def conditioned(self_: Language, where: str, values: Sequence[object] = ()) -> str:
            made = condition(self_, where, values)
            self._conditions[made] = (where, values)
            return made

        patch.setattr(Language, "statement", asked)
        patch.setattr(Language, "condition", conditioned)

    def rendered(self, language: Language) -> Iterator[tuple[str, str]]:
        """Yield each statement, and what it becomes."""
        for sql, values, this in [*self.statements.values()]:
            own = [self._value(value, language) for value in values]
            yield sql, language.statement(sql, own, this)

    def _value(self, value: object, language: Language) -> object:
        """Return a value; what was made for one dialect is made for another."""
        if not isinstance(value, Rendered):
            return value
        known = self._conditions.get(value)
        return Rendered(language.condition(*known) if known else "NULL")


def lived(portal: Portal, warehouse: Warehouse) -> None:
    """Play a dataset's life: a chain of merges, labels, removals with and without tombstones."""
    portal.reset(SeedSpec(seed=5, contacts=40, companies=6, properties=12, custom_objects=0))
    chosen = warehouse.with_settings(select=[*SELECTED], exclude=None)
    portal.create_property("contacts", {"name": "joined", "type": "datetime", "fieldType": "date"})
    ids, firm = [*portal.records("contacts")], next(iter(portal.records("companies")))
    label = portal.create_label("contacts", "companies", "Adviser", "Advised")
    portal.associate("contacts", ids[4], "companies", firm, label)
    portal.update("contacts", ids[9], {"joined": "never"})
    merged = portal.merge("contacts", ids[0], ids[1])
    assert chosen.sync_all().exit_code == 0
    with duckdb.connect(str(warehouse.path)) as connection:  # where HubSpot lists only the last one
        for pair in (("1", "2"), ("2", ids[12])):
            connection.execute(
                "INSERT INTO hubspot.contacts BY NAME SELECT ? AS id, ? AS _hs_merged_into,"
                " 'merged' AS _hs_deletion, now() AS _hs_deleted_at",
                [*pair],
            )
    portal.merge("contacts", ids[2], merged)
    portal.rename_label("contacts", "companies", label, "Counsel", "Client")
    portal.archive("contacts", ids[4])
    portal.purge("contacts", ids[5])
    portal.update("contacts", ids[9], {"joined": "2026-01-02"})
    for name, key in {"lists": "listId", "workflows": "id", "campaigns": "id"}.items():
        collection = portal.collections[name]
        collection.delete(collection.rows()[0][key])
    portal.clock.advance(25 * HOUR_MS)
    assert chosen.sync_all().exit_code == 0
    rows = warehouse.table("contacts")
    assert rows["1"]["_hs_merged_into"] == rows["2"]["_hs_merged_into"] == ids[12]
    portal.purge("contacts", ids[6])
    portal.clock.advance(25 * HOUR_MS)
    assert chosen.sync_all(hard_delete=True).exit_code == 0
    assert forget("contacts", ids[9]).exit_code == 0
    options = VerifyOptions(repair=True)
    report = verify(options, collector=NULL_COLLECTOR, config=chosen.config)
    assert report.exit_code == 0, report.error
    with stored_pipeline("duckdb", "hubspot") as pipeline, open_tables(pipeline) as tables:
        tables.delete("contacts_to_companies")  # as of a pair that is gone
    assert warehouse.rows("SELECT * FROM contacts_to_companies") == []


def language(dialect: str) -> Language:
    """Return how a database of a dialect is spoken to, as dlt has it."""
    fold = str.upper if dialect == "snowflake" else str
    parts = ("database", "dataset")

    def qualified(table: str) -> str:
        names = [exp.to_identifier(fold(name), quoted=True) for name in (*parts, table)]
        return ".".join(name.sql(dialect=dialect) for name in names)

    return Language(dialect, qualified, fold)


def faults(sql: str, dialect: str) -> Iterator[str]:
    """Say what a database of a dialect would refuse in a statement."""
    try:
        tree = sqlglot.parse_one(sql, read=dialect, error_level=ErrorLevel.RAISE)
    except ParseError as error:
        yield str(error)
        return
    if isinstance(tree, exp.Command):
        yield "is not read"
    if isinstance(tree, exp.Delete | exp.Update) and tree.find(exp.Query, exp.Join):
        yield "changes rows by others"
    changes = isinstance(tree, exp.Delete | exp.Update)
    if changes and dialect in CONDITIONAL and not tree.args.get("where"):
        yield "changes all rows without a condition"
    aliases = {one.alias_or_name for one in tree.find_all(exp.Table, exp.Subquery, exp.CTE)}
    for column in tree.find_all(exp.Column):
        if column.args.get("db") or (column.table and column.table not in aliases):
            yield f"has {column.sql()} of no table"
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql)
    yield from (f"says {found[0]}" for found in re.finditer(REFUSED[dialect], bare))


def test_every_statement_is_known_to_every_dialect(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement reads in each dialect, names its columns by aliases, and changes by keys."""
    recorder = Recorder(monkeypatch)
    lived(portal, warehouse)
    kinds = {sql.split()[0] for sql in recorder.statements}
    assert kinds == {"SELECT", "DELETE", "UPDATE", "INSERT"}
    wrong = [
        (dialect, fault, made)
        for dialect in REFUSED
        for _, made in recorder.rendered(language(dialect))
        for fault in faults(made, dialect)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("bigquery", "SELECT a FROM b EXCEPT SELECT c FROM d"),
        ("bigquery", "SELECT `p`.`d`.`t`.`a` FROM `p`.`d`.`t`"),
        ("bigquery", "DELETE FROM a"),
        ("mysql", "SELECT a || b FROM c"),
        ("tsql", "SELECT a FROM b LIMIT 1"),
        ("databricks", "DELETE FROM a WHERE b IN (SELECT c FROM d)"),
        ("snowflake", "SELECT FROM WHERE"),
    ],
)
def test_what_a_dialect_refuses_is_found(dialect: str, sql: str) -> None:
    """A statement that a destination would refuse does not pass for one that it knows."""
    assert [*faults(sql, dialect)] != []
