"""Pages, blog posts, authors, tags, blogs, domains, redirects, mappings and the CMS audit log."""

from typing import Any

from ..endpoint import Endpoint, after, batch_of, one_of
from ..kind import Kind, Row
from ..seeding import Seeds, guid

SPANS = " ".join(
    f"{name}At={name}@iso {name}After>{name} {name}Before<{name}" for name in ("created", "updated")
)
BY_CMS = {"sorts": "name createdAt=created updatedAt=updated createdBy=createdById "
                   "updatedBy=updatedById", "filters": SPANS, "query": "property",
          "archived": True, "order": "created"}  # fmt: skip
AUTHOR_SORTS = "name created updated createdBy=createdById updatedBy=updatedById"
EVENTS = ("CREATED", "UPDATED", "PUBLISHED", "UNPUBLISHED", "DELETED", "RESTORE")
EPOCH = "1970-01-01T00:00:00Z"
_LOOKS: Row = {
    "attachedStylesheets": [], "categoryId": 1, "contentTypeCategory": "1",
    "dynamicPageDataSourceId": "", "dynamicPageDataSourceType": 0, "enableDomainStylesheets": True,
    "enableLayoutStylesheets": True, "featuredImageAltText": "", "footerHtml": "", "headHtml": "",
    "includeDefaultCustomCss": True, "layoutSections": {}, "linkRelCanonicalUrl": "",
    "mabExperimentId": "", "pageExpiryDate": 0, "pageExpiryEnabled": False,
    "pageExpiryRedirectId": 0, "pageExpiryRedirectUrl": "",
    "pageRedirected": False, "publicAccessRules": [], "publishImmediately": True,
    "themeSettingsValues": {}, "useFeaturedImage": False, "widgetContainers": {}, "widgets": {},
}  # fmt: skip
"""What HubSpot sends of how a page looks."""


def _in_bin(number: int, at: Any) -> Row:  # noqa: ANN401 - instants of either form
    """Return the members of a row in the recycle bin, which every fifth one is."""
    return {"_archived": True, **at} if number % 5 == 4 else {}  # noqa: PLR2004 - see above


def _translation(seeds: Seeds, first: int, number: int) -> Row:
    return {
        "id": first + 900 + number,
        "name": f"Seite {number}",
        "slug": f"de/page{number}" if number else "de/",
        "state": "PUBLISHED_OR_SCHEDULED",
        "authorName": "Mia Ito",
        "campaign": "",
        "campaignName": "",
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "publishDate": seeds.made(number),
        "archivedInDashboard": False,
        "password": "not to be stored",
        "publicAccessRules": [],
        "publicAccessRulesEnabled": False,
    }


def _page(seeds: Seeds, first: int, number: int) -> Row:
    slug = f"page{number}" if number else ""
    return {
        "id": str(first + number),
        "name": f"Page {number}",
        "slug": slug,
        "url": f"https://www.example.com/{slug}",
        "domain": "www.example.com",
        "state": "PUBLISHED_OR_SCHEDULED",
        "currentState": "PUBLISHED",
        "currentlyPublished": True,
        "language": "en",
        "htmlTitle": f"Page {number}",
        "metaDescription": "",
        "authorName": "Mia Ito",
        "campaign": guid(f"campaign {number % 3}"),
        "contentGroupId": "0",
        "templatePath": "@hubspot/elevate/templates/page.hubl.html",
        "subcategory": "site_page",
        "featuredImage": "",
        "publishDate": seeds.made(number),
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "createdById": seeds.user(number),
        "updatedById": seeds.user(number + 1),
        "archivedAt": EPOCH,
        "archivedInDashboard": False,
        "publicAccessRulesEnabled": False,
        "password": "not to be stored",
        "translations": {"de": _translation(seeds, first, number)} if number % 3 == 0 else {},
        "dynamicPageHubDbTableId": "",
        "translatedFromId": "",
        "folderId": "",
        "abStatus": "master",
        "abTestId": "",
        **_LOOKS,
        **_in_bin(number, {"archivedAt": seeds.changed(number + 3)}),
    }


def _site_page(seeds: Seeds, number: int) -> Row:
    return _page(seeds, 501, number)


