"""Lists (segments) of all object types."""

from .declaration import EVERY_RUN, Endpoint, Table, body_offset

GROUP = "lists"
ENDPOINTS = (
    Endpoint(
        "lists",
        group=GROUP,
        numbered="/crm/v3/lists/search",
        dated="/crm/lists/{version}/search",
        method="POST",
        body={
            "listIds": [],
            "processingTypes": [],
            "additionalProperties": ["hs_list_size"],
            "sort": "HS_LIST_ID",
        },
        rows="lists",
        paging=body_offset(500),
        due=EVERY_RUN,
        scopes=("crm.lists.read",),
        tables=(
            Table(
                "lists",
                "list_id",
                "list_id, name, object_type_id, processing_type, processing_status,"
                " list_version integer, size integer = size|additionalProperties.hs_list_size,"
                " created_at timestamp, updated_at timestamp, filters_updated_at timestamp,"
                " deleted_at timestamp, created_by_id, updated_by_id",
            ),
        ),
    ),
)
