"""One extraction of the source: what its resources share, begun by whichever of them is read first.

A source can be made where nothing may be asked yet, at the import of a scheduler's module, and be
read more than once: each extraction begins with a run, and the state, of its own.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ContextDefaultCannotBeCreated
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.extract import DltResource

from .api.associations import Pair
from .catalog.endpoints import ENDPOINTS
from .catalog.endpoints.declaration import Endpoint
from .catalog.names import HISTORY, divided
from .catalog.selection import Names, Selection, reads_own
from .config import HubSpotConfig, configured, resolve_config
from .http.client import Client
from .model import ObjectType
from .run.portal.portal_types import (
    PortalTypes,
    guard_portal,
    known_portal_types,
    read_portal_types,
    settings_names,
)
from .run.portal.schemas import Schemas
from .run.resources import make_resource
from .run.run import Items, Run
from .state.collections import CollectionState
from .state.damage import SOURCE, refuse
from .state.source import SourceState
from .steps.backfill import appends
from .steps.collections.blocks import holds_unvouched
from .steps.collections.reading import start_over, wanted
from .steps.collections.stages import stages_of
from .steps.links.links import Links
from .steps.planning import Planning
from .steps.reference.portal import are_types_due
from .warehouse.end_of_load import left_to_clean_up

_KEEPS_NUL = "duckdb"  # all of its kin do; other databases refuse a whole load for one NUL
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
        run.portal.account  # noqa: B018 - asked before anything else, for the token may be refused
    except BaseException:
        run.close()
        raise
    return run


def names_of(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names that a user gives: one as a text, several as a list.

    >>> names_of("contacts")
    ('contacts',)
    """
    return (names,) if isinstance(names, str) else tuple(names or ())


