"""HubSpot's object types as data, and how a path segment names one of them."""

from dataclasses import dataclass

CUSTOM_ID_BASE = 7_234_126


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One object type; `ops` holds the letters of the calls it answers.

    L list, S search, R batch read, C create and update, U upsert, M merge, G gdpr-delete,
    W update only. `other_scope` opens the type as `scope` does, `second_scope` is needed too.
    """

    name: str
    singular: str
    type_id: str
    ops: str
    created: str
    display: str
    scope: str
    modified: str = "hs_lastmodifieddate"
    own: tuple[tuple[str, str], ...] = ()
    custom: bool = False
    plural_label: str = ""
    other_scope: str = ""
    second_scope: str = ""

    @property
    def key(self) -> str:
        """Return the name that inline associations and error texts use."""
        return self.name

    @property
    def write_scope(self) -> str:
        """Return the scope that writing needs."""
        return self.scope.removesuffix(".read") + (".write" if self.scope.endswith(".read") else "")

    @property
    def schema_scope(self) -> str:
        """Return the scope that reading definitions needs."""
        return self.scope.replace("crm.objects.", "crm.schemas.")


# name, singular, type id, ops, created property, display property, read scope ("" = by the name)
_ROWS = (
    ("contacts", "contact", "0-1", "LSRCUMG", "createdate", "email", ""),
    ("companies", "company", "0-2", "LSRCUM", "createdate", "name", ""),
    ("deals", "deal", "0-3", "LSRCUM", "createdate", "dealname", ""),
    ("tickets", "ticket", "0-5", "LSRCUM", "createdate", "subject", "tickets"),
    ("products", "product", "0-7", "LSRCU", "createdate", "name", ""),
    ("line_items", "line_item", "0-8", "LSRCU", "createdate", "name", ""),
    ("quotes", "quote", "0-14", "LSRCU", "hs_createdate", "hs_title", ""),
    ("communications", "communication", "0-18", "LSRCU", "hs_createdate",
     "hs_communication_body", "contacts"),
    ("feedback_submissions", "feedback_submission", "0-19", "LSR", "hs_createdate",
     "hs_survey_name", ""),
    ("tasks", "task", "0-27", "LSRCU", "hs_createdate", "hs_task_subject", "contacts"),
    ("notes", "note", "0-46", "LSRCU", "hs_createdate", "hs_note_body", "contacts"),
    ("meetings", "meeting", "0-47", "LSRCU", "hs_createdate", "hs_meeting_title", "contacts"),
    ("calls", "call", "0-48", "LSRCU", "hs_createdate", "hs_call_title", "contacts"),
    ("emails", "email", "0-49", "LSRCU", "hs_createdate", "hs_email_subject", "contacts"),
    ("invoices", "invoice", "0-53", "LSRCU", "createdate", "hs_number", ""),
    ("subscriptions", "subscription", "0-69", "LSRCU", "hs_createdate", "hs_name", ""),
    ("goal_targets", "goal_target", "0-74", "LSRCU", "hs_createdate", "hs_goal_name", "goals"),
    ("discounts", "discount", "0-84", "LSRCU", "createdate", "hs_label", "line_items"),
    ("fees", "fee", "0-85", "LSRCU", "createdate", "hs_label", "line_items"),
    ("taxes", "tax", "0-86", "LSRCU", "createdate", "hs_label", "line_items"),
    ("commerce_payments", "commerce_payment", "0-101", "LSRCU", "createdate",
     "hs_reference_number", "commercepayments"),
    ("users", "user", "0-115", "LSRCU", "hs_createdate", "hs_email", ""),
    ("postal_mail", "postal_mail", "0-116", "LSRCU", "hs_createdate", "hs_postal_mail_body",
     "contacts"),
    ("orders", "order", "0-123", "LSRCUM", "createdate", "hs_order_name", ""),
    ("leads", "lead", "0-136", "LSRCU", "createdate", "hs_lead_name", ""),
    ("carts", "cart", "0-142", "LSRCU", "createdate", "hs_cart_name", ""),
    ("partner_clients", "partner_client", "0-145", "LSRW", "hs_createdate", "hs_name",
     "partner-clients"),
    ("partner_services", "partner_service", "0-146", "LSRW", "hs_createdate", "hs_name",
     "partner-services"),
    ("services", "service", "0-162", "LSRCUM", "hs_createdate", "hs_name", ""),
    ("courses", "course", "0-410", "LSRCUM", "hs_createdate", "hs_course_name", ""),
    ("listings", "listing", "0-420", "LSRCU", "hs_createdate", "hs_name", ""),
    ("appointments", "appointment", "0-421", "LSRCUMG", "hs_createdate",
     "hs_appointment_name", ""),
    ("projects", "project", "0-970", "LSRCUM", "hs_createdate", "hs_name", ""),
    ("contracts", "contract", "0-971", "LR", "hs_createdate", "hs_name", ""),
)  # fmt: skip

# values that differ in every record: property and template, `n` = ordinal of the record
_OWN = {
    "contacts": (("email", "person%d@example.com"),),
    "companies": (("name", "Company %d"), ("domain", "company%d.example.com")),
}

_OTHER_SCOPES = dict.fromkeys(
    ("line_items", "products", "quotes", "discounts", "fees"), "e-commerce"
)
_SECOND_SCOPES = {
    "emails": "sales-email-read",
    "feedback_submissions": "crm.objects.contacts.read",
}


def _standard(row: tuple[str, str, str, str, str, str, str]) -> ObjectType:
    name, singular, type_id, ops, created, display, scope = row
    words = singular.replace("_", " ").capitalize()
    return ObjectType(
        name=name,
        singular=singular,
        type_id=type_id,
        ops=ops,
        created=created,
        display=display,
        scope=scope if scope == "tickets" else f"crm.objects.{scope or name}.read",
        modified="lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate",
        own=_OWN.get(name, ((display, f"{words} %d"),)),
        other_scope=_OTHER_SCOPES.get(name, ""),
        second_scope=_SECOND_SCOPES.get(name, ""),
    )


STANDARD_TYPES = tuple(_standard(row) for row in _ROWS)

LIBRARY_TYPE_IDS = ("0-410", "0-420", "0-421", "0-162", "0-123", "0-142", "0-136", "0-970")


def custom_type(portal_id: int, number: int, name: str, labels: tuple[str, str]) -> ObjectType:
    """Return the type of a portal's own object; `labels` are singular and plural."""
    return ObjectType(
        name=f"p{portal_id}_{name}",
        singular=name,
        type_id=f"2-{CUSTOM_ID_BASE + number * 101}",
        ops="LSRCUM",
        created="hs_createdate",
        display="name",
        scope="crm.objects.custom.read",
        own=(("name", f"{labels[0]} %d"),),
        custom=True,
        plural_label=labels[1],
    )


