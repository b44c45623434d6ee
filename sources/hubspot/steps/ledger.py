"""The day's share of calls that expensive sweeps of all tables draw on."""

from ..plan.facts import Ledger
from ..run.run import Run
from ..state.source import Ledger as KeptLedger

DAILY_CALLS = 250_000
"""HubSpot's smallest daily limit, until a header reports the real one."""


def ledger_of(run: Run) -> Ledger:
    """Return the share of the day's calls that expensive sweeps may use, and what they used."""
    daily = run.client.limits.snapshot()["daily"].get("limit") or DAILY_CALLS
    kept = run.state.ledger
    used = kept.calls if kept.day == _today(run) else 0
    return Ledger(share=int(daily * run.config.sweep_share), used=used)


def draw(run: Run, calls: int) -> None:
    """Note that sweeps take so many of the day's calls."""
    run.state.ledger = KeptLedger(_today(run), ledger_of(run).used + calls)


def _today(run: Run) -> str:
    return run.now().date().isoformat()
