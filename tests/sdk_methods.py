"""The methods of HubSpot's two clients for Python that read, by the path that each one calls."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hubspot
import hubspot_sdk

_DATED, _NUMBERED = (Path(package.__path__[0]) for package in (hubspot_sdk, hubspot))
_CALL = {
    "dated": re.compile(
        r"self\._(?P<verb>get|post)(?:_api_list)?\(\s*(?:path_template\(\s*)?\"(?P<path>/[^\"]+)\""
    ),
    "numbered": re.compile(r"\.call_api\(\s*\"(?P<path>/[^\"]+)\",\s*\"(?P<verb>GET|POST)\""),
}
"""The line of a method that sends its request."""
_DEF = re.compile(r"^    def (?P<name>\w+)\(", re.MULTILINE)
_RENAMED = {"blog_authors_api": "author_api", "blog_tags_api": "tag_api"}
"""Modules that the client of the numbered paths shows under another name."""


def snake(name: str) -> str:
    """Return a name of HubSpot's as the clients write it: `listId` as `list_id`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@dataclass(frozen=True)
class Method:
    """One method of a client: where it is in it, the HTTP verb and the path."""

    place: tuple[str, ...]
    name: str
    verb: str
    path: str

    def match(self, verb: str, path: str) -> dict[str, str] | None:
        """Return the arguments with which it calls this path, None where it never does."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path.rstrip("/")))
        found = re.fullmatch(pattern, path) if verb == self.verb else None
        return {snake(key): value for key, value in found.groupdict().items()} if found else None

    def of(self, client: Any) -> Any:
        """Return it, bound to a client."""
        owner = client
        for part in self.place:
            owner = getattr(owner, _RENAMED.get(part, part))
        return getattr(owner, self.name)


@cache
def methods(client: str) -> tuple[Method, ...]:
    """Return what `dated` or `numbered` paths have; methods with fewer slots come first."""
    root = _DATED / "resources" if client == "dated" else _NUMBERED
    files = root.rglob("*.py") if client == "dated" else root.rglob("api/*_api.py")
    found = set(_found(root, files, _CALL[client]))
    return tuple(sorted(found, key=lambda one: (one.path.count("{"), one.path, one.name)))


def _found(root: Path, files: Iterable[Path], call: re.Pattern[str]) -> Iterator[Method]:
    for file in files:
        text = file.read_text(encoding="utf-8").partition("\nclass Async")[0]
        parts = [part for part in file.relative_to(root).with_suffix("").parts if part != "api"]
        place = tuple(parts[:-1] if parts[-2:-1] == parts[-1:] else parts)
        for one in call.finditer(text):
            name = [*_DEF.finditer(text, 0, one.start())][-1]["name"]
            yield Method(
                place, name.removesuffix("_with_http_info"), one["verb"].upper(), one["path"]
            )
