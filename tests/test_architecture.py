"""Imports point one way, modules are small, and each says what it is for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from radon.complexity import cc_visit
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
MOST_MODULES = 9  # of a folder, `__init__` left out
LISTS = ("pipelines/commands",)
"""Folders that hold as many modules as there are things of one kind."""
FOLDERS = sorted({str(path.parent.relative_to(ROOT)) for path in MODULES} - {*LISTS})
MOST_LINES = {"module": 450, "function": 45}  # purpose cuts modules; this only catches the worst
MOST_PATHS = 12
"""Ways through one function: its cyclomatic complexity, as radon counts it."""
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]


def imported(path: Path) -> set[str]:
    """Return the absolute names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_point_one_way(path: Path) -> None:
    """A module imports only packages below its own."""
    package = next(p for p in reversed(PACKAGES) if str(path.relative_to(ROOT)).startswith(p + "/"))
    tops = {"pipelines", "destinations", "sources"}
    ours = {name for name in imported(path) if name.split(".")[0] in tops}
    allowed = MAY_IMPORT[package]
    strangers = {n for n in ours if not any(n == a or n.startswith(a + ".") for a in allowed)}
    assert strangers == set()


def test_rooms_import_only_those_below_them() -> None:
    """The layers that pyproject.toml declares hold."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_the_emulator_knows_nothing_of_dlt() -> None:
    """The emulator stands alone: without dlt, without the connector."""
    for path in (ROOT / "sources/hubspot_emulator").rglob("*.py"):
        assert not any(name.split(".")[0] == "dlt" for name in imported(path)), path


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_modules_say_their_purpose_and_stay_small(path: Path) -> None:
    """The first line of a module tells what it is for; module and functions fit the eye."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert text.count("\n") <= MOST_LINES["module"]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
            assert (node.end_lineno or 0) - (first or 0) <= MOST_LINES["function"], node.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_functions_have_few_ways_through_them(path: Path) -> None:
    """A function, with what is nested in it, has a cyclomatic complexity of at most 12."""
    blocks = cc_visit(path.read_text(encoding="utf-8"))
    functions = [block for block in blocks if isinstance(block, Function)]
    tangled = {one.fullname: one.complexity for one in functions if one.complexity > MOST_PATHS}
    assert tangled == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_stay_small(folder: str) -> None:
    """A folder holds about eight modules, so that one look tells what is where."""
    modules = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES


def test_http_happens_in_one_place() -> None:
    """Only connections, their errors' reading and downloads without a token know HTTP libraries."""
    users = {
        path.name
        for path in (ROOT / "sources/hubspot").rglob("*.py")
        if any(name.split(".")[0] in {"requests", "urllib3", "httpx"} for name in imported(path))
    }
    assert users <= {"connection.py", "bearer.py", "network.py", "download.py"}