def _landing_page(seeds: Seeds, number: int) -> Row:
    made = _page(seeds, 701, number)
    return {**made, "subcategory": "landing_page", "folderId": str(21 + number % 2)}


def _folder(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(21 + number),
        "name": f"Folder {number}",
        "parentFolderId": 0 if number == 0 else 21,
        "category": 1,
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "deletedAt": EPOCH,
    }


def _post(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(601 + number),
        "name": f"Post {number}",
        "slug": f"blog/post{number}",
        "url": f"https://blog.example.com/post{number}",
        "domain": "blog.example.com",
        "state": "PUBLISHED",
        "currentState": "PUBLISHED",
        "currentlyPublished": True,
        "language": "en",
        "htmlTitle": f"Post {number}",
        "blogAuthorId": str(3 + number % 3),
        "tagIds": [7 + number % 3, 8 + number % 3],
        "contentGroupId": "91",
        "campaign": "",
        "postBody": f"<p>Text of post {number}</p>",
        "postSummary": "<p>Text</p>",
        "rssSummary": "<p>Text</p>",
        "publishDate": seeds.made(number),
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "createdById": seeds.user(number),
        "updatedById": seeds.user(number),
        "archivedAt": 0,
        "archivedInDashboard": False,
        "password": "",
        "headHtml": "",
        "footerHtml": "",
        **_in_bin(number, {"archivedAt": seeds.made_ms(number + 40)}),
    }


def _author(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(3 + number),
        "fullName": f"Author {number}",
        "displayName": f"Author {number}",
        "name": f"Author {number}",
        "email": f"author{number}@example.com",
        "slug": f"author-{number}",
        "bio": "Writes",
        "website": "https://www.example.com",
        "twitter": "",
        "linkedin": "",
        "facebook": "",
        "avatar": "",
        "language": "en",
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "deletedAt": EPOCH,
        **_in_bin(number, {"deletedAt": seeds.changed(number + 3)}),
    }


def _tag(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(7 + number),
        "name": f"Tag {number}",
        "slug": f"tag-{number}",
        "language": "en",
        "translatedFromId": 0,
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "deletedAt": EPOCH,
        **_in_bin(number, {"deletedAt": seeds.changed(number + 3)}),
    }


def _blog(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(91 + number),
        "name": f"Blog {number}",
        "publicTitle": f"Our blog {number}",
        "htmlTitle": f"Blog {number}",
        "slug": f"blog{number}",
        "absoluteUrl": f"https://blog.example.com/{number}",
        "language": "en",
        "listingPageId": "501",
        "allowComments": bool(number % 2),
        "description": "",
        "translatedFromId": "",
        "publicAccessRules": [],
        "publicAccessRulesEnabled": False,
        "created": seeds.made(number),
        "updated": seeds.changed(number),
        "deletedAt": EPOCH,
    }


def _domain(seeds: Seeds, number: int) -> Row:
    uses = ("SitePage", "LandingPage", "BlogPost", "Email", "Knowledge")
    return {
        "id": str(41 + number),
        "domain": f"www{number}.example.com",
        "isResolving": True,
        "isSslEnabled": True,
        "isSslOnly": number == 0,
        **{f"isUsedFor{use}": place == number for place, use in enumerate(uses)},
        **{f"primary{use}": number == 0 for use in uses},
        "manuallyMarkedAsResolving": False,
        "secondaryToDomain": "" if number == 0 else "www0.example.com",
        "correctCname": "1234567.group0.sites.hubspot.net",
        "created": seeds.made(number),
        "updated": seeds.changed(number),
    }


def _redirect(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(1_101 + number),
        "routePrefix": f"/old{number}",
        "destination": f"https://www.example.com/new{number}",
        "redirectStyle": 301,
        "precedence": 1_000_001 + number,
        "isPattern": False,
        "isMatchFullUrl": False,
        "isMatchQueryString": False,
        "isOnlyAfterNotFound": bool(number % 2),
        "isProtocolAgnostic": True,
        "isTrailingSlashOptional": True,
        "created": seeds.made(number),
        "updated": seeds.changed(number),
    }


