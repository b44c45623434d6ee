"""Reading and writing records: what the emulator answers, and what it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from caller import Caller

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

CONTACTS = "/crm/objects/2026-03/contacts"
SPEC = SeedSpec(contacts=300, properties=60)


class Api(Caller):
    """Calls of the emulator; answers are (status, decoded body)."""

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        """Read something."""
        answer = self.send("GET", path, params=query)
        return answer.status_code, answer.json()

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Post something."""
        answer = self.send("POST", path, body)
        return answer.status_code, answer.json() if answer.content else None

    def read(self, ids: list[str], *names: str, query: str = "") -> tuple[int, Any]:
        """Batch read contacts."""
        inputs = [{"id": one} for one in ids]
        body = {"inputs": inputs, "properties": list(names), "propertiesWithHistory": []}
        return self.post(f"{CONTACTS}/batch/read{query}", body)

    def list_all(self, path: str = CONTACTS, **query: Any) -> list[dict[str, Any]]:
        """Return every record of a listing."""
        rows: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            _, page = self.get(path, limit=100, **query, **after)
            rows += page["results"]
            if "paging" not in page:
                return rows
            after = {"after": page["paging"]["next"]["after"]}


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


def test_listing_gives_every_live_record_once_in_ascending_id(api: Api) -> None:
    """Paging through a listing yields the portal's live records, ordered by id as a number."""
    ids = [int(row["id"]) for row in api.list_all()]
    assert sorted(map(int, api.portal.records("contacts"))) == ids


def test_listing_agrees_with_the_truth(api: Api) -> None:
    """Every value of every record reads as the portal says it is, odd ones too."""
    names = [row["name"] for row in api.get("/crm/properties/2026-03/contacts")[1]["results"]]
    names.append("passport_number")
    truth = api.portal.records("contacts")
    for row in api.list_all(properties=",".join(names)):
        kept = {name: value for name, value in row["properties"].items() if value is not None}
        assert truth[row["id"]]["properties"] == kept
        assert set(names) == set(row["properties"])


def test_after_is_the_id_of_the_next_record_and_any_id_may_start(api: Api) -> None:
    """A listing may begin at an id that no record has; the cursor includes the record it names."""
    _, page = api.get(CONTACTS, limit=2)
    cursor = page["paging"]["next"]["after"]
    _, following = api.get(CONTACTS, limit=1, after=cursor)
    assert cursor == following["results"][0]["id"]
    _, between = api.get(CONTACTS, limit=1, after=str(int(page["results"][1]["id"]) + 1))
    assert cursor == between["results"][0]["id"]


def test_link_names_another_version(api: Api) -> None:
    """The link of a page is not the path that was asked for, so a client must not follow it."""
    _, page = api.get(CONTACTS, limit=1)
    assert "/crm/objects/v3/0-1?" in page["paging"]["next"]["link"]


def test_dates_and_id_come_unasked_and_unknown_names_vanish(api: Api) -> None:
    """A row holds what was asked for plus dates and id; a name nobody knows leaves no trace."""
    _, page = api.get(CONTACTS, limit=1, properties="jobtitle,nobody_knows")
    always = {"createdate", "lastmodifieddate", "hs_object_id"}
    assert always | {"jobtitle"} == set(page["results"][0]["properties"])


def test_unset_is_null_and_cleared_is_empty(api: Api) -> None:
    """A property never set reads as null, one that was cleared as empty text."""
    one = api.portal.create("contacts", {"firstname": "Ada"})
    api.portal.update("contacts", one, {"firstname": ""})
    _, got = api.get(f"{CONTACTS}/{one}", properties="firstname,lastname")
    assert (got["properties"]["firstname"], got["properties"]["lastname"]) == ("", None)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": "ten"},
        {"limit": 51, "propertiesWithHistory": "email"},
        {"after": "MTIz"},
        {"lmit": 10},
        {"archived": "yes"},
        {"associations": "starships"},
    ],
    ids=str,
)
def test_wrong_parameters_are_refused(api: Api, query: dict[str, Any]) -> None:
    """A parameter that HubSpot would not take gives 400 and a validation error."""
    status, body = api.get(CONTACTS, **query)
    assert (status, body["category"]) == (400, "VALIDATION_ERROR")


def test_long_addresses_are_refused(api: Api) -> None:
    """An address over the limit gives 414, one under it does not."""
    names = ",".join(f"property_number_{n:05d}" for n in range(1000))
    assert api.get(CONTACTS, properties=names)[0] == 200
    assert api.get(CONTACTS, properties=names + "," + names[:10_000])[0] == 414


