"""What dlt works out hundreds of times a run, worked out once: a fifth of a small sync.

Both stand-ins answer as dlt's own do, for its parts have no setting for either.
"""

import os
from pathlib import Path
from typing import Any

from dlt.common import validation
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import EnvironProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

SECRET_FILES = Path("/run/secrets")

_get_type_hints: Any = validation.get_type_hints  # type: ignore[attr-defined]
_hints: dict[type, dict[str, Any]] = {}


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


def quicken() -> None:
    """Let dlt remember the types of its schemas, and look for secrets in files only if any are."""
    validation.get_type_hints = _type_hints  # type: ignore[attr-defined]
    providers = Container()[PluggableRunContext].providers
    if not SECRET_FILES.exists() and Environment().name in providers:
        providers[Environment().name] = Environment()


def _type_hints(spec: type, globalns: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the types of a typed dictionary's members."""
    if spec not in _hints:
        _hints[spec] = _get_type_hints(spec, globalns=globalns)
    return _hints[spec]
