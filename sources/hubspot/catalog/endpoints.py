"""The endpoints of reference tables as data: where each is, how it is read, the tables it fills.

A row here is a new endpoint: the source, the plan, the documents and the tests follow from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..model import Kind, ObjectType
from .apis import OBJECT_APIS, Api


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """One table that is read whole, and loaded when its content differs from the last load's."""

    columns: Mapping[str, Kind]
    """A column takes HubSpot's member of the same name in camel case."""
    key: tuple[str, ...]
    """Columns that identify a row; never null."""
    scope: str | None = None
    """Rows of one value of this column are replaced at a time; the whole table where None."""
    member: str = ""
    """The list within a row of the endpoint's first table that has the rows of this one."""
    parent: Mapping[str, str] | None = None
    """Columns that take a member of the row around that list."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint and the tables that its answers fill.

    It answers GET with a list `results`, and the cursor of the next page in `paging.next.after` if
    there is one. What takes more than that has a reader of its own.
    """

    api: Api
    tables: Mapping[str, ReferenceTable]
    """The first one has the objects in `results`, and the name of the endpoint."""
    per: Literal["", "object type", "pair"] = ""
    """What it is asked for, one by one; its tables have a scope then. Else: the portal."""
    applies: Callable[[ObjectType], bool] = lambda _kind: True
    """Which object types have it."""
    passes: tuple[Mapping[str, str], ...] = ({},)
    """Query parameters; the rows of several passes are those of one table."""
    is_paged: bool = False
    """Whether it may take several pages, so that how many is known only once it is read."""
    in_every_load: bool = False
    """Whether each load of a run reads it, for it says what the load's columns are."""
    has_own_reader: bool = False
    """Whether the source reads it with a function of its own (`READERS` in `source.py`)."""
    scopes: tuple[str, ...] = ()
    """Scopes of a token, any of which allows to read it; none where every token may."""


ENDPOINTS: dict[str, Endpoint] = {
    "account": Endpoint(
        api=Api(
            "/account-info/v3/details",
            "/account-info/{version}/details",
            "reference",
        ),
        tables={
            "account": ReferenceTable(
                columns={
                    "portal_id": "integer",
                    "account_type": "text",
                    "time_zone": "text",
                    "company_currency": "text",
                    "additional_currencies": "text",
                    "utc_offset": "text",
                    "utc_offset_milliseconds": "integer",
                    "ui_domain": "text",
                    "data_hosting_location": "text",
                },
                key=("portal_id",),
            ),
        },
        has_own_reader=True,
    ),
    "object_types": Endpoint(
        api=Api(
            "/crm-object-schemas/v3/schemas",
            "/crm-object-schemas/{version}/schemas",
            "reference",
        ),
        tables={
            "object_types": ReferenceTable(
                columns={
                    "table_name": "text",
                    "object_type_id": "text",
                    "name": "text",
                    "fully_qualified_name": "text",
                    "singular_label": "text",
                    "plural_label": "text",
                    "custom": "bool",
                    "created_at": "timestamp",
                    "updated_at": "timestamp",
                },
                key=("table_name",),
            ),
        },
        scopes=("crm.schemas.custom.read", "crm.objects.custom.read"),
        has_own_reader=True,
    ),
    "owners": Endpoint(
        api=Api(
            "/crm/v3/owners",
            "/crm/owners/{version}",
            "reference",
        ),
        tables={
            "owners": ReferenceTable(
                columns={
                    "id": "text",
                    "email": "text",
                    "type": "text",
                    "first_name": "text",
                    "last_name": "text",
                    "user_id": "integer",
                    "user_id_including_inactive": "integer",
                    "archived": "bool",
                    "teams": "text",
                    "created_at": "timestamp",
                    "updated_at": "timestamp",
                },
                key=("id",),
            ),
        },
        passes=({"limit": "100", "archived": "false"}, {"limit": "100", "archived": "true"}),
        is_paged=True,
        scopes=("crm.objects.owners.read", "automation"),
    ),
    "pipelines": Endpoint(
        api=Api(
            "/crm/v3/pipelines",
            "/crm/pipelines/{version}",
            "reference",
        ),
        tables={
            "pipelines": ReferenceTable(
                columns={
                    "object_type": "text",
                    "id": "text",
                    "label": "text",
                    "display_order": "integer",
                    "archived": "bool",
                    "created_at": "timestamp",
                    "updated_at": "timestamp",
                },
                key=("object_type", "id"),
                scope="object_type",
            ),
            "pipeline_stages": ReferenceTable(
                columns={
                    "object_type": "text",
                    "pipeline_id": "text",
                    "id": "text",
                    "label": "text",
                    "display_order": "integer",
                    "metadata": "text",
                    "write_permissions": "text",
                    "archived": "bool",
                    "created_at": "timestamp",
                    "updated_at": "timestamp",
                },
                key=("object_type", "pipeline_id", "id"),
                scope="object_type",
                member="stages",
                parent={"pipeline_id": "id"},
            ),
        },
        per="object type",
        applies=lambda kind: kind.pipelines,
        scopes=("crm.objects.<type>.read",),
    ),
    "properties": Endpoint(
        api=Api(
            "/crm/v3/properties",
            "/crm/properties/{version}",
            "definitions",
        ),
        tables={
            "properties": ReferenceTable(
                columns={
                    "object_type": "text",
                    "name": "text",
                    "label": "text",
                    "type": "text",
                    "field_type": "text",
                    "group_name": "text",
                    "description": "text",
                    "calculated": "bool",
                    "has_unique_value": "bool",
                    "hidden": "bool",
                    "hubspot_defined": "bool",
                    "external_options": "bool",
                    "referenced_object_type": "text",
                    "archived": "bool",
                },
                key=("object_type", "name"),
                scope="object_type",
            ),
            "property_options": ReferenceTable(
                columns={
                    "object_type": "text",
                    "property": "text",
                    "value": "text",
                    "label": "text",
                    "display_order": "integer",
                    "hidden": "bool",
                    "description": "text",
                },
                key=("object_type", "property", "value"),
                scope="object_type",
                member="options",
                parent={"property": "name"},
            ),
            "_hs_columns": ReferenceTable(
                columns={
                    "table_name": "text",
                    "property": "text",
                    "column_name": "text",
                    "hubspot_type": "text",
                    "label": "text",
                    "since_at": "timestamp",
                    "policy": "text",
                },
                key=("table_name", "property", "column_name"),
                scope="table_name",
            ),
        },
        per="object type",
        scopes=("crm.objects.<type>.read", "crm.schemas.<type>.read"),
        in_every_load=True,
        has_own_reader=True,
    ),
    "association_labels": Endpoint(
        api=Api(
            "/crm/v4/associations/{segments}/labels",
            "/crm/associations/{version}/{segments}/labels",
            "labels",
            "associations",
        ),
        tables={
            "association_labels": ReferenceTable(
                columns={
                    "pair": "text",
                    "from_object_type": "text",
                    "to_object_type": "text",
                    "type_id": "integer",
                    "category": "text",
                    "label": "text",
                },
                key=("pair", "type_id"),
                scope="pair",
            ),
        },
        per="pair",
        scopes=("crm.objects.<type>.read",),
        has_own_reader=True,
    ),
}
"""Every endpoint that fills reference tables, by the name of its resource and of its API."""

REFERENCE: dict[str, ReferenceTable] = {
    name: table for endpoint in ENDPOINTS.values() for name, table in endpoint.tables.items()
}
"""Every reference table, by name."""

APIS: dict[str, Api] = OBJECT_APIS | {name: one.api for name, one in ENDPOINTS.items()}
"""Every API, by the name that callers use."""
