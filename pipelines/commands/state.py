"""The state in a dataset, which says where each sync begins: show it, rewind it, reset it.

Everything comes from the destination and goes back to it, in a load of its own that brings no
rows, so the next sync begins there on any machine.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from dlt.pipeline.pipeline import Pipeline

from destinations.locks import IMPATIENT, Patience, claimed
from pipelines.cli.output.freshness import to_age
from pipelines.cli.output.report import RunReport, Section
from pipelines.runtime.stored import commit, dataset_of, hubspot_pipeline, restore, stored_pipeline
from pipelines.runtime.workdir import working_folder
from sources.hubspot.catalog.endpoints import ENDPOINT_OF, TABLES
from sources.hubspot.catalog.names import did_you_mean, find
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.errors import ConfigError
from sources.hubspot.plan.tables.sweeps import SWEEPS
from sources.hubspot.state.collections import CollectionState
from sources.hubspot.state.source import SourceState
from sources.hubspot.state.store import mended_state
from sources.hubspot.state.table import TableState

TABLE_COLUMNS = (
    *("table", "watermark", "total", *(f"{kind}_swept_at" for kind in SWEEPS)),
    *("open_work", "recent", "refused"),
)
SUMMARY_COLUMNS = (
    *("portal_id", "tables", "oldest_watermark", "open_tables", "links", "links_pending"),
    *("last_sweeps", "calls"),
)
SWEPT = sorted(TABLE_COLUMNS[3:-3], key=lambda name: name.startswith("archive"))
LESS_THAN_TABLES = (*SWEPT, "recent", "total", "refused")
LINK_COLUMNS = ("links", "swept_at", "pending")
CACHE_COLUMNS = ("cache", "read_at", "age")


def show(
    *, destination: str = "duckdb", dataset: str = "hubspot", everything: bool = False
) -> RunReport:
    """Report what the state says of every table, every pair of linked tables and every cache.

    Args:
        destination: name of the destination.
        dataset: that the state is in.
        everything: whether people see all of it, instead of a summary and the open work.

    Raises:
        ConfigError: no sync has been in the dataset.
        WarehouseError: the destination does not answer.
    """
    report = RunReport("state show", destination=destination, dataset=dataset)
    with stored_pipeline(destination, dataset) as pipeline:
        known, report.dataset = _known(pipeline, dataset, report), dataset_of(pipeline)
        report.portal_id = known.portal_id
        damaged = {one.table for one in mended_state(pipeline)[1]}
    tables = _table_rows(known, damaged)
    unfinished = [row for row in tables if row[-3] or row[-1]]
    links = [
        (name, pair.swept_at, pair.pending or None) for name, pair in sorted(known.pairs.items())
    ]
    title = "Tables" if everything else "Unfinished tables, which the next sync continues"
    report.sections = [
        Section(
            *("portal", SUMMARY_COLUMNS, [_summary(known, tables, len(unfinished))]),
            title="State; --all shows the rest",
        ),
        Section(
            "tables",
            TABLE_COLUMNS,
            tables,
            title=title,
            brief=None if everything else unfinished,
            shown=everything or bool(unfinished),
            droppable=LESS_THAN_TABLES,
        ),
        Section(
            *("links", LINK_COLUMNS, links),
            title="Links",
            shown=everything,
            droppable=("pending", "swept_at"),
        ),
        Section(
            *("caches", CACHE_COLUMNS, _caches(known, report.started_at)),
            title="Caches",
            shown=everything,
            droppable=("read_at",),
        ),
    ]
    return report


def rewind(
    tables: Sequence[str],
    to: str,
    *,
    destination: str = "duckdb",
    dataset: str = "hubspot",
    patience: Patience = IMPATIENT,
) -> RunReport:
    """Take watermarks back, so that the next sync reads again what changed since.

    Args:
        tables: object tables, or tables of other APIs.
        to: a date or an ISO instant, in UTC.
        destination: name of the destination.
        dataset: that the tables are in.
        patience: with another run, or another program, that has the dataset.

    Raises:
        ConfigError: no such table, or one whose watermark is not later than the instant.
        WarehouseError: the destination does not answer, or another run is at work.
    """
    report = RunReport("state rewind", destination=destination, dataset=dataset)
    instant = to_instant(to)
    with changing_pipeline(destination, dataset, patience) as pipeline:
        known, report.dataset = _known(pipeline, dataset, report), dataset_of(pipeline)
        named = [*known.known_tables, *_of_endpoints(known)]
        names = choose(tables, named, what="--table", also=known.pairs)
        before = {name: _watermark(known, name, instant) for name in names}

        def edit(source: SourceState) -> None:
            for name in names:
                for kept in _collections(source, name):
                    kept.rewind(instant)
                if name not in TABLES:
                    source.table(name).rewind(instant)

        commit(pipeline, edit)
    rows = [(name, watermark, instant) for name, watermark in before.items()]
    title = "The next sync reads again what changed since then"
    report.sections = [Section("rewound", ("table", "before", "after"), rows, title=title)]
    return report


def reset(
    tables: Sequence[str],
    *,
    destination: str = "duckdb",
    dataset: str = "hubspot",
    patience: Patience = IMPATIENT,
) -> RunReport:
    """Forget the state of tables: the next sync reads them completely and compares.

    Args:
        tables: object tables, link tables, or tables of other APIs.
        destination: name of the destination.
        dataset: that the tables are in.
        patience: with another run, or another program, that has the dataset.

    Raises:
        ConfigError: no such table.
        WarehouseError: the destination does not answer, or another run is at work.
    """
    report = RunReport("state reset", destination=destination, dataset=dataset)
    with changing_pipeline(destination, dataset, patience) as pipeline:
        known, report.dataset = _known(pipeline, dataset, report), dataset_of(pipeline)
        named = [*known.known_tables, *known.pairs, *_of_endpoints(known)]
        names = choose(tables, named, what="--table")

        def edit(source: SourceState) -> None:
            for name in names:
                for kept in _collections(source, name):
                    kept.start_over(merges=True)
                if name in source.pairs:
                    source.pair(name).start_over()
                elif name not in TABLES:
                    source.table(name).start_over()

        commit(pipeline, edit)
    rows = [
        (name, known.pairs[name].swept_at, "all links are read")
        if name in known.pairs
        else (name, _loaded_at(known, name), "all rows are read")
        if name in TABLES
        else (name, known.table(name).watermark, "all records are read")
        for name in names
    ]
    title = "The next sync reads these completely"
    report.sections = [Section("reset", ("table", "before", "after"), rows, title=title)]
    return report


@contextmanager
def changing_pipeline(
    destination: str, dataset: str, patience: Patience = IMPATIENT
) -> Iterator[Pipeline]:
    """Open a dataset as `stored_pipeline` does, while no other run may write it.

    Raises:
        ConfigError: the destination's settings or driver are missing or wrong.
        WarehouseError: the destination does not answer, or another run is at work.
    """
    with (
        working_folder() as folder,
        hubspot_pipeline(folder, destination, dataset) as pipeline,
        claimed(pipeline, patience),
    ):
        restore(pipeline, destination)
        yield pipeline


def choose(
    names: Sequence[str], known: Sequence[str], *, what: str, also: Collection[str] = ()
) -> list[str]:
    """Return the tables that a person names, in any case; also by type id or by bare name.

    Args:
        names: as they were given, some of them perhaps as a list with commas.
        known: the tables there are.
        what: the option that names them.
        also: tables that there are, but not for this.

    Raises:
        ConfigError: an unknown name, or none; the message lists the tables.
    """
    given = [name.strip() for text in names for name in text.split(",") if name.strip()]
    remedy = f"Known are: {', '.join(sorted(known))}."
    if not given:
        raise ConfigError(f"No table is named with {what}.", remedy=remedy)
    tables, strangers = find(given, _aliases(known))
    if also and strangers and set(strangers) <= {*also}:
        raise ConfigError(
            f"{', '.join(strangers)}: links have no watermark.",
            remedy="hubspot-elt state reset has them read again.",
        )
    if strangers:
        raise ConfigError(
            f"Unknown table: {', '.join(strangers)}.",
            remedy=did_you_mean(strangers, known) + remedy,
        )
    return tables


def _aliases(known: Sequence[str]) -> dict[str, str]:
    """Return tables by all that a person may call them: name, bare name and type id."""
    return {
        **{table.removeprefix("custom_").casefold(): table for table in known},
        **{kind.type_id: kind.table for kind in STANDARD if kind.type_id and kind.table in known},
        **{table.casefold(): table for table in known},
    }


def to_instant(text: str) -> datetime:
    """Read a date or an instant that a person wrote; without a zone it is UTC.

    Raises:
        ConfigError: it is neither.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a date or an instant.",
            remedy="Write --to in UTC, such as 2026-11-01 or 2026-11-01T12:30:00Z.",
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _known(pipeline: Pipeline, dataset: str, report: RunReport) -> SourceState:
    """Return what the state holds, without what is damaged; the report warns of that.

    Raises:
        ConfigError: no sync has been in the dataset.
    """
    known, damages = mended_state(pipeline)
    report.warnings += map(str, damages)
    if known.is_empty and not damages:
        raise ConfigError(
            f"No sync has run in dataset {dataset} yet.",
            remedy="Run hubspot-elt sync first, or correct --dataset.",
        )
    return known


