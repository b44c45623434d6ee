"""The error tree: every class answers retry, skip or stop, and knows its exit code.

    HubSpotError                      exit
    |- ConfigError            stop     2    missing or contradictory setting
    |  |- UnknownTypeError    stop     2    a name of no object type
    |  `- MissingRightError   stop     2    the destination's user lacks a right
    |- AuthError              stop     3    401; token unknown, expired or revoked
    |  `- ScopeMissingError   stop     3    403; names the scopes
    |     `- ProductMissingError stop  3    403 without a word about scopes: the plan lacks it
    |- RequestRejectedError   stop     4    any other 4xx: our request is wrong
    |  `- NotFoundError       stop     4    404: no such object type or path in this portal
    |- ContractError          stop     4    a response that is not as documented
    |  `- AnswerTooLargeError stop     4    a response beyond `MAX_BODY_MB`
    |- DailyQuotaError        stop     5    429 for the day; watermarks are kept
    |- RateLimitedError       retry    6    429 per interval, after the last wait
    |- UnavailableError       retry    6    5xx, 477, time-out, connection
    |  `- ForeignResponseError retry   6    a firewall, proxy or login page answered, not HubSpot
    |- PartialSyncError       retry    6    some tables failed, all others are loaded
    |- WarehouseError         retry    6    the destination cannot be reached or refuses to write
    |  `- BusyError           retry    6    another run or program has the dataset to itself
    |     `- OverlapError     retry    6    another run of ours has it
    `- VerificationError      stop     8    warehouse and portal disagree
       `- StaleError          stop     8    a table is older than it may be

Each class mixes in dlt's terminal or transient marker, so dlt and schedulers decide the same way.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import ClassVar, Self

from dlt.common.exceptions import TerminalException, TransientException


class HubSpotError(Exception):
    """Root of everything this connector raises on purpose."""

    exit_code: ClassVar[int] = 1
    name: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Keep the message and what the reader can do about it.

        Args:
            message: what happened, without any secret.
            remedy: what to do, as one sentence; ends the text of the error.
        """
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy

    @property
    def retryable(self) -> bool:
        """Whether the same run may succeed later without anybody changing a setting."""
        return isinstance(self, TransientException)


class ConfigError(HubSpotError, TerminalException):
    """A setting is missing or contradicts another one."""

    exit_code = 2
    name = "config"


class UnknownTypeError(ConfigError):
    """A name of no object type that is known."""


class MissingRightError(ConfigError):
    """The user of the destination may not do what a sync does."""


class ResponseError(HubSpotError):
    """A response of HubSpot's that ends a call; the fields are what support asks for."""

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Keep the status and HubSpot's correlation id with the message."""
        super().__init__(message, remedy=remedy)
        self.status = status
        self.correlation_id = correlation_id


class AuthError(ResponseError, TerminalException):
    """The token is unknown, expired or revoked (401, or Cloudflare's 530 for a malformed one)."""

    exit_code = 3
    name = "auth"


class ScopeMissingError(AuthError):
    """The token lacks a scope (403)."""

    name = "scope_missing"
    scopes: tuple[str, ...] = ()

    def with_scopes(self, scopes: tuple[str, ...]) -> Self:
        """Name the scopes; any one is enough."""
        self.scopes = scopes
        return self


class ProductMissingError(ScopeMissingError):
    """The portal's plan lacks the product: no scope would change that (403)."""

    name = "product_missing"


class RequestRejectedError(ResponseError, TerminalException):
    """HubSpot refuses the request itself (400, 409, 414, ...); it is never sent again."""

    exit_code = 4
    name = "request_rejected"


class NotFoundError(RequestRejectedError):
    """The path or the object type does not exist in this portal (404)."""

    name = "not_found"


class ContractError(ResponseError, TerminalException):
    """A response that is not as HubSpot documents it; the message carries the place in it."""

    exit_code = 4
    name = "contract"


class AnswerTooLargeError(ContractError):
    """A response is larger than the setting allows; a call for less may do."""

    name = "answer_too_large"


class DailyQuotaError(ResponseError, TerminalException):
    """The portal's calls of the day are used up."""

    exit_code = 5
    name = "daily_quota"


class RateLimitedError(ResponseError, TransientException):
    """HubSpot still answers 429 after the last wait."""

    exit_code = 6
    name = "rate_limited"


class UnavailableError(ResponseError, TransientException):
    """HubSpot does not answer, or with 5xx or 477, after the last retry."""

    exit_code = 6
    name = "unavailable"


class ForeignResponseError(UnavailableError):
    """Something on the way to HubSpot answered: what HubSpot has, or allows, is not known."""

    name = "foreign_response"


class WarehouseError(HubSpotError, TransientException):
    """The destination cannot be reached or refuses to write."""

    exit_code = 6
    name = "warehouse"


class BusyError(WarehouseError):
    """Another run, or another program, has the dataset to itself."""

    name = "busy"


class OverlapError(BusyError):
    """Another run of ours writes the dataset; this one has begun nothing."""


class VerificationError(HubSpotError, TerminalException):
    """The warehouse and the portal disagree."""

    exit_code = 8
    name = "verification"


class StaleError(VerificationError):
    """A table was not loaded within the age that it may have."""

    name = "stale"


class PartialSyncError(HubSpotError, TransientException):
    """Some tables of a sync failed; all others are loaded, and the next sync goes on."""

    exit_code = 6
    name = "partial"

    def __init__(self, failed: Mapping[str, str]) -> None:
        """Name the tables.

        Args:
            failed: tables, and why each of them failed.
        """
        self.failed = failed
        reasons = "; ".join(f"{table}: {reason}" for table, reason in failed.items())
        super().__init__(f"Not all tables are loaded. {reasons}", remedy="Run the sync again.")


def ends_run(error: HubSpotError) -> bool:
    """Whether nothing more can be asked of HubSpot after an error, whatever the table."""
    final = isinstance(error, AuthError) and not isinstance(error, ScopeMissingError)
    return final or isinstance(error, DailyQuotaError | ConfigError)


def is_absent(error: HubSpotError) -> bool:
    """Whether an error says that the portal, or the token, has no such thing to read."""
    refused = isinstance(error, RequestRejectedError) and error.status == HTTPStatus.BAD_REQUEST
    return refused or isinstance(error, ScopeMissingError | NotFoundError)


@contextmanager
def partial_listing(what: str) -> Iterator[None]:
    """Around calls for more of what HubSpot has begun to list: a refusal there is no absence.

    Raises:
        ContractError: HubSpot refuses to go on.
    """
    try:
        yield
    except HubSpotError as error:
        if not is_absent(error):
            raise
        message = f"HubSpot lists only a part of the {what}: {error.message}"
        raise ContractError(message, remedy=error.remedy) from error
