"""What a live portal does wrong, on request: odd pages, odd ids, connections that are reset."""

import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import requests
from caller import Caller

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal
from sources.hubspot_emulator.settings import ANOMALIES, Settings

CONTACTS = "/crm/objects/2026-03/contacts"
PAGES = ["repeated_ids", "empty_pages", "short_pages"]
SPEC = SeedSpec(contacts=100, properties=5, archived=0.2)
SMALL = SeedSpec(contacts=40, properties=5, archived=0.2)
"""A portal that is read in every way."""
SINCE = 1_700_000_000_000


class Api(Caller):
    """Calls of the emulator."""

    def control(self, name: str, body: Any) -> Any:
        """Use the control API, as clients in another process do."""
        answer = self.send("POST", f"/_emulator/{name}", body)
        return answer.json() if answer.ok else answer.status_code

    def list_pages(self, limit: int = 10, **query: str) -> list[dict[str, Any]]:
        """Return every page of a listing, following the cursors."""
        extra = "".join(f"&{name}={value}" for name, value in query.items())
        return _follow(
            lambda after: self.send("GET", f"{CONTACTS}?limit={limit}{extra}&after={after}")
        )

    def search_pages(self, *filters: tuple[str, str, Any], **body: Any) -> list[dict[str, Any]]:
        """Return every page of a search, following the cursors."""
        rows = [{"propertyName": n, "operator": o, "value": str(v)} for n, o, v in filters]
        whole = {"sorts": ["hs_object_id"], "limit": 10, "filters": rows, **body}
        return _follow(
            lambda after: self.send("POST", f"{CONTACTS}/search", {**whole, "after": after})
        )


def _follow(call: Any) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = []
    asked = ""
    while True:
        pages.append(call(asked).json())
        if "paging" not in pages[-1]:
            return pages
        following = pages[-1]["paging"]["next"]["after"]
        assert following != asked, "a cursor that leads nowhere"
        asked = following


def ids_of(page: dict[str, Any]) -> list[int]:
    """Return the ids of a page."""
    return [int(row["id"]) for row in page["results"]]


def every_id(pages: list[dict[str, Any]]) -> set[int]:
    """Return the ids of all pages."""
    return {one for page in pages for one in ids_of(page)}


def truth(portal: Portal, *, archived: bool = False) -> set[int]:
    """Return the ids that a complete client must have."""
    return set(map(int, portal.records("contacts", archived=archived)))


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    """One emulator for this module."""
    with EmulatorServer(SPEC, limits="off") as server:
        yield server


@pytest.fixture
def api(running: EmulatorServer) -> Api:
    """A freshly seeded portal for each test."""
    running.portal.reset(SPEC)
    return Api(running)


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("names", [[], *([one] for one in PAGES), PAGES, list(ANOMALIES)], ids=str)
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_odd_listings_lose_nothing(
    api: Api, limit: int, names: list[str], *, archived: bool
) -> None:
    """Whatever is odd about pages, who follows the cursors has every record, in ascending id."""
    api.portal.reset(SMALL)
    api.portal.settings.anomalies = names
    pages = api.list_pages(limit, archived=str(archived).lower())
    assert every_id(pages) == truth(api.portal, archived=archived)
    assert all(len(page["results"]) <= limit for page in pages)
    ids = [one for page in pages for one in ids_of(page)]
    assert ids == sorted(ids)


@pytest.mark.parametrize("names", [[], *([one] for one in ANOMALIES), list(ANOMALIES)], ids=str)
@pytest.mark.parametrize("limit", [1, 3, 200])
@pytest.mark.parametrize(
    ("sort", "direction"), [("hs_object_id", "ASCENDING"), ("lastmodifieddate", "DESCENDING")]
)
def test_odd_searches_lose_nothing(
    api: Api, sort: str, direction: str, limit: int, names: list[str]
) -> None:
    """Whatever is odd about pages, the right rows and the right total are among what came."""
    api.portal.reset(SMALL)
    floor = sorted(truth(api.portal))[5]
    filters = (("lastmodifieddate", "GTE", SINCE), ("hs_object_id", "GT", floor))
    sorts = [{"propertyName": sort, "direction": direction}]
    right = every_id(api.search_pages(*filters))
    assert len(right) > 9
    api.portal.settings.anomalies = names
    pages = api.search_pages(*filters, sorts=sorts, limit=limit)
    outside = "search_outside" in names
    assert every_id(pages) >= right if outside else every_id(pages) == right
    assert {page["total"] for page in pages} == {len(right)}
    assert all(len(page["results"]) <= limit for page in pages)


def test_repeated_ids(api: Api) -> None:
    """A page of a listing, live or archived, and of a search holds one id twice."""
    api.portal.settings.anomalies = ["repeated_ids"]
    archived = api.list_pages(archived="true")
    for page in (*api.list_pages(), *archived, *api.search_pages()):
        ids = ids_of(page)
        assert len(set(ids)) == len(ids) - 1


