"""The settings of one run, resolved by dlt and checked once, before anything is sent."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import inf
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
)
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from .errors import ConfigError
from .privacy import KEY_CHARACTERS, Hasher, Pattern, Policy, to_pattern

WHERE = "SOURCES__HUBSPOT__ACCESS_TOKEN, or [sources.hubspot] access_token in .dlt/secrets.toml"
"""Where the access token is looked for."""
SECTIONS = ("sources",)  # and the one of `HubSpotConfig`
BACKFILLS = ("list", "export", "auto")


class _Rule(NamedTuple):
    """What a number among the settings has to be."""

    expected: str
    holds: Callable[[Any], bool]


_SHARE = _Rule("a number above 0 and at most 1", lambda value: _is_number(value) and 0 < value <= 1)
_POSITIVE = _Rule("a number above 0", lambda value: _is_number(value) and 0 < value < inf)
_INTERVAL = _Rule(
    "a number of 0 (every run) or more", lambda value: _is_number(value) and 0 <= value < inf
)
_PATIENCE = _Rule("a number of 0 or more", _INTERVAL.holds)
_COUNT = _Rule("a whole number of at least 1", lambda value: isinstance(value, int) and value >= 1)
_COUNT_OR_NONE = _Rule(
    "a whole number of at least 0", lambda value: isinstance(value, int) and value >= 0
)
_RULES: Mapping[str, _Rule] = {
    "budget_share": _SHARE,
    "sweep_share": _SHARE,
    "purge_share": _SHARE,
    "search_per_second": _COUNT,
    "associations_per_10_seconds": _COUNT,
    "calls_in_flight": _COUNT,
    "load_rows": _COUNT,
    "max_attempts": _COUNT,
    "lookback_minutes": _COUNT_OR_NONE,
    "sweep_at_once_calls": _COUNT_OR_NONE,
    "run_log_days": _COUNT_OR_NONE,
    "event_days": _COUNT_OR_NONE,
    "load_minutes": _POSITIVE,
    "timeout_seconds": _POSITIVE,
    "export_wait_minutes": _POSITIVE,
    "max_body_mb": _POSITIVE,
    "max_export_gb": _POSITIVE,
    "sweep_hours": _INTERVAL,
    "links_hours": _INTERVAL,
    "patience_seconds": _PATIENCE,
}
_MOST = {
    "lookback_minutes": 5_256_000,  # ten years
    "run_log_days": 36_500,
    "event_days": 36_500,
    "timeout_seconds": 86_400,
    "patience_seconds": 31_536_000,
}
"""The longest times that make sense; instants much further away cannot be computed."""
_PATTERNS = ("include_properties", "exclude_properties", "hash_properties")
_SECRETS = frozenset({"access_token", "hash_key"})
MAKE_KEY = 'python -c "import secrets; print(secrets.token_hex(32))"'
"""A command that prints a new key."""
_KEY_REMEDY = (
    "Set SOURCES__HUBSPOT__HASH_KEY, or [sources.hubspot] hash_key in .dlt/secrets.toml, to a text"
    f" of at least {KEY_CHARACTERS} characters, and keep it as long as the dataset. `{MAKE_KEY}`"
    " makes one."
)
_VERSION = re.compile(r"(20\d\d-(?:03|09))(?:-beta)?")
_FIRST_VERSION = "2026-03"


@configspec
class HubSpotConfig(BaseConfiguration):
    """What a run needs to know; treat it as frozen once resolved."""

    access_token: TSecretStrValue = None  # type: ignore[assignment]
    """Token of a private app or service key, or an OAuth access token."""
    base_url: str = "https://api.hubapi.com"
    """Address of the API."""
    api_version: str = "2026-03"
    """Version in the paths of the API: `2026-03`, `2026-09` or `v3`."""
    budget_share: float = 0.9
    """Share of each rate limit, and of the day's calls, that a run may use: above 0, at most 1."""
    search_per_second: int = 5
    """The portal's limit of searches per second; HubSpot's responses do not name it."""
    associations_per_10_seconds: int = 100
    """The portal's limit of association calls: 100, or 150 or 200 by plan; HubSpot's responses do
    not name it."""
    calls_in_flight: int = 14
    """Most calls that wait for a response at the same time."""
    lookback_minutes: int = 60
    """How far behind the watermark a run searches again, because HubSpot indexes changes late."""
    load_rows: int = 120_000
    """About the most rows that one load adds; of rows that replace others, two fifths of it."""
    load_minutes: float = 10
    """About the longest time between two checkpoints."""
    sweep_at_once_calls: int = 5
    """A sweep of at most this many calls follows changes at once instead of a schedule."""
    sweep_hours: float = 24
    """Hours between larger sweeps of archived records and calculated values; 0: in every run."""
    links_hours: float = 1
    """Hours between larger sweeps of links; 0: in every run."""
    sweep_share: float = 0.05
    """Share of the day's calls that larger sweeps may use."""
    purge_share: float = 0.3
    """Share of a table that one run may mark as purged; where more is missing, the table fails."""
    timeout_seconds: float = 60
    """Longest silence of a response; HubSpot itself gives up after 100 seconds."""
    max_body_mb: float = 64
    """Largest response, compressed and decompressed; a larger page of records is read in halves."""
    max_attempts: int = 6
    """Attempts of a call that fails while others succeed."""
    patience_seconds: float = 180
    """How long all calls are retried while none succeeds; 0: each has its `MAX_ATTEMPTS`."""
    backfill: str = "list"
    """How tables are backfilled: `list`, `export`, or `auto` for the one with fewer calls."""
    export_wait_minutes: float = 60
    """How long HubSpot may prepare an export before the table is listed instead."""
    max_export_gb: float = 20
    """Largest export, compressed and decompressed; a larger one is listed instead."""
    pairs: list[str] | None = None
    """Changes to the pairs whose links are read: `["leads:users"]` adds a pair,
    `["deals:contacts"]` reads one in the other direction, `["-contacts:emails"]` leaves one out."""
    select: list[str] | None = None
    """What is read: tables, object types, link tables or groups; `["default", "history"]` adds a
    group to what is read without this setting."""
    exclude: list[str] | None = None
    """What of it is not read: `["settings", "tasks", "contacts_to_emails"]`."""
    member_lists: list[str] | None = None
    """Lists whose members are read, by object type or id: `["deals", "17"]`, `["all"]`; those of
    contacts and companies where none are named."""
    history_calculated: bool = False
    """Whether the history of properties that HubSpot calculates is read, too."""
    event_days: int = 0
    """Days back to which the first reading of events goes; 0: as far as is usual for the table."""
    run_log_days: int = 90
    """Days to keep rows of `_hs_runs`, `_hs_run_tables` and `_hs_verifications`; 0: always."""
    sensitive: bool = False
    """Whether to read properties with sensitive data, which need scopes of their own."""
    include_properties: list[str] | None = None
    """Properties to read, such as `["contacts.email", "deals.amount"]`; of the tables that these
    patterns name, nothing else is read. `*` stands for any characters."""
    exclude_properties: list[str] | None = None
    """Properties that are never read, such as `["*.phone", "contacts.hs_analytics_*"]`."""
    hash_properties: list[str] | None = None
    """Properties that leave HubSpot as keyed hashes only, such as `["contacts.email"]`."""
    hash_key: TSecretStrValue | None = None
    """Secret key of the hashes, of at least 32 characters; whoever has it can test guesses."""

    __section__: ClassVar[str] = "hubspot"
    """Always part of a setting's name: `BASE_URL` alone may be meant for another program."""

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.items() if name not in _SECRETS}
        return f"HubSpotConfig({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

    @property
    def lookback(self) -> timedelta:
        """How far behind the watermark changes are searched again; the search index lags."""
        return timedelta(minutes=self.lookback_minutes)


