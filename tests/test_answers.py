"""Odd answers cost one value or one table: each member of each answer, in each wrong shape.

Decoders are tried as functions, a few hundred answers; whole syncs show what a table makes of it.
"""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from conftest import Warehouse
from truth import differences, link_differences

from sources.hubspot.api import associations, custom_schemas, search
from sources.hubspot.api.search import modified_ms
from sources.hubspot.catalog.endpoints import ENDPOINTS
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.errors import ContractError, UnavailableError
from sources.hubspot.http.responses import Answer, failure, undecodable
from sources.hubspot.model import Column, Page, TableSchema, decode_account
from sources.hubspot.parsing.tolerance import tolerant
from sources.hubspot.run.portal import portal_types
from sources.hubspot.steps.collections.pages import decode_page
from sources.hubspot.steps.exports import fetch
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot.tables.drift import describe
from sources.hubspot.tables.endpoints import definitions as own_rows
from sources.hubspot.tables.endpoints.batches import Reading, to_batches
from sources.hubspot.tables.endpoints.items import Items
from sources.hubspot.tables.properties import decode_definitions, to_schema
from sources.hubspot.tables.records import to_batch
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

NOW = datetime(2026, 11, 30, tzinfo=UTC)
AT = "2026-11-30T00:00:00.000Z"
MISSING = object()
WRONG = (None, "", "odd", 7, 1.5, True, [], ["odd"], {}, {"odd": 1}, MISSING)
CONTACTS = STANDARD[0]
SCHEMA = TableSchema("contacts", (Column("email", "email", "text", "string"),))


class Family(NamedTuple):
    """The answers of one kind: one as documented, and what is made of it."""

    answer: dict[str, Any]
    use: Callable[[bytes], object]


def read_records(body: bytes) -> object:
    """Make rows of a page of records."""
    page = RecordDecoder(SCHEMA).page(body)
    return page.after, page.total, to_batch(page.results, SCHEMA, synced_at=NOW).rows.num_rows


def read_hits(body: bytes) -> object:
    """Take from a search what the walk along its ids takes."""
    page = search.decode_hits(body)
    return search.is_whole(page), [(h.id, modified_ms(h, CONTACTS)) for h in page.results]


def read_definitions(body: bytes) -> object:
    """Make columns, facts and the rows of two tables of property definitions."""
    definitions = decode_definitions(body)
    schema = to_schema("contacts", definitions, (), str.lower)
    rows = own_rows.definition_rows("contacts", definitions)
    return describe(schema.columns, definitions), [
        own_rows.rows_batch(table, found, seen_at=NOW) for table, found in rows.items()
    ]


def read_schemas(body: bytes) -> object:
    """Make catalog rows of custom schemas."""
    odd: list[ContractError] = []
    found = custom_schemas.to_schemas(tolerant(Page[dict[str, Any]])(body), odd)
    return portal_types.name_tables(found, {}, str.lower), odd


def read_reference(table: str) -> Callable[[bytes], object]:
    """Return what makes the rows of a reference table of a page."""

    def read(body: bytes) -> object:
        endpoint = ENDPOINTS[table]
        if endpoint.own_reader:
            page = tolerant(Page[dict[str, Any]])(body)
            ends = {"from_object_type": "contacts", "to_object_type": "companies"}
            own = ends | {"pair": "contacts_to_companies"}
            rows = [{**row, **own} for row in own_rows.rows_at(page.results, "$.results")]
            return [own_rows.rows_batch(table, rows, seen_at=NOW)]
        answer = decode_page(endpoint, body)
        return [batch for _, batch in to_batches(endpoint, items_of(answer.rows), Reading(NOW))]

    return read


def items_of(rows: Sequence[Any]) -> Items:
    """Return the rows of an answer for deals as items."""
    items = Items()
    items.extend(rows, {"object_type": "deals"}, "$.results")
    return items


def read_account(body: bytes) -> object:
    """Make the row of the account."""
    given = decode_account(body).given
    return own_rows.rows_batch("account", [{**given, own_rows.PATH: "$"}], seen_at=NOW)


