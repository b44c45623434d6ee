"""Erase a person from the tables of endpoints: what names the contact by id or e-mail address.

Which columns name one is said by the declarations (`text:contact`, `text:email`, `text:record`).
With a row goes what lies in it, and what was read for it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ..catalog.endpoints import ENDPOINT_OF, ENDPOINTS, TABLES, shared_keys
from ..catalog.endpoints.columns import Column
from ..catalog.endpoints.declaration import Batches, Endpoint, Parents, Table
from ..catalog.selection import PER_TYPE
from ..model import REJECTS
from .erase import Dataset, marks

CONTACTS = "contacts"
ADDRESSES = ("email", "hs_additional_emails")
"""Columns of contacts with e-mail addresses, several divided by semicolons."""
TYPE_COLUMNS = ("object_type", "object_type_id", "kind")
ACTORS = ("v-{}", "e-{}")
"""How conversations name a contact by its id and by its address, in lower case."""
_NAMES_CONTACT = re.compile(r"contact|^vid$", re.IGNORECASE)
Condition = tuple[str, list[object]]
"""A condition in SQL, and its arguments; empty where nothing meets it."""


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
        for column in columns:
            sql = f"SELECT {column} FROM {dataset.qualified[table]} WHERE id IN ({marks(ids)})"
            for (text,) in dataset.ask(sql, *ids):
                found |= {part.strip().lower() for part in str(text or "").split(";")}
    return sorted(found - {""})


def ids_of_address(datasets: Sequence[Dataset], table: str, address: str) -> list[str]:
    """Return the ids of the contacts with an e-mail address."""
    found: set[str] = set()
    for dataset in datasets:
        for column in (name for name in ADDRESSES if name in dataset.tables.get(table, ())):
            within = f"';' || replace(lower({column}), ' ', '') || ';' LIKE %s ESCAPE '!'"
            sql = f"SELECT id FROM {dataset.qualified[table]} WHERE {within}"
            found |= {row[0] for row in dataset.ask(sql, like(f";{address};"))}
    return sorted(found)


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
    conditions: dict[str, Condition] = field(default_factory=dict)

    def erase(self) -> None:
        order = [table for one in _parents_first() for table in one.tables]
        there = [table for table in order if table.name in self.dataset.tables]
        for table in there:
            self.conditions[table.name] = self._condition(table)
        for table in [one for one in reversed(there) if self.conditions[one.name][0]]:
            sql, args = self.conditions[table.name]
            self._erase_rejects(table, sql, args)
            self.dataset.delete(table.name, sql, *args)
        self._erase_rejected_addresses()
        self._erase_per_type()
        for table in there:
            self._rewrite_json(table)
            self._rewrite_bodies(table)

    def _condition(self, table: Table) -> Condition:
        """Return which rows are the person's: those that name it, or lie in such rows."""
        endpoint = ENDPOINTS[ENDPOINT_OF[table.name]]
        parts = [self._own(table)]
        if table is endpoint.first:
            parts += [self._of_children(endpoint, c) for c in endpoint.tables if c.is_of_person]
            parts.append(self._below(table, *_fan_out(endpoint)))
        else:
            parts.append(self._below(table, endpoint.first.name, shared_keys(endpoint, table)))
        given = [(sql, args) for sql, args in parts if sql]
        return " OR ".join(sql for sql, _ in given), [one for _, args in given for one in args]

    def _own(self, table: Table) -> Condition:
        parts = [part for column in table.fields for part in self._of_column(table, column)]
        return " OR ".join(sql for sql, _ in parts), [one for _, args in parts for one in args]

    def _of_column(self, table: Table, column: Column) -> Iterator[Condition]:
        """Yield the condition under which a column names the person."""
        person, there = self.person, self.dataset.tables[table.name]
        name, mark = self.dataset.client.escape_column_name(column.name), _mark(column)
        if column.name not in there or not mark:
            return
        if mark == "email" and person.emails:
            yield f"lower({name}) IN ({marks(person.emails)})", [*person.emails]
        elif mark == "contact" and person.table == CONTACTS:
            yield f"{name} IN ({marks(person.ids)})", [*person.ids]
        elif mark == "visitor" and person.table == CONTACTS:
            of_id, of_address = ACTORS
            actors = [*map(of_id.format, person.ids), *map(of_address.format, person.emails)]
            yield f"lower({name}) IN ({marks(actors)})", [*actors]
        elif mark == "record":
            of_type = next(one for one in TYPE_COLUMNS if one in table.names)
            kinds = person.type_names
            sql = f"({name} IN ({marks(person.ids)}) AND lower({of_type}) IN ({marks(kinds)}))"
            yield sql, [*person.ids, *kinds]

    def _of_children(self, endpoint: Endpoint, child: Table) -> Condition:
        """Return which rows have a child that names the person; asked now, for those go first."""
        own, args = self._own(child) if child.name in self.dataset.tables else ("", [])
        shared = shared_keys(endpoint, child)
        if not own or not shared:
            return "", []
        escape = self.dataset.client.escape_column_name
        of_child, of_parent = (
            " || ':' || ".join(f"CAST({escape(name)} AS VARCHAR)" for name in names)
            for names in (shared.keys(), shared.values())
        )
        sql = f"SELECT DISTINCT {of_child} FROM {self.dataset.qualified[child.name]} WHERE {own}"
        keys = [row[0] for row in self.dataset.ask(sql, *args)]
        return (f"{of_parent} IN ({marks(keys)})", keys) if keys else ("", [])

    def _below(self, table: Table, parent: str, shared: Mapping[str, str]) -> Condition:
        """Return which rows lie in, or were read for, rows of another table that are erased."""
        above, args = self.conditions.get(parent, ("", []))
        if not above or not shared:
            return "", []
        upper, lower = self.dataset.qualified[parent], self.dataset.qualified[table.name]
        escape = self.dataset.client.escape_column_name
        same = " AND ".join(f"{upper}.{escape(b)} = {lower}.{escape(a)}" for a, b in shared.items())
        return f"EXISTS (SELECT 1 FROM {upper} WHERE {same} AND ({above}))", [*args]

    def _erase_rejects(self, table: Table, sql: str, args: Sequence[object]) -> None:
        """Erase the rejected values of rows that go."""
        if REJECTS not in self.dataset.tables:
            return
        rejects, rows = self.dataset.qualified[REJECTS], self.dataset.qualified[table.name]
        escape = self.dataset.client.escape_column_name
        key = " || ':' || ".join(f"CAST({rows}.{escape(n)} AS VARCHAR)" for n in table.keys)
        found = f"EXISTS (SELECT 1 FROM {rows} WHERE {key} = {rejects}.id AND ({sql}))"
        self.dataset.delete(REJECTS, f"table_name = %s AND {found}", table.name, *args)

    def _erase_rejected_addresses(self) -> None:
        """Erase rejected values that are the person's addresses, or of rows that these name."""
        if REJECTS not in self.dataset.tables:
            return
        address, tables = self.person.address, [*TABLES]
        if address is None:
            return
        where = f"table_name IN ({marks(tables)})"
        for column in ("raw_value", "id"):
            words, sql = self._mentions(column)
            asked = f"SELECT DISTINCT {column} FROM {self.dataset.qualified[REJECTS]}"
            found = self.dataset.ask(f"{asked} WHERE {where} AND {sql}", *tables, *words)
            if texts := [text for (text,) in found if address.search(text)]:
                named = f"{where} AND {column} IN ({marks(texts)})"
                self.dataset.delete(REJECTS, named, *tables, *texts)

    def _mentions(self, column: str, *others: str) -> tuple[list[str], str]:
        """Return the arguments and the condition of texts that may have an address, or others."""
        words = [like(word) for word in (*self.person.emails, *others)]
        return words, "(" + " OR ".join([f"lower({column}) LIKE %s ESCAPE '!'"] * len(words)) + ")"

    def _erase_per_type(self) -> None:
        """Erase the record from the tables that steps of their own keep of its object type."""
        ids = self.person.ids
        for name in (named(self.person.table) for named in PER_TYPE.values()):
            for column in {"id", "record_id"} & self.dataset.tables.get(name, set()):
                self.dataset.delete(name, f"{column} IN ({marks(ids)})", *ids)

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


def like(text: str) -> str:
    """Return a pattern of LIKE, with ! as its escape, for what has a text in it."""
    literal = re.sub("([!%_])", r"!\1", text.lower())
    return f"%{literal}%"


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
