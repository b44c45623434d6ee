"""The control API under /_emulator/: what tests do in Python, over HTTP."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..portal.operations import perform
from ..portal.seed import SeedSpec
from ..portal.store import Portal

PREFIX = "/_emulator/"
Body = dict[str, Any]
Action = Callable[[Portal, Body], object]


def _reset(portal: Portal, body: Body) -> object:
    portal.reset(replace(portal.spec, **body) if body else None)
    return portal.truth()


def _seed(portal: Portal, body: Body) -> object:
    portal.reset(SeedSpec(**body))
    return portal.truth()


def _clock(portal: Portal, body: Body) -> object:
    for name in ("freeze", "set", "advance"):
        if name in body:
            getattr(portal.clock, name)(body[name])
    if body.get("resume"):
        portal.clock.resume()
    return {"now_ms": portal.clock.now_ms()}


def _settings(portal: Portal, body: Body) -> object:
    portal.settings.change(body)
    return asdict(portal.settings)


def _faults(portal: Portal, body: Body) -> object:
    portal.faults.add(**body)
    return len(portal.faults.rules)


def _clear_faults(portal: Portal, _body: Body) -> object:
    portal.faults.clear()
    return 0


def _mutations(portal: Portal, body: Body) -> object:
    portal.mutations.add(**body)
    return len(portal.mutations.rules)


def _clear_mutations(portal: Portal, _body: Body) -> object:
    portal.mutations.clear()
    return 0


def _perform(portal: Portal, body: Body) -> object:
    return perform(portal, body["operations"])


def _journal(portal: Portal, body: Body) -> object:
    rows = portal.journal.find(**body)
    return {"requests": [asdict(row) for row in rows], "counts": dict(portal.journal.counts)}


def _clear_journal(portal: Portal, _body: Body) -> object:
    portal.journal.clear()
    return 0


def _truth(portal: Portal, body: Body) -> object:
    if "type" in body:
        flags = {name: body.get(name) == "true" for name in ("archived", "hidden")}
        return portal.records(body["type"], **flags)
    if "from" in body:
        return portal.associations(body["from"], body["to"])
    return portal.truth()


def _collection(portal: Portal, body: Body) -> object:
    rows = portal.collections[body["collection"]].rows(body.get("parent"))
    return [{name: value for name, value in row.items() if name[0] != "_"} for row in rows]


def _change_collection(portal: Portal, body: Body) -> object:
    return portal.change_collection(body.pop("collection"), body.pop("change"), **body)


ACTIONS: dict[tuple[str, str], Action] = {
    ("POST", "reset"): _reset,
    ("POST", "seed"): _seed,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _clock,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _settings,
    ("POST", "faults"): _faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "mutations"): _mutations,
    ("DELETE", "mutations"): _clear_mutations,
    ("POST", "perform"): _perform,
    ("GET", "journal"): _journal,
    ("DELETE", "journal"): _clear_journal,
    ("GET", "truth"): _truth,
    ("GET", "collections"): _collection,
    ("POST", "collections"): _change_collection,
}


def answer(portal: Portal, method: str, request: Request, raw: bytes) -> Response:
    """Return the response to one control request; what is wrong with it comes as 400."""
    action = ACTIONS.get((method, request.url.path.removeprefix(PREFIX)))
    if action is None:
        return Response("no such control\n", 404)
    try:
        body = msgspec.json.decode(raw) if raw else dict(request.query_params)
        with portal.lock:
            result = action(portal, body)
    except (ValueError, TypeError, KeyError) as error:
        return _json({"error": repr(error)}, 400)
    return _json(result, 200)


def _json(content: object, status: int) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
