"""What the documents say about endpoints: a page per group, and how much of HubSpot's API is read.

A page in `sources/hubspot/docs/tables/` has the declarations between markers; its words and queries
are written by hand. `readable-endpoints.toml` lists what HubSpot's API lets one read.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sources.hubspot.catalog.apis import OBJECT_APIS
from sources.hubspot.catalog.endpoints import ENDPOINTS, GROUPS
from sources.hubspot.catalog.endpoints.declaration import Batches, Endpoint, Parents, Table, Whole
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.catalog.selection import PER_TYPE

DOCS = Path(__file__).parent.parent / "sources/hubspot/docs"
PAGES = DOCS / "tables"
READABLE = DOCS / "readable-endpoints.toml"
PREFIX = "group-"
"""Of the names of blocks that have the declarations of a group."""
SLOTS = {"object type": "{object_type}", "pair": "{from}/{to}"}
DAYS = {0: "in every run", 1: "every hour", 24: "every day", 168: "every week"}
"""By hours, rounded."""
NEW_PAGE = """# Tables: {group}

<!-- generated: {block} -->
<!-- end -->
"""


def page_of(group: str) -> Path:
    """Return where the page of a group is."""
    return PAGES / f"{group}.md"


def write_new_pages() -> None:
    """Begin a page for each group that has none."""
    for group in GROUPS:
        if not page_of(group).exists():
            text = NEW_PAGE.format(group=group, block=f"{PREFIX}{group}")
            page_of(group).write_text(text, encoding="utf-8")


def group_text(group: str) -> str:
    """Return what the declarations of a group say, an endpoint after the other."""
    return "\n".join("\n".join(endpoint_lines(ENDPOINTS[name])) for name in GROUPS[group])


def endpoint_lines(endpoint: Endpoint) -> Iterator[str]:
    """Yield the lines about an endpoint."""
    yield f"## `{endpoint.name}`\n"
    yield f"- **Read**: {freshness(endpoint)}"
    yield f"- **Calls** to `{endpoint.method} {path(endpoint)}`: {calls(endpoint)}"
    yield f"- **Scope**: {' or '.join(f'`{one}`' for one in endpoint.scopes) or 'none'}"
    if endpoint.tier:
        yield f"- **Portal**: {endpoint.tier}"
    if endpoint.sunset:
        which = "" if endpoint.path else f" with the path `{endpoint.numbered}` of `API_VERSION=v3`"
        yield f"- **Supported by HubSpot until** {endpoint.sunset}{which}"
    yield "\n| table | a row is | key | other columns |\n|---|---|---|---|"
    yield from (table_line(table) for table in endpoint.tables)
    yield ""


def table_line(table: Table) -> str:
    """Return the row of a table: its columns have their kinds, where they are no texts."""
    keys = ", ".join(f"`{name}`" for name in table.keys)
    kinds = [(one.name, "" if one.kind == "text" else f" {one.kind}") for one in table.fields]
    others = ", ".join(f"`{name}`{kind}" for name, kind in kinds if name not in table.keys)
    return f"| `{table.name}` | {table.about} | {keys} | {others} |"


def freshness(endpoint: Endpoint) -> str:
    """Return when an endpoint is read, and what of it."""
    when = "in every load" if endpoint.in_every_load else often(endpoint.due)
    if not endpoint.default:
        when = f"only where it is selected (`--select default,{endpoint.name}`), then {when}"
    more = (*spans(endpoint.read), *spans(endpoint.per))
    return f"{when}. {manner(endpoint)}{''.join(f' {one}.' for one in more)}"


def manner(endpoint: Endpoint) -> str:
    """Return how an endpoint is read, and what becomes of rows that it has no more."""
    per = endpoint.per
    if isinstance(per, Parents | Batches) and isinstance(endpoint.read, Whole):
        if getattr(per, "unseen", False):
            return "A row is read once, when another table names it."
        return f"What is read for a row of `{per.table}` replaces what was read for it before."
    return " ".join((type(endpoint.read).__doc__ or "").split("\n\n")[0].split())


def often(due: timedelta) -> str:
    """Return how often something is read that is due so long after its last reading."""
    hours = round(due / timedelta(hours=1))
    return DAYS.get(hours, f"every {hours} hours")


def spans(read: Any) -> Iterator[str]:
    """Yield what a way to read, or what it is read for, says about time."""
    if every := getattr(read, "whole_every", None):
        yield f"All rows: {often(every)}"
    if every := getattr(read, "all_every", None):
        column, ago = getattr(read, "recent", None) or ("", None)
        which = f", whose `{column}` is at most {length(ago)} ago" if ago else ""
        yield f"For rows that did not change{which}: {often(every)}"
    if first := getattr(read, "first", None):
        yield f"The first reading goes {length(first)} back, or as far as `EVENT_DAYS` says"
    if lag := getattr(read, "lag", None):
        yield f"Rows are read once they are {length(lag)} old"
    if lookback := getattr(read, "lookback", None):
        count, _, unit = length(lookback).partition(" ")
        yield f"The last {f'{unit} is' if count == '1' else f'{count} {unit} are'} read again"


def length(of: timedelta) -> str:
    """Return a span of time in words; long ones in whole hours."""
    if of > timedelta(hours=12):
        of = timedelta(hours=round(of / timedelta(hours=1)))
    for unit, size in (("year", 365 * 24 * 60), ("day", 24 * 60), ("hour", 60), ("minute", 1)):
        count, rest = divmod(of, timedelta(minutes=size))
        if count and not rest:
            return f"{count} {unit}" + "s" * (count > 1)
    raise ValueError(f"no whole minutes: {of}")


def calls(endpoint: Endpoint) -> str:
    """Return how many calls a reading takes."""
    per, size = endpoint.per, endpoint.paging.size
    found = [f"1 per {size} rows" if size else "1"]
    changed = " that changed" if getattr(per, "changed", "") or getattr(per, "differs", "") else ""
    changed = " that name one not known yet" if getattr(per, "unseen", False) else changed
    if isinstance(per, Batches):
        found = [f"1 per {per.size} rows of `{per.table}`{changed}"]
    elif isinstance(per, Parents):
        found.append(f"for each row of `{per.table}`{changed}")
    elif per:
        found.append(f"for each {per}")
    if span := getattr(endpoint.read, "span", None):
        found.append(f"for each {length(span).removeprefix('1 ')}")
    if len(endpoint.variants) > 1:
        found.append(f"in each of {len(endpoint.variants)} passes")
    return ", ".join(found)


def path(endpoint: Endpoint) -> str:
    """Return where an endpoint is, with all that its callers add."""
    found, slot = endpoint.api.dated, SLOTS.get(str(endpoint.per), "")
    if "{segments}" in found:
        return found.replace("{segments}", slot)
    return found if not slot or re.search(r"{(?!version)", found) else f"{found}/{slot}"


def groups() -> Iterator[Sequence[str]]:
    """Yield a row per group: its page, its tables, those that are read only where selected."""
    yield "group", "tables", "only where selected"
    for group, names in GROUPS.items():
        found = {
            table.name: one.default
            for one in map(ENDPOINTS.__getitem__, names)
            for table in one.tables
        }
        always, selected = (
            ", ".join(f"`{name}`" for name, default in found.items() if default is which)
            for which in (True, False)
        )
        yield f"[{group}](tables/{group}.md)", always, selected


def readable() -> dict[str, dict[str, str]]:
    """Return what can be read of HubSpot's API, by area: endpoints, and why one is not read."""
    return tomllib.loads(READABLE.read_text(encoding="utf-8"))


