"""Lists (segments) of all object types."""

from .declaration import (
    EVERY_RUN,
    SIX_HOURS,
    Endpoint,
    Members,
    Parents,
    Table,
    after,
    body_offset,
)

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
    Endpoint(
        "list_memberships",
        group=GROUP,
        numbered="/crm/v3/lists/{list_id}/memberships/join-order",
        dated="/crm/lists/{version}/{list_id}/memberships/join-order",
        paging=after(250),
        read=Members(),
        per=Parents("lists", {"list_id": "list_id"}),
        due=SIX_HOURS,
        scopes=("crm.lists.read",),
        tables=(
            Table(
                "list_memberships",
                "list_id, record_id",
                "list_id = @list_id, record_id text:record, object_type_id = @object_type_id,"
                " membership_timestamp timestamp, first_seen_at timestamp, removed_at timestamp",
            ),
        ),
    ),
)
