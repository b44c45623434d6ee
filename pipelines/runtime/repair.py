"""A warehouse that people have touched: what is gone from it is created again, and filled.

The state stops vouching for what is gone before it is created again, empty: a run that is killed in
between finds the same damage, and one that is killed later finds a state that has it filled.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

from dlt.common.schema.typing import TTableSchema
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from destinations.tables import (
    Damage,
    clear_system_tables,
    find_damage,
    install_schema,
    is_there,
    recreate,
    was_loaded,
)
from pipelines.runtime.stored import commit, exists
from sources.hubspot import Run
from sources.hubspot.api.batch_read import batches
from sources.hubspot.api.search import GROUPS
from sources.hubspot.catalog.endpoints import ENDPOINT_OF, ENDPOINTS, TABLES
from sources.hubspot.catalog.names import HISTORY, history_table, link_table, link_tables
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.errors import ConfigError, VerificationError
from sources.hubspot.model import REJECTS, Column
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import mended_state
from sources.hubspot.steps.collections.parents.pending import lost
from sources.hubspot.steps.reference.loading import NEVER_READ
from sources.hubspot.tables.drift import facts_of
from sources.hubspot.tables.properties import pack
from sources.hubspot.tables.property_history import KEY as HISTORY_KEY
from sources.hubspot.warehouse.sql import open_tables
from sources.hubspot.warehouse.view import WarehouseView

SCHEMA = "hubspot"
"""The name by which dlt keeps the source's schema and state."""
OWN_LOGS = ("_hs_runs", "_hs_run_tables", "_hs_verifications")
REMEDY = "Run hubspot-elt sync: it creates again what is gone, and fills it."
STATE_GONE = (
    "The state was gone from the warehouse: every table is read again, and compared with its rows."
)

_STATE = "_dlt_pipeline_state"
_LISTED = frozenset(kind.table for kind in STANDARD if not kind.searchable)
"""Tables that cannot be searched for the records that have a value."""
_MOST_SEARCHED = 20  # columns that are filled by searches; for more the table is read whole
_SHOWN = 5  # columns, or wrong types, that a message names

Edit = Callable[[SourceState], None]
Kind = Literal["objects", "links", "history", "reference", "rejects", "log"]


def recover(pipeline: Pipeline) -> dict[str, str]:
    """Take over schema and state from the destination; return which of them a dataset has lost.

    Returns:
        A message by the table of dlt's that should have held it.
    """
    try:
        pipeline.sync_destination()
    except PipelineStepFailed:
        if not clear_system_tables(pipeline):
            raise
        pipeline.sync_destination()
    known, damages = mended_state(pipeline)
    if damages and known.is_empty:
        return {}  # it is refused: what it held is not known
    if known.is_empty and not is_there(pipeline):
        return {}
    if known.is_empty:  # dlt does without a state that it cannot read
        clear_system_tables(pipeline)
    gone = {_STATE: STATE_GONE} if _is_lost(pipeline, known) else {}
    if not known.is_empty and not pipeline.default_schema.data_table_names():
        gone["_dlt_version"] = "The schema was gone: it was made of the tables that are there."
    if gone:
        install_schema(pipeline, SCHEMA, _names(pipeline))
    return gone


def is_state_lost(pipeline: Pipeline) -> bool:
    """Whether loads have ended in a dataset that has no state."""
    return _is_lost(pipeline, _known(pipeline))


def _is_lost(pipeline: Pipeline, known: SourceState) -> bool:
    brought = [*(kind.table for kind in STANDARD), *TABLES]
    return known.is_empty and was_loaded(pipeline, brought)


def repair(pipeline: Pipeline, run: Run, lost: Mapping[str, str]) -> None:
    """Make again what is gone from the warehouse and have it filled; the run's outcomes report it.

    Args:
        pipeline: with schema and state restored.
        run: nothing was read by it yet.
        lost: what `recover` found to be gone.

    Raises:
        ConfigError: a column has another type than a sync writes, or a table is a view.
    """
    damage = find_all(pipeline)
    if damage.types:
        raise refusal(damage)
    if not (damage or lost):
        return
    edits, notes = _plan(pipeline, damage, run.now())
    notes |= lost
    if _STATE in lost:
        edits = [_begin_again(pipeline, damage)]
    system = {*pipeline.default_schema.dlt_table_names()}
    recreate(pipeline, damage.part(lambda table: table in system))  # a state needs a place
    if edits:
        commit(pipeline, lambda source: _apply(edits, source))
    recreate(pipeline, damage.part(lambda table: table not in system))
    for table, text in notes.items():
        run.outcomes.of(table).note(text)


