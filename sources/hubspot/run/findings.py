"""What a run knows of its tables and pairs, from its first load to its last."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ..listing.prefetch import Calls
from ..model import SchemaChange
from ..state.source import ColumnPolicies


@dataclass(slots=True)
class TableFindings:
    """What a run knows of its object tables, by their names."""

    to_clean_up: set[str] = field(default_factory=set)
    """Tables that an earlier run may not have cleaned up after its last load."""
    schema_changes: list[SchemaChange] = field(default_factory=list)
    """What became of properties since they were last read."""
    definitions: dict[str, Future[Any]] = field(default_factory=dict)
    """Property definitions by table, as this run asked for them."""
    refreshed: set[str] = field(default_factory=set)
    """Tables whose schema this run has renewed."""
    vanished: dict[str, set[str]] = field(default_factory=dict)
    """Ids by table that HubSpot holds neither live nor archived, to be marked as purged."""
    totals: dict[str, int | None] = field(default_factory=dict)
    """Live records by table as HubSpot counted them in this run; None where it does not."""
    to_recount: dict[str, datetime | None] = field(default_factory=dict)
    """Tables to be recounted by the next load, and when a complete new listing began, if so."""
    deep: set[str] = field(default_factory=set)
    """Tables to be recounted in many ranges of ids, whatever their numbers are."""
    mismatches: dict[str, Sequence[int]] = field(default_factory=dict)
    """Live and stored records by table that the previous run recounted, and found nothing."""
    probes: dict[str, Any] = field(default_factory=dict)
    """What HubSpot said of each table before it was read; see `steps.probe`."""
    to_empty: dict[str, set[str]] = field(default_factory=dict)
    """Columns by table that a sync would empty before it reads, where this run reads nothing."""
    policies: dict[str, ColumnPolicies] = field(default_factory=dict)
    """Declared tables that this run writes under another policy on their columns than before."""
    repairs: dict[str, list[str]] = field(default_factory=dict)
    """Ids by table that a load only has to read again."""
    archived_seen: dict[str, set[str]] = field(default_factory=dict)
    """Ids that an unfinished sweep of a table's archive has seen."""
    resumed: set[str] = field(default_factory=set)
    """Tables whose listing an earlier run began."""
    ahead: dict[str, tuple[Sequence[str], Calls]] = field(default_factory=dict)
    """Pages of the listing by table that the load before has asked for, and of which properties."""
    downloads: dict[str, Future[Any]] = field(default_factory=dict)
    """Exports by table, on their way or being read; load after load takes its rows of them."""
    changed: set[str] = field(default_factory=set)
    """Tables in which this run found a change."""
    backfilled: dict[str, datetime] = field(default_factory=dict)
    """Tables that this run listed to the end, and when the listing began."""
    replaced: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """When reference tables, or the rows of which keys begin with a text, were read again."""
    sweeps_begun: set[tuple[str, str]] = field(default_factory=set)
    """Kinds and tables of the steps that this run has planned."""
    _restarted: set[str] = field(default_factory=set)

    def restart(self, table: str, *, asked: bool) -> bool:
        """Begin to read a table whole, where that is asked for, and return True; once a run."""
        if not asked or table in self._restarted:
            return False
        self._restarted.add(table)
        return True

    def repair(self, ids: Mapping[str, list[str]]) -> None:
        """Have the next load of a repair read these records again, by table, and no others."""
        self.repairs = {**ids}

    def begin_sweeps(self, planned: Iterable[tuple[str, str]]) -> None:
        """Keep that these kinds of steps were planned for these tables: they go on till the end."""
        self.sweeps_begun.update(planned)

    def take_vanished(self) -> dict[str, set[str]]:
        """Hand over the ids that are to be marked as purged; none is handed over twice."""
        taken, self.vanished = self.vanished, {}
        return taken

    def take_to_clean_up(self) -> set[str]:
        """Hand over the tables that an earlier run may have left, once."""
        taken, self.to_clean_up = self.to_clean_up, set()
        return taken

    def close(self) -> None:
        """Remove the files of exports, once no call is in flight."""
        for download in self.downloads.values():
            if not download.cancelled() and download.exception() is None:
                download.result().close()


