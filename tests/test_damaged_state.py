"""A state that nobody could have written: mended and reported, or refused with a remedy that works.

The damages are made of the state's shape, so that a new member is among them by itself.
"""

import shlex
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import msgspec
import pytest
from conftest import Warehouse
from dlt.common.versioned_state import compress_state, decompress_state
from msgspec import inspect
from test_answers import damaged
from truth import differences

from pipelines.cli.app import main
from sources.hubspot.errors import ConfigError
from sources.hubspot.state.damage import mend, refuse
from sources.hubspot.state.source import VERSION, SourceState
from sources.hubspot.state.store import to_state, write
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

AT = "2026-11-24T00:00:00+00:00"
WRONG = ("odd", 7, 1.5, True, ["odd"], None, {"odd": 1})
NAMES = {"tables": "contacts", "pairs": "contacts_to_companies"}


PLAIN = {inspect.DateTimeType: AT, inspect.StrType: "1", inspect.BoolType: True}


def sample(kind: Any, name: str = "") -> Any:
    """Make a value of a type, with one entry wherever there may be some."""
    made: Any = PLAIN.get(type(kind), 1)
    match kind:
        case inspect.Metadata():
            made = sample(kind.type, name)
        case inspect.StructType() | inspect.DataclassType():
            made = {field.encode_name: sample(field.type, field.name) for field in kind.fields}
        case inspect.DictType():
            made = {NAMES.get(name, "one"): sample(kind.value_type)}
        case inspect.ListType():
            made = [sample(kind.item_type)]
        case inspect.TupleType():
            made = [sample(one) for one in kind.item_types]
        case inspect.UnionType():
            made = sample(kind.types[0])
        case inspect.LiteralType():
            made = kind.values[0]
    return made


WHOLE: dict[str, Any] = sample(inspect.type_info(SourceState)) | {"version": VERSION}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and item of a state, and of itself."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, one in items:
        yield from places(one, (*path, key))


def test_the_sample_is_whole() -> None:
    """The state that the damages are made of has every member, and nothing wrong with it."""
    state, damages = to_state(WHOLE)
    assert (state, damages) == (msgspec.convert(WHOLE, SourceState), [])
    assert WHOLE.keys() == set(SourceState.__struct_encode_fields__)
    written: dict[str, Any] = {}
    write(state, written)
    assert to_state(written) == (state, [])


@pytest.mark.parametrize("member", WHOLE)
def test_any_damage_is_mended_or_refused(member: str) -> None:
    """Whatever is wrong at any level, what is left is a state, and what was wrong is named."""
    found = 0
    for path in places(WHOLE[member]):
        for wrong in WRONG:
            state = damaged(WHOLE, (member, *path), wrong)
            mended, damages = mend(state)
            try:
                whole = msgspec.convert(state, SourceState)
            except msgspec.ValidationError:
                assert [one.part.split(".")[0] for one in damages] == [member]
                rest = {name: value for name, value in state.items() if name != member}
                assert _without(mended, member) == _without(mend(rest)[0], member)
                found += 1
            else:
                assert (mended, damages) == (whole, [])
    assert found > len(WRONG) / 2


def _without(state: SourceState, member: str) -> dict[str, Any]:
    """Return the members of a state but for one."""
    members: dict[str, Any] = msgspec.to_builtins(state)
    return {name: value for name, value in members.items() if name != member}


def test_a_state_that_is_none_is_refused() -> None:
    """A state that is no object at all is refused with a remedy."""
    for wrong in WRONG[:-2]:
        with pytest.raises(ConfigError, match="newest row"):
            refuse(mend(wrong)[1])


State = dict[str, Any]
TABLES = {"contacts": "contacts", "companies": "companies"}


@pytest.fixture
def synced(portal: Portal, warehouse: Warehouse) -> Portal:
    """A portal that was loaded twice, with what changed since."""
    portal.reset(SeedSpec(contacts=20, properties=8, companies=5, deals=0, tickets=0))
    warehouse.once("loaded twice", lambda: (warehouse.sync(*TABLES), warehouse.sync(*TABLES)))
    portal.update("contacts", next(iter(portal.records("contacts"))), {"firstname": "Ada"})
    portal.clock.advance(60_000)
    return portal


