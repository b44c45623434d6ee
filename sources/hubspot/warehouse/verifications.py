"""The columns of `_hs_verifications`, what was compared and found, per run and table."""

import pyarrow as pa

KINDS = ("missing", "extra", "stale", "wrong")
"""What may be wrong with a row."""
_TIMESTAMP = pa.timestamp("us", tz="UTC")
RESULTS: pa.Schema = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("verified_at", _TIMESTAMP),
        pa.field("as_of", _TIMESTAMP),
        pa.field("result", pa.string()),
        pa.field("portal", pa.int64()),
        pa.field("counted", pa.int64()),
        pa.field("used", pa.int64()),
        pa.field("warehouse", pa.int64()),
        *(pa.field(kind, pa.int64()) for kind in KINDS),
        pa.field("compared", pa.int64()),
        pa.field("repaired", pa.int64()),
        pa.field("calls", pa.int64()),
        pa.field("ids", pa.string()),
        pa.field("error", pa.string()),
    ]
)
