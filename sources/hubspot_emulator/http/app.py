"""The ASGI application: match, refuse, inject faults, hand over, answer, write down."""

import asyncio
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import msgspec
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..clock import iso
from ..faults.journal import Request
from ..faults.rules import Fault, Mutation, rewritten
from ..handlers import errors
from ..handlers.call import Call, Reply, Route
from ..handlers.errors import ApiError
from ..handlers.exports.endpoints import refuse_token
from ..portal.operations import perform
from ..portal.store import Portal
from ..settings import Token
from . import control
from .connection import reset
from .routes import MATCHER, Matcher

JSON = "application/json;charset=utf-8"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Emulator:
    """The portal over HTTP."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self._matcher = MATCHER

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = HttpRequest(scope, receive)
        try:
            raw = await request.body()
        except ClientDisconnect:  # nobody waits for a response
            return
        method, path = request.method, request.url.path
        if path.startswith(control.PREFIX):
            await control.answer(self.portal, method, request, raw)(scope, receive, send)
            return
        query_text = scope["query_string"].decode()
        whole = f"{path}?{query_text}" if query_text else path
        with self.portal.lock:
            fault = self.portal.faults.first(method, whole, raw)
            mutations = self.portal.mutations.all(method, whole, raw)
        wait_ms = self.portal.settings.latency_ms + (fault.delay_ms if fault else 0)
        if wait_ms:
            await asyncio.sleep(wait_ms / 1000)
        exchange = Exchange(self.portal, method, path, query_text, raw)
        with self.portal.lock:
            self._mutate(mutations, "before")
            response = exchange.run(self._matcher, request.headers.get("authorization"), fault)
            self._mutate(mutations, "after")
        if fault and (fault.disconnect or fault.reset):
            await _send_half(response, send)  # the server then closes the connection
            if fault.reset:
                await reset(scope, receive)
        else:
            await response(scope, receive, send)

    def _mutate(self, mutations: Iterable[Mutation], when: str) -> None:
        """Change the portal as asked for, before or after a response is made."""
        for one in mutations:
            if one.when == when:
                perform(self.portal, one.operations)


class Exchange:
    """One request and the way to its response."""

    def __init__(self, portal: Portal, method: str, path: str, query_text: str, raw: bytes) -> None:
        self.portal = portal
        self.method = method
        self.path = path
        self.query_text = query_text
        self.raw = raw
        self.query: dict[str, str] = {}
        self.body: Any = None
        self.kind = "unknown"
        self.type = ""
        self.headers: dict[str, str] = {}

    def run(self, matcher: Matcher, authorization: str | None, fault: Fault | None) -> Response:
        """Return the response, after writing the request down."""
        try:
            reply = self._faulty(fault) or self._reply(matcher, authorization)
        except ApiError as error:
            reply = Reply(error.body(), error.status)
        content = self._content(reply, fault)
        headers = {"Date": self.portal.clock.http_date(), "Content-Type": JSON, **self.headers}
        response = Response(content, reply.status, {**headers, **reply.headers})
        settings = self.portal.settings
        row = Request(
            self.method, self.path, self.query, self.body, reply.status, self.kind, self.type,
            self.portal.clock.now_ms(),
        )  # fmt: skip
        self.portal.journal.add(row, settings.journal_limit)
        return response

    def _content(self, reply: Reply, fault: Fault | None) -> bytes:
        if reply.body is None:
            return b""
        content = reply.body if isinstance(reply.body, bytes) else _encode(reply.body)
        if fault and fault.rewrite is not None:
            content = _encode(rewritten(_decode(content), fault.rewrite))
        return content[: len(content) // 2] if fault and fault.truncate else content

    def _faulty(self, fault: Fault | None) -> Reply | None:
        if fault is None or fault.status is None:
            return None
        self.kind = "fault"
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        if body is None and fault.status >= HTTPStatus.BAD_REQUEST:
            body = errors.of_status(fault.status).body()
        kind = {"Content-Type": "text/html"} if isinstance(fault.body, str) else {}
        return Reply(body, fault.status, {**kind, **fault.headers})

    def _reply(self, matcher: Matcher, authorization: str | None) -> Reply:
        portal = self.portal
        self.query = _query(self.query_text)
        if len(self.path) + 1 + len(self.query_text) > portal.settings.url_limit:
            raise ApiError(414, "URI_TOO_LONG", "The request's URI is too long")
        path = self.path.rstrip("/")
        found = matcher.find(self.method, path)
        if found is None:
            allowed = ", ".join(matcher.methods(path))
            raise errors.method_not_allowed() if allowed else errors.not_found()
        route, params = found
        self.kind, self.type = route.name, params.get("type") or params.get("from_type", "")
        token = self._token(route, authorization)
        refusal, self.headers = portal.meter.take(route.bucket, portal.settings, token)
        if refusal:
            raise errors.over_budget(refusal.policy)
        self._check(route)
        version = params.pop("version", "v3")
        repeated = parse_qs(self.query_text, keep_blank_values=True)
        return route.handler(
            Call(portal, route, params, self.query, self.body, token, version, repeated)
        )

    def _token(self, route: Route, authorization: str | None) -> Token:
        if route.bucket == "signed":
            refuse_token(authorization)
        if route.bucket in ("free", "signed"):
            return Token()
        scheme, _, secret = (authorization or "").partition(" ")
        token = self.portal.settings.tokens.get(secret)
        if scheme.lower() != "bearer" or token is None:
            raise errors.unauthenticated()
        now_ms = self.portal.clock.now_ms()
        if token.expires_at_ms is not None and token.expires_at_ms <= now_ms:
            late = (now_ms - token.expires_at_ms) // 1000
            raise errors.expired(late, iso(token.expires_at_ms))
        return token

    def _check(self, route: Route) -> None:
        unknown = self.query.keys() - route.query
        if unknown:
            raise errors.invalid(f"Unknown query parameters: {', '.join(sorted(unknown))}")
        if route.body is not None:
            self.body = _parse(self.raw)
            _check_body(route.body, self.body)


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _parse(raw: bytes) -> object:
    try:
        return _decode(raw)
    except msgspec.DecodeError as error:
        raise errors.invalid(f"Invalid input JSON: {error}") from error


def _check_body(members: tuple[str, ...], body: object) -> None:
    if members == ("[]",):
        if not isinstance(body, list):
            raise errors.invalid("Invalid input JSON: a list is expected")
        return
    if not isinstance(body, Mapping):
        raise errors.invalid("Invalid input JSON: an object is expected")
    missing = [one[:-1] for one in members if one.endswith("!") and one[:-1] not in body]
    if missing:
        raise errors.invalid(f"Invalid input JSON: missing required members {missing}")
    unknown = set(body) - {one.rstrip("!") for one in members}
    if unknown:
        raise errors.invalid(f"Invalid input JSON: unknown members {sorted(unknown)}")


async def _send_half(response: Response, send: Send) -> None:
    """Send half of a body and stop."""
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **start})
    content = bytes(response.body)
    half = content[: max(1, len(content) // 2)]
    await send({"type": "http.response.body", "body": half, "more_body": True})
