"""An endpoint is a row of the catalog: the source, the plan and the documents follow from it."""

import ast
import json
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Warehouse

from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from sources.hubspot.catalog import endpoints
from sources.hubspot.catalog.endpoints import APIS, ENDPOINT_OF, ENDPOINTS, TABLES
from sources.hubspot.catalog.endpoints.declaration import (
    DAY,
    LEGACY_SUNSET,
    V4_SUNSET,
    Endpoint,
    Parents,
    Table,
    Whole,
)
from sources.hubspot.catalog.endpoints.marketing import campaigns
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.http import paths
from sources.hubspot.http.paths import api_of, path_of, slotted_path
from sources.hubspot.plan.collections.due import due
from sources.hubspot.plan.collections.price import collection_step
from sources.hubspot.plan.facts import CollectionFacts
from sources.hubspot.source import READERS
from sources.hubspot.state.collections import CollectionState
from sources.hubspot.tables.endpoints.batches import Reading, to_batches
from sources.hubspot.tables.endpoints.digests import Digests
from sources.hubspot.tables.endpoints.items import Items, children_of, given
from sources.hubspot_emulator.http.routes import MATCHER
from sources.hubspot_emulator.portal.collections.marketing.campaigns import TYPES
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

PAGE = Path(endpoints.__file__).parents[2] / "docs" / "extending.md"


def documented() -> str:
    """Return the module that the page on extensions shows."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def test_rows_of_a_module_are_short() -> None:
    """In the example of the documents a row takes at most 15 lines."""
    *_, last = ast.parse(documented()).body
    assert isinstance(last, ast.Assign)
    assert isinstance(last.value, ast.Tuple)
    assert all((row.end_lineno or 0) - row.lineno < 15 for row in last.value.elts)


def test_a_row_of_the_catalog_is_all_that_an_endpoint_takes(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example of the documents is planned, loaded with its calls, and not read again."""
    module: dict[str, Any] = {"__package__": campaigns.__package__}
    exec(documented(), module)  # noqa: S102 - our page
    for row in module["ENDPOINTS"]:
        monkeypatch.setitem(endpoints.ENDPOINTS, row.name, row)
        monkeypatch.setitem(endpoints.TABLES, row.name, row.first)
        monkeypatch.setitem(endpoints.ENDPOINT_OF, row.name, row.name)
        monkeypatch.setitem(endpoints.APIS, row.name, row.api)
    name, totals = (row.name for row in module["ENDPOINTS"])
    paths.patterns.cache_clear()
    portal.reset(SeedSpec(seed=3, contacts=20, properties=5))
    options = SyncOptions(select=(name, totals))
    foretold = {row[0]: row for row in plan(options, config=warehouse.config).sections[0].rows}
    assert foretold[name][1:5:3] == ("collection", {"low": 1, "high": 1})
    tables = warehouse.sync_all(select=(name, totals)).tables
    outcome = tables[name]
    assert (outcome.status, outcome.mode, outcome.calls) == ("ok", "whole", 1)
    rows = warehouse.rows("SELECT name FROM asset_types WHERE _hs_deleted_at IS NULL")
    assert {*rows} == {(one,) for one in TYPES}
    sql = "SELECT count(campaign_id), count(budget_total) FROM campaign_totals"
    assert warehouse.rows(sql) == [(tables["campaigns"].rows,) * 2]
    again = warehouse.sync_all(select=(name, totals)).tables
    assert not {name, totals} & again.keys()
    paths.patterns.cache_clear()


@pytest.mark.parametrize("name", ENDPOINTS)
def test_rows_of_the_catalog_are_whole(name: str) -> None:
    """Keys are columns, and tables say what a row is; the first has the endpoint's name."""
    endpoint = ENDPOINTS[name]
    first, *others = endpoint.tables
    assert first.name == name
    for table in endpoint.tables:
        assert {*table.keys} <= {*table.names}
        assert re.fullmatch(r"[a-z].*[^.]", table.about), f"{table.name}: what is a row?"
        assert table.scope is None or table.scope in table.keys
    if not endpoint.own_reader:
        assert endpoint.per != "pair"
        assert all(table.lists for table in others)
    assert endpoint.own_reader == (name in READERS)
    is_of_parents = isinstance(endpoint.per, Parents) and isinstance(endpoint.read, Whole)
    assert bool(endpoint.replaced_by) >= is_of_parents, "rows of parents that are gone would stay"


