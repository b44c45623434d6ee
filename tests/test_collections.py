"""Every declared endpoint, driven through one history of a portal; each scene is one sync of all.

First reading, nothing new, edits with unknown members and bare rows, deletions, pages without rows;
cursors that repeat, a server that fails, scopes that are missing, a product that is gone.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import FEWER, WIDE, Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from test_cut_off import EVENTS, FILES

from pipelines.cli.output.report import RunReport
from pipelines.commands.state import reset, rewind
from pipelines.commands.sync import SyncOptions, sync
from sources.hubspot.catalog.endpoints import ENDPOINTS, GROUPS, TABLES
from sources.hubspot.catalog.endpoints.crm import CRM
from sources.hubspot.catalog.endpoints.declaration import (
    Endpoint,
    Increment,
    Members,
    NewestFirst,
    Parents,
    Whole,
    Windows,
)
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.config import HubSpotConfig, resolve_config
from sources.hubspot.errors import ConfigError
from sources.hubspot.model import TableOutcome
from sources.hubspot.steps.collections.pages import decode_page
from sources.hubspot_emulator.clock import iso
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.collections.registry import KINDS
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import Token

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ALL = [name for name, one in ENDPOINTS.items() if not one.own_reader and one.group != CRM]
NAMES = [name for name in ALL if ENDPOINTS[name].default]
LISTED = [
    name
    for name in NAMES
    if not (ENDPOINTS[name].per or ENDPOINTS[name].is_of_day)
    and name in KINDS
    and len(KINDS[name].keys) == 1
]
"""Endpoints of the portal whose rows are those of a collection of the emulator."""
OF_PARENTS = [
    name
    for name in NAMES
    if isinstance(ENDPOINTS[name].per, Parents)
    and not isinstance(ENDPOINTS[name].read, Members)
    and name in KINDS
    and "_parent" in KINDS[name].keys
]
"""Endpoints of rows of another, whose rows are those of a collection of the emulator."""
MAY_GO = [name for name in LISTED if isinstance(ENDPOINTS[name].read, Whole | Increment)]


def changed_only(name: str) -> bool:
    """Whether an endpoint is asked only for parents that changed."""
    per = ENDPOINTS[name].per
    return bool(getattr(per, "changed", "") or getattr(per, "differs", False))


PAGED = [name for name in MAY_GO if ENDPOINTS[name].paging.kind != "none"]
OF_DAYS = tuple(name for name in NAMES if ENDPOINTS[name].is_of_day)
"""What brings new rows each day is read in the first two scenes."""
TELLING_OF_THE_DAY = [
    name
    for name in NAMES
    if ENDPOINTS[name].is_of_day or "@today" in repr(ENDPOINTS[name].variants)
]
"""Endpoints whose rows are others the day after."""
KEPT = [name for name in NAMES if not (changed_only(name) or ENDPOINTS[name].is_of_day)]
SAME = [
    name
    for name in NAMES
    if ENDPOINTS[name].replaced_by and not changed_only(name) and name not in TELLING_OF_THE_DAY
]
"""Endpoints of parents that are all read each time, and whose rows do not tell of the day."""
FORBIDDEN = [name for name in LISTED if "crm.objects.contacts.read" not in ENDPOINTS[name].scopes]
WORKED_OUT = {
    "hubdb_tables": {"row_count"},
    "lists": {"size", "filter_branch", "list_permissions", "membership_settings", "folder_id"},
    "marketing_events": {"registrants", "attendees", "cancellations", "no_shows"},
    "event_types": {"name", "prefix"},
    "import_errors": {"error_message"},
    "campaign_assets": {"metrics"},
    "workflows": {"details"},
}
"""Columns that the emulator works out for each answer, from other collections."""
OF_PAGES = (
    "attachedStylesheets categoryId contentTypeCategory dynamicPageDataSourceId"
    " dynamicPageDataSourceType enableDomainStylesheets enableLayoutStylesheets"
    " featuredImageAltText includeDefaultCustomCss linkRelCanonicalUrl mabExperimentId"
    " pageExpiryDate pageExpiryEnabled pageExpiryRedirectId pageExpiryRedirectUrl pageRedirected"
    " publicAccessRules publishImmediately useFeaturedImage"
)
WITHOUT_COLUMN = {
    "site_pages": OF_PAGES,
    "landing_pages": OF_PAGES,
    "blogs": "description publicAccessRules publicAccessRulesEnabled translatedFromId",
    "domains": "manuallyMarkedAsResolving",
    "url_mappings": "portalId",
    "files": "allowsAnonymousAccess",
}
"""Members of the emulator's rows that are in `extra` alone."""
COUNTS = "SELECT count(*), count(DISTINCT {}) FROM {}"
KEYED = (("id", "email_events"), ("entry", "cms_audit_logs"))
SUBMITTED = (
    ("submission_key", "form_submissions"),
    ("(submission_key, ordinal)", "form_submission_values"),
)
LEFT_OUT = tuple(kind.table for kind in STANDARD if kind.table != "contacts")
"""Object types that are not read: one is, for other APIs tell of its records."""
NEW = {"zzNew": {"a": [1, "two"]}}
"""A member that no declaration knows."""
Row = dict[str, Any]


