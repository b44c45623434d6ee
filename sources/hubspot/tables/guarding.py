"""The policy on rows of declared tables: what is excluded is null, what is hashed is a hash.

Records need none of it: their excluded properties are not asked for, and hashes are made where
they are decoded. Here the columns are declared, so they stay.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from ..catalog.endpoints import TABLES, parent_columns
from ..catalog.endpoints.columns import Column
from ..catalog.endpoints.declaration import Batches, Endpoint, Parents, Table
from ..privacy import REQUIRED, Hasher, Policy, Rule
from .endpoints.batches import OWN_COLUMNS, arrow_schema
from .records import Batch


def hides(table: str, policy: Policy) -> bool:
    """Whether any column of a declared table is hashed or excluded."""
    names = arrow_schema(table).names if policy.applies_to(table) else ()
    return any(rule_of(TABLES[table], name, policy) != "plain" for name in names)


def rule_of(table: Table, name: str, policy: Policy) -> Rule:
    """Return what becomes of a column of a declared table.

    JSON that holds the value of a column which is hidden is excluded.
    """
    fixed = {*table.fixed, *OWN_COLUMNS}
    rule = policy.rule(table.name, name, fixed)
    inner = _held(table).get(name, ()) if rule == "plain" else ()
    is_hidden = any(policy.rule(table.name, one, fixed) != "plain" for one in inner)
    return "excluded" if is_hidden else rule


@cache
def _held(table: Table) -> Mapping[str, Sequence[str]]:
    """Return the JSON columns of a table, with the columns whose values are in them, too."""
    return {
        outer.name: [one.name for one in table.fields if one is not outer and _holds(outer, one)]
        for outer in table.fields
        if outer.kind == "json"
    }


def _holds(outer: Column, inner: Column) -> bool:
    """Whether what one column is taken from lies in what another one is."""
    return any(
        (a.origin == "item" and b.origin == "member")
        or (a.origin == b.origin == "member" and a.path == b.path[: len(a.path)])
        for a in outer.sources
        for b in inner.sources
    )


def rules(table: Table, policy: Policy) -> Mapping[str, Rule]:
    """Return what becomes of the columns of a declared table that do not stay as they are."""
    if not policy.applies_to(table.name):
        return {}
    found = {name: rule_of(table, name, policy) for name in (*table.names, "extra")}
    return {name: rule for name, rule in found.items() if rule != "plain"}


def digest_of_rules(table: Table, policy: Policy) -> str:
    """Return what differs where rows of a declared table are made under another policy."""
    found = rules(table, policy)
    key = policy.hasher.fingerprint if policy.hasher and "hashed" in found.values() else ""
    return json.dumps([key, *sorted(found.items())]) if found else ""


def withheld(endpoint: Endpoint, policy: Policy) -> str:
    """Return what the policy hides and an endpoint cannot be read without; empty where nothing.

    That is what names its parents in calls, and an address that is excluded, or that names a
    parent, and identifies its rows.
    """
    if policy.is_open:
        return ""
    return next(chain(_hidden_names(endpoint, policy), _hidden_keys(endpoint, policy)), "")


def _hidden_names(endpoint: Endpoint, policy: Policy) -> Iterator[str]:
    """Yield the columns that name parents in calls and do not stay as they are."""
    named: Sequence[tuple[str, str]] = ()
    if isinstance(endpoint.per, Batches):
        named = endpoint.per.named
    elif isinstance(endpoint.per, Parents):
        named = [(endpoint.per.table, column) for column in parent_columns(endpoint)]
    for table, column in named:
        fixed = TABLES[table].fixed if table in TABLES else {*REQUIRED, "id"}
        if policy.rule(table, column, fixed) != "plain":
            yield f"{table}.{column}"


def _hidden_keys(endpoint: Endpoint, policy: Policy) -> Iterator[str]:
    """Yield the columns of keys that are excluded, or hashed where they name a parent."""
    for one in endpoint.tables:
        for name, rule in rules(one, policy).items():
            if name in one.keys and (rule == "excluded" or name in endpoint.replaced_by):
                yield f"{one.name}.{name}"


def guarded(batch: Batch, table: str, policy: Policy) -> Batch:
    """Return rows as the user lets them leave HubSpot.

    Guarantees: no value of a column that is hashed or excluded is in the rows or the rejects. A
    hashed column that is no text, such as a date, is null, for its type cannot hold a hash. Columns
    that identify a row, but for addresses, and those that tables have besides HubSpot's, stay as
    they are.

    Args:
        batch: rows of one table, with what did not fit.
        table: its name.
        policy: the user's.
    """
    if not policy.applies_to(table):
        return batch
    rows = batch.rows
    rule = {name: rule_of(TABLES[table], name, policy) for name in rows.column_names}
    arrays = [*_guarded_columns(rows, rule, policy.hasher)]
    hidden = [name for name in rows.column_names if rule[name] != "plain"]
    shown = pc.invert(pc.is_in(batch.rejects.column("property"), pa.array(hidden, pa.string())))
    rejects = batch.rejects.filter(pc.fill_null(shown, fill_value=True))
    if policy.hasher and not {*hidden}.isdisjoint(TABLES[table].keys):
        place = rejects.schema.get_field_index("id")
        ids = policy.hasher.array(rejects.column("id").combine_chunks())
        rejects = rejects.set_column(place, rejects.schema.field(place), ids)
    return Batch(pa.Table.from_arrays(arrays, schema=rows.schema), rejects)


def _guarded_columns(
    rows: pa.Table, rule: Mapping[str, Rule], hasher: Hasher | None
) -> Iterator[pa.Array]:
    for name in rows.column_names:
        column = rows.column(name)
        if hasher and rule[name] == "hashed" and pa.types.is_string(column.type):
            yield hasher.array(column.combine_chunks())
        else:
            yield column if rule[name] == "plain" else pa.nulls(len(rows), column.type)