class Registry:
    """The object types of one portal, found by any form of their name."""

    def __init__(self) -> None:
        self._types: dict[str, ObjectType] = {}
        self._names: dict[str, ObjectType] = {}
        for object_type in STANDARD_TYPES:
            self.add(object_type)

    def add(self, object_type: ObjectType) -> None:
        """Add a type; a name that is taken stays with the type that has it."""
        self._types[object_type.type_id] = object_type
        names = [object_type.type_id, object_type.name, object_type.singular]
        if object_type.custom:
            names.append(f"p_{object_type.singular}")
        for name in names:
            self._names.setdefault(name.lower(), object_type)

    def remove(self, object_type: ObjectType) -> None:
        """Forget the names of a type, its type id too; its position stays its own."""
        self._names = {name: one for name, one in self._names.items() if one is not object_type}

    def find(self, name: str) -> ObjectType | None:
        """Return the type that `name` means: plural, singular, type id, in any case."""
        return self._names.get(name) or self._names.get(name.lower())

    def all(self) -> list[ObjectType]:
        """Return every type, standard ones first."""
        return [one for one in self._types.values() if self.find(one.type_id) is one]

    def number(self, type_id: str) -> int:
        """Return the position of a type, from which association type ids are derived."""
        return list(self._types).index(type_id)
