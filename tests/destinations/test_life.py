"""A dataset's whole life in each destination, equal to the portal after each step."""

import pytest
from dataset import Dataset

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal


def test_life(portal: Portal, dataset: Dataset, subtests: pytest.Subtests) -> None:
    """Whatever happens in the portal, the dataset is equal to it after the next sync."""
    portal.reset(SeedSpec(seed=5, contacts=120, properties=40, custom_objects=1))
    with subtests.test("first sync"):
        assert dataset.sync().exit_code == 0
        assert dataset.wrong(portal) == []
    with subtests.test("idle"):
        report = dataset.sync()
        assert (report.exit_code, report.rows) == (0, 0)
        assert dataset.wrong(portal) == []
