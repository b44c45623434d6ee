"""What every command shows, at 80 and at 120 columns, compared with the files in `screens`."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer
from conftest import UNPACKED
from screenshots import check_screen, check_text
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.cli.output.progress import RunCollector, SilentCollector
from pipelines.cli.output.report import RunReport, report_of
from pipelines.commands.doctor import doctor
from pipelines.commands.forget import forget
from pipelines.commands.plan import plan
from pipelines.commands.query import query
from pipelines.commands.state import show
from pipelines.commands.status import status
from pipelines.commands.sync import SyncOptions, sync
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.config import HubSpotConfig, resolve_config
from sources.hubspot.errors import ConfigError, HubSpotError
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import DEFAULT_TOKEN, Token

LONG = "a_custom_object_with_quite_a_long_name"
OBJECTS = ("contacts", "companies", "deals", "fees", f"custom_{LONG}")
SCOPES = frozenset(
    f"crm.{what}.{name}.read"
    for what in ("objects", "schemas")
    for name in ("contacts", "companies", "custom")
)
TERMINAL = {"query-wide"}
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


class Stopping(SilentCollector):
    """Ends a run as Ctrl-C does, when the first rows of contacts are there."""

    def update(self, name: str, inc: int = 1, *others: Any, **more: Any) -> None:
        """Raise what Ctrl-C raises."""
        if name == "contacts" and inc:
            raise KeyboardInterrupt
        super().update(name, inc, *others, **more)


class Person:
    """Runs the commands one after the other, as a person would, and keeps what they report."""

    def __init__(self, portal: Portal, config: HubSpotConfig, file: Path) -> None:
        self.portal, self.config, self.file = portal, config, file
        self.screens: dict[str, RunReport] = {}
        self.options = SyncOptions(OBJECTS)

    def keep(self, name: str, command: Callable[[], RunReport]) -> None:
        """Run a command and keep its report, or that of the error which ended it.

        Seconds pass before it: HubSpot's clock is known to the second.
        """
        self.portal.clock.advance(2_000)
        try:
            self.screens[name] = command()
        except (HubSpotError, KeyboardInterrupt) as error:
            where = {"destination": "duckdb", "dataset": "hubspot"}
            self.screens[name] = report_of(error, name, **where)

    def sync(self, collector: RunCollector | None = None, **settings: Any) -> RunReport:
        """Run a sync."""
        quiet = collector or SilentCollector(io.StringIO())
        try:
            return sync(self.options, collector=quiet, config=replace(self.config, **settings))
        finally:
            quiet.close()

    def verify(self) -> RunReport:
        """Compare portal and warehouse."""
        collector = SilentCollector(io.StringIO())
        return verify(VerifyOptions(OBJECTS), collector=collector, config=self.config)

    def begin(self) -> None:
        """A first sync, and what can be asked then."""
        self.keep("state-missing", show)
        self.keep("plan-first", lambda: plan(self.options, config=self.config))
        self.keep("sync-first", self.sync)
        self.keep("sync-idle", self.sync)
        self.keep("plan-idle", lambda: plan(self.options, config=self.config))
        self.keep("status", status)
        self.keep("doctor-good", lambda: doctor(self.options, config=self.config))
        self.keep("state-show", show)
        self.keep("state-show-all", lambda: show(everything=True))
        sql = "select id, firstname, _hs_deleted_at from contacts order by id::bigint limit 3"
        self.keep("query", lambda: query(sql))
        self.keep(
            "query-wide", lambda: query("select * from companies order by id::bigint limit 2")
        )
        self.keep("query-wrong", lambda: query("select nothing from nowhere"))

    def go_on(self) -> None:
        """Differences, refusals and errors."""
        self.keep("verify-equal", self.verify)
        with duckdb.connect(str(self.file)) as connection:
            connection.execute("SET schema = 'hubspot'")
            connection.execute("DELETE FROM contacts WHERE id::bigint % 9 = 0")
        self.keep("verify-differing", self.verify)
        contact = next(iter(self.portal.records("contacts")))
        self.keep("forget-rehearsed", lambda: forget("contacts", contact, dry_run=True))
        self.keep("forget", lambda: forget("contacts", contact))
        self.portal.settings.tokens = {DEFAULT_TOKEN: Token(SCOPES)}
        self.keep("plan-refused", lambda: plan(self.options, config=self.config))
        self.keep("sync-partial", self.sync)
        self.keep("doctor-bad", lambda: doctor(self.options, config=self.config))
        self.keep("status-partial", status)
        self.portal.settings.tokens = {}
        self.keep("sync-failed", self.sync)


def furnish(portal: Portal) -> None:
    """Fill a portal; one of its custom objects has a long name."""
    portal.reset(SeedSpec(seed=3, contacts=60, properties=8))
    portal.create_custom_object(LONG)
    for number in range(3):
        portal.create(LONG, {"name": f"Number {number}"})
    portal.clock.advance(15_000)


@pytest.fixture(scope="module")
def screens(
    server: EmulatorServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RunReport]:
    """The reports of all commands, run once, one after the other."""
    folder = tmp_path_factory.mktemp("screens")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "hubspot.duckdb"))
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", UNPACKED)
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        furnish(server.portal)
        config = resolve_config(
            base_url=server.url,
            access_token=server.token,
            search_per_second=10**6,
            associations_per_10_seconds=10**6,
        )
        person = Person(server.portal, config, folder / "hubspot.duckdb")
        person.begin()
        person.go_on()
        furnish(server.portal)
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "other.duckdb"))
        stopping = Stopping(io.StringIO())
        person.keep("sync-interrupted", lambda: person.sync(stopping))
    person.screens["error-bug"] = report_of(ValueError("what nobody foresaw"), "sync")
    wrong = ConfigError("--objects names no table.", remedy="See hubspot-elt --help.")
    person.screens["error-options"] = report_of(wrong, "sync")
    return person.screens


NAMES = (
    *("plan-first", "plan-idle", "plan-refused", "sync-first", "sync-idle", "sync-partial"),
    *("sync-failed", "sync-interrupted", "verify-equal", "verify-differing", "doctor-good"),
    *("doctor-bad", "status", "status-partial", "state-show", "state-show-all", "state-missing"),
    *("query", "query-wide", "query-wrong", "forget", "forget-rehearsed"),
    *("error-bug", "error-options"),
)


@pytest.mark.parametrize("name", NAMES)
def test_screen(name: str, screens: dict[str, RunReport]) -> None:
    """A command shows what its file shows, and no line is wider than the screen."""
    check_screen(name, screens[name], is_terminal=name in TERMINAL)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str) -> None:
    """The help of a command is what its file shows, and fits 80 columns."""
    words = [command, "--help"] if command else ["--help"]
    shown = [CliRunner().invoke(app, words, terminal_width=width).output for width in (80, 120)]
    assert max(map(len, shown[0].splitlines())) <= 80
    parts = [f"--- {w} columns ---\n{text}" for w, text in zip((80, 120), shown, strict=True)]
    check_text(f"help-{command or 'all'}", "\n".join(parts))
