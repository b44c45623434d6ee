"""GraphQL queries as tables: paged whole, nested rows in child tables, nothing cut unseen."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import pytest
from conftest import Warehouse
from dlt.extract.exceptions import ResourceExtractionError
from dlt.pipeline.exceptions import PipelineStepFailed

from sources.hubspot import hubspot, hubspot_graphql
from sources.hubspot.api.graphql import CollectionQuery, read_collection
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import (
    ConfigError,
    ContractError,
    HubSpotError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ScopeMissingError,
    UnavailableError,
)
from sources.hubspot.http.client import Client
from sources.hubspot_emulator.handlers.graphql import endpoint
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

PAGE = Path(__file__).parent.parent / "sources/hubspot/docs/graphql.md"
SPEC = SeedSpec(contacts=25, companies=6, deals=12, tickets=0, properties=12)
CONTACTS = """
query contacts($limit: Int, $offset: Int) {
  CRM {
    contact_collection(limit: $limit, offset: $offset, orderBy: hs_object_id__asc) {
      total hasMore items { hs_object_id email _metadata { id } }
    }
  }
}
"""
KEY = ("hs_object_id",)
COLLECTION = "/data/CRM/contact_collection"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, server: EmulatorServer, tmp_path: Path) -> None:
    """Resources read the emulated portal; pipelines keep their state in the test's folder."""
    monkeypatch.setenv("SOURCES__HUBSPOT__BASE_URL", server.url)
    monkeypatch.setenv("SOURCES__HUBSPOT__ACCESS_TOKEN", server.token)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))


@pytest.fixture
def client(portal: Portal, config: HubSpotConfig) -> Iterator[Client]:
    """A client of a small portal."""
    portal.reset(SPEC)
    with closing(Client(config)) as client:
        yield client


def read(client: Client, query: str = CONTACTS, limit: int = 10, **options: Any) -> list[Any]:
    """Read a query with pages of ten rows."""
    variables = {"limit": limit, **options.pop("variables", {})}
    return read_collection(client, CollectionQuery("people", query, variables, **options))


def pages(portal: Portal) -> list[tuple[int, int]]:
    """Return limit and offset of each call."""
    asked = [call.body["variables"] for call in portal.journal.find(path_contains="graphql")]
    return [(one["limit"], one["offset"]) for one in asked]


def answer_errors(*errors: dict[str, Any], data: Any = None) -> dict[str, Any]:
    """Return a fault: an answer of 200 with errors."""
    return {"status": 200, "body": {"data": data, "errors": list(errors)}}


def test_the_example_of_the_docs(portal: Portal, warehouse: Warehouse) -> None:
    """Deals come with their contacts as child rows; a run that finds none empties both tables."""
    portal.reset(SPEC)
    namespace: dict[str, Any] = {}
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(example, namespace)  # noqa: S102 - our own text
    deals = {id_: row["properties"] for id_, row in portal.records("deals").items()}
    sold = {id_ for id_, row in deals.items() if row.get("pipeline") == "default"}
    assert 0 < len(sold) < len(deals)
    assert {str(i) for (i,) in warehouse.rows("SELECT hs_object_id FROM sales")} == sold
    contacts = {id_: row["properties"] for id_, row in portal.records("contacts").items()}
    linked = sorted(
        (deals[one]["dealname"], contacts[other]["email"])
        for one, other in {link[:2] for link in portal.associations("deals", "contacts")}
        if one in sold
    )
    assert linked
    assert [(name, email) for name, _, email in namespace["emails"]] == linked
    assert {"Appointmentscheduled"} <= {label for _, label, _ in namespace["emails"]}

    for id_ in sold:
        portal.archive("deals", id_)
    namespace["pipeline"].run(namespace["sales"], write_disposition="replace")
    for table in ("sales", "sales__associations__contacts__items"):
        assert warehouse.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_crm_tables_stay_flat_in_the_same_schema(portal: Portal) -> None:
    """A query nests in a schema whose CRM tables do not, and changes nothing for them."""
    portal.reset(SPEC)
    pipeline = dlt.pipeline("crm", destination="duckdb", dataset_name="hubspot")
    nested = "associations { deal_collection__contact_to_deal { hasMore items { dealname } } }"
    for source in (
        hubspot(["deals"]).with_resources("deals"),
        hubspot_graphql("people", CONTACTS.replace("email", nested)),
        hubspot(["contacts"]).with_resources("contacts"),
    ):
        pipeline.extract(source)
    pipeline.normalize()
    (schema,) = pipeline.schemas.values()
    child = "people__associations__deal_collection__contact_to_deal__items"
    assert {"deals", "contacts", "people", child} <= schema.tables.keys()
    assert [name for name, table in schema.tables.items() if table.get("parent")] == [child]
    assert schema._normalizers_config["json"]["config"]["max_nesting"] == 0


