"""Associations: their types and labels, seeded links by formula, changed links as stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .catalog.object_types import ObjectType, Registry

Targets = dict[int, tuple[int, ...]]  # id of the other record -> association type ids
SeededTargets = Callable[[int], Targets]

# from type, to type: base type id, id of "Primary" or 0
_KNOWN = {
    ("0-1", "0-2"): (279, 1), ("0-2", "0-1"): (280, 2),
    ("0-3", "0-1"): (3, 0), ("0-1", "0-3"): (4, 0),
    ("0-3", "0-2"): (341, 5), ("0-2", "0-3"): (342, 6),
    ("0-1", "0-5"): (15, 0), ("0-5", "0-1"): (16, 0),
    ("0-2", "0-5"): (340, 25), ("0-5", "0-2"): (339, 26),
    ("0-3", "0-5"): (27, 0), ("0-5", "0-3"): (28, 0),
    ("0-3", "0-8"): (19, 0), ("0-8", "0-3"): (20, 0),
    ("0-101", "0-1"): (387, 0), ("0-101", "0-2"): (389, 0), ("0-101", "0-3"): (391, 0),
    ("0-101", "0-69"): (393, 0), ("0-101", "0-8"): (395, 0), ("0-101", "0-14"): (397, 0),
    ("0-101", "0-84"): (428, 0), ("0-101", "0-123"): (524, 0), ("0-101", "0-53"): (542, 0),
}  # fmt: skip
# companies to companies: one type id per direction besides the base
_HIERARCHY = ((13, "Child Company"), (14, "Parent Company"))


@dataclass(frozen=True, slots=True)
class LinkType:
    """One kind of association in one direction; `inverse_id` is the same in the other."""

    type_id: int
    category: str
    label: str | None
    name: str
    inverse_id: int

    def shown(self) -> dict[str, Any]:
        """Return the members an association answer gives."""
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


class LinkTypes:
    """The association types of every pair of object types."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._pairs: dict[tuple[str, str], dict[int, LinkType]] = {}
        self._next_user_id = 28_000

    def named(self, type_ids: list[str]) -> list[ObjectType]:
        """Return the object types of some type ids."""
        return [found for one in type_ids if (found := self._registry.find(one))]

    def of(self, source: ObjectType, target: ObjectType) -> dict[int, LinkType]:
        """Return the types from `source` to `target` by type id, the base type first."""
        pair = (source.type_id, target.type_id)
        if pair not in self._pairs:
            self._pairs[pair] = {t.type_id: t for t in self._standard(source, target)}
        return self._pairs[pair]

    def base_id(self, source: ObjectType, target: ObjectType) -> int:
        """Return the unlabelled type that every association of a pair has."""
        return next(iter(self.of(source, target)))

    def _ids(self, source: ObjectType, target: ObjectType) -> tuple[int, int]:
        known = _KNOWN.get((source.type_id, target.type_id))
        if known:
            return known
        number = self._registry.number
        return 1000 + 200 * number(source.type_id) + number(target.type_id), 0

    def _standard(self, source: ObjectType, target: ObjectType) -> Iterator[LinkType]:
        base, primary = self._ids(source, target)
        inverse, inverse_primary = self._ids(target, source)
        name = f"{source.singular}_to_{target.singular}"
        suffix = "_unlabeled" if primary else ""
        yield LinkType(base, "HUBSPOT_DEFINED", None, name + suffix, inverse)
        if primary:
            yield LinkType(primary, "HUBSPOT_DEFINED", "Primary", name, inverse_primary)
        if source.type_id == target.type_id == "0-2":
            (child, child_label), (parent, parent_label) = _HIERARCHY
            yield LinkType(child, "HUBSPOT_DEFINED", child_label, "parent_to_child", parent)
            yield LinkType(parent, "HUBSPOT_DEFINED", parent_label, "child_to_parent", child)

    def add_label(
        self, source: ObjectType, target: ObjectType, label: str, inverse_label: str | None
    ) -> LinkType:
        """Create a label: a pair of type ids, one per direction."""
        there, back = self._next_user_id, self._next_user_id + 1
        self._next_user_id += 2
        name = label.lower().replace(" ", "_")
        made = LinkType(there, "USER_DEFINED", label, name, back)
        shown = label if inverse_label is None else inverse_label
        inverse = LinkType(back, "USER_DEFINED", shown, f"{name}_inverse", there)
        self.of(source, target)[there] = made
        self.of(target, source)[back] = inverse
        return made

    def rename(
        self, source: ObjectType, target: ObjectType, type_id: int, labels: tuple[str, str]
    ) -> None:
        """Give a label other names, in its direction and in the other one."""
        there, back = self.of(source, target), self.of(target, source)
        inverse = there[type_id].inverse_id
        there[type_id] = replace(there[type_id], label=labels[0])
        back[inverse] = replace(back[inverse], label=labels[1])


