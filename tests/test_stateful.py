"""Any order of changes, syncs, kills and faults: after two quiet syncs the warehouse is the portal.

`tests/soak.py` runs the same for as long as one likes, and prints a case that fails as data.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import truth
from conftest import Warehouse
from dlt.common.runtime.collector import NULL_COLLECTOR
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from operations import KINDS, LAG_MS, MINUTE_MS, OPERATION, Operation, begin, perform

from pipelines.cli.output.report import report_of
from pipelines.commands.verify import VerifyOptions, verify
from sources.hubspot.config import resolve_config
from sources.hubspot_emulator.http.server import EmulatorServer

TABLES = {"vehicle": "custom_vehicle"} | {kind: kind for kind in KINDS[:3]}
OBJECTS = {TABLES[kind]: kind for kind in KINDS}
LINKS = {
    f"{TABLES[source]}_to_{TABLES[target]}": (source, target)
    for at, source in enumerate(KINDS)
    for target in KINDS[at:]
}
DAY_MS = 24 * 60 * MINUTE_MS

CALLS = {
    "any": r"/(objects|associations)/",
    "listing": r"/objects/[^/]+/[^/]+\?.*archived=false",
    "archive": r"/objects/[^/]+/[^/]+\?.*archived=true",
    "search": r"/search$",
    "read": r"/objects/.*/batch/read",
    "links": r"/associations/.*/batch/read",
    "definitions": r"/properties/",
    "contacts": r"/objects/[^/]+/contacts[/?]",
    "custom": r"/objects/[^/]+/2-\d+[/?]",
}
"""Calls that changes come between, and faults strike."""
FAULTS: dict[str, dict[str, Any]] = {
    "502": {"status": 502, "body": "<html><body><h1>502 Bad Gateway</h1></body></html>"},
    "503": {"status": 503},
    "429": {"status": 429, "headers": {"Retry-After": "0.2"}, "body": {}},
    "daily": {"status": 429, "body": {"policyName": "DAILY"}},
    "401": {"status": 401},
    "truncated": {"truncate": True},
    "disconnected": {"disconnect": True},
    "reset": {"reset": True},
}
FAILED = {0, 3, 4, 5, 6}
"""What a sync with faults may end with."""
START = "from pipelines.cli.app import main; main()"

Step = tuple[Any, ...]
"""An operation, `("sync", between, faults)`, `("kill", after_ms)`, or `("settings", settings)`."""


class World:
    """A portal and its warehouse, and the ids that the warehouse ever held."""

    def __init__(self, server: EmulatorServer, folder: Path, size: Sequence[int]) -> None:
        self.server, self.portal = server, server.portal
        begin(self.portal, *size)
        config = resolve_config(
            base_url=server.url,
            access_token=server.token,
            search_per_second=10**6,
            associations_per_10_seconds=10**6,
            purge_share=1.0,
            max_attempts=2,
            patience_seconds=0,  # runs that give up are what is tested
        )
        self.usual = self.warehouse = Warehouse(folder / "warehouse.duckdb", config)
        self.held: dict[str, set[str]] = {table: set() for table in OBJECTS}
        self.failed: list[Exception] = []

    def run(self, steps: Iterable[Step]) -> None:
        """Take steps one by one."""
        for step in steps:
            if step[0] == "sync":
                self.sync(*step[1:])
            elif step[0] == "kill":
                self.kill(*step[1:])
            elif step[0] == "settings":
                self.warehouse = self.usual.with_settings(**step[1])
            else:
                perform(self.portal, [step])

    def sync(
        self, between: Sequence[Step] = (), faults: Sequence[Step] = (), **options: Any
    ) -> None:
        """Run a sync, with changes between its calls and faults of some of them.

        Args:
            between: `before` or `after`, one of `CALLS`, the number of that call, operations.
            faults: one of `FAULTS`, one of `CALLS`, the numbers of those calls or a probability.
            options: of the sync.
        """
        for when, call, nth, changes in between:
            change = partial(self.change, changes)
            self.portal.mutations.add(when=when, path=CALLS[call], nth=nth, operations=change)
        for kind, call, at in faults:
            chosen = {"probability": at, "times": 4} if isinstance(at, float) else {"nth": at}
            self.portal.faults.add(path=CALLS[call], **chosen, **FAULTS[kind])
        try:
            report = self.warehouse.sync_at_once(*OBJECTS, **options)
        except Exception as error:  # noqa: BLE001 - what could not be begun has an exit code, too
            report = report_of(error, "sync")
        self.calm()
        told = (report.exit_code, report.error, report.warnings)
        assert report.exit_code in (FAILED if faults else {0}), told

    def change(self, changes: Iterable[Operation], _portal: object) -> None:
        """Make changes between two calls; an error of ours must not look like one of HubSpot's."""
        try:
            perform(self.portal, changes)
        except Exception as error:  # noqa: BLE001 - raised again when the sync is over
            self.failed.append(error)

    def kill(self, after_ms: int) -> None:
        """Start a sync as a process of its own and kill it, so long after its first call."""
        settings = {
            "BASE_URL": self.server.url,
            "ACCESS_TOKEN": self.server.token,
            "PURGE_SHARE": "1.0",
        }
        environment = os.environ | {
            f"SOURCES__HUBSPOT__{n}": value for n, value in settings.items()
        }
        command = [sys.executable, "-c", START, "sync", "--objects", ",".join(OBJECTS)]
        self.portal.settings.latency_ms = 20
        self.portal.journal.clear()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, env=environment, **quiet)
        while not len(self.portal.journal) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(after_ms / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.portal.settings.latency_ms = 0
        self.calm()

    def calm(self) -> None:
        """End what was to happen during a sync, and note what the warehouse holds."""
        self.portal.faults.clear()
        self.portal.mutations.clear()
        for error in self.failed:
            raise error
        if self.warehouse.path.exists():
            with self.warehouse.reading():
                for table in self.tables() & OBJECTS.keys():
                    rows = self.warehouse.rows(
                        f"SELECT id FROM {table} WHERE _hs_deleted_at IS NULL"
                    )
                    self.held[table].update(id_ for (id_,) in rows)

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hubspot'"
        try:
            return {name for (name,) in self.warehouse.rows(sql)}
        except duckdb.CatalogException:  # killed before there was any
            return set()

    def settle(self, *, later: bool) -> None:
        """End all disturbances, let search catch up, and run two quiet syncs with usual settings.

        Args:
            later: whether a day goes by first, so that everything on a schedule is due.
        """
        self.warehouse = self.usual
        self.portal.settings.change({"anomalies": (), "search_lag_ms": 0})
        self.portal.clock.advance(DAY_MS + 60 * MINUTE_MS if later else LAG_MS + 5 * MINUTE_MS)
        self.sync()
        self.sync(refresh_schema=not later)

    def apart(self, *, calculated: bool) -> list[str]:
        """List how the warehouse differs from the portal.

        Args:
            calculated: whether calculated values must be right, too.
        """
        with self.warehouse.reading():
            known, found = self.tables(), []
            for table, kind in OBJECTS.items():
                if table in known:
                    found += self._values_apart(table, kind, calculated=calculated)
                    found += self._fates_apart(table, kind)
                elif self.portal.records(kind):
                    found.append(f"{table}: no table")
            pairs = {pair: ends for pair, ends in LINKS.items() if pair in known}
            found += truth.link_differences(self.portal, self.warehouse, pairs)
        return found + [
            f"{pair}: no table"
            for pair, ends in LINKS.items()
            if pair not in known and self.portal.associations(*ends)
        ]

    def _values_apart(self, table: str, kind: str, *, calculated: bool) -> list[str]:
        """Compare values with the columns of the types that properties have today."""
        columns = {one[0::2]: one[1] for one in truth.columns_of(self.warehouse)[table]}
        rejected = truth.rejected_of(self.warehouse)[table]
        rows, records = self.warehouse.table(table), self.portal.records(kind)
        both, found = records.keys() & rows.keys(), []
        for name, definition in self.portal.table(kind).definitions.items():
            hidden = definition["archived"] or definition["dataSensitivity"] != "non_sensitive"
            if hidden or (definition["calculated"] and not calculated):
                continue
            column = columns.get((name, definition["type"]))
            for id_ in both:
                raw, value = records[id_]["properties"].get(name), rows[id_].get(column)
                reject = rejected.get((id_, name))
                if not truth.is_same(raw or None, value, definition["type"], reject):
                    found.append(f"{table} {id_} {column} holds {value!r} for {name} = {raw!r}")
                if reject not in {None, raw}:
                    found.append(f"{table} {id_} {name}: {reject!r} is rejected for {raw!r}")
        return found

    def _fates_apart(self, table: str, kind: str) -> list[str]:
        """Compare what became of records: of those of today, and all that the warehouse held."""
        rows, records = self.warehouse.table(table), self.portal.table(kind)
        live, archived = self.portal.records(kind), self.portal.records(kind, archived=True)
        (count,) = self.warehouse.rows(f"SELECT count(*) FROM {table}")[0]
        found = [f"{table}: doubled rows"] if count != len(rows) else []
        known = {*live, *archived, *self.held[table]}
        found += [f"{table} {id_}: no row" for id_ in known - rows.keys()]
        for id_, row in rows.items():
            became = (row["_hs_deletion"], row["_hs_merged_into"])
            into = str(records.survivor(int(id_)))
            if id_ in live:
                wanted = [(None, None)]
            elif id_ in archived:
                wanted = [("archived", None)]
            elif into == id_:
                wanted = [("purged", None)]
            else:
                wanted = [("merged", into)]
                if into not in live.keys() | archived.keys():  # nothing tells of that merge
                    wanted += [("purged", None), ("merged", row["_hs_merged_into"])]
            if became not in wanted:
                found.append(f"{table} {id_}: {became} instead of {wanted[0]}")
        return found


def check(
    server: EmulatorServer, folder: Path, size: Sequence[int], steps: Sequence[Step], ending: str
) -> None:
    """Take steps, then two quiet syncs, and compare; `ending` is `soon` or `later`."""
    with pytest.MonkeyPatch.context() as environment:
        path = folder / "warehouse.duckdb"
        environment.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(path))
        world = World(server, folder, size)
        world.run(steps)
        world.settle(later=ending == "later")
        apart = world.apart(calculated=ending == "later")
        assert apart == [], apart
        if ending == "later":
            options = VerifyOptions(objects=tuple(OBJECTS), sample=-1)
            report = verify(options, collector=NULL_COLLECTOR, config=world.warehouse.config)
            told = [section.rows for section in report.sections]
            assert report.exit_code == 0, (report.error, told)


