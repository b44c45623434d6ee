"""Deal splits, forecast types and forecast submissions."""

from ....clock import iso
from ..asking import Ask
from ..endpoint import Endpoint, after
from ..kind import Kind, Row
from ..refusal import refuse
from ..seeding import Seeds

SPLITS, SUBMISSIONS, MOST = 6, 8, 100
NAMES = ("Amount", "Weighted amount", "Deal count")


def _split(seeds: Seeds, number: int) -> Row:
    return {
        "_parent": seeds.record("deals", number // 2 * 3),
        "id": str(77 + number),
        "properties": {
            "hubspot_owner_id": str(seeds.owner(number)["id"]),
            "hs_deal_split_percentage": "0.6" if number % 2 == 0 else "0.4",
        },
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "archived": False,
    }


def _splits(ask: Ask) -> Row:
    """Return the splits of deals; a deal without any is left out, or has an empty list."""
    inputs = ask.body["inputs"]
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise refuse("Invalid input JSON: inputs must be a list of objects")
    if len(inputs) > MOST:
        raise refuse(f"The maximum number of inputs supported in a batch request is {MOST}")
    results = []
    for deal in dict.fromkeys(str(one.get("id")) for one in inputs):
        rows = ask.collections["deal_splits"].seen(deal)
        if rows or int(deal) % 2:
            shown = [{n: v for n, v in row.items() if n[0] != "_"} for row in rows]
            results.append({"id": deal, "splits": shown})
    now = iso(ask.now_ms)
    return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}


def _forecast_type(seeds: Seeds, number: int) -> Row:
    return {
        "forecastTypeId": 11 + number,
        "id": str(11 + number),
        "forecastName": NAMES[number % len(NAMES)],
        "defaultType": "DEALS_AMOUNT" if number == 0 else "CUSTOM",
        "objectTypeId": "0-3",
        "amountProperty": "amount",
        "weightedAmountProperty": "hs_forecast_amount",
        "dateProperty": "closedate",
        "amountInHomeCurrencyProperty": "amount_in_home_currency",
        "weightedAmountInHomeCurrencyProperty": "hs_projected_amount_in_home_currency",
        "amountOrDatePropertyRestrictedForUser": False,
        "dealSplitProperties": {},
        "createdAt": seeds.made(number),
        "createdBy": seeds.user(number),
        "updatedAt": seeds.changed(number),
        "updatedBy": seeds.user(number),
    }


def _submission(seeds: Seeds, number: int) -> Row:
    return {
        "objectId": str(4_001 + number % 3),
        "objectType": "FORECAST_SUBMISSION",
        "occurredAt": seeds.event_ms("forecast_submission_events", number, SUBMISSIONS),
        "properties": {"hs_amount": str(1_000 + number), "hubspot_owner_id": "41629779"},
        "archived": False,
    }


KINDS = (
    Kind("deal_splits", _split, SPLITS, key="_parent id", touched="updatedAt",
         required="id properties createdAt updatedAt archived"),
    Kind("forecast_types", _forecast_type, 3, touched="updatedAt", required="forecastTypeId"),
    Kind("forecast_submission_events", _submission, SUBMISSIONS, key="objectId occurredAt",
         time="occurredAt"),
)  # fmt: skip
ENDPOINTS = (
    Endpoint(
        collection="deal_splits", name="batch_read", method="POST", body="inputs!",
        paths="/deal-splits/~/batch/read "
              "/crm/(v3/objects|objects/v3)/deals/splits/batch/read",
        scopes="crm.dealsplits.read_write", product="sales_enterprise", answer=_splits,
    ),
    Endpoint(collection="forecast_types", paths="/forecast-settings/(v3|2026-09)/forecast-types",
             product="sales_professional"),
    Endpoint(
        collection="forecast_submission_events", paging=after(), scopes="forecast-read",
        paths="/forecast-submissions/2026-09-beta/events", product="sales_professional",
        filters="occurredAfter>=occurredAt@ms occurredBefore<=occurredAt@ms", order="occurredAt",
    ),
)  # fmt: skip
