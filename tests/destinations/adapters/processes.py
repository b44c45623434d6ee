"""What adapters share: servers that they start, accounts that the caller has."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from machine import GIVEN

PATIENCE_SECONDS = 120  # an environment may have to be made first
EMULATORS = Path(__file__).parent.parent / "emulators"


def account(setting: str) -> Mapping[str, str]:
    """Return the settings that begin so and were in the environment when the tests began."""
    return {name: value for name, value in _given().items() if name.upper().startswith(setting)}


def outside() -> Mapping[str, str]:
    """Return the environment as it was, settings of dlt left out, for what fetches packages."""
    return {name: value for name, value in _given().items() if "__" not in name} | dict(os.environ)


def _given() -> dict[str, str]:
    given: dict[str, str] = json.loads(os.environ.get(GIVEN, "{}"))
    return given


def free_port() -> int:
    """Return a port on this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def begin(
    command: Sequence[str | Path], port: int, log: Path, **more: str
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens.

    Args:
        command: that runs it, until it is ended.
        port: that it will listen on.
        log: of what it says.
        more: variables of its environment.

    Raises:
        RuntimeError: it ended, or did not listen in time.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **more})
    end = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return process
    process.kill()
    raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-2_000:]}")


def begin_emulator(
    packages: Sequence[str], script: str, port: int, log: Path, *more: str
) -> subprocess.Popen[bytes]:
    """Start a script of ../emulators in an environment of its own with these packages."""
    given = [part for package in packages for part in ("--with", package)]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["uv", "run", "--no-project", "--quiet", "--python", python, *given, "python"]
    return begin([*command, EMULATORS / script, str(port), *more], port, log, **outside())


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server, and wait until it is gone."""
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
