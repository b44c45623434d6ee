"""Which object types a portal has, and the table that each of its own types keeps for ever.

HubSpot's listing of custom types decides. A type that it leaves out is gone: the rows of its table
become tombstones. Where it refuses to list them, the types that are known go on. The state keeps
the table of every type id, so that no table's name shifts when a type goes, or is created again
under the same name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ...api.custom_schemas import CustomSchema, read_custom_schemas
from ...catalog.names import divided
from ...catalog.object_types import STANDARD, select_types
from ...catalog.selection import ALWAYS, Directory, Names, Selection
from ...errors import (
    ConfigError,
    ContractError,
    HubSpotError,
    NotFoundError,
    UnknownTypeError,
    ends_run,
    is_absent,
)
from ...http.client import Client
from ...model import Account, ObjectType, View
from ...state.source import SourceState

CUSTOM = "custom_"
"""How the tables of a portal's own types begin."""


@dataclass(frozen=True)
class PortalTypes:
    """The object types of a portal, as far as HubSpot lists them and the state knows them."""

    types: tuple[ObjectType, ...] = STANDARD
    """All that can be asked for."""
    schemas: tuple[CustomSchema, ...] = ()
    """Of the portal's own types, as HubSpot lists them."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """The table of each custom type that was ever listed, by its type id."""
    gone: Mapping[str, str | None] = field(default_factory=dict)
    """Tables whose object type HubSpot no longer has, with its type id where that is known."""
    unknown: tuple[str, ...] = ()
    """Tables that were loaded and whose type id nobody knows, as the listing is refused."""
    error: HubSpotError | None = None
    """Why HubSpot does not list the custom types."""
    is_asked: bool = True
    """Whether HubSpot was asked; else this is as it was listed within the hour."""

    @property
    def custom(self) -> list[str]:
        """Tables of the portal's own types, those that are gone left out."""
        return [kind.table for kind in self.types if kind not in STANDARD] + [*self.unknown]

    def gone_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return the tables, of those a user names, whose type is gone: name -> table.

        A name that another type has taken is that type's; see `select`.
        """
        aliases = {
            alias: table
            for table, type_id in self.gone.items()
            for alias in (*_names_of(table), (type_id or table).casefold())
            if alias not in self._taken and alias not in self._alive
        }
        return {name: aliases[name.casefold()] for name in names if name.casefold() in aliases}

    @property
    def _alive(self) -> set[str]:
        """The tables and type ids that HubSpot lists."""
        return {name for kind in self.types for name in (kind.table, kind.type_id) if name}

    @property
    def _taken(self) -> dict[str, str]:
        """By name of a type that is gone the table of the type that has the name now."""
        return {
            alias: following.table
            for table in self.gone
            for following in [self.successor(table)]
            for alias in _names_of(table)
            if following and alias not in self._alive
        }

    def successor(self, table: str) -> ObjectType | None:
        """Return the newest type that was created with the name of one that is gone."""
        type_id = self.gone[table]
        name = table.removesuffix(f"_{type_id[2:]}") if type_id else table
        same = [one for one in self.types if one.table == f"{name}_{one.path[2:]}"]
        return same[-1] if same else None

    def explain(self, table: str) -> str:
        """Say what became of a table whose type is gone, and what took its place."""
        type_id = self.gone[table]
        following = self.successor(table)
        again = f" A new type of the same name is in {following.table}." if following else ""
        which = f"object type {type_id}" if type_id else "its object type"
        return (
            f"HubSpot no longer has {which}: the rows are marked as purged, its links are removed."
            f"{again}"
        )

    def refusal(self, table: str) -> NotFoundError:
        """Make the error of a user who names a table whose type is gone."""
        remedy = "Leave it out of --objects and --select."
        return NotFoundError(self.explain(table), remedy=remedy, status=404)

    def select(self, names: Sequence[str] | None) -> list[ObjectType]:
        """Keep the object types that a user names, those that are gone left out; all without names.

        Where a type was deleted and created again, its name is that of the new one.

        Raises:
            UnknownTypeError: a name of no type, present or gone.
            HubSpotError: such a name, while HubSpot does not list the portal's own types.
        """
        left = self._present(names or ())
        with self._as_listed():
            return select_types(self.types, left) if left or not names else []

    def choose(self, settings: Names, command: Names) -> Selection:
        """Return what is read, without what is gone; of a task of a scheduler its part of it.

        Args:
            settings: names of the settings.
            command: names of this run.

        Raises:
            UnknownTypeError: a name of nothing, present or gone.
            HubSpotError: such a name, while HubSpot does not list the portal's own types.
            ConfigError: nothing is left to read.
        """
        objects = [kind.table for kind in self.select(command.objects)] if command.objects else []
        left = replace(command, select=self._present((*objects, *command.select)))
        by_default = self._present(settings.select)
        only = self._present(command.only)
        named = [(command.asked, left.select), (command.only, only)]
        named += [] if command.asked else [(settings.select, by_default)]
        if any(asked and not present for asked, present in named):
            return Selection(endpoints=tuple(sorted(ALWAYS)))  # all that is named is gone
        with self._as_listed():
            directory = self.directory(settings.pairs)
            whole = directory.choose(
                Names(by_default, self._present(settings.exclude)),
                replace(left, exclude=self._present(command.exclude)),
            )
            return directory.narrowed(whole, only)

    def directory(self, changes: Sequence[str] = ()) -> Directory:
        """Return all that can be named; pairs that lost an end are left out.

        Args:
            changes: to the pairs, as the settings have them.
        """
        left, taken = [], self._taken
        for change in changes:
            text = change.strip()
            ends = [end.strip() for end in text.removeprefix("-").split(":")]
            if not self.gone_of(ends):
                ends = [taken.get(end.casefold(), end) for end in ends]
                left.append("-" * text.startswith("-") + ":".join(ends))
        return Directory(self.types, left)

    def _present(self, names: Iterable[str]) -> list[str]:
        """Return the names but for those of types that are gone, and that no other type has."""
        given = divided(names)
        gone, taken = self.gone_of(given), self._taken
        return [taken.get(name.casefold(), name) for name in given if name not in gone]

    @contextmanager
    def _as_listed(self) -> Iterator[None]:
        """Around a look-up of names: one that is unknown may be of a type that is not listed."""
        try:
            yield
        except UnknownTypeError as error:
            if self.error is None:
                raise
            why = f"The portal's own types are not known: {self.error.message}"
            raise type(self.error)(f"{error.message} {why}", remedy=self.error.remedy) from error


def settings_names(setting: Callable[[str], Any]) -> Names:
    """Return what the settings name.

    Args:
        setting: returns one of them by its name.
    """
    select, exclude, pairs = (setting(name) or () for name in ("select", "exclude", "pairs"))
    return Names(select=select, exclude=exclude, pairs=pairs)


def read_portal_types(
    client: Client, state: SourceState, normalize: Callable[[str], str], view: View | None = None
) -> PortalTypes:
    """Ask HubSpot for the portal's own object types, and give each its table.

    Args:
        client: of the portal.
        state: what earlier runs knew.
        normalize: makes a table's name.
        view: the warehouse, whose `object_types` have what a state of an older version lacks.

    Raises:
        HubSpotError: one that ends every run, such as an unknown token.
    """
    known = state.custom_tables
    if known is None:
        known = _learned(view) if view else {}
    odd: list[ContractError] = []
    try:
        listed = [one for one in read_custom_schemas(client, odd) if not one.archived]
    except HubSpotError as error:
        if ends_run(error):
            raise
        return _unlisted(state, known, error)
    tables = name_tables(listed, known, normalize)
    if odd:  # one of them may be any type that is not listed, so none is gone
        return replace(_unlisted(state, tables, odd[0]), schemas=tuple(listed))
    alive = {one.objectTypeId: tables[one.objectTypeId] for one in listed}
    return PortalTypes(
        types=(*STANDARD, *_types(alive)),
        schemas=tuple(listed),
        tables=tables,
        gone=_gone(state, tables, alive),
    )


def _gone(
    state: SourceState, tables: Mapping[str, str], alive: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the tables whose type HubSpot does not list, with its type id where that is known."""
    named = {*tables.values()}
    unnamed = [table for table in (*_loaded(state), *state.deleted_types) if table not in named]
    gone: dict[str, str | None] = dict.fromkeys(unnamed)
    return gone | {table: type_id for type_id, table in tables.items() if type_id not in alive}


