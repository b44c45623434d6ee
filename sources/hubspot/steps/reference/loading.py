"""When a reference table is read, and how its rows are handed on: only where they differ."""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import dlt
import msgspec
from dlt.extract.hints import make_hints

from ...catalog.endpoints import TABLES
from ...errors import ContractError, HubSpotError, is_absent
from ...model import REJECTS, TableOutcome
from ...run.pace.waiting import wait
from ...run.run import Run
from ...state.source import SourceState
from ...tables.endpoints.definitions import EMPTY_MARK, empty_rows, rows_batch
from ...tables.endpoints.items import Row
from ...tables.guarding import guarded

MAX_AGE = timedelta(minutes=55)
"""Runs at the full hour read reference tables each time, runs in between do not."""
EMPTY = "empty"  # digest of a scope without rows
STALE = "stale"  # digest of what could not be read again: the next run asks, whatever its age
NEVER_READ = {None, EMPTY, hashlib.sha256(b"[]").hexdigest()}
"""Digests that a scope may have of which nothing was ever read: a refusal once counted as none."""
T = TypeVar("T")


def hand_on(run: Run, table: str, rows: Sequence[Row], scope: str = "") -> Iterator[Any]:
    """Yield a table's rows if they differ from the last load's.

    A scope without rows is a row that takes the older ones away and does not stay itself.
    """
    state = run.state
    name = f"{table}:{scope}" if scope else table
    seen_at = run.now()
    batch = rows_batch(table, rows, seen_at=seen_at, strip_nul=bool(run.options.strip_nul))
    batch = guarded(batch, table, run.policy)
    rejects = batch.rejects.drop_columns(["seen_at"]).to_pylist()
    content = msgspec.json.encode(batch.rows.to_pylist() + rejects)
    digest = hashlib.sha256(content).hexdigest() if rows or not scope else EMPTY
    if state.reference_digests.get(name) == digest:
        return
    run.outcomes.of(table).rows += len(rows)
    if rows or not scope:
        yield dlt.mark.with_table_name(batch.rows, table)
    elif not run.load.fresh:
        yield emptied(table, [{TABLES[table].scope or "": scope}])
    if rejects:
        yield dlt.mark.with_table_name(batch.rejects, REJECTS)
    if name in state.reference_digests:
        run.tables.replaced[table, f"{scope}:" if scope else ""] = seen_at
    state.reference_digests[name] = digest


def emptied(table: str, keys: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - dlt's items
    """Return what removes all rows of a table with some values of key columns."""
    hints = make_hints(table_name=table, columns={EMPTY_MARK: {"hard_delete": True}})
    return dlt.mark.with_hints(empty_rows(table, keys), hints, create_table_variant=True)


def waited(
    run: Run, outcome: TableOutcome, name: str, call: Future[T], part: str = ""
) -> Generator[None, None, T | HubSpotError]:
    """Wait for the content of a reference table, or of a part of it; return the error if it fails.

    The other parts go on. What an earlier run has loaded of this one stays, and the table fails.

    Raises:
        HubSpotError: where the run does not report errors per table.
    """
    state = run.state
    outcome.fresh_at = state.reference_read_at.get(name)
    outcome.was_read = (
        outcome.fresh_at is not None or state.reference_digests.get(name) not in NEVER_READ
    )
    try:
        result = yield from wait(call)
    except HubSpotError as error:
        if part and is_absent(error) and not outcome.was_read:
            outcome.refusals[part] = error
            return error
        if name in state.reference_digests:
            state.reference_digests[name] = STALE
        run.fail(outcome, error, f"of {part}" if part else "")
        return error
    state.reference_read_at[name] = run.now()
    return result


def is_due(run: Run, state: SourceState, name: str, *digests: str) -> bool:
    """Whether a reference table, or a part of one, is to be read by this run.

    Args:
        run: the run; one that renews the schema reads all of them.
        state: when it was read last.
        name: of what is read.
        digests: of what it brings; one that is missing has it read whatever its age.
    """
    read_at = state.reference_read_at.get(name)
    known = {state.reference_digests.get(digest, STALE) for digest in digests}
    if read_at is None or run.options.refresh_schema or STALE in known:
        return True
    return run.now() - read_at >= MAX_AGE


def has_records(run: Run, state: SourceState, table: str) -> bool:
    """Whether a type may have live records, as the portal counted them last."""
    total = run.tables.totals.get(table)
    return (state.table(table).total if total is None else total) != 0


@contextmanager
def part_of(run: Run, outcome: TableOutcome, part: str) -> Iterator[None]:
    """Keep an odd answer for one part of a table from the others; what is loaded of it stays."""
    try:
        yield
    except ContractError as error:
        run.fail(outcome, error, f"of {part}")
