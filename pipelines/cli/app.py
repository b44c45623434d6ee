"""The command line: reads options, calls one function, renders its report, sets the exit code.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.console import (
    Output,
    UsageError,
    agreed,
    importing,
    interrupted,
    misused,
    run,
    speak_utf8,
    unspoken,
)
from pipelines.cli.exit_codes import summary
from pipelines.cli.options import (
    BackfillWay,
    Dataset,
    Debug,
    DryRun,
    Exclude,
    Fresh,
    FullRefresh,
    HardDelete,
    Links,
    MaxAge,
    Objects,
    RefreshSchema,
    RowsFormat,
    Select,
    Target,
    Verify,
    Version,
    Wait,
    Wide,
    Yes,
    chosen,
    filled,
    names_of,
    span_of,
    speaking,
)
from pipelines.cli.state_app import state
from pipelines.runtime.heap import share_one_heap
from pipelines.runtime.signals import Stopped, stopping

if TYPE_CHECKING:
    from pipelines.cli.output.progress import RunCollector
    from pipelines.cli.output.report import RunReport

app = typer.Typer(
    name="hubspot-elt",
    help="Copy a HubSpot portal into a warehouse: complete, current and fast.",
    epilog=summary(),
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes takes longer to import than all the rest
)
app.add_typer(state)


@app.callback()
def program(*, version: Version = False) -> None:
    """Options of the program itself."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: the console script.

    Args:
        args: the words after the program's name; those of the process where None.
    """
    share_one_heap()
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")  # dlt sends it by default
    words = list(sys.argv[1:] if args is None else args) or ["--help"]
    speak_utf8()
    try:
        with stopping() as received:
            code = app(words, prog_name="hubspot-elt", standalone_mode=False)
        if received:  # typer makes an exit code of what a command could not report
            raise Stopped(received[0])
    except UsageError as error:
        code = misused(error, words)
    except (KeyboardInterrupt, typer.Abort) as error:
        code = interrupted(error, words)
    except OSError as error:
        code = unspoken(error)
    sys.exit(code)


@app.command()
@speaking
def demo(*, output: Output) -> None:
    """Sync an emulated portal into hubspot_demo.duckdb, twice; needs no account."""

    def work(collector: "RunCollector") -> "RunReport":
        from pipelines.commands.demo import demo as run_demo  # noqa: PLC0415 - heavy

        return run_demo(collector=collector)

    run("demo", work, output)


@app.command()
@speaking
def sync(  # noqa: PLR0913 - one parameter an option
    *,
    select: Select = None,
    exclude: Exclude = None,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    full_refresh: FullRefresh = False,
    backfill: BackfillWay = None,
    hard_delete: HardDelete = False,
    refresh_schema: RefreshSchema = False,
    links: Links = False,
    verify: Verify = False,
    wait: Wait = 0,
    output: Output,
) -> None:
    """Copy what is new, changed and deleted in the portal into the warehouse."""
    names = chosen(objects, select, exclude)

    def work(collector: "RunCollector") -> "RunReport":
        with importing():
            from pipelines.commands.sync import SyncOptions  # noqa: PLC0415 - heavy
            from pipelines.commands.sync import sync as run_sync  # noqa: PLC0415 - heavy

        options = SyncOptions(
            **names,
            destination=destination,
            dataset=dataset,
            full_refresh=full_refresh,
            hard_delete=hard_delete,
            refresh_schema=refresh_schema,
            links=links,
            verify=verify,
            backfill=backfill,
            wait_seconds=wait,
        )
        return run_sync(options, collector=collector)

    run("sync", work, output, destination, dataset)


@app.command()
@speaking
def plan(  # noqa: PLR0913 - one parameter an option
    *,
    select: Select = None,
    exclude: Exclude = None,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    full_refresh: FullRefresh = False,
    backfill: BackfillWay = None,
    output: Output,
) -> None:
    """Show what a sync would do and why, with rows, calls and minutes."""
    names = chosen(objects, select, exclude)

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.commands.plan import plan as run_plan  # noqa: PLC0415 - heavy
        from pipelines.commands.sync import SyncOptions  # noqa: PLC0415 - heavy

        options = SyncOptions(
            **names,
            destination=destination,
            dataset=dataset,
            full_refresh=full_refresh,
            backfill=backfill,
        )
        return run_plan(options)

    run("plan", work, output, destination, dataset)


@app.command()
@speaking
def verify(  # noqa: PLR0913 - one parameter an option
    *,
    select: Select = None,
    exclude: Exclude = None,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    repair: Annotated[bool, typer.Option("--repair", help="Read again what differs.")] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="Records of a table whose values are compared.")
    ] = 2_000,
    full: Annotated[bool, typer.Option("--full", help="Compare every value.")] = False,
    wait: Wait = 0,
    output: Output,
) -> None:
    """Compare the portal with the warehouse, id by id, and repair what differs."""
    names = chosen(objects, select, exclude)

    def work(collector: "RunCollector") -> "RunReport":
        from pipelines.commands.verify import VerifyOptions  # noqa: PLC0415 - heavy
        from pipelines.commands.verify import verify as run_verify  # noqa: PLC0415 - heavy

        every = -1 if full else sample
        options = VerifyOptions(
            **names,
            destination=destination,
            dataset=dataset,
            repair=repair,
            sample=every,
            wait_seconds=wait,
        )
        return run_verify(options, collector=collector)

    run("verify", work, output, destination, dataset)


@app.command()
@speaking
def doctor(
    *,
    select: Select = None,
    exclude: Exclude = None,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    output: Output,
) -> None:
    """Check settings, token, scopes, quota and destination, with a remedy for each fault."""
    names = chosen(objects, select, exclude)

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.commands.doctor import doctor as run_doctor  # noqa: PLC0415 - heavy
        from pipelines.commands.sync import SyncOptions  # noqa: PLC0415 - heavy

        return run_doctor(SyncOptions(**names, destination=destination, dataset=dataset))

    run("doctor", work, output, destination, dataset)


@app.command()
@speaking
def status(
    *,
    max_age: MaxAge = None,
    objects: Fresh = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    output: Output,
) -> None:
    """Show the last runs, and how fresh each table in the warehouse is."""
    age, names = span_of(max_age), names_of(objects)
    if names and age is None:
        raise typer.BadParameter("--objects goes with --max-age")

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.commands.status import status as run_status  # noqa: PLC0415 - heavy

        return run_status(destination=destination, dataset=dataset, max_age=age, objects=names)

    run("status", work, output, destination, dataset)


@app.command()
def query(  # noqa: PLR0913 - one parameter an option
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT statement.")],
    *,
    format_: Annotated[
        RowsFormat, typer.Option("--format", help="How to print the rows.")
    ] = RowsFormat.TABLE,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    wide: Wide = False,
    debug: Debug = False,
) -> None:
    """Run SQL on the dataset, read-only: table names need no schema."""
    form = RowsFormat.JSON if json else format_

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.commands.query import query as run_query  # noqa: PLC0415 - heavy

        return run_query(sql, destination=destination, dataset=dataset, form=form.value)

    run("query", work, Output(debug=debug, wide=wide), destination, dataset)


@app.command()
@speaking
def forget(  # noqa: PLR0913 - one parameter an option
    object_name: Annotated[
        str, typer.Argument(metavar="OBJECT", help="A table, such as contacts.", callback=filled)
    ],
    record_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The record's id, or a contact's address.", callback=filled
        ),
    ],
    *,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = 0,
    output: Output,
) -> None:
    """Erase one record from every table of the dataset, for good; asks first on a terminal."""

    def work(collector: "RunCollector") -> "RunReport":
        from destinations.locks import Patience  # noqa: PLC0415 - heavy
        from pipelines.commands.forget import forget as run_forget  # noqa: PLC0415 - heavy

        erase = partial(
            run_forget,
            object_name,
            record_id,
            destination=destination,
            patience=Patience(wait, collector.notify),
        )
        if not (dry_run or yes) and sys.stdin.isatty():
            preview = erase(dataset=dataset, dry_run=True)
            if not agreed(preview, collector):
                return preview
        return erase(dataset=dataset, dry_run=dry_run)

    run("forget", work, output, destination, dataset)


@app.command()
def emulate(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    contacts: Annotated[int, typer.Option(min=0, help="How many contacts it holds.")] = 1000,
    properties: Annotated[int, typer.Option(min=1, help="How many properties each has.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed makes the same portal.")] = 1,
    limits: Annotated[bool, typer.Option(help="HubSpot's rate limits.")] = True,
    latency_ms: Annotated[float, typer.Option(min=0, help="Added to every answer.")] = 0,
) -> None:
    """Run an emulated portal on this machine until interrupted."""
    from pipelines.commands.emulate import emulate as run_emulator  # noqa: PLC0415 - heavy

    try:
        run_emulator(
            port=port,
            contacts=contacts,
            properties=properties,
            seed=seed,
            limits=limits,
            latency_ms=latency_ms,
        )
    except OSError as error:
        raise typer.BadParameter(f"port {port}: {error.strerror}; take another --port") from None
