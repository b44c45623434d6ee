"""`sources/hubspot` copied alone into another project, and synced there by a pipeline of dlt's."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Warehouse
from truth import differences, link_differences

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

SOURCE = Path(__file__).parent.parent / "sources/hubspot"
OBJECTS = {"contacts": "contacts", "companies": "companies", "deals": "deals"}
PAIRS = {
    "contacts_to_companies": ("contacts", "companies"),
    "companies_to_deals": ("companies", "deals"),
}
PROJECT = """
import json, sys, threading
import dlt
import sources.hubspot
from sources.hubspot import sync

pipeline = dlt.pipeline(
    "mine", destination=dlt.destinations.duckdb(sys.argv[1]), dataset_name="hubspot",
    pipelines_dir=sys.argv[2],
)
for line in sys.stdin:
    result = sync(pipeline, json.loads(line))
    told = {
        "status": result.status,
        "rows": {name: one.rows for name, one in result.tables.items()},
        "from": sources.hubspot.__file__,
        "ours": [m for m in sys.modules if m.split(".")[0] in {"pipelines", "destinations"}],
        "threads": [t.name for t in threading.enumerate() if t.name.startswith("hubspot-")],
    }
    print(json.dumps(told), flush=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of nothing but the folder."""
    shutil.copytree(SOURCE, tmp_path / "project/sources/hubspot")
    (tmp_path / "project/sources/__init__.py").touch()
    return tmp_path / "project"


@contextmanager
def at_work(
    project: Path, server: EmulatorServer, warehouse: Warehouse
) -> Iterator[subprocess.Popen[str]]:
    """The project as a process that syncs the tables of each line, and tells what it did."""
    settings = {
        "SOURCES__HUBSPOT__BASE_URL": server.url,
        "SOURCES__HUBSPOT__ACCESS_TOKEN": server.token,
        "SOURCES__HUBSPOT__LOAD_ROWS": "1000",
        "SOURCES__HUBSPOT__SEARCH_PER_SECOND": "1000",
        "PYTHONPATH": str(project),
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROJECT, str(warehouse.path), str(project / "state")],
        env=os.environ | settings,
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def begin(process: subprocess.Popen[str]) -> None:
    """Have the tables synced."""
    print(json.dumps([*OBJECTS]), file=process.stdin, flush=True)


def sync(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Have the tables synced and return what the project tells of it."""
    begin(process)
    assert process.stdout
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


def test_the_folder_alone_syncs_as_the_command_line_does(
    portal: Portal, server: EmulatorServer, warehouse: Warehouse, project: Path
) -> None:
    """A killed sync goes on; deletions and links are followed up, and nothing is left open."""
    portal.reset(SeedSpec(contacts=2300, properties=12, companies=40, deals=60, tickets=0))
    slow = portal.faults.add(path="/associations/", delay_ms=600_000)
    with at_work(project, server, warehouse) as killed:
        begin(killed)
        while not slow.used:
            time.sleep(0.01)
        killed.kill()
    portal.faults.clear()
    with at_work(project, server, warehouse) as process:
        check_syncs(portal, warehouse, project, process)


def check_syncs(
    portal: Portal, warehouse: Warehouse, project: Path, process: subprocess.Popen[str]
) -> None:
    """Sync, change the portal, sync again, and compare."""
    first = sync(process)
    assert first["status"] == "ok"
    assert (first["ours"], first["threads"]) == ([], [])
    assert Path(first["from"]).is_relative_to(project)
    assert warehouse.rows("SELECT count(*) FROM _dlt_loads")[0][0] > 2
    ids = list(portal.records("contacts"))
    portal.clock.advance(2 * 3_600_000)
    portal.purge("contacts", ids[0])
    portal.archive("contacts", ids[1])
    portal.merge("contacts", ids[2], ids[3])
    portal.update("contacts", ids[4], {"lastname": "Odd\x00name"})
    portal.associate("contacts", ids[5], "companies", list(portal.records("companies"))[-1])
    sync(process)
    found = differences(portal, warehouse, OBJECTS) + link_differences(portal, warehouse, PAIRS)
    assert found == []
    assert warehouse.table("contacts")[ids[0]]["_hs_deletion"] == "purged"
    assert warehouse.table("contacts")[ids[3]]["_hs_deletion"] == "merged"
    runs = "SELECT command, status, exit_code FROM _hs_runs ORDER BY started_at"
    assert warehouse.rows(runs) == [("sync", "killed", None), *[("sync", "ok", 0)] * 2]
    tables = "SELECT count(*) FROM _hs_run_tables WHERE table_name = 'contacts' AND status = 'ok'"
    assert warehouse.rows(tables) == [(2,)]


def test_what_the_folder_needs_is_listed_beside_it() -> None:
    """Each library that the folder imports is in its requirements, with the project's bounds."""
    listed = (SOURCE / "requirements.txt").read_text(encoding="utf-8").split()
    project = tomllib.loads((SOURCE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert {*listed} <= {*project["project"]["dependencies"]}
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")]
    imported = {
        name
        for text in texts
        for name in re.findall(r"^\s*(?:from|import) ([a-z_0-9]+)", text, flags=re.MULTILINE)
    }
    strangers = imported - {*sys.stdlib_module_names, "sources"}
    needed = {re.split(r"[\[<>=]", one)[0] for one in listed}
    assert strangers - needed == {"deltalake", "pyiceberg"}  # of tables in files alone
    for name in ("config", "secrets"):
        example = (SOURCE / f"{name}.toml.example").read_text(encoding="utf-8")
        assert "hubspot" in tomllib.loads(example)["sources"]
