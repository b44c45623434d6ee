"""What a destination refuses: the run ends with what to do about it, and shows no secret."""

import pytest
from dataset import Dataset
from life import SMALL

from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")


@pytest.mark.parametrize("role", ["wrong", "missing", "reader", "nowhere"])
def test_logins(
    portal: Portal, dataset: Dataset, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that does not work, or may not write, ends the run; the message names the setting."""
    adapter = dataset.adapter
    if role not in adapter.roles:
        pytest.skip(f"no login of the kind {role}")
    portal.reset(SMALL)
    for name, value in adapter.credentials(role).items():
        monkeypatch.setenv(name, value)
    portal.journal.clear()
    code, says = dataset.outcome()
    assert code == adapter.roles[role], says
    assert "DESTINATION__" in says
    assert not adapter.secret or adapter.secret not in says
    if role != "reader":  # before a record was read
        assert {call.kind for call in portal.journal} <= {"account.details"}


def test_more_properties_than_columns(portal: Portal, dataset: Dataset) -> None:
    """1,700 properties become columns, or the run says that the table cannot have so many."""
    portal.reset(SeedSpec(contacts=3, properties=1_700, odd_values=False))
    code, says = dataset.outcome()
    if dataset.adapter.most_columns < 1_700:
        assert (code, "more properties" in says, "--objects" in says) == (2, True, True), says
    else:
        assert (code, says) == (0, "None ")
        assert dataset.wrong(portal) == []
