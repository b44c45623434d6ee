"""fakesnow as a stand-in for Snowflake: what dlt sends and fakesnow does not take is put right.

Usage: fakesnow_server.py PORT
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

import fakesnow.arrow
import fakesnow.server
import pyarrow as pa
import sqlglot
import uvicorn
from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot.tokens import TokenType

_execute = FakeSnowflakeCursor.execute
_parse_one = fakesnow.server.parse_one
_instants = fakesnow.arrow.timestamp_to_sf_struct
UNKNOWN = {"BINARY_AS_TEXT", "USE_LOGICAL_TYPE", "BINARY_FORMAT"}


def statements(sql: str) -> list[str]:
    """Divide what dlt sends at once; PUT and COPY, which come alone, are none of sqlglot's."""
    if sql.lstrip()[:4].upper() in {"PUT ", "COPY"}:
        return [sql]
    return [part for part in _parts(sql) if part.strip()]


def _parts(sql: str) -> Iterator[str]:
    begin = 0
    for token in sqlglot.tokenize(sql, read="snowflake"):
        if token.token_type is TokenType.SEMICOLON:
            yield sql[begin : token.start]
            begin = token.end + 1
    yield sql[begin:]


def spelt(sql: str) -> str:
    """Write PUT and COPY as fakesnow reads them."""
    kind = sql.lstrip()[:9].upper()
    if kind.startswith("PUT "):
        return re.sub(r"'(@[^']*)'", r"\1", sql)
    if kind != "COPY INTO":
        return sql
    sql = re.sub(r"MATCH_BY_COLUMN_NAME\s*=\s*'(\w+)'", r"MATCH_BY_COLUMN_NAME=\1", sql)
    return re.sub(r"FILE_FORMAT\s*=\s*\(([^)]*)\)", _file_format, sql)


def _file_format(found: re.Match[str]) -> str:
    options = [one.strip() for one in found[1].split(",")]
    known = [one for one in options if one.split("=")[0].strip().upper() not in UNKNOWN]
    return f"FILE_FORMAT = ({' '.join(known)})"


def execute(cursor: FakeSnowflakeCursor, command: Any, *args: Any, **options: Any) -> Any:
    """Run statements one by one; the answer is the last one's."""
    if not isinstance(command, str):
        return _execute(cursor, command, *args, **options)
    found = None
    for one in statements(command):
        found = _execute(cursor, spelt(one), *args, **options)
    return found


def parse_one(sql: str) -> Any:
    """Parse the last of some statements."""
    return _parse_one(statements(sql)[-1])


def instants(found: Any) -> Any:
    """Return instants as Snowflake's driver reads them; a NULL is not 1970."""
    whole = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    made = _instants(whole)
    fields = [made.type.field(at) for at in range(made.type.num_fields)]
    arrays = [part.fill_null(0) for part in made.flatten()]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=whole.is_null())


if __name__ == "__main__":
    FakeSnowflakeCursor.execute = execute
    fakesnow.server.parse_one = parse_one
    fakesnow.arrow.timestamp_to_sf_struct = instants
    uvicorn.run(fakesnow.server.app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