SIZES = st.sampled_from(((12, 6, 4), (25, 8, 8), (12, 2, 0), (1, 1, 1), (0, 0, 0)))
NTH = st.integers(1, 8)
BETWEEN = st.tuples(
    st.sampled_from(("before", "after")),
    st.sampled_from(tuple(CALLS)),
    NTH,
    st.lists(OPERATION, min_size=1, max_size=4),
)
STRUCK = st.one_of(st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True), st.just(0.3))
FAULT = st.tuples(st.sampled_from(tuple(FAULTS)), st.sampled_from(tuple(CALLS)), STRUCK)
SYNC = st.tuples(
    st.just("sync"),
    st.one_of(st.just([]), st.lists(BETWEEN, max_size=3)),
    st.one_of(st.just([]), st.just([]), st.lists(FAULT, min_size=1, max_size=2)),
)
KILL = st.tuples(st.just("kill"), st.integers(0, 3000))
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "load_rows": st.sampled_from((5, 40)),
        "calls_in_flight": st.just(1),
        "sweep_at_once_calls": st.just(0),
        "lookback_minutes": st.just(25),
        "links_hours": st.just(0),
    },
)
"""Of single syncs; what they leave to the two usual ones at the end must not be lost."""


def steps(kills: int) -> st.SearchStrategy[list[Step]]:
    """Make histories: changes, then a sync or, so often in twenty, a kill, and so on."""
    end = st.integers(1, 20).flatmap(lambda die: SYNC if die <= 20 - kills else KILL)
    chosen = st.one_of(st.just([]), SETTINGS.map(lambda one: [("settings", one)]))
    part = st.tuples(st.lists(OPERATION, min_size=3, max_size=12), chosen, end)
    history = st.lists(part, min_size=2, max_size=4)
    return history.map(
        lambda parts: [
            step for changes, chosen, last in parts for step in (*changes, *chosen, last)
        ]
    )