def known_portal_types(state: SourceState) -> PortalTypes:
    """Return the portal's object types as HubSpot listed them last."""
    return _as_known(state, state.custom_tables or {}, is_asked=False)


def _unlisted(state: SourceState, known: Mapping[str, str], error: HubSpotError) -> PortalTypes:
    """Go on with what is known, as HubSpot does not list the custom types."""
    named = {*known.values(), *state.deleted_types}
    unknown = tuple(table for table in _loaded(state) if table not in named)
    types = _as_known(state, known)
    is_used = bool(types.custom or unknown)
    if isinstance(error, NotFoundError) and is_absent(error) and not is_used:
        return types  # the portal does not have the feature
    return replace(types, unknown=unknown, error=error)


def _as_known(
    state: SourceState, known: Mapping[str, str], *, is_asked: bool = True
) -> PortalTypes:
    """Return the object types as the state, and the tables of custom types, have them."""
    gone = state.deleted_types
    alive = {type_id: table for type_id, table in known.items() if table not in gone}
    ids = {table: type_id for type_id, table in known.items()}
    return PortalTypes(
        types=(*STANDARD, *_types(alive)),
        tables=known,
        gone={table: ids.get(table) for table in gone},
        is_asked=is_asked,
    )


def name_tables(
    schemas: Iterable[CustomSchema], known: Mapping[str, str], normalize: Callable[[str], str]
) -> dict[str, str]:
    """Give each type its table, by type id: `custom_<name>`, with the type id where that is taken.

    A table once given stays with its type, also when the type is gone.
    """
    tables = dict(known)
    for schema in sorted(schemas, key=lambda one: (len(one.objectTypeId), one.objectTypeId)):
        if schema.objectTypeId not in tables:
            table = normalize(f"{CUSTOM}{schema.name}")
            if table in tables.values():
                table = normalize(f"{CUSTOM}{schema.name}_{schema.objectTypeId[2:]}")
            tables[schema.objectTypeId] = table
    return tables


