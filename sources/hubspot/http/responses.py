"""What a response of HubSpot's, or its lack, means: which error, and whether to send again when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import isnan
from typing import Any, TypeVar

import msgspec

from ..config import setting
from ..errors import (
    AuthError,
    ContractError,
    DailyQuotaError,
    ForeignResponseError,
    HubSpotError,
    NotFoundError,
    ProductMissingError,
    RateLimitedError,
    RequestRejectedError,
    ResponseError,
    ScopeMissingError,
    UnavailableError,
)
from .limits import RESET

E = TypeVar("E", bound=ResponseError)

LONGEST_WAIT_SECONDS = 300.0  # a longer Retry-After ends the call
_TEXT_LENGTH = 300
_MIGRATING, _LOCKED, _TOO_MANY, _MALFORMED_TOKEN = 477, 423, 429, 530
_TOO_LONG = 414
_WITHOUT_BODY = {_TOO_LONG, _MALFORMED_TOKEN}  # what HubSpot's edge answers, too, in HTML
_FOREIGN_ATTEMPTS = 3  # a firewall's page rarely passes by itself
_TRANSIENT = {408, 425, _LOCKED, _TOO_MANY, _MIGRATING}
_CHECK_IT = (
    "Check SOURCES__HUBSPOT__ACCESS_TOKEN; the token is in HubSpot under Settings >"
    " Integrations > Service Keys (or Private Apps)."
)
_TITLE = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)
_TITLE_LENGTH = 80
_HOST = re.compile(r"https?://(?:[^/?#@]*@)?([\w.:-]+)", re.IGNORECASE)
_SCOPE = re.compile(r"required '([^']+)' scope")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the body is what was asked for; 207 is the usual answer of a batch."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the success class of HTTP

    @property
    def date(self) -> datetime | None:
        """HubSpot's time of the response, aware UTC, in whole seconds."""
        return _http_date(self.headers.get("Date", ""))


class CallFailedError(Exception):
    """One attempt of a call failed; it may be worth another one."""

    def __init__(
        self,
        error: HubSpotError,
        *,
        wait_seconds: float = 0.0,
        attempts: int | None = None,
        at_first: int | None = None,
        outage: bool = False,
        policy: str | None = None,
    ) -> None:
        """Keep what to raise in the end, and how to go on until then.

        Args:
            error: what the caller gets if this was the last attempt.
            wait_seconds: shortest wait before the next attempt; 0 leaves it to the back-off.
            attempts: that are worth it for this failure; None means as configured.
            at_first: attempts while no call has ever been answered, where the fault may be the
                address; None where it cannot be.
            outage: whether HubSpot itself was not reached, so that all calls may fail alike.
            policy: that a 429 names, in capitals: every other thread must wait as well; None where
                it is another failure.
        """
        super().__init__(str(error))
        self.error = error
        self.wait_seconds = wait_seconds
        self.attempts = attempts
        self.at_first = at_first
        self.outage = outage
        self.policy = policy

    @property
    def answered(self) -> bool:
        """Whether HubSpot itself answered."""
        return not (self.outage or isinstance(self.error, ForeignResponseError))

    @property
    def status(self) -> int | None:
        """The status of the response; None where none came."""
        return self.error.status if isinstance(self.error, ResponseError) else None


