"""Settings: where they come from, what is refused, and that the token stays hidden."""

import json as jsonlib
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import EnvironProvider
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.data_writers.buffered import BufferedDataWriter
from dlt.common.data_writers.writers import DataWriter
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.exceptions import DestinationCapabilitiesException
from dlt.common.destination.utils import resolve_merge_strategy
from dlt.common.json import json
from dlt.common.normalizers.json import helpers
from dlt.common.schema import Schema, utils
from dlt.common.validation import DictValidationException
from dlt.load.configuration import LoaderConfiguration

from pipelines.runtime.quicker_dlt.stand_ins import Environment, quickened, untraced
from sources.hubspot import Run
from sources.hubspot.config import HubSpotConfig, check_config, checked_token, resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot.http.auth.bearer import BearerAuth, redact
from sources.hubspot.http.client import Client
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.store import Portal

TOKEN = "pat-na1-0123"  # noqa: S105 - made up


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    """Keep the settings of the machine that runs the tests out of them."""
    monkeypatch.chdir(tmp_path)
    for name in HubSpotConfig():
        monkeypatch.delenv(f"SOURCES__HUBSPOT__{name.upper()}", raising=False)


def test_defaults():
    """Only the token has to be given."""
    config = resolve_config(access_token=TOKEN)
    assert config.base_url == "https://api.hubapi.com"
    assert config.api_version == "2026-03"
    assert config.pairs is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("access_token", TOKEN, TOKEN),
        ("base_url", "http://localhost:8765/", "http://localhost:8765"),
        ("api_version", "v3", "v3"),
        ("api_version", "2026-09", "2026-09"),
        ("api_version", "2027-03-beta", "2027-03-beta"),
        ("budget_share", "0.5", 0.5),
        ("search_per_second", "10", 10),
        ("associations_per_10_seconds", "150", 150),
        ("calls_in_flight", "3", 3),
        ("lookback_minutes", "0", 0),
        ("load_rows", "1000", 1000),
        ("load_minutes", "2.5", 2.5),
        ("timeout_seconds", "5", 5),
        ("max_attempts", "1", 1),
        ("backfill", "auto", "auto"),
        ("export_wait_minutes", "5", 5.0),
        ("pairs", '["deals_to_contacts"]', ["deals_to_contacts"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_environment(monkeypatch, name, text, value):
    """Every setting can come from the environment."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv(f"SOURCES__HUBSPOT__{name.upper()}", text)
    assert resolve_config()[name] == value


def test_explicit_value_wins(monkeypatch):
    """A value given by the caller beats the environment, None does not."""
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", "other")
    monkeypatch.setenv("SOURCES__HUBSPOT__LOAD_ROWS", "7")
    config = resolve_config(access_token=TOKEN, load_rows=None)
    assert (config.access_token, config.load_rows) == (TOKEN, 7)


def test_missing_token():
    """Without a token the error says which setting to set, and where."""
    with pytest.raises(ConfigError, match=r"SOURCES__HUBSPOT__ACCESS_TOKEN.*secrets"):
        resolve_config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "api.hubapi.com"),
        ("base_url", "ftp://api.hubapi.com"),
        ("base_url", "https://"),
        ("base_url", "https://user:word@api.hubapi.com"),
        ("base_url", "https://api.hubapi.com?x=1"),
        ("base_url", "http://[::1"),
        ("base_url", "http://localhost:port"),
        ("base_url", "http://api.hubapi.com"),
        ("api_version", "2026"),
        ("api_version", "v4"),
        ("api_version", "2025-09"),
        ("api_version", "2026-05"),
        ("budget_share", 0),
        ("budget_share", 1.1),
        ("budget_share", float("nan")),
        ("budget_share", "half"),
        ("search_per_second", 0),
        ("associations_per_10_seconds", -1),
        ("calls_in_flight", 0),
        ("lookback_minutes", -1),
        ("load_rows", 0.5),
        ("load_minutes", 0),
        ("timeout_seconds", float("inf")),
        ("max_attempts", 0),
        ("backfill", "exports"),
        ("export_wait_minutes", 0),
        ("lookback_minutes", 10**11),
        ("run_log_days", 10**11),
        ("timeout_seconds", 1e300),
        ("patience_seconds", 1e300),
        ("pairs", [1]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_refused_value(name, value):
    """A value that makes no sense is refused by the name of its setting."""
    with pytest.raises(ConfigError, match=f"SOURCES__HUBSPOT__{name.upper()}"):
        resolve_config(access_token=TOKEN, **{name: value})


def test_a_run_is_made_without_a_call(server: EmulatorServer, portal: Portal) -> None:
    """Making a run sends nothing; whose portal it is, is asked once, when needed."""
    config = resolve_config(base_url=server.url, access_token=server.token)
    run = Run(config, Client(config))
    assert len(portal.journal) == 0
    assert run.portal.account is run.portal.account
    assert run.portal.account.portal_id == portal.account["portalId"]
    assert len(portal.journal) == 1
    run.close()


def test_refused_text(monkeypatch):
    """Text where a number belongs is refused by the name of its setting."""
    monkeypatch.setenv("SOURCES__HUBSPOT__LOAD_ROWS", "many")
    with pytest.raises(ConfigError, match=r"SOURCES__HUBSPOT__LOAD_ROWS.*whole number"):
        resolve_config(access_token=TOKEN)


def test_unknown_setting():
    """A misspelt setting is refused instead of ignored."""
    with pytest.raises(ConfigError, match="no setting acess_token"):
        resolve_config(acess_token=TOKEN)


@pytest.mark.parametrize(
    "token", [f" {TOKEN}\n", f'"{TOKEN}"', f"' {TOKEN} '"], ids=["space", "quotes", "both"]
)
def test_token_is_trimmed(token):
    """What copying leaves around a token does no harm."""
    assert resolve_config(access_token=token).access_token == TOKEN


@pytest.mark.parametrize(
    "token",
    [None, "", " ", '""', "pat na1", "pat\nna1", "pat\x00na1", "pät", "Bearer pat", "pat\u200bna1"],
    ids=ascii,
)
def test_token_is_refused(token):
    """What cannot be a token is refused before anything is sent, and not repeated."""
    with pytest.raises(ConfigError, match="ACCESS_TOKEN") as caught:
        checked_token(token)
    assert not (token or "").strip(' "') or token not in str(caught.value)


def test_token_is_hidden():
    """Neither the settings nor the auth show the token."""
    config = check_config(HubSpotConfig(access_token=TOKEN))
    shown = f"{config} {config!r} {BearerAuth(TOKEN)} {BearerAuth(TOKEN)!r}"
    assert TOKEN not in shown


def test_redact():
    """Every occurrence of the token is blotted out."""
    assert redact(f"a {TOKEN} b{TOKEN}", TOKEN) == "a *** b***"
    assert redact("a", None) == "a"


def test_files_of_secrets_are_read_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has /run/secrets keeps dlt's way of looking there; others look no file up."""
    context = Container()[PluggableRunContext]
    for folder, kind in ((tmp_path, EnvironProvider), (tmp_path / "none", Environment)):
        monkeypatch.setattr("pipelines.runtime.quicker_dlt.stand_ins.SECRET_FILES", folder)
        context.reload_providers()
        with quickened:
            assert type(context.providers["Environment Variables"]) is kind
    monkeypatch.setenv("SOURCES__HUBSPOT__TIMEOUT_SECONDS", "7")
    assert resolve_config(access_token=TOKEN).timeout_seconds == 7


def test_a_run_finds_the_settings_that_dlt_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked up once a run is what dlt finds in that section; afterwards it asks again."""

    def workers(section: str) -> int:
        found = resolve_configuration(
            LoaderConfiguration(), sections=(section,), accept_partial=True
        )
        return int(found.workers)

    usual = workers("extract")
    monkeypatch.setenv("LOAD__WORKERS", str(usual + 1))
    with quickened:
        found = [workers(section) for section in ("load", "load", "extract")]
    assert found == [usual + 1, usual + 1, usual]
    monkeypatch.setenv("LOAD__WORKERS", str(usual + 2))
    assert workers("load") == usual + 2


def test_a_file_is_written_with_the_settings_that_dlt_finds(tmp_path, monkeypatch):
    """Files that are made alike have the same settings; one that is given another has that."""
    writer = DataWriter.writer_spec_from_file_format("typed-jsonl", "object")

    def most(**given: int) -> int:
        made = BufferedDataWriter(writer, f"{tmp_path}/%s", **given)
        return made.buffer_max_items

    monkeypatch.setenv("DATA_WRITER__BUFFER_MAX_ITEMS", "7")
    with quickened, untraced():
        known = len(get_resolved_traces().all_traces)
        assert [most(), most(), most(buffer_max_items=8), most()] == [7, 7, 8, 7]
        assert len(get_resolved_traces().all_traces) == known
    monkeypatch.setenv("DATA_WRITER__BUFFER_MAX_ITEMS", "9")
    assert most() == 9
    assert len(get_resolved_traces().all_traces) > known


def test_schemas_have_the_hash_that_dlt_gives_them():
    """It differs with the order of columns; a schema without it is refused where it is wrong."""
    columns = [{"name": name, "data_type": "text"} for name in ("a", "b")]
    stored = []
    for order in (columns, columns[::-1]):
        schema = Schema("s")
        schema.update_table({"name": "t", "columns": {one["name"]: one for one in order}})
        stored.append(schema.to_dict())
    hashes = [utils.generate_version_hash(one) for one in stored]
    assert hashes[0] != hashes[1]
    with quickened:
        assert [utils.generate_version_hash(one) for one in stored * 2] == hashes * 2
        Schema.from_dict(stored[0])
        stored[0]["tables"]["t"]["columns"]["a"]["data_type"] = "none such"
        with pytest.raises(DictValidationException):
            Schema.from_dict(stored[0])


def test_tables_are_copied_and_nested_as_dlt_has_it():
    """A copy shares nothing with its schema; nested tables come with the one that they lie in."""
    schema = Schema("s")
    schema.update_table({"name": "t", "columns": {"a": {"name": "a", "data_type": "text"}}})
    schema.update_table({"name": "o", "columns": {}})
    asked = [(name, own) for name in ("t", "o", "none") for own in (True, False)]

    def nested() -> list[list[str]]:
        found = [utils.get_nested_tables(schema.tables, n, include_self=own) for n, own in asked]
        return [[table["name"] for table in tables] for tables in found]

    for _ in range(2):
        plain = nested()
        with quickened:
            assert nested() == plain
            other = schema.clone()
        assert other.to_dict() == schema.to_dict()
        other.tables["t"]["columns"]["a"]["nullable"] = False
        assert schema.tables["t"]["columns"]["a"] == {"name": "a", "data_type": "text"}
        schema.update_table({"name": "t__n", "parent": "t", "columns": {}})
    assert nested()[0] == ["t", "t__n"]


def test_tables_are_merged_as_dlt_has_it():
    """As they say, or by the first way of the destination; one that it lacks is refused."""
    can = DestinationCapabilitiesContext.generic_capabilities()
    can.supported_merge_strategies = ["upsert", "delete-insert"]
    tables = {
        name: {"name": name, "columns": {}, "write_disposition": "merge", "x-merge-strategy": name}
        for name in ("delete-insert", "scd2")
    }
    tables["usual"] = {"name": "usual", "columns": {}, "write_disposition": "merge"}
    for known in (nullcontext(), Container().injectable_context(can)):
        with known, quickened:
            for name in ("delete-insert", "usual"):
                expected = resolve_merge_strategy(tables, tables[name])
                assert helpers.resolve_merge_strategy(tables, tables[name]) == expected
    with Container().injectable_context(can), quickened:
        assert helpers.resolve_merge_strategy(tables, tables["usual"]) == "upsert"
        with pytest.raises(DestinationCapabilitiesException):
            helpers.resolve_merge_strategy(tables, tables["scd2"])


TIME = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, "b", None]},
        {"a": ["x\uf026", TIME], "b": {"c": [{"d": TIME}, TIME], "e": "x\uf0261"}, "f": "\uf026"},
        {"a": "\uf026no number", "b": TIME},
        [TIME, "a"],
    ],
)
def test_states_are_read_as_dlt_reads_them(value):
    """Values of types that JSON lacks are found, and texts that only look like them are kept."""
    for text in (json.typed_dumps(value), jsonlib.dumps(json.loads(json.typed_dumps(value)))):
        expected = json.typed_loads(text)
        with quickened:
            assert json.typed_loads(text) == expected == value
