"""What the README claims is there: commands, exit codes, settings, tables, the demo's output."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from destinations.catalog import KNOWN, OUR_EXTRAS
from pipelines.cli import app
from sources.hubspot import errors
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.tables.reference_tables import COLUMNS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
CLASSES = [one for one in vars(errors).values() if isinstance(one, type)]
CODES = {one.exit_code for one in CLASSES if "exit_code" in vars(one)}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    """Every command of the CLI has a row in the README, and help of its own."""
    assert f"| `{command}` |" in README
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize("code", sorted({0, 130, 143} | CODES))
def test_every_exit_code_is_documented(code: int) -> None:
    """Every exit code that an error can end with has a row in the README."""
    assert f"\n| {code} |" in README


@pytest.mark.parametrize("name", [field.name for field in fields(HubSpotConfig)])
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    """Every setting has a row in the README that tells its default."""
    if name.startswith("__"):
        return
    row = re.search(rf"\| `SOURCES__HUBSPOT__{name.upper()}` \| (.*?) \|", README)
    assert row, name
    default = getattr(HubSpotConfig, name)
    if default is not None:
        assert row[1] == f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_table_is_documented() -> None:
    """Every table that is not an object type's has its name in the README."""
    for table in (*COLUMNS, "_hs_rejected_values", "_hs_runs", "_hs_run_tables"):
        assert f"`{table}`" in README, table


def test_destinations_are_documented_as_they_are() -> None:
    """The README calls tested what the tests load into, and names every extra of ours."""
    for name, known in KNOWN.items():
        if known.proof == "tested":
            assert re.search(rf"\| `{name}` \| tested here", README), name
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras["project"]["optional-dependencies"]) == OUR_EXTRAS | {"socks"}
    assert all(f"`{extra}`" in README for extra in OUR_EXTRAS)


def test_catalog_is_complete_and_unambiguous() -> None:
    """No two object types share a table, a path or a type id."""
    for name in ("table", "path", "type_id"):
        values = [getattr(kind, name) for kind in STANDARD if getattr(kind, name)]
        assert len(values) == len(set(values)), name


@pytest.mark.parametrize("name", ["README.md", "sources/hubspot/README.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Files that the documents link to, or name, exist."""
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    targets += re.findall(r"`((?:sources|pipelines|tests|\.ci)/[\w./]+)`", text)
    for target in targets:
        places = (ROOT / target, (ROOT / name).parent / target)
        assert any(place.exists() for place in places), target
