"""The command line as people and schedulers use it: options, streams, exit codes, no secrets."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from pipelines.cli.app import main
from pipelines.cli.console import interrupted
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

COMMANDS = (
    *("demo", "sync", "plan", "verify", "doctor", "status", "query", "forget", "state"),
    "emulate",
)
PROGRAM = "from pipelines.cli.app import main; main()"
OBJECTS = "contacts,companies"
SECRET = "pat-na1-11112222-3333-4444-5555-666677778888"  # noqa: S105 - no portal's
TOTALS = {"rows", "tombstones", "calls", "retries", "rate_limited", "seconds"}
TABLE_MEMBERS = TOTALS | {"rows_read", "mode", "status", "watermark", "error", "messages"}


@dataclass
class Said:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on stdout; there must be nothing else."""
        return json.loads(self.out)


@dataclass
class First:
    """The first sync of a portal: its file, what it said, and what the portal holds."""

    file: Path
    said: Said
    live: int


def cli(*words: str) -> Said:
    """Run the console script in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(words)
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def point_at(set_: Callable[[str, str], None], server: EmulatorServer, file: Path) -> None:
    """Set what a person would set to sync the emulator into a file."""
    set_("SOURCES__HUBSPOT__BASE_URL", server.url)
    set_("SOURCES__HUBSPOT__ACCESS_TOKEN", server.token)
    set_("SOURCES__HUBSPOT__SEARCH_PER_SECOND", "1000000")
    set_("SOURCES__HUBSPOT__ASSOCIATIONS_PER_10_SECONDS", "1000000")
    set_("DESTINATION__DUCKDB__CREDENTIALS", str(file))


@pytest.fixture(scope="module")
def first(server: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> First:
    """A file that one `sync --json` filled, and what that said."""
    server.portal.reset(SeedSpec(seed=3, contacts=100, properties=20))
    file = tmp_path_factory.mktemp("cli") / "warehouse.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        point_at(patch.setenv, server, file)
        said = cli("sync", "--objects", OBJECTS, "--json")
    return First(file, said, len(server.portal.records("contacts")))


@pytest.fixture
def synced(first: First, server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings point at the file of `first`."""
    point_at(monkeypatch.setenv, server, first.file)
    return first.file


