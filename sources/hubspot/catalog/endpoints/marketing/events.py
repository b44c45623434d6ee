"""Marketing events and who takes part; types, definitions and occurrences of tracked events."""

from datetime import timedelta

from ..declaration import DAY, LEGACY_SUNSET, Endpoint, Parents, Table, Windows
from ..paging import after, one_answer

EVENTS = "events"
NUMBERED, DATED = "/marketing/marketing-events/v3", "/marketing/marketing-events/{version}"
READ = ("crm.objects.marketing_events.read",)
OCCURRENCES = ("/events/v3/events", "/events/event-occurrences/{version}")
ENTERPRISE = "Enterprise of any hub"
_BREAKDOWNS = ("totals", "sessions", "sources", "geolocation", "utm-campaigns", "forms", "pages",
               "landing-pages")  # fmt: skip
ENDPOINTS = (
    Endpoint(
        "marketing_events",
        group=EVENTS,
        numbered=NUMBERED,
        dated=DATED,
        paging=after(100),
        scopes=READ,
        key="object_id",
        columns="object_id, external_event_id, event_name, event_type, event_status,"
        " event_status_v2 = eventStatusV2, event_cancelled bool, event_completed bool,"
        " event_organizer, event_description, event_url, start_date_time timestamp,"
        " end_date_time timestamp, registrants integer, attendees integer,"
        " cancellations integer, no_shows integer, app_id = appInfo.id, app_name = appInfo.name,"
        " custom_properties json, created_at, updated_at",
        about="an event that people attend, such as a webinar",
    ),
    Endpoint(
        "marketing_event_participations",
        group=EVENTS,
        numbered=f"{NUMBERED}/participations/{{marketing_event_id}}/breakdown",
        dated=f"{DATED}/participations/{{marketing_event_id}}/breakdown",
        paging=after(100),
        per=Parents(
            "marketing_events",
            {
                "marketing_event_id": "object_id",
                "registrants": "registrants",
                "attendees": "attendees",
                "cancellations": "cancellations",
                "no_shows": "no_shows",
                "updated_at": "updated_at",
            },
            differs=True,
            all_every=DAY,
            recent=("start_date_time", timedelta(days=60)),
        ),
        scopes=READ,
        key="id",
        columns="id, marketing_event_id = @marketing_event_id,"
        " contact_id text:contact = associations.contact.contactId,"
        " email text:email = associations.contact.email,"
        " attendance_state = properties.attendanceState,"
        " attendance_duration_seconds integer = properties.attendanceDurationSeconds,"
        " attendance_percentage double = properties.attendancePercentage,"
        " occurred_at = properties.occurredAt, created_at",
        about="a person at a marketing event",
    ),
    Endpoint(
        "event_types",
        group=EVENTS,
        numbered=f"{OCCURRENCES[0]}/event-types",
        dated=f"{OCCURRENCES[1]}/event-types",
        rows="eventTypes",
        paging=one_answer(),
        due=DAY,
        key="name",
        columns="name = ., prefix = ./_",
        about="a type of tracked events that the portal may have",
    ),
    Endpoint(
        "event_definitions",
        group=EVENTS,
        numbered="/events/v3/event-definitions",
        dated="/events/{version}/event-definitions",
        params={"includeProperties": "true"},
        paging=after(100),
        due=DAY,
        default=False,
        scopes=("behavioral_events.event_definitions.read_write",),
        tier=ENTERPRISE,
        key="name",
        columns="name, id, fully_qualified_name, object_type_id,"
        " singular_label = labels.singular, plural_label = labels.plural, description,"
        " primary_object, primary_object_id, tracking_type, archived bool, created_at,"
        " updated_at, created_user_id, updated_user_id, associations json,"
        " custom_matching_id json, combo_event_rules json, header_template, detail_template",
        about="an event that the portal defined",
        children=(
            Table(
                "event_definition_properties",
                "event_name, name",
                "event_name = ^name, name, label, type, field_type, group_name, description,"
                " options json, archived bool, created_at, updated_at",
                rows="properties",
                about="a property of a defined event",
            ),
        ),
    ),
    Endpoint(
        "event_occurrences",
        group=EVENTS,
        numbered=OCCURRENCES[0],
        dated=OCCURRENCES[1],
        paging=after(100),
        read=Windows(
            "occurred_at",
            start="occurredAfter",
            end="occurredBefore",
            span=timedelta(days=30),
            lookback=timedelta(hours=24),
        ),
        per=Parents("event_types", {"?eventType": "name"}),
        default=False,
        tier=ENTERPRISE,
        key="event_type, id",
        columns="event_type = eventType|@eventType, id, object_type, object_id text:record,"
        " occurred_at, properties json",
        about="an event that happened to a record, such as a page view",
    ),
    Endpoint(
        "traffic_daily",
        group=EVENTS,
        path="/analytics/v2/reports/{breakdown}/daily",
        variants=tuple({"breakdown": one} for one in _BREAKDOWNS),
        rows="{}",
        read=Windows(
            "date",
            start="start",
            end="end",
            form="compact",
            span=timedelta(days=30),
            lag=timedelta(),
            lookback=timedelta(days=3),
            first=timedelta(days=365),
            changing=True,
        ),
        due=DAY,
        default=False,
        scopes=("business-intelligence",),
        tier="Marketing Hub",
        sunset=LEGACY_SUNSET,
        key="date, breakdown_by, breakdown",
        columns="date date = ^name, breakdown_by = @breakdown, breakdown = breakdown|=all,"
        " visits integer, visitors integer, metrics json = .",
        items="value",
        about="the traffic of a day, of all visits or of one source, country, campaign,"
        " page or form",
    ),
    Endpoint(
        "marketing_event_lists",
        group=EVENTS,
        numbered=f"{NUMBERED}/associations/{{marketing_event_id}}/lists",
        dated=f"{DATED}/associations/{{marketing_event_id}}/lists",
        per=Parents("marketing_events", {"marketing_event_id": "object_id"}),
        due=DAY,
        default=False,
        scopes=("crm.objects.marketing_events.write",),
        key="marketing_event_id, list_id",
        columns="marketing_event_id = @marketing_event_id, list_id, name",
        about="a list of those who are invited to, or were at, a marketing event",
    ),
)
