"""The one table of endpoints: what is here is emulated, what is not answers 404."""

import re
from collections.abc import Callable, Iterator

from . import associations as a
from . import objects, properties, reference, schemas, search, writes
from .call import DATED, Call, Reply, Route

_VERSION = "|".join(DATED)
_READ = "properties propertiesWithHistory associations archived"
_SCHEMA = "archived includePropertyDefinitions includeAssociationDefinitions includeAuditMetadata"
_DEFINITION = ("label type fieldType groupName description options displayOrder hasUniqueValue "
               "hidden formField calculationFormula externalOptions referencedObjectType "
               "dataSensitivity numberDisplayHint currencyPropertyName showCurrencySymbol "
               "textDisplayHint")  # fmt: skip


def _route(
    name: str, method: str, paths: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route; `accepts` = query parameters, body members, rate bucket."""
    query, body, bucket = (*accepts, *("", "-", "interval")[len(accepts) :])
    return Route(
        name=name,
        method=method,
        paths=tuple(paths.split()),
        handler=handler,
        query=frozenset(query.split()),
        body=None if body == "-" else tuple(body.split()),
        bucket=bucket,
    )


def _forms(
    name: str, method: str, tail: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route under objects."""
    paths = f"/crm/v3/objects/{{type}}{tail} /crm/objects/{{version}}/{{type}}{tail}"
    return _route(name, method, paths, handler, *accepts)


def _pair(
    name: str, method: str, tail: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route under associations."""
    ends = f"{{from_type}}/{{to_type}}{tail}"
    paths = f"/crm/v4/associations/{ends} /crm/associations/{{version}}/{ends}"
    return _route(name, method, paths, handler, *accepts)


def _record_link(
    name: str, method: str, tail: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route under one record's associations."""
    ends = f"{{type}}/{{id}}/associations/{tail}"
    paths = f"/crm/v4/objects/{ends} /crm/objects/{{version}}/{ends}"
    return _route(name, method, paths, handler, *accepts)


def _property(
    name: str, method: str, tail: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route under properties."""
    paths = f"/crm/v3/properties/{{type}}{tail} /crm/properties/{{version}}/{{type}}{tail}"
    return _route(name, method, paths, handler, *accepts)


def _schema(
    name: str, method: str, tail: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route under schemas."""
    roots = "/crm-object-schemas/v3/schemas /crm/v3/schemas /crm-object-schemas/{version}/schemas"
    return _route(name, method, " ".join(r + tail for r in roots.split()), handler, *accepts)


def _pipeline(name: str, tail: str, handler: Callable[[Call], Reply]) -> Route:
    """Return a route under pipelines."""
    paths = f"/crm/v3/pipelines/{{type}}{tail} /crm/pipelines/{{version}}/{{type}}{tail}"
    return _route(name, "GET", paths, handler)


_SEARCH = "filterGroups filters sorts query properties limit after"

ROUTES: tuple[Route, ...] = (
    _forms("objects.list", "GET", "", objects.list_page, f"limit after {_READ}"),
    _forms("objects.batch_read", "POST", "/batch/read", objects.batch_read, "archived",
           "inputs! properties! propertiesWithHistory! idProperty"),
    _forms("objects.search", "POST", "/search", search.search, "", _SEARCH, "search"),
    _forms("objects.get", "GET", "/{id}", objects.get_one, f"idProperty {_READ}"),
    _forms("objects.create", "POST", "", writes.create, "",
           "properties! associations objectWriteTraceId"),
    _forms("objects.update", "PATCH", "/{id}", writes.update, "idProperty",
           "properties! objectWriteTraceId"),
    _forms("objects.archive", "DELETE", "/{id}", writes.archive),
    _forms("objects.batch_create", "POST", "/batch/create", writes.batch_create, "", "inputs!"),
    _forms("objects.batch_update", "POST", "/batch/update", writes.batch_update, "", "inputs!"),
    _forms("objects.batch_upsert", "POST", "/batch/upsert", writes.batch_upsert, "", "inputs!"),
    _forms("objects.batch_archive", "POST", "/batch/archive", writes.batch_archive, "", "inputs!"),
    _forms("objects.merge", "POST", "/merge", writes.merge, "",
           "primaryObjectId! objectIdToMerge!"),
    _forms("objects.gdpr_delete", "POST", "/gdpr-delete", writes.gdpr_delete, "",
           "objectId! idProperty"),
    _pair("associations.batch_read", "POST", "/batch/read", a.batch_read, "", "inputs!",
          "associations"),
    _pair("associations.labels", "GET", "/labels", a.labels, "", "-", "associations"),
    _pair("associations.create_label", "POST", "/labels", a.create_label, "",
          "label! name! inverseLabel", "associations"),
    _pair("associations.batch_create", "POST", "/batch/create", a.batch_create, "", "inputs!",
          "associations"),
    _pair("associations.batch_create_default", "POST", "/batch/associate/default",
          a.batch_create_default, "", "inputs!", "associations"),
    _pair("associations.batch_archive", "POST", "/batch/archive", a.batch_archive, "", "inputs!",
          "associations"),
    _pair("associations.batch_archive_labels", "POST", "/batch/labels/archive",
          a.batch_archive_labels, "", "inputs!", "associations"),
    _record_link("associations.of_record", "GET", "{to_type}", a.of_record, "limit after"),
    _record_link("associations.put", "PUT", "{to_type}/{to_id}", a.put_one, "", "[]"),
    _record_link("associations.delete", "DELETE", "{to_type}/{to_id}", a.delete_one),
    _property("properties.list", "GET", "", properties.list_all,
              "archived dataSensitivity locale properties"),
    _property("properties.groups", "GET", "/groups", properties.groups, "locale"),
    _property("properties.get", "GET", "/{name}", properties.get_one,
              "archived dataSensitivity locale properties"),
    _property("properties.batch_read", "POST", "/batch/read", properties.batch_read, "locale",
              "inputs! archived dataSensitivity"),
    _property("properties.create", "POST", "", properties.create, "",
              "name! " + _DEFINITION.replace("label type fieldType groupName",
                                             "label! type! fieldType! groupName!")),
    _property("properties.update", "PATCH", "/{name}", properties.update, "", _DEFINITION),
    _property("properties.archive", "DELETE", "/{name}", properties.archive),
    _schema("schemas.list", "GET", "", schemas.list_all, _SCHEMA),
    _schema("schemas.get", "GET", "/{type}", schemas.get_one, _SCHEMA),
    _schema("schemas.batch_read", "POST", "/batch/read", schemas.batch_read, "",
            "inputs! includePropertyDefinitions includeAssociationDefinitions "
            "includeAuditMetadata"),
    _schema("schemas.create", "POST", "", schemas.create, "",
            "name! labels! properties! requiredProperties! associatedObjects! description "
            "searchableProperties primaryDisplayProperty secondaryDisplayProperties "
            "allowsSensitiveProperties"),
    _pipeline("pipelines.list", "", reference.pipelines),
    _pipeline("pipelines.get", "/{pipeline_id}", reference.pipeline),
    _pipeline("pipelines.stages", "/{pipeline_id}/stages", reference.stages),
    _route("owners.list", "GET", "/crm/v3/owners /crm/owners/{version}", reference.owners,
           "limit after email archived"),
    _route("owners.get", "GET", "/crm/v3/owners/{id} /crm/owners/{version}/{id}",
           reference.owner, "idProperty archived"),
    _route("account.details", "GET",
           "/account-info/v3/details /account-info/{version}/details", reference.account),
    _route("account.usage", "GET",
           "/account-info/v3/api-usage/daily/private-apps "
           "/account-info/{version}/api-usage/daily/private-apps", reference.usage),
    _route("limits.records", "GET", "/crm/v3/limits/records /crm/limits/{version}/records",
           reference.record_limits),
    _route("library.enablement", "GET",
           "/crm/v3/object-library/enablement /crm/object-library/{version}/enablement",
           reference.enablement),
    _route("library.enablement_of", "GET",
           "/crm/v3/object-library/enablement/{type} "
           "/crm/object-library/{version}/enablement/{type}", reference.enablement_of),
    _route("tokens.introspect", "POST", "/oauth/v2/private-apps/get/access-token-info",
           reference.introspect, "", "tokenKey!", "free"),
)  # fmt: skip


class Matcher:
    """Finds the route of a request by method and number of path segments."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._known: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            for path in route.paths:
                key = (route.method, path.count("/"))
                self._known.setdefault(key, []).append((_compile(path), route))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and its path parameters, or None."""
        for pattern, route in self._known.get((method, path.count("/")), ()):
            match = pattern.fullmatch(path)
            if match:
                return route, match.groupdict()
        return None

    def methods(self, path: str) -> Iterator[str]:
        """Return the methods that a path answers."""
        for method, count in self._known:
            if count == path.count("/") and self.find(method, path):
                yield method


def _compile(path: str) -> re.Pattern[str]:
    pattern = path.replace("{version}", f"(?P<version>{_VERSION})")
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern))
