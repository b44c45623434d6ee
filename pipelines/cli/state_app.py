"""The commands under `hubspot-elt state`."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.console import Output, run
from pipelines.cli.options import Dataset, Target, Wait, speaking

if TYPE_CHECKING:
    from pipelines.cli.output.progress import RunCollector
    from pipelines.cli.output.report import RunReport

state = typer.Typer(
    name="state", help="Show where the next sync begins, or have it read a table again."
)

Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="NAMES", help="Tables, such as contacts; may be repeated."),
]


@state.command()
@speaking
def show(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every table, link table and cache.")
    ] = False,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    output: Output,
) -> None:
    """Show where the next sync begins; with --all every watermark, sweep and cache."""

    def work(_: "RunCollector") -> "RunReport":
        from pipelines.commands.state import show as run_show  # noqa: PLC0415 - heavy

        return run_show(destination=destination, dataset=dataset, everything=everything)

    run("state show", work, output, destination, dataset)


@state.command()
@speaking
def rewind(
    *,
    to: Annotated[str, typer.Option(metavar="INSTANT", help="A date or ISO instant, in UTC.")],
    table: Tables = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    wait: Wait = 0,
    output: Output,
) -> None:
    """Take watermarks back: the next sync reads again what changed since an instant."""

    def work(collector: "RunCollector") -> "RunReport":
        from destinations.locks import Patience  # noqa: PLC0415 - heavy
        from pipelines.commands.state import rewind as run_rewind  # noqa: PLC0415 - heavy

        patience = Patience(wait, collector.notify)
        return run_rewind(
            table or [], to, destination=destination, dataset=dataset, patience=patience
        )

    run("state rewind", work, output, destination, dataset)


@state.command()
@speaking
def reset(
    *,
    table: Tables = None,
    destination: Target = "duckdb",
    dataset: Dataset = "hubspot",
    wait: Wait = 0,
    output: Output,
) -> None:
    """Forget what is known of tables: the next sync reads them completely and compares."""

    def work(collector: "RunCollector") -> "RunReport":
        from destinations.locks import Patience  # noqa: PLC0415 - heavy
        from pipelines.commands.state import reset as run_reset  # noqa: PLC0415 - heavy

        patience = Patience(wait, collector.notify)
        return run_reset(table or [], destination=destination, dataset=dataset, patience=patience)

    run("state reset", work, output, destination, dataset)
