"""Where each API lives, in the numbered and in the dated form of paths, and its rate budget."""

from collections.abc import Sequence
from urllib.parse import quote

from .limits import Budget

# Per API: path with a version number, path with a date. `{version}` is the setting's date,
# `{segments}` what the caller names, at the end where the template has no place for it.
# Source: HubSpot's public specification collection, rollouts of 2026-03.
PATHS: dict[str, tuple[str, str]] = {
    "account_info": ("/account-info/v3", "/account-info/{version}"),
    "association_limits": (
        "/crm/associations/v4/definitions/configurations/all",
        "/crm/associations/{version}/definitions/configurations/all",
    ),
    "associations": ("/crm/v4/associations", "/crm/associations/{version}"),
    "exports": ("/crm/v3/exports", "/crm/exports/{version}"),
    "labels": (
        "/crm/v4/associations/{segments}/labels",
        "/crm/associations/{version}/{segments}/labels",
    ),
    "limits": ("/crm/v3/limits", "/crm/limits/{version}"),
    "lists": ("/crm/v3/lists", "/crm/lists/{version}"),
    "object_library": ("/crm/v3/object-library", "/crm/object-library/{version}"),
    "objects": ("/crm/v3/objects", "/crm/objects/{version}"),
    "owners": ("/crm/v3/owners", "/crm/owners/{version}"),
    "pipelines": ("/crm/v3/pipelines", "/crm/pipelines/{version}"),
    "properties": ("/crm/v3/properties", "/crm/properties/{version}"),
    "property_groups": (
        "/crm/v3/properties/{segments}/groups",
        "/crm/properties/{version}/{segments}/groups",
    ),
    "property_validations": (
        "/crm/v3/property-validations",
        "/crm/property-validations/{version}",
    ),
    # the associations of one record: type, id, "associations", other type
    "record_associations": ("/crm/v4/objects", "/crm/objects/{version}"),
    "schemas": ("/crm-object-schemas/v3/schemas", "/crm-object-schemas/{version}/schemas"),
    "users": ("/settings/v3/users", "/settings/users/{version}"),
}


def path_of(version: str, api: str, segments: Sequence[str]) -> str:
    """Return the path of a call: `("objects", ["contacts", "search"])` becomes a URL path.

    Args:
        version: a date such as `2026-03`, or `v3` for the numbered form.
        api: a key of `PATHS`; dashes and underscores are the same.
        segments: further parts, quoted here.
    """
    numbered, dated = PATHS[api.replace("-", "_")]
    template = numbered if version == "v3" else dated
    if "{segments}" not in template and segments:
        template += "/{segments}"
    quoted = "/".join(quote(segment, safe="") for segment in segments)
    return template.format(version=version, segments=quoted)


def budget_of(path: str) -> Budget:
    """Return which of HubSpot's budgets a path counts against."""
    if path.endswith("/search"):
        return "search"
    numbered, dated = "/crm/v4/associations/", "/crm/associations/"
    return "associations" if path.startswith((numbered, dated)) else "interval"