class LinkStore:
    """Who is associated with whom, in both directions."""

    def __init__(self, types: LinkTypes) -> None:
        self.types = types
        self._seeded: dict[tuple[str, str], SeededTargets] = {}
        self._changed: dict[tuple[str, str], dict[int, Targets]] = {}

    def seed(self, source: ObjectType, target: ObjectType, targets: SeededTargets) -> None:
        """Give the formula of the seeded links from `source` to `target`."""
        self._seeded[source.type_id, target.type_id] = targets

    def targets(self, source: ObjectType, target: ObjectType, record_id: int) -> Targets:
        """Return the links of one record, not to be altered by the caller."""
        pair = (source.type_id, target.type_id)
        changed = self._changed.get(pair)
        if changed is not None and record_id in changed:
            return changed[record_id]
        formula = self._seeded.get(pair)
        return formula(record_id) if formula else {}

    def _owned(self, source: ObjectType, target: ObjectType, record_id: int) -> Targets:
        changed = self._changed.setdefault((source.type_id, target.type_id), {})
        if record_id not in changed:
            changed[record_id] = dict(self.targets(source, target, record_id))
        return changed[record_id]

    def link(
        self, source: tuple[ObjectType, int], target: tuple[ObjectType, int], type_id: int
    ) -> None:
        """Associate two records in both directions; the base type comes with any label."""
        types = self.types.of(source[0], target[0])
        for one in {self.types.base_id(source[0], target[0]), type_id}:
            self._add(source, target, one)
            self._add(target, source, types[one].inverse_id)

    def _add(
        self, source: tuple[ObjectType, int], target: tuple[ObjectType, int], type_id: int
    ) -> None:
        targets = self._owned(source[0], target[0], source[1])
        known = targets.get(target[1], ())
        if type_id and type_id not in known:
            targets[target[1]] = tuple(sorted((*known, type_id)))

    def unlink(
        self,
        source: tuple[ObjectType, int],
        target: tuple[ObjectType, int],
        type_id: int | None = None,
    ) -> None:
        """Remove one label between two records, or with None (or the base type) everything."""
        types = self.types.of(source[0], target[0])
        if type_id is None or type_id == self.types.base_id(source[0], target[0]):
            self._owned(source[0], target[0], source[1]).pop(target[1], None)
            self._owned(target[0], source[0], target[1]).pop(source[1], None)
            return
        self._discard(source, target, type_id)
        self._discard(target, source, types[type_id].inverse_id)

    def _discard(
        self, source: tuple[ObjectType, int], target: tuple[ObjectType, int], type_id: int
    ) -> None:
        targets = self._owned(source[0], target[0], source[1])
        if target[1] in targets:
            targets[target[1]] = tuple(t for t in targets[target[1]] if t != type_id)

    def pairs_from(self, type_id: str) -> list[str]:
        """Return the type ids of the types that records of a type may be linked to."""
        pairs = {*self._seeded, *self._changed}
        return sorted(target for source, target in pairs if source == type_id)

    def move(self, object_type: ObjectType, old_id: int, new_id: int) -> None:
        """Give a merged-away record's links to its survivor."""
        for target in self.types.named(self.pairs_from(object_type.type_id)):
            for other, type_ids in list(self.targets(object_type, target, old_id).items()):
                self.unlink((object_type, old_id), (target, other))
                if other != new_id:
                    for type_id in type_ids:
                        self.link((object_type, new_id), (target, other), type_id)
