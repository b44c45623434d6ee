"""Options of the commands, as typer reads them."""

from enum import StrEnum
from typing import Annotated

import typer


def filled(name: str) -> str:
    """Refuse an empty name, such as an unset variable of a script leaves."""
    if not name.strip():
        raise typer.BadParameter("the name is empty")
    return name.strip()


def names_of(objects: str | None) -> tuple[str, ...]:
    """Split the value of --objects."""
    names = tuple(name.strip() for name in (objects or "").split(",") if name.strip())
    if objects is not None and not names:
        raise typer.BadParameter("--objects names no table")
    return names


class Backfill(StrEnum):
    """How tables are read whole."""

    LIST = "list"
    EXPORT = "export"
    AUTO = "auto"


class Format(StrEnum):
    """How `query` prints rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


BackfillWay = Annotated[
    Backfill | None,
    typer.Option(
        "--backfill", help="Read tables whole by listing, by HubSpot's exports, or the cheaper way."
    ),
]
Objects = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Tables to read, such as contacts,deals; else all."),
]
Target = Annotated[
    str, typer.Option(metavar="NAME", help="A destination of dlt's.", callback=filled)
]
Dataset = Annotated[
    str, typer.Option(metavar="NAME", help="Schema that holds the tables.", callback=filled)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Wide = Annotated[
    bool, typer.Option("--wide", help="Show all columns, also where they do not fit the screen.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
FullRefresh = Annotated[bool, typer.Option("--full-refresh", help="Read everything anew.")]
HardDelete = Annotated[
    bool, typer.Option("--hard-delete", help="Remove deleted records instead of marking them.")
]
Links = Annotated[
    bool, typer.Option("--links", help="Read all links again, whatever the schedule says.")
]
Verify = Annotated[bool, typer.Option("--verify", help="Compare with the portal afterwards.")]
RefreshSchema = Annotated[
    bool, typer.Option("--refresh-schema", help="Read the property definitions anew.")
]
