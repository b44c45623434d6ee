"""Settings without effect: misspelt ones, and those of dlt that do not apply here."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from destinations.dlt_settings import PIPELINE, held
from destinations.resolve import FILE, make_destination
from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import HubSpotError

_PREFIX = "SOURCES__HUBSPOT__"
_NEARLY_OURS = re.compile(r"(?:HUBSPOT_+)?SOURCES?_+HUBSPOT_+(?P<key>\w+)", re.IGNORECASE)
_EXACTLY_OURS = re.compile(rf"(?:HUBSPOT__)?{_PREFIX}(?P<key>[A-Z0-9]\w*)")
_DLT = {"schema", "extract", "normalize", "load", "data_writer", "max_table_nesting"}
"""What dlt itself reads in a source's section."""
_HELD = {"objects", "only", "run", "hard_delete"}
"""Arguments of the source, which dlt reads there too; `held` names them."""
_OF_PLACES = {"destination_type", "file_mode", "naming_convention", "capabilities"}
"""What else is read in a destination's section."""


class Notice(NamedTuple):
    """A setting that is given in vain."""

    text: str
    remedy: str


def notices(destination: str = "duckdb") -> list[Notice]:
    """Return a notice for every setting that is given in vain.

    Args:
        destination: the one in use; settings of others are not looked at.
    """
    lost = [Notice(f"{name} has no effect here.", remedy) for name, remedy in held(destination)]
    misspelt = (*_misspelt_variables(), *_misspelt_in_files(), *_misspelt_place(destination))
    return list(dict.fromkeys([*misspelt, *lost]))


def _misspelt_variables() -> Iterator[Notice]:
    """Look through the environment for what nearly is a setting of ours."""
    for name in sorted(os.environ):
        nearly = _NEARLY_OURS.fullmatch(name)
        exactly = _EXACTLY_OURS.fullmatch(name)
        if nearly and not (exactly and _is_known(exactly["key"].lower().split("__"))):
            key = re.sub("_+", "_", nearly["key"].lower()).strip("_")
            yield _unknown(name, key, lambda key: f"{_PREFIX}{key.upper()}")


def _misspelt_in_files() -> Iterator[Notice]:
    """Look through the files of settings for unknown keys in the section of the source."""
    for provider in Container()[PluggableRunContext].providers.providers:
        if provider.name == "Environment Variables":
            continue
        section, _ = provider.get_value(PIPELINE, dict, None, "sources")
        given = section if isinstance(section, dict) else {}
        for key, value in given.items():
            if not _is_known([key, *(value if isinstance(value, dict) else ())]):
                where = provider.get_value_location(key, None, "sources", PIPELINE)
                yield _unknown(f"[sources.hubspot] {key} in {where}", key, str)
        for name, content in _sections(provider):
            if _is_misspelt_section(name) and isinstance(content, dict):
                yield Notice(f"[{name}] has no effect.", "Did you mean [sources.hubspot]?")


def _misspelt_place(destination: str) -> Iterator[Notice]:
    """Look through the environment for unknown settings of the destination in use."""
    name = "duckdb" if destination.endswith(FILE) else destination
    try:
        known = {*make_destination(name).spec.get_resolvable_fields(), *_OF_PLACES}
    except HubSpotError:
        return  # the command will say what is wrong
    prefix = f"DESTINATION__{name.upper()}__"
    for variable in sorted(os.environ):
        key = variable.removeprefix(prefix).lower()
        if variable.startswith(prefix) and key.split("__")[0] not in known:
            yield _unknown(variable, key, lambda key: f"{prefix}{key.upper()}", known)


def _sections(provider: ConfigProvider) -> Iterator[tuple[str, Any]]:
    """Yield the sections that may be meant for the source, with their names."""
    for outer in ("sources", "source"):
        inner = provider.get_value(outer, dict, None)[0]
        if isinstance(inner, dict):
            yield from ((f"{outer}.{name}", content) for name, content in inner.items())


def _is_misspelt_section(name: str) -> bool:
    return name != "sources.hubspot" and bool(get_close_matches(name, ["sources.hubspot"], 1, 0.9))


def _is_known(path: list[str]) -> bool:
    """Whether something reads a key of the source's section; deeper ones are dlt's or a table's."""
    key = path[0]
    if key in HubSpotConfig() or key in _DLT | _HELD:
        return True
    return len(path) > 1 and not get_close_matches(key, list(HubSpotConfig()), 1)


def _unknown(
    what: str,
    key: str,
    spell: Callable[[str], str],
    known: Collection[str] = tuple(HubSpotConfig()),
) -> Notice:
    near = get_close_matches(key, known, 1)
    remedy = f"Did you mean {spell(near[0])}?" if near else "Correct or remove it."
    return Notice(f"There is no setting {what}; it has no effect.", remedy)