def test_names_of_tables_and_apis_are_taken_once() -> None:
    """No two endpoints or object types fill the same table, or bear the name of another API."""
    tables = [table.name for one in ENDPOINTS.values() for table in one.tables]
    assert len(tables) == len(TABLES) == len(ENDPOINT_OF)
    assert not {*tables} & {kind.table for kind in STANDARD}
    assert len(APIS) == len(ENDPOINTS) + len(endpoints.OBJECT_APIS)


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("version", ["v3", "2026-03"])
def test_a_path_leads_back_to_its_api(name: str, version: str) -> None:
    """What a call counts as follows from its path, in both forms."""
    slots = re.findall(r"{(?!version|segments)(\w+)}", APIS[name].numbered + APIS[name].dated)
    path = slotted_path(version, name, dict.fromkeys(slots, "7")) if slots else ""
    segments = [] if APIS[name].family == "collections" else ["contacts", "companies"]
    assert api_of(path or path_of(version, name, segments)) == APIS[name]
    assert api_of("/oauth/v2/private-apps/get") is None


@pytest.mark.parametrize("name", [name for name, one in ENDPOINTS.items() if not one.own_reader])
def test_both_paths_of_an_endpoint_lead_to_one_answer(name: str) -> None:
    """The emulator serves the numbered path and the dated one by the same route and values."""
    one = ENDPOINTS[name]
    slots = re.findall(r"{(?!version)(\w+)}", one.api.numbered + one.api.dated)
    values = {slot: f"{slot}7" for slot in slots}
    paths = [slotted_path(version, name, values) for version in ("v3", "2026-03")]
    numbered, dated = (
        found and found[0].name for found in map(partial(MATCHER.find, one.method), paths)
    )
    assert numbered is not None
    assert numbered == dated


def test_paths_whose_end_is_known() -> None:
    """A path with a date has no end yet, where HubSpot gave it one."""
    forms, definitions = ENDPOINTS["forms"], ENDPOINTS["subscription_definitions"]
    assert [forms.sunset_of(version) for version in ("v3", "2026-03")] == [LEGACY_SUNSET] * 2
    assert [definitions.sunset_of(version) for version in ("v3", "2026-03")] == [V4_SUNSET, None]


def test_columns_of_items_say_which_list_they_come_from() -> None:
    """A label names an item's list, `?include` every list so called, a text stands for nothing."""
    table = Table(
        "recipients",
        "id, ref",
        "id = ^id, kind = .key, included bool = ?include, ref = ., head = ./_, unit = ^unit|=0",
        rows="person: to.people.include | person: to.people.exclude | list: to.lists.include",
    )
    to = {"people": {"include": ["a_b_c"], "exclude": ["d"]}, "lists": {"include": [7]}}
    items = children_of(table, Items([{"id": "1", "to": to}], [{}], ["$[0]"]))
    rows = zip(*(given(column, items) for column in table.fields), strict=True)
    assert [*rows] == [
        ("1", "person", True, "a_b_c", "a", "0"),
        ("1", "person", False, "d", "d", "0"),
        ("1", "list", True, 7, 7, "0"),
    ]


LISTED = [one for one in ENDPOINTS.values() if one.first.rows and not one.own_reader]
"""Endpoints whose first table has items of lists within the answer's objects."""


@pytest.mark.parametrize("endpoint", LISTED, ids=lambda one: one.name)
def test_objects_of_one_name_keep_their_rows(endpoint: Endpoint) -> None:
    """A place in a list names no row where two objects of an answer may have the same name."""
    own = {column.name: column.sources[0].origin for column in endpoint.first.fields}
    origins = {own[name] for name in endpoint.first.keys}
    assert "ordinal" not in origins or "hash" in origins


