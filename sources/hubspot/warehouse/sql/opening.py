"""The tables of a pipeline's dataset, opened by the adapter that suits its destination."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from ...errors import ConfigError
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
        yield tables_of(job, pipeline.sql_client)


def tables_of(
    job: SqlJobClientBase, connect: Callable[[], SqlClientBase[Any]] | None = None
) -> Tables:
    """Return the tables of a client whose connection is open.

    Args:
        job: dlt's client of a destination.
        connect: makes another client of SQL, for answers of many rows; see `Tables`.
    """
    adapter: type[Tables] = getattr(job, "tables_opened", Tables)
    return adapter(job.sql_client, connect, job.get_storage_tables)
