"""Stories that are played together: what happens to rows of a portal, and what runs make of it.

A story is a generator that yields where a run comes. Stories that are about different tables are
played side by side, so that a few runs do for all of them.
"""

from collections.abc import Callable, Generator, Iterable

from conftest import Warehouse

from pipelines.cli.output.report import RunReport
from sources.hubspot_emulator.portal.store import Portal

Played = Generator[None, RunReport, None]
Story = Callable[[Portal, Warehouse], Played]
Run = Callable[[], RunReport]


def play_together(
    portal: Portal, warehouse: Warehouse, stories: Iterable[Story], runs: Iterable[Run]
) -> None:
    """Begin every story, and let it go on after each run, whatever becomes of the others."""
    playing = {story: story(portal, warehouse) for story in stories}
    wrong: list[Exception] = []
    for each in playing.values():
        next(each)
    for run in runs:
        report = run()
        for story in [*playing]:
            try:
                playing[story].send(report)
            except StopIteration:
                del playing[story]
            except Exception as error:  # noqa: BLE001 - the others are played to their end
                error.add_note(f"in the story {story.__name__}")
                wrong.append(error)
                del playing[story]
    if wrong:
        raise ExceptionGroup("Stories that end otherwise", wrong)
    assert not playing, "stories that need more runs"