@dataclass
class Scene:
    """What one sync left."""

    report: RunReport
    rows: dict[str, list[Row]]
    """Of each table."""
    truth: dict[str, list[Row]]
    """Of each collection of the emulator."""
    edited: dict[str, str] = field(default_factory=dict)
    """By endpoint, the key of the row that was edited before."""
    deleted: dict[str, str] = field(default_factory=dict)

    def outcome(self, name: str) -> TableOutcome:
        """Return what became of an endpoint; nothing was done where it was not due."""
        return self.report.tables.get(name, TableOutcome(name))

    def live(self, name: str) -> list[Row]:
        """Return the rows of a table that are not gone."""
        return [row for row in self.rows.get(name, []) if row.get("_hs_deleted_at") is None]

    def values(self, name: str) -> list[Row]:
        """Return the same rows in order, whenever they were loaded."""
        rows = [{**row, "_hs_synced_at": None} for row in self.live(name)]
        return sorted(rows, key=repr)


@dataclass
class Stage:
    """A portal and its warehouse, on which the history plays."""

    portal: Portal
    config: HubSpotConfig
    path: Path
    left_out: tuple[str, ...] = LEFT_OUT

    def sync(self, *, after_ms: int = 2_000, **marks: dict[str, str]) -> Scene:
        """Sync everything some time after the last, and return what is there."""
        self.portal.clock.advance(after_ms)
        truth = {name: self.truth(name) for name in (*LISTED, *OF_PARENTS)}
        options = SyncOptions(exclude=self.left_out)
        report = sync(options, collector=NULL_COLLECTOR, config=self.config)
        return Scene(report, self.rows(), truth, **marks)

    def truth(self, name: str) -> list[Row]:
        """Return the rows that HubSpot lists for an endpoint, as it knows them."""
        passes = [one.get("archived") for one in ENDPOINTS[name].variants]
        return [
            row | ({"archived": bool(row.get("_archived"))} if "archived" in row else {})
            for row in self.portal.collections[name].rows()
            if not row.get("_archived") or "true" in passes
        ]

    def rows(self) -> dict[str, list[Row]]:
        """Return the rows of every table of the endpoints."""
        found: dict[str, list[Row]] = {}
        with duckdb.connect(str(self.path), read_only=True) as connection:
            connection.execute("SET schema = 'hubspot'; SET timezone = 'UTC'")
            there = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
            for table in sorted(there & TABLES.keys()):
                cursor = connection.table(table)
                names = [column[0] for column in cursor.description]
                found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scene]]:
    """Play the history once."""
    folder = tmp_path_factory.mktemp("history")
    with (
        pytest.MonkeyPatch.context() as patch,
        EmulatorServer(SeedSpec(contacts=12, companies=4, custom_objects=0), limits=WIDE) as server,
    ):
        path = folder / "warehouse.duckdb"
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.delenv("SOURCES__HUBSPOT__EXCLUDE", raising=False)
        patch.chdir(folder)
        config = resolve_config(
            base_url=server.url,
            access_token=server.token,
            search_per_second=10**6,
            associations_per_10_seconds=10**6,
            max_attempts=1,
            patience_seconds=0,
        )
        yield played(Stage(server.portal, config, path))


