"""What a run needs of the pipeline it goes into, and its end, where nobody but dlt is around it.

`pipeline.run(hubspot())` makes a run that only its resources know: each of them calls `lasting`.
"""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ContextDefaultCannotBeCreated
from dlt.common.destination.capabilities import DestinationCapabilitiesContext

from .run import Items, Run
from .state import SourceState

_KEEPS_NUL = "duckdb"  # all of its kin do; other databases refuse a whole load for one NUL


def lasting(run: Run, name: str, rows: Items) -> Generator[Any, None, None]:
    """Hand on the rows of one resource; a run that is its resources' own ends with the last one.

    It ends at once where one of them fails or is given up, for dlt then reads none to its end.

    Args:
        run: what the rows come from.
        name: of the resource.
        rows: its Arrow tables.
    """
    _begin(run)
    finished = False
    try:
        yield from rows
        finished = True
    finally:
        if run.waits_for is not None:
            run.waits_for.discard(name)
            if not finished or not run.waits_for:
                run.waits_for = None
                run.close()


def _begin(run: Run) -> None:
    """Learn from the extraction what is not told by whoever made the run."""
    source = SourceState(dlt.current.source_state())
    source.hard_delete = run.hard_delete
    if run.strip_nul is None:
        caps = Container().get(DestinationCapabilitiesContext)
        run.strip_nul = caps is not None and caps.sqlglot_dialect != _KEEPS_NUL
    if run.own and run.waits_for is None:
        run.own = False
        with suppress(ContextDefaultCannotBeCreated):  # rows are read without a source
            run.waits_for = set(dlt.current.source().resources.selected)
