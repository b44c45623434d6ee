"""The tables of a pipeline's dataset, opened by the adapter that suits its destination."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from ...errors import ConfigError
from .database import DatabaseTables
from .tables import Tables


@contextmanager
def open_tables(pipeline: Pipeline, *, staging: bool = False) -> Iterator[Tables]:
    """Open the dataset of a pipeline, or dlt's staging dataset of it.

    Raises:
        ConfigError: the destination keeps no tables that can be changed.
    """
    job = pipeline.destination_client()
    if not isinstance(job, SqlJobClientBase):
        raise ConfigError(
            "This destination keeps no tables that can be read and changed.",
            remedy="Take another --destination, such as duckdb or postgres.",
        )
    with (
        job.sql_client as client,
        client.with_staging_dataset() if staging else nullcontext(),
    ):
        adapter = getattr(job, "tables_opened", DatabaseTables)
        yield adapter(client, pipeline.sql_client, job.get_storage_tables)
