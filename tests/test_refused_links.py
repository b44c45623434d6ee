"""Records whose links HubSpot refuses keep their links, and are read again by the next run."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from conftest import Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from truth import link_differences

from pipelines.commands.plan import plan
from pipelines.commands.sync import SyncOptions
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.api.associations import Pair, read_links
from sources.hubspot.api.batch_read import read_batch
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.http.client import Client
from sources.hubspot.model import TableSchema
from sources.hubspot.state.source import SourceState
from sources.hubspot.tables.decoding import RecordDecoder
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

BOTH = ("contacts", "companies")
PAIR = {"contacts_to_companies": BOTH}
LINKS = "SELECT * FROM contacts_to_companies ORDER BY ALL"
CALLS = "/(contacts/companies|companies/contacts)/batch/read"
ENDS = Pair(*(kind for name in BOTH for kind in STANDARD if kind.table == name))


def error_of(ids: Sequence[str], *, named: bool) -> Callable[[Any], Any]:
    """Rewrite a response: it lacks the links of these ids, for an error that names them or not."""

    def rewrite(answer: dict[str, Any]) -> dict[str, Any]:
        results = [one for one in answer["results"] if one["from"]["id"] not in ids]
        found = [e for e in answer.get("errors", ()) if e["context"]["fromObjectId"][0] not in ids]
        error: dict[str, Any] = {"status": "error", "category": "INTERNAL_ERROR", "message": "No."}
        if named:
            error["context"] = {"fromObjectId": [*ids]}
        return answer | {"results": results, "errors": [*found, error]}

    return rewrite


def refuse(portal: Portal, ids: Sequence[str], how: str) -> None:
    """Refuse every call for the links of these ids: whole, or with an error of its response."""
    sent = "|".join(f'"{id_}"' for id_ in ids)
    answer: dict[str, Any] = {"status": 400}
    if how != "400":
        answer = {"rewrite": error_of(ids, named=how == "207")}
    portal.faults.add(path=CALLS, sent=sent, **answer)


def linked(portal: Portal, contacts: int) -> tuple[list[str], list[str]]:
    """Seed contacts and companies, each contact linked with a company; return their ids."""
    portal.reset(SeedSpec(contacts=contacts, companies=6, properties=12, handful=False))
    people, firms = (list(portal.records(name)) for name in BOTH)
    for at, person in enumerate(people[:24]):
        portal.associate("contacts", person, "companies", firms[at % 6])
    return people, firms


@pytest.mark.parametrize("how", ["400", "207", "207 without ids"])
def test_refused_record_is_told_apart(portal: Portal, config: HubSpotConfig, how: str) -> None:
    """In whichever way links of a record are refused, its id is known, and others have theirs."""
    people, _ = linked(portal, 30)
    client = Client(config)
    before = read_links(client, ENDS, people)
    assert before.refused == {}
    refuse(portal, people[4:5], how)
    found = read_links(client, ENDS, people)
    assert found.refused.keys() == {people[4]}
    assert found.links == {id_: before.links[id_] for id_ in people if id_ != people[4]}
    alone = read_links(client, ENDS, people[4:5])
    assert (alone.links, alone.refused.keys()) == ({}, {people[4]})


def test_refused_record_keeps_its_links(portal: Portal, warehouse: Warehouse) -> None:
    """Be it read alone or with others, a record that is refused loses no link, and others come.

    The outcome names it; later runs read it again, until HubSpot answers, and then no more. So it
    is where a call is refused for a record, and where an error of a response says so.
    """
    people, firms = linked(portal, 30)
    assert warehouse.sync(*BOTH).exit_code == 0
    before = warehouse.rows(LINKS)
    refused = people[:2]
    for id_, how in zip(refused, ("400", "207 without ids"), strict=True):
        refuse(portal, [id_], how)
        portal.update("contacts", id_, {"city": "Alone"})
    alone = warehouse.sync(*BOTH)
    swept = warehouse.sync(*BOTH, links=True)
    foretold = plan(SyncOptions(BOTH), config=warehouse.config)
    assert "HubSpot refused the links of 2 records" in str(foretold.sections)
    compared = verify(VerifyOptions(BOTH), collector=NULL_COLLECTOR, config=warehouse.config)
    assert f"refuses to read them: {', '.join(refused)}" in str(compared.warnings)
    for report in (alone, swept, compared):
        assert report.exit_code == 0
        assert all(id_ in str(report.warnings) for id_ in refused)
    assert warehouse.rows(LINKS) == before
    for at, id_ in enumerate(refused):
        portal.dissociate("contacts", id_, "companies", firms[at])
        portal.associate("contacts", id_, "companies", firms[at + 1])
    portal.associate("contacts", people[-1], "companies", firms[5])
    others = warehouse.sync(*BOTH)
    assert others.exit_code == 0
    held = {(row[0], row[1]) for row in warehouse.rows(LINKS)}
    assert {(people[0], firms[0]), (people[1], firms[1]), (people[-1], firms[5])} <= held
    assert held.isdisjoint({(people[0], firms[1]), (people[1], firms[2])})
    portal.faults.clear()
    assert warehouse.sync(*BOTH).exit_code == 0
    assert link_differences(portal, warehouse, PAIR) == []
    assert "refuses" not in str(warehouse.sync(*BOTH).warnings)


def test_refused_target_keeps_its_links(portal: Portal, warehouse: Warehouse) -> None:
    """Where links are read from the target's side, so does a refused target, in either way."""
    people, firms = linked(portal, 1_010)
    refuse(portal, firms[:1], "400")
    first = warehouse.sync(*BOTH)
    assert (first.exit_code, "links of" in str(first.warnings)) == (0, True)
    found = {row[1] for row in warehouse.rows(LINKS)}
    assert found >= {*firms[1:6]}
    again = warehouse.sync(*BOTH)
    assert (again.exit_code, "links of" in str(again.warnings)) == (0, True)
    portal.faults.clear()
    assert warehouse.sync(*BOTH).exit_code == 0
    assert link_differences(portal, warehouse, PAIR) == []
    before = warehouse.rows(LINKS)
    refuse(portal, firms[2:4], "207")
    assert warehouse.sync(*BOTH, links=True).exit_code == 0
    assert warehouse.rows(LINKS) == before
    portal.dissociate("contacts", people[2], "companies", firms[2])
    portal.faults.clear()
    assert warehouse.sync(*BOTH).exit_code == 0
    assert link_differences(portal, warehouse, PAIR) == []


