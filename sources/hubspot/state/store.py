"""The only reader and writer of dlt state: watermarks, open ranges, caches.

Everything is JSON inside dlt's own state, so it is stored with the data it vouches for, in the
same load, and any machine with the same destination goes on where the last load ended.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pendulum
from dlt.pipeline.pipeline import Pipeline

from ..model import Column
from .shape import NAME, Damage, mend, refuse

RECENT_LIMIT = 20_000  # entries; of older ones the warehouse tells whether they are loaded as is
KEPT_LIMIT = 20_000  # ids that HubSpot refuses or a load left; more of them is no accident
WORKS_LIMIT = 100  # as many as a run each minute has in a lookback, and more

RELABELLED = "labels:"  # before the name of a link table, in `cleanup`: its links get new labels
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def to_text(at: datetime | None) -> str | None:
    """Write an instant as ISO text in UTC."""
    return None if at is None else pendulum.instance(at).in_timezone("UTC").isoformat()


def to_instant(text: str | None) -> datetime | None:
    """Read an instant that `to_text` wrote."""
    return None if text is None else datetime.fromisoformat(text)


class TableState:
    """State of one object table; a view on dlt's resource state.

    Its keys and their shapes are those of `state_shape.TableShape`.
    """

    def __init__(self, state: MutableMapping[str, Any]) -> None:
        """Wrap the dictionary that dlt stores."""
        self._state = state

    @property
    def watermark(self) -> datetime | None:
        """Everything changed before this instant of HubSpot's clock is in the table."""
        return to_instant(self._state.get("watermark"))

    @property
    def searched_at(self) -> datetime | None:
        """The watermark of the last run whose listing or search vouches for all before it."""
        return to_instant(self._state.get("searched_at")) or self.watermark

    @property
    def was_loaded(self) -> bool:
        """Whether the table was loaded whole before, whatever its watermark is."""
        return "watermark" in self._state

    @property
    def was_read(self) -> bool:
        """Whether records of the table were read, or HubSpot has counted some."""
        work = self._state.get("backfill")
        members = work if isinstance(work, dict) else {}
        begun = any(members.get(name) for name in ("total", "rows"))
        return self.was_loaded or begun

    @property
    def total(self) -> int | None:
        """Live records when the table was last read; None where counts did not agree."""
        return self._state.get("total")

    @property
    def recent(self) -> dict[str, int]:
        """Last-modified (ms) by id of the records that are loaded and within the lookback."""
        recent: dict[str, int] = self._state.setdefault("recent", {})
        return recent

    def note_recent(
        self, loaded: Mapping[str, int], *, since: datetime, gone: Iterable[str] = ()
    ) -> None:
        """Add what was just loaded and forget what is gone or older than `since`."""
        floor = int(since.timestamp() * 1000)
        recent = {
            id_: modified
            for id_, modified in (self.recent | dict(loaded)).items()
            if modified >= floor
        }
        for id_ in gone:
            recent.pop(id_, None)
        self._state["recent"] = dict(sorted(recent.items(), key=lambda at: at[1])[-RECENT_LIMIT:])

    def begin(self, way_in: str, **fields: object) -> dict[str, Any]:
        """Open, or go on with, the work that ends with a new watermark."""
        work: dict[str, Any] = self._state.setdefault(way_in, dict(fields))
        return work

    def finish(
        self,
        way_in: str,
        watermark: datetime,
        ended: datetime,
        total: int | None,
        *,
        is_vouched: bool = True,
    ) -> None:
        """Close the work: the promise of the watermark holds from the load that carries this.

        Args:
            way_in: the work.
            watermark: when it began.
            ended: when it ended.
            total: live records.
            is_vouched: whether it surely found all that changed; the next search begins there.
        """
        self._state.pop(way_in, None)
        self._state.pop("anew", None)
        self._state["searched_at"] = to_text(watermark if is_vouched else self.searched_at)
        self._state["watermark"] = to_text(watermark)
        self._state["total"] = total
        work = [to_text(watermark), to_text(ended)]
        self._state["works"] = [*self._state.get("works", ()), work][-WORKS_LIMIT:]

    @property
    def works(self) -> list[list[datetime]]:
        """When each of the last works that were finished began and ended, in order."""
        return [[*map(datetime.fromisoformat, work)] for work in self._state.get("works", ())]

    def work(self, way_in: str) -> dict[str, Any]:
        """Return the work that is open, empty where there is none."""
        return dict(self._state.get(way_in) or {})

    def drop(self, way_in: str) -> None:
        """Forget such work: another way takes over."""
        self._state.pop(way_in, None)

    def working(self, way_in: str) -> bool:
        """Whether such work was left open by an earlier load."""
        return way_in in self._state

    def sweep(self, name: str) -> dict[str, Any]:
        """What is kept of a sweep: `archive`, `calculated` (see `sweeps`) or `census`."""
        known: dict[str, Any] = self._state.setdefault(name, {})
        return known

    @property
    def owed(self) -> list[dict[str, Any]]:
        """Columns that are to be filled for old records, several at a time."""
        owed: list[dict[str, Any]] = self._state.setdefault("owed", [])
        return owed

    def owe(
        self, columns: Mapping[str, str], *, at: datetime, returned: Iterable[str] = ()
    ) -> None:
        """Have columns filled for old records: those that have a value are read.

        Args:
            columns: property by column; few, for one search asks for all of them.
            at: now; rows read since have the values.
            returned: of the columns, those that may hold values from before.
        """
        self.owed.append(
            {
                "properties": [*columns.values()],
                "columns": [*columns],
                "returned": [*returned],
                "began_at": to_text(at),
                "after_id": "0",
                "searched": "",
            }
        )

    def keep(self, name: str, items: Iterable[Any]) -> None:
        """Add to what is left to a later load or run: `refused`, `unexplained`.

        The shape of the state says what they are.
        """
        kept = dict.fromkeys([*self._state.get(name, ()), *items])
        if kept:
            self._state[name] = list(kept)[-KEPT_LIMIT:]

    def take(self, name: str) -> list[Any]:
        """Return, and forget, what was kept."""
        kept: list[Any] = self._state.pop(name, [])
        return kept

    def forget(self, ids: Iterable[str]) -> bool:
        """Take ids out of everything that is remembered of records; whether there was any."""
        gone = {*ids}
        found: list[object] = [self.recent.pop(id_) for id_ in gone & self.recent.keys()]
        for part, name in ((self._state, "refused"), (self._state.get("archive", {}), "seen")):
            kept = part.get(name, [])
            found += gone.intersection(kept)
            kept[:] = [id_ for id_ in kept if id_ not in gone]
        return bool(found)

    @property
    def anew(self) -> bool:
        """Whether the table may hold rows from before its state began."""
        return bool(self._state.get("anew"))

    def note_older_rows(self) -> None:
        """Say that the table holds rows that an open backfill begins anew from."""
        self._state["anew"] = True

    @property
    def listed_at(self) -> datetime | None:
        """When the last full listing began: it lags behind nothing, so nothing before is owed."""
        return to_instant(self._state.get("listed_at"))

    def note_listing(self, at: datetime) -> None:
        """Remember a full listing of the live records."""
        self._state["listed_at"] = to_text(at)

    def rewind(self, to: datetime, *, known: bool = False) -> None:
        """Take the watermark back to `to`: the next run searches again what changed since then.

        It reads that again, too, unless it is `known` which of it is loaded as it is.
        """
        searched_at = min(self.searched_at or to, to)
        for name in () if known else ("recent", "works", "listed_at", "increment"):
            self._state.pop(name, None)
        self._state["searched_at"] = to_text(searched_at)
        self._state["watermark"] = to_text(to)

    def begin_anew(self) -> None:
        """Forget everything: the next run lists the table and compares it with its rows."""
        self._state.clear()
        self._state["anew"] = True


