"""Marketing e-mails with lifetime statistics, revisions, and statistics over a span of time."""

from collections.abc import Iterable

from ....clock import DAY_MS, iso, to_ms
from ..asking import Ask, not_found
from ..endpoint import Endpoint, after, one_of
from ..kind import Keep, Kind, Row
from ..refusal import refuse
from ..seeding import HOUR_MS, Seeds, guid

EMAILS = "/marketing/(v3/emails|emails/~)"
SCOPES = "marketing.email.read content"
STATES = ("PUBLISHED", "DRAFT", "SCHEDULED", "PUBLISHED", "AUTOMATED")
FIRST_ID, VARIANTS = 6_001, 2
INTERVALS_MS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": HOUR_MS, "DAY": DAY_MS,
                "WEEK": 7 * DAY_MS, "MONTH": 30 * DAY_MS, "YEAR": 365 * DAY_MS}  # fmt: skip


def email_campaign_id(number: int) -> int:
    """Return the id of the e-mail campaign of a seeded e-mail."""
    return 55 + number


def _statistics(number: int) -> Row:
    sent = 100 + number * 7
    return {
        "counters": {"sent": sent, "delivered": sent - 2, "open": sent // 2, "click": sent // 10,
                     "bounce": 2, "unsubscribed": number % 3, "madeupcounter": number},
        "ratios": {"openratio": 50.0, "clickratio": 10.5},
        "deviceBreakdown": {"open_device_type": {"computer": sent // 3, "mobile": sent // 6}},
        "qualifierStats": {"bounce": {"hard": 1, "soft": 1}},
    }  # fmt: skip


def _email(seeds: Seeds, number: int) -> Row:
    state = STATES[number % len(STATES)]
    published = state in ("PUBLISHED", "AUTOMATED")
    campaign = str(email_campaign_id(number))
    made: Row = {
        "id": str(FIRST_ID + number),
        "name": f"E-mail {number}",
        "subject": f"News {number}",
        "type": "AUTOMATED_EMAIL" if state == "AUTOMATED" else "BATCH_EMAIL",
        "subcategory": "batch",
        "state": state,
        "language": "en",
        "isAb": False,
        "isPublished": published,
        "isTransactional": False,
        "archived": False,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "createdById": seeds.user(number),
        "updatedById": seeds.user(number + 1),
        "primaryEmailCampaignId": campaign,
        "allEmailCampaignIds": [campaign, str(email_campaign_id(number) + 1_000)],
        "from": {"fromName": "Mia", "replyTo": "mia@example.com"},
        "to": _recipients(seeds, number),
        "subscriptionDetails": {"subscriptionId": str(88 + number % 3)},
        "webversion": {"domain": "www.example.com", "slug": f"mail{number}", "enabled": True},
        "campaign": guid(f"campaign {number % 3}"),
        "campaignName": f"Campaign {number % 3}",
        "workflowNames": ["Welcome"] if state == "AUTOMATED" else [],
        "content": {"widgets": {"module": {"body": {"html": f"<p>News {number}</p>"}}}},
        "_statistics": _statistics(number),
    }
    return made | _fate(seeds, number, published=published)


def _fate(seeds: Seeds, number: int, *, published: bool) -> Row:
    """Return what became of an e-mail: sent, tested against a variation, archived, hidden."""
    made: Row = {}
    if published:
        made |= {"publishDate": seeds.changed(number), "publishedAt": seeds.changed(number)}
    if number < VARIANTS:  # the first two are an e-mail and its variation
        other = str(FIRST_ID + 1 - number)
        made |= {
            "isAb": True,
            "_variation": other,
            "testing": {
                "testId": "t1",
                "abStatus": "variant" if number else "master",
                "isAbVariation": bool(number),
            },
        }
    if number % 7 == 6:  # noqa: PLR2004 - one in seven lies in the recycle bin
        made |= {"_archived": True, "deletedAt": seeds.changed(number + 9)}
    if number % 5 == 3:  # noqa: PLR2004 - one in five vanishes when statistics are asked for
        made["_without_statistics"] = True
    return made


def _recipients(seeds: Seeds, number: int) -> Row:
    return {
        "contactIds": {"include": [seeds.contact(number)[0]], "exclude": []},
        "contactIlsLists": {"include": [str(17 + number % 2)], "exclude": ["19"]},
        "contactLists": {"include": [], "exclude": []},
        "limitSendFrequency": False,
        "suppressGraymail": True,
    }


def _has_statistics(ask: Ask) -> Keep | None:
    if not ask.flag("includeStats"):
        return None
    return lambda row: not row.get("_without_statistics")


def _shown(ask: Ask, row: Row) -> Row:
    made = dict(row)
    if ask.flag("includeStats") and "_statistics" in row:
        made["stats"] = row["_statistics"]
    wanted = ask.query.get("includedProperties", ())
    return {n: v for n, v in made.items() if not wanted or n in (*wanted, "id") or n[0] == "_"}


# statistics of e-mails that were sent in a span of time


def _sent_between(ask: Ask) -> list[Row]:
    start, end = ask.instant("startTimestamp", "iso"), ask.instant("endTimestamp", "iso")
    wanted = ask.query.get("emailIds", ())
    return [
        row
        for row in ask.collections["marketing_emails"].seen()
        if "publishedAt" in row
        and (start is None or to_ms(row["publishedAt"]) >= start)
        and (end is None or to_ms(row["publishedAt"]) <= end)
        and (not wanted or row["id"] in wanted)
    ]


def _added(parts: Iterable[Row]) -> Row:
    """Return the sum of several statistics."""
    total: Row = {"counters": {}, "ratios": {}, "deviceBreakdown": {}, "qualifierStats": {}}
    for part in parts:
        for name, number in part.get("counters", {}).items():
            total["counters"][name] = total["counters"].get(name, 0) + number
    return total


def _list(ask: Ask) -> Row:
    rows = _sent_between(ask)
    return {
        "emails": [int(row["id"]) for row in rows],
        "aggregate": _added(row["_statistics"] for row in rows if "_statistics" in row),
        "campaignAggregations": {
            row["primaryEmailCampaignId"]: row["_statistics"]
            for row in rows
            if "primaryEmailCampaignId" in row and "_statistics" in row
        },
    }


def _histogram(ask: Ask) -> Row:
    interval = ask.one("interval", "DAY")
    if interval not in INTERVALS_MS:
        raise refuse(f"Invalid interval {interval!r}; known: {', '.join(INTERVALS_MS)}")
    buckets: dict[int, list[Row]] = {}
    for row in _sent_between(ask):
        at = to_ms(row["publishedAt"])
        buckets.setdefault(at - at % INTERVALS_MS[interval], []).append(row["_statistics"])
    results = [
        {
            "interval": {"start": iso(at), "end": iso(at + INTERVALS_MS[interval])},
            "aggregations": _added(parts),
        }
        for at, parts in sorted(buckets.items())
    ]
    return {"total": len(results), "results": results}


def _variation(ask: Ask) -> Row:
    email = ask.collections["marketing_emails"][ask.params["parent"]]
    variant = ask.collections["marketing_emails"].find(email.get("_variation", ""))
    if variant is None:
        raise not_found("The e-mail has no variation")
    return {name: value for name, value in variant.items() if name[0] != "_"}


def _revision(seeds: Seeds, number: int) -> Row:
    email = _email(seeds, number % max(1, seeds.size("marketing_emails", 8)))
    shown = {name: value for name, value in email.items() if name[0] != "_"}
    user = {"id": seeds.user(number), "email": seeds.owner(number)["email"], "fullName": "Mia Ito"}
    return {"_parent": email["id"], "id": str(1_001 + number), "user": user,
            "updatedAt": seeds.changed(number), "object": shown}  # fmt: skip


def _token(seeds: Seeds, number: int) -> Row:
    return {"id": f"token-{number}@smtp.example.com", "campaignName": f"Receipts {number}",
            "emailCampaignId": str(55 + number), "createContact": number == 0,
            "createdBy": seeds.owner(number)["email"], "createdAt": seeds.made(number)}  # fmt: skip


KINDS = (
    Kind("marketing_emails", _email, 8, touched="updatedAt", archived_at="deletedAt",
         required="id name"),
    Kind("marketing_email_revisions", _revision, 8, key="_parent id", parent="marketing_emails"),
    Kind("smtp_tokens", _token, 2, required="id"),
)  # fmt: skip

_SPANS = " ".join(
    f"{name}At={name}At@iso {name}After>{name}At {name}Before<{name}At"
    for name in ("created", "updated", "published")
)
_EMAILS = Endpoint(
    collection="marketing_emails", paths=EMAILS, paging=after(20, 300, total=True),
    scopes=SCOPES, archived=True, sorts="id name createdAt updatedAt publishDate publishedAt",
    filters=f"{_SPANS} type=type isPublished=isPublished@bool campaign=campaign",
    query="includeStats variantStats marketingCampaignNames workflowNames includedProperties",
    keep=_has_statistics, shape=_shown,
)  # fmt: skip
ENDPOINTS = (
    _EMAILS,
    one_of(_EMAILS, query="includeStats variantStats marketingCampaignNames workflowNames "
                          "includedProperties"),
    Endpoint(collection="marketing_emails", name="statistics", paths=f"{EMAILS}/statistics/list",
             scopes=SCOPES, query="startTimestamp endTimestamp emailIds property", answer=_list),
    Endpoint(collection="marketing_emails", name="histogram", scopes=SCOPES, answer=_histogram,
             paths=f"{EMAILS}/statistics/histogram",
             query="startTimestamp endTimestamp emailIds property interval"),
    Endpoint(collection="marketing_emails", name="variation", parent="marketing_emails",
             paths=EMAILS + "/{parent}/ab-test/get-variation", scopes=SCOPES, answer=_variation),
    Endpoint(collection="marketing_email_revisions", paths=EMAILS + "/{parent}/revisions",
             paging=after(), query="before", scopes=SCOPES, order="-updatedAt"),
    Endpoint(collection="smtp_tokens", paging=after(), scopes="transactional-email",
             paths="/marketing/(v3/transactional|transactional/~)/smtp-tokens",
             filters="campaignName=campaignName emailCampaignId=emailCampaignId"),
)  # fmt: skip
