"""How fresh a table is: ages in words, and which tables are older than they may be."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sources.hubspot.errors import StaleError

_UNDONE = ("failed", "interrupted")


def to_age(span: timedelta) -> str:
    """Write how long ago something was as people say it: `3 min ago`, `5 h ago`, `2 days ago`."""
    minutes = max(0, span.total_seconds()) / 60
    if minutes < 1:
        return "now"
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{int(minutes)} min ago"
    hours = minutes / 60
    return f"{int(hours)} h ago" if hours < 48 else f"{int(hours / 24)} days ago"  # noqa: PLR2004


def too_old(
    tables: Sequence[Mapping[str, Any]],
    now: datetime,
    max_age: timedelta,
    objects: Sequence[str] = (),
) -> list[str]:
    """Say of each table that was not loaded within `max_age` since when, or what became of it.

    Args:
        tables: the last row of each in `_hs_run_tables`, with when a sync last loaded it.
        now: aware UTC.
        max_age: how long ago that may be.
        objects: tables to judge; where empty, the object tables that were ever loaded, and
            whatever failed last: links and reference tables are read when there is a reason to.
    """
    known = {row["table_name"]: row for row in tables}
    expected = [name for name, row in known.items() if _is_expected(row)]
    if not objects and not expected:
        return ["every table (never loaded)"]
    found = []
    for asked in objects or expected:
        name = next((n for n in (asked.lower(), f"custom_{asked.lower()}") if n in known), asked)
        if reason := _why_old(known.get(name), now, max_age):
            found.append(f"{name} ({reason})")
    return found


def _is_expected(row: Mapping[str, Any]) -> bool:
    """Whether a table is judged without being named."""
    return row["status"] in _UNDONE or bool(row["loaded_at"] and row["fresh_at"])


def _why_old(row: Mapping[str, Any] | None, now: datetime, max_age: timedelta) -> str:
    """Say since when a table was not loaded, or what became of it; empty where it is fresh."""
    if row is None or not row["loaded_at"]:
        return "never loaded"
    age = now - row["loaded_at"].astimezone(UTC)
    if row["status"] in _UNDONE:
        return f"{row['status']}, last loaded {to_age(age)}"
    return f"loaded {to_age(age)}" if age > max_age else ""


def stale(tables: Sequence[str]) -> StaleError:
    """Return the error that names tables which are too old."""
    return StaleError(
        f"Older than --max-age allows: {', '.join(tables)}.",
        remedy="Run hubspot-elt sync, the last runs show why it fails.",
    )
