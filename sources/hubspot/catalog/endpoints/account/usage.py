"""How much of the portal's limits is used, day by day, and which object types are on."""

from functools import partial

from ..declaration import DAY, Endpoint, Snapshot

USAGE = "usage"
_LIMITS, _LIMITS_DATED = "/crm/v3/limits", "/crm/limits/{version}"
_SCOPES = ("crm.objects.<type>.read",)
_SHARE = "limit integer, usage integer, percentage double"
_TYPE = "snapshot_date date = @today, object_type_id, singular_label, plural_label"
_BY_KIND = (
    f"{_TYPE}, is_custom bool = ?customObjectTypes.byObjectType, {_SHARE},"
    " custom_overall_limit integer = ^customObjectTypes.overallLimit,"
    " custom_overall_usage integer = ^customObjectTypes.overallUsage,"
    " custom_overall_percentage double = ^customObjectTypes.overallPercentage"
)
_OVERALL = (
    f"{_TYPE}, {_SHARE}, overall_limit integer = ^overallLimit,"
    " overall_usage integer = ^overallUsage, overall_percentage double = ^overallPercentage"
)


_daily = partial(Endpoint, group=USAGE, read=Snapshot(), due=DAY, scopes=_SCOPES)


def _by_type(name: str, tail: str, columns: str, items: str) -> Endpoint:
    return _daily(
        name,
        numbered=_LIMITS + tail,
        dated=_LIMITS_DATED + tail,
        rows=".",
        key="snapshot_date, object_type_id",
        columns=columns,
        items=items,
        about="an object type on a day, with how many it may have and has",
    )


_BOTH = "hubspotDefinedObjectTypes | customObjectTypes.byObjectType"
ENDPOINTS = (
    Endpoint(
        "api_usage_daily",
        group=USAGE,
        numbered="/account-info/v3/api-usage/daily/private-apps",
        dated="/account-info/{version}/api-usage/daily/private-apps",
        read=Snapshot(),
        key="name, date",
        columns="name, date date = @today, usage_limit integer, current_usage integer,"
        " collected_at, resets_at, fetch_status",
        about="a day's calls of a private app",
    ),
    _by_type("limits_records", "/records", _BY_KIND, _BOTH),
    _by_type("limits_custom_properties", "/custom-properties", _OVERALL, "byObjectType"),
    _by_type("limits_calculated_properties", "/calculated-properties", _OVERALL, "byObjectType"),
    _daily(
        "limits_custom_object_types",
        numbered=f"{_LIMITS}/custom-object-types",
        dated=f"{_LIMITS_DATED}/custom-object-types",
        rows=".",
        scopes=("crm.schemas.custom.read", "crm.objects.custom.read"),
        key="snapshot_date",
        columns=f"snapshot_date date = @today, {_SHARE}",
        about="how many custom object types there may be and are",
    ),
    _by_type("limits_pipelines", "/pipelines", _BY_KIND, _BOTH),
    _daily(
        "limits_association_labels",
        numbered=f"{_LIMITS}/associations/labels",
        dated=f"{_LIMITS_DATED}/associations/labels",
        key="snapshot_date, from_object_type_id, to_object_type_id",
        columns="snapshot_date date = @today, from_object_type_id = fromObjectType.objectTypeId,"
        f" to_object_type_id = toObjectType.objectTypeId, {_SHARE}, all_labels json",
        about="two object types, with how many labels their links may have and have",
    ),
    _daily(
        "limits_association_records",
        numbered=f"{_LIMITS}/associations/records/from",
        dated=f"{_LIMITS_DATED}/associations/records/from",
        key="snapshot_date, object_type_id",
        columns=f"{_TYPE}, has_records_at_limit bool, has_records_near_limit bool",
        about="an object type whose records are near their limit of links",
    ),
    Endpoint(
        "object_enablement",
        group=USAGE,
        numbered="/crm/v3/object-library/enablement",
        dated="/crm/object-library/{version}/enablement",
        rows=".",
        due=DAY,
        scopes=_SCOPES,
        key="object_type_id",
        columns="object_type_id = .key, enabled bool = .",
        items="enablementByObjectTypeId{}",
        about="an object type that can be switched on, and whether it is",
    ),
)