def _mapping(seeds: Seeds, number: int) -> Row:
    at = seeds.made_ms(number)
    return {
        "id": 1_201 + number,
        "portalId": 1_234_567,
        "name": f"mapping {number}",
        "routePrefix": f"/was{number}",
        "destination": f"https://www.example.com/is{number}",
        "redirectStyle": 301,
        "precedence": 1 + number,
        "isActive": True,
        "isMatchFullUrl": False,
        "createdAt": at,
        "updatedAt": at + 86_400_000,
        "lastUsedAt": at + 172_800_000,
        "deletedAt": 0,
    }


def _audit(seeds: Seeds, number: int) -> Row:
    return {
        "objectId": str(501 + number % 5),
        "objectName": f"Page {number % 5}",
        "objectType": "WEBSITE_PAGE",
        "event": EVENTS[number % len(EVENTS)],
        "userId": seeds.user(number),
        "fullName": "Mia Ito",
        "timestamp": seeds.event("cms_audit_logs", number, 8),
        "meta": {},
    }


KINDS = (
    Kind("site_pages", _site_page, 6, touched="updated", archived_at="archivedAt", required="id"),
    Kind("landing_pages", _landing_page, 5, touched="updated", archived_at="archivedAt",
         required="id"),
    Kind("landing_page_folders", _folder, 2, touched="updated", archived_at="deletedAt"),
    Kind("blog_posts", _post, 6, touched="updated", archived_at="archivedAt@ms", required="id"),
    Kind("blog_authors", _author, 3, touched="updated", archived_at="deletedAt", required="id"),
    Kind("blog_tags", _tag, 5, touched="updated", archived_at="deletedAt", required="id"),
    Kind("blogs", _blog, 2, touched="updated", archived_at="deletedAt", required="id"),
    Kind("domains", _domain, 3, touched="updated", required="id domain"),
    Kind("url_redirects", _redirect, 3, touched="updated", required="id"),
    Kind("url_mappings", _mapping, 3, touched="updatedAt", required="id"),
    Kind("cms_audit_logs", _audit, 8, key="objectId event timestamp", time="timestamp"),
)  # fmt: skip


def _listing(
    name: str,
    paths: str,
    scopes: str = "content",
    limit: int = 100,
    **own: Any,  # noqa: ANN401 - members of an endpoint
) -> Endpoint:
    return Endpoint(collection=name, paths=paths, scopes=scopes,
                    paging=after(limit, 100, total=True), **{**BY_CMS, **own})  # fmt: skip


_LISTINGS = (
    _listing("site_pages", "/cms/(v3/pages|pages/2026-03)/site-pages",
             "content content.site_pages.read"),
    _listing("landing_pages", "/cms/(v3/pages|pages/2026-03)/landing-pages",
             "content content.landing_pages.read"),
    _listing("landing_page_folders", "/cms/(v3/pages|pages/2026-03)/landing-pages/folders",
             "content content.landing_pages.read"),
    _listing("blog_posts", "/cms/(v3/blogs|blogs/~)/posts", limit=20, product="blogs"),
    _listing("blog_authors", "/cms/(v3/blogs|blogs/~)/authors", sorts=AUTHOR_SORTS,
             product="blogs"),
    _listing("blog_tags", "/cms/(v3/blogs|blogs/~)/tags", product="blogs"),
    _listing("blogs", "/cms/(v3/blog-settings|blog-settings/~)/settings", sorts="name id",
             order="id", product="blogs"),
    _listing("domains", "/cms/(v3/domains|domains/~)", "cms.domains.read content",
             order="id"),
    _listing("url_redirects", "/cms/(v3/url-redirects|url-redirects/v3|url-redirects/~)",
             order="id"),
)  # fmt: skip
ENDPOINTS = (
    *_LISTINGS,
    *(one_of(listing, query="property") for listing in _LISTINGS),
    *(batch_of(listing) for listing in _LISTINGS[:6]),
    one_of(Endpoint(collection="url_mappings", paths="/url-mappings/~/url-mappings",
                    scopes="content")),
    Endpoint(collection="url_mappings", paths="/url-mappings/~/url-mappings", rows="",
             scopes="content"),
    Endpoint(
        collection="cms_audit_logs", scopes="content", product="content_enterprise",
        paths="/cms/(v3/audit-logs|audit-logs/v3|audit-logs/~)", paging=after(100, 200),
        query="before", order="-timestamp", sorts="timestamp",
        filters="eventType=event objectId=objectId objectType=objectType userId=userId",
    ),
)  # fmt: skip