@pytest.mark.parametrize("name", ["contacts", "contact", "CONTACTS", "0-1"])
@pytest.mark.parametrize(
    "root", ["/crm/v3/objects", "/crm/objects/2026-03", "/crm/objects/2026-09"]
)
def test_names_and_versions(api: Api, root: str, name: str) -> None:
    """Every form of a type's name works under every version."""
    assert api.get(f"{root}/{name}", limit=1)[0] == 200


def test_unknown_places_and_methods(api: Api) -> None:
    """An unknown type is 400, an unknown path 404, a wrong method 405."""
    assert api.get("/crm/v3/objects/starships")[0] == 400
    assert api.get("/crm/objects/2025-09/contacts")[0] == 404
    assert api.send("PUT", CONTACTS).status_code == 405
    assert api.post("/crm/v3/objects/contracts/search", {})[0] == 405


def test_archived_records_show_only_when_asked_for(api: Api) -> None:
    """Archiving moves a record to the archived listing with its date; restoring brings it back."""
    one = api.portal.create("contacts", {"firstname": "Ada"})
    assert api.send("DELETE", f"{CONTACTS}/{one}").status_code == 204
    assert one not in {row["id"] for row in api.list_all()}
    row = next(row for row in api.list_all(archived="true") if row["id"] == one)
    assert row["archived"]
    assert row["archivedAt"]
    assert api.get(f"{CONTACTS}/{one}")[0] == 404
    assert api.get(f"{CONTACTS}/{one}", archived="true")[0] == 200
    assert api.read([one])[0] == 207
    assert api.read([one], query="?archived=true")[0] == 200
    api.portal.restore("contacts", one)
    assert api.get(f"{CONTACTS}/{one}")[0] == 200


def test_batch_read_tells_what_is_missing(api: Api) -> None:
    """Missing ids are one error entry of a 207; those found come in the results."""
    one = api.portal.create("contacts", {})
    status, body = api.read([one, "99", "98"])
    assert (
        status,
        body["numErrors"],
        body["errors"][0]["context"]["ids"],
    ) == (207, 1, ["99", "98"])
    assert [one] == [row["id"] for row in body["results"]]


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": [{"id": str(n)} for n in range(101)]},
        {"inputs": [{"id": str(n)} for n in range(51)], "propertiesWithHistory": ["email"]},
        {"inputs": "1"},
        {"inputs": [{}]},
        {"propertiesWithHistory": None},
        {"associations": ["companies"]},
        {"idProperty": "firstname"},
    ],
    ids=["101", "51 with history", "no list", "no id", "null", "unknown member", "not unique"],
)
def test_wrong_batches_are_refused(api: Api, change: dict[str, Any]) -> None:
    """A batch over its cap or with members HubSpot does not know gives 400."""
    body = {"inputs": [{"id": "1"}], "properties": [], "propertiesWithHistory": [], **change}
    assert api.post(f"{CONTACTS}/batch/read", body)[0] == 400


def test_batch_read_requires_its_members(api: Api) -> None:
    """Leaving out propertiesWithHistory gives 400."""
    assert api.post(f"{CONTACTS}/batch/read", {"inputs": [], "properties": []})[0] == 400


def test_batch_read_by_email(api: Api) -> None:
    """A unique property names a record in place of its id, seeded or created."""
    api.portal.create("contacts", {"email": "Ada@example.com"})
    body = {
        "inputs": [{"id": "ada@example.com"}, {"id": "person7@example.com"}],
        "properties": [],
        "propertiesWithHistory": [],
        "idProperty": "email",
    }
    status, got = api.post(f"{CONTACTS}/batch/read", body)
    assert (status, len(got["results"])) == (200, 2)


@pytest.mark.parametrize(("kind", "fresh"), [("contacts", True), ("deals", False)])
def test_merge(api: Api, kind: str, *, fresh: bool) -> None:
    """Contacts get a new id by merging, deals keep the primary's; old ids lead to the survivor."""
    portal = api.portal
    company = portal.create("companies", {})
    first, second = (portal.create(kind, {}) for _ in range(2))
    portal.associate(kind, second, "companies", company)
    survivor = portal.merge(kind, first, second)
    assert fresh == (survivor not in (first, second))
    path = f"/crm/objects/2026-03/{kind}"
    assert survivor == api.get(f"{path}/{second}")[1]["id"]
    assert second not in {row["id"] for row in api.list_all(path)}
    merged = portal.records(kind)[survivor]["properties"]["hs_merged_object_ids"].split(";")
    assert ([first, second] if fresh else [second]) == merged
    assert survivor in {link[0] for link in portal.associations(kind, "companies")}


def test_merging_again_keeps_the_chain(api: Api) -> None:
    """The first of three merged ids leads to the last survivor, which names them all."""
    one, two, three = (api.portal.create("contacts", {}) for _ in range(3))
    middle = api.portal.merge("contacts", one, two)
    last = api.portal.merge("contacts", middle, three)
    assert [last] == [row["id"] for row in api.read([one])[1]["results"]]
    names = api.portal.records("contacts")[last]["properties"]["hs_merged_object_ids"]
    assert {one, two, middle, three} == set(names.split(";"))