def played(stage: Stage) -> dict[str, Scene]:
    """Sync a portal again and again, with something done to it in between.

    What failed is due at once and what was refused after an hour, so that few scenes wait longer.
    """
    portal = stage.portal
    scenes = {"first": stage.sync(), "idle": stage.sync(after_ms=DAY_MS + HOUR_MS)}
    began_ms = portal.clock.now_ms()
    closed = {"name": "secret", "label": "Secret", "_unreadable": True}
    portal.collections["campaign_properties"].add(closed)
    edited, deleted = edit(portal)
    send(portal, edited["forms"], began_ms)
    for name in PAGED:
        portal.collections[name].empty_page()
    stage.left_out += OF_DAYS
    scenes["changed"] = stage.sync(after_ms=2 * DAY_MS, edited=edited, deleted=deleted)
    for name in NAMES:
        portal.faults.add(path=pattern(ENDPOINTS[name]), status=500)
    participations = portal.collections["marketing_event_participations"]
    one = participations.seen(edited["marketing_events"])[0]
    participations.delete((one["_parent"], one["id"]))
    scenes["broken"] = stage.sync(after_ms=2 * DAY_MS)
    portal.faults.clear()
    portal.settings.absent = dict.fromkeys(LISTED, 404)
    scenes["absent"] = stage.sync()
    portal.settings.absent = {}
    tokens, token = portal.settings.tokens, str(stage.config.access_token)
    scopes = {one.scopes[0] for one in ENDPOINTS.values() if one.group == CRM and one.scopes}
    tokens[token] = Token(frozenset({"oauth", "crm.objects.contacts.read", *scopes}))
    scenes["forbidden"] = stage.sync(after_ms=2 * HOUR_MS)
    scenes["forbidden still"] = stage.sync()
    tokens[token] = Token()
    for name in PAGED:
        portal.collections[name].repeat_cursor(9)
    scenes["circle"] = stage.sync(after_ms=2 * HOUR_MS)
    for name in PAGED:
        portal.collections[name].repeat_cursor(0)
    scenes["back"] = stage.sync()
    return scenes


def edit(portal: Portal) -> tuple[dict[str, str], dict[str, str]]:
    """Edit a row of each collection, delete one, and bare one; return the keys of the first two."""
    edited, deleted = {}, {}
    for name in MAY_GO:
        rows = portal.collections[name].seen()
        keys = [" ".join(str(row[key]) for key in KINDS[name].keys) for row in rows]
        edited[name] = keys[0]
        portal.collections[name].edit(edited[name].split(), NEW)
        if len(rows) > 2:
            deleted[name] = keys[1]
            portal.collections[name].delete(deleted[name].split())
            portal.collections[name].bare(keys[2].split())
    parents, gone = {*edited.values()}, {*deleted.values()}
    for name in OF_PARENTS:
        found, rows = portal.collections[name], portal.collections[name].seen()
        keys = [tuple(row[key] for key in KINDS[name].keys) for row in rows]
        if ENDPOINTS[name].has_events:
            continue
        one, *others = [key for key in keys if str(key[0]) in parents - gone]
        found.edit(one, NEW)
        edited[name] = " ".join(map(str, one))
        if others:
            found.delete(others[-1])
            deleted[name] = " ".join(map(str, others[-1]))
    return edited, deleted


def send(portal: Portal, form: str, began_ms: int) -> None:
    """Submit a form, and let two events of e-mails come, one of which HubSpot shows late."""
    now_ms = portal.clock.now_ms() + 2 * DAY_MS
    portal.collections["form_submissions"].add(
        {"conversionId": "new", "submittedAt": now_ms - 60_000, "pageUrl": "https://x",
         "values": [{"objectTypeId": "0-1", "name": "email", "value": "a@example.com"}] * 2},
        parent=form,
    )  # fmt: skip
    event = {"type": "OPEN", "recipient": "a@example.com", "portalId": 1}
    for name, at_ms in (("new", now_ms - 2 * HOUR_MS), ("late", began_ms - 3 * HOUR_MS)):
        portal.collections["email_events"].add({"id": name, "created": at_ms, **event})


AFTERWARDS = ("absent", "forbidden", "circle", "back")
"""The scenes after the one in which the server fails."""


def recovered(history: dict[str, Scene], name: str) -> bool:
    """Whether an endpoint was read again after the server had failed, and ended well."""
    found = [history[scene].outcome(name) for scene in AFTERWARDS]
    return found[-1].status == "ok" and any(one.status == "ok" and one.calls for one in found)


def outcomes(history: dict[str, Scene], name: str) -> dict[str, TableOutcome]:
    """Return what became of an endpoint in each scene, for a message."""
    return {scene: history[scene].outcome(name) for scene in AFTERWARDS}


def pattern(endpoint: Endpoint) -> str:
    """Return what the paths of an endpoint look like."""
    path = endpoint.api.dated
    while "{" in path:
        path = path[: path.index("{")] + "[^/]+" + path[path.index("}") + 1 :]
    return f"^{path}(\\?|$)"


@pytest.mark.parametrize("name", LISTED)
def test_rows_are_those_of_the_portal(history: dict[str, Scene], name: str) -> None:
    """After the first sync, and after edits and deletions, each row has the values of HubSpot's."""
    for scene in (history["first"], history["changed"], history["back"]):
        assert scene.outcome(name).status == "ok", scene.outcome(name).error
        assert_same(ENDPOINTS[name], scene)


