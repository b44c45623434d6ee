"""Destinations: made by name, checked before HubSpot is asked, their failures in plain words."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.pipeline.pipeline import Pipeline

from destinations.catalog import KNOWN, NAMES, OUR_EXTRAS, REFUSED, install_hint
from destinations.resolve import describe, keeps_nul, make_destination, open_destination
from sources.hubspot.errors import ConfigError, HubSpotError, WarehouseError

SECRET = "p4ssw0rd-nobody-may-see"  # noqa: S105 - it opens nothing


def pipeline_to(name: str, **environment: str) -> Pipeline:
    """Make a pipeline into a destination, its settings in the environment."""
    os.environ.update({key.upper(): value for key, value in environment.items()})
    return dlt.pipeline(
        "warehouse_test",
        pipelines_dir="state",
        destination=make_destination(name),
        dataset_name="hubspot",
    )


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test puts into the environment is gone after it."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Hold a DuckDB file open as another process does: with its lock on the file."""
    import subprocess  # noqa: PLC0415 - only here
    import sys  # noqa: PLC0415

    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield
        other.communicate("\n", timeout=20)


def test_columns_of_duckdb_are_those_that_dlt_finds(tmp_path: Path) -> None:
    """Tables have the columns, types and nullability that dlt finds, in whatever order they lie."""
    path = tmp_path / "columns.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA hubspot; CREATE SCHEMA other; USE hubspot")
        connection.execute('CREATE TABLE "odd \'name" (id VARCHAR NOT NULL, "a b" DECIMAL(38, 0))')
        connection.execute("CREATE TABLE contacts (w TIMESTAMPTZ, x DECIMAL(9, 2), z BIGINT[])")
        connection.execute("CREATE TABLE other.deals (id VARCHAR)")
    client = pipeline_to("duckdb", destination__duckdb__credentials=str(path)).destination_client()
    names = ["contacts", "deals", "odd 'name"]
    assert isinstance(client, DuckDbClient)
    with client:
        found = dict(client.get_storage_tables(names))
        of_dlt = dict(DuckDbClient.get_storage_tables(client, names))
        assert not found["deals"]
        assert found == of_dlt
        assert [*found["contacts"]] == ["w", "x", "z"]
        client.sql_client.execute_sql("CREATE VIEW deals AS SELECT * FROM contacts")
        assert dict(client.get_storage_tables(["deals"])) == {"deals": {}}


def test_columns_of_many_tables_take_little_memory(tmp_path: Path) -> None:
    """Each table of a portal that is read whole is found under the limit of DuckDB's memory."""
    path, names = tmp_path / "many.duckdb", [f"t{number}" for number in range(400)]
    with duckdb.connect(str(path)) as connection:
        made = [f"CREATE TABLE hubspot.{name} (id VARCHAR)" for name in names]
        connection.execute(f"BEGIN; CREATE SCHEMA hubspot; {'; '.join(made)}; COMMIT")
    client = pipeline_to("duckdb", destination__duckdb__credentials=str(path)).destination_client()
    assert isinstance(client, DuckDbClient)
    with client:
        found = dict(client.get_storage_tables(names))
    assert found.keys() == {*names}
    assert all([*columns] == ["id"] for columns in found.values())


def test_duckdb_file_stands_in_the_working_directory(tmp_path: Path) -> None:
    """Without any setting, DuckDB's file is in the working directory, and checking makes none."""
    pipeline = dlt.pipeline("hubspot", pipelines_dir="state", destination=make_destination())
    with open_destination(pipeline):
        pass
    assert describe(pipeline) == f"DuckDB file {tmp_path / 'hubspot.duckdb'}"
    assert not (tmp_path / "hubspot.duckdb").exists()


def test_duckdb_file_by_setting_and_by_name(tmp_path: Path) -> None:
    """The credentials name the file; a destination that ends with .duckdb overrides them."""
    wanted, other = str(tmp_path / "wanted.duckdb"), str(tmp_path / "other.duckdb")
    by_setting = pipeline_to("duckdb", destination__duckdb__credentials=wanted)
    assert describe(by_setting) == f"DuckDB file {wanted}"
    by_name = pipeline_to("wanted.duckdb", destination__duckdb__credentials=other)
    assert describe(by_name) == f"DuckDB file {wanted}"


