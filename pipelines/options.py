"""Options that several commands share, as typer reads them."""

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
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