@pytest.fixture
def fresh(
    portal: Portal, server: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Portal:
    """A small portal; the settings point at it and at a file that does not exist yet."""
    portal.reset(SeedSpec(seed=3, contacts=50, properties=20))
    point_at(monkeypatch.setenv, server, tmp_path / "new.duckdb")
    return portal


def test_sync_json_is_one_object(first: First) -> None:
    """`sync --json` prints one object with the run, its tables and totals, and exits with 0."""
    said = first.said
    report = said.json
    assert (said.code, report["exit_code"], report["status"]) == (0, 0, "ok")
    where = (report["command"], report["destination"], report["dataset"])
    assert where == ("sync", "duckdb", "hubspot")
    assert report["error"] is None
    assert report["run_id"]
    assert report["portal_id"] > 0
    assert set(report["totals"]) == TOTALS
    contacts = report["tables"]["contacts"]
    assert set(contacts) == TABLE_MEMBERS
    assert (contacts["mode"], contacts["status"], contacts["rows"]) == (
        "backfill",
        "ok",
        first.live,
    )
    assert contacts["watermark"].endswith("Z")
    assert report["totals"]["rows"] >= first.live
    assert report["totals"]["calls"] > 0


def test_json_progress_is_json_lines_on_stderr(first: First) -> None:
    """With --json, everything on stderr is one JSON event a line."""
    events = [json.loads(line) for line in first.said.err.splitlines()]
    assert any(event["event"] == "rows" and event["table"] == "contacts" for event in events)


def test_sync_text_tells_tables_and_totals(fresh: Portal) -> None:
    """Without options, stdout has a line per table with news and one with the totals."""
    said = cli("sync", "--objects", "companies")
    assert said.code == 0
    lines = said.out.splitlines()
    live = str(len(fresh.records("companies")))
    assert any(line.split()[:3] == ["companies", "backfill", live] for line in lines)
    assert lines[-1].startswith("ok: ")
    assert "\x1b" not in said.out + said.err


def test_quiet_sync_says_nothing(fresh: Portal) -> None:
    """With --quiet, a sync that goes well prints nothing at all."""
    assert cli("sync", "--objects", "companies", "--quiet") == Said(0, "", "")


BAD_INPUT = {
    "unknown object": (["--objects", "contcat"], {}, 2, "contacts"),
    "unknown group": (["--select", "formz"], {}, 2, "Did you mean forms?"),
    "nothing left": (["--select", "tasks", "--exclude", "task"], {}, 2, "Nothing is left to read"),
    "unknown destination": (["--destination", "duckbd"], {}, 2, "--destination"),
    "missing token": ([], {"SOURCES__HUBSPOT__ACCESS_TOKEN": ""}, 2, "SOURCES__HUBSPOT__ACCESS_"),
    "wrong token": ([], {"SOURCES__HUBSPOT__ACCESS_TOKEN": SECRET}, 3, "SOURCES__HUBSPOT__ACCESS_"),
    "wrong share": ([], {"SOURCES__HUBSPOT__BUDGET_SHARE": "2"}, 2, "SOURCES__HUBSPOT__BUDGET_"),
    "no folder": (
        [],
        {"DESTINATION__DUCKDB__CREDENTIALS": "no/a.duckdb"},
        2,
        "DESTINATION__DUCKDB",
    ),
    "nobody there": (
        [],
        {"SOURCES__HUBSPOT__BASE_URL": "http://127.0.0.1:9", "SOURCES__HUBSPOT__MAX_ATTEMPTS": "1"},
        6,
        "127.0.0.1",
    ),
}


@pytest.mark.parametrize(
    ("words", "settings", "code", "named"), BAD_INPUT.values(), ids=BAD_INPUT.keys()
)
def test_bad_input_gets_one_line(
    fresh: Portal,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    settings: dict[str, str],
    code: int,
    named: str,
) -> None:
    """Bad input gets its exit code and one line that names the remedy, and writes nothing."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    said = cli("sync", *words)
    assert (said.code, said.out) == (code, "")
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert named in line
    assert SECRET not in line
    with duckdb.connect("new.duckdb") as connection:
        assert connection.execute("SHOW ALL TABLES").fetchall() == []


def test_error_as_json(fresh: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json an error is a member of the one object."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", SECRET)
    said = cli("sync", "--json")
    assert (said.code, said.json["exit_code"], said.json["status"]) == (3, 3, "failed")
    assert said.json["error"]["name"] == "auth"
    assert said.json["error"]["remedy"]
    assert SECRET not in said.out + said.err


def test_interrupt_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C while a command still begins is one object with --json, too, and else one line."""
    assert interrupted(KeyboardInterrupt(), ["sync", "--format", "json"]) == 130
    assert json.loads(capsys.readouterr().out)["status"] == "interrupted"
    assert interrupted(KeyboardInterrupt(), ["sync"]) == 130
    assert capsys.readouterr() == ("", "error: Interrupted.\n")


def test_unreadable_settings_file(fresh: Portal) -> None:
    """A settings file with a slip ends with 2 and one line that names the file."""
    Path(".dlt").mkdir()
    Path(".dlt/secrets.toml").write_text("[sources\n")
    with script("sync") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "secrets.toml" in err


def test_debug_shows_the_traceback(fresh: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only --debug shows a traceback, and the token is not in it."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", SECRET)
    said = cli("sync", "--debug")
    assert said.code == 3
    assert "Traceback" in said.err
    assert SECRET not in said.out + said.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        pytest.param(["sync", "--objekts", "contacts"], "--objekts", id="unknown option"),
        pytest.param(["synchronize"], "synchronize", id="unknown command"),
        pytest.param(["stat"], "? See", id="misspelt command"),
        pytest.param(["sync", "--objects", " , "], "--objects", id="no object"),
        pytest.param(["query"], "SQL", id="missing argument"),
        pytest.param(["status", "--dataset", ""], "--dataset", id="empty name"),
        pytest.param(["query", "select 1", "--format", "xml"], "csv", id="unknown format"),
        pytest.param(["emulate", "--contacts", "many"], "--contacts", id="no number"),
    ],
)
def test_bad_options_get_one_line(words: list[str], named: str) -> None:
    """Wrong options end with 2 and one line that names them; with --json, one object."""
    said = cli(*words)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert named in said.err
    assert cli(*words, "--json").json["exit_code"] == 2


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param("csv", 'n,text,nothing,yes\n1,"é, ""q""",,true\n', id="csv"),
        pytest.param(
            "json", '[{"n": 1, "text": "é, \\"q\\"", "nothing": null, "yes": true}]\n', id="json"
        ),
        pytest.param(
            "table", 'n  text    nothing   yes\n1  é, "q"  NULL     true\n', id="plain table"
        ),
    ],
)
def test_query_formats(synced: Path, form: str, expected: str) -> None:
    """Each format tells NULL from text and keeps Unicode, quotes and booleans."""
    sql = "SELECT 1 AS n, 'é, \"q\"' AS text, NULL AS nothing, true AS yes"
    assert cli("query", sql, "--format", form) == Said(0, expected, "")


