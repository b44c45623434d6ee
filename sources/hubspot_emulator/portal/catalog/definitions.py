"""Property definitions: the standard ones as data, and how one is completed."""

from functools import cache
from typing import Any

from ...clock import iso
from .object_types import ObjectType

Definition = dict[str, Any]

INSTALLED_MS = 1_546_300_800_000  # 2019-01-01, when the portal's standard properties came to be

FIELD_TYPES: dict[str, tuple[str, ...]] = {
    "string": ("text", "textarea", "html", "phonenumber", "file", "calculation_equation",
               "calculation_rollup"),
    "number": ("number", "calculation_equation", "calculation_rollup", "calculation_score"),
    "bool": ("booleancheckbox", "calculation_equation", "calculation_read_time"),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox", "calculation_equation",
                    "calculation_rollup"),
    "date": ("date",),
    "datetime": ("date", "calculation_equation", "calculation_rollup"),
    "object_coordinates": ("text",),
    "json": ("text",),
    "phone_number": ("phonenumber",),
}  # fmt: skip

# name, type, fieldType, options or reference; on every object type
_COMMON = (
    ("hs_object_id", "number", "number", ""),
    ("hubspot_owner_id", "enumeration", "select", "@OWNER"),
    ("hs_created_by_user_id", "number", "number", ""),
    ("hs_object_source", "string", "text", ""),
    ("hs_merged_object_ids", "string", "text", ""),
)

_PIPELINE = (
    ("hs_pipeline", "enumeration", "select", "0|1"),
    ("hs_pipeline_stage", "enumeration", "select", "1|2|3|4"),
)

_ACTIVITY = (
    ("hs_timestamp", "datetime", "date", ""),
    ("hs_activity_type", "enumeration", "select", "Discovery|Follow up|Review"),
    ("hs_body_preview", "string", "textarea", ""),
    ("hs_attachment_ids", "string", "file", ""),
)

_MONEY = (
    ("amount", "number", "number", ""),
    ("hs_currency_code", "enumeration", "select", "EUR|USD|GBP|JPY"),
    ("hs_status", "enumeration", "select", "draft|open|paid|voided"),
)

ACTIVITIES = ("calls", "emails", "meetings", "notes", "tasks", "communications", "postal_mail")
TRANSCRIPT, TRANSCRIPTS_SEEDED = "hs_call_transcription_id", 2  # of calls: what was said
_PAID = (
    "quotes",
    "invoices",
    "subscriptions",
    "commerce_payments",
    "carts",
    "discounts",
    "fees",
    "taxes",
    "contracts",
)
_STAGED = ("leads", "services", "courses", "listings", "appointments", "projects")

_SPECIFIC: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "contacts": (
        ("firstname", "string", "text", ""),
        ("lastname", "string", "text", ""),
        ("phone", "string", "phonenumber", ""),
        ("company", "string", "text", ""),
        ("jobtitle", "string", "text", ""),
        ("city", "string", "text", ""),
        ("country", "string", "text", ""),
        ("message", "string", "textarea", ""),
        ("lifecyclestage", "enumeration", "radio", "subscriber|lead|opportunity|customer"),
        ("hs_lead_status", "enumeration", "radio", "NEW|OPEN|IN_PROGRESS|CONNECTED"),
        ("hs_buying_role", "enumeration", "checkbox", "BUDGET_HOLDER|CHAMPION|DECISION_MAKER"),
        ("hs_email_optout", "bool", "booleancheckbox", ""),
        ("closedate", "datetime", "date", ""),
        ("notes_last_updated", "datetime", "date", ""),
        ("num_notes", "number", "number", ""),
        ("associatedcompanyid", "number", "number", "@COMPANY"),
        ("hs_predictivecontactscore", "number", "calculation_score", ""),
        ("hs_full_name_or_email", "string", "calculation_equation", ""),
        ("hs_is_unworked", "bool", "calculation_equation", ""),
    ),
    "companies": (
        ("domain", "string", "text", ""),
        ("industry", "enumeration", "select", "COMPUTER_SOFTWARE|BANKING|RETAIL"),
        ("city", "string", "text", ""),
        ("country", "string", "text", ""),
        ("description", "string", "textarea", ""),
        ("numberofemployees", "number", "number", ""),
        ("annualrevenue", "number", "number", ""),
        ("hs_parent_company_id", "number", "number", "@COMPANY"),
        ("is_public", "bool", "booleancheckbox", ""),
        ("num_associated_contacts", "number", "calculation_rollup", ""),
        ("lifecyclestage", "enumeration", "radio", "subscriber|lead|opportunity|customer"),
    ),
    "deals": (
        ("amount", "number", "number", "$deal_currency_code"),
        ("deal_currency_code", "enumeration", "select", "EUR|USD|GBP|JPY"),
        ("pipeline", "enumeration", "select", "default|renewals"),
        ("dealstage", "enumeration", "radio",
         "appointmentscheduled|qualifiedtobuy|contractsent|closedwon|closedlost"),
        ("closedate", "datetime", "date", ""),
        ("dealtype", "enumeration", "radio", "newbusiness|existingbusiness"),
        ("hs_is_closed", "bool", "calculation_equation", ""),
        ("hs_deal_stage_probability", "number", "calculation_equation", ""),
        ("num_associated_contacts", "number", "calculation_rollup", ""),
    ),
    "tickets": (
        *_PIPELINE,
        ("content", "string", "textarea", ""),
        ("hs_ticket_priority", "enumeration", "select", "LOW|MEDIUM|HIGH"),
        ("closed_date", "datetime", "date", ""),
        ("time_to_close", "number", "calculation_equation", ""),
    ),
    "products": (("price", "number", "number", ""), ("hs_sku", "string", "text", "")),
    "line_items": (
        ("price", "number", "number", ""),
        ("quantity", "number", "number", ""),
        ("hs_sku", "string", "text", ""),
        ("hs_product_id", "number", "number", "@PRODUCT"),
        ("amount", "number", "calculation_equation", ""),
    ),
    "users": (
        ("hs_internal_user_id", "number", "number", ""),
        ("hs_job_title", "string", "text", ""),
    ),
    "orders": (*_MONEY, *_PIPELINE),
    **dict.fromkeys(ACTIVITIES, _ACTIVITY),
    "calls": (*_ACTIVITY, (TRANSCRIPT, "number", "number", "")),
    **dict.fromkeys(_PAID, _MONEY),
    **dict.fromkeys(_STAGED, _PIPELINE),
}  # fmt: skip


