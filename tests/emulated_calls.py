"""How to call each endpoint of the emulator's collections, worked out from its declaration."""

from dataclasses import dataclass, field, replace
from typing import Any

import requests
from caller import Caller

from sources.hubspot_emulator.portal.collections.endpoint import (
    Endpoint,
    Filter,
    expand,
    filters,
)
from sources.hubspot_emulator.portal.collections.registry import ENDPOINTS, KINDS
from sources.hubspot_emulator.portal.store import Portal

ROUTES_OF = {f"{one.collection}.{one.name}": one for one in ENDPOINTS}
LISTINGS = {
    name: one
    for name, one in ROUTES_OF.items()
    if one.answer is None and not one.single and one.batch is None
}
# a filter may need another parameter beside it, or no row of the seed could show its work
NOT_TESTED_ALONE = {"conversation_threads.list associatedTicketId"}
COMPANIONS: dict[str, dict[str, object]] = {
    "event_occurrences.list objectId": {"objectType": "CONTACT"},
    "conversation_threads.list associatedContactId": {"threadStatus": "OPEN"},
}
FILTERS: dict[str, tuple[Endpoint, Filter]] = {
    f"{name} {one.param}": (endpoint, one)
    for name, endpoint in LISTINGS.items()
    if endpoint.body is None
    for one in filters(endpoint.filters)
    if not one.default and f"{name} {one.param}" not in NOT_TESTED_ALONE
}
ALWAYS: dict[str, dict[str, str]] = {
    "forms.list": {"formTypes": ["all"]},
    "event_occurrences.list": {"eventType": "e_visited_page"},
    "lead_score_values.history": {"objectTypeId": "0-1"},
    "traffic_daily.report": {"start": "20200101", "end": "20991231"},
    "subscription_opt_outs.of_email": {"channel": "EMAIL"},
    "subscription_statuses.of_email": {"channel": "EMAIL"},
    "subscription_statuses.batch": {"channel": "EMAIL"},
    "subscription_opt_outs.batch": {"channel": "EMAIL"},
    "lists.history": {"startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z"},
    "workflows.performance": {"start": "0", "end": "86400000", "bucketType": "DAY"},
}
BODIES: dict[str, dict[str, Any]] = {
    "lists.search": {"listIds": [], "processingTypes": [], "additionalProperties": []},
    "lists.all": {"processingTypes": [], "additionalProperties": []},
    "list_memberships.of_records": {"inputs": [{"objectTypeId": "0-1", "recordId": "1"}]},
    "subscription_statuses.batch": {"inputs": ["a@example.com"]},
    "subscription_opt_outs.batch": {"inputs": ["a@example.com"]},
    "workflows.batch_read": {"inputs": [{"type": "FLOW_ID", "flowId": "12"}]},
}
SLOTS: dict[str, dict[str, str]] = {
    "list_memberships.of_record": {"type": "0-1", "record": "1"},
    "pipeline_audits.of_pipeline": {"type": "deals", "pipeline": "default"},
    "pipeline_audits.of_stage": {"type": "0-3", "pipeline": "default", "stage": "closedwon"},
    "association_limits.of_pair": {"from_type": "deals", "to_type": "contacts"},
    "property_validations.list": {"type": "0-1"},
    "object_tags.list": {"type": "0-3"},
    "traffic_daily.report": {"breakdown": "sources", "period": "daily"},
    "conversation_recaps.of_record": {"type": "0-48"},
    "lists.by_name": {"type": "0-1", "name": "List 0"},
    "limits_association_records.to": {"source": "0-1"},
    "limits_association_records.pair": {"source": "0-1", "target": "0-2"},
}


