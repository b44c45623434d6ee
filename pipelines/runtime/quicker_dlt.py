"""Computes once what dlt, or DuckDB, computes again and again; saves half of a small sync.

dlt has no setting for any of it. What stands in for a part of it answers as that part does.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cache, partial
from hashlib import blake2b
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from dlt.common import json, validation
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
from dlt.common.json import PUA_START_UTF8_MAGIC, custom_pua_decode
from dlt.common.normalizers.json import helpers
from dlt.common.schema import Schema
from dlt.common.schema import utils as schemas
from dlt.common.schema.typing import TStoredSchema
from dlt.common.storages import LiveSchemaStorage
from dlt.pipeline.pipeline import Pipeline

from destinations.dlt_settings import Shared, exchanged_providers

SECRET_FILES = Path("/run/secrets")

_get_type_hints: Any = validation.get_type_hints  # type: ignore[attr-defined]
_hints: dict[type, dict[str, Any]] = {}
_OF_TYPES: dict[str, Callable[..., Any]] = {
    name: getattr(validation, name)
    for name in (
        *("extract_union_types", "get_literal_args"),
        *("is_literal_type", "is_optional_type", "is_union_type"),
    )
}
"""What dlt asks of the type of each hint of each column, to validate a schema."""
_is_secret_hint: Any = resolve.is_secret_hint  # type: ignore[attr-defined]
_resolve_single_value: Any = resolve._resolve_single_value  # noqa: SLF001 - as below
_resolve_merge_strategy: Any = helpers.resolve_merge_strategy  # type: ignore[attr-defined]
_resolve_configuration: Any = inject.resolve_configuration  # type: ignore[attr-defined]
_log_traces: Any = resolve.log_traces  # type: ignore[attr-defined]
_version_hash = schemas.generate_version_hash
_validate = schemas.validate_stored_schema
_typed_loads = json.typed_loads
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
        (validation, "get_type_hints", _type_hints),
        *((validation, name, _known_types(ask)) for name, ask in _OF_TYPES.items()),
        (resolve, "is_secret_hint", cache(_is_secret_hint)),
        (resolve, "_resolve_single_value", partial(_single_value, {})),
        (resolve, "log_traces", _traced),
        (inject, "resolve_configuration", partial(_of_file, {})),
        (helpers, "resolve_merge_strategy", _merge_strategy),
        (schemas, "generate_version_hash", partial(_hashed, {})),
        (schemas, "validate_stored_schema", _validated),
        (json, "typed_loads", _loaded),
        (BaseConfiguration, "__len__", _count_settings),
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


def _hashed(known: dict[bytes, str], stored: TStoredSchema) -> str:
    """Return the hash of a schema's content, worked out once.

    dlt asks some forty times a run, of three schemas or so.
    """
    content = json.dumpb({**stored, "version": 0, "version_hash": "", "previous_hashes": []})
    digest = blake2b(content).digest()
    if digest not in known:
        known[digest] = _version_hash(stored)
    return known[digest]


def _validated(stored: TStoredSchema) -> None:
    """Validate a schema, unless it has the hash of its content, so that dlt wrote it, valid."""
    if stored.get("version_hash") != schemas.generate_version_hash(stored):
        _validate(stored)


def _loaded(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with its typed values; the search for them ends with the last one.

    dlt looks at all that a state holds, for one or two times in its first members.
    """
    left = text.encode().count(PUA_START_UTF8_MAGIC)
    if "\\u" in text or not text.startswith("{"):
        return _typed_loads(text)
    loaded = json.loads(text)
    waiting: deque[Any] = deque([loaded])
    while left > 0 and waiting:
        held = waiting.popleft()
        for key, value in held.items() if isinstance(held, dict) else enumerate(held):
            if isinstance(value, (dict, list)):
                waiting.append(value)
            elif isinstance(value, str) and (decoded := custom_pua_decode(value)) is not value:
                held[key], left = decoded, left - 1
    return loaded


def _merge_strategy(tables: Any, table: Any) -> Any:  # noqa: ANN401 - dlt's
    """Return how a table is merged; that it is not takes no settings to know.

    dlt asks for each table of a schema, and resolves all that a destination can do to answer.
    """
    if table.get("write_disposition") != "merge":
        return None
    return _resolve_merge_strategy(tables, table)


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


def _known_types(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return what answers a question about a type once."""
    known: dict[int, tuple[object, Any]] = {}

    def answer(kind: object, **options: object) -> Any:  # noqa: ANN401 - dlt's
        found = known.get(id(kind))
        if found is None:
            found = known[id(kind)] = kind, ask(kind, **options)  # held, so its id stays its own
        return found[1]

    return answer


def _type_hints(spec: type, globalns: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the types of a typed dictionary's members."""
    if spec not in _hints:
        _hints[spec] = _get_type_hints(spec, globalns=globalns)
    return _hints[spec]
