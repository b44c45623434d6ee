"""The portal's websites: pages, blogs, domains, redirects, and who changed them."""

from typing import Any

from ..declaration import (
    DAY,
    HOUR,
    Endpoint,
    Increment,
    NewestFirst,
    Table,
    after,
)

CMS = "cms"
PASSES = ({"archived": "false"}, {"archived": "true"})
_CHANGED = Increment("updatedAfter", "updated")
_PAGES, _PAGES_DATED = "/cms/v3/pages", "/cms/pages/{version}"
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


def _listing(name: str, numbered: str, dated: str, *tables: Table, **own: Any) -> Endpoint:  # noqa: ANN401 - members of an endpoint
    said: dict[str, Any] = {"scopes": ("content",), "due": DAY} | own
    return Endpoint(
        name,
        group=CMS,
        numbered=numbered,
        dated=dated,
        paging=after(100),
        variants=PASSES,
        omitted=_OMITTED,
        tables=tables,
        **said,
    )


def _changing(name: str, numbered: str, dated: str, *tables: Table, **own: Any) -> Endpoint:  # noqa: ANN401 - members of an endpoint
    own = {"read": _CHANGED, "due": HOUR} | own
    return _listing(name, numbered, dated, *tables, **own)


ENDPOINTS = (
    _changing(
        "site_pages",
        f"{_PAGES}/site-pages",
        f"{_PAGES_DATED}/site-pages",
        Table("site_pages", "id", _PAGE, about="a page of a website"),
        _translations("site_page_translations", "page_id"),
        scopes=("content", "content.site_pages.read"),
    ),
    _changing(
        "landing_pages",
        f"{_PAGES}/landing-pages",
        f"{_PAGES_DATED}/landing-pages",
        Table("landing_pages", "id", _PAGE, about="a landing page"),
        _translations("landing_page_translations", "page_id"),
        scopes=("content", "content.landing_pages.read"),
    ),
    _listing(
        "landing_page_folders",
        f"{_PAGES}/landing-pages/folders",
        f"{_PAGES_DATED}/landing-pages/folders",
        Table(
            "landing_page_folders",
            "id",
            f"id, name, parent_folder_id, category integer, {_TIMES}, deleted_at timestamp:nonzero",
            about="a folder of landing pages",
        ),
        scopes=("content", "content.landing_pages.read"),
    ),
    _changing(
        "blog_posts",
        f"{_BLOGS}/posts",
        f"{_BLOGS_DATED}/posts",
        Table("blog_posts", "id", _POST, about="a post of a blog"),
        Table(
            "blog_post_tags",
            "post_id, tag_id",
            "post_id = ^id, tag_id = .",
            rows="tagIds",
            about="a tag of a post",
        ),
        _translations("blog_post_translations", "post_id"),
        tier=_BLOG_TIER,
    ),
    _changing(
        "blog_authors",
        f"{_BLOGS}/authors",
        f"{_BLOGS_DATED}/authors",
        Table(
            "blog_authors",
            "id",
            "id, full_name, display_name, name, email text:user, slug, bio, website, twitter,"
            f" linkedin, facebook, avatar, language, {_TIMES}, deleted_at timestamp:nonzero",
            about="an author of posts",
        ),
        tier=_BLOG_TIER,
    ),
    _changing(
        "blog_tags",
        f"{_BLOGS}/tags",
        f"{_BLOGS_DATED}/tags",
        Table(
            "blog_tags",
            "id",
            f"id, name, slug, language, translated_from_id, {_TIMES}, deleted_at timestamp:nonzero",
            about="a tag for posts",
        ),
        tier=_BLOG_TIER,
    ),
    _listing(
        "blogs",
        "/cms/v3/blog-settings/settings",
        "/cms/blog-settings/{version}/settings",
        Table(
            "blogs",
            "id",
            "id, name, public_title, html_title, slug, absolute_url, language, listing_page_id,"
            f" allow_comments bool, {_TIMES}, deleted_at timestamp:nonzero",
            about="a blog",
        ),
        tier=_BLOG_TIER,
    ),
    _listing(
        "domains",
        "/cms/v3/domains",
        "/cms/domains/{version}",
        Table(
            "domains",
            "id",
            "id, domain, is_resolving bool, is_ssl_enabled bool, is_ssl_only bool, "
            + "".join(f"is_used_for_{use} bool, primary_{use} bool, " for use in _USES)
            + f"secondary_to_domain, correct_cname, {_TIMES}",
            about="a domain of the portal",
        ),
        scopes=("cms.domains.read", "content"),
    ),
    _listing(
        "url_redirects",
        "/cms/v3/url-redirects",
        "/cms/url-redirects/{version}",
        Table(
            "url_redirects",
            "id",
            f"{_REDIRECT}, {_REDIRECT_FLAGS}, {_TIMES}",
            about="a redirect from one address to another",
        ),
    ),
    Endpoint(
        "url_mappings",
        group=CMS,
        numbered="/url-mappings/2026-03/url-mappings",
        dated="/url-mappings/{version}/url-mappings",
        rows="$",
        due=DAY,
        scopes=("content",),
        tables=(
            Table(
                "url_mappings",
                "id",
                f"{_REDIRECT}, name, is_active bool, {_REDIRECT_FLAGS}, created_at timestamp:ms,"
                " updated_at timestamp:ms, last_used_at timestamp:nonzero,"
                " deleted_at timestamp:nonzero",
                about="a redirect, as the older API lists it",
            ),
        ),
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
        tables=(
            Table(
                "cms_audit_logs",
                "entry",
                "entry = hash, object_id, object_name, object_type, event, user_id, full_name,"
                " timestamp timestamp, meta json",
                about="a change of a website's content",
            ),
        ),
    ),
)