@pytest.mark.parametrize(
    ("sql", "form", "expected"),
    [
        pytest.param("SELECT '' AS a, NULL AS b", "csv", 'a,b\n"",\n', id="empty text"),
        pytest.param("SELECT 1 AS a, 2 AS a", "json", '[{"a": 1, "a_2": 2}]\n', id="same name"),
        pytest.param("SELECT ';' AS a; -- two; three", "csv", "a\n;\n", id="no second statement"),
        pytest.param("SELECT chr(27) || '[31m' AS a", "table", "a\n\\x1b[31m\n", id="escape codes"),
        pytest.param("SELECT 'a\nb' AS a", "csv", 'a\n"a\nb"\n', id="line break"),
        pytest.param("SELECT 1 AS a WHERE false", "json", "[]\n", id="no rows"),
        pytest.param("SELECT 'nan'::DOUBLE AS a", "json", '[{"a": null}]\n', id="no number"),
        pytest.param("SELECT ['x', 'y'] AS a", "csv", 'a\n"[""x"", ""y""]"\n', id="list"),
    ],
)
def test_query_oddities(synced: Path, sql: str, form: str, expected: str) -> None:
    """Odd values and names come out unmistakably."""
    assert cli("query", sql, "--format", form) == Said(0, expected, "")


def test_query_needs_no_schema(synced: Path, first: First) -> None:
    """Tables are found without naming the dataset."""
    said = cli(
        "query", "select count(*) as n from contacts where not _hs_archived", "--format", "json"
    )
    assert json.loads(said.out) == [{"n": first.live}]


def test_query_shows_instants_in_utc(synced: Path) -> None:
    """Timestamps are printed in UTC, whatever the machine's time zone is."""
    sql = "SELECT TIMESTAMPTZ '2026-03-01 12:00:00+02' AS at"
    said = cli("query", sql, "--format", "json")
    assert json.loads(said.out) == [{"at": "2026-03-01T10:00:00Z"}]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        pytest.param(["select * from contakts"], "contakts", id="unknown table"),
        pytest.param(["select naem from contacts"], "naem", id="unknown column"),
        pytest.param(["select count(* from contacts"], "syntax", id="no SQL"),
        pytest.param(["delete from contacts"], "read", id="writes"),
        pytest.param(["select 1; delete from contacts"], "more than one", id="two statements"),
        pytest.param(["select 1", "--dataset", "hubspto"], "hubspto", id="unknown dataset"),
    ],
)
def test_query_mistakes(synced: Path, words: list[str], named: str) -> None:
    """A query that cannot be answered ends with 2 and one line that says why."""
    said = cli("query", *words)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert named in said.err


def test_query_without_a_warehouse() -> None:
    """Before the first sync, a query says that there is no file, and makes none."""
    said = cli("query", "select 1")
    assert said.code == 2
    assert "sync" in said.err
    assert list(Path().iterdir()) == []


def test_status_after_a_run(synced: Path, first: First) -> None:
    """`status` tells the last run, and each table's rows and freshness."""
    said = cli("status", "--json")
    result = said.json["result"]
    assert said.code == 0
    assert result["runs"][0]["status"] == "ok"
    tables = {row["table"]: row for row in result["tables"]}
    assert tables["contacts"]["live"] == first.live
    assert tables["contacts"]["fresh_at"] == first.said.json["tables"]["contacts"]["watermark"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["--max-age", "1d12h"], 0, id="fresh"),
        pytest.param(["--max-age", "0m", "--objects", "contacts"], 8, id="too old"),
        pytest.param(["--max-age", "tomorrow"], 2, id="no span"),
        pytest.param(["--max-age", "2 weeks"], 2, id="unknown unit"),
        pytest.param(["--objects", "contacts"], 2, id="objects alone"),
    ],
)
def test_status_with_an_age(synced: Path, words: list[str], code: int) -> None:
    """`status --max-age` ends with 8 where a table is older, also as JSON, and with 2 if wrong."""
    said = cli("status", *words, "--json")
    assert (said.code, said.json["exit_code"]) == (code, code)
    assert cli("status", *words, "--quiet").out == ""
    if code == 8:
        assert "contacts" in said.json["error"]["message"]


def test_status_before_the_first_sync() -> None:
    """`status` without a warehouse ends with 2 and says what to do."""
    said = cli("status")
    assert (said.code, said.out) == (2, "")
    assert "sync" in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """Every command of the contract exists and says what it does."""
    said = cli(command, "--help")
    assert said.code == 0
    assert f"Usage: hubspot-elt {command}" in said.out


