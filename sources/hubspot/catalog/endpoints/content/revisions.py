"""Who saved pages, posts, folders and blogs, and when; not what they were."""

from functools import partial

from ..declaration import DAY, Endpoint, Parents
from ..paging import after
from .cms import CMS
from .cms import ENDPOINTS as PUBLISHED

_SAVED = ("site_pages", "landing_pages", "landing_page_folders", "blog_posts", "blogs")
_revisions = partial(
    Endpoint,
    group=CMS,
    paging=after(100),
    due=DAY,
    default=False,
    omitted="object",
    key="parent_id, id",
    columns="parent_id = @parent_id, id, updated_at, user_id = user.id,"
    " user_email text:user = user.email, user_name = user.fullName",
)

ENDPOINTS = tuple(
    _revisions(
        f"{one.name.removesuffix('s')}_revisions",
        numbered=f"{one.numbered}/{{parent_id}}/revisions",
        dated=f"{one.dated}/{{parent_id}}/revisions",
        per=Parents(one.name, {"parent_id": "id"}, changed="updated"),
        scopes=one.scopes,
        tier=one.tier,
        about=f"a time that somebody saved a row of `{one.name}`",
    )
    for one in PUBLISHED
    if one.name in _SAVED
)
