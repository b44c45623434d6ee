"""The state in the warehouse, shown and changed from any machine, with what the next sync makes."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Warehouse
from dlt.common.versioned_state import decompress_state
from holding import elsewhere
from test_isolation import write_state
from truth import differences, link_differences

from pipelines.cli.app import main
from pipelines.cli.output.report import RunReport
from pipelines.commands.state import reset, rewind, show
from sources.hubspot.config import resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot.warehouse import post_load
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

TABLES = ("contacts", "companies", "custom_vehicle")
OBJECTS = {"contacts": "contacts", "companies": "companies", "custom_vehicle": "vehicle"}
PAIRS = {"contacts_to_companies": ("contacts", "companies")}
HOURS = 3_600_000


@pytest.fixture
def synced(portal: Portal, warehouse: Warehouse) -> Portal:
    """A portal that was loaded, three hours ago, with links."""
    warehouse.load(portal, SeedSpec(seed=4, contacts=60, properties=10), *TABLES)
    portal.clock.advance(3 * HOURS)
    return portal


@pytest.fixture(scope="module")
def template(server: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that was loaded once, with a table of which only a reset is known."""
    server.portal.reset(SeedSpec(seed=4, contacts=20, properties=5))
    with pytest.MonkeyPatch.context() as patch:
        file = tmp_path_factory.mktemp("state") / "warehouse.duckdb"
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))
        config = resolve_config(base_url=server.url, access_token=server.token)
        warehouse = Warehouse(file, config)
        warehouse.sync("contacts", "companies")
    write_state(
        warehouse, {}, resources={"fresh": {"has_older_rows": True}, **resources(warehouse)}
    )
    return file


def section(report: RunReport, name: str) -> list[dict[str, Any]]:
    """Return a section's rows as objects."""
    found = next(one for one in report.sections if one.name == name)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def rows(report: RunReport) -> int:
    """Return how many rows of records a sync that had no trouble read."""
    assert report.exit_code == 0
    return sum(report.tables[name].rows for name in TABLES)


def right(portal: Portal, warehouse: Warehouse) -> bool:
    """Whether the warehouse is complete and current."""
    found = differences(portal, warehouse, OBJECTS) + link_differences(portal, warehouse, PAIRS)
    assert found == []
    return True


