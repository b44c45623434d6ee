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
    expected = [
        name
        for name, row in known.items()
        if row["status"] in _UNDONE or (row["loaded_at"] and row["fresh_at"])
    ]
    if not objects and not expected:
        return ["every table (never loaded)"]
    found = []
    for asked in objects or expected:
        name = next((n for n in (asked.lower(), f"custom_{asked.lower()}") if n in known), asked)
        row = known.get(name, {"status": None, "loaded_at": None})
        loaded_at = row["loaded_at"]
        age = now - loaded_at.astimezone(UTC) if loaded_at else None
        if age is None:
            found.append(f"{name} (never loaded)")
        elif row["status"] in _UNDONE:
            found.append(f"{name} ({row['status']}, last loaded {to_age(age)})")
        elif age > max_age:
            found.append(f"{name} (loaded {to_age(age)})")
    return found


def stale(tables: Sequence[str]) -> StaleError:
    """Return the error that names tables which are too old."""
    return StaleError(
        f"Older than --max-age allows: {', '.join(tables)}.",
        remedy="Run hubspot-elt sync, the last runs show why it fails.",
    )
