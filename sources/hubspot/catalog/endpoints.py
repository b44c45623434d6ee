"""The endpoints of reference tables as data: the tables that each fills, with columns and keys."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Kind


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """One table that is read whole, and loaded when its content differs from the last load's."""

    columns: Mapping[str, Kind]
    """A column takes HubSpot's member of the same name in camel case."""
    key: tuple[str, ...]
    """Columns that tell rows apart; never null."""
    scope: str | None = None
    """Rows of one value of this column are replaced at a time; the whole table where None."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint and the tables that its answers fill."""

    api: str
    """Where it lives: a key of `http.paths.PATHS`."""
    tables: tuple[str, ...]
    per: str = ""
    """What it is asked once for: `object type` or `pair`; once a portal where empty."""


REFERENCE: dict[str, ReferenceTable] = {
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
    ),
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
    ),
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
    "_hs_columns": ReferenceTable(
        columns={
            "table_name": "text",
            "property": "text",
            "column_name": "text",
            "hubspot_type": "text",
            "label": "text",
            "since_at": "timestamp",
        },
        key=("table_name", "property", "column_name"),
        scope="table_name",
    ),
}
"""Every reference table, by name."""

ENDPOINTS: dict[str, Endpoint] = {
    "account": Endpoint("account_info", ("account",)),
    "object_types": Endpoint("schemas", ("object_types",)),
    "owners": Endpoint("owners", ("owners",)),
    "pipelines": Endpoint("pipelines", ("pipelines", "pipeline_stages"), per="object type"),
    "properties": Endpoint(
        "properties", ("properties", "property_options", "_hs_columns"), per="object type"
    ),
    "association_labels": Endpoint("labels", ("association_labels",), per="pair"),
}
"""Every endpoint that fills reference tables, by the name of its resource."""