def _of_endpoints(known: SourceState) -> list[str]:
    """List the tables of endpoints that were read."""
    read = {key.partition(":")[0] for key in known.collections}
    return sorted(table for table, endpoint in ENDPOINT_OF.items() if endpoint in read)


def _collections(source: SourceState, table: str) -> list[CollectionState]:
    """Return what is kept of the readings that bring a table; nothing for one of records."""
    name, kept = ENDPOINT_OF.get(table), source.collections.items()
    return [state for key, state in kept if key.partition(":")[0] == name]


def _loaded_at(known: SourceState, table: str) -> datetime | None:
    """Return up to when rows of an endpoint's table are loaded; None where none were read."""
    found = _collections(known, table)
    return max((at for one in found if (at := one.watermark or one.read_at)), default=None)


def _watermark(known: SourceState, table: str, to: datetime) -> datetime:
    """Return the watermark that is to be taken back to an instant.

    Raises:
        ConfigError: it cannot be.
    """
    if table in TABLES:
        watermark = _loaded_at(known, table)
        is_open = False
    else:
        watermark, is_open = known.table(table).watermark, known.table(table).backfill is not None
    if watermark is None or is_open:
        raise ConfigError(
            f"{table} is still to be read to the end, so there is nothing to take back.",
            remedy="Run hubspot-elt sync; it reads all of the table.",
        )
    if to > watermark:
        raise ConfigError(
            f"{to:%Y-%m-%d %H:%M:%S} is later than the watermark of {table},"
            f" {watermark:%Y-%m-%d %H:%M:%S} UTC; what lies between would never be read.",
            remedy="Write an earlier instant as --to.",
        )
    return watermark


