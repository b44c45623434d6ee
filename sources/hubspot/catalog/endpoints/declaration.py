"""What a declaration of an endpoint consists of: where it is, how it is read, its tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Literal

from ...model import ObjectType
from ..apis import Api, Budget, Family
from .columns import Column, Source, columns
from .paging import Paging, one_answer

Params = Mapping[str, str | Sequence[str]]
"""Of a query; a name with several values is repeated."""
EVERY_RUN = timedelta()
HOUR = timedelta(minutes=55)
"""Runs at the full hour read it each time, runs in between do not."""
SIX_HOURS = timedelta(hours=5, minutes=55)
_EARLY = timedelta(minutes=30)
"""A scheduler begins a run some minutes earlier than the last one, and still a day later."""
TWELVE_HOURS, DAY, WEEK = (timedelta(hours=n) - _EARLY for n in (12, 24, 168))
BETA_TIER, LEGACY_SUNSET, V4_SUNSET = "beta", date(2027, 9, 30), date(2027, 3, 30)
WITH_ARCHIVED: tuple[Params, ...] = ({"archived": "false"}, {"archived": "true"})
"""Passes over what is active, then over what is archived."""


@dataclass(frozen=True, slots=True)
class Whole:
    """All rows are read each time; those that no longer come are gone."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows are read each time, as those of a day (`@today`); earlier days stay as they are."""


@dataclass(frozen=True, slots=True)
class Increment:
    """Rows that changed are read; all rows now and then, to see which are gone."""

    param: str
    """The parameter of the query, or member of the body, with the bound below."""
    column: str
    """The column whose values it bounds."""
    form: Literal["iso", "ms"] = "iso"
    lookback: timedelta = timedelta(minutes=10)
    """How far behind the last reading rows are asked for again."""
    whole_every: timedelta = DAY
    params: Params = field(default_factory=dict)
    """Of the calls that filter alone."""


@dataclass(frozen=True, slots=True)
class NewestFirst:
    """Rows come newest first, and are read up to those that are known; none is marked as gone."""

    column: str
    """Their time."""
    lookback: timedelta = timedelta(minutes=15)
    """Rows may come so late, or so far out of order."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Rows are read by spans of time, oldest span first; none is ever marked as gone."""

    column: str
    """Their time."""
    start: str
    """The parameter with the lower bound."""
    end: str
    """The parameter with the upper bound."""
    form: Literal["iso", "ms", "date", "compact", "midnight"] = "iso"
    """Of the bounds; those but the first two are days: `2026-01-02`, `20260102`, milliseconds."""
    span: timedelta = timedelta(days=1)
    """The longest one."""
    lag: timedelta = timedelta(hours=1)
    """Rows come so late: no span ends later than this before now."""
    lookback: timedelta = timedelta(hours=6)
    """How far behind the last span they are asked for again."""
    first: timedelta = timedelta(days=90)
    """How far back the first reading goes, unless the settings say it."""
    changing: bool = False
    """Whether rows still change within `lookback`."""


@dataclass(frozen=True, slots=True)
class Members:
    """Members of lists, by the time at which they joined; those that left stay with a mark."""

    removed: str = "removed_at"
    """The column that says since when a row is no member."""


Reading = Whole | Snapshot | Increment | NewestFirst | Windows | Members


@dataclass(frozen=True, slots=True)
class Details:
    """A call for many rows of a whole reading, by id, which has more members of them."""

    end: str
    """What the endpoint's path has at its end and the path of this call lacks."""
    inputs: str
    """The parameter of the query with the ids, repeated."""
    key: str
    """The member of a row with its id."""
    params: Params = field(default_factory=dict)
    size: int = 100
    """Rows in a call."""


@dataclass(frozen=True, slots=True)
class Parents:
    """One call, or a list of pages, for each row of a table that is in the warehouse."""

    table: str
    slots: Mapping[str, str]
    """Of the path, parameters (`?name`) or only constants of the rows (`@name`, as all are): each
    takes a column of the parent. Slots and parameters name the parent."""
    changed: str = ""
    """A timestamp column of the parent, or several divided by commas: only parents are read that
    were loaded again and where one is another, or all are null. All where empty."""
    where: str = ""
    """Which parents have such rows, as a condition in SQL; all that are not gone where empty."""
    differs: bool = False
    """Whether parents are read where a slot or constant is another: for some thousand at most."""
    all_every: timedelta | None = None
    """How often parents are read that did not change, too."""
    recent: tuple[str, timedelta] | None = None  # which of these: a column with a time, and its age