def test_batch_update_takes_no_merged_away_id(api: Api) -> None:
    """Batch read follows a merged-away id, batch update does not."""
    one, two = (api.portal.create("contacts", {}) for _ in range(2))
    api.portal.merge("contacts", one, two)
    inputs = [{"id": one, "properties": {"firstname": "x"}}]
    assert api.post(f"{CONTACTS}/batch/update", {"inputs": inputs})[0] == 207


def test_calculations_leave_last_modified_alone(api: Api) -> None:
    """A calculated change shows in the value and not in last-modified; an edit shows in both."""
    one = api.portal.create("contacts", {}, at="2024-05-01T00:00:00Z")
    api.portal.set_calculated("contacts", one, {"hs_predictivecontactscore": "5"})
    _, row = api.get(f"{CONTACTS}/{one}", properties="hs_predictivecontactscore")
    assert (
        row["properties"]["hs_predictivecontactscore"],
        row["updatedAt"],
    ) == ("5", "2024-05-01T00:00:00.000Z")
    api.portal.update("contacts", one, {"firstname": "Ada"})
    assert api.get(f"{CONTACTS}/{one}")[1]["updatedAt"] != "2024-05-01T00:00:00.000Z"


def test_history_is_newest_first(api: Api) -> None:
    """History gives every value a property had, the present one first."""
    one = api.portal.create("contacts", {"firstname": "a"})
    for value in "bc":
        api.portal.update("contacts", one, {"firstname": value})
    _, row = api.get(f"{CONTACTS}/{one}", propertiesWithHistory="firstname")
    assert [h["value"] for h in row["propertiesWithHistory"]["firstname"]] == ["c", "b", "a"]
    assert row["properties"]["firstname"] == "c"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"nobody_knows": "1"}, "PROPERTY_DOESNT_EXIST"),
        ({"num_notes": "many"}, "INVALID_INTEGER"),
        ({"lifecyclestage": "emperor"}, "INVALID_OPTION"),
        ({"is_vip": "maybe"}, "INVALID_BOOLEAN"),
        ({"birthday": "soon"}, "INVALID_DATE"),
        ({"hs_object_id": "5"}, "READ_ONLY_VALUE"),
        ({"hs_predictivecontactscore": "5"}, "READ_ONLY_VALUE"),
    ],
)
def test_wrong_values_are_refused(api: Api, properties: dict[str, str], code: str) -> None:
    """A write with a value that does not fit gives 400 and names the property."""
    status, body = api.post(CONTACTS, {"properties": properties})
    assert (400, code) == (status, body["errors"][0]["code"])
    assert list(properties) == body["errors"][0]["context"]["propertyName"]


def test_unique_values_are_kept_unique(api: Api) -> None:
    """A second contact with an e-mail address gives 409 and the id of the first."""
    _, first = api.post(CONTACTS, {"properties": {"email": "ada@example.com"}})
    status, body = api.post(CONTACTS, {"properties": {"email": "ADA@example.com"}})
    assert (status, body["category"]) == (409, "CONFLICT")
    assert first["id"] in body["message"]


def test_batch_create_is_all_or_nothing_without_traces(api: Api) -> None:
    """One bad input refuses the batch; with objectWriteTraceId only that input fails."""
    good, bad = {"properties": {"firstname": "x"}}, {"properties": {"nobody_knows": "x"}}
    before = api.portal.truth()["contacts"]["live"]
    assert api.post(f"{CONTACTS}/batch/create", {"inputs": [good, bad]})[0] == 400
    assert before == api.portal.truth()["contacts"]["live"]
    traced = [{**one, "objectWriteTraceId": f"t{n}"} for n, one in enumerate((good, bad))]
    status, body = api.post(f"{CONTACTS}/batch/create", {"inputs": traced})
    assert (status, body["errors"][0]["context"]["objectWriteTraceId"]) == (207, ["t1"])
    assert before + 1 == api.portal.truth()["contacts"]["live"]


def test_leading_separator_appends_to_a_multi_checkbox(api: Api) -> None:
    """`;third` adds to the options that are checked."""
    one = api.portal.create("contacts", {"interests": "first"})
    api.send("PATCH", f"{CONTACTS}/{one}", {"properties": {"interests": ";third"}})
    assert api.portal.records("contacts")[one]["properties"]["interests"] == "first;third"


def test_a_purged_record_is_gone_everywhere(api: Api) -> None:
    """Neither listing shows a purged record and reading it gives 404."""
    one = api.portal.create("contacts", {})
    api.portal.archive("contacts", one)
    api.portal.purge("contacts", one)
    assert one not in {row["id"] for row in api.list_all(archived="true")}
    assert api.get(f"{CONTACTS}/{one}", archived="true")[0] == 404


