"""What a user would run instead, each installed from the package registry into its own environment.

Neither ingestr nor tap-hubspot has a setting for HubSpot's address, so they are pointed at the
emulator: Python programs by setting the constant that holds the address before their own entry
point is called (`contenders/redirected.py`), ingestr's compiled program by writing another address
of the same length over the one in a copy of it. Nothing else of them is changed, and nothing that
could change their speed; they speak plain HTTP with the emulator, as ours does. Telemetry is off.

ingestr fetches the DuckDB driver, and since 1.1.23 its own program, from hosts of their own when it
first runs. The driver is given to it from DuckDB's wheel instead (which needs Python's own shared
library beside it); 1.1.22 is the last release whose wheel holds the program. tap-hubspot's
discovery asks for streams of legacy APIs that the emulator lacks, so its code is called for
contacts alone (`contenders/tap_hubspot_contacts.py`), before the clock starts.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from versus_tree import telling

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "contenders"
HUBSPOT = b"https://api.hubapi.com/"
DUCKDB = "duckdb==1.5.6"
INSTALL_SECONDS = 1200
ADBC_MANIFEST = """manifest_version = 1
name = "DuckDB"
version = "1.5.6"

[ADBC]
version = "1.1.0"

[Driver]
entrypoint = "duckdb_adbc_init"
shared = "{driver}"
"""

Names = Mapping[str, Any]


class ContenderError(Exception):
    """A contender cannot be installed or prepared; the message tells why."""


@dataclass(frozen=True)
class Setting:
    """Where one run happens: its folder, its DuckDB file, the emulator, its environments.

    A run whose DuckDB file is there already is a second one.
    """

    folder: Path
    file: Path
    url: str
    token: str
    environments: Sequence[Path]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of a run: those of a new account, and where HubSpot is."""
        kept = {one: os.environ[one] for one in ("PATH", "LANG") if one in os.environ}
        return kept | {
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "DLT_DATA_DIR": str(self.folder / "dlt"),  # as root dlt does not look at HOME
            "HUBSPOT_URL": self.url,
            "HUBSPOT_TOKEN": self.token,
            "DUCKDB_FILE": str(self.file),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DISABLE_TELEMETRY": "true",
            "INGESTR_DISABLE_TELEMETRY": "true",
        }

    def python(self, number: int = 0) -> str:
        """Return the interpreter of an environment."""
        return self.program("python", number)

    def program(self, name: str, number: int = 0) -> str:
        """Return a program of an environment."""
        return str(self.environments[number] / "bin" / name)

    def call(self, *command: str) -> str:
        """Run a command that prepares the run; return what it prints."""
        return called(command, self.variables, self.folder)


Command = Callable[[Setting], Sequence[str]]


@dataclass(frozen=True)
class Contender:
    """One way to bring contacts into a DuckDB file, as table `hubspot.contacts`.

    `requirements` has the packages of each environment; `command` prepares a run, which is not
    measured, and returns what is. `fallback` is a portal, as changes of the seed, to try where the
    command fails on the usual one, and `why` what must be known about it.
    """

    name: str
    requirements: Sequence[Sequence[str]]
    command: Command
    key: str = "id"
    fallback: Names = field(default_factory=dict)
    why: str = ""

    @property
    def versions(self) -> str:
        """Return what is installed, in short."""
        firsts = [group[0] for group in self.requirements]
        return ", ".join(_commit() if one == str(ROOT) else one for one in firsts)


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "this folder"


def called(command: Sequence[str], variables: Mapping[str, str], folder: Path) -> str:
    """Run a command to its end and return what it prints; what fails raises ContenderError."""
    done = subprocess.run(
        command,
        env=dict(variables),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ContenderError(f"{Path(command[0]).name}: {telling(done.stderr or done.stdout)}")
    return done.stdout


def install(requirements: Sequence[str], work: Path) -> Path:
    """Make an environment with these packages, or find it; our own is installed each time."""
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:10]
    place = work / "environments" / digest
    uv = shutil.which("uv") or "uv"
    ours = str(ROOT) in requirements
    ready = place / "ready"
    if ready.exists() and not ours:
        return place
    if not (place / "bin").exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        called([uv, "venv", "--quiet", "--python", version, str(place)], os.environ, ROOT)
    again = ["--reinstall-package", "hubspot-elt"] if ours else []
    command = [uv, "pip", "install", "--quiet", "--compile-bytecode", *again]
    command += ["--python", str(place / "bin" / "python"), *requirements]
    # from the project's folder, so that its exact pins hold for it, and for it alone
    called(command, os.environ, ROOT if ours else place)
    ready.touch()
    return place


def _ours(at: Setting) -> list[str]:
    settings = {
        "SOURCES__HUBSPOT__ACCESS_TOKEN": at.token,
        "SOURCES__HUBSPOT__BASE_URL": at.url,
        "DESTINATION__DUCKDB__CREDENTIALS": str(at.file),
    }
    given = [f"{name}={value}" for name, value in settings.items()]
    return ["env", *given, at.program("hubspot-elt"), "sync", "--objects", "contacts"]


def _naive(at: Setting) -> list[str]:
    return [at.python(), str(SCRIPTS / "naive.py")]


