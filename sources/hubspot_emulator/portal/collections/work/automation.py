"""Workflows with their details, e-mails and numbers; sequences and enrolments."""

from typing import Any

from ....clock import iso
from ..asking import Ask, not_found
from ..endpoint import Batch, Endpoint, Paging, after, one_of
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import Seeds, guid

FLOWS = "/automation/(v4|2026-09-beta)/flows"
SEQUENCES = "/automation/(v4/sequences|sequences/2026-03)"
SEQUENCE_SCOPE: dict[str, Any] = {"scopes": "automation.sequences.read", "product": "sequences"}
SHORT = ("id", "name", "isEnabled", "flowType", "objectTypeId", "revisionId", "createdAt",
         "updatedAt", "uuid")  # fmt: skip
BUCKETS = ("DAY", "WEEK", "MONTH")


def _flow(seeds: Seeds, number: int) -> Row:
    contacts = number % 2 == 0
    return {
        "id": str(12 + number),
        "name": f"Workflow {number}",
        "isEnabled": number % 3 != 2,  # noqa: PLR2004 - the third one is switched off
        "flowType": "WORKFLOW",
        "objectTypeId": "0-1" if contacts else "0-3",
        "revisionId": str(7 + number),
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "uuid": guid(f"flow {number}"),
        "type": "CONTACT_FLOW" if contacts else "PLATFORM_FLOW",
        "startActionId": "1",
        "nextAvailableActionId": "3",
        "actions": [
            {"actionId": "1", "actionTypeId": "0-4", "actionTypeVersion": 0,
             "type": "SINGLE_CONNECTION",
             "fields": {"content_id": str(6_001 + number)},
             "connection": {"edgeType": "STANDARD", "nextActionId": "2"}},
            {"actionId": "2", "actionTypeId": "0-1", "actionTypeVersion": 0,
             "type": "SINGLE_CONNECTION",
             "fields": {"delta": "1440", "time_unit": "MINUTES"}},
        ],
        "enrollmentCriteria": {"shouldReEnroll": False, "type": "LIST_BASED"},
        "blockedDates": [],
        "timeWindows": [],
        "customProperties": {},
        "canEnrollFromSalesforce": False,
        **({"suppressionListIds": [19]} if contacts else {}),
    }  # fmt: skip


def _short(_: Ask, row: Row) -> Row:
    return {name: value for name, value in row.items() if name in SHORT or not _is_known(name)}


def _is_known(name: str) -> bool:
    """Return whether a member is one of a workflow's details."""
    return name in (
        "type", "startActionId", "nextAvailableActionId", "actions", "enrollmentCriteria",
        "blockedDates", "timeWindows", "customProperties", "canEnrollFromSalesforce",
        "suppressionListIds", "enrollmentSchedule", "suppressionFilterBranch", "goalFilterBranch",
        "unEnrollmentSetting", "dataSources", "description", "crmObjectCreationStatus",
    )  # fmt: skip


def _check_flow_inputs(ask: Ask) -> None:
    inputs = ask.body["inputs"]
    if any(one.get("type") != "FLOW_ID" for one in inputs):
        raise refuse("Every input needs the type FLOW_ID")
    if not all(isinstance(one.get("flowId"), str) for one in inputs):
        raise refuse("Every flowId is a text")


def _flow_email(_: Seeds, number: int) -> Row:
    return {
        "flowId": str(12 + number % 5),
        "emailCampaignId": str(55 + number),
        "emailContentId": str(6_001 + number),
    }


def _performance(ask: Ask) -> Row:
    if ask.one("bucketType") not in BUCKETS:
        raise refuse(f"bucketType must be one of {', '.join(BUCKETS)}")
    start, end = ask.instant("start", "ms") or 0, ask.instant("end", "ms") or 0
    days = range(start - start % 86_400_000, end, 86_400_000)
    rows = [
        {"bucket": iso(day)[:10], "series": series, "frequency": frequency}
        for day in days
        for series, frequency in (("enrolled", 5), ("unenrolled", 1))
    ]
    return {"results": rows}


# sequences


