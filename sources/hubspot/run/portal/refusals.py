"""Object types that the token may not read, or the portal does not have: asked for once an hour.

There are some thirty types, and many portals and tokens have a third of them. Where a run is to
read all there are, a refusal is kept in the state and reported by the next runs, without a call.
Tables that were read before, or are chosen by name, another token and `--refresh-schema` ask at
once.
"""

import hashlib
from datetime import timedelta

import msgspec

from ...errors import (
    HubSpotError,
    NotFoundError,
    ProductMissingError,
    RequestRejectedError,
    ScopeMissingError,
    is_absent,
)
from ...state.source import SourceState
from ..options import Options
from .portal import Portal

MAX_AGE = timedelta(hours=1)
KINDS = {
    kind.name: kind
    for kind in (ScopeMissingError, ProductMissingError, NotFoundError, RequestRejectedError)
}


class Refusal(msgspec.Struct):
    """What the state keeps of an error."""

    kind: str
    message: str
    remedy: str
    status: int | None
    scopes: tuple[str, ...]
    token: str
    """A digest, which distinguishes tokens without keeping them."""


def remember(portal: Portal, source: SourceState, table: str, error: HubSpotError) -> None:
    """Keep an error for the next runs, if it says that there is no such table to read."""
    if isinstance(error, ScopeMissingError | RequestRejectedError) and is_absent(error):
        scopes = error.scopes if isinstance(error, ScopeMissingError) else ()
        reported = (error.name, error.message, error.remedy, error.status, scopes, _digest(portal))
        kept = msgspec.to_builtins(Refusal(*reported))
        source.remember(_name(table), kept, now=portal.now())


def remembered(
    portal: Portal, options: Options, source: SourceState, table: str
) -> HubSpotError | None:
    """Return the error that this token met within the hour, None where HubSpot is to be asked."""
    if table in options.named or source.table(table).was_read:
        return None
    return recall(portal, options, source, table)


def recall(
    portal: Portal, options: Options, source: SourceState, table: str
) -> HubSpotError | None:
    """Return the same, also where the user named the tables that this run reads."""
    if options.refresh_schema:
        return None
    try:
        kept = source.cached(_name(table), now=portal.now(), max_age=MAX_AGE)
        refusal = msgspec.convert(kept, Refusal)
    except msgspec.ValidationError:  # there is none, or of another form
        return None
    if refusal.token != _digest(portal) or refusal.kind not in KINDS:
        return None
    remedy = f"{refusal.remedy} HubSpot is asked again within the hour, or by --refresh-schema."
    error = KINDS[refusal.kind](refusal.message, remedy=remedy.strip(), status=refusal.status)
    return error.with_scopes(refusal.scopes) if isinstance(error, ScopeMissingError) else error


def _name(table: str) -> str:
    return f"refused:{table}"


def _digest(portal: Portal) -> str:
    return hashlib.sha256(str(portal.client.config.access_token).encode()).hexdigest()[:12]
