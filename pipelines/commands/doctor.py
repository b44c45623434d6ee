"""Whether a sync would work: one line per check, and a remedy where it would not."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal

from destinations.catalog import support_of
from destinations.locks import lock_kind
from destinations.resolve import client_of, describe, explained, is_duckdb
from destinations.tables import Damage
from pipelines.cli.groups import left_behind, not_read, read_before, reading
from pipelines.cli.notices import notices
from pipelines.cli.output.privacy import still_plain
from pipelines.cli.output.report import RunReport, Section, find_cause
from pipelines.commands.sync import SyncOptions
from pipelines.runtime.probe import Lack, probe
from pipelines.runtime.repair import REMEDY, find_all, is_state_lost, names_of, refusal
from pipelines.runtime.stored import dataset_of, exists, portal_types, stored_pipeline
from sources.hubspot.api.batch_read import NOTHING_ELSE
from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot.catalog.endpoints.declaration import Endpoint, Windows
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.catalog.selection import Names, Selection
from sources.hubspot.config import HubSpotConfig, policy_of, resolve_config
from sources.hubspot.errors import (
    ConfigError,
    HubSpotError,
    NotFoundError,
    RequestRejectedError,
    ScopeMissingError,
    is_absent,
)
from sources.hubspot.http.client import Client
from sources.hubspot.model import ObjectType, decode_account
from sources.hubspot.privacy import Policy
from sources.hubspot.run.portal.column_policies import names_by_table
from sources.hubspot.run.portal.portal_types import PortalTypes, settings_names
from sources.hubspot.run.portal.refused import summary
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import source_state
from sources.hubspot.steps.collections.part import dated, request_of, written
from sources.hubspot.warehouse.privacy import unmatched
from sources.hubspot.warehouse.view import WarehouseView

Level = Literal["ok", "note", "warning", "failed"]

# When HubSpot stops supporting a form of its paths. Source: HubSpot's change log of API versions;
# dated versions end 18 months after they came out.
RETIRES = {"v3": date(2027, 9, 1), "2026-03": date(2027, 9, 30), "2026-09": date(2028, 3, 8)}
V4_RETIRES = date(2027, 3, 30)  # of the association paths that `v3` uses
_SOON_DAYS = 180
_LOW_QUOTA = 0.1
_CLOCKS_APART = timedelta(minutes=1)
COLUMNS = ("check", "level", "finding", "remedy")
ID_ALONE = {"properties": NOTHING_ELSE}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    text: str
    remedy: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What an earlier sync has left in the destination."""

    where: Finding
    state: SourceState = field(default_factory=SourceState)
    damage: Damage | None = None
    """What somebody has done to the tables; None where the destination cannot be opened."""
    lacks: Sequence[Lack] | None = None
    """What a sync does and the destination does not let it do; None where it was not tried."""
    lost: bool = False
    """Whether the state is gone, though rows are there."""
    names: Mapping[str, set[str]] = field(default_factory=dict)
    """Properties by table, as the last sync has read their definitions."""


def doctor(options: SyncOptions, *, config: HubSpotConfig | None = None) -> RunReport:
    """Check everything that a sync with these options needs; no dataset is changed.

    Args:
        options: of the sync.
        config: the source's settings; dlt's configuration where None.
    """
    report = RunReport("doctor", destination=options.destination, dataset=options.dataset)
    findings = _guarded("settings", lambda: _settings(config))
    findings += [Finding("settings", "warning", *notice) for notice in notices(options.destination)]
    try:
        stored = _destination(options, report)
    except HubSpotError as error:
        stored = Stored(_failed("destination", error))
    if findings[0].level != "failed":
        resolved = config or resolve_config()
        findings += _policy(policy_of(resolved), stored)
        findings += _portal(resolved, options, report, stored.state)
    findings += _left(stored, report.portal_id)
    rows = [(f.check, f.level, f.text, f.remedy) for f in findings]
    report.sections.append(Section("checks", COLUMNS, rows, below=("remedy",)))
    codes = [f.exit_code for f in findings if f.exit_code]
    if codes:
        report.status, report.exit_code = "failed", min(codes)
    return report


