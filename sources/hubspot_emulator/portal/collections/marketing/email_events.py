"""E-mail events, e-mail campaigns and subscription changes of the legacy API, newest first."""

from ..asking import Ask
from ..endpoint import Endpoint, Paging, one_of
from ..kind import Keep, Kind, Row
from ..seeding import MINUTE_MS, Seeds, guid

V1 = "/email/public/v1"
TEXT = Paging("text", 100, 1_000)
EVENTS, CHANGES = 40, 10
TYPES = (
    "PROCESSED", "SENT", "DELIVERED", "OPEN", "CLICK", "DROPPED", "DEFERRED", "BOUNCE", "UNBOUNCE",
    "STATUSCHANGE", "SPAMREPORT", "SUPPRESSED", "PRINT", "FORWARD",
)  # fmt: skip
DEVICE: Row = {
    "ipAddress": "198.51.100.7",
    "userAgent": "Mozilla/5.0",
    "deviceType": "COMPUTER",
    "browser": {"name": "Firefox", "family": "Firefox", "type": "Browser", "producer": "Mozilla",
                "producerUrl": "https://example.org", "url": "https://example.org/browser"},
    "location": {"country": "DE", "state": "BE", "city": "Berlin"},
}  # fmt: skip
_SENT: Row = {"subject": "News", "from": "Mia <mia@example.com>", "replyTo": ["mia@example.com"],
              "cc": [], "bcc": []}  # fmt: skip
MEMBERS: dict[str, Row] = {
    "SENT": _SENT,
    "DROPPED": {**_SENT, "dropReason": "BOUNCED_EARLIER", "dropMessage": "It bounced before"},
    "DELIVERED": {"response": "250 OK", "smtpId": None},
    "DEFERRED": {"response": "421 later", "attempt": 2},
    "BOUNCE": {"category": "UNKNOWN_USER", "response": "550 no such user", "status": "5.1.1"},
    "OPEN": {**DEVICE, "duration": 1_432},
    "CLICK": {**DEVICE, "url": "https://www.example.com/a", "referer": "https://mail.example.com",
              "linkId": 0},
    "PRINT": DEVICE,
    "FORWARD": DEVICE,
    "STATUSCHANGE": {"source": "SOURCE_RECIPIENT", "sourceId": "7", "requestedBy": "mia",
                     "portalSubscriptionStatus": "UNSUBSCRIBED", "bounced": False,
                     "subscriptions": [{"id": 88, "status": "UNSUBSCRIBED"}]},
    "SPAMREPORT": {"ipAddress": "198.51.100.7", "userAgent": "Mozilla/5.0"},
}  # fmt: skip


def _event(seeds: Seeds, number: int) -> Row:
    kind = TYPES[number % len(TYPES)]
    at = seeds.event_ms("email_events", number, EVENTS)
    made: Row = {"id": guid(f"event {number}"), "created": at}
    if kind == "UNBOUNCE":  # it has no type, nor the members that all others have
        return {**made, "recipient": seeds.contact(number)[1], "portalId": 1_234_567}
    campaign = 55 + number % max(1, seeds.size("email_campaigns", 8))
    return {
        **made,
        "type": kind,
        "recipient": seeds.contact(number)[1],
        "portalId": 1_234_567,
        "appId": 113,
        "appName": "Batch",
        "emailCampaignId": campaign,
        "emailCampaignGroupId": 9_000 + campaign,
        "sentBy": {"id": guid(f"sent {number // len(TYPES)}"), "created": at - MINUTE_MS},
        "filteredEvent": number % 9 == 4,  # noqa: PLR2004 - one event in nine comes from a bot
        **MEMBERS.get(kind, {}),
    }


def _not_filtered(ask: Ask) -> Keep | None:
    if not ask.flag("excludeFilteredEvents"):
        return None
    return lambda row: not row.get("filteredEvent")


def _campaign(seeds: Seeds, number: int) -> Row:
    return {
        "id": 55 + number,
        "appId": 113,
        "appName": "Batch",
        "lastUpdatedTime": seeds.made_ms(number) + MINUTE_MS,
        "_contentId": 6_001 + number,
        "_name": f"E-mail {number}",
        "_subject": f"News {number}",
        "_type": "BATCH_EMAIL",
        "_subType": "BATCH",
        "_numIncluded": 100 + number,
        "_numQueued": 100 + number,
        "_counters": {"sent": 100 + number * 7, "open": 50, "click": 10},
        "_lastProcessingFinishedAt": seeds.made_ms(number),
    }


def _campaign_details(_: Ask, row: Row) -> Row:
    own = {name.removeprefix("_"): value for name, value in row.items() if name != "_archived"}
    own.pop("lastUpdatedTime", None)
    return own


def _change(seeds: Seeds, number: int) -> Row:
    at = seeds.event_ms("email_subscription_changes", number, CHANGES)
    change: Row = {
        "changeType": "SUBSCRIPTION_STATUS" if number % 4 else "PORTAL_STATUS",
        "change": ("UNSUBSCRIBED", "SUBSCRIBED")[number % 2],
        "source": "SOURCE_RECIPIENT",
        "portalId": 1_234_567,
        "timestamp": at,
    }
    if number % 4:
        change["subscriptionId"] = 88 + number % 3
    if number % 3 == 0:
        change["causedByEvent"] = {"id": guid(f"event {number}"), "created": at}
    return {
        "timestamp": at,
        "recipient": seeds.contact(number)[1],
        "portalId": 1_234_567,
        "changes": [change] * (1 + number % 2),
    }


def _of_type(ask: Ask) -> Keep | None:
    wanted = ask.one("changeType")
    if not wanted:
        return None
    return lambda row: any(one["changeType"] == wanted for one in row.get("changes", ()))


KINDS = (
    Kind("email_events", _event, EVENTS, key="id created", time="created", required="id created"),
    Kind("email_campaigns", _campaign, 8, key="id", touched="lastUpdatedTime",
         required="id appId"),
    Kind("email_subscription_changes", _change, CHANGES, key="recipient timestamp",
         time="timestamp", required="recipient timestamp changes"),
)  # fmt: skip

_CAMPAIGNS = Endpoint(collection="email_campaigns", name="by_id", rows="campaigns", paging=TEXT,
                      paths=f"{V1}/campaigns/by-id", scopes="content", order="id")  # fmt: skip
_ALL = Endpoint(collection="email_campaigns", paths=f"{V1}/campaigns", scopes="content")
ENDPOINTS = (
    Endpoint(
        collection="email_events", paths=f"{V1}/events", paging=TEXT, rows="events",
        scopes="content", order="-created", query="excludeFilteredEvents", keep=_not_filtered,
        filters="startTimestamp>=created@ms endTimestamp<=created@ms eventType=type "
                "recipient=recipient campaignId=emailCampaignId appId=appId",
    ),
    _CAMPAIGNS,
    Endpoint(collection="email_campaigns", name="recent", rows="campaigns", paging=TEXT,
             paths=f"{V1}/campaigns", scopes="content", order="-lastUpdatedTime"),
    one_of(_ALL, query="appId", shape=_campaign_details),
    Endpoint(
        collection="email_subscription_changes", paths=f"{V1}/subscriptions/timeline",
        rows="timeline", paging=TEXT, scopes="content", order="-timestamp",
        query="changeType includeSnapshots", keep=_of_type,
        filters="startTimestamp>=timestamp@ms endTimestamp<=timestamp@ms recipient=recipient",
    ),
)  # fmt: skip