def test_duckdb_is_tuned_and_the_user_wins() -> None:
    """Loads have bounded memory by default; what the user sets stays as it is."""
    setting = '{"memory_limit": "3GiB", "threads": 2}'
    pipeline = pipeline_to("duckdb", destination__duckdb__credentials__global_config=setting)
    with pipeline.sql_client() as client:
        found = client.execute_sql(
            "SELECT current_setting('memory_limit'), current_setting('threads'),"
            " current_setting('preserve_insertion_order'),"
            " current_setting('enable_external_file_cache'),"
            " current_setting('allocator_background_threads')"
        )
    assert found == [("3.0 GiB", 2, False, False, True)]


def test_duckdb_writes_a_load_to_its_file_at_once(tmp_path: Path) -> None:
    """Its log does not grow to a gigabyte before, unless the user says so."""
    asked = "SELECT current_setting('checkpoint_threshold')"
    with duckdb.connect() as plain:
        usual = plain.execute(asked).fetchall()
    name = str(tmp_path / "usual.duckdb")
    with pipeline_to(name).sql_client() as client:
        assert client.execute_sql(asked) == usual
    other = str(tmp_path / "other.duckdb")
    setting = '{"checkpoint_threshold": "2GiB"}'
    settings = {"destination__duckdb__credentials__global_config": setting}
    with pipeline_to(other, **settings).sql_client() as client:
        assert client.execute_sql(asked) == [("2.0 GiB",)]


def test_clients_share_a_file(tmp_path: Path) -> None:
    """DuckDB may refuse a file that is opened while another connection to it is closed."""
    pipeline = pipeline_to(str(tmp_path / "shared.duckdb"))
    credentials = [pipeline.destination_client().config.credentials for _ in range(2)]
    assert credentials[0].conn_pool is credentials[1].conn_pool


def test_memory_grows_for_what_needs_it(tmp_path: Path) -> None:
    """Rows are added in little memory; a merge of a wide table takes more, unless limited."""
    wide = [{"id": 1} | {f"c{number}": number for number in range(60)}]
    most = "SELECT current_setting('memory_limit')"
    for name, setting, disposition, expected in (
        ("added", None, "append", "200.0 MiB"),
        ("merged", None, "merge", "2.0 GiB"),
        ("limited", '{"memory_limit": "300MiB"}', "merge", "300.0 MiB"),
    ):
        named = {"destination__duckdb__credentials__global_config": setting} if setting else {}
        pipeline = pipeline_to(str(tmp_path / f"{name}.duckdb"), **named)
        pipeline.run(wide, table_name="wide", write_disposition=disposition, primary_key="id")
        with pipeline.sql_client() as client:
            assert client.execute_sql(most) == [(expected,)]


def test_no_load_leaves_its_rows_in_memory(tmp_path: Path) -> None:
    """From one load to the next DuckDB keeps no rows in memory, and its limit is as before.

    DuckDB shows limits rounded down: what it shows is not what was set.
    """
    used = "SELECT sum(memory_usage_bytes) < 9 * 1024**2 FROM duckdb_memory()"
    limit = "SELECT current_setting('memory_limit')"
    setting = {"destination__duckdb__credentials__global_config": '{"memory_limit": "1500MB"}'}
    pipeline = pipeline_to(str(tmp_path / "loads.duckdb"), **setting)
    with pipeline.sql_client() as client:
        for number in range(3):
            texts = pa.array([os.urandom(1500).hex() for _ in range(5_000)])
            pipeline.run(pa.table({"text": texts}), table_name="long")
            assert client.execute_sql(used) == [(True,)], f"after load {number}"
        assert client.execute_sql(limit) == [("1.3 GiB",)]
        assert client.execute_sql("SELECT count(*) FROM hubspot.long") == [(15_000,)]


def test_blocks_are_joined_by_loads_that_replace_rows(tmp_path: Path) -> None:
    """What a merge leaves of blocks becomes fewer blocks; added rows stay as they are.

    To join the blocks that loads add would take as much memory as another load.
    """
    blocks = "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('hubspot.rows')"
    pipeline = pipeline_to(str(tmp_path / "blocks.duckdb"))
    found = []
    for first, step, disposition in ((0, 1, "append"), (1, 10**6, "append"), (0, 2, "merge")):
        ids = pa.array(range(first, 130_000, step))
        pipeline.run(
            pa.table({"id": ids}),
            table_name="rows",
            write_disposition=disposition,
            primary_key="id",
        )
        with pipeline.sql_client() as client:
            found.append(client.execute_sql(blocks))
    assert found == [[(2,)], [(3,)], [(2,)]]


