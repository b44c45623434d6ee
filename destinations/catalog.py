"""Destinations as data: which extra installs each, and whether the tests load into it."""

from dataclasses import dataclass
from typing import Literal

OUR_EXTRAS = frozenset(
    {"postgres", "snowflake", "bigquery", "redshift", "databricks", "clickhouse", "motherduck"}
)


@dataclass(frozen=True, slots=True)
class Known:
    """One destination: how to install it, how it is supported."""

    extra: str | None = None
    """The extra, of ours or of dlt's, that installs its driver; None where it comes along."""
    proof: Literal["tested", "dlt"] = "dlt"
    """`tested`: the tests load into it; `dlt`: supported by dlt, not tested here."""
    note: str = ""
    example: str = ""
    """A value of its credentials."""

    @property
    def support(self) -> str:
        """How far it is supported, in words."""
        return "tested here" if self.proof == "tested" else "supported by dlt, not tested here"


KNOWN: dict[str, Known] = {
    "duckdb": Known(proof="tested", note="the default; a file", example="warehouse.duckdb"),
    "postgres": Known(
        "postgres", proof="tested", example="postgresql://user:password@host:5432/database"
    ),
    "motherduck": Known("motherduck", example="md:database?motherduck_token=..."),
    "snowflake": Known("snowflake"),
    "bigquery": Known("bigquery"),
    "redshift": Known("redshift", example="postgresql://user:password@host:5439/database"),
    "databricks": Known("databricks"),
    "clickhouse": Known("clickhouse"),
    "ducklake": Known("ducklake"),
    "filesystem": Known("deltalake", note="as Delta tables; plain Parquet files cannot be merged"),
    "athena": Known("athena"),
    "mssql": Known("mssql"),
    "synapse": Known("synapse"),
    "fabric": Known("fabric"),
    "dremio": Known("dremio"),
    "sqlalchemy": Known("sqlalchemy", note="MySQL, MariaDB, SQLite and more"),
}
NAMES = tuple(KNOWN)
UNFIT = frozenset({"destination", "dummy", "lance", "lancedb", "qdrant", "weaviate"})
"""Destinations of dlt's that do not keep tables as a merge leaves them."""


def install_hint(name: str) -> str:
    """Return the commands that install a destination's driver."""
    extra = KNOWN[name].extra if name in KNOWN else name
    if extra is None:
        return "pip install hubspot-elt"
    if extra in OUR_EXTRAS:
        return f"uv sync --extra {extra}, or pip install 'hubspot-elt[{extra}]'"
    return f"uv pip install 'dlt[{extra}]', or pip install 'dlt[{extra}]'"
