"""What people and commands do to a dataset in each destination: it ends equal to the portal."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from dataset import Dataset
from life import HOUR_MS, SMALL

from pipelines.commands.forget import forget
from pipelines.commands.query import query
from pipelines.commands.state import reset, rewind, show
from pipelines.commands.status import status
from sources.hubspot.errors import ConfigError
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")
LINKS, CUSTOM = "contacts_to_companies", "custom_vehicle"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def loaded(portal: Portal, dataset: Dataset) -> Dataset:
    """A dataset of a small portal."""
    portal.reset(SMALL)
    assert dataset.sync().exit_code == 0
    assert dataset.wrong(portal) == []
    return dataset


def damage(portal: Portal, dataset: Dataset) -> None:
    """Rows that are missing, extra, stale, wrong or doubled are found, and mended by --repair."""
    assert dataset.verify().exit_code == 0
    missing, extra, stale, wrong, doubled, linked, *_ = sorted(portal.records("contacts"))
    archived = sorted(portal.records("contacts", archived=True))
    dataset.double("contacts", "id", extra, id="999")
    dataset.double("contacts", "id", doubled)
    dataset.double("contacts", "id", archived[2])
    dataset.double(LINKS, "from_id", linked)
    dataset.double(LINKS, "from_id", linked, to_id="999")
    with dataset.tables() as tables:
        tables.delete_keys("contacts", ["id"], [(missing,), (archived[0],)])
        tables.update("contacts", {"_hs_updated_at": LONG_AGO}, "id = ?", stale)
        tables.update("contacts", {"firstname": "Nobody"}, "id IN (?)", [wrong, archived[1]])
        tables.delete(LINKS, "from_id = ?", wrong)
        tables.update(LINKS, {"label": "Nonsense"}, "from_id = ?", stale)
    found = dataset.verify()
    assert found.exit_code == 8
    rows = {row[0]: row for row in found.sections[0].rows}
    ids = rows["contacts"][found.sections[0].columns.index("ids")]
    assert {*ids["missing"]} == {missing, archived[0]}
    assert {*ids["extra"]} == {"999", doubled, archived[2]}
    assert {*ids["stale"], *ids["wrong"]} == {stale, wrong, archived[1]}
    assert dataset.verify(repair=True).exit_code == 0
    assert dataset.wrong(portal) == []
    assert dataset.verify().exit_code == 0


def counted(portal: Portal, dataset: Dataset) -> None:
    """`status` counts the rows of each table."""
    tables = {row[0]: row for row in status(**dataset.place).sections[1].rows}
    dead = [row for row in dataset.all_rows("contacts") if row["_hs_deleted_at"]]
    assert tables["contacts"][1:3] == (len(portal.records("contacts")), len(dead))


def queried(portal: Portal, dataset: Dataset) -> None:
    """`query` answers what reads, and refuses what is wrong or writes."""
    ids = portal.records("contacts")
    sql = "SELECT count(*) AS n, max(id) AS most FROM contacts WHERE _hs_deleted_at IS NULL"
    answer = query(sql, **dataset.place).sections[0]
    assert [name.lower() for name in answer.columns] == ["n", "most"]
    assert [tuple(row) for row in answer.rows] == [(len(ids), max(ids))]
    for refused in ("DELETE FROM contacts", "SELECT nothing FROM contacts"):
        with pytest.raises(ConfigError):
            query(refused, **dataset.place)
    assert dataset.wrong(portal) == []


def taken_back(portal: Portal, dataset: Dataset) -> None:
    """`state` shows each table, and has the next sync read tables again."""
    known = {row[0] for row in show(**dataset.place).sections[1].rows}
    assert known == dataset.kinds.keys()
    gone = next(iter(portal.records("contacts")))
    with dataset.tables() as tables:
        tables.delete_keys("contacts", ["id"], [(gone,)])
    reset(["contacts"], **dataset.place)
    rewind(["companies"], "2026-01-01", **dataset.place)
    assert dataset.sync().exit_code == 0
    assert dataset.wrong(portal) == []


def forgotten(portal: Portal, dataset: Dataset) -> None:
    """`forget` leaves neither the record nor a link of it."""
    person, *_ = (one for one, *_ in portal.associations("contacts", "companies"))
    portal.gdpr_delete("contacts", person)
    portal.clock.advance(HOUR_MS)
    report = forget("contacts", person, **dataset.place)
    assert report.exit_code == 0
    ids = {row["id"] for row in dataset.all_rows("contacts")}
    ends = {row["from_id"] for row in dataset.all_rows(LINKS)}
    assert (person in ids, person in ends, len(ends) > 5) == (False, False, True)
    assert dataset.sync().exit_code == 0
    assert dataset.wrong(portal) == []


def refreshed(portal: Portal, dataset: Dataset) -> None:
    """A full refresh finds what ended without a trace."""
    purged = next(iter(portal.records("contacts")))
    portal.purge("contacts", purged)
    assert dataset.sync(full_refresh=True).exit_code == 0
    assert dataset.table("contacts")[purged]["_hs_deletion"] == "purged"
    assert dataset.wrong(portal) == []


def touched(portal: Portal, dataset: Dataset) -> None:
    """Tables and columns that somebody dropped come back, filled, and the report names them."""
    if not dataset.adapter.alters:
        pytest.skip("nobody can drop a column here")
    dataset.drop("companies")
    dataset.drop(LINKS)
    dataset.drop("contacts", "email")
    dataset.drop(CUSTOM, "_hs_updated_at")
    report = dataset.sync()
    assert (report.exit_code, report.error) == (0, None)
    said = "\n".join(report.warnings)
    for gone in ("companies: ", f"{LINKS}: ", "contacts: ", f"{CUSTOM}: "):
        assert gone in said
    assert dataset.wrong(portal) == []
    report = dataset.sync()
    assert (report.exit_code, report.rows, report.warnings) == (0, 0, [])


def deleted_for_good(portal: Portal, dataset: Dataset) -> None:
    """With --hard-delete rows go as records do: archived, merged or purged."""
    gone, merged, other, purged, *_ = list(portal.records("contacts"))
    portal.archive("contacts", gone)
    kept = portal.merge("contacts", merged, other)
    portal.purge("contacts", purged)
    portal.clock.advance(HOUR_MS)
    assert dataset.sync(hard_delete=True).exit_code == 0
    held = {row["id"] for row in dataset.all_rows("contacts")}
    assert held & ({gone, merged, other, purged} - {kept}) == set()
    found = dataset.wrong(portal)
    assert found == [f"contacts {gone}: tombstone"]


HANDS: tuple[Callable[[Portal, Dataset], None], ...] = (
    damage,
    counted,
    queried,
    taken_back,
    forgotten,
    refreshed,
    touched,
    deleted_for_good,
)


def test_hands(portal: Portal, loaded: Dataset, subtests: pytest.Subtests) -> None:
    """Damage, commands and changes of the schema, one after another."""
    for step in HANDS:
        with subtests.test(step.__name__):
            step(portal, loaded)
