"""How much of its limits the account uses, and the outcomes that calls may have."""

from collections.abc import Iterable
from typing import Any

from ..asking import Ask, not_found
from ..endpoint import Endpoint
from ..kind import Kind, Row
from ..seeding import Seeds, guid

LIMITS = "/crm/(v3/limits|limits/~)"
PROPERTIES_AT_MOST, PIPELINES_AT_MOST, OBJECTS_AT_MOST, LABELS_AT_MOST = 1_000, 100, 10, 50
CALCULATED_AT_MOST, ASSOCIATIONS_AT_MOST = 200, 50_000
OUTCOMES = ("Busy", "Connected", "Left live message", "Left voicemail", "No answer", "Wrong number")
RECORD_SCOPES = " ".join(f"crm.objects.{name}.read" for name in ("contacts", "companies", "deals"))


def _share(used: int, most: int) -> Row:
    return {"limit": most, "usage": used, "percentage": round(100 * used / most, 4)}


def _by_type(ask: Ask, used: dict[str, int], most: int) -> list[Row]:
    return [
        {
            "objectTypeId": table.type.type_id,
            "singularLabel": table.type.singular,
            "pluralLabel": table.type.plural_label or table.type.name,
            **_share(used.get(table.type.type_id, 0), most),
        }
        for table in ask.contents.tables.values()
    ]


def _overall(rows: list[Row], most: int) -> Row:
    used = sum(row["usage"] for row in rows)
    return {"overallLimit": most, "overallUsage": used,
            "overallPercentage": round(100 * used / most, 4), "byObjectType": rows}  # fmt: skip


def _own(ask: Ask, *, calculated: bool) -> dict[str, int]:
    """Return how many properties of its own the portal has on each type."""
    return {
        table.type.type_id: sum(
            bool(one["calculated"]) == calculated
            for one in table.definitions.values()
            if not one["hubspotDefined"] and not one["archived"]
        )
        for table in ask.contents.tables.values()
    }


def _custom_properties(ask: Ask) -> Row:
    rows = _by_type(ask, _own(ask, calculated=False), PROPERTIES_AT_MOST)
    return _overall(rows, PROPERTIES_AT_MOST * len(rows))


def _calculated_properties(ask: Ask) -> Row:
    rows = _by_type(ask, _own(ask, calculated=True), CALCULATED_AT_MOST)
    return _overall(rows, CALCULATED_AT_MOST * len(rows))


def _custom_object_types(ask: Ask) -> Row:
    return _share(sum(table.type.custom for table in ask.contents.tables.values()), OBJECTS_AT_MOST)


def _pipelines(ask: Ask) -> Row:
    used = {type_id: len(rows) for type_id, rows in ask.contents.pipelines.items()}
    rows = _by_type(ask, used, PIPELINES_AT_MOST)
    known = ask.contents.tables
    custom = [row for row in rows if known[row["objectTypeId"]].type.custom]
    return {
        "hubspotDefinedObjectTypes": [row for row in rows if row not in custom],
        "customObjectTypes": _overall(custom, PIPELINES_AT_MOST * max(1, len(custom))),
    }


def _type(ask: Ask, name: str) -> Row:
    kind = ask.contents.types.find(name)
    if kind is None:
        raise not_found(f"There is no object type {name}")
    return {"objectTypeId": kind.type_id, "singularLabel": kind.singular, "pluralLabel": kind.name}


def _pairs(ask: Ask) -> Iterable[tuple[str, str]]:
    wanted = ask.one("fromObjectTypeId"), ask.one("toObjectTypeId")
    for pair in (("0-1", "0-2"), ("0-2", "0-1")):
        if all(not one or one == end for one, end in zip(wanted, pair, strict=True)):
            yield pair


def _labels(ask: Ask) -> Row:
    types, rows = ask.contents.links.types, []
    for source, target in _pairs(ask):
        ends = ask.contents.table(source).type, ask.contents.table(target).type
        own = [one for one in types.of(*ends).values() if one.category == "USER_DEFINED"]
        rows.append({"fromObjectType": _type(ask, source), "toObjectType": _type(ask, target),
                     **_share(len(own), LABELS_AT_MOST),
                     "allLabels": [one.label for one in own]})  # fmt: skip
    return {"results": rows}


def _near(ask: Ask, type_id: str) -> Row:
    return {**_type(ask, type_id), "hasRecordsAtLimit": False, "hasRecordsNearLimit": False}


def _from_types(ask: Ask) -> Row:
    return {"results": [_near(ask, source) for source, _ in _pairs(ask)]}


def _to_types(ask: Ask) -> Row:
    wanted = ask.params["source"]
    return {"results": [_near(ask, target) for source, target in _pairs(ask) if source == wanted]}


def _pair_records(ask: Ask) -> Row:
    for end in ("source", "target"):
        _type(ask, ask.params[end])
    return {"totalRecordsAtLimit": 0, "totalRecordsNearLimit": 0, "atLimitFromRecordSamples": [],
            "nearLimitFromRecordSamples": [], "limit": ASSOCIATIONS_AT_MOST}  # fmt: skip


def _outcome(_: Seeds, number: int) -> Row:
    label = OUTCOMES[number % len(OUTCOMES)]
    return {"id": guid(f"outcome {number}"), "label": label, "deleted": number == len(OUTCOMES) - 1}


def _no_row(_: Seeds, number: int) -> Row:
    """Return nothing worth keeping: limits are worked out when they are asked for."""
    return {"id": str(number)}


KINDS = (
    Kind("call_dispositions", _outcome, len(OUTCOMES), required="id label"),
    *(Kind(name, _no_row, 0) for name in (
        "limits_custom_properties", "limits_calculated_properties", "limits_custom_object_types",
        "limits_pipelines", "limits_association_labels", "limits_association_records",
    )),
)  # fmt: skip


def _limit(of: str, tail: str, **own: Any) -> Endpoint:  # noqa: ANN401 - members of an endpoint
    return Endpoint(collection=f"limits_{of}", paths=LIMITS + tail,
                    **{"scopes": RECORD_SCOPES, "name": "get", **own})  # fmt: skip


ENDPOINTS = (
    Endpoint(collection="call_dispositions", paths="/calling/v1/dispositions", rows="",
             scopes="crm.objects.contacts.read"),
    _limit("custom_properties", "/custom-properties", answer=_custom_properties),
    _limit("calculated_properties", "/calculated-properties", answer=_calculated_properties),
    _limit("custom_object_types", "/custom-object-types", answer=_custom_object_types,
           scopes="crm.schemas.custom.read crm.objects.custom.read"),
    _limit("pipelines", "/pipelines", answer=_pipelines),
    _limit("association_labels", "/associations/labels", answer=_labels,
           query="fromObjectTypeId toObjectTypeId"),
    _limit("association_records", "/associations/records/from", answer=_from_types, name="from"),
    _limit("association_records", "/associations/records/{source}/to", answer=_to_types, name="to"),
    _limit("association_records", "/associations/records/{source}/{target}", answer=_pair_records,
           name="pair"),
)  # fmt: skip
