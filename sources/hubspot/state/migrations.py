"""A state of an older version, in the shape of the present one; damage stays what it was."""

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError
from .source import VERSION

State = dict[str, Any]


def to_present(kept: object) -> object:
    """Return a stored state in the shape of the present version.

    Guarantees: what is passed stays as it is; what no version could have written is passed on, for
    `damage.mend` to judge.

    Raises:
        ConfigError: it is of a newer version.
    """
    if not isinstance(kept, Mapping):
        return kept
    version = kept.get("version", 0)
    if type(version) is not int:
        return kept
    if version > VERSION:
        raise ConfigError(
            f"The state in the dataset is of version {version}, and this version of hubspot-elt"
            f" reads states up to version {VERSION}.",
            remedy="Use the version of hubspot-elt that wrote it, or a newer one; or load into"
            " another --dataset.",
        )
    state = dict(kept)
    for step in _STEPS[max(0, version) :] if state else ():
        state = step(state)
    return state


def _to_1(state: State) -> State:
    """From the state without a number: other names, and work under way in one place."""
    state = _renamed(state, _SOURCE)
    for name, migrate in (("resources", _table), ("pairs", _renamed_pair)):
        state = _each(state, name, migrate)
    return state | {"version": 1}


def _table(table: State) -> State:
    table = _renamed(table, _TABLE)
    if "watermark" in table:
        table.setdefault("searched_at", table["watermark"])
    if isinstance(works := table.get("completed_run"), list):
        table["completed_run"] = works[-1] if works else None
    recount = table.pop("recount_pending", {})
    table["recount_pending"] = recount.get("owed", False) if _is(recount) else recount
    for name, migrate in (("archive", _sweep), ("calculated", _sweep), ("changes", _changes)):
        if _is(table.get(name)):
            table[name] = migrate(table[name])
    if isinstance(table.get("pending_columns"), list):
        table["pending_columns"] = [
            _renamed(one, _COLUMNS) if _is(one) else one for one in table["pending_columns"]
        ]
    backfill = table.get("backfill")
    if isinstance(backfill, dict):
        del table["backfill"]
        if "ranges" in backfill:  # else nothing was counted or read
            table["backfill"] = _backfill(backfill)
    return table


def _sweep(sweep: State) -> State:
    """Put what is kept of a sweep under way in one place."""
    names = ("started_at", "ranges", "last_id")
    work = {name: sweep[name] for name in names if name in sweep}
    rest = {name: value for name, value in sweep.items() if name not in names}
    return _renamed(rest, _SWEEP) | ({"open_sweep": work} if "started_at" in work else {})


def _changes(changes: State) -> State:
    return _renamed(changes, {"vouched": "complete"})


def _backfill(backfill: State) -> State:
    """Write out whether an export was chosen; its presence alone said so before."""
    return _renamed(backfill, _BACKFILL) | {"export_decided": "export" in backfill}


def _renamed_pair(pair: State) -> State:
    """Turn members whose presence, or absence, was the value into plain values."""
    pair = _renamed(pair, _PAIR)
    pair["pending"] = "pending" in pair and bool(pair["pending"])
    if isinstance(empty := pair.pop("empty", None), bool):
        pair["has_links"] = not empty
    elif empty is not None:
        pair["has_links"] = empty
    if _is(pair.get("open_sweep")):
        pair["open_sweep"] = _renamed(pair["open_sweep"], _LINK_SWEEP)
    return pair


def _to_2(state: State) -> State:
    """From one member for each kind of sweep to a mapping by kind."""
    return _each(state, "resources", _table_to_2) | {"version": 2}


def _table_to_2(table: State) -> State:
    kinds, moved = ("archive", "calculated"), ("archived_ids", "columns_added_at")
    rest = {name: one for name, one in table.items() if name not in (*kinds, "recounted_at")}
    sweeps = {kind: table[kind] for kind in kinds if kind in table}
    if "recounted_at" in table:
        sweeps["recount"] = {"swept_at": table["recounted_at"]}
    swept = sweeps.get("archive")
    if isinstance(swept, dict):
        if swept.get("swept_at"):  # an empty archive was written without its 0 calls
            swept = {"calls": 0} | swept
        rest |= {name: swept[name] for name in moved if name in swept}
        sweeps["archive"] = {name: one for name, one in swept.items() if name not in moved}
    return rest | {"sweeps": sweeps}


def _to_3(state: State) -> State:
    """From digests of owners and pipelines to the state of their endpoints: they are read again."""
    moved = {"owners", "pipelines", "pipeline_stages"}
    found = {}
    for member in ("reference_digests", "reference_read_at"):
        entries = state.get(member)
        if isinstance(entries, dict):
            gone = {name: one for name, one in entries.items() if name.partition(":")[0] in moved}
            state = state | {member: {n: one for n, one in entries.items() if n not in gone}}
            if member == "reference_read_at":
                found = {name: {"read_at": at, "is_stale": True} for name, at in gone.items()}
    return state | {"version": 3} | ({"collections": found} if found else {})


_SOURCE = {
    "worked_until": "last_run_ended_at",
    "gone": "deleted_types",
    "since": "columns_since",
    "links": "pairs",
    "digests": "reference_digests",
    "reads": "reference_read_at",
    "cleanup": "pending_cleanup",
    "exports": "exports_started_at",
    "sweeps": "ledger",
}
_TABLE = {
    "works": "completed_run",
    "anew": "has_older_rows",
    "refused": "pending_ids",
    "unexplained": "count_mismatch",
    "owed": "pending_columns",
    "census": "recount_pending",
    "increment": "changes",
}
_COLUMNS = {"began_at": "added_at", "searched": "searched_in", "again_at": "search_again_at"}
_SWEEP = {"columns_at": "columns_added_at", "seen": "archived_ids"}
_BACKFILL = {"anew": "has_older_rows", "way": "paging", "swept": "archive_swept"}
_PAIR = {"owed": "pending", "told_by": "reported_by", "sweep": "open_sweep"}
_LINK_SWEEP = {"began_at": "started_at", "after": "after_id", "told": "reported"}
_STEPS: tuple[Callable[[State], State], ...] = (_to_1, _to_2, _to_3)
"""The first leads from version 0 to 1, and so on."""


def _is(value: object) -> bool:
    return isinstance(value, dict)


def _renamed(state: State, names: Mapping[str, str]) -> State:
    return {names.get(name, name): value for name, value in state.items()}


def _each(state: State, name: str, migrate: Callable[[State], State]) -> State:
    """Migrate every entry of a member that is one; leave any other thing as it is."""
    entries = state.get(name)
    if not isinstance(entries, dict):
        return state
    migrated = {key: migrate(one) if isinstance(one, dict) else one for key, one in entries.items()}
    return state | {name: migrated}
