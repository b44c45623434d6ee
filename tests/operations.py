"""What happens to a portal, as plain data: to its records, links, properties, clock and search.

An operation is a tuple of a name and arguments; `OPERATIONS` has what each name does. Records and
links are named by their place among those there are at that moment, so that any list of operations
makes sense, and so does what is left of it when some are taken out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import ANOMALIES

Operation = tuple[Any, ...]
Values = Mapping[str, str]

KINDS = ("contacts", "companies", "deals", "vehicle")
PAIRS = (("contacts", "companies"), ("companies", "companies"), ("deals", "contacts"))
LINKED = (*PAIRS, ("vehicle", "contacts"))
MINUTE_MS = 60_000
LAG_MS = 20 * MINUTE_MS

PROPERTIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "note": ({}, ("", "plain", "NULL", "   ", "nul \0 end", "emoji 👩‍👩‍👧", "line\r\nend\u2028")),
    "size": (
        {"type": "number", "fieldType": "number"},
        ("", "12", "0.1", "N/A", " 42 ", "9007199254740993", "1e400", "1,234.50", "-0"),
    ),
    "pick": (
        {"type": "enumeration", "fieldType": "select", "options": ["first", "second"]},
        ("", "first", "second", ";first;second", "an_option_that_was_removed"),
    ),
    "flag": (
        {"type": "bool", "fieldType": "booleancheckbox"},
        ("", "true", "No", "TRUE", "maybe"),
    ),
    "day": (
        {"type": "date", "fieldType": "date"},
        ("", "2024-02-29", "1572480000000", "not a date", "9999-12-31"),
    ),
    "moment": (
        {"type": "datetime", "fieldType": "date"},
        ("", "2024-09-11T13:27:39.356Z", "1726061259356.0", "2024-13-45T99:00:00Z"),
    ),
    "total": ({"type": "number", "fieldType": "calculation_rollup"}, ("", "1", "2.5", "N/A")),
}
"""Properties of every type, and values of theirs; `total` is calculated."""
TYPES = ({"type": "number", "fieldType": "number"}, {"type": "string", "fieldType": "text"})
WRITTEN = tuple(name for name in PROPERTIES if name != "total")


def begin(portal: Portal, contacts: int, companies: int, deals: int) -> None:
    """Empty a portal, and give it so many records with links, a custom object and labels."""
    counts = {"contacts": contacts, "companies": companies, "deals": deals}
    portal.reset(SeedSpec(**counts, properties=12, custom_objects=0, handful=False, archived=0.1))
    portal.create_custom_object("vehicle")
    for kind in KINDS:
        for name, (definition, _) in PROPERTIES.items():
            portal.create_property(kind, {"name": name, **definition})
    for pair in LINKED:
        for label in ("Old", "New"):
            portal.create_label(*pair, label, f"{label}, inverse")
    for _ in range(3 if contacts else 0):
        portal.create("vehicle", {"name": "Car"})


def perform(portal: Portal, operations: Iterable[Operation]) -> None:
    """Make changes to a portal, in their order."""
    for name, *arguments in operations:
        OPERATIONS[name](portal, *arguments)


def _one(portal: Portal, kind: str, at: int, *, archived: bool = False) -> str | None:
    """Return the id of the record at a place, None where there is no record."""
    ids = portal.table(kind).ids(archived=archived)
    return str(ids[at % len(ids)]) if ids else None


def _writable(portal: Portal, kind: str, values: Values) -> Values:
    """Return the values of the properties that exist and are not archived."""
    known = portal.table(kind).definitions
    return {n: v for n, v in values.items() if n in known and not known[n]["archived"]}


def _create(portal: Portal, kind: str, values: Values) -> None:
    portal.create(kind, _writable(portal, kind, values))


def _update(portal: Portal, kind: str, at: int, values: Values) -> None:
    if one := _one(portal, kind, at):
        portal.update(kind, one, _writable(portal, kind, values))


def _calculate(portal: Portal, kind: str, at: int, value: str) -> None:
    if one := _one(portal, kind, at):
        portal.set_calculated(kind, one, {"total": value})


def _archive(portal: Portal, kind: str, at: int) -> None:
    if one := _one(portal, kind, at):
        portal.archive(kind, one)


def _restore(portal: Portal, kind: str, at: int) -> None:
    if one := _one(portal, kind, at, archived=True):
        portal.restore(kind, one)


def _merge(portal: Portal, kind: str, at: int, distance: int) -> None:
    """Merge a record and the one so many places behind it into one."""
    ids = portal.table(kind).ids()
    if len(ids) > 1:
        other = (at + 1 + distance % (len(ids) - 1)) % len(ids)
        portal.merge(kind, ids[at % len(ids)], ids[other])


def _purge(portal: Portal, kind: str, at: int) -> None:
    if one := _one(portal, kind, at):
        portal.purge(kind, one)


def _purge_archived(portal: Portal, kind: str, at: int) -> None:
    if one := _one(portal, kind, at, archived=True):
        portal.purge(kind, one)


def _gdpr_delete(portal: Portal, kind: str, at: int) -> None:
    if one := _one(portal, kind, at):
        portal.gdpr_delete(kind, one)


def _label(portal: Portal, pair: Sequence[str], number: int) -> int:
    """Return one of the association types of a pair, the unlabelled one first."""
    types = list(portal.links.types.of(portal.type(pair[0]), portal.type(pair[1])))
    return types[number % len(types)]


def _link(portal: Portal, pair: int, at: int, to: int, label: int) -> None:
    source, target = LINKED[pair]
    one, other = _one(portal, source, at), _one(portal, target, to)
    if one and other and (source, one) != (target, other):
        type_id = _label(portal, LINKED[pair], label)
        portal.associate(source, one, target, other, type_id=type_id)


def _unlink(portal: Portal, pair: int, at: int, *, label_only: bool) -> None:
    links = portal.associations(*LINKED[pair])
    if links:
        one, other, type_id, *_ = links[at % len(links)]
        chosen = type_id if label_only else None
        portal.dissociate(LINKED[pair][0], one, LINKED[pair][1], other, type_id=chosen)


def _relabel(portal: Portal, pair: int, at: int, label: int) -> None:
    source, target = LINKED[pair]
    links = portal.associations(source, target)
    if links:
        one, other, type_id, *_ = links[at % len(links)]
        portal.dissociate(source, one, target, other, type_id=type_id)
        type_id = _label(portal, LINKED[pair], label)
        portal.associate(source, one, target, other, type_id=type_id)


def _add_property(portal: Portal, kind: str, name: str, values: Sequence[str]) -> None:
    """Create a property that the first records have values of, without a change of theirs."""
    if name not in portal.table(kind).definitions:
        portal.create_property(kind, {"name": name, **TYPES[len(values) % 2]})
        for one, value in zip(portal.records(kind), values, strict=False):
            portal.set_calculated(kind, one, {name: value})


def _retype(portal: Portal, kind: str, name: str) -> None:
    """Make a number a text, or a text a number."""
    known = portal.table(kind).definitions.get(name)
    if known and not known["archived"]:
        portal.update_property(kind, name, TYPES[known["type"] == "number"])


def _rename(portal: Portal, kind: str, label: str) -> None:
    """Change the label and the options of a property."""
    options = [{"value": "first", "label": label}, label]
    portal.update_property(kind, "pick", {"label": label, "options": options})


def _archive_property(portal: Portal, kind: str, name: str) -> None:
    if name in portal.table(kind).definitions:
        portal.archive_property(kind, name)


def _return_property(portal: Portal, kind: str, name: str, type_: int) -> None:
    """Bring an archived property back, with the values it had, maybe of another type."""
    known = portal.table(kind).definitions.get(name)
    if known and known["archived"]:
        portal.create_property(kind, {"name": name, **TYPES[type_]})


def _step(portal: Portal, ms: int) -> None:
    portal.clock.advance(ms)


def _frozen(portal: Portal, operations: Iterable[Operation]) -> None:
    """Do all in one millisecond."""
    portal.clock.freeze()
    perform(portal, operations)
    portal.clock.set(portal.clock.now_ms())


def _search_lag(portal: Portal, minutes: int) -> None:
    portal.settings.search_lag_ms = minutes * MINUTE_MS


def _anomalies(portal: Portal, names: Sequence[str]) -> None:
    portal.settings.anomalies = names


def _link_pages(portal: Portal, size: int) -> None:
    portal.settings.association_page_size = size


OPERATIONS: dict[str, Callable[..., None]] = {
    "create": _create,
    "update": _update,
    "calculate": _calculate,
    "archive": _archive,
    "restore": _restore,
    "merge": _merge,
    "purge": _purge,
    "purge_archived": _purge_archived,
    "gdpr_delete": _gdpr_delete,
    "link": _link,
    "unlink": lambda portal, pair, at: _unlink(portal, pair, at, label_only=False),
    "unlabel": lambda portal, pair, at: _unlink(portal, pair, at, label_only=True),
    "relabel": _relabel,
    "add_property": _add_property,
    "retype": _retype,
    "rename": _rename,
    "archive_property": _archive_property,
    "return_property": _return_property,
    "step": _step,
    "frozen": _frozen,
    "search_lag": _search_lag,
    "anomalies": _anomalies,
    "link_pages": _link_pages,
}

KIND = st.sampled_from(("contacts", "contacts", "companies", "companies", "deals", "vehicle"))
PAIR = st.integers(0, len(LINKED) - 1)
PLACE = st.integers(0, 11)
LABEL = st.integers(0, 3)
FRESH = st.sampled_from(("late", "later"))
MOVING = st.sampled_from(("size", "size", "note", "late", "later"))
CHOSEN = st.lists(st.sampled_from(WRITTEN), max_size=3, unique=True)
STEPS_MS = (1, 999, 1_000, 2_500, MINUTE_MS, 19 * MINUTE_MS, 61 * MINUTE_MS, 30 * 60 * MINUTE_MS)


def _values(names: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({name: st.sampled_from(PROPERTIES[name][1]) for name in names})


VALUES = CHOSEN.flatmap(_values)
NUMBERS = st.lists(st.sampled_from(PROPERTIES["size"][1]), max_size=4)

ARGUMENTS: dict[str, tuple[int, tuple[st.SearchStrategy[Any], ...]]] = {
    "create": (6, (KIND, VALUES)),
    "update": (8, (KIND, PLACE, VALUES)),
    "calculate": (2, (KIND, PLACE, st.sampled_from(PROPERTIES["total"][1]))),
    "archive": (5, (KIND, PLACE)),
    "restore": (4, (KIND, PLACE)),
    "merge": (6, (KIND, PLACE, PLACE)),
    "purge": (3, (KIND, PLACE)),
    "purge_archived": (2, (KIND, PLACE)),
    "gdpr_delete": (1, (KIND, PLACE)),
    "link": (6, (PAIR, PLACE, PLACE, LABEL)),
    "unlink": (4, (PAIR, PLACE)),
    "unlabel": (2, (PAIR, PLACE)),
    "relabel": (3, (PAIR, PLACE, LABEL)),
    "add_property": (2, (KIND, FRESH, NUMBERS)),
    "retype": (3, (KIND, MOVING)),
    "rename": (1, (KIND, st.sampled_from(("third", "fourth")))),
    "archive_property": (2, (KIND, MOVING)),
    "return_property": (3, (KIND, MOVING, st.integers(0, 1))),
    "step": (5, (st.sampled_from(STEPS_MS),)),
    "search_lag": (2, (st.sampled_from((0, LAG_MS // MINUTE_MS)),)),
    "anomalies": (2, (st.lists(st.sampled_from(ANOMALIES), unique=True),)),
    "link_pages": (1, (st.sampled_from((1, 2, 500)),)),
}
"""How often each operation comes, and of what arguments."""
_NAMES = tuple(name for name, (weight, _) in ARGUMENTS.items() for _ in range(weight))
PLAIN = st.sampled_from(_NAMES).flatmap(lambda name: st.tuples(st.just(name), *ARGUMENTS[name][1]))
FROZEN = st.tuples(st.just("frozen"), st.lists(PLAIN, min_size=2, max_size=5))
OPERATION = st.integers(0, 11).flatmap(lambda die: PLAIN if die else FROZEN)