@dataclass(frozen=True, slots=True)
class Request:
    """What a source is to read."""

    names: Names = field(default_factory=Names)
    """What the user names; where that is nothing, what the settings choose."""
    hard_delete: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that override the configuration."""


class Extraction:
    """The run, the object types and the pairs that the resources of one extraction share."""

    def __init__(self, request: Request, run: Run | None = None) -> None:
        """Make an extraction that has not begun.

        Args:
            request: what is read.
            run: the run it belongs to; one of its own, which ends with its resources, where None.
        """
        self.request = request
        self.selection = Selection()
        """What is read, known when the source is made."""
        self.kinds: list[ObjectType] = []
        """Object types that are read, known when the source is made."""
        self.pairs: list[Pair] = []
        """Pairs whose links are read, known when the source is made."""
        self.is_fresh = False
        """Whether it brings the first rows of the dataset, so that none replaces another."""
        self._given = run
        self._opened: Opened | None = None
        self._names: set[str] = set()
        self._selected: set[str] = set()

    def prepare(self) -> None:
        """Find out which resources there are; names of HubSpot's own types need no call.

        Raises:
            ConfigError: an unknown object type, a missing setting, or another portal's state.
            HubSpotError: the portal has to be asked, and does not answer or refuses the token.
        """
        if self._given is None and self.request.names.asked:
            settings = settings_names(partial(configured, **self.request.settings))
            if reads_own(settings, self.request.names) is False:
                self._choose(PortalTypes(), settings)
                return
        self.begin()

    def begin(self) -> "Opened":
        """Begin, if nobody has: open the run, read the state and the portal's object types.

        Raises:
            ConfigError: an unknown object type, a missing setting, or another portal's state.
            HubSpotError: the portal does not answer or refuses the token.
        """
        if self._opened is None:
            run = self._given or open_run(**self.request.settings)
            try:
                self._opened = self._open(run)
            except BaseException:
                if self._given is None:
                    run.close()
                raise
        return self._opened

    def _open(self, run: Run) -> "Opened":
        run.store.read()
        state, request = run.state, self.request
        refuse([one for one in run.store.damages if one.part == SOURCE])
        guard_portal(run.portal.account, state.portal_id)
        settings, is_whole = settings_names(run.config.get), not request.names.asked
        if not run.load.number:
            run.own_types = reads_own(settings, request.names)
            run.portal.know(_types_of(run))
        self._choose(run.portal.types, settings)
        _check_state(run, [kind.table for kind in self.kinds], whole=is_whole)
        ends = [Pair(*ends) for ends in self.selection.pairs]
        run.pairs.know({pair.table: (pair.source.table, pair.target.table) for pair in ends})
        run.selection = self.selection
        run.set_options(hard_delete=request.hard_delete, named=self.selection.named)
        self._begin_load(run)
        found = partial(stages_of, run)
        schemas = Schemas(run.portal, run.options, run.tables, self.kinds, found, run.policy)
        links = Links(run, self.pairs)
        if run.load.is_first:
            start_over(run)
            _refuse_gone(run, request)
            links.calls.recall_refusals(self.pairs)
        described = self.kinds or run.portal.types.types
        return Opened(run, schemas, links, Planning(run, schemas, links), described)

    def _begin_load(self, run: Run) -> None:
        """Choose the tables that this load brings, and those whose rows are added as they are."""
        load = run.begin_load([kind.table for kind in run.portal.types.types])
        if load.number == 1:
            run.tables.to_clean_up = left_to_clean_up(run)
        wanted = {
            kind.table: run.state.table(kind.table) for kind in self.kinds if load.wants(kind.table)
        }
        appending = {table for table, state in wanted.items() if appends(run, state, table)}
        load.begin(wanted, appending=appending, fresh=_is_fresh(run, run.state, self.kinds))
        self.is_fresh = load.fresh

    def _choose(self, known: PortalTypes, settings: Names) -> None:
        """Choose what is read, and the pairs that this extraction reads the links of."""
        self.selection = known.choose(settings, self.request.names)
        self.kinds = [*self.selection.types]
        pairs = [Pair(*ends) for ends in self.selection.pairs]
        self.pairs = [p for p in pairs if p.source in self.kinds or p.target in self.kinds]

    def adds_events(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint has events, of which only such come that the warehouse lacks.

        Not where it has rows that the state does not vouch for: these may be without their
        children, and are read again, as all that comes with them.
        """
        run = self._opened.run if self._opened else None
        if run is None or run.view is None or not endpoint.has_events:
            return False
        if run.load.fresh:
            return True
        kept = run.state.collections.get(endpoint.name, CollectionState())
        if not kept.merges and holds_unvouched(run.view, endpoint, kept):
            run.collections.doubted.add(endpoint.name)
        return not (kept.merges or endpoint.name in run.collections.doubted)

    @property
    def endpoints(self) -> list[str]:
        """Endpoints that this extraction may have something to do for.

        Of those of the portal all in the first load of a run, in the others what is left; those
        that are asked for each object type, or pair, in every load.
        """
        opened = self._opened
        run = opened.run if opened else None
        names = [*self.selection.endpoints]
        if run is None:
            return names
        if not run.load.is_first:
            names = [one for one in names if _follows_types(one) or run.load.wants(one)]
        return wanted(run, names) if self._given else names

    @property
    def with_history(self) -> list[ObjectType]:
        """Object types whose property history this load reads; none in the first load of a run."""
        run = self._opened.run if self._opened else None
        if run is None or run.load.is_first or not run.load.wants(HISTORY):
            return []
        return [kind for kind in self.kinds if kind.table in run.collections.histories]

    @property
    def wanted(self) -> list[ObjectType]:
        """Object types that this extraction has something to do for."""
        if self._opened is None:
            return self.kinds
        return [kind for kind in self.kinds if self._opened.run.load.wants(kind.table)]

    @property
    def probed(self) -> list[ObjectType]:
        """Object types whose resources dlt reads in this extraction."""
        return [kind for kind in self.wanted if not self._selected or kind.table in self._selected]

    def appends(self, kind: ObjectType) -> bool:
        """Whether rows of a type are added as they are, for the table holds none of their ids."""
        return self._opened is not None and kind.table in self._opened.run.load.appending

    def resource(self, name: str, read: "Read") -> DltResource:
        """Make a resource of this extraction; the load waits for it where dlt reads it."""
        self._names.add(name)
        return make_resource(name, partial(self._rows, name, read))

    def _rows(self, name: str, read: "Read") -> Generator[Any, None, None]:
        """Hand on the rows of one resource; a run of the extraction's own ends with the last one.

        It ends at once where a resource fails or is given up, for dlt then reads none to its end.

        Args:
            name: of the resource.
            read: makes its Arrow tables.
        """
        opened = self.begin()
        load, finished = opened.run.load, False
        try:
            with opened.run.store.opened():
                self._note_pipeline(opened.run)
                yield from read(opened)
            finished = True
        finally:
            load.end(name)
            if self._given is None and not (finished and load.open_resources):
                self._opened = None
                opened.run.close()

    def _note_pipeline(self, run: Run) -> None:
        """Learn from dlt where the rows go, and which resources it reads."""
        run.state.hard_delete = run.options.hard_delete
        if not run.collections.started_over:
            run.collections.started_over = True  # what `_open` read is no state that is kept
            start_over(run)
        if not run.options.repairing:
            run.state.last_run_ended_at = None  # until the end of its last load
        if run.options.strip_nul is None:
            caps = Container().get(DestinationCapabilitiesContext)
            run.set_options(strip_nul=caps is not None and caps.sqlglot_dialect != _KEEPS_NUL)
        if not run.load.open_resources:
            with suppress(ContextDefaultCannotBeCreated):  # rows are read without a source
                self._selected = self._names & dlt.current.source().resources.selected.keys()
                run.load.open_with(self._selected)


