"""Schedules: the DAG alone, the DAG run by Airflow where it is installed, and the crontab.

The DAG's functions are tested with a stand-in for Airflow's few names; the run needs Airflow, in
an environment of its own: `uv run --isolated --with 'apache-airflow>=3.3,<4' pytest
tests/test_airflow_dag.py`.
"""

import ast
import fcntl
import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest
import typer
from conftest import Warehouse
from truth import differences, link_differences

from pipelines.cli.app import app
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

PIPELINES = Path(__file__).parent.parent / "pipelines"
DAG_FILE = PIPELINES / "airflow_dag.py"
COMMAND = "uv run --isolated --with 'apache-airflow>=3.3,<4' pytest tests/test_airflow_dag.py"
SEED = {"seed": 3, "contacts": 100, "properties": 12}
UNLIMITED = {
    "SOURCES__HUBSPOT__SEARCH_PER_SECOND": "1000000",
    "SOURCES__HUBSPOT__ASSOCIATIONS_PER_10_SECONDS": "1000000",
}
REFUSED = {"status": "error", "category": "MISSING_SCOPES", "message": "no such scope"}


class SkippedTask(Exception):  # noqa: N818 - Airflow's way to end a task, not an error
    """Stands in for AirflowSkipException."""


class TriedAgainError(Exception):
    """Stands in for AirflowException."""


class FailedForGoodError(TriedAgainError):
    """Stands in for AirflowFailException."""


class StandInTask:
    """Keeps what the DAG file says of a task."""

    def __init__(self, function: Any, **options: Any) -> None:
        self.function, self.options, self.mapped = function, options, {}

    def __call__(self) -> "StandInTask":
        """Stand for the task's result."""
        return self

    def expand(self, **mapped: "StandInTask") -> None:
        """Keep what the task is mapped over."""
        self.mapped = mapped


