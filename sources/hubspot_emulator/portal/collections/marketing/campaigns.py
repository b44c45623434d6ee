"""Campaigns: properties, assets of many types, budget, spend, metrics, revenue, contacts."""

import re
from typing import Any

from ..asking import Ask, not_found
from ..endpoint import Batch, Endpoint, after, one_of
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import Seeds, guid

BASE = "/marketing/(v3/campaigns|campaigns/~)"
SCOPE: dict[str, Any] = {"scopes": "marketing.campaigns.read", "product": "marketing_professional"}
TYPES = (
    "FORM", "OBJECT_LIST", "EXTERNAL_WEB_URL", "MARKETING_EMAIL", "LANDING_PAGE", "SITE_PAGE",
    "BLOG_POST", "SOCIAL_BROADCAST", "AD_CAMPAIGN", "CTA", "AUTOMATION_PLATFORM_FLOW",
    "MARKETING_EVENT", "SEQUENCE",
)  # fmt: skip
READABLE = frozenset(
    f"hs_{name}"
    for name in (
        "start_date", "end_date", "color_hex", "notes", "audience", "goal", "owner",
        "currency_code", "created_by_user_id", "campaign_status", "object_id", "name", "utm",
        "budget_items_sum_amount", "spend_items_sum_amount",
    )
)  # fmt: skip
CONTACT_TYPES = ("contactFirstTouch", "contactLastTouch", "influencedContacts")
MODELS = ("LINEAR", "FIRST_INTERACTION", "LAST_INTERACTION", "U_SHAPED", "W_SHAPED",
          "TIME_DECAY", "FULL_PATH")  # fmt: skip
COUNT = 4


def campaign_id(number: int) -> str:
    """Return the id of a seeded campaign."""
    return guid(f"campaign {number}")


