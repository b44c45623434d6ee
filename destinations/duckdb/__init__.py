"""DuckDB: how its file is opened, who may read it, how its tables are written."""
