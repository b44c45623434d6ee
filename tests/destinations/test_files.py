"""What destinations that keep files leave in them."""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dataset import Dataset
from dlt.common.versioned_state import decompress_state
from life import HOUR_MS, SMALL, edit

from pipelines.commands.forget import forget
from pipelines.runtime.stored import stored_pipeline
from sources.hubspot.warehouse.sql.lake.formats import UPKEEP_EVERY
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")
LINKS = "contacts_to_companies"


def holding(folder: Path, word: str) -> Iterator[Path]:
    """Yield the files that hold a word, packed or not."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        held = path.read_bytes()
        if held.startswith(b"\x1f\x8b"):
            held = gzip.decompress(held)
        if path.suffix == ".parquet":
            held += str(pq.read_table(path).to_pydict()).encode()
        if word.encode() in held:
            yield path


def states(dataset: Dataset) -> list[str]:
    """Return the states that dlt keeps, read."""
    with dataset.tables() as tables:
        rows = tables.select("SELECT state FROM _dlt_pipeline_state")
    return [json.dumps(decompress_state(text)) for (text,) in rows]


def test_nothing_is_left_of_a_forgotten_record(portal: Portal, dataset: Dataset) -> None:
    """Neither rows, former rows, nor what logs and statistics say of them name the person."""
    if dataset.adapter.destination != "filesystem":
        pytest.skip("a server keeps its own files")
    portal.reset(SMALL)
    person = portal.create("contacts", {"email": "aaa@example.com", "lastname": "Zzyzzyx"})
    company = next(iter(portal.records("companies")))
    portal.associate("contacts", person, "companies", company)
    assert dataset.sync().exit_code == 0
    edit(portal)
    portal.update("contacts", person, {"firstname": "Aaron"})
    portal.clock.advance(60_000)
    assert dataset.sync().exit_code == 0
    assert any(person in state for state in states(dataset))
    assert [*holding(dataset.adapter.folder, "Zzyzzyx")]
    portal.gdpr_delete("contacts", person)
    portal.clock.advance(HOUR_MS)
    assert forget("contacts", person, **dataset.place).exit_code == 0
    for word in ("Zzyzzyx", "aaa@example.com", person):
        assert [*holding(dataset.adapter.folder, word)] == []
    assert [state for state in states(dataset) if person in state] == []
    assert dataset.sync().exit_code == 0
    assert dataset.wrong(portal) == []


def test_small_files_are_joined(portal: Portal, dataset: Dataset) -> None:
    """However often a table has changed, its rows are in few files, and all are there."""
    if dataset.adapter.destination != "filesystem":
        pytest.skip("a server keeps its own files")
    portal.reset(SMALL)
    assert dataset.sync().exit_code == 0
    links = len(dataset.all_rows(LINKS))
    with dataset.tables() as tables:
        for number in range(2 * UPKEEP_EVERY):
            tables.insert(LINKS, ["from_id", "to_id", "type_id"], [("1", str(number), 1)])
        tables.delete(LINKS, "to_id = ?", "3")
    with stored_pipeline(**dataset.place) as pipeline:
        lake: Any = pipeline.destination_client()
        assert len(lake.table(LINKS).dataset().files) <= UPKEEP_EVERY + 5
    assert len(dataset.all_rows(LINKS)) == links + 2 * UPKEEP_EVERY - 1
    assert dataset.verify(repair=True).exit_code == 0
    assert dataset.wrong(portal) == []


def test_folder_that_is_gone(portal: Portal, dataset: Dataset) -> None:
    """A table whose files somebody deleted is made and filled again, and the report says so."""
    if not hasattr(dataset.adapter, "url") or not dataset.adapter.url.startswith("file:"):
        pytest.skip("nobody can delete a folder here")
    portal.reset(SMALL)
    assert dataset.sync().exit_code == 0
    for table in ("companies", LINKS):
        shutil.rmtree(dataset.adapter.folder / dataset.name / table)
    report = dataset.sync()
    assert report.exit_code == 0
    assert {*("companies", LINKS)} <= {text.partition(":")[0] for text in report.warnings}
    assert dataset.wrong(portal) == []
