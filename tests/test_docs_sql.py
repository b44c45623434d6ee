"""Every SQL in the documents answers what it claims to, on DuckDB and on PostgreSQL."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg2
import pytest
from conftest import OTHER_GROUPS, Warehouse
from docs_endpoints import PAGES, page_of
from docs_tables import ROOT, documents
from test_postgres import Postgres

from pipelines.commands.demo import QUESTIONS, change, furnish
from sources.hubspot.catalog.endpoints import ENDPOINTS, GROUPS
from sources.hubspot.config import resolve_config
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.changes import history_of
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

OBJECTS = ("contacts", "companies", "deals")
HISTORY = ("deals_property_history",)
Rows = list[tuple[Any, ...]]


def statements() -> dict[str, str]:
    """Return the statements that read, by where they stand."""
    found = {f"demo {question.name}": question.sql for question in QUESTIONS}
    for file in (
        *(file for file in documents() if file.stem not in GROUPS or file.parent != PAGES),
        *ROOT.glob("pipelines/*.example"),
        ROOT / "pipelines/airflow_dag.py",
    ):
        text = file.read_text(encoding="utf-8")
        blocks = sql_in(text)
        found_here = [sql for block in blocks for sql in re.split(r";\s*(?:\n|$)", block)]
        found_here += re.findall(r'hubspot-elt query "([^"]+)"', text)
        reading = [
            sql
            for sql in found_here
            if re.match(r"\s*(--.*\n\s*)*(select|with)\b", sql, re.IGNORECASE)
        ]
        found |= {f"{file.relative_to(ROOT)} {i}": sql for i, sql in enumerate(reading, 1)}
    return found


def sql_in(text: str) -> list[str]:
    """Return the blocks of SQL in a document."""
    return re.findall(r"^ *```sql\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def queries() -> dict[str, str]:
    """Return the statements on the pages of the groups, by group and number."""
    texts = {group: page_of(group).read_text(encoding="utf-8") for group in GROUPS}
    return {f"{group} {i}": sql for group in GROUPS for i, sql in enumerate(sql_in(texts[group]))}


def named() -> set[str]:
    """Return the tables of the groups that any of these statements names."""
    words = {word for sql in (*queries().values(), *statements().values()) for word in WORD(sql)}
    return {table.name for one in OF_GROUPS for table in one.tables} & words


WORD = re.compile(r"\w+").findall
OF_GROUPS = [one for one in ENDPOINTS.values() if one.group in OTHER_GROUPS]


@dataclass
class Synced:
    """A portal, what it held before it changed, and the warehouses that two syncs filled."""

    portal: Portal
    before: dict[str, Any]
    warehouses: dict[str, Warehouse]


@pytest.fixture(scope="module")
def synced(
    server: EmulatorServer, server_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Synced]:
    """A portal as the demo has it, synced, changed by people, with deletions of all kinds."""
    portal, file = server.portal, tmp_path_factory.mktemp("docs") / "warehouse.duckdb"
    portal.reset(SeedSpec(seed=7, contacts=60, properties=20))
    portal.clock.set(datetime.now(UTC) - timedelta(hours=2))
    furnish(portal)
    transcribe(portal)
    portal.clock.advance(60_000)
    with closing(psycopg2.connect(server_uri)) as database, database.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS hubspot CASCADE")
        cursor.execute("DROP SCHEMA IF EXISTS hubspot_staging CASCADE")
        database.commit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))
        patch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
        config = resolve_config(
            base_url=server.url,
            access_token=server.token,
            search_per_second=10**6,
            associations_per_10_seconds=10**6,
            event_days=30,
        )
        both = {"duckdb": Warehouse(file, config), "postgres": Postgres(server_uri, config)}
        for warehouse in both.values():
            warehouse.sync(*OBJECTS, select=HISTORY)
        before = portal.records("contacts")
        portal.clock.resume()
        change(portal)
        for deal in list(portal.records("deals"))[:3]:
            portal.archive("deals", deal)
        portal.archive("companies", next(iter(portal.records("companies"))))
        for warehouse in both.values():
            assert warehouse.sync(*OBJECTS, "calls", select=(*HISTORY, *named())).status == "ok"
    yield Synced(portal, before, both)
    portal.reset(SeedSpec.empty())


def transcribe(portal: Portal) -> None:
    """Two calls say which transcripts they have."""
    name = "hs_call_transcription_id"
    portal.create_property("calls", {"name": name, "label": name, "type": "string"})
    transcripts = [row["id"] for row in portal.collections["call_transcripts"].rows()]
    for call, transcript in zip(portal.records("calls"), transcripts, strict=False):
        portal.update("calls", call, {name: transcript})


def values(portal: Portal, table: str, name: str) -> dict[str, str | None]:
    """Return a property of every live record by id."""
    found = portal.records(table)
    return {id_: record["properties"].get(name) or None for id_, record in found.items()}


def by_stage(portal: Portal, names: dict[str | None, tuple[Any, ...]]) -> Rows:
    """Count the live deals of every stage and sum their amounts; the stage as `names` has it."""
    stages, amounts = values(portal, "deals", "dealstage"), values(portal, "deals", "amount")
    count, total = Counter(stages.values()), Counter[str | None]()
    for deal, stage in stages.items():
        total[stage] += float(amounts[deal] or 0)  # type: ignore[assignment]
    return [(*names.get(s, (s,)), count[s], round(total[s])) for s in count]


def labelled_stages(synced: Synced) -> Rows:
    """Return the same with the labels of pipeline and stage."""
    (pipeline,) = (p for p in synced.portal.pipelines["0-3"] if p["id"] == "default")
    labels = {stage["id"]: (pipeline["label"], stage["label"]) for stage in pipeline["stages"]}
    return by_stage(synced.portal, labels)


def second_sync(synced: Synced) -> Rows:
    """Count the contacts that were created, edited, archived and merged between the syncs."""
    live, archived = (synced.portal.records("contacts", archived=flag) for flag in (False, True))
    old = min(record["updatedAt"] for record in live.values() if record["id"] not in synced.before)
    new = [record for id_, record in live.items() if id_ not in synced.before]
    created = sum(record["createdAt"] >= old for record in new)
    edited = sum(
        record["updatedAt"] != synced.before[id_]["updatedAt"]
        for id_, record in live.items()
        if id_ in synced.before
    )
    gone = synced.before.keys() - live.keys()
    merged = len(gone - archived.keys())
    found = {
        "archived": len(gone & archived.keys()),
        "changed": edited + len(new) - created,
        "created": created,
        "merged": merged,
    }
    return [(what, count) for what, count in found.items() if count]


def company_links(synced: Synced) -> dict[str, tuple[set[str], set[str]]]:
    """Return the contacts and the deals of every live company that has a contact."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for contact, company, *_ in synced.portal.associations("contacts", "companies"):
        found.setdefault(company, (set(), set()))[0].add(contact)
    for company, deal, *_ in synced.portal.associations("companies", "deals"):
        if company in found:
            found[company][1].add(deal)
    return found