def test_rows_with_a_key_are_merged(portal: Portal, warehouse: Warehouse) -> None:
    """With a key a second run changes rows in place; a failed one leaves the table as it was."""
    portal.reset(SPEC)
    pipeline = dlt.pipeline("merging", destination="duckdb", dataset_name="hubspot")
    people = hubspot_graphql(
        "people",
        CONTACTS,
        {"limit": 10},
        primary_key="_metadata__id",
    )
    pipeline.run(people)
    first, gone, *_ = before = list(portal.records("contacts"))
    portal.update("contacts", first, {"email": "new@example.com"})
    portal.archive("contacts", gone)
    pipeline.run(people)
    rows = dict(warehouse.rows("SELECT _metadata__id, email FROM people"))
    assert {*rows} == {*before}
    assert rows[first] == "new@example.com"
    portal.faults.add(path="graphql", nth=3, **answer_errors({"message": "Internal error"}))
    with pytest.raises(PipelineStepFailed, match="Internal error"):
        pipeline.run(people, write_disposition="replace")
    assert warehouse.rows("SELECT count(*) FROM people") == [(len(before),)]


def test_pages_follow_each_other_to_the_end(portal: Portal, client: Client) -> None:
    """All rows come, each once, with whole pages; `total` alone tells the end, too."""
    rows = read(client, key=KEY)
    assert [str(row["hs_object_id"]) for row in rows] == list(portal.records("contacts"))
    assert pages(portal) == [(10, 0), (10, 10), (10, 20)]
    assert read(client, CONTACTS.replace("hasMore", "")) == rows
    assert read(client, CONTACTS.replace("total", ""), limit=25) == rows
    assert pages(portal)[-1] == (25, 0)


def test_a_set_that_changes_is_read_again(portal: Portal, client: Client) -> None:
    """A record that goes between two pages shifts the others: none is lost for it."""
    first, *others = portal.records("contacts")
    go = {"op": "archive", "args": ["contacts", first]}
    portal.mutations.add(path="graphql", nth=2, operations=[go])
    assert [str(row["hs_object_id"]) for row in read(client)] == others
    assert [offset for _, offset in pages(portal)] == [0, 10, 20, 0, 10, 20]

    def come(_: Portal) -> None:
        portal.create("contacts", {"email": f"{len(portal.journal)}@example.com"}, id=len(ids) + 1)
        ids.append("new")

    ids: list[str] = []
    portal.mutations.add(path="graphql", operations=come)
    with pytest.raises(UnavailableError, match=r"changed during each of 3 .* identify a row"):
        read(client, CONTACTS.replace("total", ""), key=KEY)


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        pytest.param(
            answer_errors(
                {"message": "Timed out", "path": ["CRM", "contact_collection", "items", 3]},
                {"message": "Timed out"},
                data={"CRM": {"contact_collection": {"items": [{}], "hasMore": False}}},
            ),
            RequestRejectedError,
            r"at CRM\.contact_collection\.items\.3: Timed out \(1 more\)",
            id="partial-data",
        ),
        pytest.param(
            answer_errors({"message": "Points per minute exceeded"}),
            RateLimitedError,
            "in a minute",
            id="points-of-the-minute",
        ),
        pytest.param(
            answer_errors({"message": "No permission for deals"}),
            ScopeMissingError,
            "collector.graphql_query.execute",
            id="permission",
        ),
        pytest.param(
            {"status": 403},
            ScopeMissingError,
            "Content Hub Professional",
            id="product",
        ),
        pytest.param(
            {"status": 400, "body": {"errors": [{"message": "Unknown field nickname"}]}},
            RequestRejectedError,
            "Unknown field nickname",
            id="errors-in-a-400",
        ),
        pytest.param(
            {"rewrite": {f"{COLLECTION}/total": 10_001}},
            ConfigError,
            "matches 10,001 rows.*through REST",
            id="beyond-the-search-index",
        ),
        pytest.param(
            {"rewrite": {f"{COLLECTION}/items": []}},
            ContractError,
            "empty page of CRM.contact_collection",
            id="empty-page",
        ),
        pytest.param(
            {"rewrite": {f"{COLLECTION}/items/3": None}},
            ContractError,
            "an item of CRM.contact_collection",
            id="null-item",
        ),
        pytest.param(
            {"rewrite": {f"{COLLECTION}/items/3/hs_object_id": None}},
            ConfigError,
            "no value of its key hs_object_id",
            id="no-key",
        ),
        pytest.param(
            {"rewrite": {COLLECTION: None}}, ConfigError, "no collection", id="null-collection"
        ),
    ],
)
def test_what_is_wrong_with_an_answer_ends_the_reading(
    portal: Portal, client: Client, fault: dict[str, Any], error: type[HubSpotError], text: str
) -> None:
    """No answer is taken for the whole that is not; the message names what and where."""
    portal.faults.add(path="graphql", **fault)
    with pytest.raises(error, match=text):
        read(client, key=KEY)


