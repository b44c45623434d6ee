"""Statements that run on every destination: the one place that knows their SQL.

translate   a statement in one neutral dialect becomes one in the destination's
literals    values as they stand in a statement
keys        conditions on keys, in lists of bounded length
tables      what may be done with the tables of a dataset, and the one rule of changes
lake        the same of tables in files
selected    rows that go because of what other rows say
opening     the tables of a pipeline's dataset, by the right adapter
"""

from .keys import Row, of_parts
from .opening import open_tables
from .selected import Selected, delete_selected
from .tables import Tables, is_sqlalchemy
from .translate import ColumnName, TableName, named

__all__ = [
    "ColumnName",
    "Row",
    "Selected",
    "TableName",
    "Tables",
    "delete_selected",
    "is_sqlalchemy",
    "named",
    "of_parts",
    "open_tables",
]
