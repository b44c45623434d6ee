"""What stands in for parts of dlt, and of DuckDB, that compute again what does not change."""