@dataclass(frozen=True, slots=True)
class Batches:
    """One call for many rows of a table that is in the warehouse."""

    table: str
    column: str
    """Of the parent, which names it in the call."""
    size: int
    """Parents in a call."""
    shape: Mapping[str, Any] | None = None
    """An input of the call, with `@id` where the parent's name goes; the bare name where None."""
    inputs: str = "inputs"
    """The member of the body, or the repeated parameter of the query, that has the inputs."""
    match: str = "id"
    """The column of the first table that names the parent: its rows are replaced by parent."""
    changed: str = ""
    where: str = ""
    all_every: timedelta | None = None
    """See `Parents`."""
    version: str = ""  # a column that is another, as `changed` is, where the parent is
    also: tuple[str, ...] = ()
    """Columns of other tables, `table.column`, that name parents, too."""
    unseen: bool = False
    """Whether parents are what is named but has no row in the first table yet."""

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """The tables, and columns of them, that name parents."""
        others = (one.partition(".") for one in self.also)
        return (self.table, self.column), *((table, column) for table, _, column in others)


@dataclass(frozen=True, slots=True)
class Asked:
    """Properties that the objects of an endpoint have only where they are asked for by name.

    Those of the user's are found among the definitions; what HubSpot does not let read is left out.
    """

    object_type: str
    """Of the definitions, as the API of properties calls it."""
    known: tuple[str, ...]
    """Those of HubSpot's own that may be read."""
    param: str = "properties"


@dataclass(frozen=True, slots=True)
class Fill:
    """A column that HubSpot gives in another answer: it is filled in SQL, after each load."""

    table: str
    """That has it."""
    column: str
    """Here and there."""
    by: str
    """The column with the key of that table, there."""
    key: str = ""
    """The same here; of the same name where empty."""


Per = Literal["", "object type", "pair"] | Parents | Batches


@dataclass(frozen=True)
class Table:
    """One table: the objects of an answer's list, or of lists within them."""

    name: str
    key: str
    """Columns that identify a row, divided by commas; never null."""
    columns: str
    """In the language of `columns`."""
    about: str = field(default="", kw_only=True)
    """What a row is, as in "a row is a form"."""
    rows: str = ""
    """Of a child table, or a first table that has items of a list within the answer's objects
    instead of them: the member with its items, `fieldGroups.fields` for lists within lists;
    `a | b` for items of several, `one: a | other: b` to label them; `counters{}` for the members
    of an object as items; `.` for the objects themselves, of which a second table has other
    columns."""
    keeps: bool = False
    """Of a child table: whether rows that are gone stay, with `_hs_deleted_at`."""
    is_of_person: bool = False
    """Of a child table: whether a row that names a person makes all of its parent that person's."""
    scope: str | None = None
    """Of an endpoint with a reader of its own: rows of one value of it are replaced at a time."""

    @cached_property
    def fields(self) -> tuple[Column, ...]:
        """Its columns, but for those that each table has."""
        return columns(self.columns)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of its key columns."""
        return tuple(name.strip() for name in self.key.split(","))

    @cached_property
    def fixed(self) -> frozenset[str]:
        """Key columns that no policy hides: ids and the like, but no addresses of people."""
        addresses = {one.name for one in self.fields if one.form == "email"}
        return frozenset(self.keys) - addresses

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, but for those that each table has."""
        return tuple(one.name for one in self.fields)

    @cached_property
    def lists(self) -> Mapping[str, str]:
        """Of a child table: where its items are, with the label of each of these lists."""
        parts = [part.rpartition(":") for part in self.rows.split("|") if part.strip()]
        return {path.strip(): label.strip() for label, _, path in parts}

    @property
    def of_object(self) -> bool:
        """Of a child table: whether its items are the objects themselves."""
        return [*self.lists] == ["."]

    @cached_property
    def takes_members(self) -> bool:
        """Whether its items are objects: it has columns of their members."""
        return any(one.origin == "member" for column in self.fields for one in column.sources)

    @cached_property
    def parent_keys(self) -> dict[str, tuple[Source, ...]]:
        """Of a child table: key columns that its parent has, too, and where that takes them from.

        The rows that have the same values of them are replaced together.
        """
        own = {one.name: one.sources for one in self.fields}
        found = {name: own[name] for name in self.keys}
        return {
            name: tuple(_of_parent(one) for one in sources)
            for name, sources in found.items()
            if all(one.origin in {"parent", "constant"} for one in sources)
        }


