"""When a sync sees a change, as the policy has it."""

from sources.hubspot.plan.freshness import rows


def test_nothing_waits_longer_than_it_has_to() -> None:
    """Small sweeps see a change by the second run, links within the hour, others in a day."""
    seen = dict(rows())
    assert seen["a link alone, in a larger pair"] == "within the hour"
    assert seen["a calculated value alone, more than 500 records"] == "within the day"
    assert seen["a calculated value alone, up to 500 records"] == "the next run or the one after"
    assert "`verify`" not in list(seen.values())[:-1]
