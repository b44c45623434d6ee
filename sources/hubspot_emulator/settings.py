"""What a portal's owner, plan and test may set; changed while the portal runs."""

from dataclasses import dataclass, field

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - the public token of a portal that holds made-up data


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
    """What an access token may do; `scopes` of None means everything."""

    scopes: frozenset[str] | None = None
    expires_at_ms: int | None = None
    kind: str = "private-app"


@dataclass
class Settings:
    """The portal's switches.

    `search_lag_ms`: age at which a change shows in search. `association_page_size`: links per
    record in one answer. `url_limit`: characters of path and query. `latency_ms`: added to every
    answer. `retry_after`: whether a 429 says how long to wait. `journal_limit`: requests kept, 0
    for none. `link_version`: the API version that `paging.next.link` names.
    """

    limits: Limits | None = field(default_factory=Limits)
    search_lag_ms: int = 0
    association_page_size: int = 500
    url_limit: int = 32_000
    latency_ms: float = 0
    retry_after: bool = False
    journal_limit: int = 20_000
    link_version: str = "v3"
    tokens: dict[str, Token] = field(default_factory=lambda: {DEFAULT_TOKEN: Token()})