def declared() -> set[str]:
    """Return the endpoints that are read, as `shape` writes them."""
    objects, links = OBJECT_APIS["objects"].dated, OBJECT_APIS["associations"].dated
    types = [kind.path for kind in STANDARD]
    found = {f"GET {objects}/{one}" for one in (*types, "{custom_object}")}
    found |= {f"POST {links}/{{from}}/{{to}}/batch/read"}
    if "history" in PER_TYPE:
        found.add(f"POST {objects}/{{object_type}}/batch/read?propertiesWithHistory")
    found |= {f"{one.method} {path(one)}" for one in ENDPOINTS.values()}
    return {shape(one) for one in found}


def shape(endpoint: str) -> str:
    """Return an endpoint without the names of its slots."""
    return re.sub(r"{\w+}", "{}", endpoint)


def coverage() -> Iterator[Sequence[str]]:
    """Yield a row per area of HubSpot's API: how many endpoints can be read, how many are."""
    yield "area", "can be read", "are read"
    ours = declared()
    for area, endpoints in readable().items():
        read = [one for one in endpoints if shape(one) in ours]
        yield area, str(len(endpoints)), str(len(read))


def exceptions() -> Iterator[Sequence[str]]:
    """Yield a row per endpoint that is not read: its area, why."""
    yield "area", "endpoint", "why it is not read"
    ours = declared()
    for area, endpoints in readable().items():
        for one, why in endpoints.items():
            if shape(one) not in ours:
                yield area, f"`{one}`", why


def covered() -> str:
    """Return in a line how much of HubSpot's API is read."""
    counts = [(int(can), int(are)) for _, can, are in [*coverage()][1:]]
    can, are = (sum(column) for column in zip(*counts, strict=True))
    return (
        f"**{are} of the {can} readable endpoints of HubSpot's API are read into tables**,"
        f" including the records of {len(STANDARD)} standard object types and of all custom ones.\n"
    )