def test_the_portal_refuses(portal: Portal, client: Client, server: EmulatorServer) -> None:
    """Points, scopes and unknown fields are errors of the portal's own."""
    portal.settings.graphql_points = 15
    with pytest.raises(RequestRejectedError, match=r"20 points.*fewer rows a page"):
        read(client)
    portal.settings.graphql_points = 30_000
    with pytest.raises(RequestRejectedError, match="nickname"):
        read(client, CONTACTS.replace("email", "nickname"))
    portal.set_token(server.token, ["collector.graphql_query.execute"])
    with pytest.raises(ScopeMissingError, match="scopes of the objects"):
        read(client)
    portal.set_token(server.token, ["crm.objects.contacts.read"])
    with pytest.raises(ScopeMissingError, match="Enterprise") as refused:
        read(client)
    assert refused.value.scopes == ("collector.graphql_query.execute",)


def test_the_emulator_does_without_its_library(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation without graphql-core has an emulator that says what it lacks."""
    monkeypatch.setitem(sys.modules, "graphql", None)
    monkeypatch.delitem(sys.modules, f"{endpoint.__package__}.execution", raising=False)
    with pytest.raises(NotFoundError, match="graphql-core"):
        read(client)


def test_the_end_of_the_search_index_is_no_end(portal: Portal, client: Client) -> None:
    """Where more rows follow the last that can be paged to, the message names REST."""
    batch = [{"hs_object_id": n} for n in range(500)]

    def more(body: dict[str, Any]) -> dict[str, Any]:
        found = body["data"]["CRM"]["contact_collection"]
        numbers.append(len(numbers))
        found["items"] = [{**row, "page": len(numbers)} for row in batch]
        found["hasMore"] = True
        return body

    numbers: list[int] = []
    portal.faults.add(path="graphql", rewrite=more)
    with pytest.raises(ConfigError, match=r"matches more than 10,000 rows.*through REST"):
        read(client, CONTACTS.replace("total", ""), limit=500)
    assert len(pages(portal)) == 20


def test_the_same_page_twice_is_an_error(client: Client) -> None:
    """A query that hands the offset to nobody would be read for ever."""
    query = CONTACTS.replace("offset: $offset", 'offset: 0, filter: {email__neq: "$offset"}')
    with pytest.raises(ConfigError, match="does not page by the variable"):
        read(client, query)
    query = """query ($limit: Int, $offset: Int) { CRM {
        contact(uniqueIdentifier: "id", uniqueIdentifierValue: "1") {
            associations { x: company_collection__primary(offset: $offset) { limit } } }
        contact_collection(limit: $limit) { hasMore items { email } } } }"""
    with pytest.raises(ContractError, match=r"same rows of CRM\.contact_collection twice"):
        read(client, query)


def test_nested_collections_are_not_cut_unseen(
    portal: Portal, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A nested collection that has more than was asked for is an error, a silent one a warning."""
    first = next(iter(portal.records("contacts")))
    for company in portal.records("companies"):
        portal.associate("contacts", first, "companies", company)
    nested = "company_collection__contact_to_company(limit: 5) { hasMore items { name } }"
    query = CONTACTS.replace("email", f"associations {{ {nested} }}")
    with pytest.raises(ConfigError, match=f"of the row {first} has more than the 5 rows"):
        read(client, query, key=KEY)
    whole = read(client, query.replace("limit: 5", "limit: 6"))
    found = whole[0]["associations"]["company_collection__contact_to_company"]
    assert len(found["items"]) == 6
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING):
        logging.getLogger("dlt").addHandler(caplog.handler)
        read(client, query.replace("hasMore items { name }", "items { name }"))
        logging.getLogger("dlt").removeHandler(caplog.handler)
    (warning,) = caplog.messages
    assert "company_collection__contact_to_company for hasMore" in warning


