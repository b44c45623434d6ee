"""What rows travel in to each destination: the quickest that dlt can load there."""

import pytest
from dlt.common.data_writers.writers import resolve_best_writer_spec
from dlt.common.schema import Schema

from destinations.catalog import NAMES, REFUSED
from destinations.resolve import make_destination

_INSERTED = ("mssql", "redshift", "synapse", "fabric")
"""They take Parquet from a bucket only, or with a driver of ADBC."""
_STAGED = ("athena", "dremio")


@pytest.mark.parametrize("name", sorted({*NAMES} - {*REFUSED, *_STAGED, "filesystem"}))
def test_rows_travel_as_parquet(name: str) -> None:
    """Tables are Parquet from the beginning: where that is loaded, nothing writes them again."""
    if name == "sqlalchemy":
        pytest.importorskip("sqlalchemy")
    able = make_destination(name).capabilities()
    possible, preferred = able.supported_loader_file_formats, able.preferred_loader_file_format
    if able.loader_file_format_selector:
        table = Schema("any").get_table("_dlt_loads")
        preferred, possible = able.loader_file_format_selector(
            preferred, possible, table_schema=table
        )
    chosen = resolve_best_writer_spec("arrow", possible, preferred)
    assert chosen.file_format == ("insert_values" if name in _INSERTED else "parquet")