class SourceState:
    """State of the whole source: whose portal it is, cached metadata, the budget for sweeps."""

    def __init__(self, state: MutableMapping[str, Any]) -> None:
        """Wrap the dictionary that dlt stores."""
        self._state = state

    @property
    def portal_id(self) -> int | None:
        """The portal that this state belongs to."""
        return self._state.get("portal_id")

    @portal_id.setter
    def portal_id(self, portal_id: int) -> None:
        self._state["portal_id"] = portal_id

    @property
    def hard_delete(self) -> bool:
        """Whether the last run kept no tombstones."""
        return bool(self._state.get("hard_delete"))

    @hard_delete.setter
    def hard_delete(self, hard_delete: bool) -> None:
        self._state["hard_delete"] = hard_delete

    @property
    def worked_until(self) -> datetime | None:
        """When the run before stopped reading; None where it did not come to its end."""
        return to_instant(self._state.get("worked_until"))

    @worked_until.setter
    def worked_until(self, at: datetime | None) -> None:
        self._state["worked_until"] = to_text(at)

    @property
    def tables(self) -> list[str]:
        """Object tables that something is known of."""
        return [name for name, state in self._state.get("resources", {}).items() if state]

    @property
    def pairs(self) -> list[str]:
        """Link tables that something is known of."""
        return [*self._state.get("links", ())]

    def table(self, name: str) -> TableState:
        """State of one table's resource, readable from any other."""
        return TableState(self._state.setdefault("resources", {}).setdefault(name, {}))

    @property
    def read_tables(self) -> list[str]:
        """Object tables of which something was read."""
        resources = self._state.get("resources", {})
        return [name for name, state in resources.items() if TableState(state).was_read]

    @property
    def custom_tables(self) -> dict[str, str] | None:
        """The table of every custom object type ever listed, by type id; None where unknown."""
        return self._texts("custom_tables")

    @custom_tables.setter
    def custom_tables(self, tables: Mapping[str, str]) -> None:
        self._state["custom_tables"] = dict(tables)

    @property
    def gone(self) -> dict[str, str]:
        """Tables whose object type HubSpot no longer has, and since when it is known."""
        return self._texts("gone") or {}

    def end_table(self, table: str, at: datetime, links: Iterable[str]) -> None:
        """Forget a table whose type is gone, but for its columns; with it its link tables."""
        self._state["gone"] = self.gone | {table: to_text(at) or ""}
        self._state.get("resources", {}).pop(table, None)
        for pair in links:
            self._state.get("links", {}).pop(pair, None)
            self._state.get("cache", {}).pop(f"labels:{pair}", None)
        for kind in ("properties", "refused"):
            self._state.get("cache", {}).pop(f"{kind}:{table}", None)

    def revive_table(self, table: str) -> None:
        """Know that HubSpot has the type of a table again."""
        self._state["gone"] = {name: at for name, at in self.gone.items() if name != table}

    def _texts(self, name: str) -> dict[str, str] | None:
        """Return a member that maps texts to texts; None where there is none, or a damaged one."""
        with suppress(msgspec.ValidationError):
            return msgspec.convert(self._state.get(name), dict[str, str])
        return None

    def cached(self, name: str, *, now: datetime, max_age: timedelta) -> Any | None:  # noqa: ANN401
        """Return a cached value; None where there is none, or a damaged one, or it is older."""
        age = self.cache_ages(now=now).get(name)
        return self.last(name) if age is not None and age < max_age.total_seconds() else None

    def cache(self, name: str, value: object, *, now: datetime) -> None:
        """Cache JSON, with the time it was read."""
        self._state.setdefault("cache", {})[name] = {"read_at": to_text(now), "value": value}

    def expire(self, prefix: str) -> None:
        """Let cached values whose name begins so be read again; they stay known as the last."""
        for name, entry in self._state.get("cache", {}).items():
            if name.startswith(prefix) and isinstance(entry, dict):
                entry["read_at"] = to_text(_LONG_AGO)

    def cache_ages(self, *, now: datetime) -> dict[str, float]:
        """Age of each cached value in seconds; of a damaged one nobody can tell."""
        ages: dict[str, float] = {}
        for name, entry in self._state.get("cache", {}).items():
            with suppress(TypeError, KeyError, ValueError):
                ages[name] = (now - (to_instant(entry["read_at"]) or now)).total_seconds()
        return ages

    def last(self, name: str) -> Any | None:  # noqa: ANN401
        """Return a cached value however old it is, or None where there is none."""
        entry = self._state.get("cache", {}).get(name)
        return entry.get("value") if isinstance(entry, dict) else None

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Every column mapping ever given, packed, by table."""
        columns: dict[str, list[Any]] = self._state.setdefault("columns", {})
        return columns

    def note_columns(
        self, table: str, columns: Sequence[Column], *, at: datetime
    ) -> dict[str, str]:
        """Remember since when a table has these columns; return that of all, by column name."""
        since: dict[str, str] = self._state.setdefault("since", {}).setdefault(table, {})
        for column in columns:
            since.setdefault(column.name, to_text(at) or "")
        return since

    def links(self, pair: str) -> dict[str, Any]:
        """What is kept of a pair's links: if a sweep is `owed`, if the last found none."""
        known: dict[str, Any] = self._state.setdefault("links", {}).setdefault(pair, {})
        return known

    def knows_links(self, pair: str) -> bool:
        """Whether the links of a pair were read before."""
        return pair in self._state.get("links", {})

    @property
    def digests(self) -> dict[str, str]:
        """Of the content that each reference table was last loaded with."""
        digests: dict[str, str] = self._state.setdefault("digests", {})
        return digests

    def read_at(self, name: str) -> datetime | None:
        """When a reference table, or a part of one, was last read; None where nobody can tell."""
        with suppress(ValueError):
            return to_instant((self._texts("reads") or {}).get(name))
        return None

    def note_read(self, name: str, at: datetime) -> None:
        """Remember that a reference table, or a part of one, was read."""
        self._state["reads"] = (self._texts("reads") or {}) | {name: to_text(at)}

    @property
    def cleanup(self) -> list[str]:
        """Tables and link tables that a run may not have cleaned up; see `pipelines.purge`."""
        return list(self._state.get("cleanup", ()))

    @cleanup.setter
    def cleanup(self, tables: Iterable[str]) -> None:
        self._state["cleanup"] = sorted(tables)

    @property
    def exports(self) -> list[str]:
        """When exports were started, oldest first."""
        exports: list[str] = self._state.setdefault("exports", [])
        return exports

    @property
    def spent(self) -> dict[str, Any]:
        """What larger sweeps have used of a day: `day` and `calls`."""
        spent: dict[str, Any] = self._state.setdefault("sweeps", {})
        return spent


def source_state(pipeline: Pipeline) -> SourceState:
    """Return a copy of the state that a pipeline holds, empty where no sync has been.

    Raises:
        ConfigError: it is damaged, beyond what the next sync reads again.
    """
    known, damages = mended_state(pipeline)
    refuse(damages)
    return SourceState(known)


def mended_state(pipeline: Pipeline) -> tuple[dict[str, Any], list[Damage]]:
    """Return a copy of a pipeline's state without its damaged parts, and what they were."""
    sources = pipeline.state.get("sources", {})
    return mend(sources.get(NAME, {}) if isinstance(sources, dict) else sources)