def _guarded(check: str, find: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Run a check; its error is its finding."""
    found: list[Finding] = []
    try:
        found.extend(find())
    except HubSpotError as error:
        found.append(_failed(check, error))
    return found


def _failed(check: str, error: BaseException) -> Finding:
    cause = find_cause(error)
    if not isinstance(cause, HubSpotError):
        raise error
    return Finding(check, "failed", cause.message, cause.remedy, cause.exit_code)


def _settings(config: HubSpotConfig | None) -> Iterator[Finding]:
    config = config or resolve_config()
    share = f"{config.budget_share:.0%}"
    yield Finding(
        "settings",
        "ok",
        f"{config.base_url}, API version {config.api_version}, {share} of the rate budgets",
    )


def _policy(policy: Policy, stored: Stored) -> Iterator[Finding]:
    """Return what the settings say about properties, and what the warehouse holds against it."""
    if policy.is_open:
        return
    named = [(table, name) for table, names in stored.names.items() for name in names]
    rules = Counter(policy.rule(table, name) for table, name in named)
    text = f"{rules['hashed']:,} known properties are hashed, {rules['excluded']:,} are left out"
    yield Finding("properties", "ok", text)
    tables = {*(kind.table for kind in STANDARD), *stored.state.tables}
    if lost := unmatched(policy, stored.names, tables):
        yield Finding("properties", "note", lost, "Correct the pattern, or remove it.")
    for found, remedy in still_plain(stored.state, policy):
        yield Finding("properties", "warning", found, remedy)


def _portal(
    config: HubSpotConfig, options: SyncOptions, report: RunReport, state: SourceState
) -> list[Finding]:
    """Check everything that only HubSpot knows."""
    client = Client(config)
    try:
        found = _guarded("token", lambda: _token(client, report))
        if found[0].level == "failed":
            return found
        found += _guarded("scopes", lambda: _readings(client, options.names, state))
        found += _quota(client)
        portal_now = client.portal_now() or datetime.now(UTC)
        found += _retirement(config.api_version, portal_now)
        found += _clock(portal_now - datetime.now(UTC))
    finally:
        report.calls = client.meter.calls
        client.close()
    return found


def _token(client: Client, report: RunReport) -> Iterator[Finding]:
    account = client.get(client.path("account"), decode=decode_account)
    report.portal_id = account.portal_id
    yield Finding("token", "ok", f"portal {account.portal_id}, {account.account_type or 'account'}")


def _readings(client: Client, names: Names, state: SourceState) -> Iterator[Finding]:
    """Say what a sync would read, what it would not, and whether the token may read it."""
    known = portal_types(client, state)
    selection = known.choose(settings_names(client.config.get), names)
    yield from _scopes(client, known, selection, names.asked, state)
    yield from _apis(client, selection)
    yield Finding("groups", "ok", f"a sync reads {reading(selection)}")
    for text, remedy in () if names.asked else not_read(selection, state):
        yield Finding("groups", "note", text, remedy)
    if left := left_behind(selection, read_before(state)):
        yield Finding("groups", "note", *left)


def _scopes(
    client: Client,
    known: PortalTypes,
    selection: Selection,
    asked: Sequence[str],
    state: SourceState,
) -> Iterator[Finding]:
    """Ask each object type for one record: its response shows whether a sync may read it.

    Args:
        client: of the portal.
        known: its object types.
        selection: what a sync would read.
        asked: what the user names.
        state: what earlier syncs left.
    """
    chosen, named = selection.types, selection.named
    refused = _refusals(client, chosen)
    if chosen:
        yield _readable(len(chosen) - len(refused), len(chosen), len(known.custom))
    failing = {t: e for t, e in refused.items() if t in named or state.table(t).was_read}
    yield from (_unreadable(table, error, state) for table, error in failing.items())
    yield from _custom_types(known, asked)
    left = {table: e for table, e in refused.items() if table not in failing}
    if known.error and is_absent(known.error) and not known.custom:
        left["custom objects"] = known.error
    left |= _unreadable_endpoints(client, selection)
    for line in summary(left):
        yield Finding("scopes", "warning", line)


def _unreadable_endpoints(client: Client, selection: Selection) -> dict[str, HubSpotError]:
    """Return why reference tables of the whole portal cannot be read, by their endpoint's name.

    Those that are read for each object type need the scopes of these types.
    """
    chosen = [ENDPOINTS[name] for name in selection.endpoints]
    asked = [one for one in chosen if not (one.per or one.own_reader)]
    errors = {one.name: _refused_endpoint(client, one) for one in asked if one.group == CRM}
    return {name: error for name, error in errors.items() if error}


def _apis(client: Client, selection: Selection) -> Iterator[Finding]:
    """Say of each endpoint of other APIs if it can be read, its scopes, its tier, its end."""
    asked = [ENDPOINTS[name] for name in selection.endpoints if ENDPOINTS[name].group != CRM]
    with ThreadPoolExecutor(client.config.calls_in_flight) as pool:
        errors = list(pool.map(partial(_refused_endpoint, client), asked))
    for one, error in zip(asked, errors, strict=True):
        parts = [f"any scope of {', '.join(one.scopes)}"] if one.scopes else []
        parts += [f"needs {one.tier}"] if one.tier else []
        until = one.sunset_of(client.config.api_version)
        parts += [f"HubSpot supports it until {until}"] if until else []
        text = f"{one.name} ({one.group}): {'; '.join(parts) or 'needs no scope'}"
        if error:
            yield Finding("apis", "warning", f"{text}. {error.message}", error.remedy)
        else:
            yield Finding("apis", "ok", text)


def _refused_endpoint(client: Client, endpoint: Endpoint) -> HubSpotError | None:
    """Return why an endpoint cannot be read; None where it can, or a parent has to be named."""
    if endpoint.per:
        return None
    own, now = dict[str, str](), client.portal_now() or datetime.now(UTC)
    if isinstance(read := endpoint.read, Windows):
        own = {read.start: written(now - read.span, read.form), read.end: written(now, read.form)}
    request = request_of(client, endpoint, endpoint.variants[0], {}, own)
    params = dated(request.params, now)
    try:
        if endpoint.method == "POST":
            client.post(request.path, request.body, params, decode=len)
        else:
            client.get(request.path, params, decode=len)
    except (RequestRejectedError, ScopeMissingError) as error:
        return error
    return None


def _refusals(client: Client, chosen: Sequence[ObjectType]) -> dict[str, HubSpotError]:
    """Return why tables cannot be read, by table; all are asked at the same time."""
    with ThreadPoolExecutor(client.config.calls_in_flight) as pool:
        paths = [client.path("objects", kind.path) for kind in chosen]
        answers = list(pool.map(partial(_refused, client, query=ID_ALONE), paths))
    return {kind.table: error for kind, error in zip(chosen, answers, strict=True) if error}


def _readable(readable: int, chosen: int, custom: int) -> Finding:
    """Return how many of the chosen object types can be read, and how many the portal has made."""
    text = f"{readable} of {chosen} object types can be read, {custom} of this portal's own"
    if readable:
        return Finding("scopes", "ok", text)
    remedy = "Grant the token a scope such as crm.objects.contacts.read."
    return Finding("scopes", "failed", text, remedy, ScopeMissingError.exit_code)


def _unreadable(table: str, error: HubSpotError, state: SourceState) -> Finding:
    """Return why a table cannot be read, and since when it is stale."""
    since = state.table(table).watermark
    stale = f"; stale since {since:%Y-%m-%d %H:%M} UTC" if since else ""
    text = f"{table} cannot be read{stale}: {error.message}"
    return Finding("scopes", "failed", text, error.remedy, error.exit_code)


def _custom_types(known: PortalTypes, objects: Sequence[str]) -> Iterator[Finding]:
    """Return what became of the portal's own object types that a sync has known."""
    named = {*known.gone_of(objects).values()}
    for table in sorted(known.gone):
        code = NotFoundError.exit_code if table in named else 0
        level: Level = "failed" if code else "note"
        remedy = "Leave it out of --objects and --select." if code else ""
        yield Finding("object types", level, f"{table}: {known.explain(table)}", remedy, code)
    error = known.error
    if error and (known.custom or not is_absent(error)):
        text = f"custom objects cannot be listed: {error.message}"
        text += f" Known are {', '.join(known.custom)}." if known.custom else ""
        yield Finding("object types", "failed", text, error.remedy, error.exit_code)


def _refused(
    client: Client, path: str, query: Mapping[str, str] | None = None
) -> HubSpotError | None:
    """Return why the token may not read what a path lists; None where it may."""
    try:
        client.get(path, {"limit": "1", **(query or {})}, decode=len)
    except (RequestRejectedError, ScopeMissingError) as error:
        return error
    return None


def _quota(client: Client) -> Iterator[Finding]:
    """Return the limits that the responses so far have shown."""
    limits = client.limits.snapshot()
    interval, daily = limits["interval"], limits["daily"]
    text = f"{interval['limit']} calls per {interval['window_seconds']:g} s"
    left, limit = daily["remaining"], daily["limit"]
    if left is None or not limit:
        yield Finding("quota", "ok", f"{text}; HubSpot does not name the daily limit")
        return
    low = left <= limit * _LOW_QUOTA
    yield Finding(
        "quota",
        "warning" if low else "ok",
        f"{text}; {left:,} of {limit:,} calls left today",
        "Wait for the quota's reset, or ask HubSpot for more." if low else "",
    )


def _retirement(version: str, now: datetime) -> Iterator[Finding]:
    """Return when HubSpot stops supporting the paths in use."""
    ends = RETIRES.get(version)
    if ends is None:
        yield Finding("api version", "note", f"no end date of {version} is known here")
        return
    ends = min(ends, V4_RETIRES) if version == "v3" else ends
    soon = (ends - now.date()).days < _SOON_DAYS
    yield Finding(
        "api version",
        "warning" if soon else "ok",
        f"HubSpot supports {version} until {'about ' if version != 'v3' else ''}{ends:%B %Y}",
        "Set SOURCES__HUBSPOT__API_VERSION to a newer one, such as 2026-03." if soon else "",
    )


def _clock(ahead: timedelta) -> Iterator[Finding]:
    """Compare this machine's clock with HubSpot's, which is exact to a second at best."""
    apart = abs(ahead)
    minutes = apart.total_seconds() / 60
    if apart < _CLOCKS_APART:
        yield Finding("clock", "ok", "this machine's clock agrees with HubSpot's")
        return
    side = "behind" if ahead > timedelta() else "ahead of"
    yield Finding(
        "clock",
        "warning",
        f"this machine's clock is {minutes:,.0f} min {side} HubSpot's; syncs go by HubSpot's",
        "Set the clock, so that schedules and logs are right.",
    )


def _destination(asked: SyncOptions, report: RunReport) -> Stored:
    """Open the destination and look at what an earlier sync left there.

    Raises:
        HubSpotError: it cannot be opened.
    """
    name = asked.destination
    with stored_pipeline(name, asked.dataset) as pipeline:
        where, state = describe(pipeline), source_state(pipeline)
        report.dataset = dataset_of(pipeline)
        with explained(name):
            lost = exists(pipeline) and is_state_lost(pipeline)
            damage = find_all(pipeline)
            with WarehouseView(pipeline) as view:
                names = names_by_table(view) if exists(pipeline) else {}
        lacks = None if is_duckdb(pipeline) else probe(pipeline, name)
        support = support_of(name, lock_kind(client_of(pipeline)))
    return Stored(
        Finding("destination", "ok", f"{where} can be written; {support}"),
        state,
        damage,
        lacks,
        lost=lost,
        names=names,
    )


def _left(stored: Stored, portal_id: int | None) -> Iterator[Finding]:
    """Return what an earlier sync has left in the destination."""
    yield stored.where
    yield from _rights(stored.lacks)
    if stored.damage is not None:
        yield _state(stored.state, portal_id, lost=stored.lost)
        yield from _tables(stored.damage)


def _rights(lacks: Sequence[Lack] | None) -> Iterator[Finding]:
    """Return what the destination does not let a sync do; of a DuckDB file, nothing was tried."""
    if lacks == []:
        yield Finding("rights", "ok", "a dataset was made, loaded, changed and dropped again")
    for one in lacks or ():
        text = f"cannot {one.what}: {one.reason}"
        yield Finding("rights", "failed", text, one.remedy, ConfigError.exit_code)


def _tables(damage: Damage) -> Iterator[Finding]:
    """Return what somebody has done to the tables since the last sync."""
    if damage.types:
        yield _failed("tables", refusal(damage))
    if gone := names_of(damage):
        text = f"gone from the warehouse, or of another shape: {', '.join(gone)}"
        yield Finding("tables", "warning", text, REMEDY)


def _state(state: SourceState, portal_id: int | None, *, lost: bool) -> Finding:
    """Return whose portal the dataset holds, and how old the property definitions are."""
    if lost:
        text = "the state is gone from the dataset: the next sync reads every table again"
        return Finding("state", "warning", text, REMEDY)
    if state.portal_id is None:
        return Finding("state", "ok", "no sync has run yet")
    if portal_id not in {None, state.portal_id}:
        return Finding(
            "state",
            "failed",
            f"the dataset was loaded from portal {state.portal_id}, the token is of {portal_id}",
            "Set SOURCES__HUBSPOT__ACCESS_TOKEN to a token of that portal, or choose another "
            "--dataset for this one.",
            ConfigError.exit_code,
        )
    now, cache = datetime.now(UTC), state.cache.items()
    read = [entry.read_at for name, entry in cache if name.startswith("properties:")]
    hours = f"{(now - min([now, *read])).total_seconds() / 3600:.1f} h old"
    return Finding("state", "ok", f"portal {state.portal_id}; property definitions are {hours}")
