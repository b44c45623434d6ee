"""The command line: reads options, calls one function, renders its report, sets the exit code.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.console import (
    INTERRUPTED,
    Output,
    UsageError,
    importing,
    misused,
    run,
    speak_utf8,
    unspoken,
)
from pipelines.options import (
    BackfillWay,
    Dataset,
    Debug,
    Format,
    FullRefresh,
    HardDelete,
    Json,
    Links,
    Objects,
    Quiet,
    RefreshSchema,
    Target,
    Verify,
    Wide,
    filled,
    names_of,
)
from pipelines.state_cli import state

if TYPE_CHECKING:
    from pipelines.progress import RunCollector
    from pipelines.report import RunReport

app = typer.Typer(
    name="hubspot-elt",
    help="Copy a HubSpot portal into a warehouse: complete, current and fast.",
    epilog="Exit codes: 0 done, 1 a bug of ours, 2 settings, 3 token, 4 refused by HubSpot, "
    "5 daily quota, 6 try again later, 8 portal and warehouse differ, 130 interrupted.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing boxes takes longer to import than all the rest
)
app.add_typer(state)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: the console script.

    Args:
        args: the words after the program's name; those of the process where None.
    """
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")  # dlt sends it by default
    words = list(sys.argv[1:] if args is None else args) or ["--help"]
    speak_utf8()
    try:
        code = app(words, prog_name="hubspot-elt", standalone_mode=False)
    except UsageError as error:
        code = misused(error, words)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("error: Interrupted.\n")
        code = INTERRUPTED
    except OSError as error:
        code = unspoken(error)
    sys.exit(code)


@app.command()
def demo(
    *, json: Json = False, wide: Wide = False, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Sync an emulated portal into hubspot_demo.duckdb, twice; needs no account."""

    def work(collector: "RunCollector") -> "RunReport":
        from pipelines.demo import demo as run_demo  # noqa: PLC0415 - heavy

        return run_demo(collector=collector)

    run("demo", work, Output(json, quiet, debug, wide=wide))


@app.command()
def sync(  # noqa: PLR0913 - one parameter an option
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    full_refresh: FullRefresh = False,
    backfill: BackfillWay = None,
    hard_delete: HardDelete = False,
    refresh_schema: RefreshSchema = False,
    links: Links = False,
    verify: Verify = False,
    json: Json = False,
    wide: Wide = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Copy what is new, changed and deleted in the portal into the warehouse."""
    names = names_of(objects)

    def work(collector: "RunCollector") -> "RunReport":
        with importing():
            from pipelines.sync import SyncOptions  # noqa: PLC0415 - heavy
            from pipelines.sync import sync as run_sync  # noqa: PLC0415 - heavy

        options = SyncOptions(
            names,
            destination,
            dataset,
            full_refresh=full_refresh,
            hard_delete=hard_delete,
            refresh_schema=refresh_schema,
            links=links,
            verify=verify,
            backfill=backfill,
        )
        return run_sync(options, collector=collector)

    run("sync", work, Output(json, quiet, debug, wide=wide), destination, dataset)


@app.command()
def plan(  # noqa: PLR0913 - one parameter an option
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    full_refresh: FullRefresh = False,
    backfill: BackfillWay = None,
    json: Json = False,
    wide: Wide = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tell what a sync would do: per table the way in, rows, calls and minutes."""
    names = names_of(objects)

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.plan import plan as run_plan  # noqa: PLC0415 - heavy
        from pipelines.sync import SyncOptions  # noqa: PLC0415 - heavy

        options = SyncOptions(
            names, destination, dataset, full_refresh=full_refresh, backfill=backfill
        )
        return run_plan(options)

    run("plan", work, Output(json, quiet, debug, wide=wide), destination, dataset)


@app.command()
def verify(  # noqa: PLR0913 - one parameter an option
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    repair: Annotated[bool, typer.Option("--repair", help="Read again what differs.")] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="Records of a table whose values are compared.")
    ] = 2_000,
    full: Annotated[bool, typer.Option("--full", help="Compare every value.")] = False,
    json: Json = False,
    wide: Wide = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare the portal with the warehouse, id by id, and repair what differs."""
    names = names_of(objects)

    def work(collector: "RunCollector") -> "RunReport":
        from pipelines.verify import VerifyOptions  # noqa: PLC0415 - heavy
        from pipelines.verify import verify as run_verify  # noqa: PLC0415 - heavy

        every = -1 if full else sample
        options = VerifyOptions(names, destination, dataset, repair=repair, sample=every)
        return run_verify(options, collector=collector)

    run("verify", work, Output(json, quiet, debug, wide=wide), destination, dataset)


@app.command()
def doctor(  # noqa: PLR0913 - one parameter an option
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    json: Json = False,
    wide: Wide = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check settings, token, scopes, quota and destination, with a remedy for each fault."""
    names = names_of(objects)

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.doctor import doctor as run_doctor  # noqa: PLC0415 - heavy
        from pipelines.sync import SyncOptions  # noqa: PLC0415 - heavy

        return run_doctor(SyncOptions(names, destination, dataset))

    run("doctor", work, Output(json, quiet, debug, wide=wide), destination, dataset)


@app.command()
def status(
    *,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    json: Json = False,
    wide: Wide = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show the last runs, and how fresh each table in the warehouse is."""

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.status import status as run_status  # noqa: PLC0415 - heavy

        return run_status(destination=destination, dataset=dataset)

    run("status", work, Output(json, quiet, debug, wide=wide), destination, dataset)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A statement that reads.")],
    *,
    format_: Annotated[
        Format, typer.Option("--format", help="How to print the rows.")
    ] = Format.TABLE,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    wide: Wide = False,
    debug: Debug = False,
) -> None:
    """Run SQL on the dataset, read-only: table names need no schema."""

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.query import query as run_query  # noqa: PLC0415 - heavy

        return run_query(sql, destination=destination, dataset=dataset, form=format_.value)

    run("query", work, Output(debug=debug, wide=wide), destination, dataset)


@app.command()
def forget(  # noqa: PLR0913 - one parameter an option
    object_name: Annotated[
        str, typer.Argument(metavar="OBJECT", help="A table, such as contacts.", callback=filled)
    ],
    record_id: Annotated[
        str, typer.Argument(metavar="ID", help="The record's id.", callback=filled)
    ],
    *,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    json: Json = False,
    wide: Wide = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Erase one record from every table of the dataset, for good."""

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.forget import forget as run_forget  # noqa: PLC0415 - heavy

        return run_forget(object_name, record_id, destination=destination, dataset=dataset)

    run("forget", work, Output(json, quiet, debug, wide=wide), destination, dataset)


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
    from pipelines.emulate import emulate as run_emulator  # noqa: PLC0415 - heavy

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