def _sequence(seeds: Seeds, number: int) -> Row:
    times = {"createdAt": seeds.made(number), "updatedAt": seeds.changed(number)}
    return {
        "id": str(131 + number),
        "name": f"Sequence {number}",
        "folderId": "9",
        "userId": seeds.user(number),
        **times,
        "_shared_with": [seeds.user(number + 1)],
        "_details": {
            "steps": [
                {"id": str(1_000 + number * 2), "stepOrder": 0, "actionType": "EMAIL",
                 "delayMillis": 0, **times,
                 "emailPattern": {"id": str(2_000 + number), "templateId": "77", **times}},
                {"id": str(1_001 + number * 2), "stepOrder": 1, "actionType": "TASK",
                 "delayMillis": 86_400_000, **times,
                 "taskPattern": {"id": str(3_000 + number), "taskType": "CALL",
                                 "taskPriority": "HIGH", **times}},
            ],
            "settings": {"id": str(4_000 + number), "eligibleFollowUpDays": "BUSINESS_DAYS",
                         "sellingStrategy": "LEAD_BASED", "sendWindowStartMinute": 480,
                         "sendWindowEndMinute": 1_080, "taskReminderMinute": 480,
                         "individualTaskRemindersEnabled": False, **times},
            "dependencies": [],
        },
    }  # fmt: skip


def _of_user(ask: Ask) -> Keep:
    user = ask.one("userId")
    return lambda row: user in (row["userId"], *row.get("_shared_with", ()))


def _known_user(ask: Ask) -> None:
    user = ask.one("userId")
    if user and ask.collections["account_users"].find(user) is None:
        raise refuse(f"User {user} is not a user of this account")


def _details(_: Ask, row: Row) -> Row:
    return {**row, **row.get("_details", {})}


def _enrollment(seeds: Seeds, number: int) -> Row:
    contact, email = seeds.contact(number * 4)
    owner = seeds.owner(number)
    return {
        "_contact": contact,
        "id": str(7_700 + number),
        "toEmail": email,
        "enrolledAt": seeds.event("sequence_enrollments", number, 3),
        "enrolledBy": str(owner["userId"]),
        "enrolledByEmail": owner["email"],
        "sequenceId": str(131 + number % 3),
        "sequenceName": f"Sequence {number % 3}",
        "updatedAt": seeds.event("sequence_enrollments", number, 3),
    }


def _of_contact(ask: Ask) -> Row:
    row = ask.collections["sequence_enrollments"].find(ask.params["contact"])
    if row is None:
        raise not_found("The contact is in no sequence")
    return {name: value for name, value in row.items() if name[0] != "_"}


KINDS = (
    Kind("workflows", _flow, 5, touched="updatedAt", required="id isEnabled flowType"),
    Kind("workflow_email_campaigns", _flow_email, 5, key="flowId emailCampaignId"),
    Kind("sequences", _sequence, 3, touched="updatedAt", required="id name userId"),
    Kind("sequence_enrollments", _enrollment, 3, key="_contact", touched="updatedAt"),
)  # fmt: skip

_FLOWS = Endpoint(collection="workflows", paths=FLOWS, paging=after(), scopes="automation",
                  product="workflows", shape=_short)  # fmt: skip
_SEQUENCES = Endpoint(
    collection="sequences", paths=SEQUENCES, paging=after(total=True), query="userId! name",
    keep=_of_user, check=_known_user, **SEQUENCE_SCOPE,
)  # fmt: skip
ENDPOINTS = (
    _FLOWS,
    Endpoint(collection="workflows", name="batch_read", method="POST", body="inputs!",
             paths=f"{FLOWS}/batch/read", scopes="automation", product="workflows",
             check=_check_flow_inputs, batch=Batch(50, "flowId")),
    Endpoint(collection="workflow_email_campaigns", paths=f"{FLOWS}/email-campaigns",
             paging=Paging("after", 100, 100), query="before", filters="flowId=flowId",
             scopes="automation", product="workflows", order="emailCampaignId"),
    Endpoint(collection="workflows", name="performance", parent="workflows",
             paths="/automation/v4/flows/performance/{parent}", query="start! end! bucketType!",
             scopes="automation", product="workflows", answer=_performance),
    one_of(Endpoint(collection="workflows", paths=FLOWS, scopes="automation",
                    product="workflows")),
    _SEQUENCES,
    one_of(_SEQUENCES, query="userId!", shape=_details),
    Endpoint(collection="sequence_enrollments", name="of_contact", answer=_of_contact,
             paths=SEQUENCES + "/enrollments/contact/{contact}", **SEQUENCE_SCOPE),
)  # fmt: skip
