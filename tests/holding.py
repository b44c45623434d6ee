"""The lock of a dataset, held by this process or by another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt
from dlt.pipeline.pipeline import Pipeline

from destinations.lock import exclusive
from destinations.resolve import make_destination


def pipeline_to(destination: str, dataset: str = "hubspot") -> Pipeline:
    """Make the pipeline of a dataset."""
    return dlt.pipeline(
        "hubspot",
        pipelines_dir=str(Path.cwd() / "work"),
        destination=make_destination(destination),
        dataset_name=dataset,
    )


@contextmanager
def opened(destination: str, dataset: str = "hubspot") -> Iterator[None]:
    """Hold the lock of a dataset."""
    with exclusive(pipeline_to(destination, dataset)):
        yield