def test_check_leaves_a_file_as_it_is(tmp_path: Path) -> None:
    """Checking an existing file adds no table to it."""
    path = tmp_path / "wanted.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE mine (x INT)").close()
    with open_destination(pipeline_to(str(path))):
        pass
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SHOW ALL TABLES").fetchall()[0][2] == "mine"
        assert len(connection.execute("SHOW ALL TABLES").fetchall()) == 1


def test_what_a_killed_run_put_aside_goes(tmp_path: Path) -> None:
    """What DuckDB wrote to disk for lack of memory is taken away; nothing else beside the file."""
    for name, kept in (("wanted.duckdb", []), ("another.duckdb", ["mine.txt"])):
        path, folder = tmp_path / name, tmp_path / f"{name}.tmp"
        duckdb.connect(str(path)).close()
        folder.mkdir()
        for file in ("duckdb_temp_storage_DEFAULT-0.tmp", *kept):
            (folder / file).write_text("left")
        with open_destination(pipeline_to(str(path))):
            assert [file.name for file in folder.glob("*")] == kept
        assert folder.exists() == bool(kept)


def no_database(folder: Path) -> Path:
    """Make a file that DuckDB never wrote."""
    path = folder / "notes.txt.duckdb"
    path.write_text("not a database " * 500)
    return path


def cut_short(folder: Path) -> Path:
    """Make a DuckDB file whose end is missing."""
    path = folder / "cut.duckdb"
    duckdb.connect(str(path)).execute("CREATE TABLE t AS SELECT range r FROM range(100000)").close()
    path.write_bytes(path.read_bytes()[:6000])
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(no_database, "is not a DuckDB database", id="no database"),
        pytest.param(cut_short, "DuckDB file", id="cut short"),
        pytest.param(lambda folder: folder, "is a folder", id="folder"),
        pytest.param(lambda folder: folder / "no" / "x.duckdb", "No such file", id="no folder"),
        pytest.param(lambda _: Path("/proc/x.duckdb"), "No DuckDB file", id="unwritable"),
        pytest.param(lambda _: Path(":memory:"), "memory", id="in memory"),
    ],
)
def test_unusable_duckdb_files(make: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    """A file that cannot be used is a wrong setting; the message names the setting."""
    pipeline = pipeline_to("duckdb", destination__duckdb__credentials=str(make(tmp_path)))
    with pytest.raises(ConfigError) as raised, open_destination(pipeline):
        pass
    assert said in raised.value.message
    assert "DESTINATION__DUCKDB__CREDENTIALS" in raised.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write any file")
def test_read_only_duckdb_file(tmp_path: Path) -> None:
    """A file without write permission is refused before anything is asked of HubSpot."""
    path = tmp_path / "wanted.duckdb"
    duckdb.connect(str(path)).close()
    path.chmod(0o444)
    pipeline = pipeline_to(str(path))
    with pytest.raises(ConfigError, match="read-only"), open_destination(pipeline):
        pass


def test_file_that_another_program_holds(tmp_path: Path) -> None:
    """A locked file may be free later: the error says so and is one to retry."""
    path = tmp_path / "wanted.duckdb"
    pipeline = pipeline_to(str(path))
    refused = pytest.raises(WarehouseError, match=r"Process \d+ .* has the DuckDB file open")
    with held_open(path), refused as raised, open_destination(pipeline):
        pass
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("name", "credentials", "kind", "said"),
    [
        pytest.param("nowhere", None, ConfigError, "There is no destination", id="unknown"),
        pytest.param("lancedb", None, ConfigError, "keeps vectors", id="no merge"),
        pytest.param("dummy", None, ConfigError, "keeps nothing", id="no tables"),
        pytest.param(
            *("sqlalchemy", "sqlite:///crm.sqlite", ConfigError, "has no instants"),
            id="SQLite",
            marks=pytest.mark.skipif(not find_spec("sqlalchemy"), reason="needs dlt[sqlalchemy]"),
        ),
        pytest.param("dlt.destinations.filesystem", None, ConfigError, "plain files", id="Parquet"),
        pytest.param("snowflake", "snowflake://u:p@h/d", ConfigError, "driver", id="no driver"),
        pytest.param("filesystem", None, ConfigError, "driver", id="plain files"),
        pytest.param("postgres", None, ConfigError, "no credentials", id="no credentials"),
        pytest.param("postgres", "://", ConfigError, "settings", id="no connection string"),
        pytest.param(
            "postgres",
            f"postgresql://me:{SECRET}@127.0.0.1:1/db",
            WarehouseError,
            "cannot be reached",
            id="nobody there",
        ),
    ],
)
def test_unusable_destinations(
    name: str, credentials: str | None, kind: type[HubSpotError], said: str
) -> None:
    """Each failure has its class, one line, a remedy, and never the password."""
    given = {f"destination__{name}__credentials": credentials} if credentials else {}
    with pytest.raises(kind) as raised, open_destination(pipeline_to(name, **given)):
        pass
    assert type(raised.value) is kind
    assert said in raised.value.message
    assert "\n" not in str(raised.value)
    assert raised.value.remedy
    assert SECRET not in str(raised.value)
    assert not Path("crm.sqlite").exists()


