"""The portal itself as reference tables: the account, its object types and those that are gone."""

from typing import Any

from ...api.custom_schemas import CustomSchema
from ...catalog.names import link_tables
from ...catalog.object_types import STANDARD
from ...errors import HubSpotError, is_absent
from ...model import Account, ObjectType, TableOutcome
from ...run.run import Items, Run
from ...state.source import SourceState
from ...tables.endpoints.definitions import PATH
from ...tables.endpoints.items import Row
from .loading import hand_on, is_due

TABLES_OF_HUBSPOT = frozenset(kind.table for kind in STANDARD)


def are_types_due(run: Run, state: SourceState) -> bool:
    """Whether the portal is to be asked for its own object types.

    It is asked by every run that reads some, or whose dataset has some, for one that is gone takes
    its rows along; and by others about every hour.

    Args:
        run: the run.
        state: what earlier runs have read.
    """
    reads_own = state.custom_tables != {} if run.own_types is None else run.own_types
    has_own = not {*state.read_tables} <= TABLES_OF_HUBSPOT
    return reads_own or has_own or is_due(run, state, "object_types", "object_types")


def account(run: Run, details: Account) -> Items:
    """The portal itself: one row."""
    with run.outcome("account") as outcome:
        outcome.mode = "whole"
        if details.portal_id is not None:
            run.state.portal_id = details.portal_id
        yield from hand_on(run, "account", [{**details.given, PATH: "$"}])


def object_types(run: Run) -> Items:
    """Object types of the portal, with the names and labels of its own; what became of others."""
    known = run.portal.types
    if not known.is_asked:
        return
    state = run.state
    with run.outcome("object_types") as outcome:
        outcome.mode = "whole"
        if known.error:
            _note_unlisted(run, outcome, state, known.error)
        else:
            _note_gone(run, state)
            state.custom_tables = dict(known.tables)
            state.reference_read_at["object_types"] = run.now()
        if not (known.error and known.custom):  # rows of an earlier run stay
            custom = {schema.objectTypeId: schema for schema in known.schemas}
            rows = [_type_row(kind, custom.get(kind.type_id or "")) for kind in known.types]
            yield from hand_on(run, "object_types", rows)


def _type_row(kind: ObjectType, schema: CustomSchema | None) -> Row:
    row: dict[str, Any] = {
        "table_name": kind.table,
        "object_type_id": kind.type_id,
        "name": schema.name if schema else kind.table,
        "custom": schema is not None,
    }
    if schema:
        row["fully_qualified_name"] = schema.fullyQualifiedName
        row["singular_label"] = (schema.labels or {}).get("singular")
        row["plural_label"] = (schema.labels or {}).get("plural")
        row["created_at"], row["updated_at"] = schema.createdAt, schema.updatedAt
    return row


def _note_unlisted(
    run: Run, outcome: TableOutcome, state: SourceState, error: HubSpotError
) -> None:
    """Note that HubSpot does not list the custom types; where there were some, that is a failure.

    Raises:
        HubSpotError: the error, where the run does not report errors per table.
    """
    known, part = run.portal.types, "custom objects"
    if not known.custom and is_absent(error):
        outcome.refusals[part] = error
        return
    outcome.was_read, outcome.fresh_at = (
        bool(known.custom),
        state.reference_read_at.get("object_types"),
    )
    run.fail(outcome, error, part)
    if left := [table for table in known.custom if table not in known.unknown]:
        outcome.note(f"HubSpot refused the list; read as last listed: {', '.join(left)}.")
    for table in known.unknown:
        lost = run.outcomes.of(table)
        lost.was_read, lost.fresh_at = True, state.table(table).watermark
        run.outcomes.fail(lost, error)


def _note_gone(run: Run, state: SourceState) -> None:
    """Forget the tables whose type is gone since the last run; the clean-up ends their rows."""
    known = run.portal.types
    for table in state.deleted_types.keys() - known.gone.keys():
        del state.deleted_types[table]
        for key, kept in state.collections.items():
            kept.is_stale |= key.endswith(f":{table}")
    others = [kind.table for kind in known.types] + [*known.gone]
    for table in known.gone.keys() - state.deleted_types.keys():
        if table in state.read_tables and run.outcomes.of(table).status == "ok":
            run.outcomes.of(table).note(known.explain(table))
        state.end_table(table, run.now(), link_tables(table, others))
        run.load.dead.add(table)
