"""Marketing campaigns: properties, assets, budget and spend, reports."""

from functools import partial

from ..declaration import DAY, Asked, Batches, Endpoint, Parents, Table
from ..paging import after

CAMPAIGNS = "campaigns"
NUMBERED, DATED = "/marketing/v3/campaigns", "/marketing/campaigns/{version}"
_endpoint = partial(
    Endpoint,
    group=CAMPAIGNS,
    scopes=("marketing.campaigns.read",),
    tier="Marketing Hub Professional",
)
EACH = Parents("campaigns", {"campaign_id": "id"}, changed="updated_at", all_every=DAY)
"""Whether an asset, a spend or a visit moves a campaign's time of change is not documented."""
EVER = {"startDate": "2006-01-01", "endDate": "@today"}
"""HubSpot exists since then."""
READABLE = (
    "hs_start_date", "hs_end_date", "hs_color_hex", "hs_notes", "hs_audience", "hs_goal",
    "hs_owner", "hs_currency_code", "hs_created_by_user_id", "hs_campaign_status", "hs_object_id",
    "hs_name", "hs_utm", "hs_budget_items_sum_amount", "hs_spend_items_sum_amount",
)  # fmt: skip
"""Properties of HubSpot's own that may be read; others answer 400."""
_TYPES_OF_EACH = Batches(
    "campaigns",
    "id",
    50,
    shape={"id": "@id"},
    match="campaign_id",
    changed="updated_at",
    all_every=DAY,
)
_ASSETS_OF_EACH = Parents(
    "campaign_asset_types",
    {"campaign_id": "campaign_id", "asset_type": "asset_type"},
    changed="updated_at",
    all_every=DAY,
)
_CONTACTS = tuple(
    {"contact_type": one} for one in ("contactFirstTouch", "contactLastTouch", "influencedContacts")
)
_ITEM = (
    "campaign_id = @campaign_id, id, name, description, amount double, order integer,"
    " created_at timestamp:ms, updated_at timestamp:ms"
)
ENDPOINTS = (
    _endpoint(
        "campaigns",
        numbered=NUMBERED,
        dated=DATED,
        properties=Asked("campaign", READABLE),
        paging=after(100),
        key="id",
        columns="id, name = properties.hs_name, start_date date = properties.hs_start_date,"
        " end_date date = properties.hs_end_date, status = properties.hs_campaign_status,"
        " owner_id = properties.hs_owner, currency_code = properties.hs_currency_code,"
        " utm = properties.hs_utm, created_at, updated_at, properties json",
        about="a marketing campaign",
        children=(
            Table(
                "campaign_business_units",
                "campaign_id, business_unit_id",
                "campaign_id = ^id, business_unit_id = id",
                rows="businessUnits",
                about="a brand that a campaign is for",
            ),
        ),
    ),
    _endpoint(
        "campaign_asset_types",
        numbered=f"{NUMBERED}/batch/read",
        dated=f"{DATED}/batch/read",
        method="POST",
        per=_TYPES_OF_EACH,
        omitted="results paging",
        key="campaign_id, asset_type",
        columns="campaign_id = ^id, asset_type = .key, updated_at = ^updatedAt",
        items="assets{}",
        about="a kind of asset that a campaign has",
    ),
    _endpoint(
        "campaign_assets",
        numbered=f"{NUMBERED}/{{campaign_id}}/assets/{{asset_type}}",
        dated=f"{DATED}/{{campaign_id}}/assets/{{asset_type}}",
        params=EVER,
        paging=after(100),
        per=_ASSETS_OF_EACH,
        key="campaign_id, asset_type, asset_id",
        columns="campaign_id = @campaign_id, asset_type = @asset_type, asset_id = id, name,"
        " metrics json",
        about="an asset of a campaign, such as an e-mail or a page",
    ),
    _endpoint(
        "campaign_budgets",
        numbered=f"{NUMBERED}/{{campaign_id}}/budget/totals",
        dated=f"{DATED}/{{campaign_id}}/budget/totals",
        rows=".",
        per=EACH,
        key="campaign_id",
        columns="campaign_id = @campaign_id, currency_code, budget_total double,"
        " spend_total double, remaining_budget double",
        about="the budget and spend of a campaign",
        children=(
            Table(
                "campaign_budget_items",
                "campaign_id, id",
                _ITEM,
                rows="budgetItems",
                about="an item of a campaign's budget",
            ),
            Table(
                "campaign_spend_items",
                "campaign_id, id",
                _ITEM,
                rows="spendItems",
                about="an item of a campaign's spend",
            ),
        ),
    ),
    _endpoint(
        "campaign_metrics",
        numbered=f"{NUMBERED}/{{campaign_id}}/reports/metrics",
        dated=f"{DATED}/{{campaign_id}}/reports/metrics",
        variants=(EVER,),
        rows=".",
        per=EACH,
        key="campaign_id, start_date, end_date",
        columns="campaign_id = @campaign_id, start_date date = @startDate,"
        " end_date date = @endDate, sessions integer, new_contacts_first_touch integer,"
        " new_contacts_last_touch integer, influenced_contacts integer",
        about="the visits and contacts of a campaign",
    ),
    _endpoint(
        "campaign_revenue",
        numbered=f"{NUMBERED}/{{campaign_id}}/reports/revenue",
        dated=f"{DATED}/{{campaign_id}}/reports/revenue",
        variants=({"attributionModel": "LINEAR"},),
        params=EVER,
        rows=".",
        per=EACH,
        scopes=("marketing.campaigns.revenue.read",),
        key="campaign_id, attribution_model",
        columns="campaign_id = @campaign_id, attribution_model = @attributionModel,"
        " contacts_number integer, deals_number integer, deal_amount double,"
        " revenue_amount double, currency_code",
        about="the revenue of a campaign, by one attribution model",
    ),
    _endpoint(
        "campaign_contacts",
        numbered=f"{NUMBERED}/{{campaign_id}}/reports/contacts/{{contact_type}}",
        dated=f"{DATED}/{{campaign_id}}/reports/contacts/{{contact_type}}",
        variants=_CONTACTS,
        params=EVER,
        paging=after(100),
        per=EACH,
        default=False,
        key="campaign_id, contact_type, contact_id",
        columns="campaign_id = @campaign_id, contact_type = @contact_type,"
        " contact_id text:contact = id",
        about="a contact that a campaign brought or influenced",
    ),
)
