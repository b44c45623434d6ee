"""The one table of endpoints: what is here is emulated, what is not answers 404."""

import re
from collections.abc import Callable, Iterator

from ..handlers import properties, reference, schemas
from ..handlers.associations import reading as associations
from ..handlers.associations import writing as links
from ..handlers.call import DATED, Call, Reply, Route
from ..handlers.collections import answering
from ..handlers.exports import endpoints as exports
from ..handlers.graphql import endpoint as graphql
from ..handlers.records import objects, search, writes

# where each family of endpoints lies: the numbered form (or forms), then the dated one
ROOTS = {
    "objects": ("/crm/v3/objects/{type}", "/crm/objects/{version}/{type}"),
    "associations": ("/crm/v4/associations/{from_type}/{to_type}",
                     "/crm/associations/{version}/{from_type}/{to_type}"),
    "links": ("/crm/v4/objects/{type}/{id}/associations",
              "/crm/objects/{version}/{type}/{id}/associations"),
    "properties": ("/crm/v3/properties/{type}", "/crm/properties/{version}/{type}"),
    "schemas": ("/crm-object-schemas/v3/schemas", "/crm/v3/schemas",
                "/crm-object-schemas/{version}/schemas"),
    "pipelines": ("/crm/v3/pipelines/{type}", "/crm/pipelines/{version}/{type}"),
    "owners": ("/crm/v3/owners", "/crm/owners/{version}"),
    "account": ("/account-info/v3", "/account-info/{version}"),
    "limits": ("/crm/v3/limits", "/crm/limits/{version}"),
    "library": ("/crm/v3/object-library", "/crm/object-library/{version}"),
    "tokens": ("/oauth/v2/private-apps/get",),
    "exports": ("/crm/v3/exports/export", "/crm/exports/{version}/export"),
    "downloads": (exports.PREFIX,),
}  # fmt: skip
BUCKETS = {"associations": "associations", "tokens": "free", "downloads": "signed"}

_EXPORT = ("exportType! format! exportName! objectProperties! objectType! language! "
           "exportInternalValuesOptions! overrideAssociatedObjectsPerDefinitionPerRowLimit! "
           "associatedObjectType includeLabeledAssociations listId publicCrmSearchRequest "
           "includePrimaryDisplayPropertyForAssociatedObjects")  # fmt: skip

_VERSION = "|".join(DATED)
_READ = "properties propertiesWithHistory associations archived"
_SEARCH = "filterGroups filters sorts query properties limit after"
_SCHEMA = "archived includePropertyDefinitions includeAssociationDefinitions includeAuditMetadata"
_NEW_SCHEMA = ("name! labels! properties! requiredProperties! associatedObjects! description "
               "searchableProperties primaryDisplayProperty secondaryDisplayProperties "
               "allowsSensitiveProperties")  # fmt: skip
_DEFINITION = ("description options displayOrder hasUniqueValue hidden formField "
               "calculationFormula externalOptions referencedObjectType dataSensitivity "
               "numberDisplayHint currencyPropertyName showCurrencySymbol "
               "textDisplayHint")  # fmt: skip


def _route(
    name: str, method: str, tail: str, handler: Callable[[Call], Reply], *accepts: str
) -> Route:
    """Return a route; `accepts` = query parameters, then body members (`!` when required)."""
    family = name.split(".", maxsplit=1)[0]
    query, body = (*accepts, *("", "-")[len(accepts) :])
    return Route(
        name=name,
        method=method,
        paths=tuple(root + tail for root in ROOTS[family]),
        handler=handler,
        query=frozenset(query.split()),
        body=None if body == "-" else tuple(body.split()),
        bucket="search" if name == "objects.search" else BUCKETS.get(family, "interval"),
    )


