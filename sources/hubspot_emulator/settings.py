"""What a portal's owner, plan and test may set; changed while the portal runs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - the public token of a portal that holds made-up data

ANOMALIES = (
    "search_unsorted", "search_outside", "repeated_ids", "empty_pages", "short_pages",
    "scattered_ids", "opaque_cursors",
)  # fmt: skip


@dataclass
class Limits:
    """The rate budgets of a portal: calls per window, each counted apart."""

    interval: int = 100
    interval_ms: int = 10_000
    search: int = 5
    search_ms: int = 1_000
    associations: int = 100
    associations_ms: int = 10_000
    daily: int = 250_000


@dataclass
class Token:
    """What an access token may do; `scopes` of None means everything.

    `daily_headers` is False for OAuth tokens, whose answers carry no daily headers.
    """

    scopes: frozenset[str] | None = None
    expires_at_ms: int | None = None
    daily_headers: bool = True


@dataclass
class Settings:
    """The portal's switches.

    `exemptions`: whether searches and association calls are exempt from the interval, as HubSpot
    specifies. `search_lag_ms`: age at which a change shows in search.
    `association_page_size`: links per record in one response. `url_limit`: characters of path and
    query. `latency_ms`: added to each response. `retry_after`: whether a 429 says how long to wait.
    `journal_limit`: requests kept, 0 for none. `link_version`: the API version that
    `paging.next.link` names. `anomalies`: names
    out of `ANOMALIES`. `one_way`: pairs of types, from and to, whose links cannot be read.
    `archived_ends`: whether links name archived records, too.
    `exports_per_day`: in 24 hours. `export_polls`: status calls before an export ends.
    `export_end`: the status it ends with. `export_rows_per_file`, `export_zip_bytes`: beyond
    which there are several files, and a zip. `export_minutes`: instants without their seconds.
    `absent`: collections and products the portal lacks, with the status that says so. `join_order`:
    whether members of a list come `ascending` or `descending` by the time they joined.
    `graphql_points`: values that one GraphQL query may answer.
    `open_event_windows`: whether occurrences may be asked for without type or object.
    """

    limits: Limits | None = field(default_factory=Limits)
    exemptions: bool = True
    search_lag_ms: int = 0
    association_page_size: int = 500
    url_limit: int = 32_000
    latency_ms: float = 0
    retry_after: bool = False
    journal_limit: int = 5_000
    link_version: str = "v3"
    tokens: dict[str, Token] = field(default_factory=lambda: {DEFAULT_TOKEN: Token()})
    anomalies: Collection[str] = frozenset()
    one_way: Collection[tuple[str, str]] = ()
    archived_ends: bool = False
    exports_per_day: int = 30
    export_polls: int = 0
    export_end: str = "COMPLETE"
    export_rows_per_file: int = 1_000_000
    export_zip_bytes: int = 2_000_000
    export_minutes: bool = False
    absent: Mapping[str, int] = field(default_factory=dict)
    join_order: str = "ascending"
    graphql_points: int = 30_000
    open_event_windows: bool = False

    def __setattr__(self, name: str, value: object) -> None:
        """Keep a member; one whose misspelling would go unnoticed is checked first."""
        check = _CHECKS.get(name)
        super().__setattr__(name, check(value) if check else value)

    def change(self, members: Mapping[str, object]) -> None:
        """Set members from Python or JSON values; an unknown one raises ValueError."""
        for name, value in members.items():
            if name == "limits":
                self.limits = _to_limits(value)
            elif name == "tokens":
                given = cast("Mapping[str, object]", value)
                self.tokens = {secret: to_token(one) for secret, one in given.items()}
            elif name in self.__dataclass_fields__:
                setattr(self, name, value)
            else:
                raise ValueError(f"unknown setting {name!r}")


def _to_limits(value: object) -> Limits | None:
    """Return budgets from None or "off" (none), "on", or the numbers that differ."""
    if value is None or value == "off":
        return None
    if value == "on":
        return Limits()
    return value if isinstance(value, Limits) else Limits(**cast("dict[str, int]", value))


def to_token(value: object) -> Token:
    """Return a token from its JSON members."""
    if isinstance(value, Token):
        return value
    members = cast("dict[str, Any]", value)
    scopes = members.get("scopes")
    return Token(**{**members, "scopes": None if scopes is None else frozenset(scopes)})


def _to_anomalies(value: object) -> frozenset[str]:
    names = frozenset(cast("Collection[str]", value))
    unknown = names.difference(ANOMALIES)
    if unknown:
        raise ValueError(f"unknown anomalies {sorted(unknown)}; known: {', '.join(ANOMALIES)}")
    return names


def _to_pairs(value: object) -> tuple[tuple[str, str], ...]:
    pairs = tuple(tuple(one) for one in cast("Collection[Collection[str]]", value))
    if not all(len(pair) == len(("from", "to")) for pair in pairs):
        raise ValueError(f"one_way takes pairs of type names, not {value!r}")
    return cast("tuple[tuple[str, str], ...]", pairs)


_CHECKS: dict[str, Callable[[object], object]] = {
    "anomalies": _to_anomalies,
    "one_way": _to_pairs,
}
