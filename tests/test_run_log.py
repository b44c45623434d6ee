"""What a run says of itself: rows that are loaded, one duration, and a row however it ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Warehouse

from destinations.locks import exclusive
from destinations.resolve import open_destination
from pipelines.cli.app import main
from pipelines.commands.status import status
from pipelines.runtime import local_runs
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.stored import hubspot_pipeline
from sources.hubspot.errors import AuthError, OverlapError, WarehouseError
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from pipelines.cli.app import main; main()"
)
RUNS = (
    "SELECT command, status, exit_code, error, ended_at IS NULL FROM _hs_runs ORDER BY started_at"
)
PAGE = r"objects/.*/contacts\?"
"""Where pages of contacts are listed."""
TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'contacts'"


@pytest.fixture
def seeded(portal: Portal, server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """A small portal, and the settings that point at it."""
    portal.reset(SeedSpec(seed=3, contacts=1_200, companies=60, properties=5, odd_values=False))
    monkeypatch.setenv("SOURCES__HUBSPOT__BASE_URL", server.url)
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", server.token)
    return portal


@contextmanager
def syncing(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """Start `sync` as its own process."""
    command = [sys.executable, "-c", PROGRAM, "sync", "--json", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process


def shown_runs() -> list[dict[str, Any]]:
    """Return the runs that `status` shows, the last one first."""
    section = status().sections[0]
    return [dict(zip(section.columns, row, strict=True)) for row in section.rows]


def wait_for_loads(process: "subprocess.Popen[str]", count: int) -> None:
    """Wait until so many loads are written and the next one is being read."""
    assert process.stderr is not None
    steps = ["loading", "reading"] * count
    for line in process.stderr:
        if steps and json.loads(line).get("step") == steps[0]:
            steps.pop(0)
        if not steps:
            return


def pages(portal: Portal, table: str) -> int:
    """Count the pages of a listing that were asked for."""
    return sum("/objects/" in c.path and c.path.endswith(f"/{table}") for c in portal.journal)


@pytest.mark.parametrize("loads", [0, 1])
def test_interrupted_first_sync(
    seeded: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, loads: int
) -> None:
    """Only rows and watermarks of completed loads count; what was cut off is interrupted."""
    seeded.faults.add(path=PAGE, delay_ms=100)
    monkeypatch.setenv("SOURCES__HUBSPOT__LOAD_ROWS", "300" if loads else "100000")
    monkeypatch.setenv("SOURCES__HUBSPOT__CALLS_IN_FLIGHT", "1")
    with syncing("--objects", "contacts,companies") as process:
        if loads:
            wait_for_loads(process, loads)
        before = pages(seeded, "contacts")
        while pages(seeded, "contacts") < before + 2 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        report = json.loads(process.communicate(timeout=60)[0])
    tables, there = report["tables"], warehouse.rows(TABLES)[0][0]
    held = warehouse.rows("SELECT count(*) FROM contacts")[0][0] if there else 0
    assert (process.returncode, report["status"]) == (130, "interrupted")
    assert (tables["contacts"]["status"], tables["contacts"]["watermark"]) == ("interrupted", None)
    assert tables["contacts"]["rows"] + tables["contacts"]["tombstones"] == held
    assert (tables["account"]["status"], tables["account"]["rows"], held > 0) == (
        ("ok", 1, True) if loads else ("interrupted", 0, False)
    )
    assert tables["account"]["rows_read"] == 1
    kept = f"{held:,} rows of contacts" if held else "Nothing was loaded yet."
    assert kept in report["error"]["message"]
    (run,) = warehouse.rows(RUNS)
    error = f"{report['error']['message']} {report['error']['remedy']}"
    assert run == ("sync", "interrupted", 130, error, False)
    sql = "SELECT status, rows + tombstones, watermark_after FROM _hs_run_tables"
    assert warehouse.rows(f"{sql} WHERE table_name = 'contacts'") == [("interrupted", held, None)]


def test_failing_load(
    seeded: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables whose load the warehouse refused have failed, with no row and no watermark."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", '{"memory_limit": "2MB"}')
    report = warehouse.sync("contacts", "companies")
    assert (report.status, report.exit_code) == ("failed", 6)
    assert {outcome.status for outcome in report.tables.values()} == {"failed"}
    assert (report.rows, report.tables["contacts"].watermark_after) == (0, None)
    assert "Nothing was loaded yet." in str(report.error)
    assert warehouse.rows(RUNS)[0][:3] == ("sync", "failed", 6)
    assert set(warehouse.rows("SELECT status, rows FROM _hs_run_tables")) == {("failed", 0)}


def test_a_run_that_stops_early(seeded: Portal, warehouse: Warehouse) -> None:
    """Where one table's error stops the run, a table that was not read to its end is cut off."""
    revoked = {"category": "EXPIRED_AUTHENTICATION", "message": "expired"}
    seeded.faults.add(path="/companies", method="GET", status=401, body=revoked)
    small = warehouse.with_settings(load_rows=300, calls_in_flight=1)
    report = small.sync("contacts", "companies")
    contacts = report.tables["contacts"]
    assert (report.exit_code, report.tables["companies"].status) == (3, "failed")
    assert (contacts.status, contacts.watermark_after) == ("interrupted", None)
    held = warehouse.rows("SELECT count(*) FROM contacts")[0][0]
    assert contacts.rows + contacts.tombstones == held > 0
    assert f"{held:,} rows of contacts" in str(report.error)


