"""Shared by all tests: an emulated portal on a real socket, and syncs of it into a real DuckDB."""

import json
import os

from machine import followed

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # as the command line has it; read by an import

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from adapters import ADAPTERS, Adapter, adapter_named
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime.collector import NULL_COLLECTOR
from dlt.load.load import Load
from hypothesis import settings

from pipelines.cli.console import importing
from pipelines.cli.output.report import RunReport
from pipelines.commands.sync import SyncOptions, sync
from pipelines.runtime.quicker_dlt.stand_ins import without_pandas
from sources.hubspot.catalog.endpoints import GROUPS
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot.config import HubSpotConfig, resolve_config
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Limits

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, where pytest makes folders of its own
SPACE_BYTES = 4 * 2**30
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > SPACE_BYTES:
    os.environ["TMPDIR"] = str(MEMORY)  # hundreds of small warehouses: no disk needs to see them
    tempfile.tempdir = None

settings.register_profile("same", derandomize=True)  # what passed once passes again
settings.load_profile("same")

WIDE = Limits(interval=10**6, search=10**6, associations=10**6, daily=10**9)
UNPACKED = '{"force_compression": "uncompressed"}'  # a tenth of a small sync's CPU is packing
MADE = "BLOCK_SIZE 16384, STORAGE_VERSION 'v1.2.0'"
"""Of the DuckDB files of tests, where no older program reads them; see `_small_blocks`."""
POLL_SECONDS = "0.003"  # dlt sleeps 10 ms where a call takes 2, ten times in a small sync
OTHER_GROUPS = sorted(GROUPS.keys() - {CRM})
"""What no test reads that does not ask for it: it would pay for forty more tables."""
CORE = ("contacts", "companies", "deals", "tickets")
SERVERS: dict[str, EmulatorServer] = {}  # by address: the portals that runs of a test read
READERS = duckdb.connect()
"""To which the files that tests read are attached."""
NUMBERS = itertools.count()
DAY_MS = 86_400_000
NEXT_RUN_MS = 2_000  # HubSpot's clock is known to the second, and nobody's runs begin in the same
FEW = SeedSpec(contacts=60, companies=20, properties=12, custom_objects=0, handful=False)
"""A portal of some records of each core type, for tests to which its size does not matter."""
FEWER = SeedSpec(contacts=5, companies=2, custom_objects=0)
"""A portal for tests that look at other APIs than the CRM's."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of destinations that `tests/destinations` runs on."""
    known = ", ".join(ADAPTERS)
    parser.addoption(
        "--on", default="duckdb,postgres", help=f"of {known}, or module:Class of an adapter"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, so that the workers, which share the rest, end together."""
    items.sort(key=lambda item: item.path.stem != "test_stateful")


@pytest.fixture(scope="session", autouse=True)
def _no_garbage() -> None:
    """What is imported is no garbage, here as for the command line."""
    with importing():
        pass


@pytest.fixture(scope="session", autouse=True)
def _no_pandas() -> Iterator[None]:
    """DuckDB looks for no pandas in questions of the tests either."""
    with without_pandas():
        yield


@pytest.fixture(scope="session", autouse=True)
def _loads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The workers of one run share what they load."""
    own = tmp_path_factory.getbasetemp()
    Warehouse.loads = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "loads"
    Warehouse.loads.mkdir(exist_ok=True)


@pytest.fixture(scope="session", autouse=True)
def _small_blocks() -> Iterator[None]:
    """New DuckDB files have blocks of 16 KiB, and a form that no DuckDB before 1.2 can read.

    Blocks are 256 KiB by default, and a column of a table takes one at least; writing them is a
    twentieth of a small sync. For DuckDBs before 1.2 it works out the number of distinct values of
    each column it writes in a form that takes 0.2 ms, a tenth of a small sync.
    """
    connect = duckdb.connect
    with connect() as maker, pytest.MonkeyPatch.context() as patch:

        def opened(database: str = ":memory:", *args: Any, **options: Any) -> Any:
            if not (database == ":memory:" or options.get("read_only") or Path(database).exists()):
                with suppress(duckdb.Error):  # what is wrong with it, opening it tells
                    maker.execute(f"ATTACH '{database}' AS made ({MADE})")
                    maker.execute("DETACH made")
            return connect(database, *args, **options)

        patch.setattr(duckdb, "connect", opened)
        yield


@pytest.fixture(scope="session", autouse=True)
def _hasty_loads() -> Iterator[None]:
    """A job of dlt that failed is tried again at once, not after a second."""
    wait = property(lambda _: 0.05, lambda *_: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Load, "_run_loop_sleep_duration", wait, raising=False)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[EmulatorServer]:
    """One emulator for the whole session, with wide rate limits."""
    with EmulatorServer(SeedSpec.empty(), limits=WIDE) as running:
        SERVERS[running.url] = running
        yield running


@pytest.fixture
def portal(server: EmulatorServer) -> Portal:
    """An empty portal; a test seeds it and turns on what it needs."""
    server.portal.reset(SeedSpec.empty())
    return server.portal


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees what another left, or the working directory of the machine it runs on."""
    for name in followed():
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("SOURCES__HUBSPOT__EXCLUDE", json.dumps(OTHER_GROUPS))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", UNPACKED)
    monkeypatch.setenv("EXTRACT__FUTURES_POLL_INTERVAL", POLL_SECONDS)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path.with_name(f"{tmp_path.name}.state")))
    monkeypatch.chdir(tmp_path)
    Container()[PipelineContext].deactivate()  # of a test before, whose folder is gone


@pytest.fixture
def records_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Owners and pipelines are not read either, by tests that look at records and links alone."""
    left_out = json.dumps([*OTHER_GROUPS, "owners", "pipelines"])
    monkeypatch.setenv("SOURCES__HUBSPOT__EXCLUDE", left_out)


def wide(server: EmulatorServer) -> HubSpotConfig:
    """Return settings that point at the emulator, with its wide limits."""
    return resolve_config(
        base_url=server.url,
        access_token=server.token,
        search_per_second=10**6,
        associations_per_10_seconds=10**6,
    )


@pytest.fixture
def config(server: EmulatorServer) -> HubSpotConfig:
    """Settings that point at the emulator, with its wide limits."""
    return wide(server)


class Warehouse:
    """A DuckDB file that syncs go into, and questions about it."""

    loads: Path
    """Where the files lie that `once` keeps, for the tests of all workers."""

    def __init__(self, path: Path, config: HubSpotConfig) -> None:
        self.path, self.config = path, config
        self._reader: duckdb.DuckDBPyConnection | None = None

    def sync(self, *objects: str, **options: Any) -> RunReport:
        """Run a sync of these tables, seconds after the last; raise what it could not begin."""
        self._leave_seconds()
        return self.sync_at_once(*(objects or CORE), **options)

    def sync_all(self, **options: Any) -> RunReport:
        """Run a sync of all that the token may read, seconds after the last."""
        self._leave_seconds()
        return self.sync_at_once(**options)

    def sync_at_once(self, *objects: str, **options: Any) -> RunReport:
        """Run a sync, be it in the second of the one before."""
        return sync(
            SyncOptions(objects=objects, **options), collector=NULL_COLLECTOR, config=self.config
        )

    def _leave_seconds(self) -> None:
        if self.config.base_url in SERVERS:
            SERVERS[self.config.base_url].portal.clock.advance(NEXT_RUN_MS)

    def once(self, what: object, load: Callable[[], object]) -> bool:
        """Load, or copy the file that this left the last time, in any test; return if it loaded.

        Args:
            what: the name of the load: what the portal holds and what is synced, settings included.
            load: syncs of a portal that the caller has seeded, the same each time.
        """
        kept = self._kept(what)
        if kept.exists():
            shutil.copyfile(kept, self.path)
            return False
        load()
        self.keep(what)
        return True

    def keep(self, what: object) -> None:
        """Keep the file as what this load leaves, for tests that ask for it by `once`."""
        with tempfile.NamedTemporaryFile(dir=self.loads, delete=False) as copy:
            copy.write(self.path.read_bytes())
        Path(copy.name).rename(self._kept(what))  # whole, whatever another worker does

    def _kept(self, what: object) -> Path:
        return self.loads / f"{sha256(repr(what).encode()).hexdigest()}.duckdb"

    def load(self, portal: Portal, spec: SeedSpec, *objects: str, **options: Any) -> None:
        """Seed a portal and sync it, or copy the file of the test that did the same."""
        self._load(portal, spec, objects or CORE, **options)

    def load_all(self, portal: Portal, spec: SeedSpec, **options: Any) -> None:
        """Seed a portal and sync all that the token may read, or what is selected; or copy."""
        self._load(portal, spec, (), **options)

    def _load(self, portal: Portal, spec: SeedSpec, objects: Sequence[str], **options: Any) -> None:
        portal.reset(spec)
        today = portal.clock.now_ms() // DAY_MS  # seeded events are some days old
        what = (spec, objects, tuple(options.items()), replace(self.config, base_url=""), today)

        def sync_whole() -> None:
            self._leave_seconds()
            report = self.sync_at_once(*objects, **options)
            assert report.exit_code == 0, report.error

        self.once(what, sync_whole)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the file attached: that takes longer than to answer a question."""
        if not self.path.is_file():
            yield
            return
        with self._attached():
            yield

    @contextmanager
    def _attached(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Attach the file to a database in memory, which takes half as long as opening it."""
        if self._reader:
            yield self._reader
            return
        name = f"file_{next(NUMBERS)}"
        with READERS.cursor() as reader:
            try:
                reader.execute(f"ATTACH '{self.path}' AS {name} (READ_ONLY)")
                reader.execute(f"USE {name}.hubspot")
                self._reader = reader
                yield reader
            finally:
                self._reader = None
                reader.execute(f"USE memory; DETACH DATABASE IF EXISTS {name}")

    def rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """Run SQL on the dataset."""
        with self._attached() as connection:
            return connection.execute(sql, args).fetchall()

    def table(self, name: str) -> dict[str, dict[str, Any]]:
        """Return a table's rows by id."""
        return {row["id"]: row for row in self._read(name)}

    def all_rows(self, name: str) -> list[dict[str, Any]]:
        """Return a table's rows, none where it is not there."""
        with suppress(duckdb.CatalogException):
            return self._read(name)
        return []

    def _read(self, name: str) -> list[dict[str, Any]]:
        with self._attached() as connection:
            cursor = connection.table(name)
            columns = [column[0] for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def with_settings(self, **settings: Any) -> "Warehouse":
        """Return the same warehouse, synced with other settings."""
        return Warehouse(self.path, replace(self.config, **settings))


@pytest.fixture
def warehouse(tmp_path: Path, config: HubSpotConfig, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse that does not exist yet."""
    path = tmp_path / "warehouse.duckdb"
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
    return Warehouse(path, config)


Sync = Callable[..., RunReport]


@pytest.fixture(scope="session")
def adapters() -> Iterator[Callable[[str], Adapter]]:
    """Start a destination under test where it is asked for first, and stop all in the end."""
    with ExitStack() as stack:

        @cache
        def started(name: str) -> Adapter:
            made = tempfile.TemporaryDirectory(prefix="hs-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            folder.chmod(0o755)  # a server that root starts runs as another user
            adapter = adapter_named(name)
            adapter.folder = folder
            adapter.start(folder)
            stack.callback(adapter.stop)
            return adapter

        yield started


@pytest.fixture(scope="session")
def server_uri(adapters: Callable[[str], Adapter]) -> str:
    """A PostgreSQL server on a socket of its own; passwords count for all but its owner."""
    return adapters("postgres").credentials()["DESTINATION__POSTGRES__CREDENTIALS"]
