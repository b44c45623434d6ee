"""Backfills by HubSpot's exports: equal to listings, and never an incomplete table."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest
from conftest import WIDE, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import differences, link_differences

from pipelines.cli.app import main
from pipelines.cli.output.report import RunReport
from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.session import opened
from sources.hubspot import HubSpotConfig, hubspot, open_run
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.errors import UnavailableError
from sources.hubspot.http.transport.download import DownloadError, download
from sources.hubspot.plan.tables.reading import is_export_chosen
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.table import Backfill
from sources.hubspot.steps.exports.export import PER_DAY, exports_left, read_export
from sources.hubspot.steps.exports.fetch import ExportUnusableError, Opened, fetch, start
from sources.hubspot.steps.links.links import Links
from sources.hubspot.steps.table import Table
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.properties import read_definitions, to_schema
from sources.hubspot.warehouse.end_of_load import end_of_load
from sources.hubspot.warehouse.view import WarehouseView
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import DEFAULT_TOKEN, Limits, Token

PLAIN = SeedSpec(
    seed=3, contacts=150, companies=0, deals=0, properties=25, archived=0, merges=0, handful=False
)
CONTACTS = {"contacts": "contacts"}
BOTH = CONTACTS | {"companies": "companies"}
PAIRS = {"contacts_to_companies": ("contacts", "companies")}
STATUS, FILE = "/tasks/.*/status", "/hubspot-exports/"


@pytest.fixture
def table(portal: Portal, config: HubSpotConfig) -> Iterator[Table]:
    """The contacts of a portal, open for a backfill that wants exports and waits half a second."""
    portal.reset(PLAIN)
    run = open_run(replace(config, backfill="export", export_wait_minutes=0.01))
    kind = next(kind for kind in STANDARD if kind.table == "contacts")
    normalize = dlt.Schema("hubspot").naming.normalize_identifier
    schema = to_schema(kind.table, read_definitions(run.client, kind), [], normalize)
    source = SourceState()
    yield Table(
        run=run,
        object_type=kind,
        schema=schema,
        decoder=RecordDecoder(schema),
        source=source,
        state=source.table(kind.table),
        outcome=run.outcomes.of(kind.table),
        links=Links(run, []),
    )
    run.close()


def fetched(table: Table, skip: int = 0) -> Opened:
    """Export the table, and return its file once it is proved."""
    return fetch(table, str(start(table).id), total=150, skip=skip)


def ids_of(table: Table, opened: Opened) -> list[str]:
    """Read a file to its end, and return the ids of its records."""
    found = [r.id for rows in opened.rows for r in opened.to_records(table, rows)]
    opened.close()
    return found


def no_links(_ids: Sequence[str]) -> Iterator[Any]:
    """Read no links."""
    yield from ()


def result_of(steps: Generator[Any, None, bool | None]) -> bool | None:
    """Wait for what a resource returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def loaded(warehouse: Warehouse, *tables: str) -> list[Any]:
    """Return everything in some tables, but for when it was read."""
    changing = ("_hs_synced_at", "seen_at")
    found = []
    for name in (*tables, "_hs_rejected_values"):
        sql = f"SELECT COLUMNS(c -> c NOT IN {changing} AND NOT starts_with(c, '_dlt')) FROM {name}"
        found.append(sorted(map(repr, warehouse.rows(sql))))
    return found


def listed(portal: Portal) -> int:
    """Count the pages of live records that were listed."""
    calls = portal.journal.find(kind="objects.list")
    return sum(call.query.get("archived") == "false" for call in calls)


def export(warehouse: Warehouse, *objects: str) -> RunReport:
    """Run a sync that backfills by exports."""
    return warehouse.sync(*(objects or ("contacts",)), backfill="export")


def sheet(portal: Portal) -> Any:
    """Return what the first export will write."""
    return next(iter(portal.exports.by_id.values())).sheet


# --- whole runs -----------------------------------------------------------------------------