@dataclass(frozen=True)
class Listed:
    """An endpoint with the paths and values that make a good call of it."""

    endpoint: Endpoint
    paths: list[str]
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    @classmethod
    def of(cls, name: str, portal: Portal) -> "Listed":
        """Return an endpoint by the name of its route."""
        return listed(ROUTES_OF[name], portal)

    @property
    def most(self) -> int:
        """Return the rows of the largest page."""
        return self.endpoint.paging.most or 1

    def with_values(self, values: dict[str, object]) -> "Listed":
        """Return the same call with further parameters."""
        texts = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in values.items()}
        return replace(self, query={**self.query, **texts})

    def call(
        self, caller: Caller, path: str, query: dict[str, str], token: str | None = None
    ) -> requests.Response:
        """Send one request."""
        headers = {"Authorization": f"Bearer {token or caller.server.token}"}
        body = self.body
        if body is not None and self.endpoint.paging.kind == "body":
            body = {"offset": 0, **body}
        return caller.send(self.endpoint.method, path, body, params={**self.query, **query},
                           headers=headers)  # fmt: skip

    def page(self, caller: Caller, path: str, limit: int, cursor: Any) -> requests.Response:
        """Ask for one page; `cursor` as the page before gave it."""
        kind = self.endpoint.paging.kind
        if kind.startswith("body"):
            name = "offset" if kind == "body" else "after"
            moved = {name: cursor} if cursor is not None else {}
            with_count = replace(self, body={**(self.body or {}), "count": limit, **moved})
            return with_count.call(caller, path, {})
        sized = {} if kind == "one" else {"limit": str(limit)}
        name = "offset" if kind == "text" or isinstance(cursor, int) else "after"
        return self.call(caller, path, {**sized, **({} if cursor is None else {name: str(cursor)})})


def listed(endpoint: Endpoint, portal: Portal) -> Listed:
    """Return a good call of an endpoint: existing parents and keys, required values."""
    name = f"{endpoint.collection}.{endpoint.name}"
    slots = dict(SLOTS.get(name, {}))
    kind = KINDS[endpoint.collection]
    rows = portal.collections[endpoint.collection].rows()
    row = next((one for one in rows if not one.get("_archived")), {})
    if "{key}" in endpoint.paths:
        slots["key"] = str(row.get(kind.keys[-1]))
    if "{parent}" in endpoint.paths:
        slots["parent"] = _parent(endpoint, portal, row)
    for slot, own in (
        ("contact", "_contact"),
        ("email", "_parent"),
        ("type", "_type"),
        ("object", "_object"),
        ("message", "id"),
    ):
        if f"{{{slot}}}" in endpoint.paths and slot not in slots:
            slots[slot] = str(row.get(own))
    query = dict(ALWAYS.get(name, {}))
    if "userId!" in endpoint.query:
        query["userId"] = str(row["userId"])
    if "objectTypeId" in query and "objectId" in row:
        query["objectId"] = str(row["objectId"])
    body = BODIES.get(name)
    if body is None and endpoint.body is not None:
        key = str(row.get(kind.keys[-1]))
        by_text = endpoint.batch is not None and endpoint.batch.member == ""
        body = {"inputs": [key if by_text else {"id": key}]}
    paths = [path.format(**slots) for path in expand(endpoint.paths)]
    return Listed(endpoint, paths, query, body)


def _parent(endpoint: Endpoint, portal: Portal, row: dict[str, Any]) -> str:
    """Return the parent of a row, or any row of the parent's collection."""
    if "_parent" in row and not endpoint.parent:
        return str(row["_parent"])
    name = endpoint.parent or KINDS[endpoint.collection].parent
    first = portal.collections[name].rows()[0]
    return str(first[KINDS[name].keys[-1]])


@dataclass
class Read:
    """The rows of all pages, how many calls it took, and what pages said."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    empty: int = 0
    totals: set[int] = field(default_factory=set)


def pages(caller: Caller, listing: Listed, path: str, limit: int) -> Read:
    """Read every page of a listing."""
    found, cursor = Read(), None
    while True:
        answer = listing.page(caller, path, limit, cursor)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        rows = body if isinstance(body, list) else body[listing.endpoint.rows]
        found.rows += rows
        found.calls += 1
        found.empty += not rows
        if isinstance(body, dict) and "total" in body:
            found.totals.add(body["total"])
        cursor = following(body)
        if cursor is None:
            return found
        assert found.calls < 200


def following(body: Any) -> Any:
    """Return the cursor of the next page, None on the last one."""
    if isinstance(body, list):
        return None
    if "hasMore" in body:
        return body["offset"] if body["hasMore"] else None
    after = body.get("paging", {}).get("next", {})
    return after.get("after", after.get("offset"))
