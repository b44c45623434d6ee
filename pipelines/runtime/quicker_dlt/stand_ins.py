"""Computes once what dlt, or DuckDB, computes again and again; saves half of a small sync.

dlt has no setting for any of it. What stands in for a part of it answers as that part does.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cache, partial
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from dlt.common.configuration import inject, resolve
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigProvider, EnvironProvider
from dlt.common.configuration.specs.base_configuration import (
    BaseConfiguration,
    is_context_inner_hint,
)
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.data_writers.buffered import BufferedDataWriter
from dlt.common.destination.configuration import ParquetFormatConfiguration
from dlt.common.schema import Schema
from dlt.common.storages import LiveSchemaStorage
from dlt.pipeline.pipeline import Pipeline

from destinations.dlt_settings import Shared, exchanged_providers
from pipelines.runtime.quicker_dlt.schemas import of_schemas

SECRET_FILES = Path("/run/secrets")

_is_secret_hint: Any = resolve.is_secret_hint  # type: ignore[attr-defined]
_resolve_single_value: Any = resolve._resolve_single_value  # noqa: SLF001 - as below
_resolve_configuration: Any = inject.resolve_configuration  # type: ignore[attr-defined]
_log_traces: Any = resolve.log_traces  # type: ignore[attr-defined]
_OF_FILES = (BufferedDataWriter.BufferedDataWriterConfiguration, ParquetFormatConfiguration)
"""Settings that dlt resolves for each file that it writes."""
_count: Any = BaseConfiguration.__len__
_counted: dict[type, int] = {}


class Environment(EnvironProvider):
    """Settings from environment variables alone.

    dlt finds out of each of them whether it is a secret, to look for a file of it.
    """

    def get_value(
        self,
        key: str,
        hint: type[Any],  # noqa: ARG002 - dlt's signature
        pipeline_name: str | None,
        *sections: str,
    ) -> tuple[Any | None, str]:
        """Return a variable, None where it is not set, and its name."""
        name = self.get_key_name(key, pipeline_name or "", *sections)
        return os.environ.get(name), name


class NoPandas(MetaPathFinder):
    """Says at once that pandas is not there.

    DuckDB looks for it twice in every statement, each time through every folder of the path.
    """

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> None:
        """Leave all others to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Have pandas refused until the context ends, where it is not installed."""
    refused = any(isinstance(finder, NoPandas) for finder in sys.meta_path)
    if refused or find_spec("pandas"):
        yield
        return
    finder = NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class OwnSchemas(LiveSchemaStorage):
    """The schemas in a folder that this process alone writes to, so what is in memory is there."""

    def __getitem__(self, name: str) -> Schema:
        """Return a schema, from its file only if it was neither read nor written before."""
        return self.live_schemas.get(name) or super().__getitem__(name)


@contextmanager
def _quickened() -> Iterator[None]:
    before = [(where, name, getattr(where, name)) for where, name, _ in _stand_ins()]
    for where, name, quicker in _stand_ins():
        setattr(where, name, quicker)
    try:
        with exchanged_providers(_quicker), without_pandas():
            yield
    finally:
        for where, name, own in before:
            setattr(where, name, own)


def _stand_ins() -> Sequence[tuple[Any, str, Any]]:
    """Return what stands in for what: a module or class of dlt's, a name in it, what is quicker."""
    return (
        (resolve, "is_secret_hint", cache(_is_secret_hint)),
        (resolve, "_resolve_single_value", partial(_single_value, {})),
        (resolve, "log_traces", _traced),
        (inject, "resolve_configuration", partial(_of_file, {})),
        (BaseConfiguration, "__len__", _count_settings),
        *of_schemas(),
    )


def _quicker(providers: Sequence[ConfigProvider]) -> list[ConfigProvider]:
    """Return providers of settings that look for no files of secrets where there are none.

    A machine that has a folder for such files keeps dlt's way of looking there.
    """
    own = Environment()
    if SECRET_FILES.exists():
        return list(providers)
    return [own if provider.name == own.name else provider for provider in providers]


quickened = Shared(_quickened)
"""As a context: dlt remembers the types of its schemas and its settings, and looks for no files of
secrets; pandas is not looked for."""


def _single_value(
    known: dict[object, tuple[Sequence[ConfigProvider], Any, Sequence[Any]]],
    key: str,
    hint: Any,  # noqa: ANN401 - any type
    inner_hint: Any,  # noqa: ANN401 - any type
    *sections: Any,  # noqa: ANN401 - names, or tuples of them
) -> tuple[Any, list[Any]]:
    """Return a setting and where it was looked for; providers are asked once for each.

    dlt asks them again for each file that it writes, in each section that may hold a setting.
    What is found depends on the providers, and on where dlt is at.
    """
    if is_context_inner_hint(inner_hint):  # no setting: it may be another one at any time
        return cast(
            "tuple[Any, list[Any]]", _resolve_single_value(key, hint, inner_hint, *sections)
        )
    container = Container()
    providers = container[PluggableRunContext].providers.providers
    at = container[ConfigSectionContext]
    asked = (id(providers), key, hint, inner_hint, sections, at.pipeline_name, at.sections)
    if asked not in known:
        value, traces = _resolve_single_value(key, hint, inner_hint, *sections)
        known[asked] = (
            providers,
            value,
            traces,
        )  # with the providers, so that no others have their id
    _, value, traces = known[asked]
    return value, [*traces]


def _traced(*looked_up: Any) -> None:  # noqa: ANN401 - dlt's
    """Log where a setting was looked up, unless the thread keeps no such log."""
    if get_resolved_traces().logging_enabled:
        _log_traces(*looked_up)


@contextmanager
def untraced() -> Iterator[None]:
    """Keep no log of settings in this thread: dlt would keep each that it looks up, for no one."""
    log = get_resolved_traces()
    before, log.logging_enabled = log.logging_enabled, False
    try:
        yield
    finally:
        log.logging_enabled = before


def _of_file(
    known: dict[object, tuple[object, BaseConfiguration]],
    config: BaseConfiguration,
    *,
    explicit_value: Any = None,  # noqa: ANN401 - dlt's
    **options: Any,  # noqa: ANN401 - dlt's
) -> BaseConfiguration:
    """Return settings; those of a file are what they were for the last one that was made alike."""
    if type(config) not in _OF_FILES:
        resolved = _resolve_configuration(config, explicit_value=explicit_value, **options)
        return cast("BaseConfiguration", resolved)
    container, names = Container(), config.get_resolvable_fields()
    providers = container[PluggableRunContext].providers.providers
    given = {name: value for name, value in explicit_value.items() if name in names}
    at = container[ConfigSectionContext]
    values = tuple((name, id(value)) for name, value in given.items())
    asked = type(config), values, id(providers), at.pipeline_name, at.sections
    if asked not in known:  # with what is known by its id, so that nothing else has it
        resolved = _resolve_configuration(config, explicit_value=explicit_value, **options)
        known[asked] = (given, providers), resolved
    return copy(known[asked][1])


def _count_settings(config: BaseConfiguration) -> int:
    """Count the settings of a configuration, which are those of its class.

    dlt does it to learn whether there is a configuration at all, some hundreds of times a load.
    """
    kind = type(config)
    if kind not in _counted:
        _counted[kind] = _count(config)
    return _counted[kind]


def keep_schemas(pipeline: Pipeline) -> None:
    """Let a pipeline whose working folder is its own read each schema once."""
    settings = pipeline._schema_storage_config  # noqa: SLF001 - dlt makes the storage itself
    pipeline._schema_storage = OwnSchemas(settings, makedirs=True)  # noqa: SLF001