def test_equal_to_a_listing(
    portal: Portal, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd values, rejects, tombstones and links are those of a listing, from several files."""
    portal.reset(SeedSpec(seed=5, contacts=220, properties=40, deals=0, tickets=0, companies=110))
    truck = portal.create_custom_object("truck", [{"name": "wheels", "type": "number"}])
    for wheels in range(101):
        portal.create(truck, {"wheels": str(wheels)}, at="2024-05-06T07:08:09.123Z")
    portal.settings.export_rows_per_file = 150
    tables = (*BOTH, "custom_truck")
    report = export(warehouse, *tables)
    assert [report.tables[name].mode for name in tables] == ["export"] * 3
    assert (report.warnings, listed(portal)) == ([], 0)
    assert differences(portal, warehouse, BOTH) == []
    assert link_differences(portal, warehouse, PAIRS) == []
    other = Warehouse(tmp_path / "listed.duckdb", warehouse.config)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(other.path))
    other.sync(*tables)
    assert loaded(warehouse, *tables, *PAIRS) == loaded(other, *tables, *PAIRS)


def test_changes_while_it_is_prepared(portal: Portal, warehouse: Warehouse) -> None:
    """What an export left out, and what changes after its start, is there after one more run."""
    portal.reset(PLAIN)
    portal.settings.export_polls = 1
    late = [portal.create("contacts", {"email": f"{n}@example.com"}) for n in range(3)]

    def forget(portal: Portal) -> None:
        sheet(portal).ids = [one for one in sheet(portal).ids if str(one) not in late]

    def change(portal: Portal) -> None:
        ids = list(portal.records("contacts"))
        portal.update("contacts", ids[0], {"firstname": "Ada"})
        portal.create("contacts", {"email": "new@example.com"})
        portal.archive("contacts", ids[1])
        portal.merge("contacts", ids[2], ids[3])
        portal.purge("contacts", ids[4])

    portal.mutations.add(method="POST", path="/export/async", nth=1, operations=forget)
    portal.mutations.add(method="GET", path=STATUS, nth=1, operations=change)
    assert export(warehouse).tables["contacts"].mode == "export"
    warehouse.sync("contacts")
    assert differences(portal, warehouse, CONTACTS) == []


def stopped(portal: Portal, warehouse: Warehouse) -> Warehouse:
    """Leave a backfill in the middle of an export's rows; the warehouse to go on with."""
    portal.reset(replace(PLAIN, contacts=1_150, properties=4, odd_values=False))
    small = warehouse.with_settings(load_rows=1_000, max_attempts=1)
    exporting = replace(small.config, backfill="export")
    with opened(RunLog("sync"), NULL_COLLECTOR, exporting) as (pipeline, run):
        run.set_options(report_errors=True)
        run.set_options(load_rows=exporting.load_rows)
        for _ in range(2):  # its first loads, and no more
            with WarehouseView(pipeline) as view, run.seeing(view):
                source = hubspot(["contacts"], run=run)
                source.resources.add(end_of_load(run))
                pipeline.run(source)
    assert warehouse.rows("SELECT count(*) FROM contacts") == [(1_000,)]
    portal.archive("contacts", next(iter(portal.records("contacts"))))
    return small


def test_run_that_ends_in_the_middle(portal: Portal, warehouse: Warehouse) -> None:
    """Later runs go on with the same export, behind the rows that are loaded."""
    small = stopped(portal, warehouse)
    portal.faults.add(path=STATUS, times=1, status=503, body="")
    assert small.sync("contacts").tables["contacts"].exit_code == 6
    assert small.sync("contacts").tables["contacts"].mode == "export"
    assert (portal.journal.count(kind="exports.start"), listed(portal)) == (1, 0)
    assert differences(portal, warehouse, CONTACTS) == []


def test_export_that_is_gone(portal: Portal, warehouse: Warehouse) -> None:
    """What cannot be gone on with is listed from its beginning; report and log say why."""
    small = stopped(portal, warehouse)
    portal.exports.by_id.clear()
    report = small.sync("contacts")
    assert (report.exit_code, report.tables["contacts"].mode) == (0, "backfill")
    said = "Listed, not exported: HubSpot does not know the export any more."
    assert report.warnings == [f"contacts: {said}"]
    assert (said,) in warehouse.rows("SELECT error FROM _hs_run_tables")
    assert differences(portal, warehouse, CONTACTS) == []


# --- one export -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2026-03", "v3"])
def test_one_file_without_a_zip(portal: Portal, table: Table, version: str) -> None:
    """By either form of paths every record is in the file, or behind the rows that are loaded."""
    table.client.config.api_version = version
    live = list(portal.records("contacts"))
    assert ids_of(table, fetched(table)) == live
    assert ids_of(table, fetched(table, skip=70)) == live[70:]
    assert portal.journal.count(kind="downloads.file", status=200) == 2  # a token is refused


def test_address_that_ends(portal: Portal, table: Table) -> None:
    """An address older than five minutes is exchanged for a fresh one."""
    portal.mutations.add(
        method="GET", path=STATUS, nth=1, operations=lambda p: p.clock.advance(300_000)
    )
    assert len(ids_of(table, fetched(table))) == 150
    assert [call.status for call in portal.journal.find(kind="downloads.file")] == [403, 200]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"truncate": True}, id="cut"),
        pytest.param({"disconnect": True}, id="disconnected"),
        pytest.param({"status": 200, "body": "<html>Sorry</html>"}, id="page"),
        pytest.param({"status": 500, "body": ""}, id="out-of-order"),
        pytest.param({"status": 200, "body": ""}, id="empty"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True], ids=["csv", "zip"])
