"""What the documents claim is there: commands, exit codes, settings, tables, links, plain words."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import docs_endpoints
import docs_tables
import pytest
from docs_tables import BLOCKS, ROOT, documents
from typer.testing import CliRunner

from destinations.catalog import OUR_EXTRAS
from pipelines.cli.app import app
from pipelines.cli.exit_codes import EXIT_CODES
from sources.hubspot import errors
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.model import SyncMode

DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in documents()}
CLASSES = [one for one in vars(errors).values() if isinstance(one, type)]
CODES = {one.exit_code for one in CLASSES if "exit_code" in vars(one)}
DEFAULTS = {
    variable.strip("`").removeprefix("SOURCES__HUBSPOT__"): default.strip("`")
    for variable, default, _ in docs_tables.settings()
}
COMMANDS = [name for name, _ in docs_tables.leaves(docs_tables.group())]
PRIVATE = re.compile(
    r"\b(census|stir(red)?|ow(ed?|es)|told|tells|tidy|anew|beside|peeks?|ways? in|clean end"
    r"|so many calls|such as it is|where it takes|sweeps? (is|are) made|dlt's word)\b",
    re.IGNORECASE,
)
"""Words that readers would have to learn; the glossary has the usual ones."""
CODE = re.compile(
    r"(?<![a-zA-Z])(census|stirred|owe[ds]?|told|tells?|tidy|anew|beside|wish(es|ed)?|gaps|way_in"
    r"|peeks?)(?![a-zA-Z])",
    re.IGNORECASE,
)
"""The same in code: names, comments and docstrings, parts of names included."""
OLD_WORDS = {"sources/hubspot/state/migrations.py", "sources/hubspot/warehouse/run_log.py"}
"""Modules that read what earlier versions wrote, by its old names."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_generated_tables_are_fresh(name: str) -> None:
    """Tables that repeat what the code declares show what it declares now."""
    fresh = docs_tables.refreshed(DOCUMENTS[name])
    assert fresh == DOCUMENTS[name], "run `uv run python tests/docs_tables.py --write`"


def test_every_declaration_is_documented() -> None:
    """Settings, commands, options, exit codes, errors, types, pairs, endpoints each have a page."""
    shown = {name for text in DOCUMENTS.values() for _, name, _ in docs_tables.BLOCK.findall(text)}
    assert shown == BLOCKS


def test_what_can_be_read_is_read_or_has_a_reason() -> None:
    """The list of readable endpoints has all that are read, and says of each other one why not."""
    ours = docs_endpoints.declared()
    reasons = {
        docs_endpoints.shape(one): why
        for endpoints in docs_endpoints.readable().values()
        for one, why in endpoints.items()
    }
    assert ours <= reasons.keys(), f"add them to {docs_endpoints.READABLE.name}"
    assert {one for one, why in reasons.items() if not why} == ours


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained(command: str) -> None:
    """Every command has a paragraph of its own, and help."""
    assert f"**`{command}`**" in DOCUMENTS["pipelines/docs/commands.md"]
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_commands_and_options_exist() -> None:
    """Every command line in a document names a command, and options that it takes."""
    options = {command: option_names(command) for command in COMMANDS}
    for name, text in DOCUMENTS.items():
        for line in re.findall(r"hubspot-elt ([a-z]+[^\n`]*)", text):
            known = [command for command in COMMANDS if line.startswith(command)]
            assert known, (name, line)
            used = re.findall(r"(?<!\S)--[a-z-]+", line.partition(" #")[0])
            assert {*used} <= options[known[0]] | {"--help"}, (name, line)


def option_names(command: str) -> set[str]:
    """Return the names of a command's options."""
    ((_, found),) = (one for one in docs_tables.leaves(docs_tables.group()) if one[0] == command)
    return {name for param in found.params for name in (*param.opts, *param.secondary_opts)}


def test_every_exit_code_is_declared() -> None:
    """Every exit code that an error or a signal can end with has its meaning."""
    assert {0, 129, 130, 143} | CODES == {*EXIT_CODES}


def test_every_setting_that_is_named_exists() -> None:
    """A setting that any document names is one, and a default beside it is the one of the code."""
    for name, text in DOCUMENTS.items():
        assert {*re.findall(r"SOURCES__HUBSPOT__([A-Z_0-9]*[A-Z0-9])", text)} <= {*DEFAULTS}, name
        for setting, number, percent in re.findall(r"`([A-Z_0-9]+)` \(([\d.]+)( %)?", text):
            default = float(DEFAULTS[setting]) * (100 if percent else 1)
            assert default == pytest.approx(float(number)), (name, setting)


