"""HubSpot as a dlt source: the table of contents.

    pipeline = dlt.pipeline("hubspot_elt", destination="duckdb", dataset_name="hubspot")
    pipeline.run(hubspot(objects=["contacts", "companies"]))

Follow a record from here: `objects` (the spine), `listing` or `changes`, `reading`, `records`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dlt
from dlt.extract import DltResource

from . import objects as spine
from . import reference, reference_tables
from .associations import Pair
from .backfill import appends
from .client import Client
from .config import HubSpotConfig, resolve_config
from .empty_tables import if_missing
from .lifetime import lasting
from .link_sweeps import sweep_links
from .links import Links
from .model import ObjectType
from .portal_types import read_portal_types
from .refusals import remembered
from .resources import make_resource
from .run import Items, Run
from .schemas import Schemas
from .state import SourceState
from .state_shape import SOURCE, mend, refuse
from .table import REJECTS

__all__ = ["HubSpotConfig", "Run", "hubspot", "open_run"]

MERGE: Any = {"disposition": "merge", "strategy": "delete-insert"}
VERSIONS = "_dlt_version"  # holds a row before any table of a dataset does


def open_run(config: HubSpotConfig | None = None, **settings: Any) -> Run:  # noqa: ANN401
    """Begin a run: read the settings and ask HubSpot whose portal it is.

    Args:
        config: resolved settings; read from dlt's configuration where None.
        settings: settings that override the configuration, by their names in `HubSpotConfig`.

    Raises:
        ConfigError: a setting is missing or wrong.
        HubSpotError: the portal does not answer or refuses the token.
    """
    resolved = config or resolve_config(**settings)
    run = Run(resolved, Client(resolved))
    try:
        run.account  # noqa: B018 - asked before anything else, for the token may be refused
    except BaseException:
        run.close()
        raise
    return run


@dlt.source(name="hubspot", section="hubspot", max_table_nesting=0)
def hubspot(
    objects: Sequence[str] | None = None,
    *,
    only: Sequence[str] | None = None,
    run: Run | None = None,
    hard_delete: bool = False,
) -> Iterator[DltResource]:
    """HubSpot's CRM: one resource per object type, links as child tables, reference tables.

    Args:
        objects: table names to read, and to link with each other; every type that the token may
            read where None.
        only: of these, the ones to load now; a scheduler's task takes one, and its links to the
            others come along. Links between others are neither read nor swept.
        run: the run these resources belong to; a new one from dlt's settings where None.
        hard_delete: remove deleted records instead of keeping them with `_hs_deleted_at`.

    Raises:
        ConfigError: an unknown object type, a missing setting, or another portal's state.
        HubSpotError: the portal does not answer or refuses the token.
    """
    if run is None:
        run = open_run()
        run.own = True
    kept = dlt.current.source_state()
    if not run.loads:
        run.damages = run.damages or mend(kept)[1]
        refuse([one for one in run.damages if one.part == SOURCE])
    state = SourceState(mend(kept)[0] if run.damages else kept)
    run.guard_portal(state.portal_id)
    normalize = dlt.current.source_schema().naming.normalize_identifier
    if not run.loads:
        run.portal_types = read_portal_types(run.client, state, normalize, run.copy)
    known = run.portal_types
    chosen = known.select(objects)
    loaded = [kind for kind in known.select(only) if kind in chosen]
    pairs = [Pair(*ends) for ends in known.pairs(chosen, run.config.pairs)]
    _check_state(run, [kind.table for kind in loaded], whole=not objects)
    run.pairs = {pair.table: (pair.source.table, pair.target.table) for pair in pairs}
    links = Links(run, [pair for pair in pairs if pair.source in loaded or pair.target in loaded])
    schemas = Schemas(run, loaded)
    run.hard_delete, run.chosen = hard_delete, bool(objects)
    run.begin_load([kind.table for kind in known.types])
    run.fresh = _is_fresh(run, state, loaded)

    if run.first_load:
        run.tidy, run.before_ended = {*state.cleanup}, state.worked_until
        yield _whole(run, "account", reference.account(run, run.account))
        _refuse_gone(run, objects, only)
        yield _whole(run, "object_types", reference.object_types(run))
        yield _whole(run, "owners", reference.owners(run))
        asked = [kind for kind in loaded if not remembered(run, state, kind.table)]
        yield _whole(run, "pipelines", reference.pipelines(run, asked))
        links.recall_refusals()
    wanted = [kind for kind in loaded if run.wants(kind.table)]
    run.loading = [kind.table for kind in wanted]
    for kind in wanted:
        yield _records(run, kind, schemas, links, hard_delete=hard_delete)
    yield _sweep(run, links)
    definitions = reference.properties(run, schemas)
    yield _whole(run, "properties", run.after_tables("properties", definitions, last_load=False))
    labels = reference.association_labels(run, links)
    yield _whole(run, "association_labels", run.after_tables("association_labels", labels))


def _refuse_gone(run: Run, objects: Sequence[str] | None, only: Sequence[str] | None) -> None:
    """Note that a user names tables whose object type HubSpot no longer has.

    Raises:
        NotFoundError: where the run does not report errors per table.
    """
    for names, named in ((objects, True), (only, False)):
        for table in run.portal_types.gone_of(names or ()).values():
            outcome = run.outcome_of(table)
            outcome.named |= named
            error = run.portal_types.refusal(table)
            run.fail(outcome, error)
            if not run.report_errors:
                raise error


def _check_state(run: Run, tables: Sequence[str], *, whole: bool) -> None:
    """Refuse a damaged state, but for what is read again, or begins anew in a full refresh.

    Raises:
        ConfigError: with the remedy.
    """
    begun = {*tables, "resources"} if whole else {*tables}
    mended = [
        one
        for one in run.damages
        if not one.remedy or (run.full_refresh and (one.table or one.part) in begun)
    ]
    refuse([one for one in run.damages if one not in mended])
    run.mended = [str(one._replace(remedy="")) for one in mended]


def _records(
    run: Run, kind: ObjectType, schemas: Schemas, links: Links, *, hard_delete: bool
) -> DltResource:
    """Make the resource of one object type, with the tables its records bring along."""
    resource = _resource(run, kind.table, spine.object_rows(run, kind, schemas, links))
    # variants first: they begin as copies of what the resource itself has
    _with_links(resource, run, [p for p in links.pairs if kind in {p.source, p.target}])
    _with_rejects(resource, run)
    if appends(run, SourceState(dlt.current.source_state()).table(kind.table), kind.table):
        run.appending.add(kind.table)
        return resource.apply_hints(primary_key="id", write_disposition="append")
    return resource.apply_hints(
        primary_key="id",
        **_merging(
            run,
            _hs_synced_at={"dedup_sort": "desc"},
            _hs_deleted_at={"hard_delete": hard_delete},  # said each time, for dlt remembers it
        ),
    )


def _resource(run: Run, name: str, rows: Items) -> DltResource:
    return make_resource(name, lasting(run, name, rows))


def _sweep(run: Run, links: Links) -> DltResource:
    rows = run.after_tables("links", sweep_links(run, links))
    return _with_links(_resource(run, "links", rows), run, links.pairs)


def _with_links(resource: DltResource, run: Run, pairs: Sequence[Pair]) -> DltResource:
    """Let a resource yield links too; those of a record replace its older ones."""
    for pair in pairs:
        resource.apply_hints(
            table_name=pair.table,
            merge_key="from_id",
            create_table_variant=True,
            **_merging(run, _hs_no_links={"hard_delete": True}),
        )
    return resource


def _with_rejects(resource: DltResource, run: Run) -> DltResource:
    """Let a resource yield rejected values too."""
    return resource.apply_hints(
        table_name=REJECTS,
        primary_key=("table_name", "id", "property"),
        create_table_variant=True,
        **_merging(run, seen_at={"dedup_sort": "desc"}),
    )


def _whole(run: Run, name: str, rows: Items) -> DltResource:
    """Make the resource of reference tables, replaced whole or by object type."""
    resource = _resource(run, name, _with_tables(name, run.tail(name, rows)))
    _with_rejects(resource, run)
    for table in reference_tables.TABLES[name]:
        scope = reference_tables.SCOPES.get(table)
        resource.apply_hints(
            table_name=table,
            primary_key=None if scope else reference_tables.KEYS[table],
            merge_key=scope,
            create_table_variant=True,
            **(_merging(run) if scope else {"write_disposition": "replace"}),
        )
    return resource


def _with_tables(name: str, rows: Items) -> Items:
    """Hand on rows, and make those of a resource's tables that the dataset lacks."""
    yield from rows
    for table in reference_tables.TABLES[name]:
        yield from if_missing(table, reference_tables.arrow_schema(table))


def _merging(run: Run, **columns: Any) -> dict[str, Any]:  # noqa: ANN401 - dlt's hints
    """Return the hints by which rows take the place of older ones, where there may be any."""
    if run.fresh:
        return {"write_disposition": "append"}
    return {"write_disposition": MERGE, "columns": columns}


def _is_fresh(run: Run, state: SourceState, loaded: Sequence[ObjectType]) -> bool:
    """Tell whether a load brings the first rows of a dataset, each of them once."""
    merges = run.full_refresh or run.hard_delete or not run.first_load
    if run.copy is None or merges or state.portal_id is not None:
        return False
    return not any(run.copy.size(table) for table in (VERSIONS, *(kind.table for kind in loaded)))
