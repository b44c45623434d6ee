"""The portal's owners, pipelines and account as plain data."""

from typing import Any

from ...clock import iso
from .definitions import INSTALLED_MS

PORTAL_ID = 1_234_567
_NAMES = (
    ("Ada", "Lovelace"), ("Grace", "Hopper"), ("Zoë", "Ünal"), ("Alan", "Turing"),
    ("Katherine", "Johnson"), ("Edsger", "Dijkstra"), ("Barbara", "Liskov"), ("Linus", "Pauling"),
    ("Mary", "Somerville"), ("Emmy", "Noether"),
)  # fmt: skip
OWNERS, ARCHIVED_OWNERS = 12, 3

_DEAL_STAGES = (
    ("appointmentscheduled", "Appointment scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified to buy", "0.4"),
    ("contractsent", "Contract sent", "0.9"),
    ("closedwon", "Closed won", "1.0"),
    ("closedlost", "Closed lost", "0.0"),
)
_STAGES = (("1", "New", "OPEN"), ("2", "Waiting", "OPEN"), ("3", "In progress", "OPEN"),
           ("4", "Closed", "CLOSED"))  # fmt: skip
_WITH_PIPELINES = ("0-136", "0-123", "0-421", "0-410", "0-420", "0-162", "0-970")


def owner(number: int, email: str | None = None, *, archived: bool = False) -> dict[str, Any]:
    """Return one owner; archived ones have no `userId`."""
    first, last = _NAMES[number % len(_NAMES)]
    user_id = 9_586_504 + number * 37
    return {
        "id": str(41_629_779 + number * 1_003),
        "email": email or f"owner{number}@example.com",
        "type": "QUEUE" if number == 1 else "PERSON",
        "firstName": first,
        "lastName": last,
        "userId": None if archived else user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": iso(INSTALLED_MS + number * 1_000),
        "updatedAt": iso(INSTALLED_MS + number * 86_400_000),
        "archived": archived,
        "teams": [{"id": "368389", "name": "Sales Team", "primary": True}] if number % 2 else [],
    }


def owners() -> list[dict[str, Any]]:
    """Return the owners of a new portal, active ones first."""
    total = OWNERS + ARCHIVED_OWNERS
    return [owner(number, archived=number >= OWNERS) for number in range(total)]


def stage(position: int, one: tuple[str, str, dict[str, str]]) -> dict[str, Any]:
    """Return one stage: its id, label and metadata, at a place of its pipeline."""
    return {
        "id": one[0],
        "label": one[1],
        "displayOrder": position,
        "metadata": one[2],
        "archived": False,
        "createdAt": iso(INSTALLED_MS),
        "updatedAt": iso(INSTALLED_MS),
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def pipeline(
    pipeline_id: str, label: str, stages: list[tuple[str, str, dict[str, str]]], *, order: int = 0
) -> dict[str, Any]:
    """Return one pipeline; a default one claims to be created at the epoch."""
    return {
        "id": pipeline_id,
        "label": label,
        "displayOrder": order,
        "stages": [stage(position, one) for position, one in enumerate(stages)],
        "archived": False,
        "createdAt": iso(INSTALLED_MS if order else 0),
        "updatedAt": iso(INSTALLED_MS if order else 0),
    }


def _deal_stages(prefix: str) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (prefix + key, label, {"probability": p, "isClosed": str(p in ("1.0", "0.0")).lower()})
        for key, label, p in _DEAL_STAGES
    ]


def pipelines() -> dict[str, list[dict[str, Any]]]:
    """Return the pipelines of a new portal by object type id."""
    stages = [(key, label, {"ticketState": state}) for key, label, state in _STAGES]
    found = {
        "0-3": [
            pipeline("default", "Sales Pipeline", _deal_stages("")),
            pipeline("renewals", "Renewals", _deal_stages("renewal_"), order=1),
        ],
        "0-5": [
            pipeline("0", "Support Pipeline", stages),
            pipeline("1", "Complaints", [(f"1{k}", n, m) for k, n, m in stages], order=1),
        ],
    }
    plain = [(key, label, {"state": state}) for key, label, state in _STAGES]
    for type_id in _WITH_PIPELINES:
        own = [(f"{type_id}-{key}", label, members) for key, label, members in plain]
        found[type_id] = [pipeline(f"{type_id}-default", "Default", own)]
    return found


def account(portal_id: int) -> dict[str, Any]:
    """Return the account's details."""
    return {
        "portalId": portal_id,
        "accountType": "STANDARD",
        "timeZone": "Europe/Berlin",
        "companyCurrency": "EUR",
        "additionalCurrencies": ["USD"],
        "utcOffset": "+01:00",
        "utcOffsetMilliseconds": 3_600_000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