@pytest.mark.parametrize(
    ("name", "query", "variables", "text"),
    [
        ("people", "{ CRM { contact_collection { items { email } } } }", {}, r"variable \$limit"),
        ("people", CONTACTS.replace(", $offset: Int", ""), {}, r"variable \$offset"),
        ("people", CONTACTS.replace("offset: $offset", "offset: 0"), {}, r"variable \$offset"),
        ("people", CONTACTS, {"offset": 10}, "Leave it out"),
        ("people", CONTACTS, {"limit": 501}, "1 to 500"),
        ("people", CONTACTS, {"limit": "10"}, "1 to 500"),
        ("Contacts", CONTACTS, {}, "graphql_Contacts"),
        ("deals_to_contacts", CONTACTS, {}, "CRM source"),
        ("_hs_runs", CONTACTS, {}, "CRM source"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_call(
    name: str, query: str, variables: dict[str, Any], text: str
) -> None:
    """A query that cannot be paged, or would overwrite a CRM table, makes no resource."""
    with pytest.raises(ConfigError, match=text):
        hubspot_graphql(name, query, variables)


@pytest.mark.parametrize(
    ("variable", "pattern", "text"),
    [
        ("EXCLUDE", "contacts.email", r"keep contacts\.email in HubSpot"),
        ("HASH", "*.EMAIL*", r"keep contacts\.email in HubSpot"),
        ("INCLUDE", "contacts.email", "other properties than those included"),
        ("EXCLUDE", "companies.email", ""),
    ],
)
def test_a_query_of_what_must_stay_in_hubspot_is_not_sent(
    portal: Portal,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    pattern: str,
    text: str,
) -> None:
    """Excluded and hashed properties are not asked for under any alias, nor filtered by."""
    monkeypatch.setenv(f"SOURCES__HUBSPOT__{variable}_PROPERTIES", f'["{pattern}"]')
    monkeypatch.setenv("SOURCES__HUBSPOT__HASH_KEY", "k" * 32)
    portal.reset(SPEC)
    for query in (
        CONTACTS.replace("email", "mail: email"),
        CONTACTS.replace(" email", "").replace("$offset,", '$offset, filter: {email__eq: "a"},'),
    ):
        people = hubspot_graphql("people", query)
        if not text:
            assert {row["_metadata"]["id"] for row in people} <= {*portal.records("contacts")}
            continue
        with pytest.raises(ResourceExtractionError, match=text):
            list(people)
        assert pages(portal) == []


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("total hasMore", "", "neither hasMore nor total"),
        ("items {", "rows: items {", "answers no collection"),
        (
            "  CRM {",
            "  CRM { deal_collection { items { amount } }",
            "CRM.deal_collection and CRM.contact_collection",
        ),
    ],
)
def test_a_query_asks_for_one_collection_with_an_end(
    client: Client, old: str, new: str, text: str
) -> None:
    """What an answer must have is named where it is missing."""
    with pytest.raises(ConfigError, match=text):
        read(client, CONTACTS.replace(old, new))
