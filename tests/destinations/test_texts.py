"""Texts are what HubSpot sent, in each destination."""

from pathlib import Path

from adapters import Adapter

from pipelines.runtime.stored import hubspot_pipeline
from sources.hubspot.warehouse.sql import open_tables

IDS = ("a", "A", "á", "ä", "😀", "😁")
LONG = "é😀" * 50_000


def test_texts(adapter: Adapter, tmp_path: Path) -> None:
    """A text may be long and hold any character; ids that differ in a letter are two ids."""
    with hubspot_pipeline(tmp_path, adapter.destination, "suite_texts") as pipeline:
        for said in ("", LONG):  # the second load replaces the rows of the first
            rows = [{"id": id_, "said": f"{id_}{said}"} for id_ in IDS]
            pipeline.run(
                rows, table_name="texts", primary_key="id", write_disposition="merge"
            ).raise_on_failed_jobs()
        with open_tables(pipeline) as tables:
            tables.update_keys("texts", ["id"], ["said"], [(("A",), ("changed",))])
            tables.delete_keys("texts", ["id"], [("a",), ("😀",)])
    found = {row["id"]: row["said"] for row in adapter.read("suite_texts", "texts")}
    kept = {id_: f"{id_}{LONG}" for id_ in IDS if id_ not in {"a", "😀"}}
    assert found == kept | {"A": "changed"}
