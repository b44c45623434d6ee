"""Results of a verification: rows of `_hs_verifications`, and a section of the report."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.cli.output.report import RunReport, Section
from sources.hubspot import Run
from sources.hubspot.errors import HubSpotError, VerificationError
from sources.hubspot.verify.records import Check
from sources.hubspot.warehouse.run_log import VERIFICATIONS
from sources.hubspot.warehouse.verifications import KINDS, RESULTS

SHOWN_IDS = 5  # of a table, for people; JSON and the table hold more
KEPT_IDS = 10_000  # of a kind, in the row
COLUMNS = (
    *("table", "result", "portal", "counted", "used", "warehouse"),
    *(*KINDS, "compared", "repaired", "calls", "ids"),
)
LESS_THAN_RESULTS = ("calls", "used", "counted", "compared", "repaired", "warehouse", "portal")


@dataclass
class Result:
    """One table's check, and what came of it."""

    table: str
    check: Check = field(default_factory=lambda: Check(""))
    error: HubSpotError | None = None
    calls: int = 0
    left: list[str] = field(default_factory=list)
    """Ids that differ, after a repair those that still do."""

    @property
    def verdict(self) -> str:
        """`equal`, `differs`, `repaired`, `skipped` or `failed`."""
        if self.error:
            return "failed"
        if not self.check.ids:
            return "skipped" if self.check.skipped else "equal"
        return "differs" if self.left else "repaired"


def verification_rows(run: Run, results: Sequence[Result], as_of: datetime) -> DltResource:
    """Make the resource of one row per table that was compared."""

    def rows() -> Iterator[pa.Table]:
        found = [_row(run, result, as_of) for result in results]
        yield pa.Table.from_pylist(found, schema=RESULTS)

    merge: Any = {"disposition": "merge", "strategy": "delete-insert"}
    return dlt.resource(
        rows, name=VERIFICATIONS, primary_key=("run_id", "table_name"), write_disposition=merge
    )


def _row(run: Run, result: Result, as_of: datetime) -> dict[str, Any]:
    check = result.check
    return {
        "run_id": run.options.run_id,
        "table_name": result.table,
        "verified_at": run.now(),
        "as_of": as_of,
        "result": result.verdict,
        "portal": check.portal,
        "counted": check.counted,
        "used": check.used,
        "warehouse": check.warehouse,
        **{kind: len(check.found[kind]) for kind in KINDS},
        "compared": check.compared,
        "repaired": len(check.ids) - len(result.left),
        "calls": result.calls,
        "ids": json.dumps({kind: ids[:KEPT_IDS] for kind, ids in check.found.items() if ids}),
        "error": str(result.error) if result.error else check.skipped or None,
    }


def report_results(
    report: RunReport, results: Sequence[Result], expected: int, calls: int, *, repaired: bool
) -> None:
    """Add the comparison to a report; whatever differs, after a repair still, is its error."""
    title = f"Portal and warehouse, compared with {calls:,} calls (about {expected:,} expected)"
    report.sections.append(_section(results, title))
    report.sections += _skipped(results)
    report.warnings += [f"{r.table}: {r.error}" for r in results if r.error]
    report.warnings += [f"{r.table}: {note}" for r in results for note in _notes(r.check)]
    if failed := [result.error for result in results if result.error]:
        report.fail(failed[0])
    elif left := [result for result in results if result.left]:
        report.fail(_difference(left, repaired=repaired))


def _notes(check: Check) -> Iterator[str]:
    """Say in which columns values differ, and which records were not compared."""
    if check.columns:
        named = ", ".join(name for name, _ in check.columns.most_common(SHOWN_IDS))
        yield f"values differ in {named}"
    if check.refused:
        shown, said = [*check.refused][:SHOWN_IDS], next(iter(check.refused.values()))
        more = len(check.refused) - len(shown)
        named = ", ".join(shown) + (f" and {more:,} more" if more else "")
        yield f"not compared, for HubSpot refuses to read them: {named} ({said})"


def _section(results: Sequence[Result], title: str) -> Section:
    return Section(
        "verification",
        COLUMNS,
        [(*_numbers(one), _ids_by_kind(one)) for one in results],
        title,
        [(*_numbers(one), _first_ids(one)) for one in results if _says_something(one)],
        droppable=LESS_THAN_RESULTS,
        below=("ids",),
    )


def _skipped(results: Sequence[Result]) -> Iterator[Section]:
    """Say which tables were not compared, and why; those with the same reason together."""
    tables: dict[str, list[str]] = {}
    for result in results:
        if result.verdict == "skipped":
            tables.setdefault(result.check.skipped, []).append(result.table)
    if tables:
        columns = ("tables", "reason", "names")
        rows = [(len(names), reason, ", ".join(names)) for reason, names in tables.items()]
        yield Section("not_compared", columns, rows, "Not compared", below=columns[1:])


def _numbers(result: Result) -> Sequence[Any]:
    """Return the row of a table in the report, but for its last column."""
    check = result.check
    return (
        *(result.table, result.verdict, check.portal, check.counted, check.used, check.warehouse),
        *(len(check.found[kind]) for kind in KINDS),
        *(check.compared, len(check.ids) - len(result.left), result.calls),
    )


def _ids_by_kind(result: Result) -> dict[str, list[str]]:
    """Return the ids that differ by kind of difference, for programs."""
    return {kind: ids for kind, ids in result.check.found.items() if ids}


def _first_ids(result: Result) -> str:
    """Return the first ids that differ, for people."""
    return " ".join(sorted(result.check.ids, key=lambda one: (len(one), one))[:SHOWN_IDS])


def _says_something(result: Result) -> bool:
    """Whether people are shown a table: one that is empty on both sides is just equal.

    Those that were not compared have a section of their own.
    """
    is_empty = not (result.check.portal or result.check.warehouse)
    return result.verdict != "skipped" and not (result.verdict == "equal" and is_empty)


def _difference(left: Sequence[Result], *, repaired: bool) -> VerificationError:
    count = sum(len(result.left) for result in left)
    differ = "still differ, though they were read again" if repaired else "differ"
    remedy = "hubspot-elt verify --repair reads exactly these again."
    if repaired:
        tables = ",".join(result.table for result in left)
        remedy = (
            "If the portal is being edited, verify again when it is quiet. Otherwise run"
            f" hubspot-elt state reset --table {tables}, then hubspot-elt sync: it reads these"
            f" tables completely. The ids are in {VERIFICATIONS}."
        )
    return VerificationError(
        f"{count:,} records or ends of links between portal and warehouse {differ}:"
        f" {', '.join(f'{result.table} {len(result.left):,}' for result in left)}.",
        remedy=remedy,
    )
