"""What became of marketing e-mails: events of their recipients."""

from .declaration import EVERY_RUN, LEGACY_SUNSET, Endpoint, Table, Windows, text_offset

GROUP = "email"
ENDPOINTS = (
    Endpoint(
        "email_events",
        group=GROUP,
        path="/email/public/v1/events",
        rows="events",
        paging=text_offset(1000),
        read=Windows("created", start="startTimestamp", end="endTimestamp", form="ms"),
        due=EVERY_RUN,
        scopes=("content",),
        sunset=LEGACY_SUNSET,
        tables=(
            Table(
                "email_events",
                "id, created",
                "id, created timestamp:ms, type, recipient, app_id, app_name, email_campaign_id,"
                " email_campaign_group_id, sent_by_id = sentBy.id,"
                " sent_by_created timestamp:ms = sentBy.created, caused_by_id = causedBy.id,"
                " caused_by_created timestamp:ms = causedBy.created,"
                " obsoleted_by_id = obsoletedBy.id,"
                " obsoleted_by_created timestamp:ms = obsoletedBy.created, filtered_event bool,"
                " url, referer, link_id, ip_address, user_agent, device_type, duration integer,"
                " response, attempt integer, smtp_id, category, status, drop_reason,"
                " drop_message, subject, from, reply_to json, cc json, bcc json,"
                " browser_name = browser.name, browser_family = browser.family,"
                " browser_type = browser.type, country = location.country,"
                " state = location.state, city = location.city, source, requested_by,"
                " portal_subscription_status, bounced bool, subscriptions json",
            ),
        ),
    ),
)
