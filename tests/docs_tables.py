"""Tables of the documents that repeat what the code declares: written, and checked to be fresh.

    uv run python tests/docs_tables.py --write

A document holds a table or text between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is one
of `BLOCKS`. `tests/test_docs.py` fails where a document shows anything else.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import docs_endpoints
import msgspec
import typer
from dlt.common.exceptions import TransientException
from docs_endpoints import PREFIX

from destinations.catalog import KNOWN, LOCKS, OUR_EXTRAS
from pipelines.cli.app import app
from pipelines.cli.exit_codes import EXIT_CODES
from sources.hubspot import errors
from sources.hubspot.catalog.endpoints import GROUPS
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.catalog.pairs import DEFINED
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import HubSpotError
from sources.hubspot.plan import freshness
from sources.hubspot.state import source as source_state
from sources.hubspot.state import table as table_state
from sources.hubspot.tables import property_history
from sources.hubspot.tables.records import OWN_COLUMNS, REJECTS
from sources.hubspot.warehouse import run_log, verifications

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FEW = 3  # commands without an option that most of them have
Row = Sequence[str]


def documents() -> list[Path]:
    """List the documents of the project, but for the changelog."""
    found = [ROOT / "README.md"]
    for folder in ("sources", "pipelines", "destinations", "tests"):
        found += (ROOT / folder).glob("**/*.md")
    return sorted(found)


def settings() -> Iterator[Row]:
    """Yield a row per setting: variable, default, meaning (the text below the field)."""
    yield "variable", "default", "means"
    meaning = field_texts(HubSpotConfig)
    for field in fields(HubSpotConfig):
        if not field.name.startswith("__"):
            variable = f"`SOURCES__HUBSPOT__{field.name.upper()}`"
            yield variable, shown(getattr(HubSpotConfig, field.name)), meaning[field.name]


def field_texts(of: type) -> dict[str, str]:
    """Return the text below each field of a class, as one line."""
    body = ast.parse(inspect.getsource(of)).body[0].body  # type: ignore[attr-defined]
    texts = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            texts[field.target.id] = " ".join(text.value.value.split())  # type: ignore[attr-defined,union-attr]
    return texts


def shown(default: Any) -> str:
    """Return a default as a user would write it."""
    if default is None:
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def commands() -> Iterator[Row]:
    """Yield a row per command: name, what it does."""
    yield "command", "does"
    for name, command in group().commands.items():
        yield f"`{name}`", first_sentence(command.help)


def options() -> Iterator[Row]:
    """Yield a row per option: its names, the commands that take it, its default, its help."""
    yield "option", "commands", "default", "does"
    takers: dict[tuple[str, str, str], list[str]] = {}
    for name, command in leaves(group()):
        for option in command.params:
            if option.param_type_name == "option" and not option.is_eager:
                names = ", ".join(f"`{o}`" for o in (*option.opts, *option.secondary_opts))
                key = names, default_of(option), option.help or ""
                takers.setdefault(key, []).append(name)
    every = [name for name, _ in leaves(group())]
    for (names, default, help_), by in sorted(takers.items()):
        others = [name for name in every if name not in by]
        yield (
            names,
            f"all but {', '.join(others)}" if len(others) <= FEW else ", ".join(by),
            (default),
            help_,
        )


def group() -> Any:
    """Return the command line as click sees it."""
    return typer.main.get_command(app)


def leaves(of: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its whole name."""
    for name, command in of.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def exit_codes() -> Iterator[Row]:
    """Yield a row per exit code."""
    yield "exit code", "means"
    for code, meaning in EXIT_CODES.items():
        yield str(code), meaning.long


def default_of(option: Any) -> str:
    """Return the default of an option, empty where it is a switch or has none."""
    value = getattr(option.default, "value", option.default)
    return "" if value in (None, False, "") or callable(value) else f"`{value}`".lower()


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a help text."""
    return re.split(r"(?<=\.)\s", " ".join((text or "").split()))[0]


def error_names() -> Iterator[Row]:
    """Yield a row per error: its name in JSON, its exit code, whether to retry, its meaning."""
    yield "name", "exit code", "try again", "means"
    named = [one for one in vars(errors).values() if is_named(one)]
    for one in sorted(named, key=lambda one: (one.exit_code, one.name)):
        retry = "yes" if issubclass(one, TransientException) else "no"
        yield f"`{one.name}`", str(one.exit_code), retry, first_sentence(one.__doc__)


def is_named(one: object) -> bool:
    """Whether something is an error class with a name of its own."""
    return isinstance(one, type) and issubclass(one, HubSpotError) and "name" in vars(one)


def object_types() -> Iterator[Row]:
    """Yield a row per object type: its table, its type id, whether it has pipelines."""
    yield "table", "HubSpot's type id", "pipelines"
    for kind in STANDARD:
        yield f"`{kind.table}`", kind.type_id or "", "yes" if kind.pipelines else ""


def pairs() -> Iterator[Row]:
    """Yield a row per object type that links are read from: the types at the other end."""
    yield "from", "to"
    for source, targets in DEFINED.items():
        yield f"`{source}`", ", ".join(f"`{target}`" for target in targets)


def change_detection() -> Iterator[Row]:
    """Yield a row per thing that may change in HubSpot: when a sync sees it."""
    yield "what changed in HubSpot", "seen by"
    yield from freshness.rows()


def own_tables() -> Iterator[Row]:
    """Yield a row per table that the connector writes about itself: its columns."""
    yield "table", "columns"
    held = {
        "_hs_rejected_values": REJECTS,
        "_hs_verifications": verifications.RESULTS,
        **run_log.COLUMNS,
    }
    for table, schema in held.items():
        yield f"`{table}`", listed(schema.names)


def own_columns() -> Iterator[Row]:
    """Yield a row per column that every record's row has besides its properties."""
    yield "column", "type"
    for name, kind in OWN_COLUMNS.items():
        yield f"`{name}`", str(kind).partition("[")[0].replace("string", "text")