def transcript_id(number: int) -> str:
    """Return the id of a seeded transcript, as its call names it."""
    return str(1_901 + number)


def complete(row: Definition, *, hubspot_defined: bool = False, at_ms: int) -> Definition:
    """Return a whole definition from the members that differ from the usual ones."""
    field_type = row.get("fieldType", "text")
    calculated = row.get("calculated", field_type.startswith("calculation_"))
    base: Definition = {
        "label": row["name"].replace("_", " ").capitalize(),
        "type": "string",
        "fieldType": "text",
        "description": "",
        "groupName": "information",
        "options": [],
        "displayOrder": -1,
        "calculated": calculated,
        "externalOptions": False,
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": hubspot_defined,
        "formField": not calculated,
        "dataSensitivity": "non_sensitive",
        "archived": False,
        "modificationMetadata": {
            "archivable": not hubspot_defined,
            "readOnlyDefinition": hubspot_defined,
            "readOnlyOptions": hubspot_defined,
            "readOnlyValue": calculated or row["name"] in _READ_ONLY,
        },
        "createdAt": iso(at_ms),
        "updatedAt": iso(at_ms),
    }
    return {**base, **row, "options": [_option(o, i) for i, o in enumerate(row.get("options", []))]}


_READ_ONLY = frozenset(
    ("hs_object_id", "createdate", "hs_createdate", "lastmodifieddate", "hs_lastmodifieddate",
     "hs_merged_object_ids", "hs_created_by_user_id", "hs_object_source"),
)  # fmt: skip


def _option(option: dict[str, Any] | str, position: int) -> dict[str, Any]:
    row = {"value": option} if isinstance(option, str) else option
    label = str(row["value"]).replace("_", " ").capitalize()
    base = {"label": label, "displayOrder": position, "hidden": False, "description": ""}
    return {**base, **row}


def _from_row(name: str, kind: str, field_type: str, extra: str) -> Definition:
    row: Definition = {"name": name, "type": kind, "fieldType": field_type}
    if extra.startswith("@"):
        external = extra == "@OWNER"
        row |= {"referencedObjectType": extra[1:], "externalOptions": external}
    elif extra.startswith("$"):
        row |= {"showCurrencySymbol": True, "currencyPropertyName": extra[1:]}
    elif extra:
        row["options"] = extra.split("|")
    return complete(row, hubspot_defined=True, at_ms=INSTALLED_MS)


def standard(object_type: ObjectType) -> dict[str, Definition]:
    """Return the definitions that every portal has for a type, by name.

    They are shared between portals: a changed one takes a definition's place, none is altered.
    """
    return dict(_standard(object_type))


@cache
def _standard(object_type: ObjectType) -> dict[str, Definition]:
    own = (
        (object_type.created, "datetime", "date", ""),
        (object_type.modified, "datetime", "date", ""),
        *((name, "string", "text", "") for name, _ in object_type.own),
    )
    rows = (*_COMMON, *own, *_SPECIFIC.get(object_type.name, ()))
    found = {row[0]: _from_row(*row) for row in reversed(rows)}
    if "email" in found and object_type.name == "contacts":
        found["email"] |= {"hasUniqueValue": True}
    return dict(sorted(found.items()))