def foresee(pipeline: Pipeline, state: SourceState, at: datetime) -> tuple[Damage, list[str]]:
    """Change a copy of the state as `repair` would; nothing is written.

    Returns:
        What is gone, and what a sync does about it, for people.

    Raises:
        ConfigError: a column has another type than a sync writes, or a table is a view.
    """
    if not exists(pipeline):  # asking would make the file
        return Damage(), []
    damage = find_all(pipeline)
    if damage.types:
        raise refusal(damage)
    edits = _plan(pipeline, damage, at)[0] if damage else []
    _apply(edits, state)
    lost = [STATE_GONE] if is_state_lost(pipeline) else []
    gone = names_of(damage)
    return damage, lost + ([f"The warehouse lacks {', '.join(gone)}. {REMEDY}"] if gone else [])


def find_all(pipeline: Pipeline) -> Damage:
    """Compare a dataset with what the last sync left of tables, columns and reference data."""
    damage = find_damage(pipeline)
    known = _known(pipeline)
    return replace(damage, emptied=_emptied(pipeline, known, {*damage.gone}))


def _emptied(pipeline: Pipeline, known: SourceState, gone: AbstractSet[str]) -> list[str]:
    """Return the tables without rows, but for those that are gone, of which some were loaded."""
    digests = known.reference_digests.items()
    filled = {name.partition(":")[0] for name, digest in digests if digest not in NEVER_READ}
    filled |= {table for one in known.collections.values() for table in one.filled}
    of_parents = {
        name: kept for name, kept in known.collections.items() if any(kept.contents.values())
    }
    there = {*filled, *of_parents} & TABLES.keys() - gone
    with WarehouseView(pipeline) as view:
        counts = view.counts(sorted(there), "1 = 1")
        return [
            table
            for table, count in counts.items()
            if not count and (table in filled or lost(view, ENDPOINTS[table], of_parents[table]))
        ]


def refuse_missing(pipeline: Pipeline, lost: Mapping[str, str]) -> None:
    """Refuse to compare a warehouse that lacks tables or columns.

    Raises:
        VerificationError: what is gone.
    """
    damage = find_all(pipeline)
    if _STATE in lost or damage.gone or damage.columns or damage.emptied:
        gone = ", ".join(dict.fromkeys([*lost, *names_of(damage)]))
        raise VerificationError(f"The warehouse lacks {gone}.", remedy=REMEDY)


def refusal(damage: Damage) -> ConfigError:
    """Return the error for what stands where a table or column was."""
    return ConfigError(
        f"The warehouse was changed: {', '.join(damage.types[:_SHOWN])}.",
        remedy="Change it back, or drop it: the next sync creates and fills what was there.",
    )


def names_of(damage: Damage) -> list[str]:
    """Name the tables and columns that are gone, or have another shape."""
    columns = [f"{table}.{name}" for table, names in damage.columns.items() for name in names]
    emptied = [f"all rows of {name}" for name in damage.emptied]
    staging = [f"{name} (staging)" for name in damage.staging]
    return [*damage.gone, *columns, *emptied, *staging]


def _apply(edits: Sequence[Edit], source: SourceState) -> None:
    for edit in edits:
        edit(source)


def _known(pipeline: Pipeline) -> SourceState:
    return mended_state(pipeline)[0]


def _names(pipeline: Pipeline) -> list[str]:
    """List the tables that a sync may have made, as far as state and warehouse show."""
    objects = {kind.table for kind in STANDARD} | {*_known(pipeline).tables}
    with open_tables(pipeline) as held:
        if held.columns(["object_types"]):
            objects.update(name for (name,) in held.select("SELECT table_name FROM object_types"))
    links = [link_table(one, other) for one in objects for other in objects]
    return [*objects, *links, *map(history_table, objects), *TABLES, REJECTS, *OWN_LOGS]


