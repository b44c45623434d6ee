"""When everything is looked at again: archived records, links, calculated values.

HubSpot keeps no feed of these. A sweep that costs a few calls is made in every run as long as
anything changes; where nothing does, every other run leaves it out, so that of any two runs in a
row at least one makes it. A larger one is made on a schedule, out of the share of the day's calls
that is set aside for it.
"""

from datetime import datetime, timedelta
from typing import Any

from .run import Run
from .state import SourceState, to_instant, to_text

DAILY_CALLS = 250_000  # HubSpot's smallest daily limit, until a header tells the real one


def is_due(
    run: Run, source: SourceState, known: dict[str, Any], *, calls: int, changed: bool, hours: float
) -> bool:
    """Tell whether a sweep is to be made now; a larger one is paid for by being due.

    Args:
        run: the run.
        source: the state, with the day's allowance.
        known: what the state keeps of this sweep, as `note` left it.
        calls: what it costs.
        changed: whether anything of what is swept changed lately.
        hours: between two larger sweeps.
    """
    if calls <= run.config.sweep_at_once_calls:
        return not known.pop("settled", False) or changed
    last = to_instant(known.get("swept_at"))
    if last is not None and run.now() - last < timedelta(hours=hours):
        return False
    return source.spend_on_sweeps(calls, now=run.now(), allowance=allowance(run))


def note(known: dict[str, Any], at: datetime) -> None:
    """Remember that a sweep that began at an instant reached its end."""
    known["swept_at"] = to_text(at)
    known["settled"] = True


def allowance(run: Run) -> int:
    """Tell how many calls of a day larger sweeps may use."""
    daily = run.client.limits.snapshot()["daily"].get("limit") or DAILY_CALLS
    return int(daily * run.config.sweep_share)