def resolve_config(**explicit: Any) -> HubSpotConfig:  # noqa: ANN401 - dlt coerces the types
    """Resolve the settings: explicit values, environment, `.dlt` files, then defaults.

    Args:
        explicit: values by name of the setting; None counts as not given.

    Raises:
        ConfigError: a setting is missing, unknown or out of range; it names the setting.
    """
    given = {name: value for name, value in explicit.items() if value is not None}
    if unknown := sorted(set(given) - set(HubSpotConfig())):
        raise ConfigError(
            f"There is no setting {unknown[0]}.",
            remedy=f"The settings are {', '.join(HubSpotConfig())}.",
        )
    try:
        config = resolve_configuration(HubSpotConfig(), sections=SECTIONS, explicit_value=given)
    except ConfigFieldMissingException as error:
        raise _missing(error) from None
    except ConfigValueCannotBeCoercedException as error:
        raise ConfigError(
            f"{setting(error.field_name)} is not a {_kind(error.field_name)}.",
            remedy="Correct the value.",
        ) from None
    except ConfigurationException as error:
        raise ConfigError(f"The settings cannot be read: {type(error).__name__}.") from error
    return check_config(config)


def configured(name: str, **explicit: Any) -> list[str] | None:  # noqa: ANN401 - dlt coerces the types
    """Return one of the settings that are lists, which needs no token; None where it is not set."""
    given = {key: value for key, value in explicit.items() if value is not None}
    config = resolve_configuration(
        HubSpotConfig(), sections=SECTIONS, explicit_value=given, accept_partial=True
    )
    found: list[str] | None = config[name]
    return found


