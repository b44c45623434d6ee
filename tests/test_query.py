"""`hubspot-elt query` reads, and nothing else: no statement gets out of the dataset."""

import json
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import get_args

import duckdb
import psycopg2
import pytest

from destinations.reading.parsed import in_full, prove_parsed
from destinations.reading.readers import (
    Reader,
    SqlReader,
    UnknownTableError,
    client_of,
    open_reader,
)
from pipelines.cli.output.render import render
from pipelines.commands.query import Format, query
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
    "-- why\nexplain select * from deals",
    "/* why */ explain analyze select * from deals; -- and why not",
    "explain (format json) select 1",
    "explain (select 1)",
    "; select 1",
    "select id from (describe deals) d, deals",
    "show databases",
    "select * from honest where twice(amount) > 0",
    "select 1 union all by name select name from pg_catalog.pg_prepared_statements",
    "select * from sqlite_master, information_schema.tables",
    "from deals positional join range(3)",
    "select list_transform([amount], lambda x: x + 1) from deals qualify rank() over () = 1",
]
ESCAPES_DUCKDB = [
    # what a view or a macro of the file hides
    "from logs",
    "select count(*) from logs",
    "explain from logs",
    "summarize logs",
    "with t as (from logs) from t",
    "select 1 where exists (from logs)",
    "select log_it()",
    "select log_it() from deals",
    "from deals order by log_it()",
    "from reads",
    "from numbered",
    "from profiles",
    # places of table functions
    "pivot (from read_text('secrets.csv')) on content in ('a') using count(*)",
    "unpivot read_csv('secrets.csv') on token into name a value b",
    "from deals positional join read_text('secrets.csv')",
    "from deals limit (select count(*) from glob('/etc/*'))",
    "select sum(amount) filter (where (select count(*) from glob('/etc/*')) > 0) from deals",
    "select list_transform([1], x -> (select count(*) from glob('*')))",
    "values ((select content from read_text('secrets.csv')))",
    "describe from read_csv('secrets.csv')",
    "from query_table('secrets.csv')",
    "from\u00a0read_text('secrets.csv')",
    "from system.main.read_text('secrets.csv')",
    "from json_each((select content from read_text('secrets.csv')))",
    # forms of EXPLAIN
    "explain (analyze) delete from deals",
    "explain (analyze, format json) copy deals to 'escaped.txt'",
    "explain analyze explain analyze delete from deals",
    "explain analyze create or replace table deals as select 1",
    "explain select 1; delete from deals",
    "/* /* */ */ explain analyze copy deals to 'escaped.txt'",
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
        connection.execute(
            "CREATE MACRO twice(x) AS 2 * x; CREATE VIEW honest AS FROM deals;"
            f" CREATE VIEW logs AS FROM enable_logging(storage = 'file', storage_path = '{OUT}');"
            f" CREATE VIEW profiles AS FROM enable_profiling(save_location = '{OUT}');"
            " CREATE VIEW numbered AS SELECT nextval('numbers');"
            " CREATE MACRO log_it() AS (SELECT count(*) FROM enable_logging())"
        )
    Path(".dlt").mkdir()
    Path(".dlt/secrets.toml").write_text("access_token = 'pat-secret'")
    Path("secrets.csv").write_text("token\npat-secret\n")
    with duckdb.connect(FILE) as connection:
        connection.execute("CREATE VIEW hubspot.reads AS FROM read_text('secrets.csv')")
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
    for at, sql in enumerate(ESCAPES_DUCKDB):
        with pytest.raises(ConfigError):
            file.ask_proven(f"-- a comment\n{sql}" if at % 5 == 0 else sql)
        assert not Path(OUT).exists(), sql
        assert sorted(path.name for path in Path().iterdir()) == [".dlt", FILE, "secrets.csv"], sql
    assert file.ask("select count(*), sum(amount) from deals").rows == [(3, 3)]


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
        ("delete from deals", "not a statement that only reads"),
        ("select count(* from deals", "syntax"),
        ("from read_text('x')", "read_text"),
        ("select owner from deals", "owner"),
    ],
)
def test_a_refusal_names_its_reason(dataset: str, sql: str, named: str) -> None:
    """The error of a refused statement says which part is the reason."""
    with pytest.raises(ConfigError, match=named.replace("(", r"\(")):
        query(sql, destination=dataset)


