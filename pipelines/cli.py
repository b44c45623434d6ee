"""The command line: reads options, calls one function, renders its report, sets the exit code.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pipelines.progress import RunCollector
    from pipelines.report import RunReport
    from pipelines.sync import SyncOptions

    Work = Callable[[RunCollector], RunReport]

USAGE_ERROR = 2
INTERRUPTED = 130
_SHORTEST_SECRET = 6  # blotting out less would blot out words

app = typer.Typer(
    name="hubspot-elt",
    help="Copy a HubSpot portal into a warehouse: complete, current and fast.",
    epilog="Exit codes: 0 done, 1 a bug of ours, 2 settings, 3 token, 4 refused by HubSpot, "
    "5 daily quota, 6 try again later, 8 portal and warehouse differ, 130 interrupted.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Objects = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Tables to read, such as contacts,deals; else all."),
]
Target = Annotated[str, typer.Option(metavar="NAME", help="A destination of dlt's.")]
Dataset = Annotated[str, typer.Option(metavar="NAME", help="Schema that holds the tables.")]
FullRefresh = Annotated[bool, typer.Option("--full-refresh", help="Read everything anew.")]
HardDelete = Annotated[
    bool, typer.Option("--hard-delete", help="Remove deleted records instead of marking them.")
]
RefreshSchema = Annotated[
    bool, typer.Option("--refresh-schema", help="Read the property definitions anew.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class Format(StrEnum):
    """How `query` prints rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks."""

    json: bool = False
    quiet: bool = False
    debug: bool = False

    @property
    def form(self) -> Literal["text", "json", "quiet"]:
        """Form of the result on stdout."""
        if self.json:
            return "json"
        return "quiet" if self.quiet else "text"

    @property
    def progress(self) -> Literal["auto", "json", "quiet"]:
        """Form of the progress on stderr."""
        if self.quiet:
            return "quiet"
        return "json" if self.json else "auto"


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: the console script.

    Args:
        args: the words after the program's name; those of the process where None.
    """
    words = list(sys.argv[1:] if args is None else args) or ["--help"]
    try:
        code = app(words, prog_name="hubspot-elt", standalone_mode=False)
    except typer.BadParameter.__bases__[0] as error:  # click's UsageError; typer brings its own
        code = _misused(error, words)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("error: Interrupted.\n")
        code = INTERRUPTED
    sys.exit(code)