def assert_same(endpoint: Endpoint, scene: Scene) -> None:
    """The live rows of the first table are the portal's, value by value; children are as many."""
    first = endpoint.first
    if first.rows:
        return
    assert_values(endpoint, first.fields, scene.live(first.name), scene.truth[endpoint.name])
    for child in endpoint.tables[1:]:
        lists = [row.get(child.rows) or [] for row in scene.truth[endpoint.name]]
        if any(lists):
            assert len(scene.live(child.name)) == sum(map(len, lists))


@pytest.mark.parametrize("name", [name for name in NAMES if ENDPOINTS[name].fills])
def test_columns_that_another_answer_fills(history: dict[str, Scene], name: str) -> None:
    """They are there after each sync, also where the row around them was loaded again alone."""
    fill = ENDPOINTS[name].fills
    assert fill is not None
    for scene in (history["first"], history["changed"], history["back"]):
        given = {row[fill.key or fill.by]: row[fill.column] for row in scene.live(name)}
        filled = {row[fill.by]: row[fill.column] for row in scene.live(fill.table)}
        assert {key: one for key, one in filled.items() if one is not None} == given


@pytest.mark.parametrize("name", OF_PARENTS)
def test_rows_of_parents_are_those_of_the_portal(history: dict[str, Scene], name: str) -> None:
    """So have rows of parents; what is edited and deleted comes, and goes, with its parent's."""
    endpoint, changed = ENDPOINTS[name], history["changed"]
    own = [
        one
        for one in endpoint.first.fields
        if all(source.origin == "member" for source in one.sources)
    ]
    gone = set() if endpoint.has_events else {*changed.deleted.values()}
    for scene in (history["first"], changed):
        assert scene.outcome(name).status == "ok", scene.outcome(name).error
        left = gone if scene is changed else set()
        truth = [row for row in scene.truth[name] if str(row["_parent"]) not in left]
        assert_values(endpoint, own, scene.live(name), truth)
    if endpoint.first.takes_members and name in changed.edited:
        assert len([row for row in changed.live(name) if "zzNew" in (row["extra"] or "")]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_each_member_of_an_answer_has_its_column(history: dict[str, Scene], name: str) -> None:
    """A path that answers do not have leaves the member that it means in `extra`: none is there."""
    found = [json.loads(row.get("extra") or "{}") for row in history["first"].live(name)]
    members = {member for extra in found for member in extra}
    assert members == {*WITHOUT_COLUMN.get(name, "").split()}


def assert_values(
    endpoint: Endpoint, fields: Sequence[Any], live: Sequence[Row], truth: Sequence[Row]
) -> None:
    """Rows have the values of HubSpot's in some columns, but for what it works out."""
    left_out = WORKED_OUT.get(endpoint.name, set())
    columns = [column for column in fields if column.name not in left_out]
    ours = [{one.name: row[one.name] for one in columns} for row in live]
    theirs = [
        {one.name: value_of(one.kind, one.form, one.sources, row) for one in columns}
        for row in truth
    ]
    for column in columns:
        for row in ours if column.kind == "json" else []:
            row[column.name] = row[column.name] and as_text(json.loads(row[column.name]))
    assert [shown(row) for row in sorted(ours, key=in_order)] == [
        shown(row) for row in sorted(theirs, key=in_order)
    ]


def in_order(row: Row) -> str:
    """Return what rows are sorted by: their texts, for instants are written in several ways."""
    return repr([str(value) for value in row.values()])


def shown(row: Row) -> Row:
    """Return a row without what is null, so that a difference can be read."""
    return {name: value for name, value in row.items() if value is not None}


def value_of(kind: str, form: str, sources: Sequence[Any], row: Row) -> Any:
    """Return what a column has to hold, worked out apart from the connector."""
    value: Any = None
    for source in sources:
        found: Any = source.path[0] if source.origin == "literal" else row
        for member in source.path if found is row else ():
            own = "_properties" if member == "properties" and member not in found else member
            found = found.get(own) if isinstance(found, dict) else None
        value = found if value is None else value
    if value is None or (form == "nonzero" and instant(value).timestamp() == 0):
        return None
    return AS[kind](value)


def instant(value: Any) -> datetime:
    """Read a time as HubSpot writes it."""
    if isinstance(value, int):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def as_text(value: Any) -> str:
    """Write any JSON as text."""
    is_text = isinstance(value, str)
    return value if is_text else json.dumps(value, separators=(",", ":"), sort_keys=True)


AS: dict[str, Callable[[Any], Any]] = {
    "text": as_text,
    "json": as_text,
    "integer": int,
    "double": float,
    "bool": lambda value: value if isinstance(value, bool) else value == "true",
    "timestamp": instant,
    "date": lambda value: instant(value).date(),
}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TELLING_OF_THE_DAY])
def test_nothing_is_loaded_where_nothing_changed(history: dict[str, Scene], name: str) -> None:
    """A sync a day later, when all is due, asks for all again and loads no row of any table."""
    idle = history["idle"]
    assert idle.outcome(name).status == "ok", idle.outcome(name).error
    assert idle.outcome(name).calls or changed_only(name)
    for table in ENDPOINTS[name].tables:
        assert (idle.outcome(table.name).rows, idle.outcome(table.name).tombstones) == (0, 0)
        assert idle.rows.get(table.name) == history["first"].rows.get(table.name)