def test_unknown_destination_lists_the_known_ones() -> None:
    """The remedy for a misspelt name is the list of right ones."""
    with pytest.raises(ConfigError, match=r"duckdb, postgres"):
        make_destination("postgress")


@pytest.mark.parametrize("name", NAMES)
def test_every_known_destination_is_one_of_dlts(name: str) -> None:
    """The catalog names nothing that dlt does not have."""
    assert hasattr(dlt.destinations, name)


def test_catalog_is_complete() -> None:
    """Each of dlt's destinations is either offered or known not to fit."""
    assert set(dlt.destinations.__all__) == {*NAMES, *REFUSED} - {"sqlite"}


@pytest.mark.parametrize("name", [name for name in NAMES if KNOWN[name].extra])
def test_install_hint_names_an_extra(name: str) -> None:
    """The command for a driver names our extra where there is one, dlt's otherwise."""
    extra = KNOWN[name].extra
    whose = "hubspot-elt" if extra in OUR_EXTRAS else "dlt"
    assert f"pip install '{whose}[{extra}]'" in install_hint(name)


@pytest.mark.parametrize(
    ("name", "kept"), [("duckdb", True), ("x.duckdb", True), ("postgres", False)]
)
def test_who_keeps_nul_characters(name: str, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """Only DuckDB and its kin hold NUL in text."""
    assert keeps_nul(name) is kept


@pytest.mark.parametrize("file", ["wanted.duckdb", "hubspot.duckdb", "Hubspot.v2.duckdb"])
def test_merge_of_arrow_tables(tmp_path: Path, file: str) -> None:
    """Typed Arrow tables merge without doubles, also where file and dataset share a name."""
    pipeline = pipeline_to(str(tmp_path / file))
    for first, last in ((0, 1000), (500, 1500)):
        ids = range(first, last)
        rows = pa.table(
            {
                "id": pa.array([str(i) for i in ids]),
                "name": pa.array([f"Zoë 🙂\n{i}" for i in ids]),
                "seen_at": pa.array([i * 10**6 for i in ids], pa.timestamp("us", tz="UTC")),
                "nothing": pa.array([None for _ in ids], pa.string()),
            },
            schema=pa.schema(
                [
                    pa.field("id", pa.string(), nullable=False),
                    pa.field("name", pa.string()),
                    pa.field("seen_at", pa.timestamp("us", tz="UTC")),
                    pa.field("nothing", pa.string()),
                ]
            ),
        )
        pipeline.run([rows], table_name="people", primary_key="id", write_disposition="merge")
    with pipeline.sql_client() as client:
        found = client.execute_sql(
            "SELECT count(*), count(DISTINCT id), count(nothing), epoch_ms(max(seen_at))"
            " FROM people"
        )
        name = client.execute_sql("SELECT name FROM people WHERE id = '7'")
    assert found == [(1500, 1500, 0, 1_499_000)]
    assert name == [("Zoë 🙂\n7",)]


def test_table_without_rows(tmp_path: Path) -> None:
    """A table that is replaced by nothing is empty."""
    pipeline = pipeline_to(str(tmp_path / "wanted.duckdb"))
    people = pa.table({"id": ["1"]})
    for rows in (people, people.slice(1)):
        pipeline.run([rows], table_name="people", write_disposition="replace")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*) FROM people") == [(0,)]


def test_rows_of_long_texts(tmp_path: Path) -> None:
    """Rows that take more than DuckDB's usual memory, as mails do, are merged."""
    pipeline = pipeline_to(str(tmp_path / "wanted.duckdb"))
    rows = [{"id": str(at), "html": f"{at:06}{'x' * 60_000}"} for at in range(2_048)]
    mails = pa.Table.from_pylist(rows)
    pipeline.run([mails], table_name="mails", primary_key="id", write_disposition="merge")
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT count(*), min(len(html)) FROM mails")
    assert found == [(2_048, 60_006)]
