"""Associations: types, directions, paging, 207s, and what they leave alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from caller import Caller

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

DATED, NUMBERED = "/crm/associations/2026-03", "/crm/v4/associations"
SPEC = SeedSpec(contacts=900, properties=20)


class Api(Caller):
    """Association calls; answers are (status, decoded body)."""

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request; return its status and what it says."""
        answer = self.send(method, path, body)
        return answer.status_code, answer.json() if answer.content else None

    def read(self, pair: str, *inputs: Any, root: str = DATED) -> tuple[int, Any]:
        """Batch read the links of records given by id, or as whole inputs."""
        rows = [one if isinstance(one, dict) else {"id": one} for one in inputs]
        return self.ask("POST", f"{root}/{pair}/batch/read", {"inputs": rows})


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SPEC, limits="off") as server:
        yield server


@pytest.fixture
def api(running: EmulatorServer) -> Api:
    """A freshly seeded portal for each test."""
    running.portal.reset()
    return Api(running)


def test_reading_every_page_gives_the_truth(api: Api) -> None:
    """Feeding each record's cursor back yields exactly the portal's links, labels included."""
    got: set[tuple[str, str, int, str, str | None]] = set()
    api.portal.settings.association_page_size = 70
    todo: list[dict[str, str]] = [{"id": one} for one in api.portal.records("companies")]
    while todo:
        _, body = api.read("companies/contacts", *todo[:1000])
        todo = todo[1000:]
        for row in body["results"]:
            one = row["from"]["id"]
            got |= {
                (one, to["toObjectId"], kind["typeId"], kind["category"], kind["label"])
                for to in row["to"]
                for kind in to["associationTypes"]
            }
            if "paging" in row:
                todo.append({"id": one, "after": row["paging"]["next"]["after"]})
    assert got == set(api.portal.associations("companies", "contacts"))


def test_one_company_has_more_links_than_a_page(api: Api) -> None:
    """The first page of the crowded company holds 500 links and a cursor."""
    crowded = next(iter(api.portal.records("companies")))
    _, body = api.read("companies/contacts", crowded)
    assert (len(body["results"][0]["to"]), "paging" in body["results"][0]) == (500, True)