def _of_parent(source: Source) -> Source:
    """Return a child's source as its parent has it."""
    if source.origin == "constant":
        return source
    return Source("hash", ()) if source.path == ("hash",) else Source("member", source.path)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint of HubSpot's and the tables that its answers fill."""

    name: str = field(kw_only=False)
    """Of its resource, its API and its first table."""
    group: str
    key: str
    columns: str
    about: str
    """Of its first table, which has the objects of the answer; see `Table`."""
    items: str = ""
    """Of the first table, too: the `rows` of `Table`, where it has items of a list within the
    objects instead of them."""
    first_scope: str | None = None
    """Of the first table, too: the `scope` of `Table`."""
    children: tuple[Table, ...] = ()
    """Tables of lists within the objects."""
    path: str = ""
    """Where it is, in every version; else `numbered` and `dated`. Slots: `{version}`, and those of
    its parents and variants."""
    numbered: str = ""
    dated: str = ""
    method: Literal["GET", "POST"] = "GET"
    params: Params = field(default_factory=dict)
    """Of every call; `@today` in a value, here or in a pass, is the date in UTC."""
    properties: Asked | None = None
    """What its objects are asked for by name; of whole readings."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Of every call by POST."""
    rows: str = "results"
    """The member of an answer with its objects; `$` where the answer is the list, `.` where it is
    the only object; `{}` for the lists among the answer's members, each an object of `name` and
    `value`; `folder>childNodes`: the object there, and those within it at any depth;
    `a | b` where HubSpot answers in one of several ways."""
    details: Details | None = None
    """Of rows that changed, and of all once a day: members that the answer lacks."""
    fills: Fill | None = None
    """A column of another endpoint's first table that takes its values from here."""
    omitted: str = ""
    """Members of the objects that are never kept, divided by blanks."""
    paging: Paging = field(default_factory=one_answer)
    variants: tuple[Params, ...] = ({},)
    """Passes, each with slots or parameters of its own, which are constants (`@archived`) of its
    rows, too. A row of a later pass takes the place of none of an earlier one."""
    read: Reading = field(default_factory=Whole)
    per: Per = ""
    """What it is asked for, one by one; else the portal."""
    applies: Callable[[ObjectType], bool] = lambda _kind: True
    """Which object types have it."""
    empty_on_404: bool = False
    """Whether 404 says that a parent has no rows: they go, though all answer so, for only 403 and
    400 say that the portal lacks it. Else they stay; 404 of all may say that it lacks this, too."""
    due: timedelta = HOUR
    """How old what it brought may be before it is read again."""
    default: bool = True
    """Whether a run reads it that names no tables."""
    scopes: tuple[str, ...] = ()
    """Scopes of a token, any of which allows to read it; none where every token may."""
    tier: str = ""
    """What the portal has to have, such as `Marketing Hub Professional`."""
    sunset: date | None = None
    """When HubSpot stops to support the path with a version number."""
    family: Family = "collections"
    budget: Budget = "interval"
    own_reader: bool = False
    """Whether the source reads it with a function of its own (`READERS` in `source.py`)."""
    in_every_load: bool = False
    """Whether each load of a run reads it, for it says what the load's columns are."""

    @cached_property
    def api(self) -> Api:
        """Where it is, and what its calls count as."""
        numbered, dated = self.numbered or self.path, self.dated or self.path
        return Api(numbered, dated, self.family, self.budget)

    def sunset_of(self, version: str) -> date | None:
        """Return when HubSpot stops to support what a run asks of this version, `v3` or a date."""
        return self.sunset if self.path or version == "v3" else None

    @cached_property
    def first(self) -> Table:
        """The table with the objects of its answers."""
        return Table(
            self.name,
            self.key,
            self.columns,
            about=self.about,
            rows=self.items,
            scope=self.first_scope,
        )

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The first one, then its children."""
        return (self.first, *self.children)

    @property
    def has_gone(self) -> bool:
        """Whether a row that no longer comes is gone."""
        is_whole = isinstance(self.read, Whole | Increment)
        return is_whole and isinstance(self.per, str) and not self.own_reader

    @cached_property
    def parent_slots(self) -> dict[str, str]:
        """Slots and parameters that name its parent in a call, and the parent's columns for them.

        The other slots of `Parents` are constants of the rows alone.
        """
        slots = self.per.slots if isinstance(self.per, Parents) else {}
        template = self.api.numbered + self.api.dated
        return {
            name.removeprefix("?"): column
            for name, column in slots.items()
            if name.startswith("?") or f"{{{name}}}" in template
        }

    @property
    def is_of_day(self) -> bool:
        """Whether its rows are those of a day."""
        return isinstance(self.read, Snapshot)

    @property
    def has_events(self) -> bool:
        """Whether its rows never change, nor go."""
        read = self.read
        return isinstance(read, NewestFirst) or (isinstance(read, Windows) and not read.changing)

    @property
    def parent_tables(self) -> tuple[str, ...]:
        """Tables whose rows it is asked for."""
        if isinstance(self.per, str):
            return ()
        named = self.per.named if isinstance(self.per, Batches) else ((self.per.table, ""),)
        return tuple(dict.fromkeys(table for table, _ in named))

    @property
    def replaced_by(self) -> tuple[str, ...]:
        """Columns of the first table: rows that have the same are replaced with each reading.

        Those of the parent, where all that it has is read at once.
        """
        if isinstance(self.per, Batches):
            return (self.per.match,)
        if not (isinstance(self.per, Parents) and isinstance(self.read, Whole)):
            return ()
        slots = {*self.parent_slots}
        return tuple(
            column.name
            for column in self.first.fields
            if column.sources[0].origin == "constant" and {*column.sources[0].path} <= slots
        )

    def keeps(self, table: Table) -> bool:
        """Whether rows of a table that are gone stay, with `_hs_deleted_at`."""
        return self.has_gone and (table.keeps or table is self.first)