def test_every_mode_is_explained() -> None:
    """The page on tables says what each mode of the run log means."""
    page = DOCUMENTS["sources/hubspot/docs/tables.md"]
    assert all(f"`{mode}` (" in page for mode in get_args(SyncMode))


def test_extras_are_documented() -> None:
    """Every extra of ours is named where its destination is."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras["project"]["optional-dependencies"]) == OUR_EXTRAS | {"socks"}
    page = DOCUMENTS["destinations/README.md"]
    assert all(f"uv sync --extra {extra}`" in page for extra in OUR_EXTRAS)


def test_catalog_is_complete_and_unambiguous() -> None:
    """No two object types share a table, a path or a type id."""
    for name in ("table", "path", "type_id"):
        values = [getattr(kind, name) for kind in STANDARD if getattr(kind, name)]
        assert len(values) == len(set(values)), name


@pytest.mark.parametrize("name", [*DOCUMENTS, "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Files that the documents link to, or name, exist, and so do the sections."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for target, section in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text):
        page = ((ROOT / name).parent / target).resolve() if target else ROOT / name
        assert page.exists(), target
        if section:
            assert section in sections(page.read_text(encoding="utf-8")), f"{target}#{section}"
    for path in re.findall(r"`((?:sources|pipelines|destinations|tests|\.ci)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path


def sections(text: str) -> set[str]:
    """Return the anchors of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached() -> None:
    """Pages for users are one click from the README, those of groups and destinations two."""
    linked = {name: targets(name) for name in DOCUMENTS}
    reached, new = set[str](), {"README.md"}
    while new:
        reached |= new
        new = {target for name in new for target in linked.get(name, ())} - reached
    assert {*DOCUMENTS} <= reached
    pages = {
        name
        for name in DOCUMENTS
        if "/docs/" in name and not {"decisions", "tables"} & {*Path(name).parts}
    }
    near = linked["README.md"] | linked["sources/hubspot/README.md"]
    near |= linked["destinations/README.md"]
    assert pages <= near


def targets(name: str) -> set[str]:
    """Return the documents that a document links to."""
    found = re.findall(r"\]\((?!http)([^)#]+)", DOCUMENTS[name])
    paths = {((ROOT / name).parent / target).resolve() for target in found}
    return {str(path.relative_to(ROOT)) for path in paths}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_use_standard_words(name: str) -> None:
    """No document uses a word that only its authors know."""
    text = DOCUMENTS[name]
    assert not [found[0] for found in PRIVATE.finditer(text)]
    assert "of which" not in text


def test_the_source_has_a_short_readme() -> None:
    """The README of the source fits one look: at most 100 lines."""
    assert DOCUMENTS["sources/hubspot/README.md"].count("\n") <= 100


def test_screens_use_standard_words() -> None:
    """No help, report or error that is kept as a screen uses such a word."""
    for path in (Path(__file__).parent / "screens").glob("*.txt"):
        found = [one[0] for one in PRIVATE.finditer(path.read_text(encoding="utf-8"))]
        assert not found, path.name


def test_messages_use_standard_words() -> None:
    """No message, help text or title in the code uses such a word."""
    found = {
        f"{path.relative_to(ROOT)}: {text}"
        for folder in ("sources/hubspot", "pipelines", "destinations")
        for path in (ROOT / folder).glob("**/*.py")
        for text in sentences(path)
        if PRIVATE.search(text)
    }
    assert not found


def test_code_uses_standard_words() -> None:
    """No name, comment or docstring of the code has such a word, either."""
    found = {
        f"{name}: {one[0]}"
        for folder in ("sources/hubspot", "pipelines", "destinations")
        for path in (ROOT / folder).glob("**/*.py")
        if (name := str(path.relative_to(ROOT))) not in OLD_WORDS
        for one in CODE.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def sentences(path: Path) -> Iterator[str]:
    """Yield the texts of a module that have several words, docstrings left out."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    prose = {id(one.value) for one in nodes if isinstance(one, ast.Expr)}
    for one in nodes:
        is_text = isinstance(one, ast.Constant) and isinstance(one.value, str)
        if is_text and id(one) not in prose and " " in one.value.strip():
            yield one.value