class StandInDag:
    """Keeps what the DAG file says of the DAG."""

    def __init__(self, dag_id: str, **options: Any) -> None:
        self.dag_id, self.options = dag_id, options

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The DAG file as a module, with a stand-in for Airflow; `context` is the task's."""
    context: dict[str, Any] = {}
    airflow, sdk = ModuleType("airflow"), ModuleType("airflow.sdk")
    members: dict[str, Any] = {
        "DAG": StandInDag,
        "task": StandInTask,
        "get_current_context": lambda: context,
        "exceptions": SimpleNamespace(
            AirflowException=TriedAgainError,
            AirflowFailException=FailedForGoodError,
            AirflowSkipException=SkippedTask,
        ),
    }
    vars(sdk).update(members)
    monkeypatch.setitem(sys.modules, "airflow", airflow)
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    spec = importlib.util.spec_from_file_location("hubspot_dag", DAG_FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["context"] = context
    return module


@pytest.fixture
def portal(portal: Portal, server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """A small portal that the environment points to; one try a call, so that faults show."""
    portal.reset(SeedSpec(**SEED))
    monkeypatch.setenv("SOURCES__HUBSPOT__BASE_URL", server.url)
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", server.token)
    monkeypatch.setenv("SOURCES__HUBSPOT__MAX_ATTEMPTS", "1")
    for name, value in UNLIMITED.items():
        monkeypatch.setenv(name, value)
    return portal


# --- the DAG alone


def test_parsing_the_dag_imports_nothing_heavy() -> None:
    """Outside its functions the file imports Airflow and the standard library, no more."""
    body = ast.parse(DAG_FILE.read_text()).body
    modules = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    roots = {str(module).partition(".")[0] for module in modules}
    assert roots - set(sys.stdlib_module_names) == {"airflow"}


def test_loads_run_one_at_a_time(dag: Any) -> None:
    """One run of the DAG, one loading task: a second writer would undo watermarks."""
    assert dag.loads.options["max_active_tis_per_dag"] == 1
    assert dag.loads.mapped == {"table": dag.tables}


def test_list_names_every_type_of_the_portal(dag: Any, portal: Portal) -> None:
    """Standard types and the portal's custom ones each get a task."""
    tables = dag.list_tables()
    assert len(tables) == len(set(tables))
    assert {"contacts", "companies", "deals", "custom_vehicle"} <= set(tables)


def test_tasks_load_and_link_their_tables(dag: Any, portal: Portal, warehouse: Warehouse) -> None:
    """A task brings its table whole, and gives its name to Airflow and its totals to XCom.

    Links between two tables are there when the tasks of both are done. All state is in the
    destination: after a task, a sync from elsewhere finds no change.
    """
    dag.sync_table("companies")
    totals = dag.sync_table("contacts")
    assert dag.context == {"table": "contacts"}
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []
    assert totals["rows"] >= len(portal.records("contacts"))
    assert set(totals) == {"rows", "tombstones", "calls", "retries", "rate_limited", "seconds"}
    pairs = {"contacts_to_companies": ("contacts", "companies")}
    assert link_differences(portal, warehouse, pairs) == []
    outcome = warehouse.sync("contacts").tables["contacts"]
    assert (outcome.mode, outcome.rows) == ("increment", 0)


def test_outage_asks_for_another_try(dag: Any, portal: Portal, warehouse: Warehouse) -> None:
    """A 503 ends the try; the next one succeeds."""
    portal.faults.add(path="/objects/2026-03/contacts", status=503, times=1)
    with pytest.raises(TriedAgainError, match=r"Exit code 6: contacts: .* 503") as caught:
        dag.sync_table("contacts")
    assert caught.type is TriedAgainError
    dag.sync_table("contacts")
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []


def test_refused_request_fails_for_good(dag: Any, portal: Portal, warehouse: Warehouse) -> None:
    """What HubSpot refuses is not tried again."""
    portal.faults.add(path="/objects/2026-03/deals", status=409)
    with pytest.raises(FailedForGoodError, match="Exit code 4: deals"):
        dag.sync_table("deals")


@pytest.mark.parametrize("status", [400, 403, 404])
def test_absent_table_is_skipped(
    status: int, dag: Any, portal: Portal, warehouse: Warehouse
) -> None:
    """A type that the portal or the token does not have is a skipped task that says why."""
    portal.faults.add(path="/(objects|properties)/2026-03/deals", status=status, body=REFUSED)
    with pytest.raises(SkippedTask, match=str(status)):
        dag.sync_table("deals")


def test_wrong_setting_fails_for_good(
    dag: Any, portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that HubSpot does not know fails both kinds of task at once."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", "pat-unknown")
    with pytest.raises(FailedForGoodError, match="Exit code 3"):
        dag.list_tables()
    with pytest.raises(FailedForGoodError, match="Exit code 3"):
        dag.sync_table("contacts")


# --- the DAG run by Airflow


class Airflow:
    """An Airflow of its own: SQLite metadata, and the DAG with a short delay between tries."""

    def __init__(self, home: Path) -> None:
        self._home = home
        (home / "dags").mkdir(parents=True)
        text = DAG_FILE.read_text()
        assert "timedelta(minutes=5)" in text
        text = text.replace("timedelta(minutes=5)", "timedelta(seconds=1)")
        (home / "dags" / "hubspot_elt.py").write_text(text)
        self("db", "migrate")

    def __call__(self, *words: str) -> str:
        """Run Airflow's command line; return all that it printed."""
        own = {"AIRFLOW_HOME": str(self._home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        return subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        ).stdout

    def tasks(self) -> dict[str, tuple[str, int]]:
        """Return state and number of tries of every task, by the name that people see."""
        with sqlite3.connect(self._home / "airflow.db") as metadata:
            rows = metadata.execute(
                "SELECT coalesce(rendered_map_index, task_id), state, try_number FROM task_instance"
            )
            return {name: (state, tries) for name, state, tries in rows}


@pytest.fixture
def airflow(tmp_path: Path) -> Airflow:
    """Airflow with an empty history."""
    return Airflow(tmp_path / "airflow")


needs_airflow = pytest.mark.skipif(
    importlib.util.find_spec("airflow") is None, reason=f"Airflow is not installed; run {COMMAND}"
)


@needs_airflow
def test_run_by_airflow(portal: Portal, airflow: Airflow, warehouse: Warehouse) -> None:
    """One run loads every table; an outage is tried again, a refusal is not, no secret is told."""
    portal.faults.add(path="/properties/2026-03/companies", status=503, times=1)
    portal.faults.add(path="/properties/2026-03/deals", status=409)
    portal.faults.add(path="/(objects|properties)/2026-03/tickets", status=403, body=REFUSED)
    told = airflow("dags", "test", "hubspot_elt")
    tasks = airflow.tasks()
    assert tasks.pop("companies") == ("success", 2), told
    assert tasks.pop("deals") == ("failed", 1)
    assert tasks.pop("tickets") == ("skipped", 1)
    assert {"list_tables", "contacts", "custom_vehicle"} <= set(tasks)
    assert set(tasks.values()) == {("success", 1)}
    loaded = ("contacts", "companies", "line_items", "calls")
    objects = dict(zip(loaded, loaded, strict=True)) | {"custom_vehicle": "vehicle"}
    assert differences(portal, warehouse, objects) == []
    pairs = {
        "contacts_to_companies": ("contacts", "companies"),
        "contacts_to_line_items": ("contacts", "line_items"),
        "companies_to_calls": ("companies", "calls"),
        "contacts_to_custom_vehicle": ("contacts", "vehicle"),
    }
    assert link_differences(portal, warehouse, pairs) == []
    assert os.environ["SOURCES__HUBSPOT__ACCESS_TOKEN"] not in told


@needs_airflow
def test_unknown_token_ends_the_run(
    portal: Portal, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first task fails for good, and no other begins."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", "pat-unknown")
    told = airflow("dags", "test", "hubspot_elt")
    assert airflow.tasks() == {"list_tables": ("failed", 1), "sync_table": ("upstream_failed", 0)}
    assert "Exit code 3" in told
    assert "pat-unknown" not in told


# --- the crontab

NUMBERS = r"(\*|\d+(-\d+)?)(/\d+)?"
FIELD = re.compile(rf"{NUMBERS}(,{NUMBERS})*")


def crontab() -> tuple[dict[str, str], list[tuple[list[str], str]]]:
    """Return the example's variables, and its jobs as five fields and a command."""
    variables, jobs = {}, []
    for line in (PIPELINES / "crontab.example").read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            variables[match[1]] = match[2]
        elif line and not line.startswith("#"):
            *fields, command = line.split(maxsplit=5)
            jobs.append((fields, command))
    return variables, jobs


def test_every_crontab_line_is_one_that_cron_takes() -> None:
    """Each job has five well-formed fields, and a command without the % that cron cuts at."""
    variables, jobs = crontab()
    assert jobs
    for fields, command in jobs:
        assert all(FIELD.fullmatch(field) for field in fields)
        assert "%" not in command
        assert set(re.findall(r"\$(\w+)", command)) <= variables.keys()


def test_crontab_commands_are_ours() -> None:
    """Each job calls a command that the command line has, with options that it takes."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for _, job in crontab()[1]:
        found = re.search(r"\.venv/bin/hubspot-elt (\w+)((?: --?[\w-]+)*)", job)
        assert found
        known = {option for p in commands[found[1]].params for option in p.opts}
        assert set(found[2].split()) <= known


class Cron:
    """Runs the example's job as cron does: a bare environment, and the variables of the file."""

    def __init__(self, home: Path, settings: dict[str, str]) -> None:
        self.log, self._home = home / "sync.log", home
        script = Path(sys.executable).with_name("hubspot-elt")
        (home / ".venv" / "bin").mkdir(parents=True)
        (home / ".venv" / "bin" / "hubspot-elt").symlink_to(script)
        lines = [f"{name}='{value}'" for name, value in settings.items()]
        (home / "hubspot.env").write_text("\n".join(lines))

    def __call__(self) -> str:
        """Run the job; return what cron would mail."""
        variables, [(_, command)] = crontab()
        places = {"HOME_DIR": self._home, "ENV_FILE": self._home / "hubspot.env"}
        own = {name: str(place) for name, place in (places | {"LOG_FILE": self.log}).items()}
        bare = {"HOME": str(self._home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [variables["SHELL"], "-c", command],
            env=bare | variables | own,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def cron(portal: Portal, server: EmulatorServer, tmp_path: Path) -> Cron:
    """Cron in a folder with the project's environment."""
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    settings = {
        "SOURCES__HUBSPOT__BASE_URL": server.url,
        "SOURCES__HUBSPOT__ACCESS_TOKEN": server.token,
        "DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "warehouse.duckdb"),
        "SOURCES__HUBSPOT__SELECT": '["contacts"]',
    }
    return Cron(tmp_path / "project", settings | UNLIMITED)


def test_crontab_job_syncs_in_silence(cron: Cron, portal: Portal, warehouse: Warehouse) -> None:
    """A job that goes well loads the portal, writes the log and mails nothing."""
    portal.reset(SeedSpec(seed=3, contacts=20, properties=5))
    assert cron() == ""
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []
    assert "contacts" in cron.log.read_text()


def test_crontab_job_gives_way_to_the_one_before(cron: Cron, portal: Portal) -> None:
    """While a run holds the lock, the next is left out: no call, no mail."""
    portal.journal.clear()
    with Path(f"{cron.log}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cron() == ""
    assert portal.journal.count() == 0


def test_crontab_job_mails_a_failure(cron: Cron, portal: Portal) -> None:
    """A job that fails mails one line with the exit code; the reason is in the log."""
    portal.settings.tokens = {}
    assert "ended with exit code 3; see" in cron()
    assert "token" in cron.log.read_text()
