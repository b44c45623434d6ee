"""What the environment sets for other programs: held back, named, and never a surprise."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from conftest import Warehouse
from dlt.common import validation
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.collector import NULL_COLLECTOR

from destinations.reading.readers import open_reader
from pipelines.cli.notices import notices
from pipelines.cli.output.report import report_of
from pipelines.commands.state import show
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.session import opened
from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.config import HubSpotConfig, resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

SWITCHES = {
    "DEV_MODE": "true",
    "FULL_REFRESH": "true",
    "PIPELINES__HUBSPOT__REFRESH": "drop_sources",
    "DATASET_NAME_LAYOUT": "dev_%s",
    "USE_SINGLE_DATASET": "false",
    "RESTORE_FROM_DESTINATION": "false",
    "EXPORT_SCHEMA_PATH": "schemas",
    "IMPORT_SCHEMA_PATH": "schemas",
    "PIPELINES__PROGRESS": "tqdm",
    "SCHEMA__JSON_NORMALIZER": "{}",
    "EXTRACT__NEXT_ITEM_MODE": "fifo",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID": "true",
    "LOAD__RAISE_ON_FAILED_JOBS": "false",
    "DESTINATION__REPLACE_STRATEGY": "staging-optimized",
    "SOURCES__HUBSPOT__HARD_DELETE": "true",
    "SOURCES__OBJECTS": "deals",
}
HARMLESS = {"LOAD__WORKERS": "2", "DATA_WRITER__FILE_MAX_ITEMS": "5", "PIPELINE_NAME": "other"}
"""Followed, or without effect on what is written."""


def schemas(warehouse: Warehouse) -> set[str]:
    """Name the datasets in the file."""
    sql = "SELECT DISTINCT table_schema FROM information_schema.tables"
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        return {name for (name,) in connection.execute(sql).fetchall()}


def test_switches_of_dlt_change_no_sync(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever dlt's switches say, a sync goes on where the one before ended, and names them."""
    portal.reset(SeedSpec(contacts=30))
    warehouse.sync("contacts")
    before, columns = schemas(warehouse), warehouse.rows("DESCRIBE contacts")
    for name, value in (SWITCHES | HARMLESS).items():
        monkeypatch.setenv(name, value)
    portal.archive("contacts", next(iter(portal.records("contacts"))))
    report = warehouse.sync("contacts")
    assert (report.exit_code, report.dataset) == (0, "hubspot")
    assert report.tables["contacts"].mode == "increment"
    assert schemas(warehouse) == before | {"hubspot_staging"}
    assert warehouse.rows("DESCRIBE contacts") == columns
    assert any(row["_hs_deleted_at"] for row in warehouse.table("contacts").values())
    with open_reader("duckdb", "hubspot") as reader:
        assert reader.ask("SELECT count(*) FROM contacts").rows[0][0] >= 30
    assert {notice.text.split()[0] for notice in notices()} == set(SWITCHES)


@pytest.fixture
def configure() -> Iterator[Callable[[str], None]]:
    """Write `.dlt/config.toml` into the working directory and have dlt read it, for one test."""
    context = Container()[PluggableRunContext]
    before = context.providers

    def write(text: str) -> None:
        Path(".dlt").mkdir()
        Path(".dlt/config.toml").write_text(text)
        context.reload_providers()

    yield write
    context.providers = before


def test_switches_in_files_are_named(configure: Callable[[str], None]) -> None:
    """Settings files are looked through like the environment; what is off is not worth a word."""
    configure("[pipelines]\ndev_mode = true\nfull_refresh = false\n[normalize]\nworkers = 4\n")
    assert [notice.text.split()[0] for notice in notices()] == [
        "pipelines.dev_mode",
        "normalize.workers",
    ]


