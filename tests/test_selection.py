"""What is read follows from names: of tables, object types, link tables and groups."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import FEW, Warehouse

from pipelines.cli.groups import not_read
from pipelines.commands.doctor import doctor
from pipelines.commands.plan import plan
from pipelines.commands.status import status
from pipelines.commands.sync import SyncOptions
from sources.hubspot.catalog import selection
from sources.hubspot.catalog.endpoints import ENDPOINTS, GROUPS
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.catalog.selection import ALWAYS, Directory, Names, Selection, reads_own
from sources.hubspot.errors import ConfigError, UnknownTypeError
from sources.hubspot.model import ObjectType
from sources.hubspot.state.source import SourceState
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

VEHICLE = ObjectType("custom_vehicle", "2-7", "2-7")
TYPES = (*STANDARD, VEHICLE)
CRM_TABLES = {*GROUPS[CRM]}
DEFAULTS = {name for name, one in ENDPOINTS.items() if one.default}
SETTINGS = {*GROUPS["settings"]}


def chosen(*names: str, without: tuple[str, ...] = (), **settings: Any) -> Selection:
    """Return what a command with these names, and others to exclude, reads."""
    directory = Directory(TYPES, settings.get("pairs", ()))
    return directory.choose(Names(**settings), Names(names, without))


def tables(found: Selection) -> list[str]:
    """Return the tables of object types."""
    return [kind.table for kind in found.types]


def links(found: Selection) -> set[str]:
    """Return the link tables."""
    return {selection.link_table(*(end.table for end in ends)) for ends in found.pairs}


def test_without_names_all_that_is_on_by_default_is_read() -> None:
    """All object types with their links, and every endpoint that is not off by default."""
    found = chosen()
    assert list(found.types) == [*TYPES]
    assert {*found.endpoints} == DEFAULTS
    assert found.named == frozenset()
    assert found == chosen("default") == chosen(select=["default"])


@pytest.mark.parametrize(
    "name", ["contacts", "Contact", " CONTACTS ", "0-1", "contacts,", "contacts_to_contacts"]
)
def test_an_object_type_comes_with_what_belongs_to_records(name: str) -> None:
    """In any spelling; its links and the reference tables of the CRM, and nothing of other APIs."""
    found = chosen(name)
    assert (tables(found), links(found)) == (["contacts"], {"contacts_to_contacts"})
    assert {*found.endpoints} == CRM_TABLES


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("Line Items", "line_items"),
        ("feedback-submission", "feedback_submissions"),
        ("company", "companies"),
        ("vehicle", "custom_vehicle"),
        ("vehicles", "custom_vehicle"),
        ("2-7", "custom_vehicle"),
        ("0-162", "services"),
    ],
)
def test_spellings(name: str, table: str) -> None:
    """Spaces, hyphens, singular and plural, bare names and type ids lead to the table."""
    assert tables(chosen(name)) == [table]
    assert table not in tables(chosen(without=(name,)))


def test_groups_and_tables_of_other_apis() -> None:
    """A group reads its endpoints; a table its endpoint, and the parents that it is asked for."""
    assert {*chosen("settings").endpoints} == SETTINGS | ALWAYS
    assert tables(chosen("settings")) == []
    with_parents = {*ALWAYS, "forms", "form_submissions"}
    for name in ("forms", "form_submissions", "form submission values", "Form-Submission"):
        assert {*chosen(name).endpoints} == with_parents
    assert {*chosen("team_users").endpoints} == {*ALWAYS, "teams"}
    assert {*chosen("contacts", "teams").endpoints} == {*CRM_TABLES, "teams"}
    crm = chosen("crm")
    assert (tables(crm), {*crm.endpoints}) == (tables(chosen()), CRM_TABLES)
    assert links(crm) == links(chosen())


def test_link_tables() -> None:
    """A link table brings both of its ends; excluded it is left out, in either direction."""
    found = chosen("contacts_to_deals")
    assert (tables(found), links(found)) == (["contacts", "deals"], {"contacts_to_deals"})
    both = chosen("contacts", "deals-to-contacts")
    assert links(both) == {"contacts_to_contacts", "contacts_to_deals"}
    left = chosen("contacts", "deals", without=("deals to contacts",))
    assert links(left) == {"contacts_to_contacts", "deals_to_deals"}
    assert links(chosen(without=("links",))) == set()
    added = chosen("leads", "users", pairs=["leads:users", "-leads:leads"])
    assert links(added) == {"leads_to_users"}


def test_excluding_takes_what_depends_on_it() -> None:
    """With an object type its links go, with an endpoint those that are asked for its rows."""
    found = chosen(without=("companies", "forms", "workflow"))
    assert "companies" not in tables(found)
    assert not any("companies" in table for table in links(found))
    assert not {"forms", "form_submissions", "workflows", "workflow_details"} & {*found.endpoints}
    assert {*chosen(without=("crm",)).endpoints} == (DEFAULTS - CRM_TABLES) | ALWAYS
    assert "owners" not in chosen("contacts", without=("owners",)).endpoints


def test_a_command_adds_to_the_settings_and_takes_from_them() -> None:
    """`default` means what the settings choose; a name in a command wins over their `exclude`."""
    setting: dict[str, Any] = {"exclude": ["settings", "contacts_to_deals", "owners"]}
    assert not SETTINGS & {*chosen(**setting).endpoints}
    of_users = {"sequence_users", "sequence_details"}  # nobody to ask for
    assert {*chosen("default", "roles", **setting).endpoints} == (
        DEFAULTS - SETTINGS - {"owners"} - of_users | {"roles"}
    )
    assert {*chosen("settings", **setting).endpoints} == SETTINGS | ALWAYS
    named = chosen("contacts", "deals", **setting)
    assert links(named) == {"contacts_to_contacts", "deals_to_deals"}
    assert "owners" not in named.endpoints
    few: dict[str, Any] = {"select": ["contacts_to_companies", "roles"]}
    assert links(chosen(**few)) == {"contacts_to_companies"}
    assert tables(chosen("default,deals", **few)) == ["contacts", "companies", "deals"]
    assert tables(chosen("deals", **few)) == ["deals"]
    assert tables(chosen(without=("companies",), **few)) == ["contacts"]
    assert chosen("contacts", **few).named == {"contacts"}
    needed = {"email_campaigns", "email_campaign_ids"}
    assert {*chosen("email_campaigns", exclude=["email"]).endpoints} == needed | ALWAYS


def test_what_is_off_by_default_is_switched_on_by_name() -> None:
    """By its own name, by its group's and by `all`; tables per object type come with the type."""
    off = {name for name, one in ENDPOINTS.items() if not one.default}
    assert not off & {*chosen().endpoints}
    assert chosen().per_type == {}
    assert {*chosen("all").endpoints} == {*ENDPOINTS}
    for name in off:
        assert name in chosen(f"default,{name}").endpoints
        assert name in chosen(ENDPOINTS[name].group).endpoints
    assert chosen("default", "history").per_type["history"] == (*tables(chosen()),)
    deals = chosen("deals property history")
    assert (tables(deals), deals.per_type) == (["deals"], {"history": ("deals",)})
    assert deals.reads("deals_property_history")
    assert not deals.reads("contacts_property_history")
    assert "history: contacts_property_history" in Directory(TYPES).listed()