@pytest.mark.parametrize("kind", ["live", "archived", "search"])
def test_every_third_page_is_empty(api: Api, kind: str) -> None:
    """The third page holds nothing, and its cursor leads to what it would have held."""
    read = {"live": api.list_pages, "archived": lambda: api.list_pages(3, archived="true")}
    pages = read.get(kind, api.search_pages)
    before = list(map(ids_of, pages()))
    api.portal.settings.anomalies = ["empty_pages"]
    after = list(map(ids_of, pages()))
    assert [one for one in after if one] == before
    assert [place for place, one in enumerate(after) if not one][:2] == [2, 5]


def test_empty_pages_lead_on_where_ids_are_dense(api: Api) -> None:
    """Even where the next id follows at once, no page names the cursor that led to it."""
    api.portal.reset(SeedSpec.empty())
    for number in range(1, 8):
        api.portal.create("contacts", {}, number)
    api.portal.settings.anomalies = ["empty_pages"]
    assert every_id(api.list_pages(1)) == every_id(api.search_pages(limit=1)) == set(range(1, 8))


def test_short_pages(api: Api) -> None:
    """Pages hold fewer rows than asked for although more follow."""
    api.portal.settings.anomalies = ["short_pages"]
    for pages in (api.list_pages(), api.search_pages(), api.list_pages(archived="true")):
        assert len(pages) > 1
        assert all(0 < len(page["results"]) < 10 for page in pages)


def test_unsorted_searches(api: Api) -> None:
    """A page holds the right rows in no order, and its last row is not where to go on from."""
    sorted_pages = list(map(ids_of, api.search_pages()))
    api.portal.settings.anomalies = ["search_unsorted"]
    shuffled = list(map(ids_of, api.search_pages()))
    assert list(map(sorted, shuffled)) == sorted_pages
    assert all(page[-1] != max(page) for page in shuffled if len(page) > 1)
    assert shuffled == list(map(ids_of, api.search_pages()))


@pytest.mark.parametrize("limit", [2, 10, 200])
def test_rows_outside_the_filter(api: Api, limit: int) -> None:
    """A page holds rows of older changes and lower ids, never one beyond its last right row."""
    rows = api.portal.records("contacts")
    floor = sorted(map(int, rows))[20]
    filters = (("lastmodifieddate", "GTE", SINCE), ("hs_object_id", "GT", floor))
    right = every_id(api.search_pages(*filters))
    api.portal.settings.anomalies = ["search_outside"]
    pages = list(map(ids_of, api.search_pages(*filters, limit=limit)))
    strangers = {one for page in pages for one in page} - right
    assert len(pages) > 1 or limit == 200
    assert all(page[-1] in right and page == sorted(set(page)) for page in pages)
    assert limit == 2 or any(one <= floor for one in strangers)
    assert any(one > floor for one in strangers)
    assert every_id(api.search_pages()) == truth(api.portal)


def test_scattered_ids(api: Api) -> None:
    """Ids of new records and of merged ones lie anywhere, never where one was before."""
    api.control("settings", {"anomalies": ["scattered_ids"]})
    known = truth(api.portal) | truth(api.portal, archived=True)
    made = [int(api.send("POST", CONTACTS, {"properties": {}}).json()["id"]) for _ in range(40)]
    made.append(int(api.portal.merge("contacts", made[0], made[1])))
    assert len(set(made)) == 41
    assert not known.intersection(made)
    assert 10 < sum(a > b for a, b in pairwise(made)) < 30
    assert sum(min(known) < one < max(known) for one in made) > 10
    assert every_id(api.list_pages()) == truth(api.portal)
    api.portal.settings.anomalies = []
    assert int(api.portal.create("contacts", {})) > max(*known, *made)


@pytest.mark.parametrize("wrong", [{"anomalies": ["nobody_knows"]}, {"one_way": ["deals"]}])
def test_unknown_anomalies_are_refused(api: Api, wrong: dict[str, Any]) -> None:
    """A name nobody knows is an error wherever it is given, and changes nothing."""
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=r"nobody_knows|pairs of type names"):
        setattr(api.portal.settings, name, value)
    with pytest.raises(ValueError, match=r"nobody_knows|pairs of type names"):
        Settings(**wrong)
    assert api.control("settings", wrong) == 400
    assert api.control("settings", {"anomalies": ["short_pages"]})["anomalies"] == ["short_pages"]


def _until_reset(raw: socket.socket) -> Iterator[bytes]:
    try:
        while came := raw.recv(65_536):
            yield came
    except ConnectionResetError:
        return
    pytest.fail("the connection was closed, not reset")


def test_connections_may_be_reset(api: Api) -> None:
    """In the middle of the body the connection is reset, not closed, and the next call is well."""
    api.portal.faults.add(reset=True, times=2)
    with pytest.raises(requests.RequestException, match="reset by peer"):
        api.send("GET", CONTACTS)
    host, _, port = api.server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"GET {CONTACTS} HTTP/1.1\r\nHost: {host}\r\n"
                    f"Authorization: Bearer {api.server.token}\r\n\r\n".encode())  # fmt: skip
        came = b"".join(_until_reset(raw))
    head, _, body = came.partition(b"\r\n\r\n")
    whole = int(head.lower().split(b"content-length: ")[1].split()[0])
    assert (head[:12], len(body)) == (b"HTTP/1.1 200", whole // 2)
    assert api.send("GET", CONTACTS).status_code == 200
    assert api.control("faults", {"reset": True}) == 2