def test_naming_convention_stays(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset keeps its naming convention: another one is refused by name, and so is nonsense."""
    portal.reset(SeedSpec(contacts=5))
    monkeypatch.setenv("SOURCES__HUBSPOT__SCHEMA__NAMING", "sql_ci_v1")
    assert warehouse.sync("contacts").exit_code == 0
    assert warehouse.sync("contacts").tables["contacts"].mode == "increment"
    monkeypatch.delenv("SOURCES__HUBSPOT__SCHEMA__NAMING")
    for command in (lambda: warehouse.sync("contacts"), show):
        with pytest.raises(
            ConfigError, match=r"made with .* sql_ci_v1, .* snake_case.*SCHEMA__NAM"
        ):
            command()
    monkeypatch.setenv("SCHEMA__NAMING", "nonsense")
    with pytest.raises(ConfigError, match=r"'nonsense'.*SCHEMA__NAMING"):
        warehouse.sync("contacts")


def test_report_names_the_dataset_that_is_written(portal: Portal, warehouse: Warehouse) -> None:
    """The destination may spell a dataset in another way than a person does; reports say which."""
    portal.reset(SeedSpec(contacts=5))
    report = warehouse.sync("contacts", dataset="My Data")
    assert report.dataset in schemas(warehouse)
    assert show(dataset="My Data").dataset == report.dataset


def test_staging_is_refused(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A staging that the destination cannot use is named with the setting, before any load."""
    monkeypatch.setenv("STAGING_TYPE", "filesystem")
    with pytest.raises(ConfigError, match="STAGING_TYPE"):
        warehouse.sync("contacts")


@pytest.mark.parametrize(
    ("name", "value"), [("LOAD__WORKERS", "0"), ("LOAD__WORKERS", "x"), ("EXTRACT__WORKERS", "x")]
)
def test_workers_that_cannot_be_are_named(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A value that dlt cannot use ends a sync as a wrong setting, which the error names."""
    portal.create("contacts", {"email": "a@b.example"})
    monkeypatch.setenv(name, value)
    try:
        report = warehouse.sync("contacts")
    except ConfigError as error:
        report = report_of(error, "sync")
    assert (report.exit_code, report.error_name) == (2, "config")
    assert "WORKERS" in report.remedy


def test_dlt_is_as_before_for_other_pipelines(
    portal: Portal, warehouse: Warehouse, tmp_path: Path
) -> None:
    """Neither the settings nor the parts of dlt that others in the process use stay changed."""
    portal.reset(SeedSpec(contacts=5))
    other = dlt.pipeline("other", pipelines_dir=str(tmp_path / "others"), destination="duckdb")
    before = shared_with_others()
    with opened(RunLog("sync"), NULL_COLLECTOR, warehouse.config):
        assert shared_with_others() != before
        with stored_pipeline("another.duckdb", "hubspot"):
            pass
        assert dlt.config.get("data_writer.buffer_max_items") is not None
    assert shared_with_others() == before
    assert dlt.current.pipeline() is other
    assert dlt.config.get("data_writer.buffer_max_items") is None


def shared_with_others() -> list[Any]:
    """Return what of dlt our runs change while they last."""
    providers = Container()[PluggableRunContext].providers.providers
    return [validation.get_type_hints, *map(id, providers)]  # type: ignore[attr-defined]


MISSPELT = {
    "SOURCES__HUBSPOT__LOOKBACK_MINUTE": "SOURCES__HUBSPOT__LOOKBACK_MINUTES",
    "SOURCES__HUBSPOT_LOAD_ROWS": "SOURCES__HUBSPOT__LOAD_ROWS",
    "SOURCE__HUBSPOT__PAIRS": "SOURCES__HUBSPOT__PAIRS",
    "DESTINATION__DUCKDB__CREDENTIAL": "DESTINATION__DUCKDB__CREDENTIALS",
    "DESTINATION__DUCKDB__FILEMODE": "DESTINATION__DUCKDB__FILE_MODE",
    "sources__hubspot__sensitive": "SOURCES__HUBSPOT__SENSITIVE",
}
OTHERS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "https_proxy", "ALL_PROXY", "REQUESTS_CA_BUNDLE")
SPELT = ("SOURCES__HUBSPOT__LOAD_ROWS", "HUBSPOT__SOURCES__HUBSPOT__BACKFILL")
OF_DLT = ("SOURCES__HUBSPOT__SCHEMA__NAMING", "SOURCES__HUBSPOT__CONTACTS__SELECTED")


def test_bare_names_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that any program may read is no setting of ours: the token goes nowhere else."""
    monkeypatch.setenv("BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("SOURCES__TIMEOUT_SECONDS", "7")
    monkeypatch.setenv("SOURCES__HUBSPOT__LOAD_ROWS", "8")
    config = resolve_config(access_token="pat-na1-0123")  # noqa: S106 - made up
    assert config.base_url == HubSpotConfig.base_url
    assert (config.timeout_seconds, config.load_rows) == (HubSpotConfig.timeout_seconds, 8)


def test_misspelt_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that nearly is a setting is named with the one that was meant; no other is."""
    for name in (
        "DESTINATION__DUCKDB__CREDENTIALS__DATABASE",
        *MISSPELT,
        *SPELT,
        *OF_DLT,
        "SOURCES__GITHUB__LOAD_ROW",
    ):
        monkeypatch.setenv(name, "1")
    named = {notice.text.split()[4].rstrip(";"): notice.remedy for notice in notices()}
    assert named == {wrong: f"Did you mean {right}?" for wrong, right in MISSPELT.items()}


def test_misspelt_settings_in_files_are_named(configure: Callable[[str], None]) -> None:
    """An unknown key of the source's section, or a section nearly called so, is named."""
    configure(
        "[sources.hubspot]\nload_row = 5\nload_rows = 5\nunheard_of = 1\n"
        '[sources.hubspot.schema]\nnaming = "snake_case"\n[sources.hubspto]\nload_rows = 5\n'
    )
    texts = [" ".join(notice) for notice in notices()]
    assert len(texts) == 3
    assert "load_row in" in texts[0]
    assert "Did you mean load_rows?" in texts[0]
    assert "unheard_of" in texts[1]
    assert "[sources.hubspto]" in texts[2]


def test_the_tests_see_nothing_of_the_machine() -> None:
    """What the machine sets for dlt, HTTP, terminals or Python is gone before a test reads it."""
    given = dict.fromkeys((*SWITCHES, *HARMLESS, *MISSPELT, *SPELT, *OF_DLT, *OTHERS), "1")
    program = "import machine, os; print(machine.followed()); print(*sorted(os.environ))"
    seen = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parent), "HOME": "/h", "TZ": "Asia/Kolkata"} | given,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert seen[0] == "[]"
    assert {"HOME", "TZ"} <= set(seen[1].split())
    assert not set(seen[1].split()) & set(given)
