"""HubSpot's standard object types as data, and how a user names them.

Source: HubSpot's CRM object reference (type ids, last-modified properties, searchability).
Deal splits and marketing events are not here: they have APIs of their own.
"""

from collections.abc import Sequence

from ..errors import UnknownTypeError
from ..model import ObjectType
from .names import did_you_mean, divided, find

STANDARD: tuple[ObjectType, ...] = (
    ObjectType("contacts", "contacts", "0-1", last_modified="lastmodifieddate"),
    ObjectType("companies", "companies", "0-2"),
    ObjectType("deals", "deals", "0-3", pipelines=True),
    ObjectType("tickets", "tickets", "0-5", pipelines=True),
    ObjectType("line_items", "line_items", "0-8"),
    ObjectType("products", "products", "0-7"),
    ObjectType("quotes", "quotes", "0-14"),
    ObjectType("leads", "leads", "0-136", pipelines=True),
    ObjectType("calls", "calls", "0-48"),
    ObjectType("emails", "emails", "0-49"),
    ObjectType("meetings", "meetings", "0-47"),
    ObjectType("notes", "notes", "0-46"),
    ObjectType("tasks", "tasks", "0-27"),
    ObjectType("communications", "communications", "0-18"),
    ObjectType("postal_mail", "postal_mail", "0-116"),
    ObjectType("feedback_submissions", "feedback_submissions", "0-19"),
    ObjectType("goal_targets", "goal_targets", "0-74"),
    ObjectType("invoices", "invoices", "0-53"),
    ObjectType("orders", "orders", "0-123", pipelines=True),
    ObjectType("carts", "carts", "0-142"),
    ObjectType("subscriptions", "subscriptions", "0-69"),
    ObjectType("commerce_payments", "commerce_payments", "0-101"),
    ObjectType("discounts", "discounts", "0-84"),
    ObjectType("fees", "fees", "0-85"),
    ObjectType("taxes", "taxes", "0-86"),
    ObjectType("users", "users", "0-115"),
    ObjectType("appointments", "0-421", "0-421", pipelines=True),
    ObjectType("courses", "0-410", "0-410", pipelines=True),
    ObjectType("listings", "0-420", "0-420", pipelines=True),
    ObjectType("services", "0-162", "0-162", pipelines=True),
    ObjectType("projects", "projects", "0-970", pipelines=True),
    ObjectType("partner_clients", "partner_clients", "0-145"),
    ObjectType("partner_services", "partner_services", None),
    ObjectType("contracts", "contracts", None, searchable=False),
)


def select_types(catalog: Sequence[ObjectType], names: Sequence[str] | None) -> list[ObjectType]:
    """Keep the object types a user names: by table name, type id, or a custom object's bare name.

    Names are taken in any spelling that `names.find` knows.

    Raises:
        UnknownTypeError: a name that the catalog does not hold; the message lists what it does.
    """
    if not names:
        return list(catalog)
    chosen, unknown = find(divided(names), aliases_of(catalog))
    if unknown:
        known = [kind.table for kind in catalog]
        raise UnknownTypeError(
            f"Unknown object type: {', '.join(unknown)}.",
            remedy=f"{did_you_mean(unknown, known)}Known in this portal: {', '.join(known)}.",
        )
    return [kind for kind in catalog if kind.table in chosen]


def aliases_of(catalog: Sequence[ObjectType]) -> dict[str, str]:
    """Return what object types may be called, and their tables."""
    return {alias: kind.table for kind in reversed(catalog) for alias in _aliases(kind)}


def _aliases(kind: ObjectType) -> list[str]:
    bare = kind.table.removeprefix("custom_")
    return [bare, kind.path, kind.type_id or bare, kind.table]
