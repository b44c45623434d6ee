"""Erase a person from the tables of endpoints: what names the contact by id or e-mail address.

Which columns name one is said by the declarations (`text:contact`, `text:email`, `text:record`).
With a row goes what lies in it, and what was read for it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import takewhile
from typing import Any

from ..catalog.endpoints import ENDPOINT_OF, ENDPOINTS, TABLES, shared_keys
from ..catalog.endpoints.columns import Column
from ..catalog.endpoints.declaration import Batches, Endpoint, Parents, Table
from ..catalog.selection import PER_TYPE
from ..model import REJECTS
from .erase import Dataset
from .sql import Row, named, of_parts

CONTACTS = "contacts"
ADDRESSES = ("email", "hs_additional_emails")
"""Columns of contacts with e-mail addresses, several divided by semicolons."""
TYPE_COLUMNS = ("object_type", "object_type_id", "kind")
ACTORS = ("v-{}", "e-{}")
"""How conversations name a contact by its id and by its address, in lower case."""
_NAMES_CONTACT = re.compile(r"contact|^vid$", re.IGNORECASE)
Condition = tuple[str, list[object]]
"""A condition on own columns, and its values; empty where nothing meets it."""
Keys = tuple[Sequence[str], Iterable[Row]]
"""Columns, and their values in some rows."""


@dataclass(frozen=True)
class Person:
    """A record that is to be forgotten, with what was merged into it."""

    table: str
    type_id: str | None
    ids: Sequence[str]
    emails: Sequence[str] = ()
    """Addresses of the contact, in lower case."""

    @cached_property
    def type_names(self) -> list[str]:
        """What rows call its object type, in lower case."""
        singular = self.table.removesuffix("ies") + "y" if self.table.endswith("ies") else ""
        names = (self.table, self.type_id, singular or self.table.removesuffix("s"))
        return [name.lower() for name in names if name]

    @cached_property
    def address(self) -> re.Pattern[str] | None:
        """What finds the addresses in a text, but not as parts of others."""
        if not self.emails:
            return None
        text = "|".join(map(re.escape, self.emails))
        return re.compile(rf"(?<![\w.+-])({text})(?![\w-]|\.\w)", re.IGNORECASE)


def addresses_of(datasets: Sequence[Dataset], table: str, ids: Sequence[str]) -> list[str]:
    """Return the e-mail addresses of contacts in lower case, and those among the ids themselves."""
    if table != CONTACTS:
        return []
    found = {one.lower() for one in ids if "@" in one}
    for dataset in datasets:
        columns = [name for name in ADDRESSES if name in dataset.tables.get(table, ())]
        for row in dataset.ask(table, columns, "id IN (?)", ids) if columns else ():
            found |= {one for text in row for one in _addresses(text)}
    return sorted(found)


def ids_of_address(datasets: Sequence[Dataset], table: str, address: str) -> list[str]:
    """Return the ids of the contacts with an e-mail address."""
    found: set[str] = set()
    for dataset in datasets:
        for column in (name for name in ADDRESSES if name in dataset.tables.get(table, ())):
            rows = dataset.ask(table, ("id", column), _has(column), address.lower())
            found |= {id_ for id_, text in rows if address.lower() in _addresses(text)}
    return sorted(found)


def _addresses(text: str | None) -> set[str]:
    """Return the addresses in a text that divides them by semicolons, in lower case."""
    return {part.strip().lower() for part in (text or "").split(";")} - {""}


def _has(column: str) -> str:
    """Return the condition that a column has a text in lower case in it, in any case."""
    return f"strpos(lower({named(column)}), ?) > 0"


def erase_person(dataset: Dataset, person: Person) -> None:
    """Erase what names a person, with what lies in it; what stays loses its addresses in JSON."""
    _Eraser(dataset, person).erase()


def marked_tables() -> list[str]:
    """Return the tables of endpoints with columns that name a person."""
    return [name for name, table in TABLES.items() if any(map(_mark, table.fields))]


def _mark(column: Column) -> str:
    """Return how a column names a contact or record; empty where it names none."""
    return column.form if column.kind == "text" and column.form not in {"user", "body"} else ""


@dataclass
class _Eraser:
    dataset: Dataset
    person: Person
    going: dict[str, dict[Row, None]] = field(default_factory=dict)
    """By table, the rows that are the person's, with those columns that `_noted` returns."""

    def erase(self) -> None:
        order = [table for one in _parents_first() for table in one.tables]
        there = [table for table in order if table.name in self.dataset.tables]
        for table in there:
            self.going[table.name] = self._going(table)
        for table in reversed(there):
            keys = self._noted_values(table.name, table.keys)
            self._erase_rejects(table, keys)
            self.dataset.delete_keys(table.name, table.keys, keys)
        self._erase_rejected_addresses()
        self._erase_per_type()
        for table in there:
            self._rewrite_json(table)
            self._rewrite_bodies(table)

    def _going(self, table: Table) -> dict[Row, None]:
        """Return the rows that are the person's: they name it, or lie in such rows."""
        endpoint = ENDPOINTS[ENDPOINT_OF[table.name]]
        others = []
        if table is endpoint.first:
            others += [self._of_children(endpoint, c) for c in endpoint.tables if c.is_of_person]
            others.append(self._above(*_fan_out(endpoint)))
        else:
            others.append(self._above(endpoint.first.name, shared_keys(endpoint, table)))
        conditions = [self._own(table)] + [one for keys in others for one in of_parts(*keys)]
        noted = self._noted(table.name)
        return dict.fromkeys(
            row
            for where, values in conditions
            if where
            for row in self.dataset.ask(table.name, noted, where, *values)
        )

    def _noted(self, table: str) -> list[str]:
        """Return the columns of a table that name its rows, or that other tables refer to."""
        return sorted({*TABLES[table].keys, *_referred_to().get(table, ())} & self._columns(table))

    def _noted_values(self, table: str, columns: Iterable[str]) -> list[Row]:
        """Return columns of the rows of a table that go."""
        at = [self._noted(table).index(name) for name in columns]
        return [tuple(row[place] for place in at) for row in self.going[table]]

    def _columns(self, table: str) -> set[str]:
        return self.dataset.tables[table]

    def _own(self, table: Table) -> Condition:
        parts = [part for column in table.fields for part in self._of_column(table, column)]
        return " OR ".join(sql for sql, _ in parts), [one for _, args in parts for one in args]

    def _of_column(self, table: Table, column: Column) -> Iterator[Condition]:
        """Yield the condition under which a column names the person."""
        person, name, mark = self.person, named(column.name), _mark(column)
        if column.name not in self._columns(table.name) or not mark:
            return
        if mark == "email" and person.emails:
            yield f"lower({name}) IN (?)", [person.emails]
        elif mark == "contact" and person.table == CONTACTS:
            yield f"{name} IN (?)", [person.ids]
        elif mark == "visitor" and person.table == CONTACTS:
            of_id, of_address = ACTORS
            actors = [*map(of_id.format, person.ids), *map(of_address.format, person.emails)]
            yield f"lower({name}) IN (?)", [actors]
        elif mark == "record":
            of_type = named(next(one for one in TYPE_COLUMNS if one in table.names))
            sql = f"({name} IN (?) AND lower({of_type}) IN (?))"
            yield sql, [person.ids, person.type_names]

    def _of_children(self, endpoint: Endpoint, child: Table) -> Keys:
        """Return what rows share with children that name the person."""
        where, values = self._own(child) if child.name in self.dataset.tables else ("", [])
        shared = shared_keys(endpoint, child)
        if not where or not shared:
            return (), ()
        rows = self.dataset.ask(child.name, shared.keys(), where, *values)
        return [*shared.values()], [row for row in dict.fromkeys(rows) if None not in row]

    def _above(self, parent: str, shared: Mapping[str, str]) -> Keys:
        """Return what rows share with those of another table that go, which they lie in."""
        if not shared or not self.going.get(parent):
            return (), ()
        if not {*shared.values()} <= self._columns(parent):
            return (), ()
        rows = self._noted_values(parent, shared.values())
        return [*shared], [row for row in dict.fromkeys(rows) if None not in row]

    def _erase_rejects(self, table: Table, keys: Sequence[Row]) -> None:
        """Erase the rejected values of rows that go.

        Those are named as HubSpot writes a key: of texts and whole numbers, as the row has it.
        """
        if REJECTS not in self.dataset.tables or not keys:
            return
        kinds = {column.name: column.kind for column in table.fields}
        same = [*takewhile(lambda name: kinds[name] in {"text", "integer"}, table.keys)]
        texts = {":".join(map(str, key[: len(same)])) for key in keys}
        starts = tuple(f"{text}:" for text in texts)
        is_whole = len(same) == len(table.keys)
        asked = f"SELECT DISTINCT id FROM {REJECTS} WHERE table_name = ?"
        found = [
            (table.name, id_)
            for page in self.dataset.held.pages(asked, table.name)
            for (id_,) in page
            if (id_ in texts if is_whole else id_.startswith(starts))
        ]
        self.dataset.delete_keys(REJECTS, ("table_name", "id"), found)

    def _erase_rejected_addresses(self) -> None:
        """Erase rejected values that are the person's addresses, or of rows that these name."""
        address, key = self.person.address, self.dataset.keys.get(REJECTS, ())
        if REJECTS not in self.dataset.tables or address is None:
            return
        found: dict[Row, None] = {}
        for column in ("raw_value", "id"):
            words, sql = self._mentions(column)
            where = f"table_name IN (?) AND {sql}"
            rows = self.dataset.ask(REJECTS, [*key, column], where, [*TABLES], *words)
            found |= {row[:-1]: None for row in rows if address.search(row[-1])}
        self.dataset.delete_keys(REJECTS, key, found)

    def _mentions(self, column: str, *others: str) -> tuple[list[str], str]:
        """Return the values and the condition of texts that may have an address, or others."""
        words = [word.lower() for word in (*self.person.emails, *others)]
        return words, "(" + " OR ".join([_has(column)] * len(words)) + ")"

    def _erase_per_type(self) -> None:
        """Erase the record from the tables that steps of their own keep of its object type."""
        for name in (of_type(self.person.table) for of_type in PER_TYPE.values()):
            for column in {"id", "record_id"} & self.dataset.tables.get(name, set()):
                self.dataset.delete(name, f"{column} IN (?)", self.person.ids)

    def _rewrite_json(self, table: Table) -> None:
        """Take the person out of the JSON of rows that stay."""
        names = [one.name for one in table.fields if one.kind == "json"] + ["extra"]
        ids = self.person.ids if self.person.table == CONTACTS else ()
        for name in (one for one in names if one in self.dataset.tables[table.name]):
            words, where = self._mentions(name, *ids)
            if words:
                self.dataset.rewrite(table.name, name, scrubber(self.person), where, *words)

    def _rewrite_bodies(self, table: Table) -> None:
        """Take the person's addresses out of what people wrote in rows that stay."""
        address = self.person.address
        names = [one.name for one in table.fields if one.kind == "text" and one.form == "body"]
        for name in names if address else ():
            if address and name in self.dataset.tables[table.name]:
                words, where = self._mentions(name)
                change = partial(address.sub, "(erased)")
                self.dataset.rewrite(table.name, name, change, where, *words)