def test_a_refused_token_is_noted(seeded: Portal, warehouse: Warehouse) -> None:
    """A run that ends before any load has its row, in the warehouse where there is one."""
    bad = warehouse.with_settings(access_token="pat-na1-00000000-0000-0000-0000-000000000000")  # noqa: S106
    with pytest.raises(AuthError):
        bad.sync("companies")
    assert not warehouse.path.exists()  # a wrong setting makes no database
    warehouse.sync("companies")
    with pytest.raises(AuthError):
        bad.sync("companies")
    runs = warehouse.rows(RUNS)
    assert [run[1:3] for run in runs] == [("failed", 3), ("ok", 0), ("failed", 3)]
    assert "401" in runs[0][3]
    assert "pat-na1" not in str(runs)


def test_a_busy_database_is_noted_on_the_machine(seeded: Portal, warehouse: Warehouse) -> None:
    """A run that finds the file in use is kept on the machine, for its owner alone, and shown.

    One that finds another run at work ends with its code, and no log says that it failed. The
    report and `_hs_runs` have the same start and the same length, verification included.
    """
    with hubspot_pipeline(Path.cwd(), "duckdb", "hubspot") as pipeline, exclusive(pipeline):
        with pytest.raises(OverlapError) as refused:
            warehouse.sync("companies")
        assert refused.value.exit_code == 6
    report = warehouse.sync("companies", verify=True)
    assert [row[1:3] for row in warehouse.rows(RUNS)] == [("ok", 0)]
    ((started_at, ended_at),) = warehouse.rows("SELECT started_at, ended_at FROM _hs_runs")
    assert abs(started_at - report.started_at) < timedelta(milliseconds=1)
    assert (ended_at - started_at).total_seconds() == pytest.approx(report.seconds, abs=0.001)
    assert shown_runs()[0]["seconds"] == round(report.seconds, 1)
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WarehouseError):
            warehouse.sync("companies")
        busy = status()
        holder.communicate(b"\n")
    assert (busy.exit_code, [row[3] for row in busy.sections[0].rows]) == (6, ["failed"])
    (file,) = Path(os.environ["XDG_STATE_HOME"]).rglob("runs.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [(run["status"], run["where"]) for run in shown_runs()] == [
        *(("failed", "this machine"), ("ok", "warehouse"))
    ]
    warehouse.sync("companies")
    assert [run[1] for run in warehouse.rows(RUNS)] == ["ok", "failed", "ok"]
    assert file.read_text() == ""