@pytest.mark.parametrize("name", MAY_GO)
def test_a_row_that_is_gone_stays_with_a_mark(history: dict[str, Scene], name: str) -> None:
    """Deleted rows have `_hs_deleted_at`, and no rows in child tables; unknown members are kept."""
    scene, first = history["changed"], ENDPOINTS[name].first
    keys = first.keys[-len(KINDS[name].keys) :]
    by_key = {" ".join(str(row[key]) for key in keys): row for row in scene.rows[name]}
    if first.takes_members:
        assert json.loads(by_key[scene.edited[name]]["extra"])["zzNew"] == NEW["zzNew"]
    if gone := scene.deleted.get(name):
        assert by_key[gone]["_hs_deleted_at"] is not None
        assert by_key[gone]["_hs_archived"]
        assert scene.outcome(name).tombstones == 1


def test_a_property_that_may_not_be_read_is_left_out(history: dict[str, Scene]) -> None:
    """HubSpot refuses a list for one name: it is found, named and remembered; no row is lost."""
    first, found, again = (history[name].outcome("campaigns") for name in PROPERTY_SCENES)
    assert (found.status, found.messages) == ("ok", again.messages), found.error
    assert "be read: secret." in found.messages[-1]
    assert again.calls == first.calls < found.calls
    assert all("region" in row["properties"] for row in history["first"].live("campaigns"))


PROPERTY_SCENES = ("first", "changed", "back")


@pytest.mark.parametrize("name", PAGED)
def test_pages_that_lead_nowhere(history: dict[str, Scene], name: str) -> None:
    """A page without rows is looked behind; a cursor that repeats fails the table, no row goes."""
    changed, circle = history["changed"], history["circle"]
    assert changed.outcome(name).status == "ok", changed.outcome(name).error
    assert (circle.outcome(name).status, circle.values(name)) == ("failed", changed.values(name))
    assert "repeats a page" in (circle.outcome(name).error or "")


@pytest.mark.parametrize("name", KEPT)
def test_failures_cost_no_row(history: dict[str, Scene], name: str) -> None:
    """A server that fails, fails the table; the next sync asks again, however young it is."""
    broken = history["broken"].outcome(name)
    assert broken.status == "failed", broken.error
    assert history["absent"].outcome(name).calls > 0
    assert recovered(history, name), outcomes(history, name)
    for scene in ("broken", *AFTERWARDS):
        assert keys_in(history[scene], name) == keys_in(history["changed"], name), scene


def keys_in(scene: Scene, name: str) -> list[Any]:
    """Return the keys of a table, but for the date of the reading."""
    names = [key for key in ENDPOINTS[name].first.keys if key != "end_date"]
    return sorted(tuple(row[key] for key in names) for row in scene.live(name))


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_token_or_portal_lacks_is_skipped(history: dict[str, Scene], name: str) -> None:
    """Without scope or product a table is skipped with a reason, and asked once an hour."""
    if ENDPOINTS[name].scopes:
        assert history["forbidden"].outcome(name).status == "skipped"
        again = history["forbidden still"].outcome(name)
        assert (again.status, again.calls) == ("skipped", 0)
        assert "403" in (again.error or "")
    absent = history["absent"].outcome(name)
    assert (absent.status, "404" in (absent.error or "")) == ("skipped", True)
    assert recovered(history, name), outcomes(history, name)


def test_submissions_of_every_form_are_found(history: dict[str, Scene]) -> None:
    """A new submission comes with its values, repeated names too; none goes with its form."""
    changed, first = history["changed"], history["first"]
    (new,) = [row for row in changed.rows["form_submissions"] if row["submission_key"] == "new"]
    assert new["form_id"] == changed.edited["forms"]
    values = changed.rows["form_submission_values"]
    own = sorted(row["ordinal"] for row in values if row["submission_key"] == "new")
    assert own == [0, 1]
    assert changed.outcome("form_submissions").rows == 1
    assert len(changed.rows["form_submissions"]) == len(first.rows["form_submissions"]) + 1


def test_events_that_come_late_are_found(history: dict[str, Scene]) -> None:
    """Windows are read again as far as the lookback; what is known is not loaded again."""
    ids = {scene: {row["id"] for row in history[scene].rows["email_events"]} for scene in history}
    assert ids["changed"] - ids["first"] == {"new", "late"}
    assert history["changed"].outcome("email_events").rows == 2


