"""Two runs never write one dataset at a time, and a killed one stands in nobody's way."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Warehouse
from holding import elsewhere, opened, pipeline_to

from destinations.locks import Patience, claimed
from sources.hubspot.errors import BusyError, ConfigError, WarehouseError
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")


def test_another_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """While a process holds a file, another is refused with its number; after a kill it is free."""
    file = str(tmp_path / "a.duckdb")
    with elsewhere(file) as holder:
        holds = rf"process {holder.pid} on .* since"
        with pytest.raises(WarehouseError, match=holds) as refused, opened(file):
            pass
        assert file in refused.value.message
        assert refused.value.exit_code == 6
        assert "Wait" in refused.value.remedy
        holder.kill()
        holder.join()
        with opened(file):
            pass


def test_second_sync_is_refused(portal: Portal, warehouse: Warehouse) -> None:
    """While another process writes the file, a sync ends before it reads a record."""
    portal.create("contacts", {"email": "ada@example.com"})
    with elsewhere(str(warehouse.path)) as holder:
        with pytest.raises(WarehouseError, match=f"Another run.*process {holder.pid}"):
            warehouse.sync("contacts")
        assert {call.kind for call in portal.journal} <= {"account.details"}
    assert warehouse.sync("contacts").exit_code == 0


READER = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def reading(path: Path, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Let another program have a DuckDB file open for a while, as a notebook does."""
    command = [sys.executable, "-c", READER, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_reader_is_named_and_waited_for(portal: Portal, warehouse: Warehouse) -> None:
    """A program that has the file open is named; with --wait the sync begins when it is done."""
    portal.create("contacts", {"email": "ada@example.com"})
    warehouse.sync("contacts")
    with reading(warehouse.path) as reader:
        named = rf"Process {reader.pid} \(python.*\) has the DuckDB file open"
        with pytest.raises(BusyError, match=named) as refused:
            warehouse.sync("contacts", wait_seconds=0.2)
        assert refused.value.exit_code == 6
        assert "commands that write can --wait" in refused.value.remedy  # readers cannot
    with reading(warehouse.path, seconds=1) as reader:
        assert warehouse.sync("contacts", wait_seconds=60).exit_code == 0
        assert reader.wait() == 0


def test_another_run_is_waited_for(tmp_path: Path) -> None:
    """Who waits is told for whom, and for how long still, and goes on when the lock is free."""
    file = str(tmp_path / "a.duckdb")
    told: list[str] = []
    with elsewhere(file) as holder:

        def tell(text: str) -> None:
            told.append(text)
            holder.kill()
            holder.join()

        pipeline = pipeline_to(file)
        with claimed(pipeline, Patience(60, tell)):
            pass
    assert len(told) == 1
    assert f"process {holder.pid} on " in told[0]
    assert "60 s at most" in told[0]


def test_datasets_of_one_file_exclude_each_other(tmp_path: Path) -> None:
    """DuckDB lets one process at a time open a file, so the lock is the file's, by any name."""
    file = tmp_path / "a.duckdb"
    (tmp_path / "b.duckdb").symlink_to(file)
    with opened(str(file), "one"):
        with pytest.raises(WarehouseError, match="Another run"), opened(str(file), "two"):
            pass
        with pytest.raises(WarehouseError, match="Another run"), opened("b.duckdb"):
            pass


def test_two_files_do_not_exclude_each_other(tmp_path: Path) -> None:
    """Runs into different files go on side by side."""
    with opened(str(tmp_path / "a.duckdb")), opened(str(tmp_path / "b.duckdb")):
        pass


def test_nothing_stays_behind(tmp_path: Path) -> None:
    """A clean end, and an error, leave no file; the lock makes no database either."""
    with opened(str(tmp_path / "a.duckdb")):
        assert [path.name for path in tmp_path.glob("a*")] == ["a.duckdb.lock"]
    with pytest.raises(KeyError), opened(str(tmp_path / "a.duckdb")):
        raise KeyError
    assert list(tmp_path.glob("a*")) == []


@pytest.mark.parametrize("name", ["nowhere/a.duckdb", "a.duckdb"])
def test_lock_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    """A missing folder, or something else where the lock file belongs, ends with one message."""
    (tmp_path / "a.duckdb.lock").mkdir()
    file = str(tmp_path / name)
    with pytest.raises(ConfigError, match="DESTINATION__DUCKDB") as refused, opened(file):
        pass
    assert not (tmp_path / "nowhere").exists()
    assert "\n" not in str(refused.value)


def test_postgres_excludes_other_machines(
    server_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is refused on its machine by the file, on any other by the server; datasets differ."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    other = tmp_path / "other machine"
    other.mkdir()
    for folder in (tmp_path, other):
        with elsewhere("postgres", TMPDIR=str(folder)) as holder:
            holds = rf"dataset hubspot of postgres .*process {holder.pid} on .* since"
            with pytest.raises(WarehouseError, match=holds), opened("postgres"):
                pass
            with opened("postgres", "another"):
                pass
        with opened("postgres"):
            pass
    assert not list(tmp_path.glob("hubspot-elt-*/*.lock")) or os.name == "nt"


def test_servers_behind_other_sockets(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two servers that only their sockets tell apart, one's run does not hold up the other's."""
    another = re.sub(r"host=[^&]*", "host=/nowhere", server_uri)
    assert another != server_uri
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    with opened("postgres"):
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", another)
        with pytest.raises(WarehouseError) as refused, opened("postgres"):
            pass
    assert "Another run" not in str(refused.value)
