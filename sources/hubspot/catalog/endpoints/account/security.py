"""Who did what in the portal: audit log, logins, security activity."""

from datetime import timedelta
from functools import partial

from ..declaration import Endpoint, NewestFirst, Windows
from ..paging import after

SECURITY = "security"
_ACTIVITY, _ACTIVITY_DATED = "/account-info/v3/activity", "/account-info/{version}/activity"
_SCOPES = ("account-info.security.read",)
_PLACE = "ip_address, location, country_code, region_code"
_months = partial(
    Windows,
    span=timedelta(days=30),
    lag=timedelta(minutes=15),
    lookback=timedelta(hours=24),
    first=timedelta(days=365),
)

ENDPOINTS = (
    Endpoint(
        "audit_logs",
        group=SECURITY,
        numbered=f"{_ACTIVITY}/audit-logs",
        dated=f"{_ACTIVITY_DATED}/audit-logs",
        params={"sort": "occurredAt"},
        paging=after(100),
        read=_months("occurred_at", start="occurredAfter", end="occurredBefore"),
        scopes=_SCOPES,
        tier="Enterprise of any hub",
        key="id",
        columns="id, occurred_at, category, sub_category, action, target_object_id,"
        " acting_user_id = actingUser.userId, acting_user_email text:user = actingUser.userEmail",
        about="something that a user did in the portal",
    ),
    Endpoint(
        "login_activity",
        group=SECURITY,
        numbered=f"{_ACTIVITY}/login",
        dated=f"{_ACTIVITY_DATED}/login",
        paging=after(200),
        read=NewestFirst("login_at"),
        scopes=_SCOPES,
        key="id",
        columns=f"id, login_at, user_id, email text:user, login_succeeded bool, {_PLACE},"
        " user_agent",
        about="a login, or an attempt at one",
    ),
    Endpoint(
        "security_activity",
        group=SECURITY,
        numbered=f"{_ACTIVITY}/security",
        dated=f"{_ACTIVITY_DATED}/security",
        paging=after(100),
        read=_months("created_at", start="fromTimestamp", end="toTimestamp", form="ms"),
        scopes=_SCOPES,
        key="id",
        columns="id, created_at, type, user_id, acting_user text:user, object_id, info_url,"
        f" {_PLACE}",
        about="an act that matters for security, such as an export or a new token",
    ),
)