def change_state(warehouse: Warehouse, edit: Callable[[State], object]) -> None:
    """Edit the newest state of the dataset."""
    newest = "SELECT max(version) FROM hubspot._dlt_pipeline_state"
    with duckdb.connect(str(warehouse.path)) as connection:
        sql = f"SELECT state FROM hubspot._dlt_pipeline_state WHERE version = ({newest})"
        state = decompress_state(connection.execute(sql).fetchall()[0][0])
        edit(state)
        sql = f"UPDATE hubspot._dlt_pipeline_state SET state = ? WHERE version = ({newest})"
        connection.execute(sql, [compress_state(state)])


def follow(remedy: str, warehouse: Warehouse) -> None:
    """Do what a remedy says."""
    if "newest row" in remedy:
        with duckdb.connect(str(warehouse.path)) as connection:
            newest = "SELECT max(version) FROM hubspot._dlt_pipeline_state"
            sql = f"DELETE FROM hubspot._dlt_pipeline_state WHERE version = ({newest})"
            connection.execute(sql)
        return
    command = shlex.split(remedy.split("`")[1])
    with pytest.raises(SystemExit) as ended:
        main(command[1:])
    assert ended.value.code in {None, 0}


MENDED: State = {
    "cache": {"labels:contacts_to_companies": "no", "properties:contacts": {"read_at": 7}},
    "reference_digests": ["odd"],
    "reference_read_at": {"owners": 7},
    "columns_since": {"contacts": {"email": "soon"}},
    "pairs": {"contacts_to_companies": 7},
    "pending_cleanup": 7,
    "exports_started_at": [7],
    "ledger": "odd",
    "last_run_ended_at": "2026-11-24T00:00:00",
    "hard_delete": "no",
    "custom_tables": ["odd"],
    "deleted_types": 7,
}


def test_what_can_be_read_again_is_mended(synced: Portal, warehouse: Warehouse) -> None:
    """Damage of what HubSpot tells again costs nothing but a warning."""
    change_state(warehouse, lambda state: state["sources"]["hubspot"].update(MENDED))
    report = warehouse.sync(*TABLES)
    assert (report.exit_code, report.error) == (0, None)
    told = " ".join(report.warnings)
    assert [name for name in MENDED if f"damaged at {name}" not in told] == []
    assert differences(synced, warehouse, TABLES) == []
    report = warehouse.sync(*TABLES)
    assert (report.exit_code, report.warnings) == (0, [])


REFUSED: dict[str, Callable[[State], object]] = {
    "a table's member": lambda state: state["sources"]["hubspot"]["resources"]["contacts"].update(
        sweeps={"archive": {"calls": "odd"}}, completed_run=5
    ),
    "columns": lambda state: state["sources"]["hubspot"]["columns"].update(contacts=[["a"]]),
    "its version": lambda state: state["sources"]["hubspot"].update(version="odd"),
    "source": lambda state: state["sources"].update(hubspot=["odd"]),
    "sources": lambda state: state.update(sources="odd"),
    "engine": lambda state: state.update(_state_engine_version="odd"),
    "schemas": lambda state: state.update(schema_names=7, default_schema_name=[1]),
}


def refused(warehouse: Warehouse, damage: str) -> str:
    """Damage the state, and return the remedy of the sync that refuses it."""
    change_state(warehouse, REFUSED[damage])
    with pytest.raises(ConfigError, match="damaged") as found:
        warehouse.sync(*TABLES)
    assert found.value.exit_code == ConfigError.exit_code
    return found.value.remedy


def test_what_cannot_be_read_again_is_refused(synced: Portal, warehouse: Warehouse) -> None:
    """Damage of what no reading brings again ends with exit code 2; what the remedy says mends it.

    Where the newest row is to be deleted, the same is left of every damage.
    """
    sound = warehouse.path.read_bytes()
    mended: set[str] = set()
    for damage in REFUSED:
        warehouse.path.write_bytes(sound)
        remedy = refused(warehouse, damage)
        follow(remedy, warehouse)
        left = "newest row" if "newest row" in remedy else damage
        if left not in mended:
            mended.add(left)
            report = warehouse.sync(*TABLES)
            assert (report.exit_code, report.warnings) == (0, []), damage
            assert differences(synced, warehouse, TABLES) == [], damage
    assert "newest row" in mended