@dataclass(frozen=True, slots=True)
class Opened:
    """What the resources of an extraction that has begun read with."""

    run: Run
    schemas: Schemas
    links: Links
    planning: Planning
    described: Sequence[ObjectType]
    """Object types that endpoints are asked for: those that are read; all where none is."""


Read = Callable[[Opened], Items]
"""Makes the rows of a resource."""


def _follows_types(name: str) -> bool:
    """Whether an endpoint is asked for object types or pairs, so that every load may have some."""
    return ENDPOINTS[name].per in ("object type", "pair")


def _types_of(run: Run) -> PortalTypes:
    """Return the portal's object types; HubSpot is asked where they may have changed."""
    if run.view is not None and not are_types_due(run, run.state):
        return known_portal_types(run.state)
    normalize = dlt.current.source_schema().naming.normalize_identifier
    return read_portal_types(run.client, run.state, normalize, run.view)


def _refuse_gone(run: Run, request: Request) -> None:
    """Note that a user names tables whose object type HubSpot no longer has.

    Raises:
        NotFoundError: where the run does not report errors per table.
    """
    asked = request.names.asked or run.config.select or ()
    for names, named in ((asked, True), (request.names.only, False)):
        for table in run.portal.types.gone_of(divided(names)).values():
            outcome = run.outcomes.of(table)
            outcome.named |= named
            run.fail(outcome, run.portal.types.refusal(table))


def _check_state(run: Run, tables: Sequence[str], *, whole: bool) -> None:
    """Refuse a damaged state, but for what is read again, or is read whole in a full refresh.

    Raises:
        ConfigError: with the remedy.
    """
    begun = {*tables, "resources"} if whole else {*tables}
    whole_again = begun if run.options.full_refresh else set()
    run.store.accept_damages(lambda one: not one.remedy or (one.table or one.part) in whole_again)


def _is_fresh(run: Run, state: SourceState, loaded: Sequence[ObjectType]) -> bool:
    """Return whether a load brings the first rows of a dataset, each of them once."""
    merges = run.options.full_refresh or run.options.hard_delete or not run.load.is_first
    if run.view is None or merges or state.portal_id is not None:
        return False
    return not any(run.view.size(table) for table in (VERSIONS, *(kind.table for kind in loaded)))
