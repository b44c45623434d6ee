"""Lists (segments) of all object types."""

from datetime import timedelta

from .declaration import (
    DAY,
    EVERY_RUN,
    SIX_HOURS,
    Details,
    Endpoint,
    Fill,
    Members,
    Parents,
    Windows,
)
from .paging import after, body_offset

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
        paging=body_offset(500, order="sort"),
        details=Details("/search", "listIds", "listId", {"includeFilters": "true"}),
        due=EVERY_RUN,
        scopes=("crm.lists.read",),
        key="list_id",
        columns="list_id, name, object_type_id, processing_type, processing_status,"
        " list_version integer, size integer = size|additionalProperties.hs_list_size,"
        " created_at, updated_at, filters_updated_at, deleted_at timestamp:nonzero,"
        " created_by_id, updated_by_id, filter_branch json, list_permissions json,"
        " membership_settings json, folder_id",
        about="a list (segment) of records",
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
        key="list_id, record_id",
        columns="list_id = @list_id, record_id text:record, object_type_id = @object_type_id,"
        " membership_timestamp timestamp, first_seen_at, removed_at",
        about="a record that is, or was, in a list",
    ),
    Endpoint(
        "list_folders",
        group=GROUP,
        numbered="/crm/v3/lists/folders",
        dated="/crm/lists/{version}/folders",
        params={"folderId": "0"},
        rows="folder>childNodes",
        omitted="childLists",
        scopes=("crm.lists.read",),
        key="id",
        columns="id, name, parent_folder_id, user_id, created_at, updated_at",
        about="a folder of lists",
    ),
    Endpoint(
        "list_folder_lists",
        group=GROUP,
        numbered="/crm/v3/lists/folders",
        dated="/crm/lists/{version}/folders",
        rows="folder.childLists",
        per=Parents("list_folders", {"?folderId": "id"}),
        fills=Fill("lists", "folder_id", by="list_id"),
        scopes=("crm.lists.read",),
        key="folder_id, list_id",
        columns="folder_id = @folderId, list_id = .",
        about="a list in a folder",
    ),
    Endpoint(
        "list_size_history",
        group=GROUP,
        numbered="/crm/v3/lists/{list_id}/size-and-edits-history/between",
        dated="/crm/lists/{version}/{list_id}/size-and-edits-history/between",
        rows="sizeHistory",
        read=Windows(
            "timestamp",
            start="startDate",
            end="endDate",
            span=timedelta(days=90),
            lag=timedelta(),
            lookback=DAY,
        ),
        per=Parents("lists", {"list_id": "list_id"}),
        due=DAY,
        default=False,
        scopes=("crm.lists.read",),
        key="list_id, timestamp",
        columns="list_id = @list_id, timestamp timestamp, size integer",
        about="the size of a list at a time",
    ),
    Endpoint(
        "list_conversions",
        group=GROUP,
        numbered="/crm/v3/lists/{list_id}/schedule-conversion",
        dated="/crm/lists/{version}/{list_id}/schedule-conversion",
        rows=".",
        per=Parents("lists", {"list_id": "list_id"}),
        empty_on_404=True,
        due=DAY,
        default=False,
        scopes=("crm.lists.read",),
        key="list_id",
        columns="list_id = @list_id|listId, converted_at, requested_conversion_time json",
        about="a list that will be made static, or was",
    ),
)