def test_a_group_that_is_off_is_switched_on_by_its_name() -> None:
    """What doctor says to type is short: the group where all of it is off, else its tables."""
    said = dict(not_read(chosen(), SourceState()))
    remedies = {text.partition(":")[0]: remedy for text, remedy in said.items()}
    assert "--select default,conversations, or" in remedies["conversations"]
    assert "--select default,subscription_statuses," in remedies["consent"]


@pytest.mark.parametrize(
    ("names", "exclude", "message"),
    [
        (("formz",), (), r"Unknown name: formz.*Did you mean forms\?.*settings: .*roles"),
        (("contcats",), (), r"Did you mean contacts\?.*crm: contacts, companies"),
        ((), ("contcats",), r"Unknown name: contcats"),
        (("contacts",), ("contacts",), r"Nothing is left to read"),
        (("properties",), (), r"Nothing is left to read.*forms: forms"),
        ((), ("account",), r"account cannot be excluded: every run needs it"),
        (
            ("email_campaigns",),
            ("email_campaign_ids",),
            r"email_campaigns cannot be read without email_campaign_ids, which is excluded",
        ),
        ((), ("team_users",), r"comes with teams, in the same calls.*Exclude teams"),
    ],
)
def test_names_that_cannot_be_followed(
    names: tuple[str, ...], exclude: tuple[str, ...], message: str
) -> None:
    """What there is, by group, is listed; nothing is half excluded."""
    with pytest.raises(ConfigError) as raised:
        chosen(*names, without=exclude)
    assert raised.value.exit_code == 2
    assert re.search(message, str(raised.value))


def test_names_of_groups_are_no_others() -> None:
    """A group is called as no object type and no table of another group."""
    words = {selection.DEFAULT, selection.EVERYTHING, selection.LINKS}
    taken = {kind.table for kind in STANDARD} | words
    assert not {*GROUPS} & taken
    for name, one in ENDPOINTS.items():
        assert name not in GROUPS or name == one.group
    assert not {*ENDPOINTS} & taken


