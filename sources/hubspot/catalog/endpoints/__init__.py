"""The endpoints of every API but those of records and links, as data: a row here is a new endpoint.

The source, the plan, the documents and the tests follow from it; see `docs/extending.md`.
"""

from ..apis import OBJECT_APIS, Api
from . import account, commerce, content, crm, lists, marketing, work
from .declaration import Batches, Endpoint, Table

MODULES = (crm, account, lists, marketing, work, content, commerce)
ENDPOINTS: dict[str, Endpoint] = {one.name: one for module in MODULES for one in module.ENDPOINTS}
"""Every endpoint that fills tables, by the name of its resource and of its API."""

TABLES: dict[str, Table] = {table.name: table for one in ENDPOINTS.values() for table in one.tables}
"""Every table of theirs, by name."""

ENDPOINT_OF: dict[str, str] = {
    table.name: one.name for one in ENDPOINTS.values() for table in one.tables
}
"""The endpoint of each table."""

GROUPS: dict[str, tuple[str, ...]] = {}
"""The endpoints of each group, by its name."""
for _one in ENDPOINTS.values():
    GROUPS[_one.group] = (*GROUPS.get(_one.group, ()), _one.name)

APIS: dict[str, Api] = OBJECT_APIS | {name: one.api for name, one in ENDPOINTS.items()}
"""Every API, by the name that callers use."""


def has_gone_rows(table: str) -> bool:
    """Whether rows of a table, maybe one of records, that are gone stay with `_hs_deleted_at`."""
    if table not in TABLES:
        return True
    return ENDPOINTS[ENDPOINT_OF[table]].keeps(TABLES[table])


def parent_columns(endpoint: Endpoint) -> list[str]:
    """Return the columns of the parents' table that name a parent in calls."""
    per = endpoint.per
    return [per.column] if isinstance(per, Batches) else [*endpoint.parent_slots.values()]


def shared_keys(endpoint: Endpoint, child: Table) -> dict[str, str]:
    """Return the columns by which a child's rows lie in one of the first table, and its columns."""
    columns = {column.sources: column.name for column in endpoint.first.fields}
    return {name: columns[sources] for name, sources in child.parent_keys.items()}
