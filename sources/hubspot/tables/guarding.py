"""The policy on rows of declared tables: what is excluded is null, what is hashed is a hash.

Records need none of it: their excluded properties are not asked for, and hashes are made where
they are decoded. Here the columns are declared, so they stay.
"""

from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from ..catalog.endpoints import TABLES
from ..privacy import Policy
from .endpoints.batches import OWN_COLUMNS, arrow_schema
from .records import Batch


def hides(table: str, policy: Policy) -> bool:
    """Whether any column of a declared table is hashed or excluded."""
    keys = {*TABLES[table].keys, *OWN_COLUMNS}
    names = arrow_schema(table).names if policy.applies_to(table) else ()
    return any(policy.rule(table, name, keys) != "plain" for name in names)


def guarded(batch: Batch, table: str, policy: Policy) -> Batch:
    """Return rows as the user lets them leave HubSpot.

    Guarantees: no value of a column that is hashed or excluded is in the rows or the rejects. A
    hashed column that is no text, such as a date, is null, for its type cannot hold a hash. Columns
    that identify a row, and those that tables have besides HubSpot's, stay as they are.

    Args:
        batch: rows of one table, with what did not fit.
        table: its name.
        policy: the user's.
    """
    if not policy.applies_to(table):
        return batch
    rows, keys = batch.rows, {*TABLES[table].keys, *OWN_COLUMNS}
    arrays = [*_guarded_columns(rows, table, policy, keys)]
    hidden = [n for n in rows.column_names if policy.rule(table, n, keys) != "plain"]
    shown = pc.invert(pc.is_in(batch.rejects.column("property"), pa.array(hidden, pa.string())))
    rejects = batch.rejects.filter(pc.fill_null(shown, fill_value=True))
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
