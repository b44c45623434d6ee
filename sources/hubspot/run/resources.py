"""Makes dlt resources from generators."""

from collections.abc import Callable, Iterator
from typing import Any

from dlt.extract import DltResource
from dlt.extract.hints import make_hints


def make_resource(
    name: str,
    rows: Iterator[Any] | Callable[[], Iterator[Any]],
    **hints: Any,  # noqa: ANN401 - dlt's
) -> DltResource:
    """Make a resource; `dlt.resource` would search all modules for where its rows are made.

    Args:
        name: of the resource and, unless a hint says otherwise, of its table.
        rows: Arrow tables, each maybe marked for a table; None while waiting. What makes them is
            called for each extraction.
        hints: of its table, as `dlt.resource` takes them.
    """
    given = {"write_disposition": "append"} | hints
    return DltResource.from_data(rows, name, "hubspot", make_hints(**given))
