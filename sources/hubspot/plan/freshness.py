"""When a change in HubSpot is seen, as the policy has it: the table of `docs/change-detection.md`.

What a sweep finds is not written down here: the rule for sweeps is asked, run after run.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .evidence import Subject, every, evidence
from .facts import Options, TableFacts, TableState
from .tables.due import unused_archive
from .tables.sweeps import SWEEPS, SweepKind

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_RUN = timedelta(minutes=10)
"""Between two runs, in what is asked of the rule."""
LABELS = "the next run that meets one of its links; within 12 hours otherwise"
HISTORY = "the run that reads the record"
OTHER_APIS = "the next run, or within 1 to 24 hours, as the page of its group says"
EVENTS = "the same; some kinds once they are up to an hour old, when HubSpot has them all"
NEXT, AFTER = "the next run", "the next run or the one after"


def seen(subject: Subject, *, with_change: bool = False) -> str:
    """Return when a sweep finds what changed right after the last one.

    Args:
        subject: what is swept; its instants are set here.
        with_change: whether a record of its table changes at the same time.
    """
    swept_at = _NOW + timedelta(seconds=20)
    changed_at = swept_at + timedelta(minutes=1)
    every_other = subject.previous_at is not None
    for run in range(1, 2 + int(24 * timedelta(days=8) / (24 * _RUN))):
        now = _NOW + run * _RUN
        asked = replace(
            subject,
            swept_at=swept_at,
            newest_at=changed_at if with_change else None,
            previous_at=now - _RUN if every_other else None,
        )
        if evidence(asked, now, share=12_500):
            return {1: NEXT, 2: AFTER}.get(run) or f"within {_within(now - swept_at)}"
    return "`verify`"


def _within(passed: timedelta) -> str:
    hours = round(passed / timedelta(hours=1))
    return {1: "the hour", 24: "the day"}.get(hours) or every(hours)


def _found_by_sweeps(options: Options) -> Iterator[tuple[str, str]]:
    """Yield what the sweeps of object tables find, small and large ones."""
    most = options.sweep_at_once_calls
    sizes = {f"up to {100 * most:,}": most, f"more than {100 * most:,}": most + 1}
    for row in SWEEPS.values():
        found = {
            row.finds.format(size=size): seen(_table_sweep(row, calls, options))
            for size, calls in sizes.items()
        }
        yield from found.items()


def _table_sweep(row: SweepKind, calls: int, options: Options) -> Subject:
    at_once = options.sweep_at_once_calls if row.follows_changes else 0
    return Subject(row.what, calls, at_once, row.hours(options), previous_at=_NOW)


def _pair_sweep(calls: int, options: Options, *, has_links: bool = True) -> Subject:
    is_single = has_links and calls <= 1
    return Subject(
        what="links",
        calls=calls,
        at_once_calls=options.sweep_at_once_calls,
        hours=options.links_hours,
        in_every_run=is_single,
        is_scheduled=not is_single,
        previous_at=_NOW if is_single else None,
    )


def rows(options: Options | None = None) -> list[tuple[str, str]]:
    """Return what may change in HubSpot, and when it is seen."""
    options = options or Options()
    most = options.sweep_at_once_calls
    alone, some, large_pair = (_pair_sweep(calls, options) for calls in (1, most, most + 1))
    first = _pair_sweep(1, options, has_links=False)
    unused = unused_archive("", TableState(), TableFacts(is_unused=True), options)
    return [
        ("a record was created, edited or merged", NEXT),
        ("a record was archived, restored or purged, and the number of records changed", NEXT),
        *_found_by_sweeps(options),
        ("a record archived in a type that has never had a row", seen(unused)),
        ("a property was created, archived or restored, together with a change of its table", NEXT),
        ("the same without a change of its table", "within 12 hours"),
        ("a link was added or removed, and one of its records changed", NEXT),
        ("a link alone, in a pair with up to 1,000 records on its smaller side", seen(alone)),
        (
            f"a link alone, up to {1_000 * most:,} records, together with a change of its tables",
            seen(some, with_change=True),
        ),
        ("the same without a change of its tables", seen(some)),
        ("a link alone, in a larger pair", seen(large_pair)),
        ("the first link of a pair, together with a change", seen(first, with_change=True)),
        ("the first link of a pair alone", seen(first)),
        ("a label of an association was renamed", LABELS),
        ("owners, pipelines, stages", "within the hour"),
        ("a list; a list that was deleted, with its members", NEXT),
        ("a record joined, left or rejoined a list", "within 6 hours"),
        (
            "a record left a list of more than 250, while another one joined in the past",
            "within the day",
        ),
        ("the name or settings of the account", NEXT),
        ("a value in the property history of a record, where it is selected", HISTORY),
        ("a row of another API was created, changed or deleted", OTHER_APIS),
        ("an event, such as of an e-mail, a login or a website", EVENTS),
        ("a record or link was changed by hand in the warehouse", "`verify`"),
    ]  # fmt: skip - a row is a line
