"""Locks that are looked at again: as a load begins, and before its state is committed.

dlt commits a load with the row that it adds to `_dlt_loads` in the end: a state without one is
never read again. So the state of a run that has lost its lock does not count, nor does it begin
to write what another run may be writing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from .busy import Check


@contextmanager
def guarded(pipeline: Pipeline, check: Check) -> Iterator[None]:
    """Have a check made around each load of a pipeline.

    Args:
        pipeline: with its destination.
        check: raises where the lock is lost.
    """
    own = vars(pipeline.destination)
    make: Any = pipeline.destination.client

    def client(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - dlt's client of a load
        job = make(*args, **options)
        begin, complete = job.update_stored_schema, job.complete_load

        def begin_checked(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - dlt's signature
            job.update_stored_schema = begin  # the staging dataset's comes at once
            check()
            return begin(*args, **options)

        def complete_checked(load_id: str) -> None:
            check()
            complete(load_id)

        job.update_stored_schema, job.complete_load = begin_checked, complete_checked
        return job

    own["client"] = client
    try:
        yield
    finally:
        del own["client"]
