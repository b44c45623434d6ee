"""Options of the commands, as typer reads them; options about output are declared once."""

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Any

import typer

from pipelines.cli.console import Output

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def filled(name: str) -> str:
    """Refuse an empty name, such as an unset variable of a script leaves."""
    if not name.strip():
        raise typer.BadParameter("the name is empty")
    return name.strip()


def names_of(text: str | None, option: str = "--objects") -> tuple[str, ...]:
    """Split the value of an option that names tables."""
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        raise typer.BadParameter(f"{option} names no table")
    return names


def chosen(objects: str | None, select: str | None, exclude: str | None) -> dict[str, Any]:
    """Return what the options name to read, by their names without dashes."""
    given = {"objects": objects, "select": select, "exclude": exclude}
    return {name: names_of(text, f"--{name}") for name, text in given.items()}


def span_of(text: str | None) -> timedelta | None:
    """Read a span such as `90m`, `2h`, `1d` or `1d12h`."""
    if text is None:
        return None
    parts = _SPAN.findall(text)
    if not parts or _SPAN.sub("", text).strip():
        raise typer.BadParameter(f"--max-age {text} is not a span such as 90m, 2h or 1d")
    return sum((timedelta(**{_UNITS[unit.lower()]: float(n)}) for n, unit in parts), timedelta())


class Backfill(StrEnum):
    """How tables are read whole."""

    LIST = "list"
    EXPORT = "export"
    AUTO = "auto"


class Format(StrEnum):
    """How a command prints its result."""

    TEXT = "text"
    JSON = "json"


class RowsFormat(StrEnum):
    """How `query` prints rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def show_version(*, wanted: bool) -> None:
    """Print the version and exit, where it is asked for."""
    if wanted:
        typer.echo(f"hubspot-elt {version('hubspot-elt')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
]
BackfillWay = Annotated[
    Backfill | None,
    typer.Option(
        "--backfill", help="How tables are backfilled; auto takes the one with fewer calls."
    ),
]
Objects = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Object types to read, the same as in --select."),
]
Select = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Tables, object types or groups to read, such as contacts,forms; default,NAME adds"
        " to the default.",
    ),
]
Exclude = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="Tables, object types, link tables or groups that are not read."
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        metavar="SPAN",
        help="Exit with 8 if a table was loaded longer ago, such as 90m, 2h, 1d.",
    ),
]
Fresh = Annotated[
    str | None,
    typer.Option("--objects", metavar="NAMES", help="Tables that --max-age checks. Default: all."),
]
Target = Annotated[str, typer.Option(metavar="NAME", help="Destination of dlt.", callback=filled)]
Dataset = Annotated[
    str, typer.Option(metavar="NAME", help="Schema that holds the tables.", callback=filled)
]
FullRefresh = Annotated[bool, typer.Option("--full-refresh", help="Read every table again.")]
HardDelete = Annotated[
    bool, typer.Option("--hard-delete", help="Remove deleted records instead of marking them.")
]
Links = Annotated[bool, typer.Option("--links", help="Read all links again now.")]
Verify = Annotated[bool, typer.Option("--verify", help="Compare with the portal after the sync.")]
RefreshSchema = Annotated[
    bool,
    typer.Option(
        "--refresh-schema",
        help="Read the property definitions again; empty columns of excluded properties.",
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Wait for another run or program that uses the dataset.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before anything is erased.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be erased.")]

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Form = Annotated[Format, typer.Option("--format", help="How to print the result.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show every column, whatever the width.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print a line per call of HubSpot.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
SPEAKING: dict[str, tuple[Any, Any]] = {
    "json": (Json, False),
    "format": (Form, Format.TEXT),
    "wide": (Wide, False),
    "quiet": (Quiet, False),
    "verbose": (Verbose, False),
    "debug": (Debug, False),
}
"""Options of every command that reports: their types and defaults."""


def speaking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of how it speaks, handed on as its parameter `output`."""
    known = inspect.signature(command).parameters.values()
    given = [one for one in known if one.name != "output"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in SPEAKING.items()
    ]

    @wraps(command)
    def speak(*args: Any, **options: Any) -> None:  # noqa: ANN401 - whatever the command takes
        spoken = {name: options.pop(name) for name in SPEAKING}
        spoken["json"] = spoken.pop("format") is Format.JSON or spoken["json"]
        command(*args, output=Output(**spoken), **options)

    signature = inspect.Signature([*given, *added])
    speak.__dict__["__signature__"] = signature
    speak.__annotations__ = {one.name: one.annotation for one in (*given, *added)}
    return speak