def test_changes_of_one_recipient_in_one_millisecond() -> None:
    """Each change has a row, whichever objects they come in; a repeated object brings none."""
    endpoint = ENDPOINTS["email_subscription_changes"]
    at = {"recipient": "t@example.com", "timestamp": 1_790_000_000_000}
    a, b, c = ({"changeType": name} for name in "ABC")
    answer = [at | {"changes": [a]}, at | {"changes": [b, c]}, at | {"changes": [a]}]
    reading = Reading(datetime(2026, 1, 1, tzinfo=UTC))
    blocks = [Items([row], [{}], ["$"]) for row in answer]
    found = [batch.rows for one in blocks for _, batch in to_batches(endpoint, one, reading)]
    assert [row["change_type"] for rows in found for row in rows.to_pylist()] == ["A", "B", "C"]


def test_unknown_members_keep_their_order() -> None:
    """What `extra` holds is written as HubSpot sent it, in every process the same."""
    sent = {name: number for number, name in enumerate("thequickbrownfx")}
    items = Items([{"id": "1", "createdAt": "2026-01-01T00:00:00Z", **sent}], [{}], ["$"])
    reading = Reading(datetime(2026, 1, 1, tzinfo=UTC))
    ((_, forms),) = (
        one for one in to_batches(ENDPOINTS["forms"], items, reading) if one[0] == "forms"
    )
    assert [*json.loads(forms.rows.to_pylist()[0]["extra"])] == [*sent]


def test_keys_that_came_before_take_little_memory() -> None:
    """Each of many keys is new once, and takes less than half of what it takes in a set."""
    many, seen = 60_000, Digests()
    tracemalloc.start()
    assert sum(seen.add(("parent", key)) for key in range(many)) == many
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / many < 45
    assert not any(seen.add(("parent", key)) for key in range(0, many, 100))
    assert ("parent", many) not in seen


def test_a_schedule_that_begins_a_little_early_reads_what_is_due_each_day() -> None:
    """A run of each day, half a minute earlier than the last one, reads what is read every day."""
    daily = next(one for one in ENDPOINTS.values() if one.due == DAY)
    read_at = datetime(2026, 11, 30, 4, tzinfo=UTC)
    state = CollectionState(read_at=read_at)
    soon = read_at + timedelta(hours=23, minutes=59, seconds=30)
    assert due(daily, state, soon, shape="") == "It is read every 24 hours."
    assert due(daily, state, read_at + timedelta(hours=23), shape="") == ""


@pytest.mark.parametrize("name", ["hubdb_rows", "landing_page_folders", "account_users", "teams"])
def test_what_a_later_version_lacks_is_asked_for_in_an_earlier_one(name: str) -> None:
    """HubSpot's version 2026-09 has no HubDB, no pages and no users: paths say 2026-03."""
    slots = {"table_id": "7"}
    later = slotted_path("2026-09", name, slots)
    assert "/2026-03" in later
    assert later == slotted_path("2026-03", name, slots)
    assert "/2026-09" in slotted_path("2026-09", "campaigns", {})


@pytest.mark.parametrize(
    ("name", "facts", "calls"),
    [
        ("property_groups", CollectionFacts("", parts=3), (3, 3)),
        ("property_groups", CollectionFacts("", parts=3, calls=3), (3, 3)),
        ("lists", CollectionFacts("", calls=1), (1, 6)),
        ("marketing_events", CollectionFacts("", calls=1), (1, 1)),
        ("marketing_events", CollectionFacts("", calls=2), (2, 4)),
    ],
)
def test_calls_of_an_endpoint_are_within_bounds(
    name: str, facts: CollectionFacts, calls: tuple[int, int]
) -> None:
    """One for each object type; details come with changes, and pages once more with deletions."""
    step = collection_step(ENDPOINTS[name], facts)
    assert (step.calls, step.is_open) == ({"collections": calls}, False)
