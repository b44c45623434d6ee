"""One portal's state and every change it may undergo; knows nothing of HTTP."""
# ruff: noqa: A002 - `type` and `id` are HubSpot's words, and callers pass them by name

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from datetime import datetime
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..clock import Clock, iso, to_ms
from ..faults.journal import Journal
from ..faults.limits import Meter
from ..faults.rules import Fault, Mutation, Rules
from ..settings import Settings, to_token
from . import changes, truth
from .catalog import reference_data
from .catalog.definitions import Definition, complete
from .catalog.object_types import ObjectType, custom_type
from .changes import When
from .collections.registry import Collections
from .collections.seeding import Plan
from .export_tasks import Tasks
from .records.table import RecordTable
from .seed import SeedSpec, populate

P = ParamSpec("P")
R = TypeVar("R")
At = datetime | str | float | None


def _locked(
    method: Callable[Concatenate["Portal", P], R],
) -> Callable[Concatenate["Portal", P], R]:
    """Run a method of the portal while no other one runs."""

    @wraps(method)
    def run(portal: "Portal", /, *args: P.args, **kwargs: P.kwargs) -> R:
        with portal.lock:
            return method(portal, *args, **kwargs)

    return run


class Portal:
    """A HubSpot account: thread-safe, usable from a test while the server answers calls."""

    id = reference_data.PORTAL_ID
    address = "http://127.0.0.1:8765"
    """Where it answers: files of exports are downloaded from there."""

    def __init__(self, spec: SeedSpec | None = None, settings: Settings | None = None) -> None:
        self.lock = RLock()
        self.defaults = settings or Settings()
        self.spec = SeedSpec.empty()
        self.reset(spec or SeedSpec.empty())

    @_locked
    def reset(self, spec: SeedSpec | None = None) -> None:
        """Forget everything, settings too, and seed again."""
        self.spec = spec or self.spec
        self.settings = deepcopy(self.defaults)
        self.account = reference_data.account(self.id)
        self.clock = Clock()
        self.meter = Meter(self.clock, self.account["utcOffsetMilliseconds"])
        self.faults = Rules(Fault)
        self.mutations = Rules(Mutation)
        self.journal = Journal()
        self.pages_given: Counter[str] = Counter()
        self.exports = Tasks()
        self.contents = contents = populate(self.spec, self.id)
        self.types, self.tables, self.links = contents.types, contents.tables, contents.links
        self.owners, self.pipelines = contents.owners, contents.pipelines
        self.schemas = contents.schemas
        plan = Plan(self.spec.sizes, self.spec.handful, self.spec.merges)
        self.collections = Collections(contents, plan, self.clock)

    def type(self, name: str) -> ObjectType:
        """Return the object type of any form of its name."""
        return self.contents.type(name)

    def table(self, name: str) -> RecordTable:
        """Return the records of a type, given by any form of its name."""
        return self.contents.table(name)

    def _when(self, at: At = None) -> When:
        at_ms = self.clock.now_ms() if at is None else to_ms(at)
        return When(at_ms, self.clock.age_ms())

    @property
    def _scattered(self) -> bool:
        return "scattered_ids" in self.settings.anomalies

    # records

    @_locked
    def create(
        self,
        type: str,
        properties: Mapping[str, str],
        id: str | int | None = None,
        at: At = None,
    ) -> str:
        """Create a record, now or `at` an instant; values are not validated. Returns its id."""
        table = self.table(type)
        number = table.next_id(scattered=self._scattered) if id is None else int(id)
        changes.create(table, number, properties, self._when(at))
        return str(number)

    @_locked
    def update(
        self, type: str, id: str | int, properties: Mapping[str, str], at: At = None
    ) -> None:
        """Change values of a record and its last-modified."""
        changes.update(self.table(type), int(id), properties, self._when(at))

    @_locked
    def set_calculated(self, type: str, id: str | int, properties: Mapping[str, str]) -> None:
        """Change values of a record as calculations do: last-modified stays."""
        changes.calculate(self.table(type), int(id), properties, self._when())

    @_locked
    def archive(self, type: str, id: str | int) -> None:
        """Put a record into the recycle bin."""
        changes.archive(self.table(type), int(id), self._when())

    @_locked
    def restore(self, type: str, id: str | int) -> None:
        """Take a record out of the recycle bin; last-modified stays."""
        changes.restore(self.table(type), int(id), self.clock.age_ms())

    @_locked
    def merge(self, type: str, primary: str | int, other: str | int, at: At = None) -> str:
        """Merge `other` into `primary`; returns the surviving id, new for contacts, companies."""
        pair, table = (int(primary), int(other)), self.table(type)
        kept = changes.merge(table, self.links, pair, self._when(at), scattered=self._scattered)
        return str(kept)

    @_locked
    def purge(self, type: str, id: str | int) -> None:
        """Remove a record for good, as 90 days in the recycle bin do."""
        self.table(type).drop(int(id), self.clock.age_ms())

    @_locked
    def gdpr_delete(self, type: str, id: str | int) -> None:
        """Remove a record for good, as a privacy request does."""
        self.table(type).drop(int(id), self.clock.age_ms())

    @_locked
    def hide(self, type: str, ids: Collection[str | int]) -> None:
        """Hide records from the token: they exist, and no response shows them."""
        table = self.table(type)
        for record in [changes.existing(table, int(one)) for one in ids]:
            table.hide(record.id)

    @_locked
    def show(self, type: str, ids: Collection[str | int]) -> None:
        """Let the token see records again."""
        table = self.table(type)
        for record in [changes.existing(table, int(one)) for one in ids]:
            table.show(record.id)

    @_locked
    def records(
        self, type: str, *, archived: bool = False, hidden: bool = False
    ) -> dict[str, dict[str, Any]]:
        """Return the truth about every live (or archived) record: set properties and dates.

        Hidden records are left out unless `hidden` asks for them too.
        """
        return truth.records(self.table(type), archived=archived, hidden=hidden)

    # associations

    @_locked
    def associate(
        self,
        from_type: str,
        from_id: str | int,
        to_type: str,
        to_id: str | int,
        type_id: int | None = None,
        category: str | None = None,
    ) -> None:
        """Associate two records, with the base type and `type_id`, in both directions."""
        source, target = self.type(from_type), self.type(to_type)
        known = self.links.types.of(source, target)
        wanted = self.links.types.base_id(source, target) if type_id is None else type_id
        if wanted not in known or category not in (None, known[wanted].category):
            raise ValueError(f"no association type {type_id} from {source.name} to {target.name}")
        self.links.link((source, int(from_id)), (target, int(to_id)), wanted)

    @_locked
    def dissociate(
        self,
        from_type: str,
        from_id: str | int,
        to_type: str,
        to_id: str | int,
        type_id: int | None = None,
    ) -> None:
        """Remove one label, or without `type_id` every association, between two records."""
        source, target = self.type(from_type), self.type(to_type)
        self.links.unlink((source, int(from_id)), (target, int(to_id)), type_id)

    @_locked
    def create_label(
        self, from_type: str, to_type: str, label: str, inverse_label: str | None = None
    ) -> int:
        """Create an association label; returns the type id of its first direction."""
        source, target = self.type(from_type), self.type(to_type)
        return self.links.types.add_label(source, target, label, inverse_label).type_id

    @_locked
    def rename_label(
        self, from_type: str, to_type: str, type_id: int, label: str, inverse_label: str
    ) -> None:
        """Give a label other names; its type ids and the links that have it stay."""
        names = (label, inverse_label)
        self.links.types.rename(self.type(from_type), self.type(to_type), type_id, names)

    @_locked
    def associations(
        self, from_type: str, to_type: str
    ) -> list[tuple[str, str, int, str, str | None]]:
        """Return every link of live records: from, to, type id, category, label."""
        return truth.associations(self.links, self.table(from_type), self.table(to_type))

    # definitions

    @_locked
    def create_property(self, type: str, definition: Definition) -> None:
        """Create a property; one archived under the same name comes back with its values."""
        table = self.table(type)
        made = complete(definition, at_ms=self.clock.now_ms())
        table.definitions[made["name"]] = made
        table.definitions_version += 1

    @_locked
    def update_property(self, type: str, name: str, members: Definition) -> None:
        """Change members of a definition, its type too; options are replaced whole."""
        table = self.table(type)
        merged = {**table.definitions[name], **members, "updatedAt": iso(self.clock.now_ms())}
        table.definitions[name] = complete(merged, at_ms=self.clock.now_ms())
        table.definitions_version += 1

    @_locked
    def archive_property(self, type: str, name: str) -> None:
        """Archive a definition; records keep its values unseen."""
        now = iso(self.clock.now_ms())
        self.update_property(type, name, {"archived": True, "archivedAt": now})

    @_locked
    def create_custom_object(
        self, name: str, properties: list[Definition] | None = None, plural: str | None = None
    ) -> str:
        """Create a custom object type; returns its type id."""
        labels = (name.replace("_", " ").capitalize(), plural or f"{name}s".replace("_", " "))
        made = custom_type(self.id, len(self.schemas), name, labels)
        self.types.add(made)
        now_ms = self.clock.now_ms()
        self.contents.add_table(changes.new_table(made, properties or [], now_ms))
        self.contents.add_schema(made, iso(now_ms))
        return made.type_id

    @_locked
    def delete_custom_object(self, name: str) -> None:
        """Delete a custom object type with its records; its name may be taken by a new one."""
        gone = self.type(name)
        self.types.remove(gone)
        self.schemas[gone.type_id]["archived"] = True

    @_locked
    def delete_pipeline(self, type: str, id: str) -> None:
        """Delete a pipeline for good; records keep its id and those of its stages."""
        kept = [one for one in self.pipelines[self.type(type).type_id] if one["id"] != id]
        self.pipelines[self.type(type).type_id][:] = kept

    @_locked
    def create_stage(self, type: str, pipeline_id: str, id: str, label: str) -> None:
        """Add a stage to a pipeline, behind the others."""
        for one in self.pipelines[self.type(type).type_id]:
            if one["id"] == pipeline_id:
                one["stages"].append(reference_data.stage(len(one["stages"]), (id, label, {})))

    @_locked
    def delete_stage(self, type: str, pipeline_id: str, id: str) -> None:
        """Delete a stage for good; records keep its id."""
        for one in self.pipelines[self.type(type).type_id]:
            if one["id"] == pipeline_id:
                one["stages"][:] = [stage for stage in one["stages"] if stage["id"] != id]

    @_locked
    def create_owner(self, email: str) -> str:
        """Create an active owner; returns its id."""
        made = reference_data.owner(len(self.owners), email)
        self.owners.append(made)
        return str(made["id"])

    @_locked
    def archive_owner(self, id: str) -> None:
        """Deactivate an owner: `userId` becomes null."""
        next(o for o in self.owners if o["id"] == id).update(archived=True, userId=None)

    @_locked
    def change_collection(self, /, name: str, change: str, **arguments: Any) -> object:  # noqa: ANN401 - JSON
        """Change a collection by the name of a method of `Collection`: `add`, `edit`, `delete`."""
        return self.collections.change(name, change, arguments)

    # access

    @_locked
    def set_token(
        self,
        secret: str,
        scopes: Collection[str] | None = None,
        expires_at_ms: int | None = None,
    ) -> None:
        """Issue a token, or change what one may do; `scopes` of None means everything."""
        self.settings.tokens[secret] = to_token({"scopes": scopes, "expires_at_ms": expires_at_ms})

    @_locked
    def revoke_token(self, secret: str) -> None:
        """Make a token unknown."""
        self.settings.tokens.pop(secret, None)

    @_locked
    def truth(self) -> dict[str, Any]:
        """Return the number of records and properties of every type."""
        return truth.counts(self.tables.values())
