"""The portal's websites: pages, blogs, domains, redirects, and who changed them."""

from functools import partial

from ...apis import SPRING_2026
from ..declaration import DAY, HOUR, WITH_ARCHIVED, Endpoint, Increment, NewestFirst, Table
from ..paging import after

CMS = "cms"
_CHANGED = Increment("updatedAfter", "updated")
_PAGES, _PAGES_DATED = "/cms/v3/pages", f"/cms/pages/{SPRING_2026}"
_BLOGS, _BLOGS_DATED = "/cms/v3/blogs", "/cms/blogs/{version}"
_BLOG_TIER = "Marketing Hub Professional or Content Hub Starter"
_OMITTED = (
    "password layoutSections widgets widgetContainers themeSettingsValues headHtml footerHtml"
)
_TIMES = "created timestamp, updated timestamp"
_PAGE = (
    "id, name, slug, url, domain, state, current_state, currently_published bool,"
    " publish_date timestamp:nonzero, language, html_title, meta_description, author_name,"
    " campaign, folder_id, content_group_id, template_path, subcategory, ab_status, ab_test_id,"
    f" featured_image, archived_in_dashboard bool, {_TIMES}, archived_at timestamp:nonzero,"
    " created_by_id, updated_by_id, translated_from_id, dynamic_page_hub_db_table_id,"
    " public_access_rules_enabled bool"
)
_POST = (
    f"{_PAGE}, blog_author_id, post_body, post_summary, rss_summary, published_at timestamp:nonzero"
)
_REDIRECT = "id, route_prefix, destination, redirect_style integer, precedence integer"
_REDIRECT_FLAGS = (
    "is_pattern bool, is_match_full_url bool, is_match_query_string bool,"
    " is_only_after_not_found bool, is_protocol_agnostic bool, is_trailing_slash_optional bool"
)
_USES = ("blog_post", "site_page", "landing_page", "email", "knowledge")


def _translations(name: str, owner: str) -> Table:
    return Table(
        name,
        f"{owner}, language",
        f"{owner} = ^id, language = .key, translation_id = id, slug",
        about=f"a translation of a {owner.removesuffix('_id')}",
        rows="translations{}",
    )


_listing = partial(
    Endpoint,
    group=CMS,
    paging=after(100),
    variants=WITH_ARCHIVED,
    due=DAY,
    scopes=("content",),
    omitted=_OMITTED,
)
_changing = partial(_listing, read=_CHANGED, due=HOUR)
ENDPOINTS = (
    _changing(
        "site_pages",
        numbered=f"{_PAGES}/site-pages",
        dated=f"{_PAGES_DATED}/site-pages",
        scopes=("content", "content.site_pages.read"),
        key="id",
        columns=_PAGE,
        about="a page of a website",
        children=(_translations("site_page_translations", "page_id"),),
    ),
    _changing(
        "landing_pages",
        numbered=f"{_PAGES}/landing-pages",
        dated=f"{_PAGES_DATED}/landing-pages",
        scopes=("content", "content.landing_pages.read"),
        key="id",
        columns=_PAGE,
        about="a landing page",
        children=(_translations("landing_page_translations", "page_id"),),
    ),
    _listing(
        "landing_page_folders",
        numbered=f"{_PAGES}/landing-pages/folders",
        dated=f"{_PAGES_DATED}/landing-pages/folders",
        scopes=("content", "content.landing_pages.read"),
        key="id",
        columns=f"id, name, parent_folder_id, category integer, {_TIMES},"
        " deleted_at timestamp:nonzero",
        about="a folder of landing pages",
    ),
    _changing(
        "blog_posts",
        numbered=f"{_BLOGS}/posts",
        dated=f"{_BLOGS_DATED}/posts",
        tier=_BLOG_TIER,
        key="id",
        columns=_POST,
        about="a post of a blog",
        children=(
            Table(
                "blog_post_tags",
                "post_id, tag_id",
                "post_id = ^id, tag_id = .",
                rows="tagIds",
                about="a tag of a post",
            ),
            _translations("blog_post_translations", "post_id"),
        ),
    ),
    _changing(
        "blog_authors",
        numbered=f"{_BLOGS}/authors",
        dated=f"{_BLOGS_DATED}/authors",
        tier=_BLOG_TIER,
        key="id",
        columns="id, full_name, display_name, name, email text:user, slug, bio, website,"
        f" twitter, linkedin, facebook, avatar, language, {_TIMES}, deleted_at timestamp:nonzero",
        about="an author of posts",
    ),
    _changing(
        "blog_tags",
        numbered=f"{_BLOGS}/tags",
        dated=f"{_BLOGS_DATED}/tags",
        tier=_BLOG_TIER,
        key="id",
        columns=f"id, name, slug, language, translated_from_id, {_TIMES},"
        " deleted_at timestamp:nonzero",
        about="a tag for posts",
    ),
    _listing(
        "blogs",
        numbered="/cms/v3/blog-settings/settings",
        dated="/cms/blog-settings/{version}/settings",
        tier=_BLOG_TIER,
        key="id",
        columns="id, name, public_title, html_title, slug, absolute_url, language,"
        f" listing_page_id, allow_comments bool, {_TIMES}, deleted_at timestamp:nonzero",
        about="a blog",
    ),
    _listing(
        "domains",
        numbered="/cms/v3/domains",
        dated="/cms/domains/{version}",
        scopes=("cms.domains.read", "content"),
        key="id",
        columns="id, domain, is_resolving bool, is_ssl_enabled bool, is_ssl_only bool, "
        + "".join(f"is_used_for_{use} bool, primary_{use} bool, " for use in _USES)
        + f"secondary_to_domain, correct_cname, {_TIMES}",
        about="a domain of the portal",
    ),
    _listing(
        "url_redirects",
        numbered="/cms/v3/url-redirects",
        dated="/cms/url-redirects/{version}",
        key="id",
        columns=f"{_REDIRECT}, {_REDIRECT_FLAGS}, {_TIMES}",
        about="a redirect from one address to another",
    ),
    Endpoint(
        "url_mappings",
        group=CMS,
        numbered="/url-mappings/2026-03/url-mappings",
        dated="/url-mappings/{version}/url-mappings",
        rows="$",
        due=DAY,
        scopes=("content",),
        key="id",
        columns=f"{_REDIRECT}, name, is_active bool, {_REDIRECT_FLAGS}, created_at timestamp:ms,"
        " updated_at timestamp:ms, last_used_at timestamp:nonzero, deleted_at timestamp:nonzero",
        about="a redirect, as the older API lists it",
    ),
    Endpoint(
        "cms_audit_logs",
        group=CMS,
        numbered="/cms/v3/audit-logs",
        dated="/cms/audit-logs/{version}",
        params={"sort": "-timestamp"},
        paging=after(100),
        read=NewestFirst("timestamp"),
        scopes=("content",),
        tier="Content Hub Enterprise",
        key="entry",
        columns="entry = hash, object_id, object_name, object_type, event, user_id, full_name,"
        " timestamp timestamp, meta json",
        about="a change of a website's content",
    ),
)