def test_details_are_read_of_what_changed(history: dict[str, Scene]) -> None:
    """One batch of parents is read; details of a parent that is gone go with it."""
    changed = history["changed"]
    assert changed.outcome("workflow_details").calls == 1
    ids = {row["id"] for row in changed.live("workflows")}
    assert {row["workflow_id"] for row in changed.rows["workflow_details"]} == ids
    assert {row["workflow_id"] for row in changed.rows["workflow_actions"]} <= ids


def test_who_takes_part_is_read_where_counters_differ(history: dict[str, Scene]) -> None:
    """One call for the one event whose counters changed, though its own time did not move."""
    name = "marketing_event_participations"
    before, after = (history[scene].live(name) for scene in ("changed", "back"))
    assert (len(after), history["back"].outcome(name).calls) == (len(before) - 1, 1)


@pytest.mark.parametrize("name", SAME)
def test_nothing_is_loaded_of_parents_whose_rows_are_the_same(
    history: dict[str, Scene], name: str
) -> None:
    """They are read again, and no row comes that the warehouse has."""
    later = [history[scene] for scene in ("idle", "forbidden", "circle", "back")]
    assert sum(scene.outcome(name).calls for scene in later)
    tables = [table.name for table in ENDPOINTS[name].tables]
    assert sum(scene.outcome(table).rows for scene in later for table in tables) == 0


@pytest.mark.parametrize("name", [name for name in NAMES if ENDPOINTS[name].omitted])
def test_members_that_are_never_kept(history: dict[str, Scene], name: str) -> None:
    """Passwords and the content of pages and e-mails come into no column, `extra` included."""
    rows = history["changed"].live(name)
    members = {member for row in rows for member in json.loads(row["extra"] or "{}")}
    assert rows
    assert not members & {*ENDPOINTS[name].omitted.split()}


@pytest.mark.parametrize("name", ALL)
def test_a_declaration_is_whole(name: str) -> None:
    """Keys are columns; children share a key with their parent; a reading names columns it has."""
    endpoint = ENDPOINTS[name]
    first, *others = endpoint.tables
    assert first.name == name
    assert endpoint.api.dated.startswith("/")
    assert endpoint.api.numbered.startswith("/")
    for table in endpoint.tables:
        assert {*table.keys} <= {*table.names}
    own = {column.sources for column in first.fields}
    for table in others:
        assert table.lists
        assert table.parent_keys
        assert {*table.parent_keys.values()} <= own
    if isinstance(endpoint.read, Windows | NewestFirst | Increment):
        kinds = {column.name: column.kind for column in first.fields}
        assert kinds[endpoint.read.column] in {"timestamp", "date"}
    if isinstance(endpoint.per, Parents):
        assert all(f"{{{slot}}}" in endpoint.api.dated or slot for slot in endpoint.per.slots)
    if not isinstance(endpoint.per, str):
        assert {*endpoint.parent_tables} <= {*TABLES, *(kind.table for kind in STANDARD)}
    assert endpoint.paging.size or endpoint.paging.kind == "none"


def test_lists_deeper_than_hubspot_pages(warehouse: Warehouse, server: EmulatorServer) -> None:
    """A list that HubSpot pages no further than 10,000 rows is begun again behind the last id."""
    server.portal.reset(SeedSpec(custom_objects=0, handful=False, sizes={"files": 10_050}))
    others = sorted(GROUPS.keys() - {CRM, "files"})
    assert warehouse.with_settings(exclude=others).sync_all().exit_code == 0
    counts = warehouse.rows("SELECT count(*), count(DISTINCT id) FROM files")
    assert counts == [(10_050, 10_050)]