def test_old_states_go(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last states of loads stay, and the next run goes on from the newest."""
    monkeypatch.setattr(post_load, "KEPT_STATES", 2)
    portal.reset(SeedSpec(contacts=2, properties=5))
    for _ in range(3):
        warehouse.sync("contacts")
        portal.create("contacts", {})
    versions = [one for (one,) in warehouse.rows("SELECT version FROM _dlt_pipeline_state")]
    assert len(versions) == 2
    assert warehouse.sync("contacts").tables["contacts"].mode == "increment"
    assert differences(portal, warehouse, {"contacts": "contacts"}) == []
    assert warehouse.rows("SELECT min(version) FROM _dlt_pipeline_state") == [(max(versions),)]


def test_show_tells_what_the_state_holds(synced: Portal, warehouse: Warehouse) -> None:
    """Tables, links and caches are shown with their instants, and nothing is changed."""
    before = warehouse.rows("SELECT count(*) FROM _dlt_pipeline_state")
    report = show()
    assert warehouse.rows("SELECT count(*) FROM _dlt_pipeline_state") == before
    assert report.portal_id == section(report, "portal")[0]["portal_id"] is not None
    tables = {row["table"]: row for row in section(report, "tables")}
    assert tables.keys() == set(TABLES)
    contacts = tables["contacts"]
    assert contacts["total"] == len(synced.records("contacts"))
    assert datetime.now(UTC) - contacts["watermark"] < timedelta(hours=1)
    assert contacts["archive_swept_at"]
    assert contacts["open_work"] is None
    links = {row["links"]: row for row in section(report, "links")}
    assert "contacts_to_companies" in links
    caches = {row["cache"]: row for row in section(report, "caches")}
    assert all(row["read_at"] and row["age"] in {"now", "1 min ago"} for row in caches.values())


def test_show_is_a_summary_unless_all_is_asked_for(
    synced: Portal, warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """People see a summary and the tables with open work; --all and JSON have the rest."""
    write_state(warehouse, {"pending_ids": ["7"]})
    for words, shown, hidden in (
        ([], ("oldest_watermark", "contacts"), ("custom_vehicle", "companies", "read_at")),
        (["--all"], ("contacts", "custom_vehicle", "contacts_to_companies", "read_at"), ()),
        (["--json"], ("contacts", "custom_vehicle", "contacts_to_companies", "read_at"), ()),
    ):
        with pytest.raises(SystemExit):
            main(["state", "show", *words])
        said = capsys.readouterr().out
        assert all(text in said for text in shown)
        assert not any(text in said for text in hidden)


def test_show_tells_open_work(synced: Portal, warehouse: Warehouse) -> None:
    """Work that was cut off is shown with what is left of it; damage is told, and stops nothing."""
    at = "2026-11-01T00:00:00Z"
    ranges = [{"start": 0, "end": 500}, {"start": 500}]
    open_work = {
        "backfill": {"started_at": at, "has_older_rows": True, "ranges": ranges, "rows": 1500},
        "changes": {"started_at": at, "since": at},
        "sweeps": {
            "archive": {"open_sweep": {"started_at": at, "ranges": [{"after": "7"}]}},
            "calculated": {"open_sweep": {"started_at": at}},
        },
        "pending_columns": [{"properties": ["a", "b"], "columns": ["a"], "added_at": at}],
        "pending_ids": ["7"],
    }
    write_state(warehouse, open_work)
    contacts = section(show(), "tables")[1]
    assert (contacts["table"], contacts["refused"]) == ("contacts", 1)
    assert contacts["open_work"] == (
        "backfill (1,500 rows, 2 ranges left), increment since 2026-11-01 00:00:00, sweep of"
        " archived records, sweep of calculated values of records, 2 properties to fill"
    )
    write_state(warehouse, {"recent": ["1"]}, cache={"labels": "no", "pairs": {"read_at": 7}})
    report = show()
    assert [row["table"] for row in section(report, "tables")] == ["companies", "custom_vehicle"]
    told = " ".join(report.warnings)
    for part in ("resources.contacts", "cache.labels", "cache.pairs"):
        assert f"damaged at {part}" in told
    assert section(report, "caches") == []


def test_rewind_reads_changes_again(synced: Portal, warehouse: Warehouse) -> None:
    """After a rewind the next sync reads what changed since, and the one after that nothing."""
    ids = list(synced.records("contacts"))[:7]
    for id_ in ids:
        synced.update("contacts", id_, {"firstname": "Ada"})
    synced.clock.advance(3 * HOURS)
    warehouse.sync(*TABLES)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("UPDATE hubspot.contacts SET firstname = 'lost' WHERE firstname = 'Ada'")
    assert rows(warehouse.sync(*TABLES)) == 0

    watermark = section(show(), "tables")[1]["watermark"]
    to = watermark - timedelta(hours=4)
    report = rewind(["contacts"], to.isoformat())
    assert section(report, "rewound") == [{"table": "contacts", "before": watermark, "after": to}]
    report = warehouse.sync(*TABLES)
    contacts = report.tables["contacts"]
    assert (contacts.mode, contacts.rows) == ("increment", len(ids))
    assert right(synced, warehouse)
    assert rows(warehouse.sync(*TABLES)) == 0


def test_reset_reads_a_table_whole(synced: Portal, warehouse: Warehouse) -> None:
    """After a reset the next sync lists the table and mends what was not as in the portal."""
    ids = list(synced.records("contacts"))
    synced.purge("contacts", ids[0])
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("DELETE FROM hubspot.contacts WHERE id = ?", [ids[1]])
        connection.execute("UPDATE hubspot.contacts SET email = 'x' WHERE id = ?", [ids[2]])
        schema = "SELECT version_hash FROM hubspot._dlt_version ORDER BY inserted_at"
        versions = connection.execute(schema).fetchall()
    report = reset(["contacts, vehicle"])
    told = {row["table"]: row for row in section(report, "reset")}
    assert told.keys() == {"contacts", "custom_vehicle"}
    assert told["contacts"]["before"]
    assert warehouse.rows(schema) == versions
    assert section(show(), "tables")[1]["open_work"] == "backfill"

    report = warehouse.sync(*TABLES)
    modes = {name: report.tables[name].mode for name in TABLES}
    assert modes == {"contacts": "backfill", "companies": "increment", "custom_vehicle": "backfill"}
    assert right(synced, warehouse)
    assert warehouse.table("contacts")[ids[0]]["_hs_deletion"] == "purged"
    assert rows(warehouse.sync(*TABLES)) == 0


def test_reset_of_links(synced: Portal, warehouse: Warehouse) -> None:
    """After a reset of a link table the next sync reads all of its links again."""
    warehouse.sync(*TABLES)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("DELETE FROM hubspot.contacts_to_companies")
    reset(["contacts_to_companies"])
    links = {row["links"]: row for row in section(show(), "links")}
    assert links["contacts_to_companies"]["pending"] is True
    warehouse.sync(*TABLES)
    assert right(synced, warehouse)


def test_another_machine_takes_the_state(
    synced: Portal, warehouse: Warehouse, tmp_path: Path
) -> None:
    """The state is in the warehouse alone: a copy of the file begins where it says."""
    rewind(["companies"], "2018-01-01")
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(warehouse.path.read_bytes())
    report = show(destination=str(copy))
    assert section(report, "tables")[0]["watermark"] == datetime(2018, 1, 1, tzinfo=UTC)
    report = Warehouse(copy, warehouse.config).sync(*TABLES, destination=str(copy))
    assert report.tables["companies"].rows >= len(synced.records("companies"))


@pytest.mark.parametrize(
    ("tables", "to", "says"),
    [
        pytest.param([], "2025-01-01", r"No table is named.*companies, contacts", id="no table"),
        pytest.param(["x"], "2025-01-01", r"Unknown table: x\..*contacts", id="unknown table"),
        pytest.param(["contacts_to_companies"], "2025-01-01", "state reset", id="links"),
        pytest.param(["contacts"], "soon", r"not a date.*2026-11-01", id="no instant"),
        pytest.param(["contacts"], "2099-01-01", "later than the watermark", id="future"),
        pytest.param(["fresh"], "2025-01-01", r"still to be read.*hubspot-elt sync", id="fresh"),
    ],
)
def test_rewinds_that_are_refused(
    warehouse: Warehouse, template: Path, tables: list[str], to: str, says: str
) -> None:
    """A rewind that makes no sense is refused with the remedy, and nothing is changed."""
    shutil.copy(template, warehouse.path)
    before = resources(warehouse)
    with pytest.raises(ConfigError, match=says):
        rewind(tables, to)
    assert resources(warehouse) == before


def resources(warehouse: Warehouse) -> dict[str, Any]:
    """Return what the stored state says of tables."""
    sql = "SELECT state FROM _dlt_pipeline_state ORDER BY version DESC LIMIT 1"
    found: dict[str, Any] = decompress_state(warehouse.rows(sql)[0][0])
    return found["sources"]["hubspot"]["resources"]


def test_dataset_without_state(tmp_path: Path) -> None:
    """A dataset that no sync has been in is told as such, and no file is made of asking."""
    for ask in (show, lambda: reset(["contacts"]), lambda: rewind(["contacts"], "2025-01-01")):
        with pytest.raises(ConfigError, match="No sync has run in dataset hubspot yet"):
            ask()
    assert not list(tmp_path.glob("*.duckdb*"))


def test_commands(synced: Portal, warehouse: Warehouse) -> None:
    """The commands print tables, or one JSON object; a second writer leaves with code 6."""

    def cli(*words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(words)
        return int(ended.value.code or 0), out.getvalue(), err.getvalue()

    code, out, _ = cli("state", "show", "--all")
    assert (code, "contacts_to_companies" in out) == (0, True)
    words = ("--table", "contacts", "--table", "companies", "--to", "2025-06-01", "--json")
    code, out, _ = cli("state", "rewind", *words)
    told = json.loads(out)
    assert (code, told["command"]) == (0, "state rewind")
    assert [row["after"] for row in told["result"]["rewound"]] == ["2025-06-01T00:00:00Z"] * 2
    code, _, err = cli("state", "rewind", "--to", "2025-06-01")
    assert (code, "--table" in err) == (2, True)
    with elsewhere(str(warehouse.path)) as holder:
        code, _, err = cli("state", "reset", "--table", "contacts")
    assert (code, f"process {holder.pid}" in err) == (6, True)
    assert cli("state", "reset", "--table", "contacts")[0] == 0
