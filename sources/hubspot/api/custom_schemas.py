"""Schemas of the portal's custom objects."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import ContractError
from ..http.client import Client
from ..model import Page
from ..parsing.tolerance import NAME, fit, tolerant


class CustomSchema(msgspec.Struct):
    """The part of a custom object's schema that its table needs."""

    objectTypeId: Annotated[str, Meta(pattern="^[0-9]+-[0-9]+$")]  # noqa: N815 - HubSpot's own name
    name: Annotated[str, NAME]
    fullyQualifiedName: str | None = None  # noqa: N815 - HubSpot's own name
    labels: dict[str, Any] | None = None
    createdAt: str | None = None  # noqa: N815 - HubSpot's own name
    updatedAt: str | None = None  # noqa: N815 - HubSpot's own name
    archived: bool | None = None


_decode_schemas = tolerant(Page[dict[str, Any]])


def read_custom_schemas(client: Client, odd: list[ContractError]) -> list[CustomSchema]:
    """Read the schemas of the portal's custom objects.

    Args:
        client: of the portal.
        odd: takes an error for each schema without a usable type id or name; those are left out.

    Raises:
        HubSpotError: HubSpot does not list them; NotFoundError where it has no such feature.
    """
    answer = client.get(client.path("object_types"), {"archived": "false"}, decode=_decode_schemas)
    return to_schemas(answer, odd)


def to_schemas(page: Page[dict[str, Any]], odd: list[ContractError]) -> list[CustomSchema]:
    """Return the schemas of custom objects on a page; `odd` takes the errors of unusable ones."""
    found = []
    for index, row in enumerate(page.results):
        try:
            found.append(fit(row, CustomSchema, f"$.results[{index}]"))
        except msgspec.ValidationError as error:
            message = f"A custom object's schema is not as documented: {error}."
            remedy = "Its table is left as it is. If it happens again, report this message."
            odd.append(ContractError(message, remedy=remedy))
    return [schema for schema in found if schema.objectTypeId.startswith("2-")]