def check_config(config: HubSpotConfig) -> HubSpotConfig:
    """Return the settings once every value is known to make sense.

    Raises:
        ConfigError: a value is out of range; it names the setting and the range.
    """
    config.access_token = checked_token(config.access_token)
    config.base_url = _checked_url(config.base_url)
    dated = _VERSION.fullmatch(config.api_version)
    if config.api_version != "v3" and not (dated and dated[1] >= _FIRST_VERSION):
        raise _out_of_range("api_version", "2026-03 or a later one such as 2026-09, or v3")
    _check_numbers(config)
    if config.backfill not in BACKFILLS:
        raise _out_of_range("backfill", "list, export or auto")
    for name in ("pairs", "select", "exclude", "member_lists"):
        if not all(isinstance(one, str) for one in config[name] or ()):
            raise _out_of_range(name, "a list of texts")
    policy_of(config)
    return config


def policy_of(config: HubSpotConfig) -> Policy:
    """Return what the settings say about properties: read, hashed or left out.

    Raises:
        ConfigError: a pattern is none, or names what every sync needs; or there is no key.
    """
    include, exclude, hashed = (_to_patterns(config, name) for name in _PATTERNS)
    for name, patterns in zip(_PATTERNS[1:], (exclude, hashed), strict=True):
        if required := [one for one in patterns if one.required]:
            raise ConfigError(
                f"{setting(name)} names {required[0].text}, which a sync needs as it is to"
                " identify records and to find what changed.",
                remedy="Remove it from the list. A pattern with a wildcard, such as contacts.*,"
                " leaves such properties alone.",
            )
    hasher = Hasher(_checked_key(config.hash_key).encode()) if hashed else None
    return Policy(include, exclude, hashed, hasher, config.sensitive)


def _to_patterns(config: HubSpotConfig, name: str) -> list[Pattern]:
    """Read the patterns of a setting.

    Raises:
        ConfigError: one of them is none; it names the first.
    """
    given = config[name] or []
    if isinstance(given, str) or not all(isinstance(one, str) for one in given):
        raise _out_of_range(name, 'a list of texts such as ["contacts.email"]')
    patterns = [to_pattern(text) for text in given]
    for text, pattern in zip(given, patterns, strict=True):
        if pattern is None:
            raise _out_of_range(
                name, f"a list of `table.property`, such as contacts.email or *.phone; not {text!r}"
            )
    return [pattern for pattern in patterns if pattern]


def _checked_key(key: str | None) -> str:
    """Return the key of hashes without the white space around it.

    Raises:
        ConfigError: there is none, or it is short enough to be guessed.
    """
    text = (key or "").strip()
    if not text:
        named = setting("hash_properties")
        raise ConfigError(f"{named} is set, and there is no key.", remedy=_KEY_REMEDY)
    if len(text) < KEY_CHARACTERS:
        message = f"The key of hashes has {len(text)} characters, and needs {KEY_CHARACTERS}."
        raise ConfigError(message, remedy=_KEY_REMEDY)
    return text


def _check_numbers(config: HubSpotConfig) -> None:
    for name, rule in _RULES.items():
        if not rule.holds(config[name]):
            raise _out_of_range(name, rule.expected)
    for name, most in _MOST.items():
        if config[name] > most:
            raise _out_of_range(name, f"at most {most}")


def checked_token(token: str | None) -> str:
    """Return the token without the white space and quotes that copying leaves around it.

    Raises:
        ConfigError: nothing is left, or a character is in it that no token has.
    """
    text = (token or "").strip().strip("\"'").strip()
    if not text:
        raise ConfigError("There is no HubSpot access token.", remedy=f"Set {WHERE}.")
    if any(not "!" <= character <= "~" for character in text):
        raise ConfigError(
            "The HubSpot access token holds a space, a line break or a character outside ASCII,"
            " which no token has.",
            remedy=f"Copy the whole token, and nothing else, into {WHERE}.",
        )
    return text


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def setting(name: str) -> str:
    """Return both spellings of a setting, for messages."""
    return f"SOURCES__HUBSPOT__{name.upper()} ([sources.hubspot] {name} in .dlt/config.toml)"


def _checked_url(url: str) -> str:
    """Return the base URL without trailing slashes."""
    expected = "an address such as https://api.hubapi.com, without query and credentials"
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _out_of_range("base_url", expected) from None
    extras = parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme not in {"http", "https"} or not host or extras or re.search(r"\s", host):
        raise _out_of_range("base_url", expected)
    if parts.scheme == "http" and host.endswith("hubapi.com"):
        raise _out_of_range("base_url", "an https address; http would show the token to anyone")
    return url.strip().rstrip("/")


def _out_of_range(name: str, expected: str) -> ConfigError:
    return ConfigError(f"{setting(name)} must be {expected}.", remedy="Correct or remove it.")


def _missing(error: ConfigFieldMissingException) -> ConfigError:
    if "access_token" in error.fields:
        return ConfigError("There is no HubSpot access token.", remedy=f"Set {WHERE}.")
    names = ", ".join(setting(name) for name in error.fields)
    return ConfigError(f"A setting is missing: {names}.", remedy="Set it.")


def _kind(name: str) -> str:
    kinds = {bool: "switch (true or false)", int: "whole number", float: "number", str: "text"}
    return kinds.get(HubSpotConfig.get_resolvable_fields().get(name, str), "list of texts")
