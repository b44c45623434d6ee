"""What becomes of properties between two readings of their definitions, as data."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..model import Change, Column, SchemaChange
from .properties import Definition


class Fact(msgspec.Struct, array_like=True, frozen=True):
    """What the state keeps of the property behind a column: as little as shows a change."""

    property: str
    label: str
    type: str
    calculated: bool
    options: str
    """Digest of the options; empty where there are none."""


Facts = dict[str, Fact]
"""By column name, of the properties that exist today."""


def facts_of(value: Any) -> Facts | None:  # noqa: ANN401 - whatever the state holds
    """Read facts from the state; None where there are none, or of another form."""
    if isinstance(value, dict) and all(isinstance(fact, Fact) for fact in value.values()):
        return value
    try:
        return msgspec.convert(value, Facts)
    except msgspec.ValidationError:
        return None


def describe(columns: Sequence[Column], definitions: Sequence[Definition]) -> Facts:
    """Return the facts of the properties behind some columns."""
    by_name = {definition.name: definition for definition in definitions}
    return {column.name: _describe(by_name[column.property], column) for column in columns}


def _describe(definition: Definition, column: Column) -> Fact:
    options = [(one.value, one.label, one.hidden) for one in definition.options or ()]
    digest = hashlib.sha256(msgspec.json.encode(sorted(options, key=str))).hexdigest()[:12]
    formula = (definition.field_type or "").startswith("calculation_")
    return Fact(
        definition.name,
        definition.label or "",
        definition.type or column.hubspot_type,
        bool(definition.calculated) or formula,
        digest if options else "",
    )


def compare_facts(
    table: str, before: Facts | None, now: Facts, known: Sequence[Column]
) -> list[SchemaChange]:
    """Return what became of a table's properties; nothing where they were never read before.

    Args:
        table: its name.
        before: when the definitions were last read.
        now: today's.
        known: the columns that the table had before.
    """
    if before is None:
        return []
    alive = {fact.property for fact in now.values()}
    older = {fact.property: fact for fact in before.values()}
    had = {column.name for column in known}
    changes: list[SchemaChange] = []
    for column in sorted({*before, *now}):
        then, fact = before.get(column), now.get(column)
        if then and fact:
            changes += _differences(table, column, then, fact)
        elif fact:
            earlier = older.get(fact.property)
            changes.append(_arrival(table, column, fact, earlier, was_known=column in had))
        elif then and then.property not in alive:
            changes.append(SchemaChange(table, then.property, "archived", column, then.type))
    return changes


def _arrival(
    table: str, column: str, fact: Fact, earlier: Fact | None, *, was_known: bool
) -> SchemaChange:
    """Return why a column has come: its property changed its type, returned, or is new."""
    if earlier:
        return SchemaChange(table, fact.property, "type", column, earlier.type, fact.type)
    kind: Change = "returned" if was_known else "added"
    return SchemaChange(table, fact.property, kind, column, None, fact.type)


def _differences(table: str, column: str, then: Fact, now: Fact) -> Iterator[SchemaChange]:
    """Return what is different about a property that keeps its column."""
    members: tuple[Change, ...] = ("type", "label", "options")
    for member in members:
        before, after = getattr(then, member), getattr(now, member)
        if before != after:
            yield SchemaChange(table, now.property, member, column, before, after)
