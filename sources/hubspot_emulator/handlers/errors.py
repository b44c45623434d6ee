"""The one place that shapes error answers."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from ..portal.catalog.reference_data import PORTAL_ID

SCOPES_LINK = "https://developers.hubspot.com/scopes"

_CATEGORIES = {
    400: "VALIDATION_ERROR",
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    404: "OBJECT_NOT_FOUND",
    409: "CONFLICT",
    423: "LOCKED",
    429: "RATE_LIMITS",
}


@dataclass
class ApiError(Exception):
    """A response of 4xx or 5xx that a handler gives by raising it."""

    status: int
    category: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return HubSpot's error envelope; one of a rate limit has no category."""
        shown = {
            "status": "error",
            "message": self.message,
            "correlationId": str(uuid.uuid4()),
            **self.details,
        }
        return {**shown, "category": self.category} if self.category else shown


def invalid(message: str, *errors: dict[str, Any]) -> ApiError:
    """Return a 400 VALIDATION_ERROR."""
    return ApiError(400, "VALIDATION_ERROR", message, {"errors": list(errors)} if errors else {})


def not_found(message: str = "resource not found") -> ApiError:
    """Return a 404 OBJECT_NOT_FOUND."""
    return ApiError(404, "OBJECT_NOT_FOUND", message)


def method_not_allowed(message: str = "Method not allowed") -> ApiError:
    """Return a 405."""
    return ApiError(405, "METHOD_NOT_ALLOWED", message)


def conflict(message: str) -> ApiError:
    """Return a 409 CONFLICT."""
    return ApiError(409, "CONFLICT", message)


def missing_scopes(scopes: list[str]) -> ApiError:
    """Return the 403 of a token that lacks one of `scopes`."""
    message = (
        "This app hasn't been granted all required scopes to make this call. "
        f"Read more about required scopes here: {SCOPES_LINK}."
    )
    detail = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": scopes},
    }
    details = {"errors": [detail], "links": {"scopes": SCOPES_LINK}}
    return ApiError(403, "MISSING_SCOPES", message, details)


def unauthenticated() -> ApiError:
    """Return the 401 of an absent or unknown token."""
    message = (
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you "
        "can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
    )
    return ApiError(401, "INVALID_AUTHENTICATION", message)


def expired(seconds: int, expired_at: str) -> ApiError:
    """Return the 401 of a token past its life."""
    message = f"The OAuth token used to make this call expired {seconds} second(s) ago."
    details = {"context": {"expire time": [expired_at]}}
    return ApiError(401, "EXPIRED_AUTHENTICATION", message, details)


def rate_limited(policy: str, message: str, group: str = "") -> ApiError:
    """Return the 429 of a used-up budget."""
    name = {"groupName": f"publicapi:private_app-api-calls-{group}:{PORTAL_ID}"} if group else {}
    details = {
        "errorType": "RATE_LIMIT",
        "policyName": policy,
        **name,
        "requestId": str(uuid.uuid4()),
    }
    return ApiError(429, "", message, details)


def over_budget(policy: str) -> ApiError:
    """Return the 429 of one of the budgets that every call draws on."""
    group = policy.removesuffix("_ROLLING").lower()
    message = f"You have reached your {policy.lower()} limit."
    return rate_limited(policy, message, group.replace("_", "-"))


def of_status(status: int) -> ApiError:
    """Return an error of any status, in HubSpot's form."""
    return ApiError(status, _CATEGORIES.get(status, "ERROR"), f"An error of status {status}")


def batch_error(category: str, message: str, context: dict[str, list[str]]) -> dict[str, Any]:
    """Return one entry of a 207's `errors`."""
    return {"status": "error", "category": category, "message": message, "context": context}