def test_no_links_is_an_error_entry(api: Api) -> None:
    """A record without links, or one that is not there, is an error of a 207, not a result."""
    alone = api.portal.create("contacts", {})
    status, body = api.read("contacts/companies", alone, "99")
    assert (status, body["results"], body["numErrors"]) == (207, [], 2)
    first = body["errors"][0]
    assert first["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert first["context"]["fromObjectId"] == [alone]


def test_ids_are_numbers_in_one_version_and_text_in_the_other(api: Api) -> None:
    """`toObjectId` is a number under v4 and text under the dated version."""
    one, firm = api.portal.create("contacts", {}), api.portal.create("companies", {})
    api.portal.associate("contacts", one, "companies", firm)
    for root, kind in ((DATED, str), (NUMBERED, int)):
        _, body = api.read("contacts/companies", one, root=root)
        assert isinstance(body["results"][0]["to"][0]["toObjectId"], kind)


@pytest.mark.parametrize(
    ("pair", "base", "primary"),
    [
        ("contacts/companies", 279, 1),
        ("companies/contacts", 280, 2),
        ("deals/companies", 341, 5),
        ("companies/deals", 342, 6),
        ("tickets/companies", 339, 26),
        ("deals/contacts", 3, None),
        ("contacts/deals", 4, None),
    ],
)
def test_known_type_ids(api: Api, pair: str, base: int, primary: int | None) -> None:
    """The labels of a pair hold HubSpot's own type ids, the unlabelled one first."""
    _, body = api.ask("GET", f"{DATED}/{pair}/labels")
    shown = {row["label"]: row["typeId"] for row in body["results"]}
    assert (body["results"][0]["typeId"], shown.get("Primary")) == (base, primary)


def test_a_link_has_both_directions_and_the_base_type(api: Api) -> None:
    """A label given in one direction comes with the unlabelled type and with its inverse."""
    portal = api.portal
    one, firm = portal.create("contacts", {}), portal.create("companies", {})
    label = portal.create_label("contacts", "companies", "Adviser", "Advised")
    portal.associate("contacts", one, "companies", firm, label)
    there = [link for link in portal.associations("contacts", "companies") if link[0] == one]
    back = [link for link in portal.associations("companies", "contacts") if link[1] == one]
    assert {(link[2], link[4]) for link in there} == {(279, None), (label, "Adviser")}
    assert {link[4] for link in back} == {None, "Advised"}
    portal.dissociate("contacts", one, "companies", firm, label)
    assert {link[4] for link in portal.associations("contacts", "companies") if link[0] == one} == {
        None
    }


def test_a_company_tree_uses_a_pair_of_types(api: Api) -> None:
    """Links between companies carry one type per direction."""
    parent, child = (api.portal.create("companies", {}) for _ in range(2))
    api.portal.associate("companies", parent, "companies", child, 13)
    links = [one for one in api.portal.associations("companies", "companies") if parent in one[:2]]
    labels = {(one[0], one[4]) for one in links if one[4]}
    assert labels == {(parent, "Child Company"), (child, "Parent Company")}


def test_links_leave_last_modified_alone(api: Api) -> None:
    """Adding and removing a link changes neither record's last-modified."""
    one = api.portal.create("contacts", {}, at="2024-05-01T00:00:00Z")
    firm = api.portal.create("companies", {}, at="2024-05-01T00:00:00Z")
    api.portal.associate("contacts", one, "companies", firm)
    api.portal.dissociate("contacts", one, "companies", firm)
    rows = (api.portal.records("contacts")[one], api.portal.records("companies")[firm])
    assert {row["updatedAt"] for row in rows} == {"2024-05-01T00:00:00.000Z"}


def test_links_of_archived_records_are_hidden_until_restored(api: Api) -> None:
    """A link is not shown while either end lies in the recycle bin."""
    one, firm = api.portal.create("contacts", {}), api.portal.create("companies", {})
    api.portal.associate("contacts", one, "companies", firm)
    api.portal.archive("companies", firm)
    assert api.read("contacts/companies", one)[0] == 207
    api.portal.restore("companies", firm)
    assert api.read("contacts/companies", one)[0] == 200


def test_inline_links_end_at_a_hundred(api: Api) -> None:
    """A listing includes 100 linked records of a type; the cursor continues per record."""
    crowded = next(iter(api.portal.records("companies")))
    path = f"/crm/objects/2026-03/companies/{crowded}"
    _, row = api.ask("GET", f"{path}?associations=contacts")
    inline = row["associations"]["contacts"]
    first = {one["id"] for one in inline["results"]}
    cursor = inline["paging"]["next"]["after"]
    _, rest = api.ask("GET", f"{path}/associations/contacts?after={cursor}")
    others = {one["toObjectId"] for one in rest["results"]}
    assert (len(first), len(others), first & others) == (100, 500, set())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("contacts/starships/batch/read", {"inputs": []}),
        ("contacts/companies/batch/read", {"inputs": [{"id": str(n)} for n in range(1001)]}),
        ("contacts/companies/batch/read", {"inputs": [{"id": "ada"}]}),
        ("contacts/companies/batch/read", {"inputs": [{"id": "1", "after": "500"}]}),
        ("contacts/companies/batch/read", {"input": []}),
    ],
    ids=["unknown type", "1,001 inputs", "no id", "foreign cursor", "unknown member"],
)
def test_refusals(api: Api, path: str, body: dict[str, Any]) -> None:
    """A batch that breaks a rule gives 400 as a whole."""
    assert api.ask("POST", f"{DATED}/{path}", body)[0] == 400


def test_a_type_of_another_pair_is_refused(api: Api) -> None:
    """Creating a link with a type id that the pair does not have gives 400."""
    one, firm = api.portal.create("contacts", {}), api.portal.create("companies", {})
    wrong = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}]
    ends = {"from": {"id": one}, "to": {"id": firm}}
    path = f"{DATED}/contacts/companies/batch/create"
    assert api.ask("POST", path, {"inputs": [{**ends, "types": wrong}]})[0] == 400


def test_archiving_links_answers_by_version(api: Api) -> None:
    """Removing links gives 204 under v4 and 200 under the dated version."""
    one, firm = api.portal.create("contacts", {}), api.portal.create("companies", {})
    body = {"inputs": [{"from": {"id": one}, "to": [{"id": firm}]}]}
    for root, status in ((NUMBERED, 204), (DATED, 200)):
        api.portal.associate("contacts", one, "companies", firm)
        assert api.ask("POST", f"{root}/contacts/companies/batch/archive", body)[0] == status
        assert api.read("contacts/companies", one)[0] == 207


@pytest.mark.parametrize(("name", "status"), [("adviser_2", 200), ("2nd_adviser", 400)])
def test_names_of_labels_begin_with_no_digit(api: Api, name: str, status: int) -> None:
    """A label's name that begins with a digit is refused."""
    body = {"label": "2nd adviser", "name": name}
    assert api.ask("POST", f"{DATED}/contacts/companies/labels", body)[0] == status
