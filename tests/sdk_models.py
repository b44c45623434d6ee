"""What HubSpot's client of the dated paths knows of answers: the members of their objects."""

import re
from collections.abc import Iterable, Iterator, Sequence
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from sdk_methods import methods

from sources.hubspot.catalog.endpoints.declaration import Endpoint

VERSION = "2026-03"
Models = list[type[BaseModel] | None]
"""None stands for any object."""


def objects_of(client: Any, endpoint: Endpoint) -> Models:
    """Return what the objects of an endpoint's answers are; nothing where the client knows none."""
    path = re.sub(r"{\w+}", "7", endpoint.api.dated.replace("{version}", VERSION))
    matching = (one for one in methods("dated") if one.match(endpoint.method, path) is not None)
    method = next(matching, None)
    answer = get_type_hints(method.of(client))["return"] if method else NoneType
    if get_args(answer):  # a page of objects, or one of pages
        found = [*_models(get_args(answer)[0])]
        return under(found, ["results"]) or found
    wholes = [one for one in _models(answer) if one]
    if endpoint.rows == ".":
        return [*wholes]
    return under(wholes, [re.split(r"[|>.]", endpoint.rows)[0].strip()]) or []


def under(models: Iterable[type[BaseModel] | None], path: Sequence[str]) -> Models | None:
    """Return what is under a path within objects; None where none of them has it."""
    current: Models = [*models]
    for name in path:
        found = [_members(one).get(name) if one else Any for one in current]
        if not any(found):
            return None
        current = [inner for kind in found if kind for inner in _models(kind)] or [None]
    return current


def _members(model: type[BaseModel]) -> dict[str, Any]:
    return {one.alias or name: one.annotation for name, one in model.model_fields.items()}


def _models(kind: Any) -> Iterator[type[BaseModel] | None]:
    """Yield the classes of objects within a type: in unions, in lists; None for any other."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) is dict or kind is Any:
        yield None
    for one in get_args(kind) if get_origin(kind) is not dict else ():
        yield from _models(one)
