"""Warehouse and portal, opened together for one run, which is the only one that writes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dlt.common.runtime.collector_base import Collector
from dlt.pipeline.pipeline import Pipeline

from destinations.connections import interrupt
from destinations.locks import Patience, claimed
from destinations.resolve import explained, keeps_nul
from pipelines.cli.output.progress import RunCollector
from pipelines.runtime.quicker_dlt.stand_ins import keep_schemas
from pipelines.runtime.repair import recover, refuse_missing, repair
from pipelines.runtime.run_log import RunLog
from pipelines.runtime.signals import hurrying
from pipelines.runtime.stored import check_naming, hubspot_pipeline, intact, mend_stored
from pipelines.runtime.workdir import working_folder
from sources.hubspot import Run, open_run
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.warehouse.view import held_open


@contextmanager
def opened(
    log: RunLog,
    collector: Collector,
    config: HubSpotConfig | None,
    *,
    wait_seconds: float = 0.0,
    mends: bool = True,
) -> Iterator[tuple[Pipeline, Run]]:
    """Open warehouse and portal for one run, which is the only one that writes the dataset.

    Whatever ends it, `log` writes it to the warehouse, or keeps it where that is out of reach.

    Args:
        log: of the run; it knows where the run writes.
        collector: where progress goes.
        config: the source's settings; dlt's configuration where None.
        wait_seconds: for another run, or another program, that has the dataset.
        mends: whether missing tables and columns are created again, instead of refused.

    Raises:
        HubSpotError: settings, token, portal or destination fail, or another run is at work.
    """
    with (
        hurrying(interrupt),
        log.recording(),
        working_folder() as folder,
        hubspot_pipeline(folder, log.destination, log.dataset, collector) as pipeline,
    ):
        keep_schemas(pipeline)
        log.at(pipeline)
        notify = collector.notify if isinstance(collector, RunCollector) else str
        with claimed(pipeline, Patience(wait_seconds, notify)), log.writing(pipeline):
            run = open_run(config)
            run.set_options(folder=str(folder))
            try:
                with hurrying(run.client.abort), ExitStack() as held:
                    log.attach(run)
                    with explained(log.destination):
                        held.enter_context(held_open(pipeline))
                    lost = _restore(pipeline, log.destination)
                    run.store.note_damages(mend_stored(pipeline))
                    check_naming(pipeline)
                    with explained(log.destination):
                        if not mends:
                            refuse_missing(pipeline, lost)
                        repair(pipeline, run, lost)
                    run.set_options(strip_nul=not keeps_nul(log.destination))
                    yield pipeline, run
            finally:
                run.close()


def _restore(pipeline: Pipeline, destination: str) -> dict[str, str]:
    """Take over schema and state from the destination; return what a dataset has lost of them."""
    with intact(pipeline), explained(destination):
        lost = recover(pipeline)
    pipeline._state_restored = True  # noqa: SLF001 - else dlt's first run reads all of it again
    return lost
