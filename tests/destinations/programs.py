"""Syncs in processes of their own, and another program that holds a table."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from dataset import Dataset
from holding import PATIENCE_SECONDS, PROCESSES

from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.warehouse.sql import open_tables
from sources.hubspot_emulator.portal.store import Portal

CLI = str(Path(sys.executable).parent / "hubspot-elt")


@contextmanager
def syncing(dataset: Dataset, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a sync as another process; it ends with the context at the latest."""
    config = dataset.config
    own = {
        "SOURCES__HUBSPOT__BASE_URL": config.base_url,
        "SOURCES__HUBSPOT__ACCESS_TOKEN": str(config.access_token),
    }
    command = [CLI, "sync", "--objects", ",".join(dataset.kinds), "--quiet"]
    command += [word for name, value in dataset.place.items() for word in (f"--{name}", value)]
    with subprocess.Popen(
        command, env={**os.environ, **own, **environment}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_calls(portal: Portal, process: subprocess.Popen[str], calls: int) -> None:
    """Wait until the portal was asked so often; fail where the process ended before."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while len(portal.journal) < calls:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.005)


@contextmanager
def held(dataset: Dataset, table: str, seconds: float) -> Iterator[None]:
    """Let another program change a table's rows in a transaction that stays open for a while."""
    ours, theirs = PROCESSES.Pipe()
    where = (dict(os.environ), str(Path.cwd()), dict(dataset.place), table, seconds)
    process = PROCESSES.Process(target=_hold, args=(theirs, *where))
    process.start()
    try:
        assert ours.poll(PATIENCE_SECONDS)
        assert ours.recv() == "held"
        yield
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()


def _hold(
    parent: Connection,
    environment: Mapping[str, str],
    folder: str,
    place: Mapping[str, str],
    table: str,
    seconds: float,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with (
        stored_pipeline(**place) as pipeline,
        open_tables(pipeline) as tables,
        tables.transaction(),
    ):
        tables.update(table, {"_hs_archived": False}, "_hs_archived = ?", False)
        parent.send("held")
        time.sleep(seconds)