RECORD = {
    "id": "1", "properties": {"email": "a@b.c"}, "createdAt": AT, "updatedAt": AT,
    "archived": False, "archivedAt": AT, "associations": {}, "url": "x",
}  # fmt: skip
PAGING = {"next": {"after": "2", "link": "x"}}
OPTION = {"value": "a", "label": "A", "displayOrder": 1, "hidden": False, "description": "x"}
DEFINITION = {
    "name": "email", "label": "E", "type": "string", "fieldType": "text", "groupName": "g",
    "description": "d", "options": [OPTION], "calculated": False, "externalOptions": False,
    "hasUniqueValue": True, "hidden": False, "hubspotDefined": True, "archived": False,
    "referencedObjectType": "CONTACT", "createdAt": AT, "displayOrder": -1,
}  # fmt: skip
OWNER = {
    "id": "1", "email": "a@b.c", "type": "PERSON", "firstName": "A", "lastName": "B", "userId": 5,
    "userIdIncludingInactive": 5, "archived": False, "createdAt": AT, "updatedAt": AT,
    "teams": [{"id": "7", "name": "T", "primary": True}],
}  # fmt: skip
STAGE = {
    "id": "s", "label": "S", "displayOrder": 0, "metadata": {"isClosed": "false"},
    "writePermissions": "CRM", "archived": False, "createdAt": AT, "updatedAt": AT,
}  # fmt: skip
PIPELINE = {
    "id": "p", "label": "P", "displayOrder": 0, "archived": False, "createdAt": AT,
    "updatedAt": AT, "stages": [STAGE],
}  # fmt: skip
LINKS = {
    "results": [
        {
            "from": {"id": "1"},
            "to": [
                {
                    "toObjectId": 2,
                    "associationTypes": [
                        {"typeId": 1, "category": "HUBSPOT_DEFINED", "label": None}
                    ],
                }
            ],
            "paging": PAGING,
        }
    ],
    "errors": [{"category": "OBJECT_NOT_FOUND", "subCategory": "x", "message": "m"}],
}  # fmt: skip
CUSTOM = {
    "objectTypeId": "2-5", "name": "vehicle", "fullyQualifiedName": "p1_vehicle",
    "labels": {"singular": "V", "plural": "Vs"}, "createdAt": AT, "updatedAt": AT,
    "archived": False,
}  # fmt: skip
ACCOUNT = {
    "portalId": 5, "accountType": "STANDARD", "timeZone": "UTC", "companyCurrency": "EUR",
    "additionalCurrencies": ["USD"], "utcOffset": "+00:00", "utcOffsetMilliseconds": 0,
    "uiDomain": "x", "dataHostingLocation": "eu1",
}  # fmt: skip
LABEL = {"typeId": 1, "category": "USER_DEFINED", "label": "Boss"}
FAMILIES = {
    "records": Family(
        {
            "results": [RECORD],
            "paging": PAGING,
            "total": 1,
            "errors": [{"category": "c", "message": "m", "context": {"ids": ["1"]}}],
        },
        read_records,
    ),
    "search": Family(
        {
            "results": [{**RECORD, "properties": {"lastmodifieddate": AT}}],
            "total": 1,
            "paging": PAGING,
        },
        read_hits,
    ),
    "definitions": Family({"results": [DEFINITION]}, read_definitions),
    "schemas": Family({"results": [CUSTOM]}, read_schemas),
    "owners": Family({"results": [OWNER], "paging": PAGING}, read_reference("owners")),
    "pipelines": Family({"results": [PIPELINE]}, read_reference("pipelines")),
    "labels": Family({"results": [LABEL]}, read_reference("association_labels")),
    "account": Family(ACCOUNT, read_account),
    "links": Family(LINKS, associations.decode_answer),
    "export started": Family({"id": 5, "links": {}}, tolerant(fetch.Started)),
    "export status": Family({"status": "COMPLETE", "result": "x"}, tolerant(fetch.Status)),
    "export detail": Family({"id": "5", "recordCount": 3}, tolerant(fetch.Detail)),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and item of an answer, and of itself."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, one in items:
        yield from places(one, (*path, key))


def damaged(answer: Any, path: tuple[Any, ...], wrong: object) -> Any:
    """Return an answer with a wrong value at a place."""
    if not path:
        return None if wrong is MISSING else wrong
    answer = copy.deepcopy(answer)
    part = answer
    for key in path[:-1]:
        part = part[key]
    if wrong is MISSING:
        del part[path[-1]]
    else:
        part[path[-1]] = wrong
    return answer


@pytest.mark.parametrize("name", FAMILIES)
def test_any_damage_of_an_answer_is_a_value_or_a_contract_error(name: str) -> None:
    """Whatever is wrong with one member, it is read, or refused with its place in the answer."""
    family = FAMILIES[name]
    family.use(json.dumps(family.answer).encode())
    refusals = []
    for path in places(family.answer):
        for wrong in WRONG:
            try:
                family.use(json.dumps(damaged(family.answer, path, wrong)).encode())
            except (msgspec.ValidationError, ContractError) as error:
                refusals.append((str(error), path, wrong))
    assert refusals
    assert [one for one in refusals if "`$" not in one[0]] == []


TABLES = ("contacts", "companies", "deals", "tickets")
REJECTED = "SELECT table_name, id, property, raw_value, reason FROM _hs_rejected_values"


@pytest.fixture
def small(portal: Portal) -> Portal:
    """A portal of a few records of each kind, with a custom object."""
    portal.reset(SeedSpec(contacts=40, properties=12, companies=5, deals=5, tickets=5))
    return portal


def equal(portal: Portal, warehouse: Warehouse) -> bool:
    """Whether every object table holds what the portal does."""
    assert differences(portal, warehouse, {table: table for table in TABLES}) == []
    return True


def with_odd_option(answer: dict[str, Any]) -> dict[str, Any]:
    """Make the first options of a page of definitions odd."""
    chosen = next(row for row in answer["results"] if len(row.get("options") or []) > 1)
    chosen["options"][0].update(value=True, displayOrder="last")
    chosen["options"][1:] = ["loose"]
    return answer


def test_pipeline_without_its_stages_is_told() -> None:
    """A pipeline that lacks the list of its stages, whose rows then go, leaves a reject."""
    items = items_of([{"id": "p", "label": "Sales"}])
    ((_, batch),) = to_batches(ENDPOINTS["pipelines"], items, Reading(NOW))
    told = batch.rejects.select(["id", "property", "reason"]).to_pylist()
    assert told == [{"id": "deals:p", "property": "stages", "reason": "not_a_list"}]


@pytest.mark.parametrize(
    ("metadata", "is_won"),
    [
        ({"probability": "1.0", "isClosed": "true"}, True),
        ({"probability": 1, "isClosed": True}, True),
        ({"probability": "0.0", "isClosed": "true"}, False),
        ({"probability": "1.0", "isClosed": "false"}, False),
        ({"probability": "0.9", "isClosed": "true"}, False),
        ({"probability": "0.2"}, False),
        ({"probability": "1.0"}, None),
        ({"probability": "", "isClosed": "true"}, None),
        ({"probability": "likely", "isClosed": "true"}, None),
        ({"ticketState": "CLOSED", "isClosed": "true"}, None),
        ({}, None),
        (None, None),
        ("odd", None),
    ],
)
def test_a_stage_is_won_where_it_is_closed_with_probability_1(
    metadata: object,
    is_won: bool | None,  # noqa: FBT001 - what the table of cases says
) -> None:
    """Without a probability, or where nothing says that it is closed, it is not known."""
    items = items_of([{**PIPELINE, "stages": [{**STAGE, "metadata": metadata}]}])
    found = dict(to_batches(ENDPOINTS["pipelines"], items, Reading(NOW)))
    assert found["pipeline_stages"].rows["is_won"].to_pylist() == [is_won]


@pytest.mark.parametrize("sensitivity", ["sensitive", None])
def test_a_property_says_since_when_it_is_and_how_sensitive(sensitivity: str | None) -> None:
    """Its row has when it was created and changed, and its sensitivity: null where not given."""
    given = {"updatedAt": "2026-11-30T01:00:00Z"} | (
        {"dataSensitivity": sensitivity} if sensitivity else {}
    )
    body = msgspec.json.encode({"results": [{**DEFINITION, **given}]})
    rows = own_rows.definition_rows("contacts", decode_definitions(body))["properties"]
    (row,) = own_rows.rows_batch("properties", rows, seen_at=NOW).rows.to_pylist()
    assert (row["created_at"], row["updated_at"]) == (NOW, NOW.replace(hour=1))
    assert row["sensitivity"] == sensitivity


def test_odd_values_cost_a_value_each(small: Portal, warehouse: Warehouse) -> None:
    """A wrong value is null and among the rejects, until HubSpot answers as documented again."""
    one = next(iter(small.records("contacts")))
    for path, rewrite in {
        "/owners/.*archived=false": {"/results/0/userId": "", "/results/1/createdAt": "soon"},
        "/pipelines/.*/deals": {
            "/results/0/displayOrder": "first",
            "/results/0/stages/0/archived": "perhaps",
        },
        "/pipelines/.*/tickets": {"/results/0/stages": None},
        "/properties/.*/deals": with_odd_option,
        "/contacts\\?.*archived=false": {"/results/0/properties": None, "/total": "many"},
        "/details": {"/utcOffsetMilliseconds": [1], "/timeZone": 5},
    }.items():
        small.faults.add(path=path, rewrite=rewrite)
    report = warehouse.sync(*TABLES)
    assert (report.exit_code, report.warnings) == (0, [])
    found = {(table, name): tuple(rest) for table, _, name, *rest in warehouse.rows(REJECTED)}
    assert {key: what for key, what in found.items() if what[1] != "not_a_number"} == {
        ("owners", "user_id"): ("", "not_an_integer"),
        ("owners", "created_at"): ("soon", "not_a_timestamp"),
        ("pipelines", "display_order"): ("first", "not_an_integer"),
        ("pipelines", "stages"): ("null", "not_a_list"),
        ("pipeline_stages", "archived"): ("perhaps", "not_a_bool"),
        ("property_options", "display_order"): ("last", "not_an_integer"),
        ("properties", "options"): found["properties", "options"],
        ("account", "utc_offset_milliseconds"): ("[1]", "not_an_integer"),
    }
    assert warehouse.rows("SELECT time_zone FROM account") == [("5",)]
    assert warehouse.rows("SELECT 1 FROM property_options WHERE value = 'true'")
    assert warehouse.table("contacts")[one]["email"] is not None  # read again by id
    small.faults.clear()
    assert warehouse.sync(*TABLES, refresh_schema=True).exit_code == 0
    assert warehouse.rows(f"{REJECTED} WHERE reason <> 'not_a_number'") == []
    assert equal(small, warehouse)


def test_rows_without_their_key_cost_a_table_each(small: Portal, warehouse: Warehouse) -> None:
    """What cannot be a row fails its table, with its place in the answer; all else is complete."""
    for path, rewrite in {
        "/owners/": {"/results": None},
        "/pipelines/.*/deals": {"/results/0/id": None},
        "/labels": {"/results/0/typeId": "odd"},
        "/schemas": {"/results/0/name": 5, "/results/1/name": {}},
        "/details": {"/portalId": "odd"},
    }.items():
        small.faults.add(path=path, rewrite=rewrite)
    small.create_custom_object("boat")
    report = warehouse.sync(*TABLES, refresh_schema=True)
    failed = {name: one.error for name, one in report.tables.items() if one.status != "ok"}
    assert failed.keys() == {"owners", "pipelines", "association_labels", "object_types", "account"}
    assert {report.tables[name].exit_code for name in failed} == {report.exit_code} == {4}
    assert [name for name, error in failed.items() if "`$" not in (error or "")] == []
    assert warehouse.rows("SELECT DISTINCT object_type FROM pipelines") == [("tickets",)]
    assert equal(small, warehouse)
    small.faults.clear()
    assert warehouse.sync(*TABLES).exit_code == 0
    assert len(warehouse.rows("SELECT 1 FROM owners")) > 1


def test_odd_links_cost_their_pair(small: Portal, warehouse: Warehouse) -> None:
    """Links that cannot be read fail their table alone, and come once HubSpot tells them well."""
    small.faults.add(
        path="/contacts/companies/batch/read", rewrite={"/results/0/to/0/associationTypes": "odd"}
    )
    report = warehouse.sync("contacts", "companies")
    failed = {name: one.exit_code for name, one in report.tables.items() if one.status != "ok"}
    assert (failed, report.exit_code) == ({"contacts_to_companies": 4}, 4)
    assert "associationTypes" in (report.tables["contacts_to_companies"].error or "")
    small.faults.clear()
    assert warehouse.sync("contacts", "companies").exit_code == 0
    pairs = {"contacts_to_companies": ("contacts", "companies")}
    assert link_differences(small, warehouse, pairs) == []


@pytest.mark.parametrize("status", [200, 500])
def test_answers_nested_without_end(status: int) -> None:
    """JSON that is nested deeper than can be read is an answer to ask for again, no crash."""
    answer = Answer(status, {}, b"[" * 10**5)
    failed = (
        undecodable(answer, "GET /x", "nested")
        if answer.ok
        else failure(answer, "GET /x", attempt=1, search=False)
    )
    assert failed is not None
    assert isinstance(failed.error, UnavailableError)