ENDINGS = st.sampled_from(("soon", "later"))

ALWAYS = [*range(1, 30)]
KEPT: dict[str, tuple[Sequence[int], list[Step], str]] = {
    # its count of before was kept as one that nothing explains, and hid the next difference
    "a_record_comes_while_it_is_counted": (
        (1, 1, 1),
        [
            ("sync",),
            ("create", "companies", {}),
            ("sync", [("after", "any", 6, [("step", DAY_MS), ("create", "companies", {})])]),
            ("purge", "companies", 4),
        ],
        "soon",
    ),
    # numbers that differed while search was late hid the same numbers, when they meant a deletion
    "numbers_that_meant_nothing_once": (
        (1, 1, 1),
        [
            ("create", "companies", {}),
            ("archive", "companies", 0),
            ("sync",),
            ("search_lag", 20),
            ("restore", "companies", 0),
            ("sync",),
            ("step", 30 * MINUTE_MS),
            ("search_lag", 0),
            ("purge", "companies", 0),
        ],
        "soon",
    ),
    # columns were filled once, by a search that did not show the values yet
    "a_new_property_while_search_is_late": (
        (12, 6, 4),
        [
            ("sync",),
            ("search_lag", 20),
            ("create", "contacts", {}),
            ("step", 25 * MINUTE_MS),
            ("add_property", "contacts", "late", ["7", "8"]),
            ("sync",),
        ],
        "later",
    ),
    # links of records loaded earlier were taken for read when only their targets had been listed
    "a_table_that_fails_first": (
        (1, 1, 1),
        [
            ("link", 3, 0, 0, 0),
            ("step", 5_000),
            ("sync", [], [("503", "custom", ALWAYS)]),
            ("link", 3, 1, 1, 0),
        ],
        "soon",
    ),
    # a sweep from the targets' side missed links to targets that no table ever held
    "a_target_that_was_never_loaded": (
        (12, 6, 4),
        [
            ("link", 3, 0, 0, 0),
            ("link", 3, 1, 1, 0),
            ("sync", [], [("503", "custom", ALWAYS)]),
            ("purge", "vehicle", 0),
        ],
        "later",
    ),
    # a calculated value that does not fit is null like the one before, and its text got lost
    "a_calculated_value_that_does_not_fit": (
        (1, 1, 1),
        [("sync",), ("calculate", "deals", 0, "N/A")],
        "later",
    ),
}
"""Cases that found something: size, steps and ending. `tests/soak.py` begins with all of them."""


@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # an example takes ten seconds; tests/soak.py makes it small
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # for the same reason
)
@given(size=SIZES, history=steps(kills=0), ending=ENDINGS)
def test_any_history(
    server: EmulatorServer,
    tmp_path_factory: pytest.TempPathFactory,
    size: Sequence[int],
    history: list[Step],
    ending: str,
) -> None:
    """Whatever happened, two quiet syncs bring every record, value, tombstone and link."""
    check(server, tmp_path_factory.mktemp("history"), size, history, ending)
