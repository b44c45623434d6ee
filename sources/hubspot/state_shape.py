"""What the state looks like when nobody has damaged it: its members and their types."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from .errors import ConfigError
from .listing import Range
from .model import Kind


def check_shape(state: object, shape: Any, whose: str, remedy: str) -> None:  # noqa: ANN401
    """Refuse a state that this code did not write.

    Raises:
        ConfigError: it is damaged; `whose` and `remedy` go into the message.
    """
    try:
        msgspec.convert(state, shape)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The state {whose} in the warehouse (_dlt_pipeline_state) is damaged: {error}.",
            remedy=f"Run `hubspot-elt sync {remedy}` to read everything anew.",
        ) from error


class Export(msgspec.Struct):
    """An export that was started, and how many of its rows are loaded."""

    id: str
    rows: int = 0


class Backfill(msgspec.Struct):
    """A listing of all live records that goes on in the next load."""

    started_at: datetime
    anew: bool
    run_id: str = ""
    ranges: list[Range] | None = None
    total: int | None = None
    last_id: int | None = None
    way: str = "keyset"
    rows: int = 0
    written: int | None = 0
    spare: float = 0
    swept: bool = True
    """Whether the archive was listed before the live records."""
    export: Export | None = None
    """None, where it is there at all: decided against."""


class Increment(msgspec.Struct):
    """A search for changes that goes on in the next load."""

    started_at: datetime
    since: datetime
    after_id: str
    searched: bool = False
    vouched: bool = False
    """Whether the search surely found all that changed."""


class Archive(msgspec.Struct):
    """The sweep of archived records: the last one, and one that goes on in the next load."""

    swept_at: datetime | None = None
    settled: bool = False
    calls: int = 0
    ranges: list[Range] | None = None
    started_at: datetime | None = None
    columns_at: datetime | None = None
    """When columns last came, which the tombstones of an older sweep lack."""
    seen: list[str] = []
    """Ids that were archived at the last sweep, where no tombstone tells."""


class Calculated(msgspec.Struct):
    """The sweep of calculated values: the last one, and one that goes on."""

    swept_at: datetime | None = None
    settled: bool = False
    started_at: datetime | None = None
    ranges: list[Range] | None = None
    last_id: int | None = None


class Owed(msgspec.Struct):
    """Properties whose columns are to be filled for the records that have a value."""

    properties: list[str]
    columns: list[str]
    returned: list[str]
    """Of these, the columns that may hold values from before."""
    began_at: datetime
    after_id: str = "0"
    searched: str = ""
    again_at: datetime | None = None
    """When to search once more, for search may not have shown all values yet."""


class TableShape(msgspec.Struct):
    """The state of one object table."""

    watermark: datetime | None = None
    searched_at: datetime | None = None
    """The watermark of the last run whose listing or search vouches for all before it."""
    total: int | None = None
    recent: dict[str, int] = {}
    works: list[tuple[datetime, datetime]] = []
    listed_at: datetime | None = None
    anew: bool = False
    refused: list[str] = []
    """Ids that HubSpot refused to read, or that a load left to the next."""
    doubted: list[str] = []
    """Properties that records did not name; their definitions are read anew."""
    unexplained: list[int] = []
    """Live records of the portal and of the table that differed last time, for no reason found."""
    archive: Archive | UnsetType = UNSET
    calculated: Calculated | UnsetType = UNSET
    owed: list[Owed] = []
    backfill: Backfill | UnsetType = UNSET
    increment: Increment | UnsetType = UNSET


Columns = dict[str, list[tuple[str, str, Kind, str, str]]]
