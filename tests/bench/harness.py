"""What benchmarks share: an emulated portal in a process of its own, and a command's cost."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
CLI = (str(Path(PYTHON).parent / "hubspot-elt"),)
IMPORTED = (  # what a sync has imported at its end
    "pipelines.cli.app", "pipelines.commands.sync", "pipelines.cli.output.progress",
    "pipelines.cli.output.render", "typer._adapters",
    "dlt.destinations.impl.duckdb.duck", "dlt.destinations.impl.duckdb.factory", "pyarrow.parquet",
    "dlt.normalize.normalize", "dlt.load.load", "dlt.common.libs.pyarrow",
)  # fmt: skip
IMPORT = (PYTHON, "-c", f"import {', '.join(IMPORTED)}")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command cost, as the operating system tells."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    exit_code: int
    output: str


def measure(command: Sequence[str], environment: dict[str, str], folder: Path) -> Usage:
    """Run a command to its end; its errors go to this one's.

    CPU seconds are those of the process and of its children that it waited for. The peak of
    resident memory is what Linux keeps of the process since it began (VmHWM); what `wait4` tells
    may be the peak of this process, which it was forked from.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=output)
        peak = 0
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _peak_kib(child.pid))
            time.sleep(0.05)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return Usage(
            wall_seconds=round(wall, 2),
            cpu_seconds=round(used.ru_utime + used.ru_stime, 2),
            peak_mib=round(peak / 1024, 1),
            exit_code=child.returncode,
            output=output.read(),
        )


def _peak_kib(pid: int) -> int:
    """Read the peak of a process's resident memory; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@dataclass(frozen=True, slots=True)
class EmulatedPortal:
    """A portal that answers, and how to steer it."""

    url: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point a connector at it."""
        return {
            "SOURCES__HUBSPOT__BASE_URL": self.url,
            "SOURCES__HUBSPOT__ACCESS_TOKEN": self.token,
            "PYTHONPATH": str(ROOT),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }

    def control(self, action: str, *, method: str = "POST", **body: Any) -> Any:
        """Call the control API."""
        answer = requests.request(method, f"{self.url}/_emulator/{action}", json=body, timeout=600)
        answer.raise_for_status()
        return answer.json()

    def calls(self) -> dict[str, int]:
        """Count the calls since the journal was cleared, by what they were for."""
        requests_ = self.control("journal", method="GET")["requests"]
        found: dict[str, int] = {}
        for request in requests_:
            kind = kind_of(request["method"], request["path"])
            found[kind] = found.get(kind, 0) + 1
        return found


def kind_of(method: str, path: str) -> str:
    """Tell what a call is for: list, read, search, links, or metadata."""
    if "/associations/" in path and path.endswith("/batch/read"):
        return "links"
    if "/objects/" not in path:
        return "metadata"
    if path.endswith("/search"):
        return "search"
    return "read" if method == "POST" else "list"


@contextmanager
def emulated(
    *, contacts: int, properties: int, latency_ms: float = 0, limits: bool = False, seed: int = 1
) -> Iterator[EmulatedPortal]:
    """Run an emulated portal in a process of its own."""
    flags = {
        "--contacts": contacts,
        "--properties": properties,
        "--latency-ms": latency_ms,
        "--seed": seed,
        "--port": 0,
    }
    command = [*CLI, "emulate", "--limits" if limits else "--no-limits"]
    command += [str(part) for flag in flags.items() for part in flag]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        settings = dict(_read_setting(process) for _ in range(2))
        yield EmulatedPortal(
            settings["SOURCES__HUBSPOT__BASE_URL"], settings["SOURCES__HUBSPOT__ACCESS_TOKEN"]
        )
    finally:
        process.kill()
        process.wait()


def _read_setting(process: "subprocess.Popen[str]") -> tuple[str, str]:
    line = process.stdout.readline() if process.stdout else ""
    name, _, value = line.removeprefix("export ").strip().partition("=")
    return name, value


def asked(purpose: str | None, **defaults: float) -> argparse.Namespace:
    """Read a benchmark's options: numbers like their defaults, flags where these are False."""
    parser = argparse.ArgumentParser(description=purpose)
    for name, default in defaults.items():
        flag = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(default), default=default)
    return parser.parse_args()


@contextmanager
def workplace(*, contacts: int, properties: int) -> Iterator[tuple[EmulatedPortal, Path]]:
    """Run an emulated portal, and make a folder that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory() as name,
        emulated(contacts=contacts, properties=properties) as portal,
    ):
        yield portal, Path(name)


def rows_of(usage: Usage) -> int:
    """Return how many contacts a sync brought."""
    rows: int = json.loads(usage.output)["tables"]["contacts"]["rows"]
    return rows


def sync(portal: EmulatedPortal, folder: Path, *options: str, **settings: str) -> Usage:
    """Sync the portal into a DuckDB file in a folder, as a person would; exit where it fails."""
    environment = portal.environment | {
        f"SOURCES__HUBSPOT__{name.upper()}": value for name, value in settings.items()
    }
    usage = measure((*CLI, "sync", "--json", "--quiet", *options), environment, folder)
    if usage.exit_code:
        sys.exit(f"sync ended with {usage.exit_code}: {usage.output[-2000:]}")
    return usage


def import_cpu_seconds(folder: Path) -> float:
    """Measure what starting Python and importing everything costs: the least of three."""
    environment = {"PYTHONPATH": str(ROOT)}
    return min(measure(IMPORT, environment, folder).cpu_seconds for _ in range(3))


def report(name: str, **figures: Any) -> None:
    """Print one JSON line."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": name, **figures, "machine": machine}), flush=True)


def figures(usage: Usage) -> dict[str, Any]:
    """Return what a command cost, without its output."""
    return {k: v for k, v in asdict(usage).items() if k not in {"output", "exit_code"}}
