"""The lock of a dataset, held by this process or by another one."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path

import dlt
from dlt.pipeline.pipeline import Pipeline

from destinations.catalog import KNOWN, Lock
from destinations.locks import exclusive
from destinations.resolve import make_destination

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["holding"])  # else each holder imports dlt
get_temp_dir()  # is made once, and a test that sets another folder for files would have its own
PATIENCE_SECONDS = 60


def pipeline_to(destination: str, dataset: str = "hubspot") -> Pipeline:
    """Make the pipeline of a dataset."""
    return dlt.pipeline(
        "hubspot",
        pipelines_dir=str(Path.cwd() / "work"),
        destination=make_destination(destination),
        dataset_name=dataset,
    )


@contextmanager
def opened(destination: str | Pipeline, dataset: str = "hubspot") -> Iterator[None]:
    """Hold the lock of a dataset, or of a pipeline's."""
    is_name = isinstance(destination, str)
    with exclusive(pipeline_to(destination, dataset) if is_name else destination):
        yield


@contextmanager
def elsewhere(
    destination: str, *, lock: Lock | None = None, **environment: str
) -> Iterator[ForkServerProcess]:
    """Let another process hold the lock of the dataset `hubspot`, until it is killed.

    Args:
        destination: that the dataset is in.
        lock: the kind that it has; its usual one where None.
        environment: of the process.
    """
    ours, theirs = PROCESSES.Pipe()
    where = (str(Path.cwd()), {**os.environ, **environment})
    process = PROCESSES.Process(target=_hold, args=(theirs, destination, lock, *where))
    process.start()
    try:
        assert ours.poll(PATIENCE_SECONDS)
        assert ours.recv() == "held"
        yield process
    finally:
        process.kill()
        process.join()


def _hold(
    parent: Connection,
    destination: str,
    lock: Lock | None,
    folder: str,
    environment: Mapping[str, str],
) -> None:
    """Hold a lock until this process is killed."""
    if lock:
        KNOWN[destination] = replace(KNOWN[destination], lock=lock)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None
    with opened(destination):
        parent.send("held")
        parent.recv()
