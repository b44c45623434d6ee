"""Imports point one way, modules are small, and each says what it is for."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from radon.complexity import cc_visit_ast
from radon.visitors import Function

ROOT = Path(__file__).parent.parent
PACKAGES = ("pipelines", "destinations", "sources/hubspot", "sources/hubspot_emulator")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MAY_IMPORT = {
    "pipelines": {"pipelines", "destinations", "sources.hubspot", "sources.hubspot_emulator"},
    "destinations": {"destinations", "sources.hubspot"},
    "sources/hubspot": set(),
    "sources/hubspot_emulator": set(),
}
"""Our packages that each package may import by their full names; itself it imports relatively."""
TOPS = {"pipelines", "destinations", "sources"}
MOST_MODULES = 9  # of a folder, `__init__` left out
LAYER = "sources/hubspot/warehouse/sql/"
DATABASES_OWN = {
    "destinations/duckdb/": "its catalog, and one connection for a run",
    "destinations/servers/": "COPY of PostgreSQL's",
    "destinations/locks/sessions.py": "locks of PostgreSQL's and MySQL's",
    "destinations/reading/readers.py": "sessions that only read",
    "destinations/resolve.py": "a table that is taken back",
}
"""Where dlt's clients are given statements that no other destination gets, and which."""
STATEMENTS = {"execute_sql", "execute_query", "make_qualified_table_name", "escape_column_name"}
LISTS = ("pipelines/commands",)
"""Folders that hold as many modules as there are things of one kind."""
MOST_LINES = {"module": 450, "function": 45}  # purpose cuts modules; this only catches the worst
MOST_PATHS = 12
"""Ways through one function: its cyclomatic complexity, as radon counts it."""


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """Return the absolute names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def offenders(faults: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """Return what is wrong with modules, by their names; those without faults are left out."""
    found = {str(path.relative_to(ROOT)): sorted(faults(path)) for path in MODULES}
    assert len(found) > 100, "modules are missing"
    return {name: wrong for name, wrong in found.items() if wrong}


def test_imports_point_one_way() -> None:
    """A module imports only packages below its own."""

    def strangers(path: Path) -> set[str]:
        name = str(path.relative_to(ROOT))
        allowed = MAY_IMPORT[next(p for p in reversed(PACKAGES) if name.startswith(p + "/"))]
        ours = {one for one in imported(path) if one.split(".")[0] in TOPS}
        return {n for n in ours if not any(n == a or n.startswith(a + ".") for a in allowed)}

    assert offenders(strangers) == {}


def test_rooms_import_only_those_below_them() -> None:
    """The layers that pyproject.toml declares hold."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_the_emulator_knows_nothing_of_dlt() -> None:
    """The emulator stands alone: without dlt, without the connector."""
    for path in (ROOT / "sources/hubspot_emulator").rglob("*.py"):
        assert not any(name.split(".")[0] == "dlt" for name in imported(path)), path


def test_no_statement_is_written_outside_the_layer_of_sql() -> None:
    """SQL for all destinations is in `warehouse.sql`; one database's own is with its client."""
    assert all((ROOT / name).exists() for name in DATABASES_OWN)

    def faults(path: Path) -> Iterator[str]:
        if not str(path.relative_to(ROOT)).startswith((LAYER, *DATABASES_OWN)):
            names = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute))
            yield from {one.attr for one in names} & STATEMENTS

    assert offenders(faults) == {}


def test_modules_say_their_purpose_and_stay_small() -> None:
    """The first line of a module tells what it is for; module and functions fit the eye."""

    def faults(path: Path) -> Iterator[str]:
        tree = tree_of(path)
        if not ast.get_docstring(tree):
            yield "no module docstring"
        if path.read_text(encoding="utf-8").count("\n") > MOST_LINES["module"]:
            yield f"has over {MOST_LINES['module']} lines: split it by purpose"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
                if (node.end_lineno or 0) - (first or 0) > MOST_LINES["function"]:
                    yield f"{node.name} has over {MOST_LINES['function']} lines"

    assert offenders(faults) == {}


def test_functions_have_few_ways_through_them() -> None:
    """A function, with what is nested in it, has a cyclomatic complexity of at most 12."""

    def tangled(path: Path) -> Iterator[str]:
        for one in cc_visit_ast(tree_of(path)):
            if isinstance(one, Function) and one.complexity > MOST_PATHS:
                yield f"{one.fullname} has {one.complexity}"

    assert offenders(tangled) == {}


def test_folders_stay_small() -> None:
    """A folder holds about eight modules, so that one look tells what is where."""
    folders = {path.parent for path in MODULES if str(path.parent.relative_to(ROOT)) not in LISTS}
    sizes = {
        str(folder.relative_to(ROOT)): len({*folder.glob("*.py")} - {folder / "__init__.py"})
        for folder in folders
    }
    assert {name: size for name, size in sizes.items() if size > MOST_MODULES} == {}


def test_http_happens_in_one_place() -> None:
    """Only connections, their errors' reading and downloads without a token know HTTP libraries."""
    users = {
        path.name
        for path in (ROOT / "sources/hubspot").rglob("*.py")
        if any(name.split(".")[0] in {"requests", "urllib3", "httpx"} for name in imported(path))
    }
    assert users <= {"connection.py", "bearer.py", "network.py", "download.py"}
