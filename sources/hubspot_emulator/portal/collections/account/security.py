"""Who did what: the audit log, logins and security activity of the account."""

from ....clock import to_ms
from ..asking import Ask
from ..endpoint import Endpoint, after
from ..kind import Keep, Kind, Row
from ..seeding import HOUR_MS, Seeds

ACTIVITY = "/account-info/(v3|~)/activity"
SCOPE = "account-info.security.read"
ACTIONS = ("CREATE", "UPDATE", "DELETE", "ARCHIVE")
SECURITY = (
    "ADD_USER", "DEACTIVATE_USER", "CHANGE_PASSWORD", "CONTACT_DATA_EXPORT", "ADD_SINGLE_SIGN_ON",
)  # fmt: skip
PLACE: Row = {"ipAddress": "198.51.100.7", "location": "Berlin", "countryCode": "DE",
              "regionCode": "BE"}  # fmt: skip
EVENTS = 9


def _audit(seeds: Seeds, number: int) -> Row:
    owner = seeds.owner(number)
    return {
        "id": f"a{number + 1}",
        "occurredAt": seeds.event("audit_logs", number, EVENTS),
        "category": "CRM_OBJECT",
        "subCategory": "CONTACT",
        "action": ACTIONS[number % len(ACTIONS)],
        "targetObjectId": seeds.contact(number)[0],
        "actingUser": {"userId": owner["userId"], "userEmail": owner["email"]},
    }


def _login(seeds: Seeds, number: int) -> Row:
    owner = seeds.owner(number)
    return {
        "id": f"l{number + 1}",
        "loginAt": seeds.event("login_activity", number, EVENTS),
        "userId": owner["userId"],
        "email": owner["email"],
        "loginSucceeded": number % 4 != 3,  # noqa: PLR2004 - every fourth one mistypes
        "userAgent": "Mozilla/5.0",
        **PLACE,
    }


def _security(seeds: Seeds, number: int) -> Row:
    owner = seeds.owner(number)
    made: Row = {
        "id": f"s{number + 1}",
        "createdAt": seeds.event("security_activity", number, EVENTS),
        "type": SECURITY[number % len(SECURITY)],
        "userId": owner["userId"],
        "actingUser": owner["email"],
        "objectId": seeds.user(number + 1),
        **PLACE,
    }
    return {**made, "infoUrl": "https://app.example.com/settings"} if number % 2 else made


def _kept(ask: Ask) -> Keep:
    """Keep logins that are not older than 90 days."""
    oldest = ask.now_ms - 90 * 24 * HOUR_MS
    return lambda row: to_ms(row["loginAt"]) > oldest


KINDS = (
    Kind("audit_logs", _audit, EVENTS, time="occurredAt", required="id occurredAt"),
    Kind("login_activity", _login, EVENTS, time="loginAt", required="id loginAt"),
    Kind("security_activity", _security, EVENTS, time="createdAt", required="id createdAt type"),
)
ENDPOINTS = (
    Endpoint(
        collection="audit_logs", paths=f"{ACTIVITY}/audit-logs", paging=after(), scopes=SCOPE,
        product="audit", query="fillFinalTimestamp", sorts="occurredAt", order="occurredAt",
        filters="occurredAfter>=occurredAt@iso occurredBefore<=occurredAt@iso "
                "actingUserId=actingUser.userId",
    ),
    Endpoint(collection="login_activity", paths=f"{ACTIVITY}/login", paging=after(100, 200),
             scopes=SCOPE, filters="userId=userId", order="-loginAt", keep=_kept),
    Endpoint(
        collection="security_activity", paths=f"{ACTIVITY}/security", paging=after(),
        scopes=SCOPE, order="-createdAt",
        filters="userId=userId fromTimestamp>=createdAt@ms toTimestamp<=createdAt@ms",
    ),
)  # fmt: skip
