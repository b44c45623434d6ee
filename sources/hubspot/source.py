"""HubSpot as a dlt source: the table of contents.

Follow a record from here: `objects` (the spine), `listing` or `changes`, `reading`, `records`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource, DltSource

from .api.associations import Pair
from .catalog.endpoints import ENDPOINTS
from .catalog.endpoints.crm import CRM
from .catalog.endpoints.declaration import Endpoint, Table
from .catalog.names import HISTORY, history_table
from .catalog.selection import Names
from .extraction import Extraction, Opened, Read, Request, names_of
from .model import REJECTS, ObjectType
from .run.empty_tables import if_missing
from .run.pace.waiting import wait_until
from .run.run import Items, Run
from .steps import objects as spine
from .steps.collections.reading import collection_rows
from .steps.history.reading import history_rows
from .steps.reference import definitions, portal
from .steps.sweeps.links import sweep_links
from .tables.endpoints.batches import arrow_schema
from .tables.property_history import KEY as HISTORY_KEY

MERGE: Any = {"disposition": "merge", "strategy": "delete-insert"}


Given = Iterable[str] | None
"""Names that a caller gives, one or several. Of this type dlt, which would look for them in its
settings, knows no setting; ours are read elsewhere."""


class OwnSchema(DltSource):
    """A source that shares its schema with no pipeline, unless it is run but once.

    Tools that run a source twice may take apart what a pipeline shows them, as dagster-dlt does.
    """

    runs_once = False

    @DltSource.schema.setter  # type: ignore[attr-defined, untyped-decorator]
    def schema(self, value: Schema) -> None:
        """Keep a copy."""
        self._schema = value if self.runs_once else value.clone()


@dlt.source(_impl_cls=OwnSchema, name="hubspot", section="hubspot", max_table_nesting=0)
def hubspot(  # noqa: PLR0913 - four of them name what is read, in words that people know
    objects: Given = None,
    *,
    select: Given = None,
    exclude: Given = None,
    only: Given = None,
    access_token: TSecretStrValue | None = None,
    hard_delete: bool = False,
    run: Run | None = None,
) -> Iterator[DltResource]:
    """HubSpot: a resource per object type with links as child tables, and one per endpoint.

    Where HubSpot's own types, or groups, are named alone, nothing is asked of HubSpot, nor of the
    state, before the first resource is read; and the source may be read more than once.

    Args:
        objects: object types to read, and to link with each other; the same as in `select`.
        select: object types, tables, link tables or groups to read, with what they need and
            nothing else; `default` for what is read where neither this nor `objects` is given.
        exclude: what of it is not read.
        only: of these, the ones to load now, object types, endpoints or groups; a scheduler's task
            takes one, and its links to the others come along. Links between others are neither
            read nor swept.
        access_token: of the portal; the setting `sources.hubspot.access_token` where None.
        hard_delete: remove deleted records instead of keeping them with `_hs_deleted_at`.
        run: the run these resources belong to; one of their own where None.

    Raises:
        ConfigError: an unknown object type, a missing setting, or another portal's state.
        HubSpotError: the portal does not answer or refuses the token.
    """
    settings = {"access_token": access_token}
    names = Names(
        objects=names_of(objects),
        select=names_of(select),
        exclude=names_of(exclude),
        only=names_of(only),
    )
    request = Request(names, hard_delete=hard_delete, settings=settings)
    extraction = Extraction(request, run)
    extraction.prepare()
    endpoints = [ENDPOINTS[name] for name in extraction.endpoints]
    for endpoint in endpoints:
        if not _follows_types(endpoint):
            yield _endpoint(extraction, endpoint)
    for kind in extraction.wanted:
        yield _records(extraction, kind)
    if kinds := extraction.with_history:
        yield _histories(extraction, kinds)
    yield _sweep(extraction)
    for endpoint in endpoints:
        if _follows_types(endpoint):
            yield _endpoint(extraction, endpoint)


def _follows_types(endpoint: Endpoint) -> bool:
    """Whether an endpoint is read when all object tables are done."""
    return endpoint.per in ("object type", "pair")


READERS: dict[str, Read] = {
    "account": lambda opened: portal.account(opened.run, opened.run.portal.account),
    "object_types": lambda opened: portal.object_types(opened.run),
    "properties": lambda opened: definitions.properties(opened.run, opened.schemas),
    "association_labels": lambda opened: definitions.association_labels(opened.run, opened.links),
}
"""Readers of the endpoints that take more than a row of the catalog."""


def _read(endpoint: Endpoint, opened: Opened) -> Items:
    """Read an endpoint; where it is asked per object type, after the object tables.

    Those of its tables are made that the dataset lacks.
    """
    if endpoint.own_reader:
        rows = READERS[endpoint.name](opened)
    else:
        rows = collection_rows(opened.run, endpoint.name, opened.described)
    if _follows_types(endpoint):
        rows = _after_tables(opened.run, rows, last_load=not endpoint.in_every_load)
    yield from rows
    kept = opened.run.state.collections.get(endpoint.name)
    was_read = endpoint.group == CRM or (kept is not None and kept.read_at is not None)
    for table in endpoint.tables if was_read else ():
        yield from if_missing(opened.run, table.name, arrow_schema(table.name))


def _records(extraction: Extraction, kind: ObjectType) -> DltResource:
    """Make the resource of one object type, with the tables its records bring along."""

    def read(opened: Opened) -> Items:
        return spine.object_rows(opened.planning, kind, extraction.probed)

    resource = extraction.resource(kind.table, read)
    # variants first: they begin as copies of what the resource itself has
    pairs = [pair for pair in extraction.pairs if kind in {pair.source, pair.target}]
    _with_links(resource, extraction, pairs)
    _with_rejects(resource, extraction)
    if extraction.appends(kind):
        return resource.apply_hints(primary_key="id", write_disposition="append")
    hard_delete = extraction.request.hard_delete
    return resource.apply_hints(
        primary_key="id",
        **_merging(
            extraction,
            _hs_synced_at={"dedup_sort": "desc"},
            _hs_deleted_at={"hard_delete": hard_delete},  # said each time, for dlt remembers it
        ),
    )


def _histories(extraction: Extraction, kinds: Sequence[ObjectType]) -> DltResource:
    """Make the resource of property histories and its tables; a version that is known stays one."""

    def read(opened: Opened) -> Items:
        return history_rows(opened.run, kinds)

    resource = extraction.resource(HISTORY, read)
    _with_rejects(resource, extraction)
    for kind in kinds:
        resource.apply_hints(
            table_name=history_table(kind.table),
            primary_key=HISTORY_KEY,
            create_table_variant=True,
            **_merging(extraction),
        )
    return resource


def _sweep(extraction: Extraction) -> DltResource:
    def read(opened: Opened) -> Items:
        return _after_tables(opened.run, sweep_links(opened.run, opened.links))

    return _with_links(extraction.resource("links", read), extraction, extraction.pairs)


def _with_links(
    resource: DltResource, extraction: Extraction, pairs: Sequence[Pair]
) -> DltResource:
    """Let a resource yield links too; those of a record replace its older ones."""
    for pair in pairs:
        resource.apply_hints(
            table_name=pair.table,
            merge_key="from_id",
            create_table_variant=True,
            **_merging(extraction, _hs_no_links={"hard_delete": True}),
        )
    return resource


def _with_rejects(resource: DltResource, extraction: Extraction) -> DltResource:
    """Let a resource yield rejected values too."""
    return resource.apply_hints(
        table_name=REJECTS,
        primary_key=("table_name", "id", "property"),
        create_table_variant=True,
        **_merging(extraction, seen_at={"dedup_sort": "desc"}),
    )


def _endpoint(extraction: Extraction, endpoint: Endpoint) -> DltResource:
    """Make the resource of an endpoint and its tables."""
    resource = extraction.resource(endpoint.name, partial(_read, endpoint))
    _with_rejects(resource, extraction)
    for table in endpoint.tables:
        resource.apply_hints(
            table_name=table.name,
            create_table_variant=True,
            **_replacing(extraction, endpoint, table),
        )
    return resource


def _replacing(extraction: Extraction, endpoint: Endpoint, table: Table) -> dict[str, Any]:
    """Return the hints by which rows of an endpoint's table take the place of older ones.

    Events are added, for only those come that the warehouse lacks, as far as it can be asked.
    Others by key; within a row of the first table all rows of a child table; of an endpoint with a
    reader of its own all rows of a scope, or of the table.
    """
    if endpoint.own_reader and not table.scope:
        return {"primary_key": table.keys, "write_disposition": "replace"}
    if extraction.adds_events(endpoint):
        return {"primary_key": table.keys, "write_disposition": "append"}
    group: Sequence[str] = ()
    if table.scope:
        group = (table.scope,)
    elif table is not endpoint.first and not endpoint.keeps(table):
        group = tuple(table.parent_keys)
    elif table is endpoint.first:
        group = endpoint.replaced_by
    if {*group} == {*table.keys}:
        group = ()
    key = () if group else table.keys
    said: Any = {  # each time, for dlt remembers it
        name: {"primary_key": name in key, "merge_key": name in group}
        for name in {**dict.fromkeys(table.keys), **dict.fromkeys(group)}
    }
    return _merging(extraction, **said)


def _merging(extraction: Extraction, **columns: Any) -> dict[str, Any]:  # noqa: ANN401 - dlt's hints
    """Return the hints by which rows take the place of older ones, where there may be any."""
    if extraction.is_fresh:
        return {"write_disposition": "append"}
    return {"write_disposition": MERGE, "columns": columns}


def _after_tables(run: Run, rows: Items, *, last_load: bool = True) -> Items:
    """Read a resource when all object tables are done: of the last load, or of each."""
    yield from wait_until(lambda: not run.load.open_tables)
    if not last_load or not (run.outcomes.stopped or run.load.unfinished):
        yield from rows
