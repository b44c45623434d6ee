"""HubSpot as a source for dlt: everything that its CRM lets one read, in tables.

    pipeline = dlt.pipeline("hubspot", destination="duckdb", dataset_name="hubspot")
    pipeline.run(hubspot(objects=["contacts", "companies"]))

`source` is the table of contents.
"""

from .config import HubSpotConfig
from .extraction import open_run
from .run.run import Run
from .source import hubspot

__all__ = ["HubSpotConfig", "Run", "hubspot", "open_run"]
