"""The demo: what a newcomer sees first must work, say something, and leave their things alone."""

import io
import re
from pathlib import Path

import duckdb
import pytest
from screenshots import check_screen

from pipelines.cli.output.layout import Screen
from pipelines.cli.output.progress import make_collector
from pipelines.cli.output.render import render
from pipelines.cli.output.report import RunReport
from pipelines.commands.demo import FILE, demo


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunReport, Path]:
    """One demo, in a folder of its own, and its file; a setting of the user's points elsewhere."""
    folder = tmp_path_factory.mktemp("demo")
    collector = make_collector("quiet", io.StringIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "mine.duckdb"))
        patch.setenv("SOURCES__HUBSPOT__BASE_URL", "http://127.0.0.1:1")
        report = demo(collector=collector)
    collector.close()
    return report, folder


def test_demo_answers_its_questions(shown: tuple[RunReport, Path]) -> None:
    """It ends well, and every question has an answer."""
    report, _ = shown
    assert (report.status, report.exit_code) == ("ok", 0)
    sections = {section.name: section for section in report.sections}
    assert list(sections) == ["syncs", "deals_by_stage", "second_sync", "contacts_per_company"]
    assert all(section.rows for section in sections.values())
    assert all(None not in row for row in sections["deals_by_stage"].rows)


def test_demo_shows_what_the_second_sync_brought(shown: tuple[RunReport, Path]) -> None:
    """Edits, creations, archives and merges of the portal are told by number."""
    report, _ = shown
    (section,) = [s for s in report.sections if s.name == "second_sync"]
    assert dict(section.rows) == {"archived": 3, "changed": 26, "created": 5, "merged": 2}


def test_demo_writes_its_own_file_only(shown: tuple[RunReport, Path]) -> None:
    """The user's settings are not used: neither their warehouse nor their portal."""
    _, folder = shown
    assert [path.name for path in folder.iterdir()] == [FILE]
    with duckdb.connect(str(folder / FILE), read_only=True) as connection:
        count = connection.execute("SELECT count(*) FROM hubspot.contacts").fetchall()
    assert count[0][0] > 1000


def test_readme_shows_what_the_demo_shows(shown: tuple[RunReport, Path]) -> None:
    """A newcomer sees what the README has shown them, but for the seconds."""
    out = io.StringIO()
    render(shown[0], "text", stdout=out, stderr=io.StringIO(), screen=Screen(80, is_terminal=False))
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    printed = readme.partition("hubspot-elt demo\n")[2].partition("```")[0]
    seconds = re.compile(r"^((?:first|second) .*?) +[\d.]+$", re.MULTILINE)  # 2.0 is shown as 2
    shorn = [seconds.sub(r"\1", text.strip()) for text in (printed, out.getvalue())]
    assert shorn[0] == shorn[1]


def test_demo_fits_the_screen(shown: tuple[RunReport, Path]) -> None:
    """The demo shows what its file shows, at 80 and at 120 columns."""
    report, _ = shown
    check_screen("demo", report)
