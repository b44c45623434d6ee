"""Dates of stages, which HubSpot's list of properties hides: asked for by name, stage by stage."""

from dataclasses import replace

import pytest
from conftest import Warehouse
from truth import differences

from sources.hubspot.api.stages import labels_of, stage_definitions
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

DEALS = {"deals": "deals"}


def test_dates_of_stages(portal: Portal, warehouse: Warehouse) -> None:
    """They come with the first load, with changes, and for a stage that is new, in typed columns.

    No call is made for them: pipelines are read once an hour, as ever.
    """
    portal.reset(SeedSpec(contacts=60, deals=40, properties=12, custom_objects=0, handful=False))
    deal = portal.create("deals", {"dealname": "A", "dealstage": "qualifiedtobuy"})
    assert warehouse.sync("deals").exit_code == 0
    assert differences(portal, warehouse, DEALS) == []
    kinds = dict(warehouse.rows("SELECT property, hubspot_type FROM _hs_columns"))
    starts = ("date_entered", "date_exited", "cumulative_time_in", "latest_time_in")
    found = [kinds.pop(f"hs_v2_{start}_renewal_closedwon") for start in starts]
    assert found == ["datetime", "datetime", "number", "number"]
    assert portal.journal.count(path_contains="/pipelines/") == 1

    portal.clock.advance(5_000)
    portal.update("deals", deal, {"dealstage": "closedwon"})
    assert warehouse.sync("deals").exit_code == 0
    sql = (
        "SELECT hs_v2_date_exited_qualifiedtobuy = hs_v2_date_entered_closedwon,"
        " hs_v2_latest_time_in_qualifiedtobuy > 0, hs_v2_date_exited_closedwon"
        " FROM deals WHERE dealname = 'A'"
    )
    assert warehouse.rows(sql) == [(True, True, None)]

    portal.create_stage("deals", "renewals", "Won-2", "Won again")
    portal.update("deals", deal, {"dealstage": "Won-2"})
    assert warehouse.sync("deals").exit_code == 0
    portal.clock.advance(3_600_000)
    assert warehouse.sync("deals").exit_code == 0
    assert portal.journal.count(path_contains="/pipelines/") == 2
    assert differences(portal, warehouse, DEALS) == []
    assert warehouse.rows(
        "SELECT count(*) FROM deals WHERE hs_v2_date_entered_won_2 > '2026-01-01'"
    ) == [(1,)]


def test_dates_of_stages_in_an_export(portal: Portal, warehouse: Warehouse) -> None:
    """An export brings them as a listing does; archived records have them, too."""
    few = SeedSpec(contacts=20, properties=12, custom_objects=0, handful=False)
    portal.reset(replace(few, deals=120, tickets=120))
    report = warehouse.with_settings(backfill="export").sync("deals", "tickets")
    assert {report.tables[name].mode for name in ("deals", "tickets")} == {"export"}
    assert differences(portal, warehouse, DEALS | {"tickets": "tickets"}) == []
    dated = "SELECT count(hs_v2_date_entered_closedwon) > 0, bool_or(_hs_archived) FROM deals"
    assert warehouse.rows(dated) == [(True, True)]


@pytest.mark.parametrize(
    ("pipelines", "names"),
    [
        ([], []),
        ([{"stages": None}, None, {"stages": [{"id": None}, 3]}], []),
        ([{"label": "P", "stages": [{"id": "9F-1", "label": "S"}]}], ["9f_1", "current_stage"]),
    ],
)
def test_names(pipelines: list[object], names: list[str]) -> None:
    """Names follow the ids of stages in lower case; odd answers have none."""
    listed = {"hs_v2_date_exited_9f_1", "hs_v2_latest_time_in_9f_1_4711"}
    made = [*stage_definitions(labels_of(pipelines), listed)]
    entered = "hs_v2_date_entered_"
    assert not [one for one in made if one.name.startswith(("hs_v2_date_exited", "hs_v2_latest"))]
    found = [one.name.removeprefix(entered) for one in made if one.name.startswith(entered)]
    assert found == names
