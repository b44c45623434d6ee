"""What earlier runs left in the destination, read without changing anything."""

import zlib
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
from dlt.pipeline.exceptions import PipelineStateEngineNoUpgradePathException
from dlt.pipeline.pipeline import Pipeline

from destinations.dlt_settings import PIPELINE, own_settings
from destinations.failures import another_naming, first_line
from destinations.resolve import (
    client_of,
    duckdb_path,
    explained,
    is_duckdb,
    make_destination,
    open_destination,
)
from pipelines.cli.output.report import chain
from pipelines.runtime.quicker_dlt.stand_ins import keep_schemas, quickened, untraced
from pipelines.runtime.workdir import working_folder
from sources.hubspot.errors import ConfigError
from sources.hubspot.http.client import Client
from sources.hubspot.run.portal.portal_types import PortalTypes, read_portal_types
from sources.hubspot.state.damage import AS_BEFORE, SOURCE, Damage, refuse
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import mended_state, put
from sources.hubspot.warehouse.view import WarehouseView


@contextmanager
def hubspot_pipeline(
    folder: Path, destination: str, dataset: str, collector: Collector = NULL_COLLECTOR
) -> Iterator[Pipeline]:
    """Make the pipeline that a dataset is written with; afterwards dlt is as it was before.

    Args:
        folder: dlt's working directory.
        destination: its name, as `make_destination` takes it.
        dataset: schema of the tables, as a person wrote it; `dataset_of` returns its real name.
        collector: where progress goes.

    Raises:
        ConfigError: the destination's settings or driver are missing or wrong.
    """
    active = Container()[PipelineContext]
    before = active.pipeline() if active.is_active() else None
    with quickened, own_settings, untraced():
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
        keep_schemas(pipeline)
        restore(pipeline, destination)
        yield pipeline


def restore(pipeline: Pipeline, destination: str) -> None:
    """Take over schema and state from the destination, where there are any.

    Raises:
        ConfigError: the settings name another naming convention than the dataset was made with.
        WarehouseError: the destination does not answer.
    """
    with intact(pipeline), explained(destination):
        if exists(pipeline):
            pipeline.sync_destination()
        check_naming(pipeline)


@contextmanager
def intact(pipeline: Pipeline) -> Iterator[None]:
    """Restore a state, and refuse one that is no state of dlt's, or holds none of this source.

    Raises:
        ConfigError: it is damaged; with the remedy.
    """
    try:
        yield
        refuse([one for one in mended_state(pipeline)[1] if one.part == SOURCE])
    except Exception as error:
        causes = [one for one in chain(error) if isinstance(one, _UNREADABLE)]
        if isinstance(error, ConfigError) or not causes:
            raise
        raise ConfigError(
            f"The state in {pipeline.dataset_name}._dlt_pipeline_state is damaged:"
            f" {first_line(causes[-1])}.",
            remedy=AS_BEFORE,
        ) from error


_UNREADABLE = (
    PipelineStateEngineNoUpgradePathException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    zlib.error,
)
"""What dlt raises where a stored state is none of its own."""


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


def mend_stored(pipeline: Pipeline) -> list[Damage]:
    """Take the damaged parts out of the state that was restored; return what they were."""
    known, damages = mended_state(pipeline)
    if damages:
        with pipeline.managed_state() as state:
            put(known, state)
    return damages


def commit(pipeline: Pipeline, edit: Callable[[SourceState], None]) -> None:
    """Change the state and store it in the destination, in a load that brings nothing else.

    Raises:
        ConfigError: it is damaged, beyond the state of single tables.
    """
    known, damages = mended_state(pipeline)
    refuse([one for one in damages if not one.table])
    edit(known)
    with pipeline.managed_state(extract_state=True) as state:
        put(known, state)
    pipeline.normalize()
    pipeline.load()


def portal_types(
    client: Client, state: SourceState, view: WarehouseView | None = None
) -> PortalTypes:
    """Ask HubSpot which object types the portal has; see `read_portal_types`."""
    normalize = dlt.Schema(PIPELINE).naming.normalize_identifier
    return read_portal_types(client, state, normalize, view)


def exists(pipeline: Pipeline) -> bool:
    """Whether there is anything to read; opening a DuckDB file that is not there would make it."""
    return not is_duckdb(pipeline) or duckdb_path(client_of(pipeline).config).exists()
