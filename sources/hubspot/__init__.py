"""HubSpot as a source for dlt: everything that its CRM lets one read, in tables.

`sync` brings a dataset up to date with all that this takes; `hubspot` is the plain source, of which
`source` is the table of contents.

    pipeline = dlt.pipeline("hubspot", destination="duckdb", dataset_name="hubspot")
    sync(pipeline, ["contacts", "companies"])
"""

from .config import HubSpotConfig
from .extraction import open_run
from .run.run import Run
from .source import hubspot
from .sync import SyncResult, sync

__all__ = ["HubSpotConfig", "Run", "SyncResult", "hubspot", "open_run", "sync"]
