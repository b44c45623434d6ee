"""The one way to HubSpot: send within the budgets, retry, turn failures into errors."""

import copy
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from ..catalog.apis import Budget
from ..config import HubSpotConfig, check_config
from ..errors import DailyQuotaError, HubSpotError, ResponseError, UnavailableError
from .auth.bearer import BearerAuth
from .clock import PortalClock
from .limits import Limits
from .meter import Meter
from .paths import budget_of, path_of, slotted_path
from .patience import LONGEST_WAIT_SECONDS, Health, Patience
from .responses import Answer, CallFailedError, failure, undecodable
from .transport.connection import NO_ANSWER, Connections
from .transport.network import unreachable

T = TypeVar("T")
Params = Mapping[str, str | int | Sequence[str]]
"""Of a query; a name with several values is repeated."""

CALLS = logging.getLogger("hubspot_elt.calls")
"""A line at level DEBUG for each call: method, target, what came back and when; no secret."""

_FIRST_WAIT_SECONDS = 0.5  # back-off: doubles with each attempt
_LONGEST_BACK_OFF_SECONDS = 30.0
_MOST_DOUBLINGS = 10
_INTERVAL_POLICY = "TEN_SECONDLY"  # or TEN_SECONDLY_ROLLING


class Client:
    """A portal, as a set of calls; safe to share between threads.

    Guarantees: a call is sent only when the portal's budgets allow it; it is sent again after any
    failure that may pass (and only then): at most `max_attempts` times while other calls get
    through, for `patience_seconds` while none does; no error, log line or repr holds the token.
    """

    def __init__(
        self,
        config: HubSpotConfig,
        *,
        limits: Limits | None = None,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check the settings; nothing is sent yet.

        Args:
            config: the settings.
            limits: budgets to share with other clients of the same portal.
            sleep: waits a number of seconds; by default until then or until `cancel`.
            clock: monotonic seconds.

        Raises:
            ConfigError: a setting makes no sense.
        """
        self.config = check_config(config)
        self.limits = limits or Limits(
            config.budget_share,
            search=config.search_per_second,
            associations=config.associations_per_10_seconds,
            sleep=sleep,
            clock=clock,
        )
        self.meter = Meter()
        self._attempts = config.max_attempts
        self._clock = clock
        self._auth = BearerAuth(config.access_token)
        self._connections = Connections(
            config.base_url,
            self._auth,
            size=2 * config.calls_in_flight,
            timeout=config.timeout_seconds,
            most_bytes=config.max_body_mb * 1e6,
        )
        self._portal_clock = PortalClock(clock)
        self.health = Health(config.patience_seconds, clock)

    def __repr__(self) -> str:
        return f"Client({self.config.base_url})"

    def for_table(self, table: str) -> "Client":  # noqa: ARG002 - says whose meter it is
        """Return a client with a meter of its own; connections and budgets stay shared."""
        client = copy.copy(self)
        client.meter = Meter(self.meter)
        return client

    def with_attempts(self, most: int) -> "Client":
        """Return this client for calls that are not worth more attempts; all else is shared."""
        client = copy.copy(self)
        client._attempts = min(most, self._attempts)  # noqa: SLF001 - a copy of our own
        return client

    def path(self, api: str, *segments: str) -> str:
        """Return the path of an API of the catalog, in the version of the settings."""
        return path_of(self.config.api_version, api, segments)

    def slotted_path(self, api: str, slots: Mapping[str, str]) -> str:
        """Return the path of an API whose slots have names of their own."""
        return slotted_path(self.config.api_version, api, slots)

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        decode: Callable[[bytes], T],
        budget: Budget | None = None,
    ) -> T:
        """Read one response.

        Args:
            path: as `path` returns it.
            params: query; commas are sent as they are, which keeps long lists short.
            decode: makes the result from the body; a ValueError of its means a broken body.
            budget: what the call counts against; None: as the path says.

        Raises:
            AuthError: the token is refused; ScopeMissingError where it lacks a scope.
            RequestRejectedError: HubSpot refuses the call; NotFoundError on 404.
            ContractError: the body is JSON of another shape than `decode` wants;
                AnswerTooLargeError: it is larger than the setting allows.
            DailyQuotaError: the calls of the day are spent.
            RateLimitedError: HubSpot still answers 429 after the last attempt.
            UnavailableError: no usable answer after the last attempt, or after `cancel`.
        """
        return self._read(_Call("GET", path, params, None, budget or budget_of(path)), decode)

    def post(
        self,
        path: str,
        body: object,
        params: Params | None = None,
        *,
        decode: Callable[[bytes], T],
        budget: Budget | None = None,
    ) -> T:
        """Read one response to a question in a JSON body; like `get`, and as safe to send again."""
        content = msgspec.json.encode(body)
        return self._read(_Call("POST", path, params, content, budget or budget_of(path)), decode)

    def portal_now(self) -> datetime | None:
        """Return the time by HubSpot's clock, aware UTC; None before the first response.

        Guarantees: never ahead of HubSpot's clock; at most a second and the call's time behind;
        never goes back.
        """
        return self._portal_clock.now()

    def cancel(self) -> None:
        """End every wait and every call on its way with an error, and send nothing more."""
        self.limits.cancel()
        self.abort()

    def abort(self) -> None:
        """Cut off the calls on their way; takes no lock, so a signal handler may call it."""
        self._connections.abort()

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _read(self, call: "_Call", decode: Callable[[bytes], T]) -> T:
        """Attempt a call until it succeeds, fails for good or the patience ends."""
        patience = Patience(self.health, call.path, self._attempts)

        def before_wait(state: RetryCallState) -> None:
            self.meter.add(retries=1)
            self.health.warn(state.upcoming_sleep, _failed(state).status)

        retrying = Retrying(
            sleep=self.limits.wait,
            retry=retry_if_exception_type(CallFailedError),
            stop=lambda state: patience.ends_with(_failed(state)),
            wait=lambda state: _back_off(state, in_outage=patience.in_outage),
            before_sleep=before_wait,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    return self._attempt(call, decode, attempt.retry_state.attempt_number)
        except CallFailedError as failed:
            raise failed.error from failed.__cause__
        raise AssertionError("tenacity ended without a result")

    def _passes(self, call: "_Call") -> bool:
        """Send a call that was answered before once more; return whether it is answered again."""
        try:
            self._attempt(call, msgspec.json.decode, 1)
        except (CallFailedError, HubSpotError):
            return False
        return True

    def _attempt(self, call: "_Call", decode: Callable[[bytes], T], number: int) -> T:
        """Send a call once and decode the response; note whether HubSpot answered."""
        sent_at = self._clock()
        try:
            result = self._ask(call, decode, number)
        except CallFailedError as failed:
            if failed.answered:
                self.health.note_answer(call.path, partial(self._passes, call))
            elif failed.outage:
                self.health.note_failure(sent_at)
            raise
        except ResponseError as error:
            if error.status is not None and not isinstance(error, UnavailableError):
                self.health.note_answer(call.path, partial(self._passes, call))
            raise
        self.health.note_answer(call.path, partial(self._passes, call))
        return result

    def _ask(self, call: "_Call", decode: Callable[[bytes], T], number: int) -> T:
        answer = self._send(call)
        try:
            failed = failure(answer, str(call), attempt=number, search=call.budget == "search")
        except DailyQuotaError:
            self.limits.spend_day()
            raise
        if failed is not None:
            if failed.policy is not None:
                self._slow_down(call.budget, failed.policy, failed.wait_seconds)
            raise failed
        try:
            return decode(answer.body)
        except (ValueError, RecursionError) as error:  # msgspec's errors are among them
            raise undecodable(answer, str(call), self._auth.redacted(str(error))) from error

    def _slow_down(self, budget: Budget, policy: str, seconds: float) -> None:
        """Hold back all calls of a budget after a 429, and learn what they count against."""
        if _INTERVAL_POLICY in policy and self.limits.join_interval(budget):
            kind = "searches" if budget == "search" else "association calls"
            self.health.notify(
                f"HubSpot counts {kind} towards its limit per ten seconds; this run does, too."
            )
        self.limits.penalise(budget, seconds)

    def _send(self, call: "_Call") -> Answer:
        """Send a call within its budget and learn from the headers of its response."""
        slot = self.limits.acquire(call.budget)
        try:
            status, headers, body = self._connections.send(call.method, call.target, call.content)
        except NO_ANSWER as error:
            CALLS.debug("%s %s: %s", call.method, call.target, type(error).__name__)
            raise unreachable(error, str(call), self._connections.proxy) from error
        finally:
            self.limits.release(slot)
            self.meter.add(calls=1, seconds=slot.answered_at - slot.sent_at)
        took_ms = (slot.answered_at - slot.sent_at) * 1000
        CALLS.debug("%s %s: %d, %d B, %d ms", call.method, call.target, status, len(body), took_ms)
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self._connections.proxy:
            raise self._connections.proxy.needs_password()
        answer = Answer(status, headers, body)
        if not answer.ok:  # HubSpot may echo the token
            answer = replace(answer, body=self._redacted(body))
        self.limits.learn(call.budget, answer.headers, slot)
        if answer.date is not None:
            self._portal_clock.learn(answer.date, slot.answered_at)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.meter.add(rate_limited=1)
        return answer

    def _redacted(self, body: bytes) -> bytes:
        return self._auth.redacted(body.decode("utf-8", "replace")).encode()


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, to be sent as often as it takes."""

    method: str
    path: str
    params: Params | None
    content: bytes | None
    budget: Budget

    @property
    def target(self) -> str:
        """The path with its query, as it is sent."""
        if not self.params:
            return self.path
        return f"{self.path}?{urlencode(self.params, doseq=True, safe=',:', quote_via=quote)}"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _failed(state: RetryCallState) -> CallFailedError:
    """Return the failure of the attempt that just ended; tenacity asks only after one."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, CallFailedError):
        raise TypeError("only a failed call is tried again")
    return error


def _back_off(state: RetryCallState, *, in_outage: bool) -> float:
    """Return the seconds before the next attempt: as HubSpot asks, or doubling, with jitter."""
    asked = _failed(state).wait_seconds
    if asked:
        return asked + random.uniform(0, min(1.0, asked / 10))
    longest = LONGEST_WAIT_SECONDS if in_outage else _LONGEST_BACK_OFF_SECONDS
    doubled = _FIRST_WAIT_SECONDS * 2.0 ** min(state.attempt_number - 1, _MOST_DOUBLINGS)
    return random.uniform(0.5, 1.0) * min(longest, doubled)
