"""Workflows, their actions, e-mails and numbers; sequences, their steps and enrolments."""

from datetime import timedelta
from functools import partial

from ..declaration import (
    DAY,
    EVERY_RUN,
    V4_SUNSET,
    Batches,
    Endpoint,
    Fill,
    Parents,
    Table,
    Windows,
)
from ..paging import after

GROUP = "automation"
FLOWS, BETA_FLOWS = "/automation/v4/flows", "/automation/2026-09-beta/flows"
SEQUENCES, DATED_SEQUENCES = "/automation/v4/sequences", "/automation/sequences/2026-03"
_workflows = partial(
    Endpoint, group=GROUP, scopes=("automation",), tier="any Hub Professional", sunset=V4_SUNSET
)
_sequences = partial(
    Endpoint,
    group=GROUP,
    scopes=("automation.sequences.read",),
    tier="Sales Hub or Service Hub Professional",
    sunset=V4_SUNSET,
)
ENDPOINTS = (
    _workflows(
        "workflows",
        numbered=FLOWS,
        dated=BETA_FLOWS,
        paging=after(100),
        due=EVERY_RUN,
        key="id",
        columns="id, name, enabled bool = isEnabled, flow_type, object_type_id, revision_id,"
        " uuid, created_at, updated_at, details json",
        about="a workflow",
    ),
    _workflows(
        "workflow_details",
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
            version="revision_id",
            all_every=DAY,
        ),
        due=EVERY_RUN,
        omitted="name isEnabled flowType objectTypeId uuid createdAt updatedAt",
        fills=Fill("workflows", "details", by="id", key="workflow_id"),
        key="workflow_id",
        columns="workflow_id = id, revision_id, type, description, start_action_id,"
        " next_available_action_id, enrollment_criteria json, enrollment_schedule json,"
        " un_enrollment_setting json, blocked_dates json, time_windows json,"
        " suppression_list_ids json, suppression_filter_branch json, goal_filter_branch json,"
        " data_sources json, custom_properties json, can_enroll_from_salesforce bool,"
        " crm_object_creation_status, details json = .",
        about="how a workflow enrols and what it does first",
        children=(
            Table(
                "workflow_actions",
                "workflow_id, action_id",
                "workflow_id = ^id, action_id, type, action_type_id,"
                " action_type_version integer, fields json, connection json",
                rows="actions",
                about="an action of a workflow",
            ),
        ),
    ),
    _workflows(
        "workflow_email_campaigns",
        numbered=f"{FLOWS}/email-campaigns",
        dated=f"{BETA_FLOWS}/email-campaigns",
        paging=after(100),
        key="workflow_id, email_campaign_id",
        columns="workflow_id = flowId, email_campaign_id, email_content_id",
        about="an e-mail campaign that a workflow sends",
    ),
    _workflows(
        "workflow_performance",
        path=f"{FLOWS}/performance/{{workflow_id}}",
        params={"bucketType": "DAY"},
        per=Parents("workflows", {"workflow_id": "id"}),
        read=Windows(
            "bucket",
            start="start",
            end="end",
            form="midnight",
            span=timedelta(days=90),
            lookback=timedelta(days=2),
            changing=True,
        ),
        due=DAY,
        default=False,
        key="workflow_id, bucket, series",
        columns="workflow_id = @workflow_id, bucket date, series, frequency integer",
        about="how often something happened in a workflow on a day",
    ),
    _sequences(
        "sequence_users",
        numbered=SEQUENCES,
        dated=DATED_SEQUENCES,
        paging=after(100),
        per=Parents("account_users", {"?userId": "id"}),
        key="sequence_id, user_id",
        columns="sequence_id = id, user_id = @userId",
        about="a user who can use a sequence",
        children=(
            Table(
                "sequences",
                "id",
                "id = ^id, name, folder_id, owner_user_id = userId, created_at, updated_at,"
                " settings json",
                rows=".",
                about="a sequence of sales e-mails and tasks",
            ),
        ),
    ),
    _sequences(
        "sequence_details",
        numbered=f"{SEQUENCES}/{{sequence_id}}",
        dated=f"{DATED_SEQUENCES}/{{sequence_id}}",
        rows=".",
        per=Parents(
            "sequences", {"sequence_id": "id", "?userId": "owner_user_id"}, changed="updated_at"
        ),
        omitted="id name folderId userId createdAt updatedAt",
        fills=Fill("sequences", "settings", by="id", key="sequence_id"),
        key="sequence_id",
        columns="sequence_id = @sequence_id, settings json, dependencies json",
        about="the settings of a sequence",
        children=(
            Table(
                "sequence_steps",
                "sequence_id, id",
                "sequence_id = @sequence_id, id, step_order integer, action_type,"
                " delay_millis integer, template_id = emailPattern.templateId, payload json = .",
                rows="steps",
                about="a step of a sequence",
            ),
        ),
    ),
    _sequences(
        "sequence_enrollments",
        numbered=f"{SEQUENCES}/enrollments/contact/{{contact_id}}",
        dated=f"{DATED_SEQUENCES}/enrollments/contact/{{contact_id}}",
        rows=".",
        per=Parents(
            "contacts",
            {"contact_id": "id", "sequence": "hs_latest_sequence_enrolled"},
            changed="_hs_updated_at",
            where="hs_latest_sequence_enrolled IS NOT NULL",
        ),
        empty_on_404=True,
        default=False,
        key="id",
        columns="id, contact_id text:contact = @contact_id, sequence_id, sequence_name,"
        " to_email text:email, enrolled_at, enrolled_by, enrolled_by_email text:user, updated_at",
        about="the last enrolment of a contact in a sequence",
    ),
)
