"""What one portal holds: its object types with their records, links, owners and pipelines."""

from dataclasses import dataclass, field
from typing import Any

from .catalog import reference_data
from .catalog.object_types import ObjectType, Registry
from .links import LinkStore, LinkTypes
from .records.table import RecordTable

Rows = list[dict[str, Any]]


@dataclass
class Contents:
    """The records and definitions of a portal; the dictionaries have object type ids as keys."""

    types: Registry = field(default_factory=Registry)
    tables: dict[str, RecordTable] = field(default_factory=dict)
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: Rows = field(default_factory=reference_data.owners)
    pipelines: dict[str, Rows] = field(default_factory=reference_data.pipelines)

    def __post_init__(self) -> None:
        self.links = LinkStore(LinkTypes(self.types))

    def type(self, name: str) -> ObjectType:
        """Return the object type of any form of its name."""
        found = self.types.find(name)
        if found is None:
            raise ValueError(f"no object type is called {name!r} in this portal")
        return found

    def table(self, name: str) -> RecordTable:
        """Return the records of a type, given by any form of its name."""
        return self.tables[self.type(name).type_id]

    def add_table(self, table: RecordTable) -> None:
        """Add the records of a type."""
        self.tables[table.type.type_id] = table

    def add_schema(self, object_type: ObjectType, created_at: str) -> None:
        """Add what a custom object has besides its table: pipelines and a schema."""
        self.pipelines[object_type.type_id] = []
        self.schemas[object_type.type_id] = {
            "requiredProperties": [object_type.display],
            "searchableProperties": [object_type.display],
            "secondaryDisplayProperties": [],
            "createdAt": created_at,
            "updatedAt": created_at,
            "archived": False,
        }