def test_a_misspelt_name_comes_with_the_one_that_was_meant(dataset: str) -> None:
    """What the database takes a wrong name to mean is part of the remedy."""
    for sql, meant in (
        ("from dealz", 'Did you mean "deals"? '),
        ("select amoun from deals", "Candidate bindings: "),
    ):
        with pytest.raises(ConfigError) as refused:
            query(sql, destination=dataset)
        assert refused.value.remedy.startswith(meant)


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
    "; select 1 -- and no more",
    "-- why\nexplain (analyze, buffers) select * from deals",
    "explain analyze verbose select 1",
    "explain (costs off) (select 1)",
    "select * from deals where name not in ('pg_sleep(1)', 'nextval(', 'risky')",
    "select pg_size_pretty(pg_total_relation_size('deals'))",
    "select count(*) from deals tablesample system (100)",
    "select * from pg_stat_activity, pg_locks, information_schema.columns limit 1",
    "select a.id, b.id, row_to_json(a) from deals a join deals b using (id)",
    "select twice(amount) from honest",
]
ESCAPES_POSTGRES = [
    # functions whose label says that they only read, and what calls one without its name
    *(f"select {label}_one()" for label in ("stable", "immutable")),
    'select "Immutable_ONE"(), escapes . "immutable_one" ()',
    "select U&\"!0069mmutable_one\" uescape '!' ()",
    "select * from deals where immutable_one() > 0",
    "select deals.of_row from deals",
    "select in_sql()",
    "select summed(amount) from deals",
    "select summed(amount) over () from deals",
    "select amount === 1 from deals",
    "select amount operator(escapes.===) 1 from deals",
    "select 1::checked",
    "select cast(amount as checked) from deals",
    "select checked '1'",
    "select 1::pair",
    "select * from hiding",
    "select * from hiding_twice",
    "explain select * from hiding",
    # places that no plan shows
    "values (pg_read_file('/etc/passwd')), ('x')",
    "select (values (pg_sleep(0)))",
    "select * from deals limit length(pg_read_file('/etc/passwd'))",
    "select $$ ' $$, pg_sleep(0), $$ ' $$",
    "select e'a'\n'\\'' , pg_sleep(0), e'\\''",
    "select 1 -- '\n, pg_sleep(0) -- '",
    "select 1 /* ' */, pg_sleep(0) /* ' */",
    "select * from rows from (pg_ls_dir('.'), generate_series(1, 2)) t",
    "select * from pg_file_settings",
    # forms of EXPLAIN
    "explain analyze select 1 into stolen",
    "explain analyze create table stolen as select 1",
    "explain (analyze, buffers) delete from deals",
    "explain analyze with gone as (delete from deals returning *) select * from gone",
    "explain analyze verbose delete from deals",
    "explain (select pg_sleep(0))",
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


RISKY = """
CREATE FUNCTION stable_one() RETURNS int LANGUAGE plpgsql STABLE SECURITY DEFINER AS
    $$ BEGIN PERFORM pg_read_file('/etc/passwd'); RETURN 1; END $$;
CREATE FUNCTION immutable_one() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN COPY (SELECT 1) TO '/tmp/escaped-postgres.txt'; RETURN 1; END $$;
CREATE FUNCTION "Immutable_ONE"() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN immutable_one(); END $$;
CREATE FUNCTION of_row(deals) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN immutable_one(); END $$;
CREATE FUNCTION in_sql() RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT pg_read_file('/etc/passwd') $$;
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS $$ SELECT 2 * $1 $$;
CREATE FUNCTION risky(int, int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN RETURN immutable_one(); END $$;
CREATE AGGREGATE summed(int) (sfunc = risky, stype = int, initcond = '0');
CREATE OPERATOR === (leftarg = int, rightarg = int, function = risky);
CREATE DOMAIN checked AS int CHECK (risky(value, 1) = 1);
CREATE TYPE pair AS (a int);
CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE plpgsql AS
    $$ BEGIN PERFORM immutable_one(); RETURN row(1)::pair; END $$;
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
CREATE VIEW honest AS SELECT * FROM deals;
CREATE VIEW hiding AS SELECT amount === 1 AS a FROM deals;
CREATE VIEW hiding_twice AS SELECT * FROM hiding;
"""
"""What somebody may have made in a database: labels that are wrong, and calls that are hidden."""


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
        cursor.execute(RISKY)
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


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("select * from deals into outfile '/tmp/x'", "mysql"),
        ("select id into @x from deals", "mysql"),
        ("select load_file('/etc/passwd')", "mysql"),
        ("select sleep(10)", "mysql"),
        ("select * from deals for update", "mysql"),
        ("set session transaction read write", "mysql"),
        ("select system$wait(10)", "snowflake"),
        ("select * from url('http://example.com', 'CSV', 'a String')", "clickhouse"),
        ("select pg_terminate_backend(1)", "redshift"),
    ],
)
def test_other_databases_get_nothing_that_does_more(sql: str, dialect: str) -> None:
    """A query calls nothing that reads files or other servers, or holds up the session."""
    with pytest.raises(ConfigError):
        prove_parsed(sql, dialect)