def scrubber(person: Person) -> Callable[[str], str]:
    """Return what takes a contact's addresses, and ids of members that name contacts, out of JSON.

    Other texts and numbers stay, also those that happen to be the same as an id.
    """

    def cut(value: Any, *, of_contact: bool) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            named = {key: of_contact or bool(_NAMES_CONTACT.search(key)) for key in value}
            return {
                key: cut(one, of_contact=named[key])
                for key, one in value.items()
                if not (named[key] and _is_id(one)) and not _found(key)
            }
        if isinstance(value, list):
            kept = [one for one in value if not (of_contact and _is_id(one))]
            return [cut(one, of_contact=of_contact) for one in kept]
        if isinstance(value, str) and person.address:
            return person.address.sub("(erased)", value)
        return value

    def _is_id(value: object) -> bool:
        return str(value) in person.ids and not isinstance(value, bool)

    def _found(key: str) -> bool:
        return bool(person.address and person.address.search(key))

    def scrub(text: str) -> str:
        try:
            known = json.loads(text)
        except ValueError:
            return text
        kept = cut(known, of_contact=False)
        return text if kept == known else json.dumps(kept)

    return scrub


def _parents_first() -> list[Endpoint]:
    """Return the endpoints, those whose rows others are read for before these."""
    done: dict[str, Endpoint] = {}

    def add(endpoint: Endpoint) -> None:
        above = ENDPOINT_OF.get(getattr(endpoint.per, "table", ""))
        if above and above != endpoint.name and above not in done:
            add(ENDPOINTS[above])
        done[endpoint.name] = endpoint

    for endpoint in ENDPOINTS.values():
        add(endpoint)
    return [*done.values()]


@cache
def _referred_to() -> dict[str, set[str]]:
    """Return the columns of tables of endpoints that rows of other tables share."""
    found: dict[str, set[str]] = {}
    for endpoint in ENDPOINTS.values():
        above, shared = _fan_out(endpoint)
        found.setdefault(above, set()).update(shared.values())
        for table in endpoint.tables:
            if table is not endpoint.first:
                shared = shared_keys(endpoint, table)
                found.setdefault(endpoint.first.name, set()).update(shared.values())
    return found


def _fan_out(endpoint: Endpoint) -> tuple[str, dict[str, str]]:
    """Return the table that an endpoint is read for, and the columns that name its rows."""
    per = endpoint.per
    if isinstance(per, Batches):
        return per.table, {per.match: per.column}
    if not isinstance(per, Parents):
        return "", {}
    of_slot = {
        column.sources[0].path[0]: column.name
        for column in endpoint.first.fields
        if column.sources[0].origin == "constant"
    }
    return per.table, {of_slot[s]: c for s, c in endpoint.parent_slots.items() if s in of_slot}