def test_a_new_id_is_above_all_others_whatever_changed_first(api: Api) -> None:
    """After a change of an early record, a new one still gets the highest id."""
    ids = list(api.portal.records("contacts"))
    api.portal.update("contacts", ids[0], {"firstname": "Ada"})
    assert int(api.portal.create("contacts", {})) > max(map(int, ids))


def test_an_archived_property_comes_back_with_its_values(api: Api) -> None:
    """Archiving hides a property and its values; creating the name again restores both."""
    path = "/crm/properties/2026-03/contacts"
    one = api.portal.create("contacts", {"is_vip": "true"})
    assert api.send("DELETE", f"{path}/is_vip").status_code == 204
    assert "is_vip" not in api.get(f"{CONTACTS}/{one}", properties="is_vip")[1]["properties"]
    assert "is_vip" in {r["name"] for r in api.get(path, archived="true")[1]["results"]}
    new = {"name": "is_vip", "label": "VIP", "type": "string", "fieldType": "text",
           "groupName": "information"}  # fmt: skip
    assert api.post(path, new)[0] == 201
    assert api.get(f"{CONTACTS}/{one}", properties="is_vip")[1]["properties"]["is_vip"] == "true"


def test_properties_do_not_know_a_bare_custom_name(api: Api) -> None:
    """The records of a custom object are found by its bare name, its properties are not."""
    assert api.get("/crm/v3/objects/vehicle")[0] == 200
    status, body = api.get("/crm/v3/properties/vehicle")
    assert status == 400
    assert "Unable to infer object type" in body["message"]
    assert api.get("/crm/v3/properties/2-7234126")[0] == 200
    assert api.get("/crm/v3/properties/p1234567_vehicle")[0] == 200


def test_a_custom_object_made_by_the_portal_is_usable_at_once(api: Api) -> None:
    """A new type has a schema, properties, pipelines, records and links."""
    portal = api.portal
    type_id = portal.create_custom_object("boat", [{"name": "berth"}])
    boat = portal.create("boat", {"name": "Erika", "berth": "7"})
    portal.associate("boat", boat, "contacts", next(iter(portal.records("contacts"))))
    assert [boat] == [row["id"] for row in api.list_all(f"/crm/objects/2026-03/{type_id}")]
    assert len(portal.associations("boat", "contacts")) == 1
    assert api.get(f"/crm/pipelines/2026-03/{type_id}")[0] == 200
    names = {row["name"] for row in api.get("/crm-object-schemas/2026-03/schemas")[1]["results"]}
    assert "boat" in names


def test_text_has_a_longest_length(api: Api) -> None:
    """A value of 65,536 characters is kept, one more is refused."""
    status, made = api.post(CONTACTS, {"properties": {"message": "x" * 65_536}})
    assert (status, len(made["properties"]["message"])) == (201, 65_536)
    status, refused = api.post(CONTACTS, {"properties": {"message": "x" * 65_537}})
    assert (status, refused["errors"][0]["context"]) == (400, {"propertyName": ["message"]})


def test_history_names_who_changed_a_value(api: Api) -> None:
    """A change by a user has the user's id; one by a calculation has none."""
    one = api.portal.create("contacts", {"firstname": "Ada"})
    api.portal.update("contacts", one, {"firstname": "Ada L."})
    api.portal.set_calculated("contacts", one, {"num_notes": "1"})
    _, shown = api.get(f"{CONTACTS}/{one}", propertiesWithHistory="firstname,num_notes")
    first, notes = (shown["propertiesWithHistory"][n][0] for n in ("firstname", "num_notes"))
    assert first["sourceId"] == f"userId:{first['updatedByUserId']}"
    assert (notes["sourceType"], "sourceId" in notes) == ("CALCULATED", False)


def test_an_object_type_has_at_most_ten_unique_properties(api: Api) -> None:
    """The eleventh property with unique values is refused, a plain one is not."""
    row = {"type": "string", "fieldType": "text", "groupName": "information"}

    def create(name: str, *, unique: bool) -> int:
        body = {**row, "name": name, "label": name, "hasUniqueValue": unique}
        return api.post("/crm/properties/2026-03/contacts", body)[0]

    made = [create(f"key_{number}", unique=True) for number in range(10)]
    assert made == [201] * 9 + [400]  # the e-mail is unique, too
    assert create("plain", unique=False) == 201


def test_custom_objects_name_their_properties_by_a_prefix(api: Api) -> None:
    """`p_vehicle` means the custom object where properties are read, `vehicle` does not."""
    known = [api.get(f"/crm/properties/2026-03/{name}")[0] for name in ("p_vehicle", "vehicle")]
    assert known == [200, 400]
