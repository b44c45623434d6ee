"""What pages, posts, folders and blogs were each time that somebody saved them."""

from functools import partial

from ..endpoint import Endpoint, after
from ..kind import Kind, Row
from ..seeding import Seeds
from . import pages

_SAVED = {
    "site_pages": "/cms/(v3/pages|pages/2026-03)/site-pages",
    "landing_pages": "/cms/(v3/pages|pages/2026-03)/landing-pages",
    "landing_page_folders": "/cms/(v3/pages|pages/2026-03)/landing-pages/folders",
    "blog_posts": "/cms/(v3/blogs|blogs/~)/posts",
    "blogs": "/cms/(v3/blog-settings|blog-settings/~)/settings",
}
"""Where each of the collections that have revisions is."""
COUNT = 4


def _revision(seeds: Seeds, number: int, *, of: Kind) -> Row:
    row = of.make(seeds, number % 2)  # each of the first two was saved twice
    user = {"id": seeds.user(number), "email": seeds.owner(number)["email"], "fullName": "Mia Ito"}
    return {
        "_parent": row["id"],
        "id": str(2_001 + number),
        "updatedAt": seeds.changed(number),
        "user": user,
        "object": {name: value for name, value in row.items() if name[0] != "_"},
    }


def _kind_of(name: str) -> Kind:
    of = next(kind for kind in pages.KINDS if kind.name == name)
    own = f"{name.removesuffix('s')}_revisions"
    return Kind(own, partial(_revision, of=of), COUNT, key="_parent id", parent=name,
                required="id updatedAt user")  # fmt: skip


KINDS = tuple(map(_kind_of, _SAVED))
ENDPOINTS = tuple(
    Endpoint(collection=kind.name, paths=_SAVED[kind.parent] + "/{parent}/revisions",
             paging=after(100, 100, total=True), query="before", order="-updatedAt",
             scopes=next(one.scopes for one in pages.ENDPOINTS if one.collection == kind.parent),
             product="blogs" if kind.parent.startswith("blog") else "")
    for kind in KINDS
)  # fmt: skip
