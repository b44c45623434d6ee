"""Small tables read whole: owners, pipelines, properties, labels, object types, the account.

Each is handed on only when its content differs from what was last loaded.
"""

import hashlib
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import dlt
import msgspec
from dlt.extract.hints import make_hints

from ..api.associations import Pair
from ..api.custom_schemas import CustomSchema
from ..catalog.object_types import STANDARD
from ..errors import ContractError, HubSpotError, is_absent, told_in_part
from ..http.client import Client
from ..model import REJECTS, Account, ObjectType, Page, TableOutcome
from ..parsing.tolerance import tolerant
from ..run.pace.waiting import wait, wait_until
from ..run.portal.portal_types import link_tables
from ..run.portal.schemas import Schemas
from ..run.run import Items, Run
from ..state.source import SourceState
from ..tables.reference_tables import (
    EMPTY_MARK,
    PATH,
    Row,
    definition_rows,
    no_rows,
    rows_at,
    stage_rows,
    to_batch,
    to_text,
)
from .links.links import Links

LABELS_MAX_AGE = timedelta(hours=12)
MAX_AGE = timedelta(minutes=55)
"""Of owners and pipelines: runs at the full hour read them each time, runs in between do not."""
TABLES_OF_HUBSPOT = frozenset(kind.table for kind in STANDARD)
EMPTY = "empty"  # digest of a scope without rows
STALE = "stale"  # digest of what could not be read again: the next run asks, whatever its age
NEVER_READ = {None, EMPTY, hashlib.sha256(b"[]").hexdigest()}
"""Digests that a scope may have of which nothing was ever read: a refusal once counted as none."""
T = TypeVar("T")
_decode_page = tolerant(Page[dict[str, Any]])


def _hand_on(run: Run, table: str, rows: Sequence[Row], scope: str = "") -> Iterator[Any]:
    """Yield a table's rows if they differ from the last load's.

    A scope without rows is a row that takes the older ones away and does not stay itself.
    """
    state = run.state
    name = f"{table}:{scope}" if scope else table
    seen_at = run.now()
    batch = to_batch(table, rows, seen_at=seen_at, strip_nul=bool(run.options.strip_nul))
    rejects = batch.rejects.drop_columns(["seen_at"]).to_pylist()
    content = msgspec.json.encode(batch.rows.to_pylist() + rejects)
    digest = hashlib.sha256(content).hexdigest() if rows or not scope else EMPTY
    if state.reference_digests.get(name) == digest:
        return
    run.outcomes.of(table).rows += len(rows)
    if rows or not scope:
        yield dlt.mark.with_table_name(batch.rows, table)
    elif not run.load.fresh:
        hints = make_hints(table_name=table, columns={EMPTY_MARK: {"hard_delete": True}})
        yield dlt.mark.with_hints(no_rows(table, scope), hints, create_table_variant=True)
    if rejects:
        yield dlt.mark.with_table_name(batch.rejects, REJECTS)
    if name in state.reference_digests:
        run.tables.replaced[table, f"{scope}:" if scope else ""] = seen_at
    state.reference_digests[name] = digest


