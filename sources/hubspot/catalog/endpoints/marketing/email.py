"""Marketing e-mails, their statistics, and what became of each at its recipients."""

from functools import partial

from ..declaration import (
    DAY,
    EVERY_RUN,
    LEGACY_SUNSET,
    WITH_ARCHIVED,
    Endpoint,
    Increment,
    Parents,
    Snapshot,
    Table,
    Windows,
)
from ..paging import after, one_answer, text_offset

EMAIL = "email"
READ = ("marketing.email.read", "content")
EMAILS, DATED = "/marketing/v3/emails", "/marketing/emails/{version}"
EVER = {"startTimestamp": "2006-01-01T00:00:00.000Z", "endTimestamp": "@todayT23:59:59.999Z"}
"""HubSpot exists since then."""
_of_emails = partial(Endpoint, group=EMAIL, due=DAY, scopes=READ)
_legacy = partial(Endpoint, group=EMAIL, scopes=("content",), sunset=LEGACY_SUNSET)
_NUMBERS = (
    "counters json = {0}counters, ratios json = {0}ratios,"
    " device_breakdown json = {0}deviceBreakdown, qualifier_stats json = {0}qualifierStats,"
    " sent integer = {0}counters.sent, delivered integer = {0}counters.delivered,"
    " opens integer = {0}counters.open, clicks integer = {0}counters.click,"
    " bounces integer = {0}counters.bounce, unsubscribes integer = {0}counters.unsubscribed"
)
"""Columns of statistics, by the member that they lie in."""
ENDPOINTS = (
    Endpoint(
        "marketing_emails",
        group=EMAIL,
        numbered=EMAILS,
        dated=DATED,
        paging=after(300),
        variants=WITH_ARCHIVED,
        read=Increment("updatedAfter", "updated_at"),
        scopes=READ,
        omitted="content",
        key="id",
        columns="id, name, subject, type, subcategory, state, language, is_ab bool,"
        " is_published bool, is_transactional bool, archived bool, created_at, updated_at,"
        " publish_date timestamp, published_at, unpublished_at timestamp:nonzero,"
        " deleted_at timestamp:nonzero, created_by_id, updated_by_id, published_by_id,"
        " published_by_name, published_by_email text:user, campaign, campaign_name,"
        " campaign_utm, cloned_from, primary_email_campaign_id, email_campaign_group_id,"
        " business_unit_id, folder_id, folder_id_v2 = folderIdV2, active_domain,"
        " feedback_survey_id, jitter_send_time bool, send_on_publish bool, email_template_mode,"
        " from_name = from.fromName, reply_to = from.replyTo,"
        " custom_reply_to = from.customReplyTo,"
        " limit_send_frequency bool = to.limitSendFrequency,"
        " suppress_graymail bool = to.suppressGraymail,"
        " subscription_id = subscriptionDetails.subscriptionId,"
        " subscription_name = subscriptionDetails.subscriptionName,"
        " office_location_id = subscriptionDetails.officeLocationId,"
        " preferences_group_id = subscriptionDetails.preferencesGroupId, testing json,"
        " rss_data json, webversion json, teams_with_access json, users_with_access json",
        about="a marketing e-mail",
        children=(
            Table(
                "marketing_email_campaign_ids",
                "email_id, email_campaign_id",
                "email_id = ^id, email_campaign_id = ., is_primary bool = ?primaryEmailCampaignId",
                rows="primaryEmailCampaignId | allEmailCampaignIds",
                about="an e-mail campaign that a marketing e-mail was sent as",
            ),
            Table(
                "marketing_email_recipients",
                "email_id, kind, included, ref_id",
                "email_id = ^id, kind = .key, included bool = ?include, ref_id text:record = .",
                rows="contact: to.contactIds.include | contact: to.contactIds.exclude"
                " | list: to.contactLists.include | list: to.contactLists.exclude"
                " | ils_list: to.contactIlsLists.include | ils_list: to.contactIlsLists.exclude",
                about="a contact or list that an e-mail goes to, or does not",
            ),
            Table(
                "marketing_email_workflows",
                "email_id, ordinal",
                "email_id = ^id, ordinal integer = #, name = .",
                rows="workflowNames",
                about="a workflow that sends an e-mail",
            ),
        ),
    ),
    _of_emails(
        "marketing_email_stats",
        numbered=EMAILS,
        dated=DATED,
        params={"includeStats": "true"},
        paging=after(300),
        variants=WITH_ARCHIVED,
        read=Snapshot(),
        key="email_id, snapshot_date",
        columns="email_id = ^id, snapshot_date date = @today, " + _NUMBERS.format(""),
        items="stats",
        about="the numbers of an e-mail, as they were on a day",
    ),
    _of_emails(
        "marketing_email_sends_daily",
        numbered=f"{EMAILS}/statistics/histogram",
        dated=f"{DATED}/statistics/histogram",
        params={"interval": "DAY", **EVER},
        paging=one_answer(),
        key="interval_start",
        columns="interval_start timestamp = interval.start, interval_end timestamp = interval.end, "
        + _NUMBERS.format("aggregations."),
        about="a day's numbers of all marketing e-mails",
    ),
    _of_emails(
        "marketing_email_revisions",
        numbered=f"{EMAILS}/{{email_id}}/revisions",
        dated=f"{DATED}/{{email_id}}/revisions",
        paging=after(100),
        per=Parents("marketing_emails", {"email_id": "id"}, changed="updated_at"),
        default=False,
        key="email_id, id",
        columns="email_id = @email_id, id, updated_at, user_id = user.id,"
        " user_email text:user = user.email, user_name = user.fullName, object json",
        about="a marketing e-mail as it once was saved",
    ),
    _legacy(
        "email_events",
        path="/email/public/v1/events",
        rows="events",
        paging=text_offset(1000),
        read=Windows("created", start="startTimestamp", end="endTimestamp", form="ms"),
        omitted="portalId",
        due=EVERY_RUN,
        key="id, created",
        columns="id, created timestamp:ms, type = type|=UNBOUNCE, recipient text:email, app_id,"
        " app_name, email_campaign_id, email_campaign_group_id, sent_by_id = sentBy.id,"
        " sent_by_created timestamp:ms = sentBy.created, caused_by_id = causedBy.id,"
        " caused_by_created timestamp:ms = causedBy.created, obsoleted_by_id = obsoletedBy.id,"
        " obsoleted_by_created timestamp:ms = obsoletedBy.created, filtered_event bool, url,"
        " referer, link_id, ip_address, user_agent, device_type, duration integer, response,"
        " attempt integer, smtp_id, category, status, drop_reason, drop_message, subject, from,"
        " reply_to json, cc json, bcc json, browser_name = browser.name,"
        " browser_family = browser.family, browser_type = browser.type,"
        " browser_producer = browser.producer, country = location.country,"
        " state = location.state, city = location.city, source, source_id, requested_by,"
        " portal_subscription_status, bounced bool, subscriptions json",
        about="what became of an e-mail at one recipient: sent, opened, clicked and so on",
    ),
    _legacy(
        "email_campaign_ids",
        path="/email/public/v1/campaigns/by-id",
        rows="campaigns",
        paging=text_offset(1000),
        key="id, app_id",
        columns="id, app_id, app_name, last_updated_time timestamp:ms",
        about="an e-mail campaign, by id alone",
    ),
    _legacy(
        "email_campaigns",
        path="/email/public/v1/campaigns/{id}",
        rows=".",
        per=Parents(
            "email_campaign_ids",
            {
                "id": "id",
                "?appId": "app_id",
                "app_name": "app_name",
                "last_updated_time": "last_updated_time",
            },
            changed="last_updated_time",
        ),
        due=EVERY_RUN,
        key="id, app_id",
        columns="id = @id, app_id = @appId|appId, app_name = appName|@app_name, content_id,"
        " name, subject, type, sub_type, num_included integer, num_queued integer,"
        " counters json, last_processing_finished_at,"
        " last_updated_time timestamp = lastUpdatedTime|@last_updated_time",
        about="an e-mail campaign: one sending of an e-mail",
    ),
    Endpoint(
        "smtp_tokens",
        group=EMAIL,
        numbered="/marketing/v3/transactional/smtp-tokens",
        dated="/marketing/transactional/{version}/smtp-tokens",
        paging=after(100),
        due=DAY,
        default=False,
        scopes=("transactional-email",),
        omitted="password",
        key="id",
        columns="id, campaign_name, email_campaign_id, create_contact bool, created_by, created_at",
        about="a token that sends transactional e-mails by SMTP, without its password",
    ),
)