def test_what_runs_is_what_was_parsed() -> None:
    """What the parser takes for a comment is not sent: MySQL runs some of these."""
    query = prove_parsed("select id /*! into outfile '/tmp/x' */ from deals -- why", "mysql")
    assert in_full(query, "mysql", "`d`.`{}`".format) == "SELECT id FROM `d`.`deals` AS deals"


@pytest.mark.parametrize(
    ("sql", "dialect", "full"),
    [
        (
            "select deals.id from Deals join d2.deals as b on b.id = deals.id",
            "snowflake",
            "SELECT deals.id FROM <DEALS> AS Deals JOIN d2.deals AS b ON b.id = deals.id",
        ),
        (
            "with own as (select * from deals) select * from OWN join `owners` on true",
            "bigquery",
            (
                "WITH own AS (SELECT * FROM <deals> AS deals) SELECT * FROM OWN"
                " JOIN <owners> AS `owners` ON TRUE"
            ),
        ),
        (
            "select top 3 * from [deals] where 1 in (select id from owners)",
            "tsql",
            "SELECT TOP 3 * FROM <deals> AS [deals] WHERE 1 IN (SELECT id FROM <owners> AS owners)",
        ),
        ("describe deals", "mysql", "DESCRIBE <deals>"),
        ("show tables", "mysql", "SHOW TABLES"),
    ],
)
def test_tables_are_named_in_full_where_no_session_knows_the_dataset(
    sql: str, dialect: str, full: str
) -> None:
    """A name without a schema is a table of the dataset, but for names of the query's own."""
    assert in_full(prove_parsed(sql, dialect), dialect, "<{}>".format) == full


def test_reading_through_dlts_client(postgres: Reader) -> None:
    """What has no reader of its own is asked through dlt, in full names, and as read-only."""
    client = client_of("postgres", "escapes")
    with client.sql_client:
        reader = SqlReader(client, "postgres")
        assert reader.columns(["deals", "owners"]) == {"deals": {"id", "name", "amount"}}
        assert reader.ask("SELECT count(*) FROM deals").rows == [(3,)]
        answer = reader.ask_proven("select deals.id, '5 %' as text from deals order by id limit 1")
        assert (answer.columns, answer.rows) == (["id", "text"], [("0", "5 %")])
        for sql in (
            "delete from deals",
            "select 1; drop table deals",
            "select id into x from deals",
        ):
            with pytest.raises(ConfigError):
                reader.ask_proven(sql)
        with pytest.raises(UnknownTableError, match=r'"escapes\.owners" does not exist'):
            reader.ask_proven("select * from owners")
        with pytest.raises(ConfigError, match=r"column deals\.nothing does not exist"):
            reader.ask_proven("select deals.nothing from deals")
    assert postgres.ask("select count(*) from deals").rows == [(3,)]


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


def test_no_form_of_an_answer_steers_a_terminal(dataset: str) -> None:
    """Control characters in values, in lists and in names of columns are written as text."""
    sql = "select chr(155) || '2J' as a, ['\x9b2J'] as b, '\uff1dcmd()' as c, 1 as \"\x1b[2J\""
    for form in get_args(Format):
        report, out = query(sql, destination=dataset, form=form), StringIO()
        render(report, "text", stdout=out, stderr=out)
        assert not {"\x1b", "\x9b"} & {*out.getvalue()}, form
        assert form != "json" or json.loads(out.getvalue())[0]["a"] == "\x9b2J"
        assert form != "csv" or "'\uff1dcmd()" in out.getvalue()
