"""How much of the portal's limits is used, day by day, and which object types are on."""

from ..declaration import DAY, Endpoint, Snapshot, Table

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


def _limit(of: str, tail: str, table: Table, rows: str = ".") -> Endpoint:
    return Endpoint(
        of,
        group=USAGE,
        numbered=_LIMITS + tail,
        dated=_LIMITS_DATED + tail,
        rows=rows,
        read=Snapshot(),
        due=DAY,
        scopes=_SCOPES,
        tables=(table,),
    )


def _limit_by_type(of: str, tail: str, columns: str, rows: str) -> Endpoint:
    about = "an object type on a day, with how many it may have and has"
    key = "snapshot_date, object_type_id"
    return _limit(of, tail, Table(of, key, columns, about=about, rows=rows))


_BOTH = "hubspotDefinedObjectTypes | customObjectTypes.byObjectType"
ENDPOINTS = (
    Endpoint(
        "api_usage_daily",
        group=USAGE,
        numbered="/account-info/v3/api-usage/daily/private-apps",
        dated="/account-info/{version}/api-usage/daily/private-apps",
        read=Snapshot(),
        tables=(
            Table(
                "api_usage_daily",
                "name, date",
                "name, date date = @today, usage_limit integer, current_usage integer,"
                " collected_at timestamp, resets_at timestamp, fetch_status",
                about="a day's calls of a private app",
            ),
        ),
    ),
    _limit_by_type("limits_records", "/records", _BY_KIND, _BOTH),
    _limit_by_type("limits_custom_properties", "/custom-properties", _OVERALL, "byObjectType"),
    _limit_by_type(
        "limits_calculated_properties", "/calculated-properties", _OVERALL, "byObjectType"
    ),
    _limit(
        "limits_custom_object_types",
        "/custom-object-types",
        Table(
            "limits_custom_object_types",
            "snapshot_date",
            f"snapshot_date date = @today, {_SHARE}",
            about="how many custom object types there may be and are",
        ),
    ),
    _limit_by_type("limits_pipelines", "/pipelines", _BY_KIND, _BOTH),
    _limit(
        "limits_association_labels",
        "/associations/labels",
        Table(
            "limits_association_labels",
            "snapshot_date, from_object_type_id, to_object_type_id",
            "snapshot_date date = @today, from_object_type_id = fromObjectType.objectTypeId,"
            f" to_object_type_id = toObjectType.objectTypeId, {_SHARE}, all_labels json",
            about="two object types, with how many labels their links may have and have",
        ),
        "results",
    ),
    _limit(
        "limits_association_records",
        "/associations/records/from",
        Table(
            "limits_association_records",
            "snapshot_date, object_type_id",
            _TYPE,
            about="an object type whose records are near their limit of links",
        ),
        "results",
    ),
    Endpoint(
        "object_enablement",
        group=USAGE,
        numbered="/crm/v3/object-library/enablement",
        dated="/crm/object-library/{version}/enablement",
        rows=".",
        due=DAY,
        scopes=_SCOPES,
        tables=(
            Table(
                "object_enablement",
                "object_type_id",
                "object_type_id = .key, enabled bool = .",
                rows="enablementByObjectTypeId{}",
                about="an object type that can be switched on, and whether it is",
            ),
        ),
    ),
)
