"""The pairs of object types whose links are read: those that HubSpot defines, and PAIRS.

Source: HubSpot's table of association type ids (docs, "Associate records", 2026-03-30). Each pair
is here once, in the direction in which it is read.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

from ..errors import ConfigError
from ..model import ObjectType
from .object_types import select_types

ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks", "communications", "postal_mail")
_SERVED = ("appointments", "courses", "listings", "services", "projects")
_BILLED = ("quotes", "invoices", "orders", "subscriptions", "commerce_payments")

DEFINED: dict[str, tuple[str, ...]] = {
    "contacts": (
        *("contacts", "companies", "deals", "tickets", *ACTIVITIES, "feedback_submissions"),
        *(*_BILLED, "carts", *_SERVED),
    ),
    "companies": (
        *("companies", "deals", "tickets", *ACTIVITIES, "feedback_submissions"),
        *(*_BILLED, *_SERVED),
    ),
    "deals": (
        *("deals", "tickets", "line_items", *ACTIVITIES, "feedback_submissions", "goal_targets"),
        *(*_BILLED, "carts", "discounts", *_SERVED),
    ),
    "tickets": (
        *("tickets", *ACTIVITIES, "feedback_submissions", "invoices", "orders", "carts"),
        *("subscriptions", "commerce_payments", *_SERVED),
    ),
    "line_items": (*_BILLED, "carts", "discounts", "projects"),
    "quotes": (
        *("tasks", "invoices", "orders", "carts", "subscriptions", "commerce_payments"),
        *("discounts", "fees", "taxes", "feedback_submissions"),
    ),
    "leads": (
        *("contacts", "companies", "deals", "feedback_submissions"),
        *("calls", "emails", "meetings", "notes", "tasks", "communications"),
    ),
    "feedback_submissions": (
        *("calls", "carts", "invoices", "orders", "subscriptions", "commerce_payments"),
    ),
    "invoices": (*("orders", "subscriptions", "commerce_payments", "discounts", "fees", "taxes"),),
    "orders": (*ACTIVITIES, "carts", "subscriptions", "commerce_payments", "discounts"),
    "carts": ("tasks", "discounts"),
    "subscriptions": ("commerce_payments",),
    "commerce_payments": ("discounts", "fees"),
    "appointments": (*ACTIVITIES, "projects"),
    "courses": (*ACTIVITIES, "projects"),
    "listings": (*ACTIVITIES, "projects"),
    "services": (*ACTIVITIES, "projects"),
    "projects": ("projects", *ACTIVITIES),
}
"""By object type the ones that it is linked to."""

MAIN = ("contacts", "companies", "deals", "tickets")
CUSTOM = (*MAIN, "line_items", *ACTIVITIES)
"""Standard types that every custom object is linked from, in addition to the custom objects."""

Ends = tuple[ObjectType, ObjectType]


def select_pairs(
    catalog: Sequence[ObjectType],
    changes: Sequence[str] | None,
    chosen: Sequence[ObjectType] | None = None,
) -> list[Ends]:
    """Choose the pairs whose links are read: all that HubSpot defines, with the user's changes.

    Args:
        catalog: the object types of the portal.
        changes: `from:to` adds a pair, or turns a default one round; `-from:to` leaves one out.
        chosen: the object types that are read; all of them where None.

    Raises:
        ConfigError: an entry of another form, or one that names an unknown type.
    """
    pairs = dict.fromkeys(_defaults(catalog))
    for text in changes or ():
        source, target = _ends(catalog, text.strip().removeprefix("-"))
        pairs.pop((source, target), None)
        pairs.pop((target, source), None)
        if not text.strip().startswith("-"):
            pairs[source, target] = None
    read = {kind.table for kind in (catalog if chosen is None else chosen)}
    return [ends for ends in pairs if read.issuperset(kind.table for kind in ends)]


def _defaults(catalog: Sequence[ObjectType]) -> list[Ends]:
    """List the pairs that HubSpot defines among some object types."""
    types = {kind.table: kind for kind in catalog}
    custom = [kind for kind in catalog if kind.custom]
    pairs = [
        (types[source], types[target])
        for source, targets in DEFINED.items()
        for target in targets
        if source in types and target in types
    ]
    pairs += [(types[table], kind) for table in CUSTOM if table in types for kind in custom]
    return pairs + list(combinations_with_replacement(custom, 2))


def _ends(catalog: Sequence[ObjectType], text: str) -> Ends:
    """Read `from:to`."""
    names = [name.strip() for name in text.split(":")]
    if len(names) != 2:  # noqa: PLR2004 - a pair has two ends
        raise ConfigError(
            f"Not a pair of object types: {text!r}.",
            remedy="Write SOURCES__HUBSPOT__PAIRS as a list such as leads:deals, which adds a"
            " pair or turns it round, and -contacts:tasks, which leaves one out.",
        )
    source, target = (select_types(catalog, [name])[0] for name in names)
    return source, target