def test_help_is_quick() -> None:
    """`--help` waits for no heavy library to be imported."""
    heavy = "{'dlt', 'duckdb', 'pyarrow', 'requests', 'starlette'}"
    tell = f"import atexit, sys; atexit.register(lambda: print({heavy} & sys.modules.keys())); "
    command = [sys.executable, "-c", tell + PROGRAM, "--help"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "set()"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_full_disk() -> None:
    """A result that cannot be written ends with 6 and one line, not with a traceback."""
    with Path("/dev/full").open("w") as full, script("status", "--help", stdout=full) as process:
        err = process.communicate(timeout=30)[1]
    assert (process.returncode, len(err.splitlines())) == (6, 1)


@pytest.mark.skipif(os.name != "posix", reason="shells elsewhere close no streams")
@pytest.mark.parametrize("ending", ["<&- >&- 2>&-", "| :"])
def test_streams_that_nobody_reads(tmp_path: Path, ending: str) -> None:
    """A closed stream, or a reader that went away, changes no exit code and no traceback comes."""
    command = shlex.join([sys.executable, "-c", PROGRAM, "status", "--dataset", "none", "--json"])
    run = subprocess.run(
        ["/bin/sh", "-c", f"{{ {command}; echo $? >code; }} {ending}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "code").read_text().strip() == "2"
    assert "Traceback" not in run.stderr


def script(*words: str, stdout: Any = subprocess.PIPE) -> "subprocess.Popen[str]":
    """Start the console script as its own process."""
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", heed + PROGRAM, *words]  # a shell's background ignores it
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


def test_emulate_prints_the_settings_and_serves() -> None:
    """`emulate` prints the two settings, and a portal answers there until Ctrl-C."""
    with script("emulate", "--port", "0", "--contacts", "5", "--no-limits") as process:
        assert process.stdout is not None
        pairs = [process.stdout.readline().split()[1].split("=", 1) for _ in range(2)]
        given = dict(pairs)
        answer = requests.get(
            given["SOURCES__HUBSPOT__BASE_URL"] + "/crm/v3/objects/contacts",
            headers={"Authorization": f"Bearer {given['SOURCES__HUBSPOT__ACCESS_TOKEN']}"},
            timeout=10,
        )
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert len(answer.json()["results"]) == 5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--version"], "hubspot-elt 0."),
        (["-h"], "Commands:"),
        (["sync", "-h"], "--full-refresh"),
        (["state", "rewind", "-h"], "--to"),
        (["--show-completion", "bash"], "complete"),
    ],
)
def test_what_a_program_answers_about_itself(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    """Version, help in its short form and completion are there without any setting."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # it may be no shell
    said = cli(*words)
    assert (said.code, said.err) == (0, "")
    assert expected in said.out


def test_a_misspelt_command_names_the_right_one() -> None:
    """A command or option that is nearly right is answered with the one that was meant."""
    assert "'sync'" in cli("synk").err
    assert "--objects" in cli("sync", "--objets", "contacts").err


def test_json_has_two_spellings(synced: Path) -> None:
    """`--format json` is `--json`, for results, for rows and for wrong options."""
    first, second = cli("status", "--format", "json"), cli("status", "--json")
    assert first.json["result"]["tables"][0].keys() == second.json["result"]["tables"][0].keys()
    sql = "select count(*) as n from contacts"
    assert cli("query", sql, "--json") == cli("query", sql, "--format", "json")
    assert cli("sync", "--objets", "x", "--format", "json").json["exit_code"] == 2


def test_verbose_prints_a_line_per_call(synced: Path) -> None:
    """With --verbose every call is a line on stderr that names it and what came back."""
    said = cli("doctor", "--verbose", "--objects", "contacts")
    lines = [line for line in said.err.splitlines() if line.startswith("call: ")]
    assert len(lines) >= 2  # the account and a page of contacts
    assert any(line.startswith("call: GET /account-info/") and " 200, " in line for line in lines)
    assert os.environ["SOURCES__HUBSPOT__ACCESS_TOKEN"] not in said.err


def test_names_of_tables_are_taken_in_any_case(synced: Path) -> None:
    """A table goes by its name or type id in any case; a misspelt one names the right one."""
    said = cli("sync", "--objects", "CONTACTS,0-2", "--json")
    assert {"contacts", "companies"} <= said.json["tables"].keys()
    said = cli("sync", "--objects", "contakts", "--json")
    assert said.json["exit_code"] == 2
    assert "Did you mean contacts?" in said.json["error"]["remedy"]
    said = cli("state", "reset", "--table", "Contakts", "--json")
    assert "Did you mean contacts?" in said.json["error"]["remedy"]
