"""HubSpot as a source for dlt: records, links, and what its other APIs let one read, in tables.

`sync` brings a dataset up to date with all that this takes; `hubspot` is the plain source, of which
`source` is the table of contents.

    pipeline = dlt.pipeline("hubspot", destination="duckdb", dataset_name="hubspot")
    sync(pipeline, ["contacts", "companies"])

`hubspot_graphql` is a resource for a query that the tables do not answer.
"""

from .config import HubSpotConfig
from .extraction import open_run
from .graphql import hubspot_graphql
from .run.run import Run
from .source import hubspot
from .sync import SyncResult, sync

__all__ = ["HubSpotConfig", "Run", "SyncResult", "hubspot", "hubspot_graphql", "open_run", "sync"]
