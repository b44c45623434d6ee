"""Subscriptions: what one can subscribe to, which address has which status, what changed."""

from datetime import timedelta
from functools import partial

from ..declaration import DAY, LEGACY_SUNSET, V4_SUNSET, WEEK, Batches, Endpoint, Table, Windows
from ..paging import text_offset

SUBSCRIPTIONS = "consent"
NUMBERED, DATED = "/communication-preferences/v4", "/communication-preferences/{version}"
_of_addresses = partial(
    Endpoint,
    group=SUBSCRIPTIONS,
    method="POST",
    params={"channel": "EMAIL"},
    per=Batches(
        "contacts",
        "email",
        100,
        match="email",
        changed="lastmodifieddate",
        where="email IS NOT NULL",
        all_every=WEEK,
    ),
    due=DAY,
    default=False,
    scopes=("communication_preferences.statuses.batch.read",),
    tier="Marketing Hub Enterprise",
    sunset=V4_SUNSET,
)
ENDPOINTS = (
    Endpoint(
        "subscription_definitions",
        group=SUBSCRIPTIONS,
        numbered=f"{NUMBERED}/definitions",
        dated=f"{DATED}/definitions",
        params={"includeTranslations": "true"},
        scopes=("communication_preferences.read",),
        sunset=V4_SUNSET,
        key="id",
        columns="id, name, description, purpose, communication_method, is_active bool,"
        " is_default bool, is_internal bool, business_unit_id, created_at, updated_at",
        about="a kind of message that people can subscribe to",
        children=(
            Table(
                "subscription_definition_translations",
                "subscription_id, language_code",
                "subscription_id = ^id, language_code, name, description",
                rows="subscriptionTranslations",
                about="such a kind of message in one language",
            ),
        ),
    ),
    _of_addresses(
        "subscription_statuses",
        numbered=f"{NUMBERED}/statuses/batch/read",
        dated=f"{DATED}/statuses/batch/read",
        key="email, subscription_id, channel, business_unit_id",
        columns="email text:email = ^subscriberIdString|subscriberIdString, subscription_id,"
        " subscription_name, channel = channel|=EMAIL, business_unit_id = businessUnitId|=0,"
        " status, source, legal_basis, legal_basis_explanation, timestamp timestamp",
        items="statuses",
        about="whether an address is subscribed to a kind of message",
    ),
    _of_addresses(
        "subscription_opt_outs",
        numbered=f"{NUMBERED}/statuses/batch/unsubscribe-all/read",
        dated=f"{DATED}/statuses/batch/unsubscribe-all/read",
        key="email, ordinal, status_key",
        columns="email text:email = ^subscriberIdString|subscriberIdString, ordinal integer = #,"
        " status_key = hash, wide_status_type, business_unit_id, channel, status,"
        " timestamp timestamp",
        items="wideStatuses",
        about="an address that wants no messages of any kind",
    ),
    Endpoint(
        "email_subscription_changes",
        group=SUBSCRIPTIONS,
        path="/email/public/v1/subscriptions/timeline",
        rows="timeline",
        omitted="portalId",
        paging=text_offset(1000),
        read=Windows(
            "timestamp",
            start="startTimestamp",
            end="endTimestamp",
            form="ms",
            span=timedelta(days=30),
            first=timedelta(days=3 * 365),
        ),
        scopes=("content",),
        sunset=LEGACY_SUNSET,
        key="recipient, timestamp, ordinal, change_key",
        columns="recipient text:email = ^recipient, timestamp timestamp:ms = ^timestamp,"
        " ordinal integer = #, change_key = hash, change_type, change, source, subscription_id,"
        " caused_by_event_id = causedByEvent.id,"
        " caused_by_event_created timestamp:ms = causedByEvent.created",
        items="changes",
        about="a change of what an address is subscribed to",
    ),
)
