"""What the state looks like when nobody has damaged it: its members and their types."""

import copy
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..errors import ConfigError
from ..listing.ranges import Range
from ..model import Kind

Instant = Annotated[datetime, Meta(tz=True)]
Digits = Annotated[str, Meta(pattern="^[0-9]+$")]


class Export(msgspec.Struct):
    """An export that was started, and how many of its rows are loaded."""

    id: str
    rows: int = 0


class Backfill(msgspec.Struct):
    """A listing of all live records that goes on in the next load."""

    started_at: Instant
    anew: bool
    run_id: str = ""
    ranges: list[Range] | None = None
    total: int | None = None
    last_id: int | None = None
    way: Literal["keyset", "search", "cursor"] = "keyset"
    rows: int = 0
    spare: float = 0
    swept: bool = True
    """Whether the archive was listed before the live records."""
    export: Export | None = None
    """None, where it is there at all: decided against."""


class Increment(msgspec.Struct):
    """A search for changes that goes on in the next load."""

    started_at: Instant
    since: Instant
    after_id: Digits
    searched: bool = False
    vouched: bool = False
    """Whether the search surely found all that changed."""


class Archive(msgspec.Struct):
    """The sweep of archived records: the last one, and one that goes on in the next load."""

    swept_at: Instant | None = None
    settled: bool = False
    calls: int = 0
    ranges: list[Range] | None = None
    started_at: Instant | None = None
    columns_at: Instant | None = None
    """When columns last came, which the tombstones of an older sweep lack."""
    seen: list[str] = []
    """Ids that were archived at the last sweep, where no tombstone tells."""


class Calculated(msgspec.Struct):
    """The sweep of calculated values: the last one, and one that goes on."""

    swept_at: Instant | None = None
    settled: bool = False
    started_at: Instant | None = None
    ranges: list[Range] | None = None
    last_id: int | None = None


class Owed(msgspec.Struct):
    """Properties whose columns are to be filled for the records that have a value."""

    properties: list[str]
    columns: list[str]
    returned: list[str]
    """Of these, the columns that may hold values from before."""
    began_at: Instant
    after_id: Digits = "0"
    searched: str = ""
    again_at: Instant | None = None
    """When to search once more, for search may not have shown all values yet."""


class Census(msgspec.Struct):
    """Whether the table is to be counted by ranges of ids."""

    owed: bool = False


class TableShape(msgspec.Struct):
    """The state of one object table."""

    watermark: Instant | None = None
    searched_at: Instant | None = None
    """The watermark of the last run whose listing or search vouches for all before it."""
    total: int | None = None
    recent: dict[str, int] = {}
    works: list[tuple[Instant, Instant]] = []
    listed_at: Instant | None = None
    anew: bool = False
    refused: list[str] = []
    """Ids that HubSpot refused to read, or that a load left to the next."""
    unexplained: list[int] = []
    """Live records of the portal and of the table that differed last time, for no reason found."""
    archive: Archive | UnsetType = UNSET
    calculated: Calculated | UnsetType = UNSET
    census: Census | UnsetType = UNSET
    owed: list[Owed] = []
    backfill: Backfill | UnsetType = UNSET
    increment: Increment | UnsetType = UNSET


Columns = dict[str, list[tuple[str, str, Kind, str, str]]]


class LinkSweep(msgspec.Struct):
    """A reading of all links of a pair that goes on in the next load."""

    side: Literal["source", "target", "target alone"]
    began_at: Instant
    after: str = ""
    told: int = 0
    differing: int = 0


class LinksShape(msgspec.Struct):
    """The state of one pair of linked tables."""

    owed: bool | str = False
    swept_at: Instant | None = None
    settled: bool = False
    empty: bool = False
    told_by: Literal["source", "target"] | UnsetType = UNSET
    differing: int = 0
    sweep: LinkSweep | UnsetType = UNSET


class Cached(msgspec.Struct):
    """Something of HubSpot's that is read again when it is old; `value` is judged where used."""

    read_at: Instant
    value: Any = None


class Spent(msgspec.Struct):
    """What larger sweeps have used of a day."""

    day: str = ""
    calls: int = 0


class SourceShape(msgspec.Struct):
    """The state of the whole source."""

    portal_id: int | None = None
    hard_delete: bool = False
    worked_until: Instant | None = None
    resources: dict[str, TableShape] = {}
    custom_tables: dict[str, str] = {}
    gone: dict[str, Instant] = {}
    cache: dict[str, Cached] = {}
    columns: Columns = {}
    since: dict[str, dict[str, Instant]] = {}
    links: dict[str, LinksShape] = {}
    digests: dict[str, str] = {}
    reads: dict[str, Instant] = {}
    cleanup: list[str] = []
    exports: list[Instant] = []
    sweeps: Spent | UnsetType = UNSET