def test_download_that_breaks(
    portal: Portal,
    table: Table,
    fault: dict[str, Any],
    zipped: bool,  # noqa: FBT001 - a case
) -> None:
    """A broken file is fetched again, up to three times; one that stays broken is not used."""
    portal.settings.export_zip_bytes = 0 if zipped else 2_000_000
    portal.faults.add(path=FILE, times=2, **fault)
    assert len(ids_of(table, fetched(table))) == 150
    portal.faults.add(path=FILE, times=3, **fault)
    with pytest.raises(ExportUnusableError, match="its file cannot be used"):
        fetched(table)


def fails(portal: Portal) -> None:
    """Let an export fail."""
    portal.settings.export_end = "FAILED"


def takes_long(portal: Portal) -> None:
    """Let an export take longer than anybody waits."""
    next(iter(portal.exports.by_id.values())).polls_left = 1_000


def loses_rows(portal: Portal) -> None:
    """Let the file end behind its first row."""
    task = next(iter(portal.exports.by_id.values()))
    content = b"".join([sheet(portal).header(), b"\n", *sheet(portal).rows(sheet(portal).ids[:1])])
    task.file = (content, "text/csv")


def repeats_rows(portal: Portal) -> None:
    """Let the file hold a record twice."""
    sheet(portal).ids = [*sheet(portal).ids, sheet(portal).ids[0]]


def leaves_out(portal: Portal) -> None:
    """Let an export hold a third of the table."""
    sheet(portal).ids = sheet(portal).ids[:49]


def hides_a_column(portal: Portal) -> None:
    """Let a property's values be missing."""
    sheet(portal)._readable -= {"firstname"}


