"""A DAG for Airflow: a task per object type, and per group of other tables, each a sync of these.

Install the project next to Airflow 3.2 or newer, copy this file into the DAGs folder and set the
names below. Secrets stay out of it: workers read dlt's environment variables, such as
SOURCES__HUBSPOT__ACCESS_TOKEN and DESTINATION__POSTGRES__CREDENTIALS.

What a task leaves behind is in the destination, dlt's state included, so any worker can run any
task, and the command line can go on where a task ended. Tasks that load run one at a time: the
destination keeps one state for all tables, so that of two writers at once one would lose its
watermarks, and HubSpot counts their calls together.

    exit code   task
    0           success, or skipped where the portal or the token has no such table
    6           tried again after RETRY_DELAY, RETRIES times
    others      failed at once; the next run of the DAG goes on where the last load ended

Nothing of ours is imported before a task runs: Airflow parses this file again and again.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

# Airflow is where this file runs, not what the project needs
from airflow.sdk import DAG, get_current_context, task  # type: ignore[import-not-found,unused-ignore]

if TYPE_CHECKING:
    from pipelines.cli.output.report import RunReport

SCHEDULE = "@hourly"
DESTINATION = "duckdb"
DATASET = "hubspot"
SELECT: tuple[str, ...] = ()  # what to read, such as ("default", "forms"); by the settings if empty
EXCLUDE: tuple[str, ...] = ()
RETRIES = 3
RETRY_DELAY = timedelta(minutes=5)


def list_tables() -> list[str]:
    """Name the table of every object type that is read, and the groups of other tables."""
    from pipelines.cli.output.report import report_of  # noqa: PLC0415 - see the module's last paragraph
    from pipelines.runtime import stored  # noqa: PLC0415 - same
    from sources.hubspot import open_run  # noqa: PLC0415 - same
    from sources.hubspot.catalog.selection import Names  # noqa: PLC0415 - same
    from sources.hubspot.run.portal.portal_types import settings_names  # noqa: PLC0415 - same
    from sources.hubspot.state.store import source_state  # noqa: PLC0415 - same

    try:
        with stored.stored_pipeline(DESTINATION, DATASET) as pipeline:
            state = source_state(pipeline)
        run = open_run()
        try:
            known = stored.portal_types(run.client, state)
            chosen = known.choose(settings_names(run.config.get), Names(SELECT, EXCLUDE))
        finally:
            run.close()
    except Exception as error:  # noqa: BLE001 - the report distinguishes them
        report = report_of(error, "sync", destination=DESTINATION)
    else:
        return [*(kind.table for kind in chosen.types), *chosen.groups]
    raise _failure(report)


def sync_table(table: str) -> dict[str, Any]:
    """Sync one table, or a group; return the totals of the run."""
    from pipelines.cli.output.progress import make_collector  # noqa: PLC0415 - same
    from pipelines.cli.output.report import report_of, to_json  # noqa: PLC0415 - same
    from pipelines.commands.sync import SyncOptions, sync  # noqa: PLC0415 - same

    get_current_context()["table"] = table  # the task's name on Airflow's pages
    options = SyncOptions(
        select=SELECT, exclude=EXCLUDE, only=(table,), destination=DESTINATION, dataset=DATASET
    )
    collector = make_collector("lines", sys.stdout)  # Airflow logs stderr as errors
    try:
        report = sync(options, collector=collector)
    except Exception as error:  # noqa: BLE001 - the report distinguishes them
        report = report_of(error, "sync", destination=DESTINATION)
    finally:
        collector.close()
    _check(report, table)
    totals: dict[str, Any] = to_json(report)["totals"]
    return totals


def _check(report: "RunReport", table: str) -> None:
    """Raise what a report means for the task of a table, unless all went well."""
    from airflow.sdk import exceptions  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    if report.exit_code:
        raise _failure(report)
    outcome = report.tables.get(table)
    if outcome and outcome.status == "skipped":
        raise exceptions.AirflowSkipException(outcome.error)


def _failure(report: "RunReport") -> Exception:
    """Make the exception that ends a task for good, or until the next try."""
    from airflow.sdk import exceptions  # noqa: PLC0415 - same

    from pipelines.cli.output.report import BUG  # noqa: PLC0415 - same
    from sources.hubspot.errors import UnavailableError  # noqa: PLC0415 - same

    again = report.exit_code == UnavailableError.exit_code
    kind = exceptions.AirflowException if again else exceptions.AirflowFailException
    said = [report.error, report.remedy] if report.error else report.warnings
    failure: Exception = kind(f"Exit code {report.exit_code}: {' '.join(filter(None, said))}")
    failure.__cause__ = report.cause if report.exit_code == BUG else None
    return failure


with DAG(
    "hubspot_elt",
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": RETRIES, "retry_delay": RETRY_DELAY},
    doc_md=__doc__,
    tags=["hubspot"],
):
    tables = task(list_tables)()
    loads = task(sync_table, max_active_tis_per_dag=1, map_index_template="{{ table }}")
    loads.expand(table=tables)
