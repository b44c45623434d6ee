"""Where files go, who may read them, and what is said where none can be written."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR

from destinations.duckdb.file_mode import created_private
from destinations.failures import to_error
from pipelines.cli.output.progress import make_collector
from pipelines.commands.demo import demo
from pipelines.commands.query import query
from pipelines.commands.state import show
from pipelines.commands.status import status
from pipelines.commands.sync import SyncOptions, sync
from sources.hubspot.errors import ConfigError
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")


def mode(file: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(file.stat().st_mode)


def set_file(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Let the folder for temporary files be a file."""
    place.touch()
    monkeypatch.setattr("tempfile.tempdir", str(place))


def set_none(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Let Python find no folder for temporary files, as where all file systems are read-only."""

    def find() -> str:
        raise FileNotFoundError(errno.ENOENT, f"No usable temporary directory found in {[place]}")

    monkeypatch.setattr("tempfile.gettempdir", find)


@pytest.mark.parametrize("take_away", [set_file, set_none])
def test_commands_name_the_folder_that_cannot_be_written(
    portal: Portal,
    warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    take_away: Callable[[pytest.MonkeyPatch, Path], None],
) -> None:
    """What needs a working folder says which one it tried and names TMPDIR; what reads, needs none.

    Neither is a home needed.
    """
    portal.reset(SeedSpec(contacts=5))
    warehouse.sync("contacts")
    take_away(monkeypatch, tmp_path / "nowhere")
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("XDG_STATE_HOME")
    for command in (lambda: warehouse.sync("contacts"), show):
        with pytest.raises(ConfigError, match=r"nowhere.*TMPDIR"):
            command()
    assert query("SELECT 1 AS one", form="csv").text == "one\n1\n"
    assert status().sections


def test_demo_names_the_folder_that_it_cannot_write(tmp_path: Path) -> None:
    """The demo, which writes where it is started, says so before it begins."""
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(ConfigError, match=rf"{place}.*Run the demo"):
        demo(collector=make_collector("quiet"), file=str(place / "demo.duckdb"))


@pytest.mark.parametrize("number", ["ENOSPC", "EROFS", "EACCES"])
def test_a_file_that_cannot_be_written_is_named(number: str) -> None:
    """A full or read-only disk is no bug of ours: the message has the place and the remedy."""
    code = getattr(errno, number)
    error = to_error(OSError(code, os.strerror(code), "/data/folder/file"))
    assert isinstance(error, ConfigError)
    assert "/data/folder/file" in str(error)
    assert "TMPDIR" in str(error)
    assert os.strerror(code) in str(error)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("given", "expected"), [(None, 0o600), ("0640", 0o640), ("666", 0o666)])
def test_new_files_are_the_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, expected: int
) -> None:
    """A new file is read by its owner alone, whatever the umask, unless the setting has a mode."""
    if given:
        monkeypatch.setenv("DESTINATION__DUCKDB__FILE_MODE", given)
    before = os.umask(0)
    try:
        with created_private(tmp_path / "new"):
            (tmp_path / "new").touch()
            (tmp_path / "folder").mkdir()
        (tmp_path / "after").touch()
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == expected
    assert mode(tmp_path / "folder") & stat.S_IRWXU == stat.S_IRWXU
    assert mode(tmp_path / "after") == 0o666


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_sync_makes_a_private_file_and_keeps_a_shared_one(
    portal: Portal, warehouse: Warehouse
) -> None:
    """What a first sync makes is its owner's; a mode that somebody gives the file then stays."""
    portal.reset(SeedSpec(contacts=5))
    warehouse.sync("contacts")
    assert mode(warehouse.path) == 0o600
    warehouse.path.chmod(0o644)
    warehouse.sync("contacts")
    assert mode(warehouse.path) == 0o644


def test_a_mode_that_is_none_is_refused(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mode that locks the owner out, or is no number, is refused by the setting's name."""
    for wrong in ("rw", "0440", "77777"):
        monkeypatch.setenv("DESTINATION__DUCKDB__FILE_MODE", wrong)
        with pytest.raises(ConfigError, match="DESTINATION__DUCKDB__FILE_MODE"):
            warehouse.sync("contacts")


@pytest.mark.parametrize(
    "spelt", ["~/home.duckdb", "duckdb:///~/home.duckdb", "--destination ~/home.duckdb"]
)
def test_home_is_expanded(
    portal: Portal,
    warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelt: str,
) -> None:
    """`~` is the user's home wherever a DuckDB file is named; no folder called `~` is made."""
    portal.reset(SeedSpec(contacts=5))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    name = spelt.removeprefix("--destination ")
    if name == spelt:
        name = "duckdb"
        monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", spelt)
    options = SyncOptions(("contacts",), destination=name)
    assert sync(options, collector=NULL_COLLECTOR, config=warehouse.config).exit_code == 0
    assert (tmp_path / "home" / "home.duckdb").is_file()
    assert query("SELECT 1 AS one", destination=name, form="csv").text == "one\n1\n"


def test_a_file_in_the_working_folder_is_refused(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in dlt's working folder, at `:pipeline:`, would be gone at the end of the run."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", ":pipeline:")
    with pytest.raises(ConfigError, match="DESTINATION__DUCKDB__CREDENTIALS"):
        warehouse.sync("contacts")


def test_default_file_is_the_same_for_all_commands(
    portal: Portal, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a setting every command uses `hubspot.duckdb` in the working directory."""
    portal.reset(SeedSpec(contacts=5))
    monkeypatch.delenv("DESTINATION__DUCKDB__CREDENTIALS")
    warehouse.sync("contacts")
    assert (tmp_path / "hubspot.duckdb").is_file()
    assert query("SELECT 1 AS one", form="csv").text == "one\n1\n"
