"""One request on its way to a handler, and the response on its way back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..clock import iso
from ..portal.records.table import RecordTable
from ..portal.store import Portal
from ..settings import Token
from .checks import objects_of, whole_number
from .errors import ApiError, invalid, missing_scopes, not_found

DATED = ("2026-03", "2026-09")


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: its name, method, both path forms, and what a request may carry.

    `query` names the parameters it knows, `body` the members (with `!` when required), `bucket`
    the rate budget it counts against.
    """

    name: str
    method: str
    paths: tuple[str, ...]
    handler: Callable[["Call"], "Reply"]
    query: frozenset[str] = frozenset()
    body: tuple[str, ...] | None = None
    bucket: str = "interval"


@dataclass(slots=True)
class Reply:
    """A response: a status, and an object to send as JSON (None for no body)."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One request, its parts decoded."""

    portal: Portal
    route: Route
    params: dict[str, str]
    query: dict[str, str]
    body: Any
    token: Token
    version: str
    repeated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Every value of each parameter, in order; `query` has them joined by commas."""

    @property
    def dated(self) -> bool:
        """Return whether the path was of the date-based scheme."""
        return self.version in DATED

    def table(self, name: str | None = None, *, writing: bool = False) -> RecordTable:
        """Return the type that the path names, if the token may use it."""
        wanted = name or self.params["type"]
        found = self.portal.types.find(wanted)
        if found is None:
            raise invalid(f"Unable to infer object type from: {wanted}")
        self.need(found.write_scope if writing else found.scope, found.other_scope)
        self.need(found.second_scope)
        return self.portal.tables[found.type_id]

    def need(self, *scopes: str) -> None:
        """Refuse the call unless the token has one of `scopes`; empty ones do not count."""
        named = [scope for scope in scopes if scope]
        if named and self.token.scopes is not None and self.token.scopes.isdisjoint(named):
            raise missing_scopes(named)

    def allow(self, table: RecordTable, letters: str) -> None:
        """Refuse the call unless the type answers it; `letters` as in the catalog's ops."""
        if not set(letters).intersection(table.type.ops):
            raise ApiError(405, "METHOD_NOT_ALLOWED", f"{table.type.name} does not support this")

    def visible(self, table: RecordTable, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the properties among `names` whose values the token may read."""
        scopes = self.token.scopes
        if scopes is None:
            return names
        stem = table.type.scope.removesuffix(".read")
        kinds = ("sensitive", "highly_sensitive")
        hidden = {kind for kind in kinds if f"{stem}.{kind}.read.v2" not in scopes}
        known = table.definitions
        return tuple(
            n for n in names if n not in known or known[n]["dataSensitivity"] not in hidden
        )

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean parameter."""
        value = self.query.get(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise invalid(f"Invalid value for {name}: {value!r} is not a boolean")
        return value.lower() == "true"

    def number(self, name: str, default: int, most: int) -> int:
        """Return a whole-number parameter between 1 and `most`."""
        return whole_number(self.query.get(name, default), name, most)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a parameter that lists names, separated by commas or given repeatedly."""
        return split_names(self.query.get(name, ""))


@lru_cache(maxsize=256)
def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated parameter, dropping empty parts and repetitions."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def inputs(call: Call, most: int) -> list[dict[str, Any]]:
    """Return a batch's inputs, refusing more than `most`."""
    found = objects_of(call.body["inputs"], "inputs")
    if len(found) > most:
        raise invalid(
            f"The maximum number of inputs supported in a batch request is {most}. "
            "Please reduce the number of items and try again"
        )
    return found


def live_or_404(table: RecordTable, number: int, *, archived: bool = False) -> int:
    """Return the id of the record that `number` leads to, or answer 404."""
    survivor = table.survivor(number)
    if not table.has(survivor, archived=archived):
        raise not_found()
    return survivor


def batch_reply(
    call: Call, results: Sequence[Any], errors: list[dict[str, Any]], status: int = 200
) -> Reply:
    """Return a batch's answer: 207 when something went wrong, else `status`."""
    now = iso(call.portal.clock.now_ms())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    body |= {"startedAt": now, "completedAt": now}
    return Reply(body, 207 if errors else status)