def _names_of(table: str) -> tuple[str, str]:
    """Return the names by which a user may mean the type of a table, in lower case."""
    return table.casefold(), table.removeprefix(CUSTOM).casefold()


def _types(tables: Mapping[str, str]) -> list[ObjectType]:
    return [
        ObjectType(table, type_id, type_id, pipelines=True)
        for type_id, table in sorted(tables.items(), key=lambda one: (len(one[0]), one[0]))
    ]


def _loaded(state: SourceState) -> list[str]:
    """List the tables of custom types that the state has read."""
    return [table for table in state.read_tables if table.startswith(CUSTOM)]


def _learned(view: View) -> dict[str, str]:
    """Take the tables of custom types from the warehouse: type id -> table."""
    rows = view.values("object_types", ("object_type_id", "table_name"), "custom")
    return {type_id: table for part in rows for type_id, table in part if type_id}


def guard_portal(account: Account, portal_id: int | None) -> None:
    """Refuse to mix two portals in one dataset, as far as HubSpot names its portal.

    Args:
        account: of the token.
        portal_id: of the dataset.

    Raises:
        ConfigError: they differ.
    """
    if None not in {portal_id, account.portal_id} and portal_id != account.portal_id:
        raise ConfigError(
            f"The token is of portal {account.portal_id}, the dataset of {portal_id}.",
            remedy="Set SOURCES__HUBSPOT__ACCESS_TOKEN to a token of that portal, or choose "
            "another --dataset for this one.",
        )
