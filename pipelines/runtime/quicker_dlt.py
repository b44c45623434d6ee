"""Computes once what dlt computes for every load; saves a third of a small sync.

dlt has no setting for any of it. What stands in for a part of it answers as that part does.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import ConfigProvider, EnvironProvider
from dlt.common.schema import Schema
from dlt.common.storages import LiveSchemaStorage
from dlt.pipeline.pipeline import Pipeline

from destinations.dlt_settings import Shared, exchanged_providers

SECRET_FILES = Path("/run/secrets")

_get_type_hints: Any = validation.get_type_hints  # type: ignore[attr-defined]
_hints: dict[type, dict[str, Any]] = {}
_is_secret_hint: Any = resolve.is_secret_hint  # type: ignore[attr-defined]


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


class OwnSchemas(LiveSchemaStorage):
    """The schemas in a folder that this process alone writes to, so what is in memory is there."""

    def __getitem__(self, name: str) -> Schema:
        """Return a schema, from its file only if it was neither read nor written before."""
        return self.live_schemas.get(name) or super().__getitem__(name)


@contextmanager
def _quickened() -> Iterator[None]:
    types: Any = validation.get_type_hints  # type: ignore[attr-defined]
    secrets: Any = resolve.is_secret_hint  # type: ignore[attr-defined]
    validation.get_type_hints = _type_hints  # type: ignore[assignment, attr-defined]
    resolve.is_secret_hint = cache(_is_secret_hint)  # type: ignore[assignment, attr-defined]
    try:
        with exchanged_providers(_quicker):
            yield
    finally:
        validation.get_type_hints = types  # type: ignore[attr-defined]
        resolve.is_secret_hint = secrets  # type: ignore[attr-defined]


def _quicker(providers: Sequence[ConfigProvider]) -> list[ConfigProvider]:
    """Return providers of settings that look for no files of secrets where there are none.

    A machine that has a folder for such files keeps dlt's way of looking there.
    """
    own = Environment()
    if SECRET_FILES.exists():
        return list(providers)
    return [own if provider.name == own.name else provider for provider in providers]


quickened = Shared(_quickened)
"""As a context: dlt remembers the types of its schemas, and looks for no files of secrets."""


def keep_schemas(pipeline: Pipeline) -> None:
    """Let a pipeline whose working folder is its own read each schema once."""
    settings = pipeline._schema_storage_config  # noqa: SLF001 - dlt makes the storage itself
    pipeline._schema_storage = OwnSchemas(settings, makedirs=True)  # noqa: SLF001


def _type_hints(spec: type, globalns: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the types of a typed dictionary's members."""
    if spec not in _hints:
        _hints[spec] = _get_type_hints(spec, globalns=globalns)
    return _hints[spec]
