"""The demo: an emulated portal, two syncs into DuckDB, three questions."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from destinations.reading.readers import open_reader
from pipelines.cli.output.progress import RunCollector
from pipelines.cli.output.report import RunReport, Section
from pipelines.commands.sync import SyncOptions, sync
from sources.hubspot.config import HubSpotConfig, resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

FILE = "hubspot_demo.duckdb"
OBJECTS = ("contacts", "companies", "deals", "tickets", "line_items", "notes", "custom_vehicle")
_SPEC = SeedSpec(seed=7, contacts=2_000, properties=60)
_FIRST = ("Aurora", "Blue Fjord", "Cedar", "Duna", "Éclair", "Fuji", "Grünwald")
_SECOND = ("Logistics", "Foods", "Systems", "Design", "Energy")
_STAGES = ("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost")
_BETWEEN = timedelta(hours=2)  # between the two syncs, by the portal's clock
_QUIET = timedelta(minutes=1)  # before the first: nothing changes while it goes on
_CHANGED, _CREATED, _ARCHIVED = 25, 5, 3


@dataclass(frozen=True, slots=True)
class Question:
    """SQL that shows what the warehouse is good for."""

    name: str
    title: str
    sql: str


QUESTIONS = (
    Question(
        "deals_by_stage",
        "Deals by pipeline and stage",
        """
        SELECT p.label AS pipeline, s.label AS stage, count(*) AS deals,
               round(sum(d.amount)) AS amount
        FROM deals d
        JOIN pipelines p ON p.id = d.pipeline
        JOIN pipeline_stages s ON s.id = d.dealstage AND s.pipeline_id = p.id
        WHERE d._hs_deleted_at IS NULL
        GROUP BY p.label, s.label, s.display_order
        ORDER BY p.label, s.display_order
        """,
    ),
    Question(
        "second_sync",
        "Contacts that the second sync brought",
        """
        SELECT coalesce(_hs_deletion,
                        CASE WHEN _hs_created_at > first.ended_at THEN 'created' ELSE 'changed' END)
               AS what, count(*) AS contacts
        FROM contacts, (SELECT min(ended_at) AS ended_at FROM _hs_runs) first
        WHERE _hs_synced_at > first.ended_at + INTERVAL '1 hour'
        GROUP BY what ORDER BY what
        """,
    ),
    Question(
        "contacts_per_company",
        "Companies with the most contacts, through the link tables",
        """
        SELECT c.name AS company, count(DISTINCT l.from_id) AS contacts,
               count(DISTINCT d.to_id) AS deals
        FROM companies c
        JOIN contacts_to_companies l ON l.to_id = c.id
        LEFT JOIN companies_to_deals d ON d.from_id = c.id
        WHERE c._hs_deleted_at IS NULL
        GROUP BY c.id, c.name ORDER BY contacts DESC, company LIMIT 5
        """,
    ),
)


def demo(*, collector: RunCollector, file: str = FILE) -> RunReport:
    """Sync an emulated portal, change it, sync again, and ask the warehouse three questions.

    Guarantees: no setting of the user's is used, no account needed, and only `file` is written.

    Args:
        collector: where progress goes.
        file: DuckDB file, replaced where it exists.

    Raises:
        ConfigError: the file cannot be written.
    """
    began = time.monotonic()
    _clear(Path(file))
    with EmulatorServer(_SPEC, limits="off") as server:
        config = resolve_config(
            base_url=server.url,
            access_token=server.token,
            search_per_second=10_000,  # this portal has no limits that a demo should wait for
            associations_per_10_seconds=100_000,
        )
        server.portal.clock.set(datetime.now(UTC) - _BETWEEN)
        furnish(server.portal)
        server.portal.clock.advance(_QUIET.total_seconds() * 1000)
        first = _sync(config, collector, file)
        if first.exit_code:
            return first
        server.portal.clock.resume()
        change(server.portal)
        report = _sync(config, collector, file)
    if report.exit_code:
        return report
    report.sections = [_runs(first, report), *_answers(file)]
    report.tables, report.seconds = {}, time.monotonic() - began
    report.text = f"A portal with {_SPEC.contacts:,} contacts, synced into {file}.\n"
    return report


def _clear(file: Path) -> None:
    """Take away what an earlier demo left, and make sure that a file can be there.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        for old in (file, Path(f"{file}.wal")):
            old.unlink(missing_ok=True)
        file.touch()
        file.unlink()
    except OSError as error:
        raise ConfigError(
            f"{file.absolute()} cannot be written: {error.strerror}.",
            remedy="Run the demo in a folder that can be written.",
        ) from None


def _sync(config: HubSpotConfig, collector: RunCollector, file: str) -> RunReport:
    collector.restart()
    options = SyncOptions(objects=OBJECTS, destination=file)
    return sync(options, collector=collector, command="demo", config=config)


def furnish(portal: Portal) -> None:
    """Give companies names and deals stages and amounts, so that the results look real."""
    for number, company in enumerate(portal.records("companies")):
        first, second = _FIRST[number % len(_FIRST)], _SECOND[number // 7 % len(_SECOND)]
        portal.update("companies", company, {"name": f"{first} {second} {number}"})
    for number, deal in enumerate(portal.records("deals")):
        sale = {
            "pipeline": "default",
            "dealstage": _STAGES[(number + number // 3) % len(_STAGES)],
            "amount": str(500 + number * 137 % 20_000),
        }
        portal.update("deals", deal, sale)


def change(portal: Portal) -> None:
    """Do to a portal what people do: edit, create, associate, merge and archive."""
    contacts, companies = list(portal.records("contacts")), list(portal.records("companies"))
    for number, contact in enumerate(contacts[:_CHANGED]):
        portal.update("contacts", contact, {"jobtitle": f"Head of Department {number + 1}"})
    for number in range(_CREATED):
        new = portal.create("contacts", {"email": f"new.{number}@example.com", "firstname": "New"})
        portal.associate("contacts", new, "companies", companies[number])
    for contact in contacts[-_ARCHIVED:]:
        portal.archive("contacts", contact)
    portal.merge("contacts", contacts[_CHANGED], contacts[_CHANGED + 1])


def _runs(first: RunReport, second: RunReport) -> Section:
    rows = [
        (name, run.rows, run.tombstones, run.calls, round(run.seconds, 1))
        for name, run in (("first", first), ("second", second))
    ]
    return Section(
        "syncs", ("sync", "rows", "tombstones", "calls", "seconds"), rows, title="Two syncs"
    )


def _answers(file: str) -> list[Section]:
    with open_reader(file, "hubspot") as reader:
        asked = [(question, reader.ask(question.sql)) for question in QUESTIONS]
    return [Section(q.name, a.columns, a.rows, title=q.title) for q, a in asked]
