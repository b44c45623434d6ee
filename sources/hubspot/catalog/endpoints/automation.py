"""Workflows, and their actions."""

from .declaration import EVERY_RUN, V4_SUNSET, Batches, Endpoint, Table, after

GROUP = "automation"
FLOWS, BETA_FLOWS = "/automation/v4/flows", "/automation/2026-09-beta/flows"
ENDPOINTS = (
    Endpoint(
        "workflows",
        group=GROUP,
        numbered=FLOWS,
        dated=BETA_FLOWS,
        paging=after(100),
        due=EVERY_RUN,
        scopes=("automation",),
        sunset=V4_SUNSET,
        tables=(
            Table(
                "workflows",
                "id",
                "id, name, is_enabled bool, flow_type, object_type_id, revision_id,"
                " created_at timestamp, updated_at timestamp",
            ),
        ),
    ),
    Endpoint(
        "workflow_details",
        group=GROUP,
        numbered=f"{FLOWS}/batch/read",
        dated=f"{BETA_FLOWS}/batch/read",
        method="POST",
        per=Batches(
            "workflows",
            "id",
            50,
            shape={"type": "FLOW_ID", "flowId": "@id"},
            match="workflow_id",
            changed="updated_at",
        ),
        due=EVERY_RUN,
        scopes=("automation",),
        sunset=V4_SUNSET,
        tables=(
            Table(
                "workflow_details",
                "workflow_id",
                "workflow_id = id, type, description, start_action_id, enrollment_criteria json,"
                " enrollment_schedule json, blocked_dates json, time_windows json,"
                " suppression_list_ids json, goal_filter_branch json",
            ),
            Table(
                "workflow_actions",
                "workflow_id, action_id",
                "workflow_id = ^id, action_id = actionId, type, action_type_id,"
                " action_type_version integer, fields json, connection json",
                rows="actions",
            ),
        ),
    ),
)
