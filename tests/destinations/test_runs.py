"""Runs that are killed, that meet, or that lose the destination: nothing is lost or doubled."""

import signal
import tempfile
from pathlib import Path

import pytest
from dataset import Dataset
from life import HOUR_MS, SMALL, archive, edit, link, merge
from programs import held, syncing, wait_for_calls

from sources.hubspot.errors import OverlapError
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")
SLOW_MS = 20

FIRST_CALLS, LATER_CALLS = 18, 20
"""After which a run is killed, in the middle of its loads."""


def killed(portal: Portal, dataset: Dataset, calls: int) -> None:
    """Kill a sync when the portal was asked so often."""
    portal.journal.clear()
    portal.settings.latency_ms = SLOW_MS
    with syncing(dataset) as process:
        wait_for_calls(portal, process, calls)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    portal.settings.latency_ms = 0


def changed(portal: Portal) -> None:
    """Change records and links of every kind."""
    for change in (edit, archive, merge, link):
        change(portal)


def test_kills(portal: Portal, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill in a first load, and in a later run, the next one brings what is missing."""
    if not dataset.adapter.killable:
        pytest.skip("the data lives in this process")
    monkeypatch.setenv("SOURCES__HUBSPOT__LOAD_ROWS", "30")  # so that there are several loads
    portal.reset(SMALL)
    killed(portal, dataset, FIRST_CALLS)
    changed(portal)
    assert dataset.outcome() == (0, "None ")
    assert dataset.wrong(portal) == []
    changed(portal)
    portal.clock.advance(HOUR_MS)
    killed(portal, dataset, LATER_CALLS)
    assert dataset.outcome() == (0, "None ")
    assert dataset.wrong(portal) == []


def test_two_runs_at_once(
    portal: Portal, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run is at work another is refused, on the same machine and on another one."""
    portal.reset(SMALL)
    portal.settings.latency_ms = SLOW_MS
    with syncing(dataset) as process:
        wait_for_calls(portal, process, 10)
        process.send_signal(signal.SIGSTOP)
        portal.settings.latency_ms = 0
        with pytest.raises(OverlapError) as refused:
            dataset.sync()
        assert refused.value.exit_code == 6
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # as on another machine
        if dataset.adapter.between_machines:
            with pytest.raises(OverlapError, match="Another run"):
                dataset.sync()
        else:
            assert dataset.sync().exit_code == 0
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 0, process.communicate()
    if not dataset.adapter.between_machines:
        assert dataset.verify(repair=True).exit_code == 0
    assert dataset.sync().exit_code == 0
    assert dataset.wrong(portal) == []


def test_connection_lost(portal: Portal, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose server goes away may be tried again, and then brings all."""
    adapter = dataset.adapter
    if not adapter.serves:
        pytest.skip("there is no connection to lose")
    portal.reset(SMALL)
    assert dataset.outcome() == (0, "None ")
    changed(portal)
    portal.mutations.add(path="/contacts/search", operations=lambda _: adapter.stop())
    assert dataset.outcome()[0] == 6
    portal.mutations.clear()
    adapter.start(adapter.folder)
    for name, value in adapter.credentials().items():
        monkeypatch.setenv(name, value)
    assert dataset.outcome() == (0, "None ")
    assert dataset.wrong(portal) == []
    runs = [(row["status"], row["exit_code"]) for row in dataset.all_rows("_hs_runs")]
    assert sorted(runs) == [("failed", 6), ("ok", 0), ("ok", 0)]


def test_table_that_another_program_holds(portal: Portal, dataset: Dataset) -> None:
    """A run waits for a transaction of another program, and is complete then."""
    if not dataset.adapter.holds_tables:
        pytest.skip("nothing can hold a table here")
    portal.reset(SMALL)
    assert dataset.sync().exit_code == 0
    changed(portal)
    with held(dataset, "contacts", seconds=2):
        assert dataset.sync(wait_seconds=60).exit_code == 0
    assert dataset.wrong(portal) == []
