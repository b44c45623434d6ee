"""Audits of pipelines, limits of associations, validations of properties, tags of objects."""

from typing import Any

from ..asking import Ask, not_found
from ..endpoint import Endpoint
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import Seeds

PIPELINES = "/crm/(v3/pipelines|pipelines/~)/{type}/{pipeline}"
CONFIGURATIONS = "/crm/associations/(v4|~)/definitions/configurations"
VALIDATIONS = "/crm/(v3/property-validations|property-validations/~)"


def _type(ask: Ask) -> Any:  # noqa: ANN401 - an object type of the catalog
    kind = ask.contents.types.find(ask.params["type"])
    if kind is None:
        raise refuse(f"Unable to infer object type from: {ask.params['type']}")
    if ask.scopes is not None and not ask.scopes & {kind.scope, kind.other_scope}:
        message = "This app hasn't been granted all required scopes to make this call."
        raise refuse(message, "MISSING_SCOPES", 403)
    return kind


def _found(rows: list[Row], name: str) -> Row:
    for row in rows:
        if row["id"] == name:
            return row
    raise not_found(f"There is no {name}")


def _audit(ask: Ask) -> Row:
    """Return that a pipeline or stage was made, and what tests say was done with it since."""
    kind = _type(ask)
    pipeline = _found(ask.contents.pipelines.get(kind.type_id, []), ask.params["pipeline"])
    stage = ask.params.get("stage")
    made = pipeline if stage is None else _found(pipeline["stages"], stage)
    first = {
        "portalId": 1_234_567, "identifier": made["id"], "action": "CREATE",
        "timestamp": made["createdAt"], "message": "", "fromUserId": 9_586_504,
        "rawObject": {"label": made["label"], "displayOrder": made["displayOrder"]},
    }  # fmt: skip
    whose = " ".join((kind.type_id, pipeline["id"], stage or ""))
    later = ask.collections["pipeline_audits"].seen(whose)
    return {"results": [first, *({n: v for n, v in row.items() if n[0] != "_"} for row in later)]}


def _later(_: Seeds, number: int) -> Row:
    return {
        "_parent": "0-3 default ",
        "portalId": 1_234_567,
        "identifier": "default",
        "action": "UPDATE",
        "timestamp": f"2025-02-0{1 + number % 9}T09:00:00Z",
        "message": "label changed",
        "fromUserId": 9_586_541,
        "rawObject": {"label": f"Sales {number}"},
    }


def _limit(_: Seeds, number: int) -> Row:
    return {
        "_pair": ("0-3 0-1", "0-3 0-2", "0-1 0-2")[number % 3],
        "category": "HUBSPOT_DEFINED",
        "typeId": (3, 5, 1)[number % 3],
        "userEnforcedMaxToObjectIds": 1 + number,
        **({"label": "Primary"} if number == 1 else {}),
    }


def _of_pair(ask: Ask) -> Keep:
    ends = [ask.contents.types.find(ask.params[end]) for end in ("from_type", "to_type")]
    names = [one.type_id for one in ends if one is not None]
    return lambda row: bool(row.get("_pair") == " ".join(names))


def _validation(_: Seeds, number: int) -> Row:
    name, rule = (("jobtitle", "MAX_LENGTH"), ("phone", "PHONE_NUMBER_WITH_EXPLICIT_COUNTRY_CODE"),
                  ("city", "MIN_LENGTH"))[number % 3]  # fmt: skip
    return {
        "_parent": "0-1",
        "propertyName": name,
        "propertyValidationRules": [
            {"ruleType": rule, "ruleArguments": [str(3 + number)],
             "shouldApplyNormalization": False},
        ],
    }  # fmt: skip


def _validations(ask: Ask) -> Row:
    rows = ask.collections["property_validations"].seen(_type(ask).type_id)
    return {"results": [{n: v for n, v in row.items() if n[0] != "_"} for row in rows]}


def _tag(seeds: Seeds, number: int) -> Row:
    return {
        "_parent": "0-3",
        "id": str(301 + number),
        "name": f"Tag {number}",
        "color": "BLUE",
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _tags(ask: Ask) -> Row:
    rows = ask.collections["object_tags"].seen(_type(ask).type_id)
    return {"results": [{n: v for n, v in row.items() if n[0] != "_"} for row in rows]}


KINDS = (
    Kind("pipeline_audits", _later, 2, key="_parent timestamp action", time="timestamp"),
    Kind("association_limits", _limit, 3, key="_pair typeId"),
    Kind("property_validations", _validation, 3, key="_parent propertyName"),
    Kind("object_tags", _tag, 2, key="_parent id", touched="updatedAt"),
)
ENDPOINTS = (
    Endpoint(collection="pipeline_audits", name="of_pipeline", paths=f"{PIPELINES}/audit",
             answer=_audit),
    Endpoint(collection="pipeline_audits", name="of_stage", answer=_audit,
             paths=PIPELINES + "/stages/{stage}/audit"),
    Endpoint(collection="association_limits", paths=f"{CONFIGURATIONS}/all", order="typeId",
             bucket="associations"),
    Endpoint(collection="association_limits", name="of_pair", order="typeId", keep=_of_pair,
             paths=CONFIGURATIONS + "/{from_type}/{to_type}", bucket="associations"),
    Endpoint(collection="property_validations", paths=VALIDATIONS + "/{type}",
             answer=_validations),
    Endpoint(collection="object_tags", paths="/crm/object-tags/2026-09-beta/{type}",
             answer=_tags),
)  # fmt: skip
