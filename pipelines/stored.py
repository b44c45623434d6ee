"""What the destination keeps of earlier runs, looked at without leaving anything behind."""

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import dlt
from dlt.pipeline.pipeline import Pipeline

from destinations.warehouse import (
    duckdb_path,
    explained,
    is_duckdb,
    make_destination,
    open_destination,
)
from sources.hubspot.state import SourceState


@contextmanager
def stored_pipeline(destination: str, dataset: str) -> Iterator[Pipeline]:
    """Open a dataset as a sync would find it; the working directory ends with the context.

    Raises:
        ConfigError: the destination's settings or driver are missing or wrong.
        WarehouseError: the destination does not answer or refuses to write.
    """
    with tempfile.TemporaryDirectory(prefix="hubspot-elt-") as working_dir:
        pipeline = dlt.pipeline(
            "hubspot",
            pipelines_dir=working_dir,
            destination=make_destination(destination),
            dataset_name=dataset,
        )
        with open_destination(pipeline):
            with explained(destination):
                if exists(pipeline):
                    pipeline.sync_destination()
            yield pipeline


def source_state(pipeline: Pipeline) -> SourceState:
    """Return a copy of the source's state, empty where no sync has been."""
    return SourceState(copy.deepcopy(pipeline.state.get("sources", {}).get("hubspot", {})))


def exists(pipeline: Pipeline) -> bool:
    """Whether there is anything to read; opening a DuckDB file that is not there would make it."""
    return not is_duckdb(pipeline) or duckdb_path(pipeline.destination_client().config).exists()
