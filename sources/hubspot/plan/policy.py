"""What a run does to each table and why: the only place that decides it.

`plan` is pure: it reads no clock, asks nobody and changes nothing. `sync` performs the plan,
`hubspot-elt plan` prints it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import structs

from ..catalog.endpoints import ENDPOINTS
from . import cost
from .collections.history import history_step
from .collections.price import collection_step
from .evidence import Evidence, Subject, evidence
from .facts import Facts, Ledger, PairState, State, TableState
from .pair_plan import changed_links, ends_of, links_of_found, pair_sweeps, refused_links
from .steps import Bounds, Kind, Plan, Step, exactly
from .tables.due import SweepCandidate, table_sweeps
from .tables.reading import table_steps
from .tables.sight import Sight
from .tables.sweeps import SWEEPS

READ_BY_ID: Mapping[Kind, Callable[[Sight], Bounds]] = {
    "compare": lambda sight: sight.suspects,
    **{kind: row.reads for kind, row in SWEEPS.items()},
}
"""How many live records a sweep, or a recount after the loads, may read by id."""


def plan(facts: Facts, state: State, ledger: Ledger, now: datetime) -> Plan:
    """Choose what a run does, from what is known before anything is read.

    Expensive sweeps draw on the day's share, those that waited longest first.

    Args:
        facts: what HubSpot and the warehouse say.
        state: what earlier runs left.
        ledger: the day's share of calls for expensive sweeps.
        now: HubSpot's time, aware UTC.
    """
    sights = _sights(facts, state, now)
    sure = {name: tuple(table_steps(sights[name], facts)) for name in facts.tables}
    wanted = [one for name in sure for one in table_sweeps(sights[name], sure[name])]
    wanted += pair_sweeps(facts, state, sights, sure)
    swept = [_with_links(step, facts, state, sights) for step in _affordable(wanted, ledger, now)]
    steps = [*_reference(facts)]
    for name, found in sure.items():
        steps += [_with_links(step, facts, state, sights) for step in found]
        steps += [step for step in swept if step.table == name]
    for pair in facts.pairs:
        steps += refused_links(facts, state, sights, pair)
        steps += changed_links(facts, state, sights, pair, sure)
        steps += [step for step in swept if step.table == pair]
    histories = _histories(facts, ledger, steps)
    return Plan((*steps, *histories, *_labels(facts, state, sights, steps)))


def _sights(facts: Facts, state: State, now: datetime) -> dict[str, Sight]:
    """Put together what is known of each table."""
    kept = state.tables
    return {
        name: Sight(
            name, one, kept.get(name, TableState()), facts.options, now, state.was_interrupted
        )
        for name, one in {**facts.others, **facts.tables}.items()
    }


def _affordable(wanted: list[SweepCandidate], ledger: Ledger, now: datetime) -> list[Step]:
    """Choose the sweeps that are due, as far as the day's share lasts."""
    left = max(0, ledger.share - ledger.used)
    steps: list[Step] = []
    for candidate in sorted(wanted, key=_urgency):
        found = evidence(
            candidate.subject, now, share=candidate.subject.calls if candidate.is_free else left
        )
        if found is None:
            continue
        paid = (
            0
            if candidate.is_free or not _is_paid(candidate.subject, found)
            else candidate.subject.calls
        )
        left -= paid
        steps.append(
            Step(
                kind=candidate.kind,
                table=candidate.table,
                reason=found.reason,
                calls=candidate.calls,
                rows=candidate.rows,
                paid=paid,
            )
        )
    order = [*SWEEPS, "links"]
    return sorted(steps, key=lambda step: order.index(step.kind))


def _with_links(step: Step, facts: Facts, state: State, sights: Mapping[str, Sight]) -> Step:
    """Add the links of the records that a sweep, or a recount, may read by id."""
    reads = READ_BY_ID.get(step.kind)
    rows = reads(sights[step.table]) if reads and step.table in sights else (0, 0)
    if not rows[1]:
        return step
    links = links_of_found(facts, state, sights, step.table, rows)
    return structs.replace(step, calls=cost.join(step.calls, links))


def _is_paid(subject: Subject, found: Evidence) -> bool:
    return not subject.is_cheap or found.is_optional


def _urgency(candidate: SweepCandidate) -> tuple[bool, bool, float]:
    at = candidate.subject.swept_at
    return not candidate.is_free, at is not None, at.timestamp() if at else 0.0


def _reference(facts: Facts) -> Iterator[Step]:
    """Read the endpoints of reference tables that are due."""
    for name, calls in facts.reference.calls.items():
        if calls:
            reason = "Read whole, loaded where it differs."
            endpoint = ENDPOINTS[name]
            found: cost.Calls = {endpoint.api.family: exactly(calls)}
            kind = "reference" if endpoint.own_reader else "collection"
            yield Step(kind=kind, table=name, reason=reason, calls=found, rows=None)
    for name, one in facts.reference.collections.items():
        yield collection_step(ENDPOINTS[name], one)


def _histories(facts: Facts, ledger: Ledger, steps: Sequence[Step]) -> Iterator[Step]:
    """Read the property history of the records that a run reads, once they are in the warehouse.

    That of all records draws on what the sweeps leave of the day's share.
    """
    left = max(0, ledger.share - ledger.used - sum(step.paid for step in steps))
    for table, one in facts.histories.items():
        if facts.tables[table].refusal:
            continue
        own = [step for step in steps if step.table == table]
        if step := history_step(table, one, own, share=left):
            left -= step.paid
            yield step


def _labels(
    facts: Facts, state: State, sights: Mapping[str, Sight], steps: list[Step]
) -> Iterator[Step]:
    """Read the labels of pairs that have links, every 12 hours, and of those that may get some."""
    found = {step.table for step in steps if "links" in step.calls}  # pairs, or tables at an end
    most = sum(one.relabelled for one in facts.pairs.values())  # if a link shows it
    least, linked = 0, most
    for pair in facts.reference.stale_labels:
        if pair not in facts.pairs or not ends_of(facts, sights, pair):
            continue
        ends = (facts.pairs[pair].source, facts.pairs[pair].target)
        if any(sights[end].facts.refusal for end in ends):
            continue
        known = state.pairs.get(pair, PairState(has_links=None))
        least += bool(known.has_links)
        linked += known.has_links is not False
        most += known.has_links is not False or not found.isdisjoint({pair, *ends})
    if most:
        reason = "Labels are read with the first link of a pair."
        if linked:
            reason = "Labels are read every 12 hours, of pairs that have links."
        calls: cost.Calls = {"labels": (least, most)}
        yield Step(kind="labels", table="association_labels", reason=reason, calls=calls, rows=None)
