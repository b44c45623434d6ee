"""What the destination keeps of earlier runs, looked at without leaving anything behind."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dlt
from dlt.common.configuration.container import Container
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime.collector import NULL_COLLECTOR
from dlt.common.runtime.collector_base import Collector
from dlt.common.schema.normalizers import configured_normalizers, import_normalizers
from dlt.pipeline.pipeline import Pipeline

from destinations.dlt_settings import PIPELINE, own_settings
from destinations.failures import another_naming
from destinations.warehouse import (
    duckdb_path,
    explained,
    is_duckdb,
    make_destination,
    open_destination,
)
from pipelines.copy import WarehouseCopy
from pipelines.quicker_dlt import quickened
from pipelines.workdir import working_folder
from sources.hubspot.client import Client
from sources.hubspot.portal_types import PortalTypes, read_portal_types
from sources.hubspot.state import SourceState


@contextmanager
def hubspot_pipeline(
    folder: Path, destination: str, dataset: str, collector: Collector = NULL_COLLECTOR
) -> Iterator[Pipeline]:
    """Make the pipeline that a dataset is written with; afterwards dlt is as it was before.

    Args:
        folder: dlt's working directory.
        destination: its name, as `make_destination` takes it.
        dataset: schema of the tables, as a person wrote it; `dataset_of` tells its real name.
        collector: where progress goes.

    Raises:
        ConfigError: the destination's settings or driver are missing or wrong.
    """
    active = Container()[PipelineContext]
    before = active.pipeline() if active.is_active() else None
    with quickened, own_settings:
        with explained(destination):
            pipeline = dlt.pipeline(
                PIPELINE,
                pipelines_dir=str(folder),
                destination=make_destination(destination),
                dataset_name=dataset,
                dev_mode=False,
                progress=collector,
            )
        try:
            yield pipeline
        finally:
            if pipeline.is_active:
                pipeline.deactivate()
    if before is not None:
        active.activate(before)


@contextmanager
def stored_pipeline(destination: str, dataset: str) -> Iterator[Pipeline]:
    """Open a dataset as a sync would find it; the working directory ends with the context.

    Raises:
        ConfigError: the destination's settings or driver are missing or wrong.
        WarehouseError: the destination does not answer or refuses to write.
    """
    with (
        working_folder() as folder,
        hubspot_pipeline(folder, destination, dataset) as pipeline,
        open_destination(pipeline),
    ):
        restore(pipeline, destination)
        yield pipeline


def restore(pipeline: Pipeline, destination: str) -> None:
    """Take over schema and state from the destination, where there are any.

    Raises:
        ConfigError: the settings name another naming convention than the dataset was made with.
        WarehouseError: the destination does not answer.
    """
    with explained(destination):
        if exists(pipeline):
            pipeline.sync_destination()
        check_naming(pipeline)


def check_naming(pipeline: Pipeline) -> None:
    """Refuse to name columns in another way than the tables of the dataset do.

    Raises:
        ConfigError: the naming conventions differ.
    """
    if not pipeline.default_schema_name:
        return
    made = pipeline.default_schema
    asked = _configured_naming(pipeline)
    if type(asked) is not type(made.naming):
        raise another_naming(made.naming.name(), asked.name())


def _configured_naming(pipeline: Pipeline) -> NamingConvention:
    """Return the naming convention of the settings, else the destination's."""
    with pipeline._maybe_destination_capabilities():  # noqa: SLF001 - dlt's own way to ask
        return import_normalizers(configured_normalizers(schema_name=PIPELINE))[1]


def dataset_of(pipeline: Pipeline) -> str:
    """Return the name that the dataset has in the destination."""
    sql = getattr(pipeline.destination_client(), "sql_client", None)
    return sql.dataset_name if sql else pipeline.dataset_name


def source_state(pipeline: Pipeline) -> SourceState:
    """Return a copy of the source's state, empty where no sync has been."""
    return SourceState(copy.deepcopy(pipeline.state.get("sources", {}).get("hubspot", {})))


def commit(pipeline: Pipeline, edit: Callable[[SourceState], None]) -> None:
    """Change the state and store it in the destination, in a load that brings nothing else."""
    with pipeline.managed_state(extract_state=True) as state:
        edit(SourceState(state.setdefault("sources", {}).setdefault("hubspot", {})))
    pipeline.normalize()
    pipeline.load()


def portal_types(
    client: Client, state: SourceState, copy: WarehouseCopy | None = None
) -> PortalTypes:
    """Ask HubSpot which object types the portal has; see `read_portal_types`."""
    normalize = dlt.Schema(PIPELINE).naming.normalize_identifier
    return read_portal_types(client, state, normalize, copy)


def exists(pipeline: Pipeline) -> bool:
    """Whether there is anything to read; opening a DuckDB file that is not there would make it."""
    return not is_duckdb(pipeline) or duckdb_path(pipeline.destination_client().config).exists()
