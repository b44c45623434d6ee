"""What is done to one pair of linked tables: links of changed records, and sweeps of all."""

from collections.abc import Iterator, Mapping, Sequence

from . import cost
from .evidence import Subject
from .facts import Facts, PairFacts, PairState, State
from .steps import WHOLE, Bounds, Step, add, up_to
from .tables.due import SweepCandidate
from .tables.sight import Sight


def ends_of(facts: Facts, sights: Mapping[str, Sight], pair: str) -> cost.Ends | None:
    """Return the two tables of a pair; None where one has no live record, or is unknown."""
    names, counts = (facts.pairs[pair].source, facts.pairs[pair].target), []
    for end in names:
        if end not in sights or sights[end].facts.total == 0:
            return None
        one = sights[end].facts
        counts.append(one.total if one.total is not None else one.rows or 0)
    return cost.Ends(counts[0], counts[1], is_same=names[0] == names[1])


def pair_sweeps(
    facts: Facts,
    state: State,
    sights: Mapping[str, Sight],
    sure: Mapping[str, tuple[Step, ...]],
) -> Iterator[SweepCandidate]:
    """List the sweeps that may be due for pairs of linked tables."""
    if not facts.options.sees_warehouse:
        return
    for pair, one in facts.pairs.items():
        ends = ends_of(facts, sights, pair)
        if one.refusal or ends is None:
            continue
        known = state.pairs.get(pair, PairState())
        if _is_refused(sights, one) and not known.has_links:
            continue  # a pair that has links is asked for, so that HubSpot says why it goes stale
        steps = _steps_of(one, sure)
        forced = _why_links(facts, state, pair, steps)
        subject = _pair_subject(facts, state, sights, pair, ends, forced)
        calls = cost.links(
            known,
            ends,
            read=add(*_changed_rows(sure.get(one.source, ())), up_to(known.refused[0])),
            is_first=pair not in state.pairs or _is_read_whole(steps),
            changed=_changed(sights, one, steps),
            is_relabelled=one.relabelled,
        )
        yield SweepCandidate("links", pair, subject, calls, is_free=bool(forced))


def _steps_of(pair: PairFacts, sure: Mapping[str, tuple[Step, ...]]) -> list[Step]:
    """Return the steps of a pair's two ends."""
    return [step for end in (pair.source, pair.target) for step in sure.get(end, ())]


def _is_read_whole(steps: Sequence[Step]) -> bool:
    """Whether a table is listed by any of its steps."""
    return any(step.kind in WHOLE for step in steps)


def _changed(sights: Mapping[str, Sight], pair: PairFacts, steps: Sequence[Step]) -> int | None:
    """Return the most records of both ends that changed; None where HubSpot names not all."""
    if any(sights[end].surplus for end in (pair.source, pair.target)):
        return None
    return add(*_changed_rows(steps))[1]


def _is_refused(sights: Mapping[str, Sight], pair: PairFacts) -> bool:
    """Whether one of a pair's tables cannot be read."""
    return any(sights[end].facts.refusal for end in (pair.source, pair.target))


def _pair_subject(
    facts: Facts,
    state: State,
    sights: Mapping[str, Sight],
    pair: str,
    ends: cost.Ends,
    forced: str,
) -> Subject:
    """Say what may call for a sweep of a pair."""
    one, known = facts.pairs[pair], state.pairs.get(pair, PairState())
    both = (sights[one.source], sights[one.target])
    newest = max(
        both, key=lambda end: end.facts.newest_at.timestamp() if end.facts.newest_at else 0.0
    )
    begun = [end.state.previous_at for end in both]
    calls = cost.links_calls(known, ends)
    is_single = known.has_links is not False and calls <= 1
    return Subject(
        what=f"links of {one.source} with {one.target}",
        calls=calls,
        at_once_calls=facts.options.sweep_at_once_calls,
        hours=facts.options.links_hours,
        swept_at=known.swept_at,
        newest_at=newest.facts.newest_at,
        newest_in=newest.table,
        previous_at=min((at for at in begun if at), default=None) if is_single else None,
        in_every_run=is_single,
        is_scheduled=not is_single,
        forced=forced or ("The previous run did not come to its end." * state.was_interrupted),
    )


def _why_links(facts: Facts, state: State, pair: str, steps: Sequence[Step]) -> str:
    """Say why all links of a pair have to be read now, whatever the day's share; empty else."""
    known = state.pairs.get(pair)
    if facts.options.sweep_links:
        return "All links were asked for."
    if known is None:
        return "The links of the pair were not read yet."
    if known.is_open:
        return "An earlier load began it; it goes on."
    if known.pending:
        return "An earlier load left links to read."
    if _is_read_whole(steps):
        return "A table of the pair is read whole in this run."
    return ""


def changed_links(
    facts: Facts,
    state: State,
    sights: Mapping[str, Sight],
    pair: str,
    sure: Mapping[str, tuple[Step, ...]],
) -> Iterator[Step]:
    """Read the links of changed records from either end, if both have records."""
    one, ends = facts.pairs[pair], ends_of(facts, sights, pair)
    is_one_way = state.pairs.get(pair, PairState()).reported_by == "target"
    if one.refusal or is_one_way or ends is None:
        return
    changed = [_changed_rows(sure.get(end, ())) for end in (one.source, one.target)]
    if not any(changed):
        return
    yield Step(
        kind="changed_links",
        table=pair,
        reason=f"Records of {one.source} or {one.target} changed.",
        calls=cost.changed_links(changed[0], changed[1], ends),
        rows=None,
    )


def refused_links(
    facts: Facts, state: State, sights: Mapping[str, Sight], pair: str
) -> Iterator[Step]:
    """Read the links again that HubSpot refused to an earlier run."""
    refused = state.pairs.get(pair, PairState()).refused
    ends = ends_of(facts, sights, pair)
    if not any(refused) or ends is None or facts.pairs[pair].refusal:
        return
    if not facts.options.sees_warehouse:
        return
    yield Step(
        kind="refused_links",
        table=pair,
        reason=f"HubSpot refused the links of {sum(refused):,} records to an earlier run.",
        calls=cost.refused_links(*refused, ends),
        rows=None,
    )


def links_of_found(
    facts: Facts, state: State, sights: Mapping[str, Sight], table: str, rows: Bounds
) -> cost.Calls:
    """Return what the links of records take that a sweep of their table reads by id."""
    calls: cost.Calls = {}
    for pair, one in facts.pairs.items():
        known, ends = state.pairs.get(pair, PairState()), ends_of(facts, sights, pair)
        if one.refusal or known.reported_by == "target" or ends is None:
            continue
        source, target = ([rows] if table == end else [] for end in (one.source, one.target))
        if source or target:
            calls = cost.join(calls, cost.changed_links(source, target, ends))
    return calls


def _changed_rows(steps: Sequence[Step]) -> list[Bounds]:
    """Return how many records of a table each step reads by id."""
    kinds = {"changes", "pending", "fill"}
    return [step.rows for step in steps if step.kind in kinds and step.rows and step.rows[1]]
