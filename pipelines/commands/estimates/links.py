"""The calls of a sync for links: of changed records from either end, and of sweeps that are due.

Which links have changed without a trace, only HubSpot knows: a range is left for reading them.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipelines.commands.estimates.ranges import Range, Step, pages, row_loads, up_to
from sources.hubspot import Run
from sources.hubspot.api.associations import BATCH as LINKS_BATCH
from sources.hubspot.api.associations import Pair
from sources.hubspot.model import ObjectType
from sources.hubspot.state.source import PairState, SourceState
from sources.hubspot.steps.links import is_one_way
from sources.hubspot.steps.sweeps.links import is_due as is_link_sweep_due


def link_steps(
    run: Run, source: SourceState, pairs: Sequence[Pair], steps: Mapping[str, Step]
) -> Iterator[Step]:
    """Yield the steps of the pairs both ends of which have records."""
    for pair in pairs:
        ends = steps[pair.source.table], steps[pair.target.table]
        if any(end.total == 0 or end.error for end in ends):
            continue
        is_backfill = ends[0].way_in in {"backfill", "export"}
        step = Step(pair.table, "backfill" if is_backfill else "increment", rows=None)
        if is_backfill:
            records, others = (
                _most(run, end, kind)
                for end, kind in zip(ends, (pair.source, pair.target), strict=True)
            )
            least = min(records, others)
            loads = row_loads(run, [ends[0]]).high + ends[0].more_loads
            low, high = (max(1, pages(count, LINKS_BATCH)) for count in (least, records))
            step.add("links", Range(low, high + loads + 2))
        else:
            _add_changed_links(run, source, pair, ends, step)
        yield step


def _most(run: Run, step: Step, kind: ObjectType) -> int:
    """Return how many live records a type has, as far as anybody can tell."""
    return step.total if step.total is not None else run.live_count(kind.table) or 0


def _add_changed_links(
    run: Run, source: SourceState, pair: Pair, ends: tuple[Step, Step], step: Step
) -> None:
    """Count the links of changed records, from either end, and the sweep of a pair that is due."""
    sides = [
        pages(_most(run, end, kind), LINKS_BATCH)
        for end, kind in zip(ends, (pair.source, pair.target), strict=True)
    ]
    one_way = is_one_way(source, pair)
    changed = [(end.way_in == "increment" and end.rows) or Range() for end in ends]
    if changed[0] and not one_way:
        step.add(
            "links", Range(pages(changed[0].low, LINKS_BATCH), pages(changed[0].high, LINKS_BATCH))
        )
    if changed[1] and not one_way and pair.source != pair.target:
        read = Range(pages(changed[1].low, LINKS_BATCH), pages(changed[1].high, LINKS_BATCH))
        step.add("links", read + up_to(sides[0]))
    new = pair.table not in source.pairs
    known = source.pair(pair.table)
    forced = run.sweep_links or new or known.pending or known.open_sweep is not None
    begun = ends[1].way_in in {"backfill", "export"}
    if forced or begun or is_link_sweep_due(run, source, pair):
        _add_sweep(source, pair, sides, changed, step)
        step.more_loads = int(forced or begun)


def _add_sweep(
    source: SourceState,
    pair: Pair,
    sides: Sequence[int],
    changed: Sequence[Range],
    step: Step,
) -> None:
    """Count a sweep: by the smaller side, then the ends that differ."""
    mine, theirs = sides
    known = source.pairs.get(pair.table, PairState())
    if known.reported_by == "target":
        step.add("links", Range(theirs, theirs + mine))
    elif not known.reported_by:
        read_already = pages(changed[0].high, LINKS_BATCH)
        low = min(theirs, max(0, mine - read_already))
        step.add("links", Range(low, max(mine, 2 * theirs + mine - 1)))
    else:
        read_already = pages(changed[0].high, LINKS_BATCH)
        step.add("links", Range(max(0, mine - read_already), mine + 1 + theirs))
