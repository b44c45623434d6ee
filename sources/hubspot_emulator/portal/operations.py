"""Changes to a portal by name, as scripted changes and the control API ask for them."""

from collections.abc import Callable
from typing import Any

from ..faults.rules import Operation
from .store import Portal

OPERATIONS = (
    "create", "update", "set_calculated", "archive", "restore", "merge", "purge", "gdpr_delete",
    "hide", "show", "associate", "dissociate", "create_label", "create_property",
    "update_property", "archive_property", "create_custom_object", "delete_custom_object",
    "delete_pipeline", "delete_stage", "create_owner", "archive_owner", "change_collection",
    "set_token", "revoke_token",
)  # fmt: skip


def perform(portal: Portal, operations: list[Operation] | Callable[[Portal], object]) -> list[Any]:
    """Make changes to a portal, given as calls of its methods or as one function."""
    if callable(operations):
        return [operations(portal)]
    results = []
    for operation in operations:
        name = operation["op"]
        if name not in OPERATIONS:
            raise ValueError(f"unknown operation {name!r}; known: {', '.join(OPERATIONS)}")
        method = getattr(portal, name)
        results.append(method(*operation.get("args", ()), **operation.get("kwargs", {})))
    return results