def is_forgotten(portal: Portal) -> None:
    """Let HubSpot forget an export."""
    portal.exports.by_id.clear()


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        (fails, "ended as FAILED"),
        (takes_long, "not ready after 0.01 minutes"),
        (loses_rows, "holds 1 of 150 records"),
        (repeats_rows, "a record twice"),
        (leaves_out, "holds 49 records, and the table 150"),
        (hides_a_column, "not those of the API: firstname"),
        (is_forgotten, "does not know the export"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_export_that_is_not_the_table(
    portal: Portal, table: Table, defect: Callable[[Portal], None], reason: str
) -> None:
    """Whatever is wrong with an export, it is not used, and what is said names the fault."""
    portal.mutations.add(method="POST", path="/export/async", operations=defect)
    with pytest.raises(ExportUnusableError, match=reason):
        fetched(table)


def test_waiting_is_told(portal: Portal, table: Table) -> None:
    """Whoever watches a run learns what it waits for."""
    messages: list[str] = []
    table.run.set_options(on_message=messages.append)
    portal.settings.export_polls = 1
    fetched(table).close()
    assert messages == ["contacts: waiting for HubSpot's export, 0 s so far"]


def test_cancelled_run_downloads_no_further(portal: Portal, table: Table) -> None:
    """A run that is to stop leaves a download where it is; the export waits for the next run."""
    export_id = str(start(table).id)
    portal.mutations.add(path=FILE, operations=lambda _: table.client.cancel())
    with pytest.raises(UnavailableError, match="cancelled"):
        fetch(table, export_id, total=150, skip=0)
    assert portal.journal.count(kind="downloads.file") == 1


def test_instants_without_seconds(portal: Portal, table: Table) -> None:
    """Values as people see them are not taken for those of the API."""
    portal.settings.export_minutes = True
    with pytest.raises(ExportUnusableError, match="not those of the API: lastmodifieddate"):
        fetched(table)


def no_exports_left(portal: Portal, _table: Table) -> None:
    """Let others have used up the day's exports."""
    portal.settings.exports_per_day = 0


def all_used(_portal: Portal, table: Table) -> None:
    """Let this connector have started 30 exports since yesterday."""
    table.source.exports_started_at = [started(table.run.now(), 23)] * 30


def started(now: datetime, hours: float) -> datetime:
    """Return an instant so many hours ago, as the state keeps it."""
    return now - timedelta(hours=hours)


def refused(portal: Portal, _table: Table) -> None:
    """Let HubSpot refuse the start for a reason of its own."""
    portal.faults.add(path="/export/async", method="POST", status=400, body={"message": "no"})


def scope_missing(portal: Portal, _table: Table) -> None:
    """Take the token's scope of exports."""
    portal.settings.tokens = {DEFAULT_TOKEN: Token(frozenset({"crm.objects.contacts.read"}))}


@pytest.mark.parametrize(
    ("obstacle", "reason", "asked"),
    [
        (no_exports_left, "limit of 0 exports", 1),
        (all_used, "30 exports were started", 0),
        (refused, "HubSpot answered 400", 1),
        (scope_missing, "crm.export", 1),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_start_that_is_refused(
    portal: Portal,
    table: Table,
    obstacle: Callable[[Portal, Table], None],
    reason: str,
    asked: int,
) -> None:
    """Where no export can be had the table is left to a listing, once, and that is said."""
    obstacle(portal, table)
    work = Backfill(table.run.now(), total=150)
    for _ in range(2):
        assert result_of(read_export(table, work, no_links)) is None
    assert reason in (table.outcome.error or "")
    assert len(table.source.exports_started_at) == (30 if obstacle is all_used else 0)
    assert portal.journal.count(path_contains="/exports/") == asked


def test_one_page_is_listed(portal: Portal, table: Table) -> None:
    """A table that one call brings costs none of the day's exports, and nothing is said."""
    assert result_of(read_export(table, Backfill(table.run.now(), total=100), no_links)) is None
    assert (table.outcome.error, portal.journal.count(path_contains="/exports/")) == (None, 0)


# --- the choice -----------------------------------------------------------------------------


def test_plan_compares_the_ways(portal: Portal, warehouse: Warehouse) -> None:
    """A plan tells what either way costs and which one `auto` takes, by metadata alone."""
    portal.reset(replace(PLAIN, contacts=950, companies=110, properties=4, links=False))
    found = {}
    for daily in (10**9, 180):
        portal.settings.limits = Limits(**(vars(WIDE) | {"daily": daily}))
        report = plan(SyncOptions(tuple(BOTH), backfill="auto"), config=warehouse.config)
        section = next(section for section in report.sections if section.name == "backfills")
        found[daily] = {row[0]: row[2:] for row in section.rows}
        planned = {row[:2] for row in report.sections[0].rows}
        assert ("contacts", "export" if daily == 180 else "backfill") in planned
    listing = (2, 8, "list", "list")
    assert found[10**9] == {"contacts": (10, 8, "list", "list"), "companies": listing}
    assert found[180] == {"contacts": (10, 8, "export", "export"), "companies": listing}
    assert portal.journal.count(path_contains="/exports/") == 0


@pytest.mark.parametrize(("total", "started"), [(90_000, 0), (100_000, 1)])
def test_auto_follows(portal: Portal, table: Table, total: int, started: int) -> None:
    """With `auto` a sync takes an export where the plan says so; its first load only starts it."""
    table.run.configure(backfill="auto")
    table.run.set_options(load_rows=1_000)
    table.run.begin_load(["contacts"])
    finished = result_of(read_export(table, Backfill(table.run.now(), total=total), no_links))
    assert finished is (False if started else None)
    assert portal.journal.count(path_contains="/exports/") == started


@pytest.mark.parametrize(
    ("way", "pages", "calls_left", "exports_left", "expected"),
    [
        pytest.param("list", 10**6, 100, 30, False, id="listing-is-asked-for"),
        pytest.param("export", 2, None, 1, True, id="export-is-asked-for"),
        pytest.param("export", 1, None, 30, False, id="one-page"),
        pytest.param("export", 10**6, None, 0, False, id="none-left"),
        pytest.param("auto", 999, None, 30, False, id="small"),
        pytest.param("auto", 1_000, None, 30, True, id="large"),
        pytest.param("auto", 900, 10_000, 30, True, id="scarce"),
        pytest.param("auto", 8, 10, 30, False, id="no-cheaper"),
    ],
)
def test_choice(
    way: str,
    pages: int,
    calls_left: int | None,
    exports_left: int,
    expected: bool,  # noqa: FBT001 - a case
) -> None:
    """An export is taken where it is asked for, or where a listing costs much of the day."""
    chosen = is_export_chosen(way, pages=pages, calls_left=calls_left, exports_left=exports_left)
    assert chosen is expected


def test_exports_of_a_day_are_counted(table: Table) -> None:
    """The exports of the last 24 hours count, those before do not."""
    now = table.run.now()
    table.source.exports_started_at = [started(now, hours) for hours in (30, 23, 1)]
    assert exports_left(table.run, table.source) == PER_DAY - 2


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "file:///etc/hosts"]
)
def test_only_https_is_followed(address: str, tmp_path: Path) -> None:
    """Where the API is called by https, files come by nothing less."""
    with (
        (tmp_path / "file").open("wb") as file,
        pytest.raises(DownloadError, match="does not begin with https"),
    ):
        download(address, file, timeout_seconds=1)


def test_unknown_way_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A mode that does not exist is a wrong option, with the modes that do."""
    with pytest.raises(SystemExit) as caught:
        main(["sync", "--backfill", "imports"])
    assert caught.value.code == 2
    assert "'list', 'export', 'auto'" in capsys.readouterr().err