ROUTES: tuple[Route, ...] = (
    _route("objects.list", "GET", "", objects.list_page, f"limit after {_READ}"),
    _route("objects.batch_read", "POST", "/batch/read", objects.batch_read, "archived",
           "inputs! properties! propertiesWithHistory! idProperty"),
    _route("objects.search", "POST", "/search", search.search, "", _SEARCH),
    _route("objects.get", "GET", "/{id}", objects.get_one, f"idProperty {_READ}"),
    _route("objects.create", "POST", "", writes.create, "",
           "properties! associations objectWriteTraceId"),
    _route("objects.update", "PATCH", "/{id}", writes.update, "idProperty",
           "properties! objectWriteTraceId"),
    _route("objects.archive", "DELETE", "/{id}", writes.archive),
    _route("objects.batch_create", "POST", "/batch/create", writes.batch_create, "", "inputs!"),
    _route("objects.batch_update", "POST", "/batch/update", writes.batch_update, "", "inputs!"),
    _route("objects.batch_upsert", "POST", "/batch/upsert", writes.batch_upsert, "", "inputs!"),
    _route("objects.batch_archive", "POST", "/batch/archive", writes.batch_archive, "", "inputs!"),
    _route("objects.merge", "POST", "/merge", writes.merge, "",
           "primaryObjectId! objectIdToMerge!"),
    _route("objects.gdpr_delete", "POST", "/gdpr-delete", writes.gdpr_delete, "",
           "objectId! idProperty"),
    _route("associations.batch_read", "POST", "/batch/read", associations.batch_read, "",
           "inputs!"),
    _route("associations.labels", "GET", "/labels", associations.labels),
    _route("associations.create_label", "POST", "/labels", links.create_label, "",
           "label! name! inverseLabel"),
    _route("associations.batch_create", "POST", "/batch/create", links.batch_create, "", "inputs!"),
    _route("associations.batch_create_default", "POST", "/batch/associate/default",
           links.batch_create_default, "", "inputs!"),
    _route("associations.batch_archive", "POST", "/batch/archive", links.batch_archive, "",
           "inputs!"),
    _route("associations.batch_archive_labels", "POST", "/batch/labels/archive",
           links.batch_archive_labels, "", "inputs!"),
    _route("links.of_record", "GET", "/{to_type}", associations.of_record, "limit after"),
    _route("links.put_default", "PUT", "/default/{to_type}/{to_id}", links.put_default),
    _route("links.put", "PUT", "/{to_type}/{to_id}", links.put_one, "", "[]"),
    _route("links.delete", "DELETE", "/{to_type}/{to_id}", links.delete_one),
    _route("properties.list", "GET", "", properties.list_all,
           "archived dataSensitivity locale properties"),
    _route("properties.groups", "GET", "/groups", properties.groups, "locale"),
    _route("properties.get", "GET", "/{name}", properties.get_one,
           "archived dataSensitivity locale properties"),
    _route("properties.batch_read", "POST", "/batch/read", properties.batch_read, "locale",
           "inputs! archived dataSensitivity"),
    _route("properties.create", "POST", "", properties.create, "",
           f"name! label! type! fieldType! groupName! {_DEFINITION}"),
    _route("properties.update", "PATCH", "/{name}", properties.update, "",
           f"label type fieldType groupName {_DEFINITION}"),
    _route("properties.archive", "DELETE", "/{name}", properties.archive),
    _route("schemas.list", "GET", "", schemas.list_all, _SCHEMA),
    _route("schemas.get", "GET", "/{type}", schemas.get_one, _SCHEMA),
    _route("schemas.batch_read", "POST", "/batch/read", schemas.batch_read, "",
           f"inputs! {_SCHEMA}"),
    _route("schemas.create", "POST", "", schemas.create, "", _NEW_SCHEMA),
    _route("schemas.delete", "DELETE", "/{type}", schemas.delete),
    _route("pipelines.list", "GET", "", reference.pipelines),
    _route("pipelines.get", "GET", "/{pipeline_id}", reference.pipeline),
    _route("pipelines.stages", "GET", "/{pipeline_id}/stages", reference.stages),
    _route("pipelines.stage", "GET", "/{pipeline_id}/stages/{stage_id}", reference.stage),
    _route("owners.list", "GET", "", reference.owners, "limit after email archived"),
    _route("owners.get", "GET", "/{id}", reference.owner, "idProperty archived"),
    _route("account.details", "GET", "/details", reference.account),
    _route("account.usage", "GET", "/api-usage/daily/private-apps", reference.usage),
    _route("limits.records", "GET", "/records", reference.record_limits),
    _route("library.enablement", "GET", "/enablement", reference.enablement),
    _route("library.enablement_of", "GET", "/enablement/{type}", reference.enablement_of),
    _route("tokens.introspect", "POST", "/access-token-info", reference.introspect, "",
           "tokenKey!"),
    _route("exports.start", "POST", "/async", exports.start, "", _EXPORT),
    _route("exports.status", "GET", "/async/tasks/{id}/status", exports.status),
    _route("exports.detail", "GET", "/{id}", exports.detail),
    _route("downloads.file", "GET", "/{id}/{signature}", exports.download),
    graphql.ROUTE,
)  # fmt: skip


class Matcher:
    """Finds the route of a request by method and number of path segments, the plainest first."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._known: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}
        pairs = [(path, route) for route in routes for path in route.paths]
        for path, route in sorted(pairs, key=lambda one: one[0].count("{")):
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


MATCHER = Matcher((*ROUTES, *answering.ROUTES))
