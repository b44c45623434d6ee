"""The policy of today against the one that a table's rows were written under."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...catalog.endpoints import ENDPOINT_OF, TABLES
from ...catalog.endpoints.declaration import Table
from ...model import Column, SchemaChange, View
from ...privacy import Policy, Rule
from ...state.source import ColumnPolicies, SourceState
from ...tables.drift import facts_of
from ...tables.guarding import rule_of
from ...tables.properties import unpack

EMPTIED = "emptied"
MOST_FILLED = 20
"""Columns that are filled by searches, five at a time; for more the table is read whole."""
DEFINITIONS = "properties"
"""The table that names every property, whatever becomes of its values."""


def is_current(source: SourceState, policy: Policy, name: str, tables: Iterable[str] = ()) -> bool:
    """Whether a table, or a part of a reference table, was last read under the policy of today.

    Args:
        source: the state.
        policy: of today.
        name: by which the state knows what was read.
        tables: that this fills; the one of the name where empty.
    """
    return _kept(source, name).digest == digest_of(policy, tables or [name])


def digest_of(policy: Policy, tables: Iterable[str]) -> str:
    """Return what differs where another policy applies to any of some tables."""
    return "".join(policy.digest(table) for table in tables)


def to_empty(
    source: SourceState, policy: Policy, table: str, *, excluded: bool = False
) -> list[Column]:
    """Return the columns whose values may no longer be there, before anything is read.

    They are plain where they have to be hashed, hashed where they are plain by now, or hashed with
    another key.

    Args:
        source: the state before the run.
        policy: of today.
        table: an object table.
        excluded: whether columns of excluded properties are meant, too.
    """
    if is_current(source, policy, table) and not excluded:
        return []
    kept = _kept(source, table).columns
    return [
        column
        for column in unpack(source.columns.get(table, []))
        if _is_outdated(
            policy.rule(table, column.property),
            kept.get(column.name, ""),
            _mark(policy),
            excluded=excluded,
        )
    ]


def declared_policy(
    source: SourceState, policy: Policy, table: Table, *, excluded: bool
) -> tuple[list[Column], ColumnPolicies] | None:
    """Return which columns of a declared table are emptied, and what the state is to keep of it.

    Args:
        source: the state before the run.
        policy: of today.
        table: of an endpoint.
        excluded: whether columns of excluded properties are emptied, too.

    Returns:
        None where the table was last written under the policy of today.
    """
    if is_current(source, policy, table.name) and not (excluded and policy.applies_to(table.name)):
        return None
    kept, mark = _kept(source, table.name).columns, _mark(policy)
    rules = {name: rule_of(table, name, policy) for name in table.names}
    was_read = is_read(source, table.name)
    outdated = [
        Column(name, name, "text", "")
        for name, rule in rules.items()
        if was_read and _is_outdated(rule, kept.get(name, ""), mark, excluded=excluded)
    ]
    marks = _marks(rules, kept, mark, are_empty=excluded or not was_read)
    return outdated, ColumnPolicies(policy.digest(table.name), marks)


def _marks(
    rules: Mapping[str, Rule], kept: Mapping[str, str], mark: str, *, are_empty: bool
) -> dict[str, str]:
    """Return what the state is to keep of the columns of a declared table, by their rules."""
    excluded = dict.fromkeys(rules, EMPTIED) if are_empty else kept
    after = {"plain": {}, "hashed": dict.fromkeys(rules, mark), "excluded": excluded}
    marks = {name: after[rule].get(name, "") for name, rule in rules.items()}
    return {name: found for name, found in marks.items() if found}


def is_read(source: SourceState, table: str) -> bool:
    """Whether rows of a declared table may be in the warehouse."""
    endpoint = ENDPOINT_OF[table]
    return any(
        one.read_at for key, one in source.collections.items() if key.partition(":")[0] == endpoint
    )


def _is_outdated(rule: Rule, kept: str, mark: str, *, excluded: bool) -> bool:
    """Whether the values of a column were written under another policy, and have to go."""
    if rule == "excluded":
        return excluded and kept != EMPTIED
    if rule == "hashed":
        return kept not in {mark, EMPTIED}
    return kept.startswith("hashed:")


def plain_columns(source: SourceState, policy: Policy, table: str) -> dict[str, Rule]:
    """Return the columns that still have values as HubSpot has them, against the policy."""
    kept = _kept(source, table).columns
    rules = {
        column.name: policy.rule(table, column.property)
        for column in unpack(source.columns.get(table, []))
    }
    if table in TABLES and is_read(source, table):
        one = TABLES[table]
        rules = {name: rule_of(one, name, policy) for name in one.names}
    return {name: rule for name, rule in rules.items() if rule != "plain" and not kept.get(name)}


def note_columns(
    source: SourceState,
    policy: Policy,
    table: str,
    columns: Sequence[Column],
    *,
    current: Iterable[Column],
    emptied: bool,
) -> None:
    """Keep under which policy the columns of a table are written from now on.

    Args:
        source: the state.
        policy: of today.
        table: an object table.
        columns: all that it ever had.
        current: of these, the ones that are read.
        emptied: whether columns of excluded properties were emptied before this load.
    """
    before, marks, read = _kept(source, table).columns, {}, {one.name for one in current}
    for column in columns:
        rule = policy.rule(table, column.property)
        if rule == "hashed":
            marks[column.name] = _mark(policy) if column.name in read else EMPTIED
        elif rule == "excluded":
            marks[column.name] = EMPTIED if emptied else before.get(column.name, "")
    marks = {name: mark for name, mark in marks.items() if mark}
    digest = policy.digest(table)
    if digest or marks:
        source.policies[table] = ColumnPolicies(digest, marks)
    else:
        source.policies.pop(table, None)


def by_policy(
    policy: Policy, table: str, changes: Sequence[SchemaChange], outdated: Sequence[Column]
) -> list[SchemaChange]:
    """Return what became of properties, with the user's decisions for what they are.

    Args:
        policy: of today.
        table: an object table.
        changes: as the columns that are read show them: what is excluded seems archived.
        outdated: columns whose values were written under another policy.
    """
    decided = {one.property: one.name for one in outdated}
    found = [
        SchemaChange(table, name, "policy", column, None, policy.rule(table, name))
        for name, column in decided.items()
    ]
    for one in changes:
        if one.change == "archived" and policy.rule(table, one.property) == "excluded":
            found.append(replace(one, change="policy", before=None, after="excluded"))
        elif one.property not in decided:
            found.append(one)
    return found


def is_read_whole(source: SourceState, policy: Policy, table: str, view: View | None) -> bool:
    """Whether so many columns have another policy that listing a table takes fewer calls.

    Args:
        source: the state before the run.
        policy: of today.
        table: an object table.
        view: the warehouse, whose table of definitions names the properties that were left out.
    """
    if is_current(source, policy, table) or source.table(table).watermark is None:
        return False
    facts = facts_of(source.last(f"properties:{table}")) or {}
    known = {fact.property for fact in facts.values()}
    names = names_by_table(view, [table])[table] - known if view else set()
    new = [name for name in names if policy.rule(table, name) != "excluded"]
    return len(to_empty(source, policy, table)) + len(new) > MOST_FILLED


def names_by_table(view: View, tables: Sequence[str] = ()) -> dict[str, set[str]]:
    """Return the names of all properties, by table, as the warehouse has their definitions.

    Args:
        view: the warehouse.
        tables: object tables; all that have definitions where empty.
    """
    names: dict[str, set[str]] = {table: set() for table in tables}
    columns = ("object_type", "name", "archived")
    if tables:
        rows = view.rows(DEFINITIONS, columns, tables, key="object_type")
    else:
        rows = [row for part in view.values(DEFINITIONS, columns, "1 = 1") for row in part]
    for table, name, archived in rows:
        if not archived:
            names.setdefault(table, set()).add(name)
    return names


def _kept(source: SourceState, name: str) -> ColumnPolicies:
    return source.policies.get(name) or ColumnPolicies()


def _mark(policy: Policy) -> str:
    return f"hashed:{policy.hasher.fingerprint}" if policy.hasher else ""