def largest_companies(synced: Synced) -> Rows:
    """Return the five companies with the most contacts."""
    names = values(synced.portal, "companies", "name")
    rows = [(names[c], len(a), len(b)) for c, (a, b) in company_links(synced).items()]
    return sorted(rows, key=lambda row: (-row[1], str(row[0])))[:5]


def contacts_alone(synced: Synced) -> Rows:
    """Return the live contacts that no company is linked to."""
    linked = {contact for contact, *_ in synced.portal.associations("contacts", "companies")}
    emails = values(synced.portal, "contacts", "email")
    return [(id_, email) for id_, email in emails.items() if id_ not in linked]


def deals_of_companies(synced: Synced) -> Rows:
    """Return every company that has a deal, with the number of its deals and their amount."""
    names = values(synced.portal, "companies", "name")
    amounts = values(synced.portal, "deals", "amount")
    deals: dict[str, set[str]] = {}
    for company, deal, *_ in synced.portal.associations("companies", "deals"):
        deals.setdefault(company, set()).add(deal)
    return [
        (id_, names[id_], len(ids), sum(float(amounts[deal] or 0) for deal in ids))
        for id_, ids in deals.items()
    ]


def versions(portal: Portal, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the versions of a property of every live deal, oldest first."""
    table, found = portal.table("deals"), {}
    for id_ in portal.records("deals"):
        record = table.get(int(id_))
        assert record is not None
        found[id_] = history_of(table, record, name)[::-1]
    return found


def stage_durations(synced: Synced) -> Rows:
    """Return how often live deals left each stage, and after how many days on average."""
    stays: dict[str, list[float]] = {}
    for steps in versions(synced.portal, "dealstage").values():
        for one, following in pairwise(steps):
            days = (at(following) - at(one)) / timedelta(days=1)
            stays.setdefault(one["value"] or None, []).append(days)
    return [(stage, len(days), sum(days) / len(days)) for stage, days in stays.items()]


def stages_of_2024(synced: Synced) -> Rows:
    """Return the stage that each live deal was in when 2024 began."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    found = {
        id_: [one["value"] or None for one in steps if at(one) < moment]
        for id_, steps in versions(synced.portal, "dealstage").items()
    }
    return [(id_, past[-1]) for id_, past in found.items() if past]


