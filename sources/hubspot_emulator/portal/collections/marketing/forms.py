"""Forms of all types, and what was submitted through them."""

from ..asking import Ask
from ..endpoint import Endpoint, after, one_of
from ..kind import Kind, Row
from ..refusal import refuse
from ..seeding import Seeds, guid

FORMS = "/marketing/(v3/forms|forms/2026-09-beta)"
TYPES = ("hubspot", "hubspot", "captured", "flow", "blog_comment", "hubspot")
SUBMISSIONS = 12


def form_id(number: int) -> str:
    """Return the id of a seeded form."""
    return guid(f"form {number}")


def _form(seeds: Seeds, number: int) -> Row:
    kind = TYPES[number % len(TYPES)]
    made: Row = {
        "id": form_id(number),
        "name": f"{kind.capitalize()} form {number}",
        "formType": kind,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "archived": False,
    }
    if kind == "hubspot":
        made |= _hubspot_members(number)
    if number % len(TYPES) == len(TYPES) - 1:
        made |= {"archived": True, "_archived": True, "archivedAt": seeds.changed(number + 5)}
    return made


def _hubspot_members(number: int) -> Row:
    email = {
        "name": "email", "label": "E-mail", "fieldType": "email", "objectTypeId": "0-1",
        "required": True, "hidden": False, "dependentFields": [],
        "validation": {"blockedEmailDomains": [], "useDefaultBlockList": False},
    }  # fmt: skip
    interest = {
        "name": "interests", "label": "Interest", "fieldType": "multiple_checkboxes",
        "objectTypeId": "0-1", "required": False, "hidden": bool(number % 2),
        "options": [{"label": "First", "value": "first", "displayOrder": 0}],
        "defaultValues": [], "description": "What you like", "dependentFields": [],
    }  # fmt: skip
    return {
        "fieldGroups": [
            {"groupType": "default_group", "richTextType": "text", "fields": [email]},
            {"groupType": "default_group", "richTextType": "text", "fields": [interest]},
        ],
        "configuration": {"language": "en", "createNewContactForNewEmail": True},
        "displayOptions": {"theme": "default_style"},
        "legalConsentOptions": {"type": "none"},
    }


def _submission(seeds: Seeds, number: int) -> Row:
    forms = [n for n in range(seeds.size("forms", 6)) if TYPES[n % len(TYPES)] != "blog_comment"]
    _, email = seeds.contact(number * 3)
    values = [
        {"objectTypeId": "0-1", "name": "email", "value": email},
        {"objectTypeId": "0-1", "name": "interests", "value": "first"},
        {"objectTypeId": "0-1", "name": "interests", "value": "second"},
    ]
    return {
        "_parent": form_id(forms[number % len(forms)] if forms else 0),
        "conversionId": guid(f"submission {number}"),
        "submittedAt": seeds.event_ms("form_submissions", number, SUBMISSIONS),
        "pageUrl": f"https://www.example.com/page{number % 5}",
        "values": values[: 1 + number % 3],
    }


def _submittable(ask: Ask) -> None:
    """Refuse submissions of comment forms."""
    form = ask.collections["forms"].find(ask.params["parent"])
    if form and form["formType"] == "blog_comment":
        raise refuse("Form submissions of this type are not allowed", "FORM_TYPE_NOT_ALLOWED")


def _check_types(ask: Ask) -> None:
    """Refuse a type of forms that there is not."""
    for one in ask.many("formTypes"):
        if one not in {*TYPES, "all"}:
            raise refuse(f"Form type {one} is not known")


KINDS = (
    Kind("forms", _form, 6, required="id name formType", touched="updatedAt",
         archived_at="archivedAt"),
    Kind("form_submissions", _submission, SUBMISSIONS, key="_parent conversionId", parent="forms",
         time="submittedAt", required="submittedAt values"),
)  # fmt: skip

_FORMS = Endpoint(
    collection="forms", paths=FORMS, paging=after(20, 500), scopes="forms", archived=True,
    filters="formTypes=formType!hubspot", check=_check_types,
)  # fmt: skip
ENDPOINTS = (
    _FORMS,
    one_of(_FORMS),
    Endpoint(
        collection="form_submissions", name="of_form", scopes="forms", order="-submittedAt",
        paths="/form-integrations/v1/submissions/forms/{parent}", paging=after(20, 50),
        check=_submittable,
    ),
)  # fmt: skip