class Damage(NamedTuple):
    """A part of the state that nobody could have written."""

    part: str
    """Such as `cache.labels`."""
    reason: str
    remedy: str = ""
    """What to do; empty where it is mended: what it held is read again."""
    table: str = ""
    """The object table whose state it is."""

    def __str__(self) -> str:
        told = self.remedy or "It is read again."
        return f"The state in the warehouse is damaged at {self.part}: {self.reason}. {told}"


NAME = "hubspot"
"""The name of the source, by which dlt keeps its state."""
SOURCE = f"sources.{NAME}"
"""The place of the source's state in dlt's."""
AS_BEFORE = (
    "Delete the newest row of _dlt_pipeline_state to go on from the load before it, or load into"
    " another --dataset."
)
"""The remedy for what cannot be read again."""
_PRECIOUS = frozenset({"portal_id", "columns"})
"""Members that nothing can tell again."""
_WHOLE = frozenset({"custom_tables"})
"""Members that are learned again as a whole, or not at all."""
_INSTEAD: dict[str, Callable[[], Any]] = {
    "links": lambda: {"owed": "must"},
    "resources": lambda: {"anew": True},
}
"""What takes the place of a damaged entry, where it is not just left out."""


def reset_of(tables: Iterable[str]) -> str:
    """Return the remedy for tables whose state is damaged."""
    named = " ".join(f"--table {table}" for table in tables)
    return f"Run `hubspot-elt state reset {named}`; the next sync reads them completely."


def mend(state: object) -> tuple[dict[str, Any], list[Damage]]:
    """Return a copy of the source's state without its damaged parts, and what they were.

    Guarantees: the copy has the shape of `SourceShape`, whatever the state is.
    """
    if not isinstance(state, Mapping):
        return {}, [Damage(SOURCE, _reason(state, dict[str, Any]), AS_BEFORE)]
    mended, damages = copy.deepcopy(dict(state)), list[Damage]()
    for name, shape in get_type_hints(SourceShape, include_extras=True).items():
        if name in mended and not _fits(mended[name], shape):
            damages += _mend_member(mended, name, shape)
    return mended, damages


def _mend_member(state: dict[str, Any], name: str, shape: Any) -> list[Damage]:  # noqa: ANN401
    """Take what is damaged out of a member of the state."""
    value, reason = state[name], _reason(state[name], shape)
    if not isinstance(value, dict) or name in _PRECIOUS | _WHOLE or get_origin(shape) is not dict:
        del state[name]
        if name == "cleanup":
            state[name] = _all_tables(state)
        needs_remedy = name in _PRECIOUS or name == "resources"
        return [Damage(name, reason, AS_BEFORE if needs_remedy else "")]
    entry_shape = get_args(shape)[1]
    damages = []
    for key in [key for key, entry in value.items() if not _fits(entry, entry_shape)]:
        table = key if name == "resources" else ""
        remedy = reset_of([table]) if table else ""
        damages.append(Damage(f"{name}.{key}", _reason(value[key], entry_shape), remedy, table))
        del value[key]
        if name in _INSTEAD:
            value[key] = _INSTEAD[name]()
    return damages


def _all_tables(state: Mapping[str, Any]) -> list[str]:
    """Name all tables and link tables of a state, as far as it can be read."""
    parts = [state.get(name) for name in ("resources", "links")]
    return sorted({key for part in parts if isinstance(part, dict) for key in part})


def _fits(value: object, shape: Any) -> bool:  # noqa: ANN401
    return not _reason(value, shape)


def _reason(value: object, shape: Any) -> str:  # noqa: ANN401
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def mend_in_place(state: object) -> list[Damage]:
    """Take the damaged parts out of a state; return what they were."""
    mended, damages = mend(state)
    if damages and isinstance(state, MutableMapping):
        state.clear()
        state.update(mended)
    return damages


def refuse(damages: Sequence[Damage]) -> None:
    """Refuse a state that cannot be mended by reading HubSpot again.

    Raises:
        ConfigError: with a remedy for all of it.
    """
    refused = [one for one in damages if one.remedy]
    if not refused:
        return
    tables = [one.table for one in refused if one.table]
    lost = [one for one in refused if not one.table]
    parts = "; ".join(f"{one.part}: {one.reason}" for one in refused)
    raise ConfigError(
        f"The state in the warehouse (_dlt_pipeline_state) is damaged: {parts}.",
        remedy=AS_BEFORE if lost else reset_of(tables),
    )
