"""A signal ends a command as Ctrl-C does: soon, with a word, and what is loaded stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

PATIENCE_SECONDS = 60
SYNC = [sys.executable, "-c", "from pipelines.cli.app import main; main()", "sync", "--objects"]
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child"]
SIGNALS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture
def slow() -> Iterator[EmulatorServer]:
    """A portal of this test alone, whose pages of contacts come after it."""
    with EmulatorServer(SeedSpec(contacts=3, companies=3), limits="off") as server:
        yield server


@pytest.fixture
def environment(slow: EmulatorServer, tmp_path: Path) -> dict[str, str]:
    """The settings of a sync whose working folder lies in `tmp`."""
    (tmp_path / "tmp").mkdir()
    return os.environ | {
        "SOURCES__HUBSPOT__BASE_URL": slow.url,
        "SOURCES__HUBSPOT__ACCESS_TOKEN": slow.token,
        "SOURCES__HUBSPOT__LOAD_ROWS": "1",
        "TMPDIR": str(tmp_path / "tmp"),
    }


def end(
    slow: EmulatorServer, words: list[str], name: str, environment: dict[str, str]
) -> tuple[int, str]:
    """Start a sync, send it a signal while it waits for an answer; return its code and words."""
    fault = slow.portal.faults.add(
        path=r"objects/.*/deals\?", delay_ms=10 * PATIENCE_SECONDS * 1000
    )
    heed = f"import signal; signal.signal(signal.{name}, signal.SIG_DFL)\n"  # a shell may ignore it
    command = [word.replace("from pipelines", f"{heed}from pipelines", 1) for word in words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not fault.used and process.poll() is None and time.monotonic() < give_up_at:
            time.sleep(0.05)
        target = process.pid
        if words[0] == UNSHARE[0]:
            target = int(Path(f"/proc/{target}/task/{target}/children").read_text().split()[0])
        os.kill(target, getattr(signal, name))
        err = process.communicate(timeout=PATIENCE_SECONDS)[1]
    return process.returncode, err


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_a_sync(
    slow: EmulatorServer, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    """A sync ends before the answer that it waits for; its loads, a line and the code stay."""
    code, err = end(slow, [*SYNC, "contacts,deals"], name, environment)
    assert code == 128 + getattr(signal, name)
    assert "Traceback" not in err
    assert "Interrupted" in err
    assert (name in err) == (name != "SIGINT")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs util-linux")
def test_the_first_process_of_a_container_ends_too(
    slow: EmulatorServer, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM ends a sync that is process 1, which ignores signals that it has no handler for."""
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may make no namespaces")
    code, err = end(slow, [*UNSHARE, *SYNC, "deals"], "SIGTERM", environment)
    assert (code, "Traceback" in err) == (143, False)
    assert "SIGTERM" in err
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_second_signal_ends_at_once() -> None:
    """Who sends a signal again waits for no clean-up."""
    program = (
        "import time\nfrom pipelines.runtime.signals import stopping\nwith stopping():\n"
        "    try:\n        print('begun', flush=True)\n        time.sleep(600)\n"
        "    finally:\n        print('cleaning', flush=True)\n        time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for word in ("begun", "cleaning"):
            assert process.stdout.readline().strip() == word
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 143


def test_a_load_is_cut_off(tmp_path: Path) -> None:
    """A statement that DuckDB is at ends with the signal, in whatever thread it runs."""
    program = (
        "import signal, threading\nimport duckdb\n"
        "from destinations.connections import OPEN, interrupt\n"
        "from pipelines.runtime.signals import hurrying, stopping\n"
        "connection = duckdb.connect()\nOPEN.add(connection)\n"
        "endless = 'SELECT sum(range) FROM range(10000000000000)'\n"
        "thread = threading.Thread(target=lambda: connection.execute(endless))\n"
        "with stopping(), hurrying(interrupt):\n"
        "    thread.start()\n    print('begun', flush=True)\n    thread.join()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "begun"
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert "Stopped: SIGTERM" in err


@pytest.mark.parametrize(
    ("name", "form"), [*zip(SIGNALS, (["--json"], [], ["--json"]), strict=False)]
)
def test_a_signal_before_a_command_begins(name: str, form: list[str]) -> None:
    """A signal in the middle of an import is told as well, and needs no further import."""
    program = (
        "import os, signal, sys\nfrom pipelines.cli.app import main\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"
        "class Importing:\n    def find_spec(self, module, *_):\n"
        f"        if module == 'dlt.common':\n            os.kill(os.getpid(), signal.{name})\n"
        f"sys.meta_path.insert(0, Importing())\nmain({['sync', *form]})\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    code = 128 + getattr(signal, name)
    assert ended.returncode == code
    if form:
        assert json.loads(ended.stdout)["exit_code"] == code
    else:
        assert len(ended.stderr.splitlines()) == 1
    assert "Interrupted" in ended.stdout + ended.stderr
