"""The state in a dataset, which says where each sync begins: show it, rewind it, reset it.

Everything comes from the destination and goes back to it, in a load of its own that brings no
rows, so the next sync begins there on any machine.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from dlt.pipeline.pipeline import Pipeline

from destinations.lock import IMPATIENT, Patience, claimed
from pipelines.freshness import to_age
from pipelines.report import RunReport, Section
from pipelines.stored import commit, dataset_of, hubspot_pipeline, restore, stored_pipeline
from pipelines.workdir import working_folder
from sources.hubspot.catalog.names import did_you_mean, find
from sources.hubspot.catalog.object_types import STANDARD
from sources.hubspot.errors import ConfigError
from sources.hubspot.state.shape import TableShape
from sources.hubspot.state.store import SourceState, mended_state

TABLE_COLUMNS = (
    *("table", "watermark", "total", "archived_swept_at", "calculated_swept_at"),
    *("open_work", "recent", "refused"),
)
SUMMARY_COLUMNS = (
    *("portal_id", "tables", "oldest_watermark", "open_tables", "links", "links_owed"),
    *("last_sweeps", "calls"),
)
LESS_THAN_TABLES = ("calculated_swept_at", "archived_swept_at", "recent", "total", "refused")
LINK_COLUMNS = ("links", "swept_at", "owed")
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
        report.portal_id = known.get("portal_id")
        damaged = {one.table for one in mended_state(pipeline)[1]}
    spent = known.get("sweeps", {})
    tables = _table_rows(known, damaged)
    links = [
        (pair, at(pair_state.get("swept_at")), pair_state.get("owed"))
        for pair, pair_state in sorted(known.get("links", {}).items())
    ]
    caches = _caches(known, report.started_at)
    open_ = [row for row in tables if row[-3] or row[-1]]
    marks = [row[1] for row in tables if row[1]]
    summary = (
        *(report.portal_id, len(tables), min(marks, default=None), len(open_), len(links)),
        *(sum(bool(row[2]) for row in links), spent.get("day"), spent.get("calls")),
    )
    title = "Tables" if everything else "Unfinished tables, which the next sync continues"
    report.sections = [
        Section("portal", SUMMARY_COLUMNS, [summary], title="State; --all shows the rest"),
        Section(
            "tables",
            TABLE_COLUMNS,
            tables,
            title=title,
            brief=None if everything else open_,
            shown=everything or bool(open_),
            droppable=LESS_THAN_TABLES,
        ),
        Section(
            *("links", LINK_COLUMNS, links),
            title="Links",
            shown=everything,
            droppable=("owed", "swept_at"),
        ),
        Section(
            *("caches", CACHE_COLUMNS, caches),
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
        tables: object tables.
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
        names = choose(tables, _tables(known), what="--table", also=known.get("links", {}))
        before = {name: _watermark(known, name, instant) for name in names}

        def edit(source: SourceState) -> None:
            for name in names:
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
        tables: object tables, or link tables.
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
        links = known.get("links", {})
        names = choose(tables, [*_tables(known), *links], what="--table")

        def edit(source: SourceState) -> None:
            for name in names:
                if name in links:
                    source.links(name).clear()
                    source.links(name)["owed"] = "must"
                else:
                    source.table(name).begin_anew()

        commit(pipeline, edit)
    rows = [
        (name, at(links[name].get("swept_at")), "all links are read")
        if name in links
        else (name, at(known["resources"][name].get("watermark")), "all records are read")
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
    names: Sequence[str], known: Sequence[str], *, what: str, also: Mapping[str, Any] | None = None
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
    aliases = {table.removeprefix("custom_").casefold(): table for table in known}
    aliases |= {
        kind.type_id: kind.table for kind in STANDARD if kind.type_id and kind.table in known
    }
    aliases |= {table.casefold(): table for table in known}
    tables, strangers = find(given, aliases)
    if strangers:
        if also and set(strangers) <= also.keys():
            raise ConfigError(
                f"{', '.join(strangers)}: links have no watermark.",
                remedy="hubspot-elt state reset has them read again.",
            )
        raise ConfigError(
            f"Unknown table: {', '.join(strangers)}.",
            remedy=did_you_mean(strangers, known) + remedy,
        )
    return tables


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


def at(text: object) -> datetime | None:
    """Read an instant of the state; None where there is none, or it is damaged."""
    try:
        return to_instant(str(text)) if text else None
    except ConfigError:
        return None


def _known(pipeline: Pipeline, dataset: str, report: RunReport) -> dict[str, Any]:
    """Return what the state holds, without what is damaged; the report warns of that.

    Raises:
        ConfigError: no sync has been in the dataset.
    """
    known, damages = mended_state(pipeline)
    report.warnings += map(str, damages)
    if not known and not damages:
        raise ConfigError(
            f"No sync has run in dataset {dataset} yet.",
            remedy="Run hubspot-elt sync first, or correct --dataset.",
        )
    return known


def _tables(known: Mapping[str, Any]) -> list[str]:
    """Return the object tables that the state knows something of."""
    return [table for table, state in known.get("resources", {}).items() if state]


def _watermark(known: Mapping[str, Any], table: str, to: datetime) -> datetime:
    """Return the watermark that is to be taken back to an instant.

    Raises:
        ConfigError: it cannot be.
    """
    state = known["resources"][table]
    watermark = at(state.get("watermark"))
    if watermark is None or "backfill" in state:
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


def _table_rows(known: Mapping[str, Any], damaged: Collection[str]) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    for table in sorted({*_tables(known)}.difference(damaged)):
        state = msgspec.convert(known["resources"][table], TableShape)
        sweeps = [sweep and sweep.swept_at for sweep in (state.archive, state.calculated)]
        counts = (", ".join(_open_work(state)) or None, len(state.recent), len(state.refused))
        rows.append((table, state.watermark, state.total, *sweeps, *counts))
    return rows


def _open_work(state: TableShape) -> Iterator[str]:
    """Return what the next sync goes on with."""
    if backfill := state.backfill:
        ranges = f", {len(backfill.ranges)} ranges left" if backfill.ranges else ""
        yield f"backfill ({backfill.rows:,} rows{ranges})"
    elif state.anew:
        yield "backfill"
    if state.increment:
        yield f"increment since {state.increment.since:%Y-%m-%d %H:%M:%S}"
    if state.archive and state.archive.started_at:
        yield "sweep of archived records"
    if state.calculated and state.calculated.started_at:
        yield "sweep of calculated values"
    if columns := sum(len(owed.properties) for owed in state.owed):
        yield f"{columns} properties to fill"


def _caches(known: Mapping[str, Any], now: datetime) -> list[Sequence[Any]]:
    entries = known.get("cache", {}).items()
    read = {name: at(entry.get("read_at")) for name, entry in entries if isinstance(entry, dict)}
    return [(name, when, when and to_age(now - when)) for name, when in sorted(read.items())]
