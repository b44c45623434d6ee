"""Computes once what dlt computes of a schema, or a state, again and again.

Each answers as the part of dlt does that it stands in for; see `stand_ins`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from hashlib import blake2b
from typing import Any

from dlt.common import json, validation
from dlt.common.configuration.container import Container
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.json import PUA_START_UTF8_MAGIC, custom_pua_decode
from dlt.common.normalizers.json import helpers
from dlt.common.schema import schema as schema_module
from dlt.common.schema import utils as schemas
from dlt.common.schema.typing import TSchemaTables, TStoredSchema, TTableSchema
from dlt.load import utils as load_utils

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
_resolve_merge_strategy: Any = helpers.resolve_merge_strategy  # type: ignore[attr-defined]
_nested_tables = schemas.get_nested_tables
_version_hash = schemas.generate_version_hash
_validate = schemas.validate_stored_schema
_typed_loads = json.typed_loads
_PLAIN = {bool, float, int, str, type(None)}


def of_schemas() -> Sequence[tuple[Any, str, Any]]:
    """Return what stands in for what: a module of dlt's, a name in it, what is quicker."""
    return (
        (validation, "get_type_hints", _type_hints),
        *((validation, name, _known_types(ask)) for name, ask in _OF_TYPES.items()),
        (helpers, "resolve_merge_strategy", _merge_strategy),
        (schemas, "generate_version_hash", partial(_hashed, {})),
        (schemas, "validate_stored_schema", _validated),
        *((where, "deepcopy", _cloned) for where in (schemas, schema_module)),
        *((where, "get_nested_tables", _with_nested) for where in (schemas, load_utils, helpers)),
        (json, "typed_loads", _loaded),
    )


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


def _cloned(held: Any) -> Any:  # noqa: ANN401 - what schemas hold
    """Copy a part of a schema, which holds dictionaries, lists and plain values."""
    kind = type(held)
    if kind is dict:
        return {key: one if type(one) in _PLAIN else _cloned(one) for key, one in held.items()}
    if kind is list:
        return [_cloned(one) for one in held]
    return held if kind in _PLAIN else deepcopy(held)


def _with_nested(
    tables: TSchemaTables,
    table_name: str,
    max_nesting: int | None = None,
    include_self: bool | None = True,  # noqa: FBT001, FBT002 - dlt's signature
) -> list[TTableSchema]:
    """Return a table and those nested in it; dlt looks at all tables for each, and again for each.

    None of ours is nested.
    """
    if any(table.get("parent") for table in tables.values()):
        return _nested_tables(tables, table_name, max_nesting, include_self)
    return [tables[table_name]] if include_self and table_name in tables else []


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
    """Return how a table is merged: not at all, or as it says itself, where that can be done.

    dlt asks for each table of a schema, and prepares it to be loaded in order to answer.
    """
    if table.get("write_disposition") != "merge":
        return None
    can, said = Container().get(DestinationCapabilitiesContext), table.get("x-merge-strategy")
    if can and not can.merge_strategies_selector and said in (can.supported_merge_strategies or ()):
        return said
    return _resolve_merge_strategy(tables, table)


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
