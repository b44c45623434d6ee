"""dlt's settings from environment variables, looked up with less ado."""

import os
from pathlib import Path
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import EnvironProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

SECRET_FILES = Path("/run/secrets")


class Environment(EnvironProvider):
    """Looks nowhere but into environment variables."""

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
    """Let dlt look for secrets in files only where the machine has any.

    dlt looks some thousand times a run, and works out each time whether what it looks for is a
    secret: a tenth of a small sync.
    """
    providers = Container()[PluggableRunContext].providers
    if not SECRET_FILES.exists() and Environment().name in providers:
        providers[Environment().name] = Environment()