def test_a_killed_run_is_shown(
    seeded: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed is shown as killed, before and after the next one."""
    seeded.reset(SeedSpec(seed=3, contacts=60, properties=5, odd_values=False))
    page = seeded.faults.add(path=PAGE, delay_ms=600_000)
    with syncing("--objects", "contacts") as process:
        while not page.used and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.communicate()
    (run,) = shown_runs()
    assert (run["status"], run["seconds"]) == ("killed", None)
    assert "killed" in run["error"]
    seeded.faults.clear()
    warehouse.sync("contacts")
    assert [row[1:3] for row in warehouse.rows(RUNS)] == [("killed", None), ("ok", 0)]


@pytest.mark.parametrize("destination", ["duckdb", "postgres"])
def test_a_run_at_work_differs_from_a_killed_one(
    warehouse: Warehouse, server_uri: str, destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody holds the dataset's lock, a run that has not ended is at work; else killed."""
    assert not warehouse.path.exists()
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    with hubspot_pipeline(Path.cwd(), destination, "locked") as pipeline:
        with exclusive(pipeline), open_destination(pipeline):
            log = RunLog("sync", destination, "locked")
            with log.writing(pipeline):
                log.begin()
        for held in (True, False):
            with exclusive(pipeline) if held else nullcontext():
                report = status(destination=destination, dataset="locked", max_age=timedelta(9))
            runs, tables = (
                [dict(zip(section.columns, row, strict=True)) for row in section.rows]
                for section in report.sections
            )
            assert [run["status"] for run in runs] == ["running" if held else "killed"]
            assert (tables, report.exit_code) == ([], 8)


def test_a_partial_run_says_what_failed(
    seeded: Portal,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where one table fails, text, JSON, --quiet and the run log name it, with the same code."""
    monkeypatch.setenv("SOURCES__HUBSPOT__MAX_ATTEMPTS", "1")
    seeded.faults.add(path=r"/companies\?", method="GET", status=503)
    said = []
    for form in ("--json", "--quiet"):
        seeded.clock.advance(2_000)
        with pytest.raises(SystemExit) as ended:
            main(["sync", form, "--objects", "contacts,companies"])
        assert ended.value.code == 6
        said.append(capsys.readouterr())
    loud, quiet = said
    assert quiet.out == ""
    assert "warning: companies: " in quiet.err
    report = json.loads(loud.out)
    assert (report["status"], report["exit_code"]) == ("partial", 6)
    assert report["tables"]["companies"]["status"] == "failed"
    assert [run[1:4] for run in warehouse.rows(RUNS)] == [("partial", 6, "Failed: companies.")] * 2


def test_a_run_that_reads_nothing_says_so(seeded: Portal, warehouse: Warehouse) -> None:
    """A token that may read no object type at all brings a warning."""
    seeded.set_token("narrow", scopes=["oauth"])
    narrow = warehouse.with_settings(access_token="narrow")  # noqa: S106 - no secret
    report = narrow.sync_all()
    assert any("No record was read" in warning for warning in report.warnings)
    assert {outcome.status for outcome in report.tables.values()} <= {"ok", "skipped"}


def test_rows_of_the_run_log_leave(seeded: Portal, warehouse: Warehouse) -> None:
    """Rows older than `RUN_LOG_DAYS` go after a load; the newest of every table stays."""
    warehouse.sync("companies")
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("USE hubspot")
        for days, tables in (
            (200, ("gone", "old")),
            (150, ("gone",)),
            (100, ("gone", "companies")),
        ):
            run = f"run {days}"
            connection.execute(
                "INSERT INTO _hs_runs (run_id, started_at, status)"
                f" VALUES (?, now() - INTERVAL {days} DAY, 'ok')",
                [run],
            )
            for table in tables:
                values = [run, table, "failed" if days == 100 else "ok"]
                connection.execute(
                    "INSERT INTO _hs_run_tables (run_id, table_name, status) VALUES (?, ?, ?)",
                    values,
                )
    old = "SELECT run_id, table_name FROM _hs_run_tables WHERE run_id LIKE 'run%' ORDER BY ALL"
    warehouse.with_settings(run_log_days=0).sync("companies")
    assert len(warehouse.rows(old)) == 5
    warehouse.sync("companies")
    assert warehouse.rows(old) == [("run 100", "gone"), ("run 150", "gone"), ("run 200", "old")]
    assert warehouse.rows("SELECT count(*) FROM _hs_runs") == [(6,)]


def test_the_local_log_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The newest runs stay, a damaged line harms nothing, and no writable folder is no error."""
    for number in range(local_runs.MOST_RUNS + 5):
        entry = {"run_id": str(number), "started_at": "2026-11-30T00:00:00+00:00"}
        assert local_runs.keep("here", entry | {"error": "x" * 10_000})
    (file,) = Path(os.environ["XDG_STATE_HOME"]).rglob("runs.jsonl")
    with file.open("a") as stream:
        stream.write('{damaged\n[]\n\x00\n{"place": "here"}\n{"place": "here", "run_id": 7}\n')
        damaged = {"started_at": "2026-11-30", "ended_at": "soon", "calls": "many", "error": [1]}
        stream.write(json.dumps({"place": "here", "run_id": "odd"} | damaged) + "\n")
    kept = local_runs.kept("here")
    assert (kept[0]["run_id"], len(kept)) == ("5", local_runs.MOST_RUNS + 1)
    assert {kept[-1][name] for name in ("ended_at", "calls", "error")} == {None}
    assert len(kept[0]["error"]) == local_runs.LONGEST_ERROR
    assert local_runs.kept("elsewhere") == []
    local_runs.drop("here", ["5"])
    assert len(local_runs.kept("here")) == local_runs.MOST_RUNS
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(blocked))
    assert not local_runs.keep("here", {"run_id": "1"})
    assert local_runs.kept("here") == []