@dataclass(slots=True)
class PairFindings:
    """What a run knows of its link tables, by their names."""

    refused: set[str] = field(default_factory=set)
    """Link tables that HubSpot or the token does not have."""
    failed: set[str] = field(default_factory=set)
    """Of these, the ones that had links before: the next run asks for them again."""
    late: dict[str, set[str]] = field(default_factory=dict)
    """From-ids by link table whose links a load had read before they changed."""
    refused_ids: set[tuple[str, str, str]] = field(default_factory=set)
    """Link tables, ends and ids of records whose links HubSpot refused to this run."""
    linked: set[str] = field(default_factory=set)
    """Link tables that this run brought rows of, and what an earlier one may not have cleaned up:
    tables whose links to records that are not there go at the end of the run."""
    brought: Counter[str] = field(default_factory=Counter)
    """How many links of each table this run brought."""
    more_calls: Counter[str] = field(default_factory=Counter)
    """Calls for links of each table that no number of records shows: for their second pages, or
    because their types are unclear."""
    stale_labels: set[str] = field(default_factory=set)
    """Link tables whose links bear other labels than their association types did."""
    relabelled: set[str] = field(default_factory=set)
    """Link tables whose association types this load brings with other labels."""
    swept: set[str] = field(default_factory=set)
    """Link tables whose turn to be swept came in this run."""
    due: set[str] = field(default_factory=set)
    """Link tables that are to be swept in this run."""
    ends: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Link tables, and the object tables at their ends."""
    sides: dict[str, Literal["source", "target"]] = field(default_factory=dict)
    """The end of each pair that all of its links are read from."""

    def know(self, ends: Mapping[str, tuple[str, str]]) -> None:
        """Keep which link tables there are, and the object tables at their ends."""
        self.ends = ends

    def repair(self, ids: Mapping[str, set[str]]) -> None:
        """Have the next load read the links of these from-ids again, by link table."""
        self.late |= ids
        self.relabelled |= ids.keys()  # labels are set for all links of a pair at once

    def plan_sweeps(self, tables: Iterable[str]) -> None:
        """Have these link tables swept in this run, and no others that can wait."""
        self.due = {*tables}

    def take_linked(self) -> set[str]:
        """Hand over the link tables whose links to missing records go, once."""
        taken, self.linked = self.linked, set()
        return taken

    def take_relabelled(self) -> set[str]:
        """Hand over the link tables whose labels are to be set, once."""
        taken, self.relabelled = self.relabelled, set()
        return taken


@dataclass(slots=True)
class CollectionFindings:
    """What a run knows of the endpoints of the catalog, by their names."""

    loaded: set[str] = field(default_factory=set)
    """Keys of their states whose rows this run loaded: what is gone is marked after the load."""
    done: set[str] = field(default_factory=set)
    """Keys of their states that this run has read to their ends, or failed to."""
    begun: set[tuple[str, str]] = field(default_factory=set)
    """Keys, and parents, of which this run has read what an earlier one may have missed."""
    started_over: bool = False
    """Whether a full refresh has forgotten what is loaded of the endpoints."""
    doubted: set[str] = field(default_factory=set)
    """Endpoints with events of which the warehouse has rows that the state does not know of."""
    ahead: dict[str, Future[Any]] = field(default_factory=dict)
    """First pages that something else needs, too, and has asked for, by their paths."""
    following: set[str] = field(default_factory=set)
    """Endpoints that the next load reads, for this one brought their parents."""
    histories: dict[str, bool] = field(default_factory=dict)
    """Object tables whose property history is read, and whether the user asks for all of it now."""
    granted: dict[str, int] = field(default_factory=dict)
    """Calls that are left for the history of all records of a table; any number where missing."""
    histories_loaded: set[str] = field(default_factory=set)
    """Object tables whose property history this run loaded, until SQL has followed it up."""

    def take_histories(self) -> set[str]:
        """Hand over the tables whose property history was loaded, once."""
        taken, self.histories_loaded = self.histories_loaded, set()
        return taken

    to_repair: set[str] = field(default_factory=set)
    """Keys of the states of what differs from the portal: a repair reads these and no others."""

    @property
    def repairs(self) -> set[str]:
        """The endpoints that a repair reads."""
        return {key.partition(":")[0] for key in self.to_repair}

    def take_loaded(self) -> set[str]:
        """Hand over the keys whose rows were loaded, once."""
        taken, self.loaded = self.loaded, set()
        return taken