@pytest.mark.parametrize(
    ("settings", "names", "own"),
    [
        ((), ("contacts", "forms"), False),
        ((), (), None),
        ((), ("default", "forms"), None),
        (("deals",), ("default", "forms"), False),
        (("deals",), (), False),
        ((), ("vehicle",), True),
        ((), ("links",), None),
    ],
)
def test_own_types_are_asked_for_where_they_may_be_read(
    settings: tuple[str, ...], names: tuple[str, ...], *, own: bool | None
) -> None:
    """Where only HubSpot's own types and groups are named, the portal is not asked for others."""
    assert reads_own(Names(settings), Names(names)) is own


def test_a_task_of_a_scheduler_reads_its_part() -> None:
    """Of an object type with the CRM's reference tables, or of a group; links are kept."""
    directory = Directory(TYPES)
    whole = directory.choose(Names(exclude=["companies"]), Names())
    deals = directory.narrowed(whole, ["deal"])
    assert (tables(deals), {*deals.endpoints}) == (["deals"], CRM_TABLES)
    assert deals.pairs == whole.pairs
    forms = directory.narrowed(whole, ["forms"])
    assert (tables(forms), {*forms.endpoints}) == ([], {*ALWAYS, *GROUPS["forms"]})
    assert tables(directory.narrowed(whole, ["companies"])) == []
    with pytest.raises(UnknownTypeError):
        directory.narrowed(whole, ["dealz"])


def test_a_sync_reads_what_is_selected(portal: Portal, warehouse: Warehouse) -> None:
    """A group alone asks for no record; what was read and is not selected now stays."""
    portal.reset(SeedSpec(contacts=30, companies=8, properties=6, custom_objects=0))
    portal.journal.clear()
    report = warehouse.sync_at_once(select=("settings", "owners"), exclude=("roles",))
    assert (report.exit_code, report.warnings) == (0, [])
    assert {*report.tables} >= {"account_users", "teams", "owners"}
    assert not {*report.tables} & {"roles", "contacts", "pipelines", "forms"}
    assert warehouse.rows("SELECT count(*) FROM account_users") != [(0,)]
    paths = [call.path for call in portal.journal]
    assert not [path for path in paths if "/objects/" in path]

    options = SyncOptions(select=("contacts_to_companies", "teams"))
    foretold = {row[0]: row for row in plan(options, config=warehouse.config).sections[0].rows}
    assert {"contacts", "companies"} <= foretold.keys()
    assert not {"deals", "teams"} & foretold.keys()  # teams were read a moment ago
    warehouse.sync_at_once(select=options.select)
    shown = "SELECT DISTINCT table_name FROM information_schema.tables WHERE table_name LIKE"
    assert warehouse.rows(f"{shown} '%!_to!_%' ESCAPE '!'") == [("contacts_to_companies",)]

    before = warehouse.table("contacts")
    others = warehouse.with_settings(select=["companies"], exclude=["contacts"])

    portal.update("contacts", next(iter(before)), {"firstname": "Changed"})
    report = others.sync_all()
    assert (report.exit_code, "contacts" in report.tables) == (0, False)
    assert warehouse.table("contacts") == before
    lines = {row[2]: row[3] for row in doctor(SyncOptions(), config=others.config).sections[0].rows}
    left = next(line for line in lines if line.startswith("not synced any more"))
    today = f"{datetime.fromtimestamp(portal.clock.now_ms() / 1000, UTC):%Y-%m-%d}"
    assert f"contacts (last {today}" in left
    assert "companies" not in left
    assert any(line.startswith("a sync reads 1 object types") for line in lines)
    assert any(line.startswith("forms: not read: forms (2 calls or more)") for line in lines)


def test_status_says_what_is_not_selected_any_more(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that the settings leave out are named with their age; --max-age leaves them out."""
    warehouse.load(portal, FEW, "contacts", "companies")
    monkeypatch.setenv("SOURCES__HUBSPOT__EXCLUDE", '["companies", "owners"]')
    report = status()
    (warning,) = [one for one in report.warnings if one.startswith("not synced any more")]
    assert "companies (last 20" in warning
    assert "contacts (" not in warning
    young = status(max_age=timedelta(days=9_999), objects=["companies"])
    assert (young.exit_code, young.warnings) == (0, [])
    monkeypatch.setenv("SOURCES__HUBSPOT__EXCLUDE", '["companiez"]')
    assert any("Unknown name: companiez" in one for one in status().warnings)