def test_ids_that_are_asked_for_alone(portal: Portal, config: HubSpotConfig) -> None:
    """A record that is left out for another one is asked for alone; an error then is no answer."""
    people, _ = linked(portal, 30)

    def with_another(answer: dict[str, Any]) -> dict[str, Any]:
        first = answer["results"][0]
        return answer | {"results": [{**first, "id": people[9]}, *answer["results"][1:]]}

    portal.faults.add(path="/objects/.*/batch/read", nth=1, rewrite=with_another)
    failed = {"results": [], "errors": [{"category": "INTERNAL_ERROR", "message": "No."}]}
    portal.faults.add(path="/objects/.*/batch/read", status=207, body=failed)
    decoder = RecordDecoder(TableSchema("contacts", ()))
    found = read_batch(Client(config), ENDS.source, people[:2], decoder)
    assert [*found.refused.values()] == ["No."]
    assert found.missing == []


def test_state_forgets_refused_records() -> None:
    """A record to be forgotten leaves the ids whose links are read again, of either end."""
    state = SourceState()
    state.pair("contacts_to_companies").note_refused("source", ["1", "2"])
    state.pair("contacts_to_companies").note_refused("target", ["1"])
    assert state.forget("contacts", ["1"])
    assert state.pair("contacts_to_companies").refused_ids == {"source": ["2"], "target": ["1"]}
    assert state.forget("companies", ["1"])
    assert not state.forget("companies", ["1"])