def _summary(known: SourceState, tables: Sequence[Sequence[Any]], unfinished: int) -> Sequence[Any]:
    """Return the row that sums up a state.

    Args:
        known: the state.
        tables: its rows by table.
        unfinished: tables that the next sync goes on with.
    """
    pairs = known.pairs.values()
    return (
        *(known.portal_id, len(tables), min((row[1] for row in tables if row[1]), default=None)),
        *(unfinished, len(pairs), sum(bool(pair.pending) for pair in pairs)),
        *(known.ledger.day or None, known.ledger.calls or None),
    )


def _table_rows(known: SourceState, damaged: Collection[str]) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    for table in sorted({*known.known_tables}.difference(damaged)):
        state = known.table(table)
        sweeps = [state.last_sweep(kind).swept_at for kind in SWEEPS]
        counts = (", ".join(_open_work(state)) or None, len(state.recent), len(state.pending_ids))
        rows.append((table, state.watermark, state.total, *sweeps, *counts))
    return rows


def _open_work(state: TableState) -> Iterator[str]:
    """Return what the next sync goes on with."""
    if backfill := state.backfill:
        ranges = f", {len(backfill.ranges)} ranges left" if backfill.ranges else ""
        yield f"backfill ({backfill.rows:,} rows{ranges})"
    elif state.has_older_rows:
        yield "backfill"
    if state.changes:
        yield f"increment since {state.changes.since:%Y-%m-%d %H:%M:%S}"
    for kind, row in SWEEPS.items():
        if state.last_sweep(kind).open_sweep:
            yield f"sweep of {row.what.format(table='records')}"
    if columns := sum(len(pending.properties) for pending in state.pending_columns):
        yield f"{columns} properties to fill"


def _caches(known: SourceState, now: datetime) -> list[Sequence[Any]]:
    return [
        (name, entry.read_at, to_age(now - entry.read_at))
        for name, entry in sorted(known.cache.items())
    ]
