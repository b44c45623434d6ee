"""Who shares deals, how forecasts are made, and what was forecast."""

from datetime import timedelta

from ..declaration import BETA_TIER, DAY, EVERY_RUN, TWELVE_HOURS, Batches, Endpoint, Windows
from ..paging import after

GROUP = "sales"
SUBMISSIONS = "/forecast-submissions/2026-09-beta/events"
ENDPOINTS = (
    Endpoint(
        "deal_splits",
        group=GROUP,
        numbered="/crm/v3/objects/deals/splits/batch/read",
        dated="/deal-splits/{version}/batch/read",
        method="POST",
        per=Batches(
            "deals",
            "id",
            100,
            shape={"id": "@id"},
            match="deal_id",
            changed="_hs_updated_at",
            all_every=DAY,
        ),
        due=EVERY_RUN,
        default=False,
        scopes=("crm.dealsplits.read_write",),
        tier="Sales Hub Enterprise",
        key="id",
        columns="id, deal_id = ^id, owner_id = properties.hubspot_owner_id,"
        " percentage double = properties.hs_deal_split_percentage, properties json, created_at,"
        " updated_at",
        items="splits",
        about="a user's share in a deal",
    ),
    Endpoint(
        "forecast_types",
        group=GROUP,
        numbered="/forecast-settings/v3/forecast-types",
        dated="/forecast-settings/2026-09/forecast-types",
        rows="results | $ | .",
        due=TWELVE_HOURS,
        tier="Sales Hub or Service Hub Professional",
        key="forecast_type_id",
        columns="forecast_type_id = forecastTypeId|id, id, forecast_name, default_type,"
        " object_type_id, amount_property, weighted_amount_property, date_property,"
        " amount_in_home_currency_property, weighted_amount_in_home_currency_property,"
        " amount_or_date_property_restricted_for_user bool, deal_split_properties json,"
        " created_at, created_by, updated_at, updated_by",
        about="a way to forecast",
    ),
    Endpoint(
        "forecast_submission_events",
        group=GROUP,
        path=SUBMISSIONS,
        paging=after(100),
        read=Windows(
            "occurred_at",
            start="occurredAfter",
            end="occurredBefore",
            form="ms",
            span=timedelta(days=30),
        ),
        default=False,
        scopes=("forecast-read",),
        tier=BETA_TIER,
        key="event_key",
        columns="event_key = hash, object_id, object_type, occurred_at timestamp:ms,"
        " properties json, archived bool",
        about="a forecast that a user submitted",
    ),
)