def history_columns() -> Iterator[Row]:
    """Yield a row per column of a property history."""
    yield "column", "type", "key"
    for field in property_history.COLUMNS:
        kind = (
            str(field.type).partition("[")[0].replace("string", "text").replace("int64", "bigint")
        )
        yield f"`{field.name}`", kind, "yes" if field.name in property_history.KEY else ""


def state() -> Iterator[Row]:
    """Yield a row per member of the state: the part it is of, its name, what it holds."""
    yield "part", "member", "holds"
    parts = [source_state.SourceState, source_state.PairState, table_state.TableState]
    for part in parts:
        title = f"`{part.__name__}`"
        texts = [field_texts(one) for one in part.__mro__ if "__annotations__" in vars(one)]
        found = {name: text for one in reversed(texts) for name, text in one.items()}
        for field in msgspec.structs.fields(part):
            parts += [one for one in structs_of(field.type) if one not in parts]
            yield title, f"`{field.encode_name}`", found[field.name]


def structs_of(kind: Any) -> Iterator[type]:
    """Yield the structs within the type of a member."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for one in get_args(kind):
        yield from structs_of(one)


def destinations() -> Iterator[Row]:
    """Yield a row per destination: name, support, how its driver is installed, a note."""
    yield "`--destination`", "support", "two machines are kept apart by", "install", "note"
    for name, known in KNOWN.items():
        apart = LOCKS[known.lock]
        yield f"`{name}`", known.support, apart, install(known.extra), known.note


def install(extra: str | None) -> str:
    """Return the command that installs a driver."""
    if extra is None:
        return ""
    if extra in OUR_EXTRAS:
        return f"`uv sync --extra {extra}`"
    return f"`uv pip install 'dlt[{extra}]'`"


def listed(names: Iterable[str]) -> str:
    """Return names as code, one after the other."""
    return ", ".join(f"`{name}`" for name in names)


TABLES: Mapping[str, Callable[[], Iterable[Row]]] = {
    "settings": settings,
    "commands": commands,
    "options": options,
    "exit-codes": exit_codes,
    "errors": error_names,
    "object-types": object_types,
    "pairs": pairs,
    "groups": docs_endpoints.groups,
    "coverage": docs_endpoints.coverage,
    "exceptions": docs_endpoints.exceptions,
    "change-detection": change_detection,
    "own-tables": own_tables,
    "own-columns": own_columns,
    "history-columns": history_columns,
    "state": state,
    "destinations": destinations,
}
"""Tables that can stand between markers: a name, and the rows, headings first."""
TEXTS: Mapping[str, Callable[[], str]] = {
    "covered": docs_endpoints.covered,
    **{f"{PREFIX}{group}": partial(docs_endpoints.group_text, group) for group in GROUPS},
}
"""Other texts that can stand there."""
BLOCKS = {*TABLES, *TEXTS}
"""The names of all that has to stand in a document."""


def to_markdown(rows: Iterable[Row]) -> str:
    """Return a table in Markdown; `|` within a cell is escaped."""
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    columns = lines[0].count(" | ") + 1
    return "\n".join([lines[0], "|" + "---|" * columns, *lines[1:]]) + "\n"


def refreshed(text: str) -> str:
    """Return a document with every table that it names as the code declares it now."""

    def block(found: re.Match[str]) -> str:
        if found[2] in TEXTS:
            return f"{found[1]}{TEXTS[found[2]]()}{found[3]}"
        rows = TABLES.get(found[2])
        return f"{found[1]}{to_markdown(rows())}{found[3]}" if rows else found[0]

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    docs_endpoints.write_new_pages()
    for path in documents():
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
