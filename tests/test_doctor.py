"""The doctor: a line for each thing that a sync needs, a remedy for each that is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Warehouse

from pipelines.cli.output.report import RunReport
from pipelines.commands.doctor import doctor
from pipelines.commands.sync import SyncOptions
from sources.hubspot.config import HubSpotConfig, resolve_config
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Limits, Token

CHECKS = [
    *("settings", "token", "scopes", "groups", "quota", "api version", "clock", "destination"),
    "state",
]
SCOPES = frozenset({"oauth", "crm.objects.contacts.read", "crm.schemas.contacts.read"})


def findings(report: RunReport) -> dict[str, list[dict[str, Any]]]:
    """Return the lines of a report by what they checked."""
    (section,) = report.sections
    found: dict[str, list[dict[str, Any]]] = {}
    for row in section.rows:
        line = dict(zip(section.columns, row, strict=True))
        found.setdefault(line["check"], []).append(line)
    return found


def test_all_is_well(portal: Portal, config: HubSpotConfig) -> None:
    """With a good token and a file that can be written, every line is ok and the code is 0."""
    portal.settings.limits = Limits(interval=190, daily=500_000)
    report = doctor(SyncOptions(), config=config)
    assert (report.status, report.exit_code) == ("ok", 0)
    found = findings(report)
    assert list(found) == CHECKS
    assert {line["level"] for lines in found.values() for line in lines} <= {"ok", "note"}
    assert str(report.portal_id) in found["token"][0]["finding"]
    assert "190 calls per 10 s" in found["quota"][0]["finding"]
    assert "500,000" in found["quota"][0]["finding"]


def test_missing_token_is_told_beside_the_destination() -> None:
    """Without a token the rest is still checked, and the code is that of a wrong setting."""
    report = doctor(SyncOptions())
    found = findings(report)
    assert report.exit_code == 2
    assert "SOURCES__HUBSPOT__ACCESS_TOKEN" in found["settings"][0]["remedy"]
    assert found["destination"][0]["level"] == "ok"


def test_refused_token(portal: Portal, config: HubSpotConfig) -> None:
    """A token that HubSpot does not know ends the questions to HubSpot, with code 3."""
    wrong = resolve_config(base_url=config.base_url, access_token="pat-wrong")  # noqa: S106
    report = doctor(SyncOptions(), config=wrong)
    found = findings(report)
    assert (report.exit_code, found["token"][0]["level"]) == (3, "failed")
    assert "scopes" not in found
    assert "pat-wrong" not in str(found)


def test_missing_scopes_are_named(portal: Portal, config: HubSpotConfig) -> None:
    """What the token may not read is one warning that names the tables and the scopes to add."""
    portal.settings.tokens = {str(config.access_token): Token(scopes=SCOPES)}
    report = doctor(SyncOptions(), config=config)
    warnings = [line for line in findings(report)["scopes"] if line["level"] == "warning"]
    assert len(warnings) == 1
    for name in (" companies,", " deals,", " crm.objects.deals.read", " custom objects", " owners"):
        assert name in warnings[0]["finding"]
    assert " contacts" not in warnings[0]["finding"]
    assert report.exit_code == 0
    named = doctor(SyncOptions(("contacts", "deals")), config=config)
    assert (named.exit_code, findings(named)["scopes"][1]["level"]) == (3, "failed")


def test_worst_finding_decides(portal: Portal, config: HubSpotConfig) -> None:
    """A destination without its settings is found whatever HubSpot says."""
    report = doctor(SyncOptions(destination="postgres"), config=config)
    assert report.exit_code == 2
    (line,) = findings(report)["destination"]
    assert "DESTINATION__POSTGRES__CREDENTIALS" in line["remedy"]


def test_unknown_object_name(portal: Portal, config: HubSpotConfig) -> None:
    """An object type that the portal does not have is a wrong option."""
    report = doctor(SyncOptions(("contacts", "contcats")), config=config)
    assert report.exit_code == 2
    assert "contcats" in findings(report)["scopes"][0]["finding"]


def test_state_of_an_earlier_sync(portal: Portal, warehouse: Warehouse) -> None:
    """What an earlier sync left is told; another portal's dataset is a wrong setting."""
    portal.create("contacts", {"email": "a@example.com"})
    warehouse.sync("contacts")
    options = SyncOptions(("contacts",))
    report = doctor(options, config=warehouse.config)
    assert report.exit_code == 0
    assert "0.0 h old" in findings(report)["state"][0]["finding"]
    portal.account["portalId"] += 1
    report = doctor(options, config=warehouse.config)
    assert report.exit_code == 2
    (line,) = findings(report)["state"]
    assert "SOURCES__HUBSPOT__ACCESS_TOKEN" in line["remedy"]


@pytest.mark.parametrize(
    ("minutes", "level", "said"),
    [
        pytest.param(0, "ok", "agrees", id="agree"),
        pytest.param(12, "warning", "12 min behind", id="behind"),
        pytest.param(-12, "warning", "12 min ahead", id="ahead"),
    ],
)
def test_clocks_are_compared(
    portal: Portal, config: HubSpotConfig, minutes: int, level: str, said: str
) -> None:
    """A clock that is minutes off HubSpot's is a warning; nothing depends on it."""
    portal.clock.freeze(datetime.now(UTC) + timedelta(minutes=minutes))
    (line,) = findings(doctor(SyncOptions(("contacts",)), config=config))["clock"]
    assert (line["level"], said in line["finding"]) == (level, True)


@pytest.mark.parametrize(
    ("version", "at", "level"),
    [
        pytest.param("2026-03", "2026-11-23", "ok", id="fresh"),
        pytest.param("2026-03", "2027-08-01", "warning", id="ends soon"),
        pytest.param("v3", "2026-11-23", "warning", id="association paths end in March"),
    ],
)
def test_api_dates(
    portal: Portal, config: HubSpotConfig, version: str, at: str, level: str
) -> None:
    """The version in use is told with the date until which HubSpot supports it."""
    portal.clock.freeze(datetime.fromisoformat(at).replace(tzinfo=UTC))
    chosen = resolve_config(
        base_url=config.base_url, access_token=config.access_token, api_version=version
    )
    (line,) = findings(doctor(SyncOptions(), config=chosen))["api version"]
    assert line["level"] == level


def test_nothing_is_written(portal: Portal, config: HubSpotConfig, tmp_path: Any) -> None:
    """The doctor leaves no file behind and asks HubSpot for at most one record of a type."""
    portal.journal.clear()
    doctor(SyncOptions(), config=config)
    assert list(tmp_path.iterdir()) == []
    assert {request.method for request in portal.journal} == {"GET"}


def test_endpoints_are_asked_for_days(portal: Portal, config: HubSpotConfig) -> None:
    """What a declaration says with a placeholder for today is sent as the date."""
    portal.journal.clear()
    doctor(SyncOptions(select=("marketing_email_sends_daily",)), config=config)
    (call,) = [one for one in portal.journal if "histogram" in one.path]
    assert "endTimestamp" in str(call)
    assert "today" not in str(call)
