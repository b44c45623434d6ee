"""The path of a call, and which API a path belongs to."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import quote

from ..catalog.apis import Api, Budget
from ..catalog.endpoints import APIS


def path_of(version: str, api: str, segments: Sequence[str]) -> str:
    """Return the path of a call: `("objects", ["contacts"])` becomes a URL path.

    Args:
        version: a date such as `2026-03`, or `v3` for the numbered form.
        api: a key of `APIS`.
        segments: further parts, quoted here.
    """
    template = APIS[api].numbered if version == "v3" else APIS[api].dated
    if "{segments}" not in template and segments:
        template += "/{segments}"
    quoted = "/".join(quote(segment, safe="") for segment in segments)
    return template.format(version=version, segments=quoted)


def slotted_path(version: str, api: str, slots: Mapping[str, str]) -> str:
    """Return the path of a call to an API whose path has slots with names of their own."""
    template = APIS[api].numbered if version == "v3" else APIS[api].dated
    quoted = {name: quote(value, safe="") for name, value in slots.items()}
    return template.format(version=version, **quoted)


def api_of(path: str) -> Api | None:
    """Return the API that a path belongs to; None where it is none of the catalog.

    >>> api_of("/crm/objects/2026-03/contacts/search").family
    'searches'
    """
    return next((APIS[name] for name, pattern in patterns() if pattern.fullmatch(path)), None)


def budget_of(path: str) -> Budget:
    """Return which of HubSpot's budgets a path counts against."""
    api = api_of(path)
    return api.budget if api else "interval"


@cache
def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return what paths look like, those first that say most."""
    templates = [(name, path) for name, api in APIS.items() for path in (api.numbered, api.dated)]
    templates.sort(key=lambda one: -len(_SLOT.sub("", one[1])))
    return [(name, re.compile(_pattern(template))) for name, template in templates]


_SLOT = re.compile(r"{\w+}")


def _pattern(template: str) -> str:
    parts = [re.escape(part) for part in _SLOT.split(template)]
    found = [".+" if slot == "{segments}" else "[^/]+" for slot in _SLOT.findall(template)]
    pattern = "".join(part + slot for part, slot in zip(parts, [*found, ""], strict=True))
    return pattern if "{segments}" in template else f"{pattern}(/.*)?"
