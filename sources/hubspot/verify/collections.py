"""Endpoints of the catalog against their tables: keys, and times of change, of all rows."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..catalog.endpoints import ENDPOINTS
from ..catalog.endpoints.crm import CRM
from ..catalog.endpoints.declaration import Endpoint, Increment, Members, Parents, Table, Whole
from ..errors import HubSpotError, NotFoundError, is_absent
from ..model import LIVE, ObjectType, View
from ..run.run import Run
from ..state.collections import CollectionState
from ..steps.collections.blocks import blocks, plain
from ..steps.collections.parents.pending import pending
from ..steps.collections.parents.reading import part_of_parent
from ..steps.collections.part import TODAY, Part
from ..steps.collections.reading import parts_of, refusal_of
from ..tables.endpoints.batches import to_batches
from ..tables.guarding import guarded
from .records import Check, Verification

MOST_PARENTS = 50  # rows of another table that a comparison asks for one by one
CHANGED = "updated_at"
SEVERAL_ANSWERS = (
    "Its rows are put together from several answers; hubspot-elt sync --refresh-schema reads them"
    " again."
)
EVENTS = "Its rows are events, read by their time; to list all of them takes a first load's calls."
MEMBERS = "Each sync compares members of lists itself, by totals and by the order of joining."
BATCHES = "It is asked for by rows of {table}, many in a call; no call lists all of it."
MANY = "It takes a call for each of {count:,} rows of {table}; up to {most} are compared."
NOT_DUE = "It was not due in this run; hubspot-elt verify compares it."
OF_DAYS = "Its rows are those of many days, and HubSpot lists those of today."
ANOTHER_DAY = "Its rows depend on the date, and it was last read on another day."

Rows = dict[tuple[Any, ...], tuple[Any, ...]]
"""By key the time of change, in a tuple; an empty one where the table has none."""


@dataclass
class Differences:
    """How the live rows of a table differ from those of the portal."""

    rows: int = 0
    """Of the warehouse."""
    keys: dict[str, set[tuple[Any, ...]]] = field(default_factory=dict)
    """By kind of difference."""


@dataclass
class Comparison:
    """An endpoint, what it is asked for, and what the comparison of its tables came to."""

    endpoint: Endpoint
    parts: Sequence[Part]
    skipped: str = ""
    """Why it is not compared; empty where it is."""
    checks: dict[str, Check] = field(default_factory=dict)
    """By table; of tables whose rows a second call would show, there is none."""
    differing: set[str] = field(default_factory=set)
    """Keys of the states of the parts with a difference."""

    def __post_init__(self) -> None:
        """Begin with checks that found nothing."""
        tables = self.endpoint.tables[: 1 if self.endpoint.details else None]
        self.checks = {one.name: Check(one.name, skipped=self.skipped) for one in tables}

    @property
    def calls(self) -> int:
        """Estimate the calls that it takes, by those of the last reading."""
        kept = [part.run.state.collections.get(part.key) for part in self.parts]
        return 0 if self.skipped else sum(max(1, one.calls) for one in kept if one)

    def again(self) -> "Comparison":
        """Return the comparison of the parts that differ."""
        parts = [part for part in self.parts if part.key in self.differing]
        return Comparison(self.endpoint, parts)

    def check(self, judge: Verification) -> Generator[None, None, Check]:
        """Compare all tables; return the check of the first one.

        Raises:
            HubSpotError: the portal cannot be read. That it lacks the API, or the token a scope, is
                no error but a reason not to compare.
        """
        for part in self.parts:
            try:
                yield from self._check_part(judge, part)
            except HubSpotError as error:
                if self.endpoint.group == CRM or not is_absent(error):
                    raise
                for check in self.checks.values():
                    check.skipped = str(error)
        return self.checks[self.endpoint.name]

    def _check_part(self, judge: Verification, part: Part) -> Generator[None, None, None]:
        """Compare a part; what two readings of the portal do not both say is no difference."""
        listed = yield from self._listed(judge, part)
        found = self._differences(judge, part, listed)
        for name, one in found.items():
            check = self.checks[name]
            check.portal = (check.portal or 0) + len(listed[name])
            check.warehouse += one.rows
        if not any(keys for one in found.values() for keys in one.keys.values()):
            return
        again = self._differences(judge, part, (yield from self._listed(judge, part)))
        for name, one in found.items():
            for kind, keys in one.keys.items():
                certain = keys & again[name].keys[kind]
                self.checks[name].found[kind] += sorted(":".join(map(str, key)) for key in certain)
                self.differing |= {part.key} if certain else set()

    def _listed(self, judge: Verification, part: Part) -> Generator[None, None, dict[str, Rows]]:
        """Read the keys of all rows that HubSpot lists, as they would be in the warehouse."""
        run, reading = judge.run, part.reading(judge.run.now())
        found: dict[str, Rows] = {name: {} for name in self.checks}
        for one in _sources(judge.view, part):
            try:
                for block in blocks(one):
                    if block is None:
                        yield None
                        continue
                    for name, batch in to_batches(self.endpoint, block, reading):
                        if name in found:
                            rows = guarded(batch, name, run.policy).rows
                            columns = [rows.column(c).to_pylist() for c in self._columns(name)]
                            found[name] |= dict(self._keyed(name, zip(*columns, strict=True)))
            except NotFoundError:
                if not one.parent:
                    raise
        return found

    def _differences(
        self, judge: Verification, part: Part, listed: Mapping[str, Rows]
    ) -> dict[str, Differences]:
        """Return by table how its live rows differ."""
        return {name: self._difference(judge, part, name, listed[name]) for name in self.checks}

    def _difference(self, judge: Verification, part: Part, name: str, listed: Rows) -> Differences:
        """Compare the live rows of a table; what changed at or after `as_of` is no difference."""
        keeps = self.endpoint.keeps(self._table(name))
        where, args = LIVE if keeps else "1 = 1", [part.scope] if part.scope else []
        where += " AND object_type = ?" if part.scope else ""
        seen: set[tuple[Any, ...]] = set()
        extra, stale, found = set(seen), set(seen), Differences()
        for rows in judge.view.values(name, self._columns(name), where, *args):
            found.rows += len(rows)
            for key, at in self._keyed(name, rows):
                if key not in listed:
                    extra.add(key)
                elif at != listed[key]:
                    stale.add(key)
                seen.add(key)
        young = {key for key, at in listed.items() if _is_young(at, judge.as_of)}
        missing = listed.keys() - seen - young
        found.keys = {"missing": missing, "extra": extra, "stale": stale - young}
        return found

    def _table(self, name: str) -> Table:
        return next(table for table in self.endpoint.tables if table.name == name)

    def _columns(self, name: str) -> list[str]:
        """Return the key columns of a table, and the one with the time of change."""
        table, read = self._table(name), self.endpoint.read
        changed = read.column if isinstance(read, Increment) else CHANGED
        is_dated = table is self.endpoint.first and changed in table.names
        return [*table.keys, *([changed] if is_dated else [])]

    def _keyed(
        self, name: str, rows: Iterator[Any] | Sequence[Any]
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        size = len(self._table(name).keys)
        for row in rows:
            values = tuple(map(plain, row))
            yield values[:size], values[size:]


def comparisons(
    run: Run, view: View, names: Sequence[str], kinds: Sequence[ObjectType], *, in_sync: bool
) -> list[Comparison]:
    """Return the comparison of each endpoint that was ever read, or is refused.

    Args:
        run: with the state of the warehouse.
        view: the warehouse.
        names: the endpoints that were chosen.
        kinds: object types that are compared.
        in_sync: whether the run is a sync, which compares what it has read.
    """
    found = [_comparison(run, view, name, kinds, in_sync=in_sync) for name in names]
    return [one for one in found if one.parts or one.skipped]


def _comparison(
    run: Run, view: View, name: str, kinds: Sequence[ObjectType], *, in_sync: bool
) -> Comparison:
    """Return the comparison of an endpoint; without parts and a reason if it was never read."""
    endpoint, read = ENDPOINTS[name], _read_parts(run, name, kinds)
    if refused := refusal_of(run, endpoint):
        return Comparison(endpoint, [], str(refused))
    reason = _why_not(run, view, endpoint) if read or endpoint.own_reader else ""
    if in_sync and read and not reason:
        read = [part for part in read if part.key in run.collections.done]
        reason = "" if read else NOT_DUE
    return Comparison(endpoint, read, reason)


def _read_parts(run: Run, name: str, kinds: Sequence[ObjectType]) -> list[Part]:
    """Return what of an endpoint was ever read to its end."""
    kept = run.state.collections
    parts = parts_of(run, name, kinds)
    return [part for part in parts if part.key in kept and kept[part.key].read_at]


def _why_not(run: Run, view: View, endpoint: Endpoint) -> str:
    """Return why an endpoint cannot be compared; empty where it can."""
    per, state = endpoint.per, run.state.collections.get(endpoint.name, CollectionState())
    if endpoint.own_reader:
        return SEVERAL_ANSWERS
    if isinstance(endpoint.read, Members):
        return MEMBERS
    if not isinstance(endpoint.read, Whole | Increment):
        return OF_DAYS if endpoint.is_of_day else EVENTS
    if _is_dated(endpoint) and state.read_at and state.read_at.date() != run.now().date():
        return ANOTHER_DAY
    if isinstance(per, Parents):
        count = sum(len(part) for part in pending(view, endpoint, CollectionState(), run.now()))
        few = count <= MOST_PARENTS
        return "" if few else MANY.format(count=count, table=per.table, most=MOST_PARENTS)
    return "" if isinstance(per, str) else BATCHES.format(table=per.table)


def _is_dated(endpoint: Endpoint) -> bool:
    """Whether its calls name the date."""
    return TODAY in repr((endpoint.params, endpoint.variants))


def _sources(view: View, part: Part) -> Iterator[Part]:
    """Yield what is listed for a part: itself, or what it has of each row of another table."""
    if not isinstance(part.endpoint.per, Parents):
        yield part
        return
    for parents in pending(view, part.endpoint, CollectionState(), part.run.now()):
        yield from (part_of_parent(part, parent) for parent in parents)


def _is_young(at: tuple[Any, ...], since: datetime) -> bool:
    return bool(at) and isinstance(at[0], datetime) and at[0] >= since
