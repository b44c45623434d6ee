"""`status` and `query` in each destination: they read the dataset, and tell failures apart."""

import pytest
from dataset import Dataset

from destinations.locks import place_of
from destinations.reading.readers import client_of
from pipelines.commands.query import query
from pipelines.commands.status import status
from sources.hubspot.errors import ConfigError, HubSpotError
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

READS = (
    "select id from contacts where lastname is not null order by id",
    "with few as (select id, email from contacts) select few.id from few order by few.id",
    "select contacts.id from contacts join contacts_to_deals l on l.from_id = contacts.id",
    "select (select count(*) from deals) as deals, '50% of :all' as text",
)
WRITES = (
    "delete from contacts",
    "drop table contacts",
    "update contacts set email = 'x'",
    "create table stolen as select 1 as one",
    "insert into contacts (id) values ('x')",
    "select 1; delete from contacts",
)


def test_reading(
    portal: Portal, dataset: Dataset, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names need no dataset, writes are refused, and a failure is no dataset without runs."""
    portal.reset(SeedSpec(seed=5, contacts=40, properties=30, custom_objects=0))
    with subtests.test("nothing there"):
        with pytest.raises(ConfigError, match=r"There is no |No sync has run"):
            status(**dataset.place)
        with pytest.raises(ConfigError):
            query("select id from contacts", **dataset.place)
    assert dataset.sync("contacts", "deals").exit_code == 0
    rows = dataset.all_rows("contacts")
    with subtests.test("status"):
        report = status(**dataset.place)
        assert [line[2:4] for line in report.sections[0].rows] == [("sync", "ok")]
        lines = {line[0]: line for line in report.sections[1].rows}
        dead = sum(row["_hs_deleted_at"] is not None for row in rows)
        assert lines["contacts"][1:3] == (len(rows) - dead, dead)
        assert lines["contacts"][3].tzinfo
    for sql in READS:
        with subtests.test(sql):
            answer = query(sql, **dataset.place).sections[0]
            assert len(answer.rows)
    for sql in WRITES:
        with subtests.test(sql), pytest.raises(ConfigError):
            query(sql, **dataset.place)
    assert dataset.all_rows("contacts") == rows
    for sql in ("select nothing from contacts", "select id from nothing"):
        with subtests.test(sql), pytest.raises(ConfigError, match="The query failed"):
            query(sql, **dataset.place)
    for role, code in dataset.adapter.roles.items():
        with subtests.test(role), monkeypatch.context() as patch:
            for name, value in dataset.adapter.credentials(role).items():
                patch.setenv(name, value)
            if role == "reader":
                assert status(**dataset.place).sections[0].rows
                continue
            with pytest.raises(HubSpotError) as refused:
                query("select id from contacts", **dataset.place)
            assert refused.value.exit_code == code
            assert refused.value.remedy


def test_place_is_the_same_in_every_process(dataset: Dataset) -> None:
    """What a run that failed has noted on this machine is found by the next one's name of it."""
    one, other = (place_of(client_of(**dataset.place)) for _ in range(2))
    assert one == other
    assert " object at " not in one
    assert one.partition(f" of {dataset.adapter.destination} ")[2]