def test_what_can_be_selected(warehouse: Warehouse, server: EmulatorServer) -> None:
    """Parents are read where a time of theirs is new, all of them once a day, actors once named.

    An actor whom HubSpot does not know is asked for once a day.
    """
    portal, wanted = server.portal, ["conversations", "deal_splits"]
    portal.reset(SeedSpec(contacts=40, companies=4, custom_objects=0))
    chosen = warehouse.with_settings(select=wanted, exclude=None)
    said = portal.collections["conversation_messages"].seen("5002")[0]
    portal.collections["conversation_messages"].edit(("5002", said["id"]), {"createdBy": "A-1"})
    assert chosen.sync_all().exit_code == 0
    messages = "SELECT count(*) FROM conversation_messages"
    assert chosen.rows(messages) == [(24,)]
    named = "SELECT created_by FROM conversation_messages UNION SELECT assigned_from FROM"
    known = "SELECT id FROM conversation_actors"
    unknown = f"SELECT * FROM ({named} conversation_messages) EXCEPT ({known})"
    assert [one for (one,) in chosen.rows(unknown) if one] == ["A-1"]
    splits = portal.collections["deal_splits"].seen()
    assert chosen.rows("SELECT count(*) FROM deal_splits")[0][0] > 1
    portal.collections["deal_splits"].delete((splits[0]["_parent"], splits[0]["id"]))
    portal.clock.advance(HOUR_MS)
    at = iso(portal.clock.now_ms())
    portal.collections["conversation_threads"].edit("5002", {"closedAt": at, "status": "CLOSED"})
    portal.collections["conversation_messages"].add({**said, "id": "new"}, parent="5002")
    soon = chosen.sync_all()
    assert "conversation_actors" not in soon.tables or not soon.tables["conversation_actors"].calls
    assert "deal_splits" not in soon.tables or soon.tables["deal_splits"].calls == 0
    portal.clock.advance(2 * DAY_MS)
    later = chosen.sync_all()
    assert later.tables["deal_splits"].calls == 1
    assert later.tables["conversation_messages"].calls == 4  # of the newest thread, too
    assert later.tables["conversation_actors"].calls == 1
    assert chosen.rows(messages) == [(25,)]
    assert (splits[0]["id"],) not in chosen.rows("SELECT id FROM deal_splits")


def test_what_is_refused_once_it_was_read(portal: Portal, warehouse: Warehouse) -> None:
    """Rows stay and a warning says why; only what is named fails; a plan is no matter of scopes."""
    warehouse.load_all(portal, FEWER, select=("settings",))
    kept = warehouse.rows("SELECT count(*) FROM roles WHERE _hs_deleted_at IS NULL")
    plan = {"status": "error", "message": "This portal does not have access to this product"}
    portal.faults.add(path="/roles", status=403)
    portal.faults.add(path="/teams", status=403, body=plan)
    portal.clock.advance(DAY_MS)
    report = warehouse.sync_all(select=("settings",))
    assert (report.exit_code, report.tables["roles"].status) == (0, "skipped")
    assert "Stale since" in (report.tables["roles"].error or "")
    assert report.warnings[-1].startswith("The token may not read roles")
    assert report.warnings[-1].endswith("Not in this portal: teams.")
    named = warehouse.sync_all(select=("roles", "teams", "account_users"))
    assert named.exit_code == 3
    assert {named.tables[name].status for name in ("roles", "teams")} == {"failed"}
    assert warehouse.rows("SELECT count(*) FROM roles WHERE _hs_deleted_at IS NULL") == kept


def test_a_full_refresh_finds_events_behind_the_lookback(
    portal: Portal, warehouse: Warehouse
) -> None:
    """Windows, and lists that come newest first, are read from their beginning, no row twice.

    So is what parents have, however long ago they changed. Pages that come oldest first are read
    to their end.
    """
    warehouse = warehouse.with_settings(event_days=12)
    of_parents = "marketing_event_participations"
    names, counts = ("email_events", "cms_audit_logs", "marketing_events", of_parents), COUNTS
    warehouse.load_all(portal, FEWER, select=names)
    before = [warehouse.rows(counts.format(*of)) for of in KEYED]
    at_ms = portal.clock.now_ms() - 5 * DAY_MS
    event = {"id": "behind", "created": at_ms, "type": "OPEN", "recipient": "a@example.com"}
    portal.collections["email_events"].add(event)
    old, young = portal.collections["cms_audit_logs"].seen()[:2]
    for hours, page in ((9, [old, young]), (-1, [{**young, "objectName": "Newest"}])):
        for row in page:
            at_ms = portal.clock.now_ms() - hours * HOUR_MS + page.index(row)
            row["timestamp"] = iso(at_ms)
        following = {"paging": {"next": {"after": "x"}}} if len(page) > 1 else {}
        answer = {"results": page, **following}
        portal.faults.add(path="/audit-logs", status=200, body=answer, times=1)
    portal.clock.advance(2 * HOUR_MS)
    tables = warehouse.sync_all(select=names).tables
    assert tables["email_events"].rows == 0
    assert "newest first" in tables["cms_audit_logs"].messages[0]
    latest = "SELECT count(*) FROM cms_audit_logs WHERE object_name = 'Newest'"
    assert warehouse.rows(latest) == [(1,)]
    before[1] = warehouse.rows(COUNTS.format(*KEYED[1]))
    tables = warehouse.sync_all(select=names, full_refresh=True).tables
    assert (tables["email_events"].rows, tables["cms_audit_logs"].rows) == (1, 0)
    assert [(tables[of_parents].rows,)] == warehouse.rows(f"SELECT count(*) FROM {of_parents}")
    assert [warehouse.rows(counts.format(*of)) for of in KEYED] == [
        [(before[0][0][0] + 1,) * 2],
        before[1],
    ]