def _wait(
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
        run.outcomes.fail(outcome, error, f"of {part}" if part else "")
        if name in state.reference_digests:
            state.reference_digests[name] = STALE
        if not run.options.report_errors:
            raise
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


def are_types_due(run: Run, state: SourceState, names: Collection[str]) -> bool:
    """Whether the portal is to be asked for its own object types.

    It is asked by every run that reads some, or whose dataset has some, for one that is gone takes
    its rows along; and by others about every hour.

    Args:
        run: the run.
        state: what earlier runs have read.
        names: tables that the user names; all types are read where empty.
    """
    named = {name.strip().casefold() for name in names}
    reads_own = not named <= TABLES_OF_HUBSPOT if named else state.custom_tables != {}
    has_own = not {*state.read_tables} <= TABLES_OF_HUBSPOT
    return reads_own or has_own or is_due(run, state, "object_types", "object_types")


def account(run: Run, details: Account) -> Items:
    """The portal itself: one row."""
    with run.outcome("account") as outcome:
        outcome.mode = "whole"
        if details.portal_id is not None:
            run.state.portal_id = details.portal_id
        yield from _hand_on(run, "account", [{**details.given, PATH: "$"}])


def owners(run: Run) -> Items:
    """Owners, the archived ones included; read about every hour."""
    if not is_due(run, run.state, "owners", "owners"):
        return
    with run.outcome("owners") as outcome:
        outcome.mode = "whole"
        call = run.submit(partial(_read_owners, run.client_for("owners")))
        rows = yield from _wait(run, outcome, "owners", call)
        if not isinstance(rows, HubSpotError):
            yield from _hand_on(run, "owners", rows)


def _read_owners(client: Client) -> list[Row]:
    """Read the pages of both kinds; a refusal after the first page does not mean that none are."""
    rows: list[Row] = []
    for archived in ("false", "true"):
        params = {"limit": "100", "archived": archived}
        followed: set[str] = set()
        while True:
            begun = archived == "true" or followed
            with told_in_part("owners") if begun else nullcontext():
                page = client.get(client.path("owners"), params, decode=_decode_page)
            rows += rows_at(page.results, "$.results")
            if page.after is None:
                break
            if page.after in followed:
                message = "HubSpot repeats a page of owners."
                raise ContractError(message, remedy="Run the sync again.")
            followed.add(page.after)
            params["after"] = page.after
    return rows


def count_owner_calls(client: Client) -> int:
    """Return how many calls owners take; nothing but reading them tells."""
    counting = client.for_table("owners")
    with suppress(HubSpotError):  # the sync reports it
        _read_owners(counting)
    return counting.meter.calls


def pipelines(run: Run, object_types: Sequence[ObjectType]) -> Items:
    """Pipelines and their stages, of every object type that has them and records.

    They are read about every hour.
    """
    state = run.state
    due = [kind for kind in object_types if are_pipelines_due(run, state, kind)]
    if not (due or run.portal_types.gone):
        return
    with run.outcome("pipelines") as outcome:
        outcome.mode = "whole"
        client = run.client_for("pipelines")
        calls = {
            kind.table: run.submit(
                partial(client.get, client.path("pipelines", kind.path), decode=_decode_page)
            )
            for kind in due
        }
        for table, call in calls.items():
            page = yield from _wait(run, outcome, f"pipelines:{table}", call, table)
            if isinstance(page, HubSpotError):
                continue
            found = rows_at(page.results, "$.results")
            found = [{**row, "object_type": table} for row in found]
            with _part(run, outcome, table):
                yield from _hand_on(run, "pipelines", found, table)
                yield from _hand_on(run, "pipeline_stages", stage_rows(table, found), table)
        for table in run.portal_types.gone:
            yield from _hand_on(run, "pipelines", [], table)
            yield from _hand_on(run, "pipeline_stages", [], table)


def are_pipelines_due(run: Run, state: SourceState, kind: ObjectType) -> bool:
    """Whether the pipelines of a type are to be read by this run; not those of one never used."""
    if not kind.pipelines:
        return False
    name = f"pipelines:{kind.table}"
    is_used = has_records(run, state, kind.table) or state.reference_read_at.get(name) is not None
    return is_used and is_due(run, state, name, name, f"pipeline_stages:{kind.table}")


def has_records(run: Run, state: SourceState, table: str) -> bool:
    """Whether a type may have live records, as the portal counted them last."""
    total = run.tables.totals.get(table)
    return (state.table(table).total if total is None else total) != 0


@contextmanager
def _part(run: Run, outcome: TableOutcome, part: str) -> Iterator[None]:
    """Keep an odd answer for one part of a table from the others; what is loaded of it stays."""
    try:
        yield
    except ContractError as error:
        run.outcomes.fail(outcome, error, f"of {part}")
        if not run.options.report_errors:
            raise


def properties(run: Run, schemas: Schemas) -> Items:
    """Property definitions, their options and their columns, of the types that were refreshed."""
    with run.outcome("properties") as outcome:
        outcome.mode = "whole"
        for table, definitions in schemas.read.items():
            for name, rows in definition_rows(table, definitions).items():
                yield from _hand_on(run, name, rows, table)
            columns = [
                {
                    "table_name": table,
                    "property": column.property,
                    "column_name": column.name,
                    "hubspot_type": column.hubspot_type,
                    "label": column.label,
                    "since_at": schemas.since[table][column.name].isoformat(),
                }
                for column in schemas.columns[table]
            ]
            yield from _hand_on(run, "_hs_columns", columns, table)
        for table in run.portal_types.gone:  # the columns of its rows stay
            yield from _hand_on(run, "properties", [], table)
            yield from _hand_on(run, "property_options", [], table)


def association_labels(run: Run, links: Links) -> Items:
    """Association types and labels of the pairs that have links.

    They are read every 12 hours, and where a link that was read bears another label.
    """
    yield from wait_until(lambda: "links" not in run.load.open_tails)
    if run.load.unfinished:  # sweeps of links go on in another load
        return
    state = run.state
    client = run.client_for("association_labels")
    calls: dict[Pair, Future[Page[dict[str, Any]]]] = {}
    for pair in links.pairs:
        fresh = state.cached(f"labels:{pair.table}", now=run.now(), max_age=LABELS_MAX_AGE)
        ends = (state.table(pair.source.table), state.table(pair.target.table))
        stale = run.options.refresh_schema or pair.table in run.pairs.stale_labels
        if (fresh and not stale) or any(end.watermark is None for end in ends):
            continue
        known = state.pairs.get(pair.table)
        empty = known is not None and known.has_links is False
        if not empty and all(end.total != 0 for end in ends):
            path = client.path("labels", pair.source.path, pair.target.path)
            calls[pair] = run.submit(partial(client.get, path, decode=_decode_page), lane="links")
    with run.outcome("association_labels") as outcome:
        outcome.mode = "whole" if calls else outcome.mode
        for pair, call in calls.items():
            ends_of = {
                "pair": pair.table,
                "from_object_type": pair.source.table,
                "to_object_type": pair.target.table,
            }
            name = f"association_labels:{pair.table}"
            page = yield from _wait(run, outcome, name, call, pair.table)
            if isinstance(page, HubSpotError) and pair.table not in outcome.refusals:
                continue  # the next run asks again
            found = [] if isinstance(page, HubSpotError) else page.results
            rows = [{**row, **ends_of} for row in rows_at(found, "$.results")]
            with _part(run, outcome, pair.table):
                before = state.reference_digests.get(name)
                if not isinstance(page, HubSpotError):
                    yield from _hand_on(run, "association_labels", rows, pair.table)
                    if state.reference_digests[name] != before or run.options.refresh_schema:
                        run.pairs.relabelled.add(pair.table)
                labels = {str(row.get("typeId")): to_text(row.get("label")) for row in rows}
                state.remember(f"labels:{pair.table}", labels, now=run.now())
        yield from _drop_labels(run, state)


def _drop_labels(run: Run, state: SourceState) -> Iterator[Any]:
    """Take away the labels of pairs that lost an object type."""
    known = run.portal_types
    tables = [kind.table for kind in known.types] + [*known.gone]
    for table in known.gone:
        for pair in sorted(link_tables(table, tables)):
            if f"association_labels:{pair}" in state.reference_digests:
                yield from _hand_on(run, "association_labels", [], pair)


def object_types(run: Run) -> Items:
    """Object types of the portal, with the names and labels of its own; what became of others."""
    known = run.portal_types
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
            yield from _hand_on(run, "object_types", rows)


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
    known, part = run.portal_types, "custom objects"
    if not known.custom and is_absent(error):
        outcome.refusals[part] = error
        return
    outcome.was_read, outcome.fresh_at = (
        bool(known.custom),
        state.reference_read_at.get("object_types"),
    )
    run.outcomes.fail(outcome, error, part)
    if not run.options.report_errors:
        raise error
    if left := [table for table in known.custom if table not in known.unknown]:
        outcome.note(f"HubSpot refused the list; read as last listed: {', '.join(left)}.")
    for table in known.unknown:
        lost = run.outcomes.of(table)
        lost.was_read, lost.fresh_at = True, state.table(table).watermark
        run.outcomes.fail(lost, error)


def _note_gone(run: Run, state: SourceState) -> None:
    """Forget the tables whose type is gone since the last run; the clean-up ends their rows."""
    known = run.portal_types
    for table in state.deleted_types.keys() - known.gone.keys():
        del state.deleted_types[table]
        state.reference_digests[f"pipelines:{table}"] = STALE
    others = [kind.table for kind in known.types] + [*known.gone]
    for table in known.gone.keys() - state.deleted_types.keys():
        if table in state.read_tables and run.outcomes.of(table).status == "ok":
            run.outcomes.of(table).note(known.explain(table))
        state.end_table(table, run.now(), link_tables(table, others))
        run.load.dead.add(table)
