"""The one handler of every declared endpoint: what it refuses, and how it answers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from ...portal.collections.asking import Ask, not_found
from ...portal.collections.endpoint import Endpoint, expand, filters
from ...portal.collections.refusal import Refusal
from ...portal.collections.registry import ENDPOINTS
from ..call import Call, Reply, Route
from ..errors import ApiError, invalid
from . import rows

_PARAMETERS = {"after": "limit after", "text": "limit offset", "either": "limit after offset"}


def answer(endpoint: Endpoint, call: Call) -> Reply:
    """Answer one call of an endpoint."""
    call.need(*endpoint.scopes.split())
    _need_product(endpoint, call)
    _need_parameters(endpoint, call)
    portal = call.portal
    ask = Ask(call.params, call.repeated, call.body, portal.collections, portal.contents,
              portal.settings, call.token.scopes, portal.clock.now_ms())  # fmt: skip
    try:
        ask = _with_parent(endpoint, ask)
        if endpoint.check is not None:
            endpoint.check(ask)
        if endpoint.answer is not None:
            return Reply(endpoint.answer(ask))
        return _reader(endpoint)(endpoint, ask)
    except Refusal as refusal:
        details = dict(refusal.details)
        raise ApiError(refusal.status, refusal.category, refusal.message, details) from refusal


def _reader(endpoint: Endpoint) -> Callable[[Endpoint, Ask], Reply]:
    if endpoint.single:
        return rows.single
    return rows.listed if endpoint.batch is None else rows.batch


def _need_product(endpoint: Endpoint, call: Call) -> None:
    """Refuse a call to what the portal does not have."""
    absent = call.portal.settings.absent
    status = absent.get(endpoint.collection) or absent.get(endpoint.product)
    if status is None:
        return
    if status == HTTPStatus.NOT_FOUND:
        raise ApiError(status, "OBJECT_NOT_FOUND", "resource not found")
    name = (endpoint.product or endpoint.collection).replace("_", " ")
    category = "VALIDATION_ERROR" if status == HTTPStatus.BAD_REQUEST else "FORBIDDEN"
    raise ApiError(status, category, f"This account's subscription tier does not include {name}")


def _need_parameters(endpoint: Endpoint, call: Call) -> None:
    for name in endpoint.query.split():
        if name.endswith("!") and not call.query.get(name[:-1]):
            raise invalid(f"The query parameter {name[:-1]} is required")


def _with_parent(endpoint: Endpoint, ask: Ask) -> Ask:
    """Return the request with the key of its parent; children of what is gone get 404."""
    parent = ask.params.get("parent")
    name = endpoint.parent or ask.collections[endpoint.collection].kind.parent
    if parent is None or not name:
        return ask
    key = ask.collections[name].resolve(parent)
    if key is None:
        raise not_found(f"{name} has no {parent}")
    return replace(ask, params={**ask.params, "parent": key})


def _route(endpoint: Endpoint) -> Route:
    known = " ".join(
        (
            _PARAMETERS.get(endpoint.paging.kind, ""),
            endpoint.query.replace("!", ""),
            "sort" if endpoint.sorts and endpoint.body is None else "",
            "archived" if endpoint.archived else "",
        )
    )
    narrowing = () if endpoint.body is not None else filters(endpoint.filters)
    return Route(
        name=f"{endpoint.collection}.{endpoint.name}",
        method=endpoint.method,
        paths=tuple(expand(endpoint.paths)),
        handler=partial(answer, endpoint),
        query=frozenset((*known.split(), *(one.param for one in narrowing))),
        body=None if endpoint.body is None else tuple(endpoint.body.split()),
        bucket=endpoint.bucket,
    )


ROUTES: tuple[Route, ...] = tuple(
    sorted(map(_route, ENDPOINTS), key=lambda route: route.paths[0].count("{"))
)