def test_events_that_are_lost_are_read_again(portal: Portal, warehouse: Warehouse) -> None:
    """Emptied tables are filled; a rewind and a reset reach what is behind; no row comes twice."""
    warehouse = warehouse.with_settings(event_days=12)
    others = ("imports", "import_errors", "lists", "list_memberships")
    names = ("email_events", "cms_audit_logs", "forms", "form_submissions", *others)
    members = ("(list_id, record_id)", "list_memberships")
    counts = [COUNTS.format(*of) for of in (*KEYED, *SUBMITTED, ("id", "import_errors"), members)]
    warehouse.load_all(portal, FEWER, select=EVENTS)
    assert warehouse.sync_all(select=others).exit_code == 0
    before = [warehouse.rows(count)[0] for count in counts]
    emptied = ("cms_audit_logs", "form_submission_values", "import_errors", "list_memberships")
    with duckdb.connect(str(warehouse.path)) as connection:
        for name in emptied:
            connection.execute(f"DELETE FROM hubspot.{name}")
    at_ms, expected = portal.clock.now_ms() - 5 * DAY_MS, before[0][0]
    ago = datetime.fromtimestamp(at_ms / 1000, UTC) - timedelta(days=1)
    events, event = portal.collections["email_events"], {"created": at_ms, "type": "OPEN"}
    events.add({"id": "behind", **event})
    said = "\n".join(warehouse.sync_all(select=names).warnings)
    assert [name for name in emptied if f"{name}: The table had lost all rows" not in said] == []
    assert [warehouse.rows(count)[0] for count in counts] == before
    for change in (lambda: rewind(["email_events"], ago.isoformat()), lambda: reset([*names])):
        expected += 1
        change()
        assert warehouse.sync_all(select=names).exit_code == 0
        assert [warehouse.rows(count)[0] for count in counts] == [(expected,) * 2, *before[1:]]
        events.add({"id": f"behind {expected}", **event})
    with pytest.raises(ConfigError, match="later than the watermark of email_events"):
        rewind(["email_events"], "2099-01-01")


def test_what_is_too_long_to_hold_is_loaded_where_it_differs(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows beyond what memory holds are not loaded again as they are; else all of them are."""
    for bound in ("HELD", "BLOCK"):
        monkeypatch.setattr(f"sources.hubspot.steps.collections.whole.{bound}", 40)
    warehouse.load_all(portal, FILES, select=("files",))
    files, found = portal.collections["files"], []
    first, last = (files.rows()[place]["id"] for place in (0, -1))
    assert warehouse.rows("SELECT count(*) FROM files") == [(250,)]
    for _ in range(2):
        portal.clock.advance(25 * HOUR_MS)
        report = warehouse.sync_all(select=("files",))
        assert report.exit_code == 0
        table = report.tables["files"]
        found.append((table.rows, table.tombstones))
        if len(found) == 1:
            files.edit(first, {"name": "Another"})
            files.delete(last)
    assert found == [(0, 0), (249, 1)]
    live = "SELECT count(*), count(DISTINCT id) FROM files WHERE _hs_deleted_at IS NULL"
    assert warehouse.rows(live) == [(249, 249)]
    assert warehouse.rows(f"SELECT name FROM files WHERE id = '{first}'") == [("Another",)]


def test_what_is_hashed_is_not_put_aside(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file holds values that are to be hashed: however many rows there are, they are loaded."""
    for bound in ("HELD", "BLOCK"):
        monkeypatch.setattr(f"sources.hubspot.steps.collections.whole.{bound}", 40)
    portal.reset(FILES)
    key = "a key for tests, with 32 letters or more"
    hashed = warehouse.with_settings(hash_properties=["files.name"], hash_key=key)
    monkeypatch.setattr("sources.hubspot.steps.collections.whole.tempfile", None)
    for _ in range(2):
        report = hashed.sync_all(select=("files",))
        assert report.exit_code == 0, report.error
        assert report.tables["files"].rows == 250
        portal.clock.advance(25 * HOUR_MS)
    live = "SELECT count(*), min(length(name)) > 40 FROM files WHERE _hs_deleted_at IS NULL"
    assert warehouse.rows(live) == [(250, True)]


def test_a_cursor_is_followed_wherever_it_comes() -> None:
    """One answer may have all rows by HubSpot's word: where it has a cursor, there are more."""
    body = b'{"results": [], "paging": {"next": {"after": "x"}}}'
    assert decode_page(ENDPOINTS["roles"], body).cursor == ("after", "x")
    assert decode_page(ENDPOINTS["roles"], b'{"results": []}').cursor is None
