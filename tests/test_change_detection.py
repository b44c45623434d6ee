"""The docs say when a change is seen, as the policy has it."""

from pathlib import Path

import sources.hubspot
from sources.hubspot.plan.freshness import BEGIN, END, rows, table

PAGE = Path(sources.hubspot.__file__).parent / "docs" / "change-detection.md"


def test_the_table_in_the_docs_is_the_rule() -> None:
    """The table between the marks is what the policy generates."""
    text = PAGE.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN), text.index(END)
    assert text[begin : end + len(END)] == table()


def test_nothing_waits_longer_than_it_has_to() -> None:
    """Small sweeps see a change by the second run, links within the hour, others in a day."""
    seen = dict(rows())
    assert seen["a link alone, in a larger pair"] == "within the hour"
    assert seen["a calculated value alone, more than 500 records"] == "within the day"
    assert seen["a calculated value alone, up to 500 records"] == "the next run or the one after"
    assert "`verify`" not in list(seen.values())[:-1]