def amounts_of_people(synced: Synced) -> Rows:
    """Return the amounts that people gave to live deals, and who."""
    return [
        (id_, one["value"] or None, one.get("sourceId") or "")
        for id_, steps in versions(synced.portal, "amount").items()
        for one in steps
        if one["sourceType"] == "CRM_UI"
    ]


def at(version: dict[str, Any]) -> datetime:
    """Return when a version came."""
    return datetime.fromisoformat(version["timestamp"])


WITHOUT_ROWS = {"lists 1"}
"""Queries about what this portal does not have: `test_lists.py` has who left a list."""
TRUTHS: dict[str, Callable[[Synced], Rows]] = {
    "JOIN pipeline_stages": labelled_stages,
    "CASE WHEN _hs_created_at": second_sync,
    "count(DISTINCT l.from_id)": largest_companies,
    "select dealstage": lambda synced: by_stage(synced.portal, {}),
    "l.from_id IS NULL": contacts_alone,
    "SELECT DISTINCT from_id": deals_of_companies,
    "WITH steps": stage_durations,
    "h.newest = 1": stages_of_2024,
    "h.source_type = 'CRM_UI'": amounts_of_people,
}


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_three_queries(group: str) -> None:
    """The page of a group shows three useful queries, each after a line that says for what."""
    text = page_of(group).read_text(encoding="utf-8")
    assert len(re.findall(r"^[A-Z].*:\n\n```sql$", text, re.MULTILINE)) == 3
    assert len(sql_in(text)) == 3


@pytest.mark.parametrize("where", queries())
def test_queries_of_groups_have_answers(synced: Synced, where: str) -> None:
    """A query on the page of a group runs, and finds as many rows in both warehouses."""
    duckdb, postgres = (len(found) for found in answers(synced, queries()[where]).values())
    assert duckdb == postgres
    assert duckdb or where in WITHOUT_ROWS


def answers(synced: Synced, sql: str) -> dict[str, Rows]:
    """Return the rows that a statement finds in each warehouse."""
    return {
        name: warehouse.rows(sql.replace("%", "%%") if name == "postgres" else sql)
        for name, warehouse in synced.warehouses.items()
    }


@pytest.mark.parametrize("where", statements())
def test_documented_sql_tells_the_truth(synced: Synced, where: str) -> None:
    """A documented statement returns what the portal holds, deleted records left out."""
    sql = statements()[where]
    (truth,) = (truth for part, truth in TRUTHS.items() if part in sql)
    assert "_hs_deleted_at IS NULL" in sql.replace("is null", "IS NULL") or truth is second_sync
    expected = Counter(map(rounded, truth(synced)))
    assert expected
    for name, found in answers(synced, sql).items():
        assert Counter(map(rounded, found)) == expected, name


def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row whose numbers with fractions are whole, for sums depend on their order."""
    return tuple(round(value) if isinstance(value, float | Decimal) else value for value in row)


def test_the_deletions_matter(synced: Synced) -> None:
    """Without the condition the first statement of the README counts deleted deals as well."""
    for warehouse in synced.warehouses.values():
        ((live,),) = warehouse.rows("SELECT count(*) FROM deals WHERE _hs_deleted_at IS NULL")
        ((every,),) = warehouse.rows("SELECT count(*) FROM deals")
        assert live == len(synced.portal.records("deals")) < every
