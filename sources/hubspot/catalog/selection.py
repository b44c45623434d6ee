"""What a run reads: the one place that knows object types, links, endpoints and groups by name.

What can be chosen is called an item here: the table of an object type, a link table, an endpoint.
The settings are taken first and the names of a command then, so that `default` in a command means
what the settings choose. What comes along with an item that is chosen is read, too, unless it is
excluded: links between object types, reference tables of the CRM, the parents of an endpoint.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..errors import ConfigError, UnknownTypeError
from ..model import ObjectType
from .endpoints import ENDPOINT_OF, ENDPOINTS
from .endpoints.crm import CRM
from .names import HISTORY, did_you_mean, divided, find, history_table, link_table
from .object_types import STANDARD, aliases_of
from .pairs import Ends, select_pairs

DEFAULT, EVERYTHING, LINKS = "default", "all", "links"
"""Names of what is read without names, of all that can be read, of all link tables."""
PER_TYPE: dict[str, Callable[[str], str]] = {HISTORY: history_table}
"""Groups with a table for each object type that steps of their own read, by what that is called.
They are off by default."""
ALWAYS = frozenset(name for name, one in ENDPOINTS.items() if one.own_reader and one.group == CRM)
"""Endpoints that say what the other tables are: every run needs them."""
Items = frozenset[str]


@dataclass(frozen=True, slots=True)
class Names:
    """What a person names, in the settings or in a command; a text may hold several."""

    select: Sequence[str] = ()
    """What is read, and nothing else but what it needs; where empty, what is read by default."""
    exclude: Sequence[str] = ()
    """What of it is not read."""
    pairs: Sequence[str] = ()
    """Changes to the pairs whose links are read; see `select_pairs`."""
    objects: Sequence[str] = ()
    """Object types, as if they stood in `select`."""
    only: Sequence[str] = ()
    """What of all this one run loads; all where empty."""

    @property
    def asked(self) -> list[str]:
        """All that is to be read, name by name."""
        return divided((*self.objects, *self.select))


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run reads."""

    types: tuple[ObjectType, ...] = ()
    """In the order of the catalog."""
    pairs: tuple[Ends, ...] = ()
    """Object types whose links are read."""
    endpoints: tuple[str, ...] = ()
    """In the order of the catalog."""
    per_type: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group of `PER_TYPE` the tables of the object types that it is read of."""
    at_once: Items = frozenset()
    """Of these, the ones that the command asks for by name, or by their group's."""
    named: Items = frozenset()
    """Object types and endpoints that somebody asks for by their own names, and not by that of a
    group: not to read one is an error."""

    @property
    def groups(self) -> list[str]:
        """The groups of what is read that does not belong to the CRM's records."""
        found = (ENDPOINTS[name].group for name in self.endpoints)
        return [name for name in dict.fromkeys((*found, *self.per_type)) if name != CRM]

    def reads(self, table: str) -> bool:
        """Whether a table is read: of an object type, of links, of an endpoint or of `PER_TYPE`."""
        links = {_links(ends) for ends in self.pairs}
        types = {kind.table for kind in self.types}
        own = {PER_TYPE[group](name) for group, names in self.per_type.items() for name in names}
        return table in types | links | own or ENDPOINT_OF.get(table) in self.endpoints


def _links(ends: Ends) -> str:
    """Return the name of the table with the links of a pair."""
    return link_table(*(end.table for end in ends))


def reads_own(settings: Names, command: Names) -> bool | None:
    """Whether the portal's own object types may be among what is read; None where all types are.

    Args:
        settings: names of the settings.
        command: names of this run.
    """
    known = Directory(STANDARD)
    try:
        names = {*known.canonical((*command.asked, *command.only))}
        if not names or DEFAULT in names:
            names |= {*known.canonical(settings.select)} or {EVERYTHING}
    except UnknownTypeError:
        return True
    whole = {EVERYTHING, CRM, LINKS, *PER_TYPE}
    return None if names & whole or names == {DEFAULT} else False


