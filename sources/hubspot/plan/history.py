"""What earlier runs left, as the plan sees it: read from the state that dlt keeps."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ..state.source import PairState as KeptPair
from ..state.source import SourceState
from ..state.table import TableState as KeptTable
from .facts import PairState, State, Sweep, TableState

OTHER_SIDE = timedelta(hours=24)
"""How often the other side of a pair without links is asked, too: nearly all are listed by both."""


class Moment(NamedTuple):
    """The run that asks."""

    run_id: str
    now: datetime
    """HubSpot's time, aware UTC."""
    was_interrupted: bool = False
    """Whether the previous run did not come to its end."""
    planned: Collection[tuple[str, str]] = ()
    """Kinds and tables of the sweeps that this run has begun with already."""


def history(
    source: SourceState, moment: Moment, *, tables: Collection[str], pairs: Collection[str]
) -> State:
    """Return what earlier runs left of tables and pairs.

    Args:
        source: the state.
        moment: the run that asks.
        tables: object tables.
        pairs: link tables.
    """
    run_id, now, was_interrupted, planned = moment
    return State(
        was_interrupted=was_interrupted,
        tables={name: _table(name, source.table(name), run_id, planned) for name in tables},
        pairs={name: _pair(source.pairs[name], now) for name in pairs if name in source.pairs},
    )


def _table(
    name: str, kept: KeptTable, run_id: str, planned: Collection[tuple[str, str]]
) -> TableState:
    loaded = kept.completed_run if kept.recount_pending else None
    portal, rows, *at = kept.count_mismatch or (None, None)
    return TableState(
        watermark=kept.watermark,
        completed_at=kept.completed_run[0] if kept.completed_run else None,
        total=kept.total,
        backfill=kept.backfill.rows if kept.backfill else None,
        searched=kept.changes is not None and kept.changes.searched,
        holds_rows=kept.has_older_rows,
        pending=len(kept.pending_ids),
        columns_at=kept.columns_added_at,
        listed_from=loaded[0] if loaded else None,
        is_resumed=kept.backfill is not None and kept.backfill.run_id != run_id,
        differed=None if portal is None or rows is None else (portal, rows),
        differed_at=datetime.fromtimestamp(at[0] / 1000, UTC) if at else None,
        sweeps=_sweeps(name, kept, planned),
    )


def _sweeps(name: str, kept: KeptTable, planned: Collection[tuple[str, str]]) -> dict[str, Sweep]:
    """Return the last sweep of each kind; one that this run has begun is open."""
    return {
        kind: Sweep(
            swept_at=one.swept_at,
            calls=one.calls if one.swept_at else None,
            is_open=one.open_sweep is not None or (kind, name) in planned,
        )
        for kind in {*kept.sweeps, *(kind for kind, table in planned if table == name)}
        for one in [kept.last_sweep(kind)]
    }


def _pair(kept: KeptPair, now: datetime) -> PairState:
    return PairState(
        swept_at=kept.swept_at,
        is_open=kept.open_sweep is not None,
        pending=kept.pending,
        has_links=kept.has_links,
        reported_by=kept.reported_by or "",
        knows_types=bool(kept.types),
        more_calls=kept.more_calls,
        refused=(len(kept.refused_ids.get("source", ())), len(kept.refused_ids.get("target", ()))),
        asks_both=kept.other_side_at is None or now - kept.other_side_at >= OTHER_SIDE,
    )
