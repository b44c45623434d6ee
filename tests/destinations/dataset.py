"""A dataset in a destination under test: syncs into it, questions about it, damage to it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters import Adapter
from conftest import Warehouse
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import differences, link_differences

from pipelines.cli.output.report import RunReport, report_of
from pipelines.commands.verify import VerifyOptions, verify
from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import HubSpotError
from sources.hubspot.warehouse.sql import Tables, open_tables
from sources.hubspot_emulator.portal.store import Portal

KINDS = {
    "contacts": "contacts",
    "companies": "companies",
    "custom_vehicle": "vehicle",
}
"""The tables of all tests here, and the portal's names of their types."""
PAIRS = (
    ("contacts", "companies"),
    ("contacts", "custom_vehicle"),
)
"""The tables of link tables' ends."""


class Dataset(Warehouse):
    """A dataset in a destination under test."""

    def __init__(self, adapter: Adapter, name: str, config: HubSpotConfig) -> None:
        super().__init__(Path(), config)
        self.adapter, self.name = adapter, name
        self.kinds = {self.named(table): kind for table, kind in KINDS.items()}
        self.pairs = {
            self.named(f"{one}_to_{self.named(other)}"): (KINDS[one], KINDS[other])
            for one, other in PAIRS
        }

    @property
    def place(self) -> Mapping[str, str]:
        """What each command takes to find it."""
        return {"destination": self.adapter.destination, "dataset": self.name}

    def named(self, table: str) -> str:
        """Return the name of a table as the destination can hold it."""
        return NamingConvention.shorten_identifier(table, table, self.adapter.longest_name)

    def sync(self, *objects: str, **options: Any) -> RunReport:
        """Run a sync, seconds after the last; return its report, whatever became of it."""
        return super().sync(*(objects or self.kinds), **self.place, **options)

    def outcome(self) -> tuple[int, str]:
        """Run a sync, even one that cannot begin; return its exit code and what it says."""
        try:
            report = self.sync()
        except HubSpotError as error:
            report = report_of(error, "sync")
        return report.exit_code, f"{report.error} {report.remedy}"

    def verify(self, *, repair: bool = False) -> RunReport:
        """Compare the portal with the dataset."""
        options = VerifyOptions(objects=tuple(self.kinds), repair=repair, **self.place)
        return verify(options, collector=NULL_COLLECTOR, config=self.config)

    def all_rows(self, name: str) -> list[dict[str, Any]]:
        """Return a table's rows, read by the adapter; none where it is not there."""
        rows = self.adapter.read(self.name, name)
        return [{column: _plain(value) for column, value in row.items()} for row in rows]

    def _read(self, name: str) -> list[dict[str, Any]]:
        return self.all_rows(name)

    def wrong(self, portal: Portal) -> list[str]:
        """List how it differs from the portal."""
        found = differences(portal, self, self.kinds) + link_differences(portal, self, self.pairs)
        if self.adapter.keeps_nul:
            return found
        return [line for line in found if "\\x00" not in line]

    def drop(self, table: str, column: str = "") -> None:
        """Drop a table, or a column of it, as a person would."""
        with stored_pipeline(**self.place) as pipeline, pipeline.sql_client() as client:
            name = client.make_qualified_table_name(table)
            if column:
                quoted = client.escape_column_name(column)
                client.execute_sql(f"ALTER TABLE {name} DROP COLUMN {quoted}")
            else:
                client.execute_sql(f"DROP TABLE {name}")

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        """Open the tables as the connector does, to do damage."""
        with stored_pipeline(**self.place) as pipeline, open_tables(pipeline) as tables:
            yield tables

    def double(self, table: str, column: str, value: object, **changes: object) -> None:
        """Add a copy of each row that has a value in a column, with some values changed."""
        rows = [row for row in self.adapter.read(self.name, table) if row[column] == value]
        with self.tables() as tables:
            for row in rows:
                columns: Sequence[str] = tuple(row)
                tables.insert(table, columns, [tuple((row | changes).values())])


def _plain(value: object) -> object:
    """Return a value as DuckDB's driver has it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
