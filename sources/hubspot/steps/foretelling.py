"""What is asked for a plan that nobody performs: what the sync would find out as it reads."""

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial

from msgspec import structs

from ..api.associations import Pair
from ..errors import HubSpotError
from ..plan.facts import Facts, PairFacts
from ..plan.steps import Plan
from ..run.pace.waiting import wait
from ..run.run import Run
from .reference.definitions import LABELS_MAX_AGE, labels_of, read_labels
from .sweeps.calculated import count_recalculated
from .table import Table

Open = Callable[[str], Generator[None, None, Table]]
"""Opens a table by its name."""


def foretold(
    run: Run, facts: Facts, plan: Plan, open_table: Open, pairs: Mapping[str, Pair]
) -> Generator[None, None, Facts]:
    """Return facts that say more of what a plan does: values and labels that changed alone.

    What HubSpot refuses stays unknown: the sync reports it.

    Args:
        run: the run.
        facts: what is known.
        plan: what follows from them.
        open_table: opens a table.
        pairs: by link table.
    """
    tables, known = {**facts.tables}, {**facts.pairs}
    for step in plan.steps:
        calls = step.calls.get("records", (0, 0))[0]
        if step.kind == "calculated" and calls <= facts.options.sweep_at_once_calls:
            table = yield from open_table(step.table)
            changed = run.tables.probes[step.table].ids
            with suppress(HubSpotError):
                count = yield from count_recalculated(table, changed, most_calls=calls)
                tables[step.table] = structs.replace(tables[step.table], recalculated=count)
    read = {step.table for step in plan.steps if "links" in step.calls}  # pairs, or their ends
    for name, pair in known.items():
        if not read.isdisjoint({name, pair.source, pair.target}):
            known[name] = yield from _with_labels(run, pairs[name], pair)
    return structs.replace(facts, tables=tables, pairs=known)


def _with_labels(run: Run, pair: Pair, facts: PairFacts) -> Generator[None, None, PairFacts]:
    """Find out whether HubSpot names the association types of a pair as the last sync read them."""
    name = f"labels:{pair.table}"
    before = run.state.cached(name, now=run.now(), max_age=LABELS_MAX_AGE)
    if not before or facts.refusal:
        return facts  # they are read anyway, or there are none
    client = run.portal.client_for(f"{pair.table}: labels")
    with suppress(HubSpotError):
        page = yield from wait(run.submit(partial(read_labels, client, pair), lane="links"))
        return structs.replace(facts, relabelled=labels_of(page.results) != before)
    return facts
