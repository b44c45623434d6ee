"""Destinations as data: which extra installs each, and whether the tests load into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

OUR_EXTRAS = frozenset(
    {
        "postgres",
        "snowflake",
        "bigquery",
        "redshift",
        "databricks",
        "clickhouse",
        "motherduck",
        "lake",
    }
)


Lock = Literal["file", "advisory", "get_lock", "lease", "none"]
LOCKS: dict[Lock, str] = {
    "file": "a lock next to the file",
    "advisory": "an advisory lock",
    "get_lock": "`GET_LOCK`",
    "lease": "a lease in `_hs_lock`",
    "none": "nothing: let one machine alone sync it",
}
"""In words."""


Tier = Literal["tested", "command", "checked", "dlt"]
TIERS: dict[Tier, str] = {
    "tested": "tested",
    "command": "tested by a command",
    "checked": "SQL checked",
    "dlt": "not tested here",
}
"""In words."""


@dataclass(frozen=True, slots=True)
class Known:
    """One destination: how to install it, how it is supported."""

    extra: str | None = None
    """The extra, of ours or of dlt's, that installs its driver; None where it comes along."""
    tier: Tier = "dlt"
    """How far it is supported."""
    note: str = ""
    example: str = ""
    """A value of its credentials."""
    lock: Lock = "none"
    """What keeps two machines from writing one dataset at once."""
    files: Literal["parquet"] | None = None
    """What is loaded, where dlt would take slower files by itself."""

    @property
    def support(self) -> str:
        """How far it is supported, in words."""
        return TIERS[self.tier]


KNOWN: dict[str, Known] = {
    "duckdb": Known(
        tier="tested", note="the default; a file", example="warehouse.duckdb", lock="file"
    ),
    "postgres": Known(
        "postgres",
        tier="tested",
        example="postgresql://user:password@host:5432/database",
        lock="advisory",
    ),
    "motherduck": Known("motherduck", example="md:database?motherduck_token=...", lock="lease"),
    "snowflake": Known("snowflake", tier="checked", lock="lease", files="parquet"),
    "bigquery": Known("bigquery", tier="checked", lock="lease", files="parquet"),
    "redshift": Known(
        "redshift",
        tier="checked",
        example="postgresql://user:password@host:5439/database",
        lock="lease",
    ),
    "databricks": Known("databricks", tier="checked", lock="lease"),
    "clickhouse": Known("clickhouse"),
    "ducklake": Known("ducklake", lock="advisory"),
    "filesystem": Known(
        "lake", note="Delta or Iceberg tables; plain Parquet files cannot be merged"
    ),
    "athena": Known("athena"),
    "mssql": Known("mssql", lock="lease"),
    "synapse": Known("synapse", lock="lease"),
    "fabric": Known("fabric", lock="lease"),
    "dremio": Known("dremio"),
    "sqlalchemy": Known(
        "sqlalchemy",
        tier="command",
        note="the command tests MariaDB; MySQL and more, not SQLite",
        lock="get_lock",
    ),
}
NAMES = tuple(KNOWN)
_VECTORS = "keeps vectors, not tables whose rows are replaced by key"
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "sqlite": "has no instants: rows that a sync has written are read back as others",
        "destination": "hands rows on and keeps no tables",
        "dummy": "keeps nothing",
        **dict.fromkeys(("lance", "lancedb", "qdrant", "weaviate"), _VECTORS),
    }
)
"""By what `rights.kind_of` calls them, destinations in which a sync cannot work, and why."""


def support_of(name: str, lock: Lock) -> str:
    """Return how far a destination is supported, and what is to be known of it.

    Args:
        name: of the destination, or a DuckDB file.
        lock: what keeps two machines from writing a dataset of it at once.
    """
    known = KNOWN.get("duckdb" if name.endswith(".duckdb") else name, Known())
    apart = f"two machines are kept apart by {LOCKS[lock]}" if lock == "none" else ""
    return "; ".join(filter(None, (known.support, known.note, apart)))


def install_hint(name: str) -> str:
    """Return the commands that install a destination's driver."""
    extra = KNOWN[name].extra if name in KNOWN else name
    if extra is None:
        return "pip install hubspot-elt"
    if extra in OUR_EXTRAS:
        return f"uv sync --extra {extra}, or pip install 'hubspot-elt[{extra}]'"
    return f"uv pip install 'dlt[{extra}]', or pip install 'dlt[{extra}]'"