class _Body(dict[str, Any]):
    """The members of an error body; every one of them is optional."""

    @classmethod
    def of(cls, answer: Answer) -> "_Body":
        """Read an error body; empty if it is HTML, empty or cut short."""
        try:
            members = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):
            members = None
        return cls(members if isinstance(members, dict) else {})

    def text(self, name: str) -> str:
        """Return a member as one short line of text; empty where there is none."""
        value = self.get(name)
        return " ".join(value.split())[:_TEXT_LENGTH] if isinstance(value, str) else ""

    @property
    def is_hubspots(self) -> bool:
        """Whether it has the form of HubSpot's errors, which no proxy or firewall sends."""
        named = any(self.text(name) for name in ("message", "category", "correlationId"))
        return bool(named or self.get("status") == "error" or self.reported)

    @property
    def reported(self) -> str:
        """What is wrong, as one short line; GraphQL's errors have a list of messages alone."""
        errors = self.get("errors")
        entries = (
            [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        )
        return self.text("message") or next((_Body(one).text("message") for one in entries), "")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are missing, by either wording of HubSpot's."""
        errors = self.get("errors")
        entries = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
        listed = [scope for entry in entries for scope in _listed_scopes(entry)]
        texts = [self.text("message"), *(str(e.get("message")) for e in entries)]
        reported = [s for text in texts for s in _SCOPE.findall(text)]
        return tuple(dict.fromkeys(listed + reported))

    @property
    def speaks_of_scopes(self) -> bool:
        """Whether it says that the token lacks a right, and not the portal a product."""
        words = f"{self.text('category')} {self.reported}".lower()
        return any(word in words for word in ("scope", "permission")) or not self.reported


def _listed_scopes(entry: Mapping[str, Any]) -> list[str]:
    """Return the scopes that one entry of an error's `errors` lists."""
    context = entry.get("context")
    if not isinstance(context, dict):
        return []
    scopes = context.get("requiredGranularScopes") or context.get("requiredScopes")
    return [str(one) for one in scopes] if isinstance(scopes, list) else []


def failure(answer: Answer, call: str, *, attempt: int, search: bool) -> CallFailedError | None:
    """Return what a response means that is not a success; None for a success.

    Args:
        answer: as it came.
        call: method and path, for the message.
        attempt: which attempt of the call this was, from 1.
        search: whether the call counts against the budget per second.

    Raises:
        HubSpotError: sending the call again cannot help.
    """
    if answer.ok:
        return None
    body = _Body.of(answer)
    if not _is_transient(answer.status):
        if _is_foreign(answer, body):
            return _foreign(answer, call)
        raise _final(answer, body, call)
    if spent := _spent(answer, body, call):
        raise spent
    wait = _retry_after(answer, body)
    if wait is not None and wait > LONGEST_WAIT_SECONDS:
        raise _error(UnavailableError, answer, body, call, _come_back(wait))
    if answer.status == _TOO_MANY:
        return _over_budget(answer, body, call, wait or _policy_wait(body, attempt, search=search))
    if answer.status == _MIGRATING and wait is None:
        raise _error(UnavailableError, answer, body, call, "Run again in a few hours.")
    error = _error(UnavailableError, answer, body, call, "Run again later; nothing is lost.")
    wait = wait or _least_wait(answer.status, attempt)
    return CallFailedError(error, wait_seconds=wait, outage=answer.status != _LOCKED)


def _is_transient(status: int) -> bool:
    """Whether the same call may succeed later."""
    is_server_error = status >= 500 and status != _MALFORMED_TOKEN  # noqa: PLR2004
    return is_server_error or status in _TRANSIENT


def _is_foreign(answer: Answer, body: _Body) -> bool:
    """Whether HubSpot did not write a response; the token must not follow a redirect."""
    redirect = answer.status < 400  # noqa: PLR2004
    return redirect or not (body.is_hubspots or answer.status in _WITHOUT_BODY)


def _spent(answer: Answer, body: _Body, call: str) -> ResponseError | None:
    """Return the error of a 429 that no wait within a run ends; None for any other response."""
    if answer.status != _TOO_MANY:
        return None
    if _is_about_exports(body, call):
        return _error(RateLimitedError, answer, body, call, "It is not sent again.")
    if "DAILY" in body.text("policyName").upper():
        return _error(DailyQuotaError, answer, body, call, f"{RESET}; run again then.")
    return None


def _is_about_exports(body: _Body, call: str) -> bool:
    """Whether a 429 refuses one more export today, rather than one more call now."""
    starts = call.startswith("POST") and "/exports/" in call
    return starts and "SECONDLY" not in body.text("policyName").upper()


def undecodable(answer: Answer, call: str, reason: str) -> CallFailedError:
    """Return what a successful answer means whose body could not be decoded, for a reason."""
    reason = " ".join(reason.split())[:_TEXT_LENGTH]
    body = _Body()
    try:
        msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        if answer.body.lstrip()[:1] not in (b"{", b"["):
            return _foreign(answer, call)
        remedy = f"Run again later; if it happens again, check {setting('base_url')}."
        found = f"a body that is not complete JSON ({reason})"
        error = _error(UnavailableError, answer, body, call, remedy, found)
        return CallFailedError(error, outage=True)
    remedy = "Please report this with the text of this message."
    found = f"a response that is not as documented: {reason}"
    return CallFailedError(_error(ContractError, answer, body, call, remedy, found), attempts=2)


def _foreign(answer: Answer, call: str) -> CallFailedError:
    """Return what a response means that HubSpot did not write."""
    remedy = f"Check the proxy, firewall or network login on the way, and {setting('base_url')}."
    found = _redirect(answer) or _page(answer.body.decode("utf-8", "replace"))
    error = ForeignResponseError(
        f"Something between here and HubSpot answered {answer.status} to {call}: {found}.",
        remedy=remedy,
        status=answer.status,
    )
    if not answer.ok:
        return CallFailedError(error, attempts=_FOREIGN_ATTEMPTS)
    return CallFailedError(error, at_first=_FOREIGN_ATTEMPTS, outage=True)


def _redirect(answer: Answer) -> str:
    """Name the host that a response leads to, without its path, which may hold a secret."""
    found = _HOST.match(answer.headers.get("Location", ""))
    return f"a redirect to {found[1]}" if found and not answer.ok else ""


def _page(text: str) -> str:
    """Return what a body is that is not HubSpot's: its title, if it has one."""
    if title := _TITLE.search(text):
        return f'the page "{" ".join(title[1].split())[:_TITLE_LENGTH]}"'
    return "something that is not HubSpot's" if text.strip() else "an empty body"


def _final(answer: Answer, body: _Body, call: str) -> ResponseError:
    """Build the error of a response that no retry can change."""
    if answer.status in {401, _MALFORMED_TOKEN}:
        return _error(AuthError, answer, body, call, _token_remedy(answer, body))
    if answer.status == 403:  # noqa: PLR2004
        return _forbidden(answer, body, call)
    if answer.status == 404:  # noqa: PLR2004
        remedy = "The object type or the path does not exist in this portal."
        return _error(NotFoundError, answer, body, call, remedy)
    return _error(RequestRejectedError, answer, body, call, "It is not sent again.")


def _forbidden(answer: Answer, body: _Body, call: str) -> ScopeMissingError:
    """Build the error of a response that names scopes, or else what the portal's plan lacks."""
    scopes = body.scopes
    if not (scopes or body.speaks_of_scopes):
        remedy = "Check that the portal's plan has this product; no scope would change it."
        return _error(ProductMissingError, answer, body, call, remedy)
    remedy = (
        f"Grant the token one of: {', '.join(scopes)}."
        if scopes
        else "Grant the token the missing scope, or check that the portal's plan has this data."
    )
    return _error(ScopeMissingError, answer, body, call, remedy).with_scopes(scopes)


def _token_remedy(answer: Answer, body: _Body) -> str:
    if answer.status == _MALFORMED_TOKEN:
        return f"The token is malformed. {_CHECK_IT}"
    if body.text("category") == "EXPIRED_AUTHENTICATION":
        return f"The token has expired. Create one, preferably without an end. {_CHECK_IT}"
    return f"The token is unknown or revoked. {_CHECK_IT}"


def _error(
    kind: type[E], answer: Answer, body: _Body, call: str, remedy: str, found: str = ""
) -> E:
    """Build an error with everything support asks for."""
    correlation = body.text("correlationId") or answer.headers.get("X-HubSpot-Correlation-Id")
    reported = found or body.reported or "no further word"
    reference = f" (correlation id {correlation})" if correlation else ""
    return kind(
        f"HubSpot answered {answer.status} to {call}: {reported.rstrip('.')}{reference}.",
        remedy=remedy,
        status=answer.status,
        correlation_id=correlation or None,
    )


def _over_budget(answer: Answer, body: _Body, call: str, wait: float) -> CallFailedError:
    remedy = f"Another app uses this budget too: lower {setting('budget_share')}, or run again."
    error = _error(RateLimitedError, answer, body, call, remedy)
    policy = body.text("policyName").upper()
    return CallFailedError(error, wait_seconds=wait, policy=policy)


def _policy_wait(body: _Body, attempt: int, *, search: bool) -> float:
    """Return the wait after a 429 without Retry-After: one window per attempt."""
    policy = body.text("policyName").upper()
    per_second = "TEN_SECONDLY" not in policy and ("SECONDLY" in policy or search)
    return min((1.0 if per_second else 10.0) * attempt, 60.0)


def _least_wait(status: int, attempt: int) -> float:
    return 2.0 * attempt if status == _LOCKED else 0.0  # a lock lasts two seconds


def _retry_after(answer: Answer, body: _Body) -> float | None:
    """Return the seconds that HubSpot asks to wait; None if it does not say, or nonsense."""
    text = answer.headers.get("Retry-After") or body.get("retry_after")
    try:
        seconds = float(str(text).partition(",")[0])
    except ValueError:
        moment = _http_date(str(text))
        if moment is None:
            return None
        seconds = (moment - (answer.date or datetime.now(UTC))).total_seconds()
    return None if isnan(seconds) else max(0.0, seconds)


@lru_cache(maxsize=16)  # all responses of a second bear the same one
def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever a text may be
        return None


def _come_back(seconds: float) -> str:
    """Name the moment at which HubSpot wants to be asked again."""
    seconds = min(seconds, 366 * 86_400.0)
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"Run again in {seconds / 60:.0f} minutes, at {moment:%Y-%m-%d %H:%M} UTC."
