"""Which of dlt's own settings reach a pipeline of ours: those that cannot change what it writes.

dlt answers each of its switches from bare environment variables too, so that `DEV_MODE=true`, meant
for another program, would send a sync into a dataset of its own.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from threading import RLock
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

PIPELINE = "hubspot"
"""Name of every pipeline of ours; dlt takes it for a section of settings as well."""


@dataclass(frozen=True, slots=True)
class Held:
    """Settings of dlt's that are held back from our pipelines."""

    sections: tuple[str, ...]
    keys: tuple[str, ...]
    remedy: str


_DATASET = "--dataset names the dataset."
_FIXED = "Remove it; a sync depends on dlt's default."
HELD = (
    Held(
        ("pipelines", PIPELINE),
        ("dev_mode", "dataset_name", "dataset_name_layout", "use_single_dataset"),
        _DATASET,
    ),
    Held(
        ("pipelines", PIPELINE),
        ("full_refresh", "refresh"),
        "sync --full-refresh reads everything again.",
    ),
    Held(
        ("pipelines", PIPELINE),
        ("restore_from_destination", "import_schema_path", "export_schema_path", "progress"),
        _FIXED,
    ),
    Held(
        ("schema",),
        (
            "json_normalizer",
            "allow_identifier_change_on_table_with_data",
            "use_break_path_on_normalize",
        ),
        _FIXED,
    ),
    Held(("extract",), ("next_item_mode",), _FIXED),
    Held(("normalize",), ("workers",), _FIXED),
    Held(("normalize", "parquet_normalizer"), ("add_dlt_id", "add_dlt_load_id"), _FIXED),
    Held(
        ("load",),
        ("raise_on_failed_jobs", "raise_on_max_retries", "delete_completed_jobs"),
        _FIXED,
    ),
    Held(("destination", "*"), ("replace_strategy",), _FIXED),
    Held(("sources", PIPELINE), ("objects", "only"), "sync --objects chooses the tables."),
    Held(("sources", PIPELINE), ("hard_delete",), "sync --hard-delete removes deleted records."),
    Held(("sources", PIPELINE), ("run",), _FIXED),
)
"""Of dlt 1.31's settings of pipelines, their steps and their sources, those that decide where rows
go, which of them, in what form, or whether a load that failed counts as done. The others, such as
`load.workers`, `data_writer` or `runtime`, are left to the user; so is `schema.naming`, for as long
as a dataset keeps the one that it was made with."""

_OFF_BY_DEFAULT = {"dev_mode", "full_refresh", "hard_delete"}
_OFF = {"", "0", "false", "no", "off"}
_PRESET: Mapping[str, Any] = {"intercept_signals": False}
"""A signal ends a run at once instead of after the load that is being written."""
_DEFAULTS: Mapping[str, Any] = {"buffer_max_items": 200}
"""Of data writers. Tables come as large as memory allows: dlt need not wait for 5,000 rows."""


class _Defaults(ConfigProvider):
    """The last provider asked: defaults other than dlt's."""

    name = "hubspot-elt"
    supports_secrets = False
    supports_sections = False  # so dlt asks once for each setting, instead of for each section

    def get_value(
        self,
        key: str,
        hint: type[Any],  # noqa: ARG002 - dlt's signature
        pipeline_name: str | None,  # noqa: ARG002
        *sections: str,  # noqa: ARG002
    ) -> tuple[Any | None, str]:
        """Return a default and its name."""
        return _DEFAULTS.get(key), key


class Shared:
    """A change of what all of the process shares: made by its first user, undone by its last.

    Users may be nested, or overlap in threads.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[None]]) -> None:
        """Keep what makes the change, for as long as its context lasts."""
        self._change, self._made = change, ExitStack()
        self._lock, self._users = RLock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._made.enter_context(self._change())
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._made.close()


@contextmanager
def exchanged_providers(
    exchange: Callable[[Sequence[ConfigProvider]], list[ConfigProvider]],
) -> Iterator[None]:
    """Let dlt ask other providers of settings until the context ends."""
    container = Container()[PluggableRunContext].providers
    before = container.providers
    container.providers = exchange(before)
    try:
        yield
    finally:
        container.providers = before


def _screen(providers: Sequence[ConfigProvider]) -> list[ConfigProvider]:
    return [*map(_screened, providers), _Defaults()]


own_settings = Shared(partial(exchanged_providers, _screen))
"""As a context: settings of `HELD` are held back; afterwards dlt is as it was, for all others."""


def held(destination: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting that is given and held back, and what to do instead.

    Words that any program may use for a variable of its own, such as `REFRESH`, are not named.
    """
    for row in HELD:
        sections = tuple(destination if name == "*" else name for name in row.sections)
        for key in row.keys:
            for name, value in _given(key, sections):
                off = key in _OFF_BY_DEFAULT and str(value).lower() in _OFF
                if not off and ("_" in name or "." in name):
                    yield name, row.remedy


def _given(key: str, sections: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield a setting's name and value wherever dlt would look it up."""
    providers = Container()[PluggableRunContext].providers.providers
    places = product(providers, (None, PIPELINE), range(len(sections), -1, -1))
    for provider, pipeline, count in places:
        value, name = provider.get_value(key, str, pipeline, *sections[:count])
        if value is not None:
            yield name, value


def _screened(provider: ConfigProvider) -> ConfigProvider:
    """Return a provider that answers as the given one does, but for what is held back."""
    screened = copy.copy(provider)
    vars(screened)["get_value"] = partial(_answer, provider)
    return screened


def _answer(
    provider: ConfigProvider,
    key: str,
    hint: type[Any],
    pipeline_name: str | None,
    *sections: str,
) -> tuple[Any | None, str]:
    value, name = provider.get_value(key, hint, pipeline_name, *sections)
    if key in _PRESET:
        return _PRESET[key], name
    return (None if value is not None and _is_held(key, sections) else value), name


def _is_held(key: str, sections: Sequence[str]) -> bool:
    """Whether dlt looks a held setting up: in its own section, or in one that is less exact."""
    return any(key in row.keys and (row.sections[0] in sections or not sections) for row in HELD)
