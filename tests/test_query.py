"""`hubspot-elt query` reads, and nothing else: no statement gets out of the dataset."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg2
import pytest

from destinations.proofs import prove_parsed
from destinations.readers import Reader, open_reader
from pipelines.query import query
from sources.hubspot.errors import ConfigError

FILE = "escapes.duckdb"
OUT = "escaped.txt"

READS_DUCKDB = [
    "select id, amount from deals order by id",
    "from deals",
    "table deals",
    "values (1), (2)",
    "with rich as (select * from deals where amount > 1) select count(*) from rich",
    "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) from n",
    "explain select * from deals",
    "explain analyze select * from deals",
    "describe deals",
    "summarize deals",
    "show tables",
    "select * exclude (name) from deals",
    "pivot deals on name in ('a', 'b') using sum(amount)",
    "unpivot deals on amount into name what value how",
    "select unnest([1, 2]), i from range(3) t(i)",
    "select $$one; two$$ as text",
    "select ';' as text -- ; drop table deals",
    "select * from duckdb_columns() where table_name = 'deals'",
    "select '%' as percent, 5 % 3 as rest",
    "select random() >= 0 as yes;",
]
ESCAPES_DUCKDB = [
    # writing the dataset
    "delete from deals",
    "drop table deals",
    "update deals set amount = 0",
    "insert into deals select * from deals",
    "insert into deals values ('9', 'x', 1) returning *",
    "create table stolen as select * from deals",
    "create temp table stolen as select * from deals",
    "alter table deals rename to gone",
    "truncate deals",
    "with gone as (delete from deals returning *) select * from gone",
    "explain analyze delete from deals",
    "select nextval('numbers')",
    "vacuum",
    "checkpoint",
    "from checkpoint()",
    "from force_checkpoint()",
    # a second statement
    "select 1; delete from deals",
    "select $$ $$; delete from deals; select $$ $$",
    "select 1 /* ; */; drop table deals",
    "select $a$ ' $a$; delete from deals --'",
    "begin; delete from deals; commit",
    # writing files
    f"copy deals to '{OUT}'",
    f"copy (select * from deals) to '{OUT}'",
    f"explain analyze copy (select 1) to '{OUT}'",
    f"explain /* */ analyze copy (select 1) to '{OUT}'",
    f"EXPLAIN\nANALYZE\nCOPY (SELECT 1) TO '{OUT}'",
    f"export database '{OUT}'",
    f"attach '{OUT}' as other",
    f"from enable_logging(storage = 'file', storage_path = '{OUT}')",
    f"select (select count(*) from \"ENABLE_LOGGING\"(storage := 'file', storage_path := '{OUT}'))",
    f"describe select * from enable_profiling(save_location = '{OUT}')",
    f"call enable_logging(storage = 'file', storage_path = '{OUT}')",
    # reading files
    "select * from read_text('.dlt/secrets.toml')",
    "select * from READ_TEXT('.dlt/secrets.toml')",
    "select * from \"read_blob\"('.dlt/secrets.toml')",
    "select * from main.read_csv('/etc/passwd')",
    "select * from read_csv_auto('/etc/passwd')",
    "select * from read_json('/etc/passwd')",
    "select * from parquet_metadata('/etc/passwd')",
    "select * from '.dlt/secrets.toml'",
    "select * from 'secrets.csv'",
    "select * from sniff_csv('/etc/passwd')",
    "select * from glob('/etc/*')",
    "select (select content from read_text('.dlt/secrets.toml'))",
    "with t as (from read_text('.dlt/secrets.toml')) from t",
    "summarize select * from read_text('.dlt/secrets.toml')",
    "select * from query('select * from read_text(''.dlt/secrets.toml'')')",
    "from json_execute_serialized_sql(json_serialize_sql('from read_text(''.dlt/secrets.toml'')'))",
    "select * from deals, lateral (from read_text('.dlt/secrets.toml'))",
    "select * from read_duckdb('other.duckdb')",
    # the program around it
    "select * from HIDDEN",
    "select getenv('HOME')",
    "from duckdb_secrets()",
    "from which_secret('s3://x', 's3')",
    "from pandas_scan(1)",
    # settings and extensions
    "set enable_external_access = true",
    "set lock_configuration = false",
    "reset enable_external_access",
    "pragma enable_external_access",
    "install httpfs",
    "load httpfs",
    "use memory",
    "prepare p as delete from deals",
    "execute p",
    "call pragma_version()",
    "select write_log('x')",
    "select setseed(0.5)",
]
HIDDEN = "a variable of the program, which a statement must not see as a table"


@pytest.fixture
def dataset() -> str:
    """A DuckDB dataset of three deals, beside files of secrets."""
    with duckdb.connect(FILE) as connection:
        connection.execute("CREATE SCHEMA hubspot; USE hubspot; CREATE SEQUENCE numbers")
        connection.execute(
            "CREATE TABLE deals AS SELECT i::TEXT AS id, 'a' AS name, i AS amount"
            " FROM range(3) t(i)"
        )
    Path(".dlt").mkdir()
    Path(".dlt/secrets.toml").write_text("access_token = 'pat-secret'")
    Path("secrets.csv").write_text("token\npat-secret\n")
    return FILE


@pytest.fixture
def file(dataset: str) -> Iterator[Reader]:
    """The DuckDB dataset, open for reading."""
    with open_reader(dataset, "hubspot") as reader:
        yield reader


def test_reading_statements_run_on_duckdb(file: Reader) -> None:
    """Whatever only reads the dataset is answered, in every form that DuckDB has for it."""
    for sql in READS_DUCKDB:
        assert file.ask_proven(sql).rows, sql


def test_no_statement_gets_out_of_a_duckdb_file(file: Reader) -> None:
    """A statement that writes, reads a file or changes a setting is refused and changes nothing."""
    for sql in ESCAPES_DUCKDB:
        with pytest.raises(ConfigError):
            file.ask_proven(sql)
        with pytest.raises(ConfigError):
            file.ask_proven(f"-- a comment\n{sql}")
        assert file.ask("select count(*), sum(amount) from deals").rows == [(3, 3)], sql
        assert not Path(OUT).exists(), sql
        assert sorted(path.name for path in Path().iterdir()) == [".dlt", FILE, "secrets.csv"], sql


def test_the_connection_alone_keeps_files_and_settings_closed(file: Reader) -> None:
    """Were a statement taken for a reading one by mistake, the connection still refuses it."""
    for sql in (
        "delete from deals",
        "from read_text('.dlt/secrets.toml')",
        f"copy deals to '{OUT}'",
        "set enable_external_access = true",
        f"attach '{OUT}' as other",
    ):
        with pytest.raises(ConfigError):
            file.ask(sql)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("select 1; select 2", "more than one"),
        ("delete from deals", "no statement that reads"),
        ("select count(* from deals", "syntax"),
        ("from read_text('x')", "read_text"),
        ("select owner from deals", "owner"),
    ],
)
def test_a_refusal_names_its_reason(dataset: str, sql: str, named: str) -> None:
    """The error of a refused statement says which part is the reason."""
    with pytest.raises(ConfigError, match=named.replace("(", r"\(")):
        query(sql, destination=dataset)


READS_POSTGRES = [
    "select id, amount from deals order by id",
    "table deals",
    "values (1), (2)",
    "(select 1) union all (select 2)",
    "with rich as (select * from deals where amount > 1) select count(*) from rich",
    "explain select * from deals",
    "explain analyze select * from deals",
    "show search_path",
    "show transaction_isolation;",
    "select now(), random(), '%' as percent, 5 % 3 as rest",
    "/* a /* nested */ comment */ -- and a line\n select 1",
    "select $a$one; two$a$ as text",
    "select * from generate_series(1, 3)",
    "select 'pg_read_file is a name' as text",
    "select table_name from information_schema.tables",
    "select current_setting('transaction_read_only')",
]
ESCAPES_POSTGRES = [
    # writing the dataset
    "delete from deals",
    "drop table deals",
    "update deals set amount = 0 returning *",
    "create table stolen as select * from deals",
    "select * into stolen from deals",
    "truncate deals",
    "with gone as (delete from deals returning *) select * from gone",
    "explain analyze delete from deals",
    "explain (analyze) delete from deals",
    "select nextval('numbers')",
    "select setval('numbers', 100)",
    "select * from deals for update",
    "lock table deals",
    # a second statement, a way out of the transaction
    "select 1; delete from deals",
    "commit; begin; set transaction read write; delete from deals; commit",
    "rollback; delete from deals",
    "select $$ $$; delete from deals; select $$ $$",
    "select E'\\''; delete from deals --'",
    "set transaction read write",
    "set session characteristics as transaction read write",
    "begin",
    "select set_config('transaction_read_only', 'off', true)",
    "select set_config('default_transaction_read_only', 'off', false)",
    "select pg_catalog.set_config('session_authorization', 'postgres', false)",
    "do $$ begin delete from deals; end $$",
    "call wipe()",
    "select wipe_all()",
    'select "wipe_all"()',
    'select U&"wipe\\005fall"()',
    "select * from deals where amount = wipe_all()",
    "select count(*) from deals order by wipe_all()",
    "select * from query_to_xml('delete from deals', true, true, '')",
    # files, programs, other sessions
    "copy deals to '/tmp/escaped-postgres.txt'",
    "copy deals to program 'cat > /tmp/escaped-postgres.txt'",
    "copy deals to stdout",
    "/* a */ copy deals to '/tmp/escaped-postgres.txt'",
    "/* /* */ select 1 */ copy deals to '/tmp/escaped-postgres.txt'",
    "select pg_read_file('/etc/passwd')",
    "select * from pg_read_file('/etc/passwd')",
    "select length(pg_read_binary_file('/etc/passwd'))",
    "select pg_ls_dir('.')",
    "select (pg_stat_file('/etc/passwd')).size",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/escaped-postgres.txt')",
    "select * from pg_hba_file_rules",
    "select pg_notify('channel', 'text')",
    "select pg_terminate_backend(pg_backend_pid())",
    "select pg_advisory_lock(1)",
    "select pg_sleep(60)",
    "select pg_reload_conf()",
    "select pg_logical_emit_message(false, 'a', 'b')",
    "notify channel",
    "listen channel",
    "load 'auto_explain'",
    "prepare p as delete from deals",
    "execute p",
    "vacuum",
    "discard all",
    "reset all",
]


@pytest.fixture
def postgres(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A PostgreSQL dataset of three deals, open for reading with the rights of its owner."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", server_uri)
    with closing(psycopg2.connect(server_uri)) as database, database.cursor() as cursor:
        cursor.execute(
            "DROP SCHEMA IF EXISTS escapes CASCADE; CREATE SCHEMA escapes;"
            " SET search_path TO escapes; CREATE SEQUENCE numbers;"
            " CREATE TABLE deals AS SELECT i::text AS id, 'a' AS name, i AS amount"
            " FROM generate_series(0, 2) t(i);"
            " CREATE PROCEDURE wipe() LANGUAGE sql AS 'DELETE FROM escapes.deals';"
            " CREATE FUNCTION wipe_all() RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN DELETE FROM escapes.deals; RETURN 1; END $$"
        )
        database.commit()
    with open_reader("postgres", "escapes") as reader:
        yield reader


def test_reading_statements_run_on_postgres(postgres: Reader) -> None:
    """Whatever only reads the dataset is answered, in every form that PostgreSQL has for it."""
    for sql in READS_POSTGRES:
        assert postgres.ask_proven(sql).rows, sql


def test_no_statement_gets_out_of_a_postgres_schema(postgres: Reader, server_uri: str) -> None:
    """Even its owner's rights let no statement write, leave the transaction or touch a file."""
    for sql in ESCAPES_POSTGRES:
        with pytest.raises(ConfigError):
            postgres.ask_proven(sql)
        answer = postgres.ask("select count(*), sum(amount), current_user from deals").rows
        assert answer == [(3, 3, "postgres")], sql
    assert not Path("/tmp/escaped-postgres.txt").exists()  # noqa: S108 - where the server would write
    with closing(psycopg2.connect(server_uri)) as database, database.cursor() as cursor:
        cursor.execute("SELECT last_value, is_called FROM escapes.numbers")
        assert cursor.fetchall() == [(1, False)]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from deals",
        "select 1; delete from deals",
        "create table a as select 1",
        "insert into deals select 1",
        "merge into deals using a on true when matched then delete",
        "select * into stolen from deals",
        "call wipe()",
        "begin",
        "grant select on deals to public",
        "export data options (uri = 'gs://x') as select 1",
        "",
    ],
)
@pytest.mark.parametrize("dialect", ["snowflake", "bigquery", "redshift", "clickhouse"])
def test_other_databases_get_parsed_queries_only(sql: str, dialect: str) -> None:
    """Where the database's own parser is not at hand, a statement has to parse as one query."""
    prove_parsed("select a, count(*) from deals group by a", dialect)
    with pytest.raises(ConfigError):
        prove_parsed(sql, dialect)


def test_csv_is_safe_to_open(dataset: str) -> None:
    """What a spreadsheet would run as a formula, or a terminal obey, is only text in CSV."""
    report = query(
        "select '=cmd()' as a, '+1' as b, '-1' as c, '@x' as d, -1 as e,"
        " chr(27) || '[2J' as f, chr(9) || 'x' as g, 'plain' as h",
        destination=dataset,
        form="csv",
    )
    assert report.text is not None
    line = report.text.splitlines()[1]
    assert line == "'=cmd(),+1,-1,'@x,-1,\\x1b[2J,'\tx,plain"