@app.command()
def demo(*, json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Sync an emulated portal into hubspot_demo.duckdb, twice; needs no account."""

    def work(collector: "RunCollector") -> "RunReport":
        from pipelines.demo import demo as run_demo  # noqa: PLC0415 - heavy

        return run_demo(collector=collector)

    _run("demo", work, Output(json, quiet, debug))


@app.command()
def sync(  # noqa: PLR0913 - one parameter an option
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    full_refresh: FullRefresh = False,
    hard_delete: HardDelete = False,
    refresh_schema: RefreshSchema = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Copy what is new, changed and deleted in the portal into the warehouse."""
    names = _names(objects)

    def work(collector: "RunCollector") -> "RunReport":
        from pipelines.sync import sync as run_sync  # noqa: PLC0415 - heavy

        options = _options(
            names,
            destination,
            dataset,
            full_refresh=full_refresh,
            hard_delete=hard_delete,
            refresh_schema=refresh_schema,
        )
        return run_sync(options, collector=collector)

    _run("sync", work, Output(json, quiet, debug), destination, dataset)


@app.command()
def plan(  # noqa: PLR0913 - one parameter an option
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    full_refresh: FullRefresh = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tell what a sync would do: per table the way in, rows, calls and minutes."""
    names = _names(objects)

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.plan import plan as run_plan  # noqa: PLC0415 - heavy

        return run_plan(_options(names, destination, dataset, full_refresh=full_refresh))

    _run("plan", work, Output(json, quiet, debug), destination, dataset)


@app.command()
def doctor(
    *,
    objects: Objects = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check settings, token, scopes, quota and destination, with a remedy for each fault."""
    names = _names(objects)

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.doctor import doctor as run_doctor  # noqa: PLC0415 - heavy

        return run_doctor(_options(names, destination, dataset))

    _run("doctor", work, Output(json, quiet, debug), destination, dataset)


@app.command()
def status(
    *,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show the last runs, and how fresh each table in the warehouse is."""

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.status import status as run_status  # noqa: PLC0415 - heavy

        return run_status(destination=destination, dataset=dataset)

    _run("status", work, Output(json, quiet, debug), destination, dataset)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A statement that reads.")],
    *,
    format_: Annotated[
        Format, typer.Option("--format", help="How to print the rows.")
    ] = Format.TABLE,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    debug: Debug = False,
) -> None:
    """Run SQL on the dataset, read-only: table names need no schema."""

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.query import query as run_query  # noqa: PLC0415 - heavy

        return run_query(sql, destination=destination, dataset=dataset, form=format_.value)

    _run("query", work, Output(debug=debug), destination, dataset)


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
    from threading import Event  # noqa: PLC0415 - only here

    from sources.hubspot_emulator.seed import SeedSpec  # noqa: PLC0415 - heavy
    from sources.hubspot_emulator.server import EmulatorServer  # noqa: PLC0415 - heavy

    spec = SeedSpec(seed=seed, contacts=contacts, properties=properties)
    try:
        server = EmulatorServer(
            spec, port=port, limits="on" if limits else "off", latency_ms=latency_ms
        )
    except OSError as error:
        raise typer.BadParameter(f"port {port}: {error.strerror}; take another --port") from None
    with server:
        sys.stdout.write(
            f"export SOURCES__HUBSPOT__BASE_URL={server.url}\n"
            f"export SOURCES__HUBSPOT__ACCESS_TOKEN={server.token}\n"
        )
        sys.stdout.flush()
        sys.stderr.write("The portal answers; Ctrl-C ends it.\n")
        Event().wait()


def _run(
    command: str, work: "Work", output: Output, destination: str = "", dataset: str = ""
) -> None:
    """Do a command's work, render its report and exit with its code."""
    from pipelines.progress import make_collector  # noqa: PLC0415 - heavy
    from pipelines.render import render  # noqa: PLC0415 - heavy
    from pipelines.report import report_of  # noqa: PLC0415 - heavy

    where: dict[str, Any] = {"destination": destination or None, "dataset": dataset or None}
    collector = make_collector(output.progress)
    try:
        report = work(collector)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place for all of them
        collector.close()
        if output.debug:
            _write_traceback(error)
        report = report_of(error, command, **where)
    finally:
        collector.close()
    _mask(report)
    render(report, output.form, stdout=sys.stdout, stderr=sys.stderr)
    raise typer.Exit(report.exit_code)


def _write_traceback(error: BaseException) -> None:
    import traceback  # noqa: PLC0415 - seldom wanted

    sys.stderr.write(_masked("".join(traceback.format_exception(error))))


def _mask(report: "RunReport") -> None:
    """Blot secrets out of every message of a report."""
    if report.error:
        report.error, report.remedy = _masked(report.error), _masked(report.remedy)
    report.warnings = [_masked(warning) for warning in report.warnings]
    for outcome in report.tables.values():
        outcome.error = _masked(outcome.error) if outcome.error else None


def _masked(text: str) -> str:
    """Return the text without the access token, whatever it looks like, and without passwords."""
    import dlt  # noqa: PLC0415 - heavy

    from destinations.failures import redacted  # noqa: PLC0415 - heavy
    from sources.hubspot.auth import redact  # noqa: PLC0415 - heavy

    token = str(dlt.secrets.get("sources.hubspot.access_token") or "").strip()
    text = redacted(text)
    return redact(text, token) if len(token) >= _SHORTEST_SECRET else text


def _names(objects: str | None) -> tuple[str, ...]:
    """Split the value of --objects."""
    names = tuple(name.strip() for name in (objects or "").split(",") if name.strip())
    if objects is not None and not names:
        raise typer.BadParameter("--objects names no table")
    return names


def _options(
    names: tuple[str, ...], destination: str, dataset: str, **switches: bool
) -> "SyncOptions":
    from pipelines.sync import SyncOptions  # noqa: PLC0415 - heavy

    return SyncOptions(names, destination, dataset, **switches)


def _misused(error: Any, words: Sequence[str]) -> int:  # noqa: ANN401 - click's UsageError
    """Tell in one line what is wrong with the options; as an object where JSON was asked for."""
    message = " ".join(error.format_message().split())
    if "--json" not in words:
        sys.stderr.write(f"error: {message} See hubspot-elt --help.\n")
        return USAGE_ERROR
    from pipelines.render import render  # noqa: PLC0415 - heavy
    from pipelines.report import report_of  # noqa: PLC0415 - heavy
    from sources.hubspot.errors import ConfigError  # noqa: PLC0415 - heavy

    wrong = ConfigError(message, remedy="See hubspot-elt --help.")
    render(report_of(wrong, words[0]), "json", stdout=sys.stdout, stderr=sys.stderr)
    return USAGE_ERROR
