"""What an API is, and the APIs of records and links: paths, rate budgets, kinds of calls.

Source: HubSpot's public specification collection, rollouts of 2026-03.
"""

from dataclasses import dataclass
from typing import Literal

Budget = Literal["interval", "search", "associations"]
"""HubSpot's rate limits that calls count against."""
Family = Literal[
    "reference",
    "definitions",
    "searches",
    "records",
    "links",
    "labels",
    "exports",
    "collections",
]
"""Kinds of calls by which a plan counts them."""
SPRING_2026 = "2026-03"
"""In the dated path of what HubSpot has in this version, and not in that of 2026-09."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where an API lives, and what its calls count as.

    In a path `{version}` is the date of the settings, and `{segments}` what the caller names; it
    stands at the end where the path has no place for it.
    """

    numbered: str
    """Path with a version number."""
    dated: str
    """Path with a date."""
    family: Family
    budget: Budget = "interval"


OBJECT_APIS: dict[str, Api] = {
    "objects": Api("/crm/v3/objects", "/crm/objects/{version}", "records"),
    "search": Api(
        "/crm/v3/objects/{segments}/search",
        "/crm/objects/{version}/{segments}/search",
        "searches",
        "search",
    ),
    "associations": Api(
        "/crm/v4/associations", "/crm/associations/{version}", "links", "associations"
    ),
    "exports": Api("/crm/v3/exports", "/crm/exports/{version}", "exports"),
    "limits": Api("/crm/v3/limits", "/crm/limits/{version}", "reference"),
}
"""By the name that callers use; those of reference tables stand in `endpoints`."""
