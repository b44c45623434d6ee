"""What happens to the portal of a dataset under test."""

from collections.abc import Callable

from dataset import KINDS

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

HOUR_MS = 3_600_000
SMALL = SeedSpec(contacts=60, companies=12, deals=10, properties=12, custom_objects=1, archived=0.1)
"""A portal for tests to which its size does not matter."""
TEXTS = (
    "\U0001f600" * 15_000,  # 60 kB
    *("\\N", "\\.", "a\n\\.\nb", "NULL", '"', '","\r\n', "it's \\' --", "  \t", "\\", "a\\"),
    *("100 % of :name and ?", "{}", "'; DROP TABLE contacts; --", "nul \0 in it"),
    "".join(map(chr, range(1, 32))),
)
"""What loaders, formats and statements may take for something else."""
RESERVED = (
    *("order", "group", "table", "select", "from", "user", "end", "limit", "default", "column"),
    *("timestamp", "date", "values", "primary", "check", "index", "rows", "rank", "key"),
)
ALIKE = tuple(f"{'a_long_name_' * 7}{end}" for end in ("first", "second", "third"))
"""Names that differ behind all that some databases keep of them."""


def seed(portal: Portal) -> None:
    """Fill a portal with records that have odd values, odd names of properties, and links."""
    portal.reset(SeedSpec(seed=5, contacts=60, properties=40, custom_objects=1, archived=0.1))
    for name in (*RESERVED, *ALIKE):
        portal.create_property("contacts", {"name": name, "type": "string", "fieldType": "text"})
    for number, text in enumerate(TEXTS):
        values = dict.fromkeys((*RESERVED, *ALIKE), f"{number}")
        id_ = portal.create("contacts", {"lastname": text, **values})
        portal.associate("contacts", id_, "vehicle", portal.create("vehicle", {"name": text}))


def edit(portal: Portal) -> None:
    """Change values, empty some, add records."""
    contacts = list(portal.records("contacts"))
    for number, id_ in enumerate(contacts[:8]):
        portal.update("contacts", id_, {"firstname": TEXTS[number], "lastname": ""})
    portal.create("contacts", {"email": "new@example.com"})
    for kind in KINDS.values():
        portal.create(kind, {})


def reorder(portal: Portal) -> None:
    """Change records, and values whose columns have names of the language's own."""
    edit(portal)
    for id_ in list(portal.records("contacts"))[6:12]:
        portal.update("contacts", id_, {"order": "x", "select": ""})


def archive(portal: Portal) -> None:
    """Bring records into the bin, and one back from it."""
    portal.restore("contacts", next(iter(portal.records("contacts", archived=True))))
    for kind in KINDS.values():
        for id_ in list(portal.records(kind))[1:3]:
            portal.archive(kind, id_)


def purge(portal: Portal) -> None:
    """Let records end without a trace, live ones and archived ones."""
    portal.purge("contacts", next(iter(portal.records("contacts", archived=True))))
    for kind in KINDS.values():
        portal.purge(kind, next(iter(portal.records(kind))))
    portal.clock.advance(HOUR_MS)


def merge(portal: Portal) -> None:
    """Merge a record into one that is merged into another, with their links."""
    for kind in ("contacts", "companies"):
        first, second, third = list(portal.records(kind))[1:4]
        portal.merge(kind, third, portal.merge(kind, second, first))


def link(portal: Portal) -> None:
    """Make links, with and without a label, and end some."""
    portal.create_label("contacts", "companies", "Advisor's", "Advised\\")
    types = portal.links.types.of(portal.type("contacts"), portal.type("companies"))
    contacts, companies = list(portal.records("contacts")), list(portal.records("companies"))
    for type_id, contact in zip(types, contacts, strict=False):
        portal.associate("contacts", contact, "companies", companies[-1], type_id=type_id)
    for pair in (("contacts", "companies"), ("contacts", "vehicle")):
        one, other, *_ = portal.associations(*pair)[0]
        portal.dissociate(pair[0], one, pair[1], other)
    portal.clock.advance(HOUR_MS)


def retype(portal: Portal) -> None:
    """Add a property with values, give one another type, archive one, rename another's options."""
    number, text = (
        {"type": "number", "fieldType": "number"},
        {"type": "string", "fieldType": "text"},
    )
    portal.create_property("contacts", {"name": "late", **number})
    portal.create_property("companies", {"name": "late", **text})
    for kind in ("contacts", "companies"):
        for id_ in list(portal.records(kind))[:3]:
            portal.update(kind, id_, {"late": "12"})
    portal.update_property("contacts", "rank", number)
    portal.update("contacts", next(iter(portal.records("contacts"))), {"rank": "1.5"})
    portal.archive_property("contacts", "limit")
    portal.clock.advance(24 * HOUR_MS)


LIFE: dict[str, Callable[[Portal], object]] = {
    "first sync": seed,
    "edits": reorder,
    "archived": archive,
    "purged": purge,
    "merge chain": merge,
    "links": link,
    "properties": retype,
    "properties, filled": lambda portal: portal.clock.advance(HOUR_MS),
}
