"""What a portal holds at its start, from a number of contacts and a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache

from ..clock import to_ms
from .catalog.definitions import (
    ACTIVITIES,
    TRANSCRIPT,
    TRANSCRIPTS_SEEDED,
    Definition,
    complete,
    standard,
    transcript_id,
)
from .catalog.object_types import ObjectType, custom_type
from .changes import When, merge
from .contents import Contents
from .links import LinkStore, Targets
from .records.rows import ODD_EVERY, SeededRows, SeedOptions
from .records.table import RecordTable

SEEDED_AT_MS = to_ms("2025-01-15T09:00:00Z")
MERGED_AT_MS = to_ms("2025-07-01T12:34:56.789Z")
CROWD = 620  # links of the company that has more than one page of them
CUSTOM_NAMES = ("vehicle", "subscription_plan")

# share of the number of contacts, where the spec gives no number of its own
_SHARES = {
    "companies": 0.20, "deals": 0.15, "tickets": 0.10, "line_items": 0.10, "notes": 0.05,
    "calls": 0.05, "emails": 0.05, "meetings": 0.05, "tasks": 0.05, "products": 0.02,
}  # fmt: skip
_HANDFUL = {
    "quotes": 7, "communications": 9, "feedback_submissions": 6, "invoices": 8, "orders": 9,
    "leads": 12, "users": 11, "projects": 5, "appointments": 6, "services": 4, "subscriptions": 3,
    "custom": 40,
}  # fmt: skip
# child, parent, one child in n has no parent
_LINKS = (
    ("contacts", "companies", 5), ("deals", "contacts", 4), ("deals", "companies", 6),
    ("tickets", "contacts", 3), ("tickets", "companies", 4), ("line_items", "deals", 9),
    ("notes", "contacts", 8), ("calls", "contacts", 8), ("emails", "contacts", 8),
    ("meetings", "contacts", 8), ("tasks", "contacts", 8), ("quotes", "deals", 8),
    ("leads", "contacts", 8), ("vehicle", "contacts", 3), ("subscription_plan", "companies", 3),
)  # fmt: skip

# extra properties of contacts with names and kinds that break naive clients
_ODD_PROPERTIES = (
    ("favColor", "enumeration", "select", "red|green|blue"),
    ("fav_color", "string", "text", ""),
    ("id", "string", "text", ""),
    ("a_property_name_that_is_much_longer_than_forty_characters_and_goes_on", "string", "text", ""),
    ("2nd_choice", "string", "text", ""),
    ("select", "string", "text", ""),
    ("birthday", "date", "date", ""),
    ("interests", "enumeration", "checkbox", "first|second|third|fourth"),
    ("score_rollup", "number", "calculation_rollup", ""),
    ("is_vip", "bool", "booleancheckbox", ""),
    ("geo", "object_coordinates", "text", ""),
    ("payload", "json", "text", ""),
    ("alt_phone", "phone_number", "phonenumber", ""),
    ("attachment", "string", "file", ""),
    ("biography", "string", "html", ""),
    ("renewal_at", "datetime", "date", ""),
    ("passport_number", "string", "text", "!sensitive"),
)
_FILLERS = (
    ("string", "text", ""), ("number", "number", ""), ("datetime", "date", ""),
    ("enumeration", "select", "low|medium|high"), ("bool", "booleancheckbox", ""),
    ("string", "textarea", ""), ("date", "date", ""), ("enumeration", "checkbox", "a|b|c|d"),
)  # fmt: skip


@dataclass(frozen=True)
class SeedSpec:
    """How much of what; None means in proportion to `contacts`.

    `properties` is the number of definitions on contacts, `filled` the share of them that a
    record has values for, `archived` the share of records in the recycle bin, `sizes` how many
    rows a collection has, by its name: a few where it is not named, none without `handful`.
    """

    seed: int = 1
    contacts: int = 1000
    companies: int | None = None
    deals: int | None = None
    tickets: int | None = None
    line_items: int | None = None
    products: int | None = None
    notes: int | None = None
    calls: int | None = None
    emails: int | None = None
    meetings: int | None = None
    tasks: int | None = None
    custom_objects: int = 2
    properties: int = 60
    filled: float = 0.35
    odd_values: bool = True
    archived: float = 0.02
    merges: int = 3
    links: bool = True
    handful: bool = True
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> "SeedSpec":
        """Return the spec of a portal with standard definitions and no records."""
        return cls(
            contacts=0, custom_objects=0, properties=0, odd_values=False, merges=0, links=False,
            handful=False,
        )  # fmt: skip

    def count(self, name: str) -> int:
        """Return how many records of a type there are."""
        given = getattr(self, name, None)
        if isinstance(given, int):
            return given
        handful = _HANDFUL.get(name, 0) if self.handful else 0
        return int(self.contacts * _SHARES[name]) if name in _SHARES else handful

    @classmethod
    def known(cls) -> set[str]:
        """Return the names of its members."""
        return {f.name for f in fields(cls)}


def _definitions(object_type: ObjectType, spec: SeedSpec) -> dict[str, Definition]:
    found = standard(object_type)
    contacts = object_type.type_id == "0-1"
    if spec.odd_values and (contacts or object_type.custom):
        for row in _ODD_PROPERTIES:
            found.setdefault(row[0], _definition(*row))
    wanted = spec.properties if contacts else len(found) + spec.properties // 8
    for number in range(1, max(0, wanted - len(found)) + 1):
        kind, field_type, options = _FILLERS[number % len(_FILLERS)]
        name = f"custom_field_{number:04d}"
        found[name] = _definition(name, kind, field_type, options)
    return dict(sorted(found.items()))


@cache
def _definition(name: str, kind: str, field_type: str, options: str) -> Definition:
    row: Definition = {"name": name, "type": kind, "fieldType": field_type}
    if options.startswith("!"):
        row["dataSensitivity"] = options[1:]
    elif options:
        row["options"] = options.split("|")
    return complete(row, at_ms=SEEDED_AT_MS)


def populate(spec: SeedSpec, portal_id: int) -> Contents:
    """Return what a portal of this spec holds at its start."""
    contents = Contents()
    owner_ids = tuple(o["id"] for o in contents.owners)  # records keep owners who have left
    options = SeedOptions(spec.seed, spec.filled, spec.odd_values, spec.archived, owner_ids)
    for number in range(spec.custom_objects):
        base = CUSTOM_NAMES[number % len(CUSTOM_NAMES)]
        name = base if number < len(CUSTOM_NAMES) else f"{base}_{number}"
        labels = (name.replace("_", " ").capitalize(), f"{name}s".replace("_", " ").capitalize())
        contents.types.add(made := custom_type(portal_id, number, name, labels))
        contents.add_schema(made, "2025-01-15T09:00:00.000Z")
    for object_type in contents.types.all():
        contents.add_table(_table(object_type, spec, options))
    if spec.links:
        _seed_links(contents)
    _seed_merges(contents, spec)
    _seed_transcripts(contents, spec)
    return contents


def _table(object_type: ObjectType, spec: SeedSpec, options: SeedOptions) -> RecordTable:
    definitions = _definitions(object_type, spec)
    count = spec.count("custom" if object_type.custom else object_type.name)
    if object_type.name in ACTIVITIES:
        lane = ACTIVITIES.index(object_type.name)
        options = replace(options, lanes=len(ACTIVITIES), lane=lane)
    rows = SeededRows(object_type, definitions, count, options)
    return RecordTable(object_type, definitions, rows)


def _seed_links(contents: Contents) -> None:
    for child_name, parent_name, skip in _LINKS:
        child, parent = contents.types.find(child_name), contents.types.find(parent_name)
        if child and parent:
            tables = contents.tables[child.type_id], contents.tables[parent.type_id]
            _seed_pair(contents.links, *tables, skip)
    _seed_labelled(contents)


def _seed_pair(links: LinkStore, child: RecordTable, parent: RecordTable, skip: int) -> None:
    """Link child ordinal n to parent ordinal n modulo the parents, by formula."""
    children, parents = child.rows, parent.rows
    if not children.count or not parents.count:
        return
    types = links.types
    up = tuple(t.type_id for t in types.of(child.type, parent.type).values() if _usual(t.label))
    down = tuple(t.type_id for t in types.of(parent.type, child.type).values() if _usual(t.label))

    def parent_of(record_id: int) -> Targets:
        ordinal = children.ordinal_of(record_id)
        if ordinal is None or ordinal % skip == skip - 1:
            return {}
        return {parents.id_of(ordinal % parents.count): up}

    def children_of(record_id: int) -> Targets:
        ordinal = parents.ordinal_of(record_id)
        if ordinal is None:
            return {}
        mine = range(ordinal, children.count, parents.count)
        return {children.id_of(n): down for n in mine if n % skip != skip - 1}

    links.seed(child.type, parent.type, parent_of)
    links.seed(parent.type, child.type, children_of)


def _usual(label: str | None) -> bool:
    return label in (None, "Primary")


def _seed_labelled(contents: Contents) -> None:
    """Make the links a formula does not give: labels, a crowd, companies in a tree."""
    contacts, companies = contents.table("contacts"), contents.table("companies")
    links, pair = contents.links, (contacts.type, companies.type)
    label = links.types.add_label(*pair, "Billing contact", "Billed company")
    people, firms = list(contacts.ids()[:CROWD]), list(companies.ids()[:12])
    if not people or not firms:
        return
    crowded = (companies.type, firms[0])
    base = links.types.base_id(*pair)
    for person in people:
        links.link((contacts.type, person), crowded, base)
    for person in people[::ODD_EVERY][:30]:
        links.link((contacts.type, person), (companies.type, firms[-1]), label.type_id)
    for firm in firms[1:]:
        links.link(crowded, (companies.type, firm), 13)


def _seed_merges(contents: Contents, spec: SeedSpec) -> None:
    long_ago = When(MERGED_AT_MS, noted_ms=0)
    for name in ("contacts", "companies", "deals"):
        table = contents.table(name)
        ids = list(table.ids()[20 : 20 + 2 * spec.merges])
        for pair in zip(ids[::2], ids[1::2], strict=False):
            merge(table, contents.links, pair, long_ago)


def _seed_transcripts(contents: Contents, spec: SeedSpec) -> None:
    """Let the first live calls name their transcripts."""
    calls = contents.table("calls")
    size = spec.sizes.get("call_transcripts", TRANSCRIPTS_SEEDED if spec.handful else 0)
    for number, call in enumerate(calls.ids()[:size]):
        if record := calls.get(call):
            values = {**record.values, TRANSCRIPT: transcript_id(number)}
            calls.put(replace(record, values=values), 0)