def _singer(at: Setting) -> list[str]:
    tap, target = at.folder / "tap.json", at.folder / "target.json"
    tap.write_text(json.dumps({"start_date": "2000-01-01T00:00:00Z", "api_key": at.token}))
    target.write_text(json.dumps({"path": str(at.file), "default_target_schema": "hubspot"}))
    catalog = at.folder / "catalog.json"
    catalog.write_text(at.call(at.python(), str(SCRIPTS / "tap_hubspot_contacts.py")))
    here = f"{at.python()} {SCRIPTS / 'redirected.py'} tap_hubspot BASE_URL tap_hubspot:main"
    states, state = at.folder / "states.txt", at.folder / "state.json"
    if at.file.exists():
        state.write_text(states.read_text().splitlines()[-1])
        here += f" --state {state}"
    pipe = (
        f"{here} --config {tap} --properties {catalog}"
        f" | {at.program('target-duckdb', 1)} --config {target} > {states}"
    )
    return ["bash", "-o", "pipefail", "-c", pipe]


def _ingestr_arguments(at: Setting) -> list[str]:
    given = {
        "--source-uri": f"hubspot://?api_key={at.token}",
        "--source-table": "contacts",
        "--dest-uri": f"duckdb:///{at.file}",
        "--dest-table": "hubspot.contacts",
        "--progress": "log",
    }
    return ["ingest", "--yes", *(part for pair in given.items() for part in pair)]


def _ingestr_in_python(at: Setting) -> list[str]:
    constant = ("ingestr.src.hubspot.helpers", "BASE_URL")
    here = [at.python(), str(SCRIPTS / "redirected.py"), *constant, "ingestr.main:main"]
    return [*here, *_ingestr_arguments(at)]


def _ingestr(at: Setting) -> list[str]:
    original = Path(at.program("ingestr"))
    if original.stat().st_size < 1_000_000:
        fetch = "from ingestr._runner import binary_path; print(binary_path())"
        original = Path(at.call(at.python(), "-c", fetch).split()[-1])
    program = original.read_bytes()
    address = f"{at.url}/".encode()
    if program.count(HUBSPOT) != 1 or len(address) != len(HUBSPOT):
        raise ContenderError(f"{original.name} does not hold HubSpot's address once")
    redirected = at.folder / "ingestr"
    redirected.write_bytes(program.replace(HUBSPOT, address))
    redirected.chmod(0o755)
    site = at.call(at.python(1), "-c", "import _duckdb; print(_duckdb.__file__)")
    (at.folder / "duckdb.toml").write_text(ADBC_MANIFEST.format(driver=site.strip()))
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    variables = [f"ADBC_DRIVER_PATH={at.folder}", f"LD_PRELOAD={library}"]
    # it keeps no state: who schedules it says since when
    began = at.folder / "began.txt"
    since = ["--interval-start", began.read_text()] if at.file.exists() else []
    began.write_text(datetime.now(tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z"))
    return ["env", *variables, str(redirected), *_ingestr_arguments(at), *since]


def other(path: Path) -> Contender:
    """Return a contender by the path of its program.

    It finds `HUBSPOT_URL`, `HUBSPOT_TOKEN` and `DUCKDB_FILE` in its environment and must leave a
    table `hubspot.contacts` with the record's id as `id`. A Python script must name what it needs
    in inline metadata, and gets that as its environment.
    """
    whole = str(path.resolve())

    def command(at: Setting) -> list[str]:
        if path.suffix != ".py":
            return [whole]
        called(["uv", "sync", "--quiet", "--script", whole], os.environ, at.folder)
        find = ["uv", "python", "find", "--script", whole]
        return [called(find, os.environ, at.folder).strip(), whole]

    return Contender(path.stem, [], command)


NO_ARCHIVED = {"archived": 0.0}
NO_ODD_VALUES = {"odd_values": False}

CONTENDERS = {
    one.name: one
    for one in (
        Contender("ours", [[str(ROOT)]], _ours),
        Contender("naive", [["dlt[duckdb]==1.31.0", DUCKDB, "requests==2.34.2"]], _naive),
        Contender(
            "ingestr",
            [["ingestr==1.1.22"], [DUCKDB]],
            _ingestr,
            key="hs_object_id",
            fallback=NO_ARCHIVED,
            why="it reads archived records with a request that lacks a member which HubSpot's"
            " specification requires and the emulator insists on; HubSpot may be milder",
        ),
        Contender(
            "ingestr-newest", [["ingestr==1.1.76"], [DUCKDB]], _ingestr, key="hs_object_id",
            fallback=NO_ARCHIVED,
        ),
        Contender(
            "ingestr-python", [["ingestr==0.14.155"]], _ingestr_in_python, key="hs_object_id"
        ),
        Contender(
            "tap-hubspot",
            # DuckDB as it was when the target was released: 1.5 takes its first row for a header
            [["tap-hubspot==4.5.0"], ["target-duckdb==0.8.0", "duckdb==1.1.3"]],
            _singer,
            fallback=NO_ODD_VALUES,
            why="one value that is not of its property's type ends its run",
        ),
    )
}  # fmt: skip
