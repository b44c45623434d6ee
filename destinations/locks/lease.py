"""A lease on a dataset: a row of `_hs_lock` that says who writes the dataset, and until when.

For destinations that keep no lock for a session, but change rows atomically. Whoever wants the
dataset sets its own name where the lease has ended, by one UPDATE, and reads back who got it. Time
is the destination's. A lease is renewed as each load begins and ends; a run that was killed leaves
it to lapse, unless the next one is on the same machine, whose lock on a file shows that it is gone.
"""

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.common.schema.utils import new_table
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.pipeline import Pipeline

from sources.hubspot.warehouse.sql import Tables, open_tables
from sources.hubspot.warehouse.view import make_missing

from .busy import Check, busy, lost, me

TABLE = "_hs_lock"
_NAME = "writer"
_LEAST = timedelta(minutes=30)
_LOADS = 3  # bounds of a load, in minutes, that a lease lasts at least
_NOBODY, _LONG_AGO = "", datetime(2000, 1, 1, tzinfo=UTC)
_ATTEMPTS = 6
_PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Holding:
    """One row of the lease, and the destination's clock as it was read."""

    owner: str
    until: datetime
    now: datetime

    @property
    def left(self) -> timedelta:
        """How long it holds; not positive where it has ended."""
        return self.until - self.now

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.left > timedelta()

    def __str__(self) -> str:
        """Return who holds it."""
        _, _, who = self.owner.partition("; ")
        return f"{who or self.owner} until {self.until:%Y-%m-%dT%H:%M:%SZ} at least"


@contextmanager
def lease(pipeline: Pipeline, place: str, what: str) -> Iterator[Check]:
    """Hold the lease of a pipeline's dataset.

    Args:
        pipeline: nothing of its dataset needs to exist.
        place: names the lock on a file that this run holds; no other has it while that is held.
        what: the lease is of, for people.

    Raises:
        BusyError: another run holds it.
        DatabaseException: the destination refuses.
    """
    mine = _Lease(pipeline, place, what)
    mine.take()
    try:
        yield mine.check
    finally:
        with suppress(Exception):  # what cannot be given back lapses
            mine.give_back()


def is_leased(tables: Tables) -> bool:
    """Whether a run holds the lease of a dataset."""
    try:
        return any(one.is_live for one in _holdings(tables))
    except DatabaseUndefinedRelation:
        return False


@dataclass
class _Lease:
    """One run's claim on a dataset."""

    pipeline: Pipeline
    place: str
    what: str
    owner: str = ""
    lasts: timedelta = _LEAST
    _refused: DatabaseException | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.owner = f"{self.place} {secrets.token_hex(8)}; {me()} since {since}"
        minutes = dlt.config.get("sources.hubspot.load_minutes", float) or 0.0
        self.lasts = max(_LEAST, _LOADS * timedelta(minutes=minutes))

    def take(self) -> None:
        """Take the lease where it has ended.

        Raises:
            BusyError: it has not.
        """
        for attempt in range(_ATTEMPTS):
            time.sleep(random.uniform(0, attempt * _PAUSE_SECONDS))
            with open_tables(self.pipeline) as tables:
                if self._is_taken(tables):
                    return
        raise self._refused or busy(self.what, "")

    def check(self) -> None:
        """Renew the lease where half of it is over.

        Raises:
            BusyError: another run has taken it.
        """
        with open_tables(self.pipeline) as tables:
            try:
                held = _holdings(tables)
                mine = self._of_mine(held)
                if mine and min(one.left for one in mine) < self.lasts / 2:
                    tables.update(
                        TABLE, {"until": mine[0].now + self.lasts}, "owner = ?", self.owner
                    )
                    held = _holdings(tables)
            except DatabaseUndefinedRelation:
                held = []
        if not self._of_mine(held):
            raise lost(self.what, next((str(one) for one in held if one.is_live), ""))

    def give_back(self) -> None:
        """End the lease."""
        with open_tables(self.pipeline) as tables:
            self._give_back(tables)

    def _of_mine(self, held: list[Holding]) -> list[Holding]:
        return [one for one in held if one.owner == self.owner]

    def _is_taken(self, tables: Tables) -> bool:
        """Try once to take the lease; false where a race has to be run again.

        Two runs that find no row may both add one. Only who then holds every row has the lease, so
        never two; and both try again where each got one.

        Raises:
            BusyError: another run holds it.
        """
        try:
            held = _holdings(tables)
        except DatabaseUndefinedRelation:
            held = []
            self._make_table()
        for one in held:
            if one.is_live and not one.owner.startswith(self.place):
                raise busy(self.what, str(one))
        try:
            if not held:
                tables.insert(TABLE, ("name", "owner", "until"), [(_NAME, _NOBODY, _LONG_AGO)])
                held = _holdings(tables)
            tables.update(
                TABLE,
                {"owner": self.owner, "until": held[0].now + self.lasts},
                "name = ? AND (until <= ? OR strpos(owner, ?) = 1)",
                *(_NAME, held[0].now, self.place),
            )
        except DatabaseException as error:  # as where another run has just changed the same rows
            self._refused = error
            return False
        held = _holdings(tables)
        mine = self._of_mine(held)
        if mine and len(mine) < len(held):
            self._give_back(tables)
        return bool(mine) and len(mine) == len(held)

    def _give_back(self, tables: Tables) -> None:
        tables.update(TABLE, {"owner": _NOBODY, "until": _LONG_AGO}, "owner = ?", self.owner)

    def _make_table(self) -> None:
        job = self.pipeline.destination_client()
        schema = Schema("hubspot_lock", job.schema._normalizers_config)  # noqa: SLF001 - dlt's own
        columns: Any = [
            {"name": "name", "data_type": "text"},
            {"name": "owner", "data_type": "text"},
            {"name": "until", "data_type": "timestamp"},
        ]
        schema.update_table(new_table(TABLE, columns=columns))
        if isinstance(job, SqlJobClientBase):
            try:
                make_missing(job, schema, [TABLE])
            except DatabaseException as error:  # as where another run has just made it
                self._refused = error


def _holdings(tables: Tables) -> list[Holding]:
    """Return the rows of the lease; more than one where several runs came first."""
    sql = f"SELECT owner, until, CURRENT_TIMESTAMP AS here_now FROM {TABLE} WHERE name = ?"
    return [
        Holding(owner, _utc(until), _utc(now)) for owner, until, now in tables.select(sql, _NAME)
    ]


def _utc(at: datetime) -> datetime:
    """Return an instant in UTC; one without a zone is of the destination's clock all the same."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