class Directory:
    """All that can be named in a portal."""

    def __init__(self, catalog: Sequence[ObjectType], changes: Sequence[str] = ()) -> None:
        """Collect the names.

        Args:
            catalog: the object types of the portal.
            changes: to the pairs whose links are read, as the setting `pairs` has them.
        """
        self.types = {kind.table: kind for kind in catalog}
        self.pairs = {_links(ends): ends for ends in select_pairs(catalog, changes)}
        self.per_type = {
            named(table): (group, table)
            for group, named in PER_TYPE.items()
            for table in self.types
        }
        self.groups = {CRM: Items(self.types), LINKS: Items(self.pairs)}
        members = [(name, one.group) for name, one in ENDPOINTS.items()]
        members += [(table, group) for table, (group, _) in self.per_type.items()]
        for item, group in members:
            self.groups[group] = self.groups.get(group, Items()) | {item}
        self.default = Items(
            (*self.types, *(name for name, one in ENDPOINTS.items() if one.default))
        )
        self._aliases = self._all_aliases(catalog)

    def _all_aliases(self, catalog: Sequence[ObjectType]) -> dict[str, str]:
        """Return what everything may be called; of two that are called the same the last counts."""
        turned = {_links(ends[::-1]): table for table, ends in self.pairs.items()}
        tables = (*self.per_type, *self.pairs, *ENDPOINT_OF, *self.types)
        words = (*self.groups, DEFAULT, EVERYTHING)
        return {
            **aliases_of(catalog),
            **turned,
            **{name: name for name in (*tables, *words)},
        }

    def canonical(self, names: Iterable[str], *, strict: bool = True) -> list[str]:
        """Return names as they stand in the catalog.

        Args:
            names: as people write them, several in one text or not.
            strict: whether an unknown one is an error.

        Raises:
            UnknownTypeError: there is no such name; the message lists what there is, by group.
        """
        found, unknown = find(divided(names), self._aliases)
        if unknown and strict:
            raise UnknownTypeError(
                f"Unknown name: {', '.join(unknown)}.",
                remedy=f"{did_you_mean(unknown, self._aliases)}There is: {self.listed()}.",
            )
        return found

    def listed(self) -> str:
        """Return all names by group, as one text."""
        example = next(iter(self.pairs), "contacts_to_companies")
        parts = [f"{DEFAULT} (what is read without names)", f"{EVERYTHING}"]
        for group, items in self.groups.items():
            order = [*self.types, *ENDPOINTS, *self.per_type]
            members = sorted(items & {*order}, key=order.index)
            parts.append(f"{group}: {', '.join(members) or f'tables such as {example}'}")
        return "; ".join(parts)

    def items(self, name: str, base: Items) -> Items:
        """Return the items that a name of the catalog stands for.

        Args:
            name: of an item, a table, a group.
            base: what `default` stands for.
        """
        if name == DEFAULT:
            return base
        if name == EVERYTHING:
            return Items().union(*self.groups.values())
        return self.groups.get(name) or Items({ENDPOINT_OF.get(name, name)})

    def excluded(self, names: Iterable[str]) -> Items:
        """Return the items that are not read.

        Raises:
            ConfigError: a table that comes with another one, or that every run needs.
        """
        found = self.canonical(names)
        for name in found:
            endpoint = ENDPOINT_OF.get(name, "")
            if name not in self.groups and endpoint in ALWAYS:
                raise ConfigError(
                    f"{name} cannot be excluded: every run needs it.",
                    remedy="Remove it from --exclude, or from the setting exclude.",
                )
            if name not in self.groups and endpoint not in {"", name}:
                raise ConfigError(
                    f"{name} cannot be excluded alone: it comes with {endpoint}, in the same"
                    " calls.",
                    remedy=f"Exclude {endpoint}, which leaves out both.",
                )
        return Items().union(*(self.items(name, self.default) for name in found)) - ALWAYS

    def choose(self, settings: Names, command: Names) -> Selection:
        """Return what is read.

        What a command names, and what that needs, is read although the settings exclude it.

        Args:
            settings: names of the settings.
            command: names of this run.

        Raises:
            UnknownTypeError: there is no such name.
            ConfigError: what is excluded is needed, or nothing is left to read.
        """
        never = self.excluded(settings.exclude)
        explicit = self._explicit(settings, self.default) - never
        asked = self._explicit(Names([n for n in self.canonical(command.select) if n != DEFAULT]))
        left_out = self.excluded(command.exclude)
        explicit = self._explicit(command, explicit) - left_out
        without = (never - self._with_needs(asked)) | left_out
        whole = self._completed(explicit, without)
        self._refuse_lost(command, left_out, whole)
        if not whole - ALWAYS:
            raise ConfigError(
                "Nothing is left to read.",
                remedy="Name an object type, an endpoint or a group with --select, or exclude less."
                f" There is: {self.listed()}.",
            )
        names = Items(self.canonical(command.select or settings.select))
        by_command = {*self.canonical(command.select)}
        at_once = {
            table for table, (group, _) in self.per_type.items() if by_command & {group, table}
        }
        return replace(self._selection(whole, names), at_once=Items(at_once))

    def _explicit(self, names: Names, base: Items = frozenset()) -> Items:
        if not names.select:
            return base
        return Items().union(*(self.items(name, base) for name in self.canonical(names.select)))

    def _with_needs(self, items: Items, without: Items = frozenset()) -> Items:
        """Add what items do not work without, but for what is left out."""
        waiting = [*items]
        while waiting:
            new = {*self._needs(waiting.pop())} - without - items
            items |= new
            waiting += new
        return items

    def _refuse_lost(self, command: Names, left_out: Items, whole: Items) -> None:
        """Refuse a command that names something and excludes what it needs.

        Raises:
            ConfigError: it does.
        """
        named = Items(map(self._of_its_own, self.canonical(command.select)))
        for lost in sorted((named & {*self.types, *ENDPOINTS, *self.per_type}) - left_out - whole):
            needed = ", ".join(sorted(self._with_needs(Items({lost})) & left_out))
            raise ConfigError(
                f"{lost} cannot be read without {needed}, which is excluded.",
                remedy=f"Remove {needed} from --exclude, or {lost} from --select.",
            )

    def _completed(self, explicit: Items, without: Items) -> Items:
        """Add what comes along with items; take away what does not work without others."""
        ends = {table: {kind.table for kind in both} for table, both in self.pairs.items()}
        items = explicit | ({table for table, both in ends.items() if both <= explicit} - without)
        items = self._with_needs(Items(items), without)
        if items & self.types.keys():
            items |= (self.groups[CRM] & ENDPOINTS.keys()) - without
        while lost := {one for one in items if not {*self._needs(one)} <= items}:
            items -= lost
        return items | ALWAYS

    def _needs(self, item: str) -> Iterator[str]:
        """Yield the items that one does not work without."""
        if item in self.pairs:
            yield from (kind.table for kind in self.pairs[item])
        if item in self.per_type:
            yield self.per_type[item][1]
        if item in ENDPOINTS and not isinstance(per := ENDPOINTS[item].per, str):
            yield ENDPOINT_OF.get(per.table, per.table)

    def narrowed(self, whole: Selection, only: Sequence[str]) -> Selection:
        """Return the part of a selection that one task of a scheduler loads; its pairs are kept.

        Args:
            whole: what all tasks read.
            only: names of object types, with which the reference tables of the CRM come, of
                endpoints or of groups; all where empty.
        """
        if not only:
            return whole
        names = self.canonical(only)
        items = Items().union(*(self.items(name, self.default) for name in names))
        types = tuple(kind for kind in whole.types if kind.table in items)
        along = self.groups[CRM] if types else ALWAYS
        endpoints = tuple(name for name in whole.endpoints if name in items | along)
        per_type = {
            group: tuple(t for t in tables if PER_TYPE[group](t) in items)
            for group, tables in whole.per_type.items()
        }
        return replace(whole, types=types, endpoints=endpoints, per_type=per_type)

    def _of_its_own(self, name: str) -> str:
        """Return the type or endpoint that a name names; an empty text if it is that of a group."""
        return "" if name in self.groups else ENDPOINT_OF.get(name, name)

    def _selection(self, items: Items, named: Items) -> Selection:
        per_type: dict[str, tuple[str, ...]] = {}
        for table, (group, of_type) in self.per_type.items():
            if table in items:
                per_type[group] = (*per_type.get(group, ()), of_type)
        return Selection(
            types=tuple(kind for table, kind in self.types.items() if table in items),
            pairs=tuple(ends for table, ends in self.pairs.items() if table in items),
            endpoints=tuple(name for name in ENDPOINTS if name in items),
            per_type=per_type,
            named=Items(self._of_its_own(name) for name in named) & {*self.types, *ENDPOINTS},
        )
