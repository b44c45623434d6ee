"""A dataset's whole life in each destination, equal to the portal after each step."""

import pytest
from dataset import Dataset
from life import HOUR_MS, LIFE

from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")


def test_life(portal: Portal, dataset: Dataset, subtests: pytest.Subtests) -> None:
    """Whatever happens in the portal, the dataset is equal to it after the next sync."""
    for name, change in LIFE.items():
        change(portal)
        with subtests.test(name):
            report = dataset.sync()
            assert (report.exit_code, report.error, report.warnings) == (0, None, [])
            assert dataset.wrong(portal) == []
    with subtests.test("idle"):
        portal.clock.advance(HOUR_MS)
        report = dataset.sync()
        brought = {name: outcome.rows for name, outcome in report.tables.items() if outcome.rows}
        assert (report.exit_code, brought, report.warnings) == (0, {}, [])
        assert dataset.wrong(portal) == []
