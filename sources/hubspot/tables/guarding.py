"""The policy on rows of declared tables: what is excluded is null, what is hashed is a hash.

Records need none of it: their excluded properties are not asked for, and hashes are made where
they are decoded. Here the columns are declared, so they stay.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from ..catalog.endpoints import TABLES, parent_columns
from ..catalog.endpoints.declaration import Batches, Endpoint, Parents, Table
from ..privacy import REQUIRED, Policy, Rule
from .endpoints.batches import OWN_COLUMNS, arrow_schema
from .records import Batch


def hides(table: str, policy: Policy) -> bool:
    """Whether any column of a declared table is hashed or excluded."""
    keys = {*TABLES[table].fixed, *OWN_COLUMNS}
    names = arrow_schema(table).names if policy.applies_to(table) else ()
    return any(policy.rule(table, name, keys) != "plain" for name in names)


def rules(table: Table, policy: Policy) -> Mapping[str, Rule]:
    """Return what becomes of the columns of a declared table that do not stay as they are."""
    if not policy.applies_to(table.name):
        return {}
    found = {name: policy.rule(table.name, name, table.fixed) for name in (*table.names, "extra")}
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
    rows, keys = batch.rows, {*TABLES[table].fixed, *OWN_COLUMNS}
    arrays = [*_guarded_columns(rows, table, policy, keys)]
    hidden = [n for n in rows.column_names if policy.rule(table, n, keys) != "plain"]
    shown = pc.invert(pc.is_in(batch.rejects.column("property"), pa.array(hidden, pa.string())))
    rejects = batch.rejects.filter(pc.fill_null(shown, fill_value=True))
    if policy.hasher and not {*hidden}.isdisjoint(TABLES[table].keys):
        place = rejects.schema.get_field_index("id")
        ids = policy.hasher.array(rejects.column("id").combine_chunks())
        rejects = rejects.set_column(place, rejects.schema.field(place), ids)
    return Batch(pa.Table.from_arrays(arrays, schema=rows.schema), rejects)


def _guarded_columns(
    rows: pa.Table, table: str, policy: Policy, keys: Collection[str]
) -> Iterator[pa.Array]:
    for name in rows.column_names:
        column = rows.column(name)
        rule, hasher = policy.rule(table, name, keys), policy.hasher_of(table, name, keys)
        if hasher and pa.types.is_string(column.type):
            yield hasher.array(column.combine_chunks())
        else:
            yield column if rule == "plain" else pa.nulls(len(rows), column.type)
