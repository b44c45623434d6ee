"""The warehouse under another policy: columns are emptied, and what still holds plain values."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from dlt.pipeline.pipeline import Pipeline

from ..catalog.endpoints import TABLES
from ..catalog.names import did_you_mean, history_table
from ..model import REJECTS, Column
from ..privacy import REQUIRED, Policy
from ..run.portal.column_policies import (
    declared_policy,
    names_by_table,
    plain_columns,
    to_empty,
)
from ..run.run import Run
from ..state.source import SourceState
from ..state.store import source_state
from .erase import Dataset, open_datasets
from .sql import named
from .view import WarehouseView


def empty_columns(pipeline: Pipeline, run: Run) -> None:
    """Empty the columns whose values were written under another policy, before a load reads.

    With them go their rejected values, and the rows of both in dlt's staging dataset. It may be
    done twice: the state says that it is done in the load that fills the columns again. Columns of
    excluded properties are emptied where the schema is refreshed.

    Args:
        pipeline: with the state of the destination.
        run: that has begun its first load.
    """
    state, excluded = source_state(pipeline), run.options.refresh_schema
    found = {
        table: to_empty(state, run.policy, table, excluded=excluded)
        for table in sorted(run.load.open_tables)
    }
    for name, declared in TABLES.items():
        if made := declared_policy(state, run.policy, declared, excluded=excluded):
            found[name], run.tables.policies[name] = made
    found = {table: columns for table, columns in found.items() if columns}
    if not found:
        return
    with open_datasets(pipeline) as datasets:
        for dataset in datasets:
            for table, columns in found.items():
                _empty(dataset, table, columns)
            dataset.held.release()


def _empty(dataset: Dataset, table: str, columns: Sequence[Column]) -> None:
    """Set columns of a table to null; delete their history, and what was rejected of it."""
    _empty_rows(dataset, table, [column.name for column in columns])
    properties = sorted({column.property for column in columns})
    if history_table(table) in dataset.tables:
        dataset.delete(history_table(table), "property IN (?)", properties)
    if REJECTS in dataset.tables:
        dataset.delete(REJECTS, "table_name = ? AND property IN (?)", table, properties)


def _empty_rows(dataset: Dataset, table: str, columns: Iterable[str]) -> None:
    """Set columns of a table to null; all rows go where one of them identifies them."""
    held = [name for name in columns if name.casefold() in dataset.tables.get(table, set())]
    if table in TABLES and not {*held}.isdisjoint(TABLES[table].keys):
        dataset.held.delete(table)
    elif held:
        where = " OR ".join(f"{named(name)} IS NOT NULL" for name in held)
        dataset.held.update(table, dict.fromkeys(held), where)


def unmatched(policy: Policy, names: Mapping[str, AbstractSet[str]], tables: Iterable[str]) -> str:
    """Say which patterns of the settings name no property at all; empty where each does.

    Args:
        policy: of the settings.
        names: of properties, by object table, as far as definitions were read.
        tables: all object tables; what may name a property of those never read is not judged.
    """
    if policy.is_open:
        return ""
    found = {table: {*named, *REQUIRED} for table, named in names.items()}
    unread = {*tables} - found.keys()
    found |= {table: {*one.names} for table, one in TABLES.items()}
    lost = policy.unmatched(found, unread)
    if not lost:
        return ""
    known = [f"{table}.{name}" for table, named in found.items() for name in named]
    meant = did_you_mean([one for one in lost if not {*"*?"} & {*one}], known)
    return f"The settings name properties that do not exist: {', '.join(lost)}. {meant}".strip()


def note_unmatched(pipeline: Pipeline, run: Run) -> None:
    """Add to the run's outcomes what its settings name that does not exist."""
    if run.policy.is_open:
        return
    with WarehouseView(pipeline) as view:
        names = names_by_table(view)
    if text := unmatched(run.policy, names, [kind.table for kind in run.portal.types.types]):
        run.outcomes.of("properties").note(text)


def held_plain(state: SourceState, policy: Policy) -> dict[str, list[str]]:
    """Return the columns that hold values against the policy, by what the policy says of them."""
    found: dict[str, list[str]] = {}
    for table in sorted({*state.columns, *TABLES}):
        for name, rule in plain_columns(state, policy, table).items():
            found.setdefault(rule, []).append(f"{table}.{name}")
    return found