def _plan(pipeline: Pipeline, damage: Damage, at: datetime) -> tuple[list[Edit], dict[str, str]]:
    """Return what the state has to forget, and what becomes of each table."""
    tables = pipeline.default_schema.tables
    edits: list[Edit] = []
    notes: dict[str, str] = {}
    for table in damage.gone:
        kind = _kind(table, tables[table])
        edits += [partial(_FORGET[kind], table=table)] if kind in _FORGET else []
        lack = "had lost its key column" if table in damage.keyless else "was gone"
        notes[table] = f"The table {lack} in the warehouse: created again, {_FILLED[kind]}."
    for table, columns in damage.columns.items():
        kind = _kind(table, tables[table])
        if kind == "objects":
            edits.append(partial(_fill_later, table=table, columns=columns, at=at))
        elif kind in _FORGET:
            edits.append(partial(_FORGET[kind], table=table))
        named = ", ".join(columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")
        notes[table] = f"Columns were gone in the warehouse: {named}. Created again and filled."
    for table in damage.emptied:
        edits.append(partial(_load_reference, table=table))
        notes.setdefault(table, "The table had lost all rows in the warehouse: filled again.")
    for table in damage.staging:
        text = "The table of the staging dataset was gone or had another shape: created again."
        notes.setdefault(table, text)
    return edits, notes


def _kind(name: str, table: TTableSchema) -> Kind:
    columns = table["columns"].keys()
    if name in TABLES:
        return "reference"
    if "_hs_deleted_at" in columns:
        return "objects"
    if {"from_id", "to_id"} <= columns:
        return "links"
    if {*HISTORY_KEY} <= columns:
        return "history"
    return "rejects" if name == REJECTS else "log"


def _read_objects(source: SourceState, table: str) -> None:
    """Have all records of a table read, and the links of its pairs."""
    source.table(table).start_over()
    objects = {*source.tables, *(kind.table for kind in STANDARD)}
    for pair in link_tables(table, objects) & source.pairs.keys():
        source.pair(pair).pending = True


def _read_links(source: SourceState, table: str) -> None:
    source.pair(table).start_over()


def _read_history(source: SourceState, table: str) -> None:
    """Have the property history of all records read."""
    for key in [key for key in source.collections if key.partition(":")[0] == HISTORY]:
        if history_table(key.partition(":")[2]) == table:
            del source.collections[key]


def _load_reference(source: SourceState, table: str) -> None:
    """Have a reference table loaded whole, though nothing in it has changed."""
    for name in [name for name in source.reference_digests if name.partition(":")[0] == table]:
        del source.reference_digests[name]
    for key, kept in source.collections.items():
        if key.partition(":")[0] == ENDPOINT_OF[table]:
            kept.start_over(merges=True)
    if table in {"properties", "property_options", "_hs_columns"}:
        source.expire("properties:")
    if table == "association_labels":
        source.expire("labels:")


def _read_rejects(source: SourceState, table: str) -> None:  # noqa: ARG001 - as the others
    """Have every record read, for any may have a value that its column cannot hold."""
    for name in source.known_tables:
        source.table(name).start_over()


_FORGET: dict[Kind, Callable[..., None]] = {
    "objects": _read_objects,
    "links": _read_links,
    "history": _read_history,
    "reference": _load_reference,
    "rejects": _read_rejects,
}
_FILLED: dict[Kind, str] = {
    "objects": "and all records are read",
    "links": "and all links are read",
    "history": "and the history of all records is read",
    "reference": "and filled",
    "rejects": "and every table is read again to fill it",
    "log": "and empty",
}


def _fill_later(source: SourceState, table: str, columns: Sequence[str], at: datetime) -> None:
    """Have columns filled like those of new properties, or else the table read again.

    Archived properties have no values any more.
    """
    state = source.table(table)
    facts = facts_of(source.last(f"properties:{table}")) or {}
    ever = {packed[1] for packed in source.columns.get(table, ())}
    if not ever.issuperset(columns) or len(columns) > _MOST_SEARCHED or table in _LISTED:
        state.start_over()
        return
    state.note_columns_added(at)
    for part in batches([name for name in columns if name in facts], GROUPS):
        state.add_pending_columns({name: facts[name].property for name in part}, at=at)


def _begin_again(pipeline: Pipeline, damage: Damage) -> Edit:
    """Make a state of what the tables hold: whose portal they hold, which column is whose."""
    tables = pipeline.default_schema.tables
    columns = ("table_name", "property", "column_name", "hubspot_type", "label", "since_at")
    whole = tables.keys() - {*damage.gone, *damage.columns}
    with WarehouseView(pipeline) as view:
        portals, named = (
            [row for rows in view.values(table, names, "1 = 1") for row in rows]
            if table in whole
            else []
            for table, names in (("account", ("portal_id",)), ("_hs_columns", columns))
        )

    def edit(source: SourceState) -> None:
        if portals:
            source.portal_id = portals[0][0]
        for name, table in tables.items():
            if _kind(name, table) == "objects":
                source.table(name).start_over()
        for table, property_, name, type_, label, since_at in named:
            kind: Any = tables.get(table, {"columns": {}})["columns"].get(name, {}).get("data_type")
            if kind:
                column = Column(property_, name, kind, type_ or "", label or "")
                source.columns.setdefault(table, []).extend(pack([column]))
                source.note_columns(table, [column], at=since_at)

    return edit