def _campaign(seeds: Seeds, number: int) -> Row:
    own = {
        "hs_name": f"Campaign {number}",
        "hs_start_date": seeds.made(number)[:10],
        "hs_end_date": seeds.changed(number)[:10],
        "hs_campaign_status": ("planned", "in_progress", "completed")[number % 3],
        "hs_owner": str(seeds.owner(number)["id"]),
        "hs_currency_code": "EUR",
        "hs_utm": f"campaign-{number}",
        "hs_object_id": str(31_000 + number),
        "region": "north",
    }
    if number % 2:
        own["hs_notes"] = "Äpfel & \U0001f34f"
    return {
        "id": campaign_id(number),
        "_properties": own,
        "businessUnits": [{"id": 0}],
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _check_properties(ask: Ask) -> None:
    """Refuse a name that may not be read, by that name; the portal's own have no prefix."""
    own = {row["name"] for row in ask.collections["campaign_properties"].seen() if _is_closed(row)}
    for name in ask.many("properties"):
        if (name.startswith("hs_") and name not in READABLE) or name in own:
            raise refuse(f"Property {name} cannot be read")
    for name in ("startDate", "endDate"):
        _date(name, ask.one(name))


def _is_closed(row: Row) -> bool:
    return bool(row.get("_unreadable"))


def _property(_: Seeds, number: int) -> Row:
    """Return the definition of a property: HubSpot's own, one that is secret, one of the portal."""
    names = (*sorted(READABLE), "hs_secret", "region")
    name = names[number] if number < len(names) else f"property{number}"
    return {"name": name, "label": name, "type": "string", "fieldType": "text", "description": "",
            "groupName": "campaigns", "options": [], "hubspotDefined": name[:3] == "hs_",
            "archived": False}  # fmt: skip


def _date(name: str, text: str) -> None:
    if text and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise refuse(f"Invalid value for {name}: {text!r} is not a date")


def _with_properties(ask: Ask, row: Row) -> Row:
    wanted = ask.many("properties")
    own = row.get("_properties", {})
    found = {name: own[name] for name in wanted if own.get(name)}
    made = {name: value for name, value in row.items() if name != "_properties"}
    return {**made, "properties": found}


def _named(ask: Ask) -> Keep:
    wanted = ask.one("name").lower()
    return lambda row: wanted in str(row.get("_properties", {}).get("hs_name", "")).lower()


def _with_assets(ask: Ask, row: Row) -> Row:
    """Return a campaign with the first assets of every type that it has any of."""
    found: dict[str, list[Row]] = {}
    for one in ask.collections["campaign_assets"].seen(row["id"]):
        found.setdefault(one["_type"], []).append(_asset_shown(ask, one))
    whole = _with_properties(ask, row)
    return {**whole, "assets": {kind: {"results": rows} for kind, rows in found.items()}}


def _asset(seeds: Seeds, number: int) -> Row:
    kind = TYPES[number % 5]
    return {
        "_parent": campaign_id(number % max(1, seeds.size("campaigns", COUNT))),
        "_type": kind,
        "id": str(40_001 + number),
        "name": f"{kind} {number}",
        "_metrics": {"SUBMISSIONS": number, "CLICKS": number * 2},
    }


def _asset_shown(ask: Ask, row: Row) -> Row:
    """Return an asset, with its numbers when both dates are given."""
    made = {name: value for name, value in row.items() if name[0] != "_"}
    dated = ask.one("startDate") and ask.one("endDate")
    return {**made, "metrics": row.get("_metrics", {})} if dated else made


def _of_type(ask: Ask) -> Keep:
    return lambda row: bool(row["_type"] == ask.params["type"])


def _check_type(ask: Ask) -> None:
    if ask.params["type"] not in TYPES:
        raise refuse(f"Asset type {ask.params['type']} is not known")
    _check_properties(ask)


def _item(kind: str, seeds: Seeds, number: int) -> Row:
    at = seeds.made_ms(number)
    return {
        "_parent": campaign_id(number % max(1, seeds.size("campaigns", COUNT))),
        "id": str((1 if kind == "budget" else 501) + number),
        "name": f"{kind.capitalize()} {number}",
        "description": "",
        "amount": 1_000 if kind == "budget" else 250.5 + number,
        "order": number % 2,
        "createdAt": at,
        "updatedAt": at,
    }


def _budget_item(seeds: Seeds, number: int) -> Row:
    return _item("budget", seeds, number)


def _spend_item(seeds: Seeds, number: int) -> Row:
    return _item("spend", seeds, number)


def _budget(ask: Ask) -> Row:
    parent = ask.params["parent"]
    items = {
        name: [_public(row) for row in ask.collections[f"campaign_{name}_items"].seen(parent)]
        for name in ("budget", "spend")
    }
    budget, spend = (sum(row["amount"] for row in rows) for rows in items.values())
    return {
        "currencyCode": "EUR",
        "budgetTotal": budget,
        "spendTotal": spend,
        "remainingBudget": budget - spend,
        "budgetItems": items["budget"],
        "spendItems": items["spend"],
    }


def _public(row: Row) -> Row:
    return {name: value for name, value in row.items() if name[0] != "_"}


def _weight(ask: Ask) -> int:
    """Return a number that is a campaign's own, so that its reports differ from others."""
    own = ask.collections["campaigns"][ask.params["parent"]].get("_properties", {})
    return len(str(own.get("hs_utm", ""))) + int(str(own.get("hs_object_id", "0"))) % 97


def _metrics(ask: Ask) -> Row:
    _check_properties(ask)
    weight = _weight(ask)
    return {"sessions": 100 + weight, "newContactsFirstTouch": weight % 7,
            "newContactsLastTouch": weight % 5, "influencedContacts": 9 + weight}  # fmt: skip


def _revenue(ask: Ask) -> Row:
    _check_properties(ask)
    if ask.one("attributionModel", "LINEAR") not in MODELS:
        raise refuse(f"attributionModel must be one of {', '.join(MODELS)}")
    weight = _weight(ask)
    return {"contactsNumber": 9 + weight, "dealsNumber": weight % 5, "dealAmount": 1_000 * weight,
            "revenueAmount": 100.5 * weight, "currencyCode": "EUR"}  # fmt: skip


def _contact(seeds: Seeds, number: int) -> Row:
    return {
        "_parent": campaign_id(number % max(1, seeds.size("campaigns", COUNT))),
        "_type": CONTACT_TYPES[number // COUNT % len(CONTACT_TYPES)],
        "id": seeds.contact(number * 5)[0],
    }


def _check_contact_type(ask: Ask) -> None:
    if ask.params["type"] not in CONTACT_TYPES:
        raise not_found(f"Contact type {ask.params['type']} is not known")
    _check_properties(ask)


def _asset_types(_: Ask) -> Row:
    return {"results": list(TYPES)}


KINDS = (
    Kind("campaigns", _campaign, COUNT, touched="updatedAt", required="id createdAt updatedAt"),
    Kind("campaign_properties", _property, len(READABLE) + 2, key="name", required="name label"),
    Kind("campaign_assets", _asset, 14, key="_parent _type id", parent="campaigns",
         required="id"),
    Kind("campaign_budget_items", _budget_item, 6, key="_parent id", parent="campaigns",
         touched="updatedAt", required="id amount order createdAt updatedAt"),
    Kind("campaign_spend_items", _spend_item, 6, key="_parent id", parent="campaigns",
         touched="updatedAt", required="id amount order createdAt updatedAt"),
    Kind("campaign_contacts", _contact, 16, key="_parent _type id", parent="campaigns"),
)  # fmt: skip

_CAMPAIGNS = Endpoint(
    collection="campaigns", paths=BASE, paging=after(50, 100, total=True), query="name properties",
    sorts="hs_name=_properties.hs_name createdAt updatedAt", order="createdAt",
    check=_check_properties, keep=_named, shape=_with_properties, **SCOPE,
)  # fmt: skip
_REPORTS = BASE + "/{parent}/reports"
ENDPOINTS = (
    _CAMPAIGNS,
    one_of(_CAMPAIGNS, query="properties startDate endDate", shape=_with_assets),
    Endpoint(collection="campaign_properties", order="name", **SCOPE,
             paths="/crm/(v3/properties|properties/2026-03)/campaign"),
    Endpoint(collection="campaigns", name="batch_read", method="POST", body="inputs!",
             paths=f"{BASE}/batch/read", query="properties startDate endDate", batch=Batch(50),
             check=_check_properties, shape=_with_assets, **SCOPE),
    Endpoint(collection="campaigns", name="asset_types", answer=_asset_types,
             paths="/marketing/campaigns/2026-09-beta/asset-types", **SCOPE),
    Endpoint(collection="campaign_assets", paths=BASE + "/{parent}/assets/{type}",
             paging=after(10, 100), query="startDate endDate", check=_check_type, keep=_of_type,
             shape=_asset_shown, **SCOPE),
    Endpoint(collection="campaign_budget_items", name="totals", answer=_budget,
             paths=BASE + "/{parent}/budget/totals", **SCOPE),
    one_of(Endpoint(collection="campaign_budget_items", paths=BASE + "/{parent}/budget", **SCOPE)),
    one_of(Endpoint(collection="campaign_spend_items", paths=BASE + "/{parent}/spend", **SCOPE)),
    Endpoint(collection="campaigns", name="metrics", parent="campaigns", answer=_metrics,
             paths=f"{_REPORTS}/metrics", query="startDate endDate", **SCOPE),
    Endpoint(collection="campaigns", name="revenue", parent="campaigns", answer=_revenue,
             paths=f"{_REPORTS}/revenue", query="startDate endDate attributionModel",
             scopes="marketing.campaigns.revenue.read", product="marketing_professional"),
    Endpoint(collection="campaign_contacts", paths=_REPORTS + "/contacts/{type}",
             paging=after(100, 100), query="startDate endDate", check=_check_contact_type,
             keep=_of_type, **SCOPE),
)  # fmt: skip
